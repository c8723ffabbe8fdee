//! Rows for tests: small trees, a shop's trace as an exporter would send it, and the same with hostile text.

mod incidents;
mod layout;

use query::rows::{
    Attributes, Bucket, Event, FacetValue, Link, Log, Page, Scope, Service, Span, Stats, Trace, TraceSummary,
};
use serde_json::{Value, json};

pub(crate) use incidents::{hostile_incident, incident, open_incident};
pub(crate) use layout::outlined;

/// When the sample's trace begins.
pub(crate) const START: i64 = 1_763_715_600_120_000_000;
const MS: i64 = 1_000_000;
/// What must never reach a page as markup.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> style=\"x\"";

pub(crate) fn attributes(value: Value) -> Attributes {
    value.as_object().cloned().unwrap_or_default()
}

pub(crate) fn span(id: &str, parent: Option<&str>, start: i64) -> Span {
    Span {
        id: "1".to_owned(),
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        span_id: id.to_owned(),
        parent_span_id: parent.map(str::to_owned),
        name: format!("span {id}"),
        kind: "internal".to_owned(),
        service: "shop".to_owned(),
        instance: None,
        start,
        duration_ns: 1,
        status: "unset".to_owned(),
        status_message: None,
        attributes: Attributes::new(),
        resource: Attributes::new(),
        scope: Scope::default(),
        events: Vec::new(),
        links: Vec::new(),
    }
}

pub(crate) fn log(time: i64, severity: Option<&str>, body: &str) -> Log {
    Log {
        template_id: None,
        variables: Vec::new(),
        id: time.to_string(),
        time,
        observed_time: None,
        severity: severity.map(str::to_owned),
        severity_number: None,
        severity_text: severity.map(str::to_uppercase),
        body: Value::from(body),
        service: "shop".to_owned(),
        instance: None,
        trace_id: None,
        span_id: None,
        event_name: None,
        attributes: Attributes::new(),
        resource: Attributes::new(),
        scope: Scope::default(),
    }
}

pub(crate) fn event(time: i64, name: &str) -> Event {
    Event { time, name: name.to_owned(), attributes: Attributes::new() }
}

pub(crate) fn trace(spans: Vec<Span>, logs: Vec<Log>) -> Trace {
    let starts = spans.iter().map(|span| span.start).chain(logs.iter().map(|log| log.time));
    let start = starts.min().unwrap_or(0);
    let end = spans.iter().map(|span| span.start.saturating_add(span.duration_ns)).max().unwrap_or(start);
    let trace_id = "0af7651916cd43dd8448eb211c80319c".to_owned();
    Trace {
        trace_id,
        start,
        duration_ns: end.saturating_sub(start),
        spans,
        logs,
        warnings: Vec::new(),
        truncated: false,
    }
}

/// Spans written `id parent start` and logs written `span time`, `-` for none.
pub(crate) fn trace_of(spans: &[&str], logs: &[&str]) -> Trace {
    let named = |word: &str| (word != "-").then(|| word.to_owned());
    let spans = spans.iter().map(|text| {
        let words: Vec<_> = text.split(' ').collect();
        span(words[0], named(words[1]).as_deref(), words[2].parse().unwrap())
    });
    let logs = logs.iter().map(|text| {
        let (under, time) = text.split_once(' ').unwrap();
        Log { span_id: named(under), ..log(time.parse().unwrap(), Some("info"), "line") }
    });
    trace(spans.collect(), logs.collect())
}

/// A chain of spans, each the parent of the next; `closed` makes the last the parent of the first.
pub(crate) fn chain(length: usize, closed: bool) -> Trace {
    let id = |number: usize| format!("{:016x}", number + 1);
    let spans = (0..length).map(|number| {
        let parent = if number > 0 { Some(id(number - 1)) } else { closed.then(|| id(length - 1)) };
        span(&id(number), parent.as_deref(), number as i64)
    });
    trace(spans.collect(), Vec::new())
}

/// Name, service, parent, start and duration in milliseconds, kind, status of the shop's spans.
type Line = (&'static str, &'static str, Option<usize>, f64, f64, &'static str, &'static str);

const SHOP: [Line; 16] = [
    ("POST /api/checkout", "frontend", None, 0.0, 812.0, "server", "error"),
    ("validate session", "frontend", Some(0), 2.1, 6.4, "internal", "unset"),
    ("GET", "frontend", Some(1), 2.6, 5.2, "client", "unset"),
    ("GET /session/{id}", "session", Some(2), 3.4, 3.1, "server", "unset"),
    ("GET", "session", Some(3), 3.9, 1.2, "client", "unset"),
    ("Checkout/PlaceOrder", "frontend", Some(0), 10.2, 798.0, "client", "error"),
    ("Checkout/PlaceOrder", "checkout", Some(5), 12.0, 794.0, "server", "error"),
    ("Cart/GetCart", "checkout", Some(6), 14.5, 38.0, "client", "unset"),
    ("Cart/GetCart", "cart", Some(7), 16.3, 33.9, "server", "ok"),
    ("HGETALL", "cart", Some(8), 18.0, 28.2, "client", "unset"),
    ("Currency/Convert", "checkout", Some(6), 55.0, 12.0, "client", "unset"),
    ("Currency/Convert", "currency", Some(10), 57.2, 7.7, "server", "ok"),
    ("Payment/Charge", "checkout", Some(6), 71.0, 702.0, "client", "error"),
    ("Payment/Charge", "payment", Some(12), 74.0, 696.0, "server", "error"),
    ("POST /v2/charges", "payment", Some(13), 80.0, 688.0, "client", "error"),
    ("orders publish", "checkout", Some(6), 778.0, 9.0, "producer", "unset"),
];

/// Span, milliseconds, severity, body of the shop's logs.
const SHOP_LOGS: [(Option<usize>, f64, &str, &str); 8] = [
    (Some(0), 0.8, "info", "checkout requested by user 4711 with 3 items"),
    (Some(4), 4.6, "debug", "session cache hit key=sess:9f3a"),
    (Some(6), 13.1, "info", "placing order ord-20261 currency=EUR total=129.90"),
    (Some(9), 44.0, "warn", "redis reply took 26 ms, slow log threshold is 10 ms"),
    (Some(13), 76.0, "info", "charging card ending 4242"),
    (Some(14), 581.0, "warn", "retrying POST https://psp.example/v2/charges after timeout (attempt 2 of 3)"),
    (
        Some(13),
        769.5,
        "error",
        "charge failed: connection refused by psp.example:443\nTraceback (most recent call last):\n  File \
         \"payment/charge.py\", line 88, in charge\n    raise ChargeError(reason)",
    ),
    (None, 805.0, "error", "order ord-20261 was not placed"),
];

/// A trace as a shop would send it.
pub(crate) fn shop() -> Trace {
    let id = |number: usize| format!("{:016x}", 0xb7ad_6b71_6920_0000_usize + 0x1f3d * number);
    let nanos = |millis: f64| (millis * MS as f64) as i64;
    let resource = |service: &str| {
        attributes(json!({
            "service.name": service, "service.version": "1.42.0", "service.instance.id": format!("{service}-7c9f-x2x"),
            "deployment.environment.name": "production", "k8s.pod.name": format!("{service}-7c9f-x2x"),
            "telemetry.sdk.language": "python",
        }))
    };
    let spans = SHOP.iter().enumerate().map(|(number, (name, service, parent, start, length, kind, status))| Span {
        name: (*name).to_owned(),
        service: (*service).to_owned(),
        duration_ns: nanos(*length),
        kind: (*kind).to_owned(),
        status: (*status).to_owned(),
        status_message: (*status == "error").then(|| "connection refused".to_owned()),
        resource: resource(service),
        scope: Scope { name: Some("opentelemetry.instrumentation.grpc".to_owned()), version: Some("0.59b0".to_owned()), ..Scope::default() },
        attributes: attributes(json!({
            "http.request.method": "POST", "http.route": "/api/checkout", "http.response.status_code": 500,
            "network.peer.address": "10.4.0.17", "user.tier": "gold", "cart.items": [3, 5, 8],
        })),
        ..span(&id(number), parent.map(id).as_deref(), START + nanos(*start))
    });
    let mut spans: Vec<Span> = spans.collect();
    spans[14].events.push(event(START + nanos(580.0), "retry"));
    spans[14].events.push(Event {
        attributes: attributes(json!({
            "exception.type": "ConnectionRefusedError",
            "exception.message": "[Errno 111] Connection refused",
            "exception.stacktrace": "Traceback (most recent call last):\n  File \"payment/psp.py\", line 31, in post\n    sock.connect(address)\nConnectionRefusedError: [Errno 111] Connection refused",
        })),
        ..event(START + nanos(767.0), "exception")
    });
    spans[15].links.push(Link {
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        span_id: Some("00f067aa0ba902b7".to_owned()),
        trace_state: String::new(),
        attributes: Attributes::new(),
    });
    let logs = SHOP_LOGS.iter().map(|(under, time, severity, body)| Log {
        span_id: under.map(id),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        service: under.map_or("frontend", |span| SHOP[span].1).to_owned(),
        attributes: attributes(json!({ "code.file.path": "payment/charge.py", "code.line.number": 88 })),
        resource: resource(under.map_or("frontend", |span| SHOP[span].1)),
        ..log(START + nanos(*time), Some(severity), body)
    });
    let mut trace = trace(spans, logs.collect());
    trace.spans.push(span("00f067aa0ba902b7", Some("53995c3f42cd8ad8"), START + 300 * MS));
    trace.spans[16].duration_ns = 120 * MS;
    trace.spans[16].name = "fraud check".to_owned();
    trace.spans[16].service = "fraud".to_owned();
    trace.warnings.push("1 span names a parent that is not stored".to_owned());
    trace
}

/// The shop's trace with every text replaced by one that would break out of any page that let it.
pub(crate) fn hostile_trace() -> Trace {
    let mut trace = shop();
    for span in &mut trace.spans {
        for text in [&mut span.name, &mut span.service, &mut span.kind] {
            *text = HOSTILE.to_owned();
        }
        span.status_message = Some(HOSTILE.to_owned());
        span.attributes = hostile_attributes();
        span.resource = hostile_attributes();
        span.scope = Scope {
            name: Some(HOSTILE.to_owned()),
            version: Some(HOSTILE.to_owned()),
            attributes: hostile_attributes(),
        };
        for event in &mut span.events {
            event.name = HOSTILE.to_owned();
            event.attributes = hostile_attributes();
        }
    }
    for log in &mut trace.logs {
        *log = hostile_log(log.time, log.span_id.clone());
    }
    trace.warnings = vec![HOSTILE.to_owned()];
    trace
}

fn hostile_attributes() -> Attributes {
    attributes(json!({ HOSTILE: HOSTILE, "nested": { HOSTILE: [HOSTILE] } }))
}

fn hostile_log(time: i64, span_id: Option<String>) -> Log {
    Log {
        service: HOSTILE.to_owned(),
        severity_text: Some(HOSTILE.to_owned()),
        event_name: Some(HOSTILE.to_owned()),
        trace_id: Some(HOSTILE.to_owned()),
        span_id,
        attributes: hostile_attributes(),
        resource: hostile_attributes(),
        ..log(time, Some(HOSTILE), HOSTILE)
    }
}

pub(crate) fn hostile_logs() -> Vec<Log> {
    vec![hostile_log(START, Some(HOSTILE.to_owned()))]
}

/// Services as the engine lists them.
pub(crate) fn services() -> Vec<Service> {
    let lines = [
        ("frontend", 48_210.0, 212.0, 38.0, 412.0),
        ("checkout", 12_104.0, 388.0, 61.0, 798.0),
        ("payment", 12_090.0, 371.0, 44.0, 702.0),
        ("cart", 30_551.0, 3.0, 4.1, 33.0),
        ("currency", 25_730.0, 0.0, 1.9, 8.2),
        ("session", 48_190.0, 0.0, 1.1, 3.4),
        ("fraud", 600.0, 1.0, 88.0, 140.0),
    ];
    let services = lines.iter().map(|(name, calls, errors, p50, p95)| Service {
        name: (*name).to_owned(),
        namespace: Some("shop".to_owned()),
        environment: Some("production".to_owned()),
        calls: *calls,
        errors: *errors,
        rate_per_s: calls / 3600.0,
        error_ratio: errors / calls,
        p50_ns: Some(p50 * 1e6),
        p95_ns: Some(p95 * 1e6),
        p99_ns: Some(p95 * 1.4e6),
        instances: 3,
        versions: vec!["1.41.2".to_owned(), "1.42.0".to_owned()],
    });
    services.collect()
}

/// Traces as the engine lists them.
pub(crate) fn summaries() -> Vec<TraceSummary> {
    let summaries = (0..30_i64).map(|number| TraceSummary {
        trace_id: format!("{:032x}", 0x0af7_6519_16cd_43dd_i64 + number),
        start: START - number * 1_370 * MS,
        duration_ns: (812 - 23 * number).max(3) * MS,
        root_service: "frontend".to_owned(),
        root_name: ["POST /api/checkout", "GET /", "GET /product/{id}"][number as usize % 3].to_owned(),
        status: if number % 7 == 0 { "error" } else { "unset" }.to_owned(),
        span_count: 17,
        error_count: if number % 7 == 0 { 5 } else { 0 },
        services: ["cart", "checkout", "currency", "frontend", "payment", "session"]
            .map(str::to_owned)
            .to_vec(),
    });
    summaries.collect()
}

/// A page of rows with a histogram and facets.
pub(crate) fn page<T>(rows: Vec<T>) -> Page<T> {
    let buckets = (0..60_i64).map(|number| {
        let count = (40 + (number * 37) % 23 + if number > 40 { 30 } else { 0 }) as u64;
        Bucket {
            time: START - (60 - number) * 60_000 * MS,
            count,
            errors: if number > 40 { count / 4 } else { count / 40 },
        }
    });
    let value = |value: &str, count| FacetValue { value: value.to_owned(), count };
    let facets = [
        (
            "service",
            vec![value("frontend", 1804), value("checkout", 922), value("payment", 611), value(HOSTILE, 2)],
        ),
        ("severity", vec![value("info", 2710), value("warn", 402), value("error", 225)]),
        ("status", vec![value("unset", 3000), value("error", 225)]),
    ];
    Page {
        rows,
        cursor: Some("1763715600-42".to_owned()),
        stats: Stats {
            rows_scanned: 48_211,
            elapsed_ms: 7,
            segments_total: 4,
            segments_opened: 2,
            ..Stats::default()
        },
        total: Some(3339),
        facets: Some(facets.into_iter().map(|(key, values)| (key.to_owned(), values)).collect()),
        histogram: Some(buckets.collect()),
    }
}
