//! From columns back to attributes.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch,
    StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, Schema};
use arrow::error::ArrowError;

use super::columns::{write_bool, write_int};
use super::{REST_COLUMN, key, with_rest_nullable};
use crate::attributes::{entries, quote, unquote, write_double, write_string};

/// The logical form of a packed batch: no attribute columns, and in `attributes` all attributes of each row.
/// Other columns stay as they are.
pub fn unpack(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let all: ArrayRef = Arc::new(attributes(batch)?);
    let schema = batch.schema();
    let kept = schema.fields().iter().zip(batch.columns()).filter(|(field, _)| key(field.name()).is_none());
    let (fields, columns): (Vec<_>, Vec<_>) = kept
        .map(|(field, column)| match field.name() == REST_COLUMN {
            true => (with_rest_nullable(field, false), Arc::clone(&all)),
            false => (field.as_ref().clone(), Arc::clone(column)),
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())), columns)
}

/// All attributes of each row of a packed batch, in the form of [`crate::attributes`].
pub fn attributes(batch: &RecordBatch) -> Result<StringArray, ArrowError> {
    let rest = rest(batch)?;
    let columns = columns(batch)?;
    if columns.is_empty() && rest.null_count() == 0 {
        return Ok(rest.clone());
    }
    let mut result = StringBuilder::with_capacity(rest.len(), rest.values().len());
    let mut text = String::new();
    for row in 0..rest.len() {
        text.clear();
        write_row(&columns, row, (!rest.is_null(row)).then(|| rest.value(row)), &mut text);
        result.append_value(&text);
    }
    Ok(result.finish())
}

/// An attribute column.
struct Column<'a> {
    key: &'a str,
    /// As it stands in stored text.
    quoted: String,
    cells: Cells<'a>,
}

enum Cells<'a> {
    Dictionary(&'a DictionaryArray<Int32Type>, &'a StringArray),
    Text(&'a StringArray),
    Int(&'a Int64Array),
    Double(&'a Float64Array),
    Bool(&'a BooleanArray),
}

fn rest(batch: &RecordBatch) -> Result<&StringArray, ArrowError> {
    let column = batch.column_by_name(REST_COLUMN).and_then(|column| column.as_string_opt());
    column.ok_or_else(|| ArrowError::SchemaError("a packed batch has a text column `attributes`".to_owned()))
}

fn columns(batch: &RecordBatch) -> Result<Vec<Column<'_>>, ArrowError> {
    let mut columns = Vec::new();
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if let Some(key) = key(field.name()) {
            columns.push(Column { key, quoted: quote(key), cells: Cells::new(field.name(), array)? });
        }
    }
    // They stand in this order anyway; a merge with the rest relies on it.
    columns.sort_by_key(|column| column.key);
    Ok(columns)
}

/// Writes the attributes of a row: those in columns merged with those in the rest, both sorted.
fn write_row(columns: &[Column<'_>], row: usize, rest: Option<&str>, out: &mut String) {
    out.push('{');
    let start = out.len();
    let mut rest = rest.into_iter().flat_map(entries).map(|(quoted, value)| (unquote(quoted), quoted, value));
    let mut next = rest.next();
    for column in columns {
        if column.cells.array().is_null(row) {
            continue;
        }
        while let Some((_, quoted, value)) = next.take_if(|(key, _, _)| Cow::as_ref(key) < column.key) {
            write_key(out, start, quoted);
            out.push_str(value);
            next = rest.next();
        }
        write_key(out, start, &column.quoted);
        column.cells.write(row, out);
    }
    while let Some((_, quoted, value)) = next {
        write_key(out, start, quoted);
        out.push_str(value);
        next = rest.next();
    }
    out.push('}');
}

fn write_key(out: &mut String, start: usize, quoted: &str) {
    if out.len() > start {
        out.push(',');
    }
    out.push_str(quoted);
    out.push(':');
}

impl<'a> Cells<'a> {
    fn new(name: &str, array: &'a ArrayRef) -> Result<Self, ArrowError> {
        let cells = match array.data_type() {
            DataType::Dictionary(_, _) => array.as_dictionary_opt::<Int32Type>().and_then(|dictionary| {
                Some(Self::Dictionary(dictionary, dictionary.values().as_string_opt()?))
            }),
            DataType::Utf8 => array.as_string_opt().map(Self::Text),
            DataType::Int64 => array.as_primitive_opt::<Int64Type>().map(Self::Int),
            DataType::Float64 => array.as_primitive_opt::<Float64Type>().map(Self::Double),
            DataType::Boolean => array.as_boolean_opt().map(Self::Bool),
            _ => None,
        };
        cells.ok_or_else(|| {
            ArrowError::SchemaError(format!(
                "an attribute column holds text, Int64, Float64 or Boolean, but `{name}` holds {}",
                array.data_type()
            ))
        })
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Dictionary(keys, _) => keys,
            Self::Text(array) => array,
            Self::Int(array) => array,
            Self::Double(array) => array,
            Self::Bool(array) => array,
        }
    }

    fn write(&self, row: usize, out: &mut String) {
        match self {
            Self::Dictionary(keys, values) => match usize::try_from(keys.keys().value(row)) {
                Ok(place) if !values.is_null(place) => write_string(out, values.value(place)),
                _ => out.push_str("null"),
            },
            Self::Text(array) => write_string(out, array.value(row)),
            Self::Int(array) => write_int(out, array.value(row)),
            Self::Double(array) => write_double(out, array.value(row)),
            Self::Bool(array) => write_bool(out, array.value(row)),
        }
    }
}
