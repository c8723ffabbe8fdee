//! OTLP over HTTP: `POST /v1/traces`, `/v1/logs` and `/v1/metrics`, protobuf or JSON by content type. Remote writes are
//! taken on the same listener.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Method, StatusCode};
use model::{Answer, Signal};
use prost::Message;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::answer::ExportResponse;
use crate::body::BodyReader;
use crate::compression::{ACCEPTED, Compression};
use crate::decode::Encoding;
use crate::error::ReceiveError;
use crate::receiver::{Format, Payload, Receiver};
use crate::remote_write::remote_write_router;
use crate::status::Status;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// How long a browser may remember what is allowed to a page.
const PREFLIGHT_AGE_MAX: Duration = Duration::from_secs(600);

/// The router of the OTLP/HTTP listener.
pub fn http_router(receiver: Arc<Receiver>) -> Router {
    let mut router = Router::new();
    for (path, signal) in
        [("/v1/traces", Signal::Spans), ("/v1/logs", Signal::Logs), ("/v1/metrics", Signal::Metrics)]
    {
        let receiver = Arc::clone(&receiver);
        let export = move |request: Request| export(Arc::clone(&receiver), signal, request);
        router = router.route(path, post(export).fallback(wrong_method));
    }
    let router = router.merge(remote_write_router(Arc::clone(&receiver)));
    let router = router.fallback(wrong_path).layer(CompressionLayer::new());
    // Outermost: a preflight carries no token, and refusals too must be readable by the page.
    match cors(&receiver.config().cors_origins) {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins = origins.to_vec();
    let listed = move |origin: &HeaderValue, _: &http::request::Parts| {
        origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes())
    };
    // Mirrored headers are safe: credentials are never allowed, and the origins are listed one by one.
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(listed))
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([RETRY_AFTER])
        .max_age(PREFLIGHT_AGE_MAX);
    Some(layer)
}

async fn wrong_path(request: Request) -> Response {
    let error = ReceiveError::NotFound(request.uri().path().to_owned());
    refuse(&error, answer_encoding(request.headers()))
}

async fn wrong_method(request: Request) -> Response {
    let error = ReceiveError::Method(request.method().to_string());
    refuse(&error, answer_encoding(request.headers()))
}

async fn export(receiver: Arc<Receiver>, signal: Signal, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let encoding = answer_encoding(&parts.headers);
    let mut body = receiver.reader(body);
    match receive(&receiver, signal, &parts.headers, &mut body).await {
        Ok(answer) => accept(&answer, signal, encoding),
        Err(error) => {
            receiver.count_refused(signal, &parts.headers, &error);
            // A client that waits for 100-continue sends nothing more once it is refused.
            if !matches!(error, ReceiveError::Slow(_)) && !parts.headers.contains_key(EXPECT) {
                body.drain().await;
            }
            refuse(&error, encoding)
        }
    }
}

async fn receive(
    receiver: &Receiver,
    signal: Signal,
    headers: &HeaderMap,
    body: &mut BodyReader,
) -> Result<Answer, ReceiveError> {
    let tenant = receiver.tenant(headers)?;
    let _place = receiver.enter()?;
    let encoding = encoding(headers).ok_or_else(|| ReceiveError::ContentType {
        found: content_type(headers),
        expected: "application/x-protobuf or application/json",
    })?;
    let compression = compression(headers)?;
    let (bytes, permit) = body.whole(|bytes| receiver.admit(bytes)).await?;
    let payload = Payload { signal, format: Format::Otlp(encoding), compression, bytes, permit };
    Ok(receiver.store(&tenant, payload).await?.answer)
}

fn compression(headers: &HeaderMap) -> Result<Compression, ReceiveError> {
    let value = headers.get(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let value = value.unwrap_or_default();
    Compression::from_header(&value)
        .ok_or_else(|| ReceiveError::Compression { found: value.into_owned(), expected: ACCEPTED })
}

/// The content type without its parameters, in lower case.
fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    match content_type(headers).as_str() {
        PROTOBUF => Some(Encoding::Protobuf),
        JSON => Some(Encoding::Json),
        _ => None,
    }
}

/// Answers come in the type of the request; in JSON if that is unknown.
fn answer_encoding(headers: &HeaderMap) -> Encoding {
    encoding(headers).unwrap_or(Encoding::Json)
}

fn accept(answer: &Answer, signal: Signal, encoding: Encoding) -> Response {
    let message = ExportResponse::of(answer);
    respond(
        StatusCode::OK,
        encoding,
        match encoding {
            Encoding::Protobuf => message.encode_to_vec(),
            Encoding::Json => message.to_json(signal).to_string().into_bytes(),
        },
    )
}

fn refuse(error: &ReceiveError, encoding: Encoding) -> Response {
    let status = Status::of(error);
    let mut response = respond(
        error.http(),
        encoding,
        match encoding {
            Encoding::Protobuf => status.encode_to_vec(),
            Encoding::Json => status.to_json().to_string().into_bytes(),
        },
    );
    if let Some((name, value)) = hint(error) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The header that tells a client what to do about an error.
pub(crate) fn hint(error: &ReceiveError) -> Option<(HeaderName, HeaderValue)> {
    if let Some(delay) = error.retry_after() {
        let seconds = delay.as_millis().div_ceil(1000).clamp(1, u128::from(u32::MAX));
        return Some((RETRY_AFTER, HeaderValue::from(seconds as u64)));
    }
    match error {
        ReceiveError::Compression { expected, .. } => {
            Some((ACCEPT_ENCODING, HeaderValue::from_static(expected)))
        }
        _ => match error.http() {
            StatusCode::UNAUTHORIZED => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"causeway\"")))
            }
            StatusCode::METHOD_NOT_ALLOWED => Some((ALLOW, HeaderValue::from_static("POST"))),
            _ => None,
        },
    }
}

fn respond(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = match encoding {
        Encoding::Protobuf => PROTOBUF,
        Encoding::Json => JSON,
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests;
