//! Sends the fleet's scrapes one after the other and measures what they cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;

use super::fleet::{Fleet, INTERVAL_MS, Series};
use super::request::{HEADERS, write};
use super::target::Target;
use crate::cli::MetricsArgs;
use crate::client::http::Connection;
use crate::procfs::{self, Usage};
use crate::progress::{Progress, say};
use crate::stats::ratio;

/// How long a request waits that was refused for want of room, and how often.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
const AGAIN_MAX: u32 = 6_000;
/// How much of a refusal is shown, in characters.
const SHOWN_MAX: usize = 300;

/// What was measured.
#[derive(Debug)]
pub(super) struct Measured {
    /// Samples that were taken.
    pub(super) samples: u64,
    /// How long that took.
    pub(super) elapsed: Duration,
    /// What the server had used before.
    pub(super) before: Usage,
    /// When the last request was answered.
    pub(super) end: Usage,
    /// When the server was idle again.
    pub(super) settled: Usage,
    /// When all was compacted.
    pub(super) compacted: Usage,
    /// Bytes kept then.
    pub(super) kept: u64,
    /// Requests that were refused for want of room and sent again.
    refused: u64,
    /// Processor seconds of this process meanwhile.
    generator_cpu: f64,
    /// And of the whole machine.
    machine_cpu: f64,
}

impl Measured {
    /// What the machine did besides.
    pub(super) fn note(&self, name: &str) -> String {
        let server_cpu = self.end.cpu - self.before.cpu;
        let others = (self.machine_cpu - self.generator_cpu - server_cpu).max(0.0);
        let share = ratio(self.elapsed.as_secs_f64(), self.samples as f64 / super::MILLION).unwrap_or(0.0);
        format!(
            "{name}: {:.1} s, {share:.2} s a million samples; the generator used {:.1} CPU s, other processes \
             {others:.1}; {} requests were refused for want of room and sent again",
            self.elapsed.as_secs_f64(),
            self.generator_cpu,
            self.refused
        )
    }
}

/// A connection, and what goes over it.
struct Sender {
    fleet: Fleet,
    batches: Vec<Vec<Series>>,
    connection: Connection,
    path: String,
    sent: Arc<AtomicU64>,
}

/// Sends everything and waits until the server has settled it.
pub(super) async fn measure(target: &Target, fleet: &Fleet, args: &MetricsArgs) -> Result<Measured> {
    let sent = Arc::new(AtomicU64::new(0));
    let mut batches: Vec<Vec<Series>> =
        fleet.all().chunks(args.batch as usize).map(<[Series]>::to_vec).collect();
    let connections = (args.connections as usize).clamp(1, batches.len().max(1));
    let before = procfs::usage(target.pid)?;
    let (own, machine) = (procfs::usage(std::process::id())?.cpu, procfs::machine_cpu());
    let begin = Instant::now();
    let mut senders = JoinSet::new();
    for left in (1..=connections).rev() {
        let batches = batches.split_off(batches.len() - batches.len() / left);
        let (connection, path, sent) = (target.connection(), target.path("write"), Arc::clone(&sent));
        senders.spawn(Sender { fleet: *fleet, batches, connection, path, sent }.run());
    }
    let progress =
        tokio::spawn(show(target.name.clone(), Arc::clone(&sent), fleet.series() as u64 * fleet.scrapes));
    let mut refused = 0;
    while let Some(sender) = senders.join_next().await {
        refused += sender.context("a sender ended")??;
    }
    progress.abort();
    let (elapsed, end) = (begin.elapsed(), procfs::usage(target.pid)?);
    let generator_cpu = procfs::usage(std::process::id())?.cpu - own;
    let machine_cpu = procfs::machine_cpu() - machine;
    let settled = procfs::settled(target.pid, &mut |_| {}).await?;
    say("compacting");
    let kept = target.compact().await?;
    let compacted = procfs::settled(target.pid, &mut |_| {}).await?;
    let samples = sent.load(Ordering::Relaxed);
    Ok(Measured {
        samples,
        elapsed,
        before,
        end,
        settled,
        compacted,
        kept,
        refused,
        generator_cpu,
        machine_cpu,
    })
}

impl Sender {
    /// Sends every scrape of its series; how often a request was refused for want of room.
    async fn run(mut self) -> Result<u64> {
        let mut refused = 0;
        for scrape in 0..self.fleet.scrapes {
            let time_ms = self.fleet.begin_ms + scrape * INTERVAL_MS;
            for batch in &mut self.batches {
                batch.iter_mut().for_each(|series| self.fleet.step(series, scrape));
                refused += send(&mut self.connection, &self.path, batch, time_ms).await?;
                self.sent.fetch_add(batch.len() as u64, Ordering::Relaxed);
            }
        }
        Ok(refused)
    }
}

/// Sends a request until it is taken; how often it was refused for want of room.
async fn send(connection: &mut Connection, path: &str, batch: &[Series], time_ms: u64) -> Result<u64> {
    let body = write(batch, time_ms)?;
    for refused in 0..AGAIN_MAX {
        let reply = connection.request("POST", path, &HEADERS, body.clone()).await?;
        match reply.status {
            200..300 => return Ok(u64::from(refused)),
            429 | 503 => tokio::time::sleep(AGAIN_AFTER).await,
            status => {
                let text: String = String::from_utf8_lossy(&reply.body).chars().take(SHOWN_MAX).collect();
                bail!("{path} was answered {status}: {text}")
            }
        }
    }
    bail!("the server had no room for a request, {AGAIN_MAX} times")
}

/// Says how far it is until it is told to stop.
async fn show(name: String, sent: Arc<AtomicU64>, all: u64) {
    let mut progress = Progress::new(&name);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        progress.show(&format!("{} of {all} samples", sent.load(Ordering::Relaxed)));
    }
}
