//! The footer file of a segment.
//!
//! All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `CWSEG\0\0\0` |
//! | 4 | version, 2; version 1 lists no attributes |
//! | 4 | length of the statistics |
//! | … | the statistics: [`Footer`] as JSON |
//! | 4 | length of the filter, 0 if there is none |
//! | … | the filter over trace ids: a split block Bloom filter as the Parquet format describes it, its bitset |
//! | 4 | CRC32C of all above |

use std::path::Path;

use parquet::bloom_filter::Sbbf;
use serde::{Deserialize, Serialize};

use crate::columns::AttributeColumn;
use crate::error::{Result, StoreError};

const MAGIC: [u8; 8] = *b"CWSEG\0\0\0";
const VERSION: u32 = 2;
/// How often the filter may say yes to a trace that is not there.
const FILTER_FALSE_POSITIVES: f64 = 0.005;

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
    /// Bytes of `index.cwi`; none without an index.
    pub(crate) index_bytes: Option<u64>,
    /// The names of the services, if there are few enough to list.
    pub(crate) services: Option<Vec<String>>,
    /// The attributes that have a column; not known of a file of the first format.
    #[serde(default)]
    pub(crate) attributes: Option<Vec<AttributeColumn>>,
}

/// The filter over the trace ids of a segment.
#[derive(Debug)]
pub(crate) struct TraceFilter(Sbbf);

impl TraceFilter {
    /// A filter over ids; `ids` may repeat. `None` if there are none.
    pub(super) fn build(mut ids: Vec<[u8; 16]>) -> Result<Option<Self>> {
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(None);
        }
        let mut filter = Sbbf::new_with_ndv_fpp(ids.len() as u64, FILTER_FALSE_POSITIVES)?;
        ids.iter().for_each(|id| filter.insert(id.as_slice()));
        Ok(Some(Self(filter)))
    }

    /// Whether a trace may be there.
    pub(crate) fn may_have(&self, id: &[u8; 16]) -> bool {
        self.0.check(id.as_slice())
    }
}

/// The bytes of a footer file.
pub(super) fn encode(footer: &Footer, filter: Option<&TraceFilter>) -> Result<Vec<u8>> {
    let statistics =
        serde_json::to_vec(footer).map_err(|error| arrow::error::ArrowError::JsonError(error.to_string()))?;
    let mut bitset = Vec::new();
    if let Some(TraceFilter(filter)) = filter {
        filter.write_bitset(&mut bitset)?;
    }
    let mut out = Vec::with_capacity(statistics.len() + bitset.len() + 24);
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend((statistics.len() as u32).to_le_bytes());
    out.extend(&statistics);
    out.extend((bitset.len() as u32).to_le_bytes());
    out.extend(&bitset);
    let crc = crc32c::crc32c(&out);
    out.extend(crc.to_le_bytes());
    Ok(out)
}

/// Reads a footer file.
pub(super) fn read(path: &Path) -> Result<(Footer, Option<TraceFilter>)> {
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
    let bitset = block(&mut rest).ok_or_else(short)?;
    let filter = (!bitset.is_empty()).then(|| TraceFilter(Sbbf::new(bitset)));
    Ok((footer, filter))
}

fn number(rest: &mut &[u8]) -> Option<u32> {
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
