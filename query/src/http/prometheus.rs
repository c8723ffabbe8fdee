//! Prometheus' HTTP API under `/prometheus`, as version 3.5 answers it: Grafana's data source and promtool ask here.
//!
//! - `form`: parameters, from an address or a form
//! - `answer`: what is answered, and what went wrong, in Prometheus' forms
//! - `questions`: PromQL, exemplars, and queries as text
//! - `series`: which series, labels and metrics there are
//! - `status`: about the program
//!
//! Parameters that nobody knows are passed over, as there.

mod form;
mod answer;
mod questions;
mod series;
mod status;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use crate::engine::Engine;
use answer::Failed;

type Answer = Result<Response, Failed>;

/// The routes below `/prometheus`, but for what writes.
pub(super) fn routes() -> Router<Engine> {
    let api = |path: &str| format!("/prometheus/api/v1/{path}");
    Router::new()
        .route(&api("query"), get(questions::instant).post(questions::instant))
        .route(&api("query_range"), get(questions::range).post(questions::range))
        .route(&api("query_exemplars"), get(questions::exemplars).post(questions::exemplars))
        .route(&api("format_query"), get(questions::format).post(questions::format))
        .route(&api("parse_query"), get(questions::parsed).post(questions::parsed))
        .route(&api("series"), get(series::series).post(series::series))
        .route(&api("labels"), get(series::labels).post(series::labels))
        .route(&api("label/{name}/values"), get(series::label_values))
        .route(&api("metadata"), get(series::metadata))
        .route(&api("targets"), get(status::targets))
        .route(&api("targets/metadata"), get(status::none))
        .route(&api("scrape_pools"), get(status::scrape_pools))
        .route(&api("alertmanagers"), get(status::alertmanagers))
        .route(&api("rules"), get(status::rules))
        .route(&api("alerts"), get(status::alerts))
        .route(&api("notifications"), get(status::none))
        .route(&api("status/buildinfo"), get(status::build))
        .route(&api("status/runtimeinfo"), get(status::runtime))
        .route(&api("status/flags"), get(status::flags))
        .route(&api("status/config"), get(status::config))
        .route(&api("status/tsdb"), get(status::cardinality))
        .route(&api("status/walreplay"), get(status::replay))
        .route("/prometheus/-/healthy", get(status::healthy))
        .route("/prometheus/-/ready", get(status::ready))
        .route("/prometheus/{*rest}", any(unknown))
        .method_not_allowed_fallback(wrong_method)
}

async fn unknown(method: Method, uri: Uri) -> Response {
    match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Failed::not_found(format!("there is no {} here", uri.path())).into_response(),
    }
}

/// What the address allows is not told to pages of other origins: no page of theirs may ask.
async fn wrong_method(method: Method, uri: Uri) -> Response {
    match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Failed::method(format!("{method} is not how {} is asked", uri.path())).into_response(),
    }
}
