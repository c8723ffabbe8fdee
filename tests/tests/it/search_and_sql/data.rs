//! The records that are asked about. Every log and span has an attribute `n` by which tables name it.

use opentelemetry_proto::tonic::{
    common::v1::{ArrayValue, KeyValueList, any_value::Value},
    logs::v1::LogRecord,
    metrics::v1::{
        AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram,
        HistogramDataPoint, Sum, Summary, SummaryDataPoint, exemplar,
        exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
        summary_data_point::ValueAtQuantile,
    },
    trace::v1::{
        Span, Status,
        span::{Event, Link, SpanKind},
        status::StatusCode,
    },
};
use tests::otlp::{
    BASE_TIME, Export, IntoAny, MILLISECOND, SECOND, attribute, gauge_of, hex, log, logs_of, metric, metrics,
    point, resource, span, span_id, trace_id, traces_of,
};

/// A trace by its number, as text.
pub(crate) fn trace(number: usize) -> String {
    hex(&trace_bytes(number))
}

/// A span by its number, as text.
pub(crate) fn span_text(number: usize) -> String {
    hex(&span_id("search", number))
}

fn trace_bytes(number: usize) -> [u8; 16] {
    trace_id(&format!("search {number}"))
}

/// Everything.
pub(crate) fn all() -> Vec<Export> {
    let (mut first, second) = halves();
    first.extend(second);
    first
}

/// Everything in two parts, each with some of everything.
pub(crate) fn halves() -> (Vec<Export>, Vec<Export>) {
    let first = vec![checkout_logs(), catalog_logs(), frontend_spans(), shipping_spans(), points()];
    let second = vec![more_logs(), odd_logs(), checkout_spans(), catalog_spans(), histograms()];
    (first, second)
}

const ERROR: i32 = 17;
const WARN: i32 = 13;
const INFO: i32 = 9;
const DEBUG: i32 = 5;
const FATAL: i32 = 21;

/// A log record so many seconds after the base time.
fn record(number: u64, severity: i32, body: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: BASE_TIME + number * SECOND,
        observed_time_unix_nano: BASE_TIME + number * SECOND + 1,
        severity_number: severity,
        severity_text: String::new(),
        attributes: vec![attribute("n", format!("L{number}").as_str())],
        ..log(body)
    }
}

fn with(mut record: LogRecord, key: &str, value: impl IntoAny) -> LogRecord {
    record.attributes.push(attribute(key, value));
    record
}

fn checkout_logs() -> Export {
    let mut refused =
        with(record(1, ERROR, "connection refused by payments:8443"), "http.route", "/cart/items");
    refused.trace_id = trace_bytes(1).to_vec();
    refused.span_id = span_id("search", 2).to_vec();
    let was = with(record(2, WARN, "connection was refused"), "http.route", "/cart");
    let placed = with(record(3, INFO, "order placed"), "http.route", "/orders");
    logs_of(
        resource("checkout", &[("service.version", "1.2.0")]),
        vec![with(refused, "attempts", 3), with(was, "attempts", 12), with(placed, "user.id", 42)],
    )
}

fn catalog_logs() -> Export {
    logs_of(
        resource("catalog", &[("k8s.pod.name", "canary-1")]),
        vec![record(5, DEBUG, "cache miss for key user_42")],
    )
}

fn more_logs() -> Export {
    let hit = vec![record(6, DEBUG, "cache hit")];
    let Export::Logs(mut request) = logs_of(resource("catalog", &[("k8s.pod.name", "stable-1")]), hit) else {
        unreachable!("log records make a request of logs")
    };
    let shipped = vec![with(record(4, INFO, "Order 1234 shipped"), "user.id", "42")];
    let Export::Logs(shipping) = logs_of(resource("shipping", &[]), shipped) else {
        unreachable!("log records make a request of logs")
    };
    request.resource_logs.extend(shipping.resource_logs);
    Export::Logs(request)
}

fn odd_logs() -> Export {
    let fields = vec![attribute("event", "login"), attribute("ok", true)];
    let mut structured = record(7, INFO, "");
    structured.body = Some(Value::KvlistValue(KeyValueList { values: fields }).into_any());
    let mut event = record(8, INFO, "");
    event.body = None;
    "checkout.started".clone_into(&mut event.event_name);
    let array = ArrayValue { values: vec!["a".into_any(), 1.into_any()] };
    let event = with(event, "list", Value::ArrayValue(array));
    let foreign = record(9, FATAL, "Überweisung fehlgeschlagen");
    let request = with(record(10, ERROR, "GET /cart/items 500 connection refused"), "ratio", 0.5);
    logs_of(
        resource("frontend", &[("deployment.environment.name", "prod")]),
        vec![structured, event, foreign, request],
    )
}

/// A span that began so many seconds after the base time and took so many milliseconds.
fn timed(trace: usize, number: u64, parent: Option<usize>, name: &str, duration_ms: u64) -> Span {
    let mut span = span(trace_bytes(trace), span_id("search", number as usize), name);
    span.start_time_unix_nano = BASE_TIME + number * SECOND;
    span.end_time_unix_nano = span.start_time_unix_nano + duration_ms * MILLISECOND;
    span.parent_span_id = parent.map(|parent| span_id("search", parent).to_vec()).unwrap_or_default();
    span.attributes = vec![attribute("n", format!("S{number}").as_str())];
    span
}

fn ended(mut span: Span, kind: SpanKind, code: StatusCode, message: &str) -> Span {
    span.kind = kind as i32;
    span.status = Some(Status { code: code as i32, message: message.to_owned() });
    span
}

fn frontend_spans() -> Export {
    let root = ended(
        timed(1, 1, None, "GET /checkout", 900),
        SpanKind::Server,
        StatusCode::Error,
        "upstream failed",
    );
    let mut catalog = ended(timed(2, 4, None, "GET /catalog", 30), SpanKind::Server, StatusCode::Unset, "");
    catalog.attributes.push(attribute("http.response.status_code", 200));
    traces_of(resource("frontend", &[("deployment.environment.name", "prod")]), vec![root, catalog])
}

fn checkout_spans() -> Export {
    let mut place = ended(timed(1, 2, Some(1), "PlaceOrder", 600), SpanKind::Server, StatusCode::Error, "");
    place.events = vec![Event {
        time_unix_nano: place.start_time_unix_nano + MILLISECOND,
        name: "exception".to_owned(),
        attributes: vec![
            attribute("exception.message", "connection refused"),
            attribute("exception.type", "IOError"),
        ],
        ..Default::default()
    }];
    let mut select = ended(timed(1, 3, Some(2), "SELECT orders", 20), SpanKind::Client, StatusCode::Ok, "");
    select.attributes.push(attribute("db.system.name", "postgresql"));
    traces_of(resource("checkout", &[("service.version", "1.2.0")]), vec![place, select])
}

fn catalog_spans() -> Export {
    let get = ended(timed(2, 5, Some(4), "cache get", 1), SpanKind::Internal, StatusCode::Unset, "");
    traces_of(resource("catalog", &[("k8s.pod.name", "canary-1")]), vec![get])
}

fn shipping_spans() -> Export {
    let mut consume =
        ended(timed(3, 6, None, "consume order", 2_000), SpanKind::Consumer, StatusCode::Ok, "");
    consume.links = vec![Link {
        trace_id: trace_bytes(1).to_vec(),
        span_id: span_id("search", 2).to_vec(),
        attributes: vec![attribute("reason", "queued")],
        ..Default::default()
    }];
    traces_of(resource("shipping", &[]), vec![consume])
}

fn points() -> Export {
    let mut exact = point(0.0);
    exact.value = Some(number_data_point::Value::AsInt(9_007_199_254_740_993));
    let mut first = point(1.5);
    first.attributes = vec![attribute("queue", "orders")];
    first.exemplars = vec![Exemplar {
        time_unix_nano: BASE_TIME,
        trace_id: trace_bytes(1).to_vec(),
        span_id: span_id("search", 2).to_vec(),
        value: Some(exemplar::Value::AsDouble(1.5)),
        ..Default::default()
    }];
    let mut second = point(2.5);
    second.attributes = vec![attribute("queue", "mails")];
    let temporality = AggregationTemporality::Cumulative as i32;
    let sum = Sum { data_points: vec![exact], aggregation_temporality: temporality, is_monotonic: true };
    metrics(
        "shipping",
        vec![gauge_of("queue.length", vec![first, second]), metric("jobs.done", Data::Sum(sum))],
    )
}

fn histograms() -> Export {
    let temporality = AggregationTemporality::Delta as i32;
    let plain = HistogramDataPoint {
        time_unix_nano: BASE_TIME,
        count: 6,
        sum: Some(21.5),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![1.0, 5.0],
        min: Some(0.5),
        max: Some(9.0),
        ..Default::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: BASE_TIME,
        count: 5,
        sum: Some(12.0),
        scale: 2,
        zero_count: 1,
        positive: Some(Buckets { offset: -1, bucket_counts: vec![1, 3] }),
        ..Default::default()
    };
    let quantile = |quantile, value| ValueAtQuantile { quantile, value };
    let summary = SummaryDataPoint {
        time_unix_nano: BASE_TIME,
        count: 4,
        sum: 8.0,
        quantile_values: vec![quantile(0.5, 1.0), quantile(0.99, 4.0)],
        ..Default::default()
    };
    let of_plain = Histogram { data_points: vec![plain], aggregation_temporality: temporality };
    let of_exponential =
        ExponentialHistogram { data_points: vec![exponential], aggregation_temporality: temporality };
    metrics(
        "checkout",
        vec![
            metric("latency", Data::Histogram(of_plain)),
            metric("latency.fine", Data::ExponentialHistogram(of_exponential)),
            metric("latency.old", Data::Summary(Summary { data_points: vec![summary] })),
        ],
    )
}
