//! What questions cost those who send telemetry: the same load alone, beside the worst questions there are, and alone
//! again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::task::JoinSet;

use super::query::percent_encoded;
use super::refusals;
use crate::cli::ProtectArgs;
use crate::client::http::Connection;
use crate::client::{Compression, Protocol, Target};
use crate::drive::{self, Clock, Load, Outcome, Refused, Until};
use crate::load::Signal;
use crate::procfs;
use crate::progress::say;
use crate::server::{Program, Server};
use crate::stats::{Histogram, ratio};
use crate::subject::{compact, directory};
use crate::table::{Cell, Table};

const LOADS: [&str; 7] = ["load", "s", "records/s", "of alone %", "p50 ms", "p99 ms", "refusals"];
const QUESTIONS: [&str; 5] = ["question", "asked", "p50 ms", "max ms", "answers"];
/// How long a question waits after one that was refused for want of room.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Parentheses of the deepest question.
const DEPTH: usize = 100_000;

/// How one question was answered.
#[derive(Debug, Default)]
struct Answers {
    taken: Histogram,
    /// How often each status was answered.
    of_status: BTreeMap<String, u64>,
}

/// Runs it.
pub(crate) async fn run(args: &ProtectArgs) -> Result<Vec<Table>> {
    let program = Program::find(args.program.as_deref(), args.memory.map(|size| size.0))?;
    let directory = directory(args.dir.as_deref())?;
    let server = Server::start(&program, &directory.path().join("data"), None)?;
    for (number, signal) in [Signal::Spans, Signal::Logs].into_iter().enumerate() {
        let until = Until::Records(args.items);
        Box::pin(drive::run(load(args, &server, "filling", signal, number as u64, until))).await?;
    }
    say("settling");
    compact(&server.http, "/api/compact").await?;
    let seconds = || Until::Time(Duration::from_secs(args.seconds));
    let before = Box::pin(drive::run(load(args, &server, "alone", args.signal, 2, seconds()))).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    for asker in 0..args.clients {
        asking.spawn(ask(server.http.clone(), asker as usize, Arc::clone(&stop)));
    }
    let beside =
        Box::pin(drive::run(load(args, &server, "beside questions", args.signal, 3, seconds()))).await;
    stop.store(true, Ordering::Relaxed);
    let beside = beside?;
    let mut answers: BTreeMap<&str, Answers> = BTreeMap::new();
    while let Some(asked) = asking.join_next().await {
        for (name, taken, status) in asked.context("a client that asks ended")? {
            let of = answers.entry(name).or_default();
            of.taken.add(taken);
            *of.of_status.entry(status).or_default() += 1;
        }
    }
    let after = Box::pin(drive::run(load(args, &server, "alone again", args.signal, 4, seconds()))).await?;
    let usage = procfs::usage(server.pid())?;
    Ok(vec![
        of_loads(args, &program, [("alone", before), ("beside questions", beside), ("alone again", after)]),
        of_questions(args, answers, usage.resident_peak),
    ])
}

fn load(args: &ProtectArgs, server: &Server, name: &str, signal: Signal, phase: u64, until: Until) -> Load {
    let protocol = Protocol::HttpProtobuf;
    Load {
        name: name.to_owned(),
        target: Target::new(&server.otlp_http, None, signal, protocol, Compression::default()),
        templates: args.load.shape(signal, protocol).build().into(),
        seed: args.load.seed + phase,
        clock: Clock::Now,
        connections: args.connections as usize,
        until,
        pace: None,
        refused: Refused::SendAgain,
        patience: None,
    }
}

/// Asks one question after the other until it is told to stop. Each client begins at another.
async fn ask(address: String, first: usize, stop: Arc<AtomicBool>) -> Vec<(&'static str, Duration, String)> {
    let questions = questions();
    let (mut connection, mut asked) = (Connection::new(&address), Vec::new());
    for (name, method, path, body) in questions.iter().cycle().skip(first * questions.len() / 4) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let headers: &[(&str, &str)] =
            if body.is_empty() { &[] } else { &[("content-type", "application/json")] };
        let begun = Instant::now();
        let status = match connection.request(method, path, headers, body.clone().into()).await {
            Ok(reply) => reply.status.to_string(),
            Err(error) => {
                connection = Connection::new(&address);
                error.to_string()
            }
        };
        if ["429", "503"].contains(&status.as_str()) {
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        asked.push((*name, begun.elapsed(), status));
    }
    asked
}

/// The worst questions, each as method, path and body.
fn questions() -> Vec<(&'static str, &'static str, String, String)> {
    let sql = |name, statement: &str| {
        (name, "POST", "/api/sql".to_owned(), json!({ "sql": statement }).to_string())
    };
    let get =
        |name, path: &str, q: &str| (name, "GET", format!("{path}q={}", percent_encoded(q)), String::new());
    let deep = format!("SELECT {}1{}", "(".repeat(DEPTH), ")".repeat(DEPTH));
    vec![
        sql("cross join", "SELECT count(*) FROM spans a, spans b WHERE a.duration_ns > b.duration_ns"),
        sql(
            "a group for every span",
            "SELECT span_id, max(duration_ns) AS d FROM spans GROUP BY span_id ORDER BY d DESC LIMIT 10",
        ),
        sql("all rows in order of text", "SELECT * FROM logs ORDER BY body, seq LIMIT 1000"),
        sql(
            "attributes of all spans",
            "SELECT attributes, count(*) FROM spans GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
        ),
        sql(
            "join of all rows",
            "SELECT count(*) FROM spans s JOIN logs l ON s.service_name = l.service_name AND s.name <> l.body",
        ),
        sql(
            "endless recursion",
            "WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n) SELECT max(n) FROM n",
        ),
        sql("parentheses", &deep),
        get("regex over everything", "/api/logs?", "/(a+)+(.*)*[0-9]{3,}x$/"),
        get("wildcards", "/api/logs?limit=10000&", "*e*a*"),
        get(
            "facets of everything",
            "/api/logs?limit=10000&facets=service,severity,trace,thread.name&histogram=1000&",
            "",
        ),
        get("descendants", "/api/spans?", "{ duration>0ms } >> { duration>0ms }"),
        get("join of signals", "/api/logs?", "trace in spans(duration>1ms)"),
        get("traces in order", "/api/traces?limit=10000&", "duration>0ms"),
        ("templates", "GET", "/api/templates".to_owned(), String::new()),
        ("graph", "GET", "/api/graph".to_owned(), String::new()),
    ]
}

fn of_loads(args: &ProtectArgs, program: &Program, loads: [(&str, Outcome); 3]) -> Table {
    let title = format!(
        "Ingest beside {} clients that ask the worst questions: {}; {}",
        args.clients,
        program.version(),
        args.signal.name()
    );
    let mut table = Table::new(title, &LOADS);
    let alone = (loads[0].1.rate() + loads[2].1.rate()) / 2.0;
    for (name, outcome) in &loads {
        table.row(vec![
            (*name).into(),
            Cell::number(outcome.elapsed.as_secs_f64(), 0),
            Cell::number(outcome.rate(), 0),
            Cell::number(ratio(outcome.rate() * 100.0, alone), 1),
            Cell::number(outcome.latency.quantile_ms(0.5), 1),
            Cell::number(outcome.latency.quantile_ms(0.99), 1),
            refusals(outcome).into(),
        ]);
    }
    table.note("alone: the mean of before and after. The generator and the questions' clients run on the machine too");
    table
}

fn of_questions(args: &ProtectArgs, answers: BTreeMap<&str, Answers>, resident_peak: u64) -> Table {
    let title =
        format!("The questions, over {} spans and {} logs and what came besides", args.items, args.items);
    let mut table = Table::new(title, &QUESTIONS);
    for (name, of) in answers {
        let statuses: Vec<String> =
            of.of_status.iter().map(|(status, count)| format!("{count} with {status}")).collect();
        table.row(vec![
            name.into(),
            of.taken.count().into(),
            Cell::number(of.taken.quantile_ms(0.5), 0),
            Cell::number(of.taken.max_ms(), 0),
            statuses.join(", ").into(),
        ]);
    }
    table.note(format!("resident {:.0} MiB at most", resident_peak as f64 / super::MIB));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_its_own_name() {
        let mut names: Vec<&str> = questions().iter().map(|question| question.0).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
