//! The footer file of a segment.
//!
//! All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `CWSEG\0\0\0` |
//! | 4 | version, 2; version 1 lists no attributes, and its filter is a split block Bloom filter as the Parquet format describes it, its bitset |
//! | 4 | length of the statistics |
//! | … | the statistics: [`Footer`] as JSON |
//! | 4 | length of the filter, 0 if there is none |
//! | … | the filter over trace ids: described in [`trace_filter`](super::trace_filter) |
//! | 4 | CRC32C of all above |

use std::path::Path;

use parquet::bloom_filter::Sbbf;
use serde::{Deserialize, Serialize};

use super::trace_filter::StoredFilter;
pub(super) use super::trace_filter::TraceFilter;
use crate::columns::AttributeColumn;
use crate::error::{Result, StoreError};

const MAGIC: [u8; 8] = *b"CWSEG\0\0\0";
const VERSION: u32 = 2;
/// The version whose filter is a split block Bloom filter.
const BLOOM_VERSION: u32 = 1;

/// The statistics of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Footer {
    /// The table: `spans`, `logs`, `metrics`.
    pub(crate) signal: String,
    /// Rows in the Parquet file.
    pub(crate) rows: u64,
    /// Rows in each row group but the last.
    pub(crate) row_group_rows: u64,
    /// The earliest and latest event time in nanoseconds.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// The smallest and largest `seq`.
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
    /// The first and last arrival in nanoseconds.
    pub(crate) first_arrival: i64,
    pub(crate) last_arrival: i64,
    /// Bytes and CRC32C of `data.parquet`.
    pub(crate) data_bytes: u64,
    pub(crate) data_crc32c: u32,
    /// The CRC32C of each block of `data.parquet`; not there of a file of the first format.
    #[serde(default)]
    pub(crate) data_blocks_crc32c: Option<Vec<u32>>,
    /// Bytes of `index.cwi`; none without an index.
    pub(crate) index_bytes: Option<u64>,
    /// The names of the services, if there are few enough to list.
    pub(crate) services: Option<Vec<String>>,
    /// The attributes that have a column; not known of a file of the first format.
    #[serde(default)]
    pub(crate) attributes: Option<Vec<AttributeColumn>>,
}

impl Footer {
    /// Its bytes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let services = self.services.iter().flatten().map(|name| size_of::<String>() + name.len());
        let attributes = self.attributes.iter().flatten();
        let attributes = attributes.map(|column| size_of::<AttributeColumn>() + column.key.len());
        let blocks = self.data_blocks_crc32c.as_ref().map_or(0, |blocks| blocks.len() * size_of::<u32>());
        size_of::<Self>() + blocks + self.signal.len() + services.sum::<usize>() + attributes.sum::<usize>()
    }
}

/// The bytes of a footer file.
pub(super) fn encode(footer: &Footer, filter: Option<&TraceFilter>) -> Result<Vec<u8>> {
    let statistics =
        serde_json::to_vec(footer).map_err(|error| arrow::error::ArrowError::JsonError(error.to_string()))?;
    let filter = filter.map(TraceFilter::encode).unwrap_or_default();
    let mut out = Vec::with_capacity(statistics.len() + filter.len() + 24);
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend((statistics.len() as u32).to_le_bytes());
    out.extend(&statistics);
    out.extend((filter.len() as u32).to_le_bytes());
    out.extend(&filter);
    let crc = crc32c::crc32c(&out);
    out.extend(crc.to_le_bytes());
    Ok(out)
}

/// Reads a footer file.
pub(super) fn read(path: &Path) -> Result<(Footer, Option<StoredFilter>)> {
    let bytes = std::fs::read(path).map_err(StoreError::io("read", path))?;
    let damaged = |what: &str| StoreError::damaged(path, what);
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| damaged("it is empty"))?;
    if body.get(..8) != Some(&MAGIC) {
        return Err(damaged("it does not begin as a segment footer"));
    }
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(damaged("its checksum does not match"));
    }
    let short = || damaged("it ends early");
    let mut rest = &body[8..];
    let version = number(&mut rest).ok_or_else(short)?;
    if version > VERSION {
        return Err(StoreError::NewerFormat { path: path.to_owned(), found: version, known: VERSION });
    }
    let statistics = block(&mut rest).ok_or_else(short)?;
    let footer = serde_json::from_slice(statistics).map_err(|error| damaged(&error.to_string()))?;
    let filter = block(&mut rest).ok_or_else(short)?;
    let filter = match filter {
        [] => None,
        bitset if version == BLOOM_VERSION => Some(StoredFilter::Bloom(Sbbf::new(bitset))),
        parts => {
            let filter = TraceFilter::decode(parts);
            Some(StoredFilter::Fuse(filter.ok_or_else(|| damaged("its filter is none"))?))
        }
    };
    Ok((footer, filter))
}

/// The next number of four bytes.
pub(super) fn number(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head))
}

fn block<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = number(rest)? as usize;
    let (block, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(block)
}
