//! Requests made to hurt: bombs, depth, strings that are not text, times out of range. The server answers, its
//! memory stays bounded, and what is good is stored.

use std::{fs, time::Instant};

use bytes::Bytes;
use prost::Message;
use serde_json::json;
use tests::{
    compress,
    grpc::Call,
    harness::{Server, announce},
    http::{Answer, Request},
    otlp::{
        BASE_TIME, Export, Signal, attribute, gauge_of, hex, log, logs, metrics, point, resource, span,
        span_id, trace_id, traces,
    },
    raw,
};

use crate::support::{Home, assert_stored, bytes_request, once, protobuf_request, store};

/// Part of a bomb: so many zeros packed once.
const BOMB_PART_BYTES: usize = 16 << 20;

/// How often the part is in the bomb: ten gigabytes.
const BOMB_PARTS: usize = 640;

/// The limit of a request, and what the server may need beside it.
const BOMB_MEMORY_MAX: u64 = (64 + 16) << 20;

/// Levels of nesting that no stack has room for.
const DEPTH: usize = 1_000_000;

/// How a bomb travels.
#[derive(Debug, Clone, Copy)]
enum Way {
    Http,
    Grpc,
}

#[test]
fn bombs_are_refused_in_bounded_memory() {
    let zeros = vec![0; BOMB_PART_BYTES];
    for (coding, part) in [("gzip", compress::gzip(&zeros)), ("zstd", compress::zstd(&zeros))] {
        let body = compress::repeated(&part, BOMB_PARTS);
        for way in [Way::Http, Way::Grpc] {
            throw_bomb(coding, &body, way);
        }
    }
}

/// Ten gigabytes in one request to a fresh server.
fn throw_bomb(coding: &str, body: &Bytes, way: Way) {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("calm", vec![log("before")]));
    let before = peak_memory(&server);
    let begun = Instant::now();
    match way {
        Way::Http => {
            let request = bytes_request(Signal::Logs, body.clone()).header("content-encoding", coding);
            assert_eq!(once(&server, &request).status, 413, "{coding} over {way:?}");
        }
        Way::Grpc => {
            let call = Call::compressed(Signal::Logs.grpc_path(), coding, body);
            let answer = server.otlp_grpc().call(&call).expect("the server answers");
            assert_eq!(answer.status, 8, "{coding} over {way:?}: {}", answer.message);
        }
    }
    let (millis, grown) = (begun.elapsed().as_millis(), peak_memory(&server) - before);
    announce(&format!("hostile: 10 GB as {coding} over {way:?}: {millis} ms, {} MiB more", grown >> 20));
    assert!(grown <= BOMB_MEMORY_MAX, "{coding} over {way:?}: memory grew by {grown} bytes");
    assert_eq!(server.api().count("SELECT count(*) FROM logs"), 1, "{coding} over {way:?}");
}

/// The most memory that the process had resident so far.
fn peak_memory(server: &Server) -> u64 {
    let path = format!("/proc/{}/status", server.process_id());
    let status = fs::read_to_string(&path).expect("the server lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says how much");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kilobytes << 10
}

#[test]
fn depth_without_end_is_refused() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let json = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"{BASE_TIME}","body":{}{}}}]}}]}}]}}"#,
        r#"{"arrayValue":{"values":["#.repeat(DEPTH),
        "]}}".repeat(DEPTH)
    );
    let unknown = format!("{{\"novelty\":{}{}}}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let requests = [
        ("a body of JSON", Request::post("/v1/logs", "application/json", json.into())),
        ("an unknown field of JSON", Request::post("/v1/logs", "application/json", unknown.into())),
        ("a body of protobuf", bytes_request(Signal::Logs, deep_body(DEPTH))),
    ];
    for (what, request) in requests {
        let answer = once(&server, &request);
        assert!(refused_or_rejected(&answer), "{what}: {} {}", answer.status, answer.text());
    }
    let question = "(".repeat(100_000);
    let answers = [
        server
            .api()
            .post("/api/sql", &json!({ "sql": format!("SELECT {question}1{}", ")".repeat(100_000)) })),
        server.api().post("/api/sql", &json!({ "sql": format!("SELECT {}", "(".repeat(DEPTH)) })),
        server.api().search("logs", &"(".repeat(2_000)),
    ];
    for answer in answers {
        assert!((400..500).contains(&answer.status), "{}", answer.status);
    }
    store(&server, &logs("calm", vec![log("after")]));
    assert_eq!(server.api().count("SELECT count(*) FROM logs WHERE service_name = 'calm'"), 1);
}

/// A request with one log record whose body is an array in an array and so on. Built from the inside, so that each
/// level knows its length.
fn deep_body(depth: usize) -> Bytes {
    // Written backwards, as what comes before depends on the length of what comes after.
    let mut reversed = Vec::new();
    for _ in 0..depth {
        for number in [1, 5] {
            let mut head = raw::varint(number << 3 | 2);
            head.extend(raw::varint(reversed.len() as u64));
            reversed.extend(head.into_iter().rev());
        }
    }
    reversed.reverse();
    // AnyValue, then LogRecord.body, ScopeLogs.log_records, ResourceLogs.scope_logs, resource_logs.
    [5, 2, 2, 1].into_iter().fold(reversed, |content, number| raw::field(number, &content)).into()
}

/// 400, or a success that says which record it left out.
fn refused_or_rejected(answer: &Answer) -> bool {
    answer.status == 400 || (answer.status == 200 && !answer.body.is_empty() && answer.body.as_ref() != b"{}")
}

#[test]
fn a_string_that_is_no_text_spoils_at_most_its_record() {
    const RECORDS: usize = 1_000;
    let home = Home::new();
    let server = Server::start(&home.data());
    let records = (0..RECORDS).map(|number| log(&format!("record {number:04}"))).collect();
    let mut body = logs("strings", records).to_protobuf().to_vec();
    let place = body.windows(11).position(|window| window == b"record 0500").expect("the record is there");
    body[place] = 0xff;
    let answer = once(&server, &bytes_request(Signal::Logs, body.into()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer =
        opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse::decode(answer.body)
            .expect("an answer of logs");
    let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_log_records);
    let stored = server.api().count("SELECT count(*) FROM logs");
    assert!(rejected <= 1, "{rejected} rejected");
    assert_eq!(stored, RECORDS as u64 - rejected as u64, "what was not rejected is stored");
}

#[test]
fn times_and_numbers_at_the_ends_keep_answers_valid() {
    let home = Home::new();
    let server = Server::start(&home.data());
    for export in [odd_spans(), odd_logs(), odd_points()] {
        let answer = once(&server, &protobuf_request(&export));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.body.is_empty(), "{:?}: {}", export.signal(), answer.text());
    }
    let check = |when: &str| {
        let api = server.api();
        let values = api.sql("SELECT value FROM metrics ORDER BY attributes['n']");
        assert_eq!(values, [[json!("NaN")], [json!("Infinity")], [json!("-Infinity")]], "{when}");
        assert_eq!(api.count("SELECT count(*) FROM spans"), 4, "{when}");
        assert_eq!(
            api.sql("SELECT duration_ns FROM spans WHERE name = 'backwards'"),
            [[json!(-5)]],
            "{when}"
        );
        let logs = api.rows("logs", "");
        assert_eq!(logs.len(), 2, "{when}");
        assert_eq!(logs[0]["attributes"]["ratio"], json!("NaN"), "{when}");
        assert_eq!(api.rows("spans", "").len(), 4, "{when}");
        assert_eq!(api.rows("traces", "").len(), 1, "{when}");
        api.json(&format!("/api/traces/{}", hex(&trace_id("odd"))));
        api.json("/api/services");
    };
    check("fresh");
    server.api().compact();
    check("compacted");
}

fn odd_spans() -> Export {
    let of = |number: usize, name: &str, start: u64, end: u64| {
        let mut span = span(trace_id("odd"), span_id("odd", number), name);
        span.start_time_unix_nano = start;
        span.end_time_unix_nano = end;
        span.attributes = vec![attribute("ratio", f64::NEG_INFINITY)];
        span
    };
    traces(
        "odd",
        vec![
            of(1, "first", 1, 2),
            of(2, "last", i64::MAX as u64 - 1, i64::MAX as u64),
            of(3, "backwards", BASE_TIME, BASE_TIME - 5),
            of(4, "whole", 1, i64::MAX as u64),
        ],
    )
}

fn odd_logs() -> Export {
    let mut newest = log("newest");
    newest.time_unix_nano = i64::MAX as u64;
    newest.attributes = vec![attribute("ratio", f64::NAN)];
    let mut oldest = log("oldest");
    oldest.time_unix_nano = 1;
    oldest.attributes = vec![attribute("ratio", f64::INFINITY)];
    tests::otlp::logs_of(resource("odd", &[]), vec![oldest, newest])
}

fn odd_points() -> Export {
    let of = |(number, value): (i64, f64)| {
        let mut point = point(value);
        point.attributes = vec![attribute("n", number)];
        point
    };
    let points = [(1, f64::NAN), (2, f64::INFINITY), (3, f64::NEG_INFINITY)].map(of).to_vec();
    metrics("odd", vec![gauge_of("odd", points)])
}

#[test]
fn markup_in_every_name_is_text_on_every_page() {
    const MARKUP: &str = "<script>alert(1)</script>";
    let home = Home::new();
    let server = Server::start(&home.data());
    let mut bad = span(trace_id("markup"), span_id("markup", 1), MARKUP);
    bad.attributes = vec![attribute(MARKUP, MARKUP)];
    store(&server, &traces(MARKUP, vec![bad]));
    let mut record = log(MARKUP);
    record.trace_id = trace_id("markup").to_vec();
    record.span_id = span_id("markup", 1).to_vec();
    record.attributes = vec![attribute(MARKUP, MARKUP)];
    store(&server, &logs(MARKUP, vec![record]));
    let trace = format!("/traces/{}", hex(&trace_id("markup")));
    for page in ["/services", "/search", "/search?tab=logs", "/search?q=%3Cscript%3Ealert", &trace] {
        let answer = server.api().get(page);
        assert_eq!(answer.status, 200, "{page}");
        assert!(!answer.text().contains("<script>alert"), "{page} runs what was sent");
    }
}

#[test]
fn garbage_between_good_requests_harms_nothing() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let mut client = server.otlp_http();
    for number in 0..20 {
        let good = protobuf_request(&logs("calm", vec![log(&format!("record {number}"))]));
        assert_stored(&client.send(&good).expect("an answer"));
        let bad = bytes_request(Signal::Logs, Bytes::from(vec![0xff; 100 + number]));
        assert_eq!(client.send(&bad).expect("an answer").status, 400);
    }
    assert_eq!(server.api().count("SELECT count(*) FROM logs"), 20);
}
