//! Compaction: small segments become large ones, sorted, with a text index.
//!
//! Only segments of one tenant, one signal and one day of arrival are merged, so that age by arrival means
//! the same after a merge; and, so that a merged segment stays narrow in time, of one day of event time,
//! those that span several days among themselves. Segments of spans that `red` counts and those that it does not stay apart.
//!
//! A segment of [`WHOLE_ROWS`] or more is *whole*: it gets its index when it is written, by a seal or by a
//! merge, and is never merged again. A merge in the background takes [`FAN_IN`] smaller segments of about one
//! size, so that a row is written at most once by its seal and once per power of [`FAN_IN`] between the size
//! of its first segment and [`WHOLE_ROWS`]: once in all where seals are whole, as under load with memory
//! enough. `compact` merges whatever is not whole together, as many as make [`SEGMENT_ROWS_MAX`], and indexes
//! what has no index.
//!
//! While a merge runs its output lies beside its inputs, so it needs at most [`SEGMENT_BYTES_MAX`] of space.
//!
//! Memory: of each input one batch of rows and a page of each column ([`input_bytes`]); of the output a row group in
//! encoded form, the index, and a batch. Logs of 430 bytes a row in memory were measured to take 8 MB an input and
//! 17 MB besides, spans of 360 bytes 4 MB an input and 20 MB besides. It is reserved before a merge begins, and a
//! merge takes no more inputs than [`memory_max`] has room for. Where that is fewer than [`FAN_IN`], rows are
//! written once per power of that many instead. One of two inputs is never too large, or nothing would ever be
//! merged: where it is, it counts as all that merges may have.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::row::Rows;
use model::{Signal, TenantId, attributes, schema};

use crate::budget::{MemoryBudget, Purpose};
use crate::columns::{Census, Layout, packed_form};
use crate::error::{Result, StoreError};
use crate::red::Folding;
use crate::segment::{
    ROW_GROUP_ROWS, Segment, SegmentMeta, SegmentWriter, Selection, SortKeys, Wanted, input_bytes,
    read_checked, sorted,
};
use crate::timings::{Step, Timings};

/// A segment with as many rows is indexed when it is written and not merged any further.
pub(crate) const WHOLE_ROWS: u64 = 200_000;
/// No merge makes a segment of more rows.
const SEGMENT_ROWS_MAX: u64 = 1_000_000;
/// No merge takes inputs of more bytes.
const SEGMENT_BYTES_MAX: u64 = 512 << 20;
/// So many segments of one size are merged at once in the background.
const FAN_IN: usize = 8;
/// The most segments in one merge: each is an open file with a batch in memory.
const INPUTS_MAX: usize = 64;
/// Rows that are merged at a time.
const OUTPUT_ROWS: usize = 8192;
/// The index is built in memory, and is so great a part of the inputs' bytes.
const INDEX_PART: u64 = 2;
/// Bytes that writing takes besides: encoders with their dictionaries, and a batch on its way.
const OUTPUT_BYTES: usize = 6 << 20;

/// How much is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eagerness {
    /// What pays for itself.
    Background,
    /// Everything.
    All,
}

/// Segments that may be merged with each other: tenant, signal, day of arrival, day of the events (none: of
/// several days), whether `red` counts their rows.
type Group = (TenantId, Signal, i64, Option<i64>, bool);

fn group(meta: &SegmentMeta) -> Group {
    let window = (meta.first.day() == meta.last.day()).then(|| meta.first.day());
    (meta.tenant, meta.signal, meta.first_arrival.day(), window, meta.rolled_up)
}

/// The next merge worth doing; `None` when nothing is left.
/// It takes `memory_max` bytes at most as [`memory`] counts them, unless it is of two segments or one.
pub(crate) fn plan(
    segments: &[Arc<Segment>],
    eagerness: Eagerness,
    memory_max: usize,
) -> Option<Vec<Arc<Segment>>> {
    let mut groups: BTreeMap<Group, Vec<&Arc<Segment>>> = BTreeMap::new();
    for segment in segments.iter().filter(|segment| !segment.is_suspect()) {
        groups.entry(group(&segment.meta)).or_default().push(segment);
    }
    groups.into_values().find_map(|mut members| {
        members.sort_by(|a, b| (a.meta.rows, &a.meta.id).cmp(&(b.meta.rows, &b.meta.id)));
        let chosen = match eagerness {
            Eagerness::Background => same_size(&members, memory_max),
            Eagerness::All => all_that_fit(&members, memory_max).or_else(|| unindexed(&members)),
        };
        chosen.map(|chosen| chosen.into_iter().map(Arc::clone).collect())
    })
}

/// [`FAN_IN`] segments of one power of [`FAN_IN`] in rows.
fn same_size<'a>(members: &[&'a Arc<Segment>], memory_max: usize) -> Option<Vec<&'a Arc<Segment>>> {
    let size = |segment: &Segment| segment.meta.rows.max(1).ilog(FAN_IN as u64);
    let small: Vec<_> = members.iter().filter(|segment| segment.meta.rows < WHOLE_ROWS).copied().collect();
    let together = small.chunk_by(|a, b| size(a) == size(b)).find(|chunk| chunk.len() >= FAN_IN)?;
    fitting(together, memory_max)
}

/// As many small segments as make one large one.
fn all_that_fit<'a>(members: &[&'a Arc<Segment>], memory_max: usize) -> Option<Vec<&'a Arc<Segment>>> {
    let small: Vec<_> = members.iter().filter(|segment| segment.meta.rows < WHOLE_ROWS).copied().collect();
    fitting(&small, memory_max)
}

fn fitting<'a>(members: &[&'a Arc<Segment>], memory_max: usize) -> Option<Vec<&'a Arc<Segment>>> {
    let mut need = Need::default();
    let fits = |segment: &&&Arc<Segment>| {
        need.add(&segment.meta);
        let in_memory = need.inputs <= 2 || need.memory() <= memory_max;
        need.rows <= SEGMENT_ROWS_MAX && need.bytes <= SEGMENT_BYTES_MAX && in_memory
    };
    let chosen: Vec<_> = members.iter().take(INPUTS_MAX).take_while(fits).copied().collect();
    (chosen.len() >= 2).then_some(chosen)
}

fn unindexed<'a>(members: &[&'a Arc<Segment>]) -> Option<Vec<&'a Arc<Segment>>> {
    let wants_index = |meta: &SegmentMeta| !meta.indexed && has_index(meta.signal);
    members.iter().find(|segment| wants_index(&segment.meta)).map(|segment| vec![*segment])
}

/// Whether large segments of a signal have a text index. Rows that are rolled up are few, and read by time.
pub(crate) fn has_index(signal: Signal) -> bool {
    signal != Signal::Red
}

/// The memory that merges may have: half of their share, and the other half is for seals, so that neither ever
/// waits for the other.
pub(crate) fn memory_max(budget: &MemoryBudget) -> usize {
    budget.share(Purpose::Merges) / 2
}

/// About how many bytes of memory a merge of these segments takes.
pub(crate) fn memory(inputs: &[Arc<Segment>]) -> usize {
    let mut need = Need::default();
    inputs.iter().for_each(|input| need.add(&input.meta));
    need.memory()
}

/// What a merge needs.
#[derive(Debug, Default)]
struct Need {
    inputs: usize,
    rows: u64,
    bytes: u64,
    /// Memory of the inputs.
    reading: usize,
}

impl Need {
    fn add(&mut self, meta: &SegmentMeta) {
        self.inputs += 1;
        self.rows += meta.rows;
        self.bytes += meta.bytes;
        self.reading = self.reading.saturating_add(input_bytes(meta));
    }

    fn memory(&self) -> usize {
        let group = self.rows.min(ROW_GROUP_ROWS as u64) * (self.bytes / self.rows.max(1));
        let writing = usize::try_from(group + self.bytes / INDEX_PART).unwrap_or(usize::MAX);
        self.reading.saturating_add(writing).saturating_add(OUTPUT_BYTES)
    }
}

/// Writes the rows of several segments into one with an index.
///
/// An input that cannot be read is marked as suspect. Ends early once `closing` is set.
pub(crate) fn merge(
    root: &Path,
    inputs: &[Arc<Segment>],
    closing: &AtomicBool,
    timings: &Arc<Timings>,
) -> Result<SegmentMeta> {
    // In order of arrival, which decides between rows that are otherwise equal.
    let mut inputs = inputs.to_vec();
    inputs.sort_by_key(|input| (input.meta.last_arrival, input.meta.first_arrival, input.meta.id.clone()));
    let inputs = inputs.as_slice();
    let Some(first) = inputs.first() else { return Err(StoreError::Closed) };
    let (tenant, signal) = (first.meta.tenant, first.meta.signal);
    let keys = SortKeys::new(signal)?;
    let layout = Arc::new(layout(inputs)?);
    let mut cursors = Vec::with_capacity(inputs.len());
    for input in inputs {
        let batches = read_checked(input).inspect_err(|_| input.suspect())?;
        let fitted = Arc::clone(&layout);
        let batches = batches.map(move |batch| {
            let batch = fitted.fit(&packed_form(&batch?)?)?;
            // The rows of a block of logs stand by template.
            if signal == Signal::Logs { sorted(signal, &batch) } else { Ok(batch) }
        });
        let mut cursor =
            Cursor { input: Arc::clone(input), batches: Box::new(batches), current: None, row: 0 };
        timings.time(Step::ReadInputs, || cursor.next_batch(&keys))?;
        cursors.push(cursor);
    }
    let mut writer = SegmentWriter::create(root, tenant, &layout, has_index(signal), timings)?;
    let folding = (signal == Signal::Red).then(Folding::default);
    let timings = Arc::clone(timings);
    let settles = signal == Signal::Metrics;
    let merge = Merge {
        cursors,
        keys,
        pending: Vec::new(),
        held: Vec::new(),
        settles,
        left_out: 0,
        folding,
        timings,
    };
    let rows = merge.run(&mut writer, closing).inspect_err(|error| {
        // Rows that do not fit together, such as more text in a batch than Arrow can address.
        if matches!(error, StoreError::Arrow(_)) {
            inputs.iter().for_each(|input| input.suspect());
        }
    })?;
    let expected: u64 = inputs.iter().map(|input| input.meta.rows).sum();
    if rows != expected {
        inputs.iter().for_each(|input| input.suspect());
        let what = format!("{rows} rows were read of {expected}");
        return Err(StoreError::damaged(&first.data_path(), what));
    }
    Ok(SegmentMeta { rolled_up: first.meta.rolled_up, ..writer.finish()? })
}

/// The columns of a merge's output.
fn layout(inputs: &[Arc<Segment>]) -> Result<Layout> {
    let mut census = Census::default();
    for input in inputs {
        let footer = input.footer()?;
        match &footer.attributes {
            Some(columns) => census.add_columns(footer.rows, columns),
            // A file of the first format does not say: its first rows speak for the others.
            None => {
                let (mut batches, _) = input.read(Wanted::All, &Selection::default())?;
                if let Some(batch) = batches.next() {
                    census.add(&packed_form(&batch?)?);
                }
            }
        }
    }
    let signal = inputs.first().map_or(Signal::Logs, |first| first.meta.signal);
    Ok(Layout::new(signal, census.choose()))
}

/// One sorted input.
struct Cursor {
    input: Arc<Segment>,
    batches: Box<dyn Iterator<Item = Result<RecordBatch>>>,
    current: Option<(RecordBatch, Rows)>,
    row: usize,
}

impl Cursor {
    /// Takes up the next batch; `current` is `None` after the last.
    fn next_batch(&mut self, keys: &SortKeys) -> Result<()> {
        self.row = 0;
        self.current = None;
        for batch in self.batches.by_ref() {
            let batch = batch.inspect_err(|_| self.input.suspect())?;
            if batch.num_rows() > 0 {
                let rows = keys.of(&batch)?;
                self.current = Some((batch, rows));
                break;
            }
        }
        Ok(())
    }

    /// The key of the row that is next in the current batch.
    fn key(&self) -> Option<Vec<u8>> {
        let (_, rows) = self.current.as_ref()?;
        (self.row < rows.num_rows()).then(|| rows.row(self.row).as_ref().to_vec())
    }

    /// Whether a row of metrics of the current batch has exemplars, which are kept.
    fn has_exemplars(&self, row: usize) -> bool {
        let exemplars = self.current.as_ref().and_then(|(batch, _)| batch.column_by_name("exemplars"));
        let lists = exemplars.and_then(|lists| lists.as_list_opt::<i32>());
        lists.is_some_and(|lists| lists.is_valid(row) && lists.value_length(row) > 0)
    }

    /// Whether a row of metrics of the current batch is a sample that came by remote write: it has a value, or says that
    /// its series has ended.
    fn is_written_sample(&self, row: usize) -> bool {
        let Some((batch, _)) = &self.current else { return false };
        let is_there = |name: &str| batch.column_by_name(name).is_some_and(|column| column.is_valid(row));
        let flags = batch.column_by_name("flags").and_then(|flags| flags.as_primitive_opt::<Int64Type>());
        let has_flags = flags.is_some_and(|flags| flags.value(row) != 0);
        is_written(batch, row) && (has_flags || VALUES.iter().any(|name| is_there(name)))
    }
}

/// Whether a row of metrics came by remote write.
fn is_written(batch: &RecordBatch, row: usize) -> bool {
    let metadata = batch.column_by_name("metadata").and_then(|texts| texts.as_dictionary_opt::<Int32Type>());
    let Some((metadata, key)) = metadata.and_then(|texts| Some((texts, texts.key(row)?))) else {
        return false;
    };
    let texts = metadata.values().as_string_opt::<i32>();
    texts.is_some_and(|texts| attributes::get(texts.value(key), schema::REMOTE_WRITE).is_some())
}

/// Columns of metrics of which a sample has one.
const VALUES: [&str; 3] = ["value", "count", "count_float"];

/// Bytes of a key in which samples of one series at one time differ: the row's number, and whether it has one.
const NUMBER_BYTES: usize = size_of::<i64>() + 1;

/// Whether keys of two rows of metrics are of one series at one time.
fn is_same_time(key: &[u8], next: &[u8]) -> bool {
    let of_sample = |key: &[u8]| key.len().saturating_sub(NUMBER_BYTES);
    key.len() == next.len() && key[..of_sample(key)] == next[..of_sample(next)]
}

/// A merge under way.
struct Merge {
    cursors: Vec<Cursor>,
    keys: SortKeys,
    /// Rows of the next output batch: the place of a batch in `held`, and the row in it.
    pending: Vec<(usize, usize)>,
    /// Batches that pending rows are in.
    held: Vec<RecordBatch>,
    /// Whether of several samples at one time that Prometheus wrote the one that arrived last stays.
    settles: bool,
    /// Rows that others replaced.
    left_out: u64,
    /// Adds rows of one key, where that is how rows are merged.
    folding: Option<Folding>,
    timings: Arc<Timings>,
}

impl Merge {
    /// Merges all rows. Returns how many were read.
    fn run(mut self, writer: &mut SegmentWriter, closing: &AtomicBool) -> Result<u64> {
        let mut heap = BinaryHeap::new();
        let mut places = vec![0; self.cursors.len()];
        for (number, cursor) in self.cursors.iter().enumerate() {
            heap.extend(cursor.key().map(|key| Reverse((key, number))));
        }
        self.hold_all(&mut places);
        while let Some(Reverse((key, number))) = heap.pop() {
            let row = self.cursors[number].row;
            self.cursors[number].row += 1;
            let length = self.cursors[number].current.as_ref().map_or(0, |(batch, _)| batch.num_rows());
            let ended = row + 1 >= length;
            if self.settles && self.is_replaced(&key, (number, row), heap.peek()) {
                self.left_out += 1;
            } else {
                self.pending.push((places[number], row));
            }
            if ended || self.pending.len() >= OUTPUT_ROWS {
                if closing.load(Ordering::Acquire) {
                    return Err(StoreError::Closed);
                }
                // Rows go out before their batch ends: so no input ever has two batches in memory.
                self.flush(writer)?;
                if ended {
                    self.held.clear();
                    let Self { cursors, keys, timings, .. } = &mut self;
                    timings.time(Step::ReadInputs, || cursors[number].next_batch(keys))?;
                }
                self.hold_all(&mut places);
            }
            heap.extend(self.cursors[number].key().map(|key| Reverse((key, number))));
        }
        self.flush(writer)?;
        match self.folding {
            Some(folding) => folding.finish(writer),
            None => Ok(writer.rows() + self.left_out),
        }
    }

    /// Whether the row that follows is a sample of the same series at the same time as this one.
    fn is_replaced(
        &self,
        key: &[u8],
        (number, row): (usize, usize),
        other: Option<&Reverse<(Vec<u8>, usize)>>,
    ) -> bool {
        let own = self.cursors[number].key().filter(|next| is_same_time(key, next));
        let by = match (own, other) {
            (Some(_), _) => number,
            (None, Some(Reverse((next, other)))) if is_same_time(key, next) => *other,
            _ => return false,
        };
        // A row can hold exemplars alone; then it replaces none, and none replaces it. Of what came over OTLP each point stays
        // a row, and who reads it as a series takes the last.
        let cursor = &self.cursors[by];
        let own = &self.cursors[number];
        own.is_written_sample(row) && !own.has_exemplars(row) && cursor.is_written_sample(cursor.row)
    }

    /// Holds the current batch of every cursor and nothing else.
    fn hold_all(&mut self, places: &mut [usize]) {
        self.held.clear();
        for (number, cursor) in self.cursors.iter().enumerate() {
            if let Some((batch, _)) = &cursor.current {
                places[number] = self.held.len();
                self.held.push(batch.clone());
            }
        }
    }

    fn flush(&mut self, writer: &mut SegmentWriter) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let held: Vec<&RecordBatch> = self.held.iter().collect();
        let batch = self.timings.time(Step::Merge, || interleave_record_batch(&held, &self.pending))?;
        self.pending.clear();
        match &mut self.folding {
            Some(folding) => folding.write(&batch, writer),
            None => writer.write(&batch),
        }
    }
}
