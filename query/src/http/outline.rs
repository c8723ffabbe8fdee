//! `GET /api/traces/{id}/outline`, `/rows`, `/find` and `/size`: a trace of any size, piece by piece.

use std::convert::Infallible;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use futures::stream;
use model::Reader;
use serde_json::json;

use super::Answer;
use super::answer::{Failure, json_answer};
use super::params::{Params, trace_id};
use crate::engine::{DETAILS_MAX, Engine, Sought, Token};
use crate::error::QueryError;

/// The type of an outline: its form and version stand in its first bytes.
const CONTENT_TYPE: &str = "application/vnd.causeway.outline";

/// The outline that is asked about; `None` is that of all that is stored now.
fn token(params: &Params) -> Result<Option<Token>, QueryError> {
    params.text("outline").map(|text| text.parse()).transpose()
}

/// The bytes of an outline.
pub(super) async fn outline(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = Params::read(query.as_deref(), &["outline"])?;
    let outline = engine.outline(&reader, trace_id(&id)?, token(&params)?).await?;
    // Not `unfold`, which must not be asked again after its end, as compression does.
    let count = outline.pieces().len();
    let pieces = stream::iter((0..count).map(move |at| Ok::<_, Infallible>(outline.pieces()[at].clone())));
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from_stream(pieces)).into_response())
}

/// What is behind some of its rows.
pub(super) async fn rows(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = Params::read(query.as_deref(), &["outline", "from", "to", "rows"])?;
    let rows = engine.trace_rows(&reader, trace_id(&id)?, token(&params)?, row_numbers(&params)?).await?;
    Ok(json_answer(StatusCode::OK, &json!({ "outline": rows.outline.to_string(), "rows": rows.rows })))
}

/// The rows from `from` to `to`, or those that `rows` names.
fn row_numbers(params: &Params) -> Result<Vec<usize>, QueryError> {
    let from = params.number("from", usize::MAX - DETAILS_MAX)?;
    let to = params.number("to", usize::MAX)?;
    let Some(named) = params.text("rows") else {
        let from = from.unwrap_or(0);
        let to = to.unwrap_or(from + DETAILS_MAX);
        if from > to || to - from > DETAILS_MAX {
            let message = format!("rows {from} to {to}: `to` comes after `from`, by {DETAILS_MAX} at most");
            return Err(QueryError::invalid(message));
        }
        return Ok((from..to).collect());
    };
    if from.or(to).is_some() {
        return Err(QueryError::invalid("rows are named by `from` and `to` or by `rows`, not by both"));
    }
    let number = |text: &str| {
        let wrong = || QueryError::invalid(format!("{text:?} in rows is not the number of a row"));
        text.parse().map_err(|_| wrong())
    };
    named.split(',').map(number).collect()
}

/// Which of its rows match a search, or have an id.
pub(super) async fn find(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = Params::read(query.as_deref(), &["outline", "q", "ids"])?;
    let q = params.text("q");
    let sought = match (params.text("ids"), &q) {
        (Some(ids), None) => Sought::Ids(ids.split(',').map(str::to_owned).collect()),
        (None, Some(q)) => Sought::Search(q.clone()),
        _ => return Err(QueryError::invalid("one of q and ids says what is sought").into()),
    };
    let found = engine.find_in_trace(&reader, trace_id(&id)?, token(&params)?, sought).await;
    let found = found.map_err(|error| Failure::in_search(error, &q.unwrap_or_default()))?;
    let mut before = 0;
    let steps = found.rows.iter().map(|row| {
        let step = row - before;
        before = *row;
        step
    });
    let body = json!({
        "outline": found.outline.to_string(),
        "total": found.rows.len(),
        "steps": steps.collect::<Vec<u32>>(),
        "stats": found.stats,
    });
    Ok(json_answer(StatusCode::OK, &body))
}

/// How much is stored of it now: whether it has grown.
pub(super) async fn size(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    Params::read(query.as_deref(), &[])?;
    let size = engine.trace_size(&reader, trace_id(&id)?).await?;
    Ok(json_answer(StatusCode::OK, &json!({ "spans": size.spans, "logs": size.logs })))
}
