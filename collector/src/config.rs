//! What can be configured, and the limits that hold unless it is.

use std::time::Duration;

use crate::auth::Token;
use crate::decode::Limits;

/// The size of a request before and after decompression, in bytes, unless configured.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The largest limit that may be configured for a request, in bytes. Text columns address 2 GiB, and escaping
/// can make text six times as long.
const REQUEST_BYTES_CEILING: usize = 256 * 1024 * 1024;

/// How many requests are taken at once, unless configured.
const REQUESTS_MAX: usize = 4096;

/// How long a body may take to arrive, unless configured.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// How many active series a metric of a tenant may have, unless configured.
const SERIES_PER_METRIC_MAX: usize = 200_000;

/// How many active series a tenant may have, unless configured.
const SERIES_MAX: usize = 5_000_000;

/// How a receiver behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The largest request in bytes, before and after decompression.
    pub request_bytes_max: usize,
    /// How many requests are taken at once; one more is told to come back.
    pub requests_max: usize,
    /// How many requests are decompressed and decoded at once; one more waits.
    pub decodes_max: usize,
    /// How long a body may take to arrive.
    pub body_time_max: Duration,
    /// Attributes past this number are dropped and counted on their record.
    pub attributes_per_record_max: usize,
    /// Attribute values are cut to this many bytes.
    pub attribute_bytes_max: usize,
    /// Points of further series of a metric are rejected, for each tenant. A series is active for an hour after it was
    /// seen.
    pub series_per_metric_max: usize,
    /// Points of further series of a tenant are rejected.
    pub series_max: usize,
    /// Who may write and read; empty means that all may.
    pub tokens: Vec<Token>,
    /// Whether `X-Scope-OrgID` names the tenant where no token does.
    pub trust_tenant_header: bool,
    /// The origins whose pages may send, such as `https://shop.example`; empty means none.
    pub cors_origins: Vec<String>,
}

/// Why a configuration cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The limit of a request is 0 or too large.
    #[error("the request limit of {0} bytes is not between 1 and {REQUEST_BYTES_CEILING}")]
    RequestBytes(usize),
    /// An origin is not one of scheme, host and port.
    #[error("{0:?} is no origin: scheme and host are expected, as in https://shop.example")]
    Origin(String),
    /// A limit is 0, so nothing could ever be taken.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
}

impl Default for Config {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            request_bytes_max: REQUEST_BYTES_MAX,
            requests_max: REQUESTS_MAX,
            decodes_max: std::thread::available_parallelism().map_or(1, usize::from),
            body_time_max: BODY_TIME_MAX,
            attributes_per_record_max: limits.attributes_per_record_max,
            attribute_bytes_max: limits.attribute_bytes_max,
            series_per_metric_max: SERIES_PER_METRIC_MAX,
            series_max: SERIES_MAX,
            tokens: Vec::new(),
            trust_tenant_header: false,
            cors_origins: Vec::new(),
        }
    }
}

impl Config {
    /// Whether every value makes sense. A wildcard is no origin.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(1..=REQUEST_BYTES_CEILING).contains(&self.request_bytes_max) {
            return Err(ConfigError::RequestBytes(self.request_bytes_max));
        }
        for (name, value) in [
            ("requests_max", self.requests_max),
            ("decodes_max", self.decodes_max),
            ("series_per_metric_max", self.series_per_metric_max),
            ("series_max", self.series_max),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        match self.cors_origins.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => Err(ConfigError::Origin(origin.clone())),
            None => Ok(()),
        }
    }

    /// The same with every number brought into its range, so that what was never checked cannot do harm.
    pub(crate) fn bounded(mut self) -> Self {
        self.request_bytes_max = self.request_bytes_max.clamp(1, REQUEST_BYTES_CEILING);
        self.requests_max = self.requests_max.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self.decodes_max = self.decodes_max.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self.series_per_metric_max = self.series_per_metric_max.max(1);
        self.series_max = self.series_max.max(1);
        self
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            attributes_per_record_max: self.attributes_per_record_max,
            attribute_bytes_max: self.attribute_bytes_max,
        }
    }
}

/// Whether `text` is what a browser sends as `Origin`: no path, no wildcard, lower case.
fn is_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, host)| {
        !scheme.is_empty()
            && !host.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
            && !host.contains(['/', '*', '?', '#', '@'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        let cases = [
            ("https://shop.example", true),
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("*", false),
            ("https://*.example", false),
            ("https://shop.example/", false),
            ("https://Shop.example", false),
            ("shop.example", false),
            ("", false),
        ];
        for (origin, valid) in cases {
            let config = Config { cors_origins: vec![origin.to_owned()], ..Config::default() };
            assert_eq!(config.check().is_ok(), valid, "{origin}");
        }
    }

    #[test]
    fn limits_have_a_range() {
        for (bytes, valid) in [(0, false), (1, true), (REQUEST_BYTES_CEILING, true), (usize::MAX, false)] {
            let config = Config { request_bytes_max: bytes, ..Config::default() };
            assert_eq!(config.check().is_ok(), valid, "{bytes}");
            assert_eq!(config.bounded().check(), Ok(()), "{bytes}");
        }
        let config = Config { requests_max: 0, ..Config::default() };
        assert_eq!(config.check(), Err(ConfigError::Zero("requests_max")));
    }
}
