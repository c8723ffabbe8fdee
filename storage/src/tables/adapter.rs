//! Expressions over a table's columns become expressions over what a file holds.
//!
//! DataFusion asks for this once a file, for filters and projections alike. A column that a file holds in
//! another form is replaced by [`FileColumn`], one attribute of a map by [`FileAttribute`], which reads its
//! own column and not the whole map.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapter, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use model::{AnyValue, attributes, packed};

use super::Result;
use crate::columns::{REST, key_of};
use crate::segment::form::{self, Wanted};

/// The function that reads one attribute of a map; the query room defines it.
const ATTRIBUTE_TEXT: &str = "attribute_text";

/// Makes adapters for files.
#[derive(Debug)]
pub(super) struct FileAdapters;

impl PhysicalExprAdapterFactory for FileAdapters {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let plain = DefaultPhysicalExprAdapter::new(Arc::clone(&table), Arc::clone(&file));
        Ok(Arc::new(FileAdapter { plain, table, file }))
    }
}

#[derive(Debug)]
struct FileAdapter {
    plain: DefaultPhysicalExprAdapter,
    table: SchemaRef,
    file: SchemaRef,
}

impl PhysicalExprAdapter for FileAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let replaced = expr.transform_down(|expr| match self.replacement(&expr)? {
            Some(replacement) => Ok(Transformed::new(replacement, true, TreeNodeRecursion::Jump)),
            None if expr.downcast_ref::<Column>().is_some() => {
                Ok(Transformed::new(self.plain.rewrite(expr)?, true, TreeNodeRecursion::Jump))
            }
            None => Ok(Transformed::no(expr)),
        });
        replaced.map(|replaced| replaced.data)
    }
}

impl FileAdapter {
    fn replacement(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        if let Some(column) = expr.downcast_ref::<Column>() {
            return self.column(column.name());
        }
        let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>() else { return Ok(None) };
        if function.name() != ATTRIBUTE_TEXT {
            return Ok(None);
        }
        let [map, key] = function.args() else { return Ok(None) };
        let is_map = map.downcast_ref::<Column>().is_some_and(|column| column.name() == REST);
        let key = key.downcast_ref::<Literal>().and_then(|key| key.value().try_as_str().flatten());
        match (is_map, key) {
            (true, Some(key)) => self.attribute(key).map(Some),
            _ => Ok(None),
        }
    }

    /// A column that the file holds in another form.
    fn column(&self, name: &str) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Ok(field) = self.table.field_with_name(name) else { return Ok(None) };
        let names = self.file.fields().iter().map(|field| field.name().as_str());
        let parts = form::file_columns(names, Wanted::Columns(&[name]));
        if parts == [name] && name != REST {
            return Ok(None);
        }
        let parts = parts.into_iter().map(|part| self.part(part)).collect::<Result<Vec<_>>>()?;
        Ok(Some(Arc::new(FileColumn { field: Arc::new(field.clone()), parts })))
    }

    fn attribute(&self, key: &str) -> Result<Arc<dyn PhysicalExpr>> {
        let own = packed::field_name(key);
        let mut parts = vec![self.part(REST)?];
        if self.file.index_of(&own).is_ok() {
            parts.push(self.part(&own)?);
        }
        Ok(Arc::new(FileAttribute { key: key.to_owned(), parts }))
    }

    fn part(&self, name: &str) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Column::new_with_schema(name, &self.file)?))
    }
}

/// A column of the table that is made from columns of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FileColumn {
    field: FieldRef,
    parts: Vec<Arc<dyn PhysicalExpr>>,
}

/// The columns of a file that an expression is made from, as a batch.
fn parts_of(parts: &[Arc<dyn PhysicalExpr>], batch: &RecordBatch) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(parts.len());
    let mut columns = Vec::with_capacity(parts.len());
    for part in parts {
        let name = part.downcast_ref::<Column>().map_or("", Column::name);
        let column = part.evaluate(batch)?.into_array(batch.num_rows())?;
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl fmt::Display for FileColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field.name())
    }
}

impl PhysicalExpr for FileColumn {
    fn return_field(&self, _: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let parts = parts_of(&self.parts, batch)?;
        let column: ArrayRef = match self.field.name() == REST {
            true => Arc::new(packed::attributes(&parts)?),
            false => form::column(&parts, &self.field).map_err(external)?.ok_or_else(|| {
                DataFusionError::Internal(format!("a file lacks the column {}", self.field.name()))
            })?,
        };
        Ok(ColumnarValue::Array(column))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.parts.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        parts: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { field: Arc::clone(&self.field), parts }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One attribute of a record, as text: from its own column and the rest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FileAttribute {
    key: String,
    parts: Vec<Arc<dyn PhysicalExpr>>,
}

impl fmt::Display for FileAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{REST}[{}]", ScalarValue::from(self.key.as_str()))
    }
}

impl PhysicalExpr for FileAttribute {
    fn return_field(&self, _: &Schema) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(&self.key, DataType::Utf8, true)))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let parts = parts_of(&self.parts, batch)?;
        let rest = parts.column_by_name(REST).and_then(|rest| rest.as_string_opt::<i32>());
        let own = parts.schema_ref().fields().iter().position(|field| key_of(field.name()).is_some());
        let own = own.map(|at| texts(parts.column(at))).transpose()?;
        if let Some(own) = &own
            && rest.is_none_or(|rest| rest.null_count() == rest.len())
        {
            return Ok(ColumnarValue::Array(Arc::clone(own)));
        }
        let own = own.as_ref().map(|own| own.as_string::<i32>());
        let quoted = attributes::quote(&self.key);
        let mut out = StringBuilder::new();
        for row in 0..batch.num_rows() {
            if let Some(own) = own.filter(|own| own.is_valid(row)) {
                out.append_value(own.value(row));
                continue;
            }
            let stored = rest.filter(|rest| rest.is_valid(row)).map(|rest| rest.value(row));
            let value = stored
                .and_then(|stored| attributes::get_quoted(stored, &quoted))
                .and_then(attributes::parse_value);
            out.append_option(value.as_ref().and_then(AnyValue::text));
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.parts.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        parts: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { key: self.key.clone(), parts }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An attribute column as the text that people see.
fn texts(column: &ArrayRef) -> Result<ArrayRef> {
    if column.data_type() == &DataType::Float64 {
        let values = column.as_primitive::<Float64Type>().iter();
        let mut out = StringBuilder::new();
        for value in values {
            let value = value.map(AnyValue::Double);
            out.append_option(value.as_ref().and_then(AnyValue::text));
        }
        return Ok(Arc::new(out.finish()));
    }
    Ok(cast(column, &DataType::Utf8)?)
}
