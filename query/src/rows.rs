//! The rows of the own API, as JSON shows them and as pages and the command line read them back. Names and
//! meaning are SCHEMA.md's; times are Unix nanoseconds written as strings.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Attributes by key, ready for people: see [`model::AnyValue::to_json`].
pub type Attributes = Map<String, Value>;

/// The instrumentation scope of a row.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// Its name; null if none was sent.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its attributes.
    pub attributes: Attributes,
}

/// A log record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// The address of the row: its `seq`.
    pub id: String,
    /// Its time, else when it was observed, else when it was received.
    #[serde(with = "nanos")]
    pub time: i64,
    /// When it was observed.
    #[serde(with = "nanos_option")]
    pub observed_time: Option<i64>,
    /// `trace debug info warn error fatal`.
    pub severity: Option<String>,
    /// 1 to 24.
    pub severity_number: Option<i64>,
    /// The level as it was sent.
    pub severity_text: Option<String>,
    /// Text, or what a structured body unfolds to.
    pub body: Value,
    /// The service's name.
    pub service: String,
    /// The service's instance.
    pub instance: Option<String>,
    /// The trace it belongs to.
    pub trace_id: Option<String>,
    /// The span it belongs to.
    pub span_id: Option<String>,
    /// The event's name.
    pub event_name: Option<String>,
    /// The identity of the body's template: 16 hexadecimal digits. Null where the body has none.
    #[serde(default)]
    pub template_id: Option<String>,
    /// What stands in the body at the variable places of its template, in order.
    #[serde(default)]
    pub variables: Vec<String>,
    /// Attributes of the record.
    pub attributes: Attributes,
    /// Attributes of the resource.
    pub resource: Attributes,
    /// The instrumentation scope.
    pub scope: Scope,
}

/// A span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The address of the row: its `seq`.
    pub id: String,
    /// The trace.
    pub trace_id: String,
    /// The span.
    pub span_id: String,
    /// The span above; null at a root.
    pub parent_span_id: Option<String>,
    /// What was done.
    pub name: String,
    /// `internal server client producer consumer unspecified`.
    pub kind: String,
    /// The service's name.
    pub service: String,
    /// The service's instance.
    pub instance: Option<String>,
    /// When it began.
    #[serde(with = "nanos")]
    pub start: i64,
    /// How long it took; negative if recorded so.
    pub duration_ns: i64,
    /// `unset ok error`.
    pub status: String,
    /// What the error says.
    pub status_message: Option<String>,
    /// Attributes of the span.
    pub attributes: Attributes,
    /// Attributes of the resource.
    pub resource: Attributes,
    /// The instrumentation scope.
    pub scope: Scope,
    /// What happened in it, in order of time.
    pub events: Vec<Event>,
    /// Spans elsewhere that it belongs with.
    pub links: Vec<Link>,
}

/// Something that happened in a span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    #[serde(with = "nanos")]
    pub time: i64,
    /// What.
    pub name: String,
    /// Its attributes.
    pub attributes: Attributes,
}

/// A span elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Its trace.
    pub trace_id: Option<String>,
    /// Its id.
    pub span_id: Option<String>,
    /// Its trace state.
    pub trace_state: String,
    /// The link's attributes.
    pub attributes: Attributes,
}

/// A trace in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceSummary {
    /// The trace.
    pub trace_id: String,
    /// When its first span began.
    #[serde(with = "nanos")]
    pub start: i64,
    /// From its first start to its last end.
    pub duration_ns: i64,
    /// The service of the root, or of the first span while no root is there.
    pub root_service: String,
    /// The name of that span.
    pub root_name: String,
    /// The status of that span.
    pub status: String,
    /// How many spans are stored.
    pub span_count: u64,
    /// How many of them failed.
    pub error_count: u64,
    /// The services that took part, by name.
    pub services: Vec<String>,
}

/// A whole trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The trace.
    pub trace_id: String,
    /// When its first span or log is.
    #[serde(with = "nanos")]
    pub start: i64,
    /// From there to its last end.
    pub duration_ns: i64,
    /// By start, then id; at most [`crate::TRACE_ROWS_MAX`].
    pub spans: Vec<Span>,
    /// By time, then id; at most [`crate::TRACE_ROWS_MAX`].
    pub logs: Vec<Log>,
    /// What a reader should know: missing parents, clocks that disagree, what was left out.
    pub warnings: Vec<String>,
    /// Whether spans or logs were left out.
    pub truncated: bool,
}

/// What is behind a row of a trace's outline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceRow {
    /// The number of the row, from 0.
    pub row: u64,
    /// What it is.
    #[serde(flatten)]
    pub detail: RowDetail,
}

/// A row of a trace's outline, by its sort.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowDetail {
    /// A span.
    Span(Span),
    /// A log record.
    Log(Log),
    /// An event of a span.
    Event {
        /// The span.
        span_id: String,
        /// The number of the span's row.
        row: u64,
        /// The number of the event among the span's.
        number: u64,
        /// The event.
        event: Event,
    },
    /// A span that is named as a parent and not stored.
    Missing {
        /// The span.
        span_id: String,
    },
    /// Spans that are each other's ancestors hang here, cut at the earliest.
    Cycle,
}

/// A service by rate, errors and duration of the calls it answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// `service.name`.
    pub name: String,
    /// `service.namespace`.
    pub namespace: Option<String>,
    /// `deployment.environment.name`.
    pub environment: Option<String>,
    /// Calls answered: its server and consumer spans and its roots; all its spans where it has none of these.
    pub calls: f64,
    /// Those of them with status `error`.
    pub errors: f64,
    /// Calls per second over the range of the question.
    pub rate_per_s: f64,
    /// Errors per call.
    pub error_ratio: f64,
    /// Median duration in nanoseconds.
    pub p50_ns: Option<f64>,
    /// 95th percentile.
    pub p95_ns: Option<f64>,
    /// 99th percentile.
    pub p99_ns: Option<f64>,
    /// How many instances were seen.
    pub instances: u64,
    /// The versions that were seen.
    pub versions: Vec<String>,
}

/// An operation of a service, under `other` where a service has too many names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The name of its spans.
    pub name: String,
    /// Their kind.
    pub kind: String,
    /// How often it was called.
    pub calls: f64,
    /// How often with status `error`.
    pub errors: f64,
    /// Calls per second over the range of the question.
    pub rate_per_s: f64,
    /// Errors per call.
    pub error_ratio: f64,
    /// Median duration in nanoseconds.
    pub p50_ns: Option<f64>,
    /// 95th percentile.
    pub p95_ns: Option<f64>,
    /// 99th percentile.
    pub p99_ns: Option<f64>,
}

/// An instance of a service, of one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name; null of spans that name none.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Calls answered.
    pub calls: f64,
    /// Those of them with status `error`.
    pub errors: f64,
    /// Errors per call.
    pub error_ratio: f64,
    /// Median duration in nanoseconds.
    pub p50_ns: Option<f64>,
    /// 95th percentile.
    pub p95_ns: Option<f64>,
    /// 99th percentile.
    pub p99_ns: Option<f64>,
}

/// A stretch of time of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// When it begins.
    #[serde(with = "nanos")]
    pub time: i64,
    /// Calls answered.
    pub calls: f64,
    /// Those of them with status `error`.
    pub errors: f64,
    /// 95th percentile of their durations.
    pub p95_ns: Option<f64>,
}

/// A version of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Its name; null of spans that name none.
    pub version: Option<String>,
    /// The first minute in which it answered a call, in the range of the question.
    #[serde(with = "nanos")]
    pub first_seen: i64,
    /// The last.
    #[serde(with = "nanos")]
    pub last_seen: i64,
    /// Calls answered.
    pub calls: f64,
    /// Those of them with status `error`.
    pub errors: f64,
    /// Errors per call.
    pub error_ratio: f64,
    /// 95th percentile of their durations.
    pub p95_ns: Option<f64>,
}

/// Whom a service calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// The service that calls.
    pub from: String,
    /// Whom: a node's name.
    pub to: String,
    /// `call`, or `async` where the other side works on it later.
    pub kind: String,
    /// How often.
    pub calls: f64,
    /// How often with status `error`.
    pub errors: f64,
    /// 95th percentile of the durations: of the side that is called if that is a service whose spans are stored.
    pub p95_ns: Option<f64>,
}

/// A place of the service graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `service database queue external`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A service told apart from others of its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceKey {
    /// `service.namespace`.
    pub namespace: Option<String>,
    /// `deployment.environment.name`.
    pub environment: Option<String>,
}

/// A template: what one statement writes into logs, and the logs of a question that have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Its identity: 16 hexadecimal digits.
    pub id: String,
    /// Its text, with `<*>` at the places of its variables.
    pub template: String,
    /// How many logs match.
    pub count: u64,
    /// When it was first seen, in all that is stored.
    #[serde(with = "nanos")]
    pub first_seen: i64,
    /// When it was last seen, in all that is stored.
    #[serde(with = "nanos")]
    pub last_seen: i64,
    /// The services that wrote it, by matching logs, most first.
    pub services: Vec<String>,
    /// The body of one of the logs.
    pub example: Option<String>,
    /// `new`, `steady` or `gone`.
    pub state: String,
    /// Matching logs in equal parts of the range.
    pub trend: Vec<u64>,
    /// For each variable place its commonest values, counted over a sample of the logs.
    pub variables: Vec<Vec<FacetValue>>,
}

/// What a question cost, and whether its answer is whole.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Rows that were looked at.
    pub rows_scanned: u64,
    /// Bytes that were read for it.
    pub bytes_scanned: u64,
    /// Segments in the snapshot, memtables not counted.
    pub segments_total: u64,
    /// Segments that had to be opened.
    pub segments_opened: u64,
    /// Time taken in milliseconds.
    pub elapsed_ms: u64,
    /// Why and where the answer is cut short; null if it is whole.
    pub partial: Option<Partial>,
}

/// Why an answer is cut short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// The limit that was reached.
    pub reason: String,
    /// The earliest time that was still covered.
    #[serde(with = "nanos_option")]
    pub covered_from: Option<i64>,
    /// The latest.
    #[serde(with = "nanos_option")]
    pub covered_to: Option<i64>,
}

/// How often a value occurs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FacetValue {
    /// The value as text.
    pub value: String,
    /// Matching rows that have it.
    pub count: u64,
}

/// One bar of a histogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Where the bar begins.
    #[serde(with = "nanos")]
    pub time: i64,
    /// Matching rows in it.
    pub count: u64,
    /// Those of them that are errors.
    pub errors: u64,
}

/// A page of rows, and what was asked for beside it. In JSON the rows stand under the name of their kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Newest first.
    pub rows: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub cursor: Option<String>,
    /// What it cost.
    pub stats: Stats,
    /// All matches, if facets or a histogram were asked for.
    pub total: Option<u64>,
    /// The commonest values of each key that was asked for.
    pub facets: Option<std::collections::BTreeMap<String, Vec<FacetValue>>>,
    /// Matches over time.
    pub histogram: Option<Vec<Bucket>>,
}

/// Nanoseconds as a string.
mod nanos {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Nanoseconds as a string, or null.
mod nanos_option {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}
