//! What is behind rows of an outline.

use std::collections::HashMap;

use model::{Predicate, Signal, TimeRange, TraceId, TraceSet};
use storage::{Control, Scan, Snapshot};

use super::super::rows_of;
use super::Outline;
use crate::columns::hex;
use crate::error::QueryError;
use crate::outline::{Flags, Sort};
use crate::rows::{Log, RowDetail, Span, TraceRow};

/// Rows by their numbers, in the order asked for; what lies past the last one is left out.
pub(super) fn behind(
    outline: &Outline,
    snapshot: &Snapshot,
    id: TraceId,
    rows: &[usize],
    control: &Control,
) -> Result<Vec<TraceRow>, QueryError> {
    let rows = rows.iter().copied().filter(|row| *row < outline.sources.len());
    let mut wanted = Wanted::default();
    rows.clone().for_each(|row| wanted.add(outline, row));
    let spans: HashMap<i64, Span> =
        fetched(snapshot, Signal::Spans, id, wanted.spans, control, rows_of::spans)?;
    let logs: HashMap<i64, Log> = fetched(snapshot, Signal::Logs, id, wanted.logs, control, rows_of::logs)?;
    let gone = |what: &str| QueryError::NotFound(format!("{what} of this outline is no longer stored"));
    let detail = |row: usize| -> Result<RowDetail, QueryError> {
        let source = outline.sources[row];
        Ok(match outline.flags[row].sort() {
            Sort::Span => RowDetail::Span(spans.get(&source).cloned().ok_or_else(|| gone("a span"))?),
            Sort::Log => RowDetail::Log(logs.get(&source).cloned().ok_or_else(|| gone("a log"))?),
            Sort::Event => {
                let (of, number) = event_source(source);
                let span =
                    outline.sources.get(of).and_then(|seq| spans.get(seq)).ok_or_else(|| gone("a span"))?;
                let event = span.events.get(number).cloned().ok_or_else(|| gone("an event"))?;
                RowDetail::Event {
                    span_id: span.span_id.clone(),
                    row: of as u64,
                    number: number as u64,
                    event,
                }
            }
            Sort::Gap if outline.flags[row].level() == Flags::CYCLE => RowDetail::Cycle,
            Sort::Gap => RowDetail::Missing { span_id: hex(&source.to_be_bytes()) },
        })
    };
    rows.map(|row| Ok(TraceRow { row: row as u64, detail: detail(row)? })).collect()
}

/// The row of an event's span, and the number of the event.
fn event_source(source: i64) -> (usize, usize) {
    ((source as u32) as usize, (source >> 32) as usize)
}

/// Rows of tables that have to be read.
#[derive(Default)]
struct Wanted {
    spans: Vec<i64>,
    logs: Vec<i64>,
}

impl Wanted {
    fn add(&mut self, outline: &Outline, row: usize) {
        let source = outline.sources[row];
        match outline.flags[row].sort() {
            Sort::Span => self.spans.push(source),
            Sort::Log => self.logs.push(source),
            Sort::Event => self.spans.extend(outline.sources.get(event_source(source).0)),
            Sort::Gap => {}
        }
    }
}

fn fetched<T>(
    snapshot: &Snapshot,
    signal: Signal,
    id: TraceId,
    mut seqs: Vec<i64>,
    control: &Control,
    convert: fn(&arrow::array::RecordBatch) -> Vec<T>,
) -> Result<HashMap<i64, T>, QueryError>
where
    T: HasId,
{
    seqs.sort_unstable();
    seqs.dedup();
    if seqs.is_empty() {
        return Ok(HashMap::new());
    }
    let limit = seqs.len();
    let of_trace = Predicate::TraceIn(TraceSet::Ids([id].into()));
    let scan = Scan { signal, range: TimeRange::ALL, predicate: of_trace.and(Predicate::Rows(seqs.into())) };
    let (batches, cost) = snapshot.newest(&scan, None, limit, None, control)?;
    if cost.timed_out {
        return Err(QueryError::Timeout("the time limit passed before the rows were read".to_owned()));
    }
    let rows = batches.iter().flat_map(convert);
    Ok(rows.filter_map(|row| Some((row.id().parse().ok()?, row))).collect())
}

/// A row that says its `seq`.
trait HasId {
    fn id(&self) -> &str;
}

impl HasId for Span {
    fn id(&self) -> &str {
        &self.id
    }
}

impl HasId for Log {
    fn id(&self) -> &str {
        &self.id
    }
}
