//! `metrics`: PromQL at one time or over a range, and the exemplars of its series.
//!
//! - `answer`: answers of Prometheus' API, as series of samples
//! - `rows`: series and exemplars as tables, NDJSON and CSV
//! - `chart`: series as lines over time
//! - `numbers`: numbers as people read them

mod answer;
mod chart;
mod numbers;
mod rows;

use jiff::Timestamp;

use super::error::ClientError;
use super::output::{Output, hint, notice};
use super::source::Source;
use super::text::{Tone, count};
use super::{Outcome, ask, cost, parse, times, warn_partial, whole};
use crate::cli::{MetricFormat, MetricsArgs};
use answer::{Answer, Exemplars, Series};

/// How long a range is that names one end, or none, in nanoseconds.
const RANGE: i64 = 3600 * 1_000_000_000;
/// About how many points a series has where no step is given.
const POINTS: i64 = 250;
/// The steps that are chosen among, in milliseconds; past the last, whole numbers of it.
const STEPS: [i64; 14] = [
    1_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000,
    21_600_000, 86_400_000,
];

/// When a query is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// At one time, in nanoseconds; at the server's own if none is said.
    At(Option<i64>),
    /// Between two times in steps of so many milliseconds.
    Range { from: i64, to: i64, step_ms: i64 },
}

impl When {
    fn of(args: &MetricsArgs, now: i64) -> Self {
        let first = args.times.since.or(args.times.from);
        let is_range = args.exemplars || first.is_some() || args.times.to.is_some() || args.step.is_some();
        if !is_range {
            return Self::At(args.at);
        }
        let to = args.times.to.unwrap_or(now);
        let from = first.unwrap_or(to.saturating_sub(RANGE));
        Self::Range { from, to, step_ms: args.step.unwrap_or_else(|| step_of(to.saturating_sub(from))) }
    }

    fn is_range(self) -> bool {
        matches!(self, Self::Range { .. })
    }
}

/// The step of a range of so many nanoseconds.
fn step_of(length: i64) -> i64 {
    let wanted = length / 1_000_000 / POINTS;
    let longest = STEPS[STEPS.len() - 1];
    let found = STEPS.into_iter().find(|step| *step >= wanted);
    found.unwrap_or_else(|| (wanted + longest - 1) / longest * longest)
}

/// What can be said of a command before anything is asked.
pub(super) fn check(args: &MetricsArgs) -> Result<(), ClientError> {
    let is_chart = args.connection.format == MetricFormat::Chart;
    if is_chart && args.exemplars {
        return Err(ClientError::Usage("exemplars are shown as rows: leave out --format chart".to_owned()));
    }
    if is_chart && !When::of(args, 0).is_range() {
        return Err(ClientError::Usage(
            "a chart has a range: give --since 1h, or --from and --to".to_owned(),
        ));
    }
    Ok(())
}

/// Asks, and shows what came.
pub(super) fn metrics(
    source: &Source,
    args: &MetricsArgs,
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
    let when = When::of(args, now);
    let mut params = vec![("query", args.query.clone())];
    let path = match when {
        When::At(at) => {
            params.extend(at.map(|at| ("time", times::rfc3339(at))));
            "query"
        }
        When::Range { from, to, step_ms } => {
            params.extend([("start", times::rfc3339(from)), ("end", times::rfc3339(to))]);
            params.push(("step", format!("{}", step_ms as f64 / 1000.0)));
            if args.exemplars { "query_exemplars" } else { "query_range" }
        }
    };
    params.push(("stats", "all".to_owned()));
    let path = format!("/prometheus/api/v1/{path}");
    let body = ask(&format!("asking {}", source.name()), &args.query, || source.get(&path, &params))?;
    match args.exemplars {
        true => exemplars(source, args, &body, output),
        false => series(source, args, when, &body, output),
    }
}

fn series(
    source: &Source,
    args: &MetricsArgs,
    when: When,
    body: &[u8],
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    let answer = Answer::read(body, source.name())?;
    let format = match args.connection.format {
        MetricFormat::Auto if when.is_range() && output.is_terminal() => MetricFormat::Chart,
        format => format,
    };
    let found = match format {
        MetricFormat::Json => {
            whole(output, body, source)?;
            answer.rows(source.name())?.len()
        }
        MetricFormat::Ndjson => {
            let rows = answer.rows(source.name())?;
            super::answer::ndjson(&rows, output)?;
            rows.len()
        }
        MetricFormat::Csv => shown(&answer.series(source.name())?, output, rows::csv)?,
        MetricFormat::Auto | MetricFormat::Table => {
            let table = |series: &[Series], output: &mut Output| rows::table(series, when.is_range(), output);
            shown(&answer.series(source.name())?, output, table)?
        }
        MetricFormat::Chart => {
            shown(&answer.series(source.name())?, output, |series, output| draw(series, when, args, output))?
        }
    };
    output.flush()?;
    said(args, &answer, found);
    Ok(Outcome::of(found > 0))
}

/// Shows series, and says how many there are.
fn shown(
    series: &[Series],
    output: &mut Output,
    show: impl FnOnce(&[Series], &mut Output) -> std::io::Result<()>,
) -> Result<usize, ClientError> {
    if !series.is_empty() {
        show(series, output)?;
    }
    Ok(series.len())
}

/// A chart of a range.
fn draw(series: &[Series], when: When, args: &MetricsArgs, output: &mut Output) -> std::io::Result<()> {
    let When::Range { from, to, step_ms } = when else { return rows::table(series, false, output) };
    let left_out = series.iter().filter(|series| series.is_of_histograms()).count();
    chart::show(series, (from / 1_000_000, to / 1_000_000), step_ms, output)?;
    if left_out > 0 {
        output.flush()?;
        let what = count(left_out, "series of histograms has", "series of histograms have");
        let rest = format!("{what} no line: ask for histogram_quantile(0.95, …), or for --format table");
        notice(args.connection.color, Tone::Dim, "left out:", &rest);
    }
    Ok(())
}

/// What is told beside an answer: warnings, remarks, that there is nothing, and what it cost.
fn said(args: &MetricsArgs, answer: &Answer<'_>, found: usize) {
    let color = args.connection.color;
    for warning in &answer.warnings {
        notice(color, Tone::Warn, "warning:", warning);
    }
    for info in &answer.infos {
        notice(color, Tone::Dim, "note:", info);
    }
    let for_people =
        !matches!(args.connection.format, MetricFormat::Json | MetricFormat::Ndjson | MetricFormat::Csv);
    if found == 0 && for_people {
        notice(color, Tone::Dim, "nothing found:", "no series has a sample at this time");
    }
    if let Some(own) = answer.cost() {
        warn_partial(own.stats.partial.as_ref(), color);
        let samples = answer.samples();
        hint(color, "loaded:", &format!("{} series, {samples} samples{}", own.series, own.widest()));
        cost(color, &own.stats);
    }
}

fn exemplars(
    source: &Source,
    args: &MetricsArgs,
    body: &[u8],
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    if body.is_empty() {
        return Err(ClientError::Usage("the query has no series whose exemplars could be listed".to_owned()));
    }
    let found: Exemplars = parse(body, source.name())?;
    let any = found.data.iter().any(|series| !series.exemplars.is_empty());
    match args.connection.format {
        MetricFormat::Json => whole(output, body, source)?,
        MetricFormat::Ndjson => rows::exemplars_ndjson(&found, output)?,
        MetricFormat::Csv => rows::exemplars_csv(&found, output)?,
        MetricFormat::Auto | MetricFormat::Table | MetricFormat::Chart if any => {
            rows::exemplars_table(&found, output)?;
        }
        MetricFormat::Auto | MetricFormat::Table | MetricFormat::Chart => {
            let message = "no exemplars of these series in this time";
            notice(args.connection.color, Tone::Dim, "nothing found:", message);
        }
    }
    output.flush()?;
    Ok(Outcome::of(any))
}

#[cfg(test)]
mod tests;
