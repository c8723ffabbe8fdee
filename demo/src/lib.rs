//! A small shop of instrumented services that can break: what `causeway demo` shows, and what diagnosis is tested on.
//!
//! [`shop`] describes it as data: services, operations step by step, log statements, data bases, queues. An interpreter
//! walks that description (`walk`) on instances (`node`) that have processors, memory, locks and pools to wait for.
//! [`fault`] lists what can break with what a diagnosis should say; `effects` makes it happen. `world` is what
//! differs between the two times in which the shop runs:
//!
//! - [`model`]: simulated time. A plan with a seed becomes OTLP messages, the same bytes every time.
//! - [`live`]: real time. Nodes call each other over HTTP on loopback and export through the OpenTelemetry SDK.
//!
//! Terms. A *node* is a running instance of a service. A *step* is a thing that an operation does. A *statement* is a
//! place in a service's code that writes a log record.

#![forbid(unsafe_code)]

pub mod fault;
pub mod shop;
pub(crate) mod world;
pub(crate) mod node;
pub(crate) mod fleet;
pub(crate) mod queue;
pub(crate) mod walk;
pub(crate) mod effects;
pub(crate) mod gauges;
pub(crate) mod load;
pub mod model;
pub mod live;
