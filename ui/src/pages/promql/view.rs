//! What the page shows.

mod acts;
mod numbers;

use askama::Template;
use query::promql::{Labels, NAME, Note, Points, Value};
use query::{Exemplar, MetricAnswer, QueryError};

use self::acts::Acts;
use self::numbers::{Drawn, Numbers};
use super::blame::{Blame, SLOW_MS};
use super::empty::Empty;
use super::explorer::{Explorer, Known};
use super::question::{Asked, QUERIES_MAX, Row, Show};
use super::{EXEMPLARS_MAX, Replies, Reply, buckets};
use crate::Endpoints;
use crate::address::{self, Address};
use crate::chart::heat::HeatChart;
use crate::chart::lines::{LineChart, Mark};
use crate::copy::{self, CopyAs};
use crate::format::{Moment, count, counted, cut, quantity};
use crate::problem::WrongQuery;
use crate::range::PRESETS;
use crate::visit::{Frame, Section, Visit};

/// How much of a series' name is shown, in characters.
const NAME_CHARS_MAX: usize = 400;
/// How many notes of a query are shown.
const NOTES_MAX: usize = 10;
const MS: i64 = 1_000_000;

#[derive(Template)]
#[template(path = "promql.html")]
pub(super) struct PromqlPage {
    frame: Frame,
    queries: Vec<QueryRow>,
    /// Whether there is room for another query.
    has_room: bool,
    t: String,
    step: String,
    /// The step that was chosen.
    step_found: String,
    show: &'static str,
    /// Address, title, whether it is this one.
    tabs: Vec<(String, &'static str, bool)>,
    presets: Vec<(String, &'static str, bool)>,
    range: String,
    copy: Option<CopyAs>,
    body: Body,
}

enum Body {
    /// The metrics that are stored.
    Metrics {
        find: String,
        service: String,
        everything: String,
        list: Explorer,
    },
    /// No metric is stored: where OTLP goes, and where remote write goes.
    Nothing {
        otlp: String,
        remote_write: String,
    },
    Answers(Box<Answers>),
}

/// What the queries gave.
struct Answers {
    chart: Option<LineChart>,
    heats: Vec<HeatChart>,
    numbers: Numbers,
    acts: Acts,
    exemplars: Result<Vec<ExemplarRow>, String>,
    /// Whether no exemplar is left out.
    has_all_exemplars: bool,
}

/// A query and what became of it.
struct QueryRow {
    number: usize,
    text: String,
    is_on: bool,
    /// The page without it.
    without: String,
    wrong: Option<WrongQuery>,
    failed: Option<String>,
    /// Warnings and remarks: the style sheet's word and the text.
    notes: Vec<(&'static str, String)>,
    /// What it cost, and whether that is much.
    cost: Option<(String, bool)>,
    partial: Option<String>,
    blame: Option<Blame>,
    empty: Option<Result<Empty, String>>,
}

struct ExemplarRow {
    time: Moment,
    value: String,
    series: String,
    labels: String,
    href: String,
}

/// The page of the metrics that are stored, or of how to send some where there is none.
pub(super) fn metrics(
    visit: &Visit,
    version: &'static str,
    endpoints: Endpoints,
    asked: &Asked,
    known: Option<&Known>,
) -> PromqlPage {
    let body = match known {
        None => Body::Nothing {
            otlp: format!("http://{}:{}", visit.host, endpoints.otlp_http.port()),
            remote_write: format!("http://{}/prometheus/api/v1/write", visit.authority),
        },
        Some(known) => Body::Metrics {
            find: asked.find.clone(),
            service: asked.service.clone(),
            everything: Asked { service: String::new(), ..asked.clone() }.at(&asked.range.text).to_string(),
            list: known.listed(asked),
        },
    };
    let queries = shown(asked).into_iter().enumerate();
    let queries = queries.map(|(place, row)| QueryRow::new(asked, place, &row, None));
    bare(visit, version, asked, queries.collect(), body)
}

/// The page of what queries gave.
pub(super) fn answered(visit: &Visit, version: &'static str, asked: &Asked, replies: &Replies) -> PromqlPage {
    let rows = asked.rows.iter().zip(&replies.replies).enumerate();
    let queries = rows.map(|(place, (row, reply))| QueryRow::new(asked, place, row, reply.as_ref()));
    let body = Body::Answers(Box::new(Answers::new(asked, replies)));
    let page = bare(visit, version, asked, queries.collect(), body);
    PromqlPage { copy: Some(copied(visit, asked)), ..page }
}

/// The rows to fill in: one that is empty where there is none.
fn shown(asked: &Asked) -> Vec<Row> {
    if asked.rows.is_empty() { vec![Row { text: String::new(), is_on: true }] } else { asked.rows.clone() }
}

fn bare(
    visit: &Visit,
    version: &'static str,
    asked: &Asked,
    queries: Vec<QueryRow>,
    body: Body,
) -> PromqlPage {
    let titles = [(Show::Graph, "Graph"), (Show::Table, "Table"), (Show::Heat, "Heatmap")];
    let word = Show::ALL.iter().find(|(_, show)| *show == asked.show).map_or("", |(word, _)| word);
    PromqlPage {
        frame: visit.frame("Metrics", Section::Metrics, version).over(&asked.range),
        has_room: queries.len() < QUERIES_MAX,
        queries,
        t: asked.range.text.clone(),
        step: asked.step.clone(),
        step_found: asked.step_text(),
        show: word,
        tabs: titles.map(|(show, title)| (asked.shown(show).to_string(), title, show == asked.show)).into(),
        presets: PRESETS
            .iter()
            .map(|(t, name)| (asked.at(t).to_string(), *name, *t == asked.range.text))
            .collect(),
        range: asked.range.words(),
        copy: None,
        body,
    }
}

/// The first query in other forms.
fn copied(visit: &Visit, asked: &Asked) -> CopyAs {
    let text = asked.rows.iter().find(|row| !row.text.is_empty()).map_or("", |row| row.text.as_str());
    let seconds = |ms: i64| format!("{}", ms as f64 / 1000.0);
    let api = Address::new("/prometheus/api/v1/query_range")
        .with("query", text)
        .with("start", &seconds(asked.steps.start_ms))
        .with("end", &seconds(asked.steps.end_ms))
        .with("step", &seconds(asked.steps.step_ms));
    let command = format!("causeway metrics {}{}", copy::quoted(text), copy::flags(asked.range.range));
    CopyAs::new(visit, &asked.range).api(visit, &api).form("causeway", command).form("PromQL", text)
}

impl QueryRow {
    fn new(asked: &Asked, place: usize, row: &Row, reply: Option<&Reply>) -> Self {
        let others = asked.rows.iter().enumerate().filter(|(other, _)| *other != place);
        let others: Vec<Row> = others.map(|(_, row)| row.clone()).collect();
        let bare = Self {
            number: place + 1,
            text: row.text.clone(),
            is_on: row.is_on,
            without: asked.with_rows(&others).to_string(),
            wrong: None,
            failed: None,
            notes: Vec::new(),
            cost: None,
            partial: None,
            blame: None,
            empty: None,
        };
        let Some(reply) = reply else { return bare };
        let blame = reply.blame.clone();
        match &reply.found {
            Err(error @ QueryError::Bad { .. }) => Self { wrong: wrong(&row.text, error), ..bare },
            Err(error) => Self { failed: Some(error.to_string()), blame, ..bare },
            Ok(answer) => {
                let empty = reply.empty.as_ref().map(|why| match why {
                    Ok(empty) => Ok(Empty { causes: empty.causes.clone(), ways: empty.ways.clone() }),
                    Err(error) => Err(error.to_string()),
                });
                let partial = answer.stats.partial.as_ref().map(|partial| partial.reason.clone());
                Self { notes: notes(asked, answer), cost: Some(cost(answer)), partial, blame, empty, ..bare }
            }
        }
    }
}

/// A wrong query. The place is marked, and not said once more.
fn wrong(text: &str, error: &QueryError) -> Option<WrongQuery> {
    let wrong = WrongQuery::of(text, error)?;
    let message = wrong.message.split_once(": parse error: ").map(|(_, message)| message.to_owned());
    Some(WrongQuery { message: message.unwrap_or(wrong.message), ..wrong })
}

/// What a query cost, and whether it is slow.
fn cost(answer: &MetricAnswer) -> (String, bool) {
    let given = match &answer.answer.value {
        Value::Matrix(all) => all.len(),
        Value::Vector(all) => all.len(),
        Value::Scalar { .. } | Value::String { .. } => 1,
    };
    let elapsed = answer.stats.elapsed_ms;
    let text = format!(
        "{} series from {} of {} series in {} ms",
        count(given as u64),
        counted(answer.samples, "sample"),
        count(answer.series),
        count(elapsed)
    );
    (text, elapsed >= SLOW_MS)
}

/// Warnings and remarks of an answer, and what it is where that is nothing to draw.
fn notes(asked: &Asked, answer: &MetricAnswer) -> Vec<(&'static str, String)> {
    let found = &answer.answer;
    let of = |kind: &'static str, notes: &[Note]| {
        notes.iter().map(|note| (kind, note.to_string())).collect::<Vec<_>>()
    };
    let mut all = [of("warn", &found.warnings), of("info", &found.infos)].concat();
    let more = all.len().saturating_sub(NOTES_MAX);
    all.truncate(NOTES_MAX);
    if more > 0 {
        all.push(("info", format!("and {} more", counted(more as u64, "note"))));
    }
    match &found.value {
        Value::String { value, .. } => {
            all.push(("info", format!("It gives a text: {}", cut(value, NAME_CHARS_MAX))))
        }
        Value::Matrix(series)
            if asked.show == Show::Heat && !series.is_empty() && !buckets::are_histograms(series) =>
        {
            let text = "It gives no histograms, and is drawn as lines: a heatmap needs native histograms or series with the label le.";
            all.push(("info", text.to_owned()));
        }
        _ => {}
    }
    all
}

impl Answers {
    fn new(asked: &Asked, replies: &Replies) -> Self {
        let rows = asked.rows.iter().zip(&replies.replies).enumerate();
        let exemplars = replies.exemplars.as_ref().map_or(&[][..], Vec::as_slice);
        let marks: Vec<Mark> = exemplars.iter().map(|(series, exemplar)| mark(series, exemplar)).collect();
        // Beside other queries it is open whose values they are.
        let is_alone = replies.replies.iter().flatten().count() == 1;
        let of_heat = if is_alone { &marks[..] } else { &[] };
        let mut heats = Vec::new();
        let mut drawn: Vec<Drawn<'_>> = Vec::new();
        for (place, (row, reply)) in rows {
            let Some(series) = reply.as_ref().and_then(matrix) else { continue };
            let is_heat =
                buckets::are_histograms(series) && (asked.show == Show::Heat || !has_numbers(series));
            match is_heat {
                true => heats.extend(buckets::chart(&row.text, series, &asked.steps, of_heat.to_vec())),
                false => drawn.extend(series.iter().map(|points| Drawn {
                    number: place + 1,
                    query: &row.text,
                    points,
                })),
            }
        }
        let numbers = Numbers::new(asked, drawn);
        let acts = Acts::new(asked);
        let label = format!("{} over time, {}", counted_series(numbers.lines.len()), asked.range.words());
        Self {
            chart: match asked.show {
                Show::Table => None,
                Show::Graph | Show::Heat => {
                    LineChart::new(label, asked.steps, &numbers.lines, marks, acts.ends)
                }
            },
            heats,
            numbers,
            acts,
            has_all_exemplars: exemplars.len() < EXEMPLARS_MAX,
            exemplars: match &replies.exemplars {
                Ok(all) => {
                    Ok(all.iter().map(|(series, exemplar)| ExemplarRow::new(series, exemplar)).collect())
                }
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

impl Answers {
    /// Whether there is no picture and no number.
    fn is_nothing(&self) -> bool {
        self.chart.is_none() && self.heats.is_empty() && self.numbers.lines.is_empty()
    }

    /// Whether there is anything to see beside the table of numbers.
    fn is_drawn(&self) -> bool {
        self.chart.is_some() || !self.heats.is_empty() || self.acts.has_box || self.is_nothing()
    }
}

/// The series of an answer.
fn matrix(reply: &Reply) -> Option<&[Points]> {
    match &reply.found.as_ref().ok()?.answer.value {
        Value::Matrix(series) => Some(series),
        _ => None,
    }
}

/// Whether a series has a number, which a line can show.
fn has_numbers(series: &[Points]) -> bool {
    let mut points = series.iter().flat_map(|one| &one.points);
    points.any(|(_, point)| matches!(point, query::promql::Point::Float(_)))
}

fn counted_series(number: usize) -> String {
    format!("{} series", count(number as u64))
}

/// A series by its name and labels, as a query would select it.
pub(super) fn series_name(labels: &Labels) -> String {
    let others = labels.iter().filter(|(name, _)| *name != NAME);
    let others: Labels = Labels::new(others.collect::<Vec<_>>());
    let name = match (labels.name(), others.is_empty()) {
        (name, true) if !name.is_empty() => name.to_owned(),
        (name, _) => format!("{name}{others}"),
    };
    cut(&name, NAME_CHARS_MAX)
}

fn trace_of(exemplar: &Exemplar) -> String {
    let trace = exemplar.trace_id.map(|id| id.to_string()).unwrap_or_default();
    match exemplar.span_id {
        Some(span) => address::trace_at(&trace, &span.to_string()),
        None => address::trace(&trace).to_string(),
    }
}

fn mark(series: &str, exemplar: &Exemplar) -> Mark {
    Mark {
        time_ms: exemplar.time_ms,
        value: exemplar.value,
        text: format!("Exemplar {} of {series}", quantity(exemplar.value, "1")),
        href: trace_of(exemplar),
    }
}

impl ExemplarRow {
    fn new(series: &str, exemplar: &Exemplar) -> Self {
        let is_id = |name: &str| matches!(name, "trace_id" | "span_id");
        let labels = exemplar.labels.iter().filter(|(name, _)| !is_id(name));
        let labels = Labels::new(labels.collect::<Vec<_>>());
        Self {
            time: Moment::full(exemplar.time_ms.saturating_mul(MS)),
            value: quantity(exemplar.value, "1"),
            series: series.to_owned(),
            labels: if labels.is_empty() { String::new() } else { cut(&labels.to_string(), NAME_CHARS_MAX) },
            href: trace_of(exemplar),
        }
    }
}
