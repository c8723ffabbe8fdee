//! `/traces/{id}`: a trace as a waterfall with its logs and events in it, by operation, as a graph and as logs, and the
//! selected row's attributes beside.
//!
//! The server renders a page of rows of any trace; `trace.js` puts all rows in their place, from the same outline.

mod choice;
mod strip;
mod waterfall;
mod operations;
mod services;
mod detail;
pub(crate) mod file;

use std::collections::BTreeMap;
use std::ops::Range;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use model::{Reader, TraceId};
use query::outline::{Decoded, Flags, Sort};
use query::rows::{Log, RowDetail, TraceRow};
use query::{Sought, Token};

use crate::Ui;
use crate::address::{self, search, term};
use crate::chart::{Tick, ticks};
use crate::colour::Palette;
use crate::format::{Moment, count, counted, duration};
use crate::named::Named;
use crate::pages::rows::LogTable;
use crate::pages::{apart, respond};
use crate::params::BadParameter;
use crate::problem::{Problem, html};
use crate::tree::Tree;
use crate::visit::{Frame, Section, Visit};
use choice::{Choice, Pages, Slice, View, views};
use detail::Detail;
use operations::Operations;
use services::ServiceGraph;
use strip::Strip;
use waterfall::{Cell, WaterRow, Waterfall};

/// How many services the header names with their counts; the rest are counted.
const SERVICES_MAX: usize = 24;
/// How many logs of a span stand in its detail.
const DETAIL_LOGS_MAX: usize = 100;

#[derive(Template)]
#[template(path = "trace.html")]
struct TracePage {
    frame: Frame,
    trace_id: String,
    /// Names the outline that this page shows.
    outline: String,
    /// The address that script asks for what is behind rows.
    href: String,
    view: &'static str,
    views: Vec<(&'static str, String, bool)>,
    find: String,
    found: Option<String>,
    find_failed: Option<String>,
    root_service: Option<Legend>,
    root_name: String,
    facts: Vec<(&'static str, String)>,
    start: Moment,
    failed: bool,
    services: Vec<Legend>,
    /// How many services are not named.
    more_services: Option<String>,
    warnings: Vec<String>,
    strip: Strip,
    ticks: Vec<Tick>,
    rows: Vec<WaterRow>,
    rows_total: usize,
    table: Option<Operations>,
    graph: Option<ServiceGraph>,
    logs: Option<LogTable>,
    pages: Option<Pages>,
    detail: Option<Detail>,
    spans_href: String,
    logs_href: String,
    file_href: String,
    otlp_href: String,
    /// Traces that begin as this one does; `None` if it has no spans, or names too long for a link.
    alike_href: Option<String>,
}

/// A service of the trace.
#[derive(Debug, Clone, PartialEq)]
struct Legend {
    name: String,
    colour: usize,
    spans: String,
    errors: u64,
}

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    Named(id): Named,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit, &id).await, &visit, &ui)
}

/// Answers what is known of one row, as a part of the page.
pub(crate) async fn part(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    Named(id): Named,
    visit: Visit,
) -> Response {
    respond(answer_part(&ui, &reader, &visit, &id).await, &visit, &ui)
}

fn trace_id(id: &str) -> Result<TraceId, BadParameter> {
    id.parse().map_err(|error: model::IdError| BadParameter::new("trace id", id, error.to_string()))
}

/// A trace that is looked at, and what is needed of it.
struct Shown<'a> {
    outline: &'a Decoded,
    tree: Tree,
    /// The row that the address names.
    chosen: Option<usize>,
    /// The rows that match, or why the search could not be asked.
    found: Option<Result<Vec<u32>, String>>,
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit, id: &str) -> Result<Response, Problem> {
    let id = trace_id(id)?;
    let choice = Choice::of(visit)?;
    let outline = ui.engine.decoded_outline(reader, id, None).await?;
    let shown = shown(ui, reader, id, &choice, &outline).await?;
    let token: Option<Token> = shown.outline.head.outline.parse().ok();
    let wanted = listed(&choice, &outline);
    let slice = Slice::of(&choice, &shown, wanted.len())?;
    let rows = ui.engine.trace_rows(reader, id, token, wanted.part(slice.range())).await?.rows;
    let detail = match shown.chosen {
        Some(row) => detail(ui, reader, id, &outline, &shown.tree, row).await?,
        None => Vec::new(),
    };
    html(&apart(|| view(visit, ui.version, &shown, (slice, &rows), &detail, &choice))?)
}

/// The rows that a view lists one by one, in its order.
enum Listed {
    /// All of so many.
    All(usize),
    /// These.
    These(Vec<usize>),
}

impl Listed {
    fn len(&self) -> usize {
        match self {
            Self::All(rows) => *rows,
            Self::These(rows) => rows.len(),
        }
    }

    fn part(&self, range: Range<usize>) -> Vec<usize> {
        match self {
            Self::All(_) => range.collect(),
            Self::These(rows) => rows[range].to_vec(),
        }
    }
}

fn listed(choice: &Choice, outline: &Decoded) -> Listed {
    match choice.view {
        View::Waterfall => Listed::All(outline.rows.len()),
        View::Logs => {
            let is_log = |row: &usize| outline.rows[*row].flags.sort() == Sort::Log;
            let mut logs: Vec<usize> = (0..outline.rows.len()).filter(is_log).collect();
            logs.retain(|row| choice.window.has(outline.rows[*row].start, 0));
            logs.sort_by_key(|row| outline.rows[*row].start);
            Listed::These(logs)
        }
        View::Flame | View::Table | View::Graph => Listed::These(Vec::new()),
    }
}

async fn shown<'a>(
    ui: &Ui,
    reader: &Reader,
    id: TraceId,
    choice: &Choice,
    outline: &'a Decoded,
) -> Result<Shown<'a>, Problem> {
    let token: Option<Token> = outline.head.outline.parse().ok();
    let chosen = match choice.id() {
        // An id that cannot be one is not among the rows either.
        Some(wanted) => match ui.engine.find_in_trace(reader, id, token, Sought::Ids(vec![wanted])).await {
            Ok(found) => found.rows.first().map(|row| *row as usize),
            Err(query::QueryError::Bad { .. }) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let found = match choice.find.as_str() {
        "" => None,
        q => match ui.engine.find_in_trace(reader, id, token, Sought::Search(q.to_owned())).await {
            Ok(found) => Some(Ok(found.rows)),
            Err(query::QueryError::Bad { message, .. }) => Some(Err(message)),
            Err(error) => return Err(error.into()),
        },
    };
    let tree = apart(|| Tree::of(&outline.rows));
    Ok(Shown { outline, tree, chosen, found })
}

/// What is known of a row, and the logs that hang directly under it.
async fn detail(
    ui: &Ui,
    reader: &Reader,
    id: TraceId,
    outline: &Decoded,
    tree: &Tree,
    row: usize,
) -> Result<Vec<TraceRow>, Problem> {
    let is_log = |child: &usize| outline.rows[*child].flags.sort() == Sort::Log;
    let logs = tree.children(row).filter(is_log).take(DETAIL_LOGS_MAX);
    let rows = std::iter::once(row).chain(logs).collect();
    let token: Option<Token> = outline.head.outline.parse().ok();
    Ok(ui.engine.trace_rows(reader, id, token, rows).await?.rows)
}

async fn answer_part(ui: &Ui, reader: &Reader, visit: &Visit, id: &str) -> Result<Response, Problem> {
    let id = trace_id(id)?;
    let token = visit.params.parse::<Token>("outline")?;
    let row = visit.params.text("row")?;
    let row: usize =
        row.parse().map_err(|_| BadParameter::new("row", row, "the number of a row was expected"))?;
    let outline = ui.engine.decoded_outline(reader, id, token).await?;
    if row >= outline.rows.len() {
        let expected = format!("this outline has {}", counted(outline.rows.len() as u64, "row"));
        return Err(BadParameter::new("row", &row.to_string(), expected).into());
    }
    let tree = apart(|| Tree::of(&outline.rows));
    let rows = detail(ui, reader, id, &outline, &tree, row).await?;
    let detail = Detail::new(&outline, &rows, &palette(&outline));
    html(&detail.ok_or_else(|| BadParameter::new("row", &row.to_string(), "a gap has no details"))?)
}

fn palette(outline: &Decoded) -> Palette {
    // Gaps have the service of what hangs under them.
    Palette::of(outline.services.iter().map(String::as_str))
}

fn view(
    visit: &Visit,
    version: &'static str,
    shown: &Shown<'_>,
    (slice, rows): (Slice, &[TraceRow]),
    detail: &[TraceRow],
    choice: &Choice,
) -> Result<TracePage, BadParameter> {
    let Shown { outline, tree, chosen, found } = shown;
    let palette = palette(outline);
    let mut warnings = outline.head.warnings.clone();
    if chosen.is_none() && choice.id().is_some() {
        warnings
            .push("the span or log that the address names is not among the rows of this trace".to_owned());
    }
    let matches = found.as_ref().and_then(|found| found.as_ref().ok());
    let waterfall = Waterfall { outline, tree, palette: &palette, chosen: *chosen, matches };
    let root = (0..outline.rows.len()).find(|row| outline.rows[*row].flags.sort() == Sort::Span);
    let legend = legend(outline, &palette);
    let head = &outline.head;
    let title = root.map_or_else(
        || format!("Trace {}", head.trace_id),
        |root| format!("{} {}", outline.service(root), outline.name(root)),
    );
    let id = term("trace", &head.trace_id);
    Ok(TracePage {
        frame: visit.frame(title, Section::Search, version),
        trace_id: head.trace_id.clone(),
        outline: head.outline.clone(),
        href: address::trace(&head.trace_id).to_string(),
        view: choice.view.word(),
        views: views(&head.trace_id, choice),
        find: choice.find.clone(),
        found: matches.map(|rows| counted(rows.len() as u64, "row")),
        find_failed: found.as_ref().and_then(|found| found.as_ref().err().cloned()),
        root_service: root
            .and_then(|root| legend.iter().find(|service| service.name == outline.service(root)).cloned()),
        root_name: root.map_or_else(|| "Logs without spans".to_owned(), |root| outline.name(root).to_owned()),
        facts: facts(outline),
        start: Moment::full(outline.start()),
        failed: head.errors > 0,
        more_services: (legend.len() > SERVICES_MAX).then(|| count((legend.len() - SERVICES_MAX) as u64)),
        services: legend.into_iter().take(SERVICES_MAX).collect(),
        warnings,
        strip: Strip::new(outline, tree, &palette),
        ticks: ticks(head.duration_ns),
        rows: if choice.view == View::Waterfall { waterfall.rows(slice.range(), rows) } else { Vec::new() },
        rows_total: outline.rows.len(),
        table: (choice.view == View::Table).then(|| Operations::new(outline, &palette, choice)),
        graph: (choice.view == View::Graph).then(|| ServiceGraph::new(outline, &palette, choice)),
        logs: (choice.view == View::Logs).then(|| LogTable::new("Logs of this trace", &logs_of(rows))),
        pages: slice.pages(choice, &head.trace_id),
        detail: Detail::new(outline, detail, &palette),
        spans_href: search("spans", &id, ""),
        logs_href: search("logs", &id, ""),
        file_href: format!("{}/file", address::trace(&head.trace_id)),
        otlp_href: format!("/api{}/otlp", address::trace(&head.trace_id)),
        alike_href: root
            .map(|root| {
                let (service, name) =
                    (term("service", outline.service(root)), term("name", outline.name(root)));
                search("traces", &format!("{service} {name}"), "")
            })
            .filter(|href| !href.is_empty()),
    })
}

fn logs_of(rows: &[TraceRow]) -> Vec<Log> {
    let log = |row: &TraceRow| if let RowDetail::Log(log) = &row.detail { Some(log.clone()) } else { None };
    rows.iter().filter_map(log).collect()
}

fn facts(outline: &Decoded) -> Vec<(&'static str, String)> {
    let head = &outline.head;
    let of = |shown: u64, stored: u64| match stored > shown {
        true => format!("{} of {}", count(shown), count(stored)),
        false => count(shown),
    };
    vec![
        ("Duration", duration(head.duration_ns)),
        ("Spans", of(head.spans, head.spans_stored)),
        ("Logs", of(head.logs, head.logs_stored)),
        ("Errors", count(head.errors)),
    ]
}

fn legend(outline: &Decoded, palette: &Palette) -> Vec<Legend> {
    let mut counts: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for row in outline.rows.iter().filter(|row| row.flags.sort() == Sort::Span) {
        let (spans, errors) = counts.entry(row.service).or_default();
        *spans += 1;
        *errors += u64::from(row.flags.has(Flags::FAILED));
    }
    let name = |service: u32| outline.services[service as usize].as_str();
    let mut legend: Vec<_> = counts.into_iter().map(|(service, counts)| (name(service), counts)).collect();
    legend.sort_by_key(|(name, (spans, _))| (std::cmp::Reverse(*spans), *name));
    let legend = legend.into_iter().map(|(name, (spans, errors))| Legend {
        name: name.to_owned(),
        colour: palette.colour(name),
        spans: counted(spans, "span"),
        errors,
    });
    legend.collect()
}

#[cfg(test)]
mod tests;
