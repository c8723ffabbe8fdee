//! PromQL as Prometheus 3.5 answers it, over series that the caller loads.
//!
//! A question walks down this list: its text becomes a tree ([`parse()`]), the tree at its times becomes a [`Query`],
//! which names the samples that it needs ([`Query::selections`]); the caller loads them and [`Query::evaluate`] runs
//! over what was loaded, without waiting for anything. Every node of the tree gives columns: for each series its value
//! at all steps. [`pretty`] lays a query out, and [`json`] writes answers as Prometheus' HTTP API does. Absent here: HTTP, storage, threads.
//!
//! Terms:
//! - *step*: a time at which the query is answered; an instant query has one.
//! - *window*: what a range selector sees at a step: open at its start, closed at its end.
//! - *note*: a warning or a remark that an answer should be read with.

mod error;
mod labels;
mod duration;
mod lex;
mod functions;
mod ast;
mod parse;
mod histogram;
mod series;
mod numbers;
mod notes;
mod column;
mod plan;
mod select;
mod binary;
mod aggregate;
mod calls;
mod evaluate;
mod answer;
mod selectors;
mod format;
pub mod json;

#[cfg(test)]
mod testing;

pub use answer::{Answer, Point, Points, Sample, Value};
pub use ast::{
    Aggregate, Aggregation, At, Binary, Expr, Grouping, Kind, Many, Operator, Selector, Shift, ValueType,
};
pub use duration::parse as parse_duration;
pub use error::Error;
pub use format::pretty;
pub use functions::{Extra, Function};
pub use histogram::{Bucket, CUSTOM, Counted, Histogram, Mismatch, Reset};
pub use labels::{Labels, MatchOp, Matcher, NAME};
pub use notes::Note;
pub use parse::{DEPTH_MAX, REGEXES_MAX, parse, parse_selector};
pub use plan::{Query, Times};
pub use series::{STALE_BITS, Selection, Series, Source, is_stale, stale};

/// The longest text of a query.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
/// How far back a selector looks for a sample by default.
pub const LOOKBACK_MS: i64 = 5 * 60 * 1000;
/// The step of subqueries that name none, by default.
pub const SUBQUERY_STEP_MS: i64 = 60 * 1000;

/// How queries are read and answered. The flags are those of Prometheus' features of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How far back a selector looks for a sample.
    pub lookback_ms: i64,
    /// The step of subqueries that name none.
    pub subquery_step_ms: i64,
    /// Whether functions and aggregations are allowed that may change.
    pub experimental_functions: bool,
    /// Whether durations may be calculated: `[2 * 5m]`.
    pub duration_expressions: bool,
    /// Whether metrics keep their names until the end, where those that lost them are brought together.
    pub delayed_name_removal: bool,
    /// Whether the labels `__type__` and `__unit__` belong to a metric's name and go with it.
    pub type_and_unit_labels: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lookback_ms: LOOKBACK_MS,
            subquery_step_ms: SUBQUERY_STEP_MS,
            experimental_functions: false,
            duration_expressions: false,
            delayed_name_removal: false,
            type_and_unit_labels: false,
        }
    }
}

/// A feature of the language, under Prometheus' name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Functions and aggregations that may change.
    ExperimentalFunctions,
    /// Durations that are calculated.
    DurationExpressions,
    /// Names of metrics that are kept until the end.
    DelayedNameRemoval,
    /// Types and units as labels.
    TypeAndUnitLabels,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::ExperimentalFunctions,
        Self::DurationExpressions,
        Self::DelayedNameRemoval,
        Self::TypeAndUnitLabels,
    ];

    /// What Prometheus calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExperimentalFunctions => "promql-experimental-functions",
            Self::DurationExpressions => "promql-duration-expr",
            Self::DelayedNameRemoval => "promql-delayed-name-removal",
            Self::TypeAndUnitLabels => "type-and-unit-labels",
        }
    }
}

impl Options {
    /// The same with a feature.
    #[must_use]
    pub fn with(mut self, feature: Feature) -> Self {
        match feature {
            Feature::ExperimentalFunctions => self.experimental_functions = true,
            Feature::DurationExpressions => self.duration_expressions = true,
            Feature::DelayedNameRemoval => self.delayed_name_removal = true,
            Feature::TypeAndUnitLabels => self.type_and_unit_labels = true,
        }
        self
    }

    /// Whether a feature is on.
    pub fn has(&self, feature: Feature) -> bool {
        match feature {
            Feature::ExperimentalFunctions => self.experimental_functions,
            Feature::DurationExpressions => self.duration_expressions,
            Feature::DelayedNameRemoval => self.delayed_name_removal,
            Feature::TypeAndUnitLabels => self.type_and_unit_labels,
        }
    }
}

/// What a query may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps of a range query.
    pub steps_max: u64,
    /// Samples read from series.
    pub samples_max: u64,
    /// Series of an answer.
    pub series_max: u64,
    /// What one node of the tree gives: its series by the steps.
    pub points_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps_max: 11_000, samples_max: 50_000_000, series_max: 100_000, points_max: 50_000_000 }
    }
}
