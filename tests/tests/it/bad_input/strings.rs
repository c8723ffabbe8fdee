//! One string that is not UTF-8 among a thousand records: all are stored, that one is repaired, marked and counted, and
//! nothing else is marked.

use bytes::Bytes;
use opentelemetry_proto::tonic::{logs::v1::LogRecord, metrics::v1::Metric, trace::v1::Span};
use serde_json::json;
use tests::{
    harness::Server,
    http::Request,
    otlp::{
        Export, IntoAny, attribute, gauge_of, log, logs, metrics, point, span, span_id, trace_id, traces,
    },
};

use crate::support::{Home, bytes_request, once, partial_success};

/// Records of each request.
const RECORDS: usize = 1_000;

/// The record that has the string.
const BROKEN: usize = 500;

/// The string, before its first byte is made one that UTF-8 never has.
const STRING: &str = "to-be-broken";

/// Where the string stands, and the table, the noun and the SQL that show it.
struct Case {
    place: &'static str,
    table: &'static str,
    noun: &'static str,
    /// An expression for the repaired text, or for a value under it.
    shown: &'static str,
    /// What that expression gives.
    expected: &'static str,
    export: fn(&str) -> Export,
}

const CASES: &[Case] = &[
    Case {
        place: "the body of a log record",
        table: "logs",
        noun: "log records",
        shown: "body",
        expected: "\u{fffd}o-be-broken",
        export: |service| logs_with(service, |record| record.body = Some(STRING.into_any())),
    },
    Case {
        place: "the severity of a log record",
        table: "logs",
        noun: "log records",
        shown: "severity_text",
        expected: "\u{fffd}o-be-broken",
        export: |service| logs_with(service, |record| record.severity_text = STRING.to_owned()),
    },
    Case {
        place: "the key of an attribute of a log record",
        table: "logs",
        noun: "log records",
        shown: "attributes['\u{fffd}o-be-broken']",
        expected: "value",
        export: |service| logs_with(service, |record| record.attributes = vec![attribute(STRING, "value")]),
    },
    Case {
        place: "the value of an attribute of a log record",
        table: "logs",
        noun: "log records",
        shown: "attributes['key']",
        expected: "\u{fffd}o-be-broken",
        export: |service| logs_with(service, |record| record.attributes = vec![attribute("key", STRING)]),
    },
    Case {
        place: "the name of a span",
        table: "spans",
        noun: "spans",
        shown: "name",
        expected: "\u{fffd}o-be-broken",
        export: |service| spans_with(service, |span| span.name = STRING.to_owned()),
    },
    Case {
        place: "the key of an attribute of a span",
        table: "spans",
        noun: "spans",
        shown: "attributes['\u{fffd}o-be-broken']",
        expected: "value",
        export: |service| spans_with(service, |span| span.attributes = vec![attribute(STRING, "value")]),
    },
    Case {
        place: "the value of an attribute of a span",
        table: "spans",
        noun: "spans",
        shown: "attributes['key']",
        expected: "\u{fffd}o-be-broken",
        export: |service| spans_with(service, |span| span.attributes = vec![attribute("key", STRING)]),
    },
    Case {
        place: "the name of a metric",
        table: "metrics",
        noun: "data points",
        shown: "metric",
        expected: "\u{fffd}o-be-broken",
        export: |service| metrics_with(service, STRING, "value"),
    },
    Case {
        place: "the value of an attribute of a data point",
        table: "metrics",
        noun: "data points",
        shown: "attributes['key']",
        expected: "\u{fffd}o-be-broken",
        export: |service| metrics_with(service, "gauge", STRING),
    },
];

fn logs_with(service: &str, change: impl Fn(&mut LogRecord)) -> Export {
    let mut records: Vec<_> = (0..RECORDS).map(|number| log(&format!("record {number}"))).collect();
    change(&mut records[BROKEN]);
    logs(service, records)
}

fn spans_with(service: &str, change: impl Fn(&mut Span)) -> Export {
    let one = |number| span(trace_id(service), span_id(service, number), "step");
    let mut spans: Vec<_> = (0..RECORDS).map(one).collect();
    change(&mut spans[BROKEN]);
    traces(service, spans)
}

/// A metric with one point for each record.
fn metrics_with(service: &str, name: &str, value: &str) -> Export {
    let one = |name: &str, value: &str| -> Metric {
        let mut point = point(1.0);
        point.attributes = vec![attribute("key", value)];
        gauge_of(name, vec![point])
    };
    let mut all: Vec<_> = (0..RECORDS).map(|_| one("gauge", "value")).collect();
    all[BROKEN] = one(name, value);
    metrics(service, all)
}

#[test]
fn a_string_that_is_no_text_spoils_nothing_but_itself() {
    let home = Home::new();
    let server = Server::start(&home.data());
    for (number, case) in CASES.iter().enumerate() {
        let told =
            format!("{}, resources and scopes with text that is not UTF-8, repaired by U+FFFD: 1", case.noun);
        let export = (case.export)(&format!("protobuf-{number}"));
        let answer = once(&server, &bytes_request(export.signal(), broken(&export.to_protobuf())));
        assert_eq!(partial_success(&answer), Some((0, told.clone())), "{} in protobuf", case.place);
        let export = (case.export)(&format!("json-{number}"));
        let path = export.signal().http_path();
        let answer = once(&server, &Request::post(path, "application/json", broken(&export.to_json())));
        assert_eq!(answer.status, 200, "{} in JSON: {}", case.place, answer.text());
        let said = &answer.json()["partialSuccess"]["errorMessage"];
        assert_eq!(said, &json!(told), "{} in JSON", case.place);
    }
    check(&server, "fresh");
    server.api().compact();
    check(&server, "compacted");
}

/// The same bytes, but for the first one of the string.
fn broken(bytes: &[u8]) -> Bytes {
    let places: Vec<usize> = bytes
        .windows(STRING.len())
        .enumerate()
        .filter(|(_, at)| *at == STRING.as_bytes())
        .map(|(place, _)| place)
        .collect();
    let [place] = places[..] else { panic!("the string is there {} times", places.len()) };
    let mut bytes = bytes.to_vec();
    bytes[place] = 0xff;
    bytes.into()
}

fn check(server: &Server, when: &str) {
    let api = server.api();
    for (number, case) in CASES.iter().enumerate() {
        let Case { place, table, shown, expected, .. } = case;
        for service in [format!("protobuf-{number}"), format!("json-{number}")] {
            let what = format!("{place}, {service}, {when}");
            let all = format!("FROM {table} WHERE service_name = '{service}'");
            assert_eq!(api.count(&format!("SELECT count(*) {all}")), RECORDS as u64, "{what}");
            let marked = format!("{all} AND attributes['causeway.repaired'] IS NOT NULL");
            assert_eq!(api.sql(&format!("SELECT {shown} {marked}")), [[json!(expected)]], "{what}");
        }
    }
}
