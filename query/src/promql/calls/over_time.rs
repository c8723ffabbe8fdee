//! Functions of windows: `sum_over_time` and its kin, `changes`, `resets`.

use std::sync::Arc;

use super::super::ast::Expr;
use super::super::column::{Cell, Grid, Row, same_labels};
use super::super::error::Error;
use super::super::evaluate::Evaluator;
use super::super::histogram::{Histogram, Mismatch};
use super::super::labels::Labels;
use super::super::notes::Remark;
use super::super::numbers::{Mean, Sum, Variance, quantile};
use super::super::select::Window;
use super::unknown;

impl Evaluator<'_> {
    /// A call of a function of windows.
    pub(super) fn range_call(
        &self,
        name: &'static str,
        args: &[Expr],
        grid: &Grid,
    ) -> Result<Vec<Row>, Error> {
        let (arg, params) = match name {
            "quantile_over_time" => (&args[1], &args[..1]),
            _ => (&args[0], &args[1..]),
        };
        let mut numbers = Vec::new();
        for param in params {
            numbers.push(self.scalar(param, grid)?);
        }
        let param = |number: usize, step: usize| numbers[number][step];
        let ranges = self.ranges(arg, grid)?;
        let at = arg.start;
        let rows = match name {
            "rate" | "increase" | "delta" => {
                let rows =
                    self.over(&ranges, grid, |window, _| self.extrapolated(name, window, &ranges, at))?;
                self.note_names(name, &rows, at);
                rows
            }
            "irate" | "idelta" => {
                self.over(&ranges, grid, |window, _| self.instant_rate(name, window, at))?
            }
            "deriv" => self.over(&ranges, grid, |window, _| self.deriv(window, at))?,
            "predict_linear" => {
                self.over(&ranges, grid, |window, step| self.predicted(window, param(0, step), at))?
            }
            "double_exponential_smoothing" => {
                super::regression::check_factors(&numbers)?;
                self.over(&ranges, grid, |window, step| {
                    self.smoothed(window, param(0, step), param(1, step), at)
                })?
            }
            "quantile_over_time" => self.over(&ranges, grid, |window, step| {
                let mut values = self.floats(window, at)?.to_vec();
                if !(0.0..=1.0).contains(&param(0, step)) {
                    self.note(&Remark::BadQuantile(param(0, step)), params[0].start);
                }
                Some(Cell::Float(quantile(param(0, step), &mut values)))
            })?,
            _ => {
                let function = function(name).ok_or_else(|| unknown(name))?;
                self.over(&ranges, grid, |window, _| function(self, window, at))?
            }
        };
        if name == "last_over_time" {
            return Ok(rows);
        }
        self.without_names(rows)
    }

    /// Rows without metrics' names. Two with the same labels are an error even if they are never there together.
    fn without_names(&self, rows: Vec<Row>) -> Result<Vec<Row>, Error> {
        let rows: Vec<Row> = rows.into_iter().map(|row| self.unnamed(row)).collect();
        if !self.query.options.delayed_name_removal {
            let mut seen = std::collections::HashSet::with_capacity(rows.len());
            if !rows.iter().all(|row| seen.insert(&row.labels)) {
                return Err(same_labels());
            }
        }
        Ok(rows)
    }

    /// The numbers of a window, if it has any; histograms beside them are passed over, which is remarked.
    pub(super) fn floats<'w>(&self, window: &Window<'w>, at: usize) -> Option<&'w [f64]> {
        if window.values.is_empty() {
            return None;
        }
        if !window.histograms.is_empty() {
            self.note(&Remark::IgnoredInRange(window.labels.clone()), at);
        }
        Some(window.values)
    }

    /// Remarks why two histograms of a series do not go together.
    pub(in super::super) fn note_mismatch(&self, mismatch: Mismatch, labels: &Labels, at: usize) {
        let remark = match mismatch {
            Mismatch::Schemas => Remark::MixedSchemas(labels.clone()),
            Mismatch::Bounds => Remark::OtherBounds(labels.clone()),
        };
        self.note(&remark, at);
    }

    /// A sum or a mean of numbers or of histograms, and not of both.
    fn summed(&self, window: &Window<'_>, at: usize, mean: bool) -> Option<Cell> {
        if window.histograms.is_empty() {
            return Some(Cell::Float(if mean { mean_of(window.values) } else { sum_of(window.values) }));
        }
        if !window.values.is_empty() {
            self.note(&Remark::MixedSamples(window.labels.clone()), at);
            return None;
        }
        let histograms: Vec<&Histogram> = window.histograms.iter().map(Arc::as_ref).collect();
        let total = |total: Result<Histogram, Mismatch>, (number, histogram): (usize, &&Histogram)| {
            total?.gathered(histogram, number as f64 + 1.0, mean)
        };
        match histograms.iter().enumerate().fold(Ok(Histogram::like(histograms[0])), total) {
            Ok(total) => Some(Cell::Histogram(total.compacted().into())),
            Err(mismatch) => {
                self.note_mismatch(mismatch, window.labels, at);
                None
            }
        }
    }

    fn of_floats(&self, window: &Window<'_>, at: usize, function: fn(&[f64]) -> f64) -> Option<Cell> {
        self.floats(window, at).map(|values| Cell::Float(function(values)))
    }

    /// When the best number was, the last of those that are as good.
    fn when_best(&self, window: &Window<'_>, at: usize, better: fn(f64, f64) -> bool) -> Option<Cell> {
        let values = self.floats(window, at)?;
        let mut best = 0;
        for (place, value) in values.iter().enumerate() {
            if values[best].is_nan() || better(*value, values[best]) {
                best = place;
            }
        }
        Some(Cell::Float(window.times[best] as f64 / 1000.0))
    }
}

/// What a function makes of a window.
type OfWindow = fn(&Evaluator<'_>, &Window<'_>, usize) -> Option<Cell>;

/// The functions that need nothing but the window.
fn function(name: &str) -> Option<OfWindow> {
    Some(match name {
        "sum_over_time" => |evaluator, window, at| evaluator.summed(window, at, false),
        "avg_over_time" => |evaluator, window, at| evaluator.summed(window, at, true),
        "count_over_time" => |_, window, _| {
            let count = window.values.len() + window.histograms.len();
            Some(Cell::Float(count as f64))
        },
        "last_over_time" => |_, window, _| window.last().map(|(_, cell)| cell),
        "present_over_time" => |_, _, _| Some(Cell::Float(1.0)),
        "min_over_time" => |evaluator, window, at| evaluator.of_floats(window, at, least),
        "max_over_time" => |evaluator, window, at| evaluator.of_floats(window, at, most),
        "stdvar_over_time" => |evaluator, window, at| evaluator.of_floats(window, at, variance),
        "stddev_over_time" => {
            |evaluator, window, at| evaluator.of_floats(window, at, |values| variance(values).sqrt())
        }
        "mad_over_time" => |evaluator, window, at| evaluator.of_floats(window, at, median_deviation),
        "ts_of_last_over_time" => {
            |_, window, _| window.last().map(|(time, _)| Cell::Float(time as f64 / 1000.0))
        }
        "ts_of_max_over_time" => {
            |evaluator, window, at| evaluator.when_best(window, at, |value, best| value >= best)
        }
        "ts_of_min_over_time" => {
            |evaluator, window, at| evaluator.when_best(window, at, |value, best| value <= best)
        }
        "changes" => |_, window, _| Some(pairs(window, changed)),
        "resets" => |_, window, _| Some(pairs(window, was_reset)),
        _ => return None,
    })
}

fn sum_of(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|value| sum.add(*value));
    sum.total()
}

fn mean_of(values: &[f64]) -> f64 {
    let mut mean = Mean::default();
    values.iter().for_each(|value| mean.add(*value));
    mean.mean()
}

fn variance(values: &[f64]) -> f64 {
    let mut variance = Variance::default();
    values.iter().for_each(|value| variance.add(*value));
    variance.variance()
}

/// The least, NaN only if there is nothing else.
fn least(values: &[f64]) -> f64 {
    values.iter().copied().reduce(f64::min).unwrap_or(f64::NAN)
}

/// The most, NaN only if there is nothing else.
fn most(values: &[f64]) -> f64 {
    values.iter().copied().reduce(f64::max).unwrap_or(f64::NAN)
}

fn median_deviation(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    let median = quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    quantile(0.5, &mut values)
}

/// In how many pairs of neighbours something holds.
fn pairs(window: &Window<'_>, holds: fn(&Cell, &Cell) -> bool) -> Cell {
    let mut count = 0.0;
    let mut before: Option<Cell> = None;
    for (_, cell) in window.cells() {
        if before.is_some_and(|before| holds(&before, &cell)) {
            count += 1.0;
        }
        before = Some(cell);
    }
    Cell::Float(count)
}

/// Whether a value differs from that before. NaN does not differ from itself.
fn changed(before: &Cell, now: &Cell) -> bool {
    match (before, now) {
        (Cell::Float(before), Cell::Float(now)) => before != now && !(before.is_nan() && now.is_nan()),
        (Cell::Histogram(before), Cell::Histogram(now)) => !before.is_same(now),
        _ => true,
    }
}

/// Whether a counter began anew, or is not the same kind of thing as before.
fn was_reset(before: &Cell, now: &Cell) -> bool {
    match (before, now) {
        (Cell::Float(before), Cell::Float(now)) => now < before,
        (Cell::Histogram(before), Cell::Histogram(now)) => now.began_anew(before),
        _ => true,
    }
}
