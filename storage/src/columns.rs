//! Joins packed batches (see [`model::packed`]) and fits them to a choice of attribute columns.
//!
//! Terms:
//! - *layout*: the fixed columns of a table and the attribute columns of one segment.
//! - *rest*: the column `attributes`, which holds what has no column of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, FieldRef, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use hashbrown::HashMap;
use model::packed::{self, ATTRIBUTE_COLUMNS_MAX, AttributeColumns, field_name};
pub(crate) use model::packed::{REST_COLUMN as REST, key as key_of};
use model::{AnyValue, Signal, attributes, schema};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// An attribute gets a column of its own if at least one in so many rows has it: a column costs some hundred
/// bytes a row group even where it is empty.
const ROWS_PER_COLUMN_MAX: u64 = 4096;

/// The type of an attribute column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Text,
    Int,
    Double,
    Bool,
}

impl Kind {
    fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Utf8 | DataType::Dictionary(..) => Some(Self::Text),
            DataType::Int64 => Some(Self::Int),
            DataType::Float64 => Some(Self::Double),
            DataType::Boolean => Some(Self::Bool),
            _ => None,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Text => schema::dictionary(),
            Self::Int => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Bool => DataType::Boolean,
        }
    }
}

/// What rows hold of one attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttributeColumn {
    pub(crate) key: String,
    pub(crate) kind: Kind,
    /// How many rows have it.
    pub(crate) rows: u64,
    /// About how many values differ; of other types than text 0.
    pub(crate) distinct: u64,
}

/// Counts the attributes of batches to choose columns for them.
#[derive(Debug, Default)]
pub(crate) struct Census {
    rows: u64,
    found: BTreeMap<(String, Kind), (u64, u64)>,
}

impl Census {
    /// Counts what a packed batch holds in columns.
    pub(crate) fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let (Some(key), Some(kind)) = (key_of(field.name()), Kind::of(field.data_type())) else {
                continue;
            };
            let rows = (column.len() - column.null_count()) as u64;
            let distinct =
                column.as_dictionary_opt::<Int32Type>().map_or(0, |texts| texts.values().len() as u64);
            self.count(key, kind, rows, distinct);
        }
    }

    /// Counts what a segment's footer tells.
    pub(crate) fn add_columns(&mut self, rows: u64, columns: &[AttributeColumn]) {
        self.rows += rows;
        columns.iter().for_each(|column| self.count(&column.key, column.kind, column.rows, column.distinct));
    }

    fn count(&mut self, key: &str, kind: Kind, rows: u64, distinct: u64) {
        let entry = self.found.entry((key.to_owned(), kind)).or_default();
        *entry = (entry.0 + rows, entry.1 + distinct);
    }

    /// The attributes that get a column: those that most rows have, in byte order of their keys. Of a key
    /// with several types the most frequent one.
    pub(crate) fn choose(self) -> Vec<AttributeColumn> {
        let mut columns: Vec<AttributeColumn> = Vec::with_capacity(self.found.len());
        for ((key, kind), (rows, distinct)) in self.found {
            let column = AttributeColumn { key, kind, rows, distinct };
            match columns.last_mut() {
                Some(last) if last.key == column.key => {
                    if column.rows > last.rows {
                        *last = column;
                    }
                }
                _ => columns.push(column),
            }
        }
        columns.retain(|column| column.rows > 0 && column.rows * ROWS_PER_COLUMN_MAX >= self.rows);
        columns.sort_by(|a, b| (b.rows, &a.key).cmp(&(a.rows, &b.key)));
        columns.truncate(ATTRIBUTE_COLUMNS_MAX);
        columns.sort_by(|a, b| a.key.cmp(&b.key));
        columns
    }
}

/// The columns of a segment in packed form.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) signal: Signal,
    pub(crate) schema: SchemaRef,
    pub(crate) attributes: Vec<AttributeColumn>,
}

impl Layout {
    pub(crate) fn new(signal: Signal, attributes: Vec<AttributeColumn>) -> Self {
        let mut fields: Vec<FieldRef> = fixed_fields(signal);
        fields.extend(
            attributes
                .iter()
                .map(|column| Arc::new(Field::new(field_name(&column.key), column.kind.data_type(), true))),
        );
        Self { signal, schema: Arc::new(Schema::new(fields)), attributes }
    }

    /// How many columns every segment of the signal has.
    fn fixed(&self) -> usize {
        self.schema.fields().len() - self.attributes.len()
    }

    fn has(&self, key: &str, kind: Kind) -> bool {
        self.attributes
            .binary_search_by(|column| column.key.as_str().cmp(key))
            .is_ok_and(|at| self.attributes[at].kind == kind)
    }

    /// Fits a packed batch to this layout: what has no column here goes to the rest.
    pub(crate) fn fit(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rest = self.rest_of(batch)?;
        let rows = batch.num_rows();
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (at, field) in self.schema.fields().iter().enumerate() {
            let column = match batch.column_by_name(field.name()) {
                _ if field.name() == REST && at < self.fixed() => Arc::clone(&rest),
                Some(column) if column.data_type() == field.data_type() => Arc::clone(column),
                Some(column) if Kind::of(column.data_type()) == Some(Kind::Text) && is_text(field) => {
                    arrow::compute::cast(column, field.data_type())?
                }
                _ => new_null_array(field.data_type(), rows),
            };
            columns.push(column);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// The rest of a batch with all that this layout has no column for.
    fn rest_of(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let mut left = Vec::new();
        for (at, field) in batch.schema_ref().fields().iter().enumerate() {
            let Some(key) = key_of(field.name()) else { continue };
            let column = batch.column(at);
            let here = Kind::of(field.data_type()).is_some_and(|kind| self.has(key, kind));
            if !here && column.null_count() < column.len() {
                left.push(at);
            }
        }
        // What is rolled up has no attributes.
        let Ok(rest_at) = batch.schema_ref().index_of(REST) else {
            return Ok(new_null_array(&DataType::Utf8, batch.num_rows()));
        };
        if left.is_empty() {
            return Ok(Arc::clone(batch.column(rest_at)));
        }
        left.insert(0, rest_at);
        let texts = packed::attributes(&batch.project(&left)?)?;
        Ok(Arc::new(texts.iter().map(|text| text.filter(|text| *text != "{}")).collect::<StringArray>()))
    }
}

/// The fixed columns of a packed batch in the store.
fn fixed_fields(signal: Signal) -> Vec<FieldRef> {
    let stored = schema::stored(signal);
    let fields = stored.fields().iter();
    let packed = fields.map(|field| match field.name() == REST {
        true => Arc::new(field.as_ref().clone().with_nullable(true)),
        false => Arc::clone(field),
    });
    packed.collect()
}

fn is_text(field: &Field) -> bool {
    Kind::of(field.data_type()) == Some(Kind::Text)
}

/// Gives attributes a column where a batch has none at all: the form rows had before.
pub(crate) fn packed_form(batch: &RecordBatch) -> Result<RecordBatch> {
    let has_columns = batch.schema_ref().fields().iter().any(|field| key_of(field.name()).is_some());
    let Some(rest) = batch.column_by_name(REST).and_then(|rest| rest.as_string_opt::<i32>()) else {
        return Ok(batch.clone());
    };
    if has_columns || rest.null_count() == rest.len() {
        return Ok(batch.clone());
    }
    let mut builder = AttributeColumns::new(ATTRIBUTE_COLUMNS_MAX);
    let mut text = String::new();
    for stored in rest {
        for (key, value) in attributes::parse(stored.unwrap_or_default()) {
            match &value {
                AnyValue::String(value) => builder.put_str(&key, value),
                AnyValue::Int(value) => builder.put_int(&key, *value),
                AnyValue::Double(value) => builder.put_double(&key, *value),
                AnyValue::Bool(value) => builder.put_bool(&key, *value),
                other => {
                    text.clear();
                    other.write(&mut text);
                    builder.put_other(&key, &text);
                }
            }
        }
        builder.end_row();
    }
    let (rest, own) = builder.finish();
    let mut fields: Vec<FieldRef> = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let is_rest = field.name() == REST;
        fields.push(if is_rest {
            Arc::new(field.as_ref().clone().with_nullable(true))
        } else {
            Arc::clone(field)
        });
        columns.push(if is_rest { Arc::clone(&rest) } else { Arc::clone(column) });
    }
    for (field, column) in own {
        fields.push(Arc::new(field));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Joins packed batches of one signal into one. Its attribute columns are chosen from what the rows hold.
pub(crate) fn join(signal: Signal, batches: &[&RecordBatch]) -> Result<(Layout, RecordBatch)> {
    let mut joiner = Joiner::new(signal, batches)?;
    let columns = (0..joiner.columns()).map(|at| joiner.column(at)).collect::<Result<Vec<_>>>()?;
    let layout = joiner.layout;
    let joined = RecordBatch::try_new(Arc::clone(&layout.schema), columns)?;
    Ok((layout, joined))
}

/// Joins packed batches of one signal column by column, so that only one of them need be in memory twice.
pub(crate) struct Joiner {
    layout: Layout,
    batches: Vec<RecordBatch>,
    /// Of each batch what this layout has no column for.
    rests: Vec<ArrayRef>,
    /// Of each column where it stands in each batch.
    places: Vec<Vec<Option<usize>>>,
}

impl Joiner {
    /// Chooses attribute columns from what the rows hold.
    pub(crate) fn new(signal: Signal, batches: &[&RecordBatch]) -> Result<Self> {
        let batches = batches.iter().map(|batch| packed_form(batch)).collect::<Result<Vec<_>>>()?;
        let mut census = Census::default();
        batches.iter().for_each(|batch| census.add(batch));
        let layout = Layout::new(signal, census.choose());
        let rests = batches.iter().map(|batch| layout.rest_of(batch)).collect::<Result<Vec<_>>>()?;
        let places = places(&layout, &batches);
        Ok(Self { layout, batches, rests, places })
    }

    /// The columns, those that were joined with their number of distinct values.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many columns there are.
    pub(crate) fn columns(&self) -> usize {
        self.places.len()
    }

    /// A column of all rows, those of one batch behind those of the one before.
    pub(crate) fn column(&mut self, at: usize) -> Result<ArrayRef> {
        let field = Arc::clone(&self.layout.schema.fields()[at]);
        let fixed = self.layout.fixed();
        let parts: Vec<Part<'_>> = if field.name() == REST && at < fixed {
            self.rests.iter().map(|rest| (Some(rest), rest.len())).collect()
        } else {
            let parts = self.batches.iter().zip(&self.places[at]);
            parts.map(|(batch, place)| (place.map(|place| batch.column(place)), batch.num_rows())).collect()
        };
        let column: ArrayRef = match field.data_type() {
            DataType::Dictionary(..) => Arc::new(join_texts(&parts)?),
            data_type => join_others(data_type, &parts)?,
        };
        if let (Some(attribute), Some(texts)) =
            (at.checked_sub(fixed), column.as_dictionary_opt::<Int32Type>())
        {
            self.layout.attributes[attribute].distinct = texts.values().len() as u64;
        }
        Ok(column)
    }
}

/// A column of one of the batches that are joined, if it has it, and its rows.
type Part<'a> = (Option<&'a ArrayRef>, usize);

/// Where the columns of a layout stand in each batch, as far as it has them in the same type.
fn places(layout: &Layout, batches: &[RecordBatch]) -> Vec<Vec<Option<usize>>> {
    let fields = layout.schema.fields();
    let by_name: HashMap<&str, usize> =
        fields.iter().enumerate().map(|(at, field)| (field.name().as_str(), at)).collect();
    let mut places = vec![vec![None; batches.len()]; fields.len()];
    for (number, batch) in batches.iter().enumerate() {
        for (place, field) in batch.schema_ref().fields().iter().enumerate() {
            let at = by_name.get(field.name().as_str());
            if let Some(at) = at.filter(|at| fields[**at].data_type() == field.data_type()) {
                places[*at][number] = Some(place);
            }
        }
    }
    places
}

fn join_others(data_type: &DataType, parts: &[Part<'_>]) -> Result<ArrayRef, ArrowError> {
    // Most parts lack most columns: all of these share one.
    let lacking = parts.iter().filter(|(column, _)| column.is_none()).map(|(_, rows)| *rows);
    let nulls = new_null_array(data_type, lacking.max().unwrap_or(0));
    let part = |(column, rows): &Part<'_>| match column {
        Some(column) => Arc::clone(column),
        None => nulls.slice(0, *rows),
    };
    let parts: Vec<ArrayRef> = parts.iter().map(part).collect();
    concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// After so many values it is known whether looking for repeated ones pays.
const LOOKED_AT_MAX: usize = 8192;
/// It does not where more than this part in eight differs.
const DIFFERENT_EIGHTHS_MAX: usize = 6;

/// Joins dictionaries. Values that repeat between them become one; where nearly all of the first values
/// differ, further ones are put one behind another without a look.
fn join_texts(parts: &[Part<'_>]) -> Result<DictionaryArray<Int32Type>, ArrowError> {
    let parts: Vec<(Option<&DictionaryArray<Int32Type>>, usize)> = parts
        .iter()
        .map(|(part, rows)| (part.and_then(|part| part.as_dictionary_opt::<Int32Type>()), *rows))
        .collect();
    let rows: usize = parts.iter().map(|(_, rows)| rows).sum();
    let (mut look, mut looked_at) = (true, 0);
    let mut keys: Vec<i32> = Vec::with_capacity(rows);
    let (mut offsets, mut bytes) = (vec![0i32], Vec::<u8>::new());
    let mut seen: HashMap<&str, i32> = HashMap::new();
    let mut mapped: Vec<i32> = Vec::new();
    let mut push = |text: &str| -> Result<i32, ArrowError> {
        bytes.extend_from_slice(text.as_bytes());
        let end = i32::try_from(bytes.len());
        offsets.push(end.map_err(|_| ArrowError::OffsetOverflowError(bytes.len()))?);
        Ok(offsets.len() as i32 - 2)
    };
    for (part, rows) in &parts {
        let Some(part) = part else {
            keys.resize(keys.len() + rows, 0);
            continue;
        };
        let values = part.values().as_string::<i32>();
        mapped.clear();
        for text in values {
            // A null among the values is met where no row uses it.
            let text = text.unwrap_or_default();
            if look && looked_at >= LOOKED_AT_MAX {
                look = seen.len() * 8 <= looked_at * DIFFERENT_EIGHTHS_MAX;
            }
            looked_at += 1;
            mapped.push(match look {
                true => match seen.get(text) {
                    Some(key) => *key,
                    None => {
                        let key = push(text)?;
                        seen.insert(text, key);
                        key
                    }
                },
                false => push(text)?,
            });
        }
        // The key of a null may be any, also one of no value.
        let key = |key: &i32| mapped.get(*key as usize).copied().unwrap_or(0);
        keys.extend(part.keys().values().iter().map(key));
    }
    let nulls = join_nulls(&parts, rows);
    let values = StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(offsets)), bytes.into(), None)?;
    DictionaryArray::try_new(Int32Array::try_new(ScalarBuffer::from(keys), nulls)?, Arc::new(values))
}

fn join_nulls(parts: &[(Option<&DictionaryArray<Int32Type>>, usize)], rows: usize) -> Option<NullBuffer> {
    if parts.iter().all(|(part, _)| part.is_some_and(|part| part.null_count() == 0)) {
        return None;
    }
    let mut builder = arrow::array::builder::NullBufferBuilder::new(rows);
    for (part, rows) in parts {
        match part.map(|part| part.nulls()) {
            Some(Some(nulls)) => builder.append_buffer(nulls),
            Some(None) => builder.append_n_non_nulls(*rows),
            None => builder.append_n_nulls(*rows),
        }
    }
    builder.finish()
}
