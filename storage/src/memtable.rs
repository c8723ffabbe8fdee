//! The memtable: rows that are in the log and not yet in a segment, as packed Arrow batches.
//!
//! Rows can be read the moment they are in. Small batches are joined, so that a million requests of one row
//! do not leave a million batches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::Schema;
use model::{Signal, UnixNanos, schema};

use crate::columns;
use crate::error::Result;
use crate::templates::Miner;

/// A batch of fewer rows is small.
const SMALL_ROWS: usize = 256;
/// So many small batches in a row are joined.
const SMALL_BATCHES_MAX: usize = 64;

/// A batch of a memtable, with the range of its times.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) batch: RecordBatch,
    pub(crate) first: UnixNanos,
    pub(crate) last: UnixNanos,
    /// Unlike that of any other batch of this process.
    pub(crate) number: u64,
    templates: OnceLock<ArrayRef>,
}

/// The fresh rows of one tenant and signal.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    batches: Vec<Arc<Rows>>,
    bytes: usize,
}

impl Memtable {
    /// Adds rows in the stored schema. Returns by how many bytes the table grew; it shrinks where joining
    /// small batches frees more than the new rows take.
    pub(crate) fn push(&mut self, signal: Signal, batch: RecordBatch) -> Result<i64> {
        let before = self.bytes;
        self.bytes += bytes_of(&batch);
        self.batches.push(Arc::new(Rows::new(signal, batch)));
        self.join_small(signal)?;
        Ok(self.bytes as i64 - before as i64)
    }

    /// All batches, oldest first.
    pub(crate) fn batches(&self) -> &[Arc<Rows>] {
        &self.batches
    }

    fn join_small(&mut self, signal: Signal) -> Result<()> {
        let small = self.batches.iter().rev().take_while(|rows| rows.batch.num_rows() < SMALL_ROWS).count();
        if small < SMALL_BATCHES_MAX {
            return Ok(());
        }
        let tail = self.batches.split_off(self.batches.len() - small);
        let (_, joined) = columns::join(signal, &tail.iter().map(|rows| &rows.batch).collect::<Vec<_>>())?;
        let freed: usize = tail.iter().map(|rows| bytes_of(&rows.batch)).sum();
        self.bytes = (self.bytes + bytes_of(&joined)).saturating_sub(freed);
        self.batches.push(Arc::new(Rows::new(signal, joined)));
        Ok(())
    }
}

/// The bytes that the rows of a batch take. Builders leave room behind the rows of a small request; that is not
/// counted, since joining frees it.
fn bytes_of(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns
        .map(|column| {
            column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
        })
        .sum()
}

impl Rows {
    pub(crate) fn new(signal: Signal, batch: RecordBatch) -> Self {
        let times = times(signal, &batch);
        let first = times.values().iter().min().copied().unwrap_or(i64::MAX);
        let last = times.values().iter().max().copied().unwrap_or(i64::MIN);
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { batch, first: UnixNanos(first), last: UnixNanos(last), number, templates: OnceLock::new() }
    }

    /// The template of each log's body, found when it is first asked for and then kept: four bytes a row.
    pub(crate) fn templates(&self) -> &ArrayRef {
        self.templates.get_or_init(|| {
            let bodies = self.batch.column_by_name("body").and_then(|bodies| bodies.as_string_opt::<i32>());
            let (mut miner, mut variables) = (Miner::default(), String::new());
            let keys: Int32Array = (0..self.batch.num_rows())
                .map(|row| {
                    variables.clear();
                    let bodies = bodies.filter(|bodies| bodies.is_valid(row))?;
                    miner.split(bodies.value(row), &mut variables).map(|number| number.0 as i32)
                })
                .collect();
            let texts: StringArray = miner.templates().map(Some).collect();
            let nothing = DictionaryArray::new(Int32Array::new_null(keys.len()), Arc::new(texts.clone()));
            // A key is the number of a template of this miner, so the two always fit.
            Arc::new(DictionaryArray::try_new(keys, Arc::new(texts)).unwrap_or(nothing))
        })
    }
}

/// The event times of a batch in the stored schema.
fn times(signal: Signal, batch: &RecordBatch) -> TimestampNanosecondArray {
    let column = batch.column_by_name(schema::time_column(signal));
    let times = column.and_then(|column| column.as_any().downcast_ref::<TimestampNanosecondArray>());
    times.cloned().unwrap_or_else(|| TimestampNanosecondArray::from(Vec::<i64>::new()))
}

/// Packed rows of a request with what the store fills: `seq` from the first on, and when they came.
pub(crate) fn with_store_columns(
    signal: Signal,
    rows: &RecordBatch,
    first_seq: i64,
    arrival: UnixNanos,
) -> Result<RecordBatch> {
    let count = rows.num_rows();
    let seq: ArrayRef = Arc::new(Int64Array::from_iter_values(first_seq..first_seq + count as i64));
    let received =
        TimestampNanosecondArray::from_value(arrival.to_the_second().0, count).with_timezone("UTC");
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(rows.num_columns() + 2);
    columns.push(seq);
    columns.push(Arc::new(received));
    columns.extend(rows.columns().iter().map(Arc::clone));
    let stored = schema::stored(signal);
    let store_fields = stored.fields().iter().take(schema::STORE_COLUMNS.len()).cloned();
    let fields: Vec<_> = store_fields.chain(rows.schema_ref().fields().iter().cloned()).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
