//! The web pages. The server renders all of them from the engine's rows; script only adds to them.
//!
//! The modules follow a request: who looks and with which parameters, the helpers that turn rows into what a
//! template shows, the pages, the problem page, and the assets they all load. A page's module asks the engine or
//! the diagnostics and builds a view; its template knows views only. Nothing here reads the store except through
//! [`query::Engine`] and [`diagnosis::Diagnostics`], and no text of telemetry reaches a page except through the templates' escaping.

#![forbid(unsafe_code)]

mod visit;
mod preferences;
mod params;
mod named;
mod zone;
mod range;
mod selection;
mod address;
mod copy;
mod format;
mod prose;
mod colour;
mod attributes;
mod chart;
mod tree;
mod layout;
mod dashboards;
mod pages;
mod problem;
mod assets;
#[cfg(test)]
mod sample;

use std::net::SocketAddr;

use axum::Router;
use axum::response::Response;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

pub use dashboards::{Dashboards, Fault, Imported, grafana};

/// What every page needs. Cloning is cheap.
#[derive(Clone)]
pub struct Ui {
    /// Answers the questions of the pages.
    pub engine: query::Engine,
    /// Answers what is wrong, and keeps the incidents.
    pub diagnostics: diagnosis::Diagnostics,
    /// The dashboards.
    pub dashboards: Dashboards,
    /// Where exporters send to; `/start` shows them.
    pub endpoints: Endpoints,
    /// The program's version.
    pub version: &'static str,
}

/// The addresses that take OTLP, as they were bound.
#[derive(Debug, Clone, Copy)]
pub struct Endpoints {
    /// OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// OTLP over HTTP.
    pub otlp_http: SocketAddr,
}

/// The headers of every answer of the page's listener that has none of its own: no other origin, no inline script or style,
/// no frame.
pub const SECURITY_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
];

/// All pages and their assets. Every request must carry the [`model::Reader`] it asks for as an extension; the
/// Host check and authentication come before.
pub fn router(ui: Ui) -> Router {
    let in_zone = axum::middleware::from_fn_with_state(ui.clone(), zone::answer);
    security_headers(pages::router().layer(in_zone).with_state(ui).merge(assets::router()))
}

/// Adds [`SECURITY_HEADERS`] to every answer of a router, unless the answer has one of its own.
pub fn security_headers(router: Router) -> Router {
    router.layer(axum::middleware::map_response(add_headers))
}

async fn add_headers(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

#[cfg(test)]
mod tests;
