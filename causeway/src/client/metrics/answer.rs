//! Answers of Prometheus' API, as series of samples.

use std::collections::BTreeMap;

use query::rows::Stats;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::answer::misread;
use crate::client::error::ClientError;

/// An answer to a query.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    data: Data<'a>,
    /// What is probably wrong.
    #[serde(default)]
    pub(super) warnings: Vec<String>,
    /// What may be wrong.
    #[serde(default)]
    pub(super) infos: Vec<String>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    kind: String,
    #[serde(borrow)]
    result: &'a RawValue,
    stats: Option<Costs>,
}

#[derive(Deserialize)]
struct Costs {
    samples: Samples,
    causeway: Option<Cost>,
}

#[derive(Deserialize)]
struct Samples {
    #[serde(rename = "totalQueryableSamples")]
    total: u64,
}

/// What an answer cost in the terms of the other answers.
#[derive(Deserialize)]
pub(super) struct Cost {
    /// Series that were loaded.
    pub(super) series: u64,
    widest: Option<Widest>,
    /// The rest.
    #[serde(flatten)]
    pub(super) stats: Stats,
}

#[derive(Deserialize)]
struct Widest {
    selector: String,
    series: u64,
}

impl Cost {
    /// Which selector has the most series, if it does not have all of them.
    pub(super) fn widest(&self) -> String {
        match &self.widest {
            Some(widest) if widest.series < self.series => {
                format!(", {} of them of {}", widest.series, widest.selector)
            }
            _ => String::new(),
        }
    }
}

impl<'a> Answer<'a> {
    /// Reads an answer of `asked`.
    pub(super) fn read(body: &'a [u8], asked: &str) -> Result<Self, ClientError> {
        serde_json::from_slice(body).map_err(|error| misread(asked, &error))
    }

    /// What it cost, if the server says so.
    pub(super) fn cost(&self) -> Option<&Cost> {
        self.data.stats.as_ref().and_then(|stats| stats.causeway.as_ref())
    }

    /// How many samples were loaded.
    pub(super) fn samples(&self) -> u64 {
        self.data.stats.as_ref().map_or(0, |stats| stats.samples.total)
    }

    /// Its series as they came: of a number or a text, the pair of time and value.
    pub(super) fn rows(&self, asked: &str) -> Result<Vec<&'a RawValue>, ClientError> {
        match self.data.kind.as_str() {
            "vector" | "matrix" => read(self.data.result, asked),
            _ => Ok(vec![self.data.result]),
        }
    }

    /// Its series.
    pub(super) fn series(&self, asked: &str) -> Result<Vec<Series>, ClientError> {
        match self.data.kind.as_str() {
            "vector" | "matrix" => {
                let items: Vec<Item> = read(self.data.result, asked)?;
                Ok(items.into_iter().map(Series::from).collect())
            }
            _ => {
                let (time, text): (f64, String) = read(self.data.result, asked)?;
                Ok(vec![Series { labels: BTreeMap::new(), samples: vec![Sample::of_text(time, text)] }])
            }
        }
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a RawValue, asked: &str) -> Result<T, ClientError> {
    serde_json::from_str(text.get()).map_err(|error| misread(asked, &error))
}

/// A series with its samples.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    /// In order of time.
    pub(super) samples: Vec<Sample>,
}

/// A series at one time.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) time_ms: i64,
    /// As the server wrote it; of a histogram, its count and its sum.
    pub(super) text: String,
    /// The number, if it is one.
    pub(super) value: Option<f64>,
}

impl Sample {
    fn of_text(time: f64, text: String) -> Self {
        Self { time_ms: (time * 1000.0).round() as i64, value: text.parse().ok(), text }
    }

    fn of_histogram(time: f64, histogram: &Histogram) -> Self {
        let text = format!("count {}, sum {}", histogram.count, histogram.sum);
        Self { value: None, ..Self::of_text(time, text) }
    }
}

impl Series {
    /// Its numbers by time.
    pub(super) fn points(&self) -> impl Iterator<Item = (i64, f64)> {
        let finite = |sample: &Sample| Some((sample.time_ms, sample.value?));
        self.samples.iter().filter_map(finite).filter(|(_, value)| value.is_finite())
    }

    /// Whether nothing of it is a number.
    pub(super) fn is_of_histograms(&self) -> bool {
        self.samples.iter().all(|sample| sample.value.is_none())
    }
}

/// A series as the API has it: one sample or several, numbers or histograms.
#[derive(Deserialize)]
struct Item {
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    histogram: Option<(f64, Histogram)>,
    #[serde(default)]
    histograms: Vec<(f64, Histogram)>,
}

#[derive(Deserialize)]
struct Histogram {
    count: String,
    sum: String,
}

impl From<Item> for Series {
    fn from(item: Item) -> Self {
        let numbers = item.value.into_iter().chain(item.values);
        let histograms = item.histogram.into_iter().chain(item.histograms);
        let mut samples: Vec<Sample> = numbers.map(|(time, text)| Sample::of_text(time, text)).collect();
        samples.extend(histograms.map(|(time, histogram)| Sample::of_histogram(time, &histogram)));
        samples.sort_by_key(|sample| sample.time_ms);
        Self { labels: item.metric, samples }
    }
}

/// An answer about exemplars.
#[derive(Deserialize)]
pub(super) struct Exemplars {
    pub(super) data: Vec<SeriesExemplars>,
}

/// The exemplars of a series.
#[derive(Deserialize)]
pub(super) struct SeriesExemplars {
    #[serde(rename = "seriesLabels")]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) exemplars: Vec<Exemplar>,
}

/// A measurement with the trace that it was made in.
#[derive(Deserialize)]
pub(super) struct Exemplar {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: String,
    pub(super) timestamp: f64,
}

impl Exemplar {
    /// When, in nanoseconds.
    pub(super) fn nanos(&self) -> i64 {
        ((self.timestamp * 1000.0).round() as i64).saturating_mul(1_000_000)
    }
}
