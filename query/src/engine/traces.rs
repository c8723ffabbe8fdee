//! Traces: a list of summaries, and one trace whole.
//!
//! Summaries are made from the spans when they are asked for. A trace belongs to the range its first span
//! starts in, and to a search if any of its spans matches.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

use arrow::array::{Array, RecordBatch};
use model::{Predicate, Signal, TimeRange, TraceId, UnixNanos};
use storage::{Control, Observer as _, Scan, ScanStats, Snapshot};

use super::aggregate::Aggregate;
use super::{Search, check, rows_of, stats};
use crate::columns::{Columns, hex};
use crate::error::QueryError;
use crate::rows::{Page, Partial, Span, Trace, TraceSummary};
use crate::{TRACE_ROWS_MAX, search};

/// How many traces one question can tell apart.
const TRACES_MAX: usize = 2_000_000;
/// How long before the range spans are read, in nanoseconds: a trace that began so much earlier and goes on in
/// the range is known to belong to an earlier one. One hour.
const BEGUN_BEFORE: i64 = 3_600 * 1_000_000_000;
const COLUMNS: [&str; 7] =
    ["trace_id", "parent_span_id", "service_name", "name", "status_code", "start_time", "end_time"];

/// A search for traces, checked.
pub(super) struct Question {
    predicate: Predicate,
    search: Search,
    before: Option<(i64, [u8; 16])>,
}

impl Question {
    pub(super) fn new(search: &Search) -> Result<Self, QueryError> {
        check(search)?;
        let before = search.cursor.as_deref().map(cursor_key).transpose()?;
        Ok(Self { predicate: search::parse(&search.q, Signal::Spans)?, search: search.clone(), before })
    }
}

/// What is known of a trace while its spans are read.
struct Summary {
    start: i64,
    end: i64,
    /// The span that stands for the trace: a root before others, the earliest of those.
    head: (bool, i64),
    service: u32,
    name: u32,
    status: u32,
    spans: u64,
    errors: u64,
    services: Vec<u32>,
}

/// Texts that stand for themselves by number.
#[derive(Default)]
struct Words {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Words {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

pub(super) fn list(
    snapshot: &Snapshot,
    question: &Question,
    control: &Control,
) -> Result<Page<TraceSummary>, QueryError> {
    let begun = Instant::now();
    let Question { predicate, search, before } = question;
    let mut cost = ScanStats::default();
    let scan = Scan { signal: Signal::Spans, range: search.range, predicate: predicate.clone() };
    let mut aggregate = Aggregate::wanted(snapshot, &scan, search);
    if let Some(aggregate) = &mut aggregate {
        let counted = snapshot.visit(&scan, &aggregate.columns(), control, &mut |rows| {
            aggregate.observe(rows);
            Ok(())
        })?;
        cost = ScanStats { rows: cost.rows + counted.rows, bytes: cost.bytes + counted.bytes, ..counted };
    }
    let chosen = match predicate {
        Predicate::All => None,
        // A trace that begins in the range may match by a span that begins after it.
        _ => {
            let range = TimeRange { from: search.range.from, to: None };
            Some(matching(snapshot, &Scan { range, ..scan }, &mut cost, control)?)
        }
    };
    let mut summaries = Summaries::default();
    let everything = Scan {
        signal: Signal::Spans,
        // Every span of a trace starts at or after the trace does, so nothing later may be left out.
        range: TimeRange {
            from: search.range.from.map(|from| UnixNanos(from.0.saturating_sub(BEGUN_BEFORE))),
            to: None,
        },
        predicate: Predicate::All,
    };
    let read = snapshot.visit(&everything, &COLUMNS, control, &mut |rows| {
        summaries.add(rows, chosen.as_ref());
        Ok(())
    })?;
    cost = ScanStats { rows: cost.rows + read.rows, bytes: cost.bytes + read.bytes, ..read };
    let (rows, more) = summaries.newest(search, *before);
    let cursor = rows.last().filter(|_| more).map(|last| format!("{}.{}", last.start, last.trace_id));
    let mut page =
        Page { rows, cursor, stats: stats(cost, begun)?, total: None, facets: None, histogram: None };
    if summaries.overflowed {
        let reason = format!("more than {TRACES_MAX} traces: narrow the range");
        page.stats.partial = Some(Partial { reason, covered_from: None, covered_to: None });
    }
    if let Some(aggregate) = aggregate {
        aggregate.finish(search, &mut page);
    }
    Ok(page)
}

/// The traces with a matching span.
fn matching(
    snapshot: &Snapshot,
    scan: &Scan,
    cost: &mut ScanStats,
    control: &Control,
) -> Result<HashSet<[u8; 16]>, QueryError> {
    let mut ids = HashSet::new();
    let read = snapshot.visit(scan, &["trace_id"], control, &mut |rows| {
        let found = Columns(rows).ids("trace_id").into_iter().flatten().flatten();
        ids.extend(found.filter_map(|id| <[u8; 16]>::try_from(id).ok()));
        Ok(())
    })?;
    *cost = ScanStats { rows: cost.rows + read.rows, bytes: cost.bytes + read.bytes, ..read };
    Ok(ids)
}

#[derive(Default)]
struct Summaries {
    traces: HashMap<[u8; 16], Summary>,
    words: Words,
    overflowed: bool,
}

impl Summaries {
    fn add(&mut self, rows: &RecordBatch, chosen: Option<&HashSet<[u8; 16]>>) {
        let columns = Columns(rows);
        let (Some(ids), Some(starts), Some(ends)) =
            (columns.ids("trace_id"), columns.times("start_time"), columns.times("end_time"))
        else {
            return;
        };
        let parents = columns.ids("parent_span_id");
        let texts = ["service_name", "name", "status_code"].map(|name| columns.texts(name));
        for row in 0..rows.num_rows() {
            let Ok(id) = <[u8; 16]>::try_from(ids.value(row)) else { continue };
            if chosen.is_some_and(|chosen| !chosen.contains(&id)) {
                continue;
            }
            if self.traces.len() >= TRACES_MAX && !self.traces.contains_key(&id) {
                self.overflowed = true;
                continue;
            }
            let [service, name, status] = texts.map(|texts| texts.get(row).unwrap_or_default());
            let is_root = parents.is_none_or(|parents| parents.is_null(row));
            let span =
                Seen { start: starts.value(row), end: ends.value(row), is_root, service, name, status };
            self.add_span(id, &span);
        }
    }

    fn add_span(&mut self, id: [u8; 16], span: &Seen<'_>) {
        let [service, name, status] =
            [span.service, span.name, span.status].map(|text| self.words.number(text));
        let head = (!span.is_root, span.start);
        let summary = self.traces.entry(id).or_insert_with(|| Summary {
            start: span.start,
            end: span.end,
            head,
            service,
            name,
            status,
            spans: 0,
            errors: 0,
            services: Vec::new(),
        });
        summary.start = summary.start.min(span.start);
        summary.end = summary.end.max(span.end);
        summary.spans += 1;
        summary.errors += u64::from(span.status == "error");
        if head < summary.head {
            (summary.head, summary.service, summary.name, summary.status) = (head, service, name, status);
        }
        if !summary.services.contains(&service) {
            summary.services.push(service);
        }
    }

    /// The newest traces of the search, and whether there are more.
    fn newest(&self, search: &Search, before: Option<(i64, [u8; 16])>) -> (Vec<TraceSummary>, bool) {
        let keys = self.traces.iter().map(|(id, summary)| (summary.start, *id));
        let mut keys: Vec<(i64, [u8; 16])> = keys
            .filter(|key| {
                search.range.contains(UnixNanos(key.0)) && before.is_none_or(|before| *key < before)
            })
            .collect();
        let more = keys.len() > search.limit;
        keys.sort_unstable_by_key(|key| Reverse(*key));
        keys.truncate(search.limit);
        let rows = keys.iter().filter_map(|(_, id)| self.traces.get(id).map(|summary| self.row(id, summary)));
        (rows.collect(), more)
    }

    fn row(&self, id: &[u8; 16], summary: &Summary) -> TraceSummary {
        let word = |number: u32| self.words.texts.get(number as usize).cloned().unwrap_or_default();
        let mut services: Vec<String> = summary.services.iter().map(|number| word(*number)).collect();
        services.sort_unstable();
        TraceSummary {
            trace_id: hex(id),
            start: summary.start,
            duration_ns: summary.end.saturating_sub(summary.start),
            root_service: word(summary.service),
            root_name: word(summary.name),
            status: word(summary.status),
            span_count: summary.spans,
            error_count: summary.errors,
            services,
        }
    }
}

/// One span as a summary sees it.
struct Seen<'a> {
    start: i64,
    end: i64,
    is_root: bool,
    service: &'a str,
    name: &'a str,
    status: &'a str,
}

fn cursor_key(text: &str) -> Result<(i64, [u8; 16]), QueryError> {
    let key = text.split_once('.').and_then(|(start, id)| {
        let id: TraceId = id.parse().ok()?;
        Some((start.parse().ok()?, id.0))
    });
    key.ok_or_else(|| QueryError::invalid(format!("{text:?} is no cursor: take one from an earlier answer")))
}

pub(super) fn one(snapshot: &Snapshot, id: TraceId, control: &Control) -> Result<Trace, QueryError> {
    let (spans, span_count, spans_cost) = snapshot.trace(Signal::Spans, id, TRACE_ROWS_MAX, control)?;
    let (logs, log_count, logs_cost) = snapshot.trace(Signal::Logs, id, TRACE_ROWS_MAX, control)?;
    let mut spans: Vec<Span> = spans.iter().flat_map(rows_of::spans).collect();
    let mut logs: Vec<_> = logs.iter().flat_map(rows_of::logs).collect();
    if spans.is_empty() && logs.is_empty() {
        if spans_cost.timed_out || logs_cost.timed_out {
            return Err(QueryError::Timeout("the time limit passed before the trace was found".to_owned()));
        }
        return Err(QueryError::NotFound(format!("no span and no log of trace {id} is stored")));
    }
    spans.sort_by(|a, b| (a.start, &a.span_id, &a.id).cmp(&(b.start, &b.span_id, &b.id)));
    logs.sort_by(|a, b| (a.time, a.id.len(), &a.id).cmp(&(b.time, b.id.len(), &b.id)));
    let starts = spans.iter().map(|span| span.start);
    let start = starts.chain(logs.first().map(|log| log.time)).min().unwrap_or(0);
    let ends = spans.iter().map(|span| span.start.saturating_add(span.duration_ns));
    let end = ends.chain(logs.last().map(|log| log.time)).max().unwrap_or(start);
    let mut warnings = warnings(&spans);
    for (what, found, kept) in [("spans", span_count, spans.len()), ("logs", log_count, logs.len())] {
        if found > kept as u64 {
            warnings.push(format!("{kept} of {found} {what} are shown"));
        }
    }
    if spans_cost.timed_out || logs_cost.timed_out {
        warnings.push("the time limit passed before everything was read".to_owned());
    }
    let truncated = span_count > spans.len() as u64 || log_count > logs.len() as u64;
    let duration_ns = end.saturating_sub(start);
    Ok(Trace { trace_id: id.to_string(), start, duration_ns, spans, logs, warnings, truncated })
}

/// What a reader of a trace should know.
fn warnings(spans: &[Span]) -> Vec<String> {
    let mut by_id: HashMap<&str, &Span> = HashMap::new();
    let mut repeated = 0;
    for span in spans {
        repeated += usize::from(by_id.insert(&span.span_id, span).is_some());
    }
    let mut missing = BTreeSet::new();
    let (mut orphans, mut early) = (0, 0);
    for span in spans {
        let Some(parent) = span.parent_span_id.as_deref() else { continue };
        match by_id.get(parent) {
            None => {
                orphans += 1;
                missing.insert(parent);
            }
            Some(parent) => early += usize::from(span.start < parent.start),
        }
    }
    let mut warnings = Vec::new();
    if orphans > 0 {
        warnings.push(format!(
            "{orphans} spans have a parent that is not stored ({} parents missing)",
            missing.len()
        ));
    }
    if early > 0 {
        warnings.push(format!("{early} spans start before their parent: clocks disagree"));
    }
    if repeated > 0 {
        warnings.push(format!("{repeated} spans repeat the id of another span"));
    }
    warnings
}
