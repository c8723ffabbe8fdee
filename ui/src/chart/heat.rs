//! The latency heatmap of a service: time across, duration up, the darker the more calls.

use askama::Template;
use query::Heat;
use query::rows::Point;

use crate::format::{Moment, count_of, duration, svg_percent};

/// The most columns that are drawn; stretches beside one another are taken together.
const COLUMNS_MAX: usize = 120;
/// Shades, each a path.
const SHADES: usize = 5;
/// The size of the drawing in units of its SVG, which is stretched to the page's.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 140.0;
/// The most bounds that are named at the side.
const NAMED_MAX: usize = 5;

/// A heatmap.
#[derive(Debug, Template)]
#[template(path = "part/heat.html")]
pub(crate) struct HeatChart {
    /// The chart for those who do not see it.
    pub(crate) label: String,
    /// One path a shade, the lightest first.
    pub(crate) shades: Vec<String>,
    /// Bounds that are named: how far down, and the duration.
    pub(crate) bounds: Vec<(String, String)>,
    /// The most calls in a cell.
    pub(crate) highest: String,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    /// Where the drawing begins and ends, for the script that selects in it: nanoseconds of time, and the bounds of
    /// duration from the lowest to the highest.
    pub(crate) ends: (i64, i64),
    pub(crate) bounds_ns: String,
    /// The selected box: x, width, y, height.
    pub(crate) selected: Option<[String; 4]>,
}

/// Times, and durations where they are limited.
pub(crate) type Boxed = ((i64, i64), (Option<i64>, Option<i64>));

impl HeatChart {
    /// Draws the calls of a series; `None` without calls. `selected` are times and durations.
    pub(crate) fn new(
        service: &str,
        heat: &Heat,
        series: &[Point],
        step: i64,
        (from, to): (i64, i64),
        selected: Option<Boxed>,
    ) -> Option<Self> {
        let bands = heat.bounds_ns.len().checked_sub(1).filter(|bands| *bands > 0)?;
        let length = to.saturating_sub(from).max(1);
        let stretches = usize::try_from(length / step.max(1)).unwrap_or(usize::MAX).max(1);
        let merged = stretches.div_ceil(COLUMNS_MAX) as i64 * step.max(1);
        let columns = usize::try_from((length.saturating_add(merged - 1)) / merged).unwrap_or(1).max(1);
        let mut cells = vec![vec![0.0; bands]; columns];
        for (point, counts) in series.iter().zip(&heat.counts) {
            let place =
                usize::try_from(point.time.saturating_sub(from) / merged).unwrap_or(0).min(columns - 1);
            counts.iter().take(bands).enumerate().for_each(|(band, count)| cells[place][band] += count);
        }
        let most = cells.iter().flatten().copied().fold(0.0, f64::max);
        let width = merged as f64 / length as f64 * WIDTH;
        let height = HEIGHT / bands as f64;
        let mut shades = vec![String::new(); SHADES];
        for (column, counts) in cells.iter().enumerate() {
            for (band, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
                let shade = (((count / most).sqrt() * SHADES as f64).ceil() as usize).clamp(1, SHADES) - 1;
                let (x, y) = (column as f64 * width, HEIGHT - (band + 1) as f64 * height);
                let wide = width.min(WIDTH - x);
                shades[shade].push_str(&format!("M{x:.1} {y:.1}h{wide:.1}v{height:.1}h-{wide:.1}z"));
            }
        }
        let longest = duration(heat.bounds_ns[bands] as i64);
        let bounds_ns: Vec<String> = heat.bounds_ns.iter().map(|bound| format!("{bound:.0}")).collect();
        Some(Self {
            label: format!(
                "Durations of {service} over time: up to {longest}, at most {} calls in a cell",
                count_of(most)
            ),
            shades,
            bounds: named(&heat.bounds_ns),
            highest: count_of(most),
            from: Moment::to_second(from),
            to: Moment::to_second(to),
            ends: (from, to),
            selected: selected.map(|(times, durations)| place(times, durations, (from, to), &heat.bounds_ns)),
            bounds_ns: bounds_ns.join(" "),
        })
    }
}

/// Bounds at even distances, with where they are from above.
fn named(bounds: &[f64]) -> Vec<(String, String)> {
    let bands = bounds.len() - 1;
    let step = bands.div_ceil(NAMED_MAX - 1).max(1);
    let places = (0..=bands).step_by(step);
    places
        .map(|band| (svg_percent(1.0 - band as f64 / bands as f64), duration(bounds[band] as i64)))
        .collect()
}

/// Where a box of times and durations is drawn.
fn place(
    times: (i64, i64),
    durations: (Option<i64>, Option<i64>),
    (from, to): (i64, i64),
    bounds: &[f64],
) -> [String; 4] {
    let across = |time: i64| {
        (time.saturating_sub(from) as f64 / to.saturating_sub(from).max(1) as f64).clamp(0.0, 1.0)
    };
    let (left, right) = (across(times.0), across(times.1));
    let up = |nanos: i64| {
        let bands = bounds.len() - 1;
        let above = bounds.iter().position(|bound| *bound > nanos as f64).unwrap_or(bounds.len());
        let Some(band) = above.checked_sub(1).filter(|band| *band < bands) else {
            return if above == 0 { 0.0 } else { 1.0 };
        };
        let inside = (nanos as f64 - bounds[band]) / (bounds[band + 1] - bounds[band]);
        (band as f64 + inside.clamp(0.0, 1.0)) / bands as f64
    };
    let (low, high) = (durations.0.map_or(0.0, up), durations.1.map_or(1.0, up));
    [left, (right - left).max(0.0), 1.0 - high, (high - low).max(0.0)].map(svg_percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    fn point(minute: i64) -> Point {
        Point { time: minute * MINUTE, calls: 1.0, errors: 0.0, p95_ns: None }
    }

    #[test]
    fn cells_stand_at_their_time_and_duration() {
        let heat = Heat { bounds_ns: vec![1e6, 2e6, 4e6], counts: vec![vec![4.0, 0.0], vec![0.0, 1.0]] };
        let selected = Some(((MINUTE, 2 * MINUTE), (Some(2_000_000), None)));
        let chart =
            HeatChart::new("cart", &heat, &[point(0), point(3)], MINUTE, (0, 4 * MINUTE), selected).unwrap();
        assert_eq!(chart.shades[4], "M0.0 70.0h250.0v70.0h-250.0z");
        assert_eq!(chart.shades[2], "M750.0 0.0h250.0v70.0h-250.0z");
        assert_eq!(chart.bounds.first().unwrap(), &("100%".to_owned(), "1.00 ms".to_owned()));
        assert_eq!(chart.selected.unwrap(), ["25%", "25%", "0%", "50%"]);
        assert_eq!(chart.bounds_ns, "1000000 2000000 4000000");
    }

    #[test]
    fn long_ranges_have_few_columns_and_odd_ones_draw_nothing_wrong() {
        let heat = Heat { bounds_ns: vec![0.0, 1.0], counts: (0..1440).map(|_| vec![1.0]).collect() };
        let series: Vec<Point> = (0..1440).map(point).collect();
        let chart = HeatChart::new("a", &heat, &series, MINUTE, (0, 1440 * MINUTE), None).unwrap();
        assert_eq!(chart.shades[4].matches('M').count(), COLUMNS_MAX);
        for covered in [(0, 0), (5, 1), (i64::MIN, i64::MAX)] {
            assert!(
                HeatChart::new("a", &heat, &series, 0, covered, Some((covered, (Some(-1), Some(0)))))
                    .is_some()
            );
        }
        assert!(HeatChart::new("a", &Heat::default(), &series, MINUTE, (0, 1), None).is_none());
    }
}
