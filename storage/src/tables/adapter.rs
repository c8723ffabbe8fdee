//! Expressions over a table's columns become expressions over what a file holds.
//!
//! DataFusion asks for this once a file, for filters and projections alike. A column that a file holds in
//! another form is replaced by what makes it ([`Computed`]), and so are one attribute of a map, which reads its
//! own column and not the whole map, and a phrase in a log's body, which most rows' templates decide.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapter, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use model::packed;

use super::computed::{Computed, What};
use super::{ATTRIBUTE_TEXT, MATCHES, Result};
use crate::columns::REST;
use crate::scan::templates::Identities;
use crate::segment::form::{self, BODY_PARTS, BODY_TEMPLATE, Wanted};
use crate::templates::TEMPLATE_ID;
use crate::text::Phrase;

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
            if let Some(column) = expr.downcast_ref::<Column>() {
                let replacement = match self.column(column.name())? {
                    Some(replacement) => replacement,
                    None => self.plain.rewrite(expr)?,
                };
                return Ok(Transformed::new(replacement, true, TreeNodeRecursion::Jump));
            }
            Ok(match self.call(&expr)? {
                Some(replacement) => Transformed::new(replacement, true, TreeNodeRecursion::Jump),
                None => Transformed::no(expr),
            })
        });
        replaced.map(|replaced| replaced.data)
    }
}

impl FileAdapter {
    /// A function of a column that the file answers without making the column.
    fn call(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>() else { return Ok(None) };
        let [column, constant] = function.args() else { return Ok(None) };
        let Some(column) = column.downcast_ref::<Column>() else { return Ok(None) };
        let Some(constant) = constant.downcast_ref::<Literal>().map(Literal::value) else { return Ok(None) };
        let constant = ScalarValue::try_as_str(constant).flatten();
        let has_templates = self.file.index_of(BODY_TEMPLATE).is_ok();
        Ok(match (function.name(), column.name(), constant) {
            (ATTRIBUTE_TEXT, REST, Some(key)) => {
                let own = packed::field_name(key);
                let own = self.file.index_of(&own).is_ok().then_some(own);
                let names = [REST].into_iter().chain(own.as_deref());
                Some(self.computed(What::Attribute(key.to_owned()), names)?)
            }
            (MATCHES, "body", Some(phrase)) if has_templates => {
                let names = self.names();
                let names = form::file_columns(names, Wanted::Columns(&[BODY_PARTS]));
                Some(self.computed(What::Matches(Phrase::new(phrase)), names.into_iter())?)
            }
            _ => None,
        })
    }

    /// A column that the file holds in another form.
    fn column(&self, name: &str) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Ok(field) = self.table.field_with_name(name) else { return Ok(None) };
        let parts = form::file_columns(self.names(), Wanted::Columns(&[name]));
        if parts == [name] && name != REST {
            return Ok(None);
        }
        let what = match (name, &self.identities) {
            (TEMPLATE_ID, Some(identities)) => {
                What::Template(Arc::new(field.clone()), Arc::clone(identities).into())
            }
            _ => What::Column(Arc::new(field.clone())),
        };
        Ok(Some(self.computed(what, parts.into_iter())?))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.file.fields().iter().map(|field| field.name().as_str())
    }

    fn computed<'a>(
        &self,
        what: What,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let part = |name| Ok(Arc::new(Column::new_with_schema(name, &self.file)?) as Arc<dyn PhysicalExpr>);
        let parts = names.map(part).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Computed { what, parts }))
    }
}
