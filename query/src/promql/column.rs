//! What the nodes of a tree give: for every series a column over all steps.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::Error;
use super::histogram::Histogram;
use super::labels::Labels;

/// The steps of a query or subquery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) count: usize,
}

impl Grid {
    /// The time of a step.
    pub(super) fn time(&self, step: usize) -> i64 {
        self.start + self.step * step as i64
    }
}

/// What stands at a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Float(f64),
    Histogram(Arc<Histogram>),
}

/// One series over all steps. Where neither a number nor a histogram stands, there is no sample.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The numbers; those of steps without one are of no meaning.
    pub(super) values: Vec<f64>,
    /// Where a number stands.
    pub(super) present: Vec<bool>,
    /// The histograms; empty if there is none at any step.
    histograms: Vec<Option<Arc<Histogram>>>,
}

impl Column {
    /// Nothing at any step.
    pub(super) fn empty(steps: usize) -> Self {
        Self { values: vec![0.0; steps], present: vec![false; steps], histograms: Vec::new() }
    }

    /// A number at every step.
    pub(super) fn full(values: Vec<f64>) -> Self {
        Self { present: vec![true; values.len()], values, histograms: Vec::new() }
    }

    /// Numbers where they are present.
    pub(super) fn of_floats(values: Vec<f64>, present: Vec<bool>) -> Self {
        Self { values, present, histograms: Vec::new() }
    }

    pub(super) fn steps(&self) -> usize {
        self.values.len()
    }

    pub(super) fn float(&self, step: usize) -> Option<f64> {
        self.present[step].then(|| self.values[step])
    }

    pub(super) fn histogram(&self, step: usize) -> Option<&Arc<Histogram>> {
        self.histograms.get(step)?.as_ref()
    }

    pub(super) fn cell(&self, step: usize) -> Option<Cell> {
        match self.float(step) {
            Some(value) => Some(Cell::Float(value)),
            None => self.histogram(step).map(|histogram| Cell::Histogram(Arc::clone(histogram))),
        }
    }

    /// Whether there is a sample.
    pub(super) fn has(&self, step: usize) -> bool {
        self.present[step] || self.histogram(step).is_some()
    }

    pub(super) fn has_histograms(&self) -> bool {
        !self.histograms.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.present.contains(&true) && self.histograms.iter().all(Option::is_none)
    }

    pub(super) fn set(&mut self, step: usize, cell: Cell) {
        match cell {
            Cell::Float(value) => self.set_float(step, value),
            Cell::Histogram(histogram) => self.set_histogram(step, histogram),
        }
    }

    pub(super) fn set_float(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        self.present[step] = true;
    }

    pub(super) fn set_histogram(&mut self, step: usize, histogram: Arc<Histogram>) {
        if self.histograms.is_empty() {
            self.histograms = vec![None; self.values.len()];
        }
        self.histograms[step] = Some(histogram);
    }

    /// The same where a condition holds, nothing elsewhere.
    pub(super) fn keep(&mut self, keep: impl Fn(usize) -> bool) {
        for step in 0..self.steps() {
            if self.has(step) && !keep(step) {
                self.present[step] = false;
                self.values[step] = 0.0;
                if let Some(histogram) = self.histograms.get_mut(step) {
                    *histogram = None;
                }
            }
        }
    }

    /// Every number by a function; histograms go.
    pub(super) fn map(mut self, function: impl Fn(f64) -> f64) -> Self {
        for value in &mut self.values {
            *value = function(*value);
        }
        self.histograms = Vec::new();
        self
    }

    /// Adds the samples of another column where this one has none; false if both have one at a step.
    fn merge(&mut self, other: &Self) -> bool {
        for step in 0..other.steps() {
            let Some(cell) = other.cell(step) else { continue };
            if self.has(step) {
                return false;
            }
            self.set(step, cell);
        }
        true
    }
}

/// A series and its column.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) labels: Labels,
    /// Whether the metric's name is to go at the end, where names go late.
    pub(super) nameless: bool,
    pub(super) column: Column,
}

impl Row {
    pub(super) fn new(labels: Labels, column: Column) -> Self {
        Self { labels, nameless: false, column }
    }
}

/// The error of two samples with the same labels.
pub(super) fn same_labels() -> Error {
    Error::evaluation("vector cannot contain metrics with the same labelset")
}

/// Brings rows with the same labels together. It is an error if two of them have a sample at the same step.
pub(super) fn merged(rows: Vec<Row>) -> Result<Vec<Row>, Error> {
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(rows.len());
    let mut out: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match places.get(&row.labels) {
            None => {
                places.insert(row.labels.clone(), out.len());
                out.push(row);
            }
            Some(&place) if out[place].column.merge(&row.column) => (),
            Some(_) => return Err(same_labels()),
        }
    }
    Ok(out)
}
