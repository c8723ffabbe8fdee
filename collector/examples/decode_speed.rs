//! Prints how long decoding takes: `cargo run --release -p collector --example decode_speed`.
//!
//! Spans have 13 attributes and about 580 bytes, log records 8 attributes and about 470. Of the values, some are
//! the same in all records, some one of few, and some never twice. The best of several rounds counts: others
//! share the machine.

use std::time::Instant;

use bytes::Bytes;
use collector::{Encoding, Limits, decode};
use model::{Signal, UnixNanos};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// How many records a request has.
const RECORDS: usize = 5000;

/// How many rounds are timed.
const ROUNDS: usize = 40;

const TIME: u64 = 1_700_000_000_000_000_000;

fn any(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: any(Value::StringValue(value.into())), key_strindex: 0 }
}

fn int(key: &str, value: i64) -> KeyValue {
    KeyValue { key: key.to_owned(), value: any(Value::IntValue(value)), key_strindex: 0 }
}

fn resource() -> Option<Resource> {
    let attributes = vec![text("service.name", "checkout"), text("host.name", "node-7")];
    Some(Resource { attributes, ..Resource::default() })
}

/// Bytes that differ from record to record.
fn id(index: usize, length: usize) -> Vec<u8> {
    let number = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number.to_le_bytes().into_iter().cycle().take(length).collect()
}

fn span(index: usize) -> Span {
    Span {
        trace_id: id(index / 8, 16),
        span_id: id(index, 8),
        parent_span_id: id(index / 2, 8),
        name: format!("GET /api/carts/{{cart}}/items-{}", index % 20),
        kind: 2,
        start_time_unix_nano: TIME + index as u64,
        end_time_unix_nano: TIME + index as u64 * 3,
        attributes: vec![
            text("http.request.method", ["GET", "POST", "PUT"][index % 3]),
            text("http.route", format!("/api/carts/{{cart}}/items-{}", index % 20)),
            text("url.path", format!("/api/carts/{}/items-{}", index * 7919, index % 20)),
            text("url.scheme", "https"),
            int("http.response.status_code", if index.is_multiple_of(50) { 500 } else { 200 }),
            text("server.address", "checkout.internal.example"),
            int("server.port", 8443),
            text("client.address", format!("10.1.{}.{}", index % 7, index % 250)),
            text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
            text("network.protocol.version", "1.1"),
            text("thread.name", format!("worker-{}", index % 16)),
            int("thread.id", (index % 16) as i64),
            text("session.id", format!("{:016x}", index * 104_729)),
        ],
        ..Span::default()
    }
}

fn log_record(index: usize) -> LogRecord {
    let body = format!(
        "request {} for cart {} took {} ms, 3 items reserved, payment by card, shipped to zone {}",
        index * 31,
        index * 7919,
        index % 900,
        index % 40
    );
    LogRecord {
        time_unix_nano: TIME + index as u64,
        observed_time_unix_nano: TIME + index as u64 + 5,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: any(Value::StringValue(body)),
        attributes: vec![
            text("log.logger", "com.example.checkout.CartService"),
            text("thread.name", format!("worker-{}", index % 16)),
            text("code.file.path", "src/main/java/com/example/checkout/CartService.java"),
            int("code.line.number", 217),
            text("http.request.method", ["GET", "POST", "PUT"][index % 3]),
            text("url.path", format!("/api/carts/{}/items-{}", index * 7919, index % 20)),
            int("http.response.status_code", 200),
            text("session.id", format!("{:016x}", index * 104_729)),
        ],
        trace_id: id(index / 8, 16),
        span_id: id(index, 8),
        ..LogRecord::default()
    }
}

#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
fn time(signal: Signal, payload: Vec<u8>) -> Result<(), collector::DecodeError> {
    let bytes = payload.len() / RECORDS;
    let payload = Bytes::from(payload);
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let limits = Limits::default();
        let decoded = decode(signal, payload.clone(), Encoding::Protobuf, UnixNanos::now(), &limits)?;
        let nanos = begun.elapsed().as_nanos() as f64 / decoded.batch.rows.num_rows() as f64;
        best = best.min(nanos);
    }
    println!("{signal}: {bytes} bytes and {best:.0} ns a record");
    Ok(())
}

fn main() -> Result<(), collector::DecodeError> {
    let scope_spans = vec![ScopeSpans { spans: (0..RECORDS).map(span).collect(), ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: resource(), scope_spans, ..ResourceSpans::default() }];
    time(Signal::Spans, ExportTraceServiceRequest { resource_spans }.encode_to_vec())?;
    let log_records = (0..RECORDS).map(log_record).collect();
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { resource: resource(), scope_logs, ..ResourceLogs::default() }];
    time(Signal::Logs, ExportLogsServiceRequest { resource_logs }.encode_to_vec())
}
