//! What both versions of remote write have in common: samples and native histograms.

use prost::{Message, Oneof};

use crate::histogram::{Buckets, Histogram, Reset};

/// A number at a time in milliseconds.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

/// Buckets side by side.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct BucketSpan {
    /// How far from the span before, or from 0.
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

/// A native histogram at a time in milliseconds.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NativeHistogram {
    #[prost(oneof = "Count", tags = "1, 2")]
    pub(super) count: Option<Count>,
    #[prost(double, tag = "3")]
    pub(super) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(super) schema: i32,
    #[prost(double, tag = "5")]
    pub(super) zero_threshold: f64,
    #[prost(oneof = "ZeroCount", tags = "6, 7")]
    pub(super) zero_count: Option<ZeroCount>,
    #[prost(message, repeated, tag = "8")]
    pub(super) negative_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "9")]
    pub(super) negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    pub(super) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(super) positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "12")]
    pub(super) positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    pub(super) positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub(super) reset_hint: i32,
    #[prost(int64, tag = "15")]
    pub(super) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(super) custom_values: Vec<f64>,
}

/// A count, whole or with a fraction.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub(super) enum Count {
    #[prost(uint64, tag = "1")]
    Int(u64),
    #[prost(double, tag = "2")]
    Float(f64),
}

/// A count of the bucket around zero, likewise.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub(super) enum ZeroCount {
    #[prost(uint64, tag = "6")]
    Int(u64),
    #[prost(double, tag = "7")]
    Float(f64),
}

impl NativeHistogram {
    /// A histogram at a time: of whole numbers where it has only such and they add up, else with fractions.
    pub(super) fn new(histogram: &Histogram, timestamp: i64) -> Self {
        let whole = is_whole(histogram);
        let spans = |buckets: &Buckets| match buckets.counts.len() {
            0 => Vec::new(),
            length => vec![BucketSpan { offset: buckets.first, length: length as u32 }],
        };
        let counts = |buckets: &Buckets| if whole { Vec::new() } else { buckets.counts.clone() };
        let deltas = |buckets: &Buckets| if whole { deltas(buckets) } else { Vec::new() };
        Self {
            count: Some(match whole {
                true => Count::Int(histogram.count as u64),
                false => Count::Float(histogram.count),
            }),
            sum: histogram.sum,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: Some(match whole {
                true => ZeroCount::Int(histogram.zero_count as u64),
                false => ZeroCount::Float(histogram.zero_count),
            }),
            negative_spans: spans(&histogram.negative),
            negative_deltas: deltas(&histogram.negative),
            negative_counts: counts(&histogram.negative),
            positive_spans: spans(&histogram.positive),
            positive_deltas: deltas(&histogram.positive),
            positive_counts: counts(&histogram.positive),
            reset_hint: match histogram.reset {
                None => 0,
                Some(Reset::Yes) => 1,
                Some(Reset::No) => 2,
                Some(Reset::Gauge) => 3,
            },
            timestamp,
            custom_values: histogram.bounds.clone(),
        }
    }

    /// The end of a series of histograms.
    pub(super) fn stale(marker: f64, timestamp: i64) -> Self {
        Self { sum: marker, timestamp, count: Some(Count::Int(0)), ..Self::default() }
    }
}

/// Each count less the one before.
fn deltas(buckets: &Buckets) -> Vec<i64> {
    let mut before = 0;
    let delta = |count: &f64| {
        let count = *count as i64;
        let delta = count - before;
        before = count;
        delta
    };
    buckets.counts.iter().map(delta).collect()
}

/// Whether all counts are whole numbers, and those of the buckets add up to that of the histogram.
pub(super) fn is_whole(histogram: &Histogram) -> bool {
    let buckets = histogram.positive.counts.iter().chain(&histogram.negative.counts);
    let parts: Vec<f64> = buckets.copied().chain([histogram.zero_count]).collect();
    parts.iter().all(|count| *count >= 0.0 && count.fract() == 0.0)
        && parts.iter().sum::<f64>() == histogram.count
}
