//! Questions about many spans and logs: cold and warm, half-settled and settled.
//!
//! - *half-settled*: the load was answered and the server is idle; rows are in memtables, and segments as seals and
//!   merges in the background left them.
//! - *settled*: after `POST /api/compact`.
//! - *cold*: the first time after a start with none of the files in memory, one start for every question.
//! - *warm*: the same again, after it was asked once.

mod data;
mod questions;
mod answer;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::MIB;
use super::trace::hex;
use crate::cli::QueryArgs;
use crate::client::http::Connection;
use crate::client::{Client, Compression, Protocol, Target};
use crate::drive;
use crate::load::{Signal, Stamp, Template};
use crate::procfs;
use crate::progress::{Progress, say};
use crate::server::{Program, Server};
use crate::stats::{Histogram, median, ratio};
use crate::subject::{compact, directory};
use crate::table::{Cell, Table};
use answer::{Cost, ask};
use data::Filled;
use questions::Question;
pub(super) use questions::percent_encoded;

const COLUMNS: [&str; 8] =
    ["question", "cold ms", "warm p50 ms", "warm p95 ms", "found", "rows scanned", "opened", "of segments"];

/// How often it is looked for a trace that was sent before it counts as lost.
const LOOKS_MAX: u32 = 10_000;

/// What one question took.
#[derive(Debug, Clone, Default)]
struct Measured {
    cold: Vec<f64>,
    warm: Histogram,
    cost: Cost,
}

/// How long it takes until what was sent is found.
#[derive(Debug, Clone, Default)]
struct Searchable {
    after: Histogram,
    found_at_once: u64,
}

/// What is measured, and on what.
struct Bench<'a> {
    args: &'a QueryArgs,
    program: Program,
    data: PathBuf,
    filled: Filled,
    templates: Vec<Template>,
    questions: Vec<Question>,
}

/// How a server is ended: with what is fresh sealed, or with the log left to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stop,
    Kill,
}

/// Runs it.
pub(crate) async fn run(args: &QueryArgs) -> Result<Vec<Table>> {
    let program = Program::find(args.program.as_deref(), args.memory.map(|size| size.0))?;
    let temporary = match args.data {
        Some(_) => None,
        None => Some(directory(args.dir.as_deref())?),
    };
    let root: PathBuf = match (&args.data, &temporary) {
        (Some(data), _) => data.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => bail!("there is no directory to fill"),
    };
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    let data = root.join("data");
    let (filled, fresh) = match data::read_note(&root, args.items)? {
        Some(filled) => (filled, None),
        None => {
            let server = Server::start(&program, &data, None)?;
            (Box::pin(data::fill(args, &server)).await?, Some(server))
        }
    };
    let templates = filled.shape(Signal::Spans).build();
    let mut questions = questions::all(&filled, &templates);
    questions.retain(|question| args.only.as_ref().is_none_or(|text| question.name.contains(text.as_str())));
    let bench = Bench { args, program, data, filled, templates, questions };
    let mut tables = Vec::new();
    if let Some(server) = fresh {
        procfs::settled(server.pid(), &mut |_| {}).await?;
        tables.push(Box::pin(bench.state("half-settled", server, End::Kill)).await?);
    }
    tables.push(Box::pin(bench.settled(&root)).await?);
    Ok(tables)
}

impl Bench<'_> {
    async fn settled(&self, root: &Path) -> Result<Table> {
        let server = Server::start(&self.program, &self.data, None)?;
        say("compacting");
        compact(&server.http, "/api/compact").await?;
        self.filled.write_note(root)?;
        Box::pin(self.state("settled", server, End::Stop)).await
    }

    /// Measures everything in one state: warm on a server that runs, cold on one for each question.
    async fn state(&self, name: &str, server: Server, end: End) -> Result<Table> {
        let mut measured = vec![Measured::default(); self.questions.len()];
        let mut connection = Connection::new(&server.http);
        let mut progress = Progress::new(name);
        for (question, measured) in self.questions.iter().zip(&mut measured) {
            progress.show(&format!("{}, warm", question.name));
            Box::pin(self.warm(question, &mut connection, measured)).await?;
        }
        let usage = procfs::usage(server.pid())?;
        let mut evicted = end_it(server, end, &self.data)?;
        for (question, measured) in self.questions.iter().zip(&mut measured) {
            for _ in 0..self.args.cold {
                progress.show(&format!("{}, cold", question.name));
                let server = Server::start(&self.program, &self.data, None)?;
                let first = question.asks.first().context("a question asks nothing")?;
                let answer = ask(&mut Connection::new(&server.http), first).await?;
                measured.cold.push(answer.taken.as_secs_f64() * 1000.0);
                evicted &= end_it(server, end, &self.data)?;
            }
        }
        let server = Server::start(&self.program, &self.data, None)?;
        let searchable = Box::pin(self.searchable(&server)).await?;
        end_it(server, end, &self.data)?;
        let mut table = self.table(name, &measured, &searchable);
        table.note(format!(
            "resident {:.0} MiB after all warm questions, {:.0} MiB at most; data {:.0} MiB",
            usage.resident as f64 / MIB,
            usage.resident_peak as f64 / MIB,
            procfs::directory_bytes(&self.data) as f64 / MIB
        ));
        if !evicted {
            table.note("cold: files were still in memory: this machine has no dd that evicts them");
        }
        Ok(table)
    }

    /// Asks all variants of a question once, and then as often as is measured.
    async fn warm(
        &self,
        question: &Question,
        connection: &mut Connection,
        into: &mut Measured,
    ) -> Result<()> {
        for variant in &question.asks {
            into.cost = ask(connection, variant).await?.cost;
        }
        for variant in question.asks.iter().cycle().take(self.args.runs as usize) {
            into.warm.add(ask(connection, variant).await?.taken);
        }
        Ok(())
    }

    /// Sends requests, and asks for a trace of each as soon as it is answered.
    async fn searchable(&self, server: &Server) -> Result<Searchable> {
        let protocol = Protocol::HttpProtobuf;
        let target = Target::new(&server.otlp_http, None, Signal::Spans, protocol, Compression::None);
        let (mut client, mut connection) = (Client::new(&target)?, Connection::new(&server.http));
        let mut searchable = Searchable::default();
        let mut body = Vec::new();
        for (template, run) in self.templates.iter().cycle().zip(0..self.args.runs) {
            // Another number than all before, those of earlier runs on the same data included.
            let now = drive::unix_nanos();
            let stamp = Stamp::new(self.filled.seed, now, 0, now - template.window, 0);
            template.stamp(&stamp, &mut body);
            let answer = client.send(body.clone().into()).await?;
            if !answer.code.is_success() {
                bail!("the server refused request {run} with {}: {}", answer.code, answer.message);
            }
            let answered = Instant::now();
            let path = format!("/api/traces/{}", hex(&template.trace_id(0, &stamp)));
            let mut looks = 1;
            while connection.request("GET", &path, &[], Default::default()).await?.status != 200 {
                looks += 1;
                if looks > LOOKS_MAX {
                    bail!("a trace that was sent and answered is not found after {LOOKS_MAX} looks");
                }
            }
            searchable.after.add(answered.elapsed());
            searchable.found_at_once += u64::from(looks == 1);
        }
        Ok(searchable)
    }

    fn table(&self, name: &str, measured: &[Measured], searchable: &Searchable) -> Table {
        let Filled { spans, logs, .. } = self.filled;
        let version = self.program.version();
        let mut table =
            Table::new(format!("Questions, {name}: {version}; {spans} spans, {logs} logs"), &COLUMNS);
        for (question, measured) in self.questions.iter().zip(measured) {
            table.row(row(question.name, measured));
        }
        let at_once = ratio(searchable.found_at_once as f64 * 100.0, searchable.after.count() as f64);
        table.row(row(
            "searchable after",
            &Measured { warm: searchable.after.clone(), ..Measured::default() },
        ));
        table.note(format!(
            "searchable after: from the answer to an export until a trace of it is answered; {:.0} % found by the first look",
            at_once.unwrap_or(0.0)
        ));
        table.note(
            "cold: the first answer after a start with no file in memory; warm: asked again, one at a time.",
        );
        table.note("Found, rows scanned and segments opened are those that the answer tells.");
        for (question, measured) in self.questions.iter().zip(measured) {
            if let Some(partial) = &measured.cost.partial {
                table.note(format!("{}: cut short: {partial}", question.name));
            }
        }
        table
    }
}

fn row(name: &str, measured: &Measured) -> Vec<Cell> {
    let cost = &measured.cost;
    vec![
        name.into(),
        Cell::number(median(&measured.cold), 1),
        Cell::number(measured.warm.quantile_ms(0.5), 1),
        Cell::number(measured.warm.quantile_ms(0.95), 1),
        Cell::count(cost.found),
        Cell::count(cost.rows_scanned),
        Cell::count(cost.segments_opened),
        Cell::count(cost.segments_total),
    ]
}

/// Ends a server and makes the kernel forget its files; whether it did.
fn end_it(server: Server, end: End, data: &Path) -> Result<bool> {
    match end {
        End::Stop => server.stop()?,
        End::Kill => server.kill()?,
    }
    Ok(procfs::evict(data))
}
