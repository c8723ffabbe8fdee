//! Single steps in this process: decoding by signal and encoding, and what the store offers: writing, sealing,
//! compacting.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use collector::{Encoding, Limits, decode};
use model::{Batch, TenantName, UnixNanos};
use storage::{Options, Store};

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

const COLUMNS: [&str; 7] = ["step", "signal", "encoding", "records", "µs/record", "CPU µs/record", "MB/s"];

/// What a step took.
struct Taken {
    records: u64,
    bytes: u64,
    time: Duration,
    cpu: f64,
}

/// Runs it.
pub(crate) async fn run(args: &StepsArgs) -> Result<Vec<Table>> {
    let mut table = Table::new("Single steps, one after another, on one thread each", &COLUMNS);
    for signal in Signal::ALL {
        for (protocol, encoding, name) in [
            (Protocol::HttpProtobuf, Encoding::Protobuf, "protobuf"),
            (Protocol::HttpJson, Encoding::Json, "json"),
        ] {
            say(&format!("decoding {} in {name}", signal.name()));
            let templates = args.load.shape(signal, protocol).build();
            let taken = decoding(&templates, signal, encoding, Duration::from_secs(args.seconds))?;
            table.row(row("decode", signal, name, &taken));
        }
    }
    for signal in Signal::ALL {
        say(&format!("storing {}", signal.name()));
        let directory = directory(args.dir.as_deref())?;
        for (step, taken) in Box::pin(storing(args, signal, directory.path())).await? {
            table.row(row(step, signal, "rows", &taken));
        }
    }
    table.note(
        "decode: collector::decode. write: storage::Store::write, one request after another, each with its",
    );
    table.note("fsync. seal and compact: Store::seal, and Store::compact after it, of all that was written.");
    table.note("CPU: of this process, in steps of 10 ms. MB/s: of requests before decoding.");
    Ok(vec![table])
}

fn row(step: &str, signal: Signal, encoding: &str, taken: &Taken) -> Vec<Cell> {
    let records = taken.records as f64;
    vec![
        step.into(),
        signal.name().into(),
        encoding.into(),
        taken.records.into(),
        Cell::number(ratio(taken.time.as_secs_f64() * MILLION, records), 3),
        Cell::number(ratio(taken.cpu * MILLION, records), 3),
        Cell::number(ratio(taken.bytes as f64 / 1e6, taken.time.as_secs_f64()), 1),
    ]
}

/// Adds up what is measured piece by piece.
impl Taken {
    fn new() -> Self {
        Self { records: 0, bytes: 0, time: Duration::ZERO, cpu: 0.0 }
    }
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
    (taken.time, taken.cpu) = (begin.elapsed(), cpu()? - before);
    Ok(taken)
}

/// Writes, seals and compacts.
async fn storing(args: &StepsArgs, signal: Signal, dir: &Path) -> Result<Vec<(&'static str, Taken)>> {
    let shape = args.load.shape(signal, Protocol::HttpProtobuf);
    debug_assert_eq!(shape.form, Form::Protobuf);
    let templates = shape.build();
    let options = Options {
        memtable_bytes: MEMTABLE_BYTES,
        memtable_age: MEMTABLE_AGE,
        fresh_bytes_max: MEMTABLE_BYTES,
        compaction: false,
        ..Options::for_memory(MEMTABLE_BYTES)
    };
    let store = Store::open(&dir.join("data"), options)?;
    let tenant = TenantName::default();
    let (mut number, mut write) = (0, Taken::new());
    while write.records < args.items {
        let payload = payload(&templates, number);
        write.bytes += payload.len() as u64;
        let batch = batch(signal, payload)?;
        write.records += batch.rows.num_rows() as u64;
        // Decoding is not in the figure.
        let (before, begin) = (cpu()?, Instant::now());
        Box::pin(store.write(&tenant, batch)).await?;
        write.time += begin.elapsed();
        write.cpu += cpu()? - before;
        number += 1;
    }
    let blocking = |step: fn(&Store) -> storage::Result<()>| {
        let store = store.clone();
        let (records, bytes) = (write.records, write.bytes);
        async move {
            let (before, begin) = (cpu()?, Instant::now());
            tokio::task::spawn_blocking(move || step(&store)).await.context("the step ended")??;
            anyhow::Ok(Taken { records, bytes, time: begin.elapsed(), cpu: cpu()? - before })
        }
    };
    let seal = blocking(Store::seal).await?;
    let compact = blocking(|store| store.compact(&mut |_| {})).await?;
    tokio::task::spawn_blocking(move || store.close()).await.context("the store ended")??;
    Ok(vec![("write", write), ("seal", seal), ("compact", compact)])
}

fn batch(signal: Signal, payload: Bytes) -> Result<Batch> {
    let received = UnixNanos::now();
    Ok(decode(signal_of(signal), payload, Encoding::Protobuf, received, &Limits::default())?.batch)
}
