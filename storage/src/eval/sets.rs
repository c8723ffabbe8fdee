//! Tests against sets that were found before: traces by their ids, rows by their `seq`.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Int64Type;
use hashbrown::HashSet;
use model::TraceId;

use super::collect;

/// A set of traces to look ids up in.
#[derive(Debug)]
pub(crate) struct Traces(HashSet<[u8; 16]>);

impl Traces {
    pub(crate) fn new(ids: &[TraceId]) -> Self {
        Self(ids.iter().map(|id| id.0).collect())
    }

    /// Which rows are in one of the traces.
    pub(crate) fn evaluate(&self, batch: &RecordBatch) -> BooleanBuffer {
        let rows = batch.num_rows();
        let ids = batch.column_by_name("trace_id").and_then(|ids| ids.as_fixed_size_binary_opt());
        let Some(ids) = ids else { return BooleanBuffer::new_unset(rows) };
        // Spans of a trace stand together, so most rows repeat the look-up before.
        let mut last: (&[u8], bool) = (&[], false);
        let holds = |row: usize| {
            if ids.is_null(row) {
                return false;
            }
            let id = ids.value(row);
            if last.0 != id {
                last = (id, <&[u8; 16]>::try_from(id).is_ok_and(|id| self.0.contains(id)));
            }
            last.1
        };
        collect((0..rows).map(holds), rows)
    }
}

/// Which rows have one of these `seq`, which are in ascending order.
pub(super) fn rows(batch: &RecordBatch, seqs: &[i64]) -> BooleanBuffer {
    let column = batch.column_by_name("seq").and_then(|seqs| seqs.as_primitive_opt::<Int64Type>());
    let Some(column) = column else { return BooleanBuffer::new_unset(batch.num_rows()) };
    collect(column.iter().map(|seq| seq.is_some_and(|seq| seqs.binary_search(&seq).is_ok())), column.len())
}
