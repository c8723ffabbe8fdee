//! Expressions over what a file holds: a column in another form, one attribute of a map, a phrase in a body.
//! Each reads the columns of the file that it needs and no other.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringBuilder, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use model::{AnyValue, attributes, packed};

use super::{Result, external};
use crate::columns::{REST, key_of};
use crate::eval::body_bits;
use crate::scan::templates::Identities;
use crate::segment::form::{self, BODY_PARTS};
use crate::text::Phrase;

/// What is made from columns of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// A column of the table.
    Column(FieldRef),
    /// An attribute of the record, as text.
    Attribute(String),
    /// Whether the body has a phrase.
    Matches(Phrase),
    /// The identity of the body's template; null where the file holds none.
    Template(FieldRef, SameIdentities),
}

/// Identities of templates, the same as themselves alone.
#[derive(Debug, Clone)]
pub(super) struct SameIdentities(Arc<Identities>);

impl From<Arc<Identities>> for SameIdentities {
    fn from(identities: Arc<Identities>) -> Self {
        Self(identities)
    }
}

impl PartialEq for SameIdentities {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SameIdentities {}

impl Hash for SameIdentities {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// An expression, and the columns of the file that it is made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Computed {
    pub(super) what: What,
    pub(super) parts: Vec<Arc<dyn PhysicalExpr>>,
}

impl fmt::Display for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Column(field) => f.write_str(field.name()),
            What::Attribute(key) => write!(f, "{REST}['{key}']"),
            What::Template(field, _) => f.write_str(field.name()),
            What::Matches(phrase) => write!(f, "matches(body, '{phrase}')"),
        }
    }
}

impl PhysicalExpr for Computed {
    fn return_field(&self, _: &Schema) -> Result<FieldRef> {
        Ok(match &self.what {
            What::Column(field) | What::Template(field, _) => Arc::clone(field),
            What::Attribute(key) => Arc::new(Field::new(key, DataType::Utf8, true)),
            What::Matches(_) => Arc::new(Field::new(self.to_string(), DataType::Boolean, true)),
        })
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let parts = self.parts_of(batch)?;
        Ok(ColumnarValue::Array(match &self.what {
            What::Column(field) => column(&parts, field)?,
            What::Attribute(key) => attribute(&parts, key)?,
            What::Matches(phrase) => Arc::new(body_bits(&parts, phrase)),
            What::Template(field, identities) => match parts.columns().first() {
                Some(templates) => identities.0.of(templates).map_err(external)?,
                None => new_null_array(field.data_type(), batch.num_rows()),
            },
        }))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.parts.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        parts: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { what: self.what.clone(), parts }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Computed {
    /// The columns of the file that this is made from, as a batch.
    fn parts_of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut fields = Vec::with_capacity(self.parts.len());
        let mut columns = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let name = match part.downcast_ref::<Column>().map_or("", Column::name) {
                "body" if matches!(self.what, What::Matches(_)) => BODY_PARTS,
                name => name,
            };
            let column = part.evaluate(batch)?.into_array(batch.num_rows())?;
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
    }
}

fn column(parts: &RecordBatch, field: &FieldRef) -> Result<ArrayRef> {
    if field.name() == REST {
        return Ok(Arc::new(packed::attributes(parts)?));
    }
    let made = form::column(parts, field).map_err(external)?;
    made.ok_or_else(|| DataFusionError::Internal(format!("a file lacks the column {}", field.name())))
}

/// One attribute of each record: from its own column and the rest.
fn attribute(parts: &RecordBatch, key: &str) -> Result<ArrayRef> {
    let rest = parts.column_by_name(REST).and_then(|rest| rest.as_string_opt::<i32>());
    let own = parts.schema_ref().fields().iter().position(|field| key_of(field.name()).is_some());
    let own = own.map(|at| texts(parts.column(at))).transpose()?;
    if let Some(own) = &own
        && rest.is_none_or(|rest| rest.null_count() == rest.len())
    {
        return Ok(Arc::clone(own));
    }
    let own = own.as_ref().map(|own| own.as_string::<i32>());
    let quoted = attributes::quote(key);
    let mut out = StringBuilder::new();
    for row in 0..parts.num_rows() {
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
    Ok(Arc::new(out.finish()))
}

/// An attribute column as the text that people see.
fn texts(column: &ArrayRef) -> Result<ArrayRef> {
    if column.data_type() == &DataType::Float64 {
        let mut out = StringBuilder::new();
        for value in column.as_primitive::<Float64Type>() {
            let value = value.map(AnyValue::Double);
            out.append_option(value.as_ref().and_then(AnyValue::text));
        }
        return Ok(Arc::new(out.finish()));
    }
    Ok(cast(column, &DataType::Utf8)?)
}
