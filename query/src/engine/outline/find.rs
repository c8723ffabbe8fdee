//! Rows of an outline that match a search, or that have an id.

use std::collections::HashSet;
use std::ops::ControlFlow;

use model::predicate::{Field, Test};
use model::{Predicate, Signal, SpanId, TimeRange, TraceId, TraceSet};
use storage::Scan;

use super::super::resolve;
use super::super::work::Work;
use super::{Outline, Token, parsed};
use crate::columns::Columns;
use crate::error::QueryError;
use crate::outline::{Flags, Sort};
use crate::rows::Stats;

/// The most ids that are sought at once.
pub(crate) const IDS_MAX: usize = 256;

/// What is sought in a trace.
#[derive(Debug, Clone)]
pub enum Sought {
    /// Spans, and logs, that match a search.
    Search(String),
    /// Spans by their span ids, and spans and logs by `#` and the `id` of the row.
    Ids(Vec<String>),
}

/// Rows that were found.
#[derive(Debug)]
pub struct Found {
    /// In which outline.
    pub outline: Token,
    /// Their numbers, in order.
    pub rows: Vec<u32>,
    /// What it cost, and whether a limit cut it short.
    pub stats: Stats,
}

/// What is sought, understood.
pub(super) enum Question {
    Search(Vec<(Signal, Predicate)>),
    Ids { spans: Vec<SpanId>, rows: HashSet<i64> },
}

impl Question {
    pub(super) fn new(sought: Sought) -> Result<Self, QueryError> {
        match sought {
            Sought::Search(q) => Ok(Self::Search(parsed(&q)?)),
            Sought::Ids(ids) if ids.len() > IDS_MAX => {
                Err(QueryError::invalid(format!("{} ids are sought, and {IDS_MAX} at most", ids.len())))
            }
            Sought::Ids(ids) => {
                let (mut spans, mut rows) = (Vec::new(), HashSet::new());
                for id in &ids {
                    let wrong =
                        || QueryError::invalid(format!("{id:?} is neither a span id nor # and a row's id"));
                    match id.strip_prefix('#') {
                        Some(row) => drop(rows.insert(row.parse().map_err(|_| wrong())?)),
                        None => spans.push(id.parse().map_err(|_| wrong())?),
                    }
                }
                Ok(Self::Ids { spans, rows })
            }
        }
    }
}

pub(super) fn rows(
    outline: &Outline,
    work: &mut Work<'_>,
    id: TraceId,
    question: &Question,
) -> Result<Found, QueryError> {
    let mut memory = work.memory()?;
    let mut rows = Vec::new();
    match question {
        Question::Search(parts) => {
            for (signal, predicate) in parts {
                let found = matching(work, *signal, id, predicate)?;
                memory.hold(found.len() * size_of::<i64>())?;
                rows.extend(numbers(outline, *signal, &found));
            }
        }
        Question::Ids { spans, rows: seqs } => {
            let is_one = |span: &SpanId| Predicate::Field(Field::Span, Test::Equals(span.to_string()));
            let mut found: Vec<i64> = seqs.iter().copied().collect();
            found.sort_unstable();
            rows.extend(numbers(outline, Signal::Logs, &found));
            if !spans.is_empty() {
                let any = Predicate::Or(spans.iter().map(is_one).collect());
                found.extend(matching(work, Signal::Spans, id, &any)?);
                found.sort_unstable();
            }
            rows.extend(numbers(outline, Signal::Spans, &found));
        }
    }
    memory.hold(rows.len() * size_of::<u32>())?;
    rows.sort_unstable();
    Ok(Found { outline: outline.token, rows, stats: work.stats()? })
}

/// The `seq` of each row of the trace that matches, in order.
fn matching(
    work: &mut Work<'_>,
    signal: Signal,
    id: TraceId,
    predicate: &Predicate,
) -> Result<Vec<i64>, QueryError> {
    let of_trace = Predicate::TraceIn(TraceSet::Ids([id].into()));
    let predicate = of_trace.and(predicate.clone());
    let predicate = resolve::resolved(work, signal, TimeRange::ALL, &predicate, None)?;
    let scan = Scan { signal, range: TimeRange::ALL, predicate };
    let mut found = Vec::new();
    work.visit(&scan, &["seq"], |rows| {
        found.extend(Columns(rows).ints("seq").into_iter().flat_map(|seqs| seqs.values().iter().copied()));
        Ok(ControlFlow::Continue(()))
    })?;
    found.sort_unstable();
    Ok(found)
}

/// The rows of an outline with these `seq`.
fn numbers(outline: &Outline, signal: Signal, seqs: &[i64]) -> Vec<u32> {
    if seqs.is_empty() {
        return Vec::new();
    }
    let sort = if signal == Signal::Logs { Sort::Log } else { Sort::Span };
    let is_found = |source: &i64, flags: &Flags| flags.sort() == sort && seqs.binary_search(source).is_ok();
    let rows = outline.sources.iter().zip(&outline.flags).zip(0u32..);
    rows.filter(|((source, flags), _)| is_found(source, flags)).map(|(_, row)| row).collect()
}
