//! Keeps telemetry: a write-ahead log, memtables, sealed segments, a catalog, and snapshots to read.
//!
//! Data walk down this list. A request becomes a frame of the log ([`wal`](self)), its rows a part of a
//! memtable, memtables become a segment, the catalog names it, a [`Snapshot`] shows it to one [`Reader`],
//! and scans read it. Absent here: protobuf of clients, query text, HTTP.
//!
//! Rows come packed (`model::packed`) and stay so: attributes in columns, which `columns` joins and chooses
//! anew for each segment. In a file they also leave out what follows from other columns, and a log body is a
//! template ([`templates`]) with its variables. Whoever asks is given rows as the table has them.
//!
//! [`Reader`]: model::Reader

#![forbid(unsafe_code)]

mod error;
mod timings;
mod pace;
mod budget;
mod text;
pub mod templates;
mod columns;
mod wal;
mod guard;
mod memtable;
mod segment;
mod catalog;
mod lock;
mod snapshot;
mod eval;
mod scan;
mod parts;
mod survey;
mod red;
mod compaction;
mod retention;
mod store;
mod tables;

#[cfg(test)]
mod testing;

pub use budget::{CacheShare, Charge, Gauge, MemoryBudget, MemoryFull, MemoryUse, Purpose, Reservation};
pub use catalog::records::{Collection, RECORD_BYTES_MAX, RECORDS_MAX, Record, Records};
pub use error::{Result, StoreError};
pub use pace::{Pace, give_way, rest};
pub use parts::{Part, PartId};
pub use red::{OPERATIONS_MAX, PEER_COLUMNS, Peer, Peers, Word, Words};
pub use retention::{Removed, Retention};
pub use scan::{
    Arrived, Body, Control, Matcher, Observer, Sample, Scan, ScanStats, Tally, TemplateCount, Trend,
};
pub use segment::SegmentMeta;
pub use snapshot::Snapshot;
pub use store::{Arrival, Health, Held, LogFiles, Options, Store, Subscription, Tailed, Written};
pub use survey::Surveyed;
pub use tables::{ATTRIBUTE_TEXT, FreshRows, MATCHES, PlanReader, is_of_segments, provider, red_provider};
pub use text::Phrase;
pub use timings::{Step, Timings};
pub use wal::{Recovery, WalPosition};
