//! Lines 1 to 6: compression, paths, limits, types.

use bytes::Bytes;
use tests::{
    harness::causeway,
    otlp::{self, Export, Signal, log, logs, span, span_id, trace_id, traces},
};

use super::{
    Case, Check, Tag,
    expect::{Expect, RESOURCE_EXHAUSTED, Stored, UNIMPLEMENTED},
    target::{Needs, REQUEST_BYTES_MAX, Target, oversize_bytes},
    wire::{ALL, ANY, Coding, GRPC, HTTP, JSON, Request, Wire},
};

/// Longest answer that a client has to read.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Records that one request gets rejected, so that naming each would make a long answer.
const REJECTED_MANY: usize = 1_000;

const ONE_SPAN: Option<Stored> =
    Some(Stored("SELECT name FROM spans WHERE service_name = '{service}'", r#"[["GET /"]]"#));
const ONE_LOG: Option<Stored> =
    Some(Stored("SELECT body FROM logs WHERE service_name = '{service}'", r#"[["hello"]]"#));
const ONE_POINT: Option<Stored> = Some(Stored(
    "SELECT metric, value FROM metrics WHERE service_name = '{service}'",
    r#"[["queue.length", 2.5]]"#,
));
const NO_LOG: Option<Stored> = Some(Stored("SELECT body FROM logs WHERE service_name = '{service}'", "[]"));
const LONG_LOG: Option<Stored> =
    Some(Stored("SELECT length(body) > 900000 FROM logs WHERE service_name = '{service}'", "[[true]]"));
const TOO_LARGE: Expect = Expect::Refused(413, RESOURCE_EXHAUSTED);

pub(crate) const CASES: &[Case] = &[
    exchange(1, "uncompressed", ALL, |tag| Request::export(one_span(tag)), Expect::Success, ONE_SPAN),
    exchange(
        1,
        "gzip",
        ALL,
        |tag| Request::export(one_span(tag)).coding(Coding::Gzip),
        Expect::Success,
        ONE_SPAN,
    ),
    exchange(1, "gzip of several members", ALL, of_several_members, Expect::Success, ONE_SPAN),
    exchange(
        1,
        "zstd",
        ALL,
        |tag| Request::export(one_span(tag)).coding(Coding::Zstd),
        Expect::Success,
        ONE_SPAN,
    ),
    exchange(2, "traces at their path", ALL, |tag| Request::export(one_span(tag)), Expect::Success, ONE_SPAN),
    exchange(
        2,
        "logs at their path",
        ALL,
        |tag| Request::export(one_log(tag, "hello")),
        Expect::Success,
        ONE_LOG,
    ),
    exchange(
        2,
        "metrics at their path",
        ALL,
        |tag| Request::export(one_point(tag)),
        Expect::Success,
        ONE_POINT,
    ),
    exchange(2, "no other method of gRPC", GRPC, unknown_method, Expect::Refused(404, UNIMPLEMENTED), None),
    own(2, "the usual ports unless told otherwise", ANY, usual_ports),
    own(3, "a message at the limit", GRPC, at_the_limit),
    own(4, "a body at the limit", HTTP, at_the_limit),
    anyone(3, "a message over the limit", GRPC, |target, tag| over_the_limit(target, tag, Coding::Plain)),
    anyone(3, "over the limit once unpacked, gzip", GRPC, |target, tag| {
        over_the_limit(target, tag, Coding::Gzip)
    }),
    anyone(3, "the same in several members", GRPC, |target, tag| {
        over_the_limit(target, tag, Coding::GzipMembers)
    }),
    anyone(3, "over the limit once unpacked, zstd", GRPC, |target, tag| {
        over_the_limit(target, tag, Coding::Zstd)
    }),
    anyone(4, "a body over the limit", HTTP, |target, tag| over_the_limit(target, tag, Coding::Plain)),
    anyone(4, "over the limit once unpacked, gzip", HTTP, |target, tag| {
        over_the_limit(target, tag, Coding::Gzip)
    }),
    anyone(4, "the same in several members", HTTP, |target, tag| {
        over_the_limit(target, tag, Coding::GzipMembers)
    }),
    anyone(4, "over the limit once unpacked, zstd", HTTP, |target, tag| {
        over_the_limit(target, tag, Coding::Zstd)
    }),
    anyone(5, "many rejected records, a short answer", ALL, many_rejected),
    anyone(5, "many unknown keys, a short answer", JSON, many_unknown_keys),
    exchange(
        6,
        "each type on the same port",
        HTTP,
        |tag| Request::export(one_span(tag)),
        Expect::Success,
        ONE_SPAN,
    ),
    anyone(6, "no compressed answer unless asked for", ALL, plain_answer),
    anyone(6, "an answer that can be unpacked where asked for", HTTP, packed_answer),
];

const fn exchange(
    line: u8,
    what: &'static str,
    wires: &'static [Wire],
    request: fn(&Tag) -> Request,
    expect: Expect,
    stored: Option<Stored>,
) -> Case {
    Case { line, what, wires, needs: Needs::Nothing, check: Check::Exchange(request, expect, stored) }
}

type Own = fn(&Target, &Tag) -> Result<(), String>;

const fn own(line: u8, what: &'static str, wires: &'static [Wire], check: Own) -> Case {
    Case { line, what, wires, needs: Needs::OwnServer, check: Check::Own(check) }
}

const fn anyone(line: u8, what: &'static str, wires: &'static [Wire], check: Own) -> Case {
    Case { line, what, wires, needs: Needs::Nothing, check: Check::Own(check) }
}

fn one_span(tag: &Tag) -> Export {
    traces(&tag.service, vec![span(trace_id(&tag.service), span_id(&tag.service, 1), "GET /")])
}

fn one_log(tag: &Tag, body: &str) -> Export {
    logs(&tag.service, vec![log(body)])
}

fn one_point(tag: &Tag) -> Export {
    otlp::metrics(&tag.service, vec![otlp::gauge("queue.length", 2.5)])
}

fn of_several_members(tag: &Tag) -> Request {
    Request::export(one_span(tag)).coding(Coding::GzipMembers)
}

fn unknown_method(tag: &Tag) -> Request {
    Request::export(one_span(tag)).path("/opentelemetry.proto.collector.trace.v1.TraceService/Import")
}

fn usual_ports(_: &Target, _: &Tag) -> Result<(), String> {
    let help = causeway(&["serve", "--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    let usual = ["127.0.0.1:4317", "127.0.0.1:4318", "127.0.0.1:4319"];
    match usual.iter().find(|address| !text.contains(**address)) {
        Some(address) => Err(format!("the help of serve does not name {address}: {text}")),
        None => Ok(()),
    }
}

/// A log record that makes a message of exactly this many bytes on this wire.
fn log_of_size(tag: &Tag, bytes: usize) -> Request {
    let packed = |padding: usize| {
        let export = one_log(tag, &"x".repeat(padding));
        if tag.wire == Wire::Json { export.to_json() } else { export.to_protobuf() }
    };
    // Lengths are varints of their own length: the first guess is off by what they take.
    let guess = bytes - packed(0).len();
    let over = packed(guess).len() - bytes;
    let body: Bytes = packed(guess - over);
    assert_eq!(body.len(), bytes, "the padding fits");
    Request::bytes(Signal::Logs, body)
}

fn at_the_limit(target: &Target, tag: &Tag) -> Result<(), String> {
    for coding in [Coding::Plain, Coding::Gzip, Coding::Zstd] {
        let answer = target.send(tag.wire, &log_of_size(tag, REQUEST_BYTES_MAX).coding(coding))?;
        Expect::Success.judge(&answer).map_err(|error| format!("{coding:?}: {error}"))?;
    }
    // The same bytes three times are one record.
    LONG_LOG.map_or(Ok(()), |stored| stored.judge(target, tag))
}

fn over_the_limit(target: &Target, tag: &Tag, coding: Coding) -> Result<(), String> {
    let size = oversize_bytes(target.offers(Needs::OwnServer));
    let answer = target.send(tag.wire, &log_of_size(tag, size).coding(coding))?;
    TOO_LARGE.judge(&answer)?;
    NO_LOG.map_or(Ok(()), |stored| stored.judge(target, tag))
}

fn many_rejected(target: &Target, tag: &Tag) -> Result<(), String> {
    let bad = |number: usize| {
        span([0; 16], span_id(&tag.service, number), &format!("{number}-{}", "n".repeat(200)))
    };
    let request = Request::export(traces(&tag.service, (0..REJECTED_MANY).map(bad).collect()));
    let answer = target.send(tag.wire, &request)?;
    Expect::Partial(REJECTED_MANY as i64, "trace").judge(&answer)?;
    short(answer.body_bytes())
}

fn many_unknown_keys(target: &Target, tag: &Tag) -> Result<(), String> {
    let key = |number: usize| format!("\"unknown_key_{number}_{}\":{number}", "k".repeat(100));
    let keys: Vec<_> = (0..REJECTED_MANY).map(key).collect();
    let body = format!("{{\"resource_spans\":[],{},\"resourceSpans\":[]}}", keys.join(","));
    let answer = target.send(tag.wire, &Request::bytes(Signal::Traces, body))?;
    answer.accepted()?;
    short(answer.body_bytes())
}

fn short(bytes: usize) -> Result<(), String> {
    match bytes <= ANSWER_BYTES_MAX {
        true => Ok(()),
        false => Err(format!("an answer of {bytes} bytes")),
    }
}

fn plain_answer(target: &Target, tag: &Tag) -> Result<(), String> {
    let answer = target.send(tag.wire, &Request::export(one_span(tag)).coding(Coding::Gzip))?;
    Expect::Success.judge(&answer)?;
    let packed = |name: &&str| answer.header(name).is_some_and(|coding| coding != "identity");
    match ["content-encoding", "grpc-encoding"].iter().find(|name| packed(name)) {
        Some(header) => Err(format!("{header}: {:?}", answer.header(header))),
        None => Ok(()),
    }
}

fn packed_answer(target: &Target, tag: &Tag) -> Result<(), String> {
    let request = Request::export(one_span(tag)).to_http(tag.wire).header("accept-encoding", "gzip");
    let request = match target.token() {
        Some(token) => request.header("authorization", &format!("Bearer {token}")),
        None => request,
    };
    let mut answer = target.http().send(&request).map_err(|error| error.to_string())?;
    match answer.header("content-encoding") {
        Some("gzip") => {
            answer.body = tests::compress::gunzip(&answer.body).map_err(|error| error.to_string())?
        }
        None | Some("identity") => {}
        Some(other) => return Err(format!("packed as {other}, which was not asked for")),
    }
    Expect::Success.judge(&super::wire::Answer::Http(Signal::Traces, tag.wire, answer))
}
