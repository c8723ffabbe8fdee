//! Turns what people write into what the columns hold.
//!
//! - `attributes['key']` becomes `attribute_text(attributes, 'key')`.
//! - An attribute compared with a number, with `IN` or `BETWEEN` too, compares doubles; cast to a number it is
//!   null where the text is none.
//! - An id compared with a text constant compares bytes; joined to text it is text.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{InList, Like};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr};
use datafusion::logical_expr::{Between, Expr, ExprSchemable, GetFieldAccess, ScalarUDF, TryCast, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use model::schema;

use storage::ATTRIBUTE_TEXT;

use super::functions::{AttributeText, IdText, is_text};

/// Plans field accesses and comparisons before DataFusion's own planners do.
#[derive(Debug)]
pub(super) struct Planner;

impl ExprPlanner for Planner {
    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        columns: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let key = match &access.field_access {
            GetFieldAccess::NamedStructField { name } => name.clone(),
            GetFieldAccess::ListIndex { key } => match key.as_ref() {
                Expr::Literal(key @ (ScalarValue::Utf8(_) | ScalarValue::Utf8View(_)), _) => key.clone(),
                _ => return Ok(PlannerResult::Original(access)),
            },
            GetFieldAccess::ListRange { .. } => return Ok(PlannerResult::Original(access)),
        };
        let is_map = access.expr.to_field(columns).is_ok_and(|(_, field)| schema::is_json(&field));
        if !is_map {
            return Ok(PlannerResult::Original(access));
        }
        Ok(PlannerResult::Planned(
            ScalarUDF::from(AttributeText::default()).call(vec![access.expr, lit(key)]),
        ))
    }

    fn plan_binary_op(&self, raw: RawBinaryExpr, columns: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if raw.op == BinaryOperator::StringConcat {
            let RawBinaryExpr { op, left, right } = raw;
            let [left, right] =
                [left, right].map(|side| if is_id(&side, columns) { id_text(side) } else { side });
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        let compares = matches!(
            raw.op,
            BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
        );
        if !compares {
            return Ok(PlannerResult::Original(raw));
        }
        let RawBinaryExpr { op, left, right } = raw;
        let (left, right) = comparable(left, right, columns)?;
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// Rewrites what is left in a plan, before types are settled.
#[derive(Debug)]
pub(super) struct Coerce;

impl FunctionRewrite for Coerce {
    fn name(&self) -> &str {
        "causeway_coerce"
    }

    fn rewrite(&self, expr: Expr, columns: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        match expr {
            Expr::InList(list) => in_list(list, columns).map(Transformed::yes),
            Expr::Between(between) => self::between(between, columns).map(Transformed::yes),
            Expr::Like(like) if is_id(&like.expr, columns) => {
                let expr = Box::new(id_text(*like.expr));
                Ok(Transformed::yes(Expr::Like(Like { expr, ..like })))
            }
            Expr::Cast(cast) if is_attribute(&cast.expr) && cast.field.data_type().is_numeric() => {
                Ok(Transformed::yes(Expr::TryCast(TryCast::new_from_field(cast.expr, cast.field))))
            }
            Expr::Cast(cast) if is_id(&cast.expr, columns) && is_text(cast.field.data_type()) => {
                Ok(Transformed::yes(id_text(*cast.expr)))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

fn in_list(list: InList, columns: &DFSchema) -> Result<Expr> {
    let InList { expr, list, negated } = list;
    let mut expr = *expr;
    if is_attribute(&expr) && list.iter().all(|item| is_number(item, columns)) && !list.is_empty() {
        expr = as_double(expr);
        let list = list.into_iter().map(as_double).collect();
        return Ok(Expr::InList(InList::new(Box::new(expr), list, negated)));
    }
    if let Some(length) = id_length(&expr, columns) {
        let ids = list.into_iter().map(|item| match text(&item) {
            Some(text) => id_literal(text, length),
            None => Ok(item),
        });
        let list = ids.collect::<Result<_>>()?;
        return Ok(Expr::InList(InList::new(Box::new(expr), list, negated)));
    }
    Ok(Expr::InList(InList::new(Box::new(expr), list, negated)))
}

fn between(between: Between, columns: &DFSchema) -> Result<Expr> {
    let Between { expr, negated, low, high } = between;
    if is_attribute(&expr) && is_number(&low, columns) && is_number(&high, columns) {
        let [expr, low, high] = [expr, low, high].map(|side| Box::new(as_double(*side)));
        return Ok(Expr::Between(Between::new(expr, negated, low, high)));
    }
    if let (Some(length), Some(from), Some(to)) = (id_length(&expr, columns), text(&low), text(&high)) {
        let (low, high) = (id_literal(from, length)?, id_literal(to, length)?);
        return Ok(Expr::Between(Between::new(expr, negated, Box::new(low), Box::new(high))));
    }
    Ok(Expr::Between(Between::new(expr, negated, low, high)))
}

/// Both sides of a comparison, so that they can be compared.
fn comparable(left: Expr, right: Expr, columns: &DFSchema) -> Result<(Expr, Expr)> {
    if is_attribute(&left) && is_number(&right, columns) || is_attribute(&right) && is_number(&left, columns)
    {
        return Ok((as_double(left), as_double(right)));
    }
    match (id_length(&left, columns), id_length(&right, columns)) {
        (Some(length), None) => match text(&right) {
            Some(text) => Ok((left, id_literal(text, length)?)),
            None if is_text_expr(&right, columns) => Ok((id_text(left), right)),
            None => Ok((left, right)),
        },
        (None, Some(length)) => match text(&left) {
            Some(text) => Ok((id_literal(text, length)?, right)),
            None if is_text_expr(&left, columns) => Ok((left, id_text(right))),
            None => Ok((left, right)),
        },
        _ => Ok((left, right)),
    }
}

fn is_attribute(expr: &Expr) -> bool {
    match expr {
        // `attr('key')` is a `coalesce` over the places where the attribute can stand.
        Expr::ScalarFunction(call) if call.func.name() == "coalesce" => call.args.iter().all(is_attribute),
        Expr::ScalarFunction(call) => call.func.name() == ATTRIBUTE_TEXT,
        Expr::Alias(alias) => is_attribute(&alias.expr),
        _ => false,
    }
}

fn is_number(expr: &Expr, columns: &DFSchema) -> bool {
    expr.get_type(columns).is_ok_and(|kind| kind.is_numeric())
}

fn is_text_expr(expr: &Expr, columns: &DFSchema) -> bool {
    expr.get_type(columns).is_ok_and(|kind| is_text(&kind))
}

fn is_id(expr: &Expr, columns: &DFSchema) -> bool {
    id_length(expr, columns).is_some()
}

/// How many bytes an id has, if the expression is one.
fn id_length(expr: &Expr, columns: &DFSchema) -> Option<usize> {
    match expr.get_type(columns) {
        Ok(DataType::FixedSizeBinary(length @ (8 | 16))) => Some(length as usize),
        _ => None,
    }
}

/// The text of a constant.
pub(super) fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

pub(super) fn id_literal(text: &str, length: usize) -> Result<Expr> {
    let digits = text.as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((nibble(*high)? * 16 + nibble(*low)?) as u8),
            _ => None,
        })
        .collect();
    match bytes {
        Some(bytes) if bytes.len() == length => {
            Ok(lit(ScalarValue::FixedSizeBinary(length as i32, Some(bytes))))
        }
        _ => plan_err!("'{text}' is no id: {} hexadecimal digits are expected", 2 * length),
    }
}

fn id_text(expr: Expr) -> Expr {
    ScalarUDF::from(IdText::default()).call(vec![expr])
}

fn as_double(expr: Expr) -> Expr {
    Expr::TryCast(TryCast::new(Box::new(expr), DataType::Float64))
}
