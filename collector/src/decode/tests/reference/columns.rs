//! Columns on their way: what Arrow's builders lack, and the columns that every table has.

use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{
    Array, ArrayRef, FixedSizeBinaryArray, Float64Builder, Int64Builder, ListArray, ListBuilder, StringArray,
    StringDictionaryBuilder, StructArray, TimestampNanosecondBuilder,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Fields, Int32Type};
use arrow::error::ArrowError;
use model::schema::timestamp;

use super::resource::Origin;
use crate::decode::marks::Marks;

/// Text that repeats.
pub(super) type Dictionary = StringDictionaryBuilder<Int32Type>;

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

/// The text, or null if it is empty: protobuf cannot tell the two apart.
pub(super) fn non_empty(text: &str) -> Option<&str> {
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

/// The columns that every table has, in the order of the schema.
#[derive(Default)]
pub(super) struct Envelope {
    service_name: Dictionary,
    service_namespace: Dictionary,
    deployment_environment: Dictionary,
    service_version: Dictionary,
    service_instance_id: Dictionary,
    resource_attributes: Dictionary,
    scope_name: Dictionary,
    scope_version: Dictionary,
    scope_attributes: Dictionary,
    attributes: Vec<String>,
    dropped_attributes_count: Int64Builder,
    resource_dropped_attributes_count: Int64Builder,
    scope_dropped_attributes_count: Int64Builder,
    resource_schema_url: Dictionary,
    scope_schema_url: Dictionary,
    resource_entity_refs: Dictionary,
    weight: Float64Builder,
    rows: usize,
    /// How many rows have an origin.
    closed: usize,
}

impl Envelope {
    /// Adds what a record has of its own.
    pub(super) fn push(&mut self, attributes: &str, dropped: i64, weight: f64) {
        self.attributes.push(attributes.to_owned());
        self.dropped_attributes_count.append_value(dropped);
        self.weight.append_value(weight);
        self.rows += 1;
    }

    /// Marks the row added last.
    pub(super) fn mark(&mut self, marks: Marks) {
        let attributes = self.attributes.last_mut().unwrap();
        if let Some(marked) = marks.mark(attributes) {
            *attributes = marked;
        }
    }

    /// Gives all rows since the last call their origin.
    pub(super) fn close(&mut self, origin: &Origin<'_>) {
        let rows = self.rows - self.closed;
        if rows == 0 {
            return;
        }
        self.closed = self.rows;
        let (resource, scope) = (origin.resource, origin.scope);
        self.service_name.append_values(&resource.service_name, rows);
        self.service_namespace.append_options(resource.service_namespace.as_deref(), rows);
        self.deployment_environment.append_options(resource.deployment_environment.as_deref(), rows);
        self.service_version.append_options(resource.service_version.as_deref(), rows);
        self.service_instance_id.append_options(resource.service_instance_id.as_deref(), rows);
        self.resource_attributes.append_values(resource.marked(), rows);
        self.scope_name.append_options(non_empty(&scope.name), rows);
        self.scope_version.append_options(non_empty(&scope.version), rows);
        self.scope_attributes.append_values(scope.marked(), rows);
        append_many(&mut self.resource_dropped_attributes_count, resource.dropped, rows);
        append_many(&mut self.scope_dropped_attributes_count, scope.dropped, rows);
        self.resource_schema_url.append_options(non_empty(&resource.schema_url), rows);
        self.scope_schema_url.append_options(non_empty(&scope.schema_url), rows);
        self.resource_entity_refs.append_options(resource.entity_refs.as_deref(), rows);
    }

    pub(super) fn finish(mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.service_name.finish()),
            Arc::new(self.service_namespace.finish()),
            Arc::new(self.deployment_environment.finish()),
            Arc::new(self.service_version.finish()),
            Arc::new(self.service_instance_id.finish()),
            Arc::new(self.resource_attributes.finish()),
            Arc::new(self.scope_name.finish()),
            Arc::new(self.scope_version.finish()),
            Arc::new(self.scope_attributes.finish()),
            Arc::new(StringArray::from(self.attributes)),
            Arc::new(self.dropped_attributes_count.finish()),
            Arc::new(self.resource_dropped_attributes_count.finish()),
            Arc::new(self.scope_dropped_attributes_count.finish()),
            Arc::new(self.resource_schema_url.finish()),
            Arc::new(self.scope_schema_url.finish()),
            Arc::new(self.resource_entity_refs.finish()),
            Arc::new(self.weight.finish()),
        ]
    }
}

fn append_many(column: &mut Int64Builder, value: i64, rows: usize) {
    for _ in 0..rows {
        column.append_value(value);
    }
}
