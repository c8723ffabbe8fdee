//! Heatmaps: time across, a value up, the darker the more. Of a service they show its calls by duration.

use askama::Template;
use query::Heat;
use query::rows::Point;

use crate::chart::lines::Mark;
use crate::format::{Moment, count_of, duration, svg_percent};

/// The most columns that are drawn; stretches beside one another are taken together.
pub(crate) const COLUMNS_MAX: usize = 120;
/// Shades, each a path.
const SHADES: usize = 5;
/// The size of the drawing in units of its SVG, which is stretched to the page's.
pub(crate) const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 140.0;
/// The most bounds that are named at the side.
const NAMED_MAX: usize = 5;
const MS: i64 = 1_000_000;

/// A heatmap.
#[derive(Debug, Template)]
#[template(path = "part/heat.html")]
pub(crate) struct HeatChart {
    /// What is shown.
    pub(crate) title: String,
    /// The chart for those who do not see it.
    pub(crate) label: String,
    /// One path a shade, the lightest first.
    pub(crate) shades: Vec<String>,
    /// Bounds that are named: how far down, and the value.
    pub(crate) bounds: Vec<(String, String)>,
    /// What is higher up.
    pub(crate) upwards: &'static str,
    /// What the darkest cell holds.
    pub(crate) highest: String,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    /// Where the drawing begins and ends, for the script that selects in it: nanoseconds of time, and the bounds from the
    /// lowest to the highest.
    pub(crate) ends: (i64, i64),
    pub(crate) edges: String,
    /// Measurements with their traces: x, y, and what they are.
    pub(crate) marks: Vec<(String, String, Mark)>,
    /// The selected box: x, width, y, height.
    pub(crate) selected: Option<[String; 4]>,
}

/// How much there is by time and value.
pub(crate) struct Cells<'a> {
    /// What is shown.
    pub(crate) title: String,
    /// The same for those who do not see the chart.
    pub(crate) label: String,
    /// What is higher up.
    pub(crate) upwards: &'static str,
    /// By columns, the earliest first, and in each by bands, the lowest first.
    pub(crate) counts: Vec<Vec<f64>>,
    /// How long a column is.
    pub(crate) column_ns: i64,
    /// Where the first column begins and the last one ends.
    pub(crate) ends: (i64, i64),
    /// The bounds of the bands: one more than there are bands.
    pub(crate) bounds: &'a [f64],
    /// Measurements with their traces.
    pub(crate) marks: Vec<Mark>,
    /// How a bound is written.
    pub(crate) bound_text: fn(f64) -> String,
    /// How what a cell holds is written.
    pub(crate) count_text: fn(f64) -> String,
}

/// A box in the heatmap: its times, and its least and largest duration where it has them.
type Selected = ((i64, i64), (Option<i64>, Option<i64>));

impl HeatChart {
    /// Draws the calls of a series; `None` without calls. `selected` are times and durations.
    pub(crate) fn new(
        service: &str,
        heat: &Heat,
        series: &[Point],
        step: i64,
        (from, to): (i64, i64),
        selected: Option<Selected>,
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
        let longest = duration(heat.bounds_ns[bands] as i64);
        let chart = Self::of_cells(&Cells {
            title: "Durations".to_owned(),
            label: format!("Durations of {service} over time: up to {longest}"),
            upwards: "longer",
            counts: cells,
            column_ns: merged,
            ends: (from, to),
            bounds: &heat.bounds_ns,
            marks: Vec::new(),
            bound_text: |bound| duration(bound as i64),
            count_text: |count| format!("{} calls", count_of(count)),
        })?;
        let selected =
            selected.map(|(times, durations)| place(times, durations, (from, to), &heat.bounds_ns));
        Some(Self { selected, ..chart })
    }

    /// Draws cells; `None` without any.
    pub(crate) fn of_cells(cells: &Cells<'_>) -> Option<Self> {
        cells.bounds.len().checked_sub(1).filter(|bands| *bands > 0)?;
        let (from, to) = cells.ends;
        let width = cells.column_ns as f64 / to.saturating_sub(from).max(1) as f64 * WIDTH;
        let (shades, most) = shaded(&cells.counts, width);
        let marks = cells.marks.iter().map(|mark| {
            let x = across(mark.time_ms.saturating_mul(MS), cells.ends);
            (svg_percent(x), svg_percent(1.0 - up(mark.value, cells.bounds)), mark.clone())
        });
        let highest = (cells.count_text)(most);
        let edges: Vec<String> = cells.bounds.iter().map(|bound| format!("{bound}")).collect();
        Some(Self {
            title: cells.title.clone(),
            label: format!("{}, at most {highest} in a cell", cells.label),
            shades,
            bounds: named(cells.bounds, cells.bound_text),
            upwards: cells.upwards,
            highest,
            from: Moment::to_second(from),
            to: Moment::to_second(to),
            ends: (from, to),
            edges: edges.join(" "),
            marks: marks.collect(),
            selected: None,
        })
    }
}

/// The cells of columns from left to right, each from the lowest up, as one path a shade; and the most in a cell.
pub(crate) fn shaded(cells: &[Vec<f64>], width: f64) -> (Vec<String>, f64) {
    let most = cells.iter().flatten().copied().fold(0.0, f64::max);
    let mut shades = vec![String::new(); SHADES];
    for (column, counts) in cells.iter().enumerate() {
        let height = HEIGHT / counts.len().max(1) as f64;
        for (band, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            let shade = (((count / most).sqrt() * SHADES as f64).ceil() as usize).clamp(1, SHADES) - 1;
            let (x, y) = (column as f64 * width, HEIGHT - (band + 1) as f64 * height);
            let wide = width.min(WIDTH - x);
            shades[shade].push_str(&format!("M{x:.1} {y:.1}h{wide:.1}v{height:.1}h-{wide:.1}z"));
        }
    }
    (shades, most)
}

/// Bounds at even distances, with where they are from above.
fn named(bounds: &[f64], text: fn(f64) -> String) -> Vec<(String, String)> {
    let bands = bounds.len() - 1;
    let step = bands.div_ceil(NAMED_MAX - 1).max(1);
    let places = (0..=bands).step_by(step);
    places.map(|band| (svg_percent(1.0 - band as f64 / bands as f64), text(bounds[band]))).collect()
}

/// Where a box of times and durations is drawn.
fn place(
    times: (i64, i64),
    durations: (Option<i64>, Option<i64>),
    (from, to): (i64, i64),
    bounds: &[f64],
) -> [String; 4] {
    let (left, right) = (across(times.0, (from, to)), across(times.1, (from, to)));
    let up = |nanos: i64| up(nanos as f64, bounds);
    let (low, high) = (durations.0.map_or(0.0, up), durations.1.map_or(1.0, up));
    [left, (right - left).max(0.0), 1.0 - high, (high - low).max(0.0)].map(svg_percent)
}

/// How far a time is from the beginning to the end, from 0 to 1.
fn across(time: i64, (from, to): (i64, i64)) -> f64 {
    (time.saturating_sub(from) as f64 / to.saturating_sub(from).max(1) as f64).clamp(0.0, 1.0)
}

/// How far up a value stands among the bands, from 0 to 1.
fn up(value: f64, bounds: &[f64]) -> f64 {
    let bands = bounds.len() - 1;
    let above = bounds.iter().position(|bound| *bound > value).unwrap_or(bounds.len());
    let Some(band) = above.checked_sub(1).filter(|band| *band < bands) else {
        return if above == 0 { 0.0 } else { 1.0 };
    };
    let inside = (value - bounds[band]) / (bounds[band + 1] - bounds[band]);
    // A band without an end has no place that is more right than its middle.
    let inside = if inside.is_finite() { inside.clamp(0.0, 1.0) } else { 0.5 };
    (band as f64 + inside) / bands as f64
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
        assert_eq!(chart.edges, "1000000 2000000 4000000");
    }

    #[test]
    fn values_stand_in_their_band() {
        for (value, expected) in [
            (0.5, 0.0),
            (1.0, 0.25),
            (1.5, 0.375),
            (9.0, 0.75),
            (f64::INFINITY, 1.0),
            (f64::NEG_INFINITY, 0.0),
        ] {
            assert_eq!(up(value, &[0.75, 1.0, 2.0, 3.0, f64::INFINITY]), expected, "{value}");
        }
        assert_eq!(up(-5.0, &[f64::NEG_INFINITY, 0.0]), 0.5);
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
