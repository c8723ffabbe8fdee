//! The pages. Each module asks the engine, builds a view, and renders its template.

pub(crate) mod rows;
mod suspects;
pub(crate) mod changes;
mod overview;
mod incidents;
mod incident;
mod explain;
mod services;
mod service;
mod map;
mod search;
mod compare;
mod promql;
mod sql;
mod dashboards;
mod dashboard;
mod trace;
mod start;
mod preferences;
mod status;
#[cfg(test)]
pub(crate) mod checks;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderName, Uri};
use model::{Reader, Signal, TimeRange};
use query::QueryError;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::Ui;
use crate::problem::Problem;
use crate::visit::Visit;

/// Does what may take long of a page without holding up the other tasks of its thread.
pub(crate) fn apart<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => block_in_place(work),
        // There are no other threads to go on with.
        _ => work(),
    }
}

/// From when to when there are metrics, or spans that metrics are made of.
async fn metrics_extent(ui: &Ui, reader: &Reader) -> Result<Option<(i64, i64)>, QueryError> {
    let mut whole: Option<(i64, i64)> = None;
    for signal in [Signal::Metrics, Signal::Spans] {
        let extent = ui.engine.extent(reader, signal).await?;
        if let Some(TimeRange { from: Some(from), to: Some(to) }) = extent {
            let (first, last) = whole.unwrap_or((from.0, to.0));
            whole = Some((first.min(from.0), last.max(to.0)));
        }
    }
    Ok(whole)
}

/// Every page by its address, and the page for addresses that have none.
pub(crate) fn router() -> Router<Ui> {
    Router::new()
        .route("/", get(overview::page))
        .route("/incidents", get(incidents::page))
        .route("/incidents/{id}", get(incident::page))
        .route("/explain", get(explain::page))
        .route("/services", get(services::page))
        .route("/services/{name}", get(service::page))
        .route("/map", get(map::page))
        .route("/compare", get(compare::page))
        .route("/promql", get(promql::page))
        .route("/sql", get(sql::page))
        .route("/sql/words", get(sql::words))
        .route("/sql/{name}", get(sql::file))
        .merge(dashboard_routes())
        .route("/search", get(search::page))
        .route("/search/row", get(search::row))
        .route("/search/stream", get(search::stream))
        .route("/traces/{id}", get(trace::page))
        .route("/traces/{id}/detail", get(trace::part))
        .route("/traces/{id}/file", get(trace::file::page))
        .route("/status", get(status::page))
        .route("/start", get(start::page))
        .route("/start/progress", get(start::progress))
        .route("/preferences", get(preferences::page))
        .route("/preferences/keep", get(preferences::keep))
        .fallback(no_page)
}

/// Dashboards: shown, changed, imported.
fn dashboard_routes() -> Router<Ui> {
    Router::new()
        .route("/dashboards", get(dashboards::page))
        .route("/dashboards/new", get(dashboard::edit::new).post(dashboard::edit::create))
        .route("/dashboards/check", post(dashboard::edit::checked))
        .route("/dashboards/import", get(dashboard::edit::import).post(dashboard::edit::imported))
        .route("/dashboards/{name}", get(dashboard::page))
        .route("/dashboards/{name}/panel", get(dashboard::part))
        .route("/dashboards/{name}/edit", get(dashboard::edit::page).post(dashboard::edit::save))
        .layer(DefaultBodyLimit::max(dashboard::edit::FORM_BYTES_MAX))
}

/// The answer, or the page that says why there is none.
fn respond(answer: Result<Response, Problem>, visit: &Visit, ui: &Ui) -> Response {
    answer.unwrap_or_else(|problem| problem.response(visit, ui.version))
}

async fn no_page(State(ui): State<Ui>, uri: Uri, visit: Visit) -> Response {
    Problem::NoPage(uri.path().to_owned()).response(&visit, ui.version)
}

/// Headers of a file that the browser keeps and does not show.
pub(crate) fn kept(kind: &'static str, name: String) -> [(HeaderName, String); 3] {
    [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (CACHE_CONTROL, "private, no-cache".to_owned()),
    ]
}
