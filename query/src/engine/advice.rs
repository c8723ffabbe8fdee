//! Why a search found nothing: keys and services that nothing stored has, with those of like names, and logs that name
//! no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::{Field, Level, Predicate, Reader, Signal, Test, TimeRange};
use storage::{Control, Scan};

use super::Engine;
use super::work::Work;
use crate::error::QueryError;
use crate::search::{self, completion};

/// How long the data are looked at.
const LOOK_TIME: Duration = Duration::from_millis(500);
/// How many names are told.
const NEAR_MAX: usize = 3;
/// How many unknown names are told.
const UNKNOWN_MAX: usize = 5;
/// The longest name that others are compared with, in characters.
const NAME_CHARS_MAX: usize = 128;

/// What is known about why nothing was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advice {
    /// Names in the search that nothing stored has.
    pub unknown: Vec<Unknown>,
    /// The search asks for traces, and no log in the range names one.
    pub untraced: bool,
}

/// A name that nothing has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The name as the search has it.
    pub name: String,
    /// `key` or `service`.
    pub kind: &'static str,
    /// Names that are stored and look alike, the nearest first.
    pub near: Vec<String>,
}

impl Engine {
    /// Says what may be the cause that a search found nothing. A search that cannot be read has no advice.
    pub async fn advice(
        &self,
        reader: &Reader,
        signal: Signal,
        q: &str,
        range: TimeRange,
    ) -> Result<Advice, QueryError> {
        let Ok(predicate) = search::parse(q, signal) else { return Ok(Advice::default()) };
        let budget = std::sync::Arc::clone(self.store.budget());
        self.ask(reader, 0, move |snapshot, control| {
            let deadline = control.deadline.min(Instant::now() + LOOK_TIME);
            let control = Control { deadline, ..control.clone() };
            advice(&mut Work::new(snapshot, &control, &budget), signal, &predicate, range)
        })
        .await
    }
}

fn advice(
    work: &mut Work<'_>,
    signal: Signal,
    predicate: &Predicate,
    range: TimeRange,
) -> Result<Advice, QueryError> {
    let mut named = Named::default();
    named.collect(predicate);
    let mut advice = Advice::default();
    if !named.keys.is_empty() {
        let keys = work.snapshot.attribute_keys(signal, TimeRange::ALL, work.control)?;
        let fields = completion::fields(signal).map(|(name, _)| name.to_owned());
        let known: BTreeSet<String> = keys.into_keys().chain(fields).collect();
        for (key, level) in named.keys {
            let other = search::other_names(&key);
            let names: Vec<String> =
                [key.clone()].into_iter().chain(other.iter().map(|name| name.to_string())).collect();
            if advice.unknown.len() >= UNKNOWN_MAX || names.iter().any(|name| known.contains(name)) {
                continue;
            }
            let stands = |name| Predicate::Attribute(level, name, Test::Exists);
            if !may_be_stored(work, signal, Predicate::Or(names.into_iter().map(stands).collect()))? {
                advice.unknown.push(Unknown { near: near_names(&key, &known), kind: "key", name: key });
            }
        }
    }
    if !named.services.is_empty() {
        let surveyed = storage::Surveyed::Column("service_name");
        let mut known = work.snapshot.service_names(signal, TimeRange::ALL, work.control)?;
        known.extend(work.snapshot.value_counts(signal, TimeRange::ALL, surveyed, work.control)?.into_keys());
        for service in named.services.into_iter().filter(|service| !known.contains(service)) {
            let of_it = Predicate::Field(Field::Service, Test::Equals(service.clone()));
            if advice.unknown.len() < UNKNOWN_MAX && !may_be_stored(work, signal, of_it)? {
                advice.unknown.push(Unknown {
                    near: near_names(&service, &known),
                    kind: "service",
                    name: service,
                });
            }
        }
    }
    if named.traces && signal == Signal::Logs {
        let predicate = Predicate::Field(Field::Trace, Test::Exists);
        let (found, cost) =
            work.snapshot.newest(&Scan { signal, range, predicate }, None, 1, None, work.control)?;
        advice.untraced = found.is_empty() && !cost.timed_out && work.snapshot.rows(signal) > 0;
    }
    Ok(advice)
}

/// Whether a row of any time matches, as far as there was time to look: the names that are known are of the newest rows.
fn may_be_stored(work: &mut Work<'_>, signal: Signal, predicate: Predicate) -> Result<bool, QueryError> {
    let scan = Scan { signal, range: TimeRange::ALL, predicate };
    let (found, cost) = work.snapshot.newest(&scan, None, 1, None, work.control)?;
    Ok(!found.is_empty() || cost.timed_out)
}

/// What a search names.
#[derive(Debug, Default)]
struct Named {
    keys: BTreeMap<String, Level>,
    services: BTreeSet<String>,
    /// Whether it asks for a trace or a span.
    traces: bool,
}

impl Named {
    /// Recursion ends: groups of a search stand at most [`search::DEPTH_MAX`] in one another.
    fn collect(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::And(parts) | Predicate::Or(parts) => parts.iter().for_each(|part| self.collect(part)),
            Predicate::Attribute(level, key, _) if *level != Level::Event => {
                self.keys.insert(key.clone(), *level);
            }
            Predicate::Field(Field::Service, Test::Equals(name)) => {
                self.services.insert(name.clone());
            }
            Predicate::Field(Field::Trace | Field::Span, _) | Predicate::TraceIn(_) => self.traces = true,
            // What is not to match does not keep rows from being found.
            _ => {}
        }
    }
}

/// Names that look like one, the nearest first.
pub fn near_names(name: &str, known: &BTreeSet<String>) -> Vec<String> {
    let wanted = name.to_lowercase();
    if wanted.chars().nth(NAME_CHARS_MAX).is_some() {
        return Vec::new();
    }
    let most = (wanted.chars().count() / 3).max(2);
    let mut found: Vec<(usize, &String)> = known
        .iter()
        .filter(|one| one.chars().nth(NAME_CHARS_MAX).is_none())
        .filter_map(|one| {
            let lower = one.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &lower);
            // `route` is near `http.route`, however long the rest is.
            let part = wanted.len() > 2 && (lower.contains(&wanted) || wanted.contains(lower.as_str()));
            (distance <= most || (part && lower.len() > 2)).then_some((distance, one))
        })
        .collect();
    found.sort();
    found.into_iter().take(NEAR_MAX).map(|(_, one)| one.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn unknown_names_come_with_close_ones() {
        let fixture = Fixture::new();
        let unknown = |name: &str, kind, near: &[&str]| Unknown {
            name: name.to_owned(),
            kind,
            near: near.iter().map(|name| (*name).to_owned()).collect(),
        };
        for state in ["fresh", "compacted"] {
            for (signal, q, expected) in [
                (Signal::Spans, "http.route:/x service:cart", vec![]),
                (Signal::Spans, "http.rout:/x", vec![unknown("http.rout", "key", &["http.route"])]),
                (Signal::Spans, "NOT absent:x", vec![]),
                (Signal::Spans, "http.status_code:404", vec![]),
                (Signal::Logs, "service:kart", vec![unknown("kart", "service", &["cart"])]),
                (Signal::Logs, "servce:cart", vec![unknown("servce", "key", &["service"])]),
                (Signal::Logs, "\"open", vec![]),
            ] {
                let advice = fixture.engine.advice(&fixture.reader, signal, q, TimeRange::ALL);
                let advice = fixture.runtime.block_on(advice).unwrap();
                assert_eq!(advice.unknown, expected, "{state} {q}");
                assert!(!advice.untraced, "{state} {q}");
            }
            fixture.runtime.block_on(fixture.engine.compact()).unwrap();
        }
    }

    #[test]
    fn logs_without_trace_ids_are_the_cause_where_traces_are_asked_for() {
        let fixture = Fixture::new();
        let late = TimeRange { from: Some(model::UnixNanos(2_000_000_000)), to: None };
        for (q, range, expected) in [
            ("trace:00000000000000000000000000000001", TimeRange::ALL, false),
            ("trace:00000000000000000000000000000001", late, true),
            ("trace in spans(status:error)", late, true),
            ("refused", late, false),
        ] {
            let advice = fixture.engine.advice(&fixture.reader, Signal::Logs, q, range);
            assert_eq!(fixture.runtime.block_on(advice).unwrap().untraced, expected, "{q}");
        }
    }
}
