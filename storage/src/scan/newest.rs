//! The newest rows that match: keys first, whole rows only for the winners.
//!
//! Sources are read from the one with the newest row on, and no further once enough rows are held that are
//! newer than everything left.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use arrow::array::RecordBatch;
use model::UnixNanos;
use model::predicate::RowKey;

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

    /// Whether nothing at or before `last` can still get in.
    fn is_settled(&self, last: model::UnixNanos) -> bool {
        self.heap.len() == self.limit
            && self.heap.peek().is_none_or(|Reverse((oldest, ..))| oldest.time > last)
    }
}

pub(super) fn newest(
    table: &Table,
    scan: &Scan,
    before: Option<RowKey>,
    limit: usize,
    mut observer: Option<&mut dyn Observer>,
    control: &Control,
) -> Result<(Vec<RecordBatch>, ScanStats)> {
    // Without anything to count, nothing at or after the end of the last page needs to be read again.
    let mut scan = scan.clone();
    if let (Some(before), None) = (before, &observer) {
        let end = UnixNanos(before.time.0.saturating_add(1));
        scan.range.to = Some(scan.range.to.map_or(end, |to| to.min(end)));
    }
    let scan = &scan;
    let work = Work::new(table, scan)?;
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
            let keys = keys(scan.signal, batch);
            for at in mask.values().set_indices() {
                best.offer(keys[at], source, rows[at]);
            }
            Ok(())
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
    Ok((fetch(&work, best)?, stats))
}

/// Whole rows of the winners, newest first, one batch a row.
fn fetch(work: &Work<'_>, best: Best) -> Result<Vec<RecordBatch>> {
    let mut wanted: BTreeMap<Source, Vec<u32>> = BTreeMap::new();
    for Reverse((_, source, row)) in &best.heap {
        wanted.entry(*source).or_default().push(*row);
    }
    let mut found: Vec<(RowKey, RecordBatch)> = Vec::with_capacity(best.heap.len());
    for (source, mut rows) in wanted {
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
