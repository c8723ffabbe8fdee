//! Questions about metrics: PromQL, and what series there are.

mod names;
mod described;
mod rows;
mod known;
mod wanted;
mod track;
mod load;
mod red;
mod answer;
mod list;
mod exemplars;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Reader, SpanId, TimeRange, TraceId};
use storage::{Control, MemoryBudget, Snapshot};

use super::Engine;
use super::work::Work;
use crate::error::QueryError;
use crate::promql::{self, Labels, Limits, Matcher, Options, Times};
use crate::rows::Stats;
pub(super) use known::Known;
use known::Seen;

/// The most series that one list of them holds.
pub const METRIC_SERIES_MAX: usize = 1_000_000;

/// A question in PromQL.
#[derive(Debug, Clone)]
pub struct MetricQuestion {
    /// Its text.
    pub text: String,
    /// When it is answered.
    pub times: Times,
    /// How it is read.
    pub options: Options,
    /// What it may use.
    pub limits: Limits,
    /// How long it may take, if that is less than any question may.
    pub time: Option<Duration>,
}

/// The answer to a [`MetricQuestion`].
#[derive(Debug, Clone)]
pub struct MetricAnswer {
    /// The answer in PromQL's terms.
    pub answer: promql::Answer,
    /// How many series were loaded for it.
    pub series: u64,
    /// How many samples.
    pub samples: u64,
    /// What the selection with the most series is, as it is written, and how many series it has.
    pub widest: Option<(String, u64)>,
    /// What it cost.
    pub stats: Stats,
}

/// Asks which series there are.
#[derive(Debug, Clone)]
pub struct SeriesQuestion {
    /// Series that pass all matchers of one of these; none means every series.
    pub selectors: Vec<Vec<Matcher>>,
    /// With a sample in here.
    pub range: TimeRange,
    /// How many at most.
    pub limit: usize,
}

/// Series without their samples.
#[derive(Debug, Clone)]
pub struct SeriesList {
    /// In order of their labels.
    pub series: Vec<Labels>,
    /// Whether there are more than the question wanted.
    pub is_cut: bool,
    /// What it cost.
    pub stats: Stats,
}

/// The exemplars of a series.
#[derive(Debug, Clone)]
pub struct SeriesExemplars {
    /// The series.
    pub labels: Labels,
    /// In order of time.
    pub exemplars: Vec<Exemplar>,
}

/// A measurement that a sample was made from, with the trace it was made in.
#[derive(Debug, Clone)]
pub struct Exemplar {
    /// Its own labels, `trace_id` and `span_id` among them.
    pub labels: Labels,
    /// The measurement.
    pub value: f64,
    /// When, in milliseconds.
    pub time_ms: i64,
    /// Its trace.
    pub trace_id: Option<TraceId>,
    /// Its span.
    pub span_id: Option<SpanId>,
}

/// What is said of a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricDescription {
    /// `counter`, `gauge`, `histogram`, `gaugehistogram`, `summary`, `info`, `stateset` or `unknown`.
    pub kind: &'static str,
    /// What it is for.
    pub help: String,
    /// What it is measured in.
    pub unit: String,
}

impl Engine {
    /// Answers a question in PromQL.
    pub async fn metrics(
        &self,
        reader: &Reader,
        question: &MetricQuestion,
    ) -> Result<MetricAnswer, QueryError> {
        let MetricQuestion { text, times, options, limits, time } = question.clone();
        let query = promql::Query::new(&text, times, options, limits)?;
        let of = self.metrics_of(reader);
        let answer = self.ask(reader, 0, move |snapshot, control| {
            let deadline = time.map(|time| Instant::now() + time);
            let deadline = deadline.map_or(control.deadline, |deadline| deadline.min(control.deadline));
            let control = Control { deadline, ..control.clone() };
            answer::of(&mut of.work(snapshot, &control), &of, &query, limits)
        });
        self.watch.over(reader, "metrics", &question.text, answer).await
    }

    /// Which series there are.
    pub async fn metric_series(
        &self,
        reader: &Reader,
        question: &SeriesQuestion,
    ) -> Result<SeriesList, QueryError> {
        let (of, question) = (self.metrics_of(reader), question.clone());
        self.ask(reader, 0, move |snapshot, control| {
            list::of(&mut of.work(snapshot, control), &of, &question)
        })
        .await
    }

    /// The exemplars of the series that pass all matchers of one of these, by series.
    pub async fn exemplars(
        &self,
        reader: &Reader,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
    ) -> Result<Vec<SeriesExemplars>, QueryError> {
        let (of, selectors) = (self.metrics_of(reader), selectors.to_vec());
        self.ask(reader, 0, move |snapshot, control| {
            exemplars::of(&mut of.work(snapshot, control), &of, &selectors, range)
        })
        .await
    }

    /// What is said of metrics, by their names in PromQL: of all or of one.
    pub async fn metric_descriptions(
        &self,
        reader: &Reader,
        metric: Option<&str>,
    ) -> Result<BTreeMap<String, Vec<MetricDescription>>, QueryError> {
        let (of, metric) = (self.metrics_of(reader), metric.map(str::to_owned));
        self.ask(reader, 0, move |snapshot, control| {
            list::descriptions(&mut of.work(snapshot, control), &of, metric.as_deref())
        })
        .await
    }

    fn metrics_of(&self, reader: &Reader) -> Of {
        Of { known: self.known.clone(), reader: reader.clone(), budget: Arc::clone(self.store.budget()) }
    }
}

/// Whose metrics are asked about, and what is known of them.
struct Of {
    known: Known,
    reader: Reader,
    budget: Arc<MemoryBudget>,
}

impl Of {
    fn work<'a>(&'a self, snapshot: &'a Snapshot, control: &'a Control) -> Work<'a> {
        Work::new(snapshot, control, &self.budget)
    }

    /// What is stored of a range.
    fn seen<'w>(&self, range: TimeRange, work: &mut Work<'w>) -> Result<Seen<'w>, QueryError> {
        self.known.of(&self.reader, range, work, &self.budget)
    }
}
