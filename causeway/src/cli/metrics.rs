//! The command that asks in PromQL, and the features of the language.

use clap::{Args, ValueEnum};
use query::promql::{Feature, parse_duration};
use serde::Deserialize;

use super::{Connection, Times};
use crate::client::times;

/// How metrics are asked for.
pub(super) const METRICS_HELP: &str = "Examples:
  causeway metrics 'sum by (job) (rate(http_server_request_duration_seconds_count[5m]))' --since 1h
  causeway metrics up --at 2026-11-21T09:00:00Z
  causeway metrics 'rate(calls_total[5m])' --since 6h --step 1m --format csv
  causeway metrics calls_total --since 1h --exemplars

--since, --from, --to or --step ask over a range, which begins an hour before its end and ends now unless said. Else the
query is answered at one time. A chart has a line for each series, and where they are many a row for each.";

/// `metrics`.
#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {
    /// The query
    #[arg(value_name = "PROMQL")]
    pub(crate) query: String,
    /// The time to answer it at, written like --from [default: now]
    #[arg(
        long,
        value_name = "TIME",
        value_parser = times::from_now,
        allow_negative_numbers = true,
        conflicts_with_all = ["since", "from", "to", "step", "exemplars"]
    )]
    pub(crate) at: Option<i64>,
    /// The time between two points of a range, as `15s` or `1m`, or in seconds [default: about 250 points]
    #[arg(long, value_name = "TIME", value_parser = step, conflicts_with = "exemplars")]
    pub(crate) step: Option<i64>,
    /// List the exemplars of its series in the range: measurements with the trace they were made in
    #[arg(long)]
    pub(crate) exemplars: bool,
    /// Which times.
    #[command(flatten)]
    pub(crate) times: Times,
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection<MetricFormat>,
}

/// How answers in PromQL are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum MetricFormat {
    /// A range at a terminal as a chart, all else as a table
    #[default]
    Auto,
    /// Lines over time, as wide as the terminal
    Chart,
    /// A row for each sample
    Table,
    /// The answer of the API as it is
    Json,
    /// A series per line, as JSON
    Ndjson,
    /// A sample per line, with a header and a column for each label
    Csv,
}

/// A feature of PromQL under Prometheus' name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PromqlFeature {
    /// Functions and aggregations that may change
    PromqlExperimentalFunctions,
    /// Durations that are calculated: `[2 * 5m]`
    PromqlDurationExpr,
    /// Names of metrics that are kept until the end of a query
    PromqlDelayedNameRemoval,
    /// Types and units as labels `__type__` and `__unit__`
    TypeAndUnitLabels,
}

impl PromqlFeature {
    /// The feature as the language knows it.
    pub(crate) fn feature(self) -> Feature {
        match self {
            Self::PromqlExperimentalFunctions => Feature::ExperimentalFunctions,
            Self::PromqlDurationExpr => Feature::DurationExpressions,
            Self::PromqlDelayedNameRemoval => Feature::DelayedNameRemoval,
            Self::TypeAndUnitLabels => Feature::TypeAndUnitLabels,
        }
    }
}

/// A step in milliseconds.
fn step(text: &str) -> Result<i64, String> {
    let seconds = || text.parse::<f64>().ok().map(|seconds| (seconds * 1000.0) as i64);
    let ms = parse_duration(text).or_else(seconds).filter(|ms| *ms > 0);
    ms.ok_or_else(|| format!("`{text}` is not a step: write it as 15s, 1m or 0.5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_have_the_names_of_prometheus() {
        for feature in PromqlFeature::value_variants() {
            let value = feature.to_possible_value().unwrap();
            assert_eq!(value.get_name(), feature.feature().name());
        }
        assert_eq!(PromqlFeature::value_variants().len(), Feature::ALL.len());
    }

    #[test]
    fn steps() {
        for (text, ms) in [
            ("15s", Some(15_000)),
            ("1m30s", Some(90_000)),
            ("15", Some(15_000)),
            ("0.5", Some(500)),
            ("0", None),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(step(text).ok(), ms, "{text}");
        }
    }
}
