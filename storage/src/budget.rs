//! The memory budget: one object for the whole process, of which everything that takes much memory takes a part.
//!
//! What is large is reserved before it is allocated, under a [`Purpose`], and given back when the guard
//! ([`Reservation`], [`Gauge`], [`Charge`]) is dropped. Every purpose has a share that it never exceeds, so that
//! a flood of one kind leaves room for the others; and all reservations together never exceed the budget.
//!
//! | purpose | share | of 384 MiB | holds |
//! |---|---|---|---|
//! | bodies | 3/32 | 36 MiB | requests on their way in, as they are sent |
//! | decoding | 4/32 | 48 MiB | decompressed payloads, their rows, and frames for the log |
//! | fresh rows | 6/32 | 72 MiB | memtables, frozen ones included |
//! | queries | 7/32 | 84 MiB | DataFusion's pool, scans, and answers until they are sent |
//! | caches | 4/32 | 48 MiB | metadata, indexes and filters of segments |
//! | merges | 6/32 | 72 MiB | sealing and merging |
//! | | 2/32 | 24 MiB | the program itself; nobody reserves it |
//!
//! Reservations are estimates, so the process is also looked at from outside ([`resident`](self)): from
//! [`QUERIES_STOP_PERCENT`] of the budget on, resident or reserved, no query begins; from [`BODIES_SHRINK_PERCENT`]
//! on, bodies have a quarter of their share, which is enough to keep the processor busy and no more; from
//! [`BODIES_ALONE_PERCENT`] on they come one by one. Memory that
//! the allocator keeps after it was freed looks resident for ever: it is told from memory in use by time, and never
//! counts against the only work under way. Where a process cannot see its own memory, reservations alone count.

mod pool;
mod cache;
mod resident;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

pub use cache::{CacheShare, Charge};
use resident::Resident;

/// Shares are counted in these parts of the budget.
const PARTS: usize = 32;
/// From this part of the budget on, in percent, no query begins.
const QUERIES_STOP_PERCENT: usize = 90;
/// From this part of the budget on, in percent, bodies have less room.
const BODIES_SHRINK_PERCENT: usize = 100;
/// How much less: their share divided by this.
const BODIES_SHRINK: usize = 4;
/// From this part of the budget on, in percent, they go one by one.
const BODIES_ALONE_PERCENT: usize = 115;

/// What memory is reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Bodies of requests, as they are sent.
    Bodies,
    /// What is made of bodies until it is in the memtables: payloads, rows, frames of the log.
    Decoding,
    /// Rows in memtables.
    FreshRows,
    /// Queries, their scans and answers.
    Queries,
    /// What is kept of segments between queries.
    Caches,
    /// Sealing and merging.
    Merges,
}

impl Purpose {
    /// Every purpose, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Bodies, Self::Decoding, Self::FreshRows, Self::Queries, Self::Caches, Self::Merges];

    /// Its share of the budget, in [`PARTS`].
    const fn parts(self) -> usize {
        match self {
            Self::Bodies => 3,
            Self::Decoding | Self::Caches => 4,
            Self::FreshRows | Self::Merges => 6,
            Self::Queries => 7,
        }
    }

    /// Whether what is larger than the share may have all of it, when nothing else has any of it. A request
    /// within the limits of the receiver must not be refused for ever because the budget is small.
    const fn may_go_alone(self) -> bool {
        matches!(self, Self::Bodies | Self::Decoding)
    }

    /// Whether it is work that ends by itself, and not something kept.
    const fn is_work(self) -> bool {
        !matches!(self, Self::FreshRows | Self::Caches)
    }

    /// Whether a refusal means that telemetry comes faster than it can be taken.
    const fn is_ingest(self) -> bool {
        matches!(self, Self::Bodies | Self::Decoding | Self::FreshRows)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bodies => "requests",
            Self::Decoding => "decoding requests",
            Self::FreshRows => "rows that are not in segments yet",
            Self::Queries => "queries",
            Self::Caches => "caches",
            Self::Merges => "merges",
        })
    }
}

/// Why memory was not given. All but [`MemoryFull::Never`] pass by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemoryFull {
    /// The share of the purpose is taken, or the whole budget.
    #[error("memory for {purpose} is full: {wanted} bytes are asked for, and {taken} of {limit} are taken")]
    Full {
        /// What it was for.
        purpose: Purpose,
        /// Bytes asked for.
        wanted: usize,
        /// Bytes taken, of the share or of the budget, whichever is short.
        taken: usize,
        /// Bytes there are, of the share or of the budget.
        limit: usize,
    },
    /// So much of the budget is used that queries do not begin.
    #[error("memory is short: {used} of {budget} bytes are used, and queries begin again below {stop}")]
    Short {
        /// Bytes used: reserved or resident, whichever is more.
        used: usize,
        /// From so many bytes on no query begins.
        stop: usize,
        /// The whole budget.
        budget: usize,
    },
    /// More than the share was asked for, so waiting cannot help.
    #[error(
        "{wanted} bytes for {purpose} are more than the {limit} there are: a larger memory budget would do"
    )]
    Never {
        /// What it was for.
        purpose: Purpose,
        /// Bytes asked for.
        wanted: usize,
        /// The share in bytes.
        limit: usize,
    },
}

/// How the budget is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// The budget in bytes.
    pub budget: u64,
    /// Bytes reserved, by purpose in the order of [`Purpose::ALL`].
    pub reserved: [u64; Purpose::ALL.len()],
    /// How often memory was refused since the start, by purpose.
    pub refused: [u64; Purpose::ALL.len()],
    /// Bytes that the process alone holds; `None` where it cannot be told.
    pub resident: Option<u64>,
}

/// The memory of the process, of which all large consumers take a part. Also DataFusion's memory pool.
#[derive(Debug)]
pub struct MemoryBudget {
    bytes: usize,
    ledger: Mutex<Ledger>,
    /// Wakes threads and tasks that wait for memory.
    freed: Condvar,
    freed_for_tasks: Notify,
    resident: Option<Resident>,
    refused: [AtomicU64; Purpose::ALL.len()],
}

/// Bytes reserved, by purpose.
#[derive(Debug, Default)]
struct Ledger {
    taken: [usize; Purpose::ALL.len()],
}

impl Ledger {
    fn of(&self, purpose: Purpose) -> usize {
        self.taken[purpose as usize]
    }

    fn total(&self) -> usize {
        self.taken.iter().fold(0, |total, taken| total.saturating_add(*taken))
    }

    /// Whether work that ends by itself holds anything.
    fn is_at_work(&self) -> bool {
        Purpose::ALL.iter().any(|purpose| purpose.is_work() && self.of(*purpose) > 0)
    }

    fn add(&mut self, purpose: Purpose, bytes: usize) {
        let taken = &mut self.taken[purpose as usize];
        *taken = taken.saturating_add(bytes);
    }

    fn subtract(&mut self, purpose: Purpose, bytes: usize) {
        let taken = &mut self.taken[purpose as usize];
        *taken = taken.saturating_sub(bytes);
    }

    /// Takes `wanted` bytes for a holder of `own` if there is room, and returns how many were counted.
    fn take(&mut self, ask: Ask) -> Result<usize, MemoryFull> {
        let Ask { purpose, own, wanted, limit, budget } = ask;
        let taken = self.of(purpose);
        let alone = purpose.may_go_alone() && taken <= own;
        let counted = if alone { wanted.min(limit.saturating_sub(own)) } else { wanted };
        if taken.saturating_add(counted) > limit && counted > 0 {
            return Err(MemoryFull::Full { purpose, wanted, taken, limit });
        }
        if self.total().saturating_add(counted) > budget {
            return Err(MemoryFull::Full { purpose, wanted, taken: self.total(), limit: budget });
        }
        self.add(purpose, counted);
        Ok(counted)
    }
}

/// What is asked of the ledger.
#[derive(Debug, Clone, Copy)]
struct Ask {
    purpose: Purpose,
    /// What the holder has already.
    own: usize,
    wanted: usize,
    /// The limit of the purpose, and that of all.
    limit: usize,
    budget: usize,
}

impl MemoryBudget {
    /// A budget that counts reservations only.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self::with(bytes, None))
    }

    /// The budget of this process: what it really holds counts too, where it can be told.
    pub fn of_process(bytes: usize) -> Arc<Self> {
        Arc::new(Self::with(bytes, Resident::of_process(bytes)))
    }

    fn with(bytes: usize, resident: Option<Resident>) -> Self {
        Self {
            bytes,
            ledger: Mutex::default(),
            freed: Condvar::new(),
            freed_for_tasks: Notify::new(),
            resident,
            refused: Default::default(),
        }
    }

    /// The whole budget in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The most bytes for a purpose.
    pub fn share(&self, purpose: Purpose) -> usize {
        // Divided first, so that the largest budgets do not overflow.
        self.bytes / PARTS * purpose.parts()
    }

    /// Bytes reserved for a purpose now.
    pub fn reserved_for(&self, purpose: Purpose) -> usize {
        self.ledger().of(purpose)
    }

    /// How the budget is used.
    pub fn usage(&self) -> MemoryUse {
        let ledger = self.ledger();
        MemoryUse {
            budget: self.bytes as u64,
            reserved: ledger.taken.map(|taken| taken as u64),
            refused: Purpose::ALL.map(|purpose| self.refused[purpose as usize].load(Ordering::Relaxed)),
            resident: self.resident.as_ref().map(|resident| resident.bytes() as u64),
        }
    }

    /// Reserves memory at once, or refuses.
    pub fn try_reserve(self: &Arc<Self>, purpose: Purpose, bytes: usize) -> Result<Reservation, MemoryFull> {
        let counted = self.take(purpose, 0, bytes).inspect_err(|_| self.count_refused(purpose))?;
        Ok(Reservation { budget: Arc::clone(self), purpose, bytes: counted })
    }

    /// Reserves memory for a query that begins. Refused from `QUERIES_STOP_PERCENT` of the budget on.
    pub fn begin_query(self: &Arc<Self>, bytes: usize) -> Result<Reservation, MemoryFull> {
        let stop = percent(self.bytes, QUERIES_STOP_PERCENT);
        let used = self.used();
        if used >= stop {
            self.count_refused(Purpose::Queries);
            return Err(MemoryFull::Short { used, stop, budget: self.bytes });
        }
        self.try_reserve(Purpose::Queries, bytes)
    }

    /// Reserves memory, waiting for it on a task for up to `within`.
    pub async fn reserve(
        self: &Arc<Self>,
        purpose: Purpose,
        bytes: usize,
        within: Duration,
    ) -> Result<Reservation, MemoryFull> {
        self.possible(purpose, bytes)?;
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let mut freed = std::pin::pin!(self.freed_for_tasks.notified());
            // Listens before it looks, so that nothing that is freed in between is missed.
            freed.as_mut().enable();
            match self.take(purpose, 0, bytes) {
                Ok(bytes) => return Ok(Reservation { budget: Arc::clone(self), purpose, bytes }),
                Err(full) => {
                    if tokio::time::timeout_at(deadline, freed).await.is_err() {
                        self.count_refused(purpose);
                        return Err(full);
                    }
                }
            }
        }
    }

    /// Waits on a task until `ready` says so, looking whenever memory is given back. False past the deadline.
    pub async fn wait_until(&self, ready: impl Fn() -> bool, deadline: tokio::time::Instant) -> bool {
        loop {
            let mut freed = std::pin::pin!(self.freed_for_tasks.notified());
            // Listens before it looks, so that nothing that is freed in between is missed.
            freed.as_mut().enable();
            if ready() {
                return true;
            }
            if tokio::time::timeout_at(deadline, freed).await.is_err() {
                return false;
            }
        }
    }

    /// Reserves memory, blocking the thread for up to `within`: for merges and seals, up front.
    pub fn wait_for(
        self: &Arc<Self>,
        purpose: Purpose,
        bytes: usize,
        within: Duration,
    ) -> Result<Reservation, MemoryFull> {
        self.possible(purpose, bytes)?;
        let deadline = Instant::now() + within;
        let mut ledger = self.ledger();
        loop {
            match ledger.take(self.ask(purpose, 0, bytes)) {
                Ok(bytes) => return Ok(Reservation { budget: Arc::clone(self), purpose, bytes }),
                Err(full) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        drop(ledger);
                        self.count_refused(purpose);
                        return Err(full);
                    }
                    let waited = self.freed.wait_timeout(ledger, left);
                    ledger = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// A gauge for memory that cannot be refused any more, such as rows that are durable.
    pub fn gauge(self: &Arc<Self>, purpose: Purpose) -> Gauge {
        Gauge { budget: Arc::clone(self), purpose, bytes: AtomicU64::new(0) }
    }

    /// The share of the caches, to be divided: `part` of `parts` for one of them.
    pub fn cache_share(self: &Arc<Self>, part: usize, parts: usize) -> CacheShare {
        CacheShare::new(Arc::clone(self), self.share(Purpose::Caches) / parts.max(1) * part)
    }

    /// Counts that memory was refused by somebody who looked for himself.
    pub fn count_refused(&self, purpose: Purpose) {
        self.refused[purpose as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(resident) = self.resident.as_ref().filter(|_| purpose.is_ingest()) {
            resident.is_short();
        }
    }

    /// Bytes used as a query sees it: reserved or resident, whichever is more.
    fn used(&self) -> usize {
        let (reserved, at_work) = {
            let ledger = self.ledger();
            (ledger.total(), ledger.is_at_work())
        };
        match &self.resident {
            // What nobody works with is what the allocator keeps: the only work under way may have it.
            Some(resident) if at_work => reserved.max(resident.in_use()),
            _ => reserved,
        }
    }

    /// The limit of a purpose as of now.
    fn limit(&self, purpose: Purpose) -> usize {
        let share = self.share(purpose);
        match &self.resident {
            Some(resident) if purpose == Purpose::Bodies => {
                bodies_limit(share, resident.in_use(), self.bytes)
            }
            _ => share,
        }
    }

    fn ask(&self, purpose: Purpose, own: usize, wanted: usize) -> Ask {
        Ask { purpose, own, wanted, limit: self.limit(purpose), budget: self.bytes }
    }

    fn take(&self, purpose: Purpose, own: usize, wanted: usize) -> Result<usize, MemoryFull> {
        let ask = self.ask(purpose, own, wanted);
        self.ledger().take(ask)
    }

    /// Refuses what no waiting can bring.
    fn possible(&self, purpose: Purpose, wanted: usize) -> Result<(), MemoryFull> {
        let limit = self.share(purpose);
        if wanted > limit && !purpose.may_go_alone() {
            self.count_refused(purpose);
            return Err(MemoryFull::Never { purpose, wanted, limit });
        }
        Ok(())
    }

    fn give_back(&self, purpose: Purpose, bytes: usize) {
        if bytes > 0 {
            self.ledger().subtract(purpose, bytes);
            self.freed.notify_all();
            self.freed_for_tasks.notify_waiters();
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory held for a purpose. Dropping it gives the memory back.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<MemoryBudget>,
    purpose: Purpose,
    bytes: usize,
}

impl Reservation {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more, or refuses and holds what it held.
    pub fn try_grow(&mut self, bytes: usize) -> Result<(), MemoryFull> {
        let counted = self.budget.take(self.purpose, self.bytes, bytes);
        self.bytes += counted.inspect_err(|_| self.budget.count_refused(self.purpose))?;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.purpose, self.bytes);
    }
}

/// Memory that is told after the fact, as it changes. Dropping the gauge gives it back.
#[derive(Debug)]
pub struct Gauge {
    budget: Arc<MemoryBudget>,
    purpose: Purpose,
    bytes: AtomicU64,
}

impl Gauge {
    /// Says how many bytes there are now.
    pub fn set(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        if bytes >= before {
            self.budget.ledger().add(self.purpose, to_usize(bytes - before));
        } else {
            self.budget.give_back(self.purpose, to_usize(before - bytes));
        }
    }

    /// The bytes last said.
    pub fn get(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// What bodies may take of their share. Never nothing: what is larger goes alone, so that telemetry flows
/// however much memory an allocator keeps.
fn bodies_limit(share: usize, in_use: usize, budget: usize) -> usize {
    if in_use >= percent(budget, BODIES_ALONE_PERCENT) {
        1
    } else if in_use >= percent(budget, BODIES_SHRINK_PERCENT) {
        share / BODIES_SHRINK
    } else {
        share
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn percent(bytes: usize, percent: usize) -> usize {
    // Divided first, so that the largest budgets do not overflow.
    (bytes / 100).saturating_mul(percent)
}
