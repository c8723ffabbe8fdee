//! Stored rows as the OTLP that they came as: documents of OTLP's JSON, one for each line of a file.
//!
//! What is lost: the order of records within a request, and a time that a log was sent without, which is the time that the
//! store gave it.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{Int64Type, TimestampNanosecondType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::{AnyValue, attributes};
use opentelemetry_proto::tonic::common::v1::{
    self as common, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, TracesData, span, status,
};
use serde::Serialize;

use crate::columns::{Columns, items};

/// A record with what it was sent under.
#[derive(Debug, Clone)]
pub(crate) struct Sent<T> {
    resource: Under,
    scope: Under,
    record: T,
}

/// A resource or a scope as it is stored: equal ones are one in a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Under {
    name: String,
    version: String,
    attributes: String,
    dropped: u32,
    schema_url: String,
}

impl Under {
    fn resource(columns: &Columns<'_>, row: usize) -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            attributes: text(columns, "resource_attributes", row),
            dropped: count(columns, "resource_dropped_attributes_count", row),
            schema_url: text(columns, "resource_schema_url", row),
        }
    }

    fn scope(columns: &Columns<'_>, row: usize) -> Self {
        Self {
            name: text(columns, "scope_name", row),
            version: text(columns, "scope_version", row),
            attributes: text(columns, "scope_attributes", row),
            dropped: count(columns, "scope_dropped_attributes_count", row),
            schema_url: text(columns, "scope_schema_url", row),
        }
    }

    fn to_resource(&self) -> Resource {
        Resource {
            attributes: key_values(&self.attributes),
            dropped_attributes_count: self.dropped,
            entity_refs: Vec::new(),
        }
    }

    fn to_scope(&self) -> InstrumentationScope {
        InstrumentationScope {
            name: self.name.clone(),
            version: self.version.clone(),
            attributes: key_values(&self.attributes),
            dropped_attributes_count: self.dropped,
        }
    }
}

fn text(columns: &Columns<'_>, name: &str, row: usize) -> String {
    columns.text(name, row).unwrap_or_default().to_owned()
}

fn count(columns: &Columns<'_>, name: &str, row: usize) -> u32 {
    columns.int(name, row).and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

fn nanos(columns: &Columns<'_>, name: &str, row: usize) -> u64 {
    columns.time(name, row).map_or(0, wire_time)
}

/// A time on the wire, which knows none before 1970.
fn wire_time(nanos: i64) -> u64 {
    u64::try_from(nanos).unwrap_or(0)
}

fn id(columns: &Columns<'_>, name: &str, row: usize) -> Vec<u8> {
    columns.ids(name).filter(|ids| ids.is_valid(row)).map(|ids| ids.value(row).to_vec()).unwrap_or_default()
}

fn key_values(stored: &str) -> Vec<KeyValue> {
    pairs(attributes::parse(stored))
}

fn pairs(entries: Vec<(String, AnyValue)>) -> Vec<KeyValue> {
    let pair = |(key, value)| KeyValue {
        key,
        value: Some(common::AnyValue { value: wire(value) }),
        ..KeyValue::default()
    };
    entries.into_iter().map(pair).collect()
}

/// A value on the wire.
fn wire(value: AnyValue) -> Option<any_value::Value> {
    Some(match value {
        AnyValue::Null => return None,
        AnyValue::String(text) => any_value::Value::StringValue(text),
        AnyValue::Bool(value) => any_value::Value::BoolValue(value),
        AnyValue::Int(value) => any_value::Value::IntValue(value),
        AnyValue::Double(value) => any_value::Value::DoubleValue(value),
        AnyValue::Bytes(bytes) => any_value::Value::BytesValue(bytes),
        AnyValue::Array(values) => {
            let values = values.into_iter().map(|value| common::AnyValue { value: wire(value) }).collect();
            any_value::Value::ArrayValue(ArrayValue { values })
        }
        AnyValue::Map(entries) => any_value::Value::KvlistValue(KeyValueList { values: pairs(entries) }),
    })
}

/// The spans of a batch.
pub(crate) fn spans(batch: &RecordBatch) -> Vec<Sent<Span>> {
    let columns = Columns(batch);
    let sent = |row| Sent {
        resource: Under::resource(&columns, row),
        scope: Under::scope(&columns, row),
        record: span(&columns, row),
    };
    (0..batch.num_rows()).map(sent).collect()
}

fn span(columns: &Columns<'_>, row: usize) -> Span {
    let kind = match columns.text("kind", row) {
        Some("internal") => span::SpanKind::Internal,
        Some("server") => span::SpanKind::Server,
        Some("client") => span::SpanKind::Client,
        Some("producer") => span::SpanKind::Producer,
        Some("consumer") => span::SpanKind::Consumer,
        _ => span::SpanKind::Unspecified,
    };
    let code = match columns.text("status_code", row) {
        Some("ok") => status::StatusCode::Ok,
        Some("error") => status::StatusCode::Error,
        _ => status::StatusCode::Unset,
    };
    Span {
        trace_id: id(columns, "trace_id", row),
        span_id: id(columns, "span_id", row),
        trace_state: text(columns, "trace_state", row),
        parent_span_id: id(columns, "parent_span_id", row),
        flags: count(columns, "flags", row),
        name: text(columns, "name", row),
        kind: kind.into(),
        start_time_unix_nano: nanos(columns, "start_time", row),
        end_time_unix_nano: nanos(columns, "end_time", row),
        attributes: key_values(columns.text("attributes", row).unwrap_or("{}")),
        dropped_attributes_count: count(columns, "dropped_attributes_count", row),
        events: events(columns, row),
        dropped_events_count: count(columns, "dropped_events_count", row),
        links: links(columns, row),
        dropped_links_count: count(columns, "dropped_links_count", row),
        status: Some(Status { message: text(columns, "status_message", row), code: code.into() }),
    }
}

fn events(columns: &Columns<'_>, row: usize) -> Vec<span::Event> {
    let Some(items) = items(columns.lists("events"), row) else { return Vec::new() };
    let times = items.column(0).as_primitive::<TimestampNanosecondType>();
    let event = |at: usize| span::Event {
        time_unix_nano: wire_time(times.value(at)),
        name: text_of(&items, 1, at).to_owned(),
        attributes: key_values(text_of(&items, 2, at)),
        dropped_attributes_count: count_of(&items, 3, at),
    };
    (0..items.len()).map(event).collect()
}

fn links(columns: &Columns<'_>, row: usize) -> Vec<span::Link> {
    let Some(items) = items(columns.lists("links"), row) else { return Vec::new() };
    let id = |column: usize, at: usize| {
        let ids = items.column(column).as_fixed_size_binary();
        if ids.is_valid(at) { ids.value(at).to_vec() } else { Vec::new() }
    };
    let link = |at: usize| span::Link {
        trace_id: id(0, at),
        span_id: id(1, at),
        trace_state: text_of(&items, 2, at).to_owned(),
        attributes: key_values(text_of(&items, 3, at)),
        dropped_attributes_count: count_of(&items, 4, at),
        flags: count_of(&items, 5, at),
    };
    (0..items.len()).map(link).collect()
}

fn text_of(items: &StructArray, column: usize, at: usize) -> &str {
    items.column(column).as_string::<i32>().value(at)
}

fn count_of(items: &StructArray, column: usize, at: usize) -> u32 {
    u32::try_from(items.column(column).as_primitive::<Int64Type>().value(at)).unwrap_or(0)
}

/// The log records of a batch.
pub(crate) fn logs(batch: &RecordBatch) -> Vec<Sent<LogRecord>> {
    let columns = Columns(batch);
    let sent = |row| Sent {
        resource: Under::resource(&columns, row),
        scope: Under::scope(&columns, row),
        record: log(&columns, row),
    };
    (0..batch.num_rows()).map(sent).collect()
}

fn log(columns: &Columns<'_>, row: usize) -> LogRecord {
    let severity = columns.int("severity_number", row).and_then(|number| i32::try_from(number).ok());
    LogRecord {
        time_unix_nano: nanos(columns, "time", row),
        observed_time_unix_nano: nanos(columns, "observed_time", row),
        severity_number: severity.unwrap_or(0),
        severity_text: text(columns, "severity_text", row),
        body: body(columns, row).map(|value| common::AnyValue { value: Some(value) }),
        attributes: key_values(columns.text("attributes", row).unwrap_or("{}")),
        dropped_attributes_count: count(columns, "dropped_attributes_count", row),
        flags: count(columns, "flags", row),
        trace_id: id(columns, "trace_id", row),
        span_id: id(columns, "span_id", row),
        event_name: text(columns, "event_name", row),
    }
}

fn body(columns: &Columns<'_>, row: usize) -> Option<any_value::Value> {
    let body = columns.text("body", row)?;
    let as_text = || any_value::Value::StringValue(body.to_owned());
    match columns.text("body_type", row) {
        Some("string") | None => Some(as_text()),
        Some("bytes") => Some(BASE64.decode(body).map_or_else(|_| as_text(), any_value::Value::BytesValue)),
        Some(_) => attributes::parse_value(body).and_then(wire),
    }
}

/// Records of one resource, by scope.
type Scopes<T> = Vec<(Under, Vec<T>)>;

/// Records by resource and scope, in the order of their first ones.
fn grouped<T>(records: Vec<Sent<T>>) -> Vec<(Under, Scopes<T>)> {
    let mut resources: Vec<(Under, Scopes<T>)> = Vec::new();
    let mut at: HashMap<(Under, Under), (usize, usize)> = HashMap::new();
    let mut resource_at: HashMap<Under, usize> = HashMap::new();
    for Sent { resource, scope, record } in records {
        let key = (resource, scope);
        if let Some((resource, scope)) = at.get(&key) {
            resources[*resource].1[*scope].1.push(record);
            continue;
        }
        let first = *resource_at.entry(key.0.clone()).or_insert_with(|| {
            resources.push((key.0.clone(), Vec::new()));
            resources.len() - 1
        });
        let scopes = &mut resources[first].1;
        scopes.push((key.1.clone(), vec![record]));
        let second = scopes.len() - 1;
        at.insert(key, (first, second));
    }
    resources
}

/// Spans as a document.
pub(crate) fn document_of_spans(records: Vec<Sent<Span>>) -> String {
    let scope_spans = |(scope, spans): (Under, Vec<Span>)| ScopeSpans {
        scope: Some(scope.to_scope()),
        spans,
        schema_url: scope.schema_url,
    };
    let resource_spans = grouped(records).into_iter().map(|(resource, scopes)| ResourceSpans {
        resource: Some(resource.to_resource()),
        scope_spans: scopes.into_iter().map(scope_spans).collect(),
        schema_url: resource.schema_url,
    });
    as_json(&TracesData { resource_spans: resource_spans.collect() })
}

/// Log records as a document.
pub(crate) fn document_of_logs(records: Vec<Sent<LogRecord>>) -> String {
    let scope_logs = |(scope, log_records): (Under, Vec<LogRecord>)| ScopeLogs {
        scope: Some(scope.to_scope()),
        log_records,
        schema_url: scope.schema_url,
    };
    let resource_logs = grouped(records).into_iter().map(|(resource, scopes)| ResourceLogs {
        resource: Some(resource.to_resource()),
        scope_logs: scopes.into_iter().map(scope_logs).collect(),
        schema_url: resource.schema_url,
    });
    as_json(&LogsData { resource_logs: resource_logs.collect() })
}

/// A document of nothing but texts, numbers and lists always has a form in JSON.
fn as_json(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_default()
}
