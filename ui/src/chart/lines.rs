//! Series over time as lines, with exemplars as marks. The numbers stand beside the picture for the script that draws the
//! same anew.

use std::fmt::Write;

use askama::Template;

use crate::colour::COLOURS;
use crate::format::{Moment, quantity, svg_percent};

/// The size of the drawing in units of its SVG, which is stretched to the page's.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 240.0;
/// About how many values are named at the side.
const NAMED_AIM: f64 = 5.0;
/// Digits of the numbers for the script; the table beside has all of them.
const DIGITS: usize = 7;
const MS: i64 = 1_000_000;

/// Series over time.
#[derive(Debug, Template)]
#[template(path = "part/lines.html")]
pub(crate) struct LineChart {
    /// The chart for those who do not see it.
    pub(crate) label: String,
    /// A path and a colour for each line.
    pub(crate) paths: Vec<(String, usize)>,
    /// Values that are named: how far down, and the text.
    pub(crate) named: Vec<(String, String)>,
    /// Measurements with their traces.
    pub(crate) marks: Vec<Mark>,
    /// Where a stretch of time is chosen: its place and its width.
    pub(crate) selected: Option<(String, String)>,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    /// The times of the numbers.
    pub(crate) steps: Steps,
    /// The lowest and the highest value that have room.
    pub(crate) scale: (f64, f64),
    /// The numbers as JSON: a list per line, null where there is none.
    pub(crate) numbers: String,
}

/// Times at even distances, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) step_ms: i64,
}

/// A series as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// The number of its colour.
    pub(crate) colour: usize,
    /// Its value at every step.
    pub(crate) values: Vec<Option<f64>>,
}

/// A measurement in the chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    /// When, in milliseconds.
    pub(crate) time_ms: i64,
    pub(crate) value: f64,
    /// What it is, in words.
    pub(crate) text: String,
    /// The address of its trace.
    pub(crate) href: String,
}

impl Steps {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        usize::try_from((self.end_ms - self.start_ms) / self.step_ms.max(1)).unwrap_or(0) + 1
    }

    /// The time of one.
    pub(crate) fn time_ms(&self, place: usize) -> i64 {
        self.start_ms.saturating_add(self.step_ms.saturating_mul(place as i64))
    }

    /// The place of a time that is one of them.
    pub(crate) fn place(&self, time_ms: i64) -> Option<usize> {
        let distance = time_ms.checked_sub(self.start_ms)?;
        usize::try_from(distance / self.step_ms.max(1)).ok().filter(|place| *place < self.count())
    }

    /// How far a time is from the first one to the last, from 0 to 1.
    pub(crate) fn share(&self, time_ms: i64) -> f64 {
        let whole = self.end_ms.saturating_sub(self.start_ms).max(1) as f64;
        (time_ms.saturating_sub(self.start_ms) as f64 / whole).clamp(0.0, 1.0)
    }
}

impl LineChart {
    /// Draws lines; `None` where none of them has a value. `selected` are nanoseconds.
    pub(crate) fn new(
        label: String,
        steps: Steps,
        lines: &[Line],
        marks: Vec<Mark>,
        selected: Option<(i64, i64)>,
    ) -> Option<Self> {
        let scale = scale(lines)?;
        let selected = selected.map(|(from, to)| {
            let (left, right) = (steps.share(from / MS), steps.share(to / MS));
            (svg_percent(left), svg_percent((right - left).max(0.001)))
        });
        Some(Self {
            label,
            paths: lines.iter().map(|line| (path(line, &steps, scale), line.colour % COLOURS)).collect(),
            named: named(scale),
            marks,
            selected,
            from: Moment::to_second(steps.start_ms.saturating_mul(MS)),
            to: Moment::to_second(steps.end_ms.saturating_mul(MS)),
            steps,
            scale,
            numbers: numbers(lines),
        })
    }

    /// Where a mark stands in the picture. One whose value has no room stands at the edge.
    fn place(&self, mark: &Mark) -> (String, String) {
        let (low, high) = self.scale;
        let up = ((mark.value - low) / (high - low)).clamp(0.0, 1.0);
        (svg_percent(self.steps.share(mark.time_ms)), svg_percent(1.0 - up))
    }
}

/// The values that a chart has room for: from 0 where that is not far away.
fn scale(lines: &[Line]) -> Option<(f64, f64)> {
    let values = lines.iter().flat_map(|line| &line.values).copied().flatten();
    let (low, high) =
        values.filter(|value| value.is_finite()).fold(None, |ends: Option<(f64, f64)>, value| {
            let (low, high) = ends.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })?;
    let (low, high) = match (low, high) {
        (low, high) if low >= 0.0 && low <= high / 2.0 => (0.0, high),
        (low, high) if high <= 0.0 && high >= low / 2.0 => (low, 0.0),
        ends => ends,
    };
    // A line that never changes stands in the middle.
    Some(if low < high { (low, high) } else { (low - low.abs().max(1.0), high + high.abs().max(1.0)) })
}

/// The line as one path that is broken where there is no value.
fn path(line: &Line, steps: &Steps, (low, high): (f64, f64)) -> String {
    let mut path = String::new();
    let mut is_open = false;
    for (place, value) in line.values.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            is_open = false;
            continue;
        };
        let x = steps.share(steps.time_ms(place)) * WIDTH;
        let y = HEIGHT - (value - low) / (high - low) * HEIGHT;
        // The stroke of no length shows a value that stands alone.
        let drawn = match is_open {
            true => write!(path, "L{x:.1} {y:.1}"),
            false => write!(path, "M{x:.1} {y:.1}h0"),
        };
        is_open = drawn.is_ok();
    }
    path
}

/// Round values inside of a scale.
fn named((low, high): (f64, f64)) -> Vec<(String, String)> {
    let raw = (high - low) / NAMED_AIM;
    let decade = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade).into_iter().find(|step| *step >= raw);
    let Some(step) = step.filter(|step| step.is_normal()) else { return Vec::new() };
    let first = (low / step).ceil();
    let values = (0..=NAMED_AIM as usize).map(|number| (first + number as f64) * step);
    let values = values.take_while(|value| *value <= high);
    values.map(|value| (svg_percent(1.0 - (value - low) / (high - low)), quantity(value, "1"))).collect()
}

fn numbers(lines: &[Line]) -> String {
    let lists = lines.iter().map(|line| {
        let numbers = line.values.iter().map(|value| match value {
            Some(value) if value.is_finite() => short(*value),
            _ => "null".to_owned(),
        });
        format!("[{}]", numbers.collect::<Vec<_>>().join(","))
    });
    format!("[{}]", lists.collect::<Vec<_>>().join(","))
}

/// A number in JSON with the digits that a screen can show.
fn short(value: f64) -> String {
    let rounded = format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value);
    let (plain, scientific) = (format!("{rounded}"), format!("{rounded:e}"));
    if plain.len() <= scientific.len() { plain } else { scientific }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: Steps = Steps { start_ms: 1000, end_ms: 5000, step_ms: 1000 };

    fn line(values: &[Option<f64>]) -> Line {
        Line { colour: 21, values: values.to_vec() }
    }

    #[test]
    fn lines_are_broken_where_there_is_no_value() {
        let lines = [line(&[Some(0.0), Some(4.0), None, Some(f64::NAN), Some(1.0)])];
        let chart =
            LineChart::new("x".to_owned(), STEPS, &lines, Vec::new(), Some((2_000_000_000, i64::MAX)));
        let chart = chart.unwrap();
        assert_eq!(chart.paths, [("M0.0 240.0h0L250.0 0.0M1000.0 180.0h0".to_owned(), 1)]);
        assert_eq!(chart.numbers, "[[0,4,null,null,1]]");
        assert_eq!(chart.selected.unwrap(), ("25%".to_owned(), "75%".to_owned()));
        assert!(
            LineChart::new(String::new(), STEPS, &[line(&[None, Some(f64::INFINITY)])], Vec::new(), None)
                .is_none()
        );
    }

    #[test]
    fn a_scale_begins_at_nothing_where_that_is_near() {
        for (values, expected) in [
            (vec![1.0, 4.0], (0.0, 4.0)),
            (vec![90.0, 100.0], (90.0, 100.0)),
            (vec![-4.0, -1.0], (-4.0, 0.0)),
            (vec![-1.0, 4.0], (-1.0, 4.0)),
            (vec![7.0], (0.0, 14.0)),
            (vec![0.0], (-1.0, 1.0)),
        ] {
            let values: Vec<Option<f64>> = values.into_iter().map(Some).collect();
            assert_eq!(scale(&[line(&values)]), Some(expected), "{values:?}");
        }
    }

    #[test]
    fn values_at_the_side_are_round() {
        let texts = |scale| named(scale).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts((0.0, 4.0)), ["0", "1", "2", "3", "4"]);
        assert_eq!(texts((0.13, 0.97)), ["0.20", "0.40", "0.60", "0.80"]);
        assert_eq!(named((0.0, 4.0))[1].0, "75%");
        assert!(named((0.0, f64::INFINITY)).is_empty());
    }

    #[test]
    fn a_mark_without_room_stands_at_the_edge() {
        let mark = |time_ms, value| Mark { time_ms, value, text: String::new(), href: String::new() };
        let chart =
            LineChart::new(String::new(), STEPS, &[line(&[Some(0.0), Some(4.0)])], Vec::new(), None).unwrap();
        let place = |time_ms, value| chart.place(&mark(time_ms, value));
        assert_eq!(place(3000, 1.0), ("50%".to_owned(), "75%".to_owned()));
        assert_eq!(place(9000, 99.0), ("100%".to_owned(), "0%".to_owned()));
        assert_eq!(place(0, f64::NAN).0, "0%");
    }

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (0.1, "0.1"),
            (1.0 / 3.0, "0.3333333"),
            (1e21, "1e21"),
            (-1.5e-9, "-1.5e-9"),
            (123_456_789.0, "123456800"),
        ] {
            assert_eq!(short(value), expected);
        }
    }
}
