//! Columns on their way: what Arrow's builders lack, and the columns that every table has.

use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, FixedSizeBinaryArray, Float64Builder, Int64Builder, ListArray,
    ListBuilder, PrimitiveArray, RecordBatch, StringBuilder, StructArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Fields, Float64Type, Int64Type, TimestampNanosecondType,
};
use arrow::error::ArrowError;
use model::Signal;
use model::packed::{self, ATTRIBUTE_COLUMNS_MAX, AttributeColumns, ROWS_RESERVED, TextColumn, Zeros};
use model::schema::timestamp;

use super::marks::{Marks, repair};
use super::resource::Origin;

/// The stored form of no attributes.
pub(super) const NO_ATTRIBUTES: &str = "{}";

/// A column of numbers. As long as all rows are alike, as most counts are, they are only counted.
pub(super) struct Numbers<T: ArrowPrimitiveType> {
    first: Option<T::Native>,
    /// How many rows there are while all are like the first; then 0.
    alike: usize,
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
}

/// A column of integers.
pub(super) type Integers = Numbers<Int64Type>;

/// A column of floating point numbers.
pub(super) type Doubles = Numbers<Float64Type>;

/// A column of times.
pub(super) type Times = Numbers<TimestampNanosecondType>;

impl<T: ArrowPrimitiveType> Default for Numbers<T> {
    fn default() -> Self {
        Self { first: None, alike: 0, values: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    /// Adds a row.
    #[inline]
    pub(super) fn push(&mut self, value: T::Native) {
        self.push_option(Some(value));
    }

    /// Adds a row that may be null.
    #[inline]
    pub(super) fn push_option(&mut self, value: Option<T::Native>) {
        if self.values.is_empty() && !self.push_alike(value, 1) {
            self.spill();
        }
        if !self.values.is_empty() {
            self.values.push(value.unwrap_or_default());
            self.nulls.append(value.is_some());
        }
    }

    /// Adds so many equal rows.
    pub(super) fn push_many(&mut self, value: T::Native, rows: usize) {
        if self.values.is_empty() && !self.push_alike(Some(value), rows) {
            self.spill();
        }
        if !self.values.is_empty() {
            self.values.resize(self.values.len() + rows, value);
            self.nulls.append_n_non_nulls(rows);
        }
    }

    /// Adds so many nulls.
    pub(super) fn push_nulls(&mut self, rows: usize) {
        if rows == 0 {
            return;
        }
        if self.values.is_empty() && !self.push_alike(None, rows) {
            self.spill();
        }
        if !self.values.is_empty() {
            self.values.resize(self.values.len() + rows, T::Native::default());
            self.nulls.append_n_nulls(rows);
        }
    }

    /// How many rows it has.
    fn len(&self) -> usize {
        self.alike.max(self.values.len())
    }

    /// Counts rows like the first; false if they are not.
    #[inline]
    fn push_alike(&mut self, value: Option<T::Native>, rows: usize) -> bool {
        if self.alike == 0 {
            self.first = value;
        }
        // By their bits: NaN is like NaN, and zero not like the zero below it.
        let alike = match (self.first, value) {
            (Some(first), Some(value)) => first.is_eq(value),
            (first, value) => first.is_none() && value.is_none(),
        };
        self.alike += if alike { rows } else { 0 };
        alike
    }

    /// Writes down the rows that were only counted.
    fn spill(&mut self) {
        let rows = std::mem::take(&mut self.alike);
        self.values.reserve(rows.max(ROWS_RESERVED));
        self.values.resize(rows, self.first.unwrap_or_default());
        match self.first {
            Some(_) => self.nulls.append_n_non_nulls(rows),
            None => self.nulls.append_n_nulls(rows),
        }
    }

    /// The column; where it is all zeros it takes them from those that the batch shares.
    pub(super) fn finish(mut self, zeros: &mut Zeros) -> PrimitiveArray<T> {
        if self.values.is_empty() {
            let value = self.first.unwrap_or_default();
            if value.is_eq(T::Native::default()) {
                return zeros.column(self.alike, self.first.is_none() && self.alike > 0);
            }
            return PrimitiveArray::new(ScalarBuffer::from(vec![value; self.alike]), None);
        }
        self.values.shrink_to_fit();
        PrimitiveArray::new(ScalarBuffer::from(self.values), self.nulls.finish())
    }
}

/// The column of times.
pub(super) fn finish_times(times: Times, zeros: &mut Zeros) -> ArrayRef {
    Arc::new(times.finish(zeros).with_data_type(timestamp()))
}

/// A builder of a column of text, which holds no room until it is used.
pub(super) fn texts() -> StringBuilder {
    StringBuilder::with_capacity(0, 0)
}

/// The column, without the room that it has left.
pub(super) fn finish_texts(mut texts: StringBuilder) -> ArrayRef {
    let mut array = texts.finish();
    array.shrink_to_fit();
    Arc::new(array)
}

/// A builder of lists of integers.
pub(super) fn integer_lists() -> ListBuilder<Int64Builder> {
    ListBuilder::new(Int64Builder::with_capacity(0)).with_field(Field::new_list_field(DataType::Int64, false))
}

/// A builder of lists of numbers.
pub(super) fn number_lists() -> ListBuilder<Float64Builder> {
    ListBuilder::new(Float64Builder::with_capacity(0))
        .with_field(Field::new_list_field(DataType::Float64, false))
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
        if self.bytes.is_empty() {
            self.bytes.reserve(N * ROWS_RESERVED);
        }
        self.bytes.extend_from_slice(&id.unwrap_or([0; N]));
        self.nulls.append(id.is_some());
    }

    pub(super) fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.finish();
        self.bytes.shrink_to_fit();
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

    pub(super) fn finish(
        mut self,
        fields: Fields,
        items: Vec<ArrayRef>,
        zeros: &mut Zeros,
    ) -> Result<ArrayRef, ArrowError> {
        let structs = StructArray::try_new(fields, items, None)?;
        let field = Field::new_list_field(structs.data_type().clone(), false);
        self.offsets.shrink_to_fit();
        let offsets = match structs.len() {
            0 => ScalarBuffer::new(zeros.buffer(size_of_val(&*self.offsets)), 0, self.offsets.len()),
            _ => ScalarBuffer::from(self.offsets),
        };
        let offsets = OffsetBuffer::new(offsets);
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
    dropped_attributes_count: Integers,
    resource_dropped_attributes_count: Integers,
    scope_dropped_attributes_count: Integers,
    resource_schema_url: TextColumn,
    scope_schema_url: TextColumn,
    resource_entity_refs: TextColumn,
    weight: Doubles,
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
            dropped_attributes_count: Integers::default(),
            resource_dropped_attributes_count: Integers::default(),
            scope_dropped_attributes_count: Integers::default(),
            resource_schema_url: TextColumn::default(),
            scope_schema_url: TextColumn::default(),
            resource_entity_refs: TextColumn::default(),
            weight: Doubles::default(),
            rows: 0,
            closed: 0,
        }
    }
}

impl Envelope {
    /// Adds what a record has of its own besides its attributes.
    pub(super) fn push(&mut self, dropped: i64, weight: f64) {
        self.dropped_attributes_count.push(dropped);
        self.weight.push(weight);
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
        self.resource_dropped_attributes_count.push_many(resource.dropped, rows);
        self.scope_dropped_attributes_count.push_many(scope.dropped, rows);
        self.resource_schema_url.push_many(non_empty(&resource.schema_url), rows);
        self.scope_schema_url.push_many(non_empty(&scope.schema_url), rows);
        self.resource_entity_refs.push_many(resource.entity_refs.as_deref(), rows);
    }

    /// Gives all rows since the last call the texts that labels say of a resource. What they do not say is filled in
    /// at the end.
    pub(super) fn close_labelled(&mut self, service: &str, instance: Option<&str>, attributes: &str) {
        let rows = self.rows - self.closed;
        self.closed = self.rows;
        self.service_name.push_many(Some(service), rows);
        self.service_instance_id.push_many(instance, rows);
        self.resource_attributes.push_many(Some(attributes), rows);
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Fills in what rows do not have whose resource was said by labels.
    fn fill(&mut self) {
        for column in [
            &mut self.service_namespace,
            &mut self.deployment_environment,
            &mut self.service_version,
            &mut self.scope_name,
            &mut self.scope_version,
            &mut self.resource_schema_url,
            &mut self.scope_schema_url,
            &mut self.resource_entity_refs,
        ] {
            column.pad(self.rows);
        }
        let missing = self.rows - self.scope_attributes.len();
        if missing > 0 {
            self.scope_attributes.push_many(Some(NO_ATTRIBUTES), missing);
        }
        for column in [&mut self.resource_dropped_attributes_count, &mut self.scope_dropped_attributes_count]
        {
            let missing = self.rows - column.len();
            if missing > 0 {
                column.push_many(0, missing);
            }
        }
    }

    /// The rows, with these columns behind those that every table has.
    pub(super) fn finish(
        mut self,
        signal: Signal,
        columns: impl IntoIterator<Item = ArrayRef>,
        zeros: &mut Zeros,
    ) -> Result<RecordBatch, ArrowError> {
        self.fill();
        let (rest, attributes) = self.attributes.finish_with(zeros);
        let (fields, attributes): (Vec<Field>, Vec<ArrayRef>) = attributes.into_iter().unzip();
        let common: [ArrayRef; 17] = [
            self.service_name.finish(zeros),
            self.service_namespace.finish(zeros),
            self.deployment_environment.finish(zeros),
            self.service_version.finish(zeros),
            self.service_instance_id.finish(zeros),
            self.resource_attributes.finish(zeros),
            self.scope_name.finish(zeros),
            self.scope_version.finish(zeros),
            self.scope_attributes.finish(zeros),
            rest,
            Arc::new(self.dropped_attributes_count.finish(zeros)),
            Arc::new(self.resource_dropped_attributes_count.finish(zeros)),
            Arc::new(self.scope_dropped_attributes_count.finish(zeros)),
            self.resource_schema_url.finish(zeros),
            self.scope_schema_url.finish(zeros),
            self.resource_entity_refs.finish(zeros),
            Arc::new(self.weight.finish(zeros)),
        ];
        let columns = common.into_iter().chain(columns).chain(attributes).collect();
        RecordBatch::try_new(packed::schema(signal, fields), columns)
    }
}
