//! What a query gives.

use std::sync::Arc;

use super::column::{Cell, Grid, Row};
use super::error::Error;
use super::histogram::Histogram;
use super::labels::Labels;
use super::notes::Note;
use super::select::{Ranges, Window};

/// An answer, and what it should be read with.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer.
    pub value: Value,
    /// What is probably wrong.
    pub warnings: Vec<Note>,
    /// What may be wrong.
    pub infos: Vec<Note>,
}

/// The four forms of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Scalar {
        /// When, in milliseconds.
        time_ms: i64,
        /// The number.
        value: f64,
    },
    /// A text.
    String {
        /// When, in milliseconds.
        time_ms: i64,
        /// The text.
        value: String,
    },
    /// A sample per series, in the order of the query.
    Vector(Vec<Sample>),
    /// Samples per series, in order of their labels.
    Matrix(Vec<Points>),
}

/// A number or a histogram.
#[derive(Debug, Clone, PartialEq)]
pub enum Point {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// A series at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What it is called.
    pub labels: Labels,
    /// When, in milliseconds.
    pub time_ms: i64,
    /// Its value.
    pub point: Point,
}

/// A series at several times.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// What it is called.
    pub labels: Labels,
    /// Times in milliseconds and values, in order of time.
    pub points: Vec<(i64, Point)>,
}

impl From<Cell> for Point {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Float(value) => Self::Float(value),
            Cell::Histogram(histogram) => Self::Histogram(histogram),
        }
    }
}

impl Value {
    /// What the HTTP API calls the form.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scalar { .. } => "scalar",
            Self::String { .. } => "string",
            Self::Vector(_) => "vector",
            Self::Matrix(_) => "matrix",
        }
    }

    pub(super) fn text(value: &str, grid: &Grid) -> Self {
        Self::String { time_ms: grid.start, value: value.to_owned() }
    }

    /// A number per step: of a range query a series without labels.
    pub(super) fn scalar(values: Vec<f64>, grid: &Grid, is_instant: bool) -> Self {
        if let (true, Some(value)) = (is_instant, values.first()) {
            return Self::Scalar { time_ms: grid.start, value: *value };
        }
        let points = values.into_iter().enumerate();
        let points = points.map(|(step, value)| (grid.time(step), Point::Float(value))).collect();
        Self::Matrix(vec![Points { labels: Labels::empty(), points }])
    }

    pub(super) fn vector(rows: Vec<Row>, grid: &Grid, is_instant: bool) -> Self {
        if is_instant {
            let samples = rows.into_iter().filter_map(|row| {
                let point = row.column.cell(0)?.into();
                Some(Sample { labels: row.labels, time_ms: grid.start, point })
            });
            return Self::Vector(samples.collect());
        }
        let series = rows.into_iter().map(|row| {
            let point = |step| Some((grid.time(step), row.column.cell(step)?.into()));
            Points { points: (0..grid.count).filter_map(point).collect(), labels: row.labels }
        });
        Self::sorted(series.collect())
    }

    fn sorted(mut series: Vec<Points>) -> Self {
        series.sort_by(|left, right| left.labels.cmp(&right.labels));
        Self::Matrix(series)
    }

    /// All samples of the windows of the one step of an instant query.
    pub(super) fn matrix(
        ranges: &Ranges,
        over: impl FnOnce(&mut dyn FnMut(&Window<'_>, usize) -> Option<Cell>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut series = Vec::with_capacity(ranges.tracks.len());
        over(&mut |window, _| {
            let points = window.cells().map(|(time, cell)| (time, cell.into())).collect();
            series.push(Points { labels: window.labels.clone(), points });
            None
        })?;
        Ok(Self::sorted(series))
    }
}
