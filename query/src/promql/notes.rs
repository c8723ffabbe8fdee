//! What a query's answer should be read with: warnings and remarks, in the words of Prometheus 3.5.

use std::collections::BTreeMap;
use std::fmt;

use super::error::place;
use super::labels::Labels;
use super::numbers::shortest;

/// A warning or a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it says.
    pub text: String,
    /// The line of the part of the query that it is about, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.text, self.line, self.column)
    }
}

/// Notes while they are collected: each text once, at the first place that gave it.
#[derive(Debug, Default)]
pub(super) struct Notes {
    warnings: BTreeMap<String, usize>,
    infos: BTreeMap<String, usize>,
}

/// Warnings and remarks, without what all of them begin with.
#[derive(Debug, Clone)]
pub(super) enum Remark {
    BadQuantile(f64),
    BadRatio { given: f64, used: f64 },
    BadBound { bound: String, labels: Labels },
    MixedSamples(Labels),
    MixedSamplesInAggregation,
    MixedKinds(Labels),
    NotCounter(Labels),
    NotGauge(Labels),
    MixedSchemas(Labels),
    OtherBounds(Labels),
    OtherLayout(&'static str),
    MaybeNoCounter(Labels),
    MaybeNoCounterType(Labels),
    NotMonotonic(Labels),
    OtherTypes { left: &'static str, operator: &'static str, right: &'static str },
    IgnoredInAggregation(&'static str),
    IgnoredInRange(Labels),
    NanResult(Labels),
    NanSkew(Labels),
    NanFraction(Labels),
}

impl Remark {
    fn is_warning(&self) -> bool {
        use Remark as R;
        matches!(
            self,
            R::BadQuantile(_)
                | R::BadRatio { .. }
                | R::BadBound { .. }
                | R::MixedSamples(_)
                | R::MixedSamplesInAggregation
                | R::MixedKinds(_)
                | R::NotCounter(_)
                | R::NotGauge(_)
                | R::MixedSchemas(_)
                | R::OtherBounds(_)
                | R::OtherLayout(_)
        )
    }

    fn text(&self) -> String {
        use Remark as R;
        let range = "encountered a mix of histograms and floats";
        let nan = "has NaN observations,";
        match self {
            R::BadQuantile(given) => {
                format!("quantile value should be between 0 and 1, got {}", shortest(*given))
            }
            R::BadRatio { given, used } => {
                let (given, used) = (shortest(*given), shortest(*used));
                format!("ratio value should be between -1 and 1, got {given}, capping to {used}")
            }
            R::BadBound { bound, labels } => {
                let text = format!("bucket label \"le\" is missing or has a malformed value of {bound:?}");
                named(&text, labels)
            }
            R::MixedSamples(labels) => named(range, labels),
            R::MixedSamplesInAggregation => format!("{range} for aggregation"),
            R::MixedKinds(labels) => named("vector contains a mix of classic and native histograms", labels),
            R::NotCounter(labels) => named("this native histogram metric is not a counter:", labels),
            R::NotGauge(labels) => named("this native histogram metric is not a gauge:", labels),
            R::MixedSchemas(labels) => named(
                "vector contains a mix of histograms with exponential and custom buckets schemas",
                labels,
            ),
            R::OtherBounds(labels) => {
                named("vector contains histograms with incompatible custom buckets", labels)
            }
            R::OtherLayout(operator) => {
                format!("incompatible bucket layout encountered for binary operator {operator}")
            }
            R::MaybeNoCounter(labels) => format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {:?}",
                labels.name()
            ),
            R::MaybeNoCounterType(labels) => format!(
                "metric might not be a counter, __type__ label is not set to \"counter\", got {:?}: \
                 {:?}",
                labels.get(super::labels::TYPE),
                labels.name()
            ),
            R::NotMonotonic(labels) => named(
                "input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
                labels,
            ),
            R::OtherTypes { left, operator, right } => format!(
                "incompatible sample types encountered for binary operator {operator:?}: {left} {operator} {right}"
            ),
            R::IgnoredInAggregation(aggregation) => format!("ignored histogram in {aggregation} aggregation"),
            R::IgnoredInRange(labels) => {
                named("ignored histograms in a range containing both floats and histograms", labels)
            }
            R::NanResult(labels) => {
                named(&format!("input to histogram_quantile {nan} result is NaN"), labels)
            }
            R::NanSkew(labels) => {
                named(&format!("input to histogram_quantile {nan} result is skewed higher"), labels)
            }
            R::NanFraction(labels) => {
                let text = format!("input to histogram_fraction {nan} which are excluded from all fractions");
                named(&text, labels)
            }
        }
    }
}

/// A text with the metric that it is about.
fn named(text: &str, labels: &Labels) -> String {
    match text.ends_with(':') {
        true => format!("{text} {:?}", labels.name()),
        false => format!("{text} for metric name {:?}", labels.name()),
    }
}

impl Notes {
    /// Adds a remark about the part of the query that begins at a place.
    pub(super) fn add(&mut self, remark: &Remark, position: usize) {
        let (kind, notes) = match remark.is_warning() {
            true => ("PromQL warning: ", &mut self.warnings),
            false => ("PromQL info: ", &mut self.infos),
        };
        notes.entry(kind.to_owned() + &remark.text()).or_insert(position);
    }

    /// Warnings and remarks about a query.
    pub(super) fn finish(self, query: &str) -> (Vec<Note>, Vec<Note>) {
        let notes = |map: BTreeMap<String, usize>| {
            let note = |(text, position)| {
                let (line, column) = place(query, position);
                Note { text, line, column }
            };
            map.into_iter().map(note).collect()
        };
        (notes(self.warnings), notes(self.infos))
    }
}
