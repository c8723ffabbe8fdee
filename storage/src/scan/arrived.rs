//! Rows that arrived after one row: how a live tail goes on where it stopped.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use super::{Control, Scan, Source, Work};
use crate::error::Result;
use crate::snapshot::Snapshot;

/// Rows in order of arrival.
#[derive(Debug)]
pub struct Arrived {
    /// One batch a row, in order of `seq`, all columns: the last that match, at most the limit.
    pub rows: Vec<RecordBatch>,
    /// Rows that match and came before these.
    pub earlier: u64,
    /// Whether the deadline ended the search, so that rows may be missing.
    pub timed_out: bool,
}

impl Snapshot {
    /// The last rows with a `seq` after `after` that match, at most `limit`.
    pub fn arrived(&self, scan: &Scan, after: i64, limit: usize, control: &Control) -> Result<Arrived> {
        let table = self.table(scan.signal);
        let work = Work::new(table, scan)?;
        let columns = work.columns(&["seq"]);
        let (mut stats, mut last, mut found) = (work.stats(), BinaryHeap::new(), 0u64);
        let mut timed_out = false;
        for source in work.sources() {
            if !control.check()?.is_break() && !arrived_after(&work, source, after)? {
                continue;
            }
            let ended = work.read(source, &columns, &mut stats, control, &mut |batch, mask, rows| {
                for (at, seq) in seqs(batch).into_iter().enumerate() {
                    if seq > after && mask.value(at) {
                        found += 1;
                        keep(&mut last, limit, (seq, source, rows[at]));
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
            timed_out |= ended.is_break();
            if timed_out {
                break;
            }
        }
        let earlier = found - last.len() as u64;
        Ok(Arrived { rows: fetch(&work, last)?, earlier, timed_out })
    }
}

type Last = BinaryHeap<Reverse<(i64, Source, u32)>>;

/// Keeps a row among the last, and lets the first of them go where they are too many.
fn keep(last: &mut Last, limit: usize, row: (i64, Source, u32)) {
    last.push(Reverse(row));
    if last.len() > limit {
        last.pop();
    }
}

/// Whether a source may hold rows after `after`.
fn arrived_after(work: &Work<'_>, source: Source, after: i64) -> Result<bool> {
    Ok(match source {
        // Rows are appended as they come.
        Source::Fresh(at) => seqs(&work.table.fresh[at].batch).last().is_some_and(|seq| *seq > after),
        Source::Sealed(at) => work.table.segments[at].footer()?.last_seq > after,
    })
}

fn seqs(batch: &RecordBatch) -> Vec<i64> {
    let column = batch.column_by_name("seq").and_then(|column| column.as_primitive_opt::<Int64Type>());
    // A row without a number is older than any that has one.
    let seqs = column.map(|seqs| seqs.iter().map(|seq| seq.unwrap_or(i64::MIN)).collect());
    seqs.unwrap_or_default()
}

/// Whole rows in order of arrival.
fn fetch(work: &Work<'_>, last: Last) -> Result<Vec<RecordBatch>> {
    let mut wanted: BTreeMap<Source, Vec<u32>> = BTreeMap::new();
    for Reverse((_, source, row)) in last {
        wanted.entry(source).or_default().push(row);
    }
    let mut found: Vec<(i64, RecordBatch)> = Vec::new();
    for (source, mut rows) in wanted {
        rows.sort_unstable();
        for batch in work.fetch(source, &rows)? {
            found.extend(seqs(&batch).into_iter().enumerate().map(|(row, seq)| (seq, batch.slice(row, 1))));
        }
    }
    found.sort_by_key(|(seq, _)| *seq);
    Ok(found.into_iter().map(|(_, row)| row).collect())
}
