//! Traces, newest first: found by their spans, and summed up from all their spans.
//!
//! A trace belongs to the range its first span starts in. Spans are looked at from the newest on, in rounds: what is
//! asked of a trace is decided for the traces of a round, and those that fit are summed up. A trace that was not
//! met yet has no span at or after the last one that was looked at, so it began before it; once enough traces began
//! after it, the page is whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use arrow::array::{Array, RecordBatch};
use model::{Predicate, Signal, TimeRange, TraceId, TraceSet, UnixNanos};
use storage::{Observer as _, Scan};

use super::aggregate::Aggregate;
use super::resolve::{few_traces, joined, probes_end, resolved};
use super::work::{Memory, Rounds, Work, around, in_traces};
use super::{Search, chains, check};
use crate::columns::{Columns, hex};
use crate::error::QueryError;
use crate::rows::{Page, TraceSummary};
use crate::search::{self, Condition};

/// How many traces one question can tell apart.
const TRACES_MAX: usize = 500_000;
/// What a trace that was met is taken to need in bytes.
const TRACE_BYTES: usize = 64;
/// What a trace is taken to need in bytes while it is summed up.
const SUMMARY_BYTES: usize = 256;
const COLUMNS: [&str; 7] =
    ["trace_id", "parent_span_id", "service_name", "name", "status_code", "start_time", "end_time"];

/// When a trace began, and its id: the order of a list, newest last.
type Key = (i64, [u8; 16]);

/// A search for traces, checked.
pub(super) struct Question {
    condition: Condition,
    search: Search,
    before: Option<Key>,
}

impl Question {
    pub(super) fn new(search: &Search) -> Result<Self, QueryError> {
        check(search)?;
        let before = search.cursor.as_deref().map(cursor_key).transpose()?;
        Ok(Self { condition: search::parse_traces(&search.q)?, search: search.clone(), before })
    }
}

/// Where the page after a trace begins.
pub(super) fn cursor(start: i64, trace_id: &str) -> String {
    format!("{start}.{trace_id}")
}

fn cursor_key(text: &str) -> Result<Key, QueryError> {
    let key = text.split_once('.').and_then(|(start, id)| {
        let id: TraceId = id.parse().ok()?;
        Some((start.parse().ok()?, id.0))
    });
    key.ok_or_else(|| QueryError::invalid(format!("{text:?} is no cursor: take one from an earlier answer")))
}

/// Answers a question.
pub(super) fn list(work: &mut Work<'_>, question: &Question) -> Result<Page<TraceSummary>, QueryError> {
    let Question { condition, search, before } = question;
    let condition = with_joins(work, condition, search.range)?;
    let aggregate = counted(work, &condition, search)?;
    let mut newest = Newest::new(search, *before);
    newest.fill(work, &condition)?;
    let (rows, more) = newest.finish();
    let cursor = rows.last().filter(|_| more).map(|last| cursor(last.start, &last.trace_id));
    let mut page = Page { rows, cursor, stats: work.stats()?, total: None, facets: None, histogram: None };
    if let Some(aggregate) = aggregate {
        aggregate.finish(search, &mut page);
    }
    Ok(page)
}

fn with_joins(work: &mut Work<'_>, condition: &Condition, range: TimeRange) -> Result<Condition, QueryError> {
    let mut all = |parts: &[Condition]| -> Result<Vec<Condition>, QueryError> {
        parts.iter().map(|part| with_joins(work, part, range)).collect()
    };
    Ok(match condition {
        Condition::Has(predicate) => Condition::Has(joined(work, predicate, range)?),
        Condition::All(parts) => Condition::All(all(parts)?),
        Condition::Any(parts) => Condition::Any(all(parts)?),
        Condition::Not(part) => Condition::Not(Box::new(with_joins(work, part, range)?)),
    })
}

/// Counts what a search wants counted: the spans in its range that match, or with several sets those of any set in
/// the traces that fit.
fn counted(
    work: &mut Work<'_>,
    condition: &Condition,
    search: &Search,
) -> Result<Option<Aggregate>, QueryError> {
    let (signal, range) = (Signal::Spans, search.range);
    let everything = Scan { signal, range, predicate: Predicate::All };
    let Some(mut aggregate) = Aggregate::wanted(work.snapshot, &everything, search) else { return Ok(None) };
    let predicate = match condition {
        Condition::Has(predicate) => resolved(work, signal, range, predicate, None)?,
        _ => {
            let mut ids = fitting(work, condition, around(range))?;
            ids.sort_unstable();
            let sets = match condition.sets() {
                sets if sets.is_empty() => Predicate::All,
                sets => Predicate::Or(sets.into_iter().cloned().collect()),
            };
            Predicate::TraceIn(TraceSet::Ids(ids.into())).and(sets)
        }
    };
    let scan = Scan { signal, range, predicate };
    let columns = aggregate.columns();
    work.visit(&scan, &columns, |rows| {
        aggregate.observe(rows);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Some(aggregate))
}

/// All traces that fit with a span in a range.
fn fitting(work: &mut Work<'_>, condition: &Condition, range: TimeRange) -> Result<Vec<TraceId>, QueryError> {
    let mut met = Met::new(work, condition, range)?;
    let mut found = Vec::new();
    while let Some(new) = met.next(work)? {
        found.extend(holding(work, condition, &new)?);
    }
    Ok(found)
}

/// Traces as their spans come by, from the newest on, each once.
struct Met {
    rounds: Rounds,
    seen: HashSet<[u8; 16]>,
    memory: Memory,
    /// The time of the last span.
    frontier: i64,
}

impl Met {
    fn new(work: &mut Work<'_>, condition: &Condition, range: TimeRange) -> Result<Self, QueryError> {
        let driver = condition.driver().unwrap_or(Predicate::All);
        let needed = condition.needed();
        // One set alone is looked for by the rounds themselves.
        let few = match needed.len() {
            0 | 1 => None,
            _ => few_traces(work, needed.into_iter(), probes_end())?,
        };
        let predicate = few.map_or(driver.clone(), |few| few.and(driver));
        let scan = Scan { signal: Signal::Spans, range, predicate };
        let memory = work.memory()?;
        Ok(Self { rounds: Rounds::new(scan, None), seen: HashSet::new(), memory, frontier: i64::MAX })
    }

    /// The traces of the next round that were not met before; `None` at the end.
    fn next(&mut self, work: &mut Work<'_>) -> Result<Option<Vec<TraceId>>, QueryError> {
        if work.is_late() {
            return Ok(None);
        }
        let candidates = self.rounds.next(work)?;
        let Some(last) = candidates.last() else { return Ok(None) };
        self.frontier = last.key.time.0;
        let before = self.seen.len();
        let new: Vec<TraceId> = candidates
            .iter()
            .filter(|candidate| self.seen.len() < TRACES_MAX && self.seen.insert(candidate.trace))
            .map(|candidate| TraceId(candidate.trace))
            .collect();
        self.memory.hold((self.seen.len() - before) * TRACE_BYTES)?;
        if self.seen.len() >= TRACES_MAX {
            let reason = format!("more than {TRACES_MAX} traces: narrow the range");
            work.cut(reason, Some(UnixNanos(self.frontier)));
            return Ok(Some(new).filter(|new| !new.is_empty()));
        }
        Ok(Some(new))
    }
}

/// Those of some traces that a condition holds for.
fn holding(
    work: &mut Work<'_>,
    condition: &Condition,
    traces: &[TraceId],
) -> Result<Vec<TraceId>, QueryError> {
    if traces.is_empty() {
        return Ok(Vec::new());
    }
    Ok(match condition {
        Condition::Has(Predicate::All) => traces.to_vec(),
        Condition::Has(Predicate::Chain(chain)) => {
            let found = chains::traces_with(work, chain, traces)?;
            traces.iter().copied().filter(|id| found.contains(&id.0)).collect()
        }
        Condition::Has(predicate) => {
            let mut ids = traces.to_vec();
            ids.sort_unstable();
            let scan = in_traces(Signal::Spans, TraceSet::Ids(ids.into()), predicate);
            let mut found = HashSet::new();
            work.visit(&scan, &["trace_id"], |rows| {
                found.extend(
                    Columns(rows).ids("trace_id").into_iter().flatten().flatten().map(<[u8]>::to_vec),
                );
                Ok(ControlFlow::Continue(()))
            })?;
            traces.iter().copied().filter(|id| found.contains(id.0.as_slice())).collect()
        }
        Condition::All(parts) => {
            let mut left = traces.to_vec();
            for part in parts {
                left = holding(work, part, &left)?;
            }
            left
        }
        Condition::Any(parts) => {
            let mut rest = traces.to_vec();
            let mut held = HashSet::new();
            for part in parts {
                held.extend(holding(work, part, &rest)?);
                rest.retain(|id| !held.contains(id));
            }
            traces.iter().copied().filter(|id| held.contains(id)).collect()
        }
        Condition::Not(part) => {
            let held: HashSet<TraceId> = holding(work, part, traces)?.into_iter().collect();
            traces.iter().copied().filter(|id| !held.contains(id)).collect()
        }
    })
}

impl Condition {
    /// What some span matches of every trace that fits, if that can be said.
    fn driver(&self) -> Option<Predicate> {
        match self {
            Self::Has(Predicate::Chain(chain)) => Some(chain.last().clone()),
            Self::Has(predicate) => Some(predicate.clone()),
            Self::All(parts) => {
                let drivers = || parts.iter().filter_map(Self::driver);
                drivers().find(|driver| *driver != Predicate::All).or_else(|| drivers().next())
            }
            Self::Any(parts) => parts.iter().map(Self::driver).collect::<Option<_>>().map(Predicate::Or),
            Self::Not(_) => None,
        }
    }

    /// The sets that every trace that fits has a span of.
    fn needed(&self) -> Vec<&Predicate> {
        match self {
            Self::Has(Predicate::Chain(chain)) => chain.sets().collect(),
            Self::Has(predicate) => vec![predicate],
            Self::All(parts) => parts.iter().flat_map(Self::needed).collect(),
            Self::Any(_) | Self::Not(_) => Vec::new(),
        }
    }

    /// The last set of every chain that is asked for, those under a NOT left out.
    fn sets(&self) -> Vec<&Predicate> {
        match self {
            Self::Has(Predicate::Chain(chain)) => vec![chain.last()],
            Self::Has(predicate) => vec![predicate],
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::sets).collect(),
            Self::Not(_) => Vec::new(),
        }
    }
}

/// The newest traces so far.
struct Newest<'s> {
    search: &'s Search,
    before: Option<Key>,
    /// One more than the page has, which tells whether there are more.
    best: BTreeMap<Key, TraceSummary>,
}

impl<'s> Newest<'s> {
    fn new(search: &'s Search, before: Option<Key>) -> Self {
        Self { search, before, best: BTreeMap::new() }
    }

    fn fill(&mut self, work: &mut Work<'_>, condition: &Condition) -> Result<(), QueryError> {
        // A trace has spans until an hour after it began, and before the cursor all of them began.
        let last = self.before.map(|(start, _)| UnixNanos(start.saturating_add(1)));
        let TimeRange { from, to } = self.search.range;
        let to = match (to, last) {
            (Some(to), Some(last)) => Some(to.min(last)),
            (to, last) => to.or(last),
        };
        let range = TimeRange { from, to: around(TimeRange { from, to }).to };
        let mut met = Met::new(work, condition, range)?;
        while let Some(new) = met.next(work)? {
            let fits = match condition {
                // The span that a trace was met by says it.
                Condition::Has(predicate) if !predicate.has_chain() => new,
                condition => holding(work, condition, &new)?,
            };
            self.add(work, &fits)?;
            if met.rounds.is_ended() || self.is_settled(met.frontier) {
                break;
            }
        }
        Ok(())
    }

    /// Whether no trace that was not met can be among the newest.
    fn is_settled(&self, frontier: i64) -> bool {
        self.best.len() > self.search.limit
            && self.best.first_key_value().is_none_or(|((start, _), _)| *start > frontier)
    }

    fn add(&mut self, work: &mut Work<'_>, traces: &[TraceId]) -> Result<(), QueryError> {
        if traces.is_empty() {
            return Ok(());
        }
        let mut memory = work.memory()?;
        memory.hold(traces.len() * SUMMARY_BYTES)?;
        let mut ids = traces.to_vec();
        ids.sort_unstable();
        let mut summaries = Summaries::default();
        let scan = in_traces(Signal::Spans, TraceSet::Ids(ids.into()), &Predicate::All);
        work.visit(&scan, &COLUMNS, |rows| {
            summaries.add(rows);
            Ok(ControlFlow::Continue(()))
        })?;
        for (id, summary) in &summaries.traces {
            let key = (summary.start, *id);
            let inside = self.search.range.contains(UnixNanos(summary.start));
            if !inside || self.before.is_some_and(|before| key >= before) {
                continue;
            }
            let full = self.best.len() > self.search.limit;
            if full && self.best.first_key_value().is_some_and(|(last, _)| key <= *last) {
                continue;
            }
            if full {
                self.best.pop_first();
            }
            self.best.insert(key, summaries.row(id, summary));
        }
        Ok(())
    }

    /// The page, and whether there are more.
    fn finish(mut self) -> (Vec<TraceSummary>, bool) {
        let more = self.best.len() > self.search.limit;
        if more {
            self.best.pop_first();
        }
        (self.best.into_values().rev().collect(), more)
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

#[derive(Default)]
struct Summaries {
    traces: HashMap<[u8; 16], Summary>,
    words: Words,
}

impl Summaries {
    fn add(&mut self, rows: &RecordBatch) {
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
