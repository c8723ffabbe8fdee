//! An operator on two samples.

use std::sync::Arc;

use super::super::ast::Operator;
use super::super::column::Cell;
use super::super::histogram::{Histogram, Mismatch};
use super::super::notes::Remark;

/// What an operator makes of two samples.
pub(super) enum Element {
    Value(Cell),
    /// Whether the comparison holds.
    Compared(bool),
    /// They do not go together.
    Invalid(Remark),
}

pub(super) fn arithmetic(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Modulo => left % right,
        Operator::Power => left.powf(right),
        Operator::Atan2 => left.atan2(right),
        _ => f64::NAN,
    }
}

/// Whether a comparison of two numbers holds.
pub(super) fn holds(operator: Operator, left: f64, right: f64) -> bool {
    match operator {
        Operator::Equal => left == right,
        Operator::NotEqual => left != right,
        Operator::Less => left < right,
        Operator::LessOrEqual => left <= right,
        Operator::Greater => left > right,
        Operator::GreaterOrEqual => left >= right,
        _ => false,
    }
}

pub(super) fn element(operator: Operator, left: &Cell, right: &Cell) -> Element {
    let value = |histogram: Histogram| Element::Value(Cell::Histogram(Arc::new(histogram)));
    match (left, right) {
        (Cell::Float(left), Cell::Float(right)) => match operator.compares() {
            true => Element::Compared(holds(operator, *left, *right)),
            false => Element::Value(Cell::Float(arithmetic(operator, *left, *right))),
        },
        (Cell::Float(left), Cell::Histogram(right)) => match operator {
            Operator::Multiply => value(right.scaled(*left)),
            _ => other_types("float", operator, "histogram"),
        },
        (Cell::Histogram(left), Cell::Float(right)) => match operator {
            Operator::Multiply => value(left.scaled(*right)),
            Operator::Divide => value(left.divided(*right)),
            _ => other_types("histogram", operator, "float"),
        },
        (Cell::Histogram(left), Cell::Histogram(right)) => {
            let result = match operator {
                Operator::Add => left.plus(right),
                Operator::Subtract => left.minus(right),
                Operator::Equal => return Element::Compared(left.is_same(right)),
                Operator::NotEqual => return Element::Compared(!left.is_same(right)),
                _ => return other_types("histogram", operator, "histogram"),
            };
            match result {
                Ok(histogram) => value(histogram.compacted()),
                Err(Mismatch::Schemas | Mismatch::Bounds) => {
                    Element::Invalid(Remark::OtherLayout(operator.text()))
                }
            }
        }
    }
}

fn other_types(left: &'static str, operator: Operator, right: &'static str) -> Element {
    Element::Invalid(Remark::OtherTypes { left, operator: operator.text(), right })
}
