//! How the program is doing: what was received and refused, what is stored, what it takes of the machine, and which
//! questions took long.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::ingest::Ingest;
use model::{Reader, Signal, TenantName, TimeRange, UnixNanos};
use serde::Serialize;
use storage::{Control, Purpose, Snapshot, Step, Surveyed};

use super::Engine;
use crate::error::QueryError;

/// From when on a question is told among the slow ones.
const SLOW: Duration = Duration::from_millis(200);
/// How many slow questions of a tenant are remembered, and of all.
const SLOW_MAX: usize = 50;
const SLOW_OF_ALL_MAX: usize = 2_000;
/// How much of a question is remembered, in bytes.
const TEXT_BYTES_MAX: usize = 2_000;
/// How long services are counted in a sample.
const LOOK_TIME: Duration = Duration::from_millis(300);
/// How many services of a signal are told.
const SERVICES_MAX: usize = 200;
/// Ticks of the kernel's clock in a second: what Linux shows programs, on every architecture it still supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Tells what was received, for a tenant.
pub type IngestSource = Arc<dyn Fn(&TenantName) -> Ingest + Send + Sync>;

/// What an engine remembers for the status page.
#[derive(Clone)]
pub(super) struct Watch {
    ingest: Option<IngestSource>,
    slow: Arc<Mutex<VecDeque<(TenantName, SlowQuestion)>>>,
    started: UnixNanos,
}

impl Default for Watch {
    fn default() -> Self {
        Self { ingest: None, slow: Arc::default(), started: UnixNanos::now() }
    }
}

/// A question that took long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlowQuestion {
    /// When it was answered, as Unix nanoseconds.
    pub at: String,
    /// `logs`, `spans`, `traces`, `templates` or `sql`.
    pub kind: &'static str,
    /// The search or statement, its beginning if it is long.
    pub text: String,
    /// How long it took.
    pub elapsed_ms: u64,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}

/// How the program is doing.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// When it began, as Unix nanoseconds.
    pub started: String,
    /// For how long it has run.
    pub uptime_s: u64,
    /// Why nothing can be stored any more, if so.
    pub broken: Option<&'static str>,
    /// What was received; null where a directory is read without a server.
    pub ingest: Option<Ingest>,
    /// What is stored.
    pub storage: StorageStatus,
    /// What it takes of the machine.
    pub process: ProcessStatus,
    /// The write-ahead log.
    pub log: LogStatus,
    /// Sealing and merging.
    pub compaction: CompactionStatus,
    /// Questions that took long, the newest first.
    pub slow_questions: Vec<SlowQuestion>,
}

/// What is stored of the tenant.
#[derive(Debug, Clone, Serialize)]
pub struct StorageStatus {
    /// By signal.
    pub signals: Vec<SignalStatus>,
    /// By signal and service, told from a sample of rows, most bytes first.
    pub services: Vec<ServiceShare>,
}

/// What is stored of a signal.
#[derive(Debug, Clone, Serialize)]
pub struct SignalStatus {
    /// Its table.
    pub signal: &'static str,
    /// Rows, fresh ones included.
    pub rows: u64,
    /// Those of them that are not in segments yet.
    pub fresh_rows: u64,
    /// Bytes of segments.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Those of them that have a text index.
    pub indexed: u64,
    /// The earliest and the latest time of a row, as Unix nanoseconds.
    pub from: Option<String>,
    /// Likewise.
    pub to: Option<String>,
}

/// The part of a signal that a service has, told from a sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceShare {
    /// The service.
    pub service: String,
    /// The signal's table.
    pub signal: &'static str,
    /// Its share of the rows of the sample.
    pub share: f64,
    /// That share of the signal's rows.
    pub rows_estimated: u64,
    /// That share of the signal's bytes.
    pub bytes_estimated: u64,
}

/// What the program takes of the machine.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessStatus {
    /// Processor time since the start; null where it cannot be told.
    pub cpu_s: Option<f64>,
    /// Processors it may use.
    pub processors: usize,
    /// Bytes that the process alone holds; null where it cannot be told.
    pub resident_bytes: Option<u64>,
    /// The memory budget.
    pub budget_bytes: u64,
    /// What is reserved of it, by purpose.
    pub reserved_bytes: BTreeMap<&'static str, u64>,
    /// How often memory was refused since the start, by purpose.
    pub refused: BTreeMap<&'static str, u64>,
}

/// The write-ahead log.
#[derive(Debug, Clone, Serialize)]
pub struct LogStatus {
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that were read at the start.
    pub frames_replayed: u64,
    /// Damaged frames that were passed over then.
    pub frames_damaged: u64,
    /// Bytes of unfinished frames that were cut then.
    pub torn_bytes: u64,
    /// Requests that were held back as repeats, of all tenants.
    pub held_back: u64,
}

/// Sealing and merging.
#[derive(Debug, Clone, Serialize)]
pub struct CompactionStatus {
    /// Bytes of rows that are not in segments yet.
    pub fresh_bytes: u64,
    /// Memtables that wait to become segments.
    pub waiting: usize,
    /// Segments that retention removed since the start.
    pub removed_segments: u64,
    /// Their rows.
    pub removed_rows: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Seconds that each step of a record's way took since the start, over all threads.
    pub steps_s: BTreeMap<&'static str, f64>,
}

impl Watch {
    /// Waits for a question, and remembers it if it took long, also where nobody waits for its end.
    pub(super) async fn over<T>(
        &self,
        reader: &Reader,
        kind: &'static str,
        text: &str,
        question: impl Future<Output = Result<T, QueryError>>,
    ) -> Result<T, QueryError> {
        let begun = Instant::now();
        let error = Some("nobody waited for its end".to_owned());
        let mut watched = Watched { watch: self, tenant: &reader.tenant, kind, text, begun, error };
        let answer = question.await;
        watched.error = answer.as_ref().err().map(ToString::to_string);
        answer
    }

    fn remember(
        &self,
        tenant: &TenantName,
        kind: &'static str,
        text: &str,
        elapsed: Duration,
        error: Option<String>,
    ) {
        let question = SlowQuestion {
            at: UnixNanos::now().to_string(),
            kind,
            text: text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned(),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            error,
        };
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = slow.iter().enumerate().filter(|(_, (of, _))| of == tenant);
        if let Some((oldest, _)) = own.nth(SLOW_MAX - 1) {
            slow.remove(oldest);
        }
        slow.push_front((tenant.clone(), question));
        slow.truncate(SLOW_OF_ALL_MAX);
    }

    fn slow(&self, tenant: &TenantName) -> Vec<SlowQuestion> {
        let slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        slow.iter().filter(|(of, _)| of == tenant).map(|(_, question)| question.clone()).collect()
    }
}

/// A question under way.
struct Watched<'a> {
    watch: &'a Watch,
    tenant: &'a TenantName,
    kind: &'static str,
    text: &'a str,
    begun: Instant,
    error: Option<String>,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let elapsed = self.begun.elapsed();
        if elapsed < SLOW {
            return;
        }
        self.watch.remember(self.tenant, self.kind, self.text, elapsed, self.error.take());
    }
}

impl Engine {
    /// The same with somebody who knows what was received.
    #[must_use]
    pub fn with_ingest(mut self, source: IngestSource) -> Self {
        self.watch.ingest = Some(source);
        self
    }

    /// When the program began.
    pub(crate) fn started(&self) -> UnixNanos {
        self.watch.started
    }

    /// How the program is doing, and what is stored of the reader's tenant.
    pub async fn status(&self, reader: &Reader) -> Result<Status, QueryError> {
        let store = self.store.clone();
        let looked = self.ask(reader, 0, move |snapshot, control| {
            let deadline = control.deadline.min(Instant::now() + LOOK_TIME);
            let storage = stored(snapshot, &Control { deadline, ..control.clone() })?;
            let health = store.health();
            Ok((storage, process(&health.memory), health))
        });
        let (storage, process, health) = looked.await?;
        let started = self.watch.started;
        Ok(Status {
            started: started.to_string(),
            uptime_s: (UnixNanos::now().0.saturating_sub(started.0) / 1_000_000_000).max(0) as u64,
            broken: self.store.broken(),
            ingest: self.watch.ingest.as_ref().map(|source| source(&reader.tenant)),
            storage,
            process,
            log: LogStatus {
                files: health.log.files,
                bytes: health.log.bytes,
                frames_replayed: health.recovery.frames,
                frames_damaged: health.recovery.damaged,
                torn_bytes: health.recovery.torn_bytes,
                held_back: health.held_back,
            },
            compaction: CompactionStatus {
                fresh_bytes: health.fresh_bytes,
                waiting: health.frozen,
                removed_segments: health.removed.segments,
                removed_rows: health.removed.rows,
                removed_bytes: health.removed.bytes,
                steps_s: Step::ALL
                    .into_iter()
                    .map(|step| (step_name(step), self.store.timings().get(step).as_secs_f64()))
                    .collect(),
            },
            slow_questions: self.watch.slow(&reader.tenant),
        })
    }
}

fn stored(snapshot: &Snapshot, control: &Control) -> Result<StorageStatus, QueryError> {
    let mut services: Vec<ServiceShare> = Vec::new();
    let mut signals = Vec::new();
    for signal in Signal::ALL {
        let status = signal_status(snapshot, signal);
        if signal != Signal::Red && status.rows > 0 {
            let sampled = Surveyed::Column("service_name");
            let counts = snapshot.value_counts(signal, TimeRange::ALL, sampled, control)?;
            services.extend(shares(&status, counts));
        }
        signals.push(status);
    }
    services.sort_by(|a, b| (b.bytes_estimated, &a.service).cmp(&(a.bytes_estimated, &b.service)));
    Ok(StorageStatus { signals, services })
}

fn signal_status(snapshot: &Snapshot, signal: Signal) -> SignalStatus {
    let (mut sealed, mut bytes, mut segments, mut indexed) = (0, 0, 0, 0);
    for meta in snapshot.segment_metas(signal) {
        sealed += meta.rows;
        bytes += meta.bytes;
        segments += 1;
        indexed += u64::from(meta.indexed);
    }
    let rows = snapshot.rows(signal);
    let extent = snapshot.extent(signal).unwrap_or_default();
    let end = |time: Option<UnixNanos>| time.map(|time| time.to_string());
    let (from, to) = (end(extent.from), end(extent.to));
    SignalStatus {
        signal: signal.table(),
        rows,
        fresh_rows: rows - sealed,
        bytes,
        segments,
        indexed,
        from,
        to,
    }
}

fn shares(
    status: &SignalStatus,
    counts: std::collections::HashMap<String, u64>,
) -> impl Iterator<Item = ServiceShare> {
    let all = counts.values().sum::<u64>().max(1) as f64;
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    let (signal, rows, bytes) = (status.signal, status.rows as f64, status.bytes as f64);
    counts.into_iter().take(SERVICES_MAX).map(move |(service, count)| {
        let share = count as f64 / all;
        let of = |whole: f64| (whole * share).round() as u64;
        ServiceShare { service, signal, share, rows_estimated: of(rows), bytes_estimated: of(bytes) }
    })
}

fn process(memory: &storage::MemoryUse) -> ProcessStatus {
    let by_purpose = |counts: &[u64; Purpose::ALL.len()]| {
        Purpose::ALL.iter().map(|purpose| (purpose_name(*purpose), counts[*purpose as usize])).collect()
    };
    ProcessStatus {
        cpu_s: std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_seconds(&stat)),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        resident_bytes: memory.resident,
        budget_bytes: memory.budget,
        reserved_bytes: by_purpose(&memory.reserved),
        refused: by_purpose(&memory.refused),
    }
}

/// The time in user and in kernel mode of a process, from what the kernel says of it. The name in parentheses may hold
/// anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Bodies => "bodies",
        Purpose::Decoding => "decoding",
        Purpose::FreshRows => "fresh_rows",
        Purpose::Queries => "queries",
        Purpose::Caches => "caches",
        Purpose::Merges => "merges",
    }
}

fn step_name(step: Step) -> &'static str {
    match step {
        Step::Encode => "encode",
        Step::Append => "append",
        Step::Sync => "sync",
        Step::Insert => "insert",
        Step::Join => "join",
        Step::Sort => "sort",
        Step::RollUp => "roll_up",
        Step::Fold => "fold",
        Step::Parquet => "parquet",
        Step::Index => "index",
        Step::TraceFilter => "trace_filter",
        Step::SyncSegment => "sync_segment",
        Step::ReadInputs => "read_inputs",
        Step::Merge => "merge",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn processor_time_is_read_past_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 5 1000 2 3";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        for broken in ["", "7 (a) S 1", "7 (a) S 1 7 7 0 -1 4194304 100 0 0 0 x 50"] {
            assert_eq!(cpu_seconds(broken), None, "{broken}");
        }
    }

    #[test]
    fn what_is_stored_is_told_by_signal_and_service() {
        let fixture = Fixture::new();
        for state in ["fresh", "sealed"] {
            let status = fixture.runtime.block_on(fixture.engine.status(&fixture.reader)).unwrap();
            let logs = status.storage.signals.iter().find(|one| one.signal == "logs").unwrap();
            let sealed = state == "sealed";
            assert_eq!((logs.rows, logs.fresh_rows), (2, if sealed { 0 } else { 2 }), "{state}");
            assert_eq!((logs.bytes > 0, logs.segments), (sealed, u64::from(sealed)), "{state}");
            let shares: Vec<_> = status.storage.services.iter().filter(|one| one.signal == "logs").collect();
            assert_eq!(shares.len(), 2, "{state}");
            assert!((shares[0].share - 0.5).abs() < 1e-9 && shares[0].rows_estimated == 1, "{state}");
            assert!(status.ingest.is_none() && status.log.files > 0 && status.process.processors > 0);
            fixture.store.seal().unwrap();
        }
    }

    #[test]
    fn slow_questions_are_remembered_for_their_tenant_only_and_bounded() {
        let watch = Watch::default();
        let tenant = |name: &str| TenantName::new(name).unwrap();
        let long = "é".repeat(TEXT_BYTES_MAX);
        watch.remember(&tenant("two"), "sql", "SELECT 1", SLOW, Some("30 s passed".to_owned()));
        for _ in 0..SLOW_MAX + 1 {
            watch.remember(&tenant("one"), "logs", &long, SLOW, None);
        }
        let one = watch.slow(&tenant("one"));
        assert_eq!((one.len(), one[0].text.len(), one[0].elapsed_ms), (SLOW_MAX, TEXT_BYTES_MAX, 200));
        let two = watch.slow(&tenant("two"));
        assert!(two[0].error.as_ref().is_some_and(|error| error.contains("30 s")), "{two:?}");
    }

    #[tokio::test]
    async fn a_slow_question_that_nobody_waits_for_is_remembered() {
        let (watch, reader) = (Watch::default(), Reader::of(TenantName::default()));
        let forever =
            watch.over(&reader, "logs", "timeout", std::future::pending::<Result<(), QueryError>>());
        assert!(tokio::time::timeout(SLOW * 2, forever).await.is_err());
        let slow = watch.slow(&reader.tenant);
        assert!(slow[0].error.as_ref().is_some_and(|error| error.contains("nobody")), "{slow:?}");
    }
}
