//! One service and the graph, from spans as SDKs send them: databases, queues and outside hosts, a link, sampling.
//! What is counted is compared to the digit; durations are within one percent.

use opentelemetry_proto::tonic::trace::v1::{
    Span, Status,
    span::{Link, SpanKind},
    status::StatusCode,
};
use serde_json::{Value, json};
use tests::{
    harness::{Server, causeway},
    otlp::{BASE_TIME, Export, MILLISECOND, SECOND, attribute, resource, span, span_id, trace_id, traces_of},
};

use crate::support::{Home, store};

/// Two minutes, the first with the base time in it.
const MINUTES: [u64; 3] = [1_699_999_980, 1_700_000_040, 1_700_000_100];

/// A span of a trace, by numbers, below another one.
fn placed(trace: &str, number: usize, parent: Option<usize>, name: &str, kind: SpanKind, ms: u64) -> Span {
    let mut span = span(trace_id(trace), span_id("services", number), name);
    span.kind = kind as i32;
    span.parent_span_id = parent.map(|parent| span_id("services", parent).to_vec()).unwrap_or_default();
    span.end_time_unix_nano = BASE_TIME + ms * MILLISECOND;
    span
}

fn failed(span: Span) -> Span {
    Span { status: Some(Status { code: StatusCode::Error as i32, message: String::new() }), ..span }
}

fn with(mut span: Span, attributes: &[(&str, &str)]) -> Span {
    span.attributes.extend(attributes.iter().map(|(key, value)| attribute(key, *value)));
    span
}

/// One of so many like it that were sampled: `8` is one of two, `c` one of four.
fn sampled(span: Span, threshold: &str) -> Span {
    Span { trace_state: format!("vendor=1,ot=th:{threshold};rv:ffffffffffffff"), ..span }
}

fn checkout(instance: &str, version: &str, spans: Vec<Span>) -> Export {
    let more = [
        ("service.namespace", "shop"),
        ("deployment.environment.name", "prod"),
        ("service.instance.id", instance),
        ("service.version", version),
    ];
    traces_of(resource("checkout", &more), spans)
}

/// A request that fails, another of which one in two was kept, what works on its message later, a request a minute
/// later, and one to another service of the same name.
fn sent() -> Vec<Export> {
    let (server, client) = (SpanKind::Server, SpanKind::Client);
    let address = [("server.address", "checkout"), ("server.port", "8080")];
    let database = [("db.system.name", "postgresql"), ("db.namespace", "orders")];
    let queue = [("messaging.system", "kafka"), ("messaging.destination.name", "orders")];
    let host = [("url.full", "https://pay.example/charge?card=1")];
    let frontend = vec![
        failed(placed("a", 1, None, "GET /checkout", server, 100)),
        with(placed("a", 2, Some(1), "POST", client, 80), &address),
        sampled(placed("c", 11, None, "GET /checkout", server, 100), "8"),
        sampled(with(placed("c", 12, Some(11), "POST", client, 80), &address), "8"),
    ];
    let first = vec![
        failed(placed("a", 3, Some(2), "POST /orders", server, 60)),
        with(placed("a", 4, Some(3), "INSERT orders", client, 20), &database),
        failed(with(placed("a", 5, Some(3), "POST", client, 30), &host)),
        with(placed("a", 6, Some(3), "send orders", SpanKind::Producer, 1), &queue),
    ];
    let mut later = placed("d", 21, None, "GET /orders", server, 10);
    later.start_time_unix_nano += 60 * SECOND;
    later.end_time_unix_nano += 60 * SECOND;
    let second = vec![
        sampled(placed("c", 13, Some(12), "POST /orders", server, 60), "8"),
        sampled(with(placed("c", 14, Some(13), "INSERT orders", client, 20), &database), "c"),
        later,
    ];
    let mut ship = with(placed("b", 31, None, "ship", SpanKind::Consumer, 50), &queue);
    let (trace_id, span_id) = (trace_id("a").to_vec(), span_id("services", 6).to_vec());
    ship.links.push(Link { trace_id, span_id, ..Default::default() });
    let other = [("service.namespace", "test"), ("deployment.environment.name", "dev")];
    vec![
        traces_of(resource("frontend", &[]), frontend),
        checkout("checkout-1", "1.0", first),
        checkout("checkout-2", "1.1", second),
        traces_of(resource("shipping", &[]), vec![ship]),
        traces_of(resource("checkout", &other), vec![placed("e", 41, None, "POST /orders", server, 10)]),
    ]
}

/// Rows with these of their keys.
fn rows(answer: &Value, list: &str, keys: &[&str]) -> Vec<Value> {
    let rows = answer[list].as_array().unwrap_or_else(|| panic!("no {list} in {answer}"));
    rows.iter().map(|row| keys.iter().map(|key| row[*key].clone()).collect()).collect()
}

fn about(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() <= expected / 100.0, "{found} is not {expected} within one percent");
}

/// The edges of the graph: from, to, kind, calls, errors.
fn edges() -> Vec<Value> {
    vec![
        json!(["checkout", "postgresql/orders", "call", 5.0, 0.0]),
        json!(["frontend", "checkout", "call", 3.0, 1.0]),
        json!(["checkout", "kafka/orders", "async", 1.0, 0.0]),
        json!(["checkout", "pay.example", "call", 1.0, 1.0]),
        json!(["checkout", "shipping", "async", 1.0, 0.0]),
    ]
}

const EDGE: [&str; 5] = ["from", "to", "kind", "calls", "errors"];

fn check_service(server: &Server, when: &str) {
    let [from, next, to] = MINUTES;
    let range = format!("from={from}&to={to}");
    let api = server.api();
    let answer = api.json(&format!("/api/services/checkout?namespace=shop&environment=prod&{range}"));
    let service = &answer["service"];
    let counts =
        ["name", "namespace", "environment", "calls", "errors", "error_ratio", "instances", "versions"];
    assert_eq!(
        counts.map(|key| service[key].clone()).to_vec(),
        json!(["checkout", "shop", "prod", 4.0, 1.0, 0.25, 2, ["1.0", "1.1"]]).as_array().unwrap().clone(),
        "{when}"
    );
    assert_eq!(service["rate_per_s"], json!(4.0 / 120.0), "{when}");
    assert_eq!(answer["merged"], json!([{"namespace": "shop", "environment": "prod"}]), "{when}");
    assert_eq!(
        rows(&answer, "operations", &["name", "kind", "calls", "errors", "error_ratio"]),
        [
            json!(["POST /orders", "server", 3.0, 1.0, 1.0 / 3.0]),
            json!(["GET /orders", "server", 1.0, 0.0, 0.0])
        ],
        "{when}"
    );
    about(&answer["operations"][0]["p50_ns"], 60e6);
    about(&answer["operations"][1]["p99_ns"], 10e6);
    assert_eq!(
        rows(&answer, "instances", &["name", "version", "calls", "errors"]),
        [json!(["checkout-2", "1.1", 3.0, 0.0]), json!(["checkout-1", "1.0", 1.0, 1.0])],
        "{when}"
    );
    assert_eq!(answer["step_ns"], json!(60 * SECOND), "{when}");
    assert_eq!(
        rows(&answer, "series", &["time", "calls", "errors"]),
        [json!([format!("{from}000000000"), 3.0, 1.0]), json!([format!("{next}000000000"), 1.0, 0.0])],
        "{when}"
    );
    about(&answer["series"][0]["p95_ns"], 60e6);
    assert_eq!(
        rows(&answer, "versions", &["version", "calls", "errors"]),
        [json!(["1.0", 1.0, 1.0]), json!(["1.1", 3.0, 0.0])],
        "{when}"
    );
    let cells = answer["heat"]["counts"].as_array().unwrap().iter();
    let sums: Vec<f64> =
        cells.map(|counts| counts.as_array().unwrap().iter().filter_map(Value::as_f64).sum()).collect();
    assert_eq!(sums, [3.0, 1.0], "{when}");
    assert_eq!(rows(&answer, "edges", &EDGE), edges(), "{when}");
    about(&answer["edges"][1]["p95_ns"], 60e6);
    about(&answer["edges"][4]["p95_ns"], 50e6);
    let minute = api.json(&format!("/api/services/checkout?namespace=shop&from={next}&to={to}"));
    assert_eq!(minute["service"]["calls"], json!(1.0), "{when}");
}

fn check_merged(server: &Server, when: &str) {
    let answer = server.api().json("/api/services/checkout");
    let service = &answer["service"];
    let found = ["namespace", "environment", "calls", "errors"].map(|key| service[key].clone());
    assert_eq!(found, [json!(null), json!(null), json!(5.0), json!(1.0)], "{when}");
    let keys =
        json!([{"namespace": "shop", "environment": "prod"}, {"namespace": "test", "environment": "dev"}]);
    assert_eq!(answer["merged"], keys, "{when}");
    assert_eq!(rows(&answer, "edges", &EDGE), edges(), "{when}");
    for path in
        ["/api/services/absent", "/api/services/checkout?namespace=absent", "/api/services/checkout?to=1"]
    {
        let answer = server.api().get(path);
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (404, &json!("not_found")),
            "{when}: {path}"
        );
    }
}

fn check_graph(server: &Server, when: &str) {
    let answer = server.api().json("/api/graph");
    let nodes = [
        ("checkout", "service"),
        ("frontend", "service"),
        ("kafka/orders", "queue"),
        ("pay.example", "external"),
        ("postgresql/orders", "database"),
        ("shipping", "service"),
    ];
    assert_eq!(
        rows(&answer, "nodes", &["name", "type"]),
        nodes.map(|(name, kind)| json!([name, kind])),
        "{when}"
    );
    assert_eq!(rows(&answer, "edges", &EDGE), edges(), "{when}");
    assert!(answer["stats"]["partial"].is_null(), "{when}: {answer}");
    let near = server.api().json("/api/graph?service=shipping&hops=1");
    assert_eq!(rows(&near, "nodes", &["name"]), [json!(["checkout"]), json!(["shipping"])], "{when}");
    assert_eq!(rows(&near, "edges", &EDGE), [json!(["checkout", "shipping", "async", 1.0, 0.0])], "{when}");
    for (path, status) in [
        ("/api/graph?service=absent", 404),
        ("/api/graph?service=shipping&hops=4", 400),
        ("/api/graph?service=shipping&hops=0", 400),
        ("/api/graph?hops=1", 400),
        ("/api/compare?vs_low=5&vs_high=5", 400),
        ("/api/compare?trace=00000000000000000000000000000001", 400),
        ("/api/compare?trace=x&vs_trace=y", 400),
        ("/api/compare?limit=1001", 400),
        ("/api/compare?q=service:checkout&from=0", 200),
    ] {
        assert_eq!(server.api().get(path).status, status, "{when}: {path}");
    }
    let [from, _, to] = MINUTES.map(|second| second + 3_600);
    let empty = server.api().json(&format!("/api/graph?from={from}&to={to}"));
    assert_eq!((&empty["nodes"], &empty["edges"]), (&json!([]), &json!([])), "{when}");
}

/// What the command line says of it.
fn check_commands(server: &Server, when: &str) {
    let url = format!("http://{}", server.addresses.http);
    let shown =
        causeway(&["services", "checkout", "--namespace", "shop", "--environment", "prod", "--url", &url]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!(shown.status.code(), Some(0), "{when}: {text}");
    for part in
        ["namespace shop, environment prod, versions 1.0, 1.1, 4 calls", "postgresql/orders  call", "▃", "█"]
    {
        assert!(text.contains(part), "{when}: {part} is not in {text}");
    }
    let absent = causeway(&["services", "absent", "--url", &url]);
    assert_eq!(absent.status.code(), Some(1), "{when}: {}", String::from_utf8_lossy(&absent.stderr));
}

#[test]
fn one_service_and_the_graph_count_what_was_sent() {
    let home = Home::new();
    let server = Server::start(&home.data());
    sent().iter().for_each(|export| store(&server, export));
    for when in ["fresh", "compacted"] {
        check_service(&server, when);
        check_merged(&server, when);
        check_graph(&server, when);
        check_commands(&server, when);
        server.api().compact();
    }
}
