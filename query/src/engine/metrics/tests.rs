//! Series of stored rows, in memory and sealed.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, ListArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use model::{Signal, TimeRange, UnixNanos};

use super::*;
use crate::engine;
use crate::promql::{Value, json};
use crate::testing::{Fixture, rows, texts, times};

const SECOND: i64 = 1_000_000_000;
/// When the first row was.
const BEGIN: i64 = 1_700_000_000;

/// Rows of one metric, `[second, value]` each; `None` ends the series.
fn numbers(metric: &str, kind: &str, temporality: &str, of: &[(i64, Option<f64>, i64, &str)]) -> RecordBatch {
    rows(Signal::Metrics, of.len(), &number_columns(metric, kind, temporality, of))
}

/// The same as Prometheus writes them.
fn written(metric: &str, of: &[(i64, Option<f64>, i64, &str)]) -> RecordBatch {
    let mut columns = number_columns(metric, "unknown", "", of);
    columns.push(("metadata", texts(&vec![r#"{"prometheus.remote_write":"1"}"#; of.len()])));
    rows(Signal::Metrics, of.len(), &columns)
}

fn number_columns(
    metric: &str,
    kind: &str,
    temporality: &str,
    of: &[(i64, Option<f64>, i64, &str)],
) -> Vec<(&'static str, ArrayRef)> {
    let count = of.len();
    let all = |text: &str| texts(&vec![text; count]);
    let values: ArrayRef = Arc::new(of.iter().map(|row| row.1).collect::<Float64Array>());
    let flags: ArrayRef = Arc::new(of.iter().map(|row| i64::from(row.1.is_none())).collect::<Int64Array>());
    let series: ArrayRef = Arc::new(of.iter().map(|row| row.2).collect::<Int64Array>());
    let mut given = vec![
        ("metric", all(metric)),
        ("type", all(kind)),
        ("time", times(&of.iter().map(|row| (BEGIN + row.0) * SECOND).collect::<Vec<_>>())),
        ("value", values),
        ("flags", flags),
        ("series", series),
        ("attributes", texts(&of.iter().map(|row| row.3).collect::<Vec<_>>())),
        ("resource_attributes", all(r#"{"host.name":"n","service.name":"cart"}"#)),
        ("monotonic", Arc::new(arrow::array::BooleanArray::from(vec![kind == "sum"; count]))),
    ];
    if !temporality.is_empty() {
        given.push(("temporality", all(temporality)));
    }
    given
}

fn list<T: arrow::array::ArrowPrimitiveType>(of: &[T::Native]) -> ArrayRef {
    let items = of.iter().copied().map(Some);
    Arc::new(ListArray::from_iter_primitive::<T, _, _>([Some(items.collect::<Vec<_>>())]))
}

fn one(metric: &str, kind: &str, second: i64, given: Vec<(&'static str, ArrayRef)>) -> RecordBatch {
    let shared = vec![
        ("metric", texts(&[metric])),
        ("type", texts(&[kind])),
        ("time", times(&[(BEGIN + second) * SECOND])),
        ("series", Arc::new(Int64Array::from(vec![77])) as ArrayRef),
    ];
    rows(Signal::Metrics, 1, &[shared, given].concat())
}

fn classic(second: i64, factor: i64) -> RecordBatch {
    let count = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let given = vec![
        ("unit", texts(&["s"])),
        ("count", count(4 * factor)),
        ("sum", Arc::new(Float64Array::from(vec![1.5 * factor as f64])) as ArrayRef),
        ("bounds", list::<Float64Type>(&[0.5, 2.0])),
        ("bucket_counts", list::<Int64Type>(&[factor, 2 * factor, factor])),
    ];
    one("d", "histogram", second, given)
}

fn native(second: i64, factor: i64) -> RecordBatch {
    let count = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let given = vec![
        ("count", count(3 * factor)),
        ("sum", Arc::new(Float64Array::from(vec![5.0 * factor as f64])) as ArrayRef),
        ("scale", count(0)),
        ("zero_count", count(0)),
        ("positive_offset", count(0)),
        ("positive_counts", list::<Int64Type>(&[factor, 2 * factor])),
    ];
    one("e", "exponential_histogram", second, given)
}

fn fixture() -> Fixture {
    let metrics = vec![
        numbers(
            "http.requests",
            "sum",
            "cumulative",
            &[(0, Some(1.0), 1, r#"{"code":"200"}"#), (0, Some(5.0), 2, r#"{"code":"500"}"#)],
        ),
        numbers(
            "http.requests",
            "sum",
            "cumulative",
            &[(60, Some(7.0), 1, r#"{"code":"200"}"#), (60, None, 2, r#"{"code":"500"}"#)],
        ),
        // The same time again: what came later counts.
        numbers("http.requests", "sum", "cumulative", &[(60, Some(31.0), 1, r#"{"code":"200"}"#)]),
        numbers(
            "jobs",
            "sum",
            "delta",
            &[(60, Some(2.0), 3, "{}"), (0, Some(3.0), 3, "{}"), (120, Some(4.0), 3, "{}")],
        ),
        written("w.x", &[(0, Some(1.0), 4, "{}"), (60, Some(2.0), 4, "{}")]),
        written("w.x", &[(60, Some(5.0), 4, "{}")]),
        classic(0, 1),
        classic(60, 3),
        native(0, 1),
        native(60, 2),
    ];
    let batches = metrics.into_iter().map(|rows| (Signal::Metrics, rows)).collect();
    Fixture::holding(engine::Limits::default(), 1 << 30, batches)
}

fn at(fixture: &Fixture, text: &str, second: i64) -> String {
    let question = MetricQuestion {
        text: text.to_owned(),
        times: Times::instant((BEGIN + second) * 1000),
        options: Options::default(),
        limits: Limits::default(),
        time: None,
    };
    match fixture.runtime.block_on(fixture.engine.metrics(&fixture.reader, &question)) {
        Ok(answer) => shown(&answer.answer.value),
        Err(error) => error.to_string(),
    }
}

/// Labels and numbers, ordered.
fn shown(value: &Value) -> String {
    let Value::Vector(samples) = value else { return json::result(value) };
    let mut lines: Vec<String> = samples
        .iter()
        .map(|sample| match &sample.point {
            promql::Point::Float(value) => format!("{} {value}", sample.labels),
            promql::Point::Histogram(histogram) => format!("{} {histogram}", sample.labels),
        })
        .collect();
    lines.sort();
    lines.join("; ")
}

fn check(fixture: &Fixture) {
    let cases = [
        (
            "http_requests_total",
            0,
            r#"{__name__="http_requests_total", code="200", job="cart"} 1; {__name__="http_requests_total", code="500", job="cart"} 5"#,
        ),
        ("http_requests_total", 60, r#"{__name__="http_requests_total", code="200", job="cart"} 31"#),
        (r#"{"http.requests"}"#, 60, r#"{__name__="http.requests", code="200", job="cart"} 31"#),
        ("round(increase(http_requests_total{code=\"200\"}[2m]))", 60, r#"{code="200", job="cart"} 31"#),
        ("jobs_total", 60, r#"{__name__="jobs_total", job="cart"} 5"#),
        ("jobs_total", 120, r#"{__name__="jobs_total", job="cart"} 9"#),
        ("d_seconds_bucket{le=\"2\"}", 60, r#"{__name__="d_seconds_bucket", le="2"} 9"#),
        ("count(d_seconds_bucket)", 60, "{} 3"),
        ("d_seconds_count", 60, r#"{__name__="d_seconds_count"} 12"#),
        ("histogram_count(e)", 60, "{} 6"),
        ("histogram_sum(e) + on() d_seconds_sum", 60, "{} 14.5"),
        (
            "count by (__name__) ({job=\"cart\"})",
            60,
            r#"{__name__="http_requests_total"} 1; {__name__="jobs_total"} 1; {__name__="target_info"} 1"#,
        ),
        ("target_info", 60, r#"{__name__="target_info", host_name="n", job="cart"} 1"#),
        (r#"{"w.x"}"#, 60, r#"{__name__="w.x"} 5"#),
        ("nothing", 60, ""),
    ];
    for (text, second, expected) in cases {
        assert_eq!(at(fixture, text, second), expected, "{text}");
    }
}

#[test]
fn rows_in_memory_and_sealed_are_answered_alike() {
    let fixture = fixture();
    check(&fixture);
    fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    check(&fixture);
    // Of two samples at one time that Prometheus wrote the earlier arrival is gone; of points sent over OTLP none is.
    let values = |series: i64| -> Vec<f64> {
        let sql = format!("SELECT value FROM metrics WHERE series = {series} ORDER BY value");
        let found = fixture.runtime.block_on(fixture.engine.sql(&fixture.reader, &sql)).unwrap();
        let columns = found.batches.iter().map(|batch| batch.column(0).as_primitive::<Float64Type>());
        columns.flat_map(|column| column.values().to_vec()).collect()
    };
    assert_eq!((values(4), values(1)), (vec![1.0, 5.0], vec![1.0, 7.0, 31.0]));
}

#[test]
fn series_and_metrics_are_listed() {
    let fixture = fixture();
    let range = TimeRange {
        from: Some(UnixNanos((BEGIN + 30) * SECOND)),
        to: Some(UnixNanos((BEGIN + 600) * SECOND)),
    };
    let list = |text: &str| {
        let selectors = match text {
            "" => Vec::new(),
            text => vec![matchers(text)],
        };
        let question = SeriesQuestion { selectors, range, limit: 3 };
        let list =
            fixture.runtime.block_on(fixture.engine.metric_series(&fixture.reader, &question)).unwrap();
        (list.series.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "), list.is_cut)
    };
    let buckets = r#"{__name__="d_seconds_bucket", le="+Inf"}; {__name__="d_seconds_bucket", le="0.5"}; {__name__="d_seconds_bucket", le="2"}"#;
    assert_eq!(list("d_seconds_bucket"), (buckets.to_owned(), false));
    assert_eq!(list("e"), (r#"{__name__="e"}"#.to_owned(), false));
    assert!(list("").1);
    let said =
        fixture.runtime.block_on(fixture.engine.metric_descriptions(&fixture.reader, Some("d_seconds")));
    let said = said.unwrap();
    assert_eq!((said["d_seconds"][0].kind, said["d_seconds"][0].unit.as_str()), ("histogram", "s"));
}

fn matchers(text: &str) -> Vec<Matcher> {
    let query = promql::Query::new(text, Times::instant(0), Options::default(), Limits::default()).unwrap();
    query.selections()[0].matchers.clone()
}

#[test]
fn limits_are_named() {
    let fixture = fixture();
    let limits = Limits { samples_max: 2, ..Limits::default() };
    let question = MetricQuestion {
        text: "d_seconds_bucket".to_owned(),
        times: Times::instant((BEGIN + 60) * 1000),
        options: Options::default(),
        limits,
        time: None,
    };
    let error = fixture.runtime.block_on(fixture.engine.metrics(&fixture.reader, &question)).unwrap_err();
    assert_eq!(error, QueryError::Limit("the query needs more than samples_max = 2 allows".to_owned()));
}

#[test]
fn rates_of_spans_are_series() {
    let fixture = Fixture::new();
    let ask_at = |text: &str, second: i64| {
        let question = MetricQuestion {
            text: text.to_owned(),
            times: Times::instant(second * 1000),
            options: Options::default(),
            limits: Limits::default(),
            time: None,
        };
        let answer = fixture.runtime.block_on(fixture.engine.metrics(&fixture.reader, &question)).unwrap();
        shown(&answer.answer.value)
    };
    let ask = |text: &str| ask_at(text, 60);
    let calls =
        "sum by (service_name, span_name, status_code) (increase(traces_span_metrics_calls_total[61s]))";
    let expected = r#"{service_name="cart", span_name="GET /cart", status_code="STATUS_CODE_UNSET"} 1; {service_name="cart", span_name="ping", status_code="STATUS_CODE_UNSET"} 1; {service_name="payment", span_name="charge", status_code="STATUS_CODE_ERROR"} 1"#;
    assert_eq!(ask(calls), expected);
    let name = "traces_span_metrics_duration_milliseconds";
    assert_eq!(ask(&format!("sum({name}_count)")), "{} 3");
    assert_eq!(ask(&format!("{name}_bucket{{span_name=\"charge\", le=\"400\"}} - {name}_bucket{{span_name=\"charge\", le=\"400\"}}")).matches("charge").count(), 1);
    assert_eq!(ask(&format!("histogram_count(sum({name}))")), "{} 3");
    let sum: f64 =
        ask(&format!("sum({name}_sum{{span_name=\"charge\"}})")).trim_start_matches("{} ").parse().unwrap();
    assert!((sum - 300.0).abs() <= 3.0, "{sum}");
    // A while later they are as they were, and after five minutes without a call they end.
    let calls = "sum(traces_span_metrics_calls_total)";
    assert_eq!([60, 180, 590, 700].map(|second| ask_at(calls, second)), ["{} 3", "{} 3", "{} 3", ""]);
    assert_eq!(ask_at("sum(increase(traces_span_metrics_calls_total[2m]))", 240), "{} 0");
}

#[test]
fn exemplars_of_rates_are_spans_of_the_series() {
    let fixture = Fixture::new();
    let ask = |text: &str| {
        let selectors = [matchers(text)];
        let found = fixture.engine.exemplars(&fixture.reader, &selectors, TimeRange::ALL);
        let found = fixture.runtime.block_on(found).unwrap();
        let spans = found.iter().flat_map(|series| &series.exemplars);
        spans.map(|exemplar| exemplar.value.to_string()).collect::<Vec<_>>().join(" ")
    };
    let name = "traces_span_metrics_duration_milliseconds_bucket";
    assert_eq!(ask(&format!("{name}{{service_name=\"payment\", le=\"400\"}}")), "300");
    assert_eq!(ask(&format!("{name}{{job=\"cart\", span_name=\"GET /cart\"}}")), "500");
    assert_eq!(ask("traces_span_metrics_calls_total{status_code=\"STATUS_CODE_ERROR\"}"), "300");
    assert_eq!(ask(&format!("{name}{{job=\"nobody\"}}")), "");
}
