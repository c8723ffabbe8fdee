//! HTTP/1.1 with nothing added: what is sent is what the test wrote, and what came is shown as it came.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
};

/// How long one exchange may take, unless a client is told otherwise. Generous: a debug server on a busy machine.
const EXCHANGE_MAX: Duration = Duration::from_secs(120);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody listens there.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, std::io::Error),
    /// The connection broke before the answer was whole.
    #[error("no answer: {0}")]
    Broken(#[from] hyper::Error),
    /// The request cannot be written down.
    #[error("not a request: {0}")]
    Request(#[from] http::Error),
    /// It took too long.
    #[error("no answer within the time that an exchange may take")]
    Late,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// Its headers besides Host and Content-Length.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

impl Request {
    /// GET.
    pub fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    /// POST with a body of this type.
    pub fn post(path: &str, content_type: &str, body: Bytes) -> Self {
        let request = Self { method: Method::POST, path: path.to_owned(), headers: Vec::new(), body };
        request.header("content-type", content_type)
    }

    /// The same with another method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it travelled.
    pub body: Bytes,
}

impl Answer {
    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text, for people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none: every answer that is asked for as JSON has to be JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("an answer {} that is not JSON ({error}): {}", self.status, self.text())
        })
    }
}

/// A connection that is opened when it is needed and kept while it lasts.
pub struct Client {
    address: String,
    runtime: Runtime,
    connection: Option<SendRequest<Full<Bytes>>>,
    exchange_max: Duration,
}

impl Client {
    /// A client of the one who listens at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self::to(&address.to_string())
    }

    /// A client of the one who listens at `host:port`.
    pub fn to(address: &str) -> Self {
        let address = address.to_owned();
        Self { address, runtime: runtime(), connection: None, exchange_max: EXCHANGE_MAX }
    }

    /// The same, but one exchange may take so long.
    #[must_use]
    pub fn exchange_max(mut self, time: Duration) -> Self {
        self.exchange_max = time;
        self
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// If nothing answered, or not all of it came.
    pub fn send(&mut self, request: &Request) -> Result<Answer, Failure> {
        let Self { address, runtime, connection, exchange_max } = self;
        runtime.block_on(async {
            let whole = async {
                let (sender, answer) = exchange(address, connection.take(), request).await?;
                let (parts, body) = answer.into_parts();
                let body = body.collect().await?.to_bytes();
                *connection = Some(sender);
                Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
            };
            tokio::time::timeout(*exchange_max, whole).await.map_err(|_| Failure::Late)?
        })
    }
}

/// A runtime for one client.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

/// Sends a request, and gives the answer as soon as it begins, with the connection it comes on.
pub(crate) async fn exchange(
    address: &str,
    connection: Option<SendRequest<Full<Bytes>>>,
    request: &Request,
) -> Result<(SendRequest<Full<Bytes>>, http::Response<Incoming>), Failure> {
    let mut sender = ready(address, connection).await?;
    let mut message = http::Request::builder().method(&request.method).uri(&request.path);
    if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        message = message.header("host", address);
    }
    for (name, value) in &request.headers {
        message = message.header(name, value);
    }
    let answer = sender.send_request(message.body(Full::new(request.body.clone()))?).await?;
    Ok((sender, answer))
}

/// The connection there is if it can still be used, else a new one.
async fn ready(
    address: &str,
    connection: Option<SendRequest<Full<Bytes>>>,
) -> Result<SendRequest<Full<Bytes>>, Failure> {
    if let Some(mut sender) = connection
        && sender.ready().await.is_ok()
    {
        return Ok(sender);
    }
    connect(address).await
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream =
        TcpStream::connect(address).await.map_err(|error| Failure::Connect(address.to_owned(), error))?;
    // As exporters do: else a body waits for the receipt of its headers.
    stream.set_nodelay(true).map_err(|error| Failure::Connect(address.to_owned(), error))?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What ends the connection also ends the exchange, which reports it.
    tokio::spawn(connection);
    Ok(sender)
}

/// A text as a value in a query string.
pub fn percent_encoded(text: &str) -> String {
    let keep = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if keep(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
