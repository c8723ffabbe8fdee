//! Export requests, small enough to be read in a table of cases.

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, span::SpanKind},
};
use prost::Message;
use sha2::{Digest, Sha256};

/// The time of most records: 2023-11-14, 22:13:20 UTC.
pub const BASE_TIME: u64 = 1_700_000_000_000_000_000;

/// Nanoseconds in a millisecond.
pub const MILLISECOND: u64 = 1_000_000;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Data points.
    Metrics,
}

impl Signal {
    /// The path of OTLP over HTTP.
    pub fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Logs => "/v1/logs",
            Self::Metrics => "/v1/metrics",
        }
    }

    /// The method of OTLP over gRPC.
    pub fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }

    /// What a partial success calls the number of records it refused, in JSON.
    pub fn rejected_key(self) -> &'static str {
        match self {
            Self::Traces => "rejectedSpans",
            Self::Logs => "rejectedLogRecords",
            Self::Metrics => "rejectedDataPoints",
        }
    }
}

/// One export request.
#[derive(Debug, Clone)]
pub enum Export {
    /// Spans.
    Traces(ExportTraceServiceRequest),
    /// Log records.
    Logs(ExportLogsServiceRequest),
    /// Data points.
    Metrics(ExportMetricsServiceRequest),
}

impl Export {
    /// What it carries.
    pub fn signal(&self) -> Signal {
        match self {
            Self::Traces(_) => Signal::Traces,
            Self::Logs(_) => Signal::Logs,
            Self::Metrics(_) => Signal::Metrics,
        }
    }

    /// As protobuf.
    pub fn to_protobuf(&self) -> Bytes {
        match self {
            Self::Traces(request) => request.encode_to_vec(),
            Self::Logs(request) => request.encode_to_vec(),
            Self::Metrics(request) => request.encode_to_vec(),
        }
        .into()
    }

    /// As OTLP JSON.
    pub fn to_json(&self) -> Bytes {
        match self {
            Self::Traces(request) => serde_json::to_vec(request),
            Self::Logs(request) => serde_json::to_vec(request),
            Self::Metrics(request) => serde_json::to_vec(request),
        }
        .expect("a request made of strings and numbers has a JSON form")
        .into()
    }
}

/// A request with the spans of one service.
pub fn traces(service: &str, spans: Vec<Span>) -> Export {
    traces_of(resource(service, &[]), spans)
}

/// A request with the spans of one resource.
pub fn traces_of(resource: Resource, spans: Vec<Span>) -> Export {
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..Default::default() }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() }];
    Export::Traces(ExportTraceServiceRequest { resource_spans })
}

/// A request with the log records of one service.
pub fn logs(service: &str, records: Vec<LogRecord>) -> Export {
    logs_of(resource(service, &[]), records)
}

/// A request with the log records of one resource.
pub fn logs_of(resource: Resource, log_records: Vec<LogRecord>) -> Export {
    let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records, ..Default::default() }];
    let resource_logs = vec![ResourceLogs { resource: Some(resource), scope_logs, ..Default::default() }];
    Export::Logs(ExportLogsServiceRequest { resource_logs })
}

/// A request with the metrics of one service.
pub fn metrics(service: &str, metrics: Vec<Metric>) -> Export {
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..Default::default() }];
    let resource = Some(resource(service, &[]));
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..Default::default() }];
    Export::Metrics(ExportMetricsServiceRequest { resource_metrics })
}

/// A resource by its service and whatever else it has.
pub fn resource(service: &str, more: &[(&str, &str)]) -> Resource {
    let mut attributes = vec![attribute("service.name", service)];
    attributes.extend(more.iter().map(|(key, value)| attribute(key, *value)));
    Resource { attributes, ..Default::default() }
}

/// The instrumentation scope of all that is sent here.
pub fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "causeway.tests".to_owned(), version: "1".to_owned(), ..Default::default() }
}

/// A span of ten milliseconds that began at [`BASE_TIME`].
pub fn span(trace_id: [u8; 16], span_id: [u8; 8], name: &str) -> Span {
    Span {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
        name: name.to_owned(),
        kind: SpanKind::Server as i32,
        start_time_unix_nano: BASE_TIME,
        end_time_unix_nano: BASE_TIME + 10 * MILLISECOND,
        ..Default::default()
    }
}

/// A log record of level INFO at [`BASE_TIME`].
pub fn log(body: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: BASE_TIME,
        observed_time_unix_nano: BASE_TIME,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: Some(body.into_any()),
        ..Default::default()
    }
}

/// A gauge with one point at [`BASE_TIME`].
pub fn gauge(name: &str, value: f64) -> Metric {
    gauge_of(name, vec![point(value)])
}

/// A gauge with these points.
pub fn gauge_of(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    metric(name, metric::Data::Gauge(Gauge { data_points }))
}

/// A metric by its data.
pub fn metric(name: &str, data: metric::Data) -> Metric {
    Metric { name: name.to_owned(), unit: "1".to_owned(), data: Some(data), ..Default::default() }
}

/// A number at [`BASE_TIME`].
pub fn point(value: f64) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: BASE_TIME - SECOND,
        time_unix_nano: BASE_TIME,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..Default::default()
    }
}

/// An attribute.
pub fn attribute(key: &str, value: impl IntoAny) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value.into_any()), ..Default::default() }
}

/// What can be the value of an attribute or the body of a log record.
pub trait IntoAny {
    /// As OTLP has it.
    fn into_any(self) -> AnyValue;
}

impl IntoAny for &str {
    fn into_any(self) -> AnyValue {
        Value::StringValue(self.to_owned()).into_any()
    }
}

impl IntoAny for i64 {
    fn into_any(self) -> AnyValue {
        Value::IntValue(self).into_any()
    }
}

impl IntoAny for f64 {
    fn into_any(self) -> AnyValue {
        Value::DoubleValue(self).into_any()
    }
}

impl IntoAny for bool {
    fn into_any(self) -> AnyValue {
        Value::BoolValue(self).into_any()
    }
}

impl IntoAny for Value {
    fn into_any(self) -> AnyValue {
        AnyValue { value: Some(self) }
    }
}

/// A trace id that only this label has.
pub fn trace_id(label: &str) -> [u8; 16] {
    let digest = Sha256::digest(label.as_bytes());
    std::array::from_fn(|index| digest[index])
}

/// A span id that only this label and number have.
pub fn span_id(label: &str, number: usize) -> [u8; 8] {
    let digest = Sha256::digest(format!("{label}#{number}").as_bytes());
    std::array::from_fn(|index| digest[index])
}

/// Lower-case hexadecimal, as ids are shown.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of a text in hexadecimal, as the configuration names a token.
pub fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}
