//! What the evaluator is given: the samples of series, loaded by the caller.

use std::sync::Arc;

use arrow::buffer::ScalarBuffer;

use super::histogram::Histogram;
use super::labels::{Labels, Matcher};

/// The bits of the number that says: from here on the series has no value.
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The number that marks the end of a series.
pub fn stale() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// Whether a number is the mark of an end, which no other NaN is.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// Which samples a query needs: of the series that pass all matchers, those at `from_ms` to `to_ms`, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The conditions.
    pub matchers: Vec<Matcher>,
    /// The earliest time that counts.
    pub from_ms: i64,
    /// The latest time that counts.
    pub to_ms: i64,
}

/// One series.
///
/// Times are ascending, none is there twice, and there are as many values as times. A row that is a histogram is in
/// `histograms`, ordered by row; its value does not count, unless it is the mark of an end, which counts first.
#[derive(Debug, Clone)]
pub struct Series {
    /// What it is called.
    pub labels: Labels,
    /// When: milliseconds since 1970.
    pub times: ScalarBuffer<i64>,
    /// The numbers.
    pub values: ScalarBuffer<f64>,
    /// The native histograms and their rows.
    pub histograms: Vec<(u32, Arc<Histogram>)>,
}

impl Series {
    /// A series of numbers.
    pub fn floats(labels: Labels, times: Vec<i64>, values: Vec<f64>) -> Self {
        Self { labels, times: times.into(), values: values.into(), histograms: Vec::new() }
    }
}

/// Where the evaluator finds what was loaded.
///
/// The caller loads what [`super::Query::selections`] names before it evaluates. The series of a selection have
/// different labels. Samples outside its times are harmless; series that do not match are not.
pub trait Source {
    /// The series of the selection of a number, in any order; none if nothing matches.
    fn series(&self, selection: usize) -> &[Series];
}

impl Source for Vec<Vec<Series>> {
    fn series(&self, selection: usize) -> &[Series] {
        self.get(selection).map_or(&[], Vec::as_slice)
    }
}
