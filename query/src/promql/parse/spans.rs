//! What stands behind an operand and says when it looks: `[5m]`, `[5m:1m]`, `offset 5m`, `@ 100`.
//!
//! With [`Options::duration_expressions`](super::super::Options) a duration may be calculated: `[2 * 5m]`,
//! `offset (1h / 2)`.

use super::super::ast::{At, Expr, Kind, Operator, Shift, ValueType};
use super::super::duration::{self, DURATION_MAX_MS};
use super::super::error::Error;
use super::super::lex;
use super::Parser;

impl Parser<'_> {
    /// The operand with all that stands behind it.
    pub(super) fn suffixes(&mut self, mut operand: Expr) -> Result<Expr, Error> {
        loop {
            operand = if self.is_sign("[") {
                self.brackets(operand)?
            } else if self.is_sign("@") {
                self.at(operand)?
            } else if self.word().as_deref() == Some("offset") {
                self.offset(operand)?
            } else {
                return Ok(operand);
            };
        }
    }

    fn brackets(&mut self, operand: Expr) -> Result<Expr, Error> {
        let start = operand.start;
        let open = self.next().start;
        let range_ms = self.length()?;
        if !self.take(":") {
            self.expect("]")?;
            let Kind::Selector(selector) = operand.kind else {
                return Err(self.error_at("ranges only allowed for vector selectors", open));
            };
            if selector.shift != Shift::default() {
                return Err(self.error_at("no offset or @ modifiers allowed before range", open));
            }
            return self.node(Kind::Range { selector, range_ms }, start);
        }
        let step_ms = if self.is_sign("]") { None } else { Some(self.length()?) };
        self.expect("]")?;
        if operand.value_type() != ValueType::Vector {
            let found = operand.value_type().name();
            let message = format!("subquery is only allowed on instant vector, got {found} instead");
            return Err(self.error_at(message, start));
        }
        let inner = Box::new(operand);
        self.node(Kind::Subquery { inner, range_ms, step_ms, shift: Shift::default() }, start)
    }

    /// A duration within brackets, which has to be positive.
    fn length(&mut self) -> Result<i64, Error> {
        let at = self.peek().start;
        let seconds = match self.options.duration_expressions {
            true => self.sum(0)?,
            false => self.plain_duration()?,
        };
        let ms = self.in_range(seconds, at)?;
        match ms > 0 {
            true => Ok(ms),
            false => Err(self.error_at("duration must be greater than 0", at)),
        }
    }

    fn offset(&mut self, operand: Expr) -> Result<Expr, Error> {
        self.at += 1;
        let at = self.peek().start;
        let sign = self.sign();
        let seconds = match self.options.duration_expressions && self.is_sign("(") {
            true => self.atom(0)?,
            false => self.plain_duration()?,
        };
        let offset_ms = self.in_range(sign * seconds, at)?;
        let message = "offset may not be set multiple times";
        self.shifted(operand, at, "offset", |shift| match shift.offset_ms.replace(offset_ms) {
            None => Ok(()),
            Some(_) => Err(message),
        })
    }

    fn at(&mut self, operand: Expr) -> Result<Expr, Error> {
        let start = self.next().start;
        let time = match self.word().as_deref() {
            Some(word @ ("start" | "end")) => {
                self.at += 1;
                self.expect("(")?;
                self.expect(")")?;
                if word == "start" { At::Start } else { At::End }
            }
            _ => At::Time(self.timestamp()?),
        };
        let message = "@ <timestamp> may not be set multiple times";
        self.shifted(operand, start, "@", |shift| match shift.at.replace(time) {
            None => Ok(()),
            Some(_) => Err(message),
        })
    }

    fn sign(&mut self) -> f64 {
        if self.take("-") {
            return -1.0;
        }
        self.take("+");
        1.0
    }

    fn timestamp(&mut self) -> Result<i64, Error> {
        let at = self.peek().start;
        let sign = self.sign();
        let seconds = self.plain_duration()?;
        duration::from_seconds(sign * seconds)
            .ok_or_else(|| self.error_at("timestamp out of bounds for @ modifier", at))
    }

    fn shifted(
        &self,
        mut operand: Expr,
        at: usize,
        name: &str,
        set: impl FnOnce(&mut Shift) -> Result<(), &'static str>,
    ) -> Result<Expr, Error> {
        let shift = match &mut operand.kind {
            Kind::Selector(selector) | Kind::Range { selector, .. } => &mut selector.shift,
            Kind::Subquery { shift, .. } => shift,
            _ => {
                let message = format!(
                    "{name} modifier must be preceded by an instant vector selector or range vector selector or \
                     a subquery"
                );
                return Err(self.error_at(message, at));
            }
        };
        set(shift).map_err(|message| self.error_at(message, at))?;
        self.node(operand.kind, operand.start)
    }

    fn in_range(&self, seconds: f64, at: usize) -> Result<i64, Error> {
        duration::from_seconds(seconds).ok_or_else(|| {
            self.error_at(format!("duration out of range: more than {DURATION_MAX_MS} ms, or no number"), at)
        })
    }

    /// A duration, or a number of seconds.
    fn plain_duration(&mut self) -> Result<f64, Error> {
        let seconds = match self.peek().kind {
            lex::Kind::Number(seconds) => seconds,
            lex::Kind::Duration(ms) => ms as f64 / 1000.0,
            _ => return Err(self.unexpected("a duration")),
        };
        self.at += 1;
        Ok(seconds)
    }

    /// A calculated duration in seconds, of operators that bind at least as tightly as given.
    fn sum(&mut self, strength: u8) -> Result<f64, Error> {
        let mut left = self.atom(strength)?;
        loop {
            let operator = match self.peek().kind {
                lex::Kind::Sign("+") => Operator::Add,
                lex::Kind::Sign("-") => Operator::Subtract,
                lex::Kind::Sign("*") => Operator::Multiply,
                lex::Kind::Sign("/") => Operator::Divide,
                lex::Kind::Sign("%") => Operator::Modulo,
                lex::Kind::Sign("^") => Operator::Power,
                _ => return Ok(left),
            };
            if operator.strength() < strength {
                return Ok(left);
            }
            let at = self.next().start;
            let right = self.sum(operator.strength() + u8::from(operator != Operator::Power))?;
            left = match operator {
                Operator::Divide if right == 0.0 => return Err(self.error_at("division by zero", at)),
                Operator::Modulo if right == 0.0 => return Err(self.error_at("modulo by zero", at)),
                Operator::Add => left + right,
                Operator::Subtract => left - right,
                Operator::Multiply => left * right,
                Operator::Divide => left / right,
                Operator::Modulo => left % right,
                _ => left.powf(right),
            };
        }
    }

    /// An operand of a calculated duration.
    fn atom(&mut self, strength: u8) -> Result<f64, Error> {
        self.depth += 1;
        if self.depth > super::DEPTH_MAX {
            return Err(Error::Limit { name: "depth_max", most: super::DEPTH_MAX as u64 });
        }
        let value = if self.take("-") {
            -self.sum(strength.max(Operator::Power.strength()))?
        } else if self.take("+") {
            self.sum(strength.max(Operator::Power.strength()))?
        } else if self.take("(") {
            let value = self.sum(0)?;
            self.expect(")")?;
            value
        } else {
            self.plain_duration()?
        };
        self.depth -= 1;
        Ok(value)
    }
}
