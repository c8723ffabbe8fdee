//! Services by rate, errors and duration, counted from the spans when they are asked for.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use arrow::array::{Array, RecordBatch};
use model::{Predicate, Signal, TimeRange};
use sketches_ddsketch::{Config, DDSketch};
use storage::{Control, Scan, Snapshot};

use super::{Services, stats};
use crate::columns::Columns;
use crate::error::QueryError;
use crate::rows::{Partial, Service};

/// How many services one answer tells apart.
const SERVICES_MAX: usize = 10_000;
/// How many instances and versions of a service are told apart.
const NAMES_MAX: usize = 10_000;
const COLUMNS: [&str; 11] = [
    "deployment_environment",
    "service_namespace",
    "service_name",
    "service_version",
    "service_instance_id",
    "kind",
    "parent_span_id",
    "status_code",
    "duration_ns",
    "weight",
    "start_time",
];

/// Environment, namespace and name.
type Key = (Option<String>, Option<String>, String);

#[derive(Default)]
struct Counts {
    /// Calls from outside.
    entry: Calls,
    /// All spans.
    any: Calls,
    instances: HashSet<String>,
    versions: BTreeSet<String>,
}

struct Calls {
    calls: f64,
    errors: f64,
    durations: DDSketch,
}

impl Default for Calls {
    fn default() -> Self {
        // Relative error of a quantile: one percent.
        Self { calls: 0.0, errors: 0.0, durations: DDSketch::new(Config::defaults()) }
    }
}

impl Calls {
    fn add(&mut self, weight: f64, failed: bool, duration_ns: i64) {
        self.calls += weight;
        self.errors += if failed { weight } else { 0.0 };
        self.durations.add(duration_ns.max(0) as f64);
    }

    /// The smallest duration that at least this share of the calls did not exceed (nearest rank).
    fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.durations.count() as f64;
        // The sketch takes the rank below `quantile * (count - 1)`; half a rank more keeps rounding out.
        let rank = (share * count).ceil() - 1.0 + 0.5;
        let quantile = if count > 1.0 { (rank / (count - 1.0)).clamp(0.0, 1.0) } else { 0.0 };
        self.durations.quantile(quantile).ok().flatten()
    }
}

pub(super) fn list(snapshot: &Snapshot, range: TimeRange, control: &Control) -> Result<Services, QueryError> {
    let begun = Instant::now();
    let scan = Scan { signal: Signal::Spans, range, predicate: Predicate::All };
    let mut services: BTreeMap<Key, Counts> = BTreeMap::new();
    let mut overflowed = false;
    let cost = snapshot.visit(&scan, &COLUMNS, control, &mut |rows| {
        overflowed |= !add(&mut services, rows);
        Ok(())
    })?;
    let mut stats = stats(cost, begun)?;
    if overflowed {
        let reason = format!("more than {SERVICES_MAX} services");
        stats.partial = Some(Partial { reason, covered_from: None, covered_to: None });
    }
    let extent = snapshot.extent(Signal::Spans).unwrap_or_default();
    let range = TimeRange { from: range.from.or(extent.from), to: range.to.or(extent.to) };
    let seconds = match (range.from, range.to) {
        (Some(from), Some(to)) => (to.since(from) as f64 / 1e9).max(1.0),
        _ => 1.0,
    };
    let mut services: Vec<Service> =
        services.into_iter().map(|(key, counts)| service(key, counts, seconds)).collect();
    services.sort_by(|a, b| b.calls.total_cmp(&a.calls).then_with(|| a.name.cmp(&b.name)));
    Ok(Services { services, range, stats })
}

/// Counts a batch. False if a service had to be left out.
fn add(services: &mut BTreeMap<Key, Counts>, rows: &RecordBatch) -> bool {
    let columns = Columns(rows);
    let texts = |name| columns.texts(name);
    let (environments, namespaces, names) =
        (texts("deployment_environment"), texts("service_namespace"), texts("service_name"));
    let (versions, instances) = (texts("service_version"), texts("service_instance_id"));
    let (kinds, statuses) = (texts("kind"), texts("status_code"));
    let parents = columns.ids("parent_span_id");
    let weights = columns.doubles("weight");
    let mut whole = true;
    for row in 0..rows.num_rows() {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let key = (
            owned(environments.get(row)),
            owned(namespaces.get(row)),
            owned(names.get(row)).unwrap_or_default(),
        );
        if services.len() >= SERVICES_MAX && !services.contains_key(&key) {
            whole = false;
            continue;
        }
        let counts = services.entry(key).or_default();
        let weight = weights.map_or(1.0, |weights| weights.value(row));
        let failed = statuses.get(row) == Some("error");
        let duration = columns.int("duration_ns", row).unwrap_or(0);
        let is_root = parents.is_none_or(|parents| parents.is_null(row));
        if is_root || matches!(kinds.get(row), Some("server" | "consumer")) {
            counts.entry.add(weight, failed, duration);
        }
        counts.any.add(weight, failed, duration);
        remember(instances.get(row), &mut counts.instances);
        if let Some(version) = versions.get(row)
            && !counts.versions.contains(version)
            && counts.versions.len() < NAMES_MAX
        {
            counts.versions.insert(version.to_owned());
        }
    }
    whole
}

fn remember(name: Option<&str>, names: &mut HashSet<String>) {
    if let Some(name) = name
        && !names.contains(name)
        && names.len() < NAMES_MAX
    {
        names.insert(name.to_owned());
    }
}

fn service((environment, namespace, name): Key, counts: Counts, seconds: f64) -> Service {
    let calls = if counts.entry.calls > 0.0 { counts.entry } else { counts.any };
    Service {
        name,
        namespace,
        environment,
        calls: calls.calls,
        errors: calls.errors,
        rate_per_s: calls.calls / seconds,
        error_ratio: if calls.calls > 0.0 { calls.errors / calls.calls } else { 0.0 },
        p50_ns: calls.quantile(0.5),
        p95_ns: calls.quantile(0.95),
        p99_ns: calls.quantile(0.99),
        instances: counts.instances.len() as u64,
        versions: counts.versions.into_iter().collect(),
    }
}
