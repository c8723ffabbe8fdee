//! One service: its operations, instances, edges, and calls over time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use arrow::array::RecordBatch;
use model::{Field, Predicate, Test, TimeRange};
use storage::{Control, OPERATIONS_MAX, Snapshot};

use super::calls::{Calls, SUMS, Split, Sums, covered, seconds};
use super::graph;
use super::heat::Heat;
use super::services::{Counts, service};
use super::{ServiceDetail, stats};
use crate::columns::Columns;
use crate::error::QueryError;
use crate::rows::{Instance, Operation, Partial, Point, ServiceKey, Version};

/// How many operations, and instances, are told apart while they are counted.
const TOLD_APART_MAX: usize = 10_000;
/// How many instances an answer lists.
const INSTANCES_MAX: usize = 1_000;
/// How many versions are told apart.
const VERSIONS_MAX: usize = 1_000;
/// The most points of the series.
const POINTS_MAX: i64 = 1_440;
/// The lengths in minutes that a point of the series may have.
const STEPS: [i64; 10] = [1, 5, 15, 60, 180, 360, 720, 1_440, 10_080, 43_200];
const MINUTE: i64 = 60 * 1_000_000_000;
/// Stands for the names past the most.
const OTHER: &str = "other";
const COLUMNS: [&str; 7] = [
    "time",
    "deployment_environment",
    "service_namespace",
    "service_version",
    "service_instance_id",
    "operation",
    "kind",
];

/// Which service is asked for. Without namespace or environment, all of that name are taken together.
#[derive(Debug, Clone, Default)]
pub struct ServiceQuestion {
    /// `service.name`.
    pub name: String,
    /// `service.namespace`.
    pub namespace: Option<String>,
    /// `deployment.environment.name`.
    pub environment: Option<String>,
    /// Which times.
    pub range: TimeRange,
}

impl ServiceQuestion {
    fn predicate(&self) -> Predicate {
        let equals = |field, text: &str| Predicate::Field(field, Test::Equals(text.to_owned()));
        let mut parts = vec![equals(Field::Service, &self.name)];
        parts.extend(self.namespace.iter().map(|text| equals(Field::Namespace, text)));
        parts.extend(self.environment.iter().map(|text| equals(Field::Environment, text)));
        Predicate::And(parts)
    }
}

/// What is known of the service so far.
struct Found {
    all: Counts,
    keys: BTreeSet<ServiceKey>,
    /// By name and kind.
    operations: BTreeMap<(String, String), Split>,
    /// By name and version.
    instances: BTreeMap<(Option<String>, Option<String>), Split>,
    series: BTreeMap<i64, Split>,
    /// With the first and last minute of each.
    versions: BTreeMap<Option<String>, (Split, i64, i64)>,
    step: i64,
    overflowed: bool,
}

pub(super) fn one(
    snapshot: &Snapshot,
    question: &ServiceQuestion,
    control: &Control,
) -> Result<ServiceDetail, QueryError> {
    let begun = Instant::now();
    let range = covered(snapshot, question.range);
    let mut found = Found {
        all: Counts::default(),
        keys: BTreeSet::new(),
        operations: BTreeMap::new(),
        instances: BTreeMap::new(),
        series: BTreeMap::new(),
        versions: BTreeMap::new(),
        step: step(range),
        overflowed: false,
    };
    let columns = [&COLUMNS[..], &SUMS].concat();
    let cost = snapshot
        .red(question.range, &question.predicate(), &columns, control, &mut |rows| found.add(rows))?;
    let mut stats = stats(cost, begun)?;
    if found.keys.is_empty() {
        let message = format!("no span of a service {:?} is stored in this time", question.name);
        return Err(QueryError::NotFound(message));
    }
    if found.overflowed {
        let reason = format!("more than {TOLD_APART_MAX} instances, or {VERSIONS_MAX} versions");
        stats.partial = Some(Partial { reason, covered_from: None, covered_to: None });
    }
    let graph = graph::graph(snapshot, question.range, control)?;
    stats.rows_scanned += graph.stats.rows_scanned;
    stats.bytes_scanned += graph.stats.bytes_scanned;
    stats.segments_opened += graph.stats.segments_opened;
    stats.partial = stats.partial.or(graph.stats.partial);
    let is_mine = |edge: &crate::rows::Edge| edge.from == question.name || edge.to == question.name;
    let edges = graph.edges.into_iter().filter(is_mine).collect();
    let mut detail = found.finish(question, seconds(range));
    stats.elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    (detail.edges, detail.range, detail.stats) = (edges, range, stats);
    Ok(detail)
}

/// How long a point is, in nanoseconds, so that a range has at most [`POINTS_MAX`].
fn step(range: TimeRange) -> i64 {
    let length = match (range.from, range.to) {
        (Some(from), Some(to)) => to.since(from),
        _ => 0,
    };
    let fits = |minutes: &&i64| length / (**minutes * MINUTE) < POINTS_MAX;
    STEPS.iter().find(fits).unwrap_or(&STEPS[STEPS.len() - 1]) * MINUTE
}

impl Found {
    fn add(&mut self, rows: &RecordBatch) -> storage::Result<()> {
        let columns = Columns(rows);
        let [_, environments, namespaces, versions, instances, operations, kinds] =
            COLUMNS.map(|name| columns.texts(name));
        let times = columns.times("time");
        let sums = Sums::of(rows)?;
        for row in 0..rows.num_rows() {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let mut one = Split::default();
            one.add(&sums, row)?;
            self.all.split.merge(&one);
            self.all.see(instances.get(row), versions.get(row));
            self.keys.insert(ServiceKey {
                namespace: owned(namespaces.get(row)),
                environment: owned(environments.get(row)),
            });
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            let mut operation = (text(operations.get(row)), text(kinds.get(row)));
            if self.operations.len() >= TOLD_APART_MAX && !self.operations.contains_key(&operation) {
                operation.0 = OTHER.to_owned();
            }
            self.operations.entry(operation).or_default().merge(&one);
            let instance = (owned(instances.get(row)), owned(versions.get(row)));
            match self.instances.len() < TOLD_APART_MAX || self.instances.contains_key(&instance) {
                true => self.instances.entry(instance).or_default().merge(&one),
                false => self.overflowed = true,
            }
            let time = times.map_or(0, |times| times.value(row));
            self.see_version(owned(versions.get(row)), &one, time);
            let time = time.div_euclid(self.step).saturating_mul(self.step);
            self.series.entry(time).or_default().merge(&one);
        }
        Ok(())
    }

    fn see_version(&mut self, version: Option<String>, calls: &Split, time: i64) {
        if self.versions.len() >= VERSIONS_MAX && !self.versions.contains_key(&version) {
            self.overflowed = true;
            return;
        }
        let (split, first, last) =
            self.versions.entry(version).or_insert_with(|| (Split::default(), time, time));
        split.merge(calls);
        (*first, *last) = (time.min(*first), time.max(*last));
    }

    /// The answer but for its edges, its range and what it cost.
    fn finish(self, question: &ServiceQuestion, seconds: f64) -> ServiceDetail {
        let called = self.all.split.is_called();
        let merged: Vec<ServiceKey> = self.keys.into_iter().collect();
        let key = match merged.as_slice() {
            [one] => (one.environment.clone(), one.namespace.clone(), question.name.clone()),
            _ => (question.environment.clone(), question.namespace.clone(), question.name.clone()),
        };
        let series = self.series.into_iter().map(|(time, split)| (time, split.of(called)));
        let series: Vec<(i64, Calls)> = series.filter(|(_, calls)| calls.calls > 0.0).collect();
        let sketches: Vec<_> = series.iter().map(|(_, calls)| &calls.durations).collect();
        let heat = Heat::of(&sketches);
        let points = series.iter().map(|(time, calls)| Point {
            time: *time,
            calls: calls.calls,
            errors: calls.errors,
            p95_ns: calls.quantile(0.95),
        });
        ServiceDetail {
            service: service(key, self.all, seconds),
            merged,
            operations: operations(self.operations, called, seconds),
            instances: instances(self.instances, called),
            series: points.collect(),
            heat,
            versions: versions(self.versions, called),
            step_ns: self.step,
            edges: Vec::new(),
            range: TimeRange::ALL,
            stats: Default::default(),
        }
    }
}

/// Operations by calls, most first; past the most that a service has, they are one.
fn operations(found: BTreeMap<(String, String), Split>, called: bool, seconds: f64) -> Vec<Operation> {
    let calls = found.into_iter().map(|(key, split)| (key, split.of(called)));
    let mut all: Vec<((String, String), Calls)> = calls.filter(|(_, calls)| calls.calls > 0.0).collect();
    all.sort_by(|a, b| b.1.calls.total_cmp(&a.1.calls).then_with(|| a.0.cmp(&b.0)));
    for ((_, kind), calls) in all.split_off(all.len().min(OPERATIONS_MAX)) {
        match all.iter_mut().find(|one| one.0.0 == OTHER && one.0.1 == kind) {
            Some(other) => other.1.merge(&calls),
            None => all.push(((OTHER.to_owned(), kind), calls)),
        }
    }
    let operation = |((name, kind), calls): ((String, String), Calls)| Operation {
        name,
        kind,
        calls: calls.calls,
        errors: calls.errors,
        rate_per_s: calls.calls / seconds,
        error_ratio: calls.error_ratio(),
        p50_ns: calls.quantile(0.5),
        p95_ns: calls.quantile(0.95),
        p99_ns: calls.quantile(0.99),
    };
    all.into_iter().map(operation).collect()
}

/// Versions by when they were first seen.
fn versions(found: BTreeMap<Option<String>, (Split, i64, i64)>, called: bool) -> Vec<Version> {
    let version = |(version, (split, first_seen, last_seen)): (Option<String>, (Split, i64, i64))| {
        let calls = split.of(called);
        Version {
            version,
            first_seen,
            last_seen,
            calls: calls.calls,
            errors: calls.errors,
            error_ratio: calls.error_ratio(),
            p95_ns: calls.quantile(0.95),
        }
    };
    let mut all: Vec<Version> =
        found.into_iter().map(version).filter(|version| version.calls > 0.0).collect();
    all.sort_by(|a, b| (a.first_seen, &a.version).cmp(&(b.first_seen, &b.version)));
    all
}

/// Instances by calls, most first.
fn instances(found: BTreeMap<(Option<String>, Option<String>), Split>, called: bool) -> Vec<Instance> {
    let instance = |((name, version), split): ((Option<String>, Option<String>), Split)| {
        let calls = split.of(called);
        Instance {
            name,
            version,
            calls: calls.calls,
            errors: calls.errors,
            error_ratio: calls.error_ratio(),
            p50_ns: calls.quantile(0.5),
            p95_ns: calls.quantile(0.95),
            p99_ns: calls.quantile(0.99),
        }
    };
    let mut all: Vec<Instance> = found.into_iter().map(instance).collect();
    all.sort_by(|a, b| b.calls.total_cmp(&a.calls));
    all.truncate(INSTANCES_MAX);
    all
}
