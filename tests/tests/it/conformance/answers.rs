//! Lines 7 to 14: successes, partial successes, refusals.

use http::Method;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    logs::v1::ResourceLogs,
    metrics::v1::{ResourceMetrics, ScopeMetrics},
    trace::v1::{ResourceSpans, ScopeSpans},
};
use tests::{
    compress,
    otlp::{Export, Signal, gauge_of, log, logs, metrics, point, span, span_id, trace_id, traces},
};

use super::{
    Case, Check, Tag,
    expect::{Expect, PERMISSION_DENIED, Stored, UNAUTHENTICATED, UNIMPLEMENTED, same_type},
    target::{Needs, READER, Target},
    wire::{ALL, BINARY, Coding, HTTP, JSON, Request, Wire},
};

/// A time that signed nanoseconds cannot hold: the year 2554.
const PAST_ALL_TIMES: u64 = u64::MAX - 1;

const GOOD_SPAN: Option<Stored> =
    Some(Stored("SELECT name FROM spans WHERE service_name = '{service}'", r#"[["good"]]"#));
const GOOD_LOG: Option<Stored> =
    Some(Stored("SELECT body FROM logs WHERE service_name = '{service}'", r#"[["good"]]"#));
const GOOD_POINT: Option<Stored> =
    Some(Stored("SELECT value FROM metrics WHERE service_name = '{service}'", "[[1.0]]"));
const NO_SPAN: Option<Stored> = Some(Stored("SELECT name FROM spans WHERE service_name = '{service}'", "[]"));
const UNAUTHORISED: Expect = Expect::Refused(401, UNAUTHENTICATED);
const FORBIDDEN: Expect = Expect::Refused(403, PERMISSION_DENIED);

pub(crate) const CASES: &[Case] = &[
    anyone(7, "full success, traces", ALL, |tag| Request::export(good_span(tag)), Expect::Success, GOOD_SPAN),
    anyone(7, "full success, logs", ALL, |tag| Request::export(good_log(tag)), Expect::Success, GOOD_LOG),
    anyone(
        7,
        "full success, metrics",
        ALL,
        |tag| Request::export(good_point(tag)),
        Expect::Success,
        GOOD_POINT,
    ),
    anyone(8, "partial success, traces", ALL, spans_one_bad, Expect::Partial(1, "trace"), GOOD_SPAN),
    anyone(8, "partial success, logs", ALL, logs_one_bad, Expect::Partial(1, "time"), GOOD_LOG),
    anyone(8, "partial success, metrics", ALL, points_two_bad, Expect::Partial(2, "time"), GOOD_POINT),
    anyone(9, "a warning rejects nothing", JSON, with_a_strange_key, Expect::Warning("trace_id"), GOOD_SPAN),
    anyone(10, "an empty request, traces", ALL, |tag| empty(tag, Signal::Traces), Expect::Success, NO_SPAN),
    anyone(10, "an empty request, logs", ALL, |tag| empty(tag, Signal::Logs), Expect::Success, None),
    anyone(10, "an empty request, metrics", ALL, |tag| empty(tag, Signal::Metrics), Expect::Success, None),
    anyone(10, "an empty resource", ALL, |_| Request::export(empty_resource()), Expect::Success, None),
    anyone(10, "an empty scope", ALL, |_| Request::export(empty_scope()), Expect::Success, None),
    anyone(
        10,
        "a metric without points",
        ALL,
        |tag| Request::export(empty_metric(tag)),
        Expect::Success,
        None,
    ),
    own_check(11, "an answer in the request's type", ALL, Needs::Nothing, type_is_kept),
    anyone(11, "a type with a parameter", JSON, type_with_parameter, Expect::Success, GOOD_SPAN),
    anyone(
        12,
        "400 is a Status",
        HTTP,
        |_| Request::bytes(Signal::Traces, "{\"a"),
        Expect::Undecodable,
        None,
    ),
    own(12, "401 without a token", ALL, |tag| as_who(tag, ""), UNAUTHORISED, NO_SPAN),
    own(12, "401 with an unknown token", ALL, |tag| as_who(tag, "Bearer nobody"), UNAUTHORISED, NO_SPAN),
    own(
        12,
        "401 before the body is looked at",
        ALL,
        |tag| garbage_as(tag, "Bearer nobody"),
        UNAUTHORISED,
        NO_SPAN,
    ),
    own(12, "403 with a token that may only read", ALL, as_reader, FORBIDDEN, NO_SPAN),
    anyone(12, "404 is a Status", HTTP, elsewhere, Expect::Refused(404, UNIMPLEMENTED), None),
    anyone(12, "405 is a Status", HTTP, with_put, Expect::Refused(405, UNIMPLEMENTED), None),
    anyone(12, "415 is a Status", HTTP, in_xml, Expect::Refused(415, UNIMPLEMENTED), NO_SPAN),
    anyone(
        13,
        "random bytes",
        ALL,
        |_| Request::bytes(Signal::Traces, vec![0xff; 64]),
        Expect::Undecodable,
        None,
    ),
    anyone(13, "a message cut short", ALL, |tag| cut_short(tag, Coding::Plain), Expect::Undecodable, NO_SPAN),
    anyone(13, "a field of the wrong kind", BINARY, wrong_kind, Expect::Undecodable, None),
    anyone(13, "not gzip", ALL, |tag| not_packed(tag, "gzip"), Expect::Undecodable, NO_SPAN),
    anyone(13, "not zstd", ALL, |tag| not_packed(tag, "zstd"), Expect::Undecodable, NO_SPAN),
    anyone(13, "gzip cut short", ALL, |tag| packed_cut_short(tag, "gzip"), Expect::Undecodable, NO_SPAN),
    anyone(13, "zstd cut short", ALL, |tag| packed_cut_short(tag, "zstd"), Expect::Undecodable, NO_SPAN),
    anyone(13, "an array instead of an object", JSON, |_| text("[]"), Expect::Undecodable, None),
    anyone(
        13,
        "a number instead of a list",
        JSON,
        |_| text(r#"{"resourceSpans":5}"#),
        Expect::Undecodable,
        None,
    ),
    anyone(13, "more after the end", JSON, |_| text(r#"{"resourceSpans":[]} {}"#), Expect::Undecodable, None),
    anyone(
        13,
        "nothing at all",
        JSON,
        |_| text(""),
        Expect::Either(&[Expect::Undecodable, Expect::Success]),
        None,
    ),
    own(14, "no refusal of the client's fault invites a retry", ALL, as_reader, FORBIDDEN, NO_SPAN),
];

type Make = fn(&Tag) -> Request;

const fn anyone(
    line: u8,
    what: &'static str,
    wires: &'static [Wire],
    request: Make,
    expect: Expect,
    stored: Option<Stored>,
) -> Case {
    Case { line, what, wires, needs: Needs::Nothing, check: Check::Exchange(request, expect, stored) }
}

const fn own(
    line: u8,
    what: &'static str,
    wires: &'static [Wire],
    request: Make,
    expect: Expect,
    stored: Option<Stored>,
) -> Case {
    Case { line, what, wires, needs: Needs::OwnServer, check: Check::Exchange(request, expect, stored) }
}

const fn own_check(
    line: u8,
    what: &'static str,
    wires: &'static [Wire],
    needs: Needs,
    check: fn(&Target, &Tag) -> Result<(), String>,
) -> Case {
    Case { line, what, wires, needs, check: Check::Own(check) }
}

fn good_span(tag: &Tag) -> Export {
    traces(&tag.service, vec![span(trace_id(&tag.service), span_id(&tag.service, 1), "good")])
}

fn good_log(tag: &Tag) -> Export {
    logs(&tag.service, vec![log("good")])
}

fn good_point(tag: &Tag) -> Export {
    metrics(&tag.service, vec![gauge_of("level", vec![point(1.0)])])
}

fn spans_one_bad(tag: &Tag) -> Request {
    let good = span(trace_id(&tag.service), span_id(&tag.service, 1), "good");
    let bad = span([0; 16], span_id(&tag.service, 2), "bad");
    Request::export(traces(&tag.service, vec![bad, good]))
}

fn logs_one_bad(tag: &Tag) -> Request {
    let mut bad = log("bad");
    bad.time_unix_nano = PAST_ALL_TIMES;
    Request::export(logs(&tag.service, vec![log("good"), bad]))
}

fn points_two_bad(tag: &Tag) -> Request {
    let mut bad = point(2.0);
    bad.time_unix_nano = 0;
    Request::export(metrics(&tag.service, vec![gauge_of("level", vec![bad.clone(), point(1.0), bad])]))
}

fn with_a_strange_key(tag: &Tag) -> Request {
    let json = String::from_utf8(good_span(tag).to_json().to_vec()).expect("JSON is UTF-8");
    let json = json.replacen("\"traceId\"", "\"trace_id\":\"ab\",\"traceId\"", 1);
    Request::bytes(Signal::Traces, json)
}

fn empty(tag: &Tag, signal: Signal) -> Request {
    Request::bytes(signal, if tag.wire == Wire::Json { "{}" } else { "" })
}

fn empty_resource() -> Export {
    Export::Logs(ExportLogsServiceRequest { resource_logs: vec![ResourceLogs::default()] })
}

fn empty_scope() -> Export {
    let scope_spans = vec![ScopeSpans::default()];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    Export::Traces(ExportTraceServiceRequest { resource_spans })
}

fn empty_metric(tag: &Tag) -> Export {
    let scope_metrics =
        vec![ScopeMetrics { metrics: vec![gauge_of(&tag.service, vec![])], ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..Default::default() }];
    Export::Metrics(ExportMetricsServiceRequest { resource_metrics })
}

fn type_is_kept(target: &Target, tag: &Tag) -> Result<(), String> {
    for request in [Request::export(good_span(tag)), spans_one_bad(tag), cut_short(tag, Coding::Plain)] {
        same_type(&target.send(tag.wire, &request)?, tag.wire)?;
    }
    Ok(())
}

fn type_with_parameter(tag: &Tag) -> Request {
    Request::export(good_span(tag)).content_type("application/json; charset=utf-8")
}

fn as_who(tag: &Tag, authorization: &str) -> Request {
    Request::export(good_span(tag)).header("authorization", authorization)
}

fn garbage_as(_: &Tag, authorization: &str) -> Request {
    Request::bytes(Signal::Traces, vec![0xff; 64]).header("authorization", authorization)
}

fn as_reader(tag: &Tag) -> Request {
    as_who(tag, &format!("Bearer {READER}"))
}

fn elsewhere(tag: &Tag) -> Request {
    Request::export(good_span(tag)).path("/v1/profiles-of-tomorrow")
}

fn with_put(tag: &Tag) -> Request {
    Request::export(good_span(tag)).method(Method::PUT)
}

fn in_xml(tag: &Tag) -> Request {
    Request::export(good_span(tag)).content_type("text/xml")
}

fn cut_short(tag: &Tag, coding: Coding) -> Request {
    let export = good_span(tag);
    let bytes = if tag.wire == Wire::Json { export.to_json() } else { export.to_protobuf() };
    Request::bytes(Signal::Traces, bytes.slice(..bytes.len() - 3)).coding(coding)
}

/// Field 1, which is a message, as a varint.
fn wrong_kind(_: &Tag) -> Request {
    Request::bytes(Signal::Traces, tests::raw::number(1, 5))
}

fn not_packed(tag: &Tag, coding: &'static str) -> Request {
    Request::export(good_span(tag)).coding(Coding::Named(coding))
}

fn packed_cut_short(tag: &Tag, coding: &'static str) -> Request {
    let export = good_span(tag);
    let bytes = if tag.wire == Wire::Json { export.to_json() } else { export.to_protobuf() };
    let packed = if coding == "gzip" { compress::gzip(&bytes) } else { compress::zstd(&bytes) };
    Request::bytes(Signal::Traces, packed.slice(..packed.len() / 2)).coding(Coding::Named(coding))
}

fn text(json: &'static str) -> Request {
    Request::bytes(Signal::Traces, json)
}
