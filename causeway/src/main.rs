//! The program: one binary that receives, keeps, answers and asks.
//!
//! `serve` wires the rooms together ([`serve`]), and [`demo`] lets a shop send to it; the commands that ask are clients of the query API
//! ([`client`]), over HTTP or, with `--data`, in this process ([`offline`]). [`dashboards`] imports files; [`generate`] makes
//! shell completions and man pages.

mod cli;
mod memory;
mod config;
mod sink;
mod guard;
mod places;
mod listen;
mod serve;
mod demo;
mod offline;
mod client;
mod dashboards;
mod generate;

use std::process::ExitCode;

use clap::Parser;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().command {
        cli::Command::Serve(args) => serve::run(args),
        cli::Command::Demo(args) => demo::run(&args),
        cli::Command::Dashboards(args) => dashboards::run(&args),
        cli::Command::Client(command) => client::run(&command),
        cli::Command::Completions(args) => generate::completions(&args),
        cli::Command::Man(args) => generate::man(&args),
    }
}
