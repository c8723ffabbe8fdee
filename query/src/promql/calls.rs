//! Functions by name: what a call evaluates, and which of the files below does the work.

mod classic;
mod dates;
mod info;
mod over_time;
mod rate;
mod regression;
mod relabel;
mod round;

use super::ast::{Expr, Kind, Selector};
use super::column::{Cell, Column, Grid, Row, merged};
use super::error::Error;
use super::evaluate::Evaluator;
use super::histogram::Histogram;
use super::labels::{Labels, MatchOp, NAME};
use super::select::Take;

impl Evaluator<'_> {
    /// A call that gives a number per step.
    pub(super) fn scalar_call(&self, name: &str, args: &[Expr], grid: &Grid) -> Result<Vec<f64>, Error> {
        match (name, args.first()) {
            ("pi", _) => Ok(vec![std::f64::consts::PI; grid.count]),
            ("time", _) => Ok(times(grid)),
            ("scalar", Some(arg)) => {
                let rows = self.vector(arg, grid)?;
                let only = |step: usize| {
                    let mut floats = rows.iter().filter_map(|row| row.column.float(step));
                    floats.next().filter(|_| floats.next().is_none()).unwrap_or(f64::NAN)
                };
                Ok((0..grid.count).map(only).collect())
            }
            _ => Err(unknown(name)),
        }
    }

    /// A call that gives series. `start` is where it stands in the query.
    pub(super) fn call(
        &self,
        name: &'static str,
        args: &[Expr],
        start: usize,
        grid: &Grid,
    ) -> Result<Vec<Row>, Error> {
        if let Some(function) = round::function(name) {
            return self.mapped(&args[0], grid, function);
        }
        if let Some(function) = dates::function(name) {
            return match args.first() {
                Some(arg) => self.mapped(arg, grid, function),
                None => Ok(vec![Row::new(Labels::empty(), Column::full(times(grid)).map(function))]),
            };
        }
        if let Some(function) = of_histogram(name) {
            return self.histograms_mapped(&args[0], grid, function);
        }
        match name {
            "clamp" | "clamp_min" | "clamp_max" | "round" => self.rounded(name, args, grid),
            "vector" => Ok(vec![Row::new(Labels::empty(), Column::full(self.scalar(&args[0], grid)?))]),
            "timestamp" => self.timestamp(&args[0], grid),
            "absent" => {
                let rows = self.vector(&args[0], grid)?;
                let column = absence(grid, |step| rows.iter().any(|row| row.column.has(step)));
                Ok(vec![Row::new(absent_labels(&args[0]), column)])
            }
            "absent_over_time" => self.absent_over_time(&args[0], grid),
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => self.sorted(name, args, grid),
            "label_replace" => self.label_replace(args, grid),
            "label_join" => self.label_join(args, grid),
            "info" => self.info(args, start, grid),
            "histogram_quantile" | "histogram_fraction" => self.estimated(name, args, grid),
            _ => self.range_call(name, args, grid),
        }
    }

    /// Every number by a function; histograms go, and so do metrics' names.
    fn mapped(&self, arg: &Expr, grid: &Grid, function: fn(f64) -> f64) -> Result<Vec<Row>, Error> {
        let rows = self.vector(arg, grid)?;
        self.renamed(rows.into_iter().map(|row| Row { column: row.column.map(function), ..row }))
    }

    /// A number of every histogram; numbers go.
    fn histograms_mapped(
        &self,
        arg: &Expr,
        grid: &Grid,
        function: fn(&Histogram) -> f64,
    ) -> Result<Vec<Row>, Error> {
        let rows = self.vector(arg, grid)?;
        self.renamed(rows.into_iter().map(|row| {
            let mut column = Column::empty(grid.count);
            for step in 0..grid.count {
                if let Some(histogram) = row.column.histogram(step) {
                    column.set_float(step, function(histogram));
                }
            }
            Row { column, ..row }
        }))
    }

    /// Rows that have something, without metrics' names.
    fn renamed(&self, rows: impl Iterator<Item = Row>) -> Result<Vec<Row>, Error> {
        merged(rows.filter(|row| !row.column.is_empty()).map(|row| self.unnamed(row)).collect())
    }

    /// When samples are: of a selector those that it sees, else the time of the step.
    fn timestamp(&self, arg: &Expr, grid: &Grid) -> Result<Vec<Row>, Error> {
        if let Kind::Selector(selector) = &arg.bare().kind {
            return self.renamed(self.instants(selector, grid, Take::Time)?.into_iter());
        }
        let rows = self.vector(arg, grid)?;
        self.renamed(rows.into_iter().map(|row| {
            let mut column = Column::empty(grid.count);
            for step in (0..grid.count).filter(|step| row.column.has(*step)) {
                column.set_float(step, grid.time(step) as f64 / 1000.0);
            }
            Row { column, ..row }
        }))
    }

    fn absent_over_time(&self, arg: &Expr, grid: &Grid) -> Result<Vec<Row>, Error> {
        let ranges = self.ranges(arg, grid)?;
        let mut there = vec![false; grid.count];
        self.over(&ranges, grid, |_, step| {
            there[step] = true;
            None
        })?;
        Ok(vec![Row::new(absent_labels(arg), absence(grid, |step| there[step]))])
    }
}

/// The times of steps in seconds.
fn times(grid: &Grid) -> Vec<f64> {
    (0..grid.count).map(|step| grid.time(step) as f64 / 1000.0).collect()
}

/// 1 at the steps at which nothing is there.
fn absence(grid: &Grid, there: impl Fn(usize) -> bool) -> Column {
    let mut column = Column::empty(grid.count);
    for step in (0..grid.count).filter(|step| !there(*step)) {
        column.set(step, Cell::Float(1.0));
    }
    column
}

/// What would have been there: the labels that a selector asks for one value of, each once.
fn absent_labels(arg: &Expr) -> Labels {
    let (Kind::Selector(selector) | Kind::Range { selector, .. }) = &arg.bare().kind else {
        return Labels::empty();
    };
    let Selector { matchers, .. } = selector;
    let sure = matchers.iter().filter(|matcher| {
        let once = matchers.iter().filter(|other| other.name == matcher.name).count() == 1;
        matcher.name != NAME && matcher.op == MatchOp::Equal && once
    });
    Labels::new(sure.map(|matcher| (matcher.name.as_str(), matcher.value.as_str())))
}

/// The functions of single histograms.
fn of_histogram(name: &str) -> Option<fn(&Histogram) -> f64> {
    Some(match name {
        "histogram_count" => |histogram| histogram.count,
        "histogram_sum" => |histogram| histogram.sum,
        "histogram_avg" => Histogram::average,
        "histogram_stdvar" => Histogram::variance,
        "histogram_stddev" => |histogram| histogram.variance().sqrt(),
        _ => return None,
    })
}

fn unknown(name: &str) -> Error {
    Error::evaluation(format!("unknown function with name {name:?}"))
}

#[cfg(test)]
mod tests;
