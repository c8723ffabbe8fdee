//! Rows for tests: every column has a plain value unless a test gives one.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeBinaryArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampNanosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use model::{Answer, Batch, Signal, schema};

/// A batch in the wire schema of `count` rows. Given columns are cast to the column's type.
pub(crate) fn rows(signal: Signal, count: usize, given: &[(&str, ArrayRef)]) -> RecordBatch {
    let schema = schema::wire(signal);
    let columns =
        schema.fields().iter().map(|field| match given.iter().find(|(name, _)| name == field.name()) {
            Some((_, column)) => cast(column, field.data_type()).unwrap(),
            None => plain(field, count),
        });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

fn plain(field: &Field, count: usize) -> ArrayRef {
    if field.is_nullable() && !matches!(field.data_type(), DataType::List(_)) {
        return new_null_array(field.data_type(), count);
    }
    match field.data_type() {
        DataType::Float64 => Arc::new(Float64Array::from_value(1.0, count)),
        DataType::Int64 => Arc::new(Int64Array::from_value(0, count)),
        DataType::Timestamp(..) => {
            Arc::new(TimestampNanosecondArray::from_value(0, count).with_timezone("UTC"))
        }
        DataType::FixedSizeBinary(length) => {
            let ids = (0..count).map(|row| [vec![7; *length as usize - 1], vec![row as u8]].concat());
            Arc::new(FixedSizeBinaryArray::try_from_iter(ids).unwrap())
        }
        DataType::List(item) => Arc::new(ListArray::new_null(Arc::clone(item), count)),
        kind => {
            let text = if schema::is_json(field) { "{}" } else { "x" };
            cast(&StringArray::from(vec![text; count]), kind).unwrap()
        }
    }
}

/// Log records with these bodies, one nanosecond apart from `first` on.
pub(crate) fn logs(service: &str, first: i64, bodies: &[&str]) -> RecordBatch {
    let count = bodies.len();
    let times = (0..count as i64).map(|at| first + at);
    let attributes: Vec<String> =
        (0..count).map(|at| format!("{{\"n\":{at},\"user\":\"u{}\"}}", at % 3)).collect();
    rows(
        Signal::Logs,
        count,
        &[
            ("service_name", Arc::new(StringArray::from(vec![service; count]))),
            ("time", Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC"))),
            ("body", Arc::new(StringArray::from(bodies.to_vec()))),
            ("attributes", Arc::new(StringArray::from(attributes))),
        ],
    )
}

/// A request with these rows, packed as a receiver does.
pub(crate) fn request(signal: Signal, rows: RecordBatch, payload_hash: u128) -> Batch {
    let rows = crate::columns::packed_form(&rows).unwrap();
    Batch { signal, rows, payload_hash, repeatable: true, answer: Answer::default() }
}
