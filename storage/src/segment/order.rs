//! The order of rows in a segment.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use model::{Signal, schema};

use crate::error::Result;

/// Nanoseconds in a minute: spans are sorted by the minute of their start first.
const MINUTE: i64 = 60 * 1_000_000_000;
/// Stands for it among the columns. It is no column itself, and follows from `start_time`.
const MINUTES: &str = "minute";

/// The keys of a batch in the order that segments of a signal are sorted by. Comparing two of them compares
/// the rows.
pub(crate) struct SortKeys {
    converter: RowConverter,
    signal: Signal,
}

impl SortKeys {
    pub(crate) fn new(signal: Signal) -> Result<Self> {
        let stored = schema::stored(signal);
        let fields = key_columns(signal).iter().map(|name| match *name {
            MINUTES => Ok(SortField::new(DataType::Int64)),
            name => Ok(SortField::new(stored.field_with_name(name)?.data_type().clone())),
        });
        Ok(Self { converter: RowConverter::new(fields.collect::<Result<_>>()?)?, signal })
    }

    pub(crate) fn of(&self, batch: &RecordBatch) -> Result<Rows> {
        let columns: Option<Vec<ArrayRef>> =
            key_columns(self.signal).iter().map(|name| key_column(batch, name)).collect();
        let columns = columns.ok_or_else(|| lacking_key(self.signal))?;
        Ok(self.converter.convert_columns(&columns)?)
    }
}

fn lacking_key(signal: Signal) -> ArrowError {
    ArrowError::SchemaError(format!("{signal} rows lack a column to sort by"))
}

fn key_columns(signal: Signal) -> &'static [&'static str] {
    match signal {
        Signal::Spans => &[MINUTES, "trace_id", "start_time", "seq"],
        Signal::Logs => &["service_name", "time", "seq"],
        Signal::Metrics => &["metric", "series", "time", "seq"],
        Signal::Red => &["service_name", "time"],
    }
}

fn key_column(batch: &RecordBatch, name: &str) -> Option<ArrayRef> {
    if name != MINUTES {
        return batch.column_by_name(name).map(Arc::clone);
    }
    let starts = batch.column_by_name("start_time")?.as_primitive_opt::<TimestampNanosecondType>()?;
    Some(Arc::new(Int64Array::from_iter_values(starts.values().iter().map(|start| start.div_euclid(MINUTE)))))
}

/// The rows of a batch in the order of a segment.
pub(crate) fn sorted(signal: Signal, batch: &RecordBatch) -> Result<RecordBatch> {
    let all = (0..batch.num_rows() as u32).collect();
    let orders = orders(signal, batch, vec![all])?;
    let ordered = |column: &ArrayRef| {
        orders.first().map_or_else(|| Ok(Arc::clone(column)), |order| ordered(column, order))
    };
    let columns = batch.columns().iter().map(ordered).collect::<Result<_>>()?;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// The columns that decide on the order of rows.
pub(crate) fn deciding(signal: Signal) -> impl Iterator<Item = &'static str> {
    key_columns(signal).iter().copied().filter(|name| *name != MINUTES)
}

/// Puts rows of a batch, of which the [`deciding`] columns are enough, in the order of a segment: each of these
/// lists of rows.
pub(crate) fn orders(signal: Signal, batch: &RecordBatch, rows: Vec<Vec<u32>>) -> Result<Vec<UInt32Array>> {
    let columns =
        key_columns(signal).iter().map(|name| key_column(batch, name).map(|column| ranked(&column)));
    let columns: Option<Vec<ArrayRef>> = columns.collect();
    let columns = columns.ok_or_else(|| lacking_key(signal))?;
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
    let keys = RowConverter::new(fields.collect())?.convert_columns(&columns)?;
    let order = |rows: Vec<u32>| {
        // The first bytes decide nearly always, and lie side by side.
        let beginning = |row: u32| (beginning(keys.row(row as usize).as_ref()), row);
        let mut order: Vec<(u128, u32)> = rows.into_iter().map(beginning).collect();
        order.sort_unstable_by(|(a, row_a), (b, row_b)| {
            a.cmp(b).then_with(|| keys.row(*row_a as usize).cmp(&keys.row(*row_b as usize)))
        });
        order.into_iter().map(|(_, row)| row).collect::<Vec<_>>().into()
    };
    Ok(rows.into_iter().map(order).collect())
}

/// A column with its rows in this order.
pub(crate) fn ordered(column: &ArrayRef, order: &UInt32Array) -> Result<ArrayRef> {
    if order.len() == column.len() && is_uniform(column) {
        return Ok(Arc::clone(column));
    }
    Ok(take(column, order, None)?)
}

/// Whether all rows are alike, as far as that is seen at a glance: looking on is cheaper than putting in order.
fn is_uniform(column: &ArrayRef) -> bool {
    if column.null_count() > 0 {
        return column.null_count() == column.len();
    }
    if let Some(texts) = column.as_dictionary_opt::<Int32Type>() {
        return texts.values().len() == 1;
    }
    if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        return numbers.values().windows(2).all(|pair| pair[0] == pair[1]);
    }
    let Some(numbers) = column.as_primitive_opt::<Float64Type>() else { return false };
    numbers.values().windows(2).all(|pair| pair[0].to_bits() == pair[1].to_bits())
}

/// The first bytes of a key as a number that compares as they do.
fn beginning(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = key.len().min(bytes.len());
    bytes[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
}

/// A column that sorts the rows of its batch as this one does: of texts their ranks, which are shorter.
fn ranked(column: &ArrayRef) -> ArrayRef {
    let Some(texts) = column.as_dictionary_opt::<Int32Type>() else { return Arc::clone(column) };
    let values = texts.values().as_string::<i32>();
    let mut distinct: Vec<&str> = values.iter().flatten().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let rank = |text: &str| distinct.binary_search(&text).map_or(0, |rank| rank as i32);
    let ranks: Vec<Option<i32>> = values.iter().map(|text| text.map(rank)).collect();
    let rank = |row: usize| texts.key(row).and_then(|key| ranks[key]);
    Arc::new((0..texts.len()).map(rank).collect::<Int32Array>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memtable::with_store_columns;
    use crate::testing;
    use arrow::array::{FixedSizeBinaryArray, StringArray, TimestampNanosecondArray};
    use model::UnixNanos;

    /// Numbers below `below` in no order that follows from their place.
    fn scattered(below: u64) -> impl Iterator<Item = u64> {
        (1..=1_000).map(move |place: u64| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17) % below)
    }

    /// Rows of a signal in the store, many of which have the same time, trace and name.
    fn rows(signal: Signal) -> RecordBatch {
        let times = scattered(5 * MINUTE as u64).map(|time| time as i64 / 100_000_000);
        let times = TimestampNanosecondArray::from_iter_values(times.map(|time| time * 100_000_000));
        let times: ArrayRef = Arc::new(times.with_timezone("UTC"));
        let ids = scattered(40).map(|id| u128::from(id).wrapping_mul(u128::MAX / 41).to_be_bytes());
        let names = scattered(30).map(|name| format!("a rather long name that differs late {name}"));
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(names));
        let series: ArrayRef = Arc::new(Int64Array::from_iter_values(scattered(9).map(|one| one as i64 - 4)));
        let given = [
            ("time", Arc::clone(&times)),
            ("start_time", times),
            ("trace_id", Arc::new(FixedSizeBinaryArray::try_from_iter(ids).unwrap()) as ArrayRef),
            ("service_name", Arc::clone(&names)),
            ("metric", names),
            ("series", series),
        ];
        let rows = testing::rows(signal, 1_000, &given);
        with_store_columns(signal, &rows, 7, UnixNanos(9)).unwrap()
    }

    #[test]
    fn sorted_rows_are_those_there_were_in_the_order_of_their_keys() {
        for signal in Signal::SENT {
            let rows = rows(signal);
            let sorted = sorted(signal, &rows).unwrap();
            let keys = SortKeys::new(signal).unwrap();
            let mut expected: Vec<Vec<u8>> =
                keys.of(&rows).unwrap().iter().map(|key| key.as_ref().to_vec()).collect();
            expected.sort();
            let found: Vec<Vec<u8>> =
                keys.of(&sorted).unwrap().iter().map(|key| key.as_ref().to_vec()).collect();
            assert!(found == expected, "{signal}");
            // `seq` is part of each key and tells rows apart.
            let seq = |rows: &RecordBatch, row: usize| {
                rows.column_by_name("seq").unwrap().as_primitive::<Int64Type>().value(row)
            };
            for row in 0..sorted.num_rows() {
                let before = (seq(&sorted, row) - 7) as usize;
                assert!(rows.slice(before, 1) == sorted.slice(row, 1), "{signal}: row {row}");
            }
        }
    }
}
