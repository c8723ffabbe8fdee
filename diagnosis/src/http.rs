//! The API of diagnosis over HTTP. Who asks stands in the request's extensions as a [`Reader`].

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use model::{Reader, TimeRange, UnixNanos};
use query::{Engine, Failure, QueryError, json_answer};
use serde::Deserialize;
use serde_json::Value;

use crate::diagnose::{Question, diagnose};

/// The longest question in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;

/// The routes of diagnosis.
pub fn router(engine: Engine) -> Router {
    Router::new()
        .route("/api/diagnose", post(answer))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(engine)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    from: Option<Value>,
    to: Option<Value>,
    service: Option<String>,
    baseline: Option<AskedRange>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedRange {
    from: Value,
    to: Value,
}

async fn answer(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    body: axum::body::Bytes,
) -> Result<Response, Failure> {
    let question = question(&body)?;
    let diagnosis = diagnose(&engine, &reader, &question).await?;
    Ok(json_answer(StatusCode::OK, &diagnosis))
}

fn question(body: &[u8]) -> Result<Question, QueryError> {
    let wrong = |error: serde_json::Error| QueryError::Bad {
        message: format!("the body is no question: {error}"),
        position: None,
        expected: vec![r#"{"from":"2026-01-01T10:00:00Z","to":"2026-01-01T10:05:00Z"}"#.to_owned()],
    };
    let asked: Asked = serde_json::from_slice(body).map_err(wrong)?;
    let now = UnixNanos::now();
    let range = |from: Option<&Value>, to: Option<&Value>| -> Result<TimeRange, QueryError> {
        let time =
            |value: Option<&Value>| value.filter(|value| !value.is_null()).map(|value| time(value, now));
        Ok(TimeRange { from: time(from).transpose()?, to: time(to).transpose()? })
    };
    let baseline = asked.baseline.map(|asked| range(Some(&asked.from), Some(&asked.to))).transpose()?;
    Ok(Question { range: range(asked.from.as_ref(), asked.to.as_ref())?, service: asked.service, baseline })
}

/// A time as requests write it: text, or Unix nanoseconds as a number.
fn time(value: &Value, now: UnixNanos) -> Result<UnixNanos, QueryError> {
    match value {
        Value::String(text) => query::times::parse(text, now),
        Value::Number(number) => query::times::parse(&number.to_string(), now),
        other => Err(QueryError::invalid(format!("{other} is no time"))),
    }
}
