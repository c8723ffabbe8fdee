//! What is replaced in a statement before it is planned, while names are still names.
//!
//! - `attr('key')` becomes the attribute on the record, else its scope, else its resource, under its current
//!   name or an older one; `attr('s', 'key')` says the alias of the table.
//! - An id column given to a function of text becomes text, since the types of a function's arguments are
//!   checked while planning.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::functions::ID_TEXT;
use crate::error::QueryError;
use crate::search;

/// The columns that hold ids.
const ID_COLUMNS: [&str; 3] = ["trace_id", "span_id", "parent_span_id"];
/// Functions of text that people use on ids.
const TEXT_FUNCTIONS: [&str; 24] = [
    "char_length",
    "coalesce",
    "concat",
    "concat_ws",
    "contains",
    "ends_with",
    "initcap",
    "left",
    "length",
    "lower",
    "lpad",
    "nullif",
    "nvl",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
    "replace",
    "reverse",
    "right",
    "rpad",
    "starts_with",
    "strpos",
    "substr",
    "upper",
];
/// Where an attribute is looked for, in this order.
const LEVELS: [&str; 3] = ["attributes", "scope_attributes", "resource_attributes"];

/// Rewrites a statement that only asks.
pub(super) fn rewrite(statement: &mut Statement) -> Result<(), QueryError> {
    let asked = match statement {
        Statement::Statement(asked) => asked,
        Statement::Explain(explain) => return rewrite(&mut explain.statement),
        _ => return Ok(()),
    };
    match asked.visit(&mut Rewriter) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = QueryError;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<QueryError> {
        match expr {
            Expr::Function(function) => match function.name.to_string().to_lowercase().as_str() {
                "attr" => match attribute(function) {
                    Ok(replaced) => *expr = replaced,
                    Err(error) => return ControlFlow::Break(error),
                },
                name if TEXT_FUNCTIONS.contains(&name) => ids_as_text(function),
                _ => {}
            },
            Expr::Substring { expr: inner, .. } if is_id(inner) => **inner = id_text(inner),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// What `attr(…)` stands for.
fn attribute(function: &Function) -> Result<Expr, QueryError> {
    let texts: Option<Vec<&str>> = arguments(function).map(|args| args.iter().filter_map(text).collect());
    let (table, key) = match texts.as_deref() {
        Some([key]) => (None, *key),
        Some([table, key]) => (Some(*table), *key),
        _ => {
            let message = "attr takes the name of an attribute, and before it the alias of a table if there are several";
            let expected = vec!["attr('http.route')".to_owned(), "attr('s', 'http.route')".to_owned()];
            return Err(QueryError::Bad { message: message.to_owned(), position: None, expected });
        }
    };
    let prefix = table.map_or_else(String::new, |table| format!("{}.", Ident::with_quote('"', table)));
    let literal = |name: &str| Value::SingleQuotedString(name.to_owned()).to_string();
    let others = search::other_names(key);
    let names: Vec<&str> = std::iter::once(key).chain(others.iter().map(AsRef::as_ref)).collect();
    let places = LEVELS.iter().flat_map(|level| {
        let prefix = &prefix;
        names.iter().map(move |name| format!("{prefix}{level}[{}]", literal(name)))
    });
    let sql = format!("coalesce({})", places.collect::<Vec<_>>().join(", "));
    let parsed =
        Parser::new(&GenericDialect {}).try_with_sql(&sql).and_then(|mut parser| parser.parse_expr());
    parsed.map_err(|error| QueryError::invalid(format!("attr({key:?}): {error}")))
}

fn arguments(function: &Function) -> Option<&[FunctionArg]> {
    match &function.args {
        FunctionArguments::List(list) => Some(&list.args),
        _ => None,
    }
}

/// The text of a constant argument.
fn text(argument: &FunctionArg) -> Option<&str> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn ids_as_text(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    for argument in &mut list.args {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument
            && is_id(expr)
        {
            *expr = id_text(expr);
        }
    }
}

fn is_id(expr: &Expr) -> bool {
    let name = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    };
    name.is_some_and(|name| ID_COLUMNS.contains(&name.value.as_str()))
}

/// The call of [`ID_TEXT`] on a column.
fn id_text(column: &Expr) -> Expr {
    let call = format!("{ID_TEXT}({column})");
    let parsed =
        Parser::new(&GenericDialect {}).try_with_sql(&call).and_then(|mut parser| parser.parse_expr());
    // A column's name printed by the parser is read by it again.
    parsed.unwrap_or_else(|_| column.clone())
}
