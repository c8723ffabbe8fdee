//! The newest rows that match: keys first, whole rows only for the winners.
//!
//! Sources are read from the one with the newest row on, and no further once enough rows are held that are
//! newer than everything left.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;

use arrow::array::{BooleanArray, RecordBatch};
use model::predicate::RowKey;
use model::{UnixNanos, schema};
use roaring::RoaringBitmap;

use super::{Control, Observer, Scan, ScanStats, Source, Work, keys, matching};
use crate::error::Result;
use crate::segment::BLOCK_ROWS;
use crate::snapshot::Table;

/// How many pages of a segment are read before it is asked whether older ones are needed; then twice as many.
const PAGES_AT_ONCE: usize = if cfg!(test) { 1 } else { 16 };

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

    /// Offers the matching rows of a batch.
    fn offer_all(
        &mut self,
        work: &Work<'_>,
        source: Source,
        batch: &RecordBatch,
        mask: &BooleanArray,
        rows: &[u32],
    ) {
        if self.limit > 0 {
            let keys = keys(work.scan.signal, batch);
            mask.values().set_indices().for_each(|at| self.offer(keys[at], source, rows[at]));
        }
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
    // Where rows are only counted, nobody asks which are the newest.
    let mut asked = if limit > 0 { vec!["seq"] } else { Vec::new() };
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
        let ended = match &mut observer {
            Some(observer) => {
                work.read(source, &columns, &mut stats, control, &mut |batch, mask, rows| {
                    observer.observe(&matching(batch, mask, &observed)?);
                    best.offer_all(work, source, batch, mask, rows);
                    Ok(ControlFlow::Continue(()))
                })?
            }
            None => read_newest(work, source, &mut best, &columns, &mut stats, control)?,
        };
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

/// Offers rows of a source, of a segment those of the pages with the newest rows first, and no more than can get in.
fn read_newest(
    work: &Work<'_>,
    source: Source,
    best: &mut Best,
    columns: &[String],
    stats: &mut ScanStats,
    control: &Control,
) -> Result<ControlFlow<()>> {
    let pages = match source {
        Source::Sealed(at) => {
            let segment = &work.table.segments[at];
            match work.is_broad(segment, (PAGES_AT_ONCE * BLOCK_ROWS) as u64)? {
                true => segment.pages(work.scan.range)?,
                false => Vec::new(),
            }
        }
        Source::Fresh(_) => Vec::new(),
    };
    let offer = |best: &mut Best, part: Option<&RoaringBitmap>, stats: &mut ScanStats| {
        work.read_part(source, part, columns, stats, control, &mut |batch, mask, rows| {
            best.offer_all(work, source, batch, mask, rows);
            Ok(ControlFlow::Continue(()))
        })
    };
    if pages.len() <= PAGES_AT_ONCE {
        return offer(best, None, stats);
    }
    let opened = stats.opened;
    let (mut left, mut at_once) = (pages.as_slice(), PAGES_AT_ONCE);
    while left.first().is_some_and(|newest| !best.is_settled(newest.last)) {
        let (now, later) = left.split_at(at_once.min(left.len()));
        let mut part = RoaringBitmap::new();
        for page in now {
            part.insert_range(page.rows.clone());
        }
        if offer(best, Some(&part), stats)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        // One segment, however often.
        stats.opened = stats.opened.min(opened + 1);
        // What is rare is not looked for page by page.
        (left, at_once) = (later, at_once * 2);
    }
    Ok(ControlFlow::Continue(()))
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
