//! Moves projections below a table's union of fresh rows and files. DataFusion does so only where a projection has
//! fewer columns than what it reads; one attribute instead of the map of all has as many, and costs a hundredth.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use storage::{ATTRIBUTE_TEXT, MATCHES};

/// Does it where a projection holds a function that files answer from columns of their own.
#[derive(Debug)]
pub(super) struct BelowUnion;

impl PhysicalOptimizerRule for BelowUnion {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|node| {
            let Some(projection) = node.downcast_ref::<ProjectionExec>() else {
                return Ok(Transformed::no(node));
            };
            let Some(union) = projection.input().downcast_ref::<UnionExec>() else {
                return Ok(Transformed::no(node));
            };
            if !projection.expr().iter().any(|projected| is_for_files(&projected.expr)) {
                return Ok(Transformed::no(node));
            }
            let inputs = union.inputs().iter().map(|input| project(projection, input));
            Ok(Transformed::yes(UnionExec::try_new(inputs.collect::<Result<_>>()?)?))
        })
        .data()
    }

    fn name(&self) -> &str {
        "causeway_below_union"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The projection over one input, within it where that takes projections.
fn project(projection: &ProjectionExec, input: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let over = ProjectionExec::try_new(projection.expr().to_vec(), Arc::clone(input))?;
    let within = input.try_swapping_with_projection(&over)?;
    Ok(within.unwrap_or_else(|| Arc::new(over)))
}

fn is_for_files(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let is_call = expr
        .downcast_ref::<ScalarFunctionExpr>()
        .is_some_and(|call| [ATTRIBUTE_TEXT, MATCHES].contains(&call.name()));
    is_call || expr.children().into_iter().any(is_for_files)
}
