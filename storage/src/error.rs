//! What can go wrong in the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::budget::MemoryFull;

/// How long a client should wait before it sends again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The result of a store's work.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why the store did not do what was asked. What was stored before is never harmed by it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A queue or the memory budget is full; the same write may succeed shortly.
    #[error("{0} is full")]
    Busy(&'static str),
    /// The memory budget has nothing left for this.
    #[error(transparent)]
    Memory(#[from] MemoryFull),
    /// An fsync failed. The kernel may have dropped pages, so nothing is acknowledged until a restart.
    #[error("the write-ahead log could not be synced and takes no more writes until a restart: {0}")]
    Poisoned(String),
    /// The log did not take a request for another reason.
    #[error("the write-ahead log: {0}")]
    Log(String),
    /// More tenants than a store has room for.
    #[error("a store has {0} tenants at most")]
    Tenants(usize),
    /// A record is not one that can be written down.
    #[error("{0}")]
    Record(String),
    /// A file could not be read or written.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} is damaged: {what}", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The data were written by a newer program.
    #[error(
        "{path} has format {found}, and this program reads up to {known}: use the newer program that wrote it",
        path = path.display()
    )]
    NewerFormat {
        /// Which file.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// Another process has the data directory.
    #[error("{dir} is in use by {holder}", dir = dir.display())]
    Locked {
        /// Which directory.
        dir: PathBuf,
        /// What the holder wrote of itself.
        holder: String,
    },
    /// A path that holds no store was opened for reading.
    #[error("{dir} holds no data of causeway: no {missing} there", dir = dir.display())]
    NotAStore {
        /// Which directory.
        dir: PathBuf,
        /// The file that would be there.
        missing: &'static str,
    },
    /// The catalog refused.
    #[error("the catalog: {0}")]
    Catalog(#[from] rusqlite::Error),
    /// Rows could not be handled.
    #[error("rows: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A Parquet file could not be read or written.
    #[error("parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A text index could not be read or written.
    #[error("text index: {0}")]
    Index(#[from] tantivy::TantivyError),
    /// A search was cancelled by whoever asked.
    #[error("cancelled")]
    Cancelled,
    /// Rows are safe in the log and could not be put into segments.
    #[error("rows could not be moved from the log into segments: {0}")]
    Seal(String),
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
    /// A pattern in a predicate is no regular expression.
    #[error("regular expression: {0}")]
    Regex(String),
    /// A predicate asks about other rows than the one it is tested on, and nobody answered that before.
    #[error("joins and chains of spans cannot be asked here")]
    Unresolved,
}

impl StoreError {
    /// An error of the file system, for `map_err`.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// A damaged file.
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    /// Whether a limit was reached that will be free again soon.
    pub fn is_at_capacity(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Memory(MemoryFull::Full { .. } | MemoryFull::Short { .. }))
    }

    /// When a client should try again; `None` where trying again cannot help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Memory(MemoryFull::Never { .. }) => None,
            Self::Busy(_)
            | Self::Memory(_)
            | Self::Poisoned(_)
            | Self::Io { .. }
            | Self::Catalog(_)
            | Self::Seal(_)
            | Self::Log(_)
            | Self::Closed => Some(RETRY_AFTER),
            _ => None,
        }
    }
}
