//! Requests against the router, with a sink in memory.

use std::sync::Arc;

use axum::body::to_bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request as HttpRequest};
use model::TenantName;
use prost::Message;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::auth::Token;
use crate::compression::tests::{gzip, zstd};
use crate::config::Config;
use crate::sink::Sink;
use crate::testing::{MemorySink, failing, span, trace_request};

const LIMIT: usize = 10_000;

/// Names and values.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// An answer, read to its end.
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answered {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn config() -> Config {
    Config { request_bytes_max: LIMIT, ..Config::default() }
}

async fn send_to(config: Config, sink: Arc<dyn Sink>, request: HttpRequest<Body>) -> Answered {
    let response = http_router(Receiver::new(config, sink)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap().to_vec();
    Answered { status: parts.status.as_u16(), headers: parts.headers, body }
}

fn post_request(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> HttpRequest<Body> {
    let mut request = HttpRequest::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

fn payload() -> Vec<u8> {
    trace_request(vec![span("one"), span("two")]).encode_to_vec()
}

fn json_payload(names: &[&str]) -> String {
    let spans: Vec<Value> = names
        .iter()
        .map(|name| json!({"traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708", "name": name}))
        .collect();
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
}

const PROTOBUF_TYPE: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON_TYPE: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn what_is_right_is_stored_and_answered_in_its_type() {
    let half = payload().len() / 2;
    let members = [gzip(&payload()[..half]), gzip(&payload()[half..])].concat();
    let cases: [(Headers<'_>, Vec<u8>, &str); 8] = [
        (&[PROTOBUF_TYPE], payload(), ""),
        (&[("content-type", "Application/X-Protobuf; charset=utf-8")], payload(), ""),
        (&[PROTOBUF_TYPE, ("content-encoding", "gzip")], gzip(&payload()), ""),
        (&[PROTOBUF_TYPE, ("content-encoding", "gzip")], members, ""),
        (&[PROTOBUF_TYPE, ("content-encoding", "zstd")], zstd(&payload()), ""),
        (&[PROTOBUF_TYPE, ("content-encoding", "identity")], payload(), ""),
        (&[JSON_TYPE], json_payload(&["one", "two"]).into_bytes(), "{}"),
        (
            &[("content-type", "application/json; charset=utf-8")],
            json_payload(&["one", "two"]).into_bytes(),
            "{}",
        ),
    ];
    for (headers, body, expected) in cases {
        let sink = Arc::new(MemorySink::default());
        let answered =
            send_to(config(), Arc::clone(&sink) as _, post_request("/v1/traces", headers, body)).await;
        assert_eq!(answered.status, 200, "{headers:?}");
        assert_eq!(String::from_utf8_lossy(&answered.body), expected, "{headers:?}");
        let sent = headers[0].1.split(';').next().unwrap().to_ascii_lowercase();
        assert_eq!(answered.header("content-type"), sent);
        assert_eq!(sink.rows(), 2, "{headers:?}");
    }
}

#[tokio::test]
async fn a_request_without_rows_is_answered_without_the_sink() {
    let (_, broken) = failing();
    for (path, body) in [("/v1/traces", "{}"), ("/v1/logs", "{\"resourceLogs\":[]}"), ("/v1/metrics", "{}")] {
        let answered =
            send_to(config(), Arc::clone(&broken) as _, post_request(path, &[JSON_TYPE], body)).await;
        assert_eq!((answered.status, answered.json()), (200, json!({})), "{path}");
    }
}

#[tokio::test]
async fn partial_success_counts_and_explains() {
    let mut bad = span("bad");
    bad.span_id.clear();
    let body = trace_request(vec![span("good"), bad]).encode_to_vec();
    let sink = Arc::new(MemorySink::default());
    let answered =
        send_to(config(), Arc::clone(&sink) as _, post_request("/v1/traces", &[PROTOBUF_TYPE], body)).await;
    assert_eq!((answered.status, sink.rows()), (200, 1));
    let partial = ExportResponse::decode(&answered.body[..]).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected, 1);
    assert_eq!(
        partial.error_message,
        "1 span rejected: span_id must be 8 bytes, not all zero (first: span 2 'bad')"
    );
}

#[tokio::test]
async fn refusals_are_a_status_in_the_requests_type() {
    let gzipped = gzip(&vec![0; LIMIT + 1]);
    type Case<'a> = (&'a str, HttpRequest<Body>, u16, i32, Headers<'a>);
    let unannounced = || {
        let chunks = (0..200).map(|_| Ok::<_, std::convert::Infallible>(vec![0; 1000]));
        Body::from_stream(futures::stream::iter(chunks))
    };
    let gzip_header = ("content-encoding", "gzip");
    let cases: Vec<Case<'_>> = vec![
        ("path", post_request("/v1/nothing", &[PROTOBUF_TYPE], ""), 404, 5, &[]),
        ("root", post_request("/", &[], ""), 404, 5, &[]),
        (
            "method",
            HttpRequest::get("/v1/traces").body(Body::empty()).unwrap(),
            405,
            12,
            &[("allow", "POST")],
        ),
        ("type", post_request("/v1/traces", &[("content-type", "text/plain")], payload()), 415, 3, &[]),
        ("no type", post_request("/v1/traces", &[], payload()), 415, 3, &[]),
        (
            "compression",
            post_request("/v1/traces", &[PROTOBUF_TYPE, ("content-encoding", "br")], payload()),
            415,
            12,
            &[("accept-encoding", "gzip, zstd, deflate, identity")],
        ),
        ("garbage", post_request("/v1/traces", &[PROTOBUF_TYPE], "garbage"), 400, 3, &[]),
        ("JSON garbage", post_request("/v1/traces", &[JSON_TYPE], "garbage"), 400, 3, &[]),
        ("no gzip", post_request("/v1/traces", &[PROTOBUF_TYPE, gzip_header], payload()), 400, 3, &[]),
        ("large", post_request("/v1/traces", &[JSON_TYPE], vec![b' '; LIMIT + 1]), 413, 8, &[]),
        ("large, unannounced", post_request("/v1/traces", &[PROTOBUF_TYPE], unannounced()), 413, 8, &[]),
        ("large inside", post_request("/v1/traces", &[PROTOBUF_TYPE, gzip_header], gzipped), 413, 8, &[]),
    ];
    for (name, request, status, code, headers) in cases {
        let protobuf = encoding(request.headers()) == Some(Encoding::Protobuf);
        let sink = Arc::new(MemorySink::default());
        let answered = send_to(config(), Arc::clone(&sink) as _, request).await;
        assert_eq!((answered.status, sink.rows()), (status, 0), "{name}");
        for (header, value) in headers {
            assert_eq!(answered.header(header), *value, "{name}");
        }
        assert_eq!(answered.header("retry-after"), "", "{name}");
        let (found, details) = if protobuf {
            assert_eq!(answered.header("content-type"), PROTOBUF, "{name}");
            let status = Status::decode(&answered.body[..]).unwrap();
            (status.code, status.details.len())
        } else {
            assert_eq!(answered.header("content-type"), JSON, "{name}");
            let status = answered.json();
            (status["code"].as_i64().unwrap() as i32, status["details"].as_array().unwrap().len())
        };
        // Only what is wrong with the data has the detail that says where.
        assert_eq!((found, details), (code, usize::from(status == 400)), "{name}");
    }
}

#[tokio::test]
async fn overload_says_when_to_come_back() {
    let (full, broken) = failing();
    let cases = [(full, 429, "2", "no memory"), (broken, 503, "7", "the disk is full")];
    for (sink, status, retry_after, message) in cases {
        let request = post_request("/v1/traces", &[JSON_TYPE], json_payload(&["one"]));
        let answered = send_to(config(), sink, request).await;
        assert_eq!((answered.status, answered.header("retry-after")), (status, retry_after));
        assert_eq!(answered.json()["message"], message);
        assert_eq!(answered.json()["details"][0]["@type"], "type.googleapis.com/google.rpc.RetryInfo");
    }
}

#[tokio::test]
async fn room_is_asked_for_before_the_body_is_read_and_before_it_is_decoded() {
    let sink = Arc::new(MemorySink::default());
    let compressed = gzip(&payload());
    // Each first for its body, then for what is made of it.
    let bytes = [payload().len(), 2 * payload().len(), compressed.len(), 3 * 8 * compressed.len()];
    for (headers, body) in
        [(&[PROTOBUF_TYPE][..], payload()), (&[PROTOBUF_TYPE, ("content-encoding", "gzip")][..], compressed)]
    {
        send_to(config(), Arc::clone(&sink) as _, post_request("/v1/traces", headers, body)).await;
    }
    assert_eq!(*sink.admitted.lock().unwrap(), bytes);
}

#[tokio::test]
async fn tokens_decide_before_anything_is_read() {
    let token = |name: &str, write| Token {
        name: name.to_owned(),
        sha256: Token::digest(name),
        tenant: TenantName::new("acme").unwrap(),
        write,
        read: true,
    };
    let config = Config { tokens: vec![token("writer", true), token("reader", false)], ..config() };
    for (header, status) in [
        (None, 401),
        (Some("Bearer nobody"), 401),
        (Some("Basic writer"), 401),
        (Some("Bearer reader"), 403),
        (Some("Bearer writer"), 200),
    ] {
        let sink = Arc::new(MemorySink::default());
        let mut request = post_request("/v1/traces", &[PROTOBUF_TYPE, ("x-scope-orgid", "other")], payload());
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(header));
        }
        let answered = send_to(config.clone(), Arc::clone(&sink) as _, request).await;
        assert_eq!(answered.status, status, "{header:?}");
        assert_eq!(answered.header("www-authenticate").is_empty(), status != 401, "{header:?}");
        assert_eq!(sink.admitted.lock().unwrap().is_empty(), status != 200, "{header:?}");
        if status == 200 {
            assert_eq!(sink.batches.lock().unwrap()[0].0.as_str(), "acme");
        }
    }
}

#[tokio::test]
async fn a_tenant_is_named_by_a_trusted_header_only() {
    for (trusted, header, expected) in [
        (false, Some("acme"), Some("default")),
        (true, Some("acme"), Some("acme")),
        (true, None, Some("default")),
        (true, Some(""), None),
    ] {
        let sink = Arc::new(MemorySink::default());
        let config = Config { trust_tenant_header: trusted, ..config() };
        let mut headers = vec![PROTOBUF_TYPE];
        headers.extend(header.map(|header| ("x-scope-orgid", header)));
        let answered =
            send_to(config, Arc::clone(&sink) as _, post_request("/v1/traces", &headers, payload())).await;
        assert_eq!(answered.status, if expected.is_some() { 200 } else { 400 });
        let found = sink.batches.lock().unwrap().first().map(|(tenant, _)| tenant.to_string());
        assert_eq!(found.as_deref(), expected);
    }
}

#[tokio::test]
async fn pages_of_listed_origins_may_send() {
    let listed = vec!["https://shop.example".to_owned()];
    let cases = [
        (vec![], "https://shop.example", ""),
        (listed.clone(), "https://shop.example", "https://shop.example"),
        (listed.clone(), "https://shop.example.evil", ""),
        (vec!["*".to_owned()], "https://evil.example", ""),
    ];
    for (origins, origin, allowed) in cases {
        let on = !origins.is_empty();
        // A preflight carries no token, and is answered all the same.
        let token = Token {
            name: "t".to_owned(),
            sha256: Token::digest("t"),
            tenant: TenantName::default(),
            write: true,
            read: false,
        };
        let config = Config { cors_origins: origins, tokens: vec![token], ..config() };
        let preflight = HttpRequest::options("/v1/traces")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,authorization")
            .body(Body::empty())
            .unwrap();
        let answered = send_to(config.clone(), Arc::new(MemorySink::default()), preflight).await;
        assert_eq!(answered.status, if on { 200 } else { 405 });
        assert_eq!(answered.header("access-control-allow-origin"), allowed);
        assert_eq!(answered.header("access-control-allow-credentials"), "");
        let headers = [JSON_TYPE, ("origin", origin), ("authorization", "Bearer t")];
        let request = post_request("/v1/traces", &headers, json_payload(&["one"]));
        let answered = send_to(config, Arc::new(MemorySink::default()), request).await;
        assert_eq!((answered.status, answered.header("access-control-allow-origin")), (200, allowed));
    }
}

#[tokio::test]
async fn answers_are_compressed_only_when_asked() {
    for (accept, expected) in
        [(None, ""), (Some("gzip"), "gzip"), (Some("zstd"), "zstd"), (Some("identity"), "")]
    {
        let mut headers = vec![JSON_TYPE];
        headers.extend(accept.map(|accept| ("accept-encoding", accept)));
        let request = post_request("/v1/traces", &headers, "garbage");
        let answered = send_to(config(), Arc::new(MemorySink::default()), request).await;
        assert_eq!(answered.header("content-encoding"), expected, "{accept:?}");
    }
}

#[tokio::test]
async fn what_passes_is_counted() {
    let receiver = Receiver::new(config(), Arc::new(MemorySink::default()));
    let router = http_router(Arc::clone(&receiver));
    let mut bad = span("bad");
    bad.trace_id.clear();
    let bodies = [trace_request(vec![span("a"), bad, span("b")]).encode_to_vec(), b"garbage".to_vec()];
    for body in bodies {
        router.clone().oneshot(post_request("/v1/traces", &[PROTOBUF_TYPE], body)).await.unwrap();
    }
    let counts = receiver.counters()[0];
    assert_eq!((counts.signal, counts.received, counts.rejected, counts.refused), (Signal::Spans, 2, 1, 1));
    assert_eq!(receiver.counters()[1].received, 0);
}

#[tokio::test]
async fn past_the_limit_of_requests_one_is_told_to_come_back() {
    let receiver = Receiver::new(Config { requests_max: 1, ..config() }, Arc::new(MemorySink::default()));
    let place = receiver.enter().unwrap();
    let router = http_router(Arc::clone(&receiver));
    let send = || router.clone().oneshot(post_request("/v1/traces", &[PROTOBUF_TYPE], payload()));
    let response = send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    drop(place);
    assert_eq!(send().await.unwrap().status().as_u16(), 200);
}
