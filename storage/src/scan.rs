//! Reads rows from a snapshot: the newest that match, every one that matches, or those of a trace.
//!
//! All of it is synchronous and meant for a thread that may block. A [`Control`] carries the deadline and the
//! cancel flag of the question; it is looked at between batches.
//!
//! How a segment is narrowed down, in this order: its time range, its list of services, its filter over trace
//! ids, its text index, the time statistics of its row groups. The predicate itself is tested on every row
//! that is left.

mod newest;
mod needs;
mod tally;
pub(crate) mod templates;
mod arrived;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, TimestampNanosecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, TimestampNanosecondType};
use model::predicate::RowKey;
use model::{Field, Predicate, Signal, Test, TimeRange, TraceId, UnixNanos, packed, schema};
pub(crate) use needs::INDEX_TRACES_MAX;
use needs::{Needs, TracesHere};
use roaring::RoaringBitmap;

use crate::columns::{REST, key_of};
use crate::error::{Result, StoreError};
use crate::eval::{Filter, Traces};
use crate::pace::rest;
use crate::segment::form::BODY_TEMPLATE;
use crate::segment::{Segment, Selection, Wanted};
use crate::snapshot::{Snapshot, Table};
use crate::templates::{Origin, TEMPLATE_ID};
pub use tally::{Body, Sample, Tally, TemplateCount, Trend};
use templates::{FRESH_ROWS_SHOWN_MAX, Identities};

pub use arrived::Arrived;

/// A text index that names more of a segment's rows than this share is not worth following.
pub(crate) const INDEX_SHARE_MAX: f64 = 0.35;

/// Which rows are wanted.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Of which table.
    pub signal: Signal,
    /// With an event time in here.
    pub range: TimeRange,
    /// That match this.
    pub predicate: Predicate,
}

/// How a question can be stopped.
#[derive(Debug, Clone)]
pub struct Control {
    /// When it must have ended.
    pub deadline: Instant,
    /// Set when nobody waits for the answer any more.
    pub cancelled: Arc<AtomicBool>,
}

/// What a scan cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanStats {
    /// Rows that were looked at.
    pub rows: u64,
    /// Bytes that they took in memory.
    pub bytes: u64,
    /// Segments of the table.
    pub segments: u64,
    /// Segments that were opened.
    pub opened: u64,
    /// Whether the deadline ended it early.
    pub timed_out: bool,
    /// Then, for the newest rows: rows up to this time may not have been read.
    pub unread: Option<UnixNanos>,
}

/// Is shown every matching row of a search, batch by batch, to count it.
pub trait Observer: Send {
    /// The columns it reads.
    fn columns(&self) -> Vec<&'static str>;
    /// Matching rows with at least these columns.
    fn observe(&mut self, rows: &RecordBatch);
}

impl Control {
    /// Whether to go on: an error if cancelled, `Break` past the deadline. Rests before, where telemetry goes first.
    pub(crate) fn check(&self) -> Result<ControlFlow<()>> {
        rest();
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(StoreError::Cancelled);
        }
        Ok(if Instant::now() >= self.deadline { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

impl Snapshot {
    /// The newest matching rows before `before`, at most `limit`, newest first, all columns. With an observer,
    /// every matching row before or after `before` is counted too.
    pub fn newest(
        &self,
        scan: &Scan,
        before: Option<RowKey>,
        limit: usize,
        observer: Option<&mut dyn Observer>,
        control: &Control,
    ) -> Result<(Vec<RecordBatch>, ScanStats)> {
        newest::newest(self.table(scan.signal), scan, before, limit, observer, control)
    }

    /// Every matching row, with the named columns, in no particular order.
    pub fn visit(
        &self,
        scan: &Scan,
        columns: &[&'static str],
        control: &Control,
        each: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<ScanStats> {
        let work = Work::new(self.table(scan.signal), scan)?;
        work.need(columns);
        let wanted = work.columns(columns);
        let mut stats = work.stats();
        for source in work.sources() {
            let ended = work.read(source, &wanted, &mut stats, control, &mut |batch, mask, _| {
                let rows = matching(batch, mask, columns)?;
                if rows.num_rows() > 0 {
                    each(&rows)?;
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if ended.is_break() {
                stats.timed_out = true;
                break;
            }
        }
        Ok(stats)
    }

    /// As [`Snapshot::visit`], the sources with the newest rows first, for as long as `each` wants to go on.
    pub fn visit_while(
        &self,
        scan: &Scan,
        columns: &[&'static str],
        control: &Control,
        each: &mut dyn FnMut(&RecordBatch) -> Result<ControlFlow<()>>,
    ) -> Result<ScanStats> {
        let work = Work::new(self.table(scan.signal), scan)?;
        let wanted = work.columns(columns);
        let mut stats = work.stats();
        let mut enough = false;
        for source in work.sources() {
            let ended = work.read(source, &wanted, &mut stats, control, &mut |batch, mask, _| {
                let rows = matching(batch, mask, columns)?;
                if rows.num_rows() > 0 && each(&rows)?.is_break() {
                    enough = true;
                    return Ok(ControlFlow::Break(()));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if ended.is_break() {
                stats.timed_out = !enough;
                break;
            }
        }
        Ok(stats)
    }

    /// The newest matching rows before `before`, at most `limit`, in no particular order, with these columns, their
    /// times and `seq`.
    pub fn newest_columns(
        &self,
        scan: &Scan,
        columns: &[&'static str],
        before: Option<RowKey>,
        limit: usize,
        control: &Control,
    ) -> Result<(Vec<RecordBatch>, ScanStats)> {
        newest::columns(self.table(scan.signal), scan, columns, before, limit, control)
    }

    /// All rows of a trace, whatever its time, at most `limit`.
    pub fn trace(
        &self,
        signal: Signal,
        id: TraceId,
        limit: usize,
        control: &Control,
    ) -> Result<(Vec<RecordBatch>, u64, ScanStats)> {
        let predicate = Predicate::Field(Field::Trace, Test::Equals(id.to_string()));
        let scan = Scan { signal, range: TimeRange::ALL, predicate };
        let work = Work::new(self.table(signal), &scan)?;
        let (mut stats, mut batches, mut found) = (work.stats(), Vec::new(), 0u64);
        for source in work.sources() {
            // The ids first, and the other columns only of the rows that have it.
            let mut rows = Vec::new();
            let ended =
                work.read(source, &["trace_id".to_owned()], &mut stats, control, &mut |_, mask, numbers| {
                    rows.extend(mask.values().set_indices().map(|at| numbers[at]));
                    Ok(ControlFlow::Continue(()))
                })?;
            let room = limit.saturating_sub(usize::try_from(found).unwrap_or(usize::MAX));
            found += rows.len() as u64;
            rows.truncate(room);
            if !rows.is_empty() {
                batches.extend(work.fetch(source, &rows)?);
            }
            if ended.is_break() {
                stats.timed_out = true;
                break;
            }
        }
        Ok((batches, found, stats))
    }
}

/// Where rows come from: a place in the table's fresh batches or segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Fresh(usize),
    Sealed(usize),
}

/// Is given a batch, the mask of its matching rows, and the number of each row in its source. Says whether it wants
/// more.
type EachBatch<'a> = dyn FnMut(&RecordBatch, &BooleanArray, &[u32]) -> Result<ControlFlow<()>> + 'a;

/// A scan made ready for a table.
pub(crate) struct Work<'a> {
    table: &'a Table,
    scan: &'a Scan,
    filter: Filter,
    needs: Needs,
    /// The traces that every row must be in, if the predicate names any.
    traces: Option<Traces>,
    /// The templates of the rows, once they are needed.
    identities: OnceCell<Identities>,
    /// Whether the identities stand beside every row that is read.
    reads_identities: OnceCell<()>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(table: &'a Table, scan: &'a Scan) -> Result<Self> {
        let filter = Filter::new(scan.signal, &scan.predicate)?;
        let needs = Needs::of(&scan.predicate);
        let traces = needs.traces().map(Traces::new);
        let (identities, reads_identities) = (OnceCell::new(), OnceCell::new());
        let mut work = Self { table, scan, filter, needs, traces, identities, reads_identities };
        if work.filter.columns().iter().any(|column| column == TEMPLATE_ID) {
            work.need(&[TEMPLATE_ID]);
            let current = templates::with_current(&scan.predicate, &work.identities(0).templates);
            work.filter = Filter::new(scan.signal, &current)?;
        }
        Ok(work)
    }

    /// Says which columns will be read: the identities of templates are put beside the rows if they are among them.
    pub(crate) fn need(&self, columns: &[&str]) {
        if columns.contains(&TEMPLATE_ID) {
            self.identities(usize::MAX);
            self.reads_identities.get_or_init(|| ());
        }
    }

    /// The templates of the rows; so many fresh rows are mined for it if it is the first time.
    fn identities(&self, fresh_rows_max: usize) -> &Identities {
        self.identities.get_or_init(|| Identities::new(templates::known(self.table, fresh_rows_max)))
    }

    pub(crate) fn stats(&self) -> ScanStats {
        ScanStats { segments: self.table.segments.len() as u64, ..ScanStats::default() }
    }

    /// The columns to read: those asked for, the time, and the predicate's.
    pub(crate) fn columns(&self, asked: &[&'static str]) -> Vec<String> {
        let mut columns: BTreeSet<String> = asked.iter().map(|column| (*column).to_owned()).collect();
        columns.insert(schema::time_column(self.scan.signal).to_owned());
        columns.extend(self.filter.columns());
        columns.into_iter().collect()
    }

    /// All sources that can hold matching rows by their times, those with the newest rows first.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let fresh = (0..self.table.fresh.len()).map(Source::Fresh);
        let sealed = (0..self.table.segments.len()).map(Source::Sealed);
        let mut sources: Vec<Source> = fresh
            .chain(sealed)
            .filter(|source| {
                let (first, last) = self.extent(*source);
                self.scan.range.overlaps(first, last)
            })
            .collect();
        sources.sort_by_key(|source| std::cmp::Reverse(self.extent(*source).1));
        sources
    }

    /// The first and last time of a source.
    pub(crate) fn extent(&self, source: Source) -> (UnixNanos, UnixNanos) {
        match source {
            Source::Fresh(at) => (self.table.fresh[at].first, self.table.fresh[at].last),
            Source::Sealed(at) => (self.table.segments[at].meta.first, self.table.segments[at].meta.last),
        }
    }

    /// Reads a source. `each` gets every batch with the mask of its matching rows and the number of each row
    /// in the source. Breaks when the deadline has passed, or when `each` wants no more.
    pub(crate) fn read(
        &self,
        source: Source,
        columns: &[String],
        stats: &mut ScanStats,
        control: &Control,
        each: &mut EachBatch<'_>,
    ) -> Result<ControlFlow<()>> {
        self.read_part(source, None, columns, stats, control, each)
    }

    /// As [`Work::read`], of a segment only these rows.
    fn read_part(
        &self,
        source: Source,
        part: Option<&RoaringBitmap>,
        columns: &[String],
        stats: &mut ScanStats,
        control: &Control,
        each: &mut EachBatch<'_>,
    ) -> Result<ControlFlow<()>> {
        if control.check()?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match source {
            Source::Fresh(at) => {
                let fresh = &self.table.fresh[at];
                let rows: Vec<u32> = (0..fresh.batch.num_rows() as u32).collect();
                stats.rows += rows.len() as u64;
                match self.reads_identities.get() {
                    Some(()) => {
                        let batch = self.identities(0).beside(&fresh.batch, Some(fresh.templates()))?;
                        each(&batch, &self.mask(&batch), &rows)
                    }
                    None => each(&fresh.batch, &self.mask(&fresh.batch), &rows),
                }
            }
            Source::Sealed(at) => {
                self.read_segment(&self.table.segments[at], part, columns, stats, control, each)
            }
        }
    }

    fn read_segment(
        &self,
        segment: &Segment,
        part: Option<&RoaringBitmap>,
        columns: &[String],
        stats: &mut ScanStats,
        control: &Control,
        each: &mut EachBatch<'_>,
    ) -> Result<ControlFlow<()>> {
        if !self.may_have_template(segment) {
            return Ok(ControlFlow::Continue(()));
        }
        let Some(traces) = self.needs.in_segment(segment)? else { return Ok(ControlFlow::Continue(())) };
        let candidates = match traces.few(&self.scan.predicate) {
            Some(narrower) => segment.candidates(&narrower)?,
            None => segment.candidates(&self.scan.predicate)?,
        };
        let mut rows =
            candidates.filter(|rows| rows.len() as f64 <= INDEX_SHARE_MAX * segment.meta.rows as f64);
        if let Some(part) = part {
            rows = Some(rows.map_or_else(|| part.clone(), |rows| rows & part));
        }
        if rows.as_ref().is_some_and(RoaringBitmap::is_empty) {
            return Ok(ControlFlow::Continue(()));
        }
        stats.opened += 1;
        let of_ids_alone = columns.iter().all(|column| column == "trace_id");
        if let (TracesHere::These(_), false, Some(traces)) = (traces, of_ids_alone, &self.traces) {
            rows = match self.rows_of_traces(segment, rows, traces, stats, control)? {
                ControlFlow::Continue(rows) => rows,
                ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
            };
            if rows.as_ref().is_some_and(RoaringBitmap::is_empty) {
                return Ok(ControlFlow::Continue(()));
            }
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let (reader, numbers) =
            segment.read(Wanted::Columns(&columns), &Selection { rows, range: self.scan.range })?;
        let mut numbers = numbers.iter();
        for batch in reader {
            if control.check()?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let mut batch = batch?;
            if self.reads_identities.get().is_some() {
                batch = self.identities(0).beside(&batch, batch.column_by_name(BODY_TEMPLATE))?;
            }
            stats.rows += batch.num_rows() as u64;
            stats.bytes += batch.get_array_memory_size() as u64;
            let rows: Vec<u32> = numbers.by_ref().take(batch.num_rows()).collect();
            if each(&batch, &self.mask(&batch), &rows)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether more than so many rows of a segment have to be looked at.
    fn is_broad(&self, segment: &Segment, rows: u64) -> Result<bool> {
        if segment.meta.rows <= rows || !self.may_have_template(segment) {
            return Ok(false);
        }
        match self.needs.in_segment(segment)? {
            Some(TracesHere::Any) => {
                Ok(segment.candidates(&self.scan.predicate)?.is_none_or(|found| found.len() > rows))
            }
            _ => Ok(false),
        }
    }

    /// Of these rows, or of all, those of the traces that the predicate names: their ids are read before anything
    /// else of them is. `None` where most rows are left, and breaks when the deadline has passed.
    fn rows_of_traces(
        &self,
        segment: &Segment,
        rows: Option<RoaringBitmap>,
        traces: &Traces,
        stats: &mut ScanStats,
        control: &Control,
    ) -> Result<ControlFlow<(), Option<RoaringBitmap>>> {
        let of = rows.as_ref().map_or(segment.meta.rows, RoaringBitmap::len);
        let selection = Selection { rows, range: self.scan.range };
        let (reader, numbers) = segment.read(Wanted::Columns(&["trace_id"]), &selection)?;
        let mut numbers = numbers.iter();
        let mut found = RoaringBitmap::new();
        for batch in reader {
            if control.check()?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let batch = batch?;
            stats.bytes += batch.get_array_memory_size() as u64;
            let inside = traces.evaluate(&batch);
            found.extend(
                numbers.by_ref().take(batch.num_rows()).zip(&inside).filter(|row| row.1).map(|row| row.0),
            );
        }
        let few = found.len() as f64 <= INDEX_SHARE_MAX * of as f64 || selection.rows.is_some();
        Ok(ControlFlow::Continue(few.then_some(found)))
    }

    /// Which rows of a batch match, times included.
    fn mask(&self, batch: &RecordBatch) -> BooleanArray {
        let matches = self.filter.evaluate(batch);
        if self.scan.range == TimeRange::ALL {
            return matches;
        }
        let Some(times) = times(self.scan.signal, batch) else { return matches };
        let inside: BooleanArray =
            times.values().iter().map(|time| Some(self.scan.range.contains(UnixNanos(*time)))).collect();
        BooleanArray::new(matches.values() & inside.values(), None)
    }

    /// Columns of rows of a source, by their numbers in ascending order.
    fn fetch_columns(&self, source: Source, rows: &[u32], columns: &[&str]) -> Result<Vec<RecordBatch>> {
        match source {
            Source::Fresh(at) => {
                let batch = &self.table.fresh[at].batch;
                let names = batch.schema_ref().fields().iter().enumerate();
                let wanted = names.filter(|(_, field)| columns.contains(&field.name().as_str()));
                let columns = batch.project(&wanted.map(|(at, _)| at).collect::<Vec<_>>())?;
                let chosen = arrow::array::UInt32Array::from(rows.to_vec());
                Ok(vec![arrow::compute::take_record_batch(&columns, &chosen)?])
            }
            Source::Sealed(at) => {
                let selection =
                    Selection { rows: Some(rows.iter().copied().collect()), range: TimeRange::ALL };
                self.table.segments[at].read(Wanted::Columns(columns), &selection)?.0.collect()
            }
        }
    }

    /// The rows of a source with all columns, by their numbers in ascending order.
    pub(crate) fn fetch(&self, source: Source, rows: &[u32]) -> Result<Vec<RecordBatch>> {
        match source {
            Source::Fresh(at) => {
                let fresh = &self.table.fresh[at];
                let chosen = arrow::array::UInt32Array::from(rows.to_vec());
                let batch = packed::unpack(&arrow::compute::take_record_batch(&fresh.batch, &chosen)?)?;
                if self.scan.signal != Signal::Logs {
                    return Ok(vec![batch]);
                }
                let templates = templates::at(fresh.templates(), rows)?;
                Ok(vec![self.identities(FRESH_ROWS_SHOWN_MAX).shown(&batch, Some(&templates))?])
            }
            Source::Sealed(at) => {
                let selection =
                    Selection { rows: Some(rows.iter().copied().collect()), range: TimeRange::ALL };
                let logs = self.scan.signal == Signal::Logs;
                let asked = schema::asked(self.scan.signal);
                let columns: Vec<&str> = asked.fields().iter().map(|field| field.name().as_str()).collect();
                let wanted = if logs { Wanted::Columns(&columns) } else { Wanted::All };
                let (reader, _) = self.table.segments[at].read(wanted, &selection)?;
                let rows = reader.map(|batch| {
                    let (batch, templates) = templates::take_templates(packed::unpack(&batch?)?);
                    match logs {
                        true => self.identities(FRESH_ROWS_SHOWN_MAX).shown(&batch, templates.as_ref()),
                        false => Ok(batch),
                    }
                });
                rows.collect()
            }
        }
    }

    /// Whether a segment may have rows of the template that is asked for.
    fn may_have_template(&self, segment: &Segment) -> bool {
        let (Some(id), Some(identities)) = (self.needs.template, self.identities.get()) else { return true };
        let known = self.table.registry.get(&Origin::Segment(segment.meta.id.clone()));
        known.is_none_or(|known| identities.templates.may_have(&known, id))
    }
}

/// Tests packed rows that never were in a snapshot: those of a live tail.
#[derive(Debug)]
pub struct Matcher {
    filter: Filter,
}

impl Matcher {
    /// Prepares a predicate.
    pub fn new(signal: Signal, predicate: &Predicate) -> Result<Self> {
        Ok(Self { filter: Filter::new(signal, predicate)? })
    }

    /// The rows that match, all columns, as the table has them.
    pub fn matching(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mask = self.filter.evaluate(rows);
        Ok(packed::unpack(&filter_record_batch(rows, &mask)?)?)
    }
}

/// The event times of a batch.
pub(crate) fn times(signal: Signal, batch: &RecordBatch) -> Option<&TimestampNanosecondArray> {
    batch.column_by_name(schema::time_column(signal))?.as_primitive_opt::<TimestampNanosecondType>()
}

/// The key of each row of a batch.
pub(crate) fn keys(signal: Signal, batch: &RecordBatch) -> Vec<RowKey> {
    let seqs = batch.column_by_name("seq").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let Some(times) = times(signal, batch) else { return Vec::new() };
    let seq = |row: usize| seqs.filter(|seqs| seqs.is_valid(row)).map_or(0, |seqs| seqs.value(row));
    times
        .values()
        .iter()
        .enumerate()
        .map(|(row, time)| RowKey { time: UnixNanos(*time), seq: seq(row) })
        .collect()
}

/// The rows of a packed batch that match, with the columns asked for as the table has them.
pub(crate) fn matching(batch: &RecordBatch, mask: &BooleanArray, asked: &[&str]) -> Result<RecordBatch> {
    let whole = asked.contains(&REST);
    let names = batch.schema_ref().fields().iter().enumerate();
    let wanted = names.filter(|(_, field)| {
        let name = field.name().as_str();
        asked.contains(&name) || (whole && key_of(name).is_some())
    });
    let rows = batch.project(&wanted.map(|(at, _)| at).collect::<Vec<_>>())?;
    let rows = filter_record_batch(&rows, mask)?;
    if whole { Ok(packed::unpack(&rows)?) } else { Ok(rows) }
}
