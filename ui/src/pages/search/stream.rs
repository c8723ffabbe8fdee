//! An answer piece by piece: the newest stretch of time first, each piece a line of JSON with the rows it adds and
//! everything that was counted so far. Who leaves, or presses *Stop*, ends the question.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use model::{Predicate, Reader, TimeRange, UnixNanos};
use query::rows::{Bucket, FacetValue};
use query::{QueryError, Search};
use serde_json::json;

use super::question::{BARS, Question, ROWS_MAX, Tab};
use super::table::Table;
use super::timeline::{Facets, Timeline, added, joined};
use super::{Found, ask, view};
use crate::Ui;
use crate::format::{count, date_time, duration};
use crate::pages::respond;
use crate::visit::Visit;
use crate::zone::{self, Zone};

/// A stretch that was answered sooner than this is followed by one twice as long.
const QUICK: Duration = Duration::from_millis(250);
/// The most bars of one stretch.
const STRETCH_BARS_MAX: usize = 16;

/// Whether the rows of a question can be found stretch by stretch: newest first, each by itself.
pub(super) fn is_possible(question: &Question) -> bool {
    let single = |predicate: Predicate| predicate.is_of_one_row() && !predicate.has_chain();
    let is_newest_first = question.sort.word == "-time";
    match question.tab {
        Tab::Templates => false,
        // A wrong query is answered at once in any case.
        tab => is_newest_first && query::search::parse(&question.q, tab.signal()).is_ok_and(single),
    }
}

/// Answers with the pieces.
pub(crate) async fn stream(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    let question = match Question::of(&visit) {
        Ok(question) => question,
        Err(problem) => return respond(Err(problem), &visit, &ui),
    };
    let extent = match ui.engine.extent(&reader, question.tab.signal()).await {
        Ok(extent) => extent,
        Err(error) => return respond(Err(error.into()), &visit, &ui),
    };
    let pieces = Pieces::new(ui, reader, question, extent);
    let lines = futures::stream::unfold(Some(pieces), |pieces| async move {
        let mut pieces = pieces?;
        // The lines are made after the task that answers has gone.
        let (line, ended) = zone::within(pieces.zone.clone(), pieces.next()).await;
        Some((Ok::<_, Infallible>(line), (!ended).then_some(pieces)))
    });
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        // Each line is to arrive when it is written, and not when enough of them can be compressed.
        (CONTENT_ENCODING, "identity"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::from_stream(lines)).into_response()
}

/// What was found so far, and where it goes on.
struct Pieces {
    ui: Ui,
    zone: Zone,
    reader: Reader,
    question: Question,
    from: i64,
    /// The end of what is still to be looked at.
    to: i64,
    /// The length of a bar.
    width: i64,
    /// The bars of the next stretch.
    bars: usize,
    rows: usize,
    cursor: Option<String>,
    total: u64,
    rows_read: u64,
    begun: Instant,
    buckets: Vec<Bucket>,
    facets: BTreeMap<String, Vec<FacetValue>>,
    partial: Option<String>,
}

impl Pieces {
    fn new(ui: Ui, reader: Reader, question: Question, extent: Option<TimeRange>) -> Self {
        let (asked, stored) = (question.range.range, extent.unwrap_or_default());
        let from = asked.from.into_iter().chain(stored.from).max().unwrap_or_default().0;
        let end = stored.to.map(|last| UnixNanos(last.0.saturating_add(1)));
        let to = asked.to.into_iter().chain(end).min().unwrap_or_default().0.max(from);
        let width = (to.saturating_sub(from) as u64).div_ceil(BARS as u64).max(1);
        Self {
            ui,
            zone: zone::current(),
            reader,
            question,
            from,
            to,
            width: i64::try_from(width).unwrap_or(i64::MAX),
            bars: 1,
            rows: 0,
            cursor: None,
            total: 0,
            rows_read: 0,
            begun: Instant::now(),
            buckets: Vec::new(),
            facets: BTreeMap::new(),
            partial: None,
        }
    }

    /// The next line, and whether it is the last.
    async fn next(&mut self) -> (String, bool) {
        let length = self.width.saturating_mul(self.bars as i64);
        let from = self.to.saturating_sub(length).max(self.from);
        let range = TimeRange { from: Some(UnixNanos(from)), to: Some(UnixNanos(self.to)) };
        let bars = ((self.to - from) as u64).div_ceil(self.width as u64).max(1) as usize;
        let search = Search {
            range,
            limit: ROWS_MAX - self.rows.min(ROWS_MAX),
            histogram: Some(bars),
            ..self.question.search()
        };
        let begun = Instant::now();
        let table = match ask(&self.ui, &self.reader, &self.question, &search).await {
            Ok(found) => self.take(found),
            Err(error) => return (failed(&error), true),
        };
        if begun.elapsed() < QUICK {
            self.bars = (self.bars * 2).min(STRETCH_BARS_MAX);
        }
        self.to = from;
        let ended = self.to <= self.from || self.partial.is_some();
        (self.line(&table, ended), ended)
    }

    /// Adds what a stretch has; gives its rows.
    fn take(&mut self, found: Found) -> Table {
        let question = &self.question;
        let (table, rows, cursor, counts) = match found {
            Found::Traces(page) => {
                let counts = (page.histogram, page.facets, page.total, page.stats);
                (Table::traces(question, &page.rows), page.rows.len(), page.cursor, counts)
            }
            Found::Spans(page) => {
                let counts = (page.histogram, page.facets, page.total, page.stats);
                (Table::spans(question, &page.rows), page.rows.len(), page.cursor, counts)
            }
            Found::Logs(page) => {
                let counts = (page.histogram, page.facets, page.total, page.stats);
                (Table::logs(question, &page.rows), page.rows.len(), page.cursor, counts)
            }
            // Templates have no pieces.
            Found::Templates(_) => (Table::logs(question, &[]), 0, None, Default::default()),
        };
        let (histogram, facets, total, stats) = counts;
        self.rows += rows;
        self.cursor = cursor.or(self.cursor.take());
        self.buckets = joined(std::mem::take(&mut self.buckets), histogram.unwrap_or_default());
        self.facets = added(std::mem::take(&mut self.facets), facets.unwrap_or_default());
        self.total += total.unwrap_or(0);
        self.rows_read += stats.rows_scanned;
        self.partial = stats.partial.map(|partial| partial.reason);
        table
    }

    fn line(&self, table: &Table, ended: bool) -> String {
        let older = self.cursor.as_ref().filter(|_| self.rows >= ROWS_MAX);
        let older =
            older.map(|cursor| self.question.with(|other| cursor.clone_into(&mut other.cursor)).href());
        let took = duration(i64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(i64::MAX));
        let text = |rendered: askama::Result<String>| rendered.unwrap_or_default();
        let line = json!({
            "rows": text(table.rows_alone().render()),
            "timeline": text(Timeline::new(&self.question, &self.buckets).map_or(Ok(String::new()), |line| line.render())),
            "facets": text(Facets::new(&self.question, Some(&self.facets)).render()),
            "summary": view::summary(&self.question, Some(self.total), self.rows as u64),
            "progress": format!("back to {} {} · {} rows read · {took}", date_time(self.to), zone::name(), count(self.rows_read)),
            "older": older,
            "partial": self.partial,
            "found": self.rows,
            "ended": ended,
        });
        format!("{line}\n")
    }
}

fn failed(error: &QueryError) -> String {
    format!("{}\n", json!({ "error": error.to_string(), "ended": true }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::checks;

    #[test]
    fn only_what_each_row_decides_is_answered_in_pieces() {
        for (address, expected) in [
            ("/search?tab=logs&q=refused%20severity%3Eerror", true),
            ("/search?tab=traces", true),
            ("/search?tab=logs&sort=time", false),
            ("/search?tab=templates", false),
            ("/search?tab=logs&q=trace%20in%20spans(status%3Aerror)", false),
            ("/search?tab=spans&q=%7Bservice%3Aa%7D%20%3E%20%7B%7D", false),
            ("/search?tab=logs&q=%22open", false),
        ] {
            assert_eq!(is_possible(&Question::of(&checks::visit(address)).unwrap()), expected, "{address}");
        }
    }
}
