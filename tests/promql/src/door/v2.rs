//! Remote write 2.0: texts once a request, types with each series.

use std::collections::HashMap;

use prost::Message;

use super::message::{NativeHistogram, Sample};
use super::{is_counter, v1};
use crate::series::Series;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(string, repeated, tag = "4")]
    pub(super) symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(super) timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(uint32, repeated, tag = "1")]
    pub(super) labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(super) histograms: Vec<NativeHistogram>,
    #[prost(message, optional, tag = "5")]
    pub(super) metadata: Option<Metadata>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Metadata {
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
}

/// The types that series are said to have.
const UNSPECIFIED: i32 = 0;
const COUNTER: i32 = 1;

/// Each text once, the empty one first.
struct Symbols {
    texts: Vec<String>,
    places: HashMap<String, u32>,
}

impl Symbols {
    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}

/// A request that carries series. One with numbers and histograms goes as two, as it has to.
pub(super) fn request(series: &[Series]) -> Request {
    let mut symbols = Symbols { texts: vec![String::new()], places: HashMap::new() };
    let mut timeseries = Vec::new();
    for one in series {
        let texts = one.labels.iter().flat_map(|(name, value)| [name, value]);
        let labels_refs: Vec<u32> = texts.map(|text| symbols.place(text)).collect();
        let kind = if is_counter(&one.labels) { COUNTER } else { UNSPECIFIED };
        let metadata = Some(Metadata { kind });
        let (samples, histograms) = v1::split(one);
        if !samples.is_empty() {
            let labels_refs = labels_refs.clone();
            timeseries.push(TimeSeries { labels_refs, samples, histograms: Vec::new(), metadata });
        }
        if !histograms.is_empty() {
            timeseries.push(TimeSeries { labels_refs, samples: Vec::new(), histograms, metadata });
        }
    }
    Request { symbols: symbols.texts, timeseries }
}
