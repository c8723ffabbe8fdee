//! Which series and metrics there are.

use std::collections::{BTreeMap, BTreeSet};

use model::TimeRange;

use super::super::work::Work;
use super::rows::milliseconds;
use super::wanted::wishes;
use super::{METRIC_SERIES_MAX, MetricDescription, Of, SeriesList, SeriesQuestion, answer, red};
use crate::error::QueryError;
use crate::promql::{Labels, Matcher, Selection};

/// The most samples that are read to list the buckets and quantiles of series.
const SAMPLES_MAX: u64 = 50_000_000;

/// The series of a question.
pub(super) fn of(work: &mut Work<'_>, of: &Of, question: &SeriesQuestion) -> Result<SeriesList, QueryError> {
    let mut found: BTreeSet<Labels> = BTreeSet::new();
    let everything = [Vec::new()];
    let selectors = if question.selectors.is_empty() { &everything[..] } else { &question.selectors };
    for matchers in selectors {
        add(work, of, matchers, question.range, &mut found)?;
    }
    let is_cut = found.len() > question.limit;
    Ok(SeriesList { series: found.into_iter().take(question.limit).collect(), is_cut, stats: work.stats()? })
}

fn add(
    work: &mut Work<'_>,
    of: &Of,
    matchers: &[Matcher],
    range: TimeRange,
    found: &mut BTreeSet<Labels>,
) -> Result<(), QueryError> {
    let seen = of.seen(range, work)?;
    let (from_ms, to_ms) = ends(range);
    let there = seen.there(from_ms, to_ms);
    let mut is_split = false;
    for (number, series) in seen.candidates(matchers) {
        if !there[number as usize] {
            continue;
        }
        for wish in wishes(&series, matchers) {
            match wish.facet.label() {
                // Which bounds there are is in the rows.
                Some(_) if !matchers.is_empty() => is_split = true,
                _ => {
                    found.insert(wish.labels);
                }
            }
        }
        let info = series.target.iter();
        let info =
            info.filter(|info| matchers.iter().all(|matcher| matcher.matches(info.get(&matcher.name))));
        found.extend(info.cloned());
        if found.len() > METRIC_SERIES_MAX {
            return Err(QueryError::Limit(format!(
                "there are more than {METRIC_SERIES_MAX} series; ask for fewer"
            )));
        }
    }
    let selection = Selection { matchers: matchers.to_vec(), from_ms, to_ms };
    let mut memory = work.memory()?;
    if is_split {
        let loaded = answer::stored(work, of, &selection, (0, SAMPLES_MAX), &mut memory)?.0;
        found.extend(loaded.into_iter().map(|series| series.labels));
    }
    let rolled_up = red::select(work, &selection, red::Wanted::Labels, &mut memory)?.0;
    found.extend(rolled_up.into_iter().map(|series| series.labels));
    Ok(())
}

/// The first and last millisecond of a range.
pub(super) fn ends(range: TimeRange) -> (i64, i64) {
    let from = range.from.map_or(i64::MIN, |from| milliseconds(from.0));
    (from, range.to.map_or(i64::MAX, |to| milliseconds(to.0.saturating_sub(1))))
}

/// What is said of metrics.
pub(super) fn descriptions(
    work: &mut Work<'_>,
    of: &Of,
    metric: Option<&str>,
) -> Result<BTreeMap<String, Vec<MetricDescription>>, QueryError> {
    let seen = of.seen(TimeRange::ALL, work)?;
    let mut found: BTreeMap<String, BTreeSet<MetricDescription>> = BTreeMap::new();
    for said in seen.metrics() {
        let name = said.family();
        if metric.is_some_and(|metric| metric != name) {
            continue;
        }
        let description =
            MetricDescription { kind: said.kind, help: said.help.clone(), unit: said.unit.clone() };
        found.entry(name.to_owned()).or_default().insert(description);
    }
    for (name, description) in red::DESCRIPTIONS {
        if metric.is_none_or(|metric| metric == name) {
            found.entry(name.to_owned()).or_default().insert(description.into());
        }
    }
    Ok(found.into_iter().map(|(name, said)| (name, said.into_iter().collect())).collect())
}
