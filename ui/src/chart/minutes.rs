//! Calls, errors and durations of a service by minute, with an incident's time shaded and changes marked.

use askama::Template;
use query::rows::Point;

use crate::format::{Moment, count_of, duration, quantity, svg_percent};

/// The height of a chart in units of its SVG.
const HEIGHT: f64 = 56.0;
/// The width of a chart in units of its SVG, which is stretched to the page's.
const WIDTH: f64 = 1000.0;
/// The share of a bar's place that is left free.
const GAP: f64 = 0.15;
/// A bar that stands for something is never lower than this.
const BAR_HEIGHT_MIN: f64 = 1.5;
const MINUTE: i64 = 60_000_000_000;

/// The charts of a service.
#[derive(Debug, Template)]
#[template(path = "part/minutes.html")]
pub(crate) struct Minutes {
    pub(crate) charts: [Chart; 3],
    /// Where the incident's time is.
    pub(crate) shade: Option<Shade>,
    /// Where changes are, with what they are.
    pub(crate) marks: Vec<(String, String)>,
    /// Where the charts begin.
    pub(crate) from: Moment,
    /// Where they end.
    pub(crate) to: Moment,
    /// How long one bar is.
    pub(crate) step: String,
    /// What is shaded, and what the triangles are.
    pub(crate) key: &'static str,
}

/// One figure over time.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    /// The style sheet's word for it.
    pub(crate) class: &'static str,
    /// The chart for those who do not see it.
    pub(crate) label: String,
    /// All bars as one path.
    pub(crate) path: String,
    /// The highest bar.
    pub(crate) highest: String,
}

/// A stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shade {
    pub(crate) x: String,
    pub(crate) width: String,
}

/// What is charted.
pub(crate) struct Series<'a> {
    /// Whose calls these are.
    pub(crate) service: &'a str,
    /// By time, those without calls left out.
    pub(crate) points: &'a [Point],
    /// How long each is.
    pub(crate) step: i64,
    /// The time that the chart covers.
    pub(crate) covered: (i64, i64),
    /// The time that is shaded.
    pub(crate) shaded: (i64, i64),
}

impl Minutes {
    /// Draws a series with changes at their times.
    pub(crate) fn new(series: &Series<'_>, changes: &[(i64, String)]) -> Self {
        let per_minute = |value: f64| value / (series.step.max(1) as f64 / MINUTE as f64);
        let calls = series.values(|point| Some(per_minute(point.calls)));
        let errors = series.values(|point| Some(per_minute(point.errors)));
        let p95 = series.values(|point| point.p95_ns);
        let rate = |value: f64| if value < 10.0 { quantity(value, "1") } else { count_of(value) };
        let (from, to) = series.covered;
        let marks = changes.iter().filter(|(time, _)| (from..to).contains(time));
        Self {
            charts: [
                series.chart("Calls per minute", "calls", &calls, rate),
                series.chart("Errors per minute", "errors", &errors, rate),
                series.chart("95th percentile", "p95", &p95, |value| quantity(value, "ns")),
            ],
            shade: series.shade(),
            marks: marks.map(|(time, text)| (svg_percent(series.share(*time)), text.clone())).collect(),
            from: Moment::to_second(from),
            to: Moment::to_second(to),
            step: duration(series.step),
            key: "the incident is shaded, changes are triangles",
        }
    }
}

impl Minutes {
    /// Says what is shaded, and what the triangles are.
    pub(crate) fn explained(self, key: &'static str) -> Self {
        Self { key, ..self }
    }
}

impl Series<'_> {
    /// The place of a time, from 0 to 1.
    fn share(&self, time: i64) -> f64 {
        let (from, to) = self.covered;
        (time.saturating_sub(from) as f64 / to.saturating_sub(from).max(1) as f64).clamp(0.0, 1.0)
    }

    fn shade(&self) -> Option<Shade> {
        let (from, to) = (self.share(self.shaded.0), self.share(self.shaded.1));
        (to > from).then(|| Shade { x: svg_percent(from), width: svg_percent(to - from) })
    }

    /// A figure by time, where there is one.
    fn values(&self, of: impl Fn(&Point) -> Option<f64>) -> Vec<(i64, f64)> {
        let known = self.points.iter().filter_map(|point| Some((point.time, of(point)?)));
        let (from, to) = self.covered;
        known.filter(|(time, value)| value.is_finite() && (from..to).contains(time)).collect()
    }

    fn chart(
        &self,
        title: &'static str,
        class: &'static str,
        values: &[(i64, f64)],
        text: impl Fn(f64) -> String,
    ) -> Chart {
        let top = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let first = self.shaded.0.saturating_sub(self.step).saturating_add(1);
        let inside = |time: i64| (first..self.shaded.1).contains(&time);
        let highest = top(&mut values.iter().map(|(_, value)| *value));
        let during = top(&mut values.iter().filter(|(time, _)| inside(*time)).map(|(_, value)| *value));
        let other = top(&mut values.iter().filter(|(time, _)| !inside(*time)).map(|(_, value)| *value));
        Chart {
            title,
            class,
            label: format!(
                "{title} of {}: at most {} in the shaded time, {} outside of it",
                self.service,
                text(during),
                text(other)
            ),
            path: self.path(values, highest),
            highest: text(highest),
        }
    }

    fn path(&self, values: &[(i64, f64)], highest: f64) -> String {
        let place = self.step as f64 / self.covered.1.saturating_sub(self.covered.0).max(1) as f64 * WIDTH;
        let bars = values.iter().filter(|(_, value)| *value > 0.0).map(|(time, value)| {
            let height = (value / highest * HEIGHT).max(BAR_HEIGHT_MIN);
            let (x, width) = (self.share(*time) * WIDTH + place * GAP / 2.0, place * (1.0 - GAP));
            format!("M{x:.1} {HEIGHT}v-{height:.1}h{width:.2}v{height:.1}z")
        });
        bars.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(minute: i64, calls: f64, errors: f64, p95_ns: Option<f64>) -> Point {
        Point { time: minute * MINUTE, calls, errors, p95_ns }
    }

    #[test]
    fn bars_stand_at_their_minutes() {
        let points =
            [point(0, 60.0, 0.0, Some(1e6)), point(1, 120.0, 30.0, None), point(3, 2.5, 0.0, Some(2e6))];
        let series = Series {
            service: "cart",
            points: &points,
            step: MINUTE,
            covered: (0, 4 * MINUTE),
            shaded: (MINUTE, 3 * MINUTE),
        };
        let changes = [(2 * MINUTE, "deploy".to_owned()), (9 * MINUTE, "later".to_owned())];
        let minutes = Minutes::new(&series, &changes);
        let [calls, errors, p95] = &minutes.charts;
        assert_eq!(
            calls.path,
            "M18.8 56v-28.0h212.50v28.0zM268.8 56v-56.0h212.50v56.0zM768.8 56v-1.5h212.50v1.5z"
        );
        assert_eq!(errors.path, "M268.8 56v-56.0h212.50v56.0z");
        assert_eq!(
            [&calls.highest, &errors.highest, &p95.highest].map(String::as_str),
            ["120", "30", "2.00 ms"]
        );
        assert_eq!(calls.label, "Calls per minute of cart: at most 120 in the shaded time, 60 outside of it");
        assert_eq!(minutes.shade, Some(Shade { x: "25%".to_owned(), width: "50%".to_owned() }));
        assert_eq!(minutes.marks, [("50%".to_owned(), "deploy".to_owned())]);
    }

    #[test]
    fn odd_times_and_figures_draw_nothing_wrong() {
        let points = [point(-5, 1.0, 0.0, Some(f64::NAN)), point(0, f64::INFINITY, 0.0, None)];
        for covered in [(0, 0), (5, 1), (0, i64::MAX)] {
            let series = Series {
                service: "a",
                points: &points,
                step: MINUTE,
                covered,
                shaded: (i64::MIN + MINUTE, i64::MAX),
            };
            let minutes = Minutes::new(&series, &[]);
            assert!(minutes.charts.iter().all(|chart| chart.path.is_empty()), "{covered:?}");
        }
    }
}
