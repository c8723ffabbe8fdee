//! Series of a fleet that remote-writes every 15 seconds, and PromQL over them: processor time a sample, bytes a
//! sample, and how long queries over 1, 1,000 and all series take; beside Prometheus on the same samples if it is there.
//!
//! An hour of event time that ends now is sent scrape after scrape as fast as it is taken. Both servers run while
//! queries are asked, one at a time, and the answers of both are compared.

mod fleet;
mod request;
mod target;
mod ingest;
mod questions;
mod compare;

use std::time::Instant;

use anyhow::Result;

use super::{MIB, MILLION};
use crate::cli::MetricsArgs;
use crate::drive;
use crate::progress::Progress;
use crate::server::{Program, Server};
use crate::stats::{median, ratio};
use crate::subject::directory;
use crate::table::{Cell, Table};
use compare::Found;
use fleet::{Fleet, INTERVAL_MS};
use ingest::Measured;
use questions::Question;
use target::{Prometheus, Target};

const INGEST: [&str; 9] = [
    "server",
    "samples",
    "samples/s",
    "CPU s/M",
    "CPU s/M idle",
    "CPU s/M compacted",
    "B/sample",
    "MiB kept",
    "MiB resident",
];

const QUESTIONS: [&str; 7] =
    ["question", "series", "points", "causeway ms", "prometheus ms", "ratio", "differences"];

/// How many differences of an answer are shown.
const SHOWN_MAX: usize = 3;

/// Runs it.
pub(crate) async fn run(args: &MetricsArgs) -> Result<Vec<Table>> {
    let program = Program::find(args.program.as_deref(), args.memory.map(|size| size.0))?;
    let temporary = directory(args.dir.as_deref())?;
    let data = temporary.path().join("data");
    let server = Server::start(&program, &data, None)?;
    let own = Target::causeway(&program, &server, data);
    let prometheus = match &args.prometheus {
        Some(path) => Some(Prometheus::start(path, temporary.path()).await?),
        None => None,
    };
    let fleet = Fleet::new(args, drive::unix_nanos() / 1_000_000);
    let mut ingest = Table::new(title(args, &fleet), &INGEST);
    let measured = Box::pin(ingest::measure(&own, &fleet, args)).await?;
    ingest.row(row(&own, &measured));
    ingest.note(measured.note(&own.name));
    if let Some(other) = prometheus.as_ref().map(|prometheus| &prometheus.target) {
        let measured = Box::pin(ingest::measure(other, &fleet, args)).await?;
        ingest.row(row(other, &measured));
        ingest.note(measured.note(&other.name));
        ingest.note("Bytes of Prometheus are those of a snapshot, which writes all it has as blocks.");
    }
    ingest.note(
        "CPU s/M: processor seconds of the server a million samples, until the last answer, until the server",
    );
    ingest.note("was idle for 3 s, and until that after a compaction or snapshot.");
    let targets = Targets { own: &own, other: prometheus.as_ref().map(|prometheus| &prometheus.target) };
    let questions = Box::pin(targets.asked(&fleet, args.runs)).await?;
    if let Some(prometheus) = prometheus {
        prometheus.stop()?;
    }
    server.stop()?;
    Ok(vec![ingest, questions])
}

fn title(args: &MetricsArgs, fleet: &Fleet) -> String {
    format!(
        "Metrics by remote write: {} series every {} s, {} scrapes, {} series a request, {} connections",
        fleet.series(),
        INTERVAL_MS / 1_000,
        fleet.scrapes,
        args.batch,
        args.connections
    )
}

fn row(target: &Target, measured: &Measured) -> Vec<Cell> {
    let samples = measured.samples as f64;
    let cpu = |until: f64| Cell::number(ratio((until - measured.before.cpu) * MILLION, samples), 3);
    vec![
        target.name.as_str().into(),
        measured.samples.into(),
        Cell::number(ratio(samples, measured.elapsed.as_secs_f64()), 0),
        cpu(measured.end.cpu),
        cpu(measured.settled.cpu),
        cpu(measured.compacted.cpu),
        Cell::number(ratio(measured.kept as f64, samples), 3),
        Cell::number(measured.kept as f64 / MIB, 1),
        Cell::number(measured.compacted.resident_peak as f64 / MIB, 0),
    ]
}

/// Who is asked.
struct Targets<'a> {
    own: &'a Target,
    other: Option<&'a Target>,
}

impl Targets<'_> {
    /// Asks all questions, each of one server and then of the other.
    async fn asked(&self, fleet: &Fleet, runs: u32) -> Result<Table> {
        let mut table = Table::new("PromQL, warm medians", &QUESTIONS);
        let mut progress = Progress::new("queries");
        for question in questions::all(fleet) {
            progress.show(&question.name);
            let (own_ms, own) = timed(self.own, &question, runs).await?;
            let other = match self.other {
                Some(target) => Some(timed(target, &question, runs).await?),
                None => None,
            };
            let other_ms = other.as_ref().and_then(|(ms, _)| *ms);
            let differences = other.as_ref().map(|(_, other)| own.differences(other));
            let by_other = own_ms.zip(other_ms).and_then(|(own, other)| ratio(own, other));
            table.row([
                question.name.as_str().into(),
                own.series().into(),
                own.points().into(),
                Cell::number(own_ms, 1),
                Cell::number(other_ms, 1),
                Cell::number(by_other, 2),
                Cell::count(differences.as_ref().map(|differences| differences.len() as u64)),
            ]);
            for difference in differences.iter().flatten().take(SHOWN_MAX) {
                table.note(format!("{}: {difference}", question.name));
            }
        }
        table.note("An instant is when all scrapes are over, a range goes there from five minutes after the first one");
        table.note("in steps of a minute. Asked once, and then as often as is measured. Values are compared within 1e-9");
        table.note("of their size.");
        Ok(table)
    }
}

/// The median of some runs after one that is not counted, and the answer.
async fn timed(target: &Target, question: &Question, runs: u32) -> Result<(Option<f64>, Found)> {
    let mut connection = target.connection();
    let first = question.ask(target, &mut connection).await?;
    let mut taken = Vec::new();
    for _ in 0..runs {
        let begin = Instant::now();
        question.ask(target, &mut connection).await?;
        taken.push(begin.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok((median(&taken), Found::read(&first)?))
}
