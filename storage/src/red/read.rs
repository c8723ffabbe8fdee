//! Reads the table: rows of its segments, and those that are rolled up when they are asked for.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use model::{Predicate, Signal, TimeRange};

use super::{RollUp, span_columns};
use crate::error::Result;
use crate::scan::{Control, Scan, ScanStats, Work};
use crate::snapshot::{Snapshot, Table};

/// Rows that a roll-up has at once when it is asked for; then they are handed out.
const ROWS_MAX: usize = 64 * 1024;

impl Snapshot {
    /// Rows of `red` of the minutes that a range touches, in no particular order, with at least these columns. Rows
    /// are partial: those of one minute and key add up. The predicate asks for fields of the service at most.
    pub fn red(
        &self,
        range: TimeRange,
        predicate: &Predicate,
        columns: &[&'static str],
        control: &Control,
        each: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<ScanStats> {
        let range = range.whole_minutes();
        let scan = Scan { signal: Signal::Red, range, predicate: predicate.clone() };
        let sealed = self.visit(&scan, columns, control, each)?;
        let fresh = self.red_of_spans(range, predicate, control, each)?;
        Ok(ScanStats {
            rows: sealed.rows + fresh.rows,
            bytes: sealed.bytes + fresh.bytes,
            segments: sealed.segments + fresh.segments,
            opened: sealed.opened + fresh.opened,
            timed_out: sealed.timed_out || fresh.timed_out,
            unread: None,
        })
    }

    /// The rows of spans that no segment of `red` counts: those in memory, and in segments that are not covered.
    pub(crate) fn red_of_spans(
        &self,
        range: TimeRange,
        predicate: &Predicate,
        control: &Control,
        each: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<ScanStats> {
        let scan = Scan { signal: Signal::Spans, range, predicate: predicate.clone() };
        let all = self.table(Signal::Spans);
        let segments = all.segments.iter().filter(|segment| !segment.meta.rolled_up);
        let table = Table {
            segments: segments.cloned().collect(),
            fresh: all.fresh.clone(),
            registry: Arc::clone(&all.registry),
        };
        let work = Work::new(&table, &scan)?;
        let mut roll_up = RollUp::default();
        let stats = read(&work, &span_columns(), control, &mut |batch, mask| {
            roll_up.add(batch, Some(mask))?;
            match roll_up.len() > ROWS_MAX {
                true => each(&roll_up.drain()?),
                false => Ok(()),
            }
        })?;
        if roll_up.len() > 0 {
            each(&roll_up.drain()?)?;
        }
        Ok(stats)
    }

    /// Every matching row as it is packed: with the named columns at least, attributes by `attributes.key`, where
    /// those without a column of their own stand in `attributes`. `each` gets the mask of the rows that match.
    pub fn visit_packed(
        &self,
        scan: &Scan,
        columns: &[&'static str],
        control: &Control,
        each: &mut dyn FnMut(&RecordBatch, &BooleanArray) -> Result<()>,
    ) -> Result<ScanStats> {
        read(&Work::new(self.table(scan.signal), scan)?, columns, control, each)
    }
}

fn read(
    work: &Work<'_>,
    columns: &[&'static str],
    control: &Control,
    each: &mut dyn FnMut(&RecordBatch, &BooleanArray) -> Result<()>,
) -> Result<ScanStats> {
    let wanted = work.columns(columns);
    let mut stats = work.stats();
    for source in work.sources() {
        let ended = work.read(source, &wanted, &mut stats, control, &mut |batch, mask, _| {
            each(batch, mask)?;
            Ok(ControlFlow::Continue(()))
        })?;
        if ended.is_break() {
            stats.timed_out = true;
            break;
        }
    }
    Ok(stats)
}
