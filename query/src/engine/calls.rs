//! Calls, errors and durations, added up from rows of `red`.

use arrow::array::{AsArray, BinaryArray, Float64Array, RecordBatch};
use arrow::error::ArrowError;
use model::{Signal, Sketch, TimeRange};
use storage::{Snapshot, StoreError};

use crate::columns::Columns;

/// Calls with their errors and durations.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    pub(super) calls: f64,
    pub(super) errors: f64,
    pub(super) durations: Sketch,
}

impl Calls {
    /// Adds a row of `red`.
    pub(super) fn add(&mut self, sums: &Sums<'_>, row: usize) -> storage::Result<()> {
        self.calls += sums.calls.value(row);
        self.errors += sums.errors.value(row);
        let added = self.durations.merge_encoded(sums.durations.value(row));
        added.map_err(|error| StoreError::Arrow(ArrowError::ParseError(error.to_string())))
    }

    /// Adds others.
    pub(super) fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.durations.merge(&other.durations);
    }

    /// Errors per call.
    pub(super) fn error_ratio(&self) -> f64 {
        if self.calls > 0.0 { self.errors / self.calls } else { 0.0 }
    }

    /// A quantile of the durations in nanoseconds.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        self.durations.quantile(share)
    }
}

/// Calls of a service from outside, and the rest of its spans.
#[derive(Debug, Clone, Default)]
pub(super) struct Split {
    pub(super) entry: Calls,
    pub(super) rest: Calls,
}

impl Split {
    /// Adds a row of `red`.
    pub(super) fn add(&mut self, sums: &Sums<'_>, row: usize) -> storage::Result<()> {
        let calls = if sums.entry.value(row) { &mut self.entry } else { &mut self.rest };
        calls.add(sums, row)
    }

    /// Adds others.
    pub(super) fn merge(&mut self, other: &Self) {
        self.entry.merge(&other.entry);
        self.rest.merge(&other.rest);
    }

    /// Whether it was called from outside.
    pub(super) fn is_called(&self) -> bool {
        self.entry.calls > 0.0
    }

    /// Calls from outside, or all spans of a service without such.
    pub(super) fn of(self, called: bool) -> Calls {
        if called { self.entry } else { self.rest }
    }
}

/// The columns of `red` that are added up.
pub(super) const SUMS: [&str; 4] = ["calls", "errors", "duration", "entry"];

/// Those columns of a batch.
pub(super) struct Sums<'a> {
    calls: &'a Float64Array,
    errors: &'a Float64Array,
    durations: &'a BinaryArray,
    entry: &'a arrow::array::BooleanArray,
}

impl<'a> Sums<'a> {
    pub(super) fn of(rows: &'a RecordBatch) -> storage::Result<Self> {
        let lacking = || StoreError::Arrow(ArrowError::SchemaError("red lacks a column".to_owned()));
        let columns = Columns(rows);
        let durations = rows.column_by_name("duration").and_then(|column| column.as_binary_opt::<i32>());
        let entry = rows.column_by_name("entry").and_then(|column| column.as_boolean_opt());
        Ok(Self {
            calls: columns.doubles("calls").ok_or_else(lacking)?,
            errors: columns.doubles("errors").ok_or_else(lacking)?,
            durations: durations.ok_or_else(lacking)?,
            entry: entry.ok_or_else(lacking)?,
        })
    }
}

/// The range that is really answered for: whole minutes, and where an end is open, what is stored.
pub(super) fn covered(snapshot: &Snapshot, range: TimeRange) -> TimeRange {
    let extent = snapshot.extent(Signal::Spans).or_else(|| snapshot.extent(Signal::Red));
    let (extent, range) = (extent.unwrap_or_default(), range.whole_minutes());
    TimeRange { from: range.from.or(extent.from), to: range.to.or(extent.to) }
}

/// The seconds of a range; at least one.
pub(super) fn seconds(range: TimeRange) -> f64 {
    match (range.from, range.to) {
        (Some(from), Some(to)) => (to.since(from) as f64 / 1e9).max(1.0),
        _ => 1.0,
    }
}
