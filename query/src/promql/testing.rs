//! What the tests of this module share: series written as text, and answers as text.
//!
//! A series is a line such as `up{job="a"} 1 2 _ stale #0`: a sample a minute from 0 on, `_` where there is none, and
//! `#0` for the first of the histograms that come with the lines.

use std::sync::Arc;

use super::{
    Answer, Error, Histogram, Kind, Labels, Limits, Options, Point, Points, Query, Series, Times, Value,
    parse, stale,
};

/// The time between samples.
const EVERY_MS: i64 = 60_000;

pub(super) struct Store {
    series: Vec<Series>,
    pub(super) options: Options,
    pub(super) limits: Limits,
}

impl Store {
    pub(super) fn new(lines: &[&str]) -> Self {
        Self::with_histograms(lines, &[])
    }

    pub(super) fn with_histograms(lines: &[&str], histograms: &[Histogram]) -> Self {
        let histograms: Vec<Arc<Histogram>> = histograms.iter().cloned().map(Arc::new).collect();
        let series = lines.iter().map(|line| series(line, &histograms)).collect();
        let options =
            Options { experimental_functions: true, duration_expressions: true, ..Options::default() };
        Self { series, options, limits: Limits::default() }
    }

    pub(super) fn ask(&self, text: &str, times: Times) -> Result<Answer, Error> {
        let query = Query::new(text, times, self.options, self.limits)?;
        let select = |selection: &super::Selection| {
            let matching = self.series.iter().filter(|series| {
                selection.matchers.iter().all(|matcher| matcher.matches(series.labels.get(&matcher.name)))
            });
            matching.cloned().collect()
        };
        let loaded: Vec<Vec<Series>> = query.selections().iter().map(select).collect();
        query.evaluate(&loaded, &|| false)
    }

    /// The answer at a time in seconds as text: series with `, ` between them, ordered unless the query orders.
    pub(super) fn instant(&self, text: &str, seconds: i64) -> String {
        shown(self.ask(text, Times::instant(seconds * 1000)))
    }

    /// The answer of some steps, a minute apart, from 0 on.
    pub(super) fn range(&self, text: &str, steps: i64) -> String {
        shown(self.ask(text, Times::range(0, (steps - 1) * EVERY_MS, EVERY_MS)))
    }

    /// The warnings and remarks of an answer at a time in seconds.
    pub(super) fn notes(&self, text: &str, seconds: i64) -> String {
        match self.ask(text, Times::instant(seconds * 1000)) {
            Err(error) => format!("error: {error}"),
            Ok(answer) => {
                let notes = answer.warnings.iter().chain(&answer.infos);
                notes.map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// Asks every query at a time in seconds.
    pub(super) fn check(&self, seconds: i64, cases: &[(&str, &str)]) {
        for (query, expected) in cases {
            assert_eq!(self.instant(query, seconds), *expected, "{query}");
        }
    }
}

fn series(line: &str, histograms: &[Arc<Histogram>]) -> Series {
    let end = line.find("} ").map_or_else(|| line.find(' ').unwrap(), |end| end + 1);
    let (mut times, mut values, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (number, value) in line[end..].split_whitespace().enumerate() {
        if value == "_" {
            continue;
        }
        if let Some(place) = value.strip_prefix('#') {
            rows.push((times.len() as u32, Arc::clone(&histograms[place.parse::<usize>().unwrap()])));
        }
        times.push(EVERY_MS * number as i64);
        values.push(match value {
            "stale" => stale(),
            value => value.parse().unwrap_or(0.0),
        });
    }
    Series { histograms: rows, ..Series::floats(labels(&line[..end]), times, values) }
}

/// Labels as a selector writes them.
pub(super) fn labels(text: &str) -> Labels {
    let Kind::Selector(selector) = parse(text, &Options::default()).unwrap().kind else { panic!("{text}") };
    Labels::new(selector.matchers.iter().map(|matcher| (matcher.name.as_str(), matcher.value.as_str())))
}

fn shown(answer: Result<Answer, Error>) -> String {
    match answer.map(|answer| answer.value) {
        Err(error) => format!("error: {error}"),
        Ok(Value::Scalar { value, .. }) => number(value),
        Ok(Value::String { value, .. }) => value,
        Ok(Value::Vector(samples)) => {
            let samples = samples.iter().map(|one| format!("{}{}", one.labels, point(&one.point)));
            samples.collect::<Vec<_>>().join(", ")
        }
        Ok(Value::Matrix(series)) => series.iter().map(row).collect::<Vec<_>>().join(", "),
    }
}

fn row(series: &Points) -> String {
    let points = series.points.iter().map(|(time, value)| format!("{}@{}", point(value).trim(), time / 1000));
    format!("{} {}", series.labels, points.collect::<Vec<_>>().join(" "))
}

fn point(point: &Point) -> String {
    match point {
        Point::Float(value) => format!(" {}", number(*value)),
        Point::Histogram(histogram) => format!(" {histogram}"),
    }
}

/// A number with ten digits, which is as far as tests look.
fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.9e}").parse().unwrap_or(value);
    super::numbers::shortest(rounded)
}
