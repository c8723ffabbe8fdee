//! Spans against spans: which attributes are in one set of spans more often than in another.
//!
//! A *side* is a box of time and duration. Of each side's spans every field and attribute is counted, as pairs of key
//! and value; a pair is listed where its share differs between the sides by more than chance explains. The test is that
//! of two proportions with the correction for continuity, and its level is divided by the number of pairs that were
//! tested, so that of many equal attributes none is listed for long.

use std::collections::HashMap;
use std::ops::ControlFlow;

use arrow::array::RecordBatch;
use model::{Predicate, Signal, TimeRange, attributes};
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;
use storage::Scan;

use super::resolve;
use super::work::{Memory, Work};
use crate::columns::Columns;
use crate::error::QueryError;
use crate::rows::Stats;
use crate::search;

/// The most spans that are read of each side, from the newest segments on.
pub const COMPARED_SPANS_MAX: u64 = 50_000;
/// The most differences of an answer.
pub const DIFFERENCES_MAX: usize = 1_000;
/// The most pairs of key and value that are told apart.
const PAIRS_MAX: usize = 200_000;
/// The longest value that is compared, in bytes; longer ones are hardly ever equal.
const VALUE_BYTES_MAX: usize = 512;
/// A pair is tested if so many spans of one side have it.
const SUPPORT_MIN: u64 = 5;
/// The level of the test, over all pairs together.
const LEVEL: f64 = 0.01;
/// A smaller difference of shares is not worth a line, however certain it is.
const DIFFERENCE_MIN: f64 = 0.01;
/// Bytes that a pair is taken to need beside its text.
const PAIR_BYTES: usize = 96;

/// Fields of a span, by the names that the search language has for them.
const FIELDS: [(&str, &str); 8] = [
    ("service", "service_name"),
    ("name", "name"),
    ("kind", "kind"),
    ("status", "status_code"),
    ("namespace", "service_namespace"),
    ("environment", "deployment_environment"),
    ("version", "service_version"),
    ("instance", "service_instance_id"),
];
/// Attributes by the column that holds them, and what their keys begin with in a search.
const MAPS: [(&str, &str); 2] = [("", "attributes"), ("resource.", "resource_attributes")];
/// Attributes of the resource that are fields, too.
const TWICE: [&str; 6] = [
    "resource.service.name",
    "resource.service.namespace",
    "resource.service.version",
    "resource.service.instance.id",
    "resource.deployment.environment.name",
    "resource.deployment.environment",
];

/// A box of time and duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanBox {
    /// When the spans began.
    pub range: TimeRange,
    /// The shortest duration in nanoseconds, included.
    pub low: Option<i64>,
    /// The longest, not included.
    pub high: Option<i64>,
}

/// What is compared with what.
#[derive(Debug, Clone, Default)]
pub struct CompareQuestion {
    /// A search that the spans of both sides match.
    pub q: String,
    /// The one side.
    pub selection: SpanBox,
    /// The other; its spans that are in the selection, too, are left out of it.
    pub baseline: SpanBox,
    /// How many differences are wanted; at most [`DIFFERENCES_MAX`].
    pub limit: usize,
}

/// Attributes by how much they differ.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Spans of the selection that were compared.
    pub selection: u64,
    /// Spans of the baseline that were compared.
    pub baseline: u64,
    /// Largest difference of shares first.
    pub differences: Vec<Difference>,
    /// How many pairs of key and value were tested.
    pub tested: usize,
    /// How many differ, listed or not.
    pub differing: usize,
    /// What it cost.
    pub stats: Stats,
}

/// A pair of key and value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The key as a search writes it.
    pub key: String,
    /// The value as text.
    pub value: String,
    /// Spans of the selection that have it, and their share.
    pub selection: Share,
    /// The same of the baseline.
    pub baseline: Share,
    /// How likely so large a difference is by chance, for this pair alone.
    pub p_value: f64,
}

/// A part of the spans of a side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of all, from 0 to 1.
    pub share: f64,
}

impl Difference {
    /// The share in the selection less that in the baseline.
    pub fn difference(&self) -> f64 {
        self.selection.share - self.baseline.share
    }
}

impl SpanBox {
    /// Whether a span is in it.
    fn contains(&self, start: i64, duration: i64) -> bool {
        self.range.contains(model::UnixNanos(start))
            && self.low.is_none_or(|low| duration >= low)
            && self.high.is_none_or(|high| duration < high)
    }

    fn predicate(&self) -> Result<Predicate, QueryError> {
        let bound = |sign: &str, nanos: Option<i64>| {
            nanos.map(|nanos| search::parse(&format!("duration{sign}{nanos}"), Signal::Spans)).transpose()
        };
        let parts = [bound(">=", self.low)?, bound("<", self.high)?];
        Ok(parts.into_iter().flatten().fold(Predicate::All, |all, part| all.and(part)))
    }

    fn check(&self, name: &str) -> Result<(), QueryError> {
        match (self.low, self.high) {
            (Some(low), Some(high)) if low >= high => {
                let message = format!(
                    "the {name} ends before it begins: its shortest duration is {low} ns, its longest {high} ns"
                );
                Err(QueryError::invalid(message))
            }
            _ => Ok(()),
        }
    }
}

impl CompareQuestion {
    /// Checks what the question asks for, and reads its search.
    pub(super) fn predicate(&self) -> Result<Predicate, QueryError> {
        self.selection.check("selection")?;
        self.baseline.check("baseline")?;
        if self.limit > DIFFERENCES_MAX {
            return Err(QueryError::invalid(format!(
                "limit is {}, and {DIFFERENCES_MAX} at most",
                self.limit
            )));
        }
        search::parse(&self.q, Signal::Spans)
    }
}

/// Compares both sides. `predicate` is that of the question.
pub(super) fn compare(
    work: &mut Work<'_>,
    question: &CompareQuestion,
    predicate: &Predicate,
) -> Result<Comparison, QueryError> {
    let mut pairs = Pairs { maps: HashMap::new(), count: 0, full: false, memory: work.memory()? };
    let sides = [(0, question.selection, None), (1, question.baseline, Some(question.selection))];
    let mut spans = [0; 2];
    for (side, within, except) in sides {
        spans[side] = count(work, &mut pairs, side, within, except, predicate)?;
    }
    if pairs.full {
        work.cut(format!("more than {PAIRS_MAX} pairs of key and value"), None);
    }
    let (differences, tested) = pairs.differences(spans);
    let differing = differences.len();
    let differences = differences.into_iter().take(question.limit).collect();
    Ok(Comparison {
        selection: spans[0],
        baseline: spans[1],
        differences,
        tested,
        differing,
        stats: work.stats()?,
    })
}

/// Counts the pairs of one side, and its spans.
fn count(
    work: &mut Work<'_>,
    pairs: &mut Pairs,
    side: usize,
    within: SpanBox,
    except: Option<SpanBox>,
    predicate: &Predicate,
) -> Result<u64, QueryError> {
    let predicate = predicate.clone().and(within.predicate()?);
    let predicate = resolve::resolved(work, Signal::Spans, within.range, &predicate, None)?;
    let scan = Scan { signal: Signal::Spans, range: within.range, predicate };
    let mut columns = vec!["start_time", "duration_ns"];
    columns.extend(FIELDS.iter().chain(&MAPS).map(|(_, column)| *column));
    let (mut spans, mut cut) = (0, false);
    work.visit(&scan, &columns, |rows| {
        let counted = pairs.add(rows, side, except, COMPARED_SPANS_MAX - spans)?;
        spans += counted;
        cut = spans >= COMPARED_SPANS_MAX;
        Ok(if cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if cut {
        work.cut(format!("{COMPARED_SPANS_MAX} spans of a side are compared at most"), None);
    }
    Ok(spans)
}

/// How often each value of a key stands on either side.
type Counts = HashMap<String, [u64; 2]>;

/// Pairs of key and value with how many spans of each side have them. Keys and values of attributes stand here as
/// they are stored and are read at the end, once a pair.
struct Pairs {
    /// By what the key begins with and whether it is stored text, by key, by value.
    maps: HashMap<(&'static str, bool), HashMap<String, Counts>>,
    count: usize,
    full: bool,
    memory: Memory,
}

impl Pairs {
    /// Counts the rows of a batch, `most` at most; says how many were counted.
    fn add(
        &mut self,
        rows: &RecordBatch,
        side: usize,
        except: Option<SpanBox>,
        most: u64,
    ) -> Result<u64, QueryError> {
        let columns = Columns(rows);
        let is_mine = |row: usize| {
            let place =
                (columns.time("start_time", row).unwrap_or(0), columns.int("duration_ns", row).unwrap_or(0));
            except.is_none_or(|except| !except.contains(place.0, place.1))
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mine: Vec<usize> = (0..rows.num_rows()).filter(|row| is_mine(*row)).take(most).collect();
        for (field, column) in FIELDS {
            let texts = columns.texts(column);
            for text in mine.iter().filter_map(|row| texts.get(*row)).filter(|text| !text.is_empty()) {
                self.see(("", false), field, text, side)?;
            }
        }
        for (prefix, column) in MAPS {
            let texts = columns.texts(column);
            for stored in mine.iter().filter_map(|row| texts.get(*row)) {
                for (key, value) in attributes::entries(stored) {
                    self.see((prefix, true), key, value, side)?;
                }
            }
        }
        Ok(mine.len() as u64)
    }

    fn see(
        &mut self,
        (prefix, stored): (&'static str, bool),
        key: &str,
        value: &str,
        side: usize,
    ) -> Result<(), QueryError> {
        if value.len() > VALUE_BYTES_MAX || key.len() > VALUE_BYTES_MAX {
            return Ok(());
        }
        let keys = self.maps.entry((prefix, stored)).or_default();
        let known = keys.get_mut(key);
        let is_new = known.is_none();
        if let Some(counts) = known.and_then(|values| values.get_mut(value)) {
            counts[side] += 1;
            return Ok(());
        }
        if self.count >= PAIRS_MAX {
            self.full = true;
            return Ok(());
        }
        self.count += 1;
        let key_bytes = if is_new { key.len() + PAIR_BYTES } else { 0 };
        self.memory.hold(key_bytes + value.len() + PAIR_BYTES)?;
        let mut counts = [0; 2];
        counts[side] = 1;
        keys.entry(key.to_owned()).or_default().insert(value.to_owned(), counts);
        Ok(())
    }

    /// What differs, and how many pairs were tested.
    fn differences(self, spans: [u64; 2]) -> (Vec<Difference>, usize) {
        let mut tested = Vec::new();
        let maps = self.maps.into_iter();
        let keys = maps.flat_map(|(of, keys)| keys.into_iter().map(move |(key, values)| (of, key, values)));
        for ((prefix, stored), key, values) in keys {
            let key = if stored { attributes::unquote(&key).into_owned() } else { key };
            let key = format!("{prefix}{key}");
            if TWICE.contains(&key.as_str()) {
                continue;
            }
            let supported =
                values.into_iter().filter(|(_, counts)| counts.iter().any(|count| *count >= SUPPORT_MIN));
            tested.extend(supported.map(|(value, counts)| {
                let value = if stored { text_of(&value) } else { value };
                Difference {
                    key: key.clone(),
                    value,
                    selection: share(counts[0], spans[0]),
                    baseline: share(counts[1], spans[1]),
                    p_value: chance(counts, spans),
                }
            }));
        }
        let tests = tested.len();
        let level = LEVEL / tests.max(1) as f64;
        tested.retain(|pair| pair.p_value < level && pair.difference().abs() >= DIFFERENCE_MIN);
        tested.sort_by(|a, b| {
            let by_difference = b.difference().abs().total_cmp(&a.difference().abs());
            by_difference
                .then_with(|| a.p_value.total_cmp(&b.p_value))
                .then_with(|| (&a.key, &a.value).cmp(&(&b.key, &b.value)))
        });
        (tested, tests)
    }
}

fn share(count: u64, of: u64) -> Share {
    Share { count, share: if of > 0 { count as f64 / of as f64 } else { 0.0 } }
}

/// A stored value as people read it.
fn text_of(stored: &str) -> String {
    let value = attributes::parse_value(stored);
    value.and_then(|value| value.text().map(|text| text.into_owned())).unwrap_or_else(|| stored.to_owned())
}

/// How likely two shares differ so much by chance.
fn chance(counts: [u64; 2], spans: [u64; 2]) -> f64 {
    if spans.contains(&0) {
        return 1.0;
    }
    let [a, b, m, n] = [counts[0] as f64, counts[1] as f64, spans[0] as f64, spans[1] as f64];
    let pooled = (a + b) / (m + n);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / m + 1.0 / n)).sqrt();
    let correction = 0.5 * (1.0 / m + 1.0 / n);
    let difference = ((a / m - b / n).abs() - correction).max(0.0);
    if deviation > 0.0 { erfc(difference / deviation / std::f64::consts::SQRT_2) } else { 1.0 }
}

#[cfg(test)]
mod tests;
