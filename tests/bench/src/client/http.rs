//! HTTP/1.1 over one connection.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long a request may take. A compaction of much data is one, too.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(2 * 3600);

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// What it says its body is.
    pub(crate) content_type: String,
    /// Its body.
    pub(crate) body: Bytes,
}

/// A connection, made with the first request and anew after it broke.
#[derive(Debug)]
pub(crate) struct Connection {
    address: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// One to this host and port.
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), sender: None }
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Reply> {
        let mut request = http::Request::builder().method(method).uri(path).header("host", &self.address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).context("the request cannot be written")?;
        let exchange = Box::pin(self.exchange(request));
        let late = || format!("no answer within {} s", REQUEST_TIME_MAX.as_secs());
        let reply = tokio::time::timeout(REQUEST_TIME_MAX, exchange).await.with_context(late)?;
        reply.with_context(|| format!("{method} http://{}{path}", self.address))
    }

    async fn exchange(&mut self, request: http::Request<Full<Bytes>>) -> Result<Reply> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => connect(&self.address).await?,
        };
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let body = answer.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok(Reply { status, content_type, body })
    }
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What ends the connection also ends the request on it, which reports it.
    tokio::spawn(connection);
    Ok(sender)
}
