//! What is kept of segments between queries: within the caches' share of the memory budget.
//!
//! | cache | parts of 16 | of 48 MiB | an entry |
//! |---|---|---|---|
//! | trace filters | 7 | 21 MiB | 2.4 bytes an id: 9 million ids |
//! | Parquet metadata | 4 | 12 MiB | 70 kB for 41 columns and a row group of 13 pages |
//! | text indexes | 2 | 6 MiB | [`INDEX_BYTES`], whatever they index: their files are mapped |
//! | footers | 1 | 3 MiB | some kilobytes |
//! | templates of logs | 1 | 3 MiB | four times their text, and 256 bytes; not a cache: they stay (`crate::templates`) |
//! | | 1 | 3 MiB | for what comes before something goes for it |
//!
//! What does not fit is read again each time; the least used goes first. An entry that is used often is not driven
//! out by many that are used once, so that a look at all segments, more than fit, still finds those that do.

#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;

use parquet::arrow::arrow_reader::ArrowReaderMetadata;

use super::footer::Footer;
use super::index::TextIndex;
use super::trace_filter::StoredFilter;
use crate::budget::{CacheShare, Charge, MemoryBudget};

/// The share of the caches is counted in these parts.
const PARTS: usize = 16;
const FILTER_PARTS: usize = 7;
const METADATA_PARTS: usize = 4;
const INDEX_PARTS: usize = 2;
const FOOTER_PARTS: usize = 1;
const TEMPLATE_PARTS: usize = 1;
const _: () = assert!(FILTER_PARTS + METADATA_PARTS + INDEX_PARTS + FOOTER_PARTS + TEMPLATE_PARTS < PARTS);
/// Bytes of an entry beside its value: its key, and what the cache keeps of it.
const ENTRY_BYTES: usize = 512;
/// Bytes of an open text index that are not pages of its file: 21 KiB were measured, of 200 open ones.
const INDEX_BYTES: usize = 32 << 10;
/// Bytes of a field of an Arrow schema.
const FIELD_BYTES: usize = 256;

/// What is kept of segments, by their ids. Cloning is cheap; all clones are the same caches.
#[derive(Clone)]
pub(crate) struct SegmentCaches {
    pub(super) filters: Cache<Option<StoredFilter>>,
    pub(super) footers: Cache<Footer>,
    pub(super) metadata: Cache<ArrowReaderMetadata>,
    pub(super) indexes: Cache<TextIndex>,
    templates: CacheShare,
}

impl SegmentCaches {
    /// Caches within a budget. With none they keep nothing.
    pub(crate) fn within(budget: &Arc<MemoryBudget>) -> Self {
        Self {
            filters: Cache::new(budget.cache_share(FILTER_PARTS, PARTS), |filter| {
                filter.as_ref().map_or(0, StoredFilter::bytes)
            }),
            footers: Cache::new(budget.cache_share(FOOTER_PARTS, PARTS), Footer::bytes),
            metadata: Cache::new(budget.cache_share(METADATA_PARTS, PARTS), |metadata| {
                metadata.metadata().memory_size() + metadata.schema().fields().len() * FIELD_BYTES
            }),
            indexes: Cache::new(budget.cache_share(INDEX_PARTS, PARTS), |_| INDEX_BYTES),
            templates: budget.cache_share(TEMPLATE_PARTS, PARTS),
        }
    }

    /// The memory for what is known of templates.
    pub(crate) fn template_share(&self) -> CacheShare {
        self.templates.clone()
    }

    /// Forgets a segment that is gone.
    pub(super) fn forget(&self, id: &str) {
        self.filters.entries.invalidate(id);
        self.footers.entries.invalidate(id);
        self.metadata.entries.invalidate(id);
        self.indexes.entries.invalidate(id);
    }
}

#[cfg(test)]
impl Default for SegmentCaches {
    fn default() -> Self {
        Self::within(&MemoryBudget::new(384 << 20))
    }
}

/// One cache, bounded by the bytes of its values.
pub(super) struct Cache<T> {
    entries: moka::sync::Cache<String, Cached<T>>,
    share: CacheShare,
    /// The bytes of a value.
    bytes: fn(&T) -> usize,
}

impl<T> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), share: self.share.clone(), bytes: self.bytes }
    }
}

impl<T: Send + Sync + 'static> Cache<T> {
    fn new(share: CacheShare, bytes: fn(&T) -> usize) -> Self {
        let entries = moka::sync::Cache::builder()
            .max_capacity(share.bytes_max())
            .weigher(|_, value: &Cached<T>| value.0.1.as_ref().map_or(0, Charge::weight))
            .build();
        Self { entries, share, bytes }
    }

    /// What is kept of a segment.
    pub(super) fn get(&self, id: &str) -> Option<Cached<T>> {
        self.entries.get(id)
    }

    /// Keeps a value of a segment if there is memory for it.
    pub(super) fn keep(&self, id: &str, value: T) -> Cached<T> {
        let charge = self.share.charge((self.bytes)(&value).saturating_add(ENTRY_BYTES));
        let kept = charge.is_some();
        let value = Cached(Arc::new((value, charge)));
        if kept {
            self.entries.insert(id.to_owned(), value.clone());
            // What this drives out goes now, or its memory would be refused to the next.
            self.entries.run_pending_tasks();
        }
        value
    }
}

/// A value of a cache. Its memory is counted as long as anybody holds it, kept or not any more.
pub(crate) struct Cached<T>(Arc<(T, Option<Charge>)>);

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Cached<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}
