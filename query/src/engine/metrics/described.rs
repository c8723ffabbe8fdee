//! What a stored series is: its names and labels in PromQL, and what its rows hold.

use std::sync::Arc;

use model::{attributes, schema};

use super::names::{self, Sort};
use crate::columns::Columns;
use crate::promql::{Labels, NAME};

/// The key of a row's metadata that holds what Prometheus calls its type.
const TYPE: &str = "prometheus.type";
/// Attributes of a resource that stand in `job` and `instance`.
const IDENTIFYING: [&str; 3] = ["service.namespace", "service.name", "service.instance.id"];
/// The types of metrics in Prometheus.
const TYPES: [&str; 8] =
    ["counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"];

/// What stands behind the name of a histogram or summary in those of its series.
const FAMILY_SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

/// The columns of what the rows of a metric share.
pub(super) const HEAD_COLUMNS: [&str; 7] =
    ["metric", "type", "unit", "description", "temporality", "monotonic", "metadata"];
/// The columns of what names a series beside its metric.
pub(super) const LABEL_COLUMNS: [&str; 2] = ["resource_attributes", "attributes"];

/// What the rows of a series hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A number.
    Number,
    /// A histogram with bounds, which is a series per bucket, one of counts and one of sums.
    Classic,
    /// A native histogram.
    Native,
    /// Quantiles, which are a series each, a count and a sum.
    Summary,
}

/// What the rows of a metric share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Head {
    metric: String,
    kind: String,
    unit: String,
    description: String,
    is_delta: bool,
    is_monotonic: bool,
    metadata: String,
}

/// A metric: what all its series have in common.
#[derive(Debug)]
pub(super) struct Metric {
    /// Its name in PromQL.
    pub(super) name: Arc<str>,
    /// The name it was sent with, where that is another one.
    pub(super) original: Option<Arc<str>>,
    pub(super) shape: Shape,
    /// Whether its rows hold what is new since the one before.
    pub(super) is_delta: bool,
    /// Whether it came by remote write.
    is_written: bool,
    /// What Prometheus calls its type.
    pub(super) kind: &'static str,
    pub(super) help: String,
    pub(super) unit: String,
}

/// A stored series.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) metric: Arc<Metric>,
    /// Its labels without the name.
    pub(super) labels: Labels,
    /// Its labels as they were sent, where they are others.
    pub(super) original_labels: Option<Labels>,
    /// The labels of the `target_info` of its resource, the name included.
    pub(super) target: Option<Labels>,
}

impl Head {
    /// That of a row.
    pub(super) fn of(rows: &Columns<'_>, row: usize) -> Self {
        let text = |name: &str| rows.text(name, row).unwrap_or_default().to_owned();
        Self {
            metric: text("metric"),
            kind: text("type"),
            unit: text("unit"),
            description: text("description"),
            is_delta: rows.text("temporality", row) == Some("delta"),
            is_monotonic: rows.flag("monotonic", row),
            metadata: text("metadata"),
        }
    }
}

impl Metric {
    pub(super) fn new(head: Head) -> Self {
        // What came by remote write has Prometheus' own names and labels.
        let is_written = attributes::get(&head.metadata, schema::REMOTE_WRITE).is_some();
        let shape = match head.kind.as_str() {
            "histogram" => Shape::Classic,
            "exponential_histogram" => Shape::Native,
            "summary" => Shape::Summary,
            _ => Shape::Number,
        };
        let sort = match (head.kind.as_str(), head.is_monotonic) {
            ("sum", true) => Sort::Counter,
            ("gauge", _) => Sort::Gauge,
            _ => Sort::Other,
        };
        let translated = match is_written {
            true => None,
            false => names::metric(&head.metric, &head.unit, sort).filter(|name| *name != head.metric),
        };
        let kind = written_type(&head.metadata).unwrap_or(match (shape, sort) {
            (Shape::Classic | Shape::Native, _) => "histogram",
            (Shape::Summary, _) => "summary",
            (Shape::Number, Sort::Counter) => "counter",
            (Shape::Number, _) if head.kind == "unknown" => "unknown",
            (Shape::Number, _) => "gauge",
        });
        let sent: Arc<str> = head.metric.into();
        let (name, original) = match translated {
            Some(name) => (name.into(), Some(sent)),
            None => (sent, None),
        };
        let is_delta = head.is_delta;
        Self { name, original, shape, is_delta, is_written, kind, help: head.description, unit: head.unit }
    }

    /// The name that is said something of: series of a histogram or summary that Prometheus wrote are one family.
    pub(super) fn family(&self) -> &str {
        let is_part = self.is_written && matches!(self.kind, "histogram" | "gaugehistogram" | "summary");
        let suffixes = if is_part && self.shape == Shape::Number { &FAMILY_SUFFIXES[..] } else { &[] };
        suffixes.iter().find_map(|suffix| self.name.strip_suffix(suffix)).unwrap_or(&self.name)
    }

    /// The names of its series.
    pub(super) fn names(&self) -> Vec<String> {
        let bases = [Some(&self.name), self.original.as_ref()];
        let mut names = Vec::new();
        for base in bases.into_iter().flatten() {
            let suffixes: &[&str] = match self.shape {
                Shape::Number | Shape::Native => &[""],
                Shape::Classic => &["_bucket", "_count", "_sum"],
                Shape::Summary => &["", "_count", "_sum"],
            };
            names.extend(suffixes.iter().map(|suffix| format!("{base}{suffix}")));
        }
        names
    }
}

/// What Prometheus calls the type of rows that it wrote.
fn written_type(metadata: &str) -> Option<&'static str> {
    let written = attributes::get(metadata, TYPE)?;
    let written = written.text()?;
    TYPES.into_iter().find(|kind| *kind == written)
}

impl Described {
    /// The series of a metric with these attributes, as they are stored.
    pub(super) fn new(metric: &Arc<Metric>, resource: &str, own: &str) -> Self {
        let metric = Arc::clone(metric);
        let own = pairs(own);
        if metric.is_written {
            return Self { metric, labels: Labels::new(own), original_labels: None, target: None };
        }
        let resource = pairs(resource);
        let identity = identity(&resource);
        let labels = Labels::new(translated(&own, &identity));
        let original = Labels::new(identity.iter().cloned().chain(own));
        let original_labels = (original != labels || metric.original.is_some()).then_some(original);
        let target = target(&resource, &identity);
        Self { metric, labels, original_labels, target }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let labels = [Some(&self.labels), self.original_labels.as_ref(), self.target.as_ref()];
        let of = |labels: &Labels| {
            labels.iter().map(|(name, value)| name.len() + value.len() + PAIR_BYTES).sum::<usize>()
        };
        labels.into_iter().flatten().map(of).sum::<usize>() + size_of::<Self>()
    }
}

/// What a label takes beside its text.
const PAIR_BYTES: usize = 64;

/// Attributes as texts; those without a value are left out.
fn pairs(stored: &str) -> Vec<(String, String)> {
    let parsed = attributes::parse(stored).into_iter();
    parsed.filter_map(|(key, value)| Some((key, value.text()?.into_owned()))).collect()
}

/// `job` and `instance`, which stand for a resource.
fn identity(resource: &[(String, String)]) -> Vec<(String, String)> {
    let get = |key: &str| resource.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let [namespace, name, instance] = IDENTIFYING.map(get);
    let job = name.map(|name| match namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    });
    let labels = [("job", job), ("instance", instance.map(str::to_owned))];
    labels.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Labels under their names in Prometheus. What stands for the resource goes first; values of attributes that become
/// one label are joined.
fn translated(own: &[(String, String)], identity: &[(String, String)]) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = identity.to_vec();
    for (key, value) in own {
        let name = names::label(key);
        if identity.iter().any(|(taken, _)| *taken == name) || name.is_empty() {
            continue;
        }
        match labels.iter_mut().find(|(taken, _)| *taken == name) {
            Some((_, joined)) => *joined = format!("{joined};{value}"),
            None => labels.push((name, value.clone())),
        }
    }
    labels
}

/// The labels of the series that holds the other attributes of a resource; none if it has no others, or nothing stands
/// for it.
fn target(resource: &[(String, String)], identity: &[(String, String)]) -> Option<Labels> {
    let others = resource.iter().filter(|(key, _)| !IDENTIFYING.contains(&key.as_str())).cloned();
    let others: Vec<(String, String)> = others.collect();
    if others.is_empty() || identity.is_empty() {
        return None;
    }
    let name = (NAME.to_owned(), "target_info".to_owned());
    Some(Labels::new(std::iter::once(name).chain(translated(&others, identity))))
}

#[cfg(test)]
mod tests;
