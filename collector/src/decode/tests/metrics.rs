//! Metrics and their points.

use opentelemetry_proto::tonic::common::v1::KeyValue;

use super::*;

fn number(value: Option<Number>) -> NumberDataPoint {
    NumberDataPoint { time_unix_nano: TIME, value, ..Default::default() }
}

fn histogram() -> HistogramDataPoint {
    HistogramDataPoint {
        time_unix_nano: TIME,
        count: 3,
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![0.5],
        sum: Some(2.0),
        ..Default::default()
    }
}

fn exponential() -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        time_unix_nano: TIME,
        count: 3,
        scale: -2,
        zero_count: 1,
        positive: Some(Buckets { offset: -4, bucket_counts: vec![1, 1] }),
        ..Default::default()
    }
}

fn summary() -> SummaryDataPoint {
    SummaryDataPoint {
        time_unix_nano: TIME,
        count: 2,
        quantile_values: vec![opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile {
            quantile: 0.5,
            value: 9.0,
        }],
        ..Default::default()
    }
}

#[test]
fn points_fill_their_columns() {
    let int = number(Some(Number::AsInt(7)));
    let absent = NumberDataPoint { flags: 1, ..number(None) };
    let sum = Sum { data_points: vec![int.clone()], aggregation_temporality: 1, is_monotonic: true };
    let cases: [(Data, &[&str], Value); 6] = [
        (
            Data::Gauge(Gauge { data_points: vec![int] }),
            &[
                "type",
                "value",
                "value_int",
                "temporality",
                "monotonic",
                "start_time",
                "count",
                "bounds",
                "exemplars",
            ],
            json!(["gauge", 7.0, 7, null, null, null, null, null, []]),
        ),
        (
            Data::Gauge(Gauge { data_points: vec![absent] }),
            &["value", "value_int", "flags"],
            json!([null, null, 1]),
        ),
        (Data::Sum(sum), &["type", "value", "temporality", "monotonic"], json!(["sum", 7.0, "delta", true])),
        (
            Data::Histogram(Histogram { data_points: vec![histogram()], aggregation_temporality: 2 }),
            &["type", "count", "sum", "min", "bounds", "bucket_counts", "temporality", "monotonic"],
            json!(["histogram", 3, 2.0, null, [0.5], [1, 2], "cumulative", null]),
        ),
        (
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential()],
                aggregation_temporality: 1,
            }),
            &[
                "type",
                "scale",
                "zero_count",
                "zero_threshold",
                "positive_offset",
                "positive_counts",
                "negative_offset",
            ],
            json!(["exponential_histogram", -2, 1, 0.0, -4, [1, 1], null]),
        ),
        (
            Data::Summary(Summary { data_points: vec![summary()] }),
            &["type", "count", "sum", "quantiles", "temporality"],
            json!(["summary", 2, 0.0, [{"quantile": 0.5, "value": 9.0}], null]),
        ),
    ];
    for (data, names, expected) in cases {
        assert_eq!(only_row(&metric(data), names), expected, "{names:?}");
    }
}

#[test]
fn a_bad_point_is_rejected_alone() {
    let good = || number(Some(Number::AsDouble(1.0)));
    let gauge = |point| Data::Gauge(Gauge { data_points: vec![good(), point, good()] });
    let sum = |temporality| {
        Data::Sum(Sum {
            data_points: vec![good()],
            aggregation_temporality: temporality,
            is_monotonic: false,
        })
    };
    let histogram = |bounds: usize, counts: usize, count| {
        let point = HistogramDataPoint {
            time_unix_nano: TIME,
            count,
            explicit_bounds: (0..bounds).map(|bound| bound as f64).collect(),
            bucket_counts: vec![1; counts],
            ..Default::default()
        };
        Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 1 })
    };
    let buckets = "a histogram must have one bucket count more than bounds, or none of either";
    let temporality = "the temporality of a sum or histogram must be delta or cumulative";
    let cases = [
        (gauge(NumberDataPoint { time_unix_nano: 0, ..good() }), 2, "a data point must have a time"),
        (gauge(NumberDataPoint { time_unix_nano: LATE, ..good() }), 2, TOO_LATE),
        (gauge(NumberDataPoint { start_time_unix_nano: LATE, ..good() }), 2, TOO_LATE),
        (gauge(number(None)), 2, "a data point must have a value, or the flag that none was recorded"),
        (sum(0), 0, temporality),
        (sum(3), 0, temporality),
        (histogram(1, 1, 5), 0, buckets),
        (histogram(0, 2, 5), 0, buckets),
        (histogram(2, 0, 5), 0, buckets),
        (histogram(0, 0, LATE), 0, "counts must be below 9223372036854775808"),
    ];
    for (data, stored, reason) in cases {
        let decoded = metric(data);
        assert_eq!((decoded.batch.rows.num_rows(), decoded.batch.answer.rejected), (stored, 1), "{reason}");
        let message = &decoded.batch.answer.message;
        assert!(
            message.starts_with(&format!("1 data point rejected: {reason} (first: data point ")),
            "{message}"
        );
    }
    for (bounds, counts) in [(0, 0), (0, 1), (2, 3)] {
        assert_eq!(metric(histogram(bounds, counts, 5)).batch.answer, model::Answer::default());
    }
}

#[test]
fn a_series_is_named_by_what_identifies_it() {
    let series = |name: &str, attributes: Vec<KeyValue>, resource: &str, scope: &str| {
        let point = NumberDataPoint { attributes, ..number(Some(Number::AsInt(1))) };
        let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
        let metrics = vec![Metric { name: name.to_owned(), data, ..Metric::default() }];
        let scope = Some(opentelemetry_proto::tonic::common::v1::InstrumentationScope {
            name: scope.to_owned(),
            ..Default::default()
        });
        let scope_metrics = vec![ScopeMetrics { scope, metrics, ..ScopeMetrics::default() }];
        let resource_metrics = vec![ResourceMetrics {
            resource: service(resource),
            scope_metrics,
            ..ResourceMetrics::default()
        }];
        let request = ExportMetricsServiceRequest { resource_metrics };
        let decoded = decode_any(Signal::Metrics, request.encode_to_vec(), Encoding::Protobuf).unwrap();
        rows(&decoded.batch.rows)[0]["series"].as_i64().unwrap()
    };
    let (a, b) = (attribute("a", "1"), attribute("b", "2"));
    let first = series("m", vec![a.clone(), b.clone()], "r", "s");
    assert_eq!(first, series("m", vec![b.clone(), a.clone()], "r", "s"));
    // Stored series must keep their number in every later version: that of these parts, each after its length.
    let parts = ["{\"service.name\":\"r\"}", "s", "", "{}", "m", "{\"a\":\"1\",\"b\":\"2\"}"];
    let text = parts.map(|part| [&(part.len() as u64).to_le_bytes()[..], part.as_bytes()].concat()).concat();
    assert_eq!(first, xxhash_rust::xxh3::xxh3_64(&text).cast_signed());
    assert_eq!(first, -4_013_474_642_235_087_340);
    let others = [
        series("n", vec![a.clone(), b], "r", "s"),
        series("m", vec![a.clone()], "r", "s"),
        series("m", vec![a.clone()], "q", "s"),
        series("m", vec![a], "r", "t"),
    ];
    for (index, other) in others.iter().enumerate() {
        assert!(*other != first && !others[..index].contains(other), "{index}");
    }
}

#[test]
fn a_metric_whose_name_is_not_utf8_is_repaired_and_its_points_marked() {
    let gauge = |name: &str| Metric {
        name: name.to_owned(),
        data: Some(Data::Gauge(Gauge { data_points: vec![number(Some(Number::AsInt(1))); 3] })),
        ..Metric::default()
    };
    let scope_metrics =
        vec![ScopeMetrics { metrics: vec![gauge("good"), gauge("broken")], ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let mut payload = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let at = payload.windows(6).position(|window| window == b"broken").unwrap();
    payload[at] = 0xff;
    let decoded = decode_any(Signal::Metrics, payload, Encoding::Protobuf).unwrap();
    assert_eq!((decoded.batch.rows.num_rows(), decoded.batch.answer.rejected), (6, 0));
    let found = rows(&decoded.batch.rows);
    for point in &found[3..] {
        assert_eq!(point["metric"], json!("\u{fffd}roken"));
        assert_eq!(point["attributes"], json!("{\"causeway.repaired\":true}"));
    }
    // What is marked does not name the series.
    let parts = ["{}", "", "", "{}", "\u{fffd}roken", "{}"];
    let text = parts.map(|part| [&(part.len() as u64).to_le_bytes()[..], part.as_bytes()].concat()).concat();
    assert_eq!(found[3]["series"], json!(xxhash_rust::xxh3::xxh3_64(&text).cast_signed()));
    assert!(
        decoded.batch.answer.message.ends_with("repaired by U+FFFD: 3"),
        "{}",
        decoded.batch.answer.message
    );
}
