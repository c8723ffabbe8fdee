//! What is unusual about an operation in a minute.
//!
//! Errors: the exact binomial chance of so many against the pooled rate of the minutes before. Durations: the median and
//! the 95 % quantile against those of the minutes before, by the robust score with heavy tails. Messages taken: fewer for
//! all calls than in the minutes before, by the same score and by Poisson's law, since a queue that grows makes nothing slow
//! or wrong. An operation that stays unusual multiplies its chances; it is lasting when the product would come about by
//! chance, anywhere among all operations, in one of ten days.

use std::collections::{BTreeMap, BTreeSet};

use query::{Gathering, QueryError};

use crate::changes::{Change, ChangeKind};
use crate::counts::{MINUTE, inside, pooled};
use crate::load::{self, MinuteRow, sql_time};
use crate::stats::{ALPHA, at_least, at_most, median, robust_p};

/// Minutes before a minute that are its history.
const HISTORY_MINUTES: i64 = 180;
/// Minutes of history that an operation needs.
const HISTORY_MIN: usize = 3;
/// The newest minutes before one, which are left out of its history where enough are left: what is wrong began in them.
const HISTORY_GAP: usize = 5;
/// Calls in a minute that have a duration worth comparing.
const CALLS_MIN: f64 = 5.0;
/// Minutes in a row that are taken together.
const STREAK_MAX: i64 = 5;
/// False alarms that are put up with in a day.
const FALSE_A_DAY: f64 = 0.1;
/// Minutes of a day.
const DAY: f64 = 1_440.0;
/// The most rows that are read.
const ROWS_MAX: usize = 500_000;

/// The kind of operations that take messages.
const CONSUMER: &str = "consumer";

type Operation = (String, String, String);

/// Something unusual.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alarm {
    pub(super) service: String,
    pub(super) operation: String,
    kind: String,
    pub(super) signal: &'static str,
    pub(super) minute: i64,
    pub(super) value: f64,
    pub(super) expected: f64,
    pub(super) unit: &'static str,
    p: f64,
}

impl Alarm {
    /// Whether it is about the same operation and the same of it.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.service, &self.operation, &self.kind, self.signal)
            == (&other.service, &other.operation, &other.kind, other.signal)
    }

    /// Whether it is worse than a value of the same.
    pub(super) fn is_further_off(&self, value: f64) -> bool {
        if self.value < self.expected { self.value < value } else { self.value > value }
    }
}

/// The services of what is unusual, each once, the least likely by chance first.
pub(super) fn services(found: &[Alarm]) -> Vec<&str> {
    let mut worst: Vec<&Alarm> = found.iter().collect();
    worst.sort_by(|a, b| a.p.total_cmp(&b.p).then_with(|| a.service.cmp(&b.service)));
    let mut services: Vec<&str> = Vec::new();
    for alarm in worst {
        if !services.contains(&alarm.service.as_str()) {
            services.push(&alarm.service);
        }
    }
    services
}

/// Minutes and their history.
pub(super) struct Alarms {
    of: BTreeMap<Operation, BTreeMap<i64, MinuteRow>>,
    /// The calls of all operations by minute.
    calls: BTreeMap<i64, f64>,
    versions: BTreeMap<(String, String), i64>,
    first: i64,
}

impl Alarms {
    /// Reads minutes from `first` to `last`, and those before.
    pub(super) async fn read(gathering: &Gathering, first: i64, last: i64) -> Result<Self, QueryError> {
        let begin = first.saturating_sub(HISTORY_MINUTES);
        let bounds = format!(
            "time >= {} AND time <= {}",
            sql_time(begin.saturating_mul(MINUTE)),
            sql_time(last.saturating_mul(MINUTE))
        );
        let mut of: BTreeMap<Operation, BTreeMap<i64, MinuteRow>> = BTreeMap::new();
        for row in load::minutes(gathering, &bounds, ROWS_MAX).await? {
            of.entry(row.operation.clone()).or_default().insert(row.minute, row);
        }
        let versions = load::versions(gathering, &bounds, ROWS_MAX).await?;
        Ok(Self::new(of, versions, begin))
    }

    fn new(
        of: BTreeMap<Operation, BTreeMap<i64, MinuteRow>>,
        versions: BTreeMap<(String, String), i64>,
        first: i64,
    ) -> Self {
        let mut calls: BTreeMap<i64, f64> = BTreeMap::new();
        for row in of.values().flat_map(BTreeMap::values) {
            *calls.entry(row.minute).or_default() += row.calls;
        }
        Self { of, calls, versions, first }
    }

    /// What is unusual in a minute, against minutes before that are not `wrong`.
    pub(super) fn at(&self, minute: i64, wrong: &BTreeSet<i64>) -> Vec<Alarm> {
        let mut found = Vec::new();
        for (operation, minutes) in &self.of {
            let before = minutes.range(minute - HISTORY_MINUTES..minute);
            let mut history: Vec<&MinuteRow> =
                before.filter(|(minute, _)| !wrong.contains(minute)).map(|(_, row)| row).collect();
            let Some(spare) = history.len().checked_sub(HISTORY_MIN) else { continue };
            history.truncate(HISTORY_MIN + spare.saturating_sub(HISTORY_GAP));
            let row = minutes.get(&minute);
            let alarms = [
                row.and_then(|row| errors(row, &history)),
                row.and_then(|row| duration(row, &history)),
                (operation.2 == CONSUMER).then(|| self.taken(minute, row, &history)).flatten(),
            ];
            let alarms = alarms.into_iter().flatten().filter(|(.., p)| *p <= ALPHA);
            found.extend(alarms.map(|(signal, value, expected, unit, p)| Alarm {
                service: operation.0.clone(),
                operation: operation.1.clone(),
                kind: operation.2.clone(),
                signal,
                minute,
                value,
                expected,
                unit,
                p,
            }));
        }
        found.sort_by(|a, b| a.p.total_cmp(&b.p).then_with(|| a.operation.cmp(&b.operation)));
        found
    }

    /// How many messages are taken, for all calls of the minute.
    fn taken(&self, minute: i64, row: Option<&MinuteRow>, history: &[&MinuteRow]) -> Option<Found> {
        let all = |minute: i64| self.calls.get(&minute).copied().filter(|calls| *calls >= CALLS_MIN);
        let usual: Vec<f64> = history.iter().filter_map(|row| Some(row.calls / all(row.minute)?)).collect();
        if usual.len() < HISTORY_MIN {
            return None;
        }
        let (now, calls) = (all(minute)?, row.map_or(0.0, |row| row.calls));
        let expected = median(&usual) * now;
        // Of few, the fewest that are counted as some: half a message.
        let inverse: Vec<f64> = usual.iter().map(|share| 1.0 / (share * now)).collect();
        let p = robust_p(1.0 / calls.max(0.5), &inverse).max(at_most(calls, expected));
        Some(("messages", calls, expected, "1", p))
    }

    /// What has been unusual for so long that it cannot be chance, with its first minute.
    pub(super) fn lasting(&self, minute: i64, found: &[Alarm]) -> Vec<(i64, Alarm)> {
        if found.is_empty() {
            return Vec::new();
        }
        // Errors and durations of each, and of those that take messages how many.
        let consumers = self.of.keys().filter(|operation| operation.2 == CONSUMER).count();
        let tests = 2 * self.of.len() + consumers;
        let most = FALSE_A_DAY / (DAY * tests.max(1) as f64);
        let earlier: Vec<Vec<Alarm>> =
            (1..STREAK_MAX).map(|back| self.at(minute - back, &BTreeSet::new())).collect();
        let mut lasting = Vec::new();
        for alarm in found {
            let (mut product, mut first) = (alarm.p, minute);
            for (back, alarms) in earlier.iter().enumerate() {
                let Some(before) = alarms.iter().find(|other| other.is_same(alarm)) else { break };
                product *= before.p;
                first = minute - back as i64 - 1;
            }
            // One minute alone may be a pause or a burst.
            if product <= most && first < minute {
                lasting.push((first, alarm.clone()));
            }
        }
        lasting
    }

    /// The spans of minutes, about.
    pub(super) fn spans(&self, first: i64, last: i64) -> f64 {
        let rows = self.of.values().flat_map(|minutes| minutes.range(first..=last));
        rows.map(|(_, row)| row.calls).sum()
    }

    /// The share of the calls that come from outside which unusual operations have, of those that count.
    pub(super) fn share(&self, first: i64, last: i64, counts: &dyn Fn(&Alarm) -> bool) -> f64 {
        let wrong: BTreeSet<Operation> = (first..=last)
            .flat_map(|minute| self.at(minute, &BTreeSet::new()))
            .filter(|alarm| counts(alarm))
            .map(|alarm| (alarm.service, alarm.operation, alarm.kind))
            .collect();
        let calls = |of: &dyn Fn(&Operation) -> bool| -> f64 {
            let of_server = self.of.iter().filter(|(operation, _)| operation.2 == "server" && of(operation));
            of_server.flat_map(|(_, minutes)| minutes.range(first..=last)).map(|(_, row)| row.calls).sum()
        };
        let all = calls(&|_| true);
        if all > 0.0 { calls(&|operation| wrong.contains(operation)) / all } else { 0.0 }
    }

    /// Marks of versions that began in one of these minutes, where another was before.
    pub(super) fn deploys(&self, due: &[i64]) -> Vec<Change> {
        let mut found = Vec::new();
        for ((service, version), began) in &self.versions {
            let others =
                self.versions.iter().filter(|((name, other), _)| name == service && other != version);
            let has_older = others.into_iter().any(|(_, other)| other < began);
            if has_older && due.contains(began) && *began > self.first && !version.is_empty() {
                found.push(Change {
                    id: format!("deploy-{service}-{version}").chars().take(120).collect(),
                    time: began.saturating_mul(MINUTE).to_string(),
                    kind: ChangeKind::Deploy,
                    service: service.clone(),
                    namespace: None,
                    environment: None,
                    version: Some(version.clone()),
                    text: None,
                    source: "telemetry".to_owned(),
                });
            }
        }
        found
    }
}

type Found = (&'static str, f64, f64, &'static str, f64);

fn errors(row: &MinuteRow, history: &[&MinuteRow]) -> Option<Found> {
    if row.errors <= 0.0 {
        return None;
    }
    let usual = pooled(history.iter().map(|row| (row.calls, row.errors)))?;
    let scaled = |count: f64| (count / usual.dispersion).round() as u64;
    let p = at_least(scaled(row.errors), scaled(row.calls), inside(usual.rate, usual.trials));
    Some(("errors", row.errors / row.calls.max(1.0), usual.rate, "1", p))
}

fn duration(row: &MinuteRow, history: &[&MinuteRow]) -> Option<Found> {
    if row.calls < CALLS_MIN {
        return None;
    }
    let of = |quantile: fn(&MinuteRow) -> f64| {
        let usual: Vec<f64> =
            history.iter().filter(|row| row.calls >= CALLS_MIN).map(|row| quantile(row)).collect();
        (usual.len() >= HISTORY_MIN).then(|| {
            let p = robust_p(quantile(row), &usual);
            (p, quantile(row), median(&usual))
        })
    };
    let (middle, tail) = (of(|row| row.median)?, of(|row| row.p95)?);
    let (p, value, expected) = if middle.0 <= tail.0 { middle } else { tail };
    Some(("duration", value, expected, "ns", (2.0 * p).min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operation with these minutes: calls, errors, median and 95 % quantile in milliseconds.
    fn operation(
        service: &str,
        kind: &str,
        minutes: &[(i64, f64, f64, f64, f64)],
    ) -> (Operation, BTreeMap<i64, MinuteRow>) {
        let operation: Operation = (service.to_owned(), "all".to_owned(), kind.to_owned());
        let row = |(minute, calls, errors, median, p95): &(i64, f64, f64, f64, f64)| {
            let (median, p95, operation) = (median * 1e6, p95 * 1e6, operation.clone());
            (*minute, MinuteRow { minute: *minute, operation, calls: *calls, errors: *errors, median, p95 })
        };
        (operation.clone(), minutes.iter().map(row).collect())
    }

    fn alarms(minutes: &[(i64, f64, f64, f64, f64)]) -> Alarms {
        Alarms::new(BTreeMap::from([operation("cart", "server", minutes)]), BTreeMap::new(), 0)
    }

    fn healthy(until: i64) -> Vec<(i64, f64, f64, f64, f64)> {
        (0..until)
            .map(|at| (at, 100.0 + (at % 5) as f64, (at % 3) as f64, 10.0 + (at % 4) as f64 * 0.2, 40.0))
            .collect()
    }

    #[test]
    fn what_lasts_is_no_chance() {
        let check = |more: &[(i64, f64, f64, f64, f64)], at: i64, expected: Option<(i64, &str)>| {
            let mut minutes = healthy(30);
            minutes.extend(more);
            let alarms = alarms(&minutes);
            let found = alarms.at(at, &BTreeSet::new());
            let lasting = alarms.lasting(at, &found);
            let lasting = lasting.first().map(|(since, alarm)| (*since, alarm.signal));
            assert_eq!(lasting, expected, "{more:?}: {found:?}");
        };
        check(&[(30, 100.0, 2.0, 10.0, 40.0), (31, 100.0, 1.0, 10.4, 41.0)], 31, None);
        check(&[(30, 100.0, 40.0, 10.0, 40.0), (31, 100.0, 45.0, 10.0, 40.0)], 31, Some((30, "errors")));
        // One minute alone may be a burst.
        check(&[(30, 100.0, 1.0, 10.0, 40.0), (31, 100.0, 60.0, 10.0, 40.0)], 31, None);
        check(&[(30, 100.0, 1.0, 90.0, 400.0), (31, 100.0, 1.0, 90.0, 400.0)], 31, Some((30, "duration")));
        // A little slower for a little while.
        check(&[(30, 100.0, 1.0, 10.9, 42.0), (31, 100.0, 1.0, 10.9, 42.0)], 31, None);
        // Too few calls to tell.
        check(&[(30, 2.0, 0.0, 90.0, 400.0), (31, 2.0, 0.0, 90.0, 400.0)], 31, None);
    }

    #[test]
    fn three_minutes_are_a_history() {
        let check = |more: (i64, f64, f64, f64, f64), expected: usize| {
            let mut minutes = healthy(3);
            minutes.extend((3..6).map(|at| (at, more.1, more.2, more.3, more.4)));
            let alarms = alarms(&minutes);
            let found = alarms.at(5, &BTreeSet::new());
            assert_eq!(alarms.lasting(5, &found).len(), expected, "{more:?}: {found:?}");
        };
        check((0, 100.0, 40.0, 10.0, 40.0), 1);
        check((0, 100.0, 1.0, 90.0, 400.0), 1);
        // What a short history cannot tell from chance.
        check((0, 100.0, 1.0, 14.0, 50.0), 0);
    }

    #[test]
    fn messages_that_are_not_taken_are_unusual() {
        let of = |calls: &dyn Fn(i64) -> f64| -> Vec<(i64, f64, f64, f64, f64)> {
            let minutes = (0..30).map(|at| (at, calls(at), 0.0, 10.0 + (at % 4) as f64 * 0.2, 40.0));
            minutes.filter(|minute| minute.1 > 0.0).collect()
        };
        let check = |asked: &dyn Fn(i64) -> f64, taken: &dyn Fn(i64) -> f64, expected: Option<(f64, f64)>| {
            let operations =
                [operation("cart", "server", &of(asked)), operation("mail", "consumer", &of(taken))];
            let alarms = Alarms::new(BTreeMap::from(operations), BTreeMap::new(), 0);
            let found = alarms.at(29, &BTreeSet::new());
            let lasting = alarms.lasting(29, &found);
            let lasting = lasting.first().map(|(_, alarm)| (alarm.value, alarm.expected.round()));
            assert_eq!(lasting, expected, "{found:?}");
        };
        let swings = |at: i64| 100.0 + (at % 5) as f64;
        check(&swings, &|at| swings(at) - 60.0, None);
        check(&swings, &|at| if at < 27 { 40.0 } else { 4.0 }, Some((4.0, 30.0)));
        // None at all.
        check(&swings, &|at| if at < 27 { 40.0 } else { 0.0 }, Some((0.0, 29.0)));
        // Fewer, where everything is less.
        check(&|at| if at < 27 { 400.0 } else { 40.0 }, &|at| if at < 27 { 40.0 } else { 4.0 }, None);
        // Few come now and then.
        check(&swings, &|at| if at < 27 { (at % 3) as f64 } else { 0.0 }, None);
    }

    #[test]
    fn minutes_of_incidents_are_no_history() {
        let mut minutes = healthy(12);
        minutes.extend((12..40).map(|at| (at, 100.0, 50.0, 10.0, 40.0)));
        let alarms = alarms(&minutes);
        assert!(alarms.at(39, &BTreeSet::new()).is_empty(), "what always was is usual");
        assert_eq!(alarms.at(39, &(12..39).collect()).len(), 1);
        assert!(alarms.at(2, &BTreeSet::new()).is_empty(), "no history yet");
    }
}
