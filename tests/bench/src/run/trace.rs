//! Traces by id among many spans, without a time range: stored ones and unknown ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde_json::{Value, json};

use super::MIB;
use crate::cli::TraceArgs;
use crate::client::http::Connection;
use crate::client::{Protocol, Target};
use crate::drive::{self, Clock, Load, Refused, Until};
use crate::load::{Shape, Signal, Stamp, Template, mix};
use crate::procfs;
use crate::progress::say;
use crate::server::{Program, Server};
use crate::stats::{Histogram, median, ratio};
use crate::subject::{compact, directory};
use crate::table::{Cell, Table};

/// What was filled in, beside the data: ids follow from it.
const NOTE: &str = "bench-trace.json";
/// Nanoseconds in an hour.
const HOUR: u64 = 3_600_000_000_000;

const COLUMNS: [&str; 7] =
    ["ids", "lookups", "p50 ms", "p99 ms", "max ms", "segments opened, median", "none opened %"];

/// What the data directory was filled with.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Filled {
    seed: u64,
    batch: u64,
    templates: u64,
    requests: u64,
    spans: u64,
}

impl Filled {
    fn shape(&self) -> Shape {
        Shape {
            signal: Signal::Spans,
            form: Protocol::HttpProtobuf.form(),
            batch: self.batch as usize,
            templates: self.templates as usize,
            series: 0,
            seed: self.seed,
        }
    }

    fn to_json(self) -> Value {
        let Self { seed, batch, templates, requests, spans } = self;
        json!({ "seed": seed, "batch": batch, "templates": templates, "requests": requests, "spans": spans })
    }

    fn from_json(json: &Value) -> Option<Self> {
        let number = |name: &str| json[name].as_u64();
        Some(Self {
            seed: number("seed")?,
            batch: number("batch")?,
            templates: number("templates")?,
            requests: number("requests")?,
            spans: number("spans")?,
        })
    }
}

/// Runs it.
pub(crate) async fn run(args: &TraceArgs) -> Result<Vec<Table>> {
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
    let filled = match read_note(&root)? {
        Some(filled) if filled.spans >= args.spans => filled,
        Some(filled) => bail!(
            "{} was filled with {} spans, fewer than {}: name another directory",
            root.display(),
            filled.spans,
            args.spans
        ),
        None => Box::pin(fill(args, &program, &root, &data)).await?,
    };
    let templates = filled.shape().build();
    let stored: Vec<[u8; 16]> = (0..args.lookups)
        .map(|lookup| stored_id(filled.seed, filled.requests, &templates, u64::from(lookup)))
        .collect();
    let unknown: Vec<[u8; 16]> = (0..args.lookups).map(|lookup| unknown_id(u64::from(lookup))).collect();

    let bytes = procfs::directory_bytes(&data) as f64;
    let title = format!(
        "Traces by id: {}; {} spans, {:.1} bytes each, {} ids of each kind",
        program.version(),
        filled.spans,
        ratio(bytes, filled.spans as f64).unwrap_or(0.0),
        args.lookups
    );
    let mut table = Table::new(title, &COLUMNS);
    for (name, ids, expected) in [("stored", &stored, 200), ("unknown", &unknown, 404)] {
        let cold = procfs::evict(&data);
        let server = Server::start(&program, &data, None)?;
        let mut connection = Connection::new(&server.http);
        for round in ["cold", "warm"] {
            say(&format!("looking up {name} ids, {round}"));
            let looked_up = look_up(&mut connection, ids, expected).await?;
            // The answer itself may not tell what it opened; a search for the same trace does.
            let opened = match looked_up.opened.is_empty() {
                true => opened_by_search(&mut connection, ids).await?,
                false => looked_up.opened,
            };
            table.row(row(&format!("{name}, {round}"), ids.len(), &looked_up.latency, &opened));
        }
        let usage = procfs::usage(server.pid())?;
        table.note(format!(
            "{name}: ready after {:.3} s; resident {:.0} MiB in the end, {:.0} MiB at most",
            server.ready_after.as_secs_f64(),
            usage.resident as f64 / MIB,
            usage.resident_peak as f64 / MIB
        ));
        if !cold {
            table
                .note(format!("{name}: files were still in memory: this machine has no dd that evicts them"));
        }
        server.stop()?;
    }
    table.note(
        "cold: the first time after a start with no file in memory, each id once; warm: the same ids again.",
    );
    table.note("Segments opened are told by the answer, else by /api/spans?q=trace:ID, about spans alone.");
    Ok(vec![table])
}

fn row(name: &str, lookups: usize, latency: &Histogram, opened: &[f64]) -> Vec<Cell> {
    let none = opened.iter().filter(|opened| **opened == 0.0).count() as f64;
    vec![
        name.into(),
        (lookups as u64).into(),
        Cell::number(latency.quantile_ms(0.5), 2),
        Cell::number(latency.quantile_ms(0.99), 2),
        Cell::number(latency.max_ms(), 2),
        Cell::number(median(opened), 0),
        Cell::number(ratio(none * 100.0, opened.len() as f64), 1),
    ]
}

/// What the note in a directory says; none if there is none.
fn read_note(root: &Path) -> Result<Option<Filled>> {
    let path = root.join(NOTE);
    if !path.exists() {
        if root.join("data").exists() {
            bail!("{} has data that were not filled in to the end: name another directory", root.display());
        }
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let filled = serde_json::from_str(&text).ok().and_then(|json| Filled::from_json(&json));
    filled.map(Some).with_context(|| format!("{} does not say what was filled in", path.display()))
}

/// Fills the directory, compacts, and writes the note.
async fn fill(args: &TraceArgs, program: &Program, root: &Path, data: &Path) -> Result<Filled> {
    let mut filled = Filled {
        seed: args.load.seed,
        batch: u64::from(args.load.batch),
        templates: u64::from(args.load.templates),
        requests: 0,
        spans: 0,
    };
    let templates = filled.shape().build();
    let mean = templates.iter().map(|template| template.records).sum::<u64>() / templates.len() as u64;
    let requests = args.spans.div_ceil(mean.max(1)).max(1);
    let begin = drive::unix_nanos().saturating_sub(args.hours * HOUR);
    let server = Server::start(program, data, None)?;
    let load = Load {
        name: "filling".to_owned(),
        target: Target::new(
            &server.otlp_http,
            None,
            Signal::Spans,
            Protocol::HttpProtobuf,
            args.load.compression,
        ),
        templates: templates.into(),
        seed: args.load.seed,
        clock: Clock::Steps { begin, step: args.hours * HOUR / requests },
        connections: args.connections as usize,
        until: Until::Records(args.spans),
        pace: None,
        refused: Refused::SendAgain,
        patience: None,
    };
    let outcome = drive::run(load).await?;
    say("compacting");
    compact(&server.http, "/api/compact").await?;
    server.stop()?;
    (filled.requests, filled.spans) = (outcome.requests, outcome.accepted);
    fs::write(root.join(NOTE), filled.to_json().to_string()).context("cannot note what was filled in")?;
    Ok(filled)
}

/// The id of one of the traces that were filled in, of another request for each number.
pub(super) fn stored_id(seed: u64, requests: u64, templates: &[Template], number: u64) -> [u8; 16] {
    let random = mix(number ^ 0x51_0E5);
    let request = random % requests.max(1);
    let template = &templates[request as usize % templates.len()];
    // Ids follow from seed and number alone.
    let stamp = Stamp::new(seed, request, 0, 0, 0);
    template.trace_id((mix(random) % template.trace_count().max(1) as u64) as usize, &stamp)
}

/// An id that nobody has.
pub(super) fn unknown_id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mix(number ^ 0xAB5E_0000).to_be_bytes());
    id[8..].copy_from_slice(&mix(number ^ 0xAB5E_1111_0000).to_be_bytes());
    id
}

pub(super) fn hex(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What lookups took, and which segments they opened where the answers tell it.
struct LookedUp {
    latency: Histogram,
    opened: Vec<f64>,
}

async fn look_up(connection: &mut Connection, ids: &[[u8; 16]], expected: u16) -> Result<LookedUp> {
    let mut looked_up = LookedUp { latency: Histogram::default(), opened: Vec::new() };
    for id in ids {
        let path = format!("/api/traces/{}", hex(id));
        let begin = Instant::now();
        let reply = connection.request("GET", &path, &[], Bytes::new()).await?;
        let taken: Duration = begin.elapsed();
        if reply.status != expected {
            bail!(
                "GET {path} was answered {} instead of {expected}: {}",
                reply.status,
                String::from_utf8_lossy(&reply.body).chars().take(200).collect::<String>()
            );
        }
        looked_up.latency.add(taken);
        looked_up.opened.extend(segments_opened(&reply.body));
    }
    Ok(looked_up)
}

async fn opened_by_search(connection: &mut Connection, ids: &[[u8; 16]]) -> Result<Vec<f64>> {
    let mut opened = Vec::new();
    for id in ids {
        let path = format!("/api/spans?q=trace:{}&limit=10000", hex(id));
        let reply = connection.request("GET", &path, &[], Bytes::new()).await?;
        opened.extend(segments_opened(&reply.body));
    }
    Ok(opened)
}

/// The number of segments that had to be opened, if an answer tells it.
fn segments_opened(body: &[u8]) -> Option<f64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let stats = answer.get("stats").or_else(|| answer.get("error")?.get("stats"))?;
    stats.get("segments_opened")?.as_f64()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_note_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_note(dir.path()).unwrap(), None);
        let filled = Filled { seed: u64::MAX, batch: 2, templates: 3, requests: 4, spans: 5 };
        fs::write(dir.path().join(NOTE), filled.to_json().to_string()).unwrap();
        assert_eq!(read_note(dir.path()).unwrap(), Some(filled));
        fs::write(dir.path().join(NOTE), "{}").unwrap();
        assert!(read_note(dir.path()).is_err());
    }

    #[test]
    fn what_was_not_filled_to_the_end_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        assert!(read_note(dir.path()).is_err());
    }

    #[test]
    fn stored_ids_are_sent_and_unknown_ones_are_not() {
        let filled = Filled { seed: 7, batch: 60, templates: 3, requests: 8, spans: 480 };
        let templates = filled.shape().build();
        let mut sent = HashSet::new();
        for number in 0..filled.requests {
            let template = &templates[number as usize % templates.len()];
            let mut body = Vec::new();
            template.stamp(&Stamp::new(filled.seed, number, number / 3, 1 << 60, 0), &mut body);
            sent.extend(body.windows(16).map(<[u8]>::to_vec));
        }
        for number in 0..50 {
            assert!(
                sent.contains(stored_id(filled.seed, filled.requests, &templates, number).as_slice()),
                "{number}"
            );
            assert!(!sent.contains(unknown_id(number).as_slice()), "{number}");
        }
    }

    #[test]
    fn statistics_of_answers() {
        let check = |body: &str, expected| assert_eq!(segments_opened(body.as_bytes()), expected, "{body}");
        check(r#"{"stats":{"segments_opened":2}}"#, Some(2.0));
        check(r#"{"error":{"code":"not_found","stats":{"segments_opened":0}}}"#, Some(0.0));
        check(r#"{"spans":[]}"#, None);
        check("", None);
    }
}
