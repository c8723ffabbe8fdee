//! What the end-to-end tests stand on: the program as a process, OTLP spoken byte by byte, and the own API.
//!
//! Nothing of the program's code is used here. A test sees what a client sees: bytes, status codes, exit codes.
//! The modules follow a request on its way: what is sent, how it is packed, how it travels, who answers, and
//! what is asked afterwards.

#![forbid(unsafe_code)]

pub mod otlp;
pub mod raw;
pub mod compress;
pub mod http;
pub mod events;
pub mod grpc;
pub mod status;
pub mod harness;
pub mod api;
pub mod terminal;
pub mod fault;
