//! Remote write 1.0: labels with each series.

use prost::Message;

use super::message::{NativeHistogram, Sample};
use crate::notation::{STALE_BITS, Value};
use crate::series::Series;

#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub(super) histograms: Vec<NativeHistogram>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// A request that carries series.
pub(super) fn request(series: &[Series]) -> WriteRequest {
    WriteRequest { timeseries: series.iter().map(time_series).collect() }
}

fn time_series(series: &Series) -> TimeSeries {
    let label = |(name, value): (&String, &String)| Label { name: name.clone(), value: value.clone() };
    let (samples, histograms) = split(series);
    TimeSeries { labels: series.labels.iter().map(label).collect(), samples, histograms }
}

/// The samples of a series, by what they are.
pub(super) fn split(series: &Series) -> (Vec<Sample>, Vec<NativeHistogram>) {
    let (mut samples, mut histograms) = (Vec::new(), Vec::new());
    let mut of_histograms = false;
    for (timestamp, value) in &series.samples {
        match value {
            // What ends is what was there before.
            Value::Float(value) if value.to_bits() == STALE_BITS && of_histograms => {
                histograms.push(NativeHistogram::stale(*value, *timestamp));
            }
            Value::Float(value) => samples.push(Sample { value: *value, timestamp: *timestamp }),
            Value::Histogram(histogram) => histograms.push(NativeHistogram::new(histogram, *timestamp)),
        }
        of_histograms = matches!(value, Value::Histogram(_));
    }
    (samples, histograms)
}
