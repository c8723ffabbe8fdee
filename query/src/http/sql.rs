//! `POST /api/sql`: JSON whole, other forms as their rows are produced.
//!
//! A status and headers are gone once the first row is sent. What cuts an answer short after that is told in a
//! trailer where the client takes trailers. Where it does not, and wherever an error comes in the middle, the body
//! ends without its end, so that nobody takes a part for the whole.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use http_body::Frame;
use http_body_util::StreamBody;
use model::Reader;
use serde_json::json;

use super::Answer;
use super::answer::json_answer;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::sql::{RowFormat, SqlAnswer, SqlStream};

/// Says what cut rows short that have no statistics around them.
const PARTIAL: HeaderName = HeaderName::from_static("x-causeway-partial");

#[derive(serde::Deserialize)]
struct Question {
    sql: String,
}

pub(super) async fn sql(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let body = body
        .map_err(|error| QueryError::TooLarge(format!("the body cannot be read: {}", error.body_text())))?;
    let question: Question = serde_json::from_slice(&body).map_err(|error| QueryError::Bad {
        message: format!("the body is no question: {error}"),
        position: None,
        expected: vec!["{\"sql\":\"SELECT …\"}".to_owned()],
    })?;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = match accept {
        accept if accept.contains("application/x-ndjson") => RowFormat::Ndjson,
        accept if accept.contains("text/csv") => RowFormat::Csv,
        accept if accept.contains("application/vnd.apache.arrow.stream") => RowFormat::Arrow,
        _ => return Ok(whole(&engine.sql(&reader, &question.sql).await?)),
    };
    let rows = engine.sql_stream(&reader, &question.sql, format).await?;
    Ok(streamed(rows, content_type(format), takes_trailers(&headers)))
}

/// Rows of a query in a form, sent as they are produced. What cuts them short ends the body without its end.
pub async fn sql_rows(
    engine: &Engine,
    reader: &Reader,
    sql: &str,
    format: RowFormat,
) -> Result<Response, QueryError> {
    let rows = engine.sql_stream(reader, sql, format).await?;
    Ok(streamed(rows, content_type(format), false))
}

fn content_type(format: RowFormat) -> &'static str {
    match format {
        RowFormat::Ndjson => "application/x-ndjson",
        RowFormat::Csv => "text/csv; charset=utf-8",
        RowFormat::Arrow => "application/vnd.apache.arrow.stream",
    }
}

fn whole(answer: &SqlAnswer) -> Response {
    let columns = answer
        .schema
        .fields()
        .iter()
        .map(|field| json!({ "name": field.name(), "type": crate::sql::column_type(field) }));
    let rows: Vec<_> = answer.batches.iter().flat_map(crate::sql::json_rows).collect();
    let body = json!({ "columns": columns.collect::<Vec<_>>(), "rows": rows, "stats": answer.stats });
    json_answer(StatusCode::OK, &body)
}

/// Whether `TE: trailers` was sent.
fn takes_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::TE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

fn streamed(rows: SqlStream, content_type: &'static str, trailers: bool) -> Response {
    let frames = futures::stream::unfold(Some(rows), move |rows| async move {
        let mut rows = rows?;
        match rows.next().await {
            Ok(Some(piece)) => Some((Ok(Frame::data(piece)), Some(rows))),
            Ok(None) => {
                let last = last(&rows, trailers)?;
                out_first(&last).await;
                Some((last, None))
            }
            Err(error) => {
                tracing::warn!(%error, "an answer ended in the middle");
                let last = Err(error);
                out_first(&last).await;
                Some((last, None))
            }
        }
    });
    // Compression asks again after the end.
    let body = Body::new(StreamBody::new(frames.fuse()));
    let mut response = ([(header::CONTENT_TYPE, content_type)], body).into_response();
    if trailers {
        response.headers_mut().insert(header::TRAILER, HeaderValue::from(PARTIAL));
    }
    response
}

/// A connection that is about to break sends what it holds, while it waits.
async fn out_first(last: &Result<Frame<Bytes>, QueryError>) {
    if last.is_err() {
        tokio::task::yield_now().await;
    }
}

/// What comes behind the rows of an answer that was cut short; nothing where it is whole.
fn last(rows: &SqlStream, trailers: bool) -> Option<Result<Frame<Bytes>, QueryError>> {
    let partial = rows.stats()?.partial.as_ref()?;
    match HeaderValue::from_str(&partial.reason) {
        Ok(reason) if trailers => Some(Ok(Frame::trailers(HeaderMap::from_iter([(PARTIAL, reason)])))),
        _ => Some(Err(QueryError::Timeout(format!("cut short: {}", partial.reason)))),
    }
}
