//! What is stored, as OTLP again: whole traces with their logs, or the spans or logs that a search finds.

use model::{Reader, Signal, TraceId};
use storage::{Control, Snapshot};

use super::{Engine, Search, trace_list};
use crate::error::QueryError;
use crate::otlp;
use crate::rows::Stats;

/// The most spans, and the most logs, of one trace that are exported.
pub const EXPORT_ROWS_MAX: usize = 100_000;
/// The most traces of one page.
pub const EXPORT_TRACES_MAX: usize = 100;
/// A page of traces ends with the one with which it is so large.
const EXPORT_PAGE_BYTES: usize = 32 << 20;
/// Records of one document, which is a line of a file.
const DOCUMENT_ROWS: usize = 1_000;

/// A trace as OTLP.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExportedTrace {
    /// Documents of OTLP's JSON: its spans, then its logs.
    pub documents: Vec<String>,
    /// Spans and logs in them.
    pub rows: u64,
    /// What is not in them, for people; `None` where all is.
    pub left_out: Option<String>,
}

/// A page of what a search finds, as OTLP.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// Documents of OTLP's JSON.
    pub documents: Vec<String>,
    /// Traces, spans or logs: what was searched.
    pub found: usize,
    /// Spans and logs in the documents.
    pub rows: u64,
    /// What is not in them, for people.
    pub left_out: Vec<String>,
    /// Where the next page begins.
    pub cursor: Option<String>,
    /// What the search cost.
    pub stats: Stats,
}

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exports {
    /// Traces with a span that matches, whole, with their logs.
    Traces,
    /// Spans that match.
    Spans,
    /// Logs that match.
    Logs,
}

impl Engine {
    /// A trace with its logs. `NotFound` if nothing of it is stored.
    pub async fn export_trace(&self, reader: &Reader, id: TraceId) -> Result<ExportedTrace, QueryError> {
        self.ask(reader, EXPORT_ROWS_MAX, move |snapshot, control| trace(snapshot, id, control)).await
    }

    /// What a search finds, newest first.
    pub async fn export(
        &self,
        reader: &Reader,
        what: Exports,
        search: &Search,
    ) -> Result<Exported, QueryError> {
        match what {
            Exports::Traces => self.export_traces(reader, search).await,
            Exports::Spans => {
                let page = self.page(Signal::Spans, reader, search, otlp::spans).await?;
                let found = page.rows.len();
                let documents = in_documents(page.rows, otlp::document_of_spans);
                Ok(Exported::of_rows(documents, found, page.cursor, page.stats))
            }
            Exports::Logs => {
                let page = self.page(Signal::Logs, reader, search, otlp::logs).await?;
                let found = page.rows.len();
                let documents = in_documents(page.rows, otlp::document_of_logs);
                Ok(Exported::of_rows(documents, found, page.cursor, page.stats))
            }
        }
    }

    async fn export_traces(&self, reader: &Reader, search: &Search) -> Result<Exported, QueryError> {
        if search.limit > EXPORT_TRACES_MAX {
            let limit = search.limit;
            let message =
                format!("limit is {limit}, and {EXPORT_TRACES_MAX} at most where traces are exported");
            return Err(QueryError::invalid(message));
        }
        let page = self.traces(reader, search).await?;
        let count = page.rows.len();
        let mut exported = Exported::of_rows(Vec::new(), count, page.cursor, page.stats);
        let mut bytes = 0;
        for (at, summary) in page.rows.into_iter().enumerate() {
            let id: TraceId = summary
                .trace_id
                .parse()
                .map_err(|error: model::IdError| QueryError::Store(error.to_string()))?;
            let trace = self.export_trace(reader, id).await?;
            bytes += trace.documents.iter().map(String::len).sum::<usize>();
            exported.documents.extend(trace.documents);
            exported.rows += trace.rows;
            exported.left_out.extend(trace.left_out.map(|what| format!("trace {id}: {what}")));
            if bytes >= EXPORT_PAGE_BYTES && at + 1 < count {
                exported.found = at + 1;
                exported.cursor = Some(trace_list::cursor(summary.start, &summary.trace_id));
                break;
            }
        }
        Ok(exported)
    }
}

impl Exported {
    fn of_rows(documents: Vec<String>, found: usize, cursor: Option<String>, stats: Stats) -> Self {
        Self { documents, found, rows: found as u64, left_out: Vec::new(), cursor, stats }
    }
}

fn trace(snapshot: &Snapshot, id: TraceId, control: &Control) -> Result<ExportedTrace, QueryError> {
    let (spans, spans_stored, spans_cost) = snapshot.trace(Signal::Spans, id, EXPORT_ROWS_MAX, control)?;
    let (logs, logs_stored, logs_cost) = snapshot.trace(Signal::Logs, id, EXPORT_ROWS_MAX, control)?;
    let is_late = spans_cost.timed_out || logs_cost.timed_out;
    let mut exported = ExportedTrace::default();
    let mut left_out = Vec::new();
    let mut add = |name: &str, kept: usize, stored: u64, documents: Vec<String>| {
        exported.documents.extend(documents);
        exported.rows += kept as u64;
        if stored > kept as u64 {
            left_out.push(format!("{kept} of {stored} {name} are kept"));
        }
    };
    let spans: Vec<_> = spans.iter().flat_map(otlp::spans).collect();
    add("spans", spans.len(), spans_stored, in_documents(spans, otlp::document_of_spans));
    let logs: Vec<_> = logs.iter().flat_map(otlp::logs).collect();
    add("logs", logs.len(), logs_stored, in_documents(logs, otlp::document_of_logs));
    if is_late {
        left_out.push("the time limit passed before everything was read".to_owned());
    }
    if exported.rows == 0 {
        return Err(match is_late {
            true => QueryError::Timeout("the time limit passed before the trace was found".to_owned()),
            false => QueryError::NotFound(format!("no span and no log of trace {id} is stored")),
        });
    }
    exported.left_out = (!left_out.is_empty()).then(|| left_out.join("; "));
    Ok(exported)
}

/// Records as documents of some of them each.
fn in_documents<T>(records: Vec<T>, document: impl Fn(Vec<T>) -> String) -> Vec<String> {
    let mut documents = Vec::new();
    let mut records = records.into_iter();
    loop {
        let some: Vec<T> = records.by_ref().take(DOCUMENT_ROWS).collect();
        if some.is_empty() {
            return documents;
        }
        documents.push(document(some));
    }
}
