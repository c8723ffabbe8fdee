//! Answers PromQL: loads what a query selects and evaluates it.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Instant;

use model::{TimeRange, UnixNanos};
use storage::rest;

use super::super::work::{Memory, Work};
use super::load::Loader;
use super::rows::nanoseconds;
use super::{MetricAnswer, Of, red};
use crate::error::QueryError;
use crate::promql::{Answer, Error, Labels, Limits, MatchOp, Matcher, NAME, Query, Selection, Series};

/// Bytes that a point of a result is taken to need while it is evaluated, per step and series that was loaded.
const POINT_BYTES: usize = 9;

pub(super) fn of(
    work: &mut Work<'_>,
    of: &Of,
    query: &Query,
    limits: Limits,
) -> Result<MetricAnswer, QueryError> {
    let mut memory = work.memory()?;
    let mut samples = 0;
    let mut loaded: Vec<Vec<Series>> = Vec::with_capacity(query.selections().len());
    for selection in query.selections() {
        let (series, read) = select(work, of, selection, (samples, limits.samples_max), &mut memory)?;
        samples = read;
        loaded.push(series);
    }
    let series = loaded.iter().map(|series| series.len() as u64).sum();
    let widest = query.selections().iter().zip(&loaded).max_by_key(|(_, series)| series.len());
    let widest = widest.map(|(selection, series)| (shown(&selection.matchers), series.len() as u64));
    let most = loaded.iter().map(Vec::len).max().unwrap_or(0);
    memory.hold(most.saturating_mul(query.steps()).saturating_mul(POINT_BYTES))?;
    let answer = evaluate(work, query, &loaded)?;
    Ok(MetricAnswer { answer, series, samples, widest, stats: work.stats()? })
}

/// The series of a selector, those computed from spans among them, and how many samples were read so far: of the most that
/// may be, so many were read before.
fn select(
    work: &mut Work<'_>,
    of: &Of,
    selection: &Selection,
    samples: (u64, u64),
    memory: &mut Memory,
) -> Result<(Vec<Series>, u64), QueryError> {
    let (mut series, read) = stored(work, of, selection, samples, memory)?;
    let (mut rolled_up, more) = red::select(work, selection, red::Wanted::Samples, memory)?;
    // Who sends such metrics is believed more than what is computed.
    let sent: HashSet<Labels> = match rolled_up.is_empty() {
        true => HashSet::new(),
        false => series.iter().map(|series| series.labels.clone()).collect(),
    };
    rolled_up.retain(|series| !sent.contains(&series.labels));
    series.extend(rolled_up);
    let samples = read + more;
    Ok((series, samples))
}

/// The stored series of a selector.
pub(super) fn stored(
    work: &mut Work<'_>,
    of: &Of,
    selection: &Selection,
    samples: (u64, u64),
    memory: &mut Memory,
) -> Result<(Vec<Series>, u64), QueryError> {
    let from = UnixNanos(nanoseconds(selection.from_ms));
    let to = UnixNanos(nanoseconds(selection.to_ms.saturating_add(1)));
    let range = TimeRange { from: Some(from), to: Some(to) };
    let mut seen = of.seen(range, work)?;
    let mut loader = Loader::new(&seen, selection, samples)?;
    // A running total has to begin where the series does.
    if loader.range() != range {
        seen = of.seen(loader.range(), work)?;
        loader = Loader::new(&seen, selection, samples)?;
    }
    loader.load(&seen, work, memory)?;
    let samples = loader.samples;
    Ok((loader.finish(), samples))
}

fn evaluate(work: &Work<'_>, query: &Query, loaded: &Vec<Vec<Series>>) -> Result<Answer, QueryError> {
    let control = work.control;
    let is_over = || {
        rest();
        control.cancelled.load(Ordering::Relaxed) || Instant::now() >= control.deadline
    };
    query.evaluate(loaded, &is_over).map_err(|error| match error {
        Error::Cancelled => {
            QueryError::Timeout("the time limit passed while the query was evaluated".to_owned())
        }
        other => other.into(),
    })
}

/// Matchers as a selector has them.
fn shown(matchers: &[Matcher]) -> String {
    let name = matchers.iter().find(|matcher| &*matcher.name == NAME && matcher.op == MatchOp::Equal);
    let others = matchers.iter().filter(|matcher| name.is_none_or(|name| !std::ptr::eq(name, *matcher)));
    let others: Vec<String> =
        others.map(|matcher| format!("{}{}{:?}", matcher.name, matcher.op.text(), matcher.value)).collect();
    let name = name.map_or("", |name| name.value.as_str());
    if others.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", others.join(", ")) }
}
