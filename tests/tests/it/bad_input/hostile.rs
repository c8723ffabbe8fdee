//! Requests made to hurt: times and numbers out of range, markup, garbage. What is good is stored, and answers stay
//! what they have to be.

use bytes::Bytes;
use serde_json::json;
use tests::{
    harness::Server,
    otlp::{
        BASE_TIME, Export, Signal, attribute, gauge_of, hex, log, logs, metrics, point, resource, span,
        span_id, trace_id, traces,
    },
};

use crate::support::{Home, assert_stored, bytes_request, once, protobuf_request, store};

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
