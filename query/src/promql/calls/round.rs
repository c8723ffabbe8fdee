//! Functions of single numbers.

use super::super::ast::Expr;
use super::super::column::{Column, Grid, Row};
use super::super::error::Error;
use super::super::evaluate::Evaluator;

/// The functions that need nothing but the number.
pub(super) fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => f64::asinh,
        "acosh" => f64::acosh,
        "atanh" => f64::atanh,
        "deg" => |value| value * 180.0 / std::f64::consts::PI,
        "rad" => |value| value * std::f64::consts::PI / 180.0,
        "sgn" => |value| if value == 0.0 || value.is_nan() { value } else { value.signum() },
        _ => return None,
    })
}

impl Evaluator<'_> {
    /// `clamp` and its kin, and `round`.
    pub(super) fn rounded(&self, name: &str, args: &[Expr], grid: &Grid) -> Result<Vec<Row>, Error> {
        let mut params = Vec::new();
        for arg in &args[1..] {
            params.push(self.scalar(arg, grid)?);
        }
        let param = |number: usize, step: usize| params.get(number).map_or(1.0, |param| param[step]);
        let rows = self.vector(&args[0], grid)?;
        self.renamed(rows.into_iter().map(|row| {
            let mut column = Column::empty(grid.count);
            for step in 0..grid.count {
                let Some(value) = row.column.float(step) else { continue };
                let (first, second) = (param(0, step), param(1, step));
                let result = match name {
                    "clamp" if first > second => continue,
                    "clamp" => at_least(at_most(value, second), first),
                    "clamp_min" => at_least(value, first),
                    "clamp_max" => at_most(value, first),
                    _ => {
                        let inverse = 1.0 / first;
                        (value * inverse + 0.5).floor() / inverse
                    }
                };
                column.set_float(step, result);
            }
            Row { column, ..row }
        }))
    }
}

/// The larger of two; NaN if one is and the other is not infinite that way, as Go has it.
fn at_least(value: f64, least: f64) -> f64 {
    match value == f64::INFINITY || least == f64::INFINITY {
        true => f64::INFINITY,
        false if value.is_nan() || least.is_nan() => f64::NAN,
        false => value.max(least),
    }
}

/// The smaller of two; NaN if one is and the other is not infinite that way.
fn at_most(value: f64, most: f64) -> f64 {
    -at_least(-value, -most)
}
