//! The evidence of a suspect, each kind with its sentence, its numbers and where to look.

use std::collections::BTreeMap;

use model::{SpanId, TraceId};

use super::Explain;
use crate::answer::Evidence;
use crate::blame::Slowed;
use crate::changes::ChangeKind;
use crate::evidence::latency::Slow;
use crate::evidence::structure::Difference;
use crate::evidence::templates::How;
use crate::frame::Key;
use crate::rank::Candidate;
use crate::votes::{Cause, Given, Place};
use crate::witness::Contrast;

/// Traces that are shown for a suspect.
const EXAMPLES: usize = 3;
/// Keys that are told of a slow service.
const KEYS_MAX: usize = 4;
/// Differences that are told of calls.
const CALLS_MAX: usize = 2;
/// Attribute values, log templates and changes that are told.
const VALUES_MAX: usize = 3;
pub(super) const TEMPLATES_MAX: usize = 3;
const CHANGES_MAX: usize = 2;
/// Times that are less than so many seconds away are told in seconds.
const SECONDS_MAX: f64 = 120.0;

impl Explain<'_> {
    /// What traces say of a cause whose kind something else tells.
    pub(super) fn of_cause(&self, candidate: &Candidate, given: &[Given]) -> Vec<Evidence> {
        match candidate.cause {
            Some(Cause::Slow(service)) => self.of_slowness(service, Slowed::Code),
            Some(Cause::Code(service)) => {
                let of_service = |place: &&Place| self.frame.contexts[place.0 as usize].service == service;
                let places = self.comparison.votes.places.iter();
                let most = places
                    .filter(|(place, _)| of_service(place))
                    .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)));
                most.map_or_else(Vec::new, |(place, _)| self.of_place(service, *place))
            }
            Some(Cause::Gone(_) | Cause::Peer(_)) => self.of_calls(given),
            None => Vec::new(),
        }
    }

    /// What differs about the calls that most votes come from.
    fn of_calls(&self, given: &[Given]) -> Vec<Evidence> {
        let mut contexts: BTreeMap<u32, f64> = BTreeMap::new();
        for given in given {
            *contexts.entry(self.frame.context[given.row as usize]).or_default() += given.part;
        }
        let most = contexts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let Some((context, _)) = most else { return Vec::new() };
        let of_context = |difference: &&Difference| difference.context == context;
        let mut differences: Vec<&Difference> =
            self.comparison.structure.differences.iter().filter(of_context).collect();
        differences.sort_by(|a, b| a.p.total_cmp(&b.p).then(a.pair.cmp(&b.pair)));
        let service = self.frame.contexts[context as usize].service;
        let places = differences.into_iter().take(CALLS_MAX);
        places.flat_map(|difference| self.of_place(service, (context, difference.pair))).collect()
    }

    /// What differs at a place in the code.
    pub(super) fn of_place(&self, service: u32, (context, pair): Place) -> Vec<Evidence> {
        let place = &self.frame.contexts[context as usize];
        let operation = self.frame.name_text(place.name);
        let found = self.comparison.structure.differences.iter().find(|difference| {
            difference.context == context
                && difference.pair.after == pair.after
                && (pair.is_new || difference.pair.before == pair.before)
        });
        let Some(difference) = found else { return Vec::new() };
        let name = |event| crate::rank::event_name(self.frame, event);
        let (before, after) = (name(pair.before), name(pair.after));
        let (before, after) = (self.text(&before), self.text(&after));
        let statement = match pair.is_new {
            true => format!(
                "`{after}` happens in {:.1} % of {:.0} traces with {operation}; usual are {:.1} %",
                difference.now * 100.0,
                difference.spans,
                difference.usual * 100.0
            ),
            false => format!(
                "after `{before}`, `{after}` follows in {:.1} % of {:.0} traces with {operation}; usual are {:.1} %",
                difference.now * 100.0,
                difference.spans,
                difference.usual * 100.0
            ),
        };
        vec![Evidence {
            kind: if pair.is_new { "new_event" } else { "missing_event" }.to_owned(),
            statement,
            value: Some(difference.now),
            expected: Some(difference.usual),
            unit: "1".to_owned(),
            query: Some(self.query_of_place(service, context, pair)),
            href: Some(self.search_page(
                "spans",
                &format!("service:{} name:{}", quoted(self.frame.service_name(service)), quoted(operation)),
            )),
        }]
    }

    /// The grown keys that are blamed on a service, what costs most first.
    pub(super) fn slow_keys(&self, service: u32) -> Vec<(Key, &Slow)> {
        let latency = &self.comparison.latency;
        let of = |key: &u32| self.comparison.blamed.get(key) == Some(&service);
        let mut keys: Vec<(u32, &Slow)> = latency
            .iter()
            .filter(|(key, slow)| slow.grown && of(key))
            .map(|(key, slow)| (*key, slow))
            .collect();
        keys.sort_by(|a, b| b.1.excess.total_cmp(&a.1.excess).then(a.0.cmp(&b.0)));
        keys.into_iter().map(|(key, slow)| (self.frame.keys[key as usize], slow)).collect()
    }

    /// Where a time is from the beginning of the window.
    fn told(&self, time: i64) -> String {
        let seconds = self.from.saturating_sub(time) as f64 / 1e9;
        let where_from = if seconds >= 0.0 { "before" } else { "into" };
        match seconds.abs() {
            few if few < SECONDS_MAX => format!("{few:.0} s {where_from} this window"),
            many => format!("{:.0} min {where_from} this window", many / 60.0),
        }
    }

    pub(super) fn of_slowness(&self, service: u32, kind: Slowed) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        let name = self.frame.services.get(service);
        if let (Slowed::By(resource), Some(name)) = (kind, name)
            && let Some(strain) = self.strains.get(name).and_then(|of| of.get(&resource))
        {
            evidence.push(Evidence {
                kind: "metric".to_owned(),
                statement: format!(
                    "{} of {} is {}; usual is {}{}",
                    strain.metric,
                    if strain.instance.is_empty() { &name.name } else { &strain.instance },
                    number(strain.now),
                    number(strain.usual),
                    strain.since.map_or_else(String::new, |since| {
                        format!("; out of its range from {} on", self.told(since))
                    })
                ),
                value: Some(strain.now),
                expected: Some(strain.usual),
                unit: strain.unit.clone(),
                query: Some(self.query_of_metric(&name.name, strain)),
                href: None,
            });
        }
        for (key, slow) in self.slow_keys(service).into_iter().take(KEYS_MAX) {
            let (own, what) = (self.frame.service_name(key.service()), self.frame.name_text(key.name()));
            let (kind, on) = match key {
                Key::Edge(_, _, callee, _) => {
                    ("edge_time", format!("between {own} `{what}` and {}", self.frame.service_name(callee)))
                }
                Key::Peer(..) => ("peer_time", format!("in calls `{what}` of {own}")),
                Key::Own(..) => ("own_time", format!("in {own} `{what}` itself")),
            };
            evidence.push(Evidence {
                kind: kind.to_owned(),
                statement: format!(
                    "{} {on}, in the median of {} spans; usual are {}",
                    milliseconds(slow.now),
                    slow.rows.len(),
                    milliseconds(slow.usual)
                ),
                value: Some(slow.now),
                expected: Some(slow.usual),
                unit: "ns".to_owned(),
                query: Some(self.query_of_key(key)),
                href: Some(
                    self.search_page("spans", &format!("service:{} name:{}", quoted(own), quoted(what))),
                ),
            });
        }
        evidence
    }

    /// Traces that show it, at the guilty span.
    pub(super) fn examples(&self, given: &[Given]) -> Vec<Evidence> {
        let mut traces = Vec::new();
        for given in given {
            if traces.len() == EXAMPLES {
                break;
            }
            if traces.iter().any(|known: &Given| known.trace == given.trace) {
                continue;
            }
            traces.push(*given);
        }
        let of = |given: Given| {
            let trace = TraceId(self.frame.traces[given.trace as usize]);
            let span = SpanId(self.frame.id[given.row as usize]);
            Evidence {
                kind: "trace".to_owned(),
                statement: format!("trace {trace} shows it"),
                value: None,
                expected: None,
                unit: String::new(),
                query: Some(format!("SELECT * FROM spans WHERE trace_id = '{trace}' ORDER BY start_time")),
                href: Some(format!("/traces/{trace}?span={span}#s-{span}")),
            }
        };
        traces.into_iter().map(of).collect()
    }

    /// What was changed about a service just before.
    pub(super) fn of_changes(&self, service: &str) -> Vec<Evidence> {
        let before = self.witnesses.changes(service).iter().filter_map(|change| {
            let when = self.told(change.time.parse().ok()?);
            let what = change.version.as_deref().or(change.text.as_deref()).unwrap_or_default();
            let kind = match change.kind {
                ChangeKind::Deploy => "deploy",
                ChangeKind::Config => "change of configuration",
                ChangeKind::Flag => "flag",
                ChangeKind::Scale => "change of scale",
                ChangeKind::Restart => "restart",
            };
            Some(Evidence {
                kind: "change".to_owned(),
                statement: format!("{kind} of {service} {what}, {when}").replace(" ,", ","),
                value: None,
                expected: None,
                unit: String::new(),
                query: None,
                href: None,
            })
        });
        before.take(CHANGES_MAX).collect()
    }

    /// Attribute values that the bad traces have and others have not.
    pub(super) fn of_attributes(&self, candidate: &Candidate) -> Vec<Evidence> {
        let found = candidate.cause.and_then(|cause| self.witnesses.attributes(cause));
        let Some(Contrast { values, bad }) = found else { return Vec::new() };
        let of = |value: &crate::evidence::attributes::Value| Evidence {
            kind: "attribute".to_owned(),
            statement: format!(
                "`{}={}` of {} is in {:.0} % of {} bad traces, and in {:.0} % of {} others",
                value.place.key,
                value.place.value,
                value.place.service,
                value.bad * 100.0,
                value.bads,
                value.good * 100.0,
                value.goods
            ),
            value: Some(value.bad),
            expected: Some(value.good),
            unit: "1".to_owned(),
            query: Some(self.query_of_attribute(&value.place, bad)),
            href: Some(self.search_page(
                "spans",
                &format!(
                    "service:{} {}.{}:{}",
                    quoted(&value.place.service),
                    value.place.level,
                    value.place.key,
                    quoted(&value.place.value)
                ),
            )),
        };
        values.iter().take(VALUES_MAX).map(of).collect()
    }

    /// Log templates of the service that are not written as usual.
    pub(super) fn of_templates(&self, candidate: &Candidate) -> Vec<Evidence> {
        let service = self.frame.service_name(candidate.service);
        let of = |changed: &crate::evidence::templates::Changed| {
            let text = self.texts.get(&changed.template).map_or(changed.template.as_str(), String::as_str);
            let lines = number(changed.lines);
            let expected = number(changed.expected);
            let (kind, statement) = match changed.how {
                How::New => ("template_new", format!("{service} logs `{text}`, which is new: {lines} lines")),
                How::Spike => (
                    "template_spike",
                    format!("{service} logs `{text}` more often: {lines} lines; usual are {expected}"),
                ),
                How::Gone => (
                    "template_gone",
                    format!("{service} no longer logs `{text}`; usual are {expected} lines"),
                ),
            };
            Evidence {
                kind: kind.to_owned(),
                statement,
                value: Some(changed.lines),
                expected: Some(changed.expected),
                unit: "{line}".to_owned(),
                query: Some(self.query_of_template(candidate.service, &changed.template)),
                href: Some(self.search_page(
                    "logs",
                    &format!("service:{} template:{}", quoted(service), changed.template),
                )),
            }
        };
        self.witnesses.templates(service).iter().take(TEMPLATES_MAX).map(of).collect()
    }

    /// Traffic that is not as usual.
    pub(super) fn of_traffic(&self, service: &str) -> Option<Evidence> {
        let shift = self.witnesses.traffic(service)?;
        let (now, usual) = (number(shift.now), number(shift.usual));
        Some(Evidence {
            kind: "traffic".to_owned(),
            statement: format!("{service} is asked {now} times a minute; usual are {usual}"),
            value: Some(shift.now),
            expected: Some(shift.usual),
            unit: "1/min".to_owned(),
            query: Some(self.query_of_traffic(service)),
            href: None,
        })
    }
}

/// A text as the search language reads it as one.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn milliseconds(nanoseconds: f64) -> String {
    format!("{} ms", number(nanoseconds / 1e6))
}

/// A number with three digits that say something.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}
