//! The memtable: rows that are in the log and not yet in a segment, as packed Arrow batches.
//!
//! Rows can be read the moment they are in. Small batches are joined, so that a million requests of one row
//! do not leave a million batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use arrow::datatypes::Schema;
use model::{Signal, UnixNanos, schema};

use crate::columns;
use crate::error::Result;

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
        Self { batch, first: UnixNanos(first), last: UnixNanos(last) }
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
