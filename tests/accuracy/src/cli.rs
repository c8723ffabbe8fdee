//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use demo::fault::Fault;

use crate::sample::Variant;

/// Measures how right the diagnosis is.
#[derive(Debug, Parser)]
#[command(name = "accuracy", version, about)]
pub(crate) struct Cli {
    /// What is measured.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Recorded faults with labels
    Sample(SampleArgs),
    /// The faults of the demo's shop, in simulated time
    Demo(DemoArgs),
}

/// `sample`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SampleArgs {
    /// The folder with cases.json
    #[arg(long, value_name = "DIR", env = "CAUSEWAY_SAMPLE")]
    pub(crate) sample: PathBuf,
    /// The program [default: `causeway` beside this one]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Asks in this way; may be repeated [default: exact]
    #[arg(long = "variant", value_name = "NAME", value_enum)]
    pub(crate) variants: Vec<Variant>,
    /// Asks in all ways
    #[arg(long, conflicts_with = "variants")]
    pub(crate) all: bool,
    /// Where the suspects of the exact question are written, for a scorer
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// The program [default: `causeway` beside this one]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// What all chance comes from: each fault with each seed
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    pub(crate) seeds: Vec<u64>,
    /// Only this fault; may be repeated
    #[arg(long = "fault", value_name = "NAME", value_delimiter = ',')]
    pub(crate) faults: Vec<Fault>,
    /// Healthy minutes before a fault
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1_440))]
    pub(crate) minutes: u32,
    /// How long a fault lasts, and a window that is asked for, in minutes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub(crate) lasting: u32,
    /// Requests of customers a second
    #[arg(long, default_value_t = 5.0)]
    pub(crate) rate: f64,
    /// Minutes of a shop without faults, for each seed
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(0..=10_080))]
    pub(crate) quiet: u32,
    /// All faults of a seed one after the other in one store, with healthy minutes between them
    #[arg(long)]
    pub(crate) together: bool,
    /// Looks at incidents that opened by themselves, too, ten healthy minutes after the last fault
    #[arg(long)]
    pub(crate) incidents: bool,
    /// Ends with status 1 if fewer first suspects are right in service and kind
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) right_min: usize,
    /// Ends with status 1 if more windows without a fault are answered with suspects
    #[arg(long, value_name = "N")]
    pub(crate) false_max: Option<usize>,
}
