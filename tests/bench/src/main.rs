//! Benchmarks of the program, one command each. Every one prints what it measured and asserts nothing:
//!
//! ```text
//! cargo run --release -p bench -- ingest --signal logs
//! ```
//!
//! The modules follow a run: the command line, the load, the clients that send it, the server it is sent to,
//! what is measured, and how that is printed. docs/performance.md has the figures.

#![forbid(unsafe_code)]

mod size;
mod cli;
mod load;
mod client;
mod drive;
mod server;
mod subject;
mod procfs;
mod stats;
mod progress;
mod table;
mod run;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use cli::{Cli, Command};
use table::Table;

/// The program's allocator, so that steps in this process take what they take there.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What a benchmark that could not be run ends with.
const FAILED: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match measured(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::say(&format!("{error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

fn measured(cli: &Cli) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let tables: Vec<Table> = runtime.block_on(async {
        match &cli.command {
            Command::Ingest(args) => Box::pin(run::ingest::run(args)).await,
            Command::Kept(args) => Box::pin(run::kept::run(args)).await,
            Command::Columns(args) => run::columns::run(args),
            Command::Steps(args) => Box::pin(run::steps::run(args)).await,
            Command::Commit(args) => Box::pin(run::commit::run(args)).await,
            Command::Trace(args) => Box::pin(run::trace::run(args)).await,
            Command::Query(args) => Box::pin(run::query::run(args)).await,
            Command::Restart(args) => Box::pin(run::restart::run(args)).await,
            Command::Overload(args) => Box::pin(run::overload::run(args)).await,
            Command::Protect(args) => Box::pin(run::protect::run(args)).await,
            Command::Metrics(args) => Box::pin(run::metrics::run(args)).await,
        }
    })?;
    table::print(&tables, &procfs::machine(), cli.format).context("cannot print")
}
