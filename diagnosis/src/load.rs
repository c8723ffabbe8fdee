//! What a diagnosis reads of the store: rows of a few ranges of time, through SQL, so that everybody can ask the same.

mod cells;
mod resources;

use std::collections::{BTreeMap, BTreeSet};

use model::{TimeRange, TraceId, UnixNanos};
use query::{Gathered, Gathering, QueryError};

use crate::evidence::attributes::Place;
use crate::frame::{Kind, Raw, RawLog, RawSpan, Service};
use cells::{Cells, Numbered};
pub(crate) use resources::{Resource, described, instances, resources, seen, started, versions};

/// The most spans of one reading, and the most logs.
pub(crate) const ROWS_MAX: usize = 600_000;
/// The most points of metrics.
const POINTS_MAX: usize = 600_000;
/// How long before and after a range rows of its traces are read, in nanoseconds.
const MARGIN: i64 = 30_000_000_000;

/// Points of one series, in order of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) service: Service,
    pub(crate) instance: String,
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) attributes: String,
    pub(crate) points: Vec<(i64, f64)>,
}

/// A time as SQL reads it.
pub(crate) fn sql_time(time: i64) -> String {
    format!("TIMESTAMP '{}'", query::times::rfc3339(UnixNanos(time)))
}

/// A text as SQL reads it.
pub(crate) fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The condition that a time lies in one of these ranges.
fn within(column: &str, ranges: &[(i64, i64)]) -> String {
    let of = |(from, to): &(i64, i64)| {
        let (from, to) = (from.saturating_sub(MARGIN), to.saturating_add(MARGIN));
        format!("({column} >= {} AND {column} < {})", sql_time(from), sql_time(to))
    };
    let parts: Vec<String> = ranges.iter().map(of).collect();
    format!("({})", parts.join(" OR "))
}

/// The condition that a row is of one of these services.
fn of_services(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| sql_text(name)).collect();
    format!("service_name IN ({})", names.join(", "))
}

/// The logger that wrote a log, and the line of the code, as SQL says them.
pub(crate) const LOGGER: &str = "coalesce(attributes['logger.name'], scope_name)";
pub(crate) const LINE: &str = "coalesce(attributes['code.line.number'], attributes['code.lineno'])";

/// The condition that a span is of one of these traces, which began in a range.
pub(crate) fn of_traces(traces: &BTreeSet<TraceId>, range: (i64, i64)) -> String {
    let ids: Vec<String> = traces.iter().map(|id| format!("'{id}'")).collect();
    format!("{} AND trace_id IN ({})", within("start_time", &[range]), ids.join(", "))
}

/// Ranges that overlap with their margins, joined; in order.
pub(crate) fn joined(mut ranges: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if from <= last.1.saturating_add(2 * MARGIN) => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// Spans and their logs of these ranges and services; of the share of traces that `of_256` names. Says which limit left
/// rows out.
pub(crate) async fn rows(
    gathering: &Gathering,
    ranges: &[(i64, i64)],
    services: &[String],
    of_256: u32,
) -> Result<(Raw, Option<String>), QueryError> {
    if ranges.is_empty() || services.is_empty() {
        return Ok((Raw::default(), None));
    }
    let sampled = match of_256 {
        256.. => String::new(),
        // The last digits of a trace id are random in every generator.
        share => format!(" AND substr(trace_id, 31, 2) < '{share:02x}'"),
    };
    let spans = format!(
        "SELECT trace_id, span_id, parent_span_id, start_time, duration_ns, service_name, service_namespace,
                deployment_environment, service_instance_id, service_version, name, kind, status_code
         FROM spans WHERE {} AND {}{sampled}",
        within("start_time", ranges),
        of_services(services),
    );
    let logs = format!(
        "SELECT trace_id, span_id, time, service_name, service_namespace, deployment_environment, severity_number,
                template_id, {LOGGER} AS logger, {LINE} AS line
         FROM logs WHERE {} AND {} AND trace_id IS NOT NULL AND span_id IS NOT NULL{sampled}",
        within("time", ranges),
        of_services(services),
    );
    let mut raw = Raw::default();
    let found = gathering.rows(&spans, ROWS_MAX).await?;
    add_spans(&mut raw, &found);
    let logs = gathering.rows(&logs, ROWS_MAX).await?;
    add_logs(&mut raw, &logs);
    Ok((raw, found.cut.or(logs.cut)))
}

fn add_spans(raw: &mut Raw, found: &Gathered) {
    for batch in &found.batches {
        let cells = Cells(batch);
        let (traces, ids, parents) =
            (cells.ids("trace_id"), cells.ids("span_id"), cells.ids("parent_span_id"));
        let (starts, durations) = (cells.ints("start_time"), cells.ints("duration_ns"));
        let mut services = cells.services();
        let mut instances = Numbered::new(cells.texts("service_instance_id"));
        let mut versions = Numbered::new(cells.texts("service_version"));
        let mut names = Numbered::new(cells.texts("name"));
        let (kinds, statuses) = (cells.texts("kind"), cells.texts("status_code"));
        for row in 0..batch.num_rows() {
            let (Some(trace), Some(id)) = (traces.get(row), ids.get(row)) else { continue };
            raw.spans.push(RawSpan {
                trace,
                id,
                parent: parents.get(row),
                start: starts.get(row).unwrap_or(0),
                duration: durations.get(row).unwrap_or(0),
                service: services.number(row, &mut raw.services),
                instance: instances.number(row, &mut raw.instances),
                version: versions.number(row, &mut raw.versions),
                name: names.number(row, &mut raw.names),
                kind: Kind::of(kinds.get(row).unwrap_or_default()),
                failed: statuses.get(row) == Some("error"),
            });
        }
    }
}

/// The first severity that is an error.
const ERROR: i64 = 17;

fn add_logs(raw: &mut Raw, found: &Gathered) {
    for batch in &found.batches {
        let cells = Cells(batch);
        let (traces, ids, times) = (cells.ids("trace_id"), cells.ids("span_id"), cells.ints("time"));
        let mut services = cells.services();
        let severities = cells.ints("severity_number");
        let (templates, loggers, lines) =
            (cells.texts("template_id"), cells.texts("logger"), cells.texts("line"));
        for row in 0..batch.num_rows() {
            let (Some(trace), Some(span)) = (traces.get(row), ids.get(row)) else { continue };
            let statement = match (loggers.get(row), lines.get(row), templates.get(row)) {
                (Some(logger), Some(line), _) => format!("{logger}#{line}"),
                (_, _, Some(template)) => format!("{TEMPLATE}{template}"),
                _ => continue,
            };
            raw.logs.push(RawLog {
                trace,
                span,
                time: times.get(row).unwrap_or(0),
                service: services.number(row, &mut raw.services),
                statement: raw.statements.number(statement),
                is_error: severities.get(row).is_some_and(|severity| severity >= ERROR),
            });
        }
    }
}

/// Stands before the identity of a template where a statement has no place in the code.
pub(crate) const TEMPLATE: &str = "template:";

/// Series of metrics of these services whose name says that they are about a resource, in a range of time.
pub(crate) async fn metrics(
    gathering: &Gathering,
    services: &[String],
    words: &[&str],
    range: TimeRange,
) -> Result<Vec<Series>, QueryError> {
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let words: Vec<String> = words.iter().map(|word| format!("lower(metric) LIKE '%{word}%'")).collect();
    let mut sql = format!(
        "SELECT service_name, service_namespace, deployment_environment, service_instance_id, metric, unit,
                temporality, monotonic, attributes, time, start_time, value, count, sum
         FROM metrics WHERE (value IS NOT NULL OR type = 'histogram') AND {} AND ({})",
        of_services(services),
        words.join(" OR ")
    );
    for (bound, compare) in [(range.from, ">="), (range.to, "<")] {
        if let Some(bound) = bound {
            sql += &format!(" AND time {compare} {}", sql_time(bound.0));
        }
    }
    let found = gathering.rows(&sql, POINTS_MAX).await?;
    Ok(cells::series(&found.batches))
}

/// One operation in one minute, as it is rolled up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MinuteRow {
    pub(crate) minute: i64,
    /// Service, operation and kind.
    pub(crate) operation: (String, String, String),
    pub(crate) calls: f64,
    pub(crate) errors: f64,
    /// The median duration in nanoseconds.
    pub(crate) median: f64,
    /// The 95 % quantile of the durations.
    pub(crate) p95: f64,
}

/// Rolled up minutes under a condition.
pub(crate) async fn minutes(
    gathering: &Gathering,
    condition: &str,
    rows_max: usize,
) -> Result<Vec<MinuteRow>, QueryError> {
    let sql = format!(
        "SELECT time, service_name, operation, kind, sum(calls) AS calls, sum(errors) AS errors,
                quantile_merge(duration, 0.5) AS median, quantile_merge(duration, 0.95) AS p95
         FROM red WHERE {condition} GROUP BY time, service_name, operation, kind"
    );
    let found = gathering.rows(&sql, rows_max).await?;
    let mut rows = Vec::new();
    for batch in &found.batches {
        let cells = Cells(batch);
        let (times, text) =
            (cells.ints("time"), |name: &str, row| cells.texts(name).get(row).unwrap_or_default().to_owned());
        for row in 0..batch.num_rows() {
            let number = |name: &str| cells.double(name, row).unwrap_or(0.0);
            rows.push(MinuteRow {
                minute: times.get(row).unwrap_or(0).div_euclid(crate::counts::MINUTE),
                operation: (text("service_name", row), text("operation", row), text("kind", row)),
                calls: number("calls"),
                errors: number("errors"),
                median: number("median"),
                p95: number("p95"),
            });
        }
    }
    Ok(rows)
}

/// By trace: the attributes of its spans and their resources, as far as they may tell why.
pub(crate) async fn attributes(
    gathering: &Gathering,
    traces: &BTreeSet<TraceId>,
    range: (i64, i64),
) -> Result<BTreeMap<TraceId, BTreeSet<Place>>, QueryError> {
    const SPANS_MAX: usize = 20_000;
    const VALUE_BYTES_MAX: usize = 200;
    let mut found: BTreeMap<TraceId, BTreeSet<Place>> = BTreeMap::new();
    if traces.is_empty() {
        return Ok(found);
    }
    let sql = format!(
        "SELECT trace_id, service_name, attributes, resource_attributes FROM spans WHERE {}",
        of_traces(traces, range)
    );
    let rows = gathering.rows(&sql, SPANS_MAX).await?;
    for batch in &rows.batches {
        let cells = Cells(batch);
        let (ids, services) = (cells.ids("trace_id"), cells.texts("service_name"));
        let levels = [("span", cells.texts("attributes")), ("resource", cells.texts("resource_attributes"))];
        for row in 0..batch.num_rows() {
            let Some(id) = ids.get(row) else { continue };
            let of_trace = found.entry(TraceId(id)).or_default();
            for (level, texts) in &levels {
                let stored = model::attributes::to_json(texts.get(row).unwrap_or("{}"));
                for (key, value) in stored.as_object().into_iter().flatten() {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    if value.len() <= VALUE_BYTES_MAX && Place::may_tell(key) {
                        let service = services.get(row).unwrap_or_default().to_owned();
                        of_trace.insert(Place { service, level, key: key.clone(), value });
                    }
                }
            }
        }
    }
    Ok(found)
}

/// Lines of each template of a service by minute, in these ranges.
pub(crate) async fn lines(
    gathering: &Gathering,
    service: &str,
    ranges: &[(i64, i64)],
) -> Result<Vec<(String, bool, i64, f64)>, QueryError> {
    const LINES_MAX: usize = 200_000;
    let of = |(from, to): &(i64, i64)| format!("(time >= {} AND time < {})", sql_time(*from), sql_time(*to));
    let ranges: Vec<String> = ranges.iter().map(of).collect();
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT template_id, date_trunc('minute', time) AS time, max(severity_number) AS severity, count(*) AS lines
         FROM logs WHERE service_name = {} AND ({}) AND template_id IS NOT NULL GROUP BY 1, 2",
        sql_text(service),
        ranges.join(" OR ")
    );
    let rows = gathering.rows(&sql, LINES_MAX).await?;
    let mut found = Vec::new();
    for batch in &rows.batches {
        let cells = Cells(batch);
        let (templates, times) = (cells.texts("template_id"), cells.ints("time"));
        let (severities, lines) = (cells.ints("severity"), cells.ints("lines"));
        for row in 0..batch.num_rows() {
            let (Some(template), Some(time)) = (templates.get(row), times.get(row)) else { continue };
            let is_error = severities.get(row).is_some_and(|severity| severity >= ERROR);
            let count = lines.get(row).unwrap_or(0) as f64;
            found.push((template.to_owned(), is_error, time.div_euclid(crate::counts::MINUTE), count));
        }
    }
    Ok(found)
}

/// What the calls of a service go to where that sends no spans: by the name of the call.
pub(crate) async fn peers(gathering: &Gathering, service: &str) -> Result<Vec<(String, String)>, QueryError> {
    const PEERS_MAX: usize = 1_000;
    let sql = format!(
        "SELECT operation, min(peer) AS peer FROM red WHERE service_name = {} AND peer IS NOT NULL GROUP BY operation",
        sql_text(service)
    );
    let found = gathering.rows(&sql, PEERS_MAX).await?;
    let mut peers = Vec::new();
    for batch in &found.batches {
        let cells = Cells(batch);
        for row in 0..batch.num_rows() {
            let text = |name: &str| cells.texts(name).get(row).unwrap_or_default().to_owned();
            peers.push((text("operation"), text("peer")));
        }
    }
    Ok(peers)
}

/// The column `time` of an answer.
pub(crate) async fn times(gathering: &Gathering, sql: &str, rows_max: usize) -> Result<Vec<i64>, QueryError> {
    let found = gathering.rows(sql, rows_max).await?;
    let of = |batch| {
        let times = Cells(batch).ints("time");
        (0..batch.num_rows()).filter_map(move |row| times.get(row)).collect::<Vec<i64>>()
    };
    Ok(found.batches.iter().flat_map(of).collect())
}
