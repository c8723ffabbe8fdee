//! Clients of OTLP: over HTTP with protobuf or JSON, over gRPC; plain or compressed; one connection each.

mod compress;
mod grpc;
pub(crate) mod http;

use std::fmt;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::ValueEnum;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceResponse, metrics::v1::ExportMetricsServiceResponse,
    trace::v1::ExportTraceServiceResponse,
};
use prost::Message;

use crate::load::{Form, Signal};
pub(crate) use compress::compress;

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// Protobuf over HTTP
    HttpProtobuf,
    /// JSON over HTTP
    HttpJson,
    /// gRPC
    Grpc,
}

impl Protocol {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::HttpProtobuf, Self::HttpJson, Self::Grpc];

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http-protobuf",
            Self::HttpJson => "http-json",
            Self::Grpc => "grpc",
        }
    }

    /// How its requests are written.
    pub(crate) fn form(self) -> Form {
        if self == Self::HttpJson { Form::Json } else { Form::Protobuf }
    }
}

/// How bodies are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Compression {
    /// Not at all
    #[default]
    None,
    /// gzip, level 1
    Gzip,
    /// zstd, level 1
    Zstd,
}

impl Compression {
    /// Its name in headers; none if bodies go as they are.
    pub(crate) fn encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// Who is sent what.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Host and port.
    pub(crate) address: String,
    /// The path that requests are sent to.
    pub(crate) path: String,
    /// What requests carry.
    pub(crate) signal: Signal,
    /// How they travel.
    pub(crate) protocol: Protocol,
    /// How they are compressed.
    pub(crate) compression: Compression,
    /// Headers besides those of every request.
    pub(crate) headers: Vec<(String, String)>,
}

impl Target {
    /// One at `address`, on the path that OTLP has for this signal unless another is named.
    pub(crate) fn new(
        address: &str,
        path: Option<&str>,
        signal: Signal,
        protocol: Protocol,
        compression: Compression,
    ) -> Self {
        let usual = match (protocol, signal) {
            (Protocol::Grpc, Signal::Spans) => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            (Protocol::Grpc, Signal::Logs) => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            (Protocol::Grpc, Signal::Metrics) => {
                "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
            }
            (_, Signal::Spans) => "/v1/traces",
            (_, Signal::Logs) => "/v1/logs",
            (_, Signal::Metrics) => "/v1/metrics",
        };
        let path = path.unwrap_or(usual).to_owned();
        Self { address: address.to_owned(), path, signal, protocol, compression, headers: Vec::new() }
    }
}

/// Host and port of an `http://` address, and its path if it has one.
pub(crate) fn split_url(url: &str) -> Result<(String, Option<String>)> {
    let Some(rest) = url.strip_prefix("http://") else {
        bail!("{url} is not an address to send to: it begins with http://, as in http://127.0.0.1:4318");
    };
    let (address, path) = match rest.split_once('/') {
        Some((address, path)) if !path.is_empty() => (address, Some(format!("/{path}"))),
        Some((address, _)) => (address, None),
        None => (rest, None),
    };
    let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(_))) {
        bail!("{url} names no port: write it as http://127.0.0.1:4318");
    }
    Ok((address.to_owned(), path))
}

/// The status of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Code {
    /// Of HTTP.
    Http(u16),
    /// Of gRPC.
    Grpc(i32),
}

impl Code {
    /// Whether the request was taken.
    pub(crate) fn is_success(self) -> bool {
        match self {
            Self::Http(status) => (200..300).contains(&status),
            Self::Grpc(status) => status == 0,
        }
    }

    /// Whether OTLP lets a client send the request again. RESOURCE_EXHAUSTED counts only with a delay beside
    /// it, so it is not among them here.
    pub(crate) fn is_retryable(self) -> bool {
        match self {
            Self::Http(status) => matches!(status, 429 | 502 | 503 | 504),
            Self::Grpc(status) => matches!(status, 1 | 4 | 10 | 11 | 14 | 15),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(status) => write!(out, "HTTP {status}"),
            Self::Grpc(status) => write!(out, "gRPC {status}"),
        }
    }
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) code: Code,
    /// How many records it refused although it took the request.
    pub(crate) rejected: u64,
    /// What it said.
    pub(crate) message: String,
}

/// One connection to a target, made anew after it broke.
pub(crate) enum Client {
    /// Over HTTP.
    Http { target: Target, connection: http::Connection },
    /// Over gRPC.
    Grpc { target: Target, connection: grpc::Connection },
}

impl Client {
    /// A client that connects with its first request.
    pub(crate) fn new(target: &Target) -> Result<Self> {
        let target = target.clone();
        Ok(match target.protocol {
            Protocol::Grpc => {
                let connection = grpc::Connection::new(&target)?;
                Self::Grpc { target, connection }
            }
            _ => {
                let connection = http::Connection::new(&target.address);
                Self::Http { target, connection }
            }
        })
    }

    /// Sends a request; an error means that no answer came.
    pub(crate) async fn send(&mut self, body: Bytes) -> Result<Answer> {
        match self {
            Self::Grpc { target, connection } => connection.send(target, body).await,
            Self::Http { target, connection } => {
                let json = target.protocol == Protocol::HttpJson;
                let kind = if json { "application/json" } else { "application/x-protobuf" };
                let mut headers = vec![("content-type", kind)];
                headers.extend(target.compression.encoding().map(|encoding| ("content-encoding", encoding)));
                headers.extend(target.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                let reply = connection.request("POST", &target.path, &headers, body).await?;
                let code = Code::Http(reply.status);
                if !code.is_success() {
                    let message = String::from_utf8_lossy(&reply.body).chars().take(MESSAGE_MAX).collect();
                    return Ok(Answer { code, rejected: 0, message });
                }
                let (rejected, message) = if reply.content_type.starts_with("application/json") {
                    partial_json(&reply.body)?
                } else if reply.content_type.starts_with("application/x-protobuf") {
                    partial(target.signal, &reply.body)?
                } else {
                    // Some servers answer with no body, or with one that is not OTLP's.
                    (0, String::new())
                };
                Ok(Answer { code, rejected, message })
            }
        }
    }
}

/// How much of an answer is shown, in characters.
const MESSAGE_MAX: usize = 300;

/// The partial success of an answer in protobuf.
fn partial(signal: Signal, body: &[u8]) -> Result<(u64, String)> {
    let what = "the answer is no OTLP protobuf";
    let (rejected, message) = match signal {
        Signal::Spans => ExportTraceServiceResponse::decode(body)
            .context(what)?
            .partial_success
            .map(|partial| (partial.rejected_spans, partial.error_message)),
        Signal::Logs => ExportLogsServiceResponse::decode(body)
            .context(what)?
            .partial_success
            .map(|partial| (partial.rejected_log_records, partial.error_message)),
        Signal::Metrics => ExportMetricsServiceResponse::decode(body)
            .context(what)?
            .partial_success
            .map(|partial| (partial.rejected_data_points, partial.error_message)),
    }
    .unwrap_or_default();
    Ok((u64::try_from(rejected).unwrap_or(0), message))
}

/// The partial success of an answer in JSON.
fn partial_json(body: &[u8]) -> Result<(u64, String)> {
    // Some servers answer with nothing at all.
    if body.is_empty() {
        return Ok((0, String::new()));
    }
    let answer: serde_json::Value = serde_json::from_slice(body).context("the answer is no OTLP JSON")?;
    let Some(partial) = answer["partialSuccess"].as_object() else { return Ok((0, String::new())) };
    let rejected = ["rejectedSpans", "rejectedLogRecords", "rejectedDataPoints"].iter().find_map(|name| {
        let value = partial.get(*name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    });
    let message = partial.get("errorMessage").and_then(|message| message.as_str()).unwrap_or_default();
    Ok((rejected.unwrap_or(0), message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |url: &str, expected: Option<(&str, Option<&str>)>| {
            let split = split_url(url).ok();
            let split = split.as_ref().map(|(address, path)| (address.as_str(), path.as_deref()));
            assert_eq!(split, expected, "{url}");
        };
        check("http://127.0.0.1:4318", Some(("127.0.0.1:4318", None)));
        check("http://127.0.0.1:4318/", Some(("127.0.0.1:4318", None)));
        check("http://[::1]:1/insert/v1/logs", Some(("[::1]:1", Some("/insert/v1/logs"))));
        check("http://localhost", None);
        check("https://localhost:1", None);
        check("localhost:1", None);
    }

    #[test]
    fn partial_successes() {
        for signal in Signal::ALL {
            assert_eq!(partial(signal, &[]).unwrap(), (0, String::new()));
            assert_eq!(partial(signal, &[10, 5, 8, 3, 18, 1, b'x']).unwrap(), (3, "x".to_owned()));
            assert!(partial(signal, &[10, 99]).is_err());
        }
        let json = |text: &str| partial_json(text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(json("").unwrap().0, 0);
        assert_eq!(json("{}").unwrap().0, 0);
        assert_eq!(json(r#"{"partialSuccess":{}}"#).unwrap().0, 0);
        let answer = r#"{"partialSuccess":{"rejectedSpans":"17","errorMessage":"bad"}}"#;
        assert_eq!(json(answer).unwrap(), (17, "bad".to_owned()));
        assert_eq!(json(r#"{"partialSuccess":{"rejectedLogRecords":4}}"#).unwrap().0, 4);
        assert!(json("<html>").is_err());
    }

    #[test]
    fn which_codes_may_be_sent_again() {
        let again = |codes: &[Code]| codes.iter().all(|code| code.is_retryable());
        assert!(again(&[Code::Http(429), Code::Http(503), Code::Grpc(14)]));
        assert!(!again(&[Code::Http(400)]) && !again(&[Code::Http(500)]) && !again(&[Code::Http(200)]));
        assert!(!again(&[Code::Grpc(3)]) && !again(&[Code::Grpc(8)]) && !again(&[Code::Grpc(0)]));
    }
}
