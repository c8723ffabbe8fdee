//! What the questions are about: the data directory, filled once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cli::QueryArgs;
use crate::client::{Protocol, Target};
use crate::drive::{self, Clock, Load, Refused, Until};
use crate::load::{Shape, Signal, Template};
use crate::server::Server;

/// What was filled in, beside the data: ids follow from it.
const NOTE: &str = "bench-query.json";
/// Nanoseconds in an hour.
const HOUR: u64 = 3_600_000_000_000;

/// What the data directory was filled with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Filled {
    pub(super) seed: u64,
    pub(super) batch: u64,
    pub(super) templates: u64,
    /// Requests with spans.
    pub(super) requests: u64,
    pub(super) spans: u64,
    pub(super) logs: u64,
}

impl Filled {
    /// The shape of its requests.
    pub(super) fn shape(&self, signal: Signal) -> Shape {
        Shape {
            signal,
            form: Protocol::HttpProtobuf.form(),
            batch: self.batch as usize,
            templates: self.templates as usize,
            series: 0,
            seed: self.seed,
        }
    }

    fn to_json(self) -> Value {
        let Self { seed, batch, templates, requests, spans, logs } = self;
        json!({ "seed": seed, "batch": batch, "templates": templates, "requests": requests,
            "spans": spans, "logs": logs })
    }

    fn from_json(json: &Value) -> Option<Self> {
        let number = |name: &str| json[name].as_u64();
        Some(Self {
            seed: number("seed")?,
            batch: number("batch")?,
            templates: number("templates")?,
            requests: number("requests")?,
            spans: number("spans")?,
            logs: number("logs")?,
        })
    }

    /// Notes it beside the data, once they are all there.
    pub(super) fn write_note(self, root: &Path) -> Result<()> {
        fs::write(root.join(NOTE), self.to_json().to_string()).context("cannot note what was filled in")
    }
}

/// What the note in a directory says; none if the directory is to be filled.
pub(super) fn read_note(root: &Path, items: u64) -> Result<Option<Filled>> {
    let path = root.join(NOTE);
    if !path.exists() {
        if root.join("data").exists() {
            bail!("{} has data that were not filled in to the end: name another directory", root.display());
        }
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let filled = serde_json::from_str(&text).ok().and_then(|json| Filled::from_json(&json));
    let filled = filled.with_context(|| format!("{} does not say what was filled in", path.display()))?;
    if filled.spans.min(filled.logs) < items {
        bail!(
            "{} was filled with {} spans and {} logs, not with {items} of each: name another directory",
            root.display(),
            filled.spans,
            filled.logs
        );
    }
    Ok(Some(filled))
}

/// Sends spans, and then logs of the same traces at the same times.
pub(super) async fn fill(args: &QueryArgs, server: &Server) -> Result<Filled> {
    let mut filled = Filled {
        seed: args.load.seed,
        batch: u64::from(args.load.batch),
        templates: u64::from(args.load.templates),
        requests: 0,
        spans: 0,
        logs: 0,
    };
    let span = args.hours * HOUR;
    let begin = drive::unix_nanos().saturating_sub(span);
    let templates = [Signal::Spans, Signal::Logs].map(|signal| filled.shape(signal).build());
    // A request with logs is about the traces of the request with spans that has its number, so both go by one clock.
    let requests = templates.iter().map(|templates| requests(templates, args.items)).max().unwrap_or(1);
    for (signal, templates) in [Signal::Spans, Signal::Logs].into_iter().zip(templates) {
        let protocol = Protocol::HttpProtobuf;
        let load = Load {
            name: format!("filling in {}", signal.name()),
            target: Target::new(&server.otlp_http, None, signal, protocol, args.load.compression),
            templates: templates.into(),
            seed: args.load.seed,
            clock: Clock::Steps { begin, step: span / requests.max(1) },
            connections: args.connections as usize,
            until: Until::Records(args.items),
            pace: None,
            refused: Refused::SendAgain,
            patience: None,
        };
        let outcome = drive::run(load).await?;
        match signal {
            Signal::Spans => (filled.requests, filled.spans) = (outcome.requests, outcome.accepted),
            _ => filled.logs = outcome.accepted,
        }
    }
    Ok(filled)
}

/// How many requests carry so many records.
fn requests(templates: &[Template], items: u64) -> u64 {
    let records = templates.iter().map(|template| template.records).sum::<u64>();
    (items * templates.len() as u64).div_ceil(records.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_note(dir.path(), 1).unwrap(), None);
        let filled = Filled { seed: u64::MAX, batch: 2, templates: 3, requests: 4, spans: 6, logs: 5 };
        filled.write_note(dir.path()).unwrap();
        assert_eq!(read_note(dir.path(), 5).unwrap(), Some(filled));
        assert!(read_note(dir.path(), 6).is_err());
        fs::write(dir.path().join(NOTE), "{}").unwrap();
        assert!(read_note(dir.path(), 1).is_err());
    }

    #[test]
    fn what_was_not_filled_to_the_end_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        assert!(read_note(dir.path(), 1).is_err());
    }

    #[test]
    fn requests_are_enough_for_all_records() {
        let filled = Filled { seed: 3, batch: 40, templates: 2, requests: 0, spans: 0, logs: 0 };
        for (items, expected) in [(1, 1), (40, 1), (41, 2), (400, 10)] {
            assert_eq!(requests(&filled.shape(Signal::Logs).build(), items), expected, "{items}");
        }
    }
}
