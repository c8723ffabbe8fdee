//! Every way in: OTLP over gRPC and HTTP and Prometheus remote write become record batches, and a sink's word becomes
//! an answer.
//!
//! Terms:
//! - *request*: one export call; it carries records of one signal.
//! - *payload*: its protobuf or JSON bytes after decompression.
//! - *record*: a span, a log record or a metric data point; a bad one is rejected alone.
//! - *sink*: where decoded requests go; the program hands it in.
//!
//! The modules follow a request: limits and tokens, who asks, its body, its payload, its rows, the sink, the
//! answer. [`http_router`], [`grpc_routes`] and [`remote_write_router`] differ in framing and format only; what lies
//! between is in [`Receiver`].
//!
//! Absent on purpose: storage, queries, and any buffer between a request and the sink. Nothing is answered
//! before the sink has answered.

mod config;
mod auth;
mod body;
mod compression;
mod decode;
mod sink;
mod ledger;
mod families;
mod series;
mod receiver;
mod error;
mod status;
mod answer;
mod connections;
mod http;
mod grpc;
mod remote_write;

pub use auth::{AuthError, Scope, Token, authenticate};
pub use config::{Config, ConfigError};
pub use connections::{Connection, Listener, SILENCE_MAX};
pub use decode::{
    DecodeError, Decoded, Encoding, Families, Limits, RemoteWrite, Tally, decode, decode_remote_write,
};
pub use grpc::{grpc_routes, serve_grpc};
pub use http::http_router;
pub use receiver::{Receiver, SignalCounts};
pub use remote_write::remote_write_router;
pub use sink::{Permit, Room, Sink, SinkError, Stored};

#[cfg(test)]
mod testing;
