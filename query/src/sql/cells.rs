//! Cells of a SQL answer as JSON, and the names of column types.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine as _;
use model::{UnixNanos, attributes, schema};
use serde_json::{Map, Value};

use super::SqlAnswer;
use crate::columns::{Texts, hex};
use crate::times::rfc3339;

/// The largest integer that JavaScript holds exactly.
const JAVASCRIPT_INTEGER_MAX: u64 = (1 << 53) - 1;

/// The name of a column's type, as SCHEMA.md writes it.
pub(crate) fn column_type(field: &Field) -> String {
    if schema::is_json(field) {
        return "map".to_owned();
    }
    type_name(field.data_type())
}

fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Dictionary(_, values) => type_name(values),
        kind if kind.is_integer() => "bigint".to_owned(),
        kind if kind.is_floating() => "double".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::FixedSizeBinary(8 | 16) => "id".to_owned(),
        DataType::List(item) | DataType::LargeList(item) => {
            format!("list of {}", type_name(item.data_type()))
        }
        DataType::Struct(_) => "struct".to_owned(),
        DataType::Null => "null".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

impl SqlAnswer {
    /// Name and type of each column, as SCHEMA.md writes types.
    pub fn columns(&self) -> Vec<(String, String)> {
        self.schema.fields().iter().map(|field| (field.name().clone(), column_type(field))).collect()
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The first rows as JSON, as the API answers them.
    pub fn first_rows(&self, most: usize) -> Vec<Vec<Value>> {
        let mut rows = Vec::new();
        for batch in &self.batches {
            let left = most.saturating_sub(rows.len()).min(batch.num_rows());
            if left == 0 {
                break;
            }
            rows.extend(json_rows(&batch.slice(0, left)));
        }
        rows
    }
}

/// The rows of a batch as JSON arrays.
pub(crate) fn json_rows(batch: &RecordBatch) -> Vec<Vec<Value>> {
    let schema = batch.schema();
    let row = |row| {
        let cells = batch.columns().iter().zip(schema.fields());
        cells.map(|(column, field)| cell(column, field, row)).collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

/// The rows of a batch as text, null as the empty text; what is nested as JSON text.
pub(crate) fn text_rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    let text = |value: Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    json_rows(batch).into_iter().map(|row| row.into_iter().map(text).collect()).collect()
}

fn cell(column: &ArrayRef, field: &Field, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int64 => integer(i128::from(column.as_primitive::<Int64Type>().value(row))),
        DataType::UInt64 => integer(i128::from(column.as_primitive::<UInt64Type>().value(row))),
        DataType::Float64 => double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => double(f64::from(column.as_primitive::<Float32Type>().value(row))),
        DataType::FixedSizeBinary(8 | 16) => Value::String(hex(column.as_fixed_size_binary().value(row))),
        DataType::FixedSizeBinary(_) => bytes(column.as_fixed_size_binary().value(row)),
        DataType::Binary => bytes(column.as_binary::<i32>().value(row)),
        DataType::BinaryView => bytes(column.as_binary_view().value(row)),
        DataType::Utf8View => text(column.as_string_view().value(row), field),
        DataType::LargeUtf8 => text(column.as_string::<i64>().value(row), field),
        DataType::Utf8 | DataType::Dictionary(..) => match Texts::of(column).get(row) {
            Some(value) => text(value, field),
            None => formatted(column, row),
        },
        DataType::Timestamp(unit, _) => timestamp(column, *unit, row),
        DataType::List(item) => list(&column.as_list::<i32>().value(row), item),
        DataType::LargeList(item) => list(&column.as_list::<i64>().value(row), item),
        DataType::Struct(_) => structure(column.as_struct(), row),
        kind if kind.is_integer() => {
            formatted(column, row).as_str().and_then(|text| text.parse().ok()).map_or(Value::Null, integer)
        }
        _ => formatted(column, row),
    }
}

fn text(value: &str, field: &Field) -> Value {
    if !schema::is_json(field) {
        return Value::String(value.to_owned());
    }
    attributes::parse_value(value).map_or_else(|| Value::String(value.to_owned()), |value| value.to_json())
}

fn integer(value: i128) -> Value {
    match i64::try_from(value) {
        Ok(value) if value.unsigned_abs() <= JAVASCRIPT_INTEGER_MAX => Value::from(value),
        _ => Value::String(value.to_string()),
    }
}

fn double(value: f64) -> Value {
    model::AnyValue::Double(value).to_json()
}

fn bytes(value: &[u8]) -> Value {
    Value::String(base64::engine::general_purpose::STANDARD.encode(value))
}

fn timestamp(column: &ArrayRef, unit: TimeUnit, row: usize) -> Value {
    let factor = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    let number = arrow::compute::cast(&column.slice(row, 1), &DataType::Int64);
    let number = number.ok().map(|number| number.as_primitive::<Int64Type>().value(0));
    number.map_or(Value::Null, |number| Value::String(rfc3339(UnixNanos(number.saturating_mul(factor)))))
}

fn list(items: &ArrayRef, field: &Field) -> Value {
    Value::Array((0..items.len()).map(|row| cell(items, field, row)).collect())
}

fn structure(items: &StructArray, row: usize) -> Value {
    let cells = items.columns().iter().zip(items.fields());
    Value::Object(
        cells.map(|(column, field)| (field.name().clone(), cell(column, field, row))).collect::<Map<_, _>>(),
    )
}

/// Whatever else there is, as Arrow shows it.
fn formatted(column: &ArrayRef, row: usize) -> Value {
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(column, &options).map(|formatter| formatter.value(row).to_string());
    text.map_or(Value::Null, Value::String)
}
