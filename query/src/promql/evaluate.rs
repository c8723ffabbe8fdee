//! The walk over a tree, from its leaves up: every node gives its columns over all steps at once.

use std::cell::RefCell;

use super::answer::{Answer, Value};
use super::ast::{Expr, Kind, ValueType};
use super::column::{Column, Grid, Row, merged};
use super::error::Error;
use super::labels::{Labels, NAME, TYPE, UNIT};
use super::notes::{Notes, Remark};
use super::plan::Query;
use super::select::Take;
use super::series::Source;

impl Query {
    /// Answers the query over what was loaded. `cancelled` is asked now and then whether to end early.
    pub fn evaluate(&self, source: &dyn Source, cancelled: &dyn Fn() -> bool) -> Result<Answer, Error> {
        let samples: usize = (0..self.selections().len())
            .flat_map(|number| source.series(number))
            .map(|one| one.times.len())
            .sum();
        if samples as u64 > self.limits.samples_max {
            return Err(Error::Limit { name: "samples_max", most: self.limits.samples_max });
        }
        let evaluator = Evaluator { query: self, source, cancelled, notes: RefCell::default() };
        let value = evaluator.value()?;
        let (warnings, infos) = evaluator.notes.into_inner().finish(&self.text);
        Ok(Answer { value, warnings, infos })
    }
}

pub(super) struct Evaluator<'a> {
    pub(super) query: &'a Query,
    pub(super) source: &'a dyn Source,
    cancelled: &'a dyn Fn() -> bool,
    notes: RefCell<Notes>,
}

impl Evaluator<'_> {
    fn value(&self) -> Result<Value, Error> {
        let (expr, grid) = (&self.query.expr, &self.query.grid);
        match (expr.value_type(), &expr.bare().kind) {
            (ValueType::Matrix | ValueType::Text, _) if !self.query.is_instant => {
                let found = expr.value_type().name();
                Err(Error::evaluation(format!(
                    "invalid expression type {found:?} for range query, must be Scalar or instant Vector"
                )))
            }
            (ValueType::Text, Kind::Text { value, .. }) => Ok(Value::text(value, grid)),
            (ValueType::Text, _) => Err(Error::evaluation("a text was expected")),
            (ValueType::Scalar, _) => {
                Ok(Value::scalar(self.scalar(expr, grid)?, grid, self.query.is_instant))
            }
            (ValueType::Matrix, _) => {
                let ranges = self.ranges(expr, grid)?;
                Value::matrix(&ranges, |each| self.over(&ranges, grid, each).map(drop))
            }
            (ValueType::Vector, _) => {
                let rows = self.finished(self.vector(expr, grid)?)?;
                if rows.len() as u64 > self.query.limits.series_max {
                    return Err(Error::Limit { name: "series_max", most: self.query.limits.series_max });
                }
                Ok(Value::vector(rows, grid, self.query.is_instant))
            }
        }
    }

    /// Takes the names that were to go late, and brings together what has the same labels then.
    fn finished(&self, mut rows: Vec<Row>) -> Result<Vec<Row>, Error> {
        for row in rows.iter_mut().filter(|row| row.nameless) {
            row.labels = self.bare_labels(&row.labels);
        }
        rows.retain(|row| !row.column.is_empty());
        merged(rows)
    }

    /// A number per step.
    pub(super) fn scalar(&self, expr: &Expr, grid: &Grid) -> Result<Vec<f64>, Error> {
        self.pause()?;
        match &expr.kind {
            Kind::Number(number) => Ok(vec![*number; grid.count]),
            Kind::Paren(inner) => self.scalar(inner, grid),
            Kind::Negate(inner) => {
                let mut values = self.scalar(inner, grid)?;
                values.iter_mut().for_each(|value| *value = -*value);
                Ok(values)
            }
            Kind::Binary(binary) => self.scalars(binary, grid),
            Kind::Call { function, args } => self.scalar_call(function.name, args, grid),
            _ => Err(Error::evaluation("a scalar was expected")),
        }
    }

    /// The text of an argument, and whether all of it is UTF-8.
    pub(super) fn text<'e>(&self, expr: &'e Expr) -> (&'e str, bool) {
        match &expr.bare().kind {
            Kind::Text { value, utf8 } => (value, *utf8),
            _ => ("", true),
        }
    }

    /// Series with at most one sample per step.
    pub(super) fn vector(&self, expr: &Expr, grid: &Grid) -> Result<Vec<Row>, Error> {
        self.pause()?;
        let rows = match &expr.kind {
            Kind::Selector(selector) => self.instants(selector, grid, Take::Value)?,
            Kind::Paren(inner) => self.vector(inner, grid)?,
            Kind::Negate(inner) => self.negated(self.vector(inner, grid)?)?,
            Kind::Binary(binary) => self.binary(binary, expr.start, grid)?,
            Kind::Aggregate(aggregate) => self.aggregate(aggregate, grid)?,
            Kind::Call { function, args } => self.call(function.name, args, expr.start, grid)?,
            _ => return Err(Error::evaluation("an instant vector was expected")),
        };
        self.check_points(rows.len(), grid)?;
        Ok(rows)
    }

    fn negated(&self, rows: Vec<Row>) -> Result<Vec<Row>, Error> {
        let negate = |row: Row| {
            let mut column = Column::empty(row.column.steps());
            for step in 0..row.column.steps() {
                if let Some(value) = row.column.float(step) {
                    column.set_float(step, -value);
                } else if let Some(histogram) = row.column.histogram(step) {
                    column.set_histogram(step, histogram.scaled(-1.0).into());
                }
            }
            self.unnamed(Row { column, ..row })
        };
        merged(rows.into_iter().map(negate).collect())
    }

    /// The labels without the metric's name and what belongs to it.
    pub(super) fn bare_labels(&self, labels: &Labels) -> Labels {
        let wide = self.query.options.type_and_unit_labels;
        labels.filter(|name| name != NAME && !(wide && (name == TYPE || name == UNIT)))
    }

    /// A row whose metric's name is gone, or marked to go.
    pub(super) fn unnamed(&self, mut row: Row) -> Row {
        match self.query.options.delayed_name_removal {
            true => row.nameless = true,
            false => row.labels = self.bare_labels(&row.labels),
        }
        row
    }

    /// Adds a warning or a remark about the part of the query that begins at a place.
    pub(super) fn note(&self, remark: &Remark, position: usize) {
        self.notes.borrow_mut().add(remark, position);
    }

    /// Ends early if the caller wants that.
    pub(super) fn pause(&self) -> Result<(), Error> {
        if (self.cancelled)() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Whether a node may give so many series.
    pub(super) fn check_points(&self, series: usize, grid: &Grid) -> Result<(), Error> {
        let most = self.query.limits.points_max;
        match (series as u64).saturating_mul(grid.count as u64) > most {
            true => Err(Error::Limit { name: "points_max", most }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
