//! The engine: every question the program can answer, for pages, the API and the command line alike.

mod rows_of;
mod aggregate;
mod work;
mod chains;
mod resolve;
mod trace_list;
mod traces;
mod export;
mod outline;
mod calls;
mod services;
mod complete;
mod heat;
mod service;
mod graph;
mod compare;
mod aligned;
mod templates;
mod tail;
mod gathering;
mod context;
mod sorted;
mod advice;
mod status;
mod metrics;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use model::predicate::RowKey;
use model::{Reader, Signal, TimeRange, TraceId, UnixNanos};
use storage::{
    Control, MemoryFull, Observer, Purpose, Reservation, Scan, ScanStats, Snapshot, Store, StoreError,
};
use tokio::sync::Semaphore;

use crate::error::QueryError;
use crate::rows::{
    Edge, Instance, Log, Node, Operation, Page, Partial, Point, Service, ServiceKey, Span, Stats, Trace,
    TraceSummary, Version,
};
use crate::sql::{RowFormat, SqlAnswer, SqlEngine, SqlStream};
use crate::threads::{NICE, Threads};
use crate::{LIMIT_MAX, TRACE_ROWS_MAX, promql, search};
pub use advice::{Advice, Unknown, near_names};
use aggregate::Aggregate;
pub use aligned::{Alignment, PathRow, PathSpans, TraceSide};
pub use compare::{
    COMPARED_SPANS_MAX, CompareQuestion, Comparison, DIFFERENCES_MAX, Difference, Share, SpanBox,
};
pub use complete::{Completion, Completions, Item};
pub use context::{Context, ContextQuestion, NEIGHBOURS_MAX, Neighbours};
pub use export::{EXPORT_ROWS_MAX, EXPORT_TRACES_MAX, Exported, ExportedTrace, Exports};
pub use gathering::{Gathered, Gathering};
pub use graph::{GraphQuestion, HOPS_MAX};
pub use heat::Heat;
pub use metrics::{
    Exemplar, METRIC_SERIES_MAX, MetricAnswer, MetricDescription, MetricQuestion, SeriesExemplars,
    SeriesList, SeriesQuestion,
};
use outline::Outlines;
pub use outline::{
    DETAILS_MAX, DecodedOutline, Found, OUTLINE_ROWS_MAX, Outline, Sought, Token, TraceRows, TraceSize,
};
use resolve::Need;
pub use service::ServiceQuestion;
pub use sorted::Order;
pub use status::{
    CompactionStatus, IngestSource, LogStatus, ProcessStatus, ServiceShare, SignalStatus, SlowQuestion,
    Status, StorageStatus,
};
use tail::Tails;
pub use tail::{Dropped, TAILS_MAX, Tail, TailEvent};
pub use templates::Templates;
use work::Work;

/// The most bars of a histogram.
const HISTOGRAM_BARS_MAX: usize = 1000;
/// The most keys whose values are counted at once.
const FACETS_MAX: usize = 20;
/// What a scan is taken to need in bytes: pages of a few columns, and the batch made of them.
const SCAN_BYTES: usize = 4 << 20;
/// What a row of an answer is taken to need in bytes.
const ROW_BYTES: usize = 1024;
/// No scan reserves more than the memory of all queries divided by this.
const SCAN_SHARE: usize = 8;

/// Rows that need as much memory as the spans that a graph joins.
const GRAPH_ROWS: usize = graph::JOINED_MAX * graph::JOINED_BYTES / ROW_BYTES;

/// A search, as the API's parameters say it.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The search text; empty means everything.
    pub q: String,
    /// Which times.
    pub range: TimeRange,
    /// How many rows; at most [`crate::LIMIT_MAX`].
    pub limit: usize,
    /// Where to begin: the cursor of an earlier page.
    pub cursor: Option<String>,
    /// Keys whose commonest values are counted.
    pub facets: Vec<String>,
    /// How many bars of a histogram, if one is wanted.
    pub histogram: Option<usize>,
}

/// Services over a range of time.
#[derive(Debug, Clone)]
pub struct Services {
    /// By calls, most first.
    pub services: Vec<Service>,
    /// The range that was really covered: the one asked for in whole minutes, or that of the stored spans.
    pub range: TimeRange,
    /// What it cost.
    pub stats: Stats,
}

/// One service over a range of time.
#[derive(Debug, Clone)]
pub struct ServiceDetail {
    /// The service, as in the list of services. Namespace and environment are what was asked for where several are
    /// merged.
    pub service: Service,
    /// What was taken together: the services of the name that were asked for.
    pub merged: Vec<ServiceKey>,
    /// By calls, most first.
    pub operations: Vec<Operation>,
    /// By calls, most first.
    pub instances: Vec<Instance>,
    /// By time; stretches without calls are left out.
    pub series: Vec<Point>,
    /// The same stretches by duration: what the latency heatmap draws.
    pub heat: Heat,
    /// The versions that answered, by when they were first seen.
    pub versions: Vec<Version>,
    /// How long a stretch of the series is, in nanoseconds.
    pub step_ns: i64,
    /// Whom it calls and who calls it, whatever their namespace and environment.
    pub edges: Vec<Edge>,
    /// The range that was really covered: the one asked for in whole minutes, or that of the stored spans.
    pub range: TimeRange,
    /// What it cost.
    pub stats: Stats,
}

/// Who calls whom over a range of time.
#[derive(Debug, Clone)]
pub struct Graph {
    /// By name.
    pub nodes: Vec<Node>,
    /// By calls, most first.
    pub edges: Vec<Edge>,
    /// The range that was really covered.
    pub range: TimeRange,
    /// What it cost.
    pub stats: Stats,
}

/// What one question may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long it may take.
    pub time: Duration,
    /// How many are answered at once; others are refused.
    pub concurrent_max: usize,
    /// How far questions step back where telemetry wants the processors too, as a nice value.
    pub nice: u8,
    /// How PromQL is read.
    pub promql: promql::Options,
}

impl Default for Limits {
    fn default() -> Self {
        // What only allows more is on.
        let promql = promql::Options::default()
            .with(promql::Feature::ExperimentalFunctions)
            .with(promql::Feature::DurationExpressions);
        Self { time: Duration::from_secs(30), concurrent_max: 32, nice: NICE, promql }
    }
}

/// Answers questions. Cloning is cheap; every call takes a consistent snapshot of its own.
#[derive(Clone)]
pub struct Engine {
    store: Store,
    limits: Limits,
    slots: Arc<Semaphore>,
    /// One compaction at a time; others wait without a thread.
    compacting: Arc<tokio::sync::Mutex<()>>,
    threads: Arc<Threads>,
    sql: SqlEngine,
    tails: Tails,
    /// Outlines of traces that were asked for last.
    outlines: Outlines,
    /// Series of metrics and where their rows lie.
    known: metrics::Known,
    watch: status::Watch,
}

impl Engine {
    /// An engine over a store, within the store's memory budget.
    pub fn new(store: Store, limits: Limits) -> Result<Self, QueryError> {
        let threads = Arc::new(Threads::new(limits.nice, store.pace())?);
        let sql = SqlEngine::new(Arc::clone(store.budget()), Arc::clone(&threads), limits)?;
        Ok(Self {
            store,
            limits,
            slots: Arc::new(Semaphore::new(limits.concurrent_max)),
            compacting: Arc::default(),
            threads,
            sql,
            tails: Tails::default(),
            outlines: Outlines::default(),
            known: metrics::Known::default(),
            watch: status::Watch::default(),
        })
    }

    /// Log records, newest first.
    pub async fn logs(&self, reader: &Reader, search: &Search) -> Result<Page<Log>, QueryError> {
        let page = self.page(Signal::Logs, reader, search, rows_of::logs);
        self.watch.over(reader, "logs", &search.q, page).await
    }

    /// Spans, newest first.
    pub async fn spans(&self, reader: &Reader, search: &Search) -> Result<Page<Span>, QueryError> {
        let page = self.page(Signal::Spans, reader, search, rows_of::spans);
        self.watch.over(reader, "spans", &search.q, page).await
    }

    /// Traces with a span that matches, newest first.
    pub async fn traces(&self, reader: &Reader, search: &Search) -> Result<Page<TraceSummary>, QueryError> {
        let question = trace_list::Question::new(search)?;
        let budget = Arc::clone(self.store.budget());
        let page = self.ask(reader, search.limit, move |snapshot, control| {
            trace_list::list(&mut Work::new(snapshot, control, &budget), &question)
        });
        self.watch.over(reader, "traces", &search.q, page).await
    }

    /// One trace with its logs. Needs no time range. `NotFound` if nothing of it is stored.
    pub async fn trace(&self, reader: &Reader, id: TraceId) -> Result<Trace, QueryError> {
        self.ask(reader, TRACE_ROWS_MAX, move |snapshot, control| traces::one(snapshot, id, control)).await
    }

    /// A log record with the lines around it. `NotFound` if it is not stored.
    pub async fn context(&self, reader: &Reader, question: ContextQuestion) -> Result<Context, QueryError> {
        let budget = Arc::clone(self.store.budget());
        self.ask(reader, question.before.saturating_add(question.after), move |snapshot, control| {
            context::of(&mut Work::new(snapshot, control, &budget), &question)
        })
        .await
    }

    /// A span by its `seq`, and its time if it is known. `NotFound` if it is not stored.
    pub async fn span(&self, reader: &Reader, id: i64, time: Option<UnixNanos>) -> Result<Span, QueryError> {
        let budget = Arc::clone(self.store.budget());
        self.ask(reader, 1, move |snapshot, control| {
            context::span(&mut Work::new(snapshot, control, &budget), id, time)
        })
        .await
    }

    /// What can stand at a byte offset of a search that need not be finished.
    pub async fn complete(&self, reader: &Reader, question: &Completion) -> Result<Completions, QueryError> {
        let question = question.clone();
        self.ask(reader, 0, move |snapshot, control| complete::items(snapshot, &question, control)).await
    }

    /// Services by rate, errors and duration.
    pub async fn services(&self, reader: &Reader, range: TimeRange) -> Result<Services, QueryError> {
        self.ask(reader, 0, move |snapshot, control| services::list(snapshot, range, control)).await
    }

    /// One service. `NotFound` if nothing of it is stored in the range.
    pub async fn service(
        &self,
        reader: &Reader,
        question: &ServiceQuestion,
    ) -> Result<ServiceDetail, QueryError> {
        let question = question.clone();
        self.ask(reader, GRAPH_ROWS, move |snapshot, control| service::one(snapshot, &question, control))
            .await
    }

    /// The graph of services, or what is around one of them. `NotFound` if that service has no place in it.
    pub async fn graph(&self, reader: &Reader, question: &GraphQuestion) -> Result<Graph, QueryError> {
        let question = question.clone();
        self.ask(reader, GRAPH_ROWS, move |snapshot, control| {
            question.check()?;
            graph::graph(snapshot, question.range, control)?.around(&question)
        })
        .await
    }

    /// Which attributes are in one set of spans more often than in another.
    pub async fn compare(
        &self,
        reader: &Reader,
        question: &CompareQuestion,
    ) -> Result<Comparison, QueryError> {
        let predicate = question.predicate()?;
        let (question, budget) = (question.clone(), Arc::clone(self.store.budget()));
        self.ask(reader, question.limit, move |snapshot, control| {
            compare::compare(&mut Work::new(snapshot, control, &budget), &question, &predicate)
        })
        .await
    }

    /// A trace laid over another. `NotFound` if nothing of one of them is stored.
    pub async fn align(
        &self,
        reader: &Reader,
        left: TraceId,
        right: TraceId,
    ) -> Result<Alignment, QueryError> {
        self.ask(reader, TRACE_ROWS_MAX * 2, move |snapshot, control| {
            aligned::traces(snapshot, left, right, control)
        })
        .await
    }

    /// Logs by template, most frequent first.
    pub async fn templates(&self, reader: &Reader, search: &Search) -> Result<Templates, QueryError> {
        check(search)?;
        let question = templates::Question::new(search)?;
        let rows = templates::rows_held(search.limit);
        let budget = Arc::clone(self.store.budget());
        let templates = self.ask(reader, rows, move |snapshot, control| {
            templates::list(&mut Work::new(snapshot, control, &budget), &question)
        });
        self.watch.over(reader, "templates", &search.q, templates).await
    }

    /// The first and last time stored of a signal; `None` where it has no rows. Cheap: statistics only.
    pub async fn extent(&self, reader: &Reader, signal: Signal) -> Result<Option<TimeRange>, QueryError> {
        Ok(self.store.snapshot(reader).extent(signal))
    }

    /// Answers a read-only SQL query over the tables.
    pub async fn sql(&self, reader: &Reader, sql: &str) -> Result<SqlAnswer, QueryError> {
        let _slot = self.slot()?;
        let memory = self.memory(0)?;
        let snapshot = self.store.snapshot(reader);
        self.watch.over(reader, "sql", sql, Box::pin(self.sql.run(&snapshot, sql, memory))).await
    }

    /// Answers a read-only SQL query as its rows are produced, written in a form. Returns when the first are there.
    pub async fn sql_stream(
        &self,
        reader: &Reader,
        sql: &str,
        format: RowFormat,
    ) -> Result<SqlStream, QueryError> {
        let held = (self.slot()?, self.memory(0)?);
        let budget = Arc::clone(self.store.budget());
        let begun = self.sql.stream(self.store.snapshot(reader), sql, format, budget, held);
        self.watch.over(reader, "sql", sql, Box::pin(begun)).await
    }

    /// Plans a read-only SQL query and gives the plan as bytes, for [`Engine::run_plan`].
    pub async fn plan(&self, reader: &Reader, sql: &str) -> Result<Vec<u8>, QueryError> {
        let _held = (self.slot()?, self.memory(0)?);
        self.sql.write_plan(&self.store.snapshot(reader), sql).await
    }

    /// Answers a query from its plan, in a session of its own. The plan names segments and fresh rows: what is no
    /// longer here under that name is an error, and planning again helps.
    pub async fn run_plan(&self, reader: &Reader, plan: &[u8]) -> Result<SqlAnswer, QueryError> {
        let _slot = self.slot()?;
        let memory = self.memory(0)?;
        self.sql.run_plan(&self.store.snapshot(reader), plan.to_vec(), memory).await
    }

    /// Seals, merges and indexes until nothing is left to do.
    pub async fn compact(&self) -> Result<(), QueryError> {
        let turn = Arc::clone(&self.compacting).lock_owned().await;
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            store.compact(&mut |what| tracing::info!(what, "compacted"))
        });
        let done = done.await.map_err(|error| QueryError::Store(error.to_string()))?;
        done.map_err(QueryError::from)
    }

    /// How PromQL is read, unless a question says otherwise.
    pub fn promql_options(&self) -> promql::Options {
        self.limits.promql
    }

    /// What one question may use.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Does work that is no question of its own on a thread of questions.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        self.threads.block(work)?.await
    }

    /// Why nothing can be stored any more, if so.
    pub fn broken(&self) -> Option<&'static str> {
        self.store.broken()
    }

    fn slot(&self) -> Result<tokio::sync::OwnedSemaphorePermit, QueryError> {
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        let most = self.limits.concurrent_max;
        slot.map_err(|_| {
            QueryError::Busy(format!("{most} questions are being answered, which is the most at once"))
        })
    }

    /// Memory for a scan that keeps `rows`, reserved before it begins. Where memory is short the question is
    /// refused, and telemetry goes on being taken.
    fn memory(&self, rows: usize) -> Result<Reservation, QueryError> {
        let budget = self.store.budget();
        let bytes = rows.saturating_mul(ROW_BYTES).saturating_add(SCAN_BYTES);
        let most = budget.share(Purpose::Queries) / SCAN_SHARE;
        let begun = budget.begin_query(bytes.min(most));
        // What is kept for those who may come back is given up first.
        let begun = match begun {
            Err(_) if self.outlines.clear() | self.known.clear() => budget.begin_query(bytes.min(most)),
            begun => begun,
        };
        begun.map_err(|full| QueryError::Short(full.to_string()))
    }

    /// Runs a question that keeps `rows` on a thread that may block. Dropping the future cancels it.
    async fn ask<T: Send + 'static>(
        &self,
        reader: &Reader,
        rows: usize,
        question: impl FnOnce(&Snapshot, &Control) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let slot = self.slot()?;
        let memory = self.memory(rows)?;
        let snapshot = self.store.snapshot(reader);
        let cancelled = Arc::new(AtomicBool::new(false));
        let control =
            Control { deadline: Instant::now() + self.limits.time, cancelled: Arc::clone(&cancelled) };
        let _cancel = CancelOnDrop(cancelled);
        let work = self.threads.block(move || {
            let _held = (slot, memory);
            question(&snapshot, &control)
        });
        work?.await
    }

    async fn page<T: Send + 'static>(
        &self,
        signal: Signal,
        reader: &Reader,
        search: &Search,
        convert: fn(&RecordBatch) -> Vec<T>,
    ) -> Result<Page<T>, QueryError> {
        let scan = Scan { signal, range: search.range, predicate: search::parse(&search.q, signal)? };
        check(search)?;
        let search = search.clone();
        let budget = Arc::clone(self.store.budget());
        self.ask(reader, search.limit, move |snapshot, control| {
            page(&mut Work::new(snapshot, control, &budget), &scan, &search, convert)
        })
        .await
    }
}

/// Tells a question that nobody waits for it any more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Checks what a search asks for beside its text.
fn check(search: &Search) -> Result<(), QueryError> {
    if search.limit > LIMIT_MAX {
        return Err(QueryError::invalid(format!("limit is {}, and {LIMIT_MAX} at most", search.limit)));
    }
    if search.facets.len() > FACETS_MAX {
        return Err(QueryError::invalid(format!(
            "{} facets are asked for, and {FACETS_MAX} at most",
            search.facets.len()
        )));
    }
    match search.histogram {
        Some(0) => Err(QueryError::invalid("a histogram has at least one bar")),
        Some(bars) if bars > HISTOGRAM_BARS_MAX => {
            Err(QueryError::invalid(format!("{bars} bars are asked for, and {HISTOGRAM_BARS_MAX} at most")))
        }
        _ => Ok(()),
    }
}

fn page<T>(
    work: &mut Work<'_>,
    scan: &Scan,
    search: &Search,
    convert: fn(&RecordBatch) -> Vec<T>,
) -> Result<Page<T>, QueryError> {
    let before = search.cursor.as_deref().map(cursor_key).transpose()?;
    let mut aggregate = Aggregate::wanted(work.snapshot, scan, search);
    // To count all rows, all have to be known.
    let need = aggregate.is_none().then_some(Need { rows: search.limit, before });
    let predicate = resolve::resolved(work, scan.signal, scan.range, &scan.predicate, need)?;
    let scan = &Scan { predicate, ..scan.clone() };
    let observer = aggregate.as_mut().map(|aggregate| aggregate as &mut dyn Observer);
    let control = work.to_the_end();
    let (batches, cost) = work.snapshot.newest(scan, before, search.limit, observer, &control)?;
    work.count(cost);
    let rows: Vec<T> = batches.iter().flat_map(convert).collect();
    let last = batches.last().and_then(|batch| rows_of::key(scan.signal, batch));
    let cursor = last.filter(|_| search.limit > 0 && rows.len() == search.limit).map(cursor_text);
    let mut page = Page { rows, cursor, stats: work.stats()?, total: None, facets: None, histogram: None };
    if let Some(aggregate) = aggregate {
        aggregate.finish(search, &mut page);
    }
    Ok(page)
}

/// The cost of a scan as an answer tells it. A scan that had to stop before it found anything is an error.
fn stats(cost: ScanStats, begun: Instant) -> Result<Stats, QueryError> {
    if cost.timed_out && cost.rows == 0 {
        return Err(QueryError::Timeout("the time limit passed before any row was read".to_owned()));
    }
    let partial = cost.timed_out.then(|| Partial {
        reason: "time limit".to_owned(),
        covered_from: cost.unread.map(|unread| unread.0.saturating_add(1)),
        covered_to: None,
    });
    Ok(Stats {
        rows_scanned: cost.rows,
        bytes_scanned: cost.bytes,
        segments_total: cost.segments,
        segments_opened: cost.opened,
        elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        partial,
    })
}

fn cursor_text(key: RowKey) -> String {
    format!("{}.{}", key.time, key.seq)
}

fn cursor_key(text: &str) -> Result<RowKey, QueryError> {
    let key = text
        .split_once('.')
        .and_then(|(time, seq)| Some(RowKey { time: UnixNanos(time.parse().ok()?), seq: seq.parse().ok()? }));
    key.ok_or_else(|| QueryError::invalid(format!("{text:?} is no cursor: take one from an earlier answer")))
}

impl From<StoreError> for QueryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Regex(message) => Self::invalid(message),
            StoreError::Unresolved => Self::invalid(error.to_string()),
            StoreError::Cancelled => Self::Timeout("cancelled".to_owned()),
            StoreError::Memory(MemoryFull::Never { .. }) => Self::Memory(error.to_string()),
            StoreError::Memory(_) => Self::Short(error.to_string()),
            other => Self::Store(other.to_string()),
        }
    }
}
