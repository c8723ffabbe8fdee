//! What a selector wants of a stored series: which of the series that PromQL sees in it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::described::{Described, Shape};
use super::known::OF_SAMPLES;
use crate::promql::{Labels, MatchOp, Matcher, NAME};

/// A part of a row that is a sample of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Facet {
    /// The number, or the native histogram.
    Value,
    /// How many a bucket and those below it hold: one for each bound.
    Buckets,
    /// The quantiles: one for each.
    Quantiles,
    /// How many were counted.
    Count,
    /// What was counted summed up.
    Sum,
}

impl Facet {
    /// Those of a shape, with what stands behind the name.
    fn of(shape: Shape) -> &'static [(Self, &'static str)] {
        match shape {
            Shape::Number | Shape::Native => &[(Self::Value, "")],
            Shape::Classic => &[(Self::Buckets, "_bucket"), (Self::Count, "_count"), (Self::Sum, "_sum")],
            Shape::Summary => &[(Self::Quantiles, ""), (Self::Count, "_count"), (Self::Sum, "_sum")],
        }
    }

    /// The label that tells its samples apart.
    pub(super) fn label(self) -> Option<&'static str> {
        match self {
            Self::Buckets => Some(OF_SAMPLES[0]),
            Self::Quantiles => Some(OF_SAMPLES[1]),
            Self::Value | Self::Count | Self::Sum => None,
        }
    }
}

/// A facet of a series that a selector wants.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) facet: Facet,
    /// Its labels, the name included; those of its samples have one more where the facet has a label.
    pub(super) labels: Labels,
}

/// The facets of a series that pass all matchers, but for those on a facet's own label.
pub(super) fn wishes(series: &Described, matchers: &[Matcher]) -> Vec<Wish> {
    let metric = &series.metric;
    let mut wishes = Vec::new();
    let mut add = |base: &str, labels: &Labels| {
        for (facet, suffix) in Facet::of(metric.shape) {
            let name = format!("{base}{suffix}");
            if passes(matchers, &name, labels, facet.label()) {
                wishes.push(Wish { facet: *facet, labels: named(labels, &name) });
            }
        }
    };
    add(&metric.name, &series.labels);
    // Under the name it was sent with it is there for those who ask for that name alone.
    let asks_by_name = |base: &str| {
        let mut names =
            matchers.iter().filter(|matcher| &*matcher.name == NAME && matcher.op == MatchOp::Equal);
        names.any(|matcher| matcher.value.starts_with(base))
    };
    if let Some(original) = metric.original.as_deref().filter(|original| asks_by_name(original)) {
        add(original, series.original_labels.as_ref().unwrap_or(&series.labels));
    }
    wishes
}

/// Whether labels under a name pass all matchers, but for those on one label.
fn passes(matchers: &[Matcher], name: &str, labels: &Labels, except: Option<&str>) -> bool {
    matchers.iter().all(|matcher| match &*matcher.name {
        NAME => matcher.matches(name),
        label => Some(label) == except || matcher.matches(labels.get(label)),
    })
}

fn named(labels: &Labels, name: &str) -> Labels {
    labels.with(NAME, name)
}

/// The series of one facet by the bits of its bound or quantile.
#[derive(Debug)]
pub(super) struct Split {
    labels: Labels,
    /// Whether samples hold what is new since the one before.
    pub(super) is_delta: bool,
    label: &'static str,
    /// On the label that tells them apart: one list for all series, since each copy of an expression has caches of its own.
    matchers: Arc<[Matcher]>,
    /// Where each is; `None` if it is not wanted.
    pub(super) found: HashMap<u64, Option<usize>>,
}

impl Split {
    pub(super) fn new(wish: Wish, label: &'static str, matchers: Arc<[Matcher]>, is_delta: bool) -> Self {
        Self { labels: wish.labels, is_delta, label, matchers, found: HashMap::new() }
    }

    /// The labels with this bound or quantile, if it is wanted.
    pub(super) fn labels_of(&self, number: f64) -> Option<Labels> {
        let text = text_of(number);
        let wanted = self.matchers.iter().all(|matcher| matcher.matches(&text));
        wanted.then(|| self.labels.with(self.label, &text))
    }
}

/// A bound or quantile as it stands in a label.
fn text_of(number: f64) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match number.is_infinite() {
        true => write!(text, "{}Inf", if number > 0.0 { '+' } else { '-' }),
        false => write!(text, "{number}"),
    };
    text
}
