//! The commands that say what is wrong, and those that say what was changed.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use super::{Connection, Times};
use crate::client::times;

/// How `why` is asked.
pub(super) const WHY_HELP: &str = "Examples:
  causeway why
  causeway why --since 15m --service checkout
  causeway why --from 2026-11-21T09:00:00Z --to 2026-11-21T09:05:00Z --format json

Without times the window is the newest quarter of an hour that has spans; --from or --to alone begins or ends a quarter of
an hour; --since lasts until now. What it is compared with is chosen among all that is stored, unless --baseline-from and
--baseline-to say it.";

/// How incidents are listed.
pub(super) const INCIDENTS_HELP: &str = "Examples:
  causeway incidents --open
  causeway incidents --since 1d --format csv

Times say when an incident began.";

/// How a mark is made.
pub(super) const MARK_HELP: &str = "Examples:
  causeway mark deploy --service checkout --version 2.4.0
  causeway mark flag --service cart --environment production new-prices is on
  causeway mark config --service orders --time 2026-11-21T09:00:00Z 'pool of 5 connections'";

/// `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// Only traces that have spans of this service
    #[arg(long, value_name = "SERVICE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) service: Option<String>,
    /// Compare with the time from here on, whatever it was like; written like --from
    #[arg(
        long,
        value_name = "TIME",
        value_parser = times::from_now,
        allow_negative_numbers = true,
        requires = "baseline_to"
    )]
    pub(crate) baseline_from: Option<i64>,
    /// Where the time to compare with ends
    #[arg(
        long,
        value_name = "TIME",
        value_parser = times::from_now,
        allow_negative_numbers = true,
        requires = "baseline_from"
    )]
    pub(crate) baseline_to: Option<i64>,
    /// Which window.
    #[command(flatten)]
    pub(crate) times: Times,
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// `incidents`.
#[derive(Debug, Args)]
pub(crate) struct IncidentsArgs {
    /// The incident to show; all are listed if absent
    #[arg(
        value_name = "ID",
        value_parser = NonEmptyStringValueParser::new(),
        conflicts_with_all = ["open", "since", "from", "to"]
    )]
    pub(crate) id: Option<String>,
    /// Only those that have not ended
    #[arg(long)]
    pub(crate) open: bool,
    /// When they began.
    #[command(flatten)]
    pub(crate) times: Times,
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// What people change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MarkKind {
    /// Another version
    Deploy,
    /// Another configuration
    Config,
    /// A flag
    Flag,
    /// More instances, or fewer
    Scale,
}

impl MarkKind {
    /// As the API writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Config => "config",
            Self::Flag => "flag",
            Self::Scale => "scale",
        }
    }
}

/// `mark`.
#[derive(Debug, Args)]
pub(crate) struct MarkArgs {
    /// What was changed
    #[arg(value_enum)]
    pub(crate) kind: MarkKind,
    /// More about it, in your words
    #[arg(value_name = "TEXT")]
    pub(crate) text: Vec<String>,
    /// The service that was changed
    #[arg(long, value_name = "SERVICE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) service: String,
    /// The version that it has now
    #[arg(long = "version", value_name = "VERSION", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) to_version: Option<String>,
    /// Of services of that name the one of this namespace
    #[arg(long, value_name = "NAMESPACE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) namespace: Option<String>,
    /// Of services of that name the one of this environment
    #[arg(long, value_name = "ENVIRONMENT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) environment: Option<String>,
    /// When; written like --from of other commands [default: now]
    #[arg(long, value_name = "TIME", value_parser = times::from_now, allow_negative_numbers = true)]
    pub(crate) time: Option<i64>,
    /// Where to write it down; a data directory is opened for writing.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// `changes`.
#[derive(Debug, Args)]
pub(crate) struct ChangesArgs {
    /// When they were made.
    #[command(flatten)]
    pub(crate) times: Times,
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection,
}
