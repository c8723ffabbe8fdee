//! What runs: versions, instances, and what resources say of themselves.

use std::collections::{BTreeMap, BTreeSet};

use query::{Gathering, QueryError};

use super::cells::Cells;
use super::{sql_text, sql_time};
use crate::counts::MINUTE;

/// The most rows of one reading.
const ROWS_MAX: usize = 20_000;

/// A resource as spans had it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    pub(crate) service: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// When its first span began.
    pub(crate) first: i64,
}

fn attributes_of(stored: &str) -> BTreeMap<String, String> {
    let stored = model::attributes::to_json(stored);
    let of = |(key, value): (&String, &serde_json::Value)| {
        (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    stored.as_object().into_iter().flatten().map(of).collect()
}

fn between(column: &str, (from, to): (i64, i64)) -> String {
    format!("({column} >= {} AND {column} < {})", sql_time(from), sql_time(to))
}

/// By attribute of the resource: its values in spans under a condition and in these ranges.
pub(crate) async fn resources(
    gathering: &Gathering,
    condition: &str,
    ranges: &[(i64, i64)],
) -> Result<BTreeMap<String, BTreeSet<String>>, QueryError> {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    if ranges.is_empty() {
        return Ok(values);
    }
    let ranges: Vec<String> = ranges.iter().map(|range| between("start_time", *range)).collect();
    let sql = format!(
        "SELECT resource_attributes AS resource FROM spans WHERE {condition} AND ({}) GROUP BY resource_attributes",
        ranges.join(" OR ")
    );
    let found = gathering.rows(&sql, ROWS_MAX).await?;
    for batch in &found.batches {
        let texts = Cells(batch).texts("resource");
        for row in 0..batch.num_rows() {
            for (key, value) in attributes_of(texts.get(row).unwrap_or("{}")) {
                values.entry(key).or_default().insert(value);
            }
        }
    }
    Ok(values)
}

/// All resources whose spans began in a range of time, in order of the first.
pub(crate) async fn described(gathering: &Gathering, range: (i64, i64)) -> Result<Vec<Resource>, QueryError> {
    let sql = format!(
        "SELECT service_name, resource_attributes AS resource, min(start_time) AS time FROM spans WHERE {}
         GROUP BY service_name, resource_attributes ORDER BY time, service_name, resource",
        between("start_time", range)
    );
    let found = gathering.rows(&sql, ROWS_MAX).await?;
    let mut resources = Vec::new();
    for batch in &found.batches {
        let cells = Cells(batch);
        let (services, stored, times) =
            (cells.texts("service_name"), cells.texts("resource"), cells.ints("time"));
        for row in 0..batch.num_rows() {
            let (Some(service), Some(first)) = (services.get(row), times.get(row)) else { continue };
            let attributes = attributes_of(stored.get(row).unwrap_or("{}"));
            resources.push(Resource { service: service.to_owned(), attributes, first });
        }
    }
    Ok(resources)
}

/// By service and instance: the minutes in which it answered or called, of a range of minutes.
pub(crate) async fn instances(
    gathering: &Gathering,
    (first, last): (i64, i64),
) -> Result<BTreeMap<(String, String), BTreeSet<i64>>, QueryError> {
    let sql = format!(
        "SELECT service_name, service_instance_id, time FROM red WHERE {} AND service_instance_id IS NOT NULL
         GROUP BY service_name, service_instance_id, time",
        between("time", (first.saturating_mul(MINUTE), (last + 1).saturating_mul(MINUTE)))
    );
    let found = gathering.rows(&sql, ROWS_MAX).await?;
    let mut minutes: BTreeMap<(String, String), BTreeSet<i64>> = BTreeMap::new();
    for batch in &found.batches {
        let cells = Cells(batch);
        let times = cells.ints("time");
        for row in 0..batch.num_rows() {
            let text = |name: &str| cells.texts(name).get(row).unwrap_or_default().to_owned();
            let minute = times.get(row).unwrap_or(0).div_euclid(MINUTE);
            minutes.entry((text("service_name"), text("service_instance_id"))).or_default().insert(minute);
        }
    }
    Ok(minutes)
}

/// When the first and the last span of each instance of a service began, in a range of time.
pub(crate) async fn seen(
    gathering: &Gathering,
    service: &str,
    range: (i64, i64),
) -> Result<BTreeMap<String, (i64, i64)>, QueryError> {
    let sql = format!(
        "SELECT service_instance_id AS name, min(start_time) AS first, max(start_time) AS last FROM spans
         WHERE {} AND service_name = {} AND service_instance_id IS NOT NULL GROUP BY service_instance_id",
        between("start_time", range),
        sql_text(service)
    );
    let found = gathering.rows(&sql, ROWS_MAX).await?;
    let mut seen = BTreeMap::new();
    for batch in &found.batches {
        let cells = Cells(batch);
        let (names, firsts, lasts) = (cells.texts("name"), cells.ints("first"), cells.ints("last"));
        for row in 0..batch.num_rows() {
            if let (Some(name), Some(first), Some(last)) = (names.get(row), firsts.get(row), lasts.get(row)) {
                seen.insert(name.to_owned(), (first, last));
            }
        }
    }
    Ok(seen)
}

/// By service and instance: since when its oldest counter counts, and when a point of it came last, in a range of time.
pub(crate) async fn started(
    gathering: &Gathering,
    range: (i64, i64),
) -> Result<BTreeMap<(String, String), (i64, i64)>, QueryError> {
    let sql = format!(
        "SELECT service_name, service_instance_id, min(start_time) AS start, max(time) AS last FROM metrics
         WHERE {} AND monotonic AND temporality = 'cumulative' AND service_instance_id IS NOT NULL
         GROUP BY service_name, service_instance_id",
        between("time", range)
    );
    let found = gathering.rows(&sql, ROWS_MAX).await?;
    let mut started = BTreeMap::new();
    for batch in &found.batches {
        let cells = Cells(batch);
        let (starts, lasts) = (cells.ints("start"), cells.ints("last"));
        for row in 0..batch.num_rows() {
            let text = |name: &str| cells.texts(name).get(row).unwrap_or_default().to_owned();
            // No start, or the beginning of all time, says nothing.
            if let (Some(start), Some(last)) = (starts.get(row).filter(|start| *start > 0), lasts.get(row)) {
                started.insert((text("service_name"), text("service_instance_id")), (start, last));
            }
        }
    }
    Ok(started)
}

/// The first minute of each service's versions under a condition.
pub(crate) async fn versions(
    gathering: &Gathering,
    condition: &str,
    rows_max: usize,
) -> Result<BTreeMap<(String, String), i64>, QueryError> {
    let sql = format!(
        "SELECT service_name, service_version, min(time) AS time FROM red
         WHERE {condition} AND service_version IS NOT NULL GROUP BY service_name, service_version"
    );
    let found = gathering.rows(&sql, rows_max).await?;
    let mut versions = BTreeMap::new();
    for batch in &found.batches {
        let cells = Cells(batch);
        let times = cells.ints("time");
        for row in 0..batch.num_rows() {
            let text = |name: &str| cells.texts(name).get(row).unwrap_or_default().to_owned();
            let minute = times.get(row).unwrap_or(0).div_euclid(crate::counts::MINUTE);
            versions.insert((text("service_name"), text("service_version")), minute);
        }
    }
    Ok(versions)
}
