//! What a small request waits for, by the number of clients, beside what one fsync takes in the same place.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::refusals;
use crate::cli::{CommitArgs, LoadArgs};
use crate::client::{Compression, Protocol};
use crate::drive::{self, Clock, Load, Refused, Until};
use crate::stats::Histogram;
use crate::subject::{Subject, directory};
use crate::table::{Cell, Table};

/// How often the disk is asked to sync.
const SYNCS: u32 = 500;
/// How long at most.
const SYNC_TIME_MAX: Duration = Duration::from_secs(20);
/// Bytes written before each.
const SYNC_BYTES: usize = 4096;
/// How many different requests are sent.
const TEMPLATES: u32 = 256;
/// How many records these have in all, so that large ones are fewer.
const RECORDS_MAX: u32 = 100_000;

const COLUMNS: [&str; 7] = ["clients", "requests", "requests/s", "p50 ms", "p99 ms", "max ms", "refusals"];

/// Runs it.
pub(crate) async fn run(args: &CommitArgs) -> Result<Vec<Table>> {
    let raw = sync_times(args.server.data_dir.as_deref().or(args.server.dir.as_deref()))?;
    let subject = Subject::new(&args.server)?;
    let templates = TEMPLATES.min(RECORDS_MAX / args.batch).max(1);
    let load = LoadArgs {
        batch: args.batch,
        templates,
        series: templates * args.batch,
        seed: 1,
        compression: Compression::None,
    };
    let protocol = Protocol::HttpProtobuf;
    let templates = load.shape(args.signal, protocol).build();
    let title = format!(
        "Group commit: {}; requests of {} {} by {}, {} s for each number of clients",
        subject.name,
        args.batch,
        args.signal.name(),
        protocol.name(),
        args.seconds
    );
    let mut table = Table::new(title, &COLUMNS);
    table.row(row("fdatasync".into(), &raw.0, raw.1, Cell::Missing));
    let clients = std::iter::successors(Some(1u32), |clients| clients.checked_mul(2));
    for (number, clients) in clients.take_while(|clients| *clients <= args.clients).enumerate() {
        let load = Load {
            name: format!("{clients} clients"),
            target: subject.target(args.signal, protocol, Compression::None),
            templates: templates.clone().into(),
            // Ids of their own for each number of clients: a repeat would not be stored.
            seed: 1 + number as u64,
            clock: Clock::Now,
            connections: clients as usize,
            until: Until::Time(Duration::from_secs(args.seconds)),
            pace: None,
            refused: Refused::SendAgain,
            patience: None,
        };
        let outcome = drive::run(load).await?;
        let refused = refusals(&outcome).into();
        table.row(row(clients.to_string().into(), &outcome.latency, outcome.elapsed, refused));
    }
    subject.stop()?;
    table.note(
        "fdatasync: of a file in the same file system, after 4 KiB were appended to it, one after another.",
    );
    Ok(vec![table])
}

fn row(name: Cell, latency: &Histogram, elapsed: Duration, refused: Cell) -> Vec<Cell> {
    let count = latency.count();
    vec![
        name,
        count.into(),
        Cell::number(count as f64 / elapsed.as_secs_f64().max(f64::EPSILON), 0),
        Cell::number(latency.quantile_ms(0.5), 2),
        Cell::number(latency.quantile_ms(0.99), 2),
        Cell::number(latency.max_ms(), 2),
        refused,
    ]
}

/// How long it takes to append a little to a file and sync it.
fn sync_times(dir: Option<&Path>) -> Result<(Histogram, Duration)> {
    let directory = directory(dir)?;
    let mut file = File::create(directory.path().join("sync")).context("cannot make a file to sync")?;
    let (mut times, begin) = (Histogram::default(), Instant::now());
    for _ in 0..SYNCS {
        let one = Instant::now();
        file.write_all(&[1; SYNC_BYTES]).and_then(|()| file.sync_data()).context("cannot sync a file")?;
        times.add(one.elapsed());
        if begin.elapsed() > SYNC_TIME_MAX {
            break;
        }
    }
    Ok((times, begin.elapsed()))
}
