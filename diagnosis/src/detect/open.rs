//! An incident under way: whom it has reached, since when, and whose fault it is.

use std::collections::BTreeMap;

use super::alarms::Alarm;
use crate::answer::{Diagnosis, Suspect};
use crate::changes::Change;
use crate::counts::MINUTE;
use crate::diagnose::Blames;
use crate::incidents::{Affected, Incident, Moment};

/// The most affected operations that are told.
const AFFECTED_MAX: usize = 50;
/// The most moments of a timeline.
const MOMENTS_MAX: usize = 100;
/// What is wrong has a cause of its own if so much of its traces' votes, and so many of them, are for another suspect than
/// the first.
const OWN_CAUSE: f64 = 0.75;
const OWN_VOTES_MIN: f64 = 3.0;

/// An incident under way, with its minutes.
pub(super) struct Open {
    pub(super) incident: Incident,
    pub(super) first: i64,
    pub(super) last: i64,
    /// How old it was when it was last asked who it was, in minutes.
    pub(super) looked: i64,
    /// Whose traces tell of it, where those of all are as usual.
    pub(super) service: Option<String>,
}

/// What is wrong by the suspect that its traces tell against: by place among the suspects.
pub(super) fn by_cause(
    diagnosis: &Diagnosis,
    blames: &Blames,
    found: Vec<Alarm>,
) -> BTreeMap<usize, Vec<Alarm>> {
    let mut causes: BTreeMap<usize, Vec<Alarm>> = BTreeMap::new();
    for alarm in found {
        let operations = [(alarm.service.clone(), alarm.operation.clone())];
        let cause = cause(diagnosis, blames, &operations);
        causes.entry(cause).or_default().push(alarm);
    }
    causes
}

/// The suspect that most votes of the traces with these operations are for, where they are clearly not for the first.
fn cause(diagnosis: &Diagnosis, blames: &Blames, operations: &[(String, String)]) -> usize {
    let mut votes: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for (suspect, part) in operations.iter().filter_map(|operation| blames.get(operation)).flatten() {
        let Some(of) = diagnosis.suspects.get(*suspect) else { continue };
        // Of one service the first suspicion.
        let known = votes.entry(of.service.as_str()).or_insert((*suspect, 0.0));
        *known = (known.0.min(*suspect), known.1 + part);
    }
    let all: f64 = votes.values().map(|(_, votes)| votes).sum();
    let clear = votes.into_values().find(|(_, votes)| *votes >= OWN_VOTES_MIN && *votes >= OWN_CAUSE * all);
    clear.map_or(0, |(suspect, _)| suspect)
}

impl Open {
    /// Opens an incident from its first minute to the one in which it was noticed, at a time of that. Its name is none of
    /// `names`.
    pub(super) fn new<'a>(
        diagnosis: &Diagnosis,
        (first, minute): (i64, i64),
        noticed: i64,
        changes: Vec<Change>,
        names: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut id = format!("{first:012x}");
        let taken = names.filter(|name| name.starts_with(&id)).count();
        if taken > 0 {
            id += &format!("-{}", taken + 1);
        }
        let incident = Incident {
            id,
            title: title(diagnosis),
            start: (first * MINUTE).to_string(),
            end: None,
            services: Vec::new(),
            operations: Vec::new(),
            traffic_share: 0.0,
            suspects: diagnosis.suspects.clone(),
            baseline: diagnosis.baseline.clone(),
            changes,
            timeline: Vec::new(),
        };
        let mut open = Self { incident, first, last: minute, looked: 0, service: None };
        let marks: Vec<Moment> = open.incident.changes.iter().rev().map(mark).collect();
        open.incident.timeline.extend(marks);
        let summary = diagnosis.suspects.first().map_or("", |suspect| suspect.summary.as_str());
        open.moment(noticed, format!("first suspect: {summary}"));
        open
    }

    /// One that was written down.
    pub(super) fn again(incident: Incident) -> Self {
        let minute = |time: &str| time.parse::<i64>().ok().map(|time| time.div_euclid(MINUTE));
        let first = minute(&incident.start).unwrap_or(0);
        let starts = incident.operations.iter().filter_map(|affected| minute(&affected.start));
        let end = incident.end.as_deref().and_then(minute).map(|end| end - 1);
        let last = end.or(starts.max()).unwrap_or(first).max(first);
        Self { incident, first, last, looked: 0, service: None }
    }

    /// Whether an alarm is about an operation that it has reached already.
    pub(super) fn has(&self, alarm: &Alarm) -> bool {
        self.incident.operations.iter().any(|known| is_about(known, alarm))
    }

    /// Whether its first suspect is of the same service.
    pub(super) fn is_of(&self, cause: &Suspect) -> bool {
        self.incident.suspects.first().is_some_and(|first| first.service == cause.service)
    }

    /// Takes over what a later look found. Beside others, its own operations say who is first.
    pub(super) fn learn(&mut self, mut diagnosis: Diagnosis, blames: &Blames, alone: bool) {
        if !alone {
            let operations: Vec<(String, String)> = self
                .incident
                .operations
                .iter()
                .map(|known| (known.service.clone(), known.operation.clone()))
                .collect();
            let own = cause(&diagnosis, blames, &operations);
            diagnosis.suspects[..=own].rotate_right(1);
        }
        let key = |suspects: &[Suspect]| {
            suspects.first().map(|suspect| (suspect.service.clone(), suspect.kind.clone()))
        };
        if key(&self.incident.suspects) != key(&diagnosis.suspects)
            && let Some(suspect) = diagnosis.suspects.first()
        {
            let text = format!("first suspect: {}", suspect.summary);
            self.moment((self.last + 1) * MINUTE, text);
        }
        self.incident.title = title(&diagnosis);
        self.incident.suspects = diagnosis.suspects;
        self.incident.baseline = diagnosis.baseline;
    }

    /// Everything is as usual again.
    pub(super) fn end(&mut self) {
        let end = (self.last + 1) * MINUTE;
        self.incident.end = Some(end.to_string());
        self.moment(end, "as usual again".to_owned());
    }

    fn moment(&mut self, time: i64, text: String) {
        let timeline = &mut self.incident.timeline;
        if timeline.len() < MOMENTS_MAX {
            timeline.push(Moment { time: time.to_string(), text });
            timeline.sort_by_key(|moment| moment.time.parse::<i64>().unwrap_or(0));
        }
    }

    /// Adds what alarms say: whom it reached, and when first.
    pub(super) fn add(&mut self, found: &[Alarm]) {
        for alarm in found {
            let incident = &mut self.incident;
            if !incident.services.contains(&alarm.service) {
                incident.services.push(alarm.service.clone());
            }
            let room = incident.operations.len() < AFFECTED_MAX;
            match incident.operations.iter_mut().find(|known| is_about(known, alarm)) {
                Some(known) if alarm.is_further_off(known.value) => {
                    (known.value, known.expected) = (alarm.value, alarm.expected);
                }
                Some(_) => {}
                None if room => {
                    let start = alarm.minute * MINUTE;
                    incident.operations.push(Affected {
                        service: alarm.service.clone(),
                        operation: alarm.operation.clone(),
                        signal: alarm.signal.to_owned(),
                        value: alarm.value,
                        expected: alarm.expected,
                        unit: alarm.unit.to_owned(),
                        start: start.to_string(),
                    });
                    let (signal, service, operation) = (alarm.signal, &alarm.service, &alarm.operation);
                    self.moment(start, format!("{signal} of {service} {operation} begin to be unusual"));
                }
                None => {}
            }
        }
    }
}

fn is_about(known: &Affected, alarm: &Alarm) -> bool {
    (&known.service, &known.operation, known.signal.as_str())
        == (&alarm.service, &alarm.operation, alarm.signal)
}

fn mark(change: &Change) -> Moment {
    let of = change.version.as_deref().or(change.text.as_deref()).unwrap_or("");
    let text = format!("{} of {} {of}", change.kind.name(), change.service);
    Moment { time: change.time.clone(), text: text.trim().to_owned() }
}

fn title(diagnosis: &Diagnosis) -> String {
    match diagnosis.suspects.first() {
        Some(suspect) => format!("{}: {}", suspect.service, suspect.kind),
        None => "something is wrong".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::answer::Status;

    fn diagnosis(services: &[&str]) -> Diagnosis {
        let suspect = |service: &&str| Suspect {
            service: (*service).to_owned(),
            namespace: None,
            environment: None,
            instance: None,
            kind: "code".to_owned(),
            target: Value::Null,
            score: 0.5,
            summary: format!("it is {service}"),
            evidence: Vec::new(),
        };
        let suspects = services.iter().map(suspect).collect();
        Diagnosis { suspects, ..Diagnosis::without(Status::Ok, "") }
    }

    fn blames(of: &[(&str, &[(usize, f64)])]) -> Blames {
        let one = |(operation, votes): &(&str, &[(usize, f64)])| {
            (("web".to_owned(), (*operation).to_owned()), votes.iter().copied().collect())
        };
        of.iter().map(one).collect()
    }

    #[test]
    fn what_has_a_cause_of_its_own_is_told_apart() {
        let check = |votes: &[(usize, f64)], expected: usize| {
            let blames = blames(&[("GET /", votes)]);
            let operations = [("web".to_owned(), "GET /".to_owned())];
            let found = cause(&diagnosis(&["cart", "cart", "search"]), &blames, &operations);
            assert_eq!(found, expected, "{votes:?}");
        };
        check(&[(0, 9.0)], 0);
        check(&[(0, 9.0), (2, 2.0)], 0);
        check(&[(0, 1.0), (2, 9.0)], 2);
        // Two suspicions of one service are one cause.
        check(&[(1, 9.0), (0, 1.0)], 0);
        // Neither, and too few.
        check(&[(0, 4.0), (2, 6.0)], 0);
        check(&[(2, 1.0)], 0);
        check(&[], 0);
    }

    #[test]
    fn names_are_used_once() {
        let diagnosis = diagnosis(&["cart"]);
        let first = Open::new(&diagnosis, (5, 6), 7 * MINUTE, Vec::new(), std::iter::empty());
        let second = Open::new(
            &diagnosis,
            (5, 6),
            7 * MINUTE,
            Vec::new(),
            std::iter::once(first.incident.id.as_str()),
        );
        assert_eq!(
            (first.incident.id.as_str(), second.incident.id.as_str()),
            ("000000000005", "000000000005-2")
        );
        let again = Open::again(first.incident);
        assert_eq!((again.first, again.last), (5, 5));
    }

    #[test]
    fn what_is_learnt_later_is_a_moment() {
        let mut open = Open::new(&diagnosis(&["cart"]), (5, 6), 7 * MINUTE, Vec::new(), std::iter::empty());
        open.learn(diagnosis(&["cart", "search"]), &Blames::new(), true);
        assert_eq!(open.incident.timeline.len(), 1);
        open.learn(diagnosis(&["search", "cart"]), &Blames::new(), true);
        assert_eq!((open.incident.timeline.len(), open.incident.title.as_str()), (2, "search: code"));
        open.end();
        assert_eq!(open.incident.end.as_deref(), Some("420000000000"));
    }
}
