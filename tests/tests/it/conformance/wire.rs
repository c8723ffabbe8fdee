//! One request over each of the three ways, and its answer in one form.

use std::fmt;

use bytes::Bytes;
use http::Method;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceResponse, metrics::v1::ExportMetricsServiceResponse,
    trace::v1::ExportTraceServiceResponse,
};
use prost::Message;
use serde_json::Value;
use tests::{
    compress, grpc, http as plain,
    otlp::{Export, Signal},
    status::Refusal,
};

/// A way to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// gRPC over HTTP/2.
    Grpc,
    /// HTTP with protobuf.
    Protobuf,
    /// HTTP with JSON.
    Json,
}

/// Everywhere.
pub(crate) const ALL: &[Wire] = &Wire::ALL;
/// Over gRPC alone.
pub(crate) const GRPC: &[Wire] = &[Wire::Grpc];
/// Over HTTP.
pub(crate) const HTTP: &[Wire] = &[Wire::Protobuf, Wire::Json];
/// Where the message is protobuf.
pub(crate) const BINARY: &[Wire] = &[Wire::Grpc, Wire::Protobuf];
/// Where the message is JSON.
pub(crate) const JSON: &[Wire] = &[Wire::Json];
/// In any one way: the case does not depend on it.
pub(crate) const ANY: &[Wire] = &[Wire::Protobuf];

impl Wire {
    pub(crate) const ALL: [Self; 3] = [Self::Grpc, Self::Protobuf, Self::Json];

    /// The type of what is sent.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Grpc => "grpc",
            Self::Protobuf => "protobuf",
            Self::Json => "json",
        })
    }
}

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// A message, written as the wire wants it.
    Export(Export),
    /// Bytes as they are.
    Bytes(Bytes),
}

/// How the payload is packed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Coding {
    /// As it is.
    Plain,
    /// One gzip member.
    Gzip,
    /// Three gzip members.
    GzipMembers,
    /// One zstd frame.
    Zstd,
    /// As it is, but named so: the payload is packed already, or is not what it says.
    Named(&'static str),
}

/// A request before it is known how it travels.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    signal: Signal,
    payload: Payload,
    coding: Coding,
    method: Method,
    path: Option<&'static str>,
    content_type: Option<&'static str>,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A message.
    pub(crate) fn export(export: Export) -> Self {
        Self::new(export.signal(), Payload::Export(export))
    }

    /// Bytes that claim to be a message.
    pub(crate) fn bytes(signal: Signal, bytes: impl Into<Bytes>) -> Self {
        Self::new(signal, Payload::Bytes(bytes.into()))
    }

    fn new(signal: Signal, payload: Payload) -> Self {
        let (method, coding) = (Method::POST, Coding::Plain);
        Self { signal, payload, coding, method, path: None, content_type: None, headers: Vec::new() }
    }

    pub(crate) fn coding(mut self, coding: Coding) -> Self {
        self.coding = coding;
        self
    }

    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// To another path or method of gRPC.
    pub(crate) fn path(mut self, path: &'static str) -> Self {
        self.path = Some(path);
        self
    }

    pub(crate) fn content_type(mut self, content_type: &'static str) -> Self {
        self.content_type = Some(content_type);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known == name)
    }

    /// Sends it to the addresses of a receiver.
    pub(crate) fn send(&self, wire: Wire, http: &str, grpc: &str) -> Result<Answer, String> {
        let sent = match wire {
            Wire::Grpc => {
                grpc::Client::to(grpc).call(&self.to_call()).map(|answer| Answer::Grpc(self.signal, answer))
            }
            Wire::Protobuf | Wire::Json => {
                let sent = plain::Client::to(http).send(&self.to_http(wire));
                sent.map(|answer| Answer::Http(self.signal, wire, answer))
            }
        };
        sent.map_err(|error| error.to_string())
    }

    /// As a call of gRPC.
    pub(crate) fn to_call(&self) -> grpc::Call {
        let path = self.path.unwrap_or(self.signal.grpc_path());
        let (body, coding) = self.packed(Wire::Grpc);
        let mut call = match coding {
            Some(coding) => grpc::Call::compressed(path, coding, &body),
            None => grpc::Call::plain(path, &body),
        };
        call.headers.extend(self.headers.iter().cloned());
        call
    }

    /// As a request of HTTP.
    pub(crate) fn to_http(&self, wire: Wire) -> plain::Request {
        let path = self.path.unwrap_or(self.signal.http_path());
        let (body, coding) = self.packed(wire);
        let content_type = self.content_type.unwrap_or(wire.content_type());
        let mut request = plain::Request::post(path, content_type, body).method(self.method.clone());
        if let Some(coding) = coding {
            request = request.header("content-encoding", coding);
        }
        request.headers.extend(self.headers.iter().cloned());
        request
    }

    fn packed(&self, wire: Wire) -> (Bytes, Option<&'static str>) {
        let bytes = match (&self.payload, wire) {
            (Payload::Bytes(bytes), _) => bytes.clone(),
            (Payload::Export(export), Wire::Json) => export.to_json(),
            (Payload::Export(export), _) => export.to_protobuf(),
        };
        match self.coding {
            Coding::Plain => (bytes, None),
            Coding::Gzip => (compress::gzip(&bytes), Some("gzip")),
            Coding::GzipMembers => (compress::gzip_members(&bytes, 3), Some("gzip")),
            Coding::Zstd => (compress::zstd(&bytes), Some("zstd")),
            Coding::Named(name) => (bytes, Some(name)),
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Grpc(Signal, grpc::Answer),
    Http(Signal, Wire, plain::Answer),
}

/// A success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// `partial_success`, if it is set.
    pub(crate) partial: Option<(i64, String)>,
}

impl Answer {
    /// The bytes of its body.
    pub(crate) fn body_bytes(&self) -> usize {
        match self {
            Self::Grpc(_, answer) => answer.body_bytes + answer.message.len(),
            Self::Http(_, _, answer) => answer.body.len(),
        }
    }

    /// A header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        match self {
            Self::Grpc(_, answer) => answer.headers.get(name)?.to_str().ok(),
            Self::Http(_, _, answer) => answer.header(name),
        }
    }

    /// In words, for a failure.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Grpc(_, answer) => {
                format!("HTTP {}, grpc-status {}, {}", answer.http_status, answer.status, answer.message)
            }
            Self::Http(_, _, answer) => format!("HTTP {}, {:?}", answer.status, shortened(&answer.text())),
        }
    }

    /// What it accepted, if it is a success.
    pub(crate) fn accepted(&self) -> Result<Accepted, String> {
        let wrong = || format!("not a success: {}", self.describe());
        let partial = match self {
            Self::Grpc(signal, answer) if answer.http_status == 200 && answer.status == 0 => {
                let payload =
                    answer.payload.as_ref().ok_or_else(|| "a success without a message".to_owned())?;
                partial_of_protobuf(*signal, payload)?
            }
            Self::Http(signal, Wire::Json, answer) if answer.status == 200 => {
                partial_of_json(*signal, &answer.body)?
            }
            Self::Http(signal, _, answer) if answer.status == 200 => {
                partial_of_protobuf(*signal, &answer.body)?
            }
            _ => return Err(wrong()),
        };
        Ok(Accepted { partial })
    }

    /// Its code (HTTP's, or gRPC's) and why it refused, if it is a refusal.
    pub(crate) fn refused(&self) -> Result<(u32, Refusal), String> {
        match self {
            Self::Grpc(_, answer) if answer.status != 0 => {
                let mut refusal = answer.details.as_ref().map_or(
                    Refusal { code: 0, message: String::new(), bad_request: false, retry_info: false },
                    Refusal::from,
                );
                refusal.code = i64::from(answer.status);
                refusal.message.clone_from(&answer.message);
                Ok((answer.status, refusal))
            }
            Self::Http(_, wire, answer) if answer.status >= 400 => {
                let refusal = self.refusal_of_http(*wire, answer)?;
                Ok((u32::from(answer.status), refusal))
            }
            _ => Err(format!("not refused: {}", self.describe())),
        }
    }

    fn refusal_of_http(&self, wire: Wire, answer: &plain::Answer) -> Result<Refusal, String> {
        let kind = answer.header("content-type").unwrap_or_default();
        if !kind.starts_with(wire.content_type()) && answer.status != 415 {
            return Err(format!("HTTP {} in {kind:?}, not in the request's type", answer.status));
        }
        let refusal = if kind.starts_with("application/json") {
            serde_json::from_slice(&answer.body).ok().and_then(|value| Refusal::from_json(&value))
        } else {
            Refusal::from_protobuf(&answer.body)
        };
        refusal.ok_or_else(|| format!("the body is no google.rpc.Status in {kind:?}: {}", self.describe()))
    }
}

fn partial_of_protobuf(signal: Signal, body: &[u8]) -> Result<Option<(i64, String)>, String> {
    let wrong = |error| format!("not an answer: {error}");
    Ok(match signal {
        Signal::Traces => {
            let answer = ExportTraceServiceResponse::decode(body).map_err(wrong)?;
            answer.partial_success.map(|partial| (partial.rejected_spans, partial.error_message))
        }
        Signal::Logs => {
            let answer = ExportLogsServiceResponse::decode(body).map_err(wrong)?;
            answer.partial_success.map(|partial| (partial.rejected_log_records, partial.error_message))
        }
        Signal::Metrics => {
            let answer = ExportMetricsServiceResponse::decode(body).map_err(wrong)?;
            answer.partial_success.map(|partial| (partial.rejected_data_points, partial.error_message))
        }
    })
}

fn partial_of_json(signal: Signal, body: &[u8]) -> Result<Option<(i64, String)>, String> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| format!("not JSON: {error}"))?;
    let Some(partial) = answer.get("partialSuccess").filter(|partial| !partial.is_null()) else {
        return if answer.is_object() { Ok(None) } else { Err(format!("not an answer: {answer}")) };
    };
    let rejected = match partial.get(signal.rejected_key()) {
        None => 0,
        Some(Value::String(text)) => text.parse().map_err(|_| format!("not a number: {text}"))?,
        Some(number) => number.as_i64().ok_or_else(|| format!("not a number: {number}"))?,
    };
    let message = partial.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
    Ok(Some((rejected, message.to_owned())))
}

/// Enough of a text to recognise it.
fn shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 300;
    text.chars().take(CHARACTERS_MAX).collect()
}
