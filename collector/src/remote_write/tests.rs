//! Requests against the router, with a sink in memory.

use arrow::array::Array;
use axum::body::to_bytes;
use http::Request as HttpRequest;
use model::TenantName;
use prost::Message;
use tower::ServiceExt;

use super::*;
use crate::auth::Token;
use crate::config::Config;
use crate::http::http_router;
use crate::sink::Sink;
use crate::testing::prometheus::{
    Exemplar, Histogram, TimeSeries, WriteRequest, labels, request, sample, series, write_request,
};
use crate::testing::{MemorySink, failing};

const LIMIT: usize = 10_000;
const V1: &str = "application/x-protobuf;proto=prometheus.WriteRequest";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

struct Answered {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answered {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The three counts of what was written, as their headers say.
    fn written(&self) -> [&str; 3] {
        [SAMPLES, HISTOGRAMS, EXEMPLARS].map(|name| self.header(name.as_str()))
    }
}

fn config() -> Config {
    Config { request_bytes_max: LIMIT, ..Config::default() }
}

async fn send(receiver: &Arc<Receiver>, request: HttpRequest<Body>) -> Answered {
    let response = remote_write_router(Arc::clone(receiver)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    Answered { status: parts.status.as_u16(), headers: parts.headers, text }
}

fn post_body(content_type: &str, body: Vec<u8>) -> HttpRequest<Body> {
    let request = HttpRequest::post(PATH).header(CONTENT_TYPE, content_type).header(CONTENT_ENCODING, SNAPPY);
    request.body(body.into()).unwrap()
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).unwrap()
}

fn right() -> WriteRequest {
    let exemplars = vec![Exemplar { labels: labels(&[("a", "b")]), value: 1.0, time: 5 }];
    let samples =
        TimeSeries { exemplars, ..series(&[("__name__", "m")], vec![sample(1.0, 5), sample(2.0, 6)]) };
    let histograms =
        TimeSeries { histograms: vec![Histogram::default()], ..series(&[("__name__", "h")], vec![]) };
    write_request(vec![samples, histograms])
}

fn with_bad() -> WriteRequest {
    let mut request = right();
    request.timeseries.push(series(&[("a", "b")], vec![sample(1.0, 5)]));
    request
}

#[tokio::test]
async fn what_is_right_is_stored_and_what_is_not_is_told() {
    let none = ["", "", ""];
    let v2 = |of: &WriteRequest| snappy(&request(of).encode_to_vec());
    let v1 = |of: &WriteRequest| snappy(&of.encode_to_vec());
    let cases = [
        (V1, v1(&right()), 204, none),
        ("application/x-protobuf", v1(&right()), 204, none),
        ("", v1(&right()), 204, none),
        (V2, v2(&right()), 204, ["2", "1", "1"]),
        (
            "Application/X-Protobuf; proto=\"io.prometheus.write.v2.Request\"",
            v2(&right()),
            204,
            ["2", "1", "1"],
        ),
        (V1, v1(&with_bad()), 400, none),
        (V2, v2(&with_bad()), 400, ["2", "1", "1"]),
    ];
    for (content_type, body, status, written) in cases {
        let sink = Arc::new(MemorySink::default());
        let receiver = Receiver::new(config(), Arc::clone(&sink) as _);
        let answered = send(&receiver, post_body(content_type, body)).await;
        assert_eq!(
            (answered.status, answered.written()),
            (status, written),
            "{content_type}: {}",
            answered.text
        );
        assert_eq!(sink.rows(), 3, "{content_type}");
        let reason = "1 data point rejected: a series must have a label __name__ that is not empty";
        assert_eq!(answered.text.starts_with(reason), status == 400, "{}", answered.text);
        let counts = receiver.counters()[2];
        assert_eq!((counts.received, counts.rejected), (3, u64::from(status == 400)));
        let ingest = receiver.ingest(&TenantName::default());
        let service = &ingest.services[0];
        assert_eq!((service.service.as_str(), service.received), ("unknown_service", 3));
        assert_eq!(service.rejected.count, u64::from(status == 400));
    }
}

#[tokio::test]
async fn refusals_say_why() {
    let body = snappy(&right().encode_to_vec());
    let mut bomb = snappy(&vec![0; LIMIT + 1]);
    bomb.truncate(16);
    let encoded = |name: &str| {
        let request = HttpRequest::post(PATH).header(CONTENT_TYPE, V1).header(CONTENT_ENCODING, name);
        request.body(Body::from(body.clone())).unwrap()
    };
    let cases = [
        ("type", post_body("text/plain", body.clone()), 415, "is not supported"),
        ("message", post_body("application/x-protobuf;proto=other", body.clone()), 415, "proto=other"),
        ("compression", encoded("gzip"), 415, "send snappy"),
        ("not compressed", post_body(V1, right().encode_to_vec()), 400, "could not be decompressed"),
        ("large", post_body(V1, vec![0; LIMIT + 1]), 413, "larger than 10000 bytes"),
        ("large inside", post_body(V1, bomb), 413, "after decompression"),
        ("garbage", post_body(V1, snappy(b"garbage")), 400, "not a valid prometheus.WriteRequest"),
        ("garbage", post_body(V2, snappy(b"garbage")), 400, "not a valid io.prometheus.write.v2.Request"),
    ];
    for (name, request, status, reason) in cases {
        let sink = Arc::new(MemorySink::default());
        let receiver = Receiver::new(config(), Arc::clone(&sink) as _);
        let answered = send(&receiver, request).await;
        assert_eq!((answered.status, sink.rows()), (status, 0), "{name}: {}", answered.text);
        assert!(answered.text.contains(reason), "{name}: {}", answered.text);
        assert_eq!(answered.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(receiver.ingest(&TenantName::default()).refusals.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn overload_is_worth_another_try() {
    let (full, broken) = failing();
    for (sink, retry_after, message) in [(full, "2", "no memory"), (broken, "7", "the disk is full")] {
        let receiver = Receiver::new(config(), sink as Arc<dyn Sink>);
        let answered = send(&receiver, post_body(V1, snappy(&right().encode_to_vec()))).await;
        assert_eq!((answered.status, answered.header("retry-after")), (503, retry_after));
        assert_eq!(answered.text, message);
    }
}

#[tokio::test]
async fn only_tokens_that_write_may() {
    let token = |name: &str, write| Token {
        name: name.to_owned(),
        sha256: Token::digest(name),
        tenant: TenantName::new("acme").unwrap(),
        write,
        read: !write,
    };
    let config = Config { tokens: vec![token("writer", true), token("reader", false)], ..config() };
    for (header, status) in
        [("", 401), ("Bearer nobody", 401), ("Bearer reader", 403), ("Bearer writer", 204)]
    {
        let sink = Arc::new(MemorySink::default());
        let receiver = Receiver::new(config.clone(), Arc::clone(&sink) as _);
        let mut request = post_body(V1, snappy(&right().encode_to_vec()));
        request.headers_mut().insert("authorization", HeaderValue::from_static(header));
        let answered = send(&receiver, request).await;
        assert_eq!(answered.status, status, "{header}: {}", answered.text);
        let tenants: Vec<String> =
            sink.batches.lock().unwrap().iter().map(|(tenant, _)| tenant.to_string()).collect();
        assert_eq!(tenants, if status == 204 { vec!["acme"] } else { vec![] });
    }
}

#[tokio::test]
async fn families_are_known_to_later_requests_of_their_tenant() {
    let mut told = write_request(Vec::new());
    told.metadata.push(crate::testing::prometheus::MetricMetadata {
        kind: 2,
        family: "m".to_owned(),
        help: "what it is".to_owned(),
        unit: "s".to_owned(),
    });
    let sink = Arc::new(MemorySink::default());
    let config = Config { trust_tenant_header: true, ..config() };
    let receiver = Receiver::new(config, Arc::clone(&sink) as _);
    for (tenant, request) in [("one", &told), ("one", &right()), ("two", &right())] {
        let mut request = post_body(V1, snappy(&request.encode_to_vec()));
        request.headers_mut().insert("x-scope-orgid", HeaderValue::from_static(tenant));
        assert_eq!(send(&receiver, request).await.status, 204);
    }
    let batches = sink.batches.lock().unwrap();
    let units: Vec<usize> =
        batches.iter().map(|(_, batch)| batch.rows.column_by_name("unit").unwrap().null_count()).collect();
    // Of three rows the histogram is of another family.
    assert_eq!(units, [1, 3]);
}

#[tokio::test]
async fn both_doors_bound_the_series_of_a_metric() {
    let config = Config { series_per_metric_max: 2, ..config() };
    let receiver = Receiver::new(config, Arc::new(MemorySink::default()));
    let numbers: Vec<String> = (0..5).map(|number| number.to_string()).collect();
    let bomb =
        numbers.iter().map(|number| series(&[("__name__", "bomb"), ("n", number)], vec![sample(1.0, 5)]));
    let answered =
        send(&receiver, post_body(V2, snappy(&request(&write_request(bomb.collect())).encode_to_vec())))
            .await;
    assert_eq!((answered.status, answered.written()), (400, ["2", "0", "0"]));
    let reason = "3 data points rejected: the metric has as many active series as series_per_metric_max allows, 2 \
                  (first: of 'bomb')";
    assert_eq!(answered.text, reason);
    let points: Vec<serde_json::Value> = numbers
        .iter()
        .map(|number| {
            let attributes = serde_json::json!([{"key": "n", "value": {"stringValue": number}}]);
            serde_json::json!({"timeUnixNano": "5", "asInt": "1", "attributes": attributes})
        })
        .collect();
    let metrics = serde_json::json!([{"name": "otlp.bomb", "gauge": {"dataPoints": points}}]);
    let body = serde_json::json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}).to_string();
    let request = HttpRequest::post("/v1/metrics").header(CONTENT_TYPE, "application/json");
    let response =
        http_router(Arc::clone(&receiver)).oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let answer = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let partial = &answer["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "3");
    assert!(partial["errorMessage"].as_str().unwrap().ends_with("(first: of 'otlp.bomb')"), "{partial}");
    let services = receiver.ingest(&TenantName::default()).services;
    assert_eq!(services[0].rejected.count, 6);
    assert!(services[0].rejected.example.as_deref().unwrap().contains("'otlp.bomb'"));
}

#[tokio::test]
async fn the_listener_of_otlp_takes_it_too() {
    let sink = Arc::new(MemorySink::default());
    let router = http_router(Receiver::new(config(), Arc::clone(&sink) as _));
    let response = router.oneshot(post_body(V1, snappy(&right().encode_to_vec()))).await.unwrap();
    assert_eq!((response.status(), sink.rows()), (StatusCode::NO_CONTENT, 3));
}
