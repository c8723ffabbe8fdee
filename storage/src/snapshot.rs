//! A snapshot: what one query sees, unchanged for as long as it is held.

use std::sync::Arc;

use model::{Signal, TenantId, TimeRange, UnixNanos};

use crate::memtable::Rows;
use crate::segment::{Segment, SegmentMeta};
use crate::templates::Registry;

/// Everything one tenant has stored at one moment: segments and fresh rows. Holding it keeps the files.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Whose rows; `None` if the store has none of the tenant.
    tenant: Option<TenantId>,
    tables: Arc<[Table; Signal::ALL.len()]>,
}

/// One signal of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) fresh: Vec<Arc<Rows>>,
    /// The templates of the tenant's logs.
    pub(crate) registry: Arc<Registry>,
}

impl Snapshot {
    pub(crate) fn new(tenant: Option<TenantId>, mut table: impl FnMut(Signal) -> Table) -> Self {
        Self { tenant, tables: Arc::new(Signal::ALL.map(&mut table)) }
    }

    /// Whose rows these are.
    pub(crate) fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    pub(crate) fn table(&self, signal: Signal) -> &Table {
        &self.tables[usize::from(signal.number()) - 1]
    }

    /// How many segments a signal has.
    pub fn segments(&self, signal: Signal) -> usize {
        self.table(signal).segments.len()
    }

    /// The segments of a signal, as the catalog knows them.
    pub fn segment_metas(&self, signal: Signal) -> impl Iterator<Item = &SegmentMeta> {
        self.table(signal).segments.iter().map(|segment| &segment.meta)
    }

    /// How many rows a signal has.
    pub fn rows(&self, signal: Signal) -> u64 {
        let table = self.table(signal);
        let sealed: u64 = table.segments.iter().map(|segment| segment.meta.rows).sum();
        sealed + table.fresh.iter().map(|rows| rows.batch.num_rows() as u64).sum::<u64>()
    }

    /// The first and the last event time of a signal, both included; `None` without rows.
    pub fn extent(&self, signal: Signal) -> Option<TimeRange> {
        let table = self.table(signal);
        let sealed = table.segments.iter().map(|segment| (segment.meta.first, segment.meta.last));
        let fresh =
            table.fresh.iter().filter(|rows| rows.batch.num_rows() > 0).map(|rows| (rows.first, rows.last));
        let widest = sealed.chain(fresh).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        widest.map(|(first, last): (UnixNanos, UnixNanos)| TimeRange { from: Some(first), to: Some(last) })
    }
}
