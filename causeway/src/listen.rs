//! Serves HTTP/1 and HTTP/2 on the connections of a listener, with bounds that `axum::serve` leaves to hyper: by
//! default a connection buffers up to 400 KiB of what it reads, so that a thousand clients that send faster than
//! they are served hold 400 MB that no budget counts.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::serve::Listener as _;
use collector::Listener;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tower::ServiceExt;

/// What an HTTP/1 connection buffers of what it reads, in bytes. Headers must fit, too: those of exporters are short,
/// a question to the page or the API stands in its address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadBuffer(usize);

impl ReadBuffer {
    pub(crate) const EXPORTERS: Self = Self(32 << 10);
    pub(crate) const PEOPLE: Self = Self(400 << 10);
}

/// How long the headers of a request may take, and how long a connection may be silent between two requests.
const HEADER_TIME_MAX: Duration = Duration::from_secs(300);
/// How many requests an HTTP/2 connection may have open.
const STREAMS_PER_CONNECTION_MAX: u32 = 256;
/// How much of one request, and of all requests of a connection, may be on the way unread over HTTP/2, in bytes.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// How long an HTTP/2 connection may be silent before it is probed, and take to reply.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves `router` until `stop` is done and the open requests have ended.
pub(crate) async fn serve(
    mut listener: Listener,
    router: Router,
    buffer: ReadBuffer,
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let builder = builder(buffer);
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, _) = tokio::select! {
            next = listener.accept() => next,
            () = &mut stop => break,
        };
        let service = router.clone().map_request(|request: hyper::Request<Incoming>| request.map(Body::new));
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

fn builder(buffer: ReadBuffer) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME_MAX).max_buf_size(buffer.0);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    builder
}
