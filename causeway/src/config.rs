//! The configuration of `serve`: flag over environment over file over default, checked before anything starts.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use collector::Token;
use model::TenantName;
use query::promql::Options;
use serde::Deserialize;
use storage::Retention;

use crate::cli::{Age, ByteSize, PromqlFeature, ServeArgs};
use crate::memory;

const DATA: &str = "causeway-data";
/// The folder of dashboards in that of the data, unless configured.
pub(crate) const DASHBOARDS: &str = "dashboards";
/// Where the page listens unless configured.
pub(crate) const LISTEN: &str = "127.0.0.1:4319";
const OTLP_GRPC: &str = "127.0.0.1:4317";
/// Where OTLP over HTTP listens unless configured.
pub(crate) const OTLP_HTTP: &str = "127.0.0.1:4318";
/// The part of the memory there is that is used unless configured: one by this.
const MEMORY_SHARE: u64 = 4;
/// The least memory to work with, in bytes.
const MEMORY_BYTES_MIN: u64 = 64 << 20;

/// Everything `serve` is told.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where everything is kept.
    pub(crate) data: PathBuf,
    /// Where the page and the query APIs listen.
    pub(crate) listen: String,
    /// Where OTLP over gRPC listens.
    pub(crate) otlp_grpc: String,
    /// Where OTLP over HTTP listens.
    pub(crate) otlp_http: String,
    /// The memory budget in bytes.
    pub(crate) memory_bytes: usize,
    /// What is removed when it is too old, or too much.
    pub(crate) retention: Retention,
    /// How far questions step back for telemetry, as a nice value.
    pub(crate) query_nice: u8,
    /// How PromQL is read.
    pub(crate) promql: Options,
    /// Names under which browsers may ask for the page.
    pub(crate) hosts: Vec<String>,
    /// Where dashboards are.
    pub(crate) dashboards: PathBuf,
    /// The receivers.
    pub(crate) collector: collector::Config,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<String>,
    otlp_grpc: Option<String>,
    otlp_http: Option<String>,
    memory: Option<ByteSize>,
    retention: Option<Age>,
    retention_size: Option<ByteSize>,
    query_nice: Option<u8>,
    promql_features: Option<Vec<PromqlFeature>>,
    dashboards: Option<PathBuf>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    otlp: Otlp,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default, rename = "token")]
    tokens: Vec<FileToken>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Otlp {
    request_bytes_max: Option<usize>,
    #[serde(default)]
    cors_origins: Vec<String>,
    #[serde(default)]
    trust_tenant_header: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metrics {
    series_per_metric_max: Option<usize>,
    series_max: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileToken {
    name: String,
    sha256: String,
    tenant: Option<String>,
    #[serde(default)]
    write: bool,
    #[serde(default)]
    read: bool,
}

impl Config {
    /// Puts flags, environment and file together.
    pub(crate) fn load(args: ServeArgs) -> anyhow::Result<Self> {
        let Some(path) = args.config.clone() else { return Self::merge(args, File::default()) };
        let file = read(&path)?;
        Self::merge(args, file).with_context(|| format!("{} is no configuration", path.display()))
    }

    fn merge(args: ServeArgs, file: File) -> anyhow::Result<Self> {
        let mut collector = collector::Config {
            trust_tenant_header: file.otlp.trust_tenant_header,
            cors_origins: file.otlp.cors_origins,
            tokens: file.tokens.into_iter().map(token).collect::<anyhow::Result<_>>()?,
            ..collector::Config::default()
        };
        collector.request_bytes_max = file.otlp.request_bytes_max.unwrap_or(collector.request_bytes_max);
        let Metrics { series_per_metric_max, series_max } = file.metrics;
        collector.series_per_metric_max = series_per_metric_max.unwrap_or(collector.series_per_metric_max);
        collector.series_max = series_max.unwrap_or(collector.series_max);
        collector.check()?;
        let memory = args.memory.or(file.memory);
        let memory = memory.map_or_else(|| memory::available() / MEMORY_SHARE, |size| size.0);
        ensure!(
            memory >= MEMORY_BYTES_MIN,
            "the memory budget is {memory} bytes, and {MEMORY_BYTES_MIN} at least: give --memory"
        );
        let retention = Retention {
            age: args.retention.or(file.retention).map(|age| age.0),
            bytes: args.retention_size.or(file.retention_size).map(|size| size.0),
        };
        let query_nice = args.query_nice.or(file.query_nice).unwrap_or(query::NICE);
        ensure!(
            query_nice <= query::NICE_MAX,
            "query_nice is {query_nice}, and 0 to {} are possible",
            query::NICE_MAX
        );
        let features = args.promql_features.or(file.promql_features);
        let with = |options: Options, one: &PromqlFeature| options.with(one.feature());
        let promql = match features {
            Some(features) => features.iter().fold(Options::default(), with),
            None => query::Limits::default().promql,
        };
        let data = args.data.or(file.data).unwrap_or_else(|| PathBuf::from(DATA));
        Ok(Self {
            dashboards: args.dashboards.or(file.dashboards).unwrap_or_else(|| data.join(DASHBOARDS)),
            data,
            listen: args.listen.or(file.listen).unwrap_or_else(|| LISTEN.to_owned()),
            otlp_grpc: args.otlp_grpc.or(file.otlp_grpc).unwrap_or_else(|| OTLP_GRPC.to_owned()),
            otlp_http: args.otlp_http.or(file.otlp_http).unwrap_or_else(|| OTLP_HTTP.to_owned()),
            memory_bytes: usize::try_from(memory).unwrap_or(usize::MAX),
            retention,
            query_nice,
            promql,
            hosts: file.hosts,
            collector,
        })
    }
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // The parser's message shows the line and the place in it; one line is enough for a start that failed.
    toml::from_str(&text).with_context(|| format!("{} is no configuration", path.display()))
}

fn token(token: FileToken) -> anyhow::Result<Token> {
    let FileToken { name, sha256, tenant, write, read } = token;
    let tenant = match tenant {
        Some(tenant) => TenantName::new(&tenant).with_context(|| format!("token {name:?}"))?,
        None => TenantName::default(),
    };
    let digits = sha256.as_bytes();
    let mut bytes = [0; 32];
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    if digits.len() != 2 * bytes.len() {
        bail!(
            "token {name:?}: sha256 has {} characters, and 64 hexadecimal digits are expected",
            digits.len()
        );
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else {
            bail!("token {name:?}: sha256 is not hexadecimal");
        };
        *byte = (high * 16 + low) as u8;
    }
    Ok(Token { name, sha256: bytes, tenant, write, read })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("causeway.toml");
        std::fs::write(&path, text)?;
        Config::load(ServeArgs { config: Some(path), ..ServeArgs::default() })
    }

    #[test]
    fn the_sample_configuration_loads() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/causeway.toml");
        Config::load(ServeArgs { config: Some(sample), ..ServeArgs::default() }).unwrap();
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("causeway.toml");
        std::fs::write(&path, "listen = \"127.0.0.1:1\"\notlp_grpc = \"127.0.0.1:2\"\nmemory = \"512MiB\"")
            .unwrap();
        let args =
            ServeArgs { config: Some(path), listen: Some("127.0.0.1:3".into()), ..ServeArgs::default() };
        let config = Config::load(args).unwrap();
        assert_eq!((config.listen.as_str(), config.otlp_grpc.as_str()), ("127.0.0.1:3", "127.0.0.1:2"));
        assert_eq!(config.memory_bytes, 512 << 20);
    }

    #[test]
    fn retention_comes_from_the_file_and_the_flags() {
        let day = std::time::Duration::from_secs(86_400);
        assert_eq!(load("").unwrap().retention, Retention::default());
        let file = load("retention = \"30d\"\nretention_size = \"100GiB\"").unwrap();
        assert_eq!(file.retention, Retention { age: Some(30 * day), bytes: Some(100 << 30) });
        let args = ServeArgs { retention: Some(Age(day)), ..ServeArgs::default() };
        assert_eq!(Config::load(args).unwrap().retention, Retention { age: Some(day), bytes: None });
    }

    #[test]
    fn features_of_promql_come_from_the_file_or_the_flag() {
        let plain = Options::default();
        let usual = Options { experimental_functions: true, duration_expressions: true, ..plain };
        assert_eq!(load("").unwrap().promql, usual);
        assert_eq!(load("promql_features = []").unwrap().promql, plain);
        let file = load("promql_features = [\"promql-duration-expr\", \"type-and-unit-labels\"]").unwrap();
        assert_eq!(file.promql, Options { duration_expressions: true, type_and_unit_labels: true, ..plain });
        let features = vec![PromqlFeature::PromqlExperimentalFunctions];
        let args = ServeArgs { promql_features: Some(features), ..ServeArgs::default() };
        let flag = Config::load(args).unwrap();
        assert_eq!(flag.promql, Options { experimental_functions: true, ..plain });
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("lisen = \"x\"", "lisen"),
            ("promql_features = [\"all\"]", "promql-duration-expr"),
            ("memory = \"much\"", "much"),
            ("memory = \"1MB\"", "at least"),
            ("retention = \"30\"", "30d"),
            ("[[token]]\nname = \"a\"\nsha256 = \"12\"", "64 hexadecimal"),
            ("[metrics]\nseries_max = 0", "series_max must be at least 1"),
            ("[otlp]\ncors_origins = [\"*\"]", "origin"),
        ];
        for (text, part) in cases {
            let error = format!("{:#}", load(text).unwrap_err());
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
