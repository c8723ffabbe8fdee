//! `GET /api/export` and `GET /api/traces/{id}/otlp`: what is stored, as OTLP again.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use model::Reader;
use serde_json::json;

use super::answer::Failure;
use super::params::{Params, trace_id};
use super::{Answer, SEARCH};
use crate::engine::{EXPORT_TRACES_MAX, Engine, Exports};
use crate::error::QueryError;

/// Says what of a trace is not in the answer.
const LEFT_OUT: HeaderName = HeaderName::from_static("causeway-left-out");

/// A page of what a search finds. The documents stand in the answer as they are written.
pub(super) async fn export(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Answer {
    let known: Vec<&str> = SEARCH[..5].iter().copied().chain(["signal"]).collect();
    let params = Params::read(query.as_deref(), &known)?;
    let what = match params.text("signal").as_deref() {
        None | Some("traces") => Exports::Traces,
        Some("spans") => Exports::Spans,
        Some("logs") => Exports::Logs,
        Some(other) => {
            let message = format!("{other:?} is no signal that can be exported");
            let expected = ["traces", "spans", "logs"].map(str::to_owned).to_vec();
            return Err(QueryError::Bad { message, position: None, expected }.into());
        }
    };
    let mut search = params.search()?;
    if what == Exports::Traces && params.text("limit").is_none() {
        search.limit = EXPORT_TRACES_MAX;
    }
    let exported = engine.export(&reader, what, &search).await;
    let exported = exported.map_err(|error| Failure::in_search(error, &search.q))?;
    let rest = json!({
        "found": exported.found,
        "rows": exported.rows,
        "left_out": exported.left_out,
        "cursor": exported.cursor,
        "stats": exported.stats,
    })
    .to_string();
    let body = format!("{{\"otlp\":[{}],{}", exported.documents.join(","), rest.trim_start_matches('{'));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// A trace as a file of OTLP documents, one for each line.
pub(super) async fn trace(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    Params::read(query.as_deref(), &[])?;
    let id = trace_id(&id)?;
    let exported = engine.export_trace(&reader, id).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"trace-{id}.otlp.jsonl\"")),
    ];
    let left_out = exported.left_out.map(|what| [(LEFT_OUT, what)]);
    Ok((headers, left_out, exported.documents.join("\n") + "\n").into_response())
}
