//! OTLP: what a series is called there, and which series it can say.
//!
//! `job` and `instance` become the resource. Names and labels must be those that Prometheus' translation leaves as they
//! are. A metric that ends in `_total` is a sum, another a gauge, a native histogram an exponential one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ::tests::otlp::attribute;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as Counts;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use regex::Regex;

use super::is_counter;
use super::message::is_whole;
use crate::histogram::{Buckets, CUSTOM, Histogram};
use crate::notation::{Labels, NAME, STALE_BITS, Value};
use crate::series::Series;

/// The flag of a point that stands for the end of a series.
const NO_VALUE: u32 = 1;
const NANOS_PER_MS: i64 = 1_000_000;

/// The labels that say which resource a series is of, and its attributes.
const RESOURCE: [(&str, &str); 2] = [("job", "service.name"), ("instance", "service.instance.id")];

static METRIC: LazyLock<Regex> = LazyLock::new(|| regex("^[a-zA-Z:][a-zA-Z0-9:]*(_[a-zA-Z0-9:]+)*$"));
static LABEL: LazyLock<Regex> = LazyLock::new(|| regex("^[a-zA-Z][a-zA-Z0-9]*(_[a-zA-Z0-9]+)*$"));

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("the expression is right")
}

/// Whether a series goes in by OTLP and comes out the same.
pub(super) fn is_sayable(series: &Series) -> bool {
    let named = series.labels.get(NAME).is_some_and(|name| METRIC.is_match(name));
    let labels = series.labels.keys().all(|label| label == NAME || LABEL.is_match(label));
    named && labels && series.samples.iter().all(|(time, value)| *time >= 0 && is_sayable_value(value))
}

fn is_sayable_value(value: &Value) -> bool {
    match value {
        Value::Float(_) => true,
        Value::Histogram(histogram) => {
            histogram.schema != CUSTOM && histogram.reset.is_none() && is_whole(histogram)
        }
    }
}

/// A request that carries series, by resource.
pub(super) fn request(series: &[Series]) -> ExportMetricsServiceRequest {
    let mut metrics: BTreeMap<[&str; 2], Vec<Metric>> = BTreeMap::new();
    for one in series {
        let resource = RESOURCE.map(|(label, _)| one.labels.get(label).map_or("", String::as_str));
        metrics.entry(resource).or_default().extend(of_series(one));
    }
    let resource_metrics = metrics.into_iter().map(|(resource, metrics)| ResourceMetrics {
        resource: Some(Resource { attributes: resource_attributes(resource), ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    });
    ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() }
}

fn resource_attributes(values: [&str; 2]) -> Vec<KeyValue> {
    let pairs = RESOURCE.iter().zip(values).filter(|(_, value)| !value.is_empty());
    pairs.map(|((_, key), value)| attribute(key, value)).collect()
}

/// A metric of its numbers and one of its histograms.
fn of_series(series: &Series) -> Vec<Metric> {
    let attributes = attributes(&series.labels);
    let (mut numbers, mut histograms) = (Vec::new(), Vec::new());
    for (time, value) in &series.samples {
        match value {
            Value::Float(value) => numbers.push(number(*value, *time, &attributes)),
            Value::Histogram(histogram) => histograms.push(exponential(histogram, *time, &attributes)),
        }
    }
    let cumulative = AggregationTemporality::Cumulative as i32;
    let of_numbers = match is_counter(&series.labels) {
        true => metric::Data::Sum(Sum {
            data_points: numbers.clone(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        false => metric::Data::Gauge(Gauge { data_points: numbers.clone() }),
    };
    let of_histograms = metric::Data::ExponentialHistogram(ExponentialHistogram {
        data_points: histograms.clone(),
        aggregation_temporality: cumulative,
    });
    let parts = [(numbers.is_empty(), of_numbers), (histograms.is_empty(), of_histograms)];
    let name = series.labels.get(NAME).cloned().unwrap_or_default();
    let metric = |data| Metric { name: name.clone(), data: Some(data), ..Metric::default() };
    parts.into_iter().filter(|(is_empty, _)| !is_empty).map(|(_, data)| metric(data)).collect()
}

fn attributes(labels: &Labels) -> Vec<KeyValue> {
    let of_resource = |name: &str| name == NAME || RESOURCE.iter().any(|(label, _)| *label == name);
    let labels = labels.iter().filter(|(name, _)| !of_resource(name));
    labels.map(|(name, value)| attribute(name, value.as_str())).collect()
}

/// Time 0 would say that the time is not known: it goes as the nanosecond after it.
fn nanos(time_ms: i64) -> u64 {
    u64::try_from(time_ms.saturating_mul(NANOS_PER_MS)).unwrap_or(0).max(1)
}

fn number(value: f64, time_ms: i64, attributes: &[KeyValue]) -> NumberDataPoint {
    let is_stale = value.to_bits() == STALE_BITS;
    NumberDataPoint {
        attributes: attributes.to_vec(),
        time_unix_nano: nanos(time_ms),
        flags: if is_stale { NO_VALUE } else { 0 },
        value: (!is_stale).then_some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn exponential(
    histogram: &Histogram,
    time_ms: i64,
    attributes: &[KeyValue],
) -> ExponentialHistogramDataPoint {
    // OTLP numbers a bucket by its lower bound, Prometheus by its upper one.
    let counts = |buckets: &Buckets| Counts {
        offset: buckets.first - 1,
        bucket_counts: buckets.counts.iter().map(|count| *count as u64).collect(),
    };
    ExponentialHistogramDataPoint {
        attributes: attributes.to_vec(),
        time_unix_nano: nanos(time_ms),
        count: histogram.count as u64,
        sum: Some(histogram.sum),
        scale: histogram.schema,
        zero_count: histogram.zero_count as u64,
        zero_threshold: histogram.zero_threshold,
        positive: Some(counts(&histogram.positive)),
        negative: Some(counts(&histogram.negative)),
        ..ExponentialHistogramDataPoint::default()
    }
}
