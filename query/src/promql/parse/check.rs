//! What is well formed and yet no query: wrong types, wrong numbers of arguments, labels that contradict.

use super::super::ast::{Aggregation, Binary, Expr, Grouping, Kind, Many, ValueType};
use super::super::error::Error;
use super::super::functions::{Extra, Function};
use super::Parser;

impl Parser<'_> {
    /// `at` is where the operator stands.
    pub(super) fn check_binary(&self, binary: &Binary, at: usize) -> Result<(), Error> {
        let Binary { operator, left, right, .. } = binary;
        for side in [left, right] {
            if !matches!(side.value_type(), ValueType::Scalar | ValueType::Vector) {
                let message = "binary expression must contain only scalar and instant vector types";
                return Err(self.error_at(message, side.start));
            }
        }
        let scalars = [left, right].map(|side| side.value_type() == ValueType::Scalar);
        if binary.returns_bool && !operator.compares() {
            return Err(self.error_at("bool modifier can only be used on comparison operators", at));
        }
        if operator.compares() && scalars == [true; 2] && !binary.returns_bool {
            return Err(self.error_at("comparisons between scalars must use BOOL modifier", at));
        }
        if operator.is_set() && scalars.contains(&true) {
            let message =
                format!("set operator {:?} not allowed in binary scalar expression", operator.text());
            return Err(self.error_at(message, at));
        }
        if operator.is_set() && binary.many != Many::Neither {
            return Err(self.error_at(format!("no grouping allowed for {:?} operation", operator.text()), at));
        }
        let (Grouping::These(matched) | Grouping::AllBut(matched)) = &binary.matching;
        if scalars.contains(&true) && !matched.is_empty() {
            return Err(self.error_at("vector matching only allowed between instant vectors", at));
        }
        self.check_labels(binary, at)
    }

    /// A label of `on` is on both sides already.
    fn check_labels(&self, binary: &Binary, at: usize) -> Result<(), Error> {
        let (Grouping::These(on), Many::Left(included) | Many::Right(included)) =
            (&binary.matching, &binary.many)
        else {
            return Ok(());
        };
        match included.iter().find(|label| on.contains(label)) {
            None => Ok(()),
            Some(label) => {
                let message = format!("label {label:?} must not occur in ON and GROUP clause at once");
                Err(self.error_at(message, at))
            }
        }
    }

    /// What a sign may stand before.
    pub(super) fn check_sign(&self, inner: &Expr, at: usize) -> Result<(), Error> {
        match inner.value_type() {
            ValueType::Scalar | ValueType::Vector => Ok(()),
            other => Err(self.error_at(
                format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                    other.name()
                ),
                at,
            )),
        }
    }

    /// Whether every selector of a tree chooses: one without any condition that an empty label fails would take
    /// everything.
    pub(super) fn check_selectors(&self, expr: &Expr) -> Result<(), Error> {
        match &expr.kind {
            Kind::Number(_) | Kind::Text { .. } => Ok(()),
            Kind::Selector(selector) | Kind::Range { selector, .. } => {
                match selector.matchers.iter().all(|matcher| matcher.matches("")) {
                    true => Err(self
                        .error_at("vector selector must contain at least one non-empty matcher", expr.start)),
                    false => Ok(()),
                }
            }
            Kind::Subquery { inner, .. } | Kind::Paren(inner) | Kind::Negate(inner) => {
                self.check_selectors(inner)
            }
            Kind::Binary(binary) => {
                self.check_selectors(&binary.left)?;
                self.check_selectors(&binary.right)
            }
            Kind::Aggregate(aggregate) => self.check_selectors(&aggregate.inner),
            Kind::Call { function, args } => {
                // What `info` takes second is no selection but conditions on labels.
                let selecting = if function.name == "info" { 1 } else { args.len() };
                args.iter().take(selecting).try_for_each(|arg| self.check_selectors(arg))
            }
        }
    }

    fn check_type(&self, expr: &Expr, expected: ValueType, place: &str) -> Result<(), Error> {
        let found = expr.value_type();
        if found == expected {
            return Ok(());
        }
        let message = format!("expected type {} in {place}, got {}", expected.name(), found.name());
        Err(self.error_at(message, expr.start))
    }

    /// The parameter and what is aggregated. `at` is where the aggregation stands.
    pub(super) fn check_aggregate(
        &self,
        aggregation: Aggregation,
        mut args: Vec<Expr>,
        at: usize,
    ) -> Result<(Option<Expr>, Expr), Error> {
        let expected = 1 + usize::from(aggregation.param().is_some());
        let found = args.len();
        let Some(inner) = args.pop().filter(|_| found == expected) else {
            return Err(self.error_at(
                format!(
                    "wrong number of arguments for aggregate expression provided, expected {expected}, got {found}"
                ),
                at,
            ));
        };
        let param = args.pop();
        self.check_type(&inner, ValueType::Vector, "aggregation expression")?;
        if let (Some(expected), Some(param)) = (aggregation.param(), &param) {
            self.check_type(param, expected, "aggregation parameter")?;
        }
        Ok((param, inner))
    }

    /// Number and types of a call's arguments. `at` is where the function stands.
    pub(super) fn check_args(&self, function: &Function, args: &[Expr], at: usize) -> Result<(), Error> {
        let name = function.name;
        let most = function.args.len();
        let least = most - usize::from(function.extra != Extra::No);
        let message = match function.extra {
            Extra::No if args.len() != most => {
                Some(format!("expected {most} argument(s) in call to {name:?}, got {}", args.len()))
            }
            _ if args.len() < least => {
                Some(format!("expected at least {least} argument(s) in call to {name:?}, got {}", args.len()))
            }
            Extra::Optional if args.len() > most => {
                Some(format!("expected at most {most} argument(s) in call to {name:?}, got {}", args.len()))
            }
            _ => None,
        };
        if let Some(message) = message {
            return Err(self.error_at(message, at));
        }
        for (number, arg) in args.iter().enumerate() {
            self.check_type(arg, function.arg(number), &format!("call to function {name:?}"))?;
            if name == "info" && number == 1 && !matches!(arg.kind, Kind::Selector(_)) {
                return Err(self.error_at("expected label selectors only", arg.start));
            }
        }
        Ok(())
    }
}
