//! Prometheus remote write through the whole program: both versions, on both listeners, and what SQL then finds.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tests::harness::{Server, Setup};
use tests::http::{Answer, Client, Request};

use crate::support::Home;

const PATH: &str = "/prometheus/api/v1/write";
const V1: &str = "application/x-protobuf;proto=prometheus.WriteRequest";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// A time in milliseconds.
const TIME: i64 = 1_700_000_000_000;

/// The value that says that a series has ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A field that is a message, a text or a packed list.
fn part(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::bytes::encode(tag, &bytes.to_vec(), &mut out);
    out
}

fn double(tag: u32, value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::double::encode(tag, &value, &mut out);
    out
}

fn integer(tag: u32, value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::int64::encode(tag, &value, &mut out);
    out
}

fn signed(tag: u32, value: i32) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::sint32::encode(tag, &value, &mut out);
    out
}

fn label(name: &str, value: &str) -> Vec<u8> {
    part(1, &[part(1, name.as_bytes()), part(2, value.as_bytes())].concat())
}

fn sample(value: f64, time: i64) -> Vec<u8> {
    part(2, &[double(1, value), integer(2, time)].concat())
}

/// A histogram of three buckets with a gap before the last.
fn histogram(time: i64) -> Vec<u8> {
    let span = |offset, length| part(11, &[signed(1, offset), integer(2, length)].concat());
    let counts = [1.0_f64, 2.0, 4.5].iter().flat_map(|count| count.to_le_bytes()).collect::<Vec<u8>>();
    [
        double(2, 8.0),
        double(3, 20.5),
        signed(4, 3),
        double(5, 0.25),
        double(7, 0.5),
        span(0, 2),
        span(1, 1),
        part(13, &counts),
        integer(14, 1),
        integer(15, time),
    ]
    .concat()
}

/// Two series of version 1: samples, of which the last is stale, and a native histogram.
fn version_1() -> Vec<u8> {
    let own = [label("instance", "a:1"), label("job", "node")].concat();
    let up =
        [label("__name__", "up"), own.clone(), sample(1.5, TIME), sample(f64::from_bits(STALE), TIME + 1)];
    let latency = [label("__name__", "latency"), own, part(4, &histogram(TIME))];
    [part(1, &up.concat()), part(1, &latency.concat())].concat()
}

/// A counter of version 2 with metadata and the time at which counting began.
fn version_2() -> Vec<u8> {
    let symbols = ["", "__name__", "requests_total", "job", "shop", "How many.", "1"];
    let symbols: Vec<u8> = symbols.iter().flat_map(|symbol| part(4, symbol.as_bytes())).collect();
    let point = [double(1, 7.0), integer(2, TIME), integer(3, TIME - 5)].concat();
    let metadata = [integer(1, 1), integer(3, 5), integer(4, 6)].concat();
    let series = [part(1, &[1, 2, 3, 4]), part(2, &point), part(5, &metadata)].concat();
    [symbols, part(5, &series)].concat()
}

fn write_request(content_type: &str, body: &[u8]) -> Request {
    let body = snap::raw::Encoder::new().compress_vec(body).expect("snappy compresses");
    Request::post(PATH, content_type, Bytes::from(body)).header("content-encoding", "snappy")
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
}

#[test]
fn both_versions_on_both_listeners_become_rows() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let page = |request: &Request| Client::new(server.addresses.http).send(request).expect("it answers");
    let exporters = |request: &Request| server.otlp_http().send(request).expect("it answers");
    // Sent twice, as after an answer that was lost: the rows are there once.
    for send in [&page as &dyn Fn(&Request) -> Answer, &exporters] {
        let answer = send(&write_request(V1, &version_1()));
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        let answer = send(&write_request(V2, &version_2()));
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        assert_eq!(header(&answer, "x-prometheus-remote-write-samples-written"), "1");
        assert_eq!(header(&answer, "x-prometheus-remote-write-histograms-written"), "0");
    }
    for _ in 0..2 {
        check_rows(&server);
        server.api().compact();
    }
}

fn check_rows(server: &Server) {
    let rows = |columns: &str| {
        let sql = format!("select {columns} from metrics order by metric, time");
        Value::from(server.api().sql(&sql).into_iter().map(Value::from).collect::<Vec<_>>())
    };
    let found =
        rows("metric, type, service_name, service_instance_id, value, flags, temporality, unit, description");
    assert_eq!(
        found,
        json!([
            ["latency", "exponential_histogram", "node", "a:1", null, 0, "cumulative", null, null],
            ["requests_total", "sum", "shop", null, 7.0, 0, "cumulative", "1", "How many."],
            ["up", "unknown", "node", "a:1", 1.5, 0, null, null, null],
            ["up", "unknown", "node", "a:1", null, 1, null, null, null],
        ])
    );
    let sql = "select scale, count, count_float, sum, zero_threshold, zero_count_float, positive_offset, \
               positive_counts_float, reset_hint from metrics where metric = 'latency'";
    let expected = json!([3, null, 8.0, 20.5, 0.25, 0.5, -1, [1.0, 2.0, 0.0, 4.5], "yes"]);
    assert_eq!(Value::from(server.api().sql(sql).concat()), expected);
    assert_eq!(server.api().count("select count(start_time) from metrics where value = 7"), 1);
}

#[test]
fn a_token_that_writes_may_and_one_that_reads_may_not() {
    let home = Home::new();
    let digest = |secret: &str| format!("{:x}", Sha256::digest(secret));
    let config = format!(
        "[[token]]\nname = \"w\"\nsha256 = \"{}\"\nwrite = true\n\n[[token]]\nname = \"r\"\nsha256 = \"{}\"\nread = true\n",
        digest("writer"),
        digest("reader")
    );
    let server = Setup::new(&home.data()).config(&config).token("reader").start();
    for address in [server.addresses.http, server.addresses.otlp_http] {
        for (token, status) in [("writer", 204), ("reader", 403), ("nobody", 401)] {
            let request = write_request(V1, &version_1()).header("authorization", &format!("Bearer {token}"));
            let answer = Client::new(address).send(&request).expect("it answers");
            assert_eq!(answer.status, status, "{token} at {address}: {}", answer.text());
        }
    }
    let foreign = write_request(V1, &version_1())
        .header("authorization", "Bearer writer")
        .header("origin", "https://evil.example");
    let answer = Client::new(server.addresses.http).send(&foreign).expect("it answers");
    assert_eq!(answer.status, 403, "{}", answer.text());
}

#[test]
fn a_label_bomb_is_refused_and_seen_on_the_status_page() {
    let home = Home::new();
    let config = "[metrics]\nseries_per_metric_max = 3\n";
    let server = Setup::new(&home.data()).config(config).start();
    let series = |number: usize| {
        let labels = [label("__name__", "bomb"), label("job", "shop"), label("user", &number.to_string())];
        part(1, &[labels.concat(), sample(1.0, TIME)].concat())
    };
    let body: Vec<u8> = (0..10).flat_map(series).collect();
    let answer = server.otlp_http().send(&write_request(V1, &body)).expect("it answers");
    assert_eq!(answer.status, 400);
    let reason = "7 data points rejected: the metric has as many active series as series_per_metric_max allows, 3 \
                  (first: of 'bomb')";
    assert_eq!(answer.text(), reason);
    assert_eq!(server.api().count("select count(*) from metrics"), 3);
    let status = server.api().json("/api/status");
    let services = status["ingest"]["services"].as_array().unwrap_or_else(|| panic!("no services: {status}"));
    let shop = services.iter().find(|one| one["service"] == "shop").expect("the service is counted");
    assert_eq!((&shop["received"], &shop["rejected"]["count"]), (&json!(3), &json!(7)));
    assert!(shop["rejected"]["example"].as_str().is_some_and(|words| words.contains("'bomb'")), "{shop}");
}
