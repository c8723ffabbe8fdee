//! What the filters of a plan say of rows, as a time range and a [`Predicate`]: what every row that passes them
//! must be. Segments and blocks that have no such row are not read; the rows that are left are filtered again.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use model::{Field, Level, Predicate, Signal, Test, TimeRange, TraceId, UnixNanos, schema};

use super::{ATTRIBUTE_TEXT, MATCHES};
use crate::error::Result;
use crate::eval::text_columns;
use crate::segment::Segment;

/// What rows must be.
#[derive(Debug, Clone)]
pub(super) struct Needs {
    pub(super) range: TimeRange,
    pub(super) predicate: Predicate,
}

impl Needs {
    /// What rows that pass all of `filters` are.
    pub(super) fn of(signal: Signal, filters: &[Expr]) -> Self {
        let mut needs = Self { range: TimeRange::default(), predicate: Predicate::All };
        for filter in filters {
            needs.collect_times(signal, filter);
            needs.predicate =
                std::mem::replace(&mut needs.predicate, Predicate::All).and(implied(signal, filter));
        }
        needs
    }

    /// Whether a segment may have such rows, by its statistics and its filter over trace ids.
    pub(super) fn may_be_in(&self, segment: &Segment) -> Result<bool> {
        Ok(self.range.overlaps(segment.meta.first, segment.meta.last) && may_be(&self.predicate, segment)?)
    }

    fn collect_times(&mut self, signal: Signal, filter: &Expr) {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.collect_times(signal, left);
                self.collect_times(signal, right);
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let Some((column, op, ScalarValue::TimestampNanosecond(Some(time), _))) =
                    compared(left, *op, right)
                    && matches!(column, Expr::Column(column) if column.name == schema::time_column(signal))
                {
                    self.bound(op, *time);
                }
            }
            Expr::Between(between) if !between.negated => {
                let is_time = |side: &Expr| matches!(side, Expr::Column(column) if column.name == schema::time_column(signal));
                let ends = [&between.low, &between.high].map(|end| match end.as_ref() {
                    Expr::Literal(ScalarValue::TimestampNanosecond(Some(time), _), _) => Some(*time),
                    _ => None,
                });
                if let (true, [Some(low), Some(high)]) = (is_time(&between.expr), ends) {
                    self.bound(Operator::GtEq, low);
                    self.bound(Operator::LtEq, high);
                }
            }
            _ => {}
        }
    }

    /// Narrows the range; an end that is included is widened by a nanosecond.
    fn bound(&mut self, op: Operator, time: i64) {
        let from = |range: &mut TimeRange| range.from = range.from.max(Some(UnixNanos(time)));
        let to = |range: &mut TimeRange, end: i64| {
            let end = UnixNanos(end);
            range.to = Some(range.to.map_or(end, |to| to.min(end)));
        };
        match op {
            Operator::Gt | Operator::GtEq => from(&mut self.range),
            Operator::Lt => to(&mut self.range, time),
            Operator::LtEq => to(&mut self.range, time.saturating_add(1)),
            Operator::Eq => {
                from(&mut self.range);
                to(&mut self.range, time.saturating_add(1));
            }
            _ => {}
        }
    }
}

/// Whether a segment may have a row that matches, by what is known without opening its index.
fn may_be(predicate: &Predicate, segment: &Segment) -> Result<bool> {
    Ok(match predicate {
        Predicate::And(parts) => {
            for part in parts {
                if !may_be(part, segment)? {
                    return Ok(false);
                }
            }
            true
        }
        Predicate::Or(parts) => {
            for part in parts {
                if may_be(part, segment)? {
                    return Ok(true);
                }
            }
            false
        }
        Predicate::Field(Field::Service, Test::Equals(name)) => {
            segment.footer()?.services.as_ref().is_none_or(|services| services.contains(name))
        }
        Predicate::Field(Field::Trace, Test::Equals(id)) => match id.parse::<TraceId>() {
            Ok(id) => segment.may_have_trace(&id.0)?,
            Err(_) => true,
        },
        _ => true,
    })
}

/// What holds of every row that passes a filter; `All` where that is not known.
fn implied(signal: Signal, filter: &Expr) -> Predicate {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            implied(signal, left).and(implied(signal, right))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            any_of([left, right].map(|side| implied(signal, side)).into())
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match compared(left, *op, right) {
            Some((side, Operator::Eq, value)) => equal(side, value),
            Some((side, _, value)) if !value.is_null() => exists(side),
            _ => Predicate::All,
        },
        Expr::InList(list) if !list.negated => {
            let values = list.list.iter().map(|item| match item {
                Expr::Literal(value, _) => equal(&list.expr, value),
                _ => Predicate::All,
            });
            any_of(values.collect())
        }
        Expr::Between(between) if !between.negated => exists(&between.expr),
        Expr::Like(like) if !like.negated => exists(&like.expr),
        Expr::IsNotNull(side) => exists(side),
        Expr::Alias(alias) => implied(signal, &alias.expr),
        Expr::ScalarFunction(call) if call.func.name() == MATCHES => match call.args.as_slice() {
            [Expr::Column(column), Expr::Literal(phrase, _)]
                if text_columns(signal).contains(&column.name.as_str()) =>
            {
                text(phrase).map_or(Predicate::All, |phrase| Predicate::Text(phrase.to_owned()))
            }
            _ => Predicate::All,
        },
        _ => Predicate::All,
    }
}

/// One of these; `All` where that says nothing.
fn any_of(parts: Vec<Predicate>) -> Predicate {
    if parts.contains(&Predicate::All) { Predicate::All } else { Predicate::Or(parts) }
}

/// A comparison with a constant: what is compared, how, and with what.
fn compared<'a>(
    left: &'a Expr,
    op: Operator,
    right: &'a Expr,
) -> Option<(&'a Expr, Operator, &'a ScalarValue)> {
    // Of these a row with null passes none.
    let strict = matches!(
        op,
        Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
    );
    match (left, right) {
        _ if !strict => None,
        (side, Expr::Literal(value, _)) => Some((side, op, value)),
        (Expr::Literal(value, _), side) => Some((side, op.swap()?, value)),
        _ => None,
    }
}

fn text(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

/// What it means that something equals a constant.
fn equal(side: &Expr, value: &ScalarValue) -> Predicate {
    match (side, value) {
        (Expr::Column(column), ScalarValue::FixedSizeBinary(16, Some(id))) if column.name == "trace_id" => {
            let id: Option<[u8; 16]> = id.as_slice().try_into().ok();
            id.map_or(Predicate::All, |id| {
                Predicate::Field(Field::Trace, Test::Equals(TraceId(id).to_string()))
            })
        }
        (Expr::Column(column), value) if column.name == "service_name" => text(value)
            .map_or(Predicate::All, |name| Predicate::Field(Field::Service, Test::Equals(name.to_owned()))),
        (side, value) if value.is_null() => exists(side),
        (side, value) => match text(value) {
            Some(value) => attribute(side, &Test::Equals(value.to_owned())),
            None => exists(side),
        },
    }
}

/// What it means that something is not null.
fn exists(side: &Expr) -> Predicate {
    match side {
        Expr::Cast(cast) => exists(&cast.expr),
        Expr::TryCast(cast) => exists(&cast.expr),
        side => attribute(side, &Test::Exists),
    }
}

/// A test of an attribute; of several places where it may stand, of any.
fn attribute(side: &Expr, test: &Test) -> Predicate {
    match side {
        Expr::Alias(alias) => attribute(&alias.expr, test),
        Expr::ScalarFunction(call) if call.func.name() == "coalesce" => {
            any_of(call.args.iter().map(|place| attribute(place, test)).collect())
        }
        // What `coalesce` is made into.
        Expr::Case(case) if case.expr.is_none() => {
            let places = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
            any_of(places.map(|place| attribute(place, test)).collect())
        }
        Expr::ScalarFunction(call) if call.func.name() == ATTRIBUTE_TEXT => match call.args.as_slice() {
            [Expr::Column(map), Expr::Literal(key, _)] => {
                let level = match map.name.as_str() {
                    "attributes" => Level::Record,
                    "scope_attributes" => Level::Scope,
                    "resource_attributes" => Level::Resource,
                    _ => return Predicate::All,
                };
                text(key)
                    .map_or(Predicate::All, |key| Predicate::Attribute(level, key.to_owned(), test.clone()))
            }
            _ => Predicate::All,
        },
        _ => Predicate::All,
    }
}
