//! The store: one data directory, open for writing or for reading only.
//!
//! Two threads do the work that must be in order. The *log thread* owns the [`Wal`]: it makes requests
//! durable in groups and puts their rows into the memtables, so that a row can be read before its request is
//! answered. The *seal thread* turns frozen memtables into segments and merges segments; it is the only one
//! that publishes to the catalog.
//!
//! Invariants:
//! - A row is in exactly one of memtables, frozen memtables and segments of every snapshot.
//! - Memtables are frozen by the log thread between two commits, all signals at one position of the log.
//! - Log files are deleted only after the catalog says that their frames are in segments.

mod log_thread;
mod seal_thread;
mod records;
mod tails;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{Answer, Batch, Reader, Signal, TenantId, TenantName, UnixNanos};
use tokio::sync::{mpsc, oneshot};

use crate::budget::{Gauge, MemoryBudget, MemoryUse, Purpose};
use crate::catalog::{self, Catalog, Publication};
use crate::error::{Result, StoreError};
use crate::guard::{Guard, Key, Seen, Verdict};
use crate::lock::DirLock;
use crate::memtable::{Memtable, with_store_columns};
use crate::pace::Pace;
use crate::retention::{Removed, Retention};
use crate::segment::{Segment, SegmentCaches};
use crate::snapshot::{Snapshot, Table};
use crate::templates::Registry;
use crate::timings::{Step, Timings};
use crate::wal::{Committed, Frame, Recovery, Wal, WalPosition, WalStart, sync_dir};
use log_thread::Command;
use tails::Tails;
pub use tails::{Arrival, Subscription, Tailed};

/// The most bytes of rows in a memtable, whatever the memory budget.
const MEMTABLE_BYTES_MAX: usize = 128 << 20;
/// How many memtables full of rows may wait before writes are refused: together the budget's share of fresh rows.
const MEMTABLES_MAX: usize = 3;
/// The age at which a memtable is sealed.
const MEMTABLE_AGE: Duration = Duration::from_secs(300);
/// How many tenants a store has room for.
const TENANTS_MAX: usize = 10_000;
/// How many requests may wait for the log.
const LOG_QUEUE_MAX: usize = 1024;
/// Fresh rows may be so small a part more than their memory: what requests hold that were admitted before.
const FRESH_SLACK: u64 = 4;
/// The fewest bytes of rows that memtables may hold, whatever the memory budget.
const MEMTABLE_BYTES_MIN: usize = 8 << 20;

/// How a store behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Memtables are sealed when they hold so many bytes.
    pub memtable_bytes: usize,
    /// Or when the oldest row is so old.
    pub memtable_age: Duration,
    /// Past so many bytes in memtables, frozen ones included, writes are refused until some are sealed.
    pub fresh_bytes_max: usize,
    /// Whether segments are merged in the background.
    pub compaction: bool,
    /// What is removed when it is too old, or too much.
    pub retention: Retention,
    /// The memory of the process, of which the store takes parts.
    pub budget: Arc<MemoryBudget>,
    /// Where the steps of a record's way count their time.
    pub timings: Arc<Timings>,
}

impl Options {
    /// What suits a budget of so many bytes, of which reservations alone count.
    pub fn for_memory(bytes: usize) -> Self {
        Self::within(MemoryBudget::new(bytes))
    }

    /// What suits a memory budget for the whole process.
    pub fn within(budget: Arc<MemoryBudget>) -> Self {
        let memtable_bytes = budget.share(Purpose::FreshRows) / MEMTABLES_MAX;
        let memtable_bytes = memtable_bytes.clamp(MEMTABLE_BYTES_MIN, MEMTABLE_BYTES_MAX);
        Self {
            memtable_bytes,
            memtable_age: MEMTABLE_AGE,
            fresh_bytes_max: memtable_bytes * MEMTABLES_MAX,
            compaction: true,
            retention: Retention::default(),
            budget,
            timings: Arc::default(),
        }
    }
}

/// Numbers that say how a store is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Requests that were held back as repeats since the start.
    pub held_back: u64,
    /// Bytes of rows that are not in segments yet.
    pub fresh_bytes: u64,
    /// What retention removed since the start.
    pub removed: Removed,
    /// How the memory budget is used.
    pub memory: MemoryUse,
    /// What reading the log at start found.
    pub recovery: Recovery,
    /// Memtables that wait to become segments.
    pub frozen: usize,
    /// The files of the write-ahead log.
    pub log: LogFiles,
}

/// The files of the write-ahead log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFiles {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A request that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The answer to give.
    pub answer: Answer,
    /// Whether it repeats one that is stored, so that nothing was stored again.
    pub repeat: bool,
}

/// What is held until rows are in the memtables.
pub type Held = Box<dyn Send>;

/// A store. Cloning is cheap; all clones are one store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// Absent where the store is only read.
    log: Option<mpsc::Sender<Command>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    recovery: Recovery,
    /// A copied catalog, deleted in the end.
    scratch: Option<PathBuf>,
}

/// What both threads and all readers share.
struct Shared {
    dir: PathBuf,
    /// Held until the last thread that may publish has ended.
    lock: DirLock,
    options: Options,
    catalog: Catalog,
    guard: Arc<Guard>,
    caches: SegmentCaches,
    tenants: Mutex<HashMap<TenantName, TenantId>>,
    /// The templates of each tenant's logs, from the first question on.
    registries: Mutex<HashMap<TenantId, Arc<Registry>>>,
    live: Mutex<Live>,
    tails: Arc<Tails>,
    fresh_bytes: Gauge,
    pace: Arc<Pace>,
    removed: Mutex<Removed>,
    wake: Condvar,
    /// One merge at a time: the seal thread and `compact` take turns.
    merging: Mutex<()>,
    closing: AtomicBool,
    /// An fsync of the log failed: nothing is acknowledged until a restart.
    poisoned: AtomicBool,
}

/// The rows and segments of all tenants as of now.
#[derive(Default)]
struct Live {
    active: Fresh,
    frozen: Vec<Arc<Frozen>>,
    segments: Vec<Arc<Segment>>,
    /// The `seq` after the last row that can be read.
    next_seq: i64,
    /// Rows that live tails want, until the lock is given back.
    tailed: Vec<tails::Durable>,
    /// Somebody wants the memtables sealed now.
    seal_wanted: u64,
    /// How often that was done, or failed.
    seals_done: u64,
    seal_error: Option<String>,
}

/// Memtables by tenant and signal.
#[derive(Default)]
struct Fresh {
    tables: BTreeMap<(TenantId, Signal), Memtable>,
    seen: Vec<Seen>,
    bytes: u64,
    since: Option<Instant>,
}

/// Memtables that take no more rows, and the stretch of the log they hold.
struct Frozen {
    fresh: Fresh,
    to: WalPosition,
    next_seq: i64,
    log_files: Vec<PathBuf>,
}

impl Store {
    /// Opens a data directory for writing, making it if there is none, and reads the log.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
        let lock = DirLock::exclusive(dir)?;
        refuse_without_catalog(dir)?;
        let catalog = Catalog::open(dir)?;
        let shared = Arc::new(Shared::new(dir, lock, options, catalog)?);
        shared.delete_orphans()?;
        let (sealed, next_seq) = shared.catalog.sealed()?;
        shared.live().next_seq = next_seq;
        let start = WalStart { writer: 0, sealed, next_seq };
        let (wal, recovery) =
            Wal::recover(&dir.join("wal"), start, &mut |at, frame| shared.replay(at, &frame))?;
        if recovery.damaged > 0 {
            tracing::warn!(
                damaged = recovery.damaged,
                "frames of the write-ahead log are damaged and were passed over"
            );
        }
        sync_dir(dir).map_err(StoreError::io("sync", dir))?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent).map_err(StoreError::io("sync", parent))?;
        }
        let (log, commands) = mpsc::channel(LOG_QUEUE_MAX);
        let threads = vec![
            log_thread::spawn(wal, Arc::clone(&shared), commands)?,
            seal_thread::spawn(Arc::clone(&shared), log.clone(), sealed)?,
            seal_thread::spawn_merging(Arc::clone(&shared))?,
        ];
        let inner = Inner { shared, log: Some(log), threads: Mutex::new(threads), recovery, scratch: None };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens a data directory that nobody writes to, changing nothing in it. The log is read into memory.
    pub fn open_read_only(dir: &Path, options: Options) -> Result<Self> {
        if !dir.join(catalog::FILE).exists() {
            return Err(StoreError::NotAStore { dir: dir.to_owned(), missing: catalog::FILE });
        }
        let lock = DirLock::shared(dir)?;
        let scratch = copy_catalog(dir)?;
        let opened = Catalog::open_copy(&scratch.join(catalog::FILE)).and_then(|catalog| {
            let shared = Arc::new(Shared::new(dir, lock, options, catalog)?);
            let (sealed, _) = shared.catalog.sealed()?;
            let recovery = Wal::peek(&dir.join("wal"), sealed, &mut |at, frame| shared.replay(at, &frame))?;
            Ok((shared, recovery))
        });
        let (shared, recovery) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                drop(std::fs::remove_dir_all(&scratch));
                return Err(error);
            }
        };
        let threads = Mutex::new(Vec::new());
        let inner = Inner { shared, log: None, threads, recovery, scratch: Some(scratch) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Writes for others to read who holds the directory.
    pub fn describe_holder(&self, holder: &str) -> Result<()> {
        self.inner.shared.lock.describe(holder)
    }

    /// Stores a request. `Ok` means that its rows are durable and can be read, or that it repeats one that
    /// is; either way with the answer to give. A request that failed may be sent again.
    pub async fn write(&self, tenant: &TenantName, batch: Batch) -> Result<Answer> {
        Ok(self.write_holding(tenant, batch, Box::new(())).await?.answer)
    }

    /// As [`Self::write`], and drops `held` once the rows are in the memtables, or were refused: the memory that
    /// was reserved for them. That may be after the returned future was dropped.
    pub async fn write_holding(&self, tenant: &TenantName, batch: Batch, held: Held) -> Result<Written> {
        let log = self.inner.log.as_ref().ok_or(StoreError::Closed)?;
        let shared = &self.inner.shared;
        if batch.rows.num_rows() == 0 {
            return Ok(Written { answer: batch.answer, repeat: false });
        }
        // What was admitted before the memory was full is taken still.
        let most = shared.options.fresh_bytes_max as u64;
        if shared.fresh_bytes.get() > most + most / FRESH_SLACK {
            return Err(StoreError::Busy("memory for rows that are not on disk in segments"));
        }
        let tenant = shared.tenant(tenant)?;
        let mut claim = None;
        if batch.repeatable {
            let key = Key { tenant, signal: batch.signal, hash: batch.payload_hash };
            match shared.guard.enter(key).await {
                Verdict::New(new) => claim = Some(new),
                Verdict::Repeat(answer) => return Ok(Written { answer, repeat: true }),
            }
        }
        let frame = Frame { tenant, arrival: UnixNanos::now(), batch };
        let encode = || shared.options.timings.time(Step::Encode, || frame.encode());
        let payload = shared.pace.encode(encode)?;
        let (done, durable) = oneshot::channel();
        let answer = frame.batch.answer.clone();
        // The claim goes along: should this future be dropped, the request still ends one way or the other.
        let command = Command::Append { frame: Box::new(frame), payload, claim, done, held };
        log.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy("the queue of the write-ahead log"),
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        durable.await.map_err(|_| StoreError::Closed)??;
        Ok(Written { answer, repeat: false })
    }

    /// Whether memory for fresh rows is left. Where it is not, nothing should be begun that ends in [`Self::write`],
    /// which refuses a little later.
    pub fn has_room(&self) -> bool {
        let shared = &self.inner.shared;
        shared.fresh_bytes.get() <= shared.options.fresh_bytes_max as u64
    }

    /// What those give way to that ask it.
    pub fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.inner.shared.pace)
    }

    /// The memory of the process, of which this store takes parts.
    pub fn budget(&self) -> &Arc<MemoryBudget> {
        &self.inner.shared.options.budget
    }

    /// What a reader sees now.
    pub fn snapshot(&self, reader: &Reader) -> Snapshot {
        let tenant = self.inner.shared.known_tenant(&reader.tenant);
        let live = self.inner.shared.live();
        Snapshot::new(tenant, |signal| match tenant {
            Some(tenant) => {
                let registry = self.inner.shared.registry(tenant);
                Table { registry, ..live.table(tenant, signal) }
            }
            None => Table::default(),
        })
    }

    /// Puts all fresh rows into segments. Blocks until that is done.
    pub fn seal(&self) -> Result<()> {
        if self.inner.log.is_none() {
            return Err(StoreError::Closed);
        }
        self.inner.shared.seal_and_wait()
    }

    /// Seals, then merges and indexes until nothing is left to do. Blocks. `progress` is told what is done.
    pub fn compact(&self, progress: &mut dyn FnMut(&str)) -> Result<()> {
        self.seal()?;
        seal_thread::compact_all(&self.inner.shared, progress)
    }

    /// Why nothing can be stored any more, if so; only a restart helps.
    pub fn broken(&self) -> Option<&'static str> {
        let shared = &self.inner.shared;
        if shared.poisoned.load(Ordering::Acquire) {
            return Some("an fsync of the write-ahead log failed: restart to go on");
        }
        // A clean end takes the threads away first, so one that is here and finished ended by itself.
        let ended = lock(&self.inner.threads).iter().any(JoinHandle::is_finished);
        ended.then_some("a thread of the store has ended: restart to go on")
    }

    /// How the store is doing.
    pub fn health(&self) -> Health {
        Health {
            held_back: self.inner.shared.guard.held_back(),
            fresh_bytes: self.inner.shared.fresh_bytes.get(),
            removed: *lock(&self.inner.shared.removed),
            memory: self.budget().usage(),
            recovery: self.inner.recovery,
            frozen: self.inner.shared.live().frozen.len(),
            log: log_files(&self.inner.shared.dir.join("wal")),
        }
    }

    /// How long the steps of a record's way took so far.
    pub fn timings(&self) -> &Timings {
        &self.inner.shared.options.timings
    }

    /// Ends cleanly: what was accepted is stored and sealed. Blocks, so not for an async thread. Later writes are refused.
    pub fn close(&self) -> Result<()> {
        let Some(log) = &self.inner.log else { return Ok(()) };
        let sealed = self.seal();
        self.inner.shared.end();
        drop(log.blocking_send(Command::Close));
        let threads = std::mem::take(&mut *lock(&self.inner.threads));
        for thread in threads {
            drop(thread.join());
        }
        sealed
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.end();
        if let Some(log) = self.log.take() {
            drop(log.try_send(Command::Close));
        }
        if let Some(scratch) = &self.scratch {
            drop(std::fs::remove_dir_all(scratch));
        }
    }
}

impl Shared {
    fn new(dir: &Path, lock: DirLock, options: Options, catalog: Catalog) -> Result<Self> {
        let caches = SegmentCaches::within(&options.budget);
        let guard = Guard::default();
        catalog.seen()?.iter().for_each(|seen| guard.remember(seen));
        let segments = catalog.segments()?;
        let segments = segments.into_iter().map(|meta| Arc::new(Segment::new(dir, meta, caches.clone())));
        let live = Live { segments: segments.collect(), ..Live::default() };
        let tenants = catalog.tenants()?.into_iter().map(|(id, name)| (name, id)).collect();
        let fresh_bytes = options.budget.gauge(Purpose::FreshRows);
        Ok(Self {
            dir: dir.to_owned(),
            lock,
            options,
            catalog,
            guard: Arc::new(guard),
            caches,
            tenants: Mutex::new(tenants),
            registries: Mutex::default(),
            live: Mutex::new(live),
            tails: Arc::default(),
            fresh_bytes,
            pace: Arc::default(),
            removed: Mutex::default(),
            wake: Condvar::new(),
            merging: Mutex::new(()),
            closing: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
        })
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        lock(&self.live)
    }

    fn known_tenant(&self, name: &TenantName) -> Option<TenantId> {
        lock(&self.tenants).get(name).copied()
    }

    /// What is known of a tenant's templates.
    fn registry(&self, tenant: TenantId) -> Arc<Registry> {
        let mut registries = lock(&self.registries);
        let new = || Arc::new(Registry::within(self.caches.template_share()));
        Arc::clone(registries.entry(tenant).or_insert_with(new))
    }

    fn tenant(&self, name: &TenantName) -> Result<TenantId> {
        if let Some(id) = self.known_tenant(name) {
            return Ok(id);
        }
        if lock(&self.tenants).len() >= TENANTS_MAX {
            return Err(StoreError::Tenants(TENANTS_MAX));
        }
        let id = self.catalog.tenant(name)?;
        lock(&self.tenants).insert(name.clone(), id);
        Ok(id)
    }

    /// Takes a frame of the log back into the memtables.
    fn replay(&self, at: Committed, frame: &Frame) -> Result<()> {
        if let Some(seen) = seen(frame) {
            self.guard.remember(&seen);
        }
        self.insert(&mut self.live(), at, frame)
    }

    /// Puts the rows of a durable frame into the memtables.
    fn insert(&self, live: &mut Live, at: Committed, frame: &Frame) -> Result<()> {
        let signal = frame.batch.signal;
        let rows = self.options.timings.time(Step::Insert, || {
            with_store_columns(signal, &frame.batch.rows, at.first_seq, frame.arrival)
        })?;
        let tailed = self.tails.any().then(|| Arc::new(rows.clone()));
        let table = live.active.tables.entry((frame.tenant, signal)).or_default();
        let grown = self.options.timings.time(Step::Insert, || table.push(signal, rows))?;
        live.next_seq = live.next_seq.max(at.first_seq + frame.batch.rows.num_rows() as i64);
        live.tailed.extend(tailed.map(|rows| tails::Durable {
            tenant: frame.tenant,
            signal,
            first_seq: at.first_seq,
            rows,
        }));
        live.active.bytes = live.active.bytes.saturating_add_signed(grown);
        live.active.since.get_or_insert_with(Instant::now);
        live.active.seen.extend(seen(frame));
        self.count_fresh(live);
        Ok(())
    }

    /// Tells the budget how many bytes of rows are in memtables, frozen ones included.
    fn count_fresh(&self, live: &Live) {
        let frozen: u64 = live.frozen.iter().map(|frozen| frozen.fresh.bytes).sum();
        self.fresh_bytes.set(live.active.bytes + frozen);
    }

    /// Removes what retention says is overdue at a time: one transaction of the catalog; the files go when the
    /// last snapshot lets go. The caller holds `merging`, since a merge must not lose its inputs.
    fn retire(&self, retention: &Retention, now: UnixNanos) -> Result<Removed> {
        if !retention.is_limited() {
            return Ok(Removed::default());
        }
        let segments = self.live().segments.clone();
        let overdue = retention.overdue(segments.iter().map(|segment| &segment.meta), now);
        if overdue.is_empty() {
            return Ok(Removed::default());
        }
        let removed = Removed::of(overdue.iter().copied());
        let ids: HashSet<&str> = overdue.iter().map(|meta| meta.id.as_str()).collect();
        let publication = Publication {
            removed: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..Publication::default()
        };
        // Should this fail, the segments stay: the commit may hold after a restart all the same.
        self.catalog.publish(&publication)?;
        self.live().segments.retain(|segment| !ids.contains(segment.meta.id.as_str()));
        let gone = segments.iter().filter(|segment| ids.contains(segment.meta.id.as_str()));
        gone.for_each(|segment| segment.replace());
        lock(&self.removed).add(removed);
        let Removed { segments, rows, bytes } = removed;
        tracing::info!(segments, rows, bytes, "retention removed segments");
        Ok(removed)
    }

    /// Tells both threads and whoever waits for them that the store ends. Under the lock that waiters hold
    /// between their look and their wait, so that none misses it.
    fn end(&self) {
        let _live = self.live();
        self.closing.store(true, Ordering::Release);
        self.wake.notify_all();
        self.tails.end();
    }

    /// Asks the seal thread for a seal and waits until it is done.
    fn seal_and_wait(&self) -> Result<()> {
        let mut live = self.live();
        live.seal_wanted += 1;
        let mine = live.seal_wanted;
        self.wake.notify_all();
        while live.seals_done < mine {
            if self.closing.load(Ordering::Acquire) {
                return Err(StoreError::Closed);
            }
            live = self.wake.wait(live).unwrap_or_else(PoisonError::into_inner);
        }
        match &live.seal_error {
            Some(error) => Err(StoreError::Seal(error.clone())),
            None => Ok(()),
        }
    }

    /// Deletes directories of segments that the catalog does not name: left by a crash.
    fn delete_orphans(&self) -> Result<()> {
        let root = self.dir.join("segments");
        let known: HashSet<PathBuf> =
            self.live().segments.iter().map(|segment| self.dir.join(segment.meta.path())).collect();
        for tenant in subdirectories(&root)? {
            for signal in subdirectories(&tenant)? {
                // Segments of a signal of a later version are not known here, and not ours to delete.
                let ours = Signal::ALL.iter().any(|known| signal.ends_with(known.table()));
                for segment in subdirectories(&signal)? {
                    if ours && !known.contains(&segment) {
                        std::fs::remove_dir_all(&segment).map_err(StoreError::io("delete", &segment))?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Live {
    fn table(&self, tenant: TenantId, signal: Signal) -> Table {
        let frozen = self.frozen.iter().map(|frozen| &frozen.fresh);
        let fresh = frozen.chain([&self.active]).filter_map(|fresh| fresh.tables.get(&(tenant, signal)));
        let mine = |segment: &&Arc<Segment>| segment.meta.tenant == tenant && segment.meta.signal == signal;
        Table {
            segments: self.segments.iter().filter(mine).map(Arc::clone).collect(),
            fresh: fresh.flat_map(|table| table.batches().iter().map(Arc::clone)).collect(),
            registry: Arc::default(),
        }
    }
}

/// Refuses a directory that holds data and no catalog: without one every segment would look like an orphan.
fn refuse_without_catalog(dir: &Path) -> Result<()> {
    if dir.join(catalog::FILE).exists() {
        return Ok(());
    }
    let holds_any = |dir: PathBuf| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if holds_any(dir.join("segments")) || holds_any(dir.join("wal")) {
        let what = "it is missing, and there are data beside it: put it back, or move the data away";
        return Err(StoreError::damaged(&dir.join(catalog::FILE), what));
    }
    Ok(())
}

/// What is remembered of a frame to know a copy of it.
fn seen(frame: &Frame) -> Option<Seen> {
    let key = Key { tenant: frame.tenant, signal: frame.batch.signal, hash: frame.batch.payload_hash };
    let answer = frame.batch.answer.clone();
    frame.batch.repeatable.then_some(Seen { key, arrival: frame.arrival, answer })
}

/// The files of the log as they are now; a file that goes meanwhile is not counted.
fn log_files(dir: &Path) -> LogFiles {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file).fold(
        LogFiles::default(),
        |sum, file| LogFiles { files: sum.files + 1, bytes: sum.bytes + file.len() },
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn subdirectories(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(StoreError::io("list", dir))? {
        let path = entry.map_err(StoreError::io("list", dir))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

/// Copies the catalog with its journal to a new temporary directory.
fn copy_catalog(dir: &Path) -> Result<PathBuf> {
    let name = format!("causeway-{}-{:016x}", std::process::id(), crate::wal::random());
    let scratch = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&scratch).map_err(StoreError::io("create", &scratch))?;
    for suffix in ["", "-wal", "-journal"] {
        let from = dir.join(format!("{}{suffix}", catalog::FILE));
        if from.exists() {
            let to = scratch.join(format!("{}{suffix}", catalog::FILE));
            std::fs::copy(&from, &to).map_err(StoreError::io("copy", &from))?;
        }
    }
    Ok(scratch)
}
