//! The command line: every command, flag and environment variable, as they are read. What they do is in the
//! modules named after them; what a configuration file adds to `serve` is in the configuration.
//!
//! - `dashboards`: the commands for dashboards
//! - `diagnosis`: the commands that say what is wrong, and what was changed
//! - `files`: the commands that write and read files
//! - `metrics`: the command that asks in PromQL

mod dashboards;
mod diagnosis;
mod files;
mod metrics;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::client::times;
pub(crate) use dashboards::{DashboardsArgs, DashboardsCommand, ImportDashboardArgs};
pub(crate) use diagnosis::{ChangesArgs, IncidentsArgs, MarkArgs, WhyArgs};
pub(crate) use files::{ExportArgs, Exported, ImportArgs};
pub(crate) use metrics::{MetricFormat, MetricsArgs, PromqlFeature};

/// What every exit code says.
const EXIT_CODES: &str = "Exit codes:
  0  found, done
  1  a search found nothing, nothing is wrong, or there is not enough to tell
  2  bad usage, or a question that is wrong
  3  the server or the data could not answer
  130  Ctrl-C came before the end";

/// How search text is read.
const QUERY_HELP: &str = "Examples:
  causeway logs 'service:checkout severity>=warn \"connection refused\"' --since 15m
  causeway spans status:error 'duration>500ms' --from 2026-11-21T09:00:00Z --to now
  causeway traces http.route:/cart --format ndjson --limit 50000

Several words are joined by blanks; quote what the shell would read itself: \" < > ( ) * !";

/// How templates are shown.
const TEMPLATES_HELP: &str = "Examples:
  causeway templates service:checkout --since 1h
  causeway templates 'severity>=error' --limit 20 --format ndjson
  causeway templates --stdin < application.log > clusters.csv

TREND counts logs in equal parts of the time. STATE: `new` if first seen in this time, `gone` if not seen in its last
part. --stdin writes the header line,cluster,template and a row for each line, lines counted from 1.";

/// How one service is shown.
const SERVICES_HELP: &str = "Examples:
  causeway services --since 1h
  causeway services checkout --namespace shop --environment production --since 15m
  causeway services checkout --format csv

EDGES are whom the service calls and who calls it, databases, queues and outside hosts among them. With --format ndjson or
csv the field `row` says what a row is: operation, edge, instance or point, a stretch of the series.";

/// What a tail does and does not.
const TAIL_HELP: &str = "Rows are shown once they are durable. A lost connection is opened again, and
rows that came meanwhile are shown first. Rows that come faster than they can be shown are left out and counted.";

/// What the demo does.
const DEMO_HELP: &str = "Examples:
  causeway demo
  causeway demo --fault slow-query --after 2m --for 5m
  causeway demo --list

Where no one listens for OTLP over HTTP, it starts a server in this process. Ctrl-C ends both.";

/// Logs, traces and metrics over OTLP, and the cause of a fault.
#[derive(Debug, Parser)]
#[command(name = "causeway", version, about, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Receive, keep and answer: the whole program in one process
    Serve(ServeArgs),
    /// Commands that ask.
    #[command(flatten)]
    Client(Client),
    /// Run a small shop of instrumented services that can break, and a server if none runs
    #[command(after_help = DEMO_HELP)]
    Demo(DemoArgs),
    /// Make dashboards of those of Grafana
    Dashboards(DashboardsArgs),
    /// Write the completions of a shell to standard output
    Completions(CompletionsArgs),
    /// Write the man page to standard output, or all pages into a directory
    Man(ManArgs),
}

/// Commands that ask a server, or a data directory.
#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Find log records, newest first
    #[command(after_help = QUERY_HELP)]
    Logs(SearchArgs),
    /// Find spans, newest first
    #[command(after_help = QUERY_HELP)]
    Spans(SearchArgs),
    /// Find traces with a span that matches, newest first
    #[command(after_help = QUERY_HELP)]
    Traces(SearchArgs),
    /// Show a trace as a waterfall, with its logs and events at their time
    Trace(TraceArgs),
    /// List services by rate, errors and duration; with a name, show one: operations, edges, instances and series
    #[command(after_help = SERVICES_HELP)]
    Services(ServicesArgs),
    /// List what logs say: their templates, most frequent first
    #[command(after_help = TEMPLATES_HELP)]
    Templates(TemplatesArgs),
    /// Follow logs or spans as they arrive, until Ctrl-C
    #[command(after_help = TAIL_HELP)]
    Tail(TailArgs),
    /// Ask in PromQL: a table at one time, a chart over a range
    #[command(after_help = metrics::METRICS_HELP)]
    Metrics(MetricsArgs),
    /// Ask in SQL over the tables spans, logs, metrics and traces; at a terminal without a statement, a prompt
    Sql(SqlArgs),
    /// Say what is wrong, where and why: a window of time compared with its past
    #[command(after_help = diagnosis::WHY_HELP)]
    Why(WhyArgs),
    /// List incidents, newest first; with an id, show one with its timeline
    #[command(after_help = diagnosis::INCIDENTS_HELP)]
    Incidents(IncidentsArgs),
    /// Write down what was changed on purpose, so that a diagnosis knows of it
    #[command(after_help = diagnosis::MARK_HELP)]
    Mark(MarkArgs),
    /// List what was changed: marks, new versions, restarts; newest first
    Changes(ChangesArgs),
    /// Write traces, spans or logs as OTLP files, or one trace as an HTML file that opens offline
    #[command(after_help = files::EXPORT_HELP)]
    Export(ExportArgs),
    /// Store what OTLP files and exported traces hold
    #[command(after_help = files::IMPORT_HELP)]
    Import(ImportArgs),
    /// Merge and index all that is stored, and return when nothing is left to do
    Compact(CompactArgs),
}

impl Client {
    /// Where the command asks.
    pub(crate) fn asked(&self) -> Asked<'_> {
        match self {
            Self::Logs(args) | Self::Spans(args) | Self::Traces(args) => args.connection.asked(),
            Self::Trace(args) => args.connection.asked(),
            Self::Templates(args) => args.search.connection.asked(),
            Self::Services(args) => args.connection.asked(),
            Self::Tail(args) => args.connection.asked(),
            Self::Metrics(args) => args.connection.asked(),
            Self::Sql(args) => args.connection.asked(),
            Self::Why(args) => args.connection.asked(),
            Self::Incidents(args) => args.connection.asked(),
            Self::Mark(args) => args.connection.asked(),
            Self::Changes(args) => args.connection.asked(),
            Self::Export(args) => args.connection.asked(),
            Self::Import(args) => args.connection.asked(),
            Self::Compact(args) => args.connection.asked(),
        }
    }
}

/// The settings of `serve`. One that is absent comes from the configuration file, else from the defaults.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServeArgs {
    /// Where everything is kept [default: ./causeway-data]
    #[arg(long, env = "CAUSEWAY_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where the page and the query APIs listen [default: 127.0.0.1:4319]
    #[arg(long, env = "CAUSEWAY_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where OTLP over gRPC listens [default: 127.0.0.1:4317]
    #[arg(long, env = "CAUSEWAY_OTLP_GRPC", value_name = "ADDR")]
    pub(crate) otlp_grpc: Option<String>,
    /// Where OTLP over HTTP listens [default: 127.0.0.1:4318]
    #[arg(long, env = "CAUSEWAY_OTLP_HTTP", value_name = "ADDR")]
    pub(crate) otlp_http: Option<String>,
    /// The most memory to use, as 512MB or 2GiB; in a container three quarters of its limit at most [default: a
    /// quarter of the control group's limit, else of the machine]
    #[arg(long, env = "CAUSEWAY_MEMORY", value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// For how long after their arrival records are kept, as 12h, 30d or 1y [default: for ever]
    #[arg(long, env = "CAUSEWAY_RETENTION", value_name = "AGE")]
    pub(crate) retention: Option<Age>,
    /// How many bytes of segments are kept, as 100GiB; what arrived first goes first [default: any number]
    #[arg(long, env = "CAUSEWAY_RETENTION_SIZE", value_name = "SIZE")]
    pub(crate) retention_size: Option<ByteSize>,
    /// How far questions step back where telemetry wants the processors too, from 0, not at all, to 19 [default: 15]
    #[arg(long, env = "CAUSEWAY_QUERY_NICE", value_name = "NICE", value_parser = clap::value_parser!(u8).range(0..=19))]
    pub(crate) query_nice: Option<u8>,
    /// Features of PromQL that are on, with commas between them [default: promql-experimental-functions,promql-duration-expr]
    #[arg(long, env = "CAUSEWAY_PROMQL_FEATURES", value_enum, value_name = "NAME", value_delimiter = ',')]
    pub(crate) promql_features: Option<Vec<PromqlFeature>>,
    /// A folder of dashboards as files of TOML or JSON [default: dashboards, in the data directory]
    #[arg(long, env = "CAUSEWAY_DASHBOARDS", value_name = "DIR")]
    pub(crate) dashboards: Option<PathBuf>,
    /// A configuration file
    #[arg(long, env = "CAUSEWAY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// `demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// List the faults with what each does and what a diagnosis should say, and end
    #[arg(long)]
    pub(crate) list: bool,
    /// What breaks; nothing unless said
    #[arg(long, value_name = "NAME")]
    pub(crate) fault: Option<demo::fault::Fault>,
    /// When it breaks, after the start
    #[arg(long, value_name = "TIME", value_parser = short_time, default_value = "4m", requires = "fault")]
    pub(crate) after: Duration,
    /// For how long it is broken [default: until the end]
    #[arg(long = "for", value_name = "TIME", value_parser = short_time, requires = "fault")]
    pub(crate) lasts: Option<Duration>,
    /// How many requests of customers there are a second
    #[arg(long, value_name = "N/s", value_parser = rate, default_value = "10/s")]
    pub(crate) rate: f64,
    /// Send telemetry to this endpoint of OTLP over HTTP, as http://127.0.0.1:4318, and start no server
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "listen", "otlp_grpc", "otlp_http"])]
    pub(crate) url: Option<String>,
    /// Where a server of its own keeps everything
    #[arg(long, value_name = "DIR", default_value = "./causeway-demo")]
    pub(crate) data: PathBuf,
    /// Where the page of a server of its own listens [default: 127.0.0.1:4319]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where its OTLP over gRPC listens [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDR")]
    pub(crate) otlp_grpc: Option<String>,
    /// Where its OTLP over HTTP listens; a server that is there already is used [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDR")]
    pub(crate) otlp_http: Option<String>,
}

/// `logs`, `spans` and `traces`.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// What to find, as `service:checkout status:error duration>500ms`; all if absent
    #[arg(value_name = "QUERY")]
    pub(crate) query: Vec<String>,
    /// The most rows
    #[arg(long, value_name = "ROWS", default_value_t = query::LIMIT_DEFAULT as u64, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// Go on after the rows of an earlier answer, with the same search and times
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
    /// Which times.
    #[command(flatten)]
    pub(crate) times: Times,
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// `templates`.
#[derive(Debug, Args)]
pub(crate) struct TemplatesArgs {
    /// Which logs, and where to ask.
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    /// Read lines of any text from standard input, and write as CSV which cluster each is of; asks no server
    #[arg(long, conflicts_with_all = ["query", "since", "from", "to", "limit", "data", "format"])]
    pub(crate) stdin: bool,
}

/// `trace`.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The trace id: 32 hexadecimal digits
    #[arg(value_name = "ID", value_parser = trace_id)]
    pub(crate) id: String,
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// `services`.
#[derive(Debug, Args)]
pub(crate) struct ServicesArgs {
    /// The service to show; all are listed if absent
    #[arg(value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,
    /// Of services of that name the one of this namespace
    #[arg(long, value_name = "NAMESPACE", requires = "name")]
    pub(crate) namespace: Option<String>,
    /// Of services of that name the one of this environment
    #[arg(long, value_name = "ENVIRONMENT", requires = "name")]
    pub(crate) environment: Option<String>,
    /// Which times.
    #[command(flatten)]
    pub(crate) times: Times,
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// `sql`.
#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// The statement. If absent, statements that end with `;` are typed at a prompt, or read from standard input
    /// where that is no terminal or this is `-`
    #[arg(value_name = "SQL")]
    pub(crate) sql: Option<String>,
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// `tail`.
#[derive(Debug, Args)]
// Nothing is written to a directory that is read; and what has no end is no whole JSON.
#[command(mut_arg("data", |data| data.hide(true)))]
#[command(mut_arg("format", |format| format.hide_possible_values(true).help("How to write rows: table, ndjson or csv")))]
pub(crate) struct TailArgs {
    /// What to show, as `service:checkout severity>=warn`; all if absent
    #[arg(value_name = "QUERY")]
    pub(crate) query: Vec<String>,
    /// Follow spans instead of logs
    #[arg(long)]
    pub(crate) spans: bool,
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where to write a page for the program and one for each command
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `compact`.
#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    /// Where to ask.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Which times: both ends open unless said.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Times {
    /// From so long ago until now, as `15m`, `2h`, `3d`; or from a time, as --from
    #[arg(long, value_name = "AGO", value_parser = times::since_now, conflicts_with = "from")]
    pub(crate) since: Option<i64>,
    /// The first time: RFC 3339, `now-15m`, or Unix time
    #[arg(long, value_name = "TIME", value_parser = times::from_now, allow_negative_numbers = true)]
    pub(crate) from: Option<i64>,
    /// The time to stop before, written like --from
    #[arg(long, value_name = "TIME", value_parser = times::from_now, allow_negative_numbers = true)]
    pub(crate) to: Option<i64>,
}

impl Times {
    /// The ends that were said, as parameters of the API. They are resolved here and sent whole, so that
    /// every page of one answer has the same range.
    pub(crate) fn params(&self) -> Vec<(&'static str, String)> {
        let from = self.since.or(self.from).map(|time| ("from", times::rfc3339(time)));
        let to = self.to.map(|time| ("to", times::rfc3339(time)));
        from.into_iter().chain(to).collect()
    }
}

/// Where to ask, and in which of the forms `F` to show the answer.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection<F: ValueEnum + Default + Clone + Send + Sync + 'static = Format> {
    /// The server
    #[arg(long, env = "CAUSEWAY_URL", value_name = "URL", default_value = "http://127.0.0.1:4319")]
    pub(crate) url: String,
    /// Read this data directory instead of asking a server
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Sent as `Authorization: Bearer`
    #[arg(long, env = "CAUSEWAY_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// How to write the answer
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: F,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) color: Color,
}

impl<F: ValueEnum + Default + Clone + Send + Sync> Connection<F> {
    /// Where to ask.
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked { url: &self.url, data: self.data.as_deref(), token: self.token.as_deref(), color: self.color }
    }
}

/// Where a command asks, however it shows the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The server.
    pub(crate) url: &'a str,
    /// A data directory to read instead.
    pub(crate) data: Option<&'a Path>,
    /// What the server is shown.
    pub(crate) token: Option<&'a str>,
    /// When messages have colours.
    pub(crate) color: Color,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For reading, cut to the width of the terminal
    #[default]
    Table,
    /// The answer of the API as it is
    Json,
    /// A row per line, as JSON
    Ndjson,
    /// A row per line, with a header; nested values as JSON text
    Csv,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// A size in bytes, written as `512MB`, `512MiB`, `2GiB` or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ByteSize(pub(crate) u64);

/// The units of a [`ByteSize`], longest first where one ends in another.
const UNITS: [(&str, u64); 9] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let unit = UNITS.iter().find_map(|(name, bytes)| Some((lower.strip_suffix(name)?, *bytes)));
        let (number, bytes) = unit.unwrap_or((&lower, 1));
        let wrong = || format!("`{text}` is not a size: write it as 512MB, 512MiB or 2GiB");
        let number: u64 = number.trim_end().parse().map_err(|_| wrong())?;
        number.checked_mul(bytes).map(Self).ok_or_else(wrong)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A length of time, written as `12h`, `30d`, `8w` or `1y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Age(pub(crate) Duration);

/// The units of an [`Age`] in seconds. A year has 365 days.
const AGE_UNITS: [(char, u64); 5] =
    [('m', 60), ('h', 3_600), ('d', 86_400), ('w', 7 * 86_400), ('y', 365 * 86_400)];

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an age: write it as 12h, 30d or 1y");
        let trimmed = text.trim();
        let unit =
            AGE_UNITS.iter().find_map(|(name, seconds)| Some((trimmed.strip_suffix(*name)?, *seconds)));
        let (number, seconds) = unit.ok_or_else(wrong)?;
        let number: u64 = number.trim_end().parse().map_err(|_| wrong())?;
        match number.checked_mul(seconds) {
            Some(0) | None => Err(wrong()),
            Some(seconds) => Ok(Self(Duration::from_secs(seconds))),
        }
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A time of seconds, minutes or hours.
fn short_time(text: &str) -> Result<Duration, String> {
    /// The longest, in seconds.
    const SECONDS_MAX: u64 = 7 * 86_400;
    let wrong = || format!("`{text}` is not a time up to seven days: write it as 90s, 5m or 2h");
    let units = [('s', 1), ('m', 60), ('h', 3_600)];
    let unit = units.iter().find_map(|(name, seconds)| Some((text.strip_suffix(*name)?, *seconds)));
    let (number, seconds) = unit.ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(seconds).filter(|seconds| *seconds <= SECONDS_MAX);
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// A rate a second.
fn rate(text: &str) -> Result<f64, String> {
    /// The highest: services and server share the machine.
    const RATE_MAX: f64 = 200.0;
    let number = text.strip_suffix("/s").unwrap_or(text).parse().ok();
    let rate = number.filter(|rate: &f64| *rate > 0.0 && *rate <= RATE_MAX);
    rate.ok_or_else(|| format!("`{text}` is not a rate above 0 and up to {RATE_MAX}: write it as 10/s"))
}

/// A trace id in lower case.
fn trace_id(text: &str) -> Result<String, String> {
    /// Hexadecimal digits of a trace id.
    const DIGITS: usize = 32;
    if text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("a trace id has {DIGITS} hexadecimal digits"))
}

#[cfg(test)]
mod tests;
