//! The newest rows that match: keys first, whole rows only for the winners.
//!
//! Sources are read from the one with the newest row on, and no further once enough rows are held that are
//! newer than everything left.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;

use arrow::array::RecordBatch;
use model::predicate::RowKey;
use model::{UnixNanos, schema};

use super::{Control, Observer, Scan, ScanStats, Source, Work, keys, matching};
use crate::error::Result;
use crate::snapshot::Table;

/// The best rows so far, the oldest of them on top.
struct Best {
    heap: BinaryHeap<Reverse<(RowKey, Source, u32)>>,
    limit: usize,
    before: Option<RowKey>,
}

impl Best {
    fn offer(&mut self, key: RowKey, source: Source, row: u32) {
        if self.limit == 0 || self.before.is_some_and(|before| key >= before) {
            return;
        }
        if self.heap.len() == self.limit {
            if self.heap.peek().is_some_and(|Reverse((oldest, ..))| key <= *oldest) {
                return;
            }
            self.heap.pop();
        }
        self.heap.push(Reverse((key, source, row)));
    }

    /// The rows of each source.
    fn by_source(&self) -> BTreeMap<Source, Vec<u32>> {
        let mut wanted: BTreeMap<Source, Vec<u32>> = BTreeMap::new();
        for Reverse((_, source, row)) in &self.heap {
            wanted.entry(*source).or_default().push(*row);
        }
        wanted
    }

    /// Whether nothing at or before `last` can still get in.
    fn is_settled(&self, last: model::UnixNanos) -> bool {
        self.heap.len() == self.limit
            && self.heap.peek().is_none_or(|Reverse((oldest, ..))| oldest.time > last)
    }
}

/// Whole rows, newest first, one batch a row.
pub(super) fn newest(
    table: &Table,
    scan: &Scan,
    before: Option<RowKey>,
    limit: usize,
    observer: Option<&mut dyn Observer>,
    control: &Control,
) -> Result<(Vec<RecordBatch>, ScanStats)> {
    let scan = &narrowed(scan, before, observer.is_some());
    let work = Work::new(table, scan)?;
    let (best, stats) = select(&work, before, limit, observer, control)?;
    Ok((fetch(&work, best)?, stats))
}

/// Columns of the newest rows, with their times and `seq`, in no particular order.
pub(super) fn columns(
    table: &Table,
    scan: &Scan,
    columns: &[&'static str],
    before: Option<RowKey>,
    limit: usize,
    control: &Control,
) -> Result<(Vec<RecordBatch>, ScanStats)> {
    let scan = &narrowed(scan, before, false);
    let work = Work::new(table, scan)?;
    let (best, stats) = select(&work, before, limit, None, control)?;
    let mut asked = vec!["seq", schema::time_column(scan.signal)];
    asked.extend(columns);
    let mut found = Vec::new();
    for (source, mut rows) in best.by_source() {
        rows.sort_unstable();
        found.extend(work.fetch_columns(source, &rows, &asked)?);
    }
    Ok((found, stats))
}

/// Without anything to count, nothing at or after the end of the last page needs to be read again.
fn narrowed(scan: &Scan, before: Option<RowKey>, observed: bool) -> Scan {
    let mut scan = scan.clone();
    if let (Some(before), false) = (before, observed) {
        let end = UnixNanos(before.time.0.saturating_add(1));
        scan.range.to = Some(scan.range.to.map_or(end, |to| to.min(end)));
    }
    scan
}

fn select(
    work: &Work<'_>,
    before: Option<RowKey>,
    limit: usize,
    mut observer: Option<&mut dyn Observer>,
    control: &Control,
) -> Result<(Best, ScanStats)> {
    let mut asked = vec!["seq"];
    let observed = observer.as_ref().map(|observer| observer.columns()).unwrap_or_default();
    asked.extend(&observed);
    work.need(&asked);
    let columns = work.columns(&asked);
    let mut stats = work.stats();
    let mut best = Best { heap: BinaryHeap::new(), limit, before };
    let sources = work.sources();
    for (at, source) in sources.iter().copied().enumerate() {
        if observer.is_none() && best.is_settled(work.extent(source).1) {
            break;
        }
        let ended = work.read(source, &columns, &mut stats, control, &mut |batch, mask, rows| {
            if let Some(observer) = &mut observer {
                observer.observe(&matching(batch, mask, &observed)?);
            }
            let keys = keys(work.scan.signal, batch);
            for at in mask.values().set_indices() {
                best.offer(keys[at], source, rows[at]);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if ended.is_break() {
            stats.timed_out = true;
            // What was not read may hold newer rows than some that were found: those are not the newest.
            stats.unread = sources[at..].iter().map(|source| work.extent(*source).1).max();
            break;
        }
    }
    if let Some(unread) = stats.unread {
        best.heap.retain(|Reverse((key, ..))| key.time > unread);
    }
    Ok((best, stats))
}

fn fetch(work: &Work<'_>, best: Best) -> Result<Vec<RecordBatch>> {
    let mut found: Vec<(RowKey, RecordBatch)> = Vec::with_capacity(best.heap.len());
    for (source, mut rows) in best.by_source() {
        rows.sort_unstable();
        for batch in work.fetch(source, &rows)? {
            for (row, key) in keys(work.scan.signal, &batch).into_iter().enumerate() {
                found.push((key, batch.slice(row, 1)));
            }
        }
    }
    found.sort_by_key(|(key, _)| Reverse(*key));
    Ok(found.into_iter().map(|(_, row)| row).collect())
}
