//! gRPC over bare HTTP/2, so that a test decides about every byte of a frame.

use std::{net::SocketAddr, time::Duration};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{net::TcpStream, runtime::Runtime};

use crate::{compress, http::Failure, status::Status};

/// How long one call may take before the test fails.
const CALL_MAX: Duration = Duration::from_secs(120);

/// Bytes before the message of a frame: whether it is compressed, and its length.
const FRAME_HEADER_BYTES: usize = 5;

/// A unary call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Service and method.
    pub path: String,
    /// Metadata besides what every call has.
    pub headers: Vec<(String, String)>,
    /// The frame.
    pub body: Bytes,
}

impl Call {
    /// A call with one message as it is.
    pub fn plain(path: &str, message: &[u8]) -> Self {
        Self { path: path.to_owned(), headers: Vec::new(), body: frame(false, message) }
    }

    /// A call with one message that has been compressed already.
    pub fn compressed(path: &str, encoding: &str, message: &[u8]) -> Self {
        let headers = vec![("grpc-encoding".to_owned(), encoding.to_owned())];
        Self { path: path.to_owned(), headers, body: frame(true, message) }
    }

    /// The same with more metadata.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status of HTTP: 200 unless something in between answered.
    pub http_status: u16,
    /// The status of the call.
    pub status: u32,
    /// The message beside it, as it travelled.
    pub message: String,
    /// `grpc-status-details-bin`, if it came.
    pub details: Option<Status>,
    /// Headers of the answer.
    pub headers: HeaderMap,
    /// Bytes of all frames.
    pub body_bytes: usize,
    /// The message of the answer.
    pub payload: Option<Bytes>,
}

/// One HTTP/2 connection.
pub struct Client {
    address: String,
    runtime: Runtime,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client of the one who listens at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self::to(&address.to_string())
    }

    /// A client of the one who listens at `host:port`.
    pub fn to(address: &str) -> Self {
        Self { address: address.to_owned(), runtime: crate::http::runtime(), connection: None }
    }

    /// Makes a call and waits for its end.
    ///
    /// # Errors
    ///
    /// If the connection broke or nothing came in time.
    pub fn call(&mut self, call: &Call) -> Result<Answer, Failure> {
        let mut answers = self.call_all(std::slice::from_ref(call))?;
        answers.remove(0)
    }

    /// Makes all calls at once on one connection and waits for all of them, in the order of the calls.
    ///
    /// # Errors
    ///
    /// If there is no connection; what happened to a single call stands in its place.
    pub fn call_all(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Failure>>, Failure> {
        let Self { address, runtime, connection } = self;
        runtime.block_on(async {
            let sender = match connection.take() {
                Some(sender) if !sender.is_closed() => sender,
                _ => connect(address).await?,
            };
            let all = calls.iter().map(|call| Box::pin(exchange(address, sender.clone(), call)));
            let answers = futures::future::join_all(all).await;
            *connection = Some(sender);
            Ok(answers)
        })
    }
}

/// One frame of the protocol.
pub fn frame(compressed: bool, message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(FRAME_HEADER_BYTES + message.len());
    bytes.put_u8(u8::from(compressed));
    bytes.put_u32(u32::try_from(message.len()).expect("tests send less than 4 GiB"));
    bytes.put_slice(message);
    bytes.freeze()
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream =
        TcpStream::connect(address).await.map_err(|error| Failure::Connect(address.to_owned(), error))?;
    // As exporters do: else a body waits for the receipt of its headers.
    stream.set_nodelay(true).map_err(|error| Failure::Connect(address.to_owned(), error))?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    // What ends the connection also ends the calls on it, which report it.
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(address: &str, sender: SendRequest<Full<Bytes>>, call: &Call) -> Result<Answer, Failure> {
    tokio::time::timeout(CALL_MAX, unary(address, sender, call)).await.map_err(|_| Failure::Late)?
}

async fn unary(address: &str, mut sender: SendRequest<Full<Bytes>>, call: &Call) -> Result<Answer, Failure> {
    sender.ready().await?;
    let mut request = http::Request::builder()
        .method("POST")
        .uri(format!("http://{address}{}", call.path))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let answer = sender.send_request(request.body(Full::new(call.body.clone()))?).await?;
    let (parts, body) = answer.into_parts();
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok(read(parts.status.as_u16(), parts.headers, &trailers, &collected.to_bytes()))
}

fn read(http_status: u16, headers: HeaderMap, trailers: &HeaderMap, body: &[u8]) -> Answer {
    let text = |name: &str| {
        let value = trailers.get(name).or_else(|| headers.get(name))?;
        value.to_str().ok().map(str::to_owned)
    };
    let status = text("grpc-status").and_then(|status| status.parse().ok()).unwrap_or(u32::MAX);
    let details = text("grpc-status-details-bin").and_then(|details| decode_details(&details));
    let payload = message_of(body, headers.get("grpc-encoding").and_then(|encoding| encoding.to_str().ok()));
    let message = text("grpc-message").unwrap_or_default();
    Answer { http_status, status, message, details, body_bytes: body.len(), payload, headers }
}

/// Binary metadata is base64, and may lack its padding.
fn decode_details(text: &str) -> Option<Status> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&STANDARD, lenient).decode(text).ok()?;
    Status::decode(bytes.as_slice()).ok()
}

fn message_of(body: &[u8], encoding: Option<&str>) -> Option<Bytes> {
    let message = body.get(FRAME_HEADER_BYTES..)?;
    match (body[0], encoding) {
        (0, _) => Some(Bytes::copy_from_slice(message)),
        (_, Some("gzip")) => compress::gunzip(message).ok(),
        (_, Some("zstd")) => compress::unzstd(message).ok(),
        _ => None,
    }
}
