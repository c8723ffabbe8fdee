//! The seal thread: frozen memtables become segments, small segments large ones.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::TimestampNanosecondType;
use model::{Signal, TenantId, UnixNanos, schema};
use tokio::sync::{mpsc, oneshot};

use super::log_thread::Command;
use super::{Fresh, Frozen, Shared, lock};
use crate::budget::{Purpose, Reservation};
use crate::catalog::{Publication, SealedLog};
use crate::columns::{Joiner, Layout};
use crate::compaction::{self, Eagerness, WHOLE_ROWS};
use crate::error::{Result, StoreError};
use crate::red;
use crate::segment::{Segment, SegmentMeta, SegmentWriter, deciding, ordered, orders, sorted};
use crate::timings::Step;
use crate::wal::WalPosition;

/// How often the age of memtables is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long to wait after a seal or merge that failed.
const RETRY: Duration = Duration::from_secs(5);
/// How long a seal waits for memory. Then it goes on without: it frees more than it takes.
const SEAL_WAIT: Duration = Duration::from_secs(5);
/// How long a merge waits for memory before it is put off.
const MERGE_WAIT: Duration = Duration::from_secs(1);
/// Bytes that a seal takes for a row besides the row itself: its key to sort by, its place, and its encoded form.
const SEAL_ROW_BYTES: usize = 160;
/// Bytes that a seal takes whatever it seals.
const SEAL_BYTES: usize = 4 << 20;
/// The most segments that one table of one memtable becomes; rows of further days share a mixed one.
const WINDOWS_MAX: usize = 8;

pub(super) fn spawn(
    shared: Arc<Shared>,
    log: mpsc::Sender<Command>,
    sealed: WalPosition,
) -> Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("seal".to_owned());
    // A weak sender: this thread must not keep the log thread alive.
    let log = log.downgrade();
    let run = move || SealThread { shared, log, sealed, wait_until: None }.run();
    thread.spawn(run).map_err(|source| StoreError::Io {
        what: "start the thread",
        path: PathBuf::from("seal"),
        source,
    })
}

struct SealThread {
    shared: Arc<Shared>,
    log: mpsc::WeakSender<Command>,
    /// The last position that the catalog has.
    sealed: WalPosition,
    /// After a failure, when to try again.
    wait_until: Option<Instant>,
}

impl SealThread {
    fn run(mut self) {
        // Should this thread panic, those who wait for it are told.
        let _end = EndOnDrop(Arc::clone(&self.shared));
        loop {
            let wanted = self.wait();
            if self.shared.closing.load(Ordering::Acquire) {
                return;
            }
            if wanted.is_none() && self.is_waiting() {
                continue;
            }
            let sealed = if wanted.is_some() || self.is_due() { self.seal_all() } else { Ok(()) };
            self.report(wanted, &sealed);
            self.wait_until = match sealed {
                Ok(()) => None,
                Err(error) => {
                    tracing::error!(%error, "sealing failed and will be tried again");
                    Some(Instant::now() + RETRY)
                }
            };
        }
    }

    /// Waits for a tick or a wish. Returns the wishes so far, if there are open ones.
    fn wait(&self) -> Option<u64> {
        let live = self.shared.live();
        let idle = |live: &mut super::Live| {
            let full = live.active.bytes >= self.shared.options.memtable_bytes as u64 && !self.is_waiting();
            live.seal_wanted == live.seals_done && !full && !self.shared.closing.load(Ordering::Acquire)
        };
        let (live, _) =
            self.shared.wake.wait_timeout_while(live, TICK, idle).unwrap_or_else(PoisonError::into_inner);
        (live.seal_wanted > live.seals_done).then_some(live.seal_wanted)
    }

    fn is_waiting(&self) -> bool {
        self.wait_until.is_some_and(|until| Instant::now() < until)
    }

    fn is_due(&self) -> bool {
        let live = self.shared.live();
        let full = live.active.bytes >= self.shared.options.memtable_bytes as u64;
        let old = live.active.since.is_some_and(|since| since.elapsed() >= self.shared.options.memtable_age);
        full || old || !live.frozen.is_empty()
    }

    fn report(&self, wanted: Option<u64>, sealed: &Result<()>) {
        let Some(wanted) = wanted else { return };
        let mut live = self.shared.live();
        live.seals_done = wanted;
        live.seal_error = sealed.as_ref().err().map(ToString::to_string);
        self.shared.wake.notify_all();
    }

    /// Freezes what is fresh and seals everything frozen, the oldest first.
    fn seal_all(&mut self) -> Result<()> {
        let Some(log) = self.log.upgrade() else { return Err(StoreError::Closed) };
        let (done, frozen) = oneshot::channel();
        log.blocking_send(Command::Freeze { done }).map_err(|_| StoreError::Closed)?;
        drop(log);
        frozen.blocking_recv().map_err(|_| StoreError::Closed)??;
        loop {
            let Some(frozen) = self.shared.live().frozen.first().map(Arc::clone) else { return Ok(()) };
            self.seal(&frozen)?;
        }
    }

    fn seal(&mut self, frozen: &Arc<Frozen>) -> Result<()> {
        let _memory = self.reserve(&frozen.fresh);
        let mut added = Vec::new();
        for ((tenant, signal), table) in &frozen.fresh.tables {
            let batches: Vec<&RecordBatch> = table.batches().iter().map(|rows| &rows.batch).collect();
            added.extend(seal_table(&self.shared, *tenant, *signal, &batches)?);
        }
        let seen = frozen.fresh.seen.clone();
        let log = SealedLog { from: self.sealed, to: frozen.to, next_seq: frozen.next_seq, seen };
        let publication = Publication { added: added.clone(), removed: Vec::new(), log: Some(log) };
        // Should this fail, the segments stay: the commit may be in the catalog's journal all the same, and
        // hold after a restart. What the catalog does not name then is deleted then.
        self.shared.catalog.publish(&publication)?;
        self.sealed = frozen.to;
        let segments = added.into_iter().map(|meta| open(&self.shared, meta));
        let mut live = self.shared.live();
        live.segments.extend(segments);
        live.frozen.retain(|other| !Arc::ptr_eq(other, frozen));
        self.shared.count_fresh(&live);
        drop(live);
        for file in &frozen.log_files {
            // A file that stays is read again at the next start, and found to be sealed.
            drop(std::fs::remove_file(file));
        }
        Ok(())
    }

    /// Memory for a seal: the rows in order, as much for columns on their way, pages and dictionaries, and what a row
    /// takes besides. At most what merges leave, so that a seal never waits for a merge: it counts no more of a larger
    /// table than that.
    fn reserve(&self, fresh: &Fresh) -> Option<Reservation> {
        let budget = &self.shared.options.budget;
        let batches = fresh.tables.values().flat_map(|table| table.batches());
        let rows: usize = batches.map(|rows| rows.batch.num_rows()).sum();
        let bytes = usize::try_from(fresh.bytes).unwrap_or(usize::MAX).saturating_mul(2);
        let bytes = bytes.saturating_add(rows.saturating_mul(SEAL_ROW_BYTES)).saturating_add(SEAL_BYTES);
        let bytes = bytes.min(budget.share(Purpose::Merges) - compaction::memory_max(budget));
        let reserved = budget.wait_for(Purpose::Merges, bytes, SEAL_WAIT);
        reserved.inspect_err(|error| tracing::warn!(%error, "sealing goes on without memory of its own")).ok()
    }
}

/// Ends the store when the thread that holds it does.
struct EndOnDrop(Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Merges in the background, on a thread of its own so that sealing never waits for it.
pub(super) fn spawn_merging(shared: Arc<Shared>) -> Result<JoinHandle<()>> {
    let run = move || {
        while wait_tick(&shared) {
            let Ok(_turn) = shared.merging.try_lock() else { continue };
            if let Err(error) = shared.retire(&shared.options.retention, UnixNanos::now()) {
                tracing::error!(%error, "retention failed and will be tried again");
            }
            if !shared.options.compaction {
                continue;
            }
            match merge_next(&shared, Eagerness::Background) {
                Ok(_) | Err(StoreError::Closed) => {}
                Err(StoreError::Memory(error)) => tracing::debug!(%error, "a merge is put off"),
                Err(error) => tracing::error!(%error, "a merge failed; what it could not read is left out"),
            }
        }
    };
    let thread = std::thread::Builder::new().name("merge".to_owned()).spawn(run);
    thread.map_err(|source| StoreError::Io { what: "start the thread", path: PathBuf::from("merge"), source })
}

/// Waits for a tick. False once the store ends.
fn wait_tick(shared: &Shared) -> bool {
    let going_on = |_: &mut super::Live| !shared.closing.load(Ordering::Acquire);
    let waited = shared.wake.wait_timeout_while(shared.live(), TICK, going_on);
    drop(waited.unwrap_or_else(PoisonError::into_inner));
    !shared.closing.load(Ordering::Acquire)
}

/// Merges and indexes until nothing is left.
pub(super) fn compact_all(shared: &Arc<Shared>, progress: &mut dyn FnMut(&str)) -> Result<()> {
    let _turn = lock(&shared.merging);
    let mut failed = Ok(());
    loop {
        if shared.closing.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let suspects = || shared.live().segments.iter().filter(|segment| segment.is_suspect()).count();
        let before = suspects();
        match merge_next(shared, Eagerness::All) {
            Ok(Some(merged)) => progress(&merged),
            Ok(None) => return failed,
            // Others are at work: the wait for memory was long enough to look again at once.
            Err(StoreError::Memory(error)) => tracing::debug!(%error, "a merge is put off"),
            // What could not be read is left out from now on, and the rest still merged before it is said.
            Err(error) if suspects() > before => failed = Err(error),
            Err(error) => return Err(error),
        }
    }
}

/// Does the next merge, if there is one, and says what it was. [`StoreError::Memory`] if it must be put off.
fn merge_next(shared: &Arc<Shared>, eagerness: Eagerness) -> Result<Option<String>> {
    let segments = shared.live().segments.clone();
    let budget = &shared.options.budget;
    let memory_max = compaction::memory_max(budget);
    let Some(inputs) = compaction::plan(&segments, eagerness, memory_max) else { return Ok(None) };
    // The smallest merge that there is may be larger, and counts as all there is.
    let bytes = compaction::memory(&inputs).min(memory_max);
    let _memory = budget.wait_for(Purpose::Merges, bytes, MERGE_WAIT)?;
    let meta = compaction::merge(&shared.dir, &inputs, &shared.closing, &shared.options.timings)?;
    let what = format!("{} segments of {} became one of {} rows", inputs.len(), meta.signal, meta.rows);
    let removed = inputs.iter().map(|segment| segment.meta.id.clone()).collect();
    let publication = Publication { added: vec![meta.clone()], removed, log: None };
    // As with a seal, neither inputs nor output are deleted if this fails.
    shared.catalog.publish(&publication)?;
    let merged = open(shared, meta);
    let mut live = shared.live();
    live.segments.retain(|segment| !inputs.iter().any(|input| Arc::ptr_eq(input, segment)));
    live.segments.push(merged);
    drop(live);
    inputs.iter().for_each(|input| input.replace());
    Ok(Some(what))
}

fn open(shared: &Shared, meta: SegmentMeta) -> Arc<Segment> {
    Arc::new(Segment::new(&shared.dir, meta, shared.caches.clone()))
}

/// Writes the rows of a table: a segment for each window. Columns are joined and put in order one after another, so
/// that the rows are never in memory three times.
fn seal_table(
    shared: &Shared,
    tenant: TenantId,
    signal: Signal,
    batches: &[&RecordBatch],
) -> Result<Vec<SegmentMeta>> {
    let timings = &shared.options.timings;
    let mut joiner = timings.time(Step::Join, || Joiner::new(signal, batches))?;
    let deciding = timings.time(Step::Join, || deciding_columns(signal, &mut joiner))?;
    let orders = timings.time(Step::Sort, || orders(signal, &deciding, windows(signal, &deciding)))?;
    drop(deciding);
    let mut sorted: Vec<Vec<ArrayRef>> = vec![Vec::with_capacity(joiner.columns()); orders.len()];
    for at in 0..joiner.columns() {
        let column = timings.time(Step::Join, || joiner.column(at))?;
        for (sorted, order) in sorted.iter_mut().zip(&orders) {
            sorted.push(timings.time(Step::Sort, || ordered(&column, order))?);
        }
    }
    let layout = joiner.layout();
    let windows = sorted.into_iter().map(|columns| RecordBatch::try_new(Arc::clone(&layout.schema), columns));
    let windows = windows.collect::<std::result::Result<Vec<_>, _>>()?;
    let red = (signal == Signal::Spans).then(|| roll_up(shared, tenant, &windows)).flatten();
    let mut added = Vec::with_capacity(windows.len());
    for rows in windows {
        added.push(SegmentMeta { rolled_up: red.is_some(), ..write(shared, tenant, layout, &rows)? });
    }
    added.extend(red.unwrap_or_default());
    Ok(added)
}

/// Writes rows that are in order.
fn write(shared: &Shared, tenant: TenantId, layout: &Layout, rows: &RecordBatch) -> Result<SegmentMeta> {
    let whole = rows.num_rows() as u64 >= WHOLE_ROWS && compaction::has_index(layout.signal);
    let mut writer = SegmentWriter::create(&shared.dir, tenant, layout, whole, &shared.options.timings)?;
    writer.write(rows)?;
    writer.finish()
}

/// Of all rows the columns that decide on their order.
fn deciding_columns(signal: Signal, joiner: &mut Joiner) -> Result<RecordBatch> {
    let schema = Arc::clone(&joiner.layout().schema);
    let places = deciding(signal).map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
    let columns = places.iter().map(|at| joiner.column(*at)).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(Arc::new(schema.project(&places)?), columns)?)
}

/// Rolls up the spans of a seal. Should that fail, the spans are sealed all the same: they are counted from their own
/// segment then.
fn roll_up(shared: &Shared, tenant: TenantId, spans: &[RecordBatch]) -> Option<Vec<SegmentMeta>> {
    let layout = Layout::new(Signal::Red, Vec::new());
    let rolled_up = shared.options.timings.time(Step::RollUp, || red::roll_up(spans)).and_then(|rows| {
        let window = |of_window: Vec<u32>| -> Result<SegmentMeta> {
            let rows = take_record_batch(&rows, &UInt32Array::from(of_window))?;
            write(shared, tenant, &layout, &sorted(Signal::Red, &rows)?)
        };
        windows(Signal::Red, &rows).into_iter().map(window).collect()
    });
    rolled_up.inspect_err(|error| tracing::error!(%error, "spans are sealed without being rolled up")).ok()
}

/// Rows by the day of their event time: the days with the most rows apart, all others together.
fn windows(signal: Signal, rows: &RecordBatch) -> Vec<Vec<u32>> {
    let all = || vec![(0..rows.num_rows() as u32).collect()];
    let times = rows.column_by_name(schema::time_column(signal));
    let Some(times) = times.and_then(|times| times.as_primitive_opt::<TimestampNanosecondType>()) else {
        return all();
    };
    let mut days: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for (row, time) in times.values().iter().enumerate() {
        days.entry(UnixNanos(*time).day()).or_default().push(row as u32);
    }
    if days.len() <= 1 {
        return all();
    }
    let mut windows: Vec<Vec<u32>> = days.into_values().collect();
    windows.sort_by_key(|window| std::cmp::Reverse(window.len()));
    if windows.len() > WINDOWS_MAX {
        let mixed: Vec<u32> = windows.drain(WINDOWS_MAX - 1..).flatten().collect();
        windows.push(mixed);
    }
    windows
}
