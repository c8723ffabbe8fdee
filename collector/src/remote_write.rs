//! Prometheus remote write: `POST /prometheus/api/v1/write`, versions 1 and 2.
//!
//! What a sender is told follows its protocol: 204 when all is durable; 400 with the reason when parts were rejected and
//! the rest is durable, since nothing of it must be sent again; 503 where an exporter of OTLP is told 429, since by
//! default Prometheus throws away what is answered so.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue};
use model::Signal;

use crate::body::BodyReader;
use crate::compression::Compression;
use crate::decode::{RemoteWrite, Written};
use crate::error::ReceiveError;
use crate::http::hint;
use crate::receiver::{Accepted, Format, Payload, Receiver};

const PATH: &str = "/prometheus/api/v1/write";
const PROTOBUF: &str = "application/x-protobuf";
const SNAPPY: &str = "snappy";
const EXPECTED: &str = "application/x-protobuf, with proto=prometheus.WriteRequest or \
     proto=io.prometheus.write.v2.Request";

const SAMPLES: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS: HeaderName = HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS: HeaderName = HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// The router that takes remote writes, for any listener.
pub fn remote_write_router(receiver: Arc<Receiver>) -> Router {
    Router::new().route(PATH, post(move |request: Request| write(Arc::clone(&receiver), request)))
}

async fn write(receiver: Arc<Receiver>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut body = receiver.reader(body);
    match receive(&receiver, &parts.headers, &mut body).await {
        Ok((version, accepted)) => accept(version, &accepted),
        Err(error) => {
            receiver.count_refused(Signal::Metrics, &parts.headers, &error);
            // A client that waits for 100-continue sends nothing more once it is refused.
            if !matches!(error, ReceiveError::Slow(_)) && !parts.headers.contains_key(EXPECT) {
                body.drain().await;
            }
            refuse(&error)
        }
    }
}

async fn receive(
    receiver: &Receiver,
    headers: &HeaderMap,
    body: &mut BodyReader,
) -> Result<(RemoteWrite, Accepted), ReceiveError> {
    let tenant = receiver.tenant(headers)?;
    let _place = receiver.enter()?;
    let version = version(headers)
        .ok_or_else(|| ReceiveError::ContentType { found: content_type(headers), expected: EXPECTED })?;
    check_compression(headers)?;
    let (bytes, permit) = body.whole(|bytes| receiver.admit(bytes)).await?;
    let (format, compression) = (Format::RemoteWrite(version), Compression::Snappy);
    let payload = Payload { signal: Signal::Metrics, format, compression, bytes, permit };
    Ok((version, receiver.store(&tenant, payload).await?))
}

fn text(headers: &HeaderMap, name: HeaderName) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    value.unwrap_or_default().into_owned()
}

fn content_type(headers: &HeaderMap) -> String {
    text(headers, CONTENT_TYPE)
}

/// The version that the content type names: the first, unless said.
fn version(headers: &HeaderMap) -> Option<RemoteWrite> {
    let content_type = content_type(headers);
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    // Early senders name no type.
    if !essence.is_empty() && !essence.eq_ignore_ascii_case(PROTOBUF) {
        return None;
    }
    let proto = parts.find_map(|part| part.strip_prefix("proto="));
    match proto.map(|name| name.trim_matches('"')) {
        None => Some(RemoteWrite::V1),
        Some(name) => {
            [RemoteWrite::V1, RemoteWrite::V2].into_iter().find(|version| version.message() == name)
        }
    }
}

/// Whether the body is compressed as the protocol says. Early senders do not say so.
fn check_compression(headers: &HeaderMap) -> Result<(), ReceiveError> {
    let found = text(headers, CONTENT_ENCODING);
    if found.is_empty() || found.eq_ignore_ascii_case(SNAPPY) {
        return Ok(());
    }
    Err(ReceiveError::Compression { found, expected: SNAPPY })
}

fn accept(version: RemoteWrite, accepted: &Accepted) -> Response {
    let Accepted { answer, written } = accepted;
    let mut response = match answer.rejected {
        0 => respond(StatusCode::NO_CONTENT, String::new()),
        _ => respond(StatusCode::BAD_REQUEST, answer.message.clone()),
    };
    if version == RemoteWrite::V1 {
        return response;
    }
    let Written { samples, histograms, exemplars } = *written;
    for (name, count) in [(SAMPLES, samples), (HISTOGRAMS, histograms), (EXEMPLARS, exemplars)] {
        response.headers_mut().insert(name, HeaderValue::from(count));
    }
    response
}

fn refuse(error: &ReceiveError) -> Response {
    let status = match error.http() {
        StatusCode::TOO_MANY_REQUESTS => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    let mut response = respond(status, error.to_string());
    if let Some((name, value)) = hint(error) {
        response.headers_mut().insert(name, value);
    }
    response
}

fn respond(status: StatusCode, message: String) -> Response {
    let mut response = Response::new(Body::from(message));
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
    }
    response
}

#[cfg(test)]
mod tests;
