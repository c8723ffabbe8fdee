//! The samples of one series as they are gathered from parts.

use std::sync::Arc;

use crate::promql::{Histogram, Labels, Series, is_stale, stale};

/// Samples in the order in which their rows arrived.
pub(super) struct Track {
    labels: Labels,
    /// Whether a sample holds what is new since the one before: then the answer is the running total.
    is_delta: bool,
    /// Whether times ascend so far.
    is_sorted: bool,
    times: Vec<i64>,
    values: Vec<f64>,
    histograms: Vec<(u32, Arc<Histogram>)>,
}

impl Track {
    pub(super) fn new(labels: Labels, is_delta: bool) -> Self {
        let (times, values, histograms) = (Vec::new(), Vec::new(), Vec::new());
        Self { labels, is_delta, is_sorted: true, times, values, histograms }
    }

    /// Adds a number.
    pub(super) fn push(&mut self, time: i64, value: f64) {
        self.is_sorted &= self.times.last().is_none_or(|last| *last < time);
        self.times.push(time);
        self.values.push(value);
    }

    /// Adds the mark of an end.
    pub(super) fn end(&mut self, time: i64) {
        self.push(time, stale());
    }

    /// Adds a histogram. Gives how many numbers it has.
    pub(super) fn push_histogram(&mut self, time: i64, histogram: Histogram) -> u64 {
        let numbers = histogram.positive.len() + histogram.negative.len();
        self.histograms.push((self.times.len() as u32, Arc::new(histogram)));
        self.push(time, 0.0);
        numbers as u64
    }

    /// The series between two times, both included; `None` without a sample.
    pub(super) fn finish(mut self, from_ms: i64, to_ms: i64) -> Option<Series> {
        if !self.is_sorted {
            self.sort();
        }
        if self.is_delta {
            self.add_up();
        }
        let first = self.times.partition_point(|time| *time < from_ms);
        let last = self.times.partition_point(|time| *time <= to_ms);
        if first >= last {
            return None;
        }
        if (first, last) != (0, self.times.len()) {
            self.times = self.times[first..last].to_vec();
            self.values = self.values[first..last].to_vec();
            self.histograms.retain(|(row, _)| (first..last).contains(&(*row as usize)));
            self.histograms.iter_mut().for_each(|(row, _)| *row -= first as u32);
        }
        let (times, values) = (self.times.into(), self.values.into());
        Some(Series { labels: self.labels, times, values, histograms: self.histograms })
    }

    /// Brings samples in the order of their times. Of two at one time the later arrival stays.
    fn sort(&mut self) {
        let mut order: Vec<u32> = (0..self.times.len() as u32).collect();
        order.sort_by_key(|row| self.times[*row as usize]);
        let mut kept: Vec<u32> = Vec::with_capacity(order.len());
        for row in order {
            match kept.last_mut() {
                Some(last) if self.times[*last as usize] == self.times[row as usize] => *last = row,
                _ => kept.push(row),
            }
        }
        let mut histograms = Vec::with_capacity(self.histograms.len());
        for (place, row) in kept.iter().enumerate() {
            if let Ok(found) = self.histograms.binary_search_by_key(row, |(row, _)| *row) {
                histograms.push((place as u32, Arc::clone(&self.histograms[found].1)));
            }
        }
        self.times = kept.iter().map(|row| self.times[*row as usize]).collect();
        self.values = kept.iter().map(|row| self.values[*row as usize]).collect();
        self.histograms = histograms;
    }

    /// Makes samples the sum of all so far.
    fn add_up(&mut self) {
        let mut total = 0.0;
        let mut whole: Option<Arc<Histogram>> = None;
        let mut histograms = self.histograms.iter_mut().peekable();
        for (row, value) in self.values.iter_mut().enumerate() {
            let histogram = histograms.next_if(|(place, _)| *place as usize == row);
            match histogram {
                Some((_, histogram)) => {
                    // Histograms that cannot be added begin anew.
                    let sum = whole.as_ref().and_then(|whole| whole.plus(histogram).ok());
                    *histogram = sum.map_or_else(|| Arc::clone(histogram), Arc::new);
                    whole = Some(Arc::clone(histogram));
                }
                None if is_stale(*value) => {}
                None => {
                    total += *value;
                    *value = total;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(samples: &[(i64, f64)], is_delta: bool, from: i64, to: i64) -> Vec<(i64, f64)> {
        let mut track = Track::new(Labels::empty(), is_delta);
        samples.iter().for_each(|(time, value)| track.push(*time, *value));
        let series = track.finish(from, to);
        series
            .iter()
            .flat_map(|series| series.times.iter().copied().zip(series.values.iter().copied()))
            .collect()
    }

    #[test]
    fn samples_are_in_order_and_of_two_at_a_time_the_later_counts() {
        let samples = [(30, 3.0), (10, 1.0), (20, 2.0), (10, 9.0), (40, 4.0)];
        assert_eq!(finished(&samples, false, 0, 100), [(10, 9.0), (20, 2.0), (30, 3.0), (40, 4.0)]);
        assert_eq!(finished(&samples, false, 20, 30), [(20, 2.0), (30, 3.0)]);
        assert_eq!(finished(&samples, false, 50, 60), []);
    }

    #[test]
    fn deltas_are_answered_as_their_running_total() {
        let samples = [(10, 1.0), (30, 4.0), (20, 2.0)];
        assert_eq!(finished(&samples, true, 20, 100), [(20, 3.0), (30, 7.0)]);
    }

    #[test]
    fn histograms_keep_their_place() {
        let mut track = Track::new(Labels::empty(), true);
        let of = |count: f64| Histogram { count, positive: vec![(1, count)], ..Histogram::default() };
        track.push_histogram(30, of(3.0));
        track.end(40);
        track.push_histogram(10, of(1.0));
        let series = track.finish(0, 100).unwrap();
        assert_eq!(series.times.to_vec(), [10, 30, 40]);
        assert!(is_stale(series.values[2]));
        let counts: Vec<(u32, f64)> = series.histograms.iter().map(|(row, of)| (*row, of.count)).collect();
        assert_eq!(counts, [(0, 1.0), (1, 4.0)]);
    }
}
