//! The series of an answer: where they lie, and as columns over the steps of the page once it is known which are drawn.

use query::promql::{Labels, NAME, Point, Value};

use super::Span;
use crate::dashboards::fill::{self, Choices};

/// The longest name of a series in bytes; what is longer is cut.
const LEGEND_BYTES_MAX: usize = 500;

/// A series of an answer, where it lies.
#[derive(Debug, Clone)]
pub(super) struct Found<'a> {
    /// Which query it answers.
    pub(super) query: usize,
    /// Its labels.
    pub(super) labels: Labels,
    legend: &'a str,
    figures: Figures<'a>,
}

/// The figures of a series.
#[derive(Debug, Clone, Copy)]
enum Figures<'a> {
    Number(f64),
    Text(&'a str),
    /// At one time.
    Once(&'a Point),
    /// Times in milliseconds, and what there was.
    Over(&'a [(i64, Point)]),
}

/// A series that is drawn.
#[derive(Debug)]
pub(super) struct Series {
    /// What it is called.
    pub(super) name: String,
    /// Its value at each step. Of an answer at one time there is one.
    pub(super) values: Vec<Option<f64>>,
    /// Whether its values are how many observations native histograms hold.
    pub(super) is_histogram: bool,
}

impl<'a> Found<'a> {
    /// The series of an answer.
    pub(super) fn all(query: usize, legend: &'a str, value: &'a Value) -> Vec<Self> {
        let of =
            |labels: &Labels, figures: Figures<'a>| Self { query, labels: labels.clone(), legend, figures };
        match value {
            Value::Scalar { value, .. } => vec![of(&Labels::empty(), Figures::Number(*value))],
            Value::String { value, .. } => vec![of(&Labels::empty(), Figures::Text(value))],
            Value::Vector(samples) => {
                samples.iter().map(|sample| of(&sample.labels, Figures::Once(&sample.point))).collect()
            }
            Value::Matrix(all) => all.iter().map(|one| of(&one.labels, Figures::Over(&one.points))).collect(),
        }
    }

    /// What it had over time.
    pub(super) fn points(&self) -> &'a [(i64, Point)] {
        match self.figures {
            Figures::Over(points) => points,
            _ => &[],
        }
    }

    /// Its last value that is a number.
    pub(super) fn last(&self) -> Option<f64> {
        self.values().rev().find(|value| !value.is_nan())
    }

    /// Its largest value.
    pub(super) fn most(&self) -> Option<f64> {
        self.values().filter(|value| value.is_finite()).reduce(f64::max)
    }

    /// Its values in order of time.
    fn values(&self) -> impl DoubleEndedIterator<Item = f64> {
        let alone = match self.figures {
            Figures::Number(value) => Some(value),
            Figures::Text(_) => Some(f64::NAN),
            Figures::Once(point) => Some(figure(point)),
            Figures::Over(_) => None,
        };
        alone.into_iter().chain(self.points().iter().map(|(_, point)| figure(point)))
    }

    /// It as it is drawn.
    pub(super) fn expanded(&self, choices: &Choices, span: &Span) -> Series {
        let mut values = vec![None; if self.points().is_empty() { 1 } else { span.count() }];
        for (time, point) in self.points() {
            if let Some(step) = span.step(*time) {
                values[step] = Some(figure(point));
            }
        }
        let is_histogram = |point: &Point| matches!(point, Point::Histogram(_));
        let is_histogram = match self.figures {
            Figures::Once(point) => is_histogram(point),
            _ => self.points().iter().any(|(_, point)| is_histogram(point)),
        };
        if self.points().is_empty() {
            values[0] = self.values().next();
        }
        Series { name: self.name(choices), values, is_histogram }
    }

    fn name(&self, choices: &Choices) -> String {
        shortened(match self.figures {
            Figures::Text(text) => text.to_owned(),
            _ => name(self.legend, &self.labels, choices),
        })
    }
}

impl Series {
    /// Its last value that is a number.
    pub(super) fn last(&self) -> Option<f64> {
        self.values.iter().rev().flatten().copied().find(|value| !value.is_nan())
    }

    /// Its largest value.
    pub(super) fn most(&self) -> Option<f64> {
        self.values.iter().flatten().copied().filter(|value| value.is_finite()).reduce(f64::max)
    }
}

/// A value, or how many observations a histogram holds.
fn figure(point: &Point) -> f64 {
    match point {
        Point::Float(value) => *value,
        Point::Histogram(histogram) => histogram.count,
    }
}

/// A name that is no longer than names may be.
pub(super) fn shortened(mut name: String) -> String {
    if name.len() > LEGEND_BYTES_MAX {
        name.truncate(name.floor_char_boundary(LEGEND_BYTES_MAX));
        name.push('…');
    }
    name
}

/// What a series is called: the legend with its labels, or all its labels.
fn name(legend: &str, labels: &Labels, choices: &Choices) -> String {
    if legend.is_empty() {
        let others = labels
            .iter()
            .filter(|(label, _)| *label != NAME)
            .map(|(label, value)| format!("{label}={value}"));
        let others = others.collect::<Vec<_>>().join(", ");
        return match (labels.name(), others.as_str()) {
            ("", "") => "value".to_owned(),
            ("", others) => others.to_owned(),
            (name, "") => name.to_owned(),
            (name, others) => format!("{name} {others}"),
        };
    }
    let mut out = String::new();
    let filled = fill::plain(legend, choices);
    let mut rest = filled.as_str();
    while out.len() <= LEGEND_BYTES_MAX
        && let Some((before, after)) = rest.split_once("{{")
        && let Some((label, after)) = after.split_once("}}")
    {
        out.push_str(before);
        out.push_str(labels.get(label.trim()));
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legends_have_the_labels_of_their_series() {
        let labels = Labels::new([(NAME, "up"), ("job", "shop"), ("instance", "a:1")]);
        let choices = Choices::new();
        for (legend, expected) in [
            ("", "up instance=a:1, job=shop"),
            ("{{job}} on {{ instance }}", "shop on a:1"),
            ("{{nothing}}x", "x"),
            ("{{job", "{{job"),
            ("all", "all"),
        ] {
            assert_eq!(name(legend, &labels, &choices), expected, "{legend}");
        }
        assert_eq!(name("", &Labels::empty(), &choices), "value");
    }

    #[test]
    fn long_names_are_cut_between_letters() {
        assert_eq!(shortened("a".repeat(LEGEND_BYTES_MAX)).len(), LEGEND_BYTES_MAX);
        let long = shortened(format!("a{}", "ä".repeat(LEGEND_BYTES_MAX)));
        assert_eq!((long.len(), long.ends_with("ä…")), (LEGEND_BYTES_MAX - 1 + '…'.len_utf8(), true));
        let labels = Labels::new([("a", "x".repeat(LEGEND_BYTES_MAX))]);
        let cut = name(&"{{a}}".repeat(1_000), &labels, &Choices::new());
        assert!(cut.len() < 20 * LEGEND_BYTES_MAX, "{}", cut.len());
    }
}
