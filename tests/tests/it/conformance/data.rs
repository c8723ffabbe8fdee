//! Lines 21 to 26: ids, times, temporality, unknown fields, many calls at once, the same request again.

use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram,
    HistogramDataPoint, Metric, Sum, metric::Data,
};
use prost::Message;
use tests::{
    otlp::{
        BASE_TIME, Export, SECOND, Signal, attribute, gauge, gauge_of, log, logs, metric, metrics, point,
        resource, span, span_id, trace_id, traces,
    },
    raw,
};

use super::{
    Case, Check, Tag,
    expect::{Expect, Stored},
    target::{Needs, Target},
    wire::{ALL, BINARY, GRPC, HTTP, Request, Wire},
};

/// Calls that are under way at once on one connection.
const CALLS: usize = 200;

const ONLY_GOOD: Option<Stored> =
    Some(Stored("SELECT name FROM spans WHERE service_name = '{service}'", r#"[["good"]]"#));
const ONLY_OBSERVED: Option<Stored> = Some(Stored(
    "SELECT body, time = observed_time, time FROM logs WHERE service_name = '{service}'",
    r#"[["without a time", true, "2023-11-14T22:13:21.000000000Z"]]"#,
));
const ONLY_CUMULATIVE: Option<Stored> = Some(Stored(
    "SELECT metric, temporality FROM metrics WHERE service_name = '{service}'",
    r#"[["good", "cumulative"]]"#,
));
const LAST_WINS: Option<Stored> = Some(Stored(
    "SELECT attributes['key'], resource_attributes['key'] FROM spans WHERE service_name = '{service}'",
    r#"[["last", "last"]]"#,
));
const ALL_FLAGS: Option<Stored> =
    Some(Stored("SELECT flags = 4294967295 FROM spans WHERE service_name = '{service}'", "[[true]]"));
const KNOWN_PARTS: Option<Stored> = Some(Stored(
    "SELECT name, attributes['known'] FROM spans WHERE service_name = '{service}'",
    r#"[["good", "yes"]]"#,
));

pub(crate) const CASES: &[Case] = &[
    case(
        21,
        "a trace id of zeros",
        ALL,
        |tag| with_ids(tag, &[0; 16], &[1; 8]),
        Expect::Partial(1, "trace"),
        ONLY_GOOD,
    ),
    case(
        21,
        "a trace id of 15 bytes",
        ALL,
        |tag| with_ids(tag, &[1; 15], &[1; 8]),
        Expect::Partial(1, "trace"),
        ONLY_GOOD,
    ),
    case(21, "no trace id", ALL, |tag| with_ids(tag, &[], &[1; 8]), Expect::Partial(1, "trace"), ONLY_GOOD),
    case(
        21,
        "a span id of zeros",
        ALL,
        |tag| with_ids(tag, &[1; 16], &[0; 8]),
        Expect::Partial(1, "span"),
        ONLY_GOOD,
    ),
    case(
        21,
        "a span id of 9 bytes",
        ALL,
        |tag| with_ids(tag, &[1; 16], &[1; 9]),
        Expect::Partial(1, "span"),
        ONLY_GOOD,
    ),
    case(
        22,
        "a point without a time",
        ALL,
        timeless_point,
        Expect::Partial(1, "time"),
        Some(Stored("SELECT metric FROM metrics WHERE service_name = '{service}'", r#"[["good"]]"#)),
    ),
    case(
        22,
        "a log record takes the time it was observed",
        ALL,
        timeless_log,
        Expect::Success,
        ONLY_OBSERVED,
    ),
    case(
        22,
        "a log record without any time is kept",
        ALL,
        fully_timeless_log,
        Expect::Success,
        Some(Stored(
            "SELECT body, time > TIMESTAMP '2024-01-01T00:00:00Z', observed_time IS NULL FROM logs WHERE service_name = '{service}'",
            r#"[["no time at all", true, true]]"#,
        )),
    ),
    case(
        23,
        "a sum of unspecified temporality",
        ALL,
        |tag| temporality(tag, sum),
        Expect::Partial(1, "temporality"),
        ONLY_CUMULATIVE,
    ),
    case(
        23,
        "a histogram of unspecified temporality",
        ALL,
        |tag| temporality(tag, histogram),
        Expect::Partial(1, "temporality"),
        ONLY_CUMULATIVE,
    ),
    case(
        23,
        "the same, exponential",
        ALL,
        |tag| temporality(tag, exponential),
        Expect::Partial(1, "temporality"),
        ONLY_CUMULATIVE,
    ),
    case(
        23,
        "the last of several attributes of one key wins",
        ALL,
        duplicate_keys,
        Expect::Success,
        LAST_WINS,
    ),
    case(23, "unknown span flags are kept", ALL, all_flags, Expect::Success, ALL_FLAGS),
    case(24, "unknown protobuf fields at every depth", BINARY, unknown_fields, Expect::Success, KNOWN_PARTS),
    Case {
        line: 25,
        what: "many calls at once on one connection",
        wires: GRPC,
        needs: Needs::Nothing,
        check: Check::Own(many_calls),
    },
    Case {
        line: 25,
        what: "many requests one after the other on one connection",
        wires: HTTP,
        needs: Needs::Nothing,
        check: Check::Own(many_requests),
    },
    Case {
        line: 26,
        what: "a request that is sent again is stored once, answered alike",
        wires: ALL,
        needs: Needs::OwnServer,
        check: Check::Own(sent_again),
    },
];

const fn case(
    line: u8,
    what: &'static str,
    wires: &'static [Wire],
    request: fn(&Tag) -> Request,
    expect: Expect,
    stored: Option<Stored>,
) -> Case {
    Case { line, what, wires, needs: Needs::Nothing, check: Check::Exchange(request, expect, stored) }
}

/// A span with these ids before one that is as it should be.
fn with_ids(tag: &Tag, trace: &[u8], span_bytes: &[u8]) -> Request {
    let good = span(trace_id(&tag.service), span_id(&tag.service, 1), "good");
    let mut bad = good.clone();
    "bad".clone_into(&mut bad.name);
    bad.trace_id = trace.to_vec();
    bad.span_id = span_bytes.to_vec();
    Request::export(traces(&tag.service, vec![bad, good]))
}

fn timeless_point(tag: &Tag) -> Request {
    let mut timeless = point(1.0);
    timeless.time_unix_nano = 0;
    Request::export(metrics(&tag.service, vec![gauge_of("bad", vec![timeless]), gauge("good", 1.0)]))
}

fn timeless_log(tag: &Tag) -> Request {
    let mut record = log("without a time");
    record.time_unix_nano = 0;
    record.observed_time_unix_nano = BASE_TIME + SECOND;
    Request::export(logs(&tag.service, vec![record]))
}

fn fully_timeless_log(tag: &Tag) -> Request {
    let mut record = log("no time at all");
    record.time_unix_nano = 0;
    record.observed_time_unix_nano = 0;
    Request::export(logs(&tag.service, vec![record]))
}

fn temporality(tag: &Tag, data: fn(AggregationTemporality) -> Data) -> Request {
    let with = |name: &str, temporality| -> Metric { metric(name, data(temporality)) };
    let bad = with("bad", AggregationTemporality::Unspecified);
    let good = with("good", AggregationTemporality::Cumulative);
    Request::export(metrics(&tag.service, vec![bad, good]))
}

fn sum(temporality: AggregationTemporality) -> Data {
    let data_points = vec![point(1.0)];
    Data::Sum(Sum { data_points, aggregation_temporality: temporality as i32, is_monotonic: true })
}

fn histogram(temporality: AggregationTemporality) -> Data {
    let data_points = vec![HistogramDataPoint {
        time_unix_nano: BASE_TIME,
        count: 3,
        sum: Some(6.0),
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![1.0],
        ..Default::default()
    }];
    Data::Histogram(Histogram { data_points, aggregation_temporality: temporality as i32 })
}

fn exponential(temporality: AggregationTemporality) -> Data {
    let data_points = vec![ExponentialHistogramDataPoint {
        time_unix_nano: BASE_TIME,
        count: 3,
        sum: Some(6.0),
        zero_count: 3,
        ..Default::default()
    }];
    Data::ExponentialHistogram(ExponentialHistogram {
        data_points,
        aggregation_temporality: temporality as i32,
    })
}

fn duplicate_keys(tag: &Tag) -> Request {
    let mut one = span(trace_id(&tag.service), span_id(&tag.service, 1), "good");
    one.attributes = vec![attribute("key", "first"), attribute("other", 1), attribute("key", "last")];
    let resource = resource(&tag.service, &[("key", "first"), ("key", "last")]);
    Request::export(tests::otlp::traces_of(resource, vec![one]))
}

fn all_flags(tag: &Tag) -> Request {
    let mut one = span(trace_id(&tag.service), span_id(&tag.service, 1), "good");
    one.flags = u32::MAX;
    Request::export(traces(&tag.service, vec![one]))
}

/// Fields of numbers that OTLP does not have, in the request and in each message within.
fn unknown_fields(tag: &Tag) -> Request {
    let unknown = raw::unknown_fields();
    let value = [raw::field(1, b"yes"), unknown.clone()].concat();
    let key_value = [raw::field(1, b"known"), raw::field(2, &value), unknown.clone()].concat();
    let plain = span(trace_id(&tag.service), span_id(&tag.service, 1), "good").encode_to_vec();
    let span = [unknown.clone(), plain, raw::field(9, &key_value), unknown.clone()].concat();
    let scope = [raw::field(1, b"scope"), unknown.clone()].concat();
    let scope_spans = [raw::field(1, &scope), unknown.clone(), raw::field(2, &span)].concat();
    let resource = [resource(&tag.service, &[]).encode_to_vec(), unknown.clone()].concat();
    let resource_spans = [raw::field(1, &resource), raw::field(2, &scope_spans), unknown.clone()].concat();
    Request::bytes(Signal::Traces, [unknown, raw::field(1, &resource_spans)].concat())
}

fn numbered(tag: &Tag, number: usize) -> Export {
    traces(&tag.service, vec![span(trace_id(&tag.service), span_id(&tag.service, number), "good")])
}

fn authorised(target: &Target, request: Request) -> Request {
    match target.token() {
        Some(token) => request.header("authorization", &format!("Bearer {token}")),
        None => request,
    }
}

const ALL_STORED: Stored = Stored(
    "SELECT count(*), count(DISTINCT span_id) FROM spans WHERE service_name = '{service}'",
    "[[200, 200]]",
);

fn many_calls(target: &Target, tag: &Tag) -> Result<(), String> {
    let request = |number| authorised(target, Request::export(numbered(tag, number))).to_call();
    let calls: Vec<_> = (0..CALLS).map(request).collect();
    for answer in target.grpc().call_all(&calls).map_err(|error| error.to_string())? {
        let answer = answer.map_err(|error| error.to_string())?;
        Expect::Success.judge(&super::wire::Answer::Grpc(Signal::Traces, answer))?;
    }
    ALL_STORED.judge(target, tag)
}

fn many_requests(target: &Target, tag: &Tag) -> Result<(), String> {
    let mut client = target.http();
    for number in 0..CALLS {
        let request = authorised(target, Request::export(numbered(tag, number))).to_http(tag.wire);
        let answer = client.send(&request).map_err(|error| error.to_string())?;
        Expect::Success.judge(&super::wire::Answer::Http(Signal::Traces, tag.wire, answer))?;
    }
    ALL_STORED.judge(target, tag)
}

/// As a client does whose answer was lost: the second answer, too, says what was rejected.
fn sent_again(target: &Target, tag: &Tag) -> Result<(), String> {
    let request = with_ids(tag, &[0; 16], &[1; 8]);
    for _ in 0..3 {
        Expect::Partial(1, "trace").judge(&target.send(tag.wire, &request)?)?;
    }
    ONLY_GOOD.map_or(Ok(()), |stored| stored.judge(target, tag))
}
