//! Expressions over a table's columns become expressions over what a file holds.
//!
//! DataFusion asks for this once a file, for filters and projections alike. A column that a file holds in
//! another form is replaced by [`FileColumn`].

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapter, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use model::packed;

use super::Result;
use crate::columns::REST;
use crate::scan::templates::Identities;
use crate::segment::form::{self, Wanted};
use crate::templates::TEMPLATE_ID;

/// Makes adapters for files.
#[derive(Debug)]
pub(super) struct FileAdapters {
    /// The templates of logs, where they are asked for.
    pub(super) identities: Option<Arc<Identities>>,
}

impl PhysicalExprAdapterFactory for FileAdapters {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let plain = DefaultPhysicalExprAdapter::new(Arc::clone(&table), Arc::clone(&file));
        let identities = self.identities.as_ref().map(Arc::clone);
        Ok(Arc::new(FileAdapter { plain, table, file, identities }))
    }
}

#[derive(Debug)]
struct FileAdapter {
    plain: DefaultPhysicalExprAdapter,
    table: SchemaRef,
    file: SchemaRef,
    identities: Option<Arc<Identities>>,
}

impl PhysicalExprAdapter for FileAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let replaced = expr.transform_down(|expr| {
            let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
            let replacement = match self.column(column.name())? {
                Some(replacement) => replacement,
                None => self.plain.rewrite(expr)?,
            };
            Ok(Transformed::new(replacement, true, TreeNodeRecursion::Jump))
        });
        replaced.map(|replaced| replaced.data)
    }
}

impl FileAdapter {
    /// A column that the file holds in another form.
    fn column(&self, name: &str) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Ok(field) = self.table.field_with_name(name) else { return Ok(None) };
        let names = self.file.fields().iter().map(|field| field.name().as_str());
        let parts = form::file_columns(names, Wanted::Columns(&[name]));
        if parts == [name] && name != REST {
            return Ok(None);
        }
        let parts = parts.into_iter().map(|part| self.part(part)).collect::<Result<Vec<_>>>()?;
        if let (TEMPLATE_ID, Some(identities)) = (name, &self.identities) {
            let identities = Arc::clone(identities);
            return Ok(Some(Arc::new(TemplateColumn { field: Arc::new(field.clone()), parts, identities })));
        }
        Ok(Some(Arc::new(FileColumn { field: Arc::new(field.clone()), parts })))
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

/// The identities of templates, from the templates that a file holds; null where it holds none.
#[derive(Debug, Clone)]
struct TemplateColumn {
    field: FieldRef,
    parts: Vec<Arc<dyn PhysicalExpr>>,
    identities: Arc<Identities>,
}

impl PartialEq for TemplateColumn {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts && Arc::ptr_eq(&self.identities, &other.identities)
    }
}

impl Eq for TemplateColumn {}

impl Hash for TemplateColumn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
    }
}

impl fmt::Display for TemplateColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TEMPLATE_ID)
    }
}

impl PhysicalExpr for TemplateColumn {
    fn return_field(&self, _: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let ids = match self.parts.first() {
            Some(part) => {
                let templates = part.evaluate(batch)?.into_array(batch.num_rows())?;
                self.identities.of(&templates).map_err(external)?
            }
            None => new_null_array(self.field.data_type(), batch.num_rows()),
        };
        Ok(ColumnarValue::Array(ids))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.parts.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        parts: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let identities = Arc::clone(&self.identities);
        Ok(Arc::new(Self { field: Arc::clone(&self.field), parts, identities }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
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
