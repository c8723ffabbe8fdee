//! Lines 16 to 20: OTLP's JSON, written by hand as other languages write it.

use tests::otlp::{BASE_TIME, Signal, hex, span_id, trace_id};

use super::{
    Case, Check, Tag,
    expect::{Expect, Stored},
    target::Needs,
    wire::{JSON, Request},
};

const IDS: Stored =
    Stored("SELECT DISTINCT trace_id FROM spans WHERE service_name = '{service}'", r#"[["{trace}"]]"#);
const REFUSED_OR_REJECTED: Expect = Expect::Either(&[Expect::Undecodable, Expect::Partial(1, "")]);

pub(crate) const CASES: &[Case] = &[
    case(
        16,
        "ids in lower-case hex",
        |tag| spans(tag, &ids(tag, str::to_lowercase)),
        Expect::Success,
        Some(IDS),
    ),
    case(
        16,
        "ids in upper-case hex",
        |tag| spans(tag, &ids(tag, str::to_uppercase)),
        Expect::Success,
        Some(IDS),
    ),
    case(16, "the same trace in either case", either_case, Expect::Success, Some(IDS)),
    case(
        16,
        "a parent in upper-case hex",
        parent,
        Expect::Success,
        Some(Stored(
            "SELECT parent_span_id FROM spans WHERE service_name = '{service}'",
            r#"[["abcdef0123456789"]]"#,
        )),
    ),
    case(
        17,
        "an enum as its number",
        |tag| spans(tag, r#""kind":3,"status":{"code":2}"#),
        Expect::Success,
        Some(Stored(
            "SELECT kind, status_code FROM spans WHERE service_name = '{service}'",
            r#"[["client", "error"]]"#,
        )),
    ),
    case(
        17,
        "an enum by its name",
        |tag| spans(tag, r#""kind":"SPAN_KIND_CLIENT""#),
        REFUSED_OR_REJECTED,
        Some(Stored("SELECT name FROM spans WHERE service_name = '{service}'", "[]")),
    ),
    case(
        18,
        "unknown fields at every depth",
        unknown_fields,
        Expect::Success,
        Some(Stored(
            "SELECT name, attributes['known'] FROM spans WHERE service_name = '{service}'",
            r#"[["json", "yes"]]"#,
        )),
    ),
    case(
        18,
        "an unknown field that looks like a record",
        |tag| spans(tag, r#""spans":[{"name":7}]"#),
        Expect::Success,
        ONE,
    ),
    case(
        19,
        "snake_case keys are named and ignored",
        snake_case,
        Expect::Warning("start_time_unix_nano"),
        Some(Stored(
            "SELECT parent_span_id, kind FROM spans WHERE service_name = '{service}'",
            r#"[[null, "server"]]"#,
        )),
    ),
    case(
        19,
        "a snake_case envelope holds nothing",
        snake_envelope,
        Expect::Warning("resource_spans"),
        Some(Stored("SELECT name FROM spans WHERE service_name = '{service}'", "[]")),
    ),
    case(
        20,
        "64-bit numbers as text",
        |tag| whole_number(tag, r#""9007199254740993""#),
        Expect::Success,
        Some(WHOLE),
    ),
    case(
        20,
        "64-bit numbers as numbers",
        |tag| whole_number(tag, "9007199254740993"),
        Expect::Success,
        Some(WHOLE),
    ),
    case(
        20,
        "times as numbers",
        times_as_numbers,
        Expect::Success,
        Some(Stored("SELECT duration_ns FROM spans WHERE service_name = '{service}'", "[[1]]")),
    ),
    case(
        20,
        "a point's number as text",
        |tag| points(tag, r#""asInt":"9007199254740993""#),
        Expect::Success,
        Some(Stored(
            "SELECT value_int = 9007199254740993 FROM metrics WHERE service_name = '{service}'",
            "[[true]]",
        )),
    ),
    case(
        20,
        "bytes as base64",
        bytes,
        Expect::Success,
        Some(Stored(
            "SELECT body, body_type FROM logs WHERE service_name = '{service}'",
            r#"[["AAECAw==", "bytes"]]"#,
        )),
    ),
    case(
        20,
        "NaN",
        |tag| points(tag, r#""asDouble":"NaN""#),
        Expect::Success,
        Some(Stored(VALUE, r#"[["NaN"]]"#)),
    ),
    case(
        20,
        "Infinity",
        |tag| points(tag, r#""asDouble":"Infinity""#),
        Expect::Success,
        Some(Stored(VALUE, r#"[["Infinity"]]"#)),
    ),
    case(
        20,
        "-Infinity",
        |tag| points(tag, r#""asDouble":"-Infinity""#),
        Expect::Success,
        Some(Stored(VALUE, r#"[["-Infinity"]]"#)),
    ),
    case(
        20,
        "a whole number where a double is meant",
        |tag| points(tag, r#""asDouble":3"#),
        Expect::Success,
        Some(Stored(VALUE, "[[3.0]]")),
    ),
    case(
        20,
        "null is the same as nothing",
        |tag| spans(tag, r#""attributes":null,"status":null"#),
        Expect::Success,
        ONE,
    ),
];

const VALUE: &str = "SELECT value FROM metrics WHERE service_name = '{service}'";
const ONE: Option<Stored> =
    Some(Stored("SELECT name FROM spans WHERE service_name = '{service}'", r#"[["json"]]"#));
const WHOLE: Stored =
    Stored("SELECT attributes['n'] FROM logs WHERE service_name = '{service}'", r#"[["9007199254740993"]]"#);

const fn case(
    line: u8,
    what: &'static str,
    request: fn(&Tag) -> Request,
    expect: Expect,
    stored: Option<Stored>,
) -> Case {
    Case { line, what, wires: JSON, needs: Needs::Nothing, check: Check::Exchange(request, expect, stored) }
}

fn resource(tag: &Tag) -> String {
    let name = &tag.service;
    format!(r#""resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{name}"}}}}]}}"#)
}

/// One span with valid ids, a server's, and these fields, which win.
fn spans(tag: &Tag, fields: &str) -> Request {
    Request::bytes(Signal::Traces, envelope(tag, &one_span(tag, 1, fields)))
}

fn one_span(tag: &Tag, number: usize, fields: &str) -> String {
    let default = |key: &str, value: String| match fields.contains(&format!("\"{key}\"")) {
        true => String::new(),
        false => format!("\"{key}\":{value},"),
    };
    [
        "{\"name\":\"json\",".to_owned(),
        default("traceId", format!("\"{}\"", hex(&trace_id(&tag.service)))),
        default("spanId", format!("\"{}\"", hex(&span_id(&tag.service, number)))),
        default("kind", "2".to_owned()),
        default("startTimeUnixNano", format!("\"{BASE_TIME}\"")),
        default("endTimeUnixNano", format!("\"{BASE_TIME}\"")),
        fields.to_owned(),
        "}".to_owned(),
    ]
    .concat()
}

fn envelope(tag: &Tag, spans: &str) -> String {
    let resource = resource(tag);
    format!(r#"{{"resourceSpans":[{{{resource},"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#)
}

fn ids(tag: &Tag, case: fn(&str) -> String) -> String {
    let (trace, span) = (case(&hex(&trace_id(&tag.service))), case(&hex(&span_id(&tag.service, 1))));
    format!(r#""traceId":"{trace}","spanId":"{span}""#)
}

fn either_case(tag: &Tag) -> Request {
    let upper = hex(&trace_id(&tag.service)).to_uppercase();
    let second = one_span(tag, 2, &format!(r#""traceId":"{upper}""#));
    let first = one_span(tag, 1, r#""flags":1"#);
    Request::bytes(Signal::Traces, envelope(tag, &format!("{first},{second}")))
}

fn parent(tag: &Tag) -> Request {
    spans(tag, r#""parentSpanId":"ABCDEF0123456789""#)
}

fn unknown_fields(tag: &Tag) -> Request {
    let value = r#"{"stringValue":"yes","novelty":{"deep":[1,{"er":null}]}}"#;
    let span = one_span(
        tag,
        1,
        &format!(r#""novelty":[{{}}],"attributes":[{{"key":"known","value":{value},"novelty":1}}]"#),
    );
    let resource = resource(tag).replacen("{", r#"{"novelty":true,"#, 1);
    let scope = format!(r#"{{"scope":{{"name":"s","novelty":"x"}},"novelty":{{}},"spans":[{span}]}}"#);
    let body = format!(
        r#"{{"novelty":1.5e3,"resourceSpans":[{{{resource},"novelty":[],"scopeSpans":[{scope}]}}]}}"#
    );
    Request::bytes(Signal::Traces, body)
}

fn snake_case(tag: &Tag) -> Request {
    spans(tag, r#""parent_span_id":"abcdef0123456789","start_time_unix_nano":"1""#)
}

fn snake_envelope(tag: &Tag) -> Request {
    let body =
        envelope(tag, &one_span(tag, 1, r#""flags":1"#)).replacen("resourceSpans", "resource_spans", 1);
    Request::bytes(Signal::Traces, body)
}

fn one_record(tag: &Tag, fields: &str) -> Request {
    let resource = resource(tag);
    let record = format!(r#"{{"timeUnixNano":"{BASE_TIME}",{fields}}}"#);
    let body = format!(r#"{{"resourceLogs":[{{{resource},"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
    Request::bytes(Signal::Logs, body)
}

fn whole_number(tag: &Tag, number: &str) -> Request {
    one_record(tag, &format!(r#""attributes":[{{"key":"n","value":{{"intValue":{number}}}}}]"#))
}

fn bytes(tag: &Tag) -> Request {
    one_record(tag, r#""body":{"bytesValue":"AAECAw=="}"#)
}

fn times_as_numbers(tag: &Tag) -> Request {
    spans(tag, &format!(r#""startTimeUnixNano":{BASE_TIME},"endTimeUnixNano":{}"#, BASE_TIME + 1))
}

fn points(tag: &Tag, value: &str) -> Request {
    let resource = resource(tag);
    let point = format!(r#"{{"timeUnixNano":"{BASE_TIME}",{value}}}"#);
    let metric = format!(r#"{{"name":"level","gauge":{{"dataPoints":[{point}]}}}}"#);
    let body = format!(r#"{{"resourceMetrics":[{{{resource},"scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}"#);
    Request::bytes(Signal::Metrics, body)
}
