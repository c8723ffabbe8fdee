//! The commands for dashboards.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What an import does.
const IMPORT_HELP: &str = "Examples:
  causeway dashboards import node-exporter.json > causeway-data/dashboards/nodes.toml
  causeway dashboards import node-exporter.json --output causeway-data/dashboards/nodes.toml

Taken are panels that ask in PromQL, with their variables. What is left out is said on standard error, panel by panel.";

/// `dashboards`.
#[derive(Debug, Args)]
pub(crate) struct DashboardsArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: DashboardsCommand,
}

/// What can be done with dashboards.
#[derive(Debug, Subcommand)]
pub(crate) enum DashboardsCommand {
    /// Write a dashboard that Grafana exported as one of Causeway
    #[command(after_help = IMPORT_HELP)]
    Import(ImportDashboardArgs),
}

/// `dashboards import`.
#[derive(Debug, Args)]
pub(crate) struct ImportDashboardArgs {
    /// The file that Grafana exported, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where to write, which may not exist yet [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
