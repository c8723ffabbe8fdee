//! Pictures drawn by the server, as SVG attributes: the histogram over time, and the axis of a trace; in `minutes` and
//! `heat` a service over time; in `lines` any series.

pub(crate) mod minutes;
pub(crate) mod heat;
pub(crate) mod lines;
pub(crate) mod axis;

use askama::Template;
use query::rows::Bucket;

use crate::format::{self, Moment, count, counted, svg_percent};
use crate::range::between;

/// The share of a bar's place that is left free.
const BAR_GAP: f64 = 0.12;
/// The height of a histogram in units of its SVG.
const HISTOGRAM_HEIGHT: f64 = 56.0;
/// A bar that stands for something is never lower than this.
const BAR_HEIGHT_MIN: f64 = 2.0;

/// Matches over time, errors as the hatched foot of each bar.
#[derive(Debug, Template)]
#[template(path = "part/histogram.html")]
pub(crate) struct Histogram {
    /// What is counted, for those who do not see the picture.
    pub(crate) label: String,
    /// Tells the hatch patterns of one page apart.
    pub(crate) id: &'static str,
    /// One per bucket with rows.
    pub(crate) bars: Vec<Bar>,
    /// The most in one bar.
    pub(crate) highest: String,
    /// Where the first bar begins.
    pub(crate) from: Moment,
    /// Where the last bar ends.
    pub(crate) to: Moment,
    /// How long one bar is.
    pub(crate) step: String,
}

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) x: String,
    pub(crate) width: String,
    pub(crate) y: String,
    pub(crate) height: String,
    pub(crate) error_y: String,
    pub(crate) error_height: String,
    pub(crate) has_errors: bool,
    /// Its time and counts in words.
    pub(crate) label: String,
    /// The same page for the bar's time only.
    pub(crate) href: String,
}

impl Histogram {
    /// Draws buckets; `href` gives the address of a range. `None` if there is nothing to draw.
    pub(crate) fn new(
        id: &'static str,
        noun: &str,
        buckets: &[Bucket],
        href: impl Fn(&str) -> String,
    ) -> Option<Self> {
        let (first, last) = (buckets.first()?, buckets.last()?);
        let steps = buckets.windows(2).map(|pair| pair[1].time.saturating_sub(pair[0].time));
        let step = steps.filter(|step| *step > 0).min().unwrap_or(1_000_000_000);
        let end = last.time.saturating_add(step);
        let span = end.saturating_sub(first.time).max(1) as f64;
        let highest = buckets.iter().map(|bucket| bucket.count).max().filter(|count| *count > 0)?;
        let bars = buckets.iter().filter(|bucket| bucket.count > 0).map(|bucket| {
            let x = bucket.time.saturating_sub(first.time) as f64 / span;
            let width = step as f64 / span;
            let height = tall(bucket.count, highest);
            let errors = tall(bucket.errors.min(bucket.count), highest).min(height);
            let until = bucket.time.saturating_add(step);
            Bar {
                x: svg_percent(x + width * BAR_GAP / 2.0),
                width: svg_percent(width * (1.0 - BAR_GAP)),
                y: units(HISTOGRAM_HEIGHT - height),
                height: units(height),
                error_y: units(HISTOGRAM_HEIGHT - errors),
                error_height: units(errors),
                has_errors: bucket.errors > 0,
                label: format!(
                    "{} {}, {}: {}, {}",
                    format::date_time(bucket.time),
                    crate::zone::name(),
                    format::duration(step),
                    counted(bucket.count, noun),
                    counted(bucket.errors, "error")
                ),
                href: href(&between(bucket.time, until)),
            }
        });
        let (total, errors) =
            buckets.iter().fold((0, 0), |sum, bucket| (sum.0 + bucket.count, sum.1 + bucket.errors));
        Some(Self {
            label: format!("{} and {} over time", counted(total, noun), counted(errors, "error")),
            id,
            bars: bars.collect(),
            highest: count(highest),
            from: Moment::full(first.time),
            to: Moment::full(end),
            step: format::duration(step),
        })
    }
}

fn tall(count: u64, highest: u64) -> f64 {
    if count == 0 { 0.0 } else { (count as f64 / highest as f64 * HISTOGRAM_HEIGHT).max(BAR_HEIGHT_MIN) }
}

fn units(value: f64) -> String {
    let text = format!("{value:.1}");
    text.trim_end_matches(".0").to_owned()
}

/// The most lines on a time axis, its ends included.
const TICKS_MAX: i64 = 6;
/// A label nearer to the end than this would be cut.
const TICK_SHARE_MAX: f64 = 0.93;

/// A line of a time axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) x: String,
    pub(crate) label: String,
    /// Whether the label has room.
    pub(crate) named: bool,
}

/// Lines at round distances over a length of time.
pub(crate) fn ticks(duration: i64) -> Vec<Tick> {
    let duration = duration.max(1);
    let step = round_step(duration);
    let places = (0..).map(|number| step.saturating_mul(number)).take_while(|place| *place <= duration);
    let ticks = places.take(TICKS_MAX as usize + 1).map(|place| {
        let share = place as f64 / duration as f64;
        Tick { x: svg_percent(share), label: axis_label(place), named: share <= TICK_SHARE_MAX }
    });
    ticks.collect()
}

/// The smallest of 1, 2, 5, 10, 20 … nanoseconds that needs no more lines than there may be.
fn round_step(duration: i64) -> i64 {
    let mut decade: i64 = 1;
    loop {
        for factor in [1, 2, 5] {
            let step = decade.saturating_mul(factor);
            if duration / step < TICKS_MAX || step == i64::MAX {
                return step;
            }
        }
        decade = decade.saturating_mul(10);
    }
}

/// Round figures without the zeros that [`format::duration`] shows.
fn axis_label(nanos: i64) -> String {
    let (value, unit) = match nanos {
        0 => return "0".to_owned(),
        nanos if nanos < 1_000 => (nanos as f64, "ns"),
        nanos if nanos < 1_000_000 => (nanos as f64 / 1e3, "µs"),
        nanos if nanos < 1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        nanos if nanos < 120_000_000_000 => (nanos as f64 / 1e9, "s"),
        nanos => return format::duration(nanos),
    };
    format!("{value} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_counts() {
        let bucket = |time, count, errors| Bucket { time, count, errors };
        let buckets = [bucket(0, 4, 1), bucket(10, 0, 0), bucket(20, 8, 8), bucket(30, 1, 0)];
        let histogram = Histogram::new("h", "log", &buckets, str::to_owned).unwrap();
        let drawn: Vec<_> = histogram
            .bars
            .iter()
            .map(|bar| (bar.x.as_str(), bar.height.as_str(), bar.error_height.as_str(), bar.has_errors))
            .collect();
        assert_eq!(
            drawn,
            [("1.5%", "28", "7", true), ("51.5%", "56", "56", true), ("76.5%", "7", "0", false)]
        );
        assert_eq!(histogram.label, "13 logs and 9 errors over time");
        assert!(Histogram::new("h", "log", &[bucket(0, 0, 0)], str::to_owned).is_none());
        assert!(Histogram::new("h", "log", &[], str::to_owned).is_none());
    }

    #[test]
    fn axes_have_round_steps() {
        for (duration, expected) in [
            (1, vec!["0", "1 ns"]),
            (10, vec!["0", "2 ns", "4 ns", "6 ns", "8 ns", "10 ns"]),
            (450_000_000, vec!["0", "100 ms", "200 ms", "300 ms", "400 ms"]),
            (3_000_000_000, vec!["0", "1 s", "2 s", "3 s"]),
        ] {
            let labels: Vec<_> = ticks(duration).into_iter().map(|tick| tick.label).collect();
            assert_eq!(labels, expected, "{duration}");
        }
        for duration in [0, -5, 7, i64::MAX / 3, i64::MAX] {
            assert!((1..=7).contains(&ticks(duration).len()), "{duration}");
        }
    }
}
