//! Columns on their way: what Arrow's builders lack, and the columns that every table has.

use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{
    Array, ArrayRef, FixedSizeBinaryArray, Float64Builder, Int64Builder, ListArray, ListBuilder, RecordBatch,
    StructArray, TimestampNanosecondBuilder,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;
use model::Signal;
use model::packed::{self, ATTRIBUTE_COLUMNS_MAX, AttributeColumns, TextColumn};
use model::schema::timestamp;

use super::marks::{Marks, repair};
use super::resource::Origin;

/// A builder of times.
pub(super) fn times() -> TimestampNanosecondBuilder {
    TimestampNanosecondBuilder::new().with_data_type(timestamp())
}

/// A builder of lists of integers.
pub(super) fn integer_lists() -> ListBuilder<Int64Builder> {
    ListBuilder::new(Int64Builder::new()).with_field(Field::new_list_field(DataType::Int64, false))
}

/// A builder of lists of numbers.
pub(super) fn number_lists() -> ListBuilder<Float64Builder> {
    ListBuilder::new(Float64Builder::new()).with_field(Field::new_list_field(DataType::Float64, false))
}

/// Adds a list of integers, or null.
pub(super) fn push_integers(lists: &mut ListBuilder<Int64Builder>, values: Option<&[i64]>) {
    lists.values().append_slice(values.unwrap_or_default());
    lists.append(values.is_some());
}

/// Adds a list of numbers, or null.
pub(super) fn push_numbers(lists: &mut ListBuilder<Float64Builder>, values: Option<&[f64]>) {
    lists.values().append_slice(values.unwrap_or_default());
    lists.append(values.is_some());
}

/// Adds a text.
#[inline]
pub(super) fn push_text(column: &mut TextColumn, text: &[u8], marks: &mut Marks) {
    if !column.push_bytes(text) {
        column.push(&repair(text, marks));
    }
}

/// Adds a text, or null if it is empty: protobuf cannot tell the two apart.
#[inline]
pub(super) fn push_non_empty(column: &mut TextColumn, text: &[u8], marks: &mut Marks) {
    match text.is_empty() {
        true => column.push_null(),
        false => push_text(column, text, marks),
    }
}

/// The text, or null if it is empty.
fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Ids of `N` bytes.
pub(super) struct Ids<const N: usize> {
    bytes: Vec<u8>,
    nulls: NullBufferBuilder,
}

impl<const N: usize> Default for Ids<N> {
    fn default() -> Self {
        Self { bytes: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }
}

impl<const N: usize> Ids<N> {
    pub(super) fn push(&mut self, id: Option<[u8; N]>) {
        self.bytes.extend_from_slice(&id.unwrap_or([0; N]));
        self.nulls.append(id.is_some());
    }

    pub(super) fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.finish();
        Ok(Arc::new(FixedSizeBinaryArray::try_new(N as i32, Buffer::from_vec(self.bytes), nulls)?))
    }
}

/// Where the lists of structs begin and end; the structs' own columns lie beside it.
pub(super) struct Lists {
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Default for Lists {
    fn default() -> Self {
        Self { offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }
}

impl Lists {
    /// Ends a row's list, which has `length` items; `None` makes it null.
    pub(super) fn push(&mut self, length: Option<usize>) {
        let end = self.offsets.last().copied().unwrap_or(0);
        // An item takes two bytes on the wire, and requests are far smaller than 4 GiB.
        self.offsets.push(end.saturating_add(length.unwrap_or(0) as i32));
        self.nulls.append(length.is_some());
    }

    pub(super) fn finish(mut self, fields: Fields, items: Vec<ArrayRef>) -> Result<ArrayRef, ArrowError> {
        let structs = StructArray::try_new(fields, items, None)?;
        let field = Field::new_list_field(structs.data_type().clone(), false);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let lists = ListArray::try_new(Arc::new(field), offsets, Arc::new(structs), self.nulls.finish())?;
        Ok(Arc::new(lists))
    }
}

/// The columns that every table has, and those of attributes.
pub(super) struct Envelope {
    service_name: TextColumn,
    service_namespace: TextColumn,
    deployment_environment: TextColumn,
    service_version: TextColumn,
    service_instance_id: TextColumn,
    resource_attributes: TextColumn,
    scope_name: TextColumn,
    scope_version: TextColumn,
    scope_attributes: TextColumn,
    pub(super) attributes: AttributeColumns,
    dropped_attributes_count: Int64Builder,
    resource_dropped_attributes_count: Int64Builder,
    scope_dropped_attributes_count: Int64Builder,
    resource_schema_url: TextColumn,
    scope_schema_url: TextColumn,
    resource_entity_refs: TextColumn,
    weight: Float64Builder,
    rows: usize,
    /// How many rows have an origin.
    closed: usize,
}

impl Default for Envelope {
    fn default() -> Self {
        Self {
            service_name: TextColumn::default(),
            service_namespace: TextColumn::default(),
            deployment_environment: TextColumn::default(),
            service_version: TextColumn::default(),
            service_instance_id: TextColumn::default(),
            resource_attributes: TextColumn::default(),
            scope_name: TextColumn::default(),
            scope_version: TextColumn::default(),
            scope_attributes: TextColumn::default(),
            attributes: AttributeColumns::new(ATTRIBUTE_COLUMNS_MAX),
            dropped_attributes_count: Int64Builder::new(),
            resource_dropped_attributes_count: Int64Builder::new(),
            scope_dropped_attributes_count: Int64Builder::new(),
            resource_schema_url: TextColumn::default(),
            scope_schema_url: TextColumn::default(),
            resource_entity_refs: TextColumn::default(),
            weight: Float64Builder::new(),
            rows: 0,
            closed: 0,
        }
    }
}

impl Envelope {
    /// Adds what a record has of its own besides its attributes.
    pub(super) fn push(&mut self, dropped: i64, weight: f64) {
        self.dropped_attributes_count.append_value(dropped);
        self.weight.append_value(weight);
        self.rows += 1;
    }

    /// Gives all rows since the last call their origin.
    pub(super) fn close(&mut self, origin: &Origin<'_>) {
        let rows = self.rows - self.closed;
        if rows == 0 {
            return;
        }
        self.closed = self.rows;
        let (resource, scope) = (origin.resource, origin.scope);
        self.service_name.push_many(Some(&resource.service_name), rows);
        self.service_namespace.push_many(resource.service_namespace.as_deref(), rows);
        self.deployment_environment.push_many(resource.deployment_environment.as_deref(), rows);
        self.service_version.push_many(resource.service_version.as_deref(), rows);
        self.service_instance_id.push_many(resource.service_instance_id.as_deref(), rows);
        self.resource_attributes.push_many(Some(resource.attributes.stored()), rows);
        self.scope_name.push_many(non_empty(&scope.name), rows);
        self.scope_version.push_many(non_empty(&scope.version), rows);
        self.scope_attributes.push_many(Some(scope.attributes.stored()), rows);
        self.resource_dropped_attributes_count.append_value_n(resource.dropped, rows);
        self.scope_dropped_attributes_count.append_value_n(scope.dropped, rows);
        self.resource_schema_url.push_many(non_empty(&resource.schema_url), rows);
        self.scope_schema_url.push_many(non_empty(&scope.schema_url), rows);
        self.resource_entity_refs.push_many(resource.entity_refs.as_deref(), rows);
    }

    /// The rows, with these columns behind those that every table has.
    pub(super) fn finish(
        mut self,
        signal: Signal,
        columns: impl IntoIterator<Item = ArrayRef>,
    ) -> Result<RecordBatch, ArrowError> {
        let (rest, attributes) = self.attributes.finish();
        let (fields, attributes): (Vec<Field>, Vec<ArrayRef>) = attributes.into_iter().unzip();
        let common: [ArrayRef; 17] = [
            self.service_name.finish(),
            self.service_namespace.finish(),
            self.deployment_environment.finish(),
            self.service_version.finish(),
            self.service_instance_id.finish(),
            self.resource_attributes.finish(),
            self.scope_name.finish(),
            self.scope_version.finish(),
            self.scope_attributes.finish(),
            rest,
            Arc::new(self.dropped_attributes_count.finish()),
            Arc::new(self.resource_dropped_attributes_count.finish()),
            Arc::new(self.scope_dropped_attributes_count.finish()),
            self.resource_schema_url.finish(),
            self.scope_schema_url.finish(),
            self.resource_entity_refs.finish(),
            Arc::new(self.weight.finish()),
        ];
        let columns = common.into_iter().chain(columns).chain(attributes).collect();
        RecordBatch::try_new(packed::schema(signal, fields), columns)
    }
}
