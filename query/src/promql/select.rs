//! Selectors: what they see at every step.

use std::sync::Arc;

use arrow::buffer::ScalarBuffer;

use super::ast::{Expr, Kind, Selector};
use super::column::{Cell, Column, Grid, Row};
use super::error::Error;
use super::evaluate::Evaluator;
use super::histogram::{Histogram, Reset};
use super::labels::Labels;
use super::plan::Look;
use super::series::{Series, is_stale};

/// What a step takes from the sample that it sees.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    Value,
    /// When the sample is, in seconds.
    Time,
}

impl Evaluator<'_> {
    /// For every series the newest sample at every step that is not too old, nothing where the series has ended.
    pub(super) fn instants(&self, selector: &Selector, grid: &Grid, take: Take) -> Result<Vec<Row>, Error> {
        let look = self.query.look(&selector.shift);
        let series = self.source.series(self.query.selection(selector.number));
        self.newest(series, look, grid, take)
    }

    pub(super) fn newest(
        &self,
        series: &[Series],
        look: Look,
        grid: &Grid,
        take: Take,
    ) -> Result<Vec<Row>, Error> {
        self.check_points(series.len(), grid)?;
        let mut rows = Vec::with_capacity(series.len());
        for series in series {
            self.pause()?;
            let column = self.newest_of(series, look, grid, take);
            if !column.is_empty() {
                rows.push(Row::new(series.labels.clone(), column));
            }
        }
        Ok(rows)
    }

    fn newest_of(&self, series: &Series, look: Look, grid: &Grid, take: Take) -> Column {
        let lookback = self.query.options.lookback_ms;
        let times = &series.times;
        let mut column = Column::empty(grid.count);
        let mut passed = times.partition_point(|time| *time <= look.time(grid, 0));
        for step in 0..grid.count {
            let time = look.time(grid, step);
            while passed < times.len() && times[passed] <= time {
                passed += 1;
            }
            let Some(newest) = passed.checked_sub(1) else { continue };
            if times[newest] <= time - lookback || is_stale(series.values[newest]) {
                continue;
            }
            match (take, histogram_at(series, newest)) {
                (Take::Time, _) => column.set_float(step, times[newest] as f64 / 1000.0),
                (Take::Value, Some(histogram)) => column.set_histogram(step, Arc::clone(histogram)),
                (Take::Value, None) => column.set_float(step, series.values[newest]),
            }
        }
        column
    }

    /// What a range selector or a subquery sees.
    pub(super) fn ranges(&self, expr: &Expr, grid: &Grid) -> Result<Ranges, Error> {
        match &expr.bare().kind {
            Kind::Range { selector, range_ms } => {
                let series = self.source.series(self.query.selection(selector.number));
                let tracks = series.iter().map(Track::of_series).collect();
                Ok(Ranges { tracks, look: self.query.look(&selector.shift), range_ms: *range_ms })
            }
            Kind::Subquery { inner, range_ms, step_ms, shift } => {
                let inner_grid = self.query.inner_grid(shift, *range_ms, *step_ms, grid)?;
                let rows = match inner_grid.count {
                    0 => Vec::new(),
                    _ => self.vector(inner, &inner_grid)?,
                };
                let tracks = rows.into_iter().map(|row| Track::of_row(row, &inner_grid)).collect();
                Ok(Ranges { tracks, look: self.query.look(shift), range_ms: *range_ms })
            }
            _ => Err(Error::evaluation("a range vector was expected")),
        }
    }

    /// A number or histogram for every window that holds a sample, of every series.
    pub(super) fn over(
        &self,
        ranges: &Ranges,
        grid: &Grid,
        mut function: impl FnMut(&Window<'_>, usize) -> Option<Cell>,
    ) -> Result<Vec<Row>, Error> {
        self.check_points(ranges.tracks.len(), grid)?;
        let mut rows = Vec::with_capacity(ranges.tracks.len());
        for track in &ranges.tracks {
            let mut column = Column::empty(grid.count);
            let mut slider = Slider::default();
            for step in 0..grid.count {
                if step % PAUSE_STEPS == 0 {
                    self.pause()?;
                }
                let window = slider.window(track, ranges, grid, step);
                if window.is_empty() {
                    continue;
                }
                if let Some(cell) = function(&window, step) {
                    column.set(step, cell);
                }
            }
            if !column.is_empty() {
                let nameless = track.nameless;
                rows.push(Row { labels: track.labels.clone(), nameless, column });
            }
        }
        Ok(rows)
    }
}

/// How many windows pass before the evaluator looks whether it should end.
const PAUSE_STEPS: usize = 64;

/// The histogram of a row, if it is one.
fn histogram_at(series: &Series, row: usize) -> Option<&Arc<Histogram>> {
    if series.histograms.is_empty() {
        return None;
    }
    let found = series.histograms.binary_search_by_key(&(row as u32), |(row, _)| *row).ok()?;
    Some(&series.histograms[found].1)
}

/// The series that windows move over.
pub(super) struct Ranges {
    pub(super) tracks: Vec<Track>,
    look: Look,
    range_ms: i64,
}

impl Ranges {
    /// How long a window is.
    pub(super) fn seconds(&self) -> f64 {
        self.range_ms as f64 / 1000.0
    }
}

/// The samples of one series without marks of ends, numbers and histograms apart.
pub(super) struct Track {
    pub(super) labels: Labels,
    nameless: bool,
    times: ScalarBuffer<i64>,
    values: ScalarBuffer<f64>,
    histogram_times: Vec<i64>,
    histograms: Vec<Arc<Histogram>>,
}

impl Track {
    fn of_series(series: &Series) -> Self {
        let mut track = Self {
            labels: series.labels.clone(),
            nameless: false,
            times: series.times.clone(),
            values: series.values.clone(),
            histogram_times: Vec::new(),
            histograms: Vec::new(),
        };
        // Where every row is a number, the columns are those of the caller.
        if series.histograms.is_empty() && !series.values.iter().any(|value| is_stale(*value)) {
            return track;
        }
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let mut histograms = series.histograms.iter().peekable();
        for (row, (time, value)) in series.times.iter().zip(series.values.iter()).enumerate() {
            let histogram = histograms.next_if(|(place, _)| *place as usize == row);
            if is_stale(*value) {
                continue;
            }
            match histogram {
                None => {
                    times.push(*time);
                    values.push(*value);
                }
                Some((_, histogram)) => {
                    track.histogram_times.push(*time);
                    track.histograms.push(Arc::clone(histogram));
                }
            }
        }
        (track.times, track.values) = (times.into(), values.into());
        track
    }

    fn of_row(row: Row, grid: &Grid) -> Self {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let (mut histogram_times, mut histograms) = (Vec::new(), Vec::new());
        for step in 0..row.column.steps() {
            match row.column.cell(step) {
                None => (),
                Some(Cell::Float(value)) => {
                    times.push(grid.time(step));
                    values.push(value);
                }
                Some(Cell::Histogram(histogram)) => {
                    histogram_times.push(grid.time(step));
                    histograms.push(unhinted(histogram));
                }
            }
        }
        let (times, values) = (times.into(), values.into());
        Self { labels: row.labels, nameless: row.nameless, times, values, histogram_times, histograms }
    }
}

/// A histogram that says nothing of those before it: a subquery sees some more than once, and others not at all.
fn unhinted(histogram: Arc<Histogram>) -> Arc<Histogram> {
    match histogram.reset {
        Reset::Unknown | Reset::Gauge => histogram,
        Reset::Yes | Reset::No => Arc::new(Histogram { reset: Reset::Unknown, ..(*histogram).clone() }),
    }
}

/// What is seen of one series at one step.
pub(super) struct Window<'a> {
    pub(super) labels: &'a Labels,
    pub(super) times: &'a [i64],
    pub(super) values: &'a [f64],
    pub(super) histogram_times: &'a [i64],
    pub(super) histograms: &'a [Arc<Histogram>],
    /// Where the window begins, in milliseconds.
    pub(super) start: i64,
    /// Where it ends.
    pub(super) end: i64,
    /// The time of the step.
    pub(super) now: i64,
}

impl Window<'_> {
    fn is_empty(&self) -> bool {
        self.times.is_empty() && self.histogram_times.is_empty()
    }

    /// All samples in order of time.
    pub(super) fn cells(&self) -> impl Iterator<Item = (i64, Cell)> {
        let (mut float, mut histogram) = (0, 0);
        std::iter::from_fn(move || {
            let next_float = self.times.get(float).copied().unwrap_or(i64::MAX);
            let next_histogram = self.histogram_times.get(histogram).copied().unwrap_or(i64::MAX);
            if float == self.times.len() && histogram == self.histograms.len() {
                return None;
            }
            if next_float <= next_histogram {
                float += 1;
                return Some((next_float, Cell::Float(self.values[float - 1])));
            }
            histogram += 1;
            Some((next_histogram, Cell::Histogram(Arc::clone(&self.histograms[histogram - 1]))))
        })
    }

    /// The newest sample.
    pub(super) fn last(&self) -> Option<(i64, Cell)> {
        let float = self.times.last().map(|time| (*time, self.values[self.values.len() - 1]));
        let histogram = self.histogram_times.last().zip(self.histograms.last());
        match (float, histogram) {
            (Some((time, _)), Some((other, histogram))) if *other > time => {
                Some((*other, Cell::Histogram(Arc::clone(histogram))))
            }
            (Some((time, value)), _) => Some((time, Cell::Float(value))),
            (None, Some((time, histogram))) => Some((*time, Cell::Histogram(Arc::clone(histogram)))),
            (None, None) => None,
        }
    }
}

/// Moves a window along a series: its ends only ever go forward.
#[derive(Default)]
struct Slider {
    floats: (usize, usize),
    histograms: (usize, usize),
}

impl Slider {
    fn window<'a>(&mut self, track: &'a Track, ranges: &Ranges, grid: &Grid, step: usize) -> Window<'a> {
        let end = ranges.look.time(grid, step);
        let start = end - ranges.range_ms;
        slide(&mut self.floats, &track.times, start, end);
        slide(&mut self.histograms, &track.histogram_times, start, end);
        let (floats, histograms) = (self.floats.0..self.floats.1, self.histograms.0..self.histograms.1);
        Window {
            labels: &track.labels,
            times: &track.times[floats.clone()],
            values: &track.values[floats],
            histogram_times: &track.histogram_times[histograms.clone()],
            histograms: &track.histograms[histograms],
            start,
            end,
            now: grid.time(step),
        }
    }
}

/// Moves both ends to what is after `start` and up to `end`.
fn slide((from, to): &mut (usize, usize), times: &[i64], start: i64, end: i64) {
    *from += times[*from..].iter().take_while(|time| **time <= start).count();
    *to = (*to).max(*from);
    *to += times[*to..].iter().take_while(|time| **time <= end).count();
}

#[cfg(test)]
mod tests;
