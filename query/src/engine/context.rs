//! A log record among its neighbours: the lines around it in its stream or in its trace, and for one that names no trace
//! the spans that it was probably written in.
//!
//! Neighbours are told by (time, `seq`), so that many lines of one time never end a page early, and merges change
//! nothing. A stream is what one instance of a service writes.

use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use arrow::array::RecordBatch;
use model::predicate::RowKey;
use model::{Field, Predicate, Signal, Test, TimeRange, UnixNanos, schema};
use storage::{Control, Scan};

use super::rows_of;
use super::work::Work;
use crate::columns::Columns;
use crate::error::QueryError;
use crate::rows::{Log, Span, Stats};

/// The most lines on each side.
pub const NEIGHBOURS_MAX: usize = 200;
/// How long a span may run and still be found as the probable one, in nanoseconds: ten minutes.
const SPAN_TIME_MAX: i64 = 600 * 1_000_000_000;
/// How many spans that began before the line are looked at for those that had not ended.
const SPANS_LOOKED_AT_MAX: usize = 10_000;
/// How many probable spans are told.
const PROBABLE_MAX: usize = 5;
/// The first stretch of time that is looked at for later lines, in nanoseconds: one second.
const FIRST_STRETCH: i64 = 1_000_000_000;
/// Each stretch is so many times the one before.
const STRETCH_GROWTH: i64 = 8;

/// What the neighbours of a line share with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Neighbours {
    /// Service, namespace, environment and instance.
    #[default]
    Stream,
    /// The trace.
    Trace,
}

/// A line, and how much around it is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContextQuestion {
    /// The row's `seq`.
    pub id: i64,
    /// Its time, if it is known, which saves looking for it.
    pub time: Option<UnixNanos>,
    /// What its neighbours are.
    pub by: Neighbours,
    /// How many lines before it; [`NEIGHBOURS_MAX`] at most.
    pub before: usize,
    /// How many after it; likewise.
    pub after: usize,
}

/// A line among its neighbours.
#[derive(Debug, Clone)]
pub struct Context {
    /// The line.
    pub log: Log,
    /// The lines before it, in order of time.
    pub before: Vec<Log>,
    /// The lines after it, in order of time.
    pub after: Vec<Log>,
    /// Whether earlier ones are stored.
    pub more_before: bool,
    /// Whether later ones are stored.
    pub more_after: bool,
    /// Where the line names no trace: spans of its resource that ran at its time, the one that began last first. They
    /// are inferred.
    pub probable_spans: Vec<Span>,
    /// What it cost.
    pub stats: Stats,
}

pub(super) fn of(work: &mut Work<'_>, question: &ContextQuestion) -> Result<Context, QueryError> {
    if question.before.max(question.after) > NEIGHBOURS_MAX {
        return Err(QueryError::invalid(format!("{NEIGHBOURS_MAX} lines on each side are the most")));
    }
    let Found { log, key, stream } = find(work, question)?;
    let shared = match (question.by, &log.trace_id) {
        (Neighbours::Stream, _) => stream.clone(),
        (Neighbours::Trace, Some(trace)) => Predicate::Field(Field::Trace, Test::Equals(trace.clone())),
        (Neighbours::Trace, None) => {
            return Err(QueryError::invalid("this log names no trace: ask for its stream"));
        }
    };
    let scan = Scan { signal: Signal::Logs, range: TimeRange::ALL, predicate: shared };
    let (mut before, more_before) = before(work, &scan, key, question.before)?;
    before.reverse();
    let (after, more_after) = after(work, &scan, key, question.after)?;
    let probable_spans = match log.trace_id {
        Some(_) => Vec::new(),
        None => probable(work, stream, key.time)?,
    };
    let stats = work.stats()?;
    Ok(Context { log, before, after, more_before, more_after, probable_spans, stats })
}

/// The line itself.
struct Found {
    log: Log,
    key: RowKey,
    /// What is true of all lines of its stream.
    stream: Predicate,
}

fn find(work: &mut Work<'_>, question: &ContextQuestion) -> Result<Found, QueryError> {
    let batch = row(work, Signal::Logs, question.id, question.time)?;
    match (rows_of::key(Signal::Logs, &batch), rows_of::logs(&batch).pop()) {
        (Some(key), Some(log)) => Ok(Found { log, key, stream: stream(&Columns(&batch)) }),
        _ => Err(missing(Signal::Logs, question.id)),
    }
}

/// A span by its `seq`, and its time if it is known.
pub(super) fn span(work: &mut Work<'_>, id: i64, time: Option<UnixNanos>) -> Result<Span, QueryError> {
    let batch = row(work, Signal::Spans, id, time)?;
    rows_of::spans(&batch).pop().ok_or_else(|| missing(Signal::Spans, id))
}

fn missing(signal: Signal, id: i64) -> QueryError {
    let noun = if signal == Signal::Logs { "log" } else { "span" };
    QueryError::NotFound(format!("no {noun} {id} is stored"))
}

/// A row by its `seq`.
fn row(
    work: &mut Work<'_>,
    signal: Signal,
    id: i64,
    time: Option<UnixNanos>,
) -> Result<RecordBatch, QueryError> {
    let at = |time: UnixNanos| TimeRange { from: Some(time), to: Some(UnixNanos(time.0.saturating_add(1))) };
    // A time that is not the row's costs a second look, and no answer.
    let ranges = time.map(at).into_iter().chain([TimeRange::ALL]);
    for range in ranges {
        let scan = Scan { signal, range, predicate: Predicate::Rows([id].into()) };
        let (batches, cost) = work.snapshot.newest(&scan, None, 1, None, work.control)?;
        work.count(cost);
        if let Some(batch) = batches.into_iter().next() {
            return Ok(batch);
        }
    }
    if work.is_late() {
        let message = "the time limit passed before the row was found";
        return Err(QueryError::Timeout(message.to_owned()));
    }
    Err(missing(signal, id))
}

/// What is true of every row of the stream that the first row of a batch is in.
fn stream(columns: &Columns<'_>) -> Predicate {
    let fields = [
        (Field::Service, "service_name"),
        (Field::Namespace, "service_namespace"),
        (Field::Environment, "deployment_environment"),
        (Field::Instance, "service_instance_id"),
    ];
    let parts = fields.map(|(field, column)| match columns.text(column, 0) {
        Some(text) => Predicate::Field(field, Test::Equals(text.to_owned())),
        None => Predicate::Not(Box::new(Predicate::Field(field, Test::Exists))),
    });
    Predicate::And(parts.into())
}

/// Lines before a row, newest first, and whether there are more.
fn before(
    work: &mut Work<'_>,
    scan: &Scan,
    key: RowKey,
    most: usize,
) -> Result<(Vec<Log>, bool), QueryError> {
    if most == 0 {
        return Ok((Vec::new(), true));
    }
    let (batches, cost) = work.snapshot.newest(scan, Some(key), most + 1, None, work.control)?;
    work.count(cost);
    let mut logs: Vec<Log> = batches.iter().flat_map(rows_of::logs).collect();
    let more = logs.len() > most;
    logs.truncate(most);
    Ok((logs, more))
}

/// Lines after a row, in order of time, and whether there are more: stretches of time are looked at, each longer than the
/// one before, until there are enough.
fn after(work: &mut Work<'_>, scan: &Scan, key: RowKey, most: usize) -> Result<(Vec<Log>, bool), QueryError> {
    if most == 0 {
        return Ok((Vec::new(), true));
    }
    let last = work.snapshot.extent(Signal::Logs).and_then(|extent| extent.to).unwrap_or(key.time);
    // The earliest of those found, the latest of them on top.
    let mut found: BinaryHeap<RowKey> = BinaryHeap::new();
    let (mut from, mut stretch) = (key.time, FIRST_STRETCH);
    while found.len() <= most && from <= last && !work.is_late() {
        let to = UnixNanos(from.0.saturating_add(stretch));
        let part = Scan { range: TimeRange { from: Some(from), to: Some(to) }, ..scan.clone() };
        work.visit(&part, &["seq", schema::time_column(Signal::Logs)], |rows| {
            let columns = Columns(rows);
            for row in 0..rows.num_rows() {
                let time = columns.time(schema::time_column(Signal::Logs), row).unwrap_or(0);
                let one = RowKey { time: UnixNanos(time), seq: columns.int("seq", row).unwrap_or(0) };
                if one > key {
                    found.push(one);
                }
                if found.len() > most + 1 {
                    found.pop();
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        (from, stretch) = (to, stretch.saturating_mul(STRETCH_GROWTH));
    }
    let mut keys = found.into_sorted_vec();
    let more = keys.len() > most;
    keys.truncate(most);
    let mut logs: Vec<(RowKey, Log)> =
        fetched(work, Signal::Logs, &keys, rows_of::logs)?.into_iter().collect();
    logs.sort_by_key(|(key, _)| *key);
    Ok((logs.into_iter().map(|(_, log)| log).collect(), more))
}

/// Whole rows by their keys, in no particular order.
pub(super) fn fetched<T>(
    work: &mut Work<'_>,
    signal: Signal,
    keys: &[RowKey],
    convert: fn(&RecordBatch) -> Vec<T>,
) -> Result<Vec<(RowKey, T)>, QueryError> {
    let (Some(first), Some(last)) = (keys.iter().min(), keys.iter().max()) else { return Ok(Vec::new()) };
    let range = TimeRange { from: Some(first.time), to: Some(UnixNanos(last.time.0.saturating_add(1))) };
    let mut seqs: Vec<i64> = keys.iter().map(|key| key.seq).collect();
    seqs.sort_unstable();
    let scan = Scan { signal, range, predicate: Predicate::Rows(seqs.into()) };
    let control: Control = work.to_the_end();
    let (batches, cost) = work.snapshot.newest(&scan, None, keys.len(), None, &control)?;
    work.count(cost);
    let rows = batches.iter().filter_map(|batch| {
        let key = rows_of::key(signal, batch)?;
        Some((key, convert(batch).pop()?))
    });
    Ok(rows.collect())
}

/// Spans of the same resource that ran at a time: those that began last before it and had not ended.
fn probable(work: &mut Work<'_>, resource: Predicate, time: UnixNanos) -> Result<Vec<Span>, QueryError> {
    let from = UnixNanos(time.0.saturating_sub(SPAN_TIME_MAX));
    let range = TimeRange { from: Some(from), to: Some(UnixNanos(time.0.saturating_add(1))) };
    let scan = Scan { signal: Signal::Spans, range, predicate: resource };
    let (batches, cost) =
        work.snapshot.newest_columns(&scan, &["duration_ns"], None, SPANS_LOOKED_AT_MAX, work.control)?;
    work.count(cost);
    let mut running: Vec<RowKey> = Vec::new();
    for batch in &batches {
        let columns = Columns(batch);
        for row in 0..batch.num_rows() {
            let start = columns.time(schema::time_column(Signal::Spans), row).unwrap_or(i64::MAX);
            let duration = columns.int("duration_ns", row).unwrap_or(0);
            if start <= time.0 && start.saturating_add(duration) >= time.0 {
                let seq = columns.int("seq", row).unwrap_or(0);
                running.push(RowKey { time: UnixNanos(start), seq });
            }
        }
    }
    running.sort_unstable_by_key(|key| std::cmp::Reverse(*key));
    running.truncate(PROBABLE_MAX);
    let mut spans = fetched(work, Signal::Spans, &running, rows_of::spans)?;
    spans.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
    Ok(spans.into_iter().map(|(_, span)| span).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;
    use crate::engine::Limits;
    use crate::testing::{Fixture, ids, rows, texts, times};

    const TRACE: [u8; 16] = [7; 16];
    const SECOND: i64 = 1_000_000_000;

    /// Lines of two instances, several of one time, the third of the first instance in a trace.
    fn fixture() -> Fixture {
        let at = [10, 10, 10, 11, 11, 4000, 12];
        let bodies = ["a0", "a1", "b0", "a2", "a3", "a4", "none"];
        let instances = ["a", "a", "b", "a", "a", "a", "b"];
        let traces = [None, None, Some(TRACE), Some(TRACE), None, None, None];
        let log_times: Vec<i64> = at.iter().map(|at| at * SECOND).collect();
        let logs = rows(
            Signal::Logs,
            7,
            &[
                ("service_name", texts(&["shop"; 7])),
                ("service_instance_id", texts(&instances)),
                ("trace_id", ids(&traces)),
                ("time", times(&log_times)),
                ("body", texts(&bodies)),
                ("body_type", texts(&["string"; 7])),
            ],
        );
        let durations: ArrayRef = Arc::new(Int64Array::from(vec![30 * SECOND, 5 * SECOND, 2 * SECOND, 0]));
        let spans = rows(
            Signal::Spans,
            4,
            &[
                ("service_name", texts(&["shop", "shop", "shop", "shop"])),
                ("service_instance_id", texts(&["a", "a", "b", "a"])),
                ("trace_id", ids(&[Some(TRACE), Some(TRACE), Some(TRACE), Some(TRACE)])),
                ("span_id", ids(&[Some([1; 8]), Some([2; 8]), Some([3; 8]), Some([4; 8])])),
                ("name", texts(&["outer", "inner", "other instance", "ended"])),
                ("start_time", times(&[5 * SECOND, 8 * SECOND, 9 * SECOND, 9 * SECOND])),
                ("duration_ns", durations),
            ],
        );
        Fixture::holding(
            Limits { nice: 0, ..Limits::default() },
            1 << 30,
            vec![(Signal::Spans, spans), (Signal::Logs, logs)],
        )
    }

    fn line(fixture: &Fixture, body: &str) -> Log {
        let search = crate::Search { limit: 100, ..crate::Search::default() };
        let page = fixture.runtime.block_on(fixture.engine.logs(&fixture.reader, &search)).unwrap();
        page.rows.into_iter().find(|log| log.body == body).unwrap()
    }

    fn bodies(logs: &[Log]) -> Vec<&str> {
        logs.iter().filter_map(|log| log.body.as_str()).collect()
    }

    fn ask(fixture: &Fixture, question: ContextQuestion) -> Result<Context, QueryError> {
        fixture.runtime.block_on(fixture.engine.context(&fixture.reader, question))
    }

    #[test]
    fn neighbours_are_those_of_the_stream_or_of_the_trace() {
        let fixture = fixture();
        let (stream, trace) = (Neighbours::Stream, Neighbours::Trace);
        for state in ["fresh", "compacted"] {
            for (body, by, most, before, after, more) in [
                ("a1", stream, 10, vec!["a0"], vec!["a2", "a3", "a4"], (false, false)),
                ("a1", stream, 1, vec!["a0"], vec!["a2"], (false, true)),
                ("a3", stream, 2, vec!["a1", "a2"], vec!["a4"], (true, false)),
                ("a2", trace, 5, vec!["b0"], vec![], (false, false)),
                ("b0", stream, 5, vec![], vec!["none"], (false, false)),
            ] {
                let log = line(&fixture, body);
                for time in [None, Some(UnixNanos(log.time)), Some(UnixNanos(1))] {
                    let id = log.id.parse().unwrap();
                    let found =
                        ask(&fixture, ContextQuestion { id, time, by, before: most, after: most }).unwrap();
                    assert_eq!(found.log.body, body, "{state}");
                    assert_eq!(bodies(&found.before), before, "{state} {body} {by:?} {time:?}");
                    assert_eq!(bodies(&found.after), after, "{state} {body} {by:?} {time:?}");
                    assert_eq!((found.more_before, found.more_after), more, "{state} {body} {by:?}");
                }
            }
            fixture.runtime.block_on(fixture.engine.compact()).unwrap();
        }
    }

    #[test]
    fn a_line_without_a_trace_finds_the_spans_that_ran() {
        let fixture = fixture();
        for (body, expected) in
            [("a0", vec!["inner", "outer"]), ("a2", vec![]), ("none", vec![]), ("a4", vec![])]
        {
            let id = line(&fixture, body).id.parse().unwrap();
            let found = ask(&fixture, ContextQuestion { id, ..ContextQuestion::default() }).unwrap();
            let names: Vec<&str> = found.probable_spans.iter().map(|span| span.name.as_str()).collect();
            assert_eq!(names, expected, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        let fixture = fixture();
        let id = line(&fixture, "a0").id.parse().unwrap();
        for (question, says) in [
            (ContextQuestion { id: -5, ..ContextQuestion::default() }, "no log -5 is stored"),
            (ContextQuestion { id, by: Neighbours::Trace, ..ContextQuestion::default() }, "names no trace"),
            (ContextQuestion { id, before: 201, ..ContextQuestion::default() }, "200 lines"),
        ] {
            let error = ask(&fixture, question).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
