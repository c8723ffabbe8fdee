//! Groups by text as views. DataFusion turns the texts of dictionaries into rows of bytes before it groups them, which
//! costs more than the rest of most questions; views it compares column by column.
//!
//! `Aggregate: groupBy=[[a]]` becomes `Projection: CAST(a AS Dictionary)` over `Aggregate: groupBy=[[CAST(a AS Utf8View)]]`.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::logical_plan::{Aggregate, LogicalPlan, Projection};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use model::schema;

/// Rewrites groups by columns of repeated text.
#[derive(Debug)]
pub(super) struct ByViews;

impl OptimizerRule for ByViews {
    fn name(&self) -> &str {
        "causeway_group_by_views"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = plan else { return Ok(Transformed::no(plan)) };
        let grouping_sets = aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
        if grouping_sets || !aggregate.group_expr.iter().any(|expr| is_repeated_text(&aggregate, expr)) {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        }
        Ok(Transformed::yes(by_views(&aggregate)?))
    }
}

fn is_repeated_text(aggregate: &Aggregate, expr: &Expr) -> bool {
    expr.get_type(aggregate.input.schema()).is_ok_and(|kind| kind == schema::dictionary())
}

fn by_views(aggregate: &Aggregate) -> Result<LogicalPlan> {
    let groups = aggregate.group_expr.iter().map(|expr| match is_repeated_text(aggregate, expr) {
        true => cast(expr.clone(), DataType::Utf8View),
        false => expr.clone(),
    });
    let input = Arc::clone(&aggregate.input);
    let grouped = Aggregate::try_new(input, groups.collect(), aggregate.aggr_expr.clone())?;
    let fields = aggregate.schema.iter().zip(grouped.schema.iter());
    let columns = fields.map(|((qualifier, field), (grouped_qualifier, grouped_field))| {
        let column = Expr::Column(Column::new(grouped_qualifier.cloned(), grouped_field.name()));
        match field.data_type() == grouped_field.data_type() {
            true if grouped_qualifier == qualifier && grouped_field.name() == field.name() => column,
            true => column.alias_qualified(qualifier.cloned(), field.name()),
            false => {
                cast(column, field.data_type().clone()).alias_qualified(qualifier.cloned(), field.name())
            }
        }
    });
    let columns: Vec<Expr> = columns.collect();
    let grouped = LogicalPlan::Aggregate(grouped);
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(grouped))?))
}
