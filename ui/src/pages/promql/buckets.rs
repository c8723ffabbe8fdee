//! Histograms over time as a heatmap: native histograms, and the cumulative buckets of a label `le`.

use std::collections::{BTreeMap, BTreeSet};

use query::promql::{Labels, Point, Points};

use crate::chart::heat::{COLUMNS_MAX, Cells, HeatChart};
use crate::chart::lines::{Mark, Steps};
use crate::format::{cut, quantity};

/// The label that holds the upper bound of a classic bucket.
const BOUND: &str = "le";
/// The most bands of a heatmap; buckets beside one another are taken together.
const BANDS_MAX: usize = 40;
/// How much of a query is said in a title, in characters.
const TITLE_CHARS_MAX: usize = 120;
const MS: i64 = 1_000_000;

/// A bucket at one step.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    place: usize,
    lower: f64,
    upper: f64,
    count: f64,
}

/// Who takes the buckets of an answer, one by one.
type Take<'a> = dyn FnMut(Bucket) + 'a;

/// A series and its upper bound.
type Bounded<'a> = (f64, &'a Points);

/// Whether an answer is one of histograms.
pub(super) fn are_histograms(series: &[Points]) -> bool {
    are_native(series) || bounds(series).is_some_and(|bounds| bounds.len() > 1)
}

fn are_native(series: &[Points]) -> bool {
    let first = series.iter().find_map(|one| one.points.first());
    matches!(first, Some((_, Point::Histogram(_))))
}

/// The bounds of series that are all buckets.
fn bounds(series: &[Points]) -> Option<BTreeSet<&str>> {
    series
        .iter()
        .map(|one| Some(one.labels.get(BOUND)).filter(|bound| bound.parse::<f64>().is_ok()))
        .collect()
}

/// Draws the histograms of an answer, all its series together.
pub(super) fn chart(query: &str, series: &[Points], steps: &Steps, marks: Vec<Mark>) -> Option<HeatChart> {
    let each = |take: &mut Take<'_>| match are_native(series) {
        true => native(series, steps, take),
        false => classic(series, steps, take),
    };
    let bounds = bands(each)?;
    let merged = steps.count().div_ceil(COLUMNS_MAX);
    let mut counts = vec![vec![0.0; bounds.len() - 1]; steps.count().div_ceil(merged)];
    each(&mut |bucket| {
        let band = bounds.partition_point(|bound| *bound < bucket.upper).saturating_sub(1);
        // What is drawn of several steps is their mean.
        counts[bucket.place / merged][band.min(bounds.len() - 2)] += bucket.count / merged as f64;
    });
    let end = steps.time_ms(steps.count()).saturating_mul(MS);
    let title = cut(query, TITLE_CHARS_MAX);
    HeatChart::of_cells(&Cells {
        label: format!(
            "Buckets of {title} over time, from {} to {}",
            text(bounds[0]),
            text(bounds[bounds.len() - 1])
        ),
        title,
        upwards: "higher",
        counts,
        column_ns: steps.step_ms.saturating_mul(merged as i64).saturating_mul(MS),
        ends: (steps.start_ms.saturating_mul(MS), end),
        bounds: &bounds,
        marks,
        bound_text: text,
        count_text: |count| quantity(count, "1"),
    })
}

/// The bounds of the bands, from the lowest to the highest; `None` where no bucket holds anything.
fn bands(each: impl Fn(&mut Take<'_>)) -> Option<Vec<f64>> {
    let mut bounds: Vec<f64> = Vec::new();
    let mut add = |bound: f64| {
        if let Err(place) = bounds.binary_search_by(|other| other.total_cmp(&bound)) {
            bounds.insert(place, bound);
        }
    };
    each(&mut |bucket| {
        add(bucket.lower);
        add(bucket.upper);
    });
    let together = bounds.len().saturating_sub(1).div_ceil(BANDS_MAX).max(1);
    let (lowest, rest) = bounds.split_first()?;
    let highest = rest.chunks(together).filter_map(|chunk| chunk.last().copied());
    Some([*lowest].into_iter().chain(highest).collect())
}

/// The buckets of native histograms.
fn native(series: &[Points], steps: &Steps, take: &mut Take<'_>) {
    for (time, point) in series.iter().flat_map(|one| &one.points) {
        let (Point::Histogram(histogram), Some(place)) = (point, steps.place(*time)) else { continue };
        for bucket in histogram.buckets().into_iter().filter(|bucket| bucket.count > 0.0) {
            take(Bucket { place, lower: bucket.lower, upper: bucket.upper, count: bucket.count });
        }
    }
}

/// The buckets of series with cumulative counts: what a bucket has more than the one below.
fn classic(series: &[Points], steps: &Steps, take: &mut Take<'_>) {
    let mut groups: BTreeMap<Vec<(&str, &str)>, Vec<Bounded<'_>>> = BTreeMap::new();
    for one in series {
        let Ok(bound) = one.labels.get(BOUND).parse::<f64>() else { continue };
        groups.entry(others(&one.labels)).or_default().push((bound, one));
    }
    for mut buckets in groups.into_values() {
        buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
        let mut below: Vec<f64> = vec![0.0; steps.count()];
        let mut lower = if buckets[0].0 > 0.0 { 0.0 } else { f64::NEG_INFINITY };
        for (upper, one) in buckets {
            for (time, point) in &one.points {
                let (Point::Float(value), Some(place)) = (point, steps.place(*time)) else { continue };
                let count = value - below[place];
                if count > 0.0 {
                    below[place] = *value;
                    take(Bucket { place, lower, upper, count });
                }
            }
            lower = upper;
        }
    }
}

/// The labels of a bucket's histogram.
fn others(labels: &Labels) -> Vec<(&str, &str)> {
    labels.iter().filter(|(name, _)| *name != BOUND).collect()
}

/// A bound as it is shown.
fn text(bound: f64) -> String {
    match bound {
        f64::INFINITY => "∞".to_owned(),
        f64::NEG_INFINITY => "−∞".to_owned(),
        bound => quantity(bound, "1"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use query::promql::Histogram;

    use super::*;

    const STEPS: Steps = Steps { start_ms: 0, end_ms: 1000, step_ms: 1000 };

    fn bucket(le: &str, values: [f64; 2]) -> Points {
        let points =
            values.into_iter().enumerate().map(|(place, value)| (place as i64 * 1000, Point::Float(value)));
        Points { labels: Labels::new([(BOUND, le), ("job", "cart")]), points: points.collect() }
    }

    #[test]
    fn classic_buckets_hold_what_those_below_do_not() {
        let series = [bucket("0.5", [1.0, 0.0]), bucket("+Inf", [4.0, 4.0]), bucket("1", [4.0, 4.0])];
        assert!(are_histograms(&series));
        let chart = chart("x_bucket", &series, &STEPS, Vec::new()).unwrap();
        assert_eq!(chart.edges, "0 0.5 1");
        assert_eq!(chart.highest, "4");
        assert_eq!(chart.shades[4], "M0.0 0.0h500.0v70.0h-500.0zM500.0 0.0h500.0v70.0h-500.0z");
        assert_eq!(chart.shades[2], "M0.0 70.0h500.0v70.0h-500.0z");
        assert!(!are_histograms(&[bucket("0.5", [1.0, 1.0])]));
        assert!(!are_histograms(&[bucket("x", [1.0, 1.0]), bucket("1", [1.0, 1.0])]));
        assert!(!are_histograms(&[]));
    }

    #[test]
    fn native_histograms_are_drawn_by_their_buckets() {
        let histogram =
            Histogram { schema: 0, count: 4.0, positive: vec![(0, 1.0), (1, 3.0)], ..Histogram::default() };
        let points = vec![(1000, Point::Histogram(Arc::new(histogram)))];
        let series = [Points { labels: Labels::empty(), points }];
        assert!(are_histograms(&series));
        let chart = chart("x", &series, &STEPS, Vec::new()).unwrap();
        assert_eq!(chart.edges, "0.5 1 2");
        assert_eq!(chart.shades[4], "M500.0 0.0h500.0v70.0h-500.0z");
    }

    #[test]
    fn many_buckets_are_taken_together() {
        let histogram = Histogram {
            schema: 3,
            positive: (0..300).map(|number| (number, 1.0)).collect(),
            ..Histogram::default()
        };
        let series =
            [Points { labels: Labels::empty(), points: vec![(0, Point::Histogram(Arc::new(histogram)))] }];
        let chart = chart("x", &series, &STEPS, Vec::new()).unwrap();
        assert!(chart.edges.split(' ').count() <= BANDS_MAX + 1);
        assert_eq!(chart.highest, "8");
    }
}
