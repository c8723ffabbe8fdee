//! `/promql`: queries over time on one chart, with exemplars that open their trace, histograms as heatmaps, and what makes a
//! query slow or wide; without a query, the metrics that are stored. The queries, the time and the step stand in the address.

mod question;
mod explorer;
mod blame;
mod empty;
mod buckets;
mod view;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use http::StatusCode;
use model::{Reader, TimeRange, UnixNanos};
use query::promql::{Limits, Value};
use query::{Exemplar, MetricAnswer, MetricQuestion, QueryError};

use crate::Ui;
use crate::pages::{metrics_extent, respond};
use crate::problem::{Problem, html};
use crate::visit::Visit;
use blame::Blame;
use empty::Empty;
use question::{Asked, Row};

/// The most exemplars that are shown: those with the largest values.
const EXEMPLARS_MAX: usize = 40;

/// How many queries of a page are answered at once.
const QUERIES_AT_ONCE: usize = 2;

/// What a query gave, and what stands beside that.
struct Reply {
    found: Result<MetricAnswer, QueryError>,
    blame: Option<Blame>,
    /// Why there is nothing.
    empty: Option<Result<Empty, QueryError>>,
}

/// All that the queries of the page gave.
struct Replies {
    /// One for each row; none of a row that is empty or off.
    replies: Vec<Option<Reply>>,
    /// With the names of their series.
    exemplars: Result<Vec<(String, Exemplar)>, QueryError>,
}

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit).await, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit) -> Result<Response, Problem> {
    let extent = metrics_extent(ui, reader).await?;
    let extent = extent.map(|(from, to)| TimeRange { from: Some(UnixNanos(from)), to: Some(UnixNanos(to)) });
    let asked = Asked::of(visit, extent, UnixNanos::now())?.read_by(ui.engine.promql_options());
    if !asked.has_query() {
        let known = if extent.is_some() { Some(explorer::look(ui, reader, &asked).await?) } else { None };
        return html(&view::metrics(visit, ui.version, ui.endpoints, &asked, known.as_ref()));
    }
    // Without its closure the stream can wait on any thread.
    let asks: Vec<_> = asked.rows.iter().map(|row| row_reply(ui, reader, &asked, row)).collect();
    let replies: Vec<_> = stream::iter(asks).buffered(QUERIES_AT_ONCE).collect().await;
    let exemplars = exemplars(ui, reader, &asked, &replies).await;
    let status =
        replies.iter().flatten().find_map(|reply| reply.found.as_ref().err()).map(|error| error.code().0);
    let page = html(&view::answered(visit, ui.version, &asked, &Replies { replies, exemplars }))?;
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    Ok(match status {
        Some(status) => (status, page).into_response(),
        None => page,
    })
}

/// Asks the query of a row; nothing of one that is empty or off.
async fn row_reply(ui: &Ui, reader: &Reader, asked: &Asked, row: &Row) -> Option<Reply> {
    if !row.is_on || row.text.is_empty() {
        return None;
    }
    // On the heap: several of them wait side by side.
    Some(Box::pin(reply(ui, reader, asked, &row.text)).await)
}

/// Asks one query.
async fn reply(ui: &Ui, reader: &Reader, asked: &Asked, text: &str) -> Reply {
    let question = MetricQuestion {
        text: text.to_owned(),
        times: asked.times(),
        options: asked.options,
        limits: Limits { steps_max: question::STEPS_MAX as u64, ..Limits::default() },
        time: None,
    };
    let found = ui.engine.metrics(reader, &question).await;
    let is_empty = found
        .as_ref()
        .is_ok_and(|answer| matches!(&answer.answer.value, Value::Matrix(all) if all.is_empty()));
    let empty = if is_empty { Some(empty::why(ui, reader, asked, text).await) } else { None };
    let blame = blame::blame(ui, reader, asked, text, &found).await;
    Reply { found, blame, empty }
}

/// The exemplars of what the queries select, in order of time.
async fn exemplars(
    ui: &Ui,
    reader: &Reader,
    asked: &Asked,
    replies: &[Option<Reply>],
) -> Result<Vec<(String, Exemplar)>, QueryError> {
    let answered = asked.rows.iter().zip(replies);
    let answered = answered.filter(|(_, reply)| reply.as_ref().is_some_and(|reply| reply.found.is_ok()));
    let selectors: Vec<_> = answered.flat_map(|(row, _)| blame::selectors(&row.text, asked)).collect();
    if selectors.is_empty() {
        return Ok(Vec::new());
    }
    let found = ui.engine.exemplars(reader, &selectors, asked.covered()).await?;
    let mut all: Vec<(String, Exemplar)> = Vec::new();
    for series in found {
        let name = view::series_name(&series.labels);
        let drawn =
            series.exemplars.into_iter().filter(|one| one.trace_id.is_some() && one.value.is_finite());
        all.extend(drawn.map(|exemplar| (name.clone(), exemplar)));
        largest(&mut all);
    }
    all.sort_by_key(|(_, exemplar)| exemplar.time_ms);
    Ok(all)
}

/// Keeps the exemplars with the largest values.
fn largest(all: &mut Vec<(String, Exemplar)>) {
    all.sort_by(|left, right| right.1.value.total_cmp(&left.1.value));
    all.truncate(EXEMPLARS_MAX);
}

#[cfg(test)]
mod tests;
