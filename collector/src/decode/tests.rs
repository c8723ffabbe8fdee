//! Payloads and what becomes of them, as tables.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::json::writer::{JsonArray, WriterBuilder};
use model::packed;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
    exponential_histogram_data_point::Buckets,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use prost::Message;
use serde_json::{Value, json};

use super::context::TOO_LATE;
use super::*;
use crate::testing::{attribute, service, span, trace_request};

mod json;
mod metrics;
mod random;
mod reference;
mod wire;

const RECEIVED: UnixNanos = UnixNanos(1_800_000_000_000_000_000);
const TIME: u64 = 1_700_000_000_000_000_000;
const LATE: u64 = 1 << 63;
const TRACE_MESSAGE: &str = "trace_id must be 16 bytes, not all zero";

fn decode_any(signal: Signal, payload: impl Into<Bytes>, encoding: Encoding) -> Result<Decoded, DecodeError> {
    decode(signal, payload.into(), encoding, RECEIVED, &Limits::default())
}

fn spans(spans: Vec<Span>) -> Decoded {
    decode_any(Signal::Spans, trace_request(spans).encode_to_vec(), Encoding::Protobuf).unwrap()
}

fn logs(log_records: Vec<LogRecord>) -> Decoded {
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    let request = ExportLogsServiceRequest { resource_logs };
    decode_any(Signal::Logs, request.encode_to_vec(), Encoding::Protobuf).unwrap()
}

fn metric(data: Data) -> Decoded {
    let metrics = vec![Metric { name: "m".to_owned(), data: Some(data), ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let request = ExportMetricsServiceRequest { resource_metrics };
    decode_any(Signal::Metrics, request.encode_to_vec(), Encoding::Protobuf).unwrap()
}

fn json_of(signal: Signal, payload: &Value) -> Result<Decoded, DecodeError> {
    decode_any(signal, payload.to_string(), Encoding::Json)
}

/// A trace request in JSON that holds these spans.
fn json_spans(spans: Value) -> Value {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
}

fn json_span(mut fields: Value) -> Value {
    fields["traceId"] = json!("0102030405060708090a0b0c0d0e0f10");
    fields["spanId"] = json!("0102030405060708");
    fields
}

/// The rows as JSON objects, nulls included and times as nanoseconds.
fn rows(batch: &RecordBatch) -> Vec<Value> {
    if batch.num_rows() == 0 {
        return Vec::new();
    }
    let batch = packed::unpack(batch).unwrap();
    let fields = batch.schema().fields().iter().map(|field| plain(field)).collect::<Vec<_>>();
    let columns = batch.columns().iter().zip(&fields);
    let columns = columns.map(|(column, field)| cast(column, field.data_type()).unwrap()).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    serde_json::from_slice(&writer.into_inner()).unwrap()
}

/// The field with its times as integers: the JSON writer knows no time zone by name.
fn plain(field: &Field) -> Field {
    let kind = match field.data_type() {
        DataType::Timestamp(_, _) => DataType::Int64,
        DataType::List(item) => DataType::List(Arc::new(plain(item))),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| plain(field)).collect()),
        other => other.clone(),
    };
    field.clone().with_data_type(kind)
}

/// The named columns of the only row.
fn only_row(decoded: &Decoded, names: &[&str]) -> Value {
    let rows = rows(&decoded.batch.rows);
    assert_eq!(rows.len(), 1, "{:?}", decoded.batch.answer);
    names.iter().map(|name| rows[0][*name].clone()).collect()
}

#[test]
fn empty_payloads_are_empty_batches() {
    for signal in Signal::SENT {
        for (payload, encoding) in
            [("", Encoding::Protobuf), ("{}", Encoding::Json), (" {\"x\":1}", Encoding::Json)]
        {
            let decoded = decode_any(signal, payload, encoding).unwrap();
            assert_eq!(decoded.batch.rows.num_rows(), 0);
            assert_eq!(decoded.batch.rows.schema(), packed::schema(signal, []));
            assert_eq!(decoded.batch.answer, model::Answer::default());
        }
    }
    // A resource and a scope without records are no error.
    let decoded = decode_any(Signal::Logs, vec![10, 2, 18, 0], Encoding::Protobuf).unwrap();
    assert_eq!(decoded.batch.answer, model::Answer::default());
}

#[test]
fn a_span_fills_its_columns() {
    let mut sent = span("GET /cart");
    sent.parent_span_id = vec![9; 8];
    sent.kind = 2;
    sent.flags = 0x8000_0301;
    sent.trace_state = "ot=th:8".to_owned();
    sent.attributes = vec![attribute("b", "2"), attribute("a", "1"), attribute("b", "3")];
    sent.dropped_attributes_count = 4;
    sent.status = Some(opentelemetry_proto::tonic::trace::v1::Status { message: "bad".to_owned(), code: 2 });
    sent.events = vec![Event { time_unix_nano: TIME, name: "e".to_owned(), ..Event::default() }];
    sent.links = vec![Link { trace_id: vec![0; 16], span_id: vec![7; 8], flags: 1, ..Link::default() }];
    let decoded = spans(vec![sent]);
    let names = [
        "trace_id",
        "span_id",
        "parent_span_id",
        "name",
        "kind",
        "service_name",
        "attributes",
        "dropped_attributes_count",
        "weight",
        "flags",
        "duration_ns",
        "status_code",
        "status_message",
        "scope_name",
    ];
    assert_eq!(
        only_row(&decoded, &names),
        json!([
            "0102030405060708090a0b0c0d0e0f10",
            "0102030405060708",
            "0909090909090909",
            "GET /cart",
            "server",
            "shop",
            "{\"a\":\"1\",\"b\":\"3\"}",
            4,
            2.0,
            0x8000_0301_u32,
            250,
            "error",
            "bad",
            null
        ])
    );
    assert_eq!(
        only_row(&decoded, &["events", "links", "start_time"]),
        json!([
            [{"time": TIME, "name": "e", "attributes": "{}", "dropped_attributes_count": 0}],
            [{"trace_id": null, "span_id": "0707070707070707", "trace_state": "", "attributes": "{}",
                "dropped_attributes_count": 0, "flags": 1}],
            TIME
        ])
    );
    assert_eq!(decoded.batch.answer, model::Answer::default());
}

#[test]
fn a_bad_span_is_rejected_alone() {
    type Change = fn(&mut Span);
    let cases: [(Change, &str); 9] = [
        (|span| span.trace_id.clear(), TRACE_MESSAGE),
        (|span| span.trace_id = vec![0; 16], TRACE_MESSAGE),
        (|span| span.trace_id = vec![1; 15], TRACE_MESSAGE),
        (|span| span.span_id = vec![0; 8], "span_id must be 8 bytes, not all zero"),
        (|span| span.span_id = vec![1; 16], "span_id must be 8 bytes, not all zero"),
        (|span| span.parent_span_id = vec![1; 7], "parent_span_id must be 8 bytes, or empty"),
        (|span| span.start_time_unix_nano = LATE, TOO_LATE),
        (|span| span.end_time_unix_nano = u64::MAX, TOO_LATE),
        (|span| span.events = vec![Event { time_unix_nano: LATE, ..Event::default() }], TOO_LATE),
    ];
    for (change, reason) in cases {
        let mut bad = span("bad");
        change(&mut bad);
        let decoded = spans(vec![span("good"), bad.clone(), span("good"), bad]);
        assert_eq!(decoded.batch.rows.num_rows(), 2, "{reason}");
        assert_eq!(decoded.batch.answer.rejected, 2, "{reason}");
        assert_eq!(decoded.batch.answer.message, format!("2 spans rejected: {reason} (first: span 2 'bad')"));
    }
}

#[test]
fn odd_spans_are_stored() {
    type Change = fn(&mut Span);
    let cases: [(Change, &[&str], Value); 5] = [
        (|span| span.parent_span_id = vec![0; 8], &["parent_span_id"], json!([null])),
        (|span| span.end_time_unix_nano = TIME - 1, &["duration_ns"], json!([-1])),
        (|span| span.kind = 77, &["kind"], json!(["unspecified"])),
        (|span| span.start_time_unix_nano = 0, &["start_time"], json!([0])),
        (|span| span.name.clear(), &["name"], json!([""])),
    ];
    for (change, names, expected) in cases {
        let mut odd = span("odd");
        change(&mut odd);
        assert_eq!(only_row(&spans(vec![odd]), names), expected, "{names:?}");
    }
}

#[test]
fn resources_fill_their_columns() {
    let names = [
        "service_name",
        "service_namespace",
        "deployment_environment",
        "service_version",
        "service_instance_id",
    ];
    let cases: [(&[(&str, &str)], Value); 6] = [
        (&[], json!(["unknown_service", null, null, null, null])),
        (&[("service.name", "")], json!(["unknown_service", null, null, null, null])),
        (&[("service.name", "a"), ("service.name", "b")], json!(["b", null, null, null, null])),
        (
            &[("service.namespace", "n"), ("deployment.environment", "old"), ("service.version", "1")],
            json!(["unknown_service", "n", "old", "1", null]),
        ),
        (
            &[("deployment.environment", "old"), ("deployment.environment.name", "new"), ("host.name", "h")],
            json!(["unknown_service", null, "new", null, "h"]),
        ),
        (
            &[("host.name", "h"), ("k8s.pod.name", "p"), ("service.instance.id", "i")],
            json!(["unknown_service", null, null, null, "i"]),
        ),
    ];
    for (attributes, expected) in cases {
        let mut request = trace_request(vec![span("s")]);
        let attributes = attributes.iter().map(|(key, value)| attribute(key, value)).collect();
        request.resource_spans[0].resource =
            Some(opentelemetry_proto::tonic::resource::v1::Resource { attributes, ..Default::default() });
        let decoded = decode_any(Signal::Spans, request.encode_to_vec(), Encoding::Protobuf).unwrap();
        assert_eq!(only_row(&decoded, &names), expected);
    }
}

#[test]
fn logs_have_a_time_in_any_case() {
    // Sent, observed; time, observed time, repeatable.
    let cases = [
        (TIME, TIME + 5, json!([TIME, TIME + 5]), true),
        (TIME, 0, json!([TIME, null]), true),
        (0, TIME, json!([TIME, TIME]), true),
        (0, 0, json!([RECEIVED.0, null]), false),
    ];
    for (sent, observed, expected, repeatable) in cases {
        let record =
            LogRecord { time_unix_nano: sent, observed_time_unix_nano: observed, ..LogRecord::default() };
        let decoded = logs(vec![record]);
        assert_eq!(only_row(&decoded, &["time", "observed_time"]), expected);
        assert_eq!(decoded.batch.repeatable, repeatable);
    }
    let late = LogRecord { observed_time_unix_nano: LATE, ..LogRecord::default() };
    assert_eq!(logs(vec![late]).batch.answer.rejected, 1);
}

#[test]
fn spans_without_any_time_are_not_repeatable() {
    for (start, end, repeatable) in [(0, 0, false), (0, 1, true), (1, 0, true)] {
        let mut sent = span("s");
        (sent.start_time_unix_nano, sent.end_time_unix_nano) = (start, end);
        assert_eq!(spans(vec![sent]).batch.repeatable, repeatable);
    }
}

#[test]
fn log_bodies_are_text_with_a_type() {
    let array = |values| Any::ArrayValue(ArrayValue { values });
    let cases = [
        (None, json!([null, null])),
        (Some(Any::StringValue("hi".to_owned())), json!(["hi", "string"])),
        (Some(Any::StringValue(String::new())), json!(["", "string"])),
        (Some(Any::BoolValue(true)), json!(["true", "bool"])),
        (Some(Any::IntValue(-5)), json!(["-5", "int"])),
        (Some(Any::DoubleValue(0.5)), json!(["0.5", "double"])),
        (Some(Any::DoubleValue(f64::NAN)), json!(["NaN", "double"])),
        (Some(Any::BytesValue(b"hi".to_vec())), json!(["aGk=", "bytes"])),
        (Some(array(vec![AnyValue { value: Some(Any::DoubleValue(5.0)) }])), json!(["[5.0]", "array"])),
        (Some(Any::KvlistValue(Default::default())), json!(["{}", "map"])),
    ];
    for (value, expected) in cases {
        let record =
            LogRecord { time_unix_nano: TIME, body: Some(AnyValue { value }), ..LogRecord::default() };
        assert_eq!(only_row(&logs(vec![record]), &["body", "body_type"]), expected);
    }
}

#[test]
fn log_ids_and_levels() {
    let cases = [
        (vec![], vec![], 0, json!([null, null, null, null]), ""),
        (vec![0; 16], vec![0; 8], 9, json!([null, null, 9, "info"]), ""),
        (vec![1; 16], vec![2; 8], 24, json!(["01".repeat(16), "02".repeat(8), 24, "fatal"]), ""),
        (
            vec![1; 5],
            vec![2; 8],
            99,
            json!([null, "02".repeat(8), 99, null]),
            "1 log record odd: a trace_id has 16 bytes and a span_id 8: stored without it (first: log record 1)",
        ),
    ];
    for (trace_id, span_id, severity_number, expected, message) in cases {
        let record =
            LogRecord { time_unix_nano: TIME, trace_id, span_id, severity_number, ..LogRecord::default() };
        let decoded = logs(vec![record]);
        assert_eq!(only_row(&decoded, &["trace_id", "span_id", "severity_number", "severity"]), expected);
        assert_eq!((decoded.batch.answer.rejected, decoded.batch.answer.message.as_str()), (0, message));
    }
}

#[test]
fn undecodable_payloads_are_errors() {
    let deep = b"[".repeat(1_000_000);
    let mut nested = Vec::new();
    for _ in 0..10_000 {
        let inner = nested;
        nested = AnyValue { value: None }.encode_to_vec();
        prost::encoding::encode_key(5, prost::encoding::WireType::LengthDelimited, &mut nested);
        let mut array = Vec::new();
        prost::encoding::bytes::encode(1, &inner, &mut array);
        prost::encoding::encode_varint(array.len() as u64, &mut nested);
        nested.extend(array);
    }
    let mut log = Vec::new();
    prost::encoding::bytes::encode(5, &nested, &mut log);
    for tag in [2, 2, 1] {
        let inner = log;
        log = Vec::new();
        prost::encoding::bytes::encode(tag, &inner, &mut log);
    }
    let right = trace_request(vec![span("s")]).encode_to_vec();
    let cases: [(&str, Vec<u8>, Encoding); 9] = [
        ("no protobuf", b"garbage".to_vec(), Encoding::Protobuf),
        ("cut protobuf", right[..right.len() - 3].to_vec(), Encoding::Protobuf),
        ("a number for a resource", vec![8, 1], Encoding::Protobuf),
        ("deep protobuf", log, Encoding::Protobuf),
        ("no JSON", b"garbage".to_vec(), Encoding::Json),
        ("nothing", Vec::new(), Encoding::Json),
        ("cut JSON", b"{\"resourceLogs\":[".to_vec(), Encoding::Json),
        ("an array", b"[]".to_vec(), Encoding::Json),
        ("deep JSON", deep, Encoding::Json),
    ];
    for (name, payload, encoding) in cases {
        for signal in [Signal::Spans, Signal::Logs] {
            let found = decode_any(signal, payload.clone(), encoding);
            // The deep value is a log's body, and something unknown in a span.
            assert!(
                found.is_err() || (name == "deep protobuf" && signal == Signal::Spans),
                "{name} {signal}"
            );
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_repaired_and_marked() {
    let mut request = trace_request((0..1000).map(|_| span("name of a span")).collect());
    request.resource_spans[0].scope_spans[0].spans[500].name = "broken name".to_owned();
    let mut payload = request.encode_to_vec();
    let at = payload.windows(11).position(|window| window == b"broken name").unwrap();
    payload[at] = 0xff;
    let decoded = decode_any(Signal::Spans, payload, Encoding::Protobuf).unwrap();
    assert_eq!((decoded.batch.rows.num_rows(), decoded.batch.answer.rejected), (1000, 0));
    let found = rows(&decoded.batch.rows);
    assert_eq!(found[500]["name"], json!("\u{fffd}roken name"));
    assert_eq!(found[500]["attributes"], json!("{\"causeway.repaired\":true}"));
    assert!(found.iter().enumerate().all(|(row, span)| row == 500 || span["attributes"] == json!("{}")));
    let message = "spans, resources and scopes with text that is not UTF-8, repaired by U+FFFD: 1";
    assert_eq!(decoded.batch.answer.message, message);

    let mut payload = json_spans(json!([json_span(json!({"name": "broken name"}))])).to_string().into_bytes();
    let at = payload.windows(11).position(|window| window == b"broken name").unwrap();
    payload[at] = 0xff;
    let decoded = decode_any(Signal::Spans, payload, Encoding::Json).unwrap();
    let expected = json!(["\u{fffd}roken name", "{\"causeway.repaired\":true}"]);
    assert_eq!(only_row(&decoded, &["name", "attributes"]), expected);
    assert_eq!(decoded.batch.answer.message, message);
}

#[test]
fn a_resource_sent_twice_is_noted_twice() {
    let mut request = trace_request(vec![span("a")]);
    let resource = request.resource_spans[0].resource.get_or_insert_default();
    resource.attributes.push(attribute("host.name", "broken host"));
    let mut payload = request.encode_to_vec();
    let at = payload.windows(11).position(|window| window == b"broken host").unwrap();
    let good = payload.repeat(2);
    payload[at] = 0xff;
    // The lists of requests that follow each other are one.
    let payload = [good, payload.repeat(3)].concat();
    let decoded = decode_any(Signal::Spans, payload, Encoding::Protobuf).unwrap();
    let hosts: Vec<Value> =
        rows(&decoded.batch.rows).iter().map(|row| row["service_instance_id"].clone()).collect();
    let [good, broken] = ["broken host", "\u{fffd}roken host"];
    assert_eq!(hosts, [good, good, broken, broken, broken]);
    let message = "spans, resources and scopes with text that is not UTF-8, repaired by U+FFFD: 3";
    assert_eq!(decoded.batch.answer.message, message);
}

#[test]
fn columns_of_numbers_hold_what_was_pushed() {
    let rows: [&[Option<i64>]; 8] = [
        &[],
        &[None, None],
        &[Some(0), Some(0)],
        &[Some(7), Some(7)],
        &[Some(7), Some(7), Some(8), Some(7), None],
        &[None, None, Some(0)],
        &[Some(0), None, Some(0)],
        &[Some(0), Some(0), Some(1)],
    ];
    for rows in rows {
        let mut column = columns::Integers::default();
        rows.iter().for_each(|value| column.push_option(*value));
        let found = column.finish(&mut packed::Zeros::default());
        assert_eq!(found.iter().collect::<Vec<_>>(), rows);
    }
    let mut column = columns::Integers::default();
    [(5, 2), (6, 1), (6, 0), (0, 2)].into_iter().for_each(|(value, rows)| column.push_many(value, rows));
    assert_eq!(column.finish(&mut packed::Zeros::default()).values().as_ref(), [5, 5, 6, 0, 0]);
}

#[test]
fn unknown_protobuf_fields_are_ignored() {
    let mut payload = trace_request(vec![span("s")]).encode_to_vec();
    for tag in [4, 99, 1000] {
        prost::encoding::string::encode(tag, &"later".to_owned(), &mut payload);
        prost::encoding::uint64::encode(tag + 1, &7, &mut payload);
    }
    let decoded = decode_any(Signal::Spans, payload, Encoding::Protobuf).unwrap();
    assert_eq!(only_row(&decoded, &["name"]), json!(["s"]));
    assert_eq!(decoded.batch.answer, model::Answer::default());
}

#[test]
fn the_rest_of_an_envelope_may_follow_its_records() {
    let request = trace_request(vec![span("s")]);
    let resource = &request.resource_spans[0];
    let mut message = Vec::new();
    prost::encoding::message::encode(2, &resource.scope_spans[0], &mut message);
    prost::encoding::message::encode(1, resource.resource.as_ref().unwrap(), &mut message);
    let mut payload = Vec::new();
    prost::encoding::bytes::encode(1, &message, &mut payload);
    let decoded = decode_any(Signal::Spans, payload, Encoding::Protobuf).unwrap();
    assert_eq!(only_row(&decoded, &["service_name"]), json!(["shop"]));
}

#[test]
fn limits_cut_and_count() {
    let mut sent = span("s");
    sent.attributes = (0..5).map(|key| attribute(&format!("k{key}"), "12345678901")).collect();
    sent.dropped_attributes_count = 1;
    let payload = Bytes::from(trace_request(vec![sent]).encode_to_vec());
    let limits = Limits { attributes_per_record_max: 2, attribute_bytes_max: 10 };
    // `service.name` is longer than 10 bytes, so the resource loses it, though the column has it.
    let decoded = decode(Signal::Spans, payload, Encoding::Protobuf, RECEIVED, &limits).unwrap();
    assert_eq!(
        only_row(
            &decoded,
            &["attributes", "dropped_attributes_count", "service_name", "resource_dropped_attributes_count"]
        ),
        json!(["{\"causeway.truncated\":true,\"k0\":\"1234567890\",\"k1\":\"1234567890\"}", 4, "shop", 1])
    );
    assert_eq!((decoded.attributes_dropped, decoded.values_cut), (4, 2));
    assert_eq!(
        decoded.batch.answer.message,
        "values cut for being too long or nested too deep: 2; \
         attributes dropped for being too many or too long: 4"
    );
}

#[test]
fn columns_of_numbers_compare_by_bits() {
    use arrow::datatypes::Float64Type;
    let cases: [&[Option<f64>]; 5] = [
        &[Some(f64::NAN)],
        &[Some(f64::NAN), Some(f64::NAN), Some(1.0)],
        &[Some(0.0), Some(-0.0)],
        &[Some(-0.0), Some(-0.0)],
        &[None, Some(f64::NAN), None],
    ];
    for case in cases {
        let mut numbers = columns::Numbers::<Float64Type>::default();
        case.iter().for_each(|value| numbers.push_option(*value));
        let column = numbers.finish(&mut model::packed::Zeros::default());
        let bits: Vec<Option<u64>> = column.iter().map(|value| value.map(f64::to_bits)).collect();
        let expected: Vec<Option<u64>> = case.iter().map(|value| value.map(f64::to_bits)).collect();
        assert_eq!(bits, expected);
    }
}
