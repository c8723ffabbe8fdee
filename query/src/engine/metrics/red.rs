//! Rate, errors and durations as series, computed from `red` when they are asked for: the same numbers as those of the
//! services' pages.
//!
//! Named as the collector's connectors `spanmetrics` and `servicegraph` name them. Counters have a sample at the end of
//! each minute, and grow from the first minute that is stored on; the minute under way counts as far as it came.
//! Durations come from sketches: their sums, and what is near a bound, are within one percent.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use model::{Field, Predicate, Signal, Sketch, Test, TimeRange, UnixNanos};
use serde_json::Value;
use storage::Scan;

use super::super::calls::{Calls, SUMS, Sums};
use super::super::rows_of;
use super::super::work::{Memory, Work};
use super::exemplars::{asked, may_ask_for};
use super::rows::{milliseconds, nanoseconds};
use super::{Exemplar, MetricDescription};
use crate::columns::Columns;
use crate::error::QueryError;
use crate::promql::{Histogram, Labels, Matcher, NAME, Selection, Series};
use crate::rows::Span;

const CALLS: &str = "traces_span_metrics_calls_total";
const DURATION: &str = "traces_span_metrics_duration_milliseconds";
const REQUESTS: &str = "traces_service_graph_request_total";
const FAILED: &str = "traces_service_graph_request_failed_total";
const CLIENT: &str = "traces_service_graph_request_client_seconds";

/// What is said of these metrics.
pub(super) const DESCRIPTIONS: [(&str, Description); 5] = [
    (CALLS, Description { kind: "counter", help: "Spans by service, name, kind and status.", unit: "" }),
    (DURATION, Description { kind: "histogram", help: "Durations of spans.", unit: "milliseconds" }),
    (
        REQUESTS,
        Description { kind: "counter", help: "Calls of a service to what it names as its peer.", unit: "" },
    ),
    (FAILED, Description { kind: "counter", help: "Those calls that failed.", unit: "" }),
    (
        CLIENT,
        Description {
            kind: "histogram",
            help: "Durations of those calls, as the client saw them.",
            unit: "seconds",
        },
    ),
];

/// Upper bounds of buckets in milliseconds.
const BOUNDS_MS: [f64; 16] = [
    2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1000.0, 1400.0, 2000.0, 5000.0, 10_000.0,
    15_000.0,
];
/// The schema of native histograms: buckets as wide as those of the sketches.
const SCHEMA: i32 = 5;
const MINUTE_MS: i64 = 60_000;
/// So long after its last call a series still has samples.
const LASTS_MS: i64 = 5 * MINUTE_MS;
const NANOSECONDS: f64 = 1e6;
/// The most exemplars that are looked up in spans for a selector.
const EXEMPLARS_MAX: usize = 300;
/// Labels of series that do not show from a span.
const UNKNOWN_OF_SPANS: [&str; 2] = ["le", "entry"];
/// Bytes of a minute's numbers, beside the sketch.
const CELL_BYTES: usize = 96;

const COLUMNS: [&str; 10] = [
    "time",
    "deployment_environment",
    "service_namespace",
    "service_name",
    "operation",
    "kind",
    "peer",
    "peer_type",
    "service_version",
    "service_instance_id",
];

/// What is said of a metric.
pub(super) struct Description {
    kind: &'static str,
    help: &'static str,
    unit: &'static str,
}

impl From<Description> for MetricDescription {
    fn from(Description { kind, help, unit }: Description) -> Self {
        Self { kind, help: help.to_owned(), unit: unit.to_owned() }
    }
}

/// What is asked of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All samples.
    Samples,
    /// Which there are: a sample is enough.
    Labels,
}

/// Minutes of one set of labels.
#[derive(Default)]
struct Minutes {
    /// Those of the range; what was before is part of the first.
    cells: BTreeMap<i64, Calls>,
    /// The last minute with a call.
    last: i64,
}

/// The series of a selector, and how many samples they have.
pub(super) fn select(
    work: &mut Work<'_>,
    selection: &Selection,
    wanted: Wanted,
    memory: &mut Memory,
) -> Result<(Vec<Series>, u64), QueryError> {
    let matchers = &selection.matchers;
    let wants = |names: &[&str]| {
        let suffixes = ["", "_bucket", "_count", "_sum"];
        names
            .iter()
            .any(|name| suffixes.iter().any(|suffix| may_ask_for(matchers, &format!("{name}{suffix}"))))
    };
    let spans = wants(&[CALLS, DURATION]);
    let calls = wants(&[REQUESTS, FAILED, CLIENT]);
    if !spans && !calls {
        return Ok((Vec::new(), 0));
    }
    // The minute before the range begins: a counter that is older has its total there.
    let floor_ms = (selection.from_ms.div_euclid(MINUTE_MS) - 1).saturating_mul(MINUTE_MS);
    let mut gathered = Gathered { floor_ms, ..Gathered::default() };
    let to = nanoseconds(selection.to_ms.saturating_add(1));
    let range = TimeRange { from: None, to: Some(UnixNanos(to)) };
    let columns = [&COLUMNS[..], &SUMS].concat();
    let predicate = of_service(matchers);
    let cost = work
        .snapshot
        .red(range, &predicate, &columns, work.control, &mut |rows| gathered.add(rows, spans, calls))?;
    work.count(cost);
    if cost.timed_out {
        return Err(QueryError::Timeout("the time limit passed while rates were read".to_owned()));
    }
    memory.hold(gathered.bytes())?;
    let mut writer = Writer {
        selection,
        wanted,
        now_ms: milliseconds(UnixNanos::now().0),
        series: Vec::new(),
        samples: 0,
    };
    gathered.spans.iter().for_each(|(labels, minutes)| writer.spans(labels, minutes));
    gathered.calls.iter().for_each(|(labels, minutes)| writer.calls(labels, minutes));
    memory.hold(writer.samples as usize * size_of::<(i64, f64)>())?;
    Ok((writer.series, writer.samples))
}

/// Rows of the service alone that an equality asks for.
fn of_service(matchers: &[Matcher]) -> Predicate {
    match asked(matchers, "service_name")
        .or_else(|| asked(matchers, "client"))
        .filter(|name| !name.is_empty())
    {
        Some(service) => Predicate::Field(Field::Service, Test::Equals(service.to_owned())),
        None => Predicate::All,
    }
}

#[derive(Default)]
struct Gathered {
    floor_ms: i64,
    spans: HashMap<Labels, Minutes>,
    calls: HashMap<Labels, Minutes>,
}

impl Gathered {
    fn add(&mut self, rows: &RecordBatch, spans: bool, calls: bool) -> storage::Result<()> {
        let columns = Columns(rows);
        let sums = Sums::of(rows)?;
        for row in 0..rows.num_rows() {
            let Some(time) = columns.time("time", row) else { continue };
            let mut counts = Calls::default();
            counts.add(&sums, row)?;
            let minute = milliseconds(time);
            if calls && let Some(labels) = call_labels(&columns, row) {
                self.calls.entry(labels).or_default().add(minute, self.floor_ms, &counts);
            }
            if spans {
                let labels = span_labels(&columns, row);
                self.spans.entry(labels).or_default().add(minute, self.floor_ms, &counts);
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let minutes = self.spans.values().chain(self.calls.values());
        let cells = minutes.flat_map(|minutes| minutes.cells.values());
        cells.map(|calls| calls.durations.size() + CELL_BYTES).sum()
    }
}

impl Minutes {
    fn add(&mut self, minute: i64, floor_ms: i64, counts: &Calls) {
        self.last = if self.cells.is_empty() { minute } else { self.last.max(minute) };
        self.cells.entry(minute.max(floor_ms)).or_default().merge(counts);
    }
}

/// The labels of a row's spans, without a name.
fn span_labels(columns: &Columns<'_>, row: usize) -> Labels {
    let text = |name: &str| columns.text(name, row).unwrap_or_default();
    let (namespace, service) = (text("service_namespace"), text("service_name"));
    let (job, kind) = (job(namespace, service), kind_of(text("kind")));
    Labels::new([
        ("service_name", service),
        ("span_name", text("operation")),
        ("span_kind", &kind),
        ("service_namespace", namespace),
        ("deployment_environment_name", text("deployment_environment")),
        ("service_version", text("service_version")),
        ("job", &job),
        ("instance", text("service_instance_id")),
        ("entry", if columns.flag("entry", row) { "true" } else { "" }),
    ])
}

/// The labels of a row's calls, without a name; `None` if it says not whom it calls.
fn call_labels(columns: &Columns<'_>, row: usize) -> Option<Labels> {
    let connection = match columns.text("peer_type", row)? {
        "database" => "database",
        "queue" => "messaging_system",
        "external" => "virtual_node",
        _ => "",
    };
    let client = columns.text("service_name", row).unwrap_or_default();
    Some(Labels::new([
        ("client", client),
        ("server", columns.text("peer", row)?),
        ("connection_type", connection),
    ]))
}

/// Writes series for those that a selector wants.
struct Writer<'a> {
    selection: &'a Selection,
    wanted: Wanted,
    now_ms: i64,
    series: Vec<Series>,
    samples: u64,
}

impl Writer<'_> {
    fn spans(&mut self, labels: &Labels, minutes: &Minutes) {
        let with = |status: &str| Labels::new(labels.iter().chain([("status_code", status)]));
        self.counter(CALLS, &with("STATUS_CODE_UNSET"), minutes, |calls| calls.calls - calls.errors);
        self.counter(CALLS, &with("STATUS_CODE_ERROR"), minutes, |calls| calls.errors);
        self.durations(DURATION, labels, minutes, 1.0);
    }

    fn calls(&mut self, labels: &Labels, minutes: &Minutes) {
        self.counter(REQUESTS, labels, minutes, |calls| calls.calls);
        self.counter(FAILED, labels, minutes, |calls| calls.errors);
        self.durations(CLIENT, labels, minutes, 1e-3);
    }

    /// A histogram in its classic form and as a native one, in milliseconds times a factor.
    fn durations(&mut self, name: &str, labels: &Labels, minutes: &Minutes, factor: f64) {
        let upto = |bound: f64| {
            move |calls: &Calls| {
                let inside = calls.durations.buckets().take_while(|(value, _)| value / NANOSECONDS <= bound);
                inside.map(|(_, weight)| weight).sum()
            }
        };
        let bucket = format!("{name}_bucket");
        for bound in BOUNDS_MS.into_iter().chain([f64::INFINITY]) {
            let text = if bound.is_finite() { (bound * factor).to_string() } else { "+Inf".to_owned() };
            let labels = Labels::new(labels.iter().chain([("le", text.as_str())]));
            self.counter(&bucket, &labels, minutes, upto(bound));
        }
        self.counter(&format!("{name}_count"), labels, minutes, |calls| calls.durations.count());
        self.counter(&format!("{name}_sum"), labels, minutes, |calls| sum(&calls.durations, factor));
        self.native(name, labels, minutes, factor);
    }

    fn wants(&self, labels: &Labels) -> bool {
        self.selection.matchers.iter().all(|matcher| matcher.matches(labels.get(&matcher.name)))
    }

    /// The times of samples in the range: where the first minute begins, and the ends of minutes.
    fn times(&self, minutes: &Minutes) -> Vec<i64> {
        let Some((first, _)) = minutes.cells.first_key_value() else { return Vec::new() };
        let end = minutes.last.saturating_add(LASTS_MS).min(self.now_ms).max(*first);
        let ends = (first + MINUTE_MS..=end).step_by(MINUTE_MS as usize);
        // The minute under way counts as far as it came.
        let is_between = end == self.now_ms && end > minutes.last + 1 && (end - first) % MINUTE_MS != 0;
        let times = std::iter::once(*first).chain(ends).chain(is_between.then_some(end));
        let mut times: Vec<i64> =
            times.filter(|time| (self.selection.from_ms..=self.selection.to_ms).contains(time)).collect();
        if self.wanted == Wanted::Labels {
            times.drain(..times.len().saturating_sub(1));
        }
        times
    }

    fn counter(&mut self, name: &str, labels: &Labels, minutes: &Minutes, of: impl Fn(&Calls) -> f64) {
        let labels = Labels::new(std::iter::once((NAME, name)).chain(labels.iter()));
        if !self.wants(&labels) {
            return;
        }
        let (mut times, mut values, mut total) = (Vec::new(), Vec::new(), 0.0);
        let mut left = minutes.cells.iter().peekable();
        for time in self.times(minutes) {
            while let Some((_, calls)) = left.next_if(|(minute, _)| **minute < time) {
                total += of(calls);
            }
            times.push(time);
            values.push(total);
        }
        self.samples += times.len() as u64;
        // What never happened is no series.
        if total > 0.0 && !times.is_empty() {
            self.series.push(Series::floats(labels, times, values));
        }
    }

    fn native(&mut self, name: &str, labels: &Labels, minutes: &Minutes, factor: f64) {
        let labels = Labels::new(std::iter::once((NAME, name)).chain(labels.iter()));
        if !self.wants(&labels) {
            return;
        }
        let (mut times, mut histograms, mut total) = (Vec::new(), Vec::new(), Sketch::default());
        let mut left = minutes.cells.iter().peekable();
        for time in self.times(minutes) {
            while let Some((_, calls)) = left.next_if(|(minute, _)| **minute < time) {
                total.merge(&calls.durations);
            }
            histograms.push((times.len() as u32, Arc::new(histogram(&total, factor))));
            times.push(time);
        }
        let numbers: usize = histograms.iter().map(|(_, of)| of.positive.len() + 1).sum();
        self.samples += numbers as u64;
        if !times.is_empty() && !total.is_empty() {
            let values = vec![0.0; times.len()];
            self.series.push(Series { histograms, ..Series::floats(labels, times, values) });
        }
    }
}

fn sum(durations: &Sketch, factor: f64) -> f64 {
    durations.buckets().map(|(value, weight)| value / NANOSECONDS * factor * weight).sum()
}

/// A sketch as a native histogram.
fn histogram(durations: &Sketch, factor: f64) -> Histogram {
    let (mut zero_count, mut positive) = (0.0, Vec::<(i32, f64)>::new());
    for (value, weight) in durations.buckets() {
        let value = value / NANOSECONDS * factor;
        if value <= 0.0 {
            zero_count += weight;
            continue;
        }
        let number = (value.log2() * f64::from(1 << SCHEMA)).ceil() as i32;
        match positive.last_mut() {
            Some((last, count)) if *last == number => *count += weight,
            _ => positive.push((number, weight)),
        }
    }
    let (count, sum) = (durations.count(), sum(durations, factor));
    Histogram { schema: SCHEMA, count, sum, zero_count, positive, ..Histogram::default() }
}

/// The labels of the series that a span counts in, under a name.
fn exemplar_labels(name: &str, span: &Span) -> Labels {
    let of_resource = |key: &str| span.resource.get(key).and_then(Value::as_str).unwrap_or_default();
    let namespace = of_resource("service.namespace");
    let environment = match of_resource("deployment.environment.name") {
        "" => of_resource("deployment.environment"),
        name => name,
    };
    let status = match (name, span.status.as_str()) {
        (CALLS, "error") => "STATUS_CODE_ERROR",
        (CALLS, _) => "STATUS_CODE_UNSET",
        _ => "",
    };
    Labels::new([
        (NAME, name),
        ("service_name", &span.service),
        ("span_name", &span.name),
        ("span_kind", &kind_of(&span.kind)),
        ("service_namespace", namespace),
        ("deployment_environment_name", environment),
        ("service_version", of_resource("service.version")),
        ("job", &job(namespace, &span.service)),
        ("instance", span.instance.as_deref().unwrap_or_default()),
        ("status_code", status),
    ])
}

fn kind_of(kind: &str) -> String {
    format!("SPAN_KIND_{}", kind.to_uppercase())
}

fn job(namespace: &str, service: &str) -> String {
    if namespace.is_empty() { service.to_owned() } else { format!("{namespace}/{service}") }
}

/// Adds newest spans as exemplars of their durations, where a selector asks for these metrics by name.
pub(super) fn exemplars(
    work: &mut Work<'_>,
    matchers: &[Matcher],
    range: TimeRange,
    found: &mut BTreeMap<Labels, Vec<Exemplar>>,
) -> Result<(), QueryError> {
    let bucket = format!("{DURATION}_bucket");
    let Some(name) = asked(matchers, NAME).filter(|name| [DURATION, CALLS, &bucket].contains(name)) else {
        return Ok(());
    };
    let by_name =
        asked(matchers, "span_name").map(|name| Predicate::Field(Field::Name, Test::Equals(name.to_owned())));
    let predicate = Predicate::And(std::iter::once(of_service(matchers)).chain(by_name).collect());
    let scan = Scan { signal: Signal::Spans, range, predicate };
    let (batches, cost) = work.snapshot.newest(&scan, None, EXEMPLARS_MAX, None, work.control)?;
    work.count(cost);
    for span in batches.iter().flat_map(rows_of::spans) {
        let labels = exemplar_labels(name, &span);
        let passes = |matcher: &Matcher| {
            UNKNOWN_OF_SPANS.contains(&matcher.name.as_str()) || matcher.matches(labels.get(&matcher.name))
        };
        if !matchers.iter().all(passes) {
            continue;
        }
        let (trace_id, span_id) = (span.trace_id.parse().ok(), span.span_id.parse().ok());
        let ids = [("trace_id", span.trace_id.as_str()), ("span_id", span.span_id.as_str())];
        let exemplar = Exemplar {
            labels: Labels::new(ids),
            value: span.duration_ns as f64 / NANOSECONDS,
            time_ms: milliseconds(span.start),
            trace_id,
            span_id,
        };
        found.entry(labels).or_default().push(exemplar);
    }
    Ok(())
}
