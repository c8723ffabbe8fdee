//! Single steps in this process: decoding, and each step of the store, which counts its own time as it works.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use collector::{Encoding, Limits, decode};
use model::{Batch, TenantName, UnixNanos};
use storage::{Options, Step, Store, Timings};

use super::MILLION;
use crate::cli::StepsArgs;
use crate::client::Protocol;
use crate::drive::unix_nanos;
use crate::load::{Form, Signal, Stamp, Template};
use crate::procfs;
use crate::progress::say;
use crate::stats::ratio;
use crate::subject::directory;
use crate::table::{Cell, Table};

/// Bytes of rows that the store may hold before it seals by itself: more than any run has.
const MEMTABLE_BYTES: usize = 1 << 40;
/// The age at which it seals by itself: longer than any run takes.
const MEMTABLE_AGE: Duration = Duration::from_secs(24 * 3600);
/// The fewest segments that are merged.
const SEGMENTS_MIN: u64 = 8;
/// The most rows of a segment that is to be merged: half of what makes one whole.
const SEGMENT_ROWS_MAX: u64 = 100_000;

const COLUMNS: [&str; 6] = ["signal", "step", "records", "µs/record", "CPU µs/record", "MB/s"];

/// What writing a request takes.
const WRITE: [(Step, &str); 4] = [
    (Step::Encode, "  encode a frame: Arrow IPC, lz4"),
    (Step::Append, "  append it to the log's file"),
    (Step::Sync, "  fsync"),
    (Step::Insert, "  insert into the memtable"),
];

/// What sealing takes.
const SEAL: [(Step, &str); 8] = [
    (Step::Join, "  join batches and their dictionaries"),
    (Step::Sort, "  sort"),
    (Step::RollUp, "  roll up by minute"),
    (Step::Fold, "  fold: templates, what follows from others"),
    (Step::Parquet, "  encode Parquet"),
    (Step::Index, "  index"),
    (Step::TraceFilter, "  filter over trace ids"),
    (Step::SyncSegment, "  fsync"),
];

/// What merging takes.
const MERGE: [(Step, &str); 7] = [
    (Step::ReadInputs, "  read blocks of the inputs"),
    (Step::Merge, "  put their rows together"),
    (Step::Fold, "  fold: templates, what follows from others"),
    (Step::Parquet, "  encode Parquet"),
    (Step::Index, "  index"),
    (Step::TraceFilter, "  filter over trace ids"),
    (Step::SyncSegment, "  fsync"),
];

/// What a step took.
struct Taken {
    records: u64,
    bytes: u64,
    time: Duration,
    /// Of the process, where the step had it for itself.
    cpu: Option<f64>,
}

impl Taken {
    fn new() -> Self {
        Self { records: 0, bytes: 0, time: Duration::ZERO, cpu: None }
    }

    /// A part of it.
    fn part(&self, time: Duration) -> Self {
        Self { time, cpu: None, ..*self }
    }
}

/// A row of the table: a step, and what it took.
type Row = (&'static str, Taken);

/// Runs it.
pub(crate) async fn run(args: &StepsArgs) -> Result<Vec<Table>> {
    let mut table = Table::new("Single steps, one after another, on one thread each", &COLUMNS);
    for signal in Signal::ALL {
        for (protocol, encoding, step) in [
            (Protocol::HttpProtobuf, Encoding::Protobuf, "decode protobuf"),
            (Protocol::HttpJson, Encoding::Json, "decode JSON"),
        ] {
            say(&format!("{step} of {}", signal.name()));
            let templates = args.load.shape(signal, protocol).build();
            let taken = decoding(&templates, signal, encoding, Duration::from_secs(args.seconds))?;
            table.row(row(step, signal, &taken));
        }
        say(&format!("storing {}", signal.name()));
        let directory = directory(args.dir.as_deref())?;
        for (step, taken) in Box::pin(storing(args, signal, directory.path())).await? {
            table.row(row(step, signal, &taken));
        }
        say(&format!("merging {}", signal.name()));
        for (step, taken) in Box::pin(merging(args, signal, directory.path())).await? {
            table.row(row(step, signal, &taken));
        }
    }
    table.note(
        "Indented steps are counted by the store itself as it works, and are parts of the step above them.",
    );
    table.note("decode: collector::decode of requests that lie ready. write: one request after another, an fsync each.");
    table.note("replay: opening the store on its log alone. seal: of all rows at once. merge: of segments of a part each.");
    table.note("CPU: of this process, in steps of 10 ms. MB/s: of requests before decoding.");
    Ok(vec![table])
}

fn row(step: &str, signal: Signal, taken: &Taken) -> Vec<Cell> {
    let records = taken.records as f64;
    vec![
        signal.name().into(),
        step.into(),
        taken.records.into(),
        Cell::number(ratio(taken.time.as_secs_f64() * MILLION, records), 3),
        Cell::number(taken.cpu.and_then(|cpu| ratio(cpu * MILLION, records)), 3),
        Cell::number(ratio(taken.bytes as f64 / 1e6, taken.time.as_secs_f64()), 1),
    ]
}

fn cpu() -> Result<f64> {
    Ok(procfs::usage(std::process::id())?.cpu)
}

fn signal_of(signal: Signal) -> model::Signal {
    match signal {
        Signal::Spans => model::Signal::Spans,
        Signal::Logs => model::Signal::Logs,
        Signal::Metrics => model::Signal::Metrics,
    }
}

/// The payload of the send with this number.
fn payload(templates: &[Template], number: u64) -> Bytes {
    let template = &templates[number as usize % templates.len()];
    let round = number / templates.len() as u64;
    let mut body = Vec::new();
    template.stamp(&Stamp::new(1, number, round, unix_nanos() - template.window, 1), &mut body);
    body.into()
}

fn decoding(templates: &[Template], signal: Signal, encoding: Encoding, time: Duration) -> Result<Taken> {
    let payloads: Vec<Bytes> = (0..templates.len() as u64).map(|number| payload(templates, number)).collect();
    let (limits, mut taken, before, begin) = (Limits::default(), Taken::new(), cpu()?, Instant::now());
    while begin.elapsed() < time {
        for (payload, template) in payloads.iter().zip(templates) {
            let received = UnixNanos::now();
            let decoded = decode(signal_of(signal), payload.clone(), encoding, received, &limits)?;
            std::hint::black_box(&decoded);
            taken.records += template.records;
            taken.bytes += template.len() as u64;
        }
    }
    (taken.time, taken.cpu) = (begin.elapsed(), Some(cpu()? - before));
    Ok(taken)
}

/// The time that the store's steps took since then.
struct Since<'a> {
    timings: &'a Timings,
    before: Vec<Duration>,
}

impl<'a> Since<'a> {
    fn now(timings: &'a Timings) -> Self {
        Self { timings, before: Step::ALL.map(|step| timings.get(step)).to_vec() }
    }

    /// The whole, and these parts of it.
    fn rows(&self, name: &'static str, whole: Taken, parts: &[(Step, &'static str)]) -> Vec<Row> {
        let time = |step: Step| self.timings.get(step).saturating_sub(self.before[step as usize]);
        let parts: Vec<Row> = parts.iter().map(|(step, name)| (*name, whole.part(time(*step)))).collect();
        std::iter::once((name, whole)).chain(parts).collect()
    }
}

fn options() -> Options {
    Options {
        memtable_bytes: MEMTABLE_BYTES,
        memtable_age: MEMTABLE_AGE,
        fresh_bytes_max: MEMTABLE_BYTES,
        compaction: false,
        ..Options::for_memory(MEMTABLE_BYTES)
    }
}

/// Writes, reads the log back, and seals.
async fn storing(args: &StepsArgs, signal: Signal, dir: &Path) -> Result<Vec<Row>> {
    let templates = templates(args, signal);
    let options = options();
    let timings = Arc::clone(&options.timings);
    let store = Store::open(&dir.join("data"), options)?;
    let since = Since::now(&timings);
    let mut write = Taken::new();
    fill(&store, signal, &templates, args.items, &mut write).await?;
    let (records, bytes) = (write.records, write.bytes);
    let whole = |time, cpu| Taken { records, bytes, time, cpu: Some(cpu) };
    let mut rows = since.rows("write, each with its fsync", write, &WRITE);
    let copy = dir.join("copy");
    copy_files(&dir.join("data"), &copy)?;
    let (time, cpu, copied) = timed(move || Store::open(&copy, self::options())).await?;
    rows.push(("replay", whole(time, cpu)));
    drop(copied);
    let since = Since::now(&timings);
    let sealed = store.clone();
    let (time, cpu, ()) = timed(move || sealed.seal()).await?;
    rows.extend(since.rows("seal", whole(time, cpu), &SEAL));
    timed(move || store.close()).await?;
    Ok(rows)
}

/// Merges segments.
async fn merging(args: &StepsArgs, signal: Signal, dir: &Path) -> Result<Vec<Row>> {
    let templates = templates(args, signal);
    let options = options();
    let timings = Arc::clone(&options.timings);
    let store = Store::open(&dir.join("parts"), options)?;
    let mut write = Taken::new();
    let segments = args.items.div_ceil(SEGMENT_ROWS_MAX).max(SEGMENTS_MIN);
    for part in 1..=segments {
        fill(&store, signal, &templates, args.items * part / segments, &mut write).await?;
        let part = store.clone();
        timed(move || part.seal()).await?;
    }
    let since = Since::now(&timings);
    let merged = store.clone();
    let (time, cpu, ()) = timed(move || merged.compact(&mut |_| {})).await?;
    let rows = since.rows("merge", Taken { time, cpu: Some(cpu), ..write }, &MERGE);
    timed(move || store.close()).await?;
    Ok(rows)
}

fn templates(args: &StepsArgs, signal: Signal) -> Vec<Template> {
    let shape = args.load.shape(signal, Protocol::HttpProtobuf);
    debug_assert_eq!(shape.form, Form::Protobuf);
    shape.build()
}

/// Writes requests until the store was given so many records in all.
async fn fill(
    store: &Store,
    signal: Signal,
    templates: &[Template],
    records: u64,
    taken: &mut Taken,
) -> Result<()> {
    let tenant = TenantName::default();
    let mut number = taken.records;
    while taken.records < records {
        let payload = payload(templates, number);
        taken.bytes += payload.len() as u64;
        let batch = batch(signal, payload)?;
        taken.records += batch.rows.num_rows() as u64;
        // Decoding is not in the figure.
        let (before, begin) = (cpu()?, Instant::now());
        Box::pin(store.write(&tenant, batch)).await?;
        taken.time += begin.elapsed();
        taken.cpu = Some(taken.cpu.unwrap_or(0.0) + cpu()? - before);
        number += 1;
    }
    Ok(())
}

/// What some work on the store took, and what it gave.
async fn timed<T: Send + 'static>(
    work: impl FnOnce() -> storage::Result<T> + Send + 'static,
) -> Result<(Duration, f64, T)> {
    let (before, begin) = (cpu()?, Instant::now());
    let done = tokio::task::spawn_blocking(work).await.context("the step ended")??;
    Ok((begin.elapsed(), cpu()? - before, done))
}

/// Copies a directory whose files nobody changes now.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_files(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), &to).with_context(|| format!("cannot copy to {}", to.display()))?;
        }
    }
    Ok(())
}

fn batch(signal: Signal, payload: Bytes) -> Result<Batch> {
    let received = UnixNanos::now();
    Ok(decode(signal_of(signal), payload, Encoding::Protobuf, received, &Limits::default())?.batch)
}
