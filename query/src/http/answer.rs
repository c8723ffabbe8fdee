//! Answers in JSON, errors included.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::error::QueryError;

/// When a busy server should be asked again, in seconds.
const RETRY_AFTER_SECONDS: &str = "2";

/// A JSON answer.
pub fn json_answer(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => Failure::from(QueryError::Store(error.to_string())).into_response(),
    }
}

/// An error on its way out.
pub struct Failure {
    error: QueryError,
    query: Option<String>,
}

impl Failure {
    /// An error in a search text, which is repeated in the answer.
    pub fn in_search(error: QueryError, query: &str) -> Self {
        Self { error, query: Some(query.to_owned()) }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self { error, query: None }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, code) = self.error.code();
        let request_id = request_id();
        if status >= 500 && !self.error.is_temporary() {
            tracing::error!(error = %self.error, request_id, "a question could not be answered");
        }
        let (position, expected) = match &self.error {
            QueryError::Bad { position, expected, .. } => (*position, expected.clone()),
            _ => (None, Vec::new()),
        };
        let mut body = json!({ "error": {
            "code": code,
            "message": self.error.to_string(),
            "position": position,
            "expected": expected,
            "request_id": request_id,
        } });
        if let (Some(query), Some(_)) = (self.query, position) {
            body["error"]["query"] = query.into();
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response();
        if self.error.is_temporary() {
            retry_after(&mut response);
        }
        response
    }
}

/// Says when to ask again.
pub(super) fn retry_after(response: &mut Response) {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
}

/// A name for an answer, to find it in the program's log.
pub fn request_id() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
