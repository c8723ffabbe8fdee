//! Telemetry nouns and their Arrow schemas: what every other room agrees on.
//!
//! Nothing here does I/O and nothing is async. The modules follow the data path: who asks and when, ids,
//! attributes, the schemas of the tables, a batch on its way in, and the predicate that finds it again.

#![forbid(unsafe_code)]

mod time;
mod id;
mod signal;
mod tenant;
pub mod attributes;
pub mod packed;
pub mod schema;
mod batch;
pub mod ingest;
mod sketch;
pub mod predicate;

pub use attributes::{AnyValue, AttributesWriter};
pub use batch::{Answer, Batch};
pub use id::{IdError, SpanId, TraceId};
pub use predicate::{Chain, Field, Kinship, Level, Predicate, Test, TraceSet};
pub use signal::Signal;
pub use sketch::{Sketch, SketchError};
pub use tenant::{Reader, Streams, TenantId, TenantName, TenantNameError};
pub use time::{TimeRange, UnixNanos};
