//! Calls of a service by time and duration: the cells of a latency heatmap.

use model::Sketch;
use serde::{Deserialize, Serialize};

/// The most bands of duration.
const BANDS_MAX: usize = 48;
/// Bands in a doubling of the duration, where there are few enough.
const BANDS_PER_DOUBLING: f64 = 2.0;

/// Calls by time and duration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    /// Where the bands of duration begin, in nanoseconds, and where the last one ends; empty without calls.
    pub bounds_ns: Vec<f64>,
    /// For each point of the series the calls of each band.
    pub counts: Vec<Vec<f64>>,
}

impl Heat {
    /// The cells of one sketch a stretch of time.
    pub(super) fn of(stretches: &[&Sketch]) -> Self {
        let all = || stretches.iter().flat_map(|sketch| sketch.buckets()).map(|(nanos, _)| fine(nanos));
        let (Some(low), Some(high)) = (all().min(), all().max()) else { return Self::default() };
        // So many fine bands are one.
        let width = (high - low + 1).div_ceil(BANDS_MAX);
        let bands = (high - low) / width + 1;
        let bound = |band: usize| match (low + band * width) as f64 / BANDS_PER_DOUBLING {
            exponent if exponent > 0.0 => exponent.exp2(),
            _ => 0.0,
        };
        let counts = stretches.iter().map(|sketch| {
            let mut counts = vec![0.0; bands];
            sketch.buckets().for_each(|(nanos, weight)| counts[(fine(nanos) - low) / width] += weight);
            counts
        });
        Self { bounds_ns: (0..=bands).map(bound).collect(), counts: counts.collect() }
    }
}

/// The number of a fine band.
fn fine(nanos: f64) -> usize {
    (nanos.max(1.0).log2() * BANDS_PER_DOUBLING).floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(durations: &[i64]) -> Sketch {
        let mut sketch = Sketch::default();
        durations.iter().for_each(|duration| sketch.add(*duration, 1.0));
        sketch
    }

    #[test]
    fn every_call_is_in_a_cell_between_its_bounds() {
        let (one, two, none) = (sketch(&[1_000, 1_050, 9_000_000]), sketch(&[0, 1_000]), sketch(&[]));
        let heat = Heat::of(&[&one, &two, &none]);
        assert_eq!(
            heat.counts.iter().map(|counts| counts.iter().sum::<f64>()).collect::<Vec<_>>(),
            [3.0, 2.0, 0.0]
        );
        let bands = heat.bounds_ns.len() - 1;
        assert!(bands <= BANDS_MAX && heat.counts.iter().all(|counts| counts.len() == bands), "{bands}");
        assert!(heat.bounds_ns.is_sorted_by(|a, b| a < b), "{:?}", heat.bounds_ns);
        assert!(heat.bounds_ns[0] == 0.0 && heat.bounds_ns[bands] > 9_000_000.0);
        let band = heat.bounds_ns.iter().rposition(|bound| *bound <= 1_000.0).unwrap();
        assert!(heat.counts[0][band] >= 1.0 && heat.counts[1][band] >= 1.0, "{:?}", heat.counts);
    }

    #[test]
    fn any_durations_have_few_bands() {
        for durations in [&[0, i64::MAX][..], &[5], &[1, 2, 4, 8]] {
            let heat = Heat::of(&[&sketch(durations)]);
            assert!((2..=BANDS_MAX + 1).contains(&heat.bounds_ns.len()), "{durations:?}");
        }
        assert_eq!(Heat::of(&[&sketch(&[])]), Heat::default());
    }
}
