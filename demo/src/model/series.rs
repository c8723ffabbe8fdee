//! The series of a node: gauges whenever they are read, and histograms, cumulative since its start, once a minute.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge as GaugeData, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    metric, number_data_point,
};

use super::record::{nanos, pair};
use crate::world::{Attribute, BOUNDS, Gauge, Instrument, Value};

/// A histogram since the start of the node.
#[derive(Debug, Clone, Default)]
struct Counted {
    attributes: Vec<Attribute>,
    count: u64,
    sum: f64,
    buckets: [u64; BOUNDS.len() + 1],
}

/// Points of one gauge since the last minute.
#[derive(Debug, Default)]
struct Points {
    unit: &'static str,
    points: Vec<NumberDataPoint>,
}

/// All series of a node.
#[derive(Debug, Default)]
pub(super) struct Series {
    histograms: BTreeMap<(Instrument, String), Counted>,
    gauges: BTreeMap<&'static str, Points>,
    /// Whether gauges were read since the last minute. A node that ended reads none, and exports no histograms either.
    read: bool,
}

impl Series {
    /// Counts a duration.
    pub(super) fn record(&mut self, instrument: Instrument, seconds: f64, attributes: Vec<Attribute>) {
        let counted = self.histograms.entry((instrument, identity(&attributes))).or_default();
        if counted.count == 0 {
            counted.attributes = attributes;
        }
        counted.count += 1;
        counted.sum += seconds;
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        counted.buckets[bucket] += 1;
    }

    /// Makes points of gauges as they stand.
    pub(super) fn read(&mut self, gauges: &[Gauge], now: i64) {
        self.read = true;
        for gauge in gauges {
            let points = self.gauges.entry(gauge.name).or_default();
            points.unit = gauge.unit;
            points.points.push(NumberDataPoint {
                attributes: gauge.attributes.iter().cloned().map(pair).collect(),
                time_unix_nano: nanos(now),
                value: Some(number_data_point::Value::AsDouble(gauge.value)),
                ..NumberDataPoint::default()
            });
        }
    }

    /// The points of the histograms of a node that began at `started`.
    fn histogram_points(&self, started: i64, now: i64) -> BTreeMap<Instrument, Vec<HistogramDataPoint>> {
        let mut points: BTreeMap<Instrument, Vec<HistogramDataPoint>> = BTreeMap::new();
        for ((instrument, _), counted) in &self.histograms {
            points.entry(*instrument).or_default().push(HistogramDataPoint {
                attributes: counted.attributes.iter().cloned().map(pair).collect(),
                start_time_unix_nano: nanos(started),
                time_unix_nano: nanos(now),
                count: counted.count,
                sum: Some(counted.sum),
                bucket_counts: counted.buckets.to_vec(),
                explicit_bounds: BOUNDS.to_vec(),
                ..HistogramDataPoint::default()
            });
        }
        points
    }

    /// The points of the minute that ends now, as metrics.
    pub(super) fn flush(&mut self, started: i64, now: i64) -> Vec<Metric> {
        if !std::mem::take(&mut self.read) {
            return Vec::new();
        }
        let metric = |name: &str, unit: &str, data| Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        };
        let histograms = self.histogram_points(started, now).into_iter().map(|(instrument, points)| {
            let aggregation_temporality = AggregationTemporality::Cumulative.into();
            let data = Histogram { data_points: points, aggregation_temporality };
            metric(instrument.name(), "s", metric::Data::Histogram(data))
        });
        let gauges = std::mem::take(&mut self.gauges).into_iter().map(|(name, points)| {
            metric(name, points.unit, metric::Data::Gauge(GaugeData { data_points: points.points }))
        });
        histograms.chain(gauges).collect()
    }
}

/// What tells the attributes of one series from those of another.
fn identity(attributes: &[Attribute]) -> String {
    let mut identity = String::new();
    for (key, value) in attributes {
        identity.push_str(key);
        identity.push('=');
        match value {
            Value::Text(text) => identity.push_str(text),
            Value::Int(number) => identity.push_str(&number.to_string()),
        }
        identity.push('\n');
    }
    identity
}
