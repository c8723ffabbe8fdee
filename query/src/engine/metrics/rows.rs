//! Rows of metrics as samples.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array, Int64Array, TimestampNanosecondArray};
use arrow::datatypes::{Float64Type, Int64Type};

use super::described::Shape;
use crate::columns::{Columns, items};
use crate::promql::{CUSTOM, Counted, Histogram, Reset};

/// The finest schema of PromQL; what is finer is made so coarse.
const SCHEMA_MAX: i32 = 8;
const MILLISECOND: i64 = 1_000_000;
/// The flag of a row that says: nothing was recorded, the series has ended.
const NO_VALUE: i64 = 1;

/// The columns that samples are made from: of numbers, and of everything else besides.
const NUMBERS: [&str; 4] = ["series", "time", "value", "flags"];
const CLASSIC: [&str; 4] = ["count", "sum", "bounds", "bucket_counts"];
const NATIVE: [&str; 14] = [
    "count",
    "sum",
    "bounds",
    "scale",
    "zero_count",
    "zero_threshold",
    "positive_offset",
    "positive_counts",
    "negative_offset",
    "negative_counts",
    "reset_hint",
    "count_float",
    "zero_count_float",
    "positive_counts_float",
];
const SUMMARY: [&str; 3] = ["count", "sum", "quantiles"];

/// A stored time as PromQL has it.
pub(super) fn milliseconds(time: i64) -> i64 {
    time.div_euclid(MILLISECOND)
}

/// A time of PromQL as it is stored.
pub(super) fn nanoseconds(time_ms: i64) -> i64 {
    time_ms.saturating_mul(MILLISECOND)
}

/// The columns that rows of these shapes are read with.
pub(super) fn columns(shapes: &[Shape]) -> Vec<&'static str> {
    let mut columns = NUMBERS.to_vec();
    for shape in shapes {
        match shape {
            Shape::Number => {}
            Shape::Classic => columns.extend(CLASSIC),
            Shape::Native => columns.extend(NATIVE.iter().chain(&["negative_counts_float"])),
            Shape::Summary => columns.extend(SUMMARY),
        }
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Rows with these columns.
pub(super) struct Rows<'a> {
    columns: Columns<'a>,
    times: Option<&'a TimestampNanosecondArray>,
    values: Option<&'a Float64Array>,
    flags: Option<&'a Int64Array>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(columns: Columns<'a>) -> Self {
        let (times, values, flags) = (columns.times("time"), columns.doubles("value"), columns.ints("flags"));
        Self { columns, times, values, flags }
    }

    /// When.
    pub(super) fn time_ms(&self, row: usize) -> i64 {
        self.times.map_or(0, |times| milliseconds(times.value(row)))
    }

    /// Whether the series has ended there.
    pub(super) fn is_stale(&self, row: usize) -> bool {
        self.flags.is_some_and(|flags| flags.value(row) & NO_VALUE != 0)
    }

    /// The number of a row.
    pub(super) fn number(&self, row: usize) -> Option<f64> {
        self.values.filter(|values| values.is_valid(row)).map(|values| values.value(row))
    }

    fn double(&self, name: &str, row: usize) -> Option<f64> {
        let doubles = self.columns.doubles(name)?;
        doubles.is_valid(row).then(|| doubles.value(row))
    }

    fn int(&self, name: &str, row: usize) -> i64 {
        self.columns.int(name, row).unwrap_or(0)
    }

    /// How many a histogram or summary counted.
    pub(super) fn count(&self, row: usize) -> f64 {
        self.int("count", row) as f64
    }

    /// The sum of what it counted, if that is known.
    pub(super) fn sum(&self, row: usize) -> Option<f64> {
        self.double("sum", row)
    }

    /// The bounds of a histogram and how many were at most so large; the last bound is infinite.
    pub(super) fn upto(&self, row: usize) -> Vec<(f64, f64)> {
        let bounds = self.columns.numbers::<Float64Type>("bounds", row);
        let counts = self.columns.numbers::<Int64Type>("bucket_counts", row);
        let bounds = bounds.iter().flat_map(|bounds| bounds.values()).copied();
        let counts = counts.iter().flat_map(|counts| counts.values()).copied();
        let mut below = 0.0;
        let mut upto: Vec<(f64, f64)> = bounds
            .zip(counts)
            .map(|(bound, count)| {
                below += count as f64;
                (bound, below)
            })
            .collect();
        // A bound that is infinite already is the last bucket.
        upto.retain(|(bound, _)| *bound < f64::INFINITY);
        upto.push((f64::INFINITY, self.count(row)));
        upto
    }

    /// The quantiles of a summary and their values.
    pub(super) fn quantiles(&self, row: usize) -> Vec<(f64, f64)> {
        let Some(items) = items(self.columns.lists("quantiles"), row) else { return Vec::new() };
        let column = |name: &str| items.column_by_name(name)?.as_primitive_opt::<Float64Type>().cloned();
        match (column("quantile"), column("value")) {
            (Some(shares), Some(values)) => {
                shares.values().iter().copied().zip(values.values().iter().copied()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a row is a native histogram.
    pub(super) fn is_native(&self, row: usize) -> bool {
        self.columns.int("scale", row).is_some()
    }

    /// The native histogram of a row.
    pub(super) fn native(&self, row: usize) -> Histogram {
        let schema = i32::try_from(self.int("scale", row)).unwrap_or(0);
        let is_custom = schema == CUSTOM;
        let bounds = self.columns.numbers::<Float64Type>("bounds", row);
        let bounds = bounds.map_or_else(Vec::new, |bounds| bounds.values().to_vec());
        let side = |name: &str| self.side(name, row, !is_custom);
        let reset = match self.columns.text("reset_hint", row) {
            Some("yes") => Reset::Yes,
            Some("no") => Reset::No,
            Some("gauge") => Reset::Gauge,
            _ => Reset::Unknown,
        };
        let histogram = Histogram {
            schema,
            count: self.double("count_float", row).unwrap_or_else(|| self.int("count", row) as f64),
            sum: self.double("sum", row).unwrap_or(0.0),
            // What is no width counts as none.
            zero_threshold: self.double("zero_threshold", row).filter(|width| *width > 0.0).unwrap_or(0.0),
            zero_count: self
                .double("zero_count_float", row)
                .unwrap_or_else(|| self.int("zero_count", row) as f64),
            positive: side("positive"),
            negative: side("negative"),
            bounds: if is_custom { Arc::from(bounds) } else { Arc::default() },
            reset,
        };
        if schema > SCHEMA_MAX { histogram.coarsened(SCHEMA_MAX) } else { histogram }
    }

    /// The buckets on one side by their numbers in PromQL, which name a bucket by its upper bound and not, as OTLP
    /// does, by its lower one.
    fn side(&self, side: &str, row: usize, by_upper: bool) -> Vec<Counted> {
        let first = self.int(&format!("{side}_offset"), row) + i64::from(by_upper);
        let floats = self.columns.numbers::<Float64Type>(&format!("{side}_counts_float"), row);
        let counts: Vec<f64> = match floats {
            Some(floats) => floats.values().to_vec(),
            None => {
                let counts = self.columns.numbers::<Int64Type>(&format!("{side}_counts"), row);
                counts.iter().flat_map(|counts| counts.values()).map(|count| *count as f64).collect()
            }
        };
        let numbered = (first..).zip(counts).filter(|(_, count)| *count != 0.0);
        numbered.filter_map(|(number, count)| Some((i32::try_from(number).ok()?, count))).collect()
    }
}
