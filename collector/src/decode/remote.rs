//! Prometheus remote write, versions 1 and 2: a row per sample and per native histogram.
//!
//! Terms:
//! - *series*: labels, and what was observed under them. Both versions have the same message but for a few fields;
//!   in version 2 labels refer to the request's *symbols*.
//! - *family*: what metadata are about: all series of a histogram, say. Version 2 sends them with each series, version
//!   1 in requests of their own.
//! - *source*: what stands for the resource: the labels `job` and `instance`.
//!
//! A series whose labels are bad is rejected with all its points, a bad histogram alone. Nothing is repaired or cut:
//! a series under another name would be another series.

mod labels;
mod source;
mod families;
mod histogram;
mod series;
mod written;

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bytes::Bytes;
use model::schema::REMOTE_WRITE;
use model::{Signal, UnixNanos};

pub use families::Families;
use families::FamilyType;
pub(crate) use families::families_of;
use labels::Form;
use series::SeriesWriter;
pub(crate) use written::Written;

use super::context::Context;
use super::wire::{Fields, WireError};
use super::{DecodeError, Decoded, Limits, decoded};

/// How many symbols a request may have.
const SYMBOLS_MAX: usize = 1 << 20;

/// The value that says that a series has ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A version of Prometheus remote write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteWrite {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

impl RemoteWrite {
    /// The name of its message.
    pub fn message(self) -> &'static str {
        match self {
            Self::V1 => "prometheus.WriteRequest",
            Self::V2 => "io.prometheus.write.v2.Request",
        }
    }

    /// The field of a request that holds its series.
    fn series_tag(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 5,
        }
    }
}

/// Why a request cannot be read at all.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("it has more than {SYMBOLS_MAX} symbols")]
    Symbols,
    #[error(transparent)]
    Columns(#[from] ArrowError),
}

/// Reads a remote write that arrived at `received`; `families` are what is known of those of version 1. A series or
/// histogram that is bad in itself is rejected alone, counted and explained in the batch's answer; an error means
/// that nothing of the payload can be trusted.
pub fn decode_remote_write(
    version: RemoteWrite,
    payload: &Bytes,
    received: UnixNanos,
    limits: &Limits,
    families: &Families,
) -> Result<Decoded, DecodeError> {
    let payload_hash = xxhash_rust::xxh3::xxh3_128(payload);
    let mut context = Context::new(Signal::Metrics, received, limits);
    let rows = read(version, payload, families, &mut context).map_err(|error| match error {
        ReadError::Columns(error) => DecodeError::Columns(error),
        error => DecodeError::RemoteWrite { message: version.message(), reason: error.to_string() },
    })?;
    Ok(decoded(Signal::Metrics, rows, payload_hash, context))
}

fn read(
    version: RemoteWrite,
    payload: &[u8],
    families: &Families,
    context: &mut Context<'_>,
) -> Result<RecordBatch, ReadError> {
    let form = Form::of(version, payload)?;
    let mut writer = SeriesWriter::new(&form, version, families);
    for field in Fields::new(payload) {
        let field = field?;
        if field.tag == version.series_tag() {
            writer.push(field.bytes()?, context)?;
        }
    }
    Ok(writer.finish()?)
}

/// The metadata of a row, by version and type.
static METADATA: LazyLock<[[String; FamilyType::ALL.len()]; 2]> = LazyLock::new(|| {
    ["1", "2"].map(|version| {
        FamilyType::ALL
            .map(|kind| format!(r#"{{"{REMOTE_WRITE}":"{version}","prometheus.type":"{}"}}"#, kind.name()))
    })
});

fn metadata(version: RemoteWrite, kind: FamilyType) -> &'static str {
    &METADATA[version as usize][kind as usize]
}

#[cfg(test)]
mod tests;
