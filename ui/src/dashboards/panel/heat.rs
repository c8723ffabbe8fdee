//! How the buckets of histograms fill over time: native ones, or classic ones by their label `le`.

use query::promql::{Histogram, Point};

use super::Span;
use super::series::Found;
use crate::chart::heat::{WIDTH, shaded};
use crate::dashboards::model::Panel;
use crate::dashboards::units;
use crate::format::{Moment, count, quantity, svg_percent};

/// The most bands that are drawn; buckets beside one another are taken together.
const BANDS_MAX: usize = 48;
/// The most bounds that are told apart.
const BOUNDS_MAX: usize = 1_000;
/// The most bounds that are named at the side.
const NAMED_MAX: usize = 5;

/// A heatmap.
#[derive(Debug)]
pub(crate) struct Heat {
    /// The chart for those who do not see it.
    pub(crate) label: String,
    /// One path a shade, the lightest first.
    pub(crate) shades: Vec<String>,
    /// Bounds that are named: how far down, and the figure.
    pub(crate) bounds: Vec<(String, String)>,
    /// The most in a cell.
    pub(crate) highest: String,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// What lies below an upper bound in each step, and above the bound before it; in order of the bounds.
type Bands = Vec<(f64, Vec<f64>)>;

impl Heat {
    /// Draws series; `None` where they are no histograms.
    pub(super) fn new(
        panel: &Panel,
        all: &[Found<'_>],
        span: &Span,
        notes: &mut Vec<String>,
    ) -> Option<Self> {
        let mut bands = native(all, span);
        if bands.is_empty() {
            bands = classic(all, span);
        }
        if bands.len() == BOUNDS_MAX {
            let most = count(BOUNDS_MAX as u64);
            notes.push(format!("{most} bounds of buckets are told apart, and no more."));
        }
        let bands = merged(bands);
        if bands.is_empty() {
            return None;
        }
        let steps = span.count();
        let cells: Vec<Vec<f64>> =
            (0..steps).map(|step| bands.iter().map(|(_, counts)| counts[step].max(0.0)).collect()).collect();
        let (shades, most) = shaded(&cells, WIDTH / steps as f64);
        let highest = quantity(most, "1");
        let longest =
            bands.iter().map(|(bound, _)| *bound).rfind(|bound| bound.is_finite()).unwrap_or(f64::NAN);
        Some(Self {
            label: format!(
                "{}: how often which value was measured, up to {}, at most {highest} in a cell",
                panel.title,
                units::text(longest, &panel.unit)
            ),
            shades,
            bounds: named(&bands, &panel.unit),
            highest,
            from: Moment::to_second(span.from_ms.saturating_mul(super::MILLI)),
            to: Moment::to_second(span.to_ms.saturating_mul(super::MILLI)),
        })
    }
}

/// The bands of classic buckets: what a bucket counts beyond the one below it.
fn classic(all: &[Found<'_>], span: &Span) -> Bands {
    let mut bands: Bands = Vec::new();
    for series in all {
        let Ok(bound) = series.labels.get("le").parse::<f64>() else { continue };
        // What a bucket that is left out counts is in the next one above it, too.
        let Ok(band) = place(&mut bands, bound, span.count()) else { continue };
        for (time, point) in series.points() {
            if let (Some(step), Point::Float(value)) = (span.step(*time), point) {
                bands[band].1[step] += value;
            }
        }
    }
    let mut below = vec![0.0; span.count()];
    for (_, counts) in &mut bands {
        for (count, below) in counts.iter_mut().zip(&mut below) {
            (*count, *below) = (*count - *below, *count);
        }
    }
    bands
}

/// The bands of native histograms.
fn native(all: &[Found<'_>], span: &Span) -> Bands {
    let mut bands: Bands = Vec::new();
    for (time, point) in all.iter().flat_map(|series| series.points()) {
        let (Some(step), Point::Histogram(histogram)) = (span.step(*time), point) else { continue };
        for (bound, count) in buckets(histogram) {
            let band = place(&mut bands, bound, span.count()).unwrap_or_else(|above| above);
            bands[band].1[step] += count;
        }
    }
    bands
}

/// The upper bounds and counts of a histogram's buckets.
fn buckets(histogram: &Histogram) -> Vec<(f64, f64)> {
    let exponential = |number: i32| (f64::from(number) * (-f64::from(histogram.schema)).exp2()).exp2();
    let positive = |number: i32| match histogram.is_custom() {
        true => usize::try_from(number)
            .ok()
            .and_then(|at| histogram.bounds.get(at))
            .copied()
            .unwrap_or(f64::INFINITY),
        false => exponential(number),
    };
    let negative = histogram.negative.iter().map(|(number, count)| (-exponential(number - 1), *count));
    let zero = (histogram.zero_count > 0.0).then_some((histogram.zero_threshold, histogram.zero_count));
    let above = histogram.positive.iter().map(|(number, count)| (positive(*number), *count));
    negative.chain(zero).chain(above).collect()
}

/// The place of a bound, which is added where it is new. Where that would be too many, the place of the next one above it.
fn place(bands: &mut Bands, bound: f64, steps: usize) -> Result<usize, usize> {
    let found = bands.binary_search_by(|(other, _)| other.total_cmp(&bound));
    found.or_else(|at| match bands.len() < BOUNDS_MAX {
        true => {
            bands.insert(at, (bound, vec![0.0; steps]));
            Ok(at)
        }
        false => Err(at.min(bands.len() - 1)),
    })
}

/// At most as many bands as are drawn.
fn merged(bands: Bands) -> Bands {
    let together = bands.len().div_ceil(BANDS_MAX).max(1);
    let merge = |group: &[(f64, Vec<f64>)]| {
        let (bound, mut sums) = group[group.len() - 1].clone();
        for (_, counts) in &group[..group.len() - 1] {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        (bound, sums)
    };
    bands.chunks(together).map(merge).collect()
}

/// Upper bounds at even distances, with where they are from above.
fn named(bands: &[(f64, Vec<f64>)], unit: &str) -> Vec<(String, String)> {
    let every = bands.len().div_ceil(NAMED_MAX).max(1);
    let places = bands.iter().enumerate().skip(every - 1).step_by(every);
    places
        .map(|(band, (bound, _))| {
            (svg_percent(1.0 - (band + 1) as f64 / bands.len() as f64), units::text(*bound, unit))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_in_order_and_limited() {
        let mut bands = Bands::new();
        for (bound, at) in [(2.0, Ok(0)), (1.0, Ok(0)), (f64::INFINITY, Ok(2)), (2.0, Ok(1))] {
            assert_eq!(place(&mut bands, bound, 1), at, "{bound}");
        }
        for number in 0..2 * BOUNDS_MAX {
            let _ = place(&mut bands, 3.0 + number as f64, 1);
        }
        assert_eq!(bands.len(), BOUNDS_MAX);
        assert_eq!(place(&mut bands, 1e9, 1), Err(BOUNDS_MAX - 1));
        assert_eq!(place(&mut bands, 0.5, 1), Err(0));
        assert_eq!(place(&mut bands, 2.0, 1), Ok(1));
    }
}
