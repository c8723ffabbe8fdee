//! Prints how long decoding takes: `cargo run --release -p collector --example decode_speed`.
//!
//! Spans have 13 attributes and about 540 bytes, log records 8 attributes and about 470, data points 4 attributes.
//! Of the values, some are the same in all records, some one of few, and some never twice. Each signal comes in
//! two shapes: many records of one resource, and requests as collectors send them, a few records of each of many
//! resources. Samples of Prometheus remote write come as Prometheus sends them, 2,000 series of 8 labels with one sample
//! each, in both versions. Printed is also how many bytes the rows keep. The best of several rounds counts: others share the
//! machine. Arguments, if any, name the lines to print, such as `spans-many` or `remote-write-v2`, and multiply the rounds by ten.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use collector::{DecodeError, Decoded, Encoding, Families, Limits, RemoteWrite, decode, decode_remote_write};
use model::{Signal, UnixNanos};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// The name of a shape, how many resources it has, and how many records each of them sends.
const SHAPES: [(&str, usize, usize); 2] = [("one", 1, 5000), ("many", 24, 22)];

/// How many records are decoded per line, in as many rounds as that takes.
const RECORDS: usize = 400_000;

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

/// The resource of this number, as an agent on Kubernetes describes it.
fn resource(number: usize) -> Option<Resource> {
    let service = ["checkout", "cart", "payment", "shipping", "search", "frontend"][number % 6];
    let attributes = vec![
        text("service.name", service),
        text("service.namespace", "shop"),
        text("service.version", "1.14.2"),
        text("deployment.environment.name", "production"),
        text("k8s.pod.name", format!("{service}-5d9c7b6f4-{number:05}")),
        text("host.name", format!("node-{}", number % 8)),
        text("telemetry.sdk.language", "java"),
    ];
    Some(Resource { attributes, ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    let (name, version) = ("io.opentelemetry.tomcat-10.0".to_owned(), "2.9.0-alpha".to_owned());
    Some(InstrumentationScope { name, version, ..InstrumentationScope::default() })
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

/// A gauge of ten points.
fn metric(index: usize) -> Metric {
    let point = |number: usize| NumberDataPoint {
        time_unix_nano: TIME + index as u64,
        start_time_unix_nano: TIME,
        attributes: vec![
            text("http.request.method", ["GET", "POST", "PUT"][number % 3]),
            text("http.route", format!("/api/carts/{{cart}}/items-{}", number % 20)),
            int("http.response.status_code", 200),
            text("url.scheme", "https"),
        ],
        value: Some(number_data_point::Value::AsDouble(number as f64 * 1.25)),
        ..NumberDataPoint::default()
    };
    Metric {
        name: format!("http.server.requests.{}", index % 50),
        unit: "1".to_owned(),
        data: Some(metric::Data::Gauge(Gauge { data_points: (0..10).map(point).collect() })),
        ..Metric::default()
    }
}

/// The request of a signal: so many resources of one scope, each with records of these numbers.
fn request(signal: Signal, resources: usize, records: usize) -> Vec<u8> {
    let groups = (0..resources).map(|number| (resource(number), number * records..(number + 1) * records));
    match signal {
        Signal::Spans => {
            let resource_spans = groups.map(|(resource, numbers)| {
                let spans = numbers.map(span).collect();
                let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..ScopeSpans::default() }];
                ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }
            });
            ExportTraceServiceRequest { resource_spans: resource_spans.collect() }.encode_to_vec()
        }
        Signal::Logs => {
            let resource_logs = groups.map(|(resource, numbers)| {
                let log_records = numbers.map(log_record).collect();
                let scope_logs = vec![ScopeLogs { scope: scope(), log_records, ..ScopeLogs::default() }];
                ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }
            });
            ExportLogsServiceRequest { resource_logs: resource_logs.collect() }.encode_to_vec()
        }
        Signal::Metrics => {
            let resource_metrics = groups.map(|(resource, numbers)| {
                let metrics = numbers.step_by(10).map(metric).collect();
                let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..ScopeMetrics::default() }];
                ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }
            });
            ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() }.encode_to_vec()
        }
        Signal::Red => unreachable!("no client sends it"),
    }
}

/// How many series a remote write has, and how many instances they are of.
const SERIES: usize = 2_000;
const INSTANCES: usize = 12;

/// The labels of a series, as a service with a histogram of its requests has them.
fn labels(index: usize) -> [(&'static str, String); 8] {
    let instance = index % INSTANCES;
    [
        ("__name__", format!("http_request_duration_{}_bucket", index / 250)),
        ("code", ["200", "404", "500"][index % 3].to_owned()),
        ("handler", format!("/api/carts/items-{}", index % 20)),
        ("instance", format!("10.1.2.{instance}:9090")),
        ("job", ["checkout", "cart", "payment"][instance % 3].to_owned()),
        ("le", ["0.005", "0.05", "0.5", "5", "+Inf"][index % 5].to_owned()),
        ("method", ["GET", "POST", "PUT"][index % 3].to_owned()),
        ("pod", format!("checkout-5d9c7b6f4-{instance:05}")),
    ]
}

/// A field that is a message, a text or a packed list.
fn part(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::bytes::encode(tag, &bytes.to_vec(), &mut out);
    out
}

/// A sample, as the field of its series.
fn sample(index: usize) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::double::encode(1, &(index as f64 * 1.25), &mut out);
    prost::encoding::int64::encode(2, &(TIME as i64 / 1_000_000), &mut out);
    part(2, &out)
}

fn remote_write(version: RemoteWrite) -> Vec<u8> {
    let mut symbols = vec![String::new()];
    let mut by_text = HashMap::new();
    let mut symbol = |text: &str| {
        *by_text.entry(text.to_owned()).or_insert_with(|| {
            symbols.push(text.to_owned());
            symbols.len() as u64 - 1
        })
    };
    let mut series = Vec::new();
    for index in 0..SERIES {
        let mut own = Vec::new();
        let mut references = Vec::new();
        for (name, value) in labels(index) {
            own.extend(part(1, &[part(1, name.as_bytes()), part(2, value.as_bytes())].concat()));
            prost::encoding::encode_varint(symbol(name), &mut references);
            prost::encoding::encode_varint(symbol(&value), &mut references);
        }
        series.extend(match version {
            RemoteWrite::V1 => part(1, &[own, sample(index)].concat()),
            RemoteWrite::V2 => part(5, &[part(1, &references), sample(index)].concat()),
        });
    }
    if version == RemoteWrite::V2 {
        let symbols: Vec<u8> = symbols.iter().flat_map(|symbol| part(4, symbol.as_bytes())).collect();
        return [symbols, series].concat();
    }
    series
}

#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
fn time(
    name: &str,
    payload: Vec<u8>,
    records: usize,
    decode: impl Fn(Bytes) -> Result<Decoded, DecodeError>,
) -> Result<(), DecodeError> {
    let payload = Bytes::from(payload);
    let (mut best, mut rows, mut kept, mut done) = (f64::INFINITY, 1, 0, 0);
    while done < records {
        let begun = Instant::now();
        let decoded = decode(payload.clone())?;
        rows = decoded.batch.rows.num_rows();
        best = best.min(begun.elapsed().as_nanos() as f64 / rows as f64);
        kept = decoded.batch.rows.get_array_memory_size();
        done += rows;
    }
    let bytes = payload.len() / rows;
    println!("{name}: {rows} records of {bytes} bytes: {best:.0} ns and {} bytes kept a record", kept / rows);
    Ok(())
}

fn main() -> Result<(), DecodeError> {
    let limits = &Limits::default();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let factor = if wanted.is_empty() { 1 } else { 10 };
    for (shape, resources, records) in SHAPES {
        for signal in [Signal::Spans, Signal::Logs, Signal::Metrics] {
            let name = format!("{signal}-{shape}");
            if is_wanted(&name) {
                time(&name, request(signal, resources, records), factor * RECORDS, |payload| {
                    decode(signal, payload, Encoding::Protobuf, UnixNanos::now(), limits)
                })?;
            }
        }
    }
    for (name, version) in [("remote-write-v1", RemoteWrite::V1), ("remote-write-v2", RemoteWrite::V2)] {
        if is_wanted(name) {
            time(name, remote_write(version), factor * RECORDS, |payload| {
                decode_remote_write(version, &payload, UnixNanos::now(), limits, &Families::default())
            })?;
        }
    }
    Ok(())
}
