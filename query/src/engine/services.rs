//! Services by rate, errors and duration, from rows of `red`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use arrow::array::RecordBatch;
use model::{Predicate, TimeRange};
use storage::{Control, Snapshot};

use super::calls::{Calls, SUMS, Split, Sums, covered, seconds};
use super::{Services, stats};
use crate::columns::Columns;
use crate::error::QueryError;
use crate::rows::{Partial, Service};

/// How many services one answer tells apart.
const SERVICES_MAX: usize = 10_000;
/// How many instances and versions of a service are told apart.
const NAMES_MAX: usize = 10_000;
const COLUMNS: [&str; 5] =
    ["deployment_environment", "service_namespace", "service_name", "service_version", "service_instance_id"];

/// Environment, namespace and name.
pub(super) type Key = (Option<String>, Option<String>, String);

/// What is known of a service.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) split: Split,
    instances: HashSet<String>,
    versions: BTreeSet<String>,
}

impl Counts {
    /// Counts an instance and a version.
    pub(super) fn see(&mut self, instance: Option<&str>, version: Option<&str>) {
        if let Some(instance) = instance
            && !self.instances.contains(instance)
            && self.instances.len() < NAMES_MAX
        {
            self.instances.insert(instance.to_owned());
        }
        if let Some(version) = version
            && !self.versions.contains(version)
            && self.versions.len() < NAMES_MAX
        {
            self.versions.insert(version.to_owned());
        }
    }
}

pub(super) fn list(snapshot: &Snapshot, range: TimeRange, control: &Control) -> Result<Services, QueryError> {
    let begun = Instant::now();
    let mut services: BTreeMap<Key, Counts> = BTreeMap::new();
    let mut overflowed = false;
    let columns = [&COLUMNS[..], &SUMS].concat();
    let cost = snapshot.red(range, &Predicate::All, &columns, control, &mut |rows| {
        overflowed |= !add(&mut services, rows)?;
        Ok(())
    })?;
    let mut stats = stats(cost, begun)?;
    if overflowed {
        let reason = format!("more than {SERVICES_MAX} services");
        stats.partial = Some(Partial { reason, covered_from: None, covered_to: None });
    }
    let range = covered(snapshot, range);
    let seconds = seconds(range);
    let mut services: Vec<Service> =
        services.into_iter().map(|(key, counts)| service(key, counts, seconds)).collect();
    services.sort_by(|a, b| b.calls.total_cmp(&a.calls).then_with(|| a.name.cmp(&b.name)));
    Ok(Services { services, range, stats })
}

/// Counts a batch. False if a service had to be left out.
fn add(services: &mut BTreeMap<Key, Counts>, rows: &RecordBatch) -> storage::Result<bool> {
    let columns = Columns(rows);
    let [environments, namespaces, names, versions, instances] = COLUMNS.map(|name| columns.texts(name));
    let sums = Sums::of(rows)?;
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
        counts.split.add(&sums, row)?;
        counts.see(instances.get(row), versions.get(row));
    }
    Ok(whole)
}

/// A service as it is answered.
pub(super) fn service((environment, namespace, name): Key, counts: Counts, seconds: f64) -> Service {
    let called = counts.split.is_called();
    let calls: Calls = counts.split.of(called);
    Service {
        name,
        namespace,
        environment,
        calls: calls.calls,
        errors: calls.errors,
        rate_per_s: calls.calls / seconds,
        error_ratio: calls.error_ratio(),
        p50_ns: calls.quantile(0.5),
        p95_ns: calls.quantile(0.95),
        p99_ns: calls.quantile(0.99),
        instances: counts.instances.len() as u64,
        versions: counts.versions.into_iter().collect(),
    }
}
