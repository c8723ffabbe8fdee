//! Says why: sentences, numbers and where to look.

mod queries;

use std::collections::{BTreeMap, HashMap};

use model::Reader;
use query::{Engine, QueryError, Search};
use serde_json::{Value, json};

use crate::answer::{EVIDENCE_MAX, Evidence, Suspect};
use crate::blame::Slowed;
use crate::compare::Comparison;
use crate::evidence::latency::Slow;
use crate::evidence::resources::{Resource, Strains};
use crate::frame::{Frame, Key, NONE};
use crate::rank::{Accusation, Candidate, template_of};
use crate::stats::ALPHA;
use crate::votes::{Cause, Given, Place};
use crate::witness::Witnesses;

/// Traces that are shown for a suspect.
const EXAMPLES: usize = 3;
/// An instance has a fault of its own where it has this share of what is wrong with its service.
const OF_INSTANCE: f64 = 0.9;
/// Keys that are told of a slow service.
const KEYS_MAX: usize = 4;

/// The texts of the templates that suspects name, by identity.
pub(crate) async fn templates(
    engine: &Engine,
    reader: &Reader,
    candidates: &[Candidate],
) -> Result<HashMap<String, String>, QueryError> {
    let mut texts = HashMap::new();
    let named = candidates.iter().take(crate::answer::SUSPECTS_MAX).filter_map(|candidate| match &candidate
        .accusation
    {
        Accusation::Code { from, to, .. } => Some([from.clone(), to.clone()]),
        _ => None,
    });
    let ids: std::collections::BTreeSet<String> =
        named.flatten().flatten().filter_map(|name| template_of(&name).map(str::to_owned)).collect();
    for id in ids {
        let search = Search { q: format!("template:{id}"), limit: 1, ..Search::default() };
        let found = engine.templates(reader, &search).await?;
        if let Some(template) = found.templates.into_iter().next() {
            texts.insert(id, template.template);
        }
    }
    Ok(texts)
}

/// What sentences are made of.
pub(crate) struct Explain<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) comparison: &'a Comparison,
    pub(crate) strains: &'a Strains,
    pub(crate) witnesses: &'a Witnesses,
    pub(crate) texts: HashMap<String, String>,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Explain<'_> {
    /// A candidate as it is told.
    pub(crate) fn suspect(&self, candidate: &Candidate) -> Suspect {
        let service = self.frame.services.get(candidate.service).cloned().unwrap_or_default();
        let given = self.given(candidate);
        let mut evidence = match &candidate.accusation {
            Accusation::Code { place: Some(place), .. } => self.of_place(candidate.service, *place),
            Accusation::Code { place: None, .. } => Vec::new(),
            Accusation::Slowed(kind) => self.of_slowness(candidate.service, *kind),
            Accusation::Deploy(_) | Accusation::Config(..) | Accusation::Lock(_) | Accusation::Retry(_) => {
                self.of_cause(candidate)
            }
            Accusation::Gone(_) | Accusation::Peer(_) | Accusation::Queue(_) => Vec::new(),
        };
        evidence.extend(self.examples(&given));
        evidence.truncate(EVIDENCE_MAX);
        let what = self.what(candidate, &service.name);
        let share = candidate.votes / self.comparison.votes.traces as f64;
        let summary = match candidate.votes > 0.0 {
            true => format!(
                "{what}; so much as {:.1} % of the requests of this window is lost by it",
                share * 100.0
            ),
            false => what,
        };
        Suspect {
            service: service.name,
            namespace: service.namespace,
            environment: service.environment,
            instance: self.instance(candidate, &given),
            kind: candidate.accusation.kind().to_owned(),
            target: self.target(&candidate.accusation, candidate.service),
            score: (candidate.score * 1e6).round() / 1e6,
            summary,
            evidence,
        }
    }

    /// The votes for a candidate, the largest first.
    fn given(&self, candidate: &Candidate) -> Vec<Given> {
        let mut given: Vec<Given> = self
            .comparison
            .votes
            .given
            .iter()
            .filter(|given| Some(given.cause) == candidate.cause)
            .copied()
            .collect();
        given.sort_by(|a, b| b.part.total_cmp(&a.part).then((a.trace, a.row).cmp(&(b.trace, b.row))));
        given
    }

    fn what(&self, candidate: &Candidate, service: &str) -> String {
        match &candidate.accusation {
            Accusation::Code { from: Some(from), to: Some(to), place } => {
                let (from, to) = (self.text(from), self.text(to));
                match place.is_some_and(|(_, pair)| pair.is_new) {
                    true => format!("in {service}, after `{from}` comes `{to}`, which is new"),
                    false => format!("in {service}, `{from}` is no longer followed by `{to}`"),
                }
            }
            Accusation::Code { place: Some((_, pair)), .. } if !self.is_silent(candidate.service) => {
                let name = |event| crate::rank::event_name(self.frame, event);
                let (before, after) = (name(pair.before), name(pair.after));
                let (before, after) = (self.text(&before), self.text(&after));
                match pair.is_new {
                    true => format!("in {service}, after `{before}` comes `{after}`, which is new"),
                    false => format!("in {service}, `{before}` is no longer followed by `{after}`"),
                }
            }
            Accusation::Code { .. } => {
                format!("{service} does something else than usual, and its logs do not say where")
            }
            Accusation::Gone(Some(instance)) => {
                format!("the instance {instance} of {service} is gone, and calls to it are not answered")
            }
            Accusation::Gone(None) => format!("calls to {service} do not arrive, or are not answered"),
            Accusation::Deploy(version) => {
                format!(
                    "version {version} of {service} is new, and what is wrong with {service} is wrong in it"
                )
            }
            Accusation::Config(key, value) => {
                format!("the configuration of {service} changed: {key} is {value}, which it was not before")
            }
            Accusation::Lock(_) => format!("{service} waits for a lock"),
            Accusation::Queue(from) => format!(
                "messages of {} to {service} are taken late or not at all",
                self.frame.service_name(*from)
            ),
            Accusation::Retry(callee) => format!(
                "{service} gives up calls to {} before they are answered, and calls again",
                self.frame.service_name(*callee)
            ),
            Accusation::Peer(Some(name)) => {
                format!("calls `{name}` of {service} fail or end otherwise than usual")
            }
            Accusation::Peer(None) => format!("what {service} calls fails or ends otherwise than usual"),
            Accusation::Slowed(Slowed::Code) => format!("the code of {service} takes longer than usual"),
            Accusation::Slowed(Slowed::Network) => {
                format!("calls to and from {service} spend more time on the way than usual")
            }
            Accusation::Slowed(Slowed::Dependency) => {
                format!("what {service} calls answers later than usual")
            }
            Accusation::Slowed(Slowed::By(resource)) => {
                let resource = match resource {
                    Resource::Cpu => "processor",
                    Resource::Memory => "memory",
                    Resource::Disk => "disk",
                    Resource::Lock => "a lock",
                };
                format!("{service} lacks {resource}")
            }
        }
    }

    /// A name of an event, with the template's text in the place of its identity.
    fn text<'b>(&'b self, name: &'b str) -> &'b str {
        template_of(name).and_then(|id| self.texts.get(id)).map_or(name, String::as_str)
    }

    fn target(&self, accusation: &Accusation, service: u32) -> Value {
        match accusation {
            Accusation::Code { from, to, .. } => {
                let text = |name: &Option<String>| name.as_deref().map(|name| self.text(name).to_owned());
                json!({ "type": "code", "from": text(from), "to": text(to) })
            }
            Accusation::Gone(instance) => json!({ "type": "instance", "instance": instance }),
            Accusation::Deploy(version) => json!({ "type": "version", "version": version }),
            Accusation::Config(key, value) => json!({ "type": "config", "key": key, "value": value }),
            Accusation::Lock(operation) => json!({ "type": "operation", "operation": operation }),
            Accusation::Queue(from) => json!({
                "type": "edge",
                "from": self.frame.service_name(*from),
                "to": self.frame.service_name(service),
            }),
            Accusation::Retry(callee) => json!({
                "type": "edge",
                "from": self.frame.service_name(service),
                "to": self.frame.service_name(*callee),
            }),
            Accusation::Peer(name) => {
                let own = self.frame.service_name(service);
                let to = name.as_ref().map(|name| self.witnesses.peer(own, name).unwrap_or(name));
                json!({ "type": "edge", "from": own, "to": to })
            }
            Accusation::Slowed(Slowed::Code) => json!({ "type": "code", "from": null, "to": null }),
            Accusation::Slowed(Slowed::Network) => json!({ "type": "resource", "resource": "network" }),
            Accusation::Slowed(Slowed::By(resource)) => {
                json!({ "type": "resource", "resource": resource.name() })
            }
            Accusation::Slowed(Slowed::Dependency) => {
                let slowest =
                    self.slow_keys(service).into_iter().find(|(key, _)| matches!(key, Key::Peer(..)));
                match slowest {
                    Some((key, _)) => {
                        let (own, call) =
                            (self.frame.service_name(service), self.frame.name_text(key.name()));
                        let to = self.witnesses.peer(own, call).map_or(call, String::as_str);
                        json!({ "type": "edge", "from": own, "to": to })
                    }
                    None => json!({ "type": "edge", "from": self.frame.service_name(service), "to": null }),
                }
            }
        }
    }

    /// What traces say of a cause whose kind something else tells.
    fn of_cause(&self, candidate: &Candidate) -> Vec<Evidence> {
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
            _ => Vec::new(),
        }
    }

    /// Whether a service logs, but not in this window.
    fn is_silent(&self, service: u32) -> bool {
        self.comparison.ever.contains(&service) && !self.comparison.logging.has(service)
    }

    /// The instance that has what is wrong, where it is one.
    fn instance(&self, candidate: &Candidate, given: &[Given]) -> Option<String> {
        let frame = self.frame;
        match &candidate.accusation {
            Accusation::Gone(instance) => return instance.clone(),
            // The one whose resource it is.
            Accusation::Slowed(Slowed::By(resource)) => {
                let strains = frame.services.get(candidate.service).and_then(|name| self.strains.get(name));
                let strain = strains.and_then(|of| of.get(resource));
                if let Some(strain) = strain.filter(|strain| !strain.instance.is_empty() && strain.p <= ALPHA)
                {
                    return Some(strain.instance.clone());
                }
            }
            _ => {}
        }
        let of_row = |row: u32| {
            let at = row as usize;
            if frame.service[at] == candidate.service {
                return Some(frame.instance[at]);
            }
            let callee = frame.callee[at];
            (callee != NONE && frame.service[callee as usize] == candidate.service)
                .then(|| frame.instance[callee as usize])
        };
        let mut parts: BTreeMap<u32, f64> = BTreeMap::new();
        for given in given {
            if let Some(instance) = of_row(given.row) {
                *parts.entry(instance).or_default() += given.part;
            }
        }
        let all: f64 = parts.values().sum();
        let (instance, most) = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        let name = frame.instances.get(instance).filter(|name| !name.is_empty())?;
        (most >= OF_INSTANCE * all).then(|| name.clone())
    }

    /// What differs at a place in the code.
    fn of_place(&self, service: u32, (context, pair): Place) -> Vec<Evidence> {
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
    fn slow_keys(&self, service: u32) -> Vec<(Key, &Slow)> {
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

    fn of_slowness(&self, service: u32, kind: Slowed) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        let name = self.frame.services.get(service);
        if let (Slowed::By(resource), Some(name)) = (kind, name)
            && let Some(strain) = self.strains.get(name).and_then(|of| of.get(&resource))
        {
            evidence.push(Evidence {
                kind: "metric".to_owned(),
                statement: format!(
                    "{} of {} is {}; usual is {}",
                    strain.metric,
                    if strain.instance.is_empty() { &name.name } else { &strain.instance },
                    number(strain.now),
                    number(strain.usual)
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
    fn examples(&self, given: &[Given]) -> Vec<Evidence> {
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
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let of = |given: Given| {
            let (trace, span) =
                (hex(&self.frame.traces[given.trace as usize]), hex(&self.frame.id[given.row as usize]));
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
