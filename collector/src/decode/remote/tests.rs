//! Requests of both versions and the rows that they make.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow::json::writer::{JsonArray, WriterBuilder};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::{Value, json};

use super::series::NANOS_PER_MILLI;
use super::*;
use crate::decode::{Encoding, decode};
use crate::testing::attribute;
use crate::testing::prometheus::{
    Exemplar, Histogram, MetricMetadata, Request, Span, SymbolMetadata, TimeSeries, WriteRequest, labels,
    request, sample, series, write_request,
};

mod damage;
mod histograms;

const RECEIVED: UnixNanos = UnixNanos(1_800_000_000_000_000_000);
const TIME: i64 = 1_700_000_000_000;

fn decode_with(version: RemoteWrite, payload: Vec<u8>, families: &Families) -> Result<Decoded, DecodeError> {
    decode_remote_write(version, &payload.into(), RECEIVED, &Limits::default(), families)
}

fn v1(request: &WriteRequest) -> Decoded {
    decode_with(RemoteWrite::V1, request.encode_to_vec(), &Families::default()).unwrap()
}

fn v2(request: &Request) -> Decoded {
    decode_with(RemoteWrite::V2, request.encode_to_vec(), &Families::default()).unwrap()
}

/// The rows of a request in the logical form, nulls left out.
fn rows(decoded: &Decoded) -> Vec<Value> {
    if decoded.batch.rows.num_rows() == 0 {
        return Vec::new();
    }
    let batch = model::packed::unpack(&decoded.batch.rows).unwrap();
    let mut writer = WriterBuilder::new().build::<_, JsonArray>(Vec::new());
    let schema = batch.schema();
    let keep = schema.fields().iter().enumerate().filter(|(_, field)| !is_time(field.name()));
    let keep: Vec<usize> = keep.map(|(index, _)| index).collect();
    writer.write(&batch.project(&keep).unwrap()).unwrap();
    writer.finish().unwrap();
    serde_json::from_slice(&writer.into_inner()).unwrap()
}

/// The JSON writer knows no time zone by name; [`times`] shows these columns.
fn is_time(name: &str) -> bool {
    matches!(name, "time" | "start_time" | "exemplars")
}

/// The times of the rows, and their start times, in milliseconds.
fn times(decoded: &Decoded) -> Vec<(i64, Option<i64>)> {
    let column = |name: &str| {
        let column = decoded.batch.rows.column_by_name(name).unwrap();
        column.as_primitive::<TimestampNanosecondType>().clone()
    };
    let (time, start) = (column("time"), column("start_time"));
    let millis = |nanos: i64| nanos / NANOS_PER_MILLI;
    (0..time.len())
        .map(|row| (millis(time.value(row)), start.is_valid(row).then(|| millis(start.value(row)))))
        .collect()
}

/// The named columns of each row.
fn columns(decoded: &Decoded, names: &[&str]) -> Value {
    rows(decoded).iter().map(|row| names.iter().map(|name| row[*name].clone()).collect::<Value>()).collect()
}

#[test]
fn a_sample_fills_its_columns_in_both_versions() {
    let names = [("__name__", "up"), ("instance", "a:1"), ("job", "node"), ("zone", "x\"y")];
    let sent = write_request(vec![series(&names, vec![sample(1.5, TIME)])]);
    for (decoded, version) in [(v1(&sent), "1"), (v2(&request(&sent)), "2")] {
        let found = rows(&decoded);
        let series = found[0]["series"].clone();
        assert_eq!(
            found,
            [json!({
                "service_name": "node",
                "service_instance_id": "a:1",
                "resource_attributes": r#"{"service.instance.id":"a:1","service.name":"node"}"#,
                "scope_attributes": "{}",
                "attributes": r#"{"instance":"a:1","job":"node","zone":"x\"y"}"#,
                "dropped_attributes_count": 0,
                "resource_dropped_attributes_count": 0,
                "scope_dropped_attributes_count": 0,
                "weight": 1.0,
                "metric": "up",
                "type": "unknown",
                "value": 1.5,
                "flags": 0,
                "series": series,
                "metadata":
                    format!(r#"{{"prometheus.remote_write":"{version}","prometheus.type":"unknown"}}"#),
            })]
        );
        assert_eq!(times(&decoded), [(TIME, None)]);
        assert_eq!(decoded.batch.answer, model::Answer::default());
        assert!(decoded.batch.repeatable);
    }
}

#[test]
fn a_series_is_named_as_one_of_otlp() {
    let names = [("__name__", "up"), ("instance", "a:1"), ("job", "node"), ("le", "+Inf")];
    let sent = write_request(vec![
        series(&names, vec![sample(1.0, TIME)]),
        series(&names[..1], vec![sample(1.0, TIME)]),
    ]);
    let prometheus = columns(&v1(&sent), &["series"]);
    assert_eq!(prometheus, columns(&v2(&request(&sent)), &["series"]));
    let metric = |attributes: &[(&str, &str)]| Metric {
        name: "up".to_owned(),
        data: Some(Data::Gauge(Gauge {
            data_points: vec![NumberDataPoint {
                time_unix_nano: 1,
                value: Some(number_data_point::Value::AsDouble(1.0)),
                attributes: attributes.iter().map(|(key, value)| attribute(key, value)).collect(),
                ..NumberDataPoint::default()
            }],
        })),
        ..Metric::default()
    };
    let resource = |attributes: &[(&str, &str)], metric: Metric| ResourceMetrics {
        resource: Some(Resource {
            attributes: attributes.iter().map(|(key, value)| attribute(key, value)).collect(),
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    };
    let resource_metrics = vec![
        resource(&[("service.name", "node"), ("service.instance.id", "a:1")], metric(&names[1..])),
        resource(&[], metric(&[])),
    ];
    let payload = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let otlp = decode(Signal::Metrics, payload.into(), Encoding::Protobuf, RECEIVED, &Limits::default());
    let otlp = otlp.unwrap();
    let series = otlp.batch.rows.column_by_name("series").unwrap();
    let series: Vec<Value> =
        series.as_primitive::<Int64Type>().values().iter().map(|hash| json!([hash])).collect();
    assert_eq!(prometheus, Value::from(series));
}

#[test]
fn times_and_values_are_kept_whatever_they_are() {
    let stale = f64::from_bits(STALE);
    let samples = vec![
        sample(0.0, 0),
        sample(-1.0, -5),
        sample(stale, 7),
        sample(f64::NAN, 8),
        sample(f64::NEG_INFINITY, i64::MAX),
    ];
    let decoded = v1(&write_request(vec![series(&[("__name__", "m")], samples)]));
    let found = rows(&decoded);
    let told: Vec<Value> = found.iter().map(|row| json!([row["value"], row["flags"]])).collect();
    // JSON has no word for what is not finite; null there is told from null in the column below.
    assert_eq!(
        told,
        [json!([0.0, 0]), json!([-1.0, 0]), json!([null, 1]), json!([null, 0]), json!([null, 0])]
    );
    let values = decoded.batch.rows.column_by_name("value").unwrap();
    let values = values.as_primitive::<Float64Type>();
    assert_eq!(values.null_count(), 1);
    assert!(values.value(3).is_nan() && values.value(4) == f64::NEG_INFINITY);
    let last = i64::MAX / NANOS_PER_MILLI;
    assert_eq!(times(&decoded), [(0, None), (-5, None), (7, None), (8, None), (last, None)]);
    assert_eq!(found[0]["service_name"], json!("unknown_service"));
    assert_eq!(found[0]["resource_attributes"], json!("{}"));
}

#[test]
fn version_2_says_when_counting_began_and_what_is_counted() {
    let mut sent = request(&write_request(vec![series(&[("__name__", "m_total")], vec![sample(1.0, TIME)])]));
    sent.symbols.extend(["help".to_owned(), "seconds".to_owned()]);
    let (help, unit) = (sent.symbols.len() as u32 - 2, sent.symbols.len() as u32 - 1);
    sent.timeseries[0].created = 5;
    let mut own = sent.timeseries[0].clone();
    own.samples[0].start = 6;
    sent.timeseries.push(own);
    let kinds = [
        (1, json!(["sum", "cumulative", true, "help", "seconds", "counter"])),
        (2, json!(["gauge", null, null, "help", "seconds", "gauge"])),
        (3, json!(["unknown", null, null, "help", "seconds", "histogram"])),
        (5, json!(["unknown", null, null, "help", "seconds", "summary"])),
        (99, json!(["unknown", null, null, "help", "seconds", "unknown"])),
    ];
    for (kind, expected) in kinds {
        for series in &mut sent.timeseries {
            series.metadata = Some(SymbolMetadata { kind, help, unit });
        }
        let decoded = v2(&sent);
        let mut found =
            columns(&decoded, &["type", "temporality", "monotonic", "description", "unit", "metadata"]);
        let metadata: Value = serde_json::from_str(found[0][5].as_str().unwrap()).unwrap();
        found[0][5] = metadata["prometheus.type"].clone();
        assert_eq!(found[0], expected);
        assert_eq!(times(&decoded), [(TIME, Some(5)), (TIME, Some(6))]);
    }
}

#[test]
fn families_of_version_1_are_remembered_for_their_series() {
    let family = |kind, name: &str| MetricMetadata {
        kind,
        family: name.to_owned(),
        help: format!("help of {name}"),
        unit: String::new(),
    };
    let metadata = vec![
        family(1, "requests"),
        family(1, "errors_total"),
        family(3, "latency"),
        family(2, "temperature"),
    ];
    let told = WriteRequest { timeseries: Vec::new(), metadata }.encode_to_vec();
    let mut families = Families::default();
    for family in families_of(&told) {
        assert!(!families.has(&family));
        families.put(&family);
        assert!(families.has(&family));
    }
    let once = families.bytes();
    families_of(&told).for_each(|family| families.put(&family));
    assert_eq!(families.bytes(), once);
    let cases = [
        ("requests_total", "sum", Some("requests")),
        ("errors_total", "sum", Some("errors_total")),
        ("latency_bucket", "unknown", Some("latency")),
        ("latency_sum", "unknown", Some("latency")),
        ("latency_count", "unknown", Some("latency")),
        ("latency_total", "unknown", None),
        ("temperature", "gauge", Some("temperature")),
        ("temperature_sum", "unknown", None),
        ("other", "unknown", None),
    ];
    for (metric, kind, family) in cases {
        let sent = write_request(vec![series(&[("__name__", metric)], vec![sample(1.0, TIME)])]);
        let decoded = decode_with(RemoteWrite::V1, sent.encode_to_vec(), &families).unwrap();
        let help = family.map(|family| format!("help of {family}"));
        assert_eq!(columns(&decoded, &["type", "description"]), json!([[kind, help]]), "{metric}");
        assert_eq!(columns(&decoded, &["series"]), columns(&v1(&sent), &["series"]), "{metric}");
    }
}

#[test]
fn series_with_bad_labels_are_rejected_alone() {
    let cases: [(&[(&str, &str)], &str); 7] = [
        (&[("a", "b")], "a series must have a label __name__ that is not empty (first: data point 2)"),
        (&[("__name__", "")], "a series must have a label __name__ that is not empty (first: data point 2)"),
        (
            &[("__name__", "m"), ("b", "1"), ("a", "1")],
            "labels must be sorted by their names (first: data point 2 'm')",
        ),
        (
            &[("__name__", "m"), ("a", "1"), ("a", "2")],
            "no two labels of a series may have the same name (first: data point 2 'm')",
        ),
        (&[("", "x"), ("__name__", "m")], "the name of a label must not be empty (first: data point 2 'm')"),
        (&[("__name__", "m"), ("a", "\u{fffe}")], "labels must be UTF-8 (first: data point 2 'm')"),
        (&[], "a series must have a label __name__ that is not empty (first: data point 2)"),
    ];
    let good = || series(&[("__name__", "good")], vec![sample(1.0, TIME)]);
    for (names, reason) in cases {
        let mut bad = series(names, vec![sample(1.0, TIME), sample(2.0, TIME)]);
        if reason.contains("UTF-8") {
            bad.labels[1].value = vec![0xff];
        }
        let decoded = v1(&write_request(vec![good(), bad, good()]));
        assert_eq!((decoded.batch.rows.num_rows(), decoded.batch.answer.rejected), (2, 2), "{reason}");
        assert_eq!(decoded.batch.answer.message, format!("2 data points rejected: {reason}"));
    }
}

#[test]
fn an_empty_label_is_as_if_it_were_absent() {
    let with = series(&[("__name__", "m"), ("a", ""), ("job", "")], vec![sample(1.0, TIME)]);
    let without = series(&[("__name__", "m")], vec![sample(1.0, TIME)]);
    let found = rows(&v1(&write_request(vec![with, without])));
    assert_eq!(found[0], found[1]);
}

#[test]
fn limits_reject_and_cut_nothing() {
    let limits = Limits { attributes_per_record_max: 2, attribute_bytes_max: 9 };
    let cases: [(&[(&str, &str)], u64); 4] = [
        (&[("__name__", "m"), ("a", "1"), ("b", "1")], 0),
        (&[("__name__", "m"), ("a", "1"), ("b", "1"), ("c", "1")], 1),
        (&[("__name__", "m"), ("a", "123456789")], 0),
        (&[("__name__", "m"), ("a", "1234567890")], 1),
    ];
    for (names, rejected) in cases {
        let sent = write_request(vec![series(names, vec![sample(1.0, TIME)])]);
        for (version, payload) in
            [(RemoteWrite::V1, sent.encode_to_vec()), (RemoteWrite::V2, request(&sent).encode_to_vec())]
        {
            let families = Families::default();
            let decoded =
                decode_remote_write(version, &payload.into(), RECEIVED, &limits, &families).unwrap();
            assert_eq!(decoded.batch.answer.rejected, rejected, "{version:?} {names:?}");
        }
    }
}

#[test]
fn references_to_no_symbol_are_rejected() {
    let right = request(&write_request(vec![series(&[("__name__", "m")], vec![sample(1.0, TIME)])]));
    let no_symbol = "labels and metadata must refer to symbols of the request";
    let pairs = "labels must refer to a symbol for each name and for each value";
    type Change = fn(&mut Request);
    let cases: [(Change, &str); 4] = [
        (|request| request.timeseries[0].labels[1] = 9, no_symbol),
        (|request| request.timeseries[0].labels[0] = u32::MAX, no_symbol),
        (|request| request.timeseries[0].labels.push(0), pairs),
        (
            |request| {
                request.timeseries[0].metadata = Some(SymbolMetadata { kind: 1, help: 9, unit: 0 });
            },
            no_symbol,
        ),
    ];
    for (change, reason) in cases {
        let mut sent = right.clone();
        change(&mut sent);
        let answer = v2(&sent).batch.answer;
        assert_eq!(answer.rejected, 1, "{reason}");
        assert!(answer.message.contains(reason), "{} is not {reason}", answer.message);
    }
}

#[test]
fn exemplars_go_with_the_first_point_or_alone() {
    let trace = "0102030405060708090a0b0c0d0e0f10";
    let exemplar = |names: &[(&str, &str)], time| Exemplar { labels: labels(names), value: 2.5, time };
    let exemplars = vec![
        exemplar(&[("span_id", "0102030405060708"), ("trace_id", trace), ("user", "u")], 3),
        exemplar(&[("trace_id", "short")], 4),
        exemplar(&[("b", "1"), ("a", "1")], 5),
    ];
    let with = TimeSeries {
        exemplars: exemplars.clone(),
        ..series(&[("__name__", "m")], vec![sample(1.0, TIME), sample(2.0, TIME)])
    };
    let alone = TimeSeries { exemplars, ..series(&[("__name__", "m")], Vec::new()) };
    let sent = write_request(vec![with, alone]);
    for decoded in [v1(&sent), v2(&request(&sent))] {
        assert_eq!(decoded.batch.answer.rejected, 0);
        assert_eq!(times(&decoded), [(TIME, None), (TIME, None), (4, None)]);
        let found = rows(&decoded);
        assert_eq!((&found[2]["value"], &found[2]["flags"]), (&Value::Null, &json!(0)));
        let lists = decoded.batch.rows.column_by_name("exemplars").unwrap().as_list::<i32>();
        let lengths: Vec<usize> = lists.offsets().lengths().collect();
        assert_eq!(lengths, [2, 0, 2]);
        let items = lists.values().as_struct();
        let attributes = items.column_by_name("attributes").unwrap().as_string::<i32>();
        let told: Vec<&str> = attributes.iter().flatten().collect();
        assert_eq!(told[..2], [r#"{"user":"u"}"#, r#"{"trace_id":"short"}"#]);
        let id = items.column_by_name("trace_id").unwrap().as_fixed_size_binary();
        assert_eq!(id.value(0), (1..=16).collect::<Vec<u8>>());
        assert_eq!(id.null_count(), 2);
        assert_eq!(Written::of(&decoded.batch.rows), Written { samples: 2, histograms: 0, exemplars: 4 });
    }
}

#[test]
fn what_is_no_such_message_is_an_error() {
    let right = write_request(vec![series(&[("__name__", "m")], vec![sample(1.0, TIME)])]);
    let v1 = right.encode_to_vec();
    let v2 = request(&right).encode_to_vec();
    for (version, payload) in [
        (RemoteWrite::V1, b"garbage".to_vec()),
        (RemoteWrite::V2, b"garbage".to_vec()),
        (RemoteWrite::V1, v1[..v1.len() - 1].to_vec()),
        (RemoteWrite::V2, v2[..v2.len() - 1].to_vec()),
    ] {
        let error = decode_with(version, payload, &Families::default()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("the request is not a valid {}: ", version.message())), "{error}");
    }
    // The fields of one version are unknown to the other.
    for (version, payload) in [(RemoteWrite::V1, v2), (RemoteWrite::V2, v1)] {
        let decoded = decode_with(version, payload, &Families::default()).unwrap();
        assert_eq!(decoded.batch.rows.num_rows(), 0);
    }
}
