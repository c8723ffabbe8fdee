//! `/traces/{id}`: a trace as a waterfall with its logs and events in it, and the selected row's attributes
//! beside.

mod detail;
mod waterfall;

use std::collections::BTreeMap;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use model::{Reader, SpanId, TraceId};
use query::rows::Trace;

use crate::Ui;
use crate::address::{self, search, term};
use crate::chart::{Strip, Tick, ticks};
use crate::colour::Palette;
use crate::format::{Moment, count, counted, duration};
use crate::pages::respond;
use crate::params::BadParameter;
use crate::problem::{Problem, html};
use crate::tree::{self, Item, Layout};
use crate::visit::{Frame, Section, Visit};
use detail::Detail;
use waterfall::{Cell, WaterRow, Waterfall};

/// Rows on a page of the waterfall.
const PAGE_ROWS: usize = 1_000;
/// How many services the header names with their counts; the rest are counted.
const SERVICES_MAX: usize = 24;

/// What the address asks for.
#[derive(Debug, Clone, Default)]
struct Choice {
    span: Option<String>,
    log: Option<String>,
    page: Option<usize>,
}

impl Choice {
    fn of(visit: &Visit) -> Result<Self, BadParameter> {
        Ok(Self {
            span: visit.params.parse::<SpanId>("span")?.map(|id| id.to_string()),
            log: Some(visit.params.text("log")?.to_owned()).filter(|id| !id.is_empty()),
            page: visit.params.number("page")?,
        })
    }

    /// The row that is chosen: number in the layout.
    fn row(&self, trace: &Trace, layout: &Layout) -> Option<usize> {
        layout.rows.iter().position(|row| match row.item {
            Item::Span(span) => self.span.as_deref() == Some(trace.spans[span].span_id.as_str()),
            Item::Log(log) => self.span.is_none() && self.log.as_deref() == Some(trace.logs[log].id.as_str()),
            Item::Event(..) | Item::Gap(_) => false,
        })
    }
}

#[derive(Template)]
#[template(path = "trace.html")]
struct TracePage {
    frame: Frame,
    trace_id: String,
    href: String,
    root_service: Option<Legend>,
    root_name: String,
    facts: Vec<(&'static str, String)>,
    start: Moment,
    failed: bool,
    services: Vec<Legend>,
    more_services: usize,
    warnings: Vec<String>,
    strip: Strip,
    ticks: Vec<Tick>,
    rows: Vec<WaterRow>,
    rows_total: usize,
    pages: Option<Pages>,
    detail: Option<Detail>,
    spans_href: String,
    logs_href: String,
    json_href: String,
}

/// A service of the trace.
#[derive(Debug, Clone, PartialEq)]
struct Legend {
    name: String,
    colour: usize,
    spans: String,
    errors: u64,
}

/// Which rows of a long trace are shown.
#[derive(Debug, Clone, PartialEq)]
struct Pages {
    words: String,
    earlier: Option<String>,
    later: Option<String>,
}

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    Path(id): Path<String>,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit, &id).await, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit, id: &str) -> Result<Response, Problem> {
    let id: TraceId =
        id.parse().map_err(|error: model::IdError| BadParameter::new("trace id", id, error.to_string()))?;
    let choice = Choice::of(visit)?;
    let trace = ui.engine.trace(reader, id).await?;
    html(&view(visit, ui.version, &trace, &choice)?)
}

fn view(
    visit: &Visit,
    version: &'static str,
    trace: &Trace,
    choice: &Choice,
) -> Result<TracePage, BadParameter> {
    let layout = tree::layout(trace);
    let services = trace.spans.iter().map(|span| span.service.as_str());
    let palette = Palette::of(services.chain(trace.logs.iter().map(|log| log.service.as_str())));
    let chosen = choice.row(trace, &layout);
    let mut warnings = trace.warnings.clone();
    if chosen.is_none() && (choice.span.is_some() || choice.log.is_some()) {
        warnings
            .push("the span or log that the address names is not among the rows of this trace".to_owned());
    }
    let slice = Slice::of(choice, chosen, layout.rows.len())?;
    let rows = Waterfall { trace, layout: &layout, palette: &palette, chosen }.rows(slice.from..slice.to);
    let root = layout
        .rows
        .iter()
        .find_map(|row| if let Item::Span(span) = row.item { Some(&trace.spans[span]) } else { None });
    let legend = legend(trace, &palette);
    let title = root.map_or_else(
        || format!("Trace {}", trace.trace_id),
        |root| format!("{} {}", root.service, root.name),
    );
    let id = term("trace", &trace.trace_id);
    Ok(TracePage {
        frame: visit.frame(title, Section::Search, version),
        trace_id: trace.trace_id.clone(),
        href: address::trace(&trace.trace_id).to_string(),
        root_service: root
            .and_then(|root| legend.iter().find(|service| service.name == root.service).cloned()),
        root_name: root.map_or_else(|| "Logs without spans".to_owned(), |root| root.name.clone()),
        facts: facts(trace),
        start: Moment::full(trace.start),
        failed: trace.spans.iter().any(|span| span.status == "error"),
        more_services: legend.len().saturating_sub(SERVICES_MAX),
        services: legend.into_iter().take(SERVICES_MAX).collect(),
        warnings,
        strip: Strip::new(trace, &depths(trace, &layout), &palette),
        ticks: ticks(trace.duration_ns),
        rows,
        rows_total: layout.rows.len(),
        pages: slice.pages(trace, layout.rows.len()),
        detail: chosen.and_then(|row| Detail::new(trace, layout.rows[row].item, &palette)),
        spans_href: search("spans", &id, ""),
        logs_href: search("logs", &id, ""),
        json_href: format!("/api{}", address::trace(&trace.trace_id)),
    })
}

fn facts(trace: &Trace) -> Vec<(&'static str, String)> {
    let errors = trace.spans.iter().filter(|span| span.status == "error").count();
    vec![
        ("Duration", duration(trace.duration_ns)),
        ("Spans", count(trace.spans.len() as u64)),
        ("Logs", count(trace.logs.len() as u64)),
        ("Errors", count(errors as u64)),
    ]
}

fn legend(trace: &Trace, palette: &Palette) -> Vec<Legend> {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for span in &trace.spans {
        let (spans, errors) = counts.entry(&span.service).or_default();
        *spans += 1;
        *errors += u64::from(span.status == "error");
    }
    let mut legend: Vec<_> = counts.into_iter().collect();
    legend.sort_by_key(|(name, (spans, _))| (std::cmp::Reverse(*spans), *name));
    let legend = legend.into_iter().map(|(name, (spans, errors))| Legend {
        name: name.to_owned(),
        colour: palette.colour(name),
        spans: counted(spans, "span"),
        errors,
    });
    legend.collect()
}

/// The depth of every span.
fn depths(trace: &Trace, layout: &Layout) -> Vec<usize> {
    let mut depths = vec![0; trace.spans.len()];
    for row in &layout.rows {
        if let Item::Span(span) = row.item {
            depths[span] = row.depth;
        }
    }
    depths
}

/// The rows of the page that was asked for, or of the page that the chosen row is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slice {
    number: usize,
    from: usize,
    to: usize,
}

impl Slice {
    fn of(choice: &Choice, chosen: Option<usize>, rows: usize) -> Result<Self, BadParameter> {
        let pages = rows.div_ceil(PAGE_ROWS).max(1);
        let number = choice.page.unwrap_or_else(|| chosen.map_or(1, |row| row / PAGE_ROWS + 1));
        if number > pages {
            let expected = format!("this trace has {}", counted(pages as u64, "page"));
            return Err(BadParameter::new("page", &number.to_string(), expected));
        }
        let from = (number - 1) * PAGE_ROWS;
        Ok(Self { number, from, to: rows.min(from + PAGE_ROWS) })
    }

    fn pages(self, trace: &Trace, rows: usize) -> Option<Pages> {
        if rows <= PAGE_ROWS {
            return None;
        }
        let href = |page: usize| address::trace(&trace.trace_id).with("page", &page.to_string()).to_string();
        let (from, to, all) = (count(self.from as u64 + 1), count(self.to as u64), count(rows as u64));
        Some(Pages {
            words: format!("Rows {from} to {to} of {all}"),
            earlier: (self.number > 1).then(|| href(self.number - 1)),
            later: (self.to < rows).then(|| href(self.number + 1)),
        })
    }
}

#[cfg(test)]
mod tests;
