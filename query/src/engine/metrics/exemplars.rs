//! Exemplars: measurements that samples were made from, with the trace they were made in.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, FixedSizeBinaryArray, StructArray};
use arrow::datatypes::{Float64Type, TimestampNanosecondType};
use model::{SpanId, TimeRange, TraceId, attributes};

use super::super::work::Work;
use super::described::Described;
use super::known::{Place, Places};
use super::list::ends;
use super::rows::milliseconds;
use super::wanted::{Facet, wishes};
use super::{Exemplar, Of, SeriesExemplars, red};
use crate::columns::{Columns, items};
use crate::error::QueryError;
use crate::promql::{Labels, MatchOp, Matcher, NAME};

/// The most exemplars of an answer; the newest stay.
const EXEMPLARS_MAX: usize = 10_000;
/// The columns that are read.
const COLUMNS: [&str; 1] = ["exemplars"];

/// The exemplars of series that pass all matchers of one of these.
pub(super) fn of(
    work: &mut Work<'_>,
    of: &Of,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
) -> Result<Vec<SeriesExemplars>, QueryError> {
    let mut found: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
    let seen = of.seen(range, work)?;
    for matchers in selectors {
        let mut wanted: Vec<Option<Labels>> = vec![None; seen.series()];
        for (number, series) in seen.candidates(matchers) {
            wanted[number as usize] = labels(&series, matchers);
        }
        for (part, places) in &seen.parts {
            let (chosen, series) = chosen(places, &wanted, ends(range));
            if chosen.is_empty() {
                continue;
            }
            let mut series = series.into_iter();
            let mut add = |labels: &Labels, exemplar: Exemplar| {
                found.entry(labels.clone()).or_default().push(exemplar);
            };
            let whole = part.read(&COLUMNS, Some(&chosen), &mut work.cost, work.control, &mut |batch| {
                for (row, number) in (0..batch.num_rows()).zip(&mut series) {
                    if let Some(labels) = &wanted[number as usize]
                        && let Some(items) = items(Columns(batch).lists("exemplars"), row)
                    {
                        exemplars(&items, range).into_iter().for_each(|exemplar| add(labels, exemplar));
                    }
                }
                Ok(())
            })?;
            if !whole {
                let message = "the time limit passed while exemplars were read";
                return Err(QueryError::Timeout(message.to_owned()));
            }
        }
        red::exemplars(work, matchers, range, &mut found)?;
    }
    Ok(finished(found))
}

/// Under which labels the exemplars of a series are told; `None` if they are not wanted. Those of a histogram stand with
/// its buckets, as Prometheus has them, without the bound.
fn labels(series: &Described, matchers: &[Matcher]) -> Option<Labels> {
    let wishes = wishes(series, matchers);
    let of_samples = |wish: &&super::wanted::Wish| matches!(wish.facet, Facet::Value | Facet::Buckets);
    Some(wishes.iter().find(of_samples).or(wishes.first())?.labels.clone())
}

/// The rows of wanted series, as ranges, and the series of each row.
fn chosen(
    places: &Places,
    wanted: &[Option<Labels>],
    (from_ms, to_ms): (i64, i64),
) -> (Vec<std::ops::Range<u32>>, Vec<u32>) {
    let is_wanted = |series: u32| wanted.get(series as usize).is_some_and(Option::is_some);
    match places {
        Places::Sorted(places) => {
            let places = places
                .iter()
                .filter(|place| is_wanted(place.series) && place.from_ms <= to_ms && place.to_ms >= from_ms);
            let places: Vec<Place> = places.collect();
            let series = places.iter().flat_map(|place| std::iter::repeat_n(place.series, place.rows.len()));
            let series = series.collect();
            (places.into_iter().map(|place| place.rows).collect(), series)
        }
        Places::Mixed(series) => {
            let rows = (0..).zip(series).filter(|(_, series)| is_wanted(**series));
            rows.map(|(row, series)| (row..row + 1, *series)).unzip()
        }
    }
}

fn exemplars(items: &StructArray, range: TimeRange) -> Vec<Exemplar> {
    let times =
        items.column_by_name("time").and_then(|times| times.as_primitive_opt::<TimestampNanosecondType>());
    let values = items.column_by_name("value").and_then(|values| values.as_primitive_opt::<Float64Type>());
    let texts = items.column_by_name("attributes").and_then(|texts| texts.as_string_opt::<i32>());
    let ids = |name: &str| items.column_by_name(name)?.as_fixed_size_binary_opt();
    let (traces, spans) = (ids("trace_id"), ids("span_id"));
    let (Some(times), Some(values)) = (times, values) else { return Vec::new() };
    let inside = (0..items.len())
        .filter(|at| values.is_valid(*at) && range.contains(model::UnixNanos(times.value(*at))));
    let exemplar = |at: usize| {
        let trace_id = id(traces, at).map(TraceId);
        let span_id = id(spans, at).map(SpanId);
        let own = texts.map_or_else(Vec::new, |texts| attributes::parse(texts.value(at)));
        let own = own
            .into_iter()
            .filter_map(|(key, value)| Some((super::names::label(&key), value.text()?.into_owned())));
        let ids =
            [("trace_id", trace_id.map(|id| id.to_string())), ("span_id", span_id.map(|id| id.to_string()))];
        let ids = ids.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?)));
        Exemplar {
            labels: Labels::new(ids.chain(own)),
            value: values.value(at),
            time_ms: milliseconds(times.value(at)),
            trace_id,
            span_id,
        }
    };
    inside.map(exemplar).collect()
}

fn id<const N: usize>(ids: Option<&FixedSizeBinaryArray>, at: usize) -> Option<[u8; N]> {
    let ids = ids.filter(|ids| ids.is_valid(at))?;
    ids.value(at).try_into().ok()
}

/// In order, each once, the newest of too many.
fn finished(found: BTreeMap<Labels, Vec<Exemplar>>) -> Vec<SeriesExemplars> {
    let mut times: Vec<i64> = found.values().flatten().map(|exemplar| exemplar.time_ms).collect();
    times.sort_unstable_by_key(|time| std::cmp::Reverse(*time));
    let oldest = times.get(EXEMPLARS_MAX).copied().unwrap_or(i64::MIN);
    let series = found.into_iter().map(|(labels, mut exemplars)| {
        exemplars.retain(|exemplar| exemplar.time_ms > oldest);
        exemplars.sort_by(|left, right| (left.time_ms, &left.labels).cmp(&(right.time_ms, &right.labels)));
        exemplars.dedup_by(|later, first| later.time_ms == first.time_ms && later.labels == first.labels);
        SeriesExemplars { labels, exemplars }
    });
    series.filter(|series| !series.exemplars.is_empty()).collect()
}

/// The value that an equality asks for a label, if there is one.
pub(super) fn asked<'m>(matchers: &'m [Matcher], label: &str) -> Option<&'m str> {
    let equal = |matcher: &&Matcher| &*matcher.name == label && matcher.op == MatchOp::Equal;
    matchers.iter().find(equal).map(|matcher| &*matcher.value)
}

/// Whether matchers can be about a metric of this name.
pub(super) fn may_ask_for(matchers: &[Matcher], name: &str) -> bool {
    matchers.iter().filter(|matcher| &*matcher.name == NAME).all(|matcher| matcher.matches(name))
}
