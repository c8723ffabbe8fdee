//! The messages of remote write, as `prost` encodes them, and requests that are right. What the two versions have in
//! common is one message here: a field that is not set is not sent.

use prost::Message;

/// `prometheus.WriteRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Label {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MetricMetadata {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(string, tag = "2")]
    pub(crate) family: String,
    #[prost(string, tag = "4")]
    pub(crate) help: String,
    #[prost(string, tag = "5")]
    pub(crate) unit: String,
}

/// Of both versions; the first has no start.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(double, tag = "1")]
    pub(crate) value: f64,
    #[prost(int64, tag = "2")]
    pub(crate) time: i64,
    #[prost(int64, tag = "3")]
    pub(crate) start: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(double, tag = "2")]
    pub(crate) value: f64,
    #[prost(int64, tag = "3")]
    pub(crate) time: i64,
}

/// Of both versions; the first has no start.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(crate) count_float: Option<f64>,
    #[prost(double, tag = "3")]
    pub(crate) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(crate) schema: i32,
    #[prost(double, tag = "5")]
    pub(crate) zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    pub(crate) zero_count: Option<u64>,
    #[prost(double, optional, tag = "7")]
    pub(crate) zero_count_float: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub(crate) negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    pub(crate) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub(crate) positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    pub(crate) positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub(crate) reset_hint: i32,
    #[prost(int64, tag = "15")]
    pub(crate) time: i64,
    #[prost(double, repeated, tag = "16")]
    pub(crate) bounds: Vec<f64>,
    #[prost(int64, tag = "17")]
    pub(crate) start: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(sint32, tag = "1")]
    pub(crate) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(crate) length: u32,
}

/// `io.prometheus.write.v2.Request`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(string, repeated, tag = "4")]
    pub(crate) symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) timeseries: Vec<SymbolSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SymbolSeries {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) exemplars: Vec<SymbolExemplar>,
    #[prost(message, optional, tag = "5")]
    pub(crate) metadata: Option<SymbolMetadata>,
    #[prost(int64, tag = "6")]
    pub(crate) created: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SymbolExemplar {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) labels: Vec<u32>,
    #[prost(double, tag = "2")]
    pub(crate) value: f64,
    #[prost(int64, tag = "3")]
    pub(crate) time: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SymbolMetadata {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(uint32, tag = "3")]
    pub(crate) help: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) unit: u32,
}

/// Labels by name and value.
pub(crate) fn labels(labels: &[(&str, &str)]) -> Vec<Label> {
    let label = |(name, value): &(&str, &str)| Label { name: (*name).into(), value: (*value).into() };
    labels.iter().map(label).collect()
}

/// A sample.
pub(crate) fn sample(value: f64, time: i64) -> Sample {
    Sample { value, time, start: 0 }
}

/// A series of version 1.
pub(crate) fn series(names: &[(&str, &str)], samples: Vec<Sample>) -> TimeSeries {
    TimeSeries { labels: labels(names), samples, ..TimeSeries::default() }
}

/// A request of version 1.
pub(crate) fn write_request(timeseries: Vec<TimeSeries>) -> WriteRequest {
    WriteRequest { timeseries, metadata: Vec::new() }
}

/// A request of version 2 that holds the same as one of version 1.
pub(crate) fn request(of: &WriteRequest) -> Request {
    let mut symbols = vec![String::new()];
    let mut symbol = |text: &str| {
        let at = symbols.iter().position(|symbol| symbol == text).unwrap_or_else(|| {
            symbols.push(text.to_owned());
            symbols.len() - 1
        });
        at as u32
    };
    let mut references = |labels: &[Label]| -> Vec<u32> {
        let texts = labels.iter().flat_map(|label| [&label.name, &label.value]);
        texts.map(|text| symbol(std::str::from_utf8(text).unwrap())).collect()
    };
    let mut timeseries = Vec::new();
    for series in &of.timeseries {
        let exemplars = series.exemplars.iter().map(|exemplar| SymbolExemplar {
            labels: references(&exemplar.labels),
            value: exemplar.value,
            time: exemplar.time,
        });
        let exemplars = exemplars.collect();
        timeseries.push(SymbolSeries {
            labels: references(&series.labels),
            samples: series.samples.clone(),
            histograms: series.histograms.clone(),
            exemplars,
            ..SymbolSeries::default()
        });
    }
    Request { symbols, timeseries }
}
