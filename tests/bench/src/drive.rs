//! Sends a load over several connections and notes what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::client::{Answer, Client, Code, Compression, Protocol, Target, compress};
use crate::load::{Stamp, Template};
use crate::procfs;
use crate::progress::Progress;
use crate::stats::Histogram;

/// How many connections a load may have.
pub(crate) const CONNECTIONS_MAX: usize = 4096;
/// How long a refused request waits before it is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How often a request is sent again before the server counts as stuck.
const AGAIN_MAX: u32 = 15_000;
/// How long a connection that got no answer waits.
const BROKEN_WAIT: Duration = Duration::from_millis(50);
/// How long before the load its counters began, in nanoseconds.
const SERIES_AGE: u64 = 3_600_000_000_000;
/// How often the number of records is shown.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// Which times records have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Those of their sending.
    Now,
    /// The first request's, and how much later each next one is, in nanoseconds.
    Steps { begin: u64, step: u64 },
}

/// When a load ends.
#[derive(Debug, Clone)]
pub(crate) enum Until {
    /// After so many records.
    Records(u64),
    /// After so much time.
    Time(Duration),
    /// When somebody says so.
    Stopped(Arc<AtomicBool>),
}

/// What is done about a request that was refused, or not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is sent again where it may be; all else ends the load with an error.
    SendAgain,
    /// It is counted, and the next is sent.
    Count,
}

/// A load.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// What it is called while it runs.
    pub(crate) name: String,
    /// Who is sent it.
    pub(crate) target: Target,
    /// What is sent.
    pub(crate) templates: Arc<[Template]>,
    /// What ids follow from.
    pub(crate) seed: u64,
    /// Which times records have.
    pub(crate) clock: Clock,
    /// How many requests are under way at once.
    pub(crate) connections: usize,
    /// When it ends.
    pub(crate) until: Until,
    /// Records a second that are offered; as many as are taken if none.
    pub(crate) pace: Option<f64>,
    /// What is done about refusals.
    pub(crate) refused: Refused,
    /// How long a client waits for an answer before it gives up; as long as it takes if none.
    pub(crate) patience: Option<Duration>,
}

/// What came of a load.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// Requests that were taken.
    pub(crate) requests: u64,
    /// Records that were offered.
    pub(crate) offered: u64,
    /// Records that were taken.
    pub(crate) accepted: u64,
    /// Records that were refused within requests that were taken.
    pub(crate) rejected: u64,
    /// Bytes of the requests that were taken, before compression.
    pub(crate) bytes: u64,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// From the first sending of a request until it was taken.
    pub(crate) latency: Histogram,
    /// Refusals by code, those included that were sent again.
    pub(crate) refusals: BTreeMap<Code, u64>,
    /// Requests that were given up because no answer came in time.
    pub(crate) late: u64,
    /// Requests whose connection broke.
    pub(crate) broken: u64,
    /// Processor seconds of this process.
    pub(crate) generator_cpu: f64,
    /// Processor seconds of the whole machine.
    pub(crate) machine_cpu: f64,
}

impl Outcome {
    /// Records taken a second.
    pub(crate) fn rate(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.offered += other.offered;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.bytes += other.bytes;
        self.latency.merge(&other.latency);
        self.late += other.late;
        self.broken += other.broken;
        for (code, count) in &other.refusals {
            *self.refusals.entry(*code).or_default() += count;
        }
    }
}

/// What all connections share.
struct Shared {
    load: Load,
    begin: Instant,
    series_start: u64,
    next: AtomicU64,
    offered: AtomicU64,
    accepted: AtomicU64,
}

/// Nanoseconds since 1970.
pub(crate) fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Sends the load and waits for its end.
pub(crate) async fn run(load: Load) -> Result<Outcome> {
    if load.templates.iter().all(|template| template.records == 0) {
        bail!("there is nothing to send: the requests have no records");
    }
    if !(1..=CONNECTIONS_MAX).contains(&load.connections) {
        bail!("{} connections: 1 to {CONNECTIONS_MAX} are possible", load.connections);
    }
    let own = std::process::id();
    let (own_before, machine_before) = (procfs::usage(own)?.cpu, procfs::machine_cpu());
    let mut progress = Progress::new(&load.name);
    let (begin, series_start) = (Instant::now(), unix_nanos() - SERIES_AGE);
    let (next, offered, accepted) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let connections = load.connections;
    let shared = Arc::new(Shared { load, begin, series_start, next, offered, accepted });
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        workers.spawn(worker(Arc::clone(&shared)));
    }
    let mut outcome = Outcome::default();
    let mut show = tokio::time::interval(SHOW_EVERY);
    loop {
        tokio::select! {
            ended = workers.join_next() => match ended {
                Some(part) => outcome.merge(&part.context("a connection's task ended")??),
                None => break,
            },
            _ = show.tick() => {
                let accepted = shared.accepted.load(Ordering::Relaxed);
                let seconds = begin.elapsed().as_secs_f64().max(f64::EPSILON);
                progress.show(&format!("{accepted} records, {:.0} a second", accepted as f64 / seconds));
            }
        }
    }
    outcome.elapsed = begin.elapsed();
    outcome.generator_cpu = procfs::usage(own)?.cpu - own_before;
    outcome.machine_cpu = procfs::machine_cpu() - machine_before;
    Ok(outcome)
}

async fn worker(shared: Arc<Shared>) -> Result<Outcome> {
    let load = &shared.load;
    let mut client = Client::new(&load.target)?;
    let mut outcome = Outcome::default();
    let mut buffer = Vec::new();
    while let Some((number, before)) = shared.next_request() {
        if let Some(pace) = load.pace {
            let due = shared.begin + Duration::from_secs_f64(before as f64 / pace);
            tokio::time::sleep_until(due.into()).await;
        }
        let template = &load.templates[number as usize % load.templates.len()];
        template.stamp(&shared.stamp(number, template), &mut buffer);
        // Over gRPC, the client compresses.
        let compression = match load.target.protocol {
            Protocol::Grpc => Compression::None,
            _ => load.target.compression,
        };
        let body = compress(compression, std::mem::take(&mut buffer))?;
        Box::pin(send(&shared, &mut client, template, body.clone(), &mut outcome)).await?;
        outcome.offered += template.records;
        // The buffer comes back where nobody holds it any more.
        buffer = Vec::from(body);
    }
    Ok(outcome)
}

/// Sends a request until it is taken or given up.
async fn send(
    shared: &Shared,
    client: &mut Client,
    template: &Template,
    body: Bytes,
    outcome: &mut Outcome,
) -> Result<()> {
    let begin = Instant::now();
    for _ in 0..AGAIN_MAX {
        let answer = match patiently(shared.load.patience, client.send(body.clone())).await {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                outcome.late += 1;
                return Ok(());
            }
            Err(error) if shared.load.refused == Refused::SendAgain => return Err(error),
            Err(_) => {
                outcome.broken += 1;
                tokio::time::sleep(BROKEN_WAIT).await;
                return Ok(());
            }
        };
        if answer.code.is_success() {
            outcome.latency.add(begin.elapsed());
            outcome.requests += 1;
            outcome.bytes += template.len() as u64;
            outcome.rejected += answer.rejected;
            let accepted = template.records.saturating_sub(answer.rejected);
            outcome.accepted += accepted;
            shared.accepted.fetch_add(accepted, Ordering::Relaxed);
            return Ok(());
        }
        *outcome.refusals.entry(answer.code).or_default() += 1;
        match shared.load.refused {
            Refused::Count => return Ok(()),
            Refused::SendAgain if answer.code.is_retryable() => tokio::time::sleep(AGAIN_AFTER).await,
            Refused::SendAgain => {
                bail!("the server refused a request with {}: {}", answer.code, answer.message)
            }
        }
    }
    bail!("the server refused a request {AGAIN_MAX} times")
}

/// An answer, or none if it does not come in time, which closes its connection.
async fn patiently(
    patience: Option<Duration>,
    answer: impl Future<Output = Result<Answer>>,
) -> Result<Option<Answer>> {
    let Some(patience) = patience else { return answer.await.map(Some) };
    tokio::time::timeout(patience, answer).await.ok().transpose()
}

impl Shared {
    /// The number of the next request, and how many records were offered before it; none at the end.
    fn next_request(&self) -> Option<(u64, u64)> {
        let over = match &self.load.until {
            Until::Records(records) => self.offered.load(Ordering::Relaxed) >= *records,
            Until::Time(time) => self.begin.elapsed() >= *time,
            Until::Stopped(stopped) => stopped.load(Ordering::Relaxed),
        };
        if over {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let template = &self.load.templates[number as usize % self.load.templates.len()];
        Some((number, self.offered.fetch_add(template.records, Ordering::Relaxed)))
    }

    fn stamp(&self, number: u64, template: &Template) -> Stamp {
        let base = match self.load.clock {
            // Its last record is of now.
            Clock::Now => unix_nanos() - template.window - template.window / 4,
            Clock::Steps { begin, step } => begin + number * step,
        };
        let round = number / self.load.templates.len() as u64;
        Stamp::new(self.load.seed, number, round, base, self.series_start)
    }
}
