//! One aggregation where a sum is taken of sums. `red` is a view that adds up its parts; a question that adds up its
//! rows by fewer columns adds up the parts instead, and no row of the view is made.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::logical_plan::{Aggregate, LogicalPlan, Projection};
use datafusion::logical_expr::{Expr, utils::expr_to_columns};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// Aggregates that give of parts what they give of the whole: the outer one, over the inner one.
const ADD_UP: [(&str, &str); 3] =
    [("sum", "sum"), ("sketch_merge", "sketch_merge"), ("quantile_merge", "sketch_merge")];

/// Makes one aggregation of two.
#[derive(Debug)]
pub(super) struct Collapse;

impl OptimizerRule for Collapse {
    fn name(&self) -> &str {
        "causeway_sums_of_sums"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(outer) = &plan else { return Ok(Transformed::no(plan)) };
        match of_parts(outer)? {
            Some(collapsed) => Ok(Transformed::yes(collapsed)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// The aggregation of what the one below aggregates, if that gives the same.
fn of_parts(outer: &Aggregate) -> Result<Option<LogicalPlan>> {
    let Some((inner, groups, aggregates)) = down(outer)? else { return Ok(None) };
    let known = inner.group_expr.len();
    let mut below = Vec::with_capacity(groups.len());
    for group in groups {
        let mut columns = Default::default();
        expr_to_columns(&group, &mut columns)?;
        let is_group = |column: &Column| place(&inner.schema, column).is_some_and(|at| at < known);
        if !columns.iter().all(is_group) {
            return Ok(None);
        }
        below.push(replaced(group, &inner.schema, &inner.group_expr)?);
    }
    let mut added = Vec::with_capacity(aggregates.len());
    for aggregate in aggregates {
        let Some(aggregate) = added_up(&aggregate, inner) else { return Ok(None) };
        added.push(aggregate);
    }
    let collapsed = Aggregate::try_new(Arc::clone(&inner.input), below, added)?;
    let names = outer.schema.iter().zip(collapsed.schema.iter());
    let columns = names.map(|((qualifier, field), (own_qualifier, own))| {
        Expr::Column(Column::new(own_qualifier.cloned(), own.name()))
            .alias_qualified(qualifier.cloned(), field.name())
    });
    let columns = columns.collect();
    let collapsed = Arc::new(LogicalPlan::Aggregate(collapsed));
    Ok(Some(LogicalPlan::Projection(Projection::try_new(columns, collapsed)?)))
}

/// An aggregation, and groups and aggregates of the one above it over its columns.
type Below<'a> = (&'a Aggregate, Vec<Expr>, Vec<Expr>);

/// The aggregation below: nothing but projections may lie between.
fn down(outer: &Aggregate) -> Result<Option<Below<'_>>> {
    let (mut groups, mut aggregates) = (outer.group_expr.clone(), outer.aggr_expr.clone());
    let mut plan = outer.input.as_ref();
    loop {
        let (schema, by): (&DFSchema, Vec<Expr>) = match plan {
            LogicalPlan::Aggregate(inner) => return Ok(Some((inner, groups, aggregates))),
            LogicalPlan::Projection(projection) => {
                plan = &projection.input;
                (&projection.schema, projection.expr.iter().map(|expr| expr.clone().unalias()).collect())
            }
            LogicalPlan::SubqueryAlias(alias) => {
                plan = &alias.input;
                (&alias.schema, alias.input.schema().columns().into_iter().map(Expr::Column).collect())
            }
            _ => return Ok(None),
        };
        for expr in groups.iter_mut().chain(&mut aggregates) {
            *expr = replaced(std::mem::take(expr), schema, &by)?;
        }
    }
}

/// An expression with the columns of a schema replaced by what is in their place.
fn replaced(expr: Expr, schema: &DFSchema, by: &[Expr]) -> Result<Expr> {
    let replaced = expr.transform_up(|expr| match &expr {
        Expr::Column(column) => match place(schema, column).and_then(|at| by.get(at)) {
            Some(below) => Ok(Transformed::yes(below.clone())),
            None => Ok(Transformed::no(expr)),
        },
        _ => Ok(Transformed::no(expr)),
    })?;
    Ok(replaced.data)
}

fn place(schema: &DFSchema, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

/// The aggregate of the parts that gives what this one gives of their sums.
fn added_up(outer: &Expr, inner: &Aggregate) -> Option<Expr> {
    let Expr::AggregateFunction(outer) = outer else { return None };
    let (Expr::Column(summed), rest) = outer.params.args.split_first()? else { return None };
    let at = place(&inner.schema, summed)?.checked_sub(inner.group_expr.len())?;
    let Expr::AggregateFunction(of_parts) = inner.aggr_expr.get(at)?.clone().unalias() else { return None };
    let adds_up = ADD_UP.contains(&(outer.func.name(), of_parts.func.name()));
    if !adds_up || !is_plain(outer) || !is_plain(&of_parts) {
        return None;
    }
    let args = of_parts.params.args.into_iter().take(1).chain(rest.iter().cloned()).collect();
    let mut params = outer.params.clone();
    params.args = args;
    Some(Expr::AggregateFunction(AggregateFunction { func: Arc::clone(&outer.func), params }))
}

fn is_plain(aggregate: &AggregateFunction) -> bool {
    let params = &aggregate.params;
    !params.distinct
        && params.filter.is_none()
        && params.order_by.is_empty()
        && params.null_treatment.is_none()
}
