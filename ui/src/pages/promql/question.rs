//! What an address of the page asks.

use model::{TimeRange, UnixNanos};
use query::promql::{Options, Times, parse_duration};

use crate::address::Address;
use crate::chart::lines::Steps;
use crate::params::BadParameter;
use crate::range::Range;
use crate::selection::Selection;
use crate::visit::Visit;

/// The most queries of one page.
pub(super) const QUERIES_MAX: usize = 8;
/// About how many steps a chart has whose address names none.
const STEPS_AIM: i64 = 250;
/// The most steps of a chart.
pub(super) const STEPS_MAX: i64 = 1_000;
/// Round steps in seconds.
const ROUND_STEPS: [i64; 20] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800,
    2_592_000,
];
/// Units of steps, the longest first, in milliseconds.
const UNITS: [(&str, i64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const MS: i64 = 1_000_000;
const HOUR: i64 = 3_600_000_000_000;

/// How answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// Lines over time.
    Graph,
    /// The same numbers.
    Table,
    /// Histograms over time.
    Heat,
}

impl Show {
    /// Each by its word in the address; the first is meant where there is none.
    pub(super) const ALL: [(&str, Self); 3] =
        [("graph", Self::Graph), ("table", Self::Table), ("heat", Self::Heat)];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, show)| *show == self).map_or("", |(word, _)| word)
    }
}

/// A query of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) text: String,
    /// Whether it is answered.
    pub(super) is_on: bool,
}

/// The question of an address.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) rows: Vec<Row>,
    pub(super) range: Range,
    /// The step as the address has it; empty where it is chosen.
    pub(super) step: String,
    /// When queries are answered.
    pub(super) steps: Steps,
    pub(super) show: Show,
    pub(super) selection: Option<Selection>,
    /// Which metrics are listed: a part of their names.
    pub(super) find: String,
    /// Of which service metrics are listed.
    pub(super) service: String,
    /// How queries are read.
    pub(super) options: Options,
}

impl Asked {
    /// Reads an address. `extent` are the times of all metrics that are stored.
    pub(super) fn of(visit: &Visit, extent: Option<TimeRange>, now: UnixNanos) -> Result<Self, BadParameter> {
        let params = &visit.params;
        // Without `t` the newest hour with data; with an empty one, everything.
        let range = match visit.asks_for("t") {
            true => Range::of(params, now)?,
            false => Range::newest_hour(extent.and_then(|extent| extent.to).unwrap_or(now), now),
        };
        let texts = params.texts("q", QUERIES_MAX)?;
        let off = numbers(params.texts("off", QUERIES_MAX)?)?;
        let rows = texts.into_iter().enumerate();
        let rows = rows
            .map(|(place, text)| Row { text: text.trim().to_owned(), is_on: !off.contains(&(place + 1)) });
        let step = params.text("step")?.trim().to_owned();
        Ok(Self {
            rows: rows.collect(),
            steps: steps(&step, range.range, extent, now)?,
            range,
            step,
            show: params.choice("show", &Show::ALL)?,
            selection: Selection::of(params, "sel", now)?,
            find: params.text("find")?.trim().to_owned(),
            service: params.text("service")?.to_owned(),
            options: Options::default(),
        })
    }

    /// The same with queries that are read in another way.
    pub(super) fn read_by(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Whether there is a query to answer.
    pub(super) fn has_query(&self) -> bool {
        self.rows.iter().any(|row| !row.text.is_empty())
    }

    /// When queries are answered.
    pub(super) fn times(&self) -> Times {
        Times::range(self.steps.start_ms, self.steps.end_ms, self.steps.step_ms)
    }

    /// The times that are charted.
    pub(super) fn covered(&self) -> TimeRange {
        let nanos = |ms: i64| Some(UnixNanos(ms.saturating_mul(MS)));
        TimeRange { from: nanos(self.steps.start_ms), to: nanos(self.steps.end_ms.saturating_add(1)) }
    }

    /// The step in words.
    pub(super) fn step_text(&self) -> String {
        duration_text(self.steps.step_ms)
    }

    /// This page with other queries.
    pub(super) fn with_rows(&self, rows: &[Row]) -> Address {
        let kept: Vec<&Row> = rows.iter().filter(|row| !row.text.is_empty()).collect();
        let address = kept.iter().fold(Address::new("/promql"), |address, row| address.with("q", &row.text));
        let off = kept.iter().enumerate().filter(|(_, row)| !row.is_on);
        let address = off.fold(address, |address, (place, _)| address.with("off", &(place + 1).to_string()));
        self.timed(address, &self.range.text)
    }

    /// This page about another time.
    pub(super) fn at(&self, t: &str) -> Address {
        let other = Self { range: Range { text: t.to_owned(), ..self.range.clone() }, ..self.clone() };
        other.with_rows(&self.rows).with("find", &self.find).with("service", &self.service)
    }

    /// This page shown another way.
    pub(super) fn shown(&self, show: Show) -> Address {
        Self { show, ..self.clone() }.with_rows(&self.rows)
    }

    /// This page with one query, its time kept.
    pub(super) fn with_query(&self, text: &str) -> Address {
        self.with_rows(&[Row { text: text.to_owned(), is_on: true }])
    }

    fn timed(&self, address: Address, t: &str) -> Address {
        let address = if t.is_empty() { address.with_empty("t") } else { address.with("t", t) };
        let show = if self.show == Show::Graph { "" } else { self.show.word() };
        address.with("step", &self.step).with("show", show)
    }
}

/// Numbers of queries, from 1.
fn numbers(texts: Vec<&str>) -> Result<Vec<usize>, BadParameter> {
    let read = |text: &str| {
        let number = text.parse().ok().filter(|number| (1..=QUERIES_MAX).contains(number));
        number.ok_or_else(|| {
            BadParameter::new("off", text, format!("the number of a query was expected, 1 to {QUERIES_MAX}"))
        })
    };
    texts.into_iter().filter(|text| !text.is_empty()).map(read).collect()
}

/// The times of a chart: whole steps, so that they stay where they are while the range moves.
fn steps(
    text: &str,
    range: TimeRange,
    extent: Option<TimeRange>,
    now: UnixNanos,
) -> Result<Steps, BadParameter> {
    // All that is stored ends where it ends, and any other range that is open now.
    let last = match range.from {
        Some(_) => now.0,
        None => extent.and_then(|extent| extent.to).map_or(now.0, |to| to.0.saturating_add(MS)),
    };
    let to = range.to.map_or(last, |to| to.0);
    let first = extent.and_then(|extent| extent.from).map_or(to.saturating_sub(HOUR), |from| from.0);
    let from = range.from.map_or(first, |from| from.0).min(to);
    let (from, to) = (from.div_euclid(MS), to.div_euclid(MS));
    let length = to - from;
    let step_ms = match text {
        "" => round_step(length),
        text => given_step(text, length)?,
    };
    let start_ms = from.div_euclid(step_ms) * step_ms;
    let start_ms = if start_ms < from && start_ms + step_ms <= to { start_ms + step_ms } else { start_ms };
    Ok(Steps { start_ms, end_ms: start_ms + (to - start_ms) / step_ms * step_ms, step_ms })
}

/// The smallest round step, at least a second, that gives few enough steps.
fn round_step(length: i64) -> i64 {
    let least = length / STEPS_AIM;
    let round = ROUND_STEPS.iter().map(|seconds| seconds * 1000).find(|step| *step >= least);
    let longest = ROUND_STEPS[ROUND_STEPS.len() - 1] * 1000;
    round.unwrap_or_else(|| (least / longest + 1) * longest)
}

fn given_step(text: &str, length: i64) -> Result<i64, BadParameter> {
    let wrong = |expected: String| BadParameter::new("step", text, expected);
    let seconds = || text.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000));
    let step = parse_duration(text).or_else(seconds).filter(|step| *step > 0);
    let step = step.ok_or_else(|| wrong("a duration such as 15s, 1m or 1h30m was expected".to_owned()))?;
    if length / step >= STEPS_MAX {
        let least = duration_text((length / (STEPS_MAX - 1) + 1).max(1));
        return Err(wrong(format!(
            "a chart has {STEPS_MAX} steps at most, so that {least} is the shortest step in this time"
        )));
    }
    Ok(step)
}

/// A duration as PromQL writes it.
pub(super) fn duration_text(ms: i64) -> String {
    let mut rest = ms.max(0);
    let mut text = String::new();
    for (unit, length) in UNITS {
        if rest >= length {
            text.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::checks;

    const NOW: UnixNanos = UnixNanos(1_700_000_007_000_000_000);

    fn asked(address: &str) -> Result<Asked, BadParameter> {
        Asked::of(&checks::visit(address), None, NOW)
    }

    #[test]
    fn addresses_are_read_and_written() {
        for (address, expected) in [
            ("/promql?q=up&t=now-1h", "/promql?q=up&t=now-1h"),
            ("/promql?q=a&q=&q=b&off=3&off=2&t=", "/promql?q=a&q=b&off=2&t="),
            ("/promql?q=up&t=now-1h&step=1m&show=heat", "/promql?q=up&t=now-1h&step=1m&show=heat"),
            ("/promql", "/promql?t=now-1h"),
        ] {
            let asked = asked(address).unwrap();
            assert_eq!(asked.with_rows(&asked.rows).to_string(), expected, "{address}");
        }
        let asked = asked("/promql?find=req&service=cart&t=now-1h").unwrap();
        assert_eq!(asked.at("").to_string(), "/promql?t=&find=req&service=cart");
        assert!(!asked.has_query());
    }

    #[test]
    fn steps_are_whole_and_few() {
        let at = |address: &str| asked(address).unwrap().steps;
        let hour = at("/promql?t=now-1h");
        assert_eq!(hour, Steps { start_ms: 1_699_996_410_000, end_ms: 1_699_999_995_000, step_ms: 15_000 });
        assert_eq!(at("/promql?t=now-1h&step=90").step_ms, 90_000);
        for t in ["0..1", "-9223372036854775808..9223372036854775807", "..now", "now-1s", "now-30d", "1..1.5"]
        {
            let steps = at(&format!("/promql?t={t}"));
            assert!(steps.start_ms <= steps.end_ms && steps.count() <= STEPS_MAX as usize, "{t}: {steps:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (address, name, expected) in [
            ("/promql?step=1s&t=now-1h", "step", "3s604ms"),
            ("/promql?step=0s", "step", "15s"),
            ("/promql?step=x", "step", "15s"),
            ("/promql?off=9", "off", "1 to 8"),
            ("/promql?show=pink", "show", "graph, table, heat"),
            ("/promql?sel=x", "sel", "now-15m"),
            ("/promql?q=1&q=2&q=3&q=4&q=5&q=6&q=7&q=8&q=9", "q", "8 times"),
        ] {
            let wrong = asked(address).unwrap_err();
            assert_eq!(wrong.name, name, "{address}");
            assert!(wrong.expected.contains(expected), "{address}: {}", wrong.expected);
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for (ms, expected) in
            [(15_000, "15s"), (5_400_000, "1h30m"), (604_800_000, "1w"), (1_001, "1s1ms"), (0, "0s")]
        {
            assert_eq!(duration_text(ms), expected);
            assert_eq!(parse_duration(expected), Some(ms));
        }
    }
}
