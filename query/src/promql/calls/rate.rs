//! How fast something grows: `rate`, `increase`, `delta`, `irate`, `idelta`.
//!
//! Samples rarely stand at the ends of a window. What grew between the first and the last is extrapolated to the
//! window's ends where samples come close to them, by half the distance of samples elsewhere, and a counter of numbers
//! never to before it was 0.

use std::sync::Arc;

use super::super::column::{Cell, Row};
use super::super::evaluate::Evaluator;
use super::super::histogram::{Histogram, Mismatch, Reset};
use super::super::labels::{Labels, TYPE};
use super::super::notes::Remark;
use super::super::select::{Ranges, Window};

/// How much farther than usual the end of a window may be to be extrapolated to.
const NEAR: f64 = 1.1;
/// What names of counters end in.
const COUNTER_ENDINGS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

impl Evaluator<'_> {
    /// `rate`, `increase` and `delta`.
    pub(super) fn extrapolated(
        &self,
        name: &str,
        window: &Window<'_>,
        ranges: &Ranges,
        at: usize,
    ) -> Option<Cell> {
        let is_counter = name != "delta";
        if !window.values.is_empty() && !window.histograms.is_empty() {
            self.note(&Remark::MixedSamples(window.labels.clone()), at);
            return None;
        }
        let per = if name == "rate" { ranges.seconds() } else { 1.0 };
        if window.values.len() > 1 {
            let grown = growth(window.values, is_counter);
            let first = Some(window.values[0]).filter(|_| is_counter);
            return Some(Cell::Float(grown * (stretch(window, window.times, first, grown) / per)));
        }
        if window.histograms.len() < 2 {
            return None;
        }
        let grown = self.histogram_growth(window, is_counter, at)?;
        let factor = stretch(window, window.histogram_times, None, grown.count);
        Some(Cell::Histogram(grown.scaled(factor / per).into()))
    }

    /// What histograms grew by between the first and the last.
    fn histogram_growth(&self, window: &Window<'_>, is_counter: bool, at: usize) -> Option<Histogram> {
        let histograms = window.histograms;
        let last = histograms.last()?;
        let first = &histograms[0];
        let is_gauge = |histogram: &Histogram| histogram.reset == Reset::Gauge;
        if is_counter && (is_gauge(first) || is_gauge(last)) {
            self.note(&Remark::NotCounter(window.labels.clone()), at);
        }
        if !is_counter && (!is_gauge(first) || !is_gauge(last)) {
            self.note(&Remark::NotGauge(window.labels.clone()), at);
        }
        // Where the counter began anew right after the first histogram, nothing of that one counts.
        let anew = is_counter && histograms[1].began_anew(first);
        let first = if anew { Arc::new(Histogram::like(&histograms[1])) } else { Arc::clone(first) };
        let others = histograms[1..].iter();
        if !is_counter {
            let last = (**last).clone().coarsened(first.schema);
            return self.compatible(last.minus(&first), window.labels, at);
        }
        for histogram in std::iter::once(last).chain(others.clone()) {
            if histogram.is_custom() != first.is_custom() {
                self.note(&Remark::MixedSchemas(window.labels.clone()), at);
                return None;
            }
            if is_gauge(histogram) {
                self.note(&Remark::NotCounter(window.labels.clone()), at);
            }
        }
        // The coarsest of all is that of the result.
        let schema = others.clone().map(|histogram| histogram.schema).fold(first.schema, i32::min);
        let mut grown = (**last).clone().coarsened(schema).minus(&first);
        let pairs = std::iter::once(&first).chain(others.clone()).zip(others).skip(usize::from(anew));
        for (before, _) in pairs.filter(|(before, now)| now.began_anew(before)) {
            grown = grown.and_then(|grown| grown.plus(before));
        }
        self.compatible(grown, window.labels, at)
    }

    /// A difference of histograms, which is a gauge; or a remark that they do not go together.
    fn compatible(
        &self,
        grown: Result<Histogram, Mismatch>,
        labels: &Labels,
        at: usize,
    ) -> Option<Histogram> {
        match grown {
            Ok(grown) => Some(Histogram { reset: Reset::Gauge, ..grown }.compacted()),
            Err(mismatch) => {
                self.note_mismatch(mismatch, labels, at);
                None
            }
        }
    }

    /// `irate` and `idelta`: of the last two samples.
    pub(super) fn instant_rate(&self, name: &str, window: &Window<'_>, at: usize) -> Option<Cell> {
        let is_rate = name == "irate";
        let floats = window.times.iter().zip(window.values).rev().take(2);
        let floats = floats.map(|(time, value)| (*time, Cell::Float(*value)));
        let histograms = window.histogram_times.iter().zip(window.histograms).rev().take(2);
        let histograms = histograms.map(|(time, histogram)| (*time, Cell::Histogram(Arc::clone(histogram))));
        let mut newest: Vec<(i64, Cell)> = floats.chain(histograms).collect();
        newest.sort_by_key(|(time, _)| -time);
        let [(time, last), (before_time, before)] = newest.get(..2)? else { return None };
        let seconds = (time - before_time) as f64 / 1000.0;
        let per = if is_rate { seconds } else { 1.0 };
        match (before, last) {
            (Cell::Float(before), Cell::Float(last)) => {
                let grown = if is_rate && last < before { *last } else { last - before };
                Some(Cell::Float(grown / per))
            }
            (Cell::Histogram(before), Cell::Histogram(last)) => {
                let grown = self.histogram_step(before, last, is_rate, window.labels, at)?;
                Some(Cell::Histogram(grown.scaled(1.0 / per).into()))
            }
            _ => {
                self.note(&Remark::MixedSamples(window.labels.clone()), at);
                None
            }
        }
    }

    /// What a histogram grew by since the one before.
    fn histogram_step(
        &self,
        before: &Histogram,
        last: &Histogram,
        is_rate: bool,
        labels: &Labels,
        at: usize,
    ) -> Option<Histogram> {
        let gauges = [before, last].map(|histogram| histogram.reset == Reset::Gauge);
        if is_rate && gauges.contains(&true) {
            self.note(&Remark::NotCounter(labels.clone()), at);
        }
        if !is_rate && gauges.contains(&false) {
            self.note(&Remark::NotGauge(labels.clone()), at);
        }
        if is_rate && last.began_anew(before) {
            return Some(Histogram { reset: Reset::Gauge, ..last.clone() }.compacted());
        }
        self.compatible(last.minus(before), labels, at)
    }

    /// Remarks which metrics are taken as counters and do not look like any.
    pub(super) fn note_names(&self, name: &str, rows: &[Row], at: usize) {
        for row in rows.iter().filter(|row| name != "delta" && row.column.present.contains(&true)) {
            let labels = &row.labels;
            if labels.name().is_empty() {
                continue;
            }
            if self.query.options.type_and_unit_labels {
                if !matches!(labels.get(TYPE), "counter" | "histogram") {
                    self.note(&Remark::MaybeNoCounterType(labels.clone()), at);
                }
            } else if !COUNTER_ENDINGS.iter().any(|ending| labels.name().ends_with(ending)) {
                self.note(&Remark::MaybeNoCounter(labels.clone()), at);
            }
        }
    }
}

/// What numbers grew by between the first and the last. A counter that is lower than before began anew at 0.
fn growth(values: &[f64], is_counter: bool) -> f64 {
    let mut grown = values[values.len() - 1] - values[0];
    if is_counter {
        for pair in values.windows(2).filter(|pair| pair[1] < pair[0]) {
            grown += pair[0];
        }
    }
    grown
}

/// By which factor growth between the first and the last sample is to be stretched to cover its window. `first` is what
/// a counter began with.
fn stretch(window: &Window<'_>, times: &[i64], first: Option<f64>, grown: f64) -> f64 {
    let seconds = |from: i64, to: i64| (to - from) as f64 / 1000.0;
    let (first_time, last_time) = (times[0], times[times.len() - 1]);
    let covered = seconds(first_time, last_time);
    let between = covered / (times.len() - 1) as f64;
    let near = |distance: f64| if distance >= between * NEAR { between / 2.0 } else { distance };
    let mut before = near(seconds(window.start, first_time));
    if let Some(first) = first.filter(|first| grown > 0.0 && *first >= 0.0) {
        let since_zero = covered * (first / grown);
        before = before.min(since_zero);
    }
    let after = near(seconds(last_time, window.end));
    (covered + before + after) / covered
}
