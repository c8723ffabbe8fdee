//! Segments: sealed units of rows of one tenant and signal.
//!
//! Terms:
//! - *segment*: a directory that never changes once the catalog names it, and whose name is never used again.
//! - *footer*: its statistics and filters ([`Footer`]); small, read when the segment is opened.
//! - *index*: its tantivy index in one file, where it has one ([`index`]).
//!
//! Files, below `segments/{tenant}/{signal}/{id}/`:
//!
//! | file | what | described in |
//! |---|---|---|
//! | `data.parquet` | the rows, sorted | docs/format-segment.md |
//! | `footer.cwf` | statistics, the filter over trace ids, checksums | [`footer`] |
//! | `index.cwi` | the text index, once compacted | [`index`] |
//!
//! A writer makes the directory, syncs its files and then the directory; the catalog names it after that.

mod checked;
mod footer;
mod trace_filter;
pub(crate) mod form;
mod index;
mod data;
mod order;
mod writer;
mod caches;
mod reader;

#[cfg(test)]
mod tests;

pub(crate) use caches::SegmentCaches;
pub(crate) use checked::CheckedFile;
pub(crate) use form::Wanted;
pub(crate) use index::BLOCK_ROWS;
pub(crate) use order::{SortKeys, deciding, ordered, orders, sorted};
pub(crate) use reader::{Segment, Selection, input_bytes, read_checked, selection_of};
pub(crate) use writer::{ROW_GROUP_ROWS, SegmentWriter};

use model::{Signal, TenantId, UnixNanos};

/// The name of the rows' file.
pub(crate) const DATA_FILE: &str = "data.parquet";
const FOOTER_FILE: &str = "footer.cwf";
const INDEX_FILE: &str = "index.cwi";

/// What the catalog knows of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentMeta {
    /// The name of its directory, unique for ever.
    pub id: String,
    /// Whose rows.
    pub tenant: TenantId,
    /// Rows of which table.
    pub signal: Signal,
    /// How many.
    pub rows: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// The earliest event time.
    pub first: UnixNanos,
    /// The latest event time.
    pub last: UnixNanos,
    /// When the first of its rows arrived, to the second.
    pub first_arrival: UnixNanos,
    /// When the last of its rows arrived.
    pub last_arrival: UnixNanos,
    /// Whether it has a text index.
    pub indexed: bool,
    /// Of spans: whether rows of `red` count them.
    pub rolled_up: bool,
}

impl SegmentMeta {
    /// Its directory below the data directory.
    pub fn path(&self) -> std::path::PathBuf {
        std::path::Path::new("segments")
            .join(format!("{:08x}", self.tenant.0))
            .join(self.signal.table())
            .join(&self.id)
    }
}
