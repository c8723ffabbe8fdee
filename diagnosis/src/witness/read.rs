//! What is read anew once there are suspects: their configuration, what they call, the attributes of bad traces, their log
//! templates, and what was changed before.

use std::collections::{BTreeMap, BTreeSet};

use model::{Reader, TimeRange, TraceId, UnixNanos};
use query::{Gathering, QueryError};

use crate::changes::Change;
use crate::compare::Comparison;
use crate::counts::{MINUTE, by_minute};
use crate::evidence::attributes::{Value, telling};
use crate::evidence::templates::{Changed, Lines, changed};
use crate::evidence::traffic::Shift;
use crate::frame::Frame;
use crate::load::{self, sql_text};
use crate::rank::Candidate;
use crate::votes::Cause;
use crate::{CHANGES_BEFORE, Diagnostics};

/// Services that more is asked about.
const SERVICES_MAX: usize = 3;
/// Traces whose attributes are compared: of those that are bad, and of the others.
const BAD_TRACES_MAX: usize = 100;
const GOOD_TRACES_MAX: usize = 150;
/// Parts of resource attributes that differ between instances, or name what runs, and are no configuration.
const NO_CONFIGURATION: [&str; 12] = [
    "service.",
    "host.",
    "process.",
    "container.",
    "k8s.",
    "telemetry.",
    "os.",
    "cloud.",
    "faas.",
    "device.",
    "aws.",
    "deployment.",
];

/// Attribute values that tell bad traces from others, and the bad traces that they were found in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contrast {
    pub(crate) values: Vec<Value>,
    pub(crate) bad: BTreeSet<TraceId>,
}

/// What was read of the services that are suspected first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witnesses {
    configuration: BTreeMap<String, (String, String)>,
    peers: BTreeMap<(String, String), String>,
    attributes: BTreeMap<Cause, Contrast>,
    templates: BTreeMap<String, Vec<Changed>>,
    traffic: BTreeMap<String, Shift>,
    changes: BTreeMap<String, Vec<Change>>,
}

impl Witnesses {
    /// A configuration attribute of a service and its value that only the window has.
    pub(crate) fn configuration(&self, service: &str) -> Option<&(String, String)> {
        self.configuration.get(service)
    }

    /// What a call goes to.
    pub(crate) fn peer(&self, service: &str, call: &str) -> Option<&String> {
        self.peers.get(&(service.to_owned(), call.to_owned()))
    }

    /// Attribute values that tell the bad traces of a cause from others.
    pub(crate) fn attributes(&self, cause: Cause) -> Option<&Contrast> {
        self.attributes.get(&cause)
    }

    /// Log templates of a service that are not written as usual.
    pub(crate) fn templates(&self, service: &str) -> &[Changed] {
        self.templates.get(service).map_or(&[], Vec::as_slice)
    }

    /// Traffic of a service that is not as usual.
    pub(crate) fn traffic(&self, service: &str) -> Option<Shift> {
        self.traffic.get(service).copied()
    }

    /// What was changed about a service just before, newest first.
    pub(crate) fn changes(&self, service: &str) -> &[Change] {
        self.changes.get(service).map_or(&[], Vec::as_slice)
    }
}

/// What is asked about.
pub(crate) struct Asked<'a> {
    pub(crate) diagnostics: &'a Diagnostics,
    pub(crate) reader: &'a Reader,
    pub(crate) gathering: &'a Gathering,
    pub(crate) frame: &'a Frame,
    pub(crate) found: &'a Comparison,
    /// Rows of the window, and of the reference.
    pub(crate) window: &'a [u32],
    pub(crate) reference: &'a [u32],
    /// Minutes of the reference before the window.
    pub(crate) before: &'a [(i64, i64)],
    /// The window, its end not included.
    pub(crate) range: (i64, i64),
}

impl Asked<'_> {
    /// Reads what is asked about the first suspects.
    pub(crate) async fn gather(
        &self,
        candidates: &[Candidate],
        traffic: BTreeMap<String, Shift>,
    ) -> Result<Witnesses, QueryError> {
        let mut witnesses = Witnesses { traffic, ..Witnesses::default() };
        let mut seen = BTreeSet::new();
        for candidate in candidates.iter().filter(|candidate| candidate.votes > 0.0) {
            if seen.len() == SERVICES_MAX || !seen.insert(candidate.service) {
                continue;
            }
            let name = self.frame.service_name(candidate.service).to_owned();
            if let Some(changed) = self.configuration(&name).await? {
                witnesses.configuration.insert(name.clone(), changed);
            }
            for (call, peer) in load::peers(self.gathering, &name).await? {
                witnesses.peers.insert((name.clone(), call), peer);
            }
            if let Some(cause) = candidate.cause {
                witnesses.attributes.insert(cause, self.attributes(cause).await?);
            }
            let templates = self.templates(candidate.service).await?;
            witnesses.templates.insert(name, templates);
        }
        for change in self.changes().await? {
            witnesses.changes.entry(change.service.clone()).or_default().push(change);
        }
        Ok(witnesses)
    }

    async fn changes(&self) -> Result<Vec<Change>, QueryError> {
        let from = UnixNanos(self.range.0.saturating_sub(CHANGES_BEFORE * MINUTE));
        let range = TimeRange { from: Some(from), to: Some(UnixNanos(self.range.1)) };
        self.diagnostics.changes(self.reader, range).await
    }

    /// A configuration attribute of a service that has a value in the window which it had not before.
    async fn configuration(&self, service: &str) -> Result<Option<(String, String)>, QueryError> {
        let condition = format!("service_name = {}", sql_text(service));
        let then = load::resources(self.gathering, &condition, self.before).await?;
        let now = load::resources(self.gathering, &condition, &[self.range]).await?;
        for (key, values) in now.iter().filter(|(key, _)| is_configuration(key)) {
            let Some(known) = then.get(key) else { continue };
            // An attribute with a value of its own for each instance is none.
            if known.len() > 1 {
                continue;
            }
            if let Some(value) = values.difference(known).next() {
                return Ok(Some((key.clone(), value.clone())));
            }
        }
        Ok(None)
    }

    /// What tells the traces that vote for a cause from those with the same service that vote for none.
    async fn attributes(&self, cause: Cause) -> Result<Contrast, QueryError> {
        let frame = self.frame;
        let mut parts: BTreeMap<u32, f64> = BTreeMap::new();
        let mut wrong: BTreeSet<u32> = BTreeSet::new();
        for given in &self.found.votes.given {
            wrong.insert(given.trace);
            if given.cause == cause {
                *parts.entry(given.trace).or_default() += given.part;
            }
        }
        let mut bad: Vec<(u32, f64)> = parts.into_iter().collect();
        bad.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let of_service = self.window.iter().filter(|row| frame.service[**row as usize] == cause.service());
        let traces: BTreeSet<u32> = of_service.map(|row| frame.trace[*row as usize]).collect();
        let good: Vec<u32> = traces.difference(&wrong).copied().collect();
        // Evenly over all of them, which are in the order of their ids.
        let step = good.len().div_ceil(GOOD_TRACES_MAX).max(1);
        let id = |trace: u32| TraceId(frame.traces[trace as usize]);
        let bad: BTreeSet<TraceId> = bad.iter().take(BAD_TRACES_MAX).map(|(trace, _)| id(*trace)).collect();
        let good: BTreeSet<TraceId> = good.iter().step_by(step).map(|trace| id(*trace)).collect();
        let all = bad.union(&good).copied().collect();
        let mut places = load::attributes(self.gathering, &all, self.range).await?;
        let mut of =
            |ids: &BTreeSet<TraceId>| -> Vec<_> { ids.iter().filter_map(|id| places.remove(id)).collect() };
        let values = telling(&of(&bad), &of(&good), frame.service_name(cause.service()));
        Ok(Contrast { values, bad })
    }

    /// The log templates of a service that are not as usual.
    async fn templates(&self, service: u32) -> Result<Vec<Changed>, QueryError> {
        let frame = self.frame;
        let of_service = |rows: &[u32]| -> Vec<u32> {
            rows.iter().copied().filter(|row| frame.service[*row as usize] == service).collect()
        };
        let spans = of_service(self.window).len() as f64;
        let usual = by_minute(frame, &of_service(self.reference));
        let usual: BTreeMap<i64, f64> =
            usual.into_iter().map(|(minute, rows)| (minute, rows.len() as f64)).collect();
        let minutes = usual.keys().map(|minute| (minute * MINUTE, (minute + 1) * MINUTE));
        let name = frame.service_name(service);
        let mut of: BTreeMap<String, Lines> = BTreeMap::new();
        let now = load::lines(self.gathering, name, &[self.range]).await?;
        let then = load::lines(self.gathering, name, &minutes.collect::<Vec<_>>()).await?;
        for (template, is_error, _, count) in now {
            let lines = of.entry(template).or_default();
            lines.is_error |= is_error;
            lines.now += count;
        }
        for (template, is_error, minute, count) in then {
            let lines = of.entry(template).or_default();
            lines.is_error |= is_error;
            *lines.then.entry(minute).or_default() += count;
        }
        Ok(changed(&of, spans, &usual))
    }
}

/// Whether an attribute of a resource is configuration, and does not name what runs where.
pub(crate) fn is_configuration(key: &str) -> bool {
    !NO_CONFIGURATION.iter().any(|part| key.starts_with(part))
}
