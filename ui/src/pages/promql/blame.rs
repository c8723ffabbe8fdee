//! Which label makes a query wide: the one with the most values among its series.

use std::collections::{BTreeMap, HashSet};

use model::Reader;
use query::promql::{Labels, Limits, Matcher, Query};
use query::{MetricAnswer, QueryError, SeriesQuestion};

use super::question::Asked;
use crate::Ui;
use crate::format::count;

/// From how many series on a query is wide.
pub(super) const WIDE_SERIES_MIN: u64 = 1_000;
/// From how many milliseconds on it is slow.
pub(super) const SLOW_MS: u64 = 1_000;
/// Among how many series values are counted.
const COUNTED_SERIES_MAX: usize = 20_000;
/// The fewest values that a label is blamed for.
const VALUES_MIN: usize = 10;

/// Whom to blame, in pieces of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blame {
    /// The selection with the most series, as it is written.
    pub(super) selection: Option<String>,
    /// How many series it has.
    pub(super) series: String,
    /// The label with the most values, and how many.
    pub(super) label: Option<(String, String)>,
}

/// Whom to blame for a query that is wide or that a limit has ended; `None` where there is nobody.
pub(super) async fn blame(
    ui: &Ui,
    reader: &Reader,
    asked: &Asked,
    text: &str,
    found: &Result<MetricAnswer, QueryError>,
) -> Option<Blame> {
    let widest = match found {
        Ok(answer) => Some(answer.widest.clone().filter(|(_, series)| *series >= WIDE_SERIES_MIN)?),
        Err(QueryError::Bad { .. }) => return None,
        Err(_) => None,
    };
    let (selection, known) = widest.unzip();
    let selectors = selectors(selection.as_deref().unwrap_or(text), asked);
    if selectors.is_empty() {
        return None;
    }
    let question = SeriesQuestion { selectors, range: asked.covered(), limit: COUNTED_SERIES_MAX };
    let list = ui.engine.metric_series(reader, &question).await.ok()?;
    let found = list.series.len() as u64;
    if found < WIDE_SERIES_MIN {
        return None;
    }
    let series = match (known, list.is_cut) {
        (Some(known), _) => count(known),
        (None, true) => format!("more than {}", count(found)),
        (None, false) => count(found),
    };
    let label = busiest(&list.series).filter(|(_, values)| *values >= VALUES_MIN).map(|(label, values)| {
        let among =
            if list.is_cut { format!(" among the first {} series", count(found)) } else { String::new() };
        (label.to_owned(), format!("{} values{among}", count(values as u64)))
    });
    Some(Blame { selection, series, label })
}

/// What the selections of a query ask for; nothing of a query that cannot be read.
pub(super) fn selectors(text: &str, asked: &Asked) -> Vec<Vec<Matcher>> {
    let query = Query::new(text, asked.times(), asked.options, Limits::default());
    let selections = query.as_ref().map_or(&[][..], Query::selections);
    selections.iter().map(|selection| selection.matchers.clone()).collect()
}

/// The label with the most values, and how many those are.
pub(super) fn busiest(series: &[Labels]) -> Option<(&str, usize)> {
    let mut values: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    for (label, value) in series.iter().take(COUNTED_SERIES_MAX).flat_map(Labels::iter) {
        values.entry(label).or_default().insert(value);
    }
    values.into_iter().map(|(label, values)| (label, values.len())).rev().max_by_key(|(_, values)| *values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_with_the_most_values_is_blamed() {
        let one = |user: usize| {
            Labels::new([
                ("job", "shop".to_owned()),
                ("user_id", user.to_string()),
                ("zone", (user % 2).to_string()),
            ])
        };
        let series: Vec<Labels> = (0..30).map(one).collect();
        assert_eq!(busiest(&series), Some(("user_id", 30)));
        assert_eq!(busiest(&[]), None);
    }
}
