//! What is counted over all matches while the newest of them are looked for: total, facets, histogram.

use std::collections::HashMap;

use arrow::array::{Array, RecordBatch};
use model::{Signal, TimeRange, attributes, schema};
use storage::{Observer, Scan, Snapshot};

use super::Search;
use crate::columns::{Columns, Texts, hex};
use crate::rows::{Bucket, FacetValue, Page};
use crate::search;

/// How many different values of a key are told apart; rows with further ones are not counted for it.
const FACET_VALUES_MAX: usize = 10_000;
/// How many of them an answer lists.
const FACET_VALUES_SHOWN: usize = 20;
/// The severity number at which a log counts as an error.
const ERROR_SEVERITY: i64 = 17;

/// Counts matching rows.
pub(super) struct Aggregate {
    signal: Signal,
    total: u64,
    facets: Vec<Facet>,
    histogram: Option<Histogram>,
}

struct Facet {
    key: String,
    source: FacetSource,
    counts: HashMap<String, u64>,
}

enum FacetSource {
    Column(&'static str),
    /// An attribute, its names quoted, in these columns in order.
    Attribute(Vec<String>, &'static [&'static str]),
}

struct Histogram {
    from: i64,
    width: i64,
    bars: Vec<(u64, u64)>,
}

impl Aggregate {
    /// What a search wants counted, if anything.
    pub(super) fn wanted(snapshot: &Snapshot, scan: &Scan, search: &Search) -> Option<Self> {
        if search.facets.is_empty() && search.histogram.is_none() {
            return None;
        }
        let facets = search.facets.iter().map(|key| Facet::new(scan.signal, key)).collect();
        let histogram = search.histogram.and_then(|bars| Histogram::new(snapshot, scan, bars));
        Some(Self { signal: scan.signal, total: 0, facets, histogram })
    }

    /// Puts the counts into an answer.
    pub(super) fn finish<T>(self, search: &Search, page: &mut Page<T>) {
        page.total = Some(self.total);
        if !search.facets.is_empty() {
            page.facets = Some(self.facets.into_iter().map(Facet::finish).collect());
        }
        if search.histogram.is_some() {
            page.histogram = Some(self.histogram.map_or_else(Vec::new, Histogram::finish));
        }
    }
}

impl Observer for Aggregate {
    fn columns(&self) -> Vec<&'static str> {
        let mut columns = vec![schema::time_column(self.signal), error_column(self.signal)];
        for facet in &self.facets {
            match &facet.source {
                FacetSource::Column(column) => columns.push(column),
                FacetSource::Attribute(_, names) => columns.extend(*names),
            }
        }
        columns
    }

    fn observe(&mut self, rows: &RecordBatch) {
        self.total += rows.num_rows() as u64;
        self.facets.iter_mut().for_each(|facet| facet.observe(rows));
        if let Some(histogram) = &mut self.histogram {
            histogram.observe(self.signal, rows);
        }
    }
}

fn error_column(signal: Signal) -> &'static str {
    match signal {
        Signal::Spans => "status_code",
        Signal::Logs => "severity_number",
        Signal::Metrics => "metric",
        Signal::Red => "operation",
    }
}

/// Tells of each row of a batch whether it is an error.
fn errors_of<'a>(signal: Signal, columns: &Columns<'a>) -> Box<dyn Fn(usize) -> bool + 'a> {
    match signal {
        Signal::Spans => {
            let statuses = columns.texts("status_code");
            Box::new(move |row| statuses.get(row) == Some("error"))
        }
        Signal::Logs => match columns.ints("severity_number") {
            Some(numbers) => {
                Box::new(move |row| numbers.is_valid(row) && numbers.value(row) >= ERROR_SEVERITY)
            }
            None => Box::new(|_| false),
        },
        Signal::Metrics | Signal::Red => Box::new(|_| false),
    }
}

/// The column of a field whose values are told apart, if the signal has it.
pub(super) fn column_of(signal: Signal, key: &str) -> Option<&'static str> {
    match (key, signal) {
        ("service", _) => Some("service_name"),
        ("namespace", _) => Some("service_namespace"),
        ("environment", _) => Some("deployment_environment"),
        ("version", _) => Some("service_version"),
        ("instance", _) => Some("service_instance_id"),
        ("scope", _) => Some("scope_name"),
        ("name", Signal::Spans) => Some("name"),
        ("kind", Signal::Spans) => Some("kind"),
        ("status", Signal::Spans) => Some("status_code"),
        ("severity" | "level", Signal::Logs) => Some("severity"),
        ("event", Signal::Logs) => Some("event_name"),
        ("template", Signal::Logs) => Some(schema::TEMPLATE_ID),
        ("trace", Signal::Spans | Signal::Logs) => Some("trace_id"),
        _ => None,
    }
}

impl Facet {
    fn new(signal: Signal, key: &str) -> Self {
        let column = column_of(signal, key);
        let source = match (column, key.split_once('.')) {
            (Some(column), _) => FacetSource::Column(column),
            (None, Some(("resource", key))) => FacetSource::Attribute(names(key), &["resource_attributes"]),
            (None, Some(("scope", key))) => FacetSource::Attribute(names(key), &["scope_attributes"]),
            _ => {
                FacetSource::Attribute(names(key), &["attributes", "scope_attributes", "resource_attributes"])
            }
        };
        Self { key: key.to_owned(), source, counts: HashMap::new() }
    }

    fn observe(&mut self, rows: &RecordBatch) {
        let columns = Columns(rows);
        match &self.source {
            FacetSource::Column("trace_id") => {
                let ids = columns.ids("trace_id").into_iter().flatten().flatten();
                ids.for_each(|id| count(&mut self.counts, &hex(id), 1));
            }
            FacetSource::Column(column) => count_texts(&mut self.counts, columns.texts(column)),
            FacetSource::Attribute(keys, names) => {
                let texts: Vec<Texts<'_>> = names.iter().map(|name| columns.texts(name)).collect();
                for row in 0..rows.num_rows() {
                    let stored = keys.iter().find_map(|key| {
                        texts.iter().find_map(|texts| attributes::get_quoted(texts.get(row)?, key))
                    });
                    let value = stored.and_then(attributes::parse_value);
                    if let Some(text) = value.as_ref().and_then(|value| value.text()) {
                        count(&mut self.counts, &text, 1);
                    }
                }
            }
        }
    }

    fn finish(self) -> (String, Vec<FacetValue>) {
        let counts = self.counts.into_iter();
        let mut values: Vec<FacetValue> = counts.map(|(value, count)| FacetValue { value, count }).collect();
        values.sort_by(|a, b| (b.count, &a.value).cmp(&(a.count, &b.value)));
        values.truncate(FACET_VALUES_SHOWN);
        (self.key, values)
    }
}

/// Counts every text of a column, those of a dictionary once a value.
fn count_texts(counts: &mut HashMap<String, u64>, texts: Texts<'_>) {
    match texts {
        Texts::None => {}
        Texts::Plain(texts) => texts.iter().flatten().for_each(|text| count(counts, text, 1)),
        Texts::Dictionary(keys, values) => {
            let mut of_values = vec![0; values.len()];
            let keys = keys.iter().flatten().filter_map(|key| usize::try_from(key).ok());
            keys.for_each(|key| of_values[key] += 1);
            let seen = of_values.iter().enumerate().filter(|(_, rows)| **rows > 0);
            seen.for_each(|(value, rows)| count(counts, values.value(value), *rows));
        }
    }
}

fn count(counts: &mut HashMap<String, u64>, value: &str, rows: u64) {
    if let Some(count) = counts.get_mut(value) {
        *count += rows;
    } else if counts.len() < FACET_VALUES_MAX {
        counts.insert(value.to_owned(), rows);
    }
}

/// The names of an attribute, old and current, as they stand in stored text.
fn names(key: &str) -> Vec<String> {
    let others = search::other_names(key);
    std::iter::once(key).chain(others.iter().map(AsRef::as_ref)).map(attributes::quote).collect()
}

impl Histogram {
    /// Bars over the range of the search, or of what is stored where that is open; `None` without data.
    fn new(snapshot: &Snapshot, scan: &Scan, bars: usize) -> Option<Self> {
        let extent = snapshot.extent(scan.signal)?;
        let TimeRange { from, to } = scan.range;
        let from = from.or(extent.from)?.0;
        let to = to.map_or_else(|| extent.to.map(|last| last.0.saturating_add(1)), |to| Some(to.0))?;
        let width = (to.saturating_sub(from).max(1) as u64).div_ceil(bars as u64);
        let width = i64::try_from(width).ok()?.max(1);
        Some(Self { from, width, bars: vec![(0, 0); bars] })
    }

    fn observe(&mut self, signal: Signal, rows: &RecordBatch) {
        let columns = Columns(rows);
        let Some(times) = columns.times(schema::time_column(signal)) else { return };
        let is_error = errors_of(signal, &columns);
        for (row, time) in times.values().iter().enumerate() {
            let at = time.saturating_sub(self.from).div_euclid(self.width);
            let bar = usize::try_from(at).ok().and_then(|at| self.bars.get_mut(at));
            let Some((count, errors)) = bar else { continue };
            *count += 1;
            *errors += u64::from(is_error(row));
        }
    }

    fn finish(self) -> Vec<Bucket> {
        let start = |at: usize| self.from.saturating_add(self.width.saturating_mul(at as i64));
        let bars = self.bars.iter().enumerate();
        bars.map(|(at, (count, errors))| Bucket { time: start(at), count: *count, errors: *errors }).collect()
    }
}
