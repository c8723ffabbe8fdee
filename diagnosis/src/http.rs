//! The API of diagnosis over HTTP. Who asks stands in the request's extensions as a [`Reader`].

use axum::extract::State;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use model::{Reader, TimeRange, UnixNanos};
use query::{Failure, QueryError, json_answer};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::diagnose::Question;
use crate::incidents::INCIDENTS_MAX;
use crate::{Change, ChangeKind, Diagnostics};

/// The longest question in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Times nearer than this to the ends of 64-bit nanoseconds are refused, in nanoseconds: a day.
const TIME_MARGIN: i64 = 86_400_000_000_000;

/// The routes of diagnosis.
pub fn router(diagnostics: Diagnostics) -> Router {
    Router::new()
        .route("/api/diagnose", post(answer))
        .route("/api/incidents", get(incidents))
        .route("/api/incidents/{id}", get(incident))
        .route("/api/changes", get(changes).post(mark))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(diagnostics)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `from`, `to`, `service` and `baseline`")]
struct Asked {
    from: Option<Value>,
    to: Option<Value>,
    service: Option<String>,
    baseline: Option<AskedRange>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a baseline with `from` and `to`")]
struct AskedRange {
    from: Value,
    to: Value,
}

async fn answer(
    State(diagnostics): State<Diagnostics>,
    Extension(reader): Extension<Reader>,
    body: axum::body::Bytes,
) -> Result<Response, Failure> {
    let question = question(&body)?;
    let diagnosis = diagnostics.diagnose(&reader, &question).await?;
    Ok(json_answer(StatusCode::OK, &diagnosis))
}

async fn incidents(
    State(diagnostics): State<Diagnostics>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let asked = query::Params::read(query.as_deref(), &["from", "to", "limit", "open"])?;
    let limit = asked.limit()?.min(INCIDENTS_MAX);
    let only_open = open(asked.text("open").as_deref())?;
    // Those that are open may be older than many that are not.
    let read = if only_open { INCIDENTS_MAX } else { limit };
    let mut incidents = diagnostics.incidents(&reader, asked.range()?, read).await?;
    incidents.retain(|incident| !only_open || incident.end.is_none());
    incidents.truncate(limit);
    Ok(json_answer(StatusCode::OK, &json!({ "incidents": incidents })))
}

/// Whether only open incidents are asked for.
fn open(text: Option<&str>) -> Result<bool, QueryError> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => {
            let message = format!("open is {other:?}, and neither true nor false");
            let expected = ["true", "false"].map(str::to_owned).to_vec();
            Err(QueryError::Bad { message, position: None, expected })
        }
    }
}

async fn incident(
    State(diagnostics): State<Diagnostics>,
    Extension(reader): Extension<Reader>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    Ok(json_answer(StatusCode::OK, &diagnostics.incident(&reader, &id).await?))
}

async fn changes(
    State(diagnostics): State<Diagnostics>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let asked = query::Params::read(query.as_deref(), &["from", "to"])?;
    let changes = diagnostics.changes(&reader, asked.range()?).await?;
    Ok(json_answer(StatusCode::OK, &json!({ "changes": changes })))
}

/// A mark as it is made: now, if it names no time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `kind` and `service`")]
struct Mark {
    kind: ChangeKind,
    service: String,
    time: Option<Value>,
    namespace: Option<String>,
    environment: Option<String>,
    version: Option<String>,
    text: Option<String>,
}

async fn mark(
    State(diagnostics): State<Diagnostics>,
    Extension(reader): Extension<Reader>,
    body: axum::body::Bytes,
) -> Result<Response, Failure> {
    let mark: Mark = serde_json::from_slice(&body).map_err(|error| QueryError::Bad {
        message: format!("the body is no mark: {error}"),
        position: None,
        expected: vec![r#"{"kind":"deploy","service":"cart","version":"2.4.0"}"#.to_owned()],
    })?;
    let now = UnixNanos::now();
    let given = mark.time.as_ref().filter(|given| !given.is_null());
    let time = given.map_or(Ok(now), |given| self::time(given, now))?;
    let Mark { kind, service, namespace, environment, version, text, .. } = mark;
    let (time, source, id) = (time.0.to_string(), "api".to_owned(), String::new());
    let change = Change { id, time, kind, service, namespace, environment, version, text, source };
    Ok(json_answer(StatusCode::CREATED, &diagnostics.mark(&reader, change).await?))
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
    Ok(Question {
        range: range(asked.from.as_ref(), asked.to.as_ref())?,
        service: asked.service,
        baseline,
        ..Question::default()
    })
}

/// A time as requests write it: text, or a Unix time as a number.
fn time(value: &Value, now: UnixNanos) -> Result<UnixNanos, QueryError> {
    let time = match value {
        Value::String(text) => query::times::parse(text, now),
        Value::Number(number) => query::times::parse(&number.to_string(), now),
        other => Err(QueryError::invalid(format!("{other} is no time"))),
    }?;
    // What is asked about is rounded to minutes and widened, which must not leave what 64 bits hold.
    match (i64::MIN + TIME_MARGIN..=i64::MAX - TIME_MARGIN).contains(&time.0) {
        true => Ok(time),
        false => Err(QueryError::invalid(format!(
            "the time {value} is none that can be asked about: those are 1677-09-22 to 2262-04-10"
        ))),
    }
}
