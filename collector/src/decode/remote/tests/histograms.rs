//! Native histograms.

use super::*;

/// Two spans: buckets -1, 0 and 3 as Prometheus counts them.
fn integers() -> Histogram {
    Histogram {
        count: Some(12),
        sum: 18.5,
        schema: 1,
        zero_threshold: 0.001,
        zero_count: Some(2),
        positive_spans: vec![Span { offset: -1, length: 2 }, Span { offset: 2, length: 1 }],
        positive_deltas: vec![1, 1, 2],
        negative_spans: vec![Span { offset: 5, length: 1 }],
        negative_deltas: vec![3],
        time: TIME,
        ..Histogram::default()
    }
}

fn floats() -> Histogram {
    Histogram {
        count: None,
        count_float: Some(7.5),
        zero_count: None,
        zero_count_float: Some(0.5),
        positive_deltas: Vec::new(),
        positive_counts: vec![1.0, 2.5, 3.0],
        negative_spans: Vec::new(),
        negative_deltas: Vec::new(),
        ..integers()
    }
}

fn custom() -> Histogram {
    Histogram {
        count: Some(5),
        sum: 9.0,
        schema: -53,
        positive_spans: vec![Span { offset: 1, length: 2 }],
        positive_deltas: vec![2, 1],
        bounds: vec![0.5, 1.0],
        time: TIME,
        ..Histogram::default()
    }
}

fn of(histograms: Vec<Histogram>) -> WriteRequest {
    let series = TimeSeries { histograms, ..series(&[("__name__", "h")], Vec::new()) };
    write_request(vec![series])
}

#[test]
fn buckets_lie_one_beside_the_other() {
    let names = [
        "scale",
        "count",
        "count_float",
        "sum",
        "zero_threshold",
        "zero_count",
        "zero_count_float",
        "positive_offset",
        "positive_counts",
        "positive_counts_float",
        "negative_offset",
        "negative_counts",
        "negative_counts_float",
        "bounds",
    ];
    let cases = [
        (
            integers(),
            json!([1, 12, null, 18.5, 0.001, 2, null, -2, [1, 2, 0, 0, 4], null, 4, [3], null, null]),
        ),
        (
            floats(),
            json!([
                1,
                null,
                7.5,
                18.5,
                0.001,
                null,
                0.5,
                -2,
                null,
                [1.0, 2.5, 0.0, 0.0, 3.0],
                null,
                null,
                null,
                null
            ]),
        ),
        (custom(), json!([-53, 5, null, 9.0, 0.0, 0, null, 1, [2, 3], null, null, null, null, [0.5, 1.0]])),
        (
            Histogram::default(),
            json!([0, 0, null, 0.0, 0.0, 0, null, null, null, null, null, null, null, null]),
        ),
    ];
    for (histogram, expected) in cases {
        let sent = of(vec![histogram]);
        for decoded in [v1(&sent), v2(&request(&sent))] {
            assert_eq!(columns(&decoded, &names), json!([expected]), "{}", decoded.batch.answer.message);
            let kind = columns(&decoded, &["type", "temporality", "flags", "value"]);
            assert_eq!(kind, json!([["exponential_histogram", "cumulative", 0, null]]));
            assert_eq!(Written::of(&decoded.batch.rows), Written { samples: 0, histograms: 1, exemplars: 0 });
        }
    }
}

#[test]
fn resets_are_told_and_stale_ones_say_nothing() {
    let hint = |reset_hint| Histogram { reset_hint, ..integers() };
    let stale = Histogram { sum: f64::from_bits(STALE), ..integers() };
    let sent = of(vec![hint(0), hint(1), hint(2), hint(3), hint(9), stale]);
    let expected = json!([
        [null, 0, 12, 1],
        ["yes", 0, 12, 1],
        ["no", 0, 12, 1],
        ["gauge", 0, 12, 1],
        [null, 0, 12, 1],
        [null, 1, null, 1]
    ]);
    let decoded = v1(&sent);
    assert_eq!(columns(&decoded, &["reset_hint", "flags", "count", "scale"]), expected);
    assert_eq!(Written::of(&decoded.batch.rows), Written { samples: 0, histograms: 6, exemplars: 0 });
}

#[test]
fn histograms_and_samples_may_be_mixed() {
    let histograms = of(vec![integers(), floats()]).timeseries.remove(0);
    let samples = series(&[("__name__", "s")], vec![sample(1.0, TIME), sample(2.0, TIME)]);
    let decoded = v1(&write_request(vec![samples.clone(), histograms, samples]));
    let expected = json!([
        [1.0, null, null],
        [2.0, null, null],
        [null, 12, null],
        [null, null, 7.5],
        [1.0, null, null],
        [2.0, null, null]
    ]);
    assert_eq!(columns(&decoded, &["value", "count", "count_float"]), expected);
    assert_eq!(Written::of(&decoded.batch.rows), Written { samples: 4, histograms: 2, exemplars: 0 });
}

#[test]
fn a_bad_histogram_is_rejected_alone() {
    let spans = |offset, length| vec![Span { offset, length }];
    let count = "the count of a native histogram must be the sum of its buckets";
    let bounds = "the custom bounds of a native histogram must ascend";
    let sides = "a native histogram with custom bounds must have neither a zero bucket nor negative buckets";
    let bad_spans = "the spans of a native histogram must ascend and have as many buckets as are sent";
    let cases = [
        (
            Histogram { schema: 9, ..integers() },
            "the schema of a native histogram must be -53 or from -4 to 8",
        ),
        (Histogram { schema: -5, ..integers() }, "the schema of a native histogram"),
        (Histogram { count: Some(13), ..integers() }, count),
        (Histogram { count: Some(u64::MAX), ..integers() }, count),
        (Histogram { positive_deltas: vec![1, 1], ..integers() }, bad_spans),
        (Histogram { positive_deltas: vec![1, -2, 0], ..integers() }, "must not be negative"),
        (Histogram { positive_deltas: vec![i64::MAX, i64::MAX, 0], ..integers() }, count),
        (
            Histogram {
                positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: -1, length: 1 }],
                ..integers()
            },
            bad_spans,
        ),
        (
            Histogram {
                positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: 10_000, length: 1 }],
                ..integers()
            },
            "more than 10000 buckets on a side",
        ),
        (Histogram { positive_spans: spans(i32::MIN, 3), ..integers() }, bad_spans),
        (Histogram { positive_spans: spans(i32::MAX, 3), ..integers() }, bad_spans),
        (Histogram { positive_spans: spans(0, u32::MAX), ..integers() }, bad_spans),
        (Histogram { bounds: vec![1.0], ..integers() }, "must have no custom bounds"),
        (Histogram { count_float: Some(-1.0), ..floats() }, "must not be negative"),
        (Histogram { positive_counts: vec![1.0, -1.0, 1.0], ..floats() }, "must not be negative"),
        (Histogram { bounds: vec![1.0, 1.0], ..custom() }, bounds),
        (Histogram { bounds: vec![1.0, f64::INFINITY], ..custom() }, bounds),
        (Histogram { bounds: vec![f64::NAN, 1.0], ..custom() }, bounds),
        (Histogram { bounds: vec![1.0], ..custom() }, bounds),
        (Histogram { positive_spans: spans(-1, 2), ..custom() }, bounds),
        (Histogram { zero_count: Some(1), ..custom() }, sides),
        (Histogram { negative_spans: spans(0, 1), negative_deltas: vec![1], ..custom() }, sides),
    ];
    for (bad, reason) in cases {
        let decoded = v1(&of(vec![integers(), bad.clone(), integers()]));
        let answer = &decoded.batch.answer;
        assert_eq!((decoded.batch.rows.num_rows(), answer.rejected), (2, 1), "{bad:?}");
        assert!(answer.message.contains(reason), "{} is not {reason}", answer.message);
        assert!(answer.message.contains("(first: data point 2 'h')"), "{}", answer.message);
    }
}

#[test]
fn observations_that_are_no_number_are_in_no_bucket() {
    let sent = of(vec![Histogram { count: Some(13), sum: f64::NAN, ..integers() }]);
    assert_eq!(v1(&sent).batch.answer.rejected, 0);
}

#[test]
fn gaps_cannot_fill_the_memory() {
    // Each says 10,000 buckets in a few bytes.
    let wide = Histogram {
        count: Some(2),
        positive_spans: vec![Span { offset: 0, length: 1 }, Span { offset: 9_998, length: 1 }],
        positive_deltas: vec![1, 0],
        ..Histogram::default()
    };
    let decoded = v1(&of(vec![wide; 1_000]));
    assert_eq!((decoded.batch.rows.num_rows(), decoded.batch.answer.rejected), (800, 200));
    assert!(decoded.batch.answer.message.contains("8000000 buckets"), "{}", decoded.batch.answer.message);
}
