//! Loads the samples that a selector sees.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use model::TimeRange;
use storage::{Part, StoreError};

use super::super::work::{Memory, Work};
use super::METRIC_SERIES_MAX;
use super::described::{Described, Shape};
use super::known::{OF_SAMPLES, Place, Places, Seen, Sorted};
use super::rows::{Rows, columns, nanoseconds};
use super::track::Track;
use super::wanted::{Facet, Split, wishes};
use crate::columns::Columns;
use crate::error::QueryError;
use crate::promql::{Error, Labels, Matcher, Selection, Series};

/// How far apart the samples of `target_info` are at most: it has them where its resource has rows.
const TARGET_EVERY_MS: i64 = 60_000;
/// Bytes of a sample in memory.
const SAMPLE_BYTES: usize = 16;
/// Bytes of a series in memory, beside its samples.
const SERIES_BYTES: usize = 512;
/// After so many rows it is looked whether limits are kept.
const CHECK_ROWS: usize = 256;
/// A histogram takes as much as so many samples, beside its buckets.
const HISTOGRAM_SAMPLES: u64 = 12;

/// The samples of one selector.
pub(super) struct Loader {
    from_ms: i64,
    to_ms: i64,
    samples_max: u64,
    /// How many were read, those before it for the same question among them.
    pub(super) samples: u64,
    tracks: Vec<Track>,
    by_labels: HashMap<Labels, usize>,
    /// By the number of the series.
    targets: Vec<Vec<Target>>,
    /// By the number of the series: whether rows before the first time count, too.
    deltas: Vec<bool>,
    shapes: Vec<Shape>,
    /// When the resource of a `target_info` had rows, by its track.
    stretches: HashMap<usize, Vec<(i64, i64)>>,
    /// Conditions on the label of buckets and on that of quantiles.
    of_samples: [Arc<[Matcher]>; 2],
    /// Bytes that are reserved.
    held: usize,
}

/// Where the samples of a row go.
enum Target {
    Value(usize),
    Count(usize),
    Sum(usize),
    Split(Facet, Split),
    /// The series that tells of the resource.
    Info(usize),
}

impl Loader {
    /// A loader for what a selector sees.
    /// Of `samples_max` samples so many were read before.
    pub(super) fn new(
        seen: &Seen<'_>,
        selection: &Selection,
        (samples, samples_max): (u64, u64),
    ) -> Result<Self, QueryError> {
        let matchers = &selection.matchers;
        let on = |label: &str| matchers.iter().filter(|matcher| matcher.name == label).cloned().collect();
        let mut loader = Self {
            from_ms: selection.from_ms,
            to_ms: selection.to_ms,
            samples_max,
            samples,
            tracks: Vec::new(),
            by_labels: HashMap::new(),
            targets: Vec::new(),
            deltas: vec![false; seen.series()],
            shapes: Vec::new(),
            stretches: HashMap::new(),
            of_samples: OF_SAMPLES.map(on),
            held: 0,
        };
        loader.targets.resize_with(seen.series(), Vec::new);
        let there = seen.there(selection.from_ms, selection.to_ms);
        for (number, series) in seen.candidates(matchers) {
            // Of what holds what is new the rows before count, too.
            if there[number as usize] || series.metric.is_delta {
                loader.want(number as usize, &series, matchers)?;
            }
        }
        Ok(loader)
    }

    /// The range of the rows that it reads.
    pub(super) fn range(&self) -> TimeRange {
        let has_delta = self.deltas.contains(&true);
        let from = (!has_delta).then(|| model::UnixNanos(nanoseconds(self.from_ms)));
        TimeRange { from, to: Some(model::UnixNanos(nanoseconds(self.to_ms.saturating_add(1)))) }
    }

    fn want(&mut self, number: usize, series: &Described, matchers: &[Matcher]) -> Result<(), QueryError> {
        for wish in wishes(series, matchers) {
            let target = match (wish.facet.label(), wish.facet) {
                (Some(label), facet) => {
                    let of_label = usize::from(label == OF_SAMPLES[1]);
                    let matchers = Arc::clone(&self.of_samples[of_label]);
                    Target::Split(facet, Split::new(wish, label, matchers, series.metric.is_delta))
                }
                (None, Facet::Count) => Target::Count(self.track(wish.labels, series)?),
                (None, Facet::Sum) => Target::Sum(self.track(wish.labels, series)?),
                (None, _) => Target::Value(self.track(wish.labels, series)?),
            };
            self.targets[number].push(target);
            self.deltas[number] = series.metric.is_delta;
            if !self.shapes.contains(&series.metric.shape) {
                self.shapes.push(series.metric.shape);
            }
        }
        if let Some(info) = &series.target
            && matchers.iter().all(|matcher| matcher.matches(info.get(&matcher.name)))
        {
            let track = self.track_of(info.clone(), false)?;
            self.targets[number].push(Target::Info(track));
        }
        Ok(())
    }

    fn track(&mut self, labels: Labels, series: &Described) -> Result<usize, QueryError> {
        self.track_of(labels, series.metric.is_delta)
    }

    fn track_of(&mut self, labels: Labels, is_delta: bool) -> Result<usize, QueryError> {
        if let Some(found) = self.by_labels.get(&labels) {
            return Ok(*found);
        }
        if self.tracks.len() == METRIC_SERIES_MAX {
            return Err(Error::Limit { name: "series_max", most: METRIC_SERIES_MAX as u64 }.into());
        }
        self.tracks.push(Track::new(labels.clone(), is_delta));
        self.by_labels.insert(labels, self.tracks.len() - 1);
        Ok(self.tracks.len() - 1)
    }

    /// Reads everything that is wanted of the parts.
    pub(super) fn load(
        &mut self,
        seen: &Seen<'_>,
        work: &mut Work<'_>,
        memory: &mut Memory,
    ) -> Result<(), QueryError> {
        if self.targets.iter().all(Vec::is_empty) {
            return Ok(());
        }
        for (part, places) in &seen.parts {
            match &**places {
                Places::Sorted(places) => self.load_sorted(part, places, work, memory)?,
                Places::Mixed(series) => self.load_mixed(part, series, work, memory)?,
            }
        }
        self.inform();
        self.check(memory)
    }

    /// Whether what was read is within the limits.
    fn check(&mut self, memory: &mut Memory) -> Result<(), QueryError> {
        if self.samples > self.samples_max {
            return Err(Error::Limit { name: "samples_max", most: self.samples_max }.into());
        }
        let used = self.samples as usize * SAMPLE_BYTES + self.tracks.len() * SERIES_BYTES;
        memory.hold(used.saturating_sub(self.held))?;
        self.held = self.held.max(used);
        Ok(())
    }

    /// The first time that counts for a series.
    fn begin_ms(&self, series: usize) -> i64 {
        if self.deltas[series] { i64::MIN } else { self.from_ms }
    }

    fn load_sorted(
        &mut self,
        part: &Part<'_>,
        places: &Sorted,
        work: &mut Work<'_>,
        memory: &mut Memory,
    ) -> Result<(), QueryError> {
        let mut chosen: Vec<Place> = Vec::new();
        for place in places.iter() {
            // Series that others added since are not of this question.
            let Some(targets) = self.targets.get(place.series as usize) else { continue };
            let from = self.begin_ms(place.series as usize);
            if targets.is_empty() || place.from_ms > self.to_ms || place.to_ms < from {
                continue;
            }
            if targets.iter().any(|target| !matches!(target, Target::Info(_))) {
                chosen.push(place.clone());
            }
            let informed = targets.iter().filter_map(|target| match target {
                Target::Info(track) => Some(*track),
                _ => None,
            });
            for track in informed {
                extend(self.stretches.entry(track).or_default(), place.from_ms, place.to_ms);
            }
        }
        let ranges = joined(&chosen);
        if ranges.is_empty() {
            return Ok(());
        }
        let mut rows = chosen.iter().flat_map(|place| std::iter::repeat_n(place.series, place.rows.len()));
        self.read(part, Some(&ranges), &mut |_| rows.next(), work, memory)
    }

    fn load_mixed(
        &mut self,
        part: &Part<'_>,
        series: &[u32],
        work: &mut Work<'_>,
        memory: &mut Memory,
    ) -> Result<(), QueryError> {
        let is_wanted = |series: &u32| self.targets.get(*series as usize).is_some_and(|of| !of.is_empty());
        if !series.iter().any(is_wanted) {
            return Ok(());
        }
        self.read(part, None, &mut |row| series.get(row).copied(), work, memory)
    }

    /// Reads rows of a part. `series` gives the series of the row that comes next, by its number among those read.
    fn read(
        &mut self,
        part: &Part<'_>,
        ranges: Option<&[Range<u32>]>,
        series: &mut dyn FnMut(usize) -> Option<u32>,
        work: &mut Work<'_>,
        memory: &mut Memory,
    ) -> Result<(), QueryError> {
        let columns = columns(&self.shapes);
        let mut at = 0;
        let mut failed = None;
        let whole = part.read(&columns, ranges, &mut work.cost, work.control, &mut |batch| {
            if failed.is_none()
                && let Err(error) = self.add(batch, &mut at, series, memory)
            {
                failed = Some(error);
                return Err(StoreError::Cancelled);
            }
            Ok(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        match whole? {
            true => Ok(()),
            false => Err(QueryError::Timeout("the time limit passed while samples were read".to_owned())),
        }
    }

    fn add(
        &mut self,
        batch: &RecordBatch,
        at: &mut usize,
        series: &mut dyn FnMut(usize) -> Option<u32>,
        memory: &mut Memory,
    ) -> Result<(), QueryError> {
        let rows = Rows::new(Columns(batch));
        for row in 0..batch.num_rows() {
            let number = series(*at);
            *at += 1;
            let Some(number) = number.map(|number| number as usize) else { continue };
            if self.targets.get(number).is_none_or(Vec::is_empty) {
                continue;
            }
            let time = rows.time_ms(row);
            if time <= self.to_ms && time >= self.begin_ms(number) {
                self.push(number, &rows, row, time)?;
            }
            if row % CHECK_ROWS == 0 {
                self.check(memory)?;
            }
        }
        self.check(memory)
    }

    /// Adds the samples of a row.
    fn push(&mut self, number: usize, rows: &Rows<'_>, row: usize, time: i64) -> Result<(), QueryError> {
        let mut targets = std::mem::take(&mut self.targets[number]);
        let is_stale = rows.is_stale(row);
        for target in &mut targets {
            self.samples += 1;
            match target {
                Target::Info(track) => extend(self.stretches.entry(*track).or_default(), time, time),
                Target::Value(track) | Target::Count(track) | Target::Sum(track) if is_stale => {
                    self.tracks[*track].end(time);
                }
                Target::Value(track) => match rows.number(row) {
                    Some(number) => self.tracks[*track].push(time, number),
                    None if rows.is_native(row) => {
                        let buckets = self.tracks[*track].push_histogram(time, rows.native(row));
                        self.samples += buckets + HISTOGRAM_SAMPLES;
                    }
                    // It holds exemplars alone.
                    None => {}
                },
                Target::Count(track) => self.tracks[*track].push(time, rows.count(row)),
                Target::Sum(track) => {
                    if let Some(sum) = rows.sum(row) {
                        self.tracks[*track].push(time, sum);
                    }
                }
                Target::Split(_, split) if is_stale => {
                    split.found.values().flatten().for_each(|track| self.tracks[*track].end(time));
                }
                Target::Split(facet, split) => {
                    let numbers = if *facet == Facet::Buckets { rows.upto(row) } else { rows.quantiles(row) };
                    self.samples += numbers.len() as u64;
                    self.push_split(split, &numbers, time)?;
                }
            }
        }
        self.targets[number] = targets;
        Ok(())
    }

    fn push_split(&mut self, split: &mut Split, numbers: &[(f64, f64)], time: i64) -> Result<(), QueryError> {
        for (bound, value) in numbers {
            let track = match split.found.get(&bound.to_bits()) {
                Some(track) => *track,
                None => {
                    let track = match split.labels_of(*bound) {
                        Some(labels) => Some(self.track_of(labels, split.is_delta)?),
                        None => None,
                    };
                    split.found.insert(bound.to_bits(), track);
                    track
                }
            };
            if let Some(track) = track {
                self.tracks[track].push(time, *value);
            }
        }
        Ok(())
    }

    /// Adds samples of `target_info` where resources had rows.
    fn inform(&mut self) {
        for (track, mut stretches) in std::mem::take(&mut self.stretches) {
            stretches.sort_unstable();
            let mut last = i64::MIN;
            for (from, to) in stretches {
                let (from, to) = (from.max(self.from_ms).max(last.saturating_add(1)), to.min(self.to_ms));
                if from > to {
                    continue;
                }
                for time in (from..to).step_by(TARGET_EVERY_MS as usize).chain([to]) {
                    self.tracks[track].push(time, 1.0);
                    self.samples += 1;
                }
                last = to;
            }
        }
    }

    /// The series, those without a sample left out.
    pub(super) fn finish(self) -> Vec<Series> {
        let (from, to) = (self.from_ms, self.to_ms);
        self.tracks.into_iter().filter_map(|track| track.finish(from, to)).collect()
    }
}

/// Adds a stretch of time to others; one that is close to the last becomes one with it.
fn extend(stretches: &mut Vec<(i64, i64)>, from: i64, to: i64) {
    match stretches.last_mut() {
        Some(last)
            if from <= last.1.saturating_add(TARGET_EVERY_MS)
                && to >= last.0.saturating_sub(TARGET_EVERY_MS) =>
        {
            *last = (last.0.min(from), last.1.max(to));
        }
        _ => stretches.push((from, to)),
    }
}

/// The rows of places as ranges as long as can be.
fn joined(places: &[Place]) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for place in places {
        let rows = place.rows.clone();
        match ranges.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => ranges.push(rows),
        }
    }
    ranges
}
