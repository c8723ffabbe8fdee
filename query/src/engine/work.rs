//! A question that takes several scans: what they cost together, and which limit cut one of them short.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, RecordBatch};
use model::predicate::RowKey;
use model::{Predicate, Signal, TimeRange, TraceSet, UnixNanos, schema};
use storage::{Control, MemoryBudget, Purpose, Reservation, Scan, ScanStats, Snapshot, StoreError};

use crate::columns::Columns;
use crate::error::QueryError;
use crate::rows::{Partial, Stats};

/// How long before and after its range a question looks for the other rows of a trace, in nanoseconds: one hour. What
/// a trace does outside of that is not found by a question about the range.
pub(super) const AROUND: i64 = 3_600 * 1_000_000_000;
/// How long rows that were found may be fetched past the deadline.
const FETCH_TIME: Duration = Duration::from_secs(1);
/// Memory is reserved in pieces of so many bytes.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// A question under way.
pub(super) struct Work<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) control: &'a Control,
    pub(super) cost: ScanStats,
    begun: Instant,
    budget: &'a Arc<MemoryBudget>,
    cut: Option<Partial>,
}

impl<'a> Work<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, control: &'a Control, budget: &'a Arc<MemoryBudget>) -> Self {
        let cost = ScanStats::default();
        Self { snapshot, control, cost, begun: Instant::now(), budget, cut: None }
    }

    /// Counts what a scan cost.
    pub(super) fn count(&mut self, scan: ScanStats) {
        let cost = &mut self.cost;
        cost.rows += scan.rows;
        cost.bytes += scan.bytes;
        cost.segments = cost.segments.max(scan.segments);
        cost.opened = cost.opened.max(scan.opened);
        cost.timed_out |= scan.timed_out;
        cost.unread = cost.unread.max(scan.unread);
    }

    /// Notes which limit cut the answer short; the first one stays.
    pub(super) fn cut(&mut self, reason: String, covered_from: Option<UnixNanos>) {
        let covered_from = covered_from.map(|time| time.0);
        self.cut.get_or_insert(Partial { reason, covered_from, covered_to: None });
    }

    /// Memory for what this question collects, none of it yet.
    pub(super) fn memory(&self) -> Result<Memory, QueryError> {
        let reserved = self.budget.try_reserve(Purpose::Queries, 0).map_err(StoreError::from)?;
        Ok(Memory { reserved, used: 0 })
    }

    /// Every matching row, for as long as `each` wants to go on.
    pub(super) fn visit(
        &mut self,
        scan: &Scan,
        columns: &[&'static str],
        mut each: impl FnMut(&RecordBatch) -> Result<ControlFlow<()>, QueryError>,
    ) -> Result<(), QueryError> {
        let mut failed = None;
        let read = self.snapshot.visit_while(scan, columns, self.control, &mut |rows| {
            Ok(each(rows).unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            }))
        })?;
        self.count(read);
        failed.map_or(Ok(()), Err)
    }

    /// The cost as an answer tells it.
    pub(super) fn stats(&self) -> Result<Stats, QueryError> {
        let mut stats = super::stats(self.cost, self.begun)?;
        stats.partial = stats.partial.or_else(|| self.cut.clone());
        Ok(stats)
    }

    /// A control for the last scan of a question, which may fetch what was found although the time is over.
    pub(super) fn to_the_end(&self) -> Control {
        let late = if self.is_late() { Instant::now() + FETCH_TIME } else { self.control.deadline };
        Control { deadline: late.max(self.control.deadline), ..self.control.clone() }
    }

    /// Whether the deadline has passed.
    pub(super) fn is_late(&self) -> bool {
        self.cost.timed_out
    }
}

/// Memory that is reserved as it is needed, and given back at the end.
pub(super) struct Memory {
    reserved: Reservation,
    used: usize,
}

impl Memory {
    /// Says that so many bytes more are in use.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), QueryError> {
        self.used = self.used.saturating_add(bytes);
        let missing = self.used.saturating_sub(self.reserved.bytes());
        if missing > 0 {
            let pieces = missing.div_ceil(PIECE_BYTES) * PIECE_BYTES;
            self.reserved.try_grow(pieces).map_err(StoreError::from)?;
        }
        Ok(())
    }
}

/// A range with [`AROUND`] on both sides.
pub(super) fn around(range: TimeRange) -> TimeRange {
    TimeRange {
        from: range.from.map(|from| UnixNanos(from.0.saturating_sub(AROUND))),
        to: range.to.map(|to| UnixNanos(to.0.saturating_add(AROUND))),
    }
}

/// Everything in a set of traces that matches, whatever its time.
pub(super) fn in_traces(signal: Signal, traces: TraceSet, predicate: &Predicate) -> Scan {
    let predicate = Predicate::TraceIn(traces).and(predicate.clone());
    Scan { signal, range: TimeRange::ALL, predicate }
}

/// A span that may be in the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) key: RowKey,
    pub(super) trace: [u8; 16],
    pub(super) span: u64,
    /// 0 at a root.
    pub(super) parent: u64,
}

/// The columns that tell a span's place in its trace.
pub(super) const PLACE_COLUMNS: [&str; 3] = ["trace_id", "span_id", "parent_span_id"];

/// The spans of a batch with [`PLACE_COLUMNS`]: row, trace, span, and parent or 0.
pub(super) fn places(rows: &RecordBatch) -> impl Iterator<Item = (usize, [u8; 16], u64, u64)> {
    let columns = Columns(rows);
    let ids = PLACE_COLUMNS.map(|name| columns.ids(name));
    let number = move |column: usize, row: usize| {
        let ids = ids[column].filter(|ids| ids.is_valid(row))?;
        Some(u64::from_be_bytes(ids.value(row).try_into().ok()?))
    };
    (0..rows.num_rows()).filter_map(move |row| {
        let trace = ids[0].filter(|ids| ids.is_valid(row))?;
        let trace = <[u8; 16]>::try_from(trace.value(row)).ok()?;
        let (span, parent) = (number(1, row).unwrap_or(0), number(2, row).unwrap_or(0));
        // A span that says it is its own parent has none.
        Some((row, trace, span, if parent == span { 0 } else { parent }))
    })
}

/// How many spans the first round asks for.
const FIRST_ROUND: usize = 1024;
/// The most spans of one round.
const ROUND_MAX: usize = 65_536;
/// Each round asks for so many times what the one before did.
const GROWTH: usize = 4;
/// The most spans that one question looks at in rounds.
pub(super) const CANDIDATES_MAX: usize = 2_000_000;

/// Spans that match, newest first, in rounds that become larger: a question that needs few ends early.
pub(super) struct Rounds {
    scan: Scan,
    before: Option<RowKey>,
    size: usize,
    seen: usize,
    ended: bool,
}

impl Rounds {
    /// Spans that match before a row.
    pub(super) fn new(scan: Scan, before: Option<RowKey>) -> Self {
        Self { scan, before, size: FIRST_ROUND, seen: 0, ended: false }
    }

    /// The next spans, newest first; none at the end.
    pub(super) fn next(&mut self, work: &mut Work<'_>) -> Result<Vec<Candidate>, QueryError> {
        if self.ended {
            return Ok(Vec::new());
        }
        if self.seen >= CANDIDATES_MAX {
            let reason = format!("more than {CANDIDATES_MAX} spans match the last set: narrow the search");
            work.cut(reason, self.before.map(|before| before.time));
            return Ok(Vec::new());
        }
        let (batches, cost) =
            work.snapshot.newest_columns(&self.scan, &PLACE_COLUMNS, self.before, self.size, work.control)?;
        work.count(cost);
        let mut found: Vec<Candidate> = batches.iter().flat_map(candidates).collect();
        // A span without a trace id stands for none; counted rows are those that were read.
        let read: usize = batches.iter().map(RecordBatch::num_rows).sum();
        found.sort_unstable_by_key(|candidate| std::cmp::Reverse(candidate.key));
        self.before = found.last().map(|last| last.key);
        self.seen += read;
        self.ended = read < self.size || cost.timed_out || self.before.is_none();
        self.size = (self.size * GROWTH).min(ROUND_MAX);
        Ok(found)
    }

    /// Whether all spans were given out.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }
}

fn candidates(rows: &RecordBatch) -> Vec<Candidate> {
    let columns = Columns(rows);
    let time = |row| columns.time(schema::time_column(Signal::Spans), row).unwrap_or(0);
    let key = |row| RowKey { time: UnixNanos(time(row)), seq: columns.int("seq", row).unwrap_or(0) };
    places(rows).map(|(row, trace, span, parent)| Candidate { key: key(row), trace, span, parent }).collect()
}
