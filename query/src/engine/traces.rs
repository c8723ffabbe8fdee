//! One trace, whole.

use std::collections::{BTreeSet, HashMap};

use model::{Signal, TraceId};
use storage::{Control, Snapshot};

use super::rows_of;
use crate::TRACE_ROWS_MAX;
use crate::error::QueryError;
use crate::rows::{Span, Trace};

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
    // In order of arrival where times are equal, as in an outline. Ids are numbers as text.
    spans.sort_by(|a, b| (a.start, a.id.len(), &a.id).cmp(&(b.start, b.id.len(), &b.id)));
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
