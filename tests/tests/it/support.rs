//! What several modules need: a directory, and sending something that has to be taken.

use std::path::PathBuf;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use tempfile::TempDir;
use tests::{
    harness::Server,
    http::{Answer, Client, Request},
    otlp::{Export, Signal},
};

/// A directory that is gone after the test; the data lies in a folder of it.
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new().expect("a temporary directory") }
    }

    /// Where the server keeps its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

/// An export as protobuf over HTTP.
pub(crate) fn protobuf_request(export: &Export) -> Request {
    bytes_request(export.signal(), export.to_protobuf())
}

/// Any bytes as protobuf over HTTP.
pub(crate) fn bytes_request(signal: Signal, body: Bytes) -> Request {
    Request::post(signal.http_path(), "application/x-protobuf", body)
}

/// Sends an export that has to be stored whole.
pub(crate) fn store(server: &Server, export: &Export) {
    let answer = server.otlp_http().send(&protobuf_request(export)).expect("the server answers");
    assert_stored(&answer);
}

/// Full success: 200, and nothing said about rejected records.
pub(crate) fn assert_stored(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.body.is_empty(), "not a full success: {}", answer.text());
}

/// Sends a request on a connection of its own.
pub(crate) fn once(server: &Server, request: &Request) -> Answer {
    Client::new(server.addresses.otlp_http).send(request).expect("the server answers")
}

/// What a success says besides: how many records were rejected, and a message; `None` if nothing.
///
/// # Panics
///
/// If it is no success.
pub(crate) fn partial_success(answer: &Answer) -> Option<(i64, String)> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    // The answers of all three signals have the same fields.
    let answer = ExportLogsServiceResponse::decode(answer.body.clone()).expect("an answer in protobuf");
    answer.partial_success.map(|partial| (partial.rejected_log_records, partial.error_message))
}
