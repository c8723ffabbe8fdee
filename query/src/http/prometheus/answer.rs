//! What is answered, and what went wrong, in Prometheus' forms: `{"status":"success","data":…}`,
//! `{"status":"error","errorType":…,"error":…}`.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::super::answer::{json_answer, retry_after};
use crate::error::QueryError;
use crate::promql;

/// The most warnings, and the most remarks, of one answer.
const NOTES_MAX: usize = 10;

/// What an answer should be read with.
#[derive(Debug, Default, Serialize)]
pub(super) struct Notes {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    infos: Vec<String>,
}

impl Notes {
    pub(super) fn of(answer: &promql::Answer) -> Self {
        Self { warnings: first(&answer.warnings, "warning"), infos: first(&answer.infos, "info") }
    }

    /// Says that a limit of the question cut the answer.
    pub(super) fn truncated(&mut self) {
        self.warn("results truncated due to limit");
    }

    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

/// The first notes, and how many more there are.
fn first(notes: &[promql::Note], kind: &str) -> Vec<String> {
    let mut texts: Vec<String> = notes.iter().take(NOTES_MAX).map(ToString::to_string).collect();
    match notes.len().saturating_sub(NOTES_MAX) {
        0 => texts,
        more => {
            texts.push(format!("{more} more {kind} annotations omitted"));
            texts
        }
    }
}

/// An answer whose data are small.
pub(super) fn success(data: &impl Serialize, notes: &Notes) -> Response {
    #[derive(Serialize)]
    struct Success<'a, T> {
        status: &'static str,
        data: &'a T,
        #[serde(flatten)]
        notes: &'a Notes,
    }
    json_answer(StatusCode::OK, &Success { status: "success", data, notes })
}

/// An answer whose data are made while they are sent: what is before a list, its pieces, and what is behind it.
pub(super) fn in_pieces(
    before: &str,
    pieces: impl Iterator<Item = String> + Send + 'static,
    behind: &str,
    notes: &Notes,
) -> Response {
    let begin = format!("{{\"status\":\"success\",\"data\":{before}");
    let notes = json!(notes).to_string();
    // The notes without the brace that opens them.
    let comma = if notes == "{}" { "" } else { "," };
    let end = format!("{behind}{comma}{}", &notes[1..]);
    let all = std::iter::once(begin).chain(pieces).chain([end]);
    let body = futures::stream::iter(all.map(|piece| Ok::<_, Infallible>(Bytes::from(piece))));
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response()
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Failed {
    status: u16,
    kind: &'static str,
    message: String,
    /// Whether the same question may be answered shortly.
    is_temporary: bool,
}

impl Failed {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), is_temporary: false }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "bad_data", message)
    }

    /// A parameter that is wrong.
    pub(super) fn parameter(name: &str, message: impl std::fmt::Display) -> Self {
        Self::bad(format!("invalid parameter \"{name}\": {message}"))
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found", message)
    }

    pub(super) fn method(message: impl Into<String>) -> Self {
        Self::new(405, "bad_data", message)
    }

    /// Why a query was not answered. What is wrong with its text is wrong with the parameter.
    pub(super) fn of_query(error: QueryError) -> Self {
        match error {
            QueryError::Bad { message, .. } => Self::parameter("query", message),
            error => error.into(),
        }
    }
}

impl From<QueryError> for Failed {
    fn from(error: QueryError) -> Self {
        let (status, _) = error.code();
        let (status, kind) = match &error {
            QueryError::Evaluation(_) | QueryError::Limit(_) | QueryError::Memory(_) => (422, "execution"),
            QueryError::Timeout(_) => (503, "timeout"),
            QueryError::Busy(_) | QueryError::Short(_) => (503, "unavailable"),
            QueryError::Store(_) => (500, "internal"),
            QueryError::NotFound(_) => (404, "not_found"),
            QueryError::Bad { .. }
            | QueryError::Forbidden(_)
            | QueryError::Method(_)
            | QueryError::TooLarge(_) => (status, "bad_data"),
        };
        Self { is_temporary: error.is_temporary(), ..Self::new(status, kind, error.to_string()) }
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        if self.kind == "internal" {
            tracing::error!(error = self.message, "a question could not be answered");
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({ "status": "error", "errorType": self.kind, "error": self.message });
        let mut response = json_answer(status, &body);
        if self.is_temporary {
            retry_after(&mut response);
        }
        response
    }
}

#[cfg(test)]
pub(super) mod tests {
    use axum::body::to_bytes;

    use super::*;

    /// What a failure says.
    pub(in super::super) fn message(failed: Failed) -> String {
        failed.message
    }

    async fn text(response: Response) -> String {
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn both_ways_of_answering_have_one_form() {
        let pieces = || ["[1,".to_owned(), "2]".to_owned()].into_iter();
        let mut notes = Notes::default();
        let plain = r#"{"status":"success","data":[1,2]}"#;
        assert_eq!(text(success(&[1, 2], &notes)).await, plain);
        assert_eq!(text(in_pieces("", pieces(), "", &notes)).await, plain);
        notes.truncated();
        let warned = r#"{"status":"success","data":[1,2],"warnings":["results truncated due to limit"]}"#;
        assert_eq!(text(success(&[1, 2], &notes)).await, warned);
        assert_eq!(text(in_pieces("", pieces(), "", &notes)).await, warned);
    }

    #[tokio::test]
    async fn every_error_has_its_type_and_status() {
        let text_of = |text: &str| text.to_owned();
        for (error, status, kind) in [
            (QueryError::invalid("x"), 400, "bad_data"),
            (QueryError::Evaluation(text_of("x")), 422, "execution"),
            (QueryError::Limit(text_of("x")), 422, "execution"),
            (QueryError::Memory(text_of("x")), 422, "execution"),
            (QueryError::Timeout(text_of("x")), 503, "timeout"),
            (QueryError::Busy(text_of("x")), 503, "unavailable"),
            (QueryError::Short(text_of("x")), 503, "unavailable"),
            (QueryError::Store(text_of("x")), 500, "internal"),
            (QueryError::NotFound(text_of("x")), 404, "not_found"),
            (QueryError::TooLarge(text_of("x")), 413, "bad_data"),
        ] {
            let is_temporary = error.is_temporary();
            let response = Failed::from(error).into_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), is_temporary);
            let expected = format!("{{\"error\":\"x\",\"errorType\":\"{kind}\",\"status\":\"error\"}}");
            assert_eq!(text(response).await, expected);
        }
    }

    #[test]
    fn many_notes_are_counted() {
        let note = |number: usize| promql::Note { text: format!("n{number}"), line: 1, column: 2 };
        let notes: Vec<_> = (0..12).map(note).collect();
        let texts = first(&notes, "info");
        assert_eq!((texts.len(), texts[0].as_str()), (11, "n0 (1:2)"));
        assert_eq!(texts[10], "2 more info annotations omitted");
        assert_eq!(first(&notes[..10], "info").len(), 10);
    }
}
