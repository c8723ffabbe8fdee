//! The commands that write and read files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Connection, Times};

/// What is exported.
pub(crate) const EXPORT_HELP: &str = "Examples:
  causeway export 6eba35e07432f79d1fcc9634a43be368 --html --output checkout.html
  causeway export status:error service:checkout --since 1h --output failed.otlp.jsonl
  causeway export 'severity>=error' --signal logs --limit 100000 > errors.otlp.jsonl

Files hold OTLP in JSON, a document per line, as OpenTelemetry's file exporter writes it. A trace comes whole, with its logs.";

/// What is imported.
pub(crate) const IMPORT_HELP: &str = "Examples:
  causeway import checkout.html
  causeway import telemetry/ more.otlp.jsonl.gz
  zcat spans.json.gz | causeway import -

Taken are OTLP's JSON (a document, or one per line), plain or compressed with gzip or zstd, traces that `causeway export
--html` wrote, and folders of them. What is stored already is not stored again if it comes as it came before.";

/// What `export` looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Exported {
    /// Traces with a span that matches, whole, with their logs
    #[default]
    Traces,
    /// Spans that match
    Spans,
    /// Logs that match
    Logs,
}

/// `export`.
#[derive(Debug, Args)]
#[command(mut_arg("format", |format| format.hide(true)))]
pub(crate) struct ExportArgs {
    /// A trace id, or what to find, as `service:checkout status:error`; all if absent
    #[arg(value_name = "QUERY")]
    pub(crate) query: Vec<String>,
    /// What is found and written
    #[arg(long, value_enum, value_name = "WHAT", default_value_t)]
    pub(crate) signal: Exported,
    /// Write the trace of that id as an HTML file that opens offline
    #[arg(long, conflicts_with_all = ["signal", "limit", "since", "from", "to"])]
    pub(crate) html: bool,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The most traces, spans or logs
    #[arg(long, value_name = "ROWS", default_value_t = query::LIMIT_DEFAULT as u64, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// Which times.
    #[command(flatten)]
    pub(crate) times: Times,
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Files and folders; `-` is standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Where to send it, and how to show what came of it.
    #[command(flatten)]
    pub(crate) connection: Connection,
}
