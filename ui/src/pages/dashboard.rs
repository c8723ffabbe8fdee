//! `/dashboards/{name}`: the panels of a dashboard over one time; `/dashboards/{name}/panel` is one of them, drawn.
//!
//! The page is sent at once. Script asks for each panel when it comes into view; a browser without script goes to the
//! address that has all of them drawn, by `whole`.
//!
//! - `view`: the page
//! - `edit`: the text of a dashboard, to be changed, written anew or imported

mod view;
pub(crate) mod edit;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use futures::stream::{self, StreamExt};
use model::{Reader, TimeRange, UnixNanos};
use query::QueryError;

use crate::Ui;
use crate::dashboards::files::Entry;
use crate::dashboards::fill::Choices;
use crate::dashboards::lists::{self, Listed, Lists};
use crate::dashboards::model::Dashboard;
use crate::dashboards::panel::{self, Drawn, Span};
use crate::named::Named;
use crate::pages::{apart, metrics_extent, respond};
use crate::params::BadParameter;
use crate::problem::{Problem, html};
use crate::range::Range;
use crate::visit::Visit;

/// How many panels are answered at once for a page without script.
const PANELS_AT_ONCE: usize = 2;
/// How long all panels of a page without script may take; what is not asked by then is not asked any more.
const WHOLE_TIME_MAX: Duration = Duration::from_secs(20);
/// How long one panel may take.
const PANEL_TIME_MAX: Duration = Duration::from_secs(30);
/// How often series have a sample unless the dashboard says, in milliseconds.
const INTERVAL_MS: i64 = 60_000;
/// The time of a dashboard where nothing says which, in nanoseconds.
const HOUR: i64 = 3_600_000_000_000;
/// How often a page may be answered anew: its word in the address, and milliseconds.
const REFRESHES: [(&str, u64); 5] =
    [("off", 0), ("10s", 10_000), ("30s", 30_000), ("1m", 60_000), ("5m", 300_000)];

/// A dashboard with what the address says of it.
struct Asked {
    entry: Entry,
    dashboard: Arc<Dashboard>,
    range: Range,
    span: Span,
    /// How often it is answered anew.
    refresh: &'static str,
    variables: Vec<Listed>,
    choices: Choices,
}

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    Named(name): Named,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit, &name).await, &visit, &ui)
}

/// Answers one panel, drawn, for the page that has the others.
pub(crate) async fn part(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    Named(name): Named,
    visit: Visit,
) -> Response {
    respond(drawn(&ui, &reader, &visit, &name).await, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit, name: &str) -> Result<Response, Problem> {
    let entry = entry(ui, name)?;
    let Some(dashboard) = entry.dashboard.clone() else {
        return html(&view::broken(visit, ui.version, &entry));
    };
    let asked = Asked::of(ui, reader, visit, (entry, dashboard), Lists::Every).await?;
    let is_whole = visit.params.choice("whole", &[("0", false), ("1", true)])?;
    let panels = if is_whole { asked.all(ui, reader).await } else { Vec::new() };
    html(&view::page(visit, ui.version, &asked, panels, is_whole))
}

async fn drawn(ui: &Ui, reader: &Reader, visit: &Visit, name: &str) -> Result<Response, Problem> {
    let entry = entry(ui, name)?;
    let dashboard = entry.dashboard.clone().ok_or_else(|| missing(name))?;
    let count = dashboard.panels.len();
    let number = visit.params.number("n")?.unwrap_or(1);
    let asked = Asked::of(ui, reader, visit, (entry, dashboard), Lists::Needed).await?;
    let Some(panel) = asked.dashboard.panels.get(number - 1) else {
        let expected = format!("the number of one of {count} panels was expected");
        return Err(BadParameter::new("n", &number.to_string(), expected).into());
    };
    let until = Instant::now() + PANEL_TIME_MAX;
    html(&panel::answer(&ui.engine, reader, panel, &asked.choices, &asked.span, until).await)
}

fn entry(ui: &Ui, name: &str) -> Result<Entry, Problem> {
    apart(|| ui.dashboards.one(name)).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Problem {
    QueryError::NotFound(format!("there is no dashboard {name:?}")).into()
}

impl Asked {
    async fn of(
        ui: &Ui,
        reader: &Reader,
        visit: &Visit,
        (entry, dashboard): (Entry, Arc<Dashboard>),
        lists: Lists,
    ) -> Result<Self, Problem> {
        let (now, extent) = (UnixNanos::now(), metrics_extent(ui, reader).await?);
        let range = match visit.asks_for("t") {
            true => Range::of(&visit.params, now)?,
            false => usual_range(&dashboard, extent, now),
        };
        let refresh = visit.params.choice("refresh", &refreshes(&dashboard))?;
        let interval = query::promql::parse_duration(&dashboard.interval).unwrap_or(INTERVAL_MS);
        let (from, to) = ends(range.range, extent, now);
        let span = Span::new(from, to, interval);
        let (variables, choices) =
            lists::choose(&ui.engine, reader, &dashboard, &visit.params, &span, lists).await;
        Ok(Self { entry, dashboard, range, span, refresh, variables, choices })
    }

    /// All panels, in order.
    async fn all(&self, ui: &Ui, reader: &Reader) -> Vec<Drawn> {
        let until = Instant::now() + WHOLE_TIME_MAX;
        let panels = self.dashboard.panels.iter();
        let answers =
            panels.map(|one| panel::answer(&ui.engine, reader, one, &self.choices, &self.span, until));
        // Without its closure the stream can wait on any thread.
        let answers: Vec<_> = answers.collect();
        stream::iter(answers).buffered(PANELS_AT_ONCE).collect().await
    }

    /// Milliseconds until it is answered anew; none if it is not.
    fn refresh_ms(&self) -> Option<u64> {
        REFRESHES.iter().find(|(word, _)| *word == self.refresh).map(|(_, ms)| *ms).filter(|ms| *ms > 0)
    }
}

/// The time of an address that names none: that of the file, or the newest hour where nothing is so new.
fn usual_range(dashboard: &Dashboard, extent: Option<(i64, i64)>, now: UnixNanos) -> Range {
    let newest = extent.map_or(now, |(_, newest)| UnixNanos(newest));
    let own = Range::read("range", &dashboard.range, now).ok().filter(|_| !dashboard.range.is_empty());
    match own {
        Some(own) if own.range.from.is_none_or(|from| from <= newest) => own,
        _ => Range::newest_hour(newest, now),
    }
}

/// Where a time begins and ends; an open end is that of the data, or now.
fn ends(range: TimeRange, extent: Option<(i64, i64)>, now: UnixNanos) -> (i64, i64) {
    let (first, last) = extent.unwrap_or((now.0.saturating_sub(HOUR), now.0));
    let to = range.to.map_or(if range.from.is_some() { now.0 } else { last }, |to| to.0);
    (range.from.map_or(first.min(to), |from| from.0), to)
}

/// How often a page may be answered anew, first what holds unless the address says: what the file says, as near as it comes.
fn refreshes(dashboard: &Dashboard) -> Vec<(&'static str, &'static str)> {
    let wanted = query::promql::parse_duration(&dashboard.refresh).unwrap_or(0).unsigned_abs();
    let usual = REFRESHES.iter().position(|(_, ms)| *ms >= wanted).unwrap_or(REFRESHES.len() - 1);
    let mut all: Vec<_> = REFRESHES.iter().map(|(word, _)| (*word, *word)).collect();
    all.rotate_left(usual);
    all
}

#[cfg(test)]
mod tests;
