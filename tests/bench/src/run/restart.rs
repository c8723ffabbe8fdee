//! How long the program takes to start after SIGKILL, by the length of its write-ahead log.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;

use crate::cli::RestartArgs;
use crate::client::http::Connection;
use crate::client::{Protocol, Target};
use crate::drive::{self, Clock, Load, Refused, Until};
use crate::procfs;
use crate::progress::{Progress, say};
use crate::server::{Program, Server};
use crate::stats::ratio;
use crate::subject::directory;
use crate::table::{Cell, Table};

/// How often is looked how long the log is.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long it may take to fill it.
const FILL_TIME_MAX: Duration = Duration::from_secs(3600);
/// Which share of the longest log seen is long enough, where the program seals before the length asked for.
const LONG_ENOUGH: f64 = 0.9;
/// Bytes in a gibibyte.
const GIB: f64 = 1_073_741_824.0;

const COLUMNS: [&str; 7] =
    ["round", "log MiB", "ready s", "first answer s", "ready s/GiB", "CPU s/GiB", "peak MiB"];

/// Runs it.
pub(crate) async fn run(args: &RestartArgs) -> Result<Vec<Table>> {
    let program = Program::find(args.program.as_deref(), Some(args.memory.0))?;
    let title = format!("Start after SIGKILL: {}; a log of {}", program.version(), args.signal.name());
    let mut table = Table::new(title, &COLUMNS);
    let mut short = false;
    for round in 1..=args.rounds {
        let directory = directory(args.dir.as_deref())?;
        let data = directory.path().join("data");
        let log_bytes = Box::pin(fill(args, &program, &data, round)).await?;
        short |= log_bytes < args.wal.0;
        let cold = procfs::evict(&data);
        say(&format!(
            "starting on a log of {} MiB{}",
            log_bytes >> 20,
            if cold { "" } else { ", in memory" }
        ));
        let server = Server::start(&program, &data, None)?;
        let answered = first_answer(&server).await?;
        let usage = procfs::usage(server.pid())?;
        let gib = log_bytes as f64 / GIB;
        table.row([
            u64::from(round).into(),
            Cell::number(gib * 1024.0, 1),
            Cell::number(server.ready_after.as_secs_f64(), 3),
            Cell::number(answered.as_secs_f64(), 3),
            Cell::number(ratio(server.ready_after.as_secs_f64(), gib), 2),
            Cell::number(ratio(usage.cpu, gib), 2),
            Cell::number(usage.resident_peak as f64 / super::MIB, 0),
        ]);
        server.kill()?;
        if !cold {
            table.note(format!(
                "round {round}: the log was still in memory: this machine has no dd that evicts it"
            ));
        }
    }
    if short {
        table.note(
            "The log was never as long as asked for: the program seals and deletes it before. Seconds per",
        );
        table.note("GiB are those of the log there was, scaled.");
    }
    table.note(
        "ready: from the start of the process until it says so. first answer: until a search answered.",
    );
    Ok(vec![table])
}

/// Fills the log until it is long, and kills the server.
async fn fill(args: &RestartArgs, program: &Program, data: &Path, round: u32) -> Result<u64> {
    let server = Server::start(program, data, None)?;
    let stopped = Arc::new(AtomicBool::new(false));
    let protocol = Protocol::HttpProtobuf;
    let load = Load {
        name: "filling the log".to_owned(),
        target: Target::new(&server.otlp_http, None, args.signal, protocol, args.load.compression),
        templates: args.load.shape(args.signal, protocol).build().into(),
        seed: args.load.seed + u64::from(round),
        clock: Clock::Now,
        connections: args.connections as usize,
        until: Until::Stopped(Arc::clone(&stopped)),
        pace: None,
        refused: Refused::Count,
        patience: None,
    };
    let sending = tokio::spawn(drive::run(load));
    let long = wait_until_long(&data.join("wal"), args.wal.0).await;
    server.kill()?;
    stopped.store(true, Ordering::Relaxed);
    sending.await??;
    long?;
    Ok(procfs::directory_bytes(&data.join("wal")))
}

/// Waits until the log is as long as asked for or, once it was seen to shrink, nearly as long as it ever was.
async fn wait_until_long(wal: &Path, wanted: u64) -> Result<()> {
    let (begin, mut longest, mut shrank) = (Instant::now(), 0, false);
    let mut progress = Progress::new("length of the log");
    while begin.elapsed() < FILL_TIME_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
        let bytes = procfs::directory_bytes(wal);
        progress.show(&format!("{} MiB", bytes >> 20));
        if bytes >= wanted || shrank && bytes as f64 >= longest as f64 * LONG_ENOUGH {
            return Ok(());
        }
        shrank |= bytes < longest / 2;
        longest = longest.max(bytes);
    }
    bail!("the log was {} bytes at most after {} s", longest, FILL_TIME_MAX.as_secs())
}

/// From the start of the process until it has answered a search.
async fn first_answer(server: &Server) -> Result<Duration> {
    let path = "/api/spans?limit=1";
    let reply = Connection::new(&server.http).request("GET", path, &[], Bytes::new()).await?;
    if reply.status != 200 {
        bail!("the first question was answered {}: {}", reply.status, String::from_utf8_lossy(&reply.body));
    }
    Ok(server.started.elapsed())
}
