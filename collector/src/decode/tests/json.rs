//! OTLP's JSON where it differs from protobuf's, and where it is wrong.

use super::*;

#[test]
fn json_follows_otlps_rules() {
    let cases = [
        (
            "upper case ids",
            json!({"parentSpanId": "ABCDEF0123456789"}),
            "parent_span_id",
            json!("abcdef0123456789"),
            "",
        ),
        ("kind", json!({"kind": 3}), "kind", json!("client"), ""),
        (
            "times as strings",
            json!({"startTimeUnixNano": "7", "endTimeUnixNano": "9"}),
            "duration_ns",
            json!(2),
            "",
        ),
        (
            "times as numbers",
            json!({"startTimeUnixNano": 7, "endTimeUnixNano": 9}),
            "duration_ns",
            json!(2),
            "",
        ),
        ("null", json!({"name": null, "kind": null, "attributes": null}), "name", json!(""), ""),
        (
            "unknown",
            json!({"name": "n", "later": [{"deep": 1}], "status": {"later": 1}}),
            "name",
            json!("n"),
            "",
        ),
        (
            "snake_case",
            json!({"parent_span_id": "abcdef0123456789", "links": [{"trace_state": "x"}]}),
            "parent_span_id",
            json!(null),
            "ignored parent_span_id, trace_state: JSON keys are lowerCamelCase in OTLP",
        ),
        (
            "values",
            json!({"attributes": [
                {"key": "a", "value": {"intValue": "9223372036854775807"}},
                {"key": "b", "value": {"intValue": 5}},
                {"key": "c", "value": {"doubleValue": "NaN"}},
                {"key": "d", "value": {"doubleValue": 5}},
                {"key": "e", "value": {"bytesValue": "aGk="}},
                {"key": "f", "value": {"arrayValue": {"values": [{"boolValue": true}, {}]}}},
                {"key": "g", "value": {"kvlistValue": {"values": [{"key": "x", "value": {"stringValue": "y"}}]}}},
                {"key": "h", "value": {"arrayValue": {}}},
                {"key": "i"}
            ]}),
            "attributes",
            json!(
                "{\"a\":9223372036854775807,\"b\":5,\"c\":{\"$double\":\"NaN\"},\"d\":5.0,\
                \"e\":{\"$bytes\":\"aGk=\"},\"f\":[true,null],\"g\":{\"x\":\"y\"},\"h\":[],\"i\":null}"
            ),
            "",
        ),
    ];
    for (name, fields, column, expected, message) in cases {
        let decoded = json_of(Signal::Spans, &json_spans(json!([json_span(fields)]))).unwrap();
        assert_eq!(only_row(&decoded, &[column]), json!([expected]), "{name}");
        let answer = &decoded.batch.answer;
        assert_eq!((answer.rejected, answer.message.as_str()), (0, message), "{name}");
    }
}

#[test]
fn snake_case_at_the_top_is_a_warning_too() {
    let decoded = json_of(Signal::Spans, &json!({"resource_spans": [{"scope_spans": []}]})).unwrap();
    assert_eq!(decoded.batch.answer.message, "ignored resource_spans: JSON keys are lowerCamelCase in OTLP");
}

#[test]
fn bad_json_ids_cost_their_span_only() {
    for id in ["", "00000000000000000000000000000000", "0102", "AQIDBAUGBwgJCgsMDQ4PEA==", "zz"] {
        let mut bad = json_span(json!({"name": "bad"}));
        bad["traceId"] = json!(id);
        let payload = json_spans(json!([json_span(json!({})), bad]));
        let decoded = json_of(Signal::Spans, &payload).unwrap();
        assert_eq!((decoded.batch.rows.num_rows(), decoded.batch.answer.rejected), (1, 1), "{id}");
    }
}

#[test]
fn wrong_json_names_its_place() {
    let point = |fields| json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"sum": {"dataPoints": [fields]}, "name": "m"}]}]}]});
    let cases = [
        (
            Signal::Spans,
            json_spans(json!([json_span(json!({})), json_span(json!({"kind": "SPAN_KIND_SERVER"}))])),
            "resourceSpans[0].scopeSpans[0].spans[1].kind",
        ),
        (Signal::Spans, json_spans(json!({})), "resourceSpans[0].scopeSpans[0].spans"),
        (Signal::Spans, json_spans(json!([5])), "resourceSpans[0].scopeSpans[0].spans[0]"),
        (
            Signal::Spans,
            json_spans(json!([{"attributes": [{"value": {"arrayValue": {"values": [{"intValue": "x"}]}}}]}])),
            "resourceSpans[0].scopeSpans[0].spans[0].attributes[0].value.arrayValue.values[0].intValue",
        ),
        (Signal::Logs, json!({"resourceLogs": [{"resource": []}]}), "resourceLogs[0].resource"),
        (
            Signal::Metrics,
            json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"sum": {"aggregationTemporality": "DELTA"}}]}]}]}),
            "resourceMetrics[0].scopeMetrics[0].metrics[0].sum.aggregationTemporality",
        ),
        (
            Signal::Metrics,
            {
                let mut payload = point(json!({"asInt": 1.5}));
                payload["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["sum"]["aggregationTemporality"] =
                    json!(1);
                payload
            },
            "resourceMetrics[0].scopeMetrics[0].metrics[0].sum.dataPoints[0].asInt",
        ),
    ];
    for (signal, payload, expected) in cases {
        match json_of(signal, &payload) {
            Err(DecodeError::Json { path, .. }) => assert_eq!(path, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn wrong_bytes_are_told_from_the_characters_that_stand_in_for_them() {
    let name = "\u{fdd0}\\ufdd1 \u{fffd} broken";
    let text =
        json_spans(json!([json_span(json!({"name": "NAME"})), json_span(json!({"name": "\u{fffd}"}))]));
    let mut payload = text.to_string().replace("NAME", name).into_bytes();
    let at = payload.windows(6).position(|window| window == b"broken").unwrap();
    payload[at] = 0xff;
    let decoded = decode_any(Signal::Spans, payload, Encoding::Json).unwrap();
    let found = rows(&decoded.batch.rows);
    assert_eq!(found[0]["name"], json!("\u{fdd0}\u{fdd1} \u{fffd} \u{fffd}roken"));
    assert_eq!(found[0]["attributes"], json!("{\"causeway.repaired\":true}"));
    assert_eq!(found[1]["attributes"], json!("{}"));
}
