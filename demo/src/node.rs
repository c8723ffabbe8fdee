//! A running instance of a service, with what its requests wait for: processors, locks and a pool of connections.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::shop::{CONFIG_KEY, CONFIG_REVISION, ENVIRONMENT, NAMESPACE, Service};
use crate::world::{Telemetry, World};

/// Connections of a node to its store of carts; with the wrong configuration, one.
const POOL_CONNECTIONS: usize = 12;
/// A node is killed at this many times its memory without load.
const MEMORY_LIMIT_FACTOR: f64 = 2.5;
/// Bytes in a MiB.
pub(crate) const MIB: f64 = 1_048_576.0;

/// What tells a node from others of its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// From 1
    pub(crate) ordinal: usize,
    /// How often the place was filled before
    pub(crate) generation: u32,
    /// `service.version`
    pub(crate) version: &'static str,
    /// The configuration read at its start
    pub(crate) config: u32,
}

impl Identity {
    /// `service.instance.id`
    pub(crate) fn instance(&self, service: &Service) -> String {
        format!("{}-{}-g{}", service.name, self.ordinal, self.generation)
    }

    /// The revision of the configuration as its attribute says it.
    pub(crate) fn revision(&self) -> String {
        format!("r{}", self.config)
    }

    /// The attributes of its resource.
    pub(crate) fn resource(&self, service: &Service) -> [(&'static str, String); 7] {
        [
            ("service.name", service.name.to_owned()),
            ("service.namespace", NAMESPACE.to_owned()),
            ("service.version", self.version.to_owned()),
            ("service.instance.id", self.instance(service)),
            ("deployment.environment.name", ENVIRONMENT.to_owned()),
            ("host.name", self.host().to_owned()),
            (CONFIG_KEY, self.revision()),
        ]
    }

    /// Where it runs: several services share a host.
    pub(crate) fn host(&self) -> &'static str {
        ["host-a", "host-b", "host-c"][self.ordinal % 3]
    }
}

/// A running instance of a service.
pub(crate) struct Node<T> {
    pub(crate) service: &'static Service,
    pub(crate) identity: Identity,
    pub(crate) telemetry: T,
    /// When it began, in nanoseconds
    pub(crate) started: i64,
    alive: AtomicBool,
    /// A permit per processor
    cpu: Semaphore,
    /// Nanoseconds for which processors were used
    busy: AtomicU64,
    /// What `busy` was at the last reading of the gauges, and when that was
    pub(crate) read: Mutex<(u64, i64)>,
    lock: Semaphore,
    pool: Semaphore,
    pending: AtomicI64,
    /// Bytes in use
    memory: AtomicU64,
    /// Counts calls, to take turns among the nodes that are called
    turn: AtomicUsize,
    breaker: Mutex<Breaker>,
}

impl<T: Telemetry> Node<T> {
    pub(crate) fn new(service: &'static Service, identity: Identity, telemetry: T, now: i64) -> Self {
        let pool = if identity.config > CONFIG_REVISION { 1 } else { POOL_CONNECTIONS };
        Self {
            service,
            identity,
            telemetry,
            started: now,
            alive: AtomicBool::new(true),
            cpu: Semaphore::new(service.cores as usize),
            busy: AtomicU64::new(0),
            read: Mutex::new((0, now)),
            lock: Semaphore::new(1),
            pool: Semaphore::new(pool),
            pending: AtomicI64::new(0),
            memory: AtomicU64::new((service.memory_mib * MIB) as u64),
            turn: AtomicUsize::new(0),
            breaker: Mutex::default(),
        }
    }

    /// Whether it is this service's node of this number, of whatever generation.
    pub(crate) fn is(&self, service: &str, ordinal: usize) -> bool {
        self.service.name == service && self.identity.ordinal == ordinal
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Ends it: nothing it does from now on is told.
    pub(crate) fn kill(&self) {
        self.alive.store(false, Ordering::Release);
    }

    /// Whether its configuration is the wrong one.
    pub(crate) fn is_misconfigured(&self) -> bool {
        self.identity.config > CONFIG_REVISION
    }

    /// Uses a processor for some time, once one is free.
    pub(crate) async fn work<W: World>(&self, world: &W, time: Duration) {
        self.occupy(world, 1, time).await;
    }

    /// Uses all processors at once, as a collection of garbage does.
    pub(crate) async fn stop_the_world<W: World>(&self, world: &W, time: Duration) {
        self.occupy(world, self.service.cores, time).await;
    }

    async fn occupy<W: World>(&self, world: &W, cores: u32, time: Duration) {
        // It is never closed; were it, the work would be done without waiting.
        let _held = self.cpu.acquire_many(cores).await;
        world.sleep(time).await;
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.busy.fetch_add(nanos.saturating_mul(u64::from(cores)), Ordering::Relaxed);
    }

    /// Nanoseconds for which processors were used.
    pub(crate) fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// Holds the lock for some time, and says for how many nanoseconds it had to wait.
    pub(crate) async fn locked<W: World>(&self, world: &W, time: Duration) -> i64 {
        let asked = world.now();
        let _held = self.lock.acquire().await;
        let waited = world.now().saturating_sub(asked);
        world.sleep(time).await;
        waited
    }

    /// Holds a connection of the pool while something is done.
    pub(crate) async fn pooled<R>(&self, what: impl Future<Output = R>) -> R {
        self.pending.fetch_add(1, Ordering::Relaxed);
        let _held = self.pool.acquire().await;
        self.pending.fetch_sub(1, Ordering::Relaxed);
        what.await
    }

    /// How many wait for a connection.
    pub(crate) fn pending(&self) -> i64 {
        self.pending.load(Ordering::Relaxed)
    }

    /// Bytes in use.
    pub(crate) fn memory(&self) -> f64 {
        self.memory.load(Ordering::Relaxed) as f64
    }

    pub(crate) fn set_memory(&self, bytes: f64) {
        self.memory.store(bytes.max(0.0) as u64, Ordering::Relaxed);
    }

    /// Bytes at which it is killed.
    pub(crate) fn memory_limit(&self) -> f64 {
        self.service.memory_mib * MIB * MEMORY_LIMIT_FACTOR
    }

    /// The number of a call, to take turns.
    pub(crate) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// The circuit breaker of its guarded calls.
    pub(crate) fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A circuit breaker: open for a while after most of the last calls failed, then one call may try.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// The last calls, newest in the lowest bit: 1 is a failure
    last: u32,
    /// Until when it is open, in nanoseconds
    open_until: i64,
}

/// How many of the last calls are looked at.
const BREAKER_CALLS: u32 = 20;
/// From how many failures among them on it opens.
const BREAKER_FAILURES: u32 = 14;
/// For how long it is open, in nanoseconds.
const BREAKER_OPEN: i64 = 5_000_000_000;

impl Breaker {
    /// Whether calls are refused.
    pub(crate) fn is_open(&self, now: i64) -> bool {
        now < self.open_until
    }

    /// Takes note of how a call ended; true if that opened it.
    pub(crate) fn note(&mut self, failed: bool, now: i64) -> bool {
        self.last = (self.last << 1 | u32::from(failed)) & ((1 << BREAKER_CALLS) - 1);
        let opens = self.last.count_ones() >= BREAKER_FAILURES && !self.is_open(now);
        if opens {
            self.open_until = now.saturating_add(BREAKER_OPEN);
            // A few successes close it for good, a few failures open it again.
            self.last &= (1 << (BREAKER_FAILURES - 2)) - 1;
        }
        opens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_opens_after_failures_and_closes_with_time() {
        let mut breaker = Breaker::default();
        for at in 1..i64::from(BREAKER_FAILURES) {
            assert!(!breaker.note(true, at), "after {at} failures");
        }
        assert!(breaker.note(true, 100));
        assert!(breaker.is_open(101) && !breaker.is_open(100 + BREAKER_OPEN));
        for at in 0..i64::from(BREAKER_CALLS) {
            assert!(!breaker.note(false, 100 + BREAKER_OPEN + at));
        }
    }
}
