//! OTLP over gRPC: the three `Export` methods.
//!
//! The frames are read here and not by tonic's generated servers, which decompress without a bound. tonic
//! serves the connections and writes the error statuses.

use std::future::{Future, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use axum::serve::Listener as _;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full};
use model::{Answer, Signal};
use prost::Message;
use tonic::transport::Server;

use crate::answer::ExportResponse;
use crate::body::BodyReader;
use crate::compression::{ACCEPTED as ACCEPTED_NAMES, Compression};
use crate::connections::Listener;
use crate::decode::Encoding;
use crate::error::ReceiveError;
use crate::receiver::{Format, Payload, Receiver};
use crate::sink::Permit;
use crate::status::Status;

/// Before every message: a flag byte and four bytes of length.
const PREFIX_BYTES: usize = 5;

const ENCODING: &str = "grpc-encoding";
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";
const ACCEPTED: HeaderValue = HeaderValue::from_static("identity,gzip,zstd,deflate");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// How many calls one connection may have open; more wait at the client.
const STREAMS_PER_CONNECTION_MAX: u32 = 256;

/// How much of one call, in bytes, may be on the way unread.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// How much of one connection's calls, in bytes, may be on the way unread.
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// How long a connection may be silent before it is probed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);

/// How long a probed connection may take to reply.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The routes of the OTLP/gRPC listener. [`serve_grpc`] serves them.
pub fn grpc_routes(receiver: Arc<Receiver>) -> Router {
    let mut router = Router::new();
    for (path, signal) in [
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", Signal::Spans),
        ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", Signal::Logs),
        ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", Signal::Metrics),
    ] {
        let receiver = Arc::clone(&receiver);
        let export = move |request: Request| export(Arc::clone(&receiver), signal, request);
        router = router.route(path, post(export));
    }
    router.fallback(unknown_method)
}

/// Serves gRPC on `listener` until `shutdown` is done and the open calls have ended.
pub async fn serve_grpc(
    listener: Listener,
    receiver: Arc<Receiver>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let incoming = stream::unfold(listener, async |mut listener| {
        let (connection, _) = listener.accept().await;
        Some((Ok::<_, io::Error>(connection), listener))
    });
    Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_routes(grpc_routes(receiver).into())
        .serve_with_incoming_shutdown(Box::pin(incoming), shutdown)
        .await
}

async fn unknown_method(request: Request) -> Response {
    let message = format!("the method {:?} is not implemented", request.uri().path());
    tonic::Status::unimplemented(crate::answer::shorten(&message)).into_http()
}

async fn export(receiver: Arc<Receiver>, signal: Signal, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_grpc(&parts.headers) {
        // The protocol asks for a bare HTTP status here: such a client does not speak gRPC.
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    let mut body = receiver.reader(body);
    match receive(&receiver, signal, &parts.headers, &mut body).await {
        Ok(answer) => accept(&answer),
        Err(error) => {
            receiver.count_refused(signal, &parts.headers, &error);
            if !matches!(error, ReceiveError::Slow(_)) {
                body.drain().await;
            }
            refuse(&error)
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
    let named = headers.get(ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let named = named.unwrap_or_default();
    let named = Compression::from_header(&named)
        .ok_or_else(|| ReceiveError::Compression { found: named.into_owned(), expected: ACCEPTED_NAMES })?;
    let (bytes, compression, permit) = message(receiver, named, body).await?;
    let format = Format::Otlp(Encoding::Protobuf);
    let payload = Payload { signal, format, compression, bytes, permit };
    Ok(receiver.store(&tenant, payload).await?.answer)
}

/// Reads the one message of a unary call. Its prefix tells the size before any of it is read.
async fn message(
    receiver: &Receiver,
    named: Compression,
    body: &mut BodyReader,
) -> Result<(Bytes, Compression, Permit), ReceiveError> {
    let prefix = body.exactly(PREFIX_BYTES).await?.ok_or(ReceiveError::Frame("the message is missing"))?;
    let compression = match prefix[0] {
        0 => Compression::Identity,
        1 if named == Compression::Identity => {
            return Err(ReceiveError::Frame(
                "it is marked as compressed, but grpc-encoding names no compression",
            ));
        }
        1 => named,
        _ => return Err(ReceiveError::Frame("the flag byte is neither 0 nor 1")),
    };
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    let limit = receiver.config().request_bytes_max;
    if length > limit {
        return Err(ReceiveError::TooLarge { limit });
    }
    let permit = receiver.admit(length).await?;
    let bytes = body.exactly(length).await?.ok_or(ReceiveError::Frame("it ends before its length"))?;
    if !body.at_end().await? {
        return Err(ReceiveError::Frame("a second message follows a unary call's first"));
    }
    Ok((bytes, compression, permit))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/grpc") || essence.eq_ignore_ascii_case("application/grpc+proto")
}

fn accept(answer: &Answer) -> Response {
    let message = ExportResponse::of(answer);
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.encoded_len());
    frame.put_u8(0);
    // Answers are shortened, so the length is far below 32 bits.
    frame.put_u32(message.encoded_len() as u32);
    frame.put_slice(&message.encode_to_vec());
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from(0))]);
    let body = Full::new(frame.freeze()).with_trailers(ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

fn refuse(error: &ReceiveError) -> Response {
    let status = Status::of(error);
    let details = Bytes::from(status.encode_to_vec());
    let mut response = tonic::Status::with_details(error.code(), status.message, details).into_http::<Body>();
    if matches!(error, ReceiveError::Compression { .. }) {
        response.headers_mut().insert(ACCEPT_ENCODING, ACCEPTED);
    }
    response
}

#[cfg(test)]
mod tests;
