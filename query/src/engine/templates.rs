//! Logs by template: how often, since when, where, and what stands at the variable places.

use std::collections::HashMap;

use model::{Predicate, Signal, TimeRange, UnixNanos};
use storage::{Scan, Snapshot, TemplateCount, Trend};

use super::work::Work;
use super::{Search, resolve};
use crate::error::QueryError;
use crate::rows::{FacetValue, Stats, Template};
use crate::search;

/// The parts of a trend.
const TREND_PARTS: usize = 24;
/// The services that are named with a template.
const SERVICES_SHOWN: usize = 20;
/// The rows that the values of variables are counted over: of one template, and of all in an answer.
const SAMPLE_ROWS_MAX: usize = 64;
const SAMPLE_ROWS_IN_ALL: usize = 65_536;
/// The memory for what is counted of templates, in rows of an answer.
const COUNTED_ROWS: usize = 16_384;
/// The variable places of a template whose values are shown.
const PLACES_SHOWN: usize = 32;
/// The values shown of a place.
const VALUES_SHOWN: usize = 5;
/// The bytes of a value or an example that are shown.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// Logs by template.
#[derive(Debug, Clone)]
pub struct Templates {
    /// Most frequent first, then by identity.
    pub templates: Vec<Template>,
    /// How many templates there are in all.
    pub templates_total: usize,
    /// How many logs match.
    pub total: u64,
    /// Those of them whose body has no template.
    pub without: u64,
    /// The range that was covered: the one asked for, where it is open that of the stored logs.
    pub range: TimeRange,
    /// Where the next page begins; `None` at the end.
    pub cursor: Option<String>,
    /// What it cost.
    pub stats: Stats,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Question {
    predicate: Predicate,
    range: TimeRange,
    limit: usize,
    after: Option<Key>,
}

/// The place of a template in the order: by count, largest first, then by identity.
type Key = (std::cmp::Reverse<u64>, u64);

impl Question {
    pub(super) fn new(search: &Search) -> Result<Self, QueryError> {
        Ok(Self {
            predicate: search::parse(&search.q, Signal::Logs)?,
            range: search.range,
            limit: search.limit,
            after: search.cursor.as_deref().map(key_of_cursor).transpose()?,
        })
    }
}

/// How many rows of each template are read for an answer with so many.
fn sample_rows(limit: usize) -> usize {
    (SAMPLE_ROWS_IN_ALL / limit.max(1)).clamp(1, SAMPLE_ROWS_MAX)
}

/// As how many rows an answer counts with so many templates: its examples, and what is counted of each template.
pub(super) fn rows_held(limit: usize) -> usize {
    sample_rows(limit).saturating_mul(limit).saturating_add(COUNTED_ROWS)
}

pub(super) fn list(work: &mut Work<'_>, question: &Question) -> Result<Templates, QueryError> {
    let period = Period::new(work.snapshot, question.range);
    let predicate = resolve::resolved(work, Signal::Logs, question.range, &question.predicate, None)?;
    let scan = Scan { signal: Signal::Logs, range: question.range, predicate };
    let tally = work.snapshot.tally(&scan, period.trend, &work.to_the_end())?;
    work.count(tally.stats);
    let templates_total = tally.templates.len();
    let mut counts = tally.templates;
    counts.sort_by_key(key);
    counts.retain(|count| question.after.is_none_or(|after| key(count) > after));
    let more = counts.len() > question.limit;
    counts.truncate(question.limit);
    let cursor = counts.last().filter(|_| more).map(|last| format!("{}.{:016x}", last.count, last.id));
    let samples: Vec<_> = counts.iter().map(|count| &count.sample).collect();
    let bodies = work.snapshot.bodies(&samples, sample_rows(question.limit))?;
    let templates = counts.iter().zip(&bodies).map(|(count, bodies)| template(count, bodies, &period));
    Ok(Templates {
        templates: templates.collect(),
        templates_total,
        total: tally.total,
        without: tally.without,
        range: period.range,
        cursor,
        stats: work.stats()?,
    })
}

fn key(count: &TemplateCount) -> Key {
    (std::cmp::Reverse(count.count), count.id)
}

fn key_of_cursor(text: &str) -> Result<Key, QueryError> {
    let key = text.split_once('.').and_then(|(count, id)| {
        Some((std::cmp::Reverse(count.parse().ok()?), u64::from_str_radix(id, 16).ok()?))
    });
    key.ok_or_else(|| QueryError::invalid(format!("{text:?} is no cursor: take one from an earlier answer")))
}

/// The range of a question with its parts.
#[derive(Debug)]
struct Period {
    range: TimeRange,
    trend: Trend,
    /// A template that was first seen from here on is new.
    new_from: i64,
}

impl Period {
    /// Where the range is open it ends with what is stored. If nothing older is stored that the range could be
    /// compared with, the first part of what is stored of it is what the rest is compared with.
    fn new(snapshot: &Snapshot, range: TimeRange) -> Self {
        let extent = snapshot.extent(Signal::Logs).unwrap_or_default();
        let from = range.from.or(extent.from).map_or(0, |from| from.0);
        let end = extent.to.map(|last| UnixNanos(last.0.saturating_add(1)));
        let to = range.to.or(end).map_or(from, |to| to.0).max(from.saturating_add(1));
        let width = (to.saturating_sub(from).max(1) as u64).div_ceil(TREND_PARTS as u64);
        let width = i64::try_from(width).unwrap_or(i64::MAX);
        let older = extent.from.is_some_and(|first| first.0 < from);
        // What was not stored yet is nothing to compare with.
        let begun = extent.from.map_or(from, |first| first.0.clamp(from, to));
        let first_part = to.saturating_sub(begun) / TREND_PARTS as i64;
        Self {
            range: TimeRange { from: Some(UnixNanos(from)), to: Some(UnixNanos(to)) },
            trend: Trend { from, width, parts: TREND_PARTS },
            new_from: if older { from } else { begun.saturating_add(first_part).saturating_add(1) },
        }
    }
}

/// Whether a template came or went.
fn state(first_seen: i64, new_from: i64, trend: &[u64]) -> &'static str {
    match trend.last() {
        _ if first_seen >= new_from => "new",
        Some(0) => "gone",
        _ => "steady",
    }
}

fn template(count: &TemplateCount, bodies: &[(String, Vec<String>)], period: &Period) -> Template {
    let mut services = count.services.clone();
    services.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    Template {
        id: format!("{:016x}", count.id),
        template: count.text.clone(),
        count: count.count,
        first_seen: count.first_seen.0,
        last_seen: count.last_seen.0,
        services: services.into_iter().take(SERVICES_SHOWN).map(|(name, _)| name).collect(),
        example: bodies.first().map(|(body, _)| shortened(body)),
        state: state(count.first_seen.0, period.new_from, &count.trend).to_owned(),
        trend: count.trend.clone(),
        variables: values(bodies),
    }
}

/// The commonest values of each variable place, over the bodies with as many places as the first has.
fn values(bodies: &[(String, Vec<String>)]) -> Vec<Vec<FacetValue>> {
    let places = bodies.first().map_or(0, |(_, variables)| variables.len());
    let alike = || bodies.iter().filter(|(_, variables)| variables.len() == places);
    let place = |at: usize| {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        alike().for_each(|(_, variables)| *counts.entry(&variables[at]).or_default() += 1);
        let mut values: Vec<(&str, u64)> = counts.into_iter().collect();
        values.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
        let values = values.into_iter().take(VALUES_SHOWN);
        values.map(|(value, count)| FacetValue { value: shortened(value), count }).collect()
    };
    (0..places.min(PLACES_SHOWN)).map(place).collect()
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_come_stay_and_go() {
        for (first_seen, trend, expected) in [
            (50, [1, 0, 1], "steady"),
            (99, [0, 0, 1], "steady"),
            (99, [1, 1, 0], "gone"),
            (100, [1, 0, 0], "new"),
            (180, [0, 0, 1], "new"),
        ] {
            assert_eq!(state(first_seen, 100, &trend), expected, "{first_seen} {trend:?}");
        }
    }

    #[test]
    fn values_are_counted_by_place_and_cut() {
        let body = |variables: &[&str]| {
            ("x".to_owned(), variables.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let long = "é".repeat(TEXT_BYTES_MAX);
        let bodies = [body(&["b", "1"]), body(&["a", "2"]), body(&["b"]), body(&["b", &long])];
        let found = values(&bodies);
        let counts = |at: usize| found[at].iter().map(|one| (one.value.len(), one.count)).collect::<Vec<_>>();
        assert_eq!(found[0][0], FacetValue { value: "b".to_owned(), count: 2 });
        assert_eq!((counts(0), counts(1)), (vec![(1, 2), (1, 1)], vec![(1, 1), (1, 1), (TEXT_BYTES_MAX, 1)]));
        assert!(values(&[]).is_empty());
        let many: Vec<_> = (0..9).map(|at| body(&[&at.to_string()])).collect();
        assert_eq!(values(&many)[0].len(), VALUES_SHOWN);
    }

    #[test]
    fn a_large_answer_looks_at_fewer_rows_of_each() {
        for (limit, rows) in [(0, 64), (100, 64), (1024, 64), (2048, 32), (10_000, 6), (usize::MAX, 1)] {
            assert_eq!(sample_rows(limit), rows, "{limit}");
        }
    }
}
