//! What series become at each door.

use super::message::{BucketSpan, Count, NativeHistogram, ZeroCount};
use super::*;
use crate::histogram::Histogram;
use crate::notation::Line;
use crate::script::Load;

fn series(lines: &[&str]) -> Vec<Series> {
    let lines = lines.iter().map(|line| Line::parse(line).unwrap()).collect();
    crate::series::loaded(&Load { every_ms: 1_000, with_custom_buckets: false, lines }).unwrap()
}

#[test]
fn version_1_carries_labels_and_stale_markers() {
    let request = v1::request(&series(&[r#"up{b="c",a="d"} 1 stale 3"#]));
    let names: Vec<&str> = request.timeseries[0].labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names, ["__name__", "a", "b"]);
    let samples = &request.timeseries[0].samples;
    assert_eq!(samples.iter().map(|sample| sample.timestamp).collect::<Vec<_>>(), [0, 1_000, 2_000]);
    assert_eq!(samples[1].value.to_bits(), crate::notation::STALE_BITS);
}

#[test]
fn version_2_carries_each_text_once() {
    let request = v2::request(&series(&[r#"a_total{x="y"} 1"#, r#"b{x="y"} 1 {{count:1}}"#]));
    assert_eq!(request.symbols, ["", "__name__", "a_total", "x", "y", "b"]);
    let of: Vec<(usize, usize, i32)> = request
        .timeseries
        .iter()
        .map(|one| (one.samples.len(), one.histograms.len(), one.metadata.unwrap().kind))
        .collect();
    assert_eq!(of, [(1, 0, 1), (1, 0, 0), (0, 1, 0)]);
    assert_eq!(request.timeseries[2].labels_refs, [1, 5, 3, 4]);
}

#[test]
fn histograms_are_of_whole_numbers_where_they_can_be() {
    let native = |text: &str| NativeHistogram::new(&Histogram::parse(text).unwrap(), 7);
    let whole = native("schema:1 count:8 sum:2 z_bucket:1 offset:-2 buckets:[4 1 2]");
    assert_eq!((whole.count, whole.zero_count), (Some(Count::Int(8)), Some(ZeroCount::Int(1))));
    assert_eq!(whole.positive_spans, [BucketSpan { offset: -2, length: 3 }]);
    assert_eq!(whole.positive_deltas, [4, -3, 1]);
    for fractions in ["count:1.5 buckets:[1.5]", "count:9 buckets:[1]"] {
        let native = native(fractions);
        assert!(matches!(native.count, Some(Count::Float(_))), "{fractions}");
        assert!(native.positive_deltas.is_empty() && !native.positive_counts.is_empty(), "{fractions}");
    }
    assert_eq!(native("counter_reset_hint:gauge").reset_hint, 3);
}

#[test]
fn a_series_of_histograms_ends_with_a_histogram() {
    let (samples, histograms) = v1::split(&series(&["h {{count:1}} stale"])[0]);
    assert_eq!((samples.len(), histograms.len()), (0, 2));
    assert_eq!(histograms[1].sum.to_bits(), crate::notation::STALE_BITS);
}

#[test]
fn what_otlp_can_say() {
    for (line, sayable) in [
        ("up 1", true),
        (r#"a_b:c_total{job="x",instance="y",le="+Inf"} 1 stale"#, true),
        ("h {{schema:2 count:3 buckets:[1 2]}}", true),
        (r#"{a="b"} 1"#, false),
        ("a__b 1", false),
        ("a_ 1", false),
        (r#"{"a.b"} 1"#, false),
        (r#"up{_a="b"} 1"#, false),
        (r#"up{a.b="c"} 1"#, false),
        ("h {{count:1.5 buckets:[1.5]}}", false),
        ("h {{schema:-53 count:1 custom_values:[5] buckets:[1]}}", false),
        ("h {{counter_reset_hint:gauge}}", false),
    ] {
        assert_eq!(Door::Otlp.takes(&series(&[line])[0]), sayable, "{line}");
        assert!(Door::V1.takes(&series(&[line])[0]), "{line}");
    }
    assert!(Door::Otlp.request(&series(&["a__b 1"])).is_err());
}

#[test]
fn otlp_has_resources_and_times_that_are_known() {
    let request = otlp::request(&series(&[r#"a_total{job="j",x="y"} 1 2"#, r#"b{job="j",instance="i"} 1"#]));
    let resources = &request.resource_metrics;
    assert_eq!(resources.len(), 2);
    assert_eq!(resources[0].resource.as_ref().unwrap().attributes.len(), 1);
    let metric = &resources[0].scope_metrics[0].metrics[0];
    let Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Sum(sum)) = &metric.data else {
        panic!("{metric:?}")
    };
    let times: Vec<u64> = sum.data_points.iter().map(|point| point.time_unix_nano).collect();
    assert_eq!((metric.name.as_str(), times), ("a_total", vec![1, 1_000_000_000]));
    assert_eq!(sum.data_points[0].attributes.len(), 1);
}

#[test]
fn remote_write_is_compressed() {
    let request = Door::V1.request(&series(&["up 1"])).unwrap();
    let bytes = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
    let message = v1::WriteRequest::decode(bytes.as_slice()).unwrap();
    assert_eq!(message, v1::request(&series(&["up 1"])));
}
