//! What a panel shows: its queries are asked, and their answers drawn.
//!
//! - `series`: answers as columns over the steps of the page
//! - `graph`, `stat`, `table`, `heat`: what is drawn of them

mod series;
mod graph;
mod stat;
mod table;
mod heat;

use std::time::{Duration, Instant};

use askama::Template;
use model::{Reader, TimeRange, UnixNanos};
use query::promql::{Limits, Times};
use query::{Engine, MetricAnswer, MetricQuestion, QueryError, Search};

use super::fill::{self, Choices, Chosen};
use super::model::{Panel, PanelKind, PanelQuery};
use crate::pages::apart;
use crate::pages::rows::LogTable;
use graph::Graph;
use heat::Heat;
use series::Found;
use stat::Stat;
use table::Table;

/// How many steps the time of a page has, about.
const STEPS: i64 = 240;
/// The lengths that a step may have, in seconds.
const STEP_SECONDS: [i64; 16] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400];
/// How long one query of a panel may take.
const QUERY_TIME_MAX: Duration = Duration::from_secs(15);
/// What is said of a question that was not asked any more.
const TIME_OVER: &str = "the time of the page was over";
/// How many log records a panel shows.
const LOGS_MAX: usize = 30;
const MILLI: i64 = 1_000_000;

/// The time that all panels of a page show, in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first step in milliseconds, a multiple of the step.
    pub(crate) from_ms: i64,
    /// The end in milliseconds.
    pub(crate) to_ms: i64,
    /// The length of a step in milliseconds.
    pub(crate) step_ms: i64,
    /// How often series have a sample, in milliseconds.
    pub(crate) interval_ms: i64,
}

/// A panel as it is shown.
#[derive(Debug, Template)]
#[template(path = "part/panel.html")]
pub(crate) struct Drawn {
    pub(crate) body: Body,
    /// What to know of the answer.
    pub(crate) notes: Vec<String>,
}

/// What stands in a panel.
#[derive(Debug)]
pub(crate) enum Body {
    Graph(Graph),
    Stat(Stat),
    Table(Table),
    Heat(Heat),
    /// Paragraphs.
    Text(Vec<String>),
    Logs(LogTable),
    /// Nothing, and the nearest cause.
    Empty(String),
    /// It could not be asked or answered.
    Wrong(String),
}

impl Span {
    /// The steps of a time in nanoseconds.
    pub(crate) fn new(from: i64, to: i64, interval_ms: i64) -> Self {
        let (from_ms, to_ms) = (from.div_euclid(MILLI), to.div_euclid(MILLI).max(from.div_euclid(MILLI) + 1));
        let wanted = (to_ms.saturating_sub(from_ms) / STEPS).max(1);
        let steps = STEP_SECONDS.iter().map(|seconds| seconds * 1_000);
        let longest = STEP_SECONDS[STEP_SECONDS.len() - 1] * 1_000;
        let step_ms = steps
            .into_iter()
            .find(|step| *step >= wanted)
            .unwrap_or((wanted / longest + 1).saturating_mul(longest));
        Self { from_ms: from_ms.div_euclid(step_ms) * step_ms, to_ms, step_ms, interval_ms }
    }

    /// How many steps there are.
    pub(crate) fn count(&self) -> usize {
        usize::try_from((self.to_ms - self.from_ms) / self.step_ms + 1).unwrap_or(1)
    }

    /// The step of a time, if it is one of them.
    fn step(&self, time_ms: i64) -> Option<usize> {
        let step = usize::try_from((time_ms - self.from_ms).div_euclid(self.step_ms)).ok()?;
        (step < self.count()).then_some(step)
    }

    /// What queries may be filled with: `$__interval` and its like.
    pub(crate) fn choices(&self) -> Choices {
        let rate = (self.step_ms.saturating_add(self.interval_ms)).max(self.interval_ms.saturating_mul(4));
        let range = self.to_ms - self.from_ms;
        let all = [
            ("__interval", length(self.step_ms)),
            ("__interval_ms", self.step_ms.to_string()),
            ("__rate_interval", length(rate)),
            ("__rate_interval_ms", rate.to_string()),
            ("__range", length(range)),
            ("__range_s", (range / 1_000).to_string()),
            ("__range_ms", range.to_string()),
            ("__from", self.from_ms.to_string()),
            ("__to", self.to_ms.to_string()),
        ];
        all.into_iter().map(|(name, value)| (name.to_owned(), Chosen::one(value))).collect()
    }

    /// The time as other questions have it.
    pub(crate) fn range(&self) -> TimeRange {
        let nanos = |ms: i64| Some(UnixNanos(ms.saturating_mul(MILLI)));
        TimeRange { from: nanos(self.from_ms), to: nanos(self.to_ms) }
    }
}

/// A duration as PromQL writes it.
fn length(ms: i64) -> String {
    if ms % 1_000 == 0 { format!("{}s", ms / 1_000) } else { format!("{ms}ms") }
}

/// Asks what a panel asks until a time, and draws the answers.
pub(crate) async fn answer(
    engine: &Engine,
    reader: &Reader,
    panel: &Panel,
    choices: &Choices,
    span: &Span,
    until: Instant,
) -> Drawn {
    match panel.kind {
        PanelKind::Text => Drawn::plain(Body::Text(paragraphs(&fill::plain(&panel.text, choices)))),
        PanelKind::Logs => logs(engine, reader, panel, (choices, span), until).await,
        _ => {
            let mut answered = Vec::with_capacity(panel.queries.len());
            // One after another: many at once would take all places that the engine has for questions.
            for query in &panel.queries {
                answered.push(ask(engine, reader, panel, query, (choices, span), until).await);
            }
            apart(|| draw(panel, &answered, choices, span))
        }
    }
}

/// The answer to a query, or why there is none.
type Answered<'a> = (&'a PanelQuery, Result<MetricAnswer, String>);

async fn ask<'a>(
    engine: &Engine,
    reader: &Reader,
    panel: &Panel,
    query: &'a PanelQuery,
    (choices, span): (&Choices, &Span),
    until: Instant,
) -> Answered<'a> {
    let text = match fill::promql(&query.expr, choices) {
        Ok(text) => text,
        Err(error) => return (query, Err(error.to_string())),
    };
    let Some(left) = left(until) else {
        return (query, Err(format!("{TIME_OVER}: {text}")));
    };
    let times = match panel.kind.is_over_time() {
        true => Times::range(span.from_ms, span.to_ms, span.step_ms),
        false => Times::instant(span.to_ms),
    };
    let question = MetricQuestion {
        text,
        times,
        options: engine.promql_options(),
        limits: Limits::default(),
        time: Some(QUERY_TIME_MAX.min(left)),
    };
    let found = engine.metrics(reader, &question).await;
    (query, found.map_err(|error| format!("{error}: {}", question.text)))
}

/// How long it is until a time that is not over.
fn left(until: Instant) -> Option<Duration> {
    Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

/// Draws answers in the order of their queries.
fn draw(panel: &Panel, answered: &[Answered<'_>], choices: &Choices, span: &Span) -> Drawn {
    let (mut all, mut notes, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (query, answer)) in answered.iter().enumerate() {
        match answer {
            Ok(answer) => {
                notes.extend(
                    answer.stats.partial.iter().map(|partial| format!("partial: {}", partial.reason)),
                );
                notes.extend(answer.answer.warnings.iter().map(ToString::to_string));
                all.extend(Found::all(number, &query.legend, &answer.answer.value));
            }
            Err(error) => failed.push(error.clone()),
        }
    }
    if all.is_empty() && !failed.is_empty() {
        return Drawn { body: Body::Wrong(failed.join("; ")), notes };
    }
    notes.extend(failed);
    let body = match panel.kind {
        _ if all.is_empty() => {
            Body::Empty("No series that these queries select has a sample in this time.".to_owned())
        }
        PanelKind::Stat => Body::Stat(Stat::new(panel, &all, (choices, span), &mut notes)),
        PanelKind::Table => Body::Table(Table::new(panel, &all, choices, &mut notes)),
        PanelKind::Heatmap => match Heat::new(panel, &all, span, &mut notes) {
            Some(heat) => Body::Heat(heat),
            None => Body::Empty(
                "The answer has neither native histograms nor series by `le`, of which a heatmap is made."
                    .to_owned(),
            ),
        },
        _ => Body::Graph(Graph::new(panel, all, (choices, span), &mut notes)),
    };
    notes.dedup();
    Drawn { body, notes }
}

async fn logs(
    engine: &Engine,
    reader: &Reader,
    panel: &Panel,
    (choices, span): (&Choices, &Span),
    until: Instant,
) -> Drawn {
    let q = match fill::search(panel.search.as_deref().unwrap_or_default(), choices) {
        Ok(q) => q,
        Err(error) => return Drawn::plain(Body::Wrong(error.to_string())),
    };
    let search = Search { q, range: span.range(), limit: LOGS_MAX, ..Search::default() };
    let Ok(found) = tokio::time::timeout_at(until.into(), engine.logs(reader, &search)).await else {
        return Drawn::plain(Body::Wrong(format!("{TIME_OVER}: {}", search.q)));
    };
    match found {
        Ok(page) if page.rows.is_empty() => {
            Drawn::plain(Body::Empty(format!("No log record in this time matches: {}", search.q)))
        }
        Ok(page) => {
            let partial = page.stats.partial.iter().map(|partial| format!("partial: {}", partial.reason));
            let notes = partial.collect();
            Drawn { body: Body::Logs(LogTable::new(panel.title.clone(), &page.rows)), notes }
        }
        Err(error) => Drawn::plain(Body::Wrong(refused(&error, &search.q))),
    }
}

fn refused(error: &QueryError, q: &str) -> String {
    format!("{error}: {q}")
}

/// A text by its empty lines.
fn paragraphs(text: &str) -> Vec<String> {
    text.split("\n\n").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

impl Drawn {
    fn plain(body: Body) -> Self {
        Self { body, notes: Vec::new() }
    }

    /// Whether it says that there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.body, Body::Empty(_))
    }
}

#[cfg(test)]
mod tests;
