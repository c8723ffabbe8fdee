//! Aggregations that take one sample after the other: column by column, with a state per step.

use super::super::ast::Aggregation;
use super::super::column::{Column, Row};
use super::super::evaluate::Evaluator;
use super::super::histogram::Histogram;
use super::super::notes::Remark;
use super::super::numbers::{Mean, Sum, Variance};

/// What takes numbers and gives one.
trait Fold: Clone + Default {
    fn add(&mut self, value: f64);
    fn result(&self) -> f64;
}

impl Fold for Sum {
    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }

    fn result(&self) -> f64 {
        self.total()
    }
}

impl Fold for Mean {
    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }

    fn result(&self) -> f64 {
        self.mean()
    }
}

impl Fold for Variance {
    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }

    fn result(&self) -> f64 {
        self.variance()
    }
}

/// The least or the most; NaN only if there is nothing else.
#[derive(Clone, Default)]
struct Extreme<const MOST: bool>(Option<f64>);

impl<const MOST: bool> Fold for Extreme<MOST> {
    fn add(&mut self, value: f64) {
        let better = match self.0 {
            None => true,
            Some(found) => found.is_nan() || if MOST { value > found } else { value < found },
        };
        if better {
            self.0 = Some(value);
        }
    }

    fn result(&self) -> f64 {
        self.0.unwrap_or(f64::NAN)
    }
}

impl Evaluator<'_> {
    /// The rows of a group to one column. `at` is where what is aggregated stands in the query.
    pub(super) fn folded(&self, aggregation: Aggregation, rows: &[Row], at: usize, steps: usize) -> Column {
        let ignores_histograms = match aggregation {
            Aggregation::Count => return counted(rows, steps),
            Aggregation::Group => {
                let mut column = counted(rows, steps);
                column.values.fill(1.0);
                return column;
            }
            Aggregation::Sum | Aggregation::Avg => false,
            _ => true,
        };
        let column = match aggregation {
            Aggregation::Sum => folded::<Sum>(rows, steps),
            Aggregation::Avg => folded::<Mean>(rows, steps),
            Aggregation::Min => folded::<Extreme<false>>(rows, steps),
            Aggregation::Max => folded::<Extreme<true>>(rows, steps),
            Aggregation::Stddev => folded::<Variance>(rows, steps).map(f64::sqrt),
            _ => folded::<Variance>(rows, steps),
        };
        if !rows.iter().any(|row| row.column.has_histograms()) {
            return column;
        }
        if ignores_histograms {
            if (0..steps).any(|step| rows.iter().any(|row| row.column.histogram(step).is_some())) {
                self.note(&Remark::IgnoredInAggregation(aggregation.text()), at);
            }
            return column;
        }
        self.with_histograms(aggregation == Aggregation::Avg, rows, column, at)
    }

    /// The sums or means of numbers and those of histograms. Where a step has both, it has no result.
    fn with_histograms(&self, mean: bool, rows: &[Row], mut column: Column, at: usize) -> Column {
        let mut mixed = vec![false; column.steps()];
        for (step, mixed) in mixed.iter_mut().enumerate() {
            let mut rows = rows.iter().filter(|row| row.column.has(step)).peekable();
            // Once a number came first, there is no sum of histograms, and nothing in them that would not fit.
            let starts = rows.peek().and_then(|row| row.column.histogram(step));
            let mut sum = starts.map(|first| Ok(Histogram::like(first)));
            let mut count = 0.0;
            for row in rows {
                let Some(histogram) = row.column.histogram(step) else { continue };
                count += 1.0;
                if let Some(Ok(so_far)) = &sum {
                    let next = so_far.gathered(histogram, count, mean);
                    next.as_ref().err().inspect(|mismatch| self.note_mismatch(**mismatch, &row.labels, at));
                    sum = Some(next);
                }
            }
            *mixed = count > 0.0 && column.present[step];
            match sum {
                Some(Err(_)) => (),
                _ if *mixed => self.note(&Remark::MixedSamplesInAggregation, at),
                Some(Ok(sum)) => column.set_histogram(step, sum.compacted().into()),
                None => (),
            }
        }
        column.keep(|step| !mixed[step]);
        column
    }
}

/// How many samples there are at every step.
fn counted(rows: &[Row], steps: usize) -> Column {
    let mut column = Column::empty(steps);
    for row in rows {
        for step in (0..steps).filter(|step| row.column.has(*step)) {
            column.values[step] += 1.0;
            column.present[step] = true;
        }
    }
    column
}

fn folded<F: Fold>(rows: &[Row], steps: usize) -> Column {
    let mut states = vec![F::default(); steps];
    let mut column = Column::empty(steps);
    for row in rows {
        for (step, state) in states.iter_mut().enumerate() {
            if row.column.present[step] {
                state.add(row.column.values[step]);
                column.present[step] = true;
            }
        }
    }
    for (step, state) in states.iter().enumerate() {
        if column.present[step] {
            column.values[step] = state.result();
        }
    }
    column
}
