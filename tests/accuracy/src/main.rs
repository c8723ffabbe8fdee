//! How right the diagnosis is, measured on faults whose cause is known:
//!
//! ```text
//! cargo run --release -p accuracy -- sample --sample DIR
//! cargo run --release -p accuracy -- demo --seeds 1,2,3
//! ```
//!
//! Each command starts the program on a directory of its own, sends telemetry over OTLP, asks for a window of time and
//! nothing else, and prints Markdown tables of what the answers were worth. docs/accuracy.md has the figures.
//!
//! Terms. A *case* is a recorded fault with its label. A *target* is what exactly is wrong: a resource, or the two events
//! between which a defect lies. A case is *named* where its target can be named from what is stored: a code fault in a
//! window without logs cannot.

#![forbid(unsafe_code)]

mod cli;
mod subject;
mod told;
mod score;
mod table;
mod sample;
mod shop;

use std::process::ExitCode;

use ::tests::harness::announce;
use anyhow::{Context, Result};
use clap::Parser;

use cli::{Cli, Command};

/// What a measurement that could not be made ends with, and one that found less than was demanded.
const FAILED: u8 = 3;
const TOO_FEW: u8 = 1;

fn main() -> ExitCode {
    match measured(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(TOO_FEW),
        Err(error) => {
            announce(&format!("accuracy: {error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

/// Measures and prints; whether it was as good as was demanded.
fn measured(cli: &Cli) -> Result<bool> {
    let (tables, is_good) = match &cli.command {
        Command::Sample(args) => (sample::run(args)?, true),
        Command::Demo(args) => shop::run(args)?,
    };
    table::print(&tables).context("cannot print")?;
    Ok(is_good)
}
