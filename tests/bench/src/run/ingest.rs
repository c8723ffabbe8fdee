//! What a load costs: records a second, latency, processor time, memory, bytes.

use anyhow::Result;

use super::{MIB, MILLION, beside};
use crate::cli::{IngestArgs, LoadArgs};
use crate::client::Protocol;
use crate::drive::{self, Clock, Load, Outcome, Refused, Until};
use crate::load::Signal;
use crate::procfs::{self, Usage};
use crate::progress::say;
use crate::stats::ratio;
use crate::subject::Subject;
use crate::table::{Cell, Table};

/// What was measured of one load.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    /// What came of the load.
    pub(super) outcome: Outcome,
    /// Before it.
    before: Option<Usage>,
    /// When the last request was answered.
    end: Option<Usage>,
    /// When the server was idle again.
    settled: Option<Usage>,
    /// When it had merged all, if it could be told to.
    compacted: Option<Usage>,
    /// Bytes in its directory before.
    kept_before: u64,
    /// Bytes there in the end.
    kept_after: Option<u64>,
}

impl Measured {
    /// Processor seconds a million records, up to a moment.
    fn cpu_per_million(&self, until: Option<Usage>) -> Option<f64> {
        let cpu = until?.cpu - self.before?.cpu;
        ratio(cpu * MILLION, self.outcome.accepted as f64)
    }

    /// Bytes kept in the end.
    pub(super) fn kept(&self) -> Option<u64> {
        Some(self.kept_after?.saturating_sub(self.kept_before))
    }

    /// Bytes written until a moment: in the end, when idle, when the last request was answered.
    pub(super) fn written(&self) -> [Option<u64>; 3] {
        let until = |usage: Option<Usage>| Some(usage?.written.saturating_sub(self.before?.written));
        [until(self.compacted.or(self.settled)), until(self.settled), until(self.end)]
    }

    fn server_cpu(&self) -> f64 {
        self.end.zip(self.before).map_or(0.0, |(end, before)| end.cpu - before.cpu)
    }

    /// What the machine did besides.
    pub(super) fn note(&self, name: &str) -> String {
        beside(name, &self.outcome, self.server_cpu())
    }
}

/// A load of so many records over so many connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) signal: Signal,
    pub(super) protocol: Protocol,
    pub(super) items: u64,
    pub(super) connections: u32,
    pub(super) load: LoadArgs,
}

impl Plan {
    fn name(&self) -> String {
        format!("{} by {}", self.signal.name(), self.protocol.name())
    }

    /// Sends it and measures until all work is done.
    pub(super) async fn measure(&self, subject: &Subject) -> Result<Measured> {
        say(&format!("building requests with {}", self.name()));
        let shape = self.load.shape(self.signal, self.protocol);
        let load = Load {
            name: self.name(),
            target: subject.target(self.signal, self.protocol, self.load.compression),
            templates: shape.build().into(),
            seed: self.load.seed,
            clock: Clock::Now,
            connections: self.connections as usize,
            until: Until::Records(self.items),
            pace: None,
            refused: Refused::SendAgain,
            patience: None,
        };
        let bytes = || subject.data.as_deref().map(procfs::directory_bytes);
        let (kept_before, before) = (bytes().unwrap_or(0), subject.usage()?);
        let outcome = drive::run(load).await?;
        let end = subject.usage()?;
        let settled = subject.settled().await?;
        let compacted = if subject.compact().await? { subject.settled().await? } else { None };
        let kept_after = bytes();
        Ok(Measured { outcome, before, end, settled, compacted, kept_before, kept_after })
    }
}

/// Runs it.
pub(crate) async fn run(args: &IngestArgs) -> Result<Vec<Table>> {
    let plan = |signal, protocol| Plan {
        signal,
        protocol,
        items: args.items,
        connections: args.connections,
        load: args.load,
    };
    let plans: Vec<Plan> = if args.all {
        let all = |signal| Protocol::ALL.map(move |protocol| plan(signal, protocol));
        Signal::ALL.into_iter().flat_map(all).collect()
    } else {
        vec![plan(args.signal, args.protocol)]
    };
    let mut table = Table::new("", &COLUMNS);
    let mut name = String::new();
    for plan in plans {
        let subject = Subject::new(&args.server)?;
        name.clone_from(&subject.name);
        let measured = plan.measure(&subject).await?;
        subject.stop()?;
        table.row(row(&plan, &measured));
        table.note(measured.note(&plan.name()));
    }
    let compression = args.load.compression.encoding().unwrap_or("no compression");
    table.title(format!(
        "Ingest: {name}; {} records, {} a request, {} connections, {compression}",
        args.items, args.load.batch, args.connections
    ));
    table
        .note("CPU s/M: processor seconds of the server a million records, until the last answer, until the");
    table.note(
        "server was idle for 3 s, and until that after a compaction. MB/s: of requests before compression.",
    );
    table
        .note("B kept: all files of the data directory a record. written: bytes written for each byte kept.");
    Ok(vec![table])
}

const COLUMNS: [&str; 16] = [
    "signal",
    "protocol",
    "records",
    "records/s",
    "MB/s",
    "B sent",
    "p50 ms",
    "p99 ms",
    "CPU s/M load",
    "CPU s/M idle",
    "CPU s/M compacted",
    "B kept",
    "B written",
    "written/kept",
    "peak MiB",
    "after MiB",
];

fn row(plan: &Plan, measured: &Measured) -> Vec<Cell> {
    let Measured { outcome, end, settled, compacted, .. } = measured;
    let records = outcome.accepted as f64;
    let last = compacted.or(*settled);
    let (kept, [written, ..]) = (measured.kept(), measured.written());
    let each = |bytes: Option<u64>| bytes.and_then(|bytes| ratio(bytes as f64, records));
    let mib = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / MIB);
    vec![
        plan.signal.name().into(),
        plan.protocol.name().into(),
        outcome.accepted.into(),
        Cell::number(outcome.rate(), 0),
        Cell::number(outcome.bytes as f64 / 1e6 / outcome.elapsed.as_secs_f64().max(f64::EPSILON), 1),
        Cell::number(each(Some(outcome.bytes)), 0),
        Cell::number(outcome.latency.quantile_ms(0.5), 1),
        Cell::number(outcome.latency.quantile_ms(0.99), 1),
        Cell::number(measured.cpu_per_million(*end), 2),
        Cell::number(measured.cpu_per_million(*settled), 2),
        Cell::number(measured.cpu_per_million(*compacted), 2),
        Cell::number(each(kept), 1),
        Cell::number(each(written), 1),
        Cell::number(kept.zip(written).and_then(|(kept, written)| ratio(written as f64, kept as f64)), 2),
        Cell::number(mib(last.map(|usage| usage.resident_peak)), 0),
        Cell::number(mib(last.map(|usage| usage.resident)), 0),
    ]
}
