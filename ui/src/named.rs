//! The name in the path of an address: the id of a trace, a service, an incident, a file.

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use http::request::Parts;

use crate::Ui;
use crate::params::BadParameter;
use crate::problem::Problem;
use crate::visit::Visit;

/// What the path names. Bytes that are no text are answered by the page that says so.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

impl FromRequestParts<Ui> for Named {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ui: &Ui) -> Result<Self, Response> {
        if let Ok(Path(name)) = Path::<String>::from_request_parts(parts, ui).await {
            return Ok(Self(name));
        }
        let Ok(visit) = Visit::from_request_parts(parts, ui).await;
        let path = parts.uri.path();
        let wrong = BadParameter::new(part(path), path, "text in UTF-8 was expected");
        Err(Problem::from(wrong).response(&visit, ui.version))
    }
}

/// What a path names.
fn part(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("traces") => "trace id",
        Some("services") => "service",
        Some("incidents") => "incident",
        Some("dashboards") => "dashboard",
        _ => "file",
    }
}
