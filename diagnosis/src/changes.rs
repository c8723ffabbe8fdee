//! Marks of what was changed on purpose: deploys, configuration, flags, scale. People and pipelines make them; new
//! versions, restarts, changed numbers of instances and configuration attributes are read off the telemetry.

use model::{Reader, TimeRange, UnixNanos};
use query::QueryError;
use serde::{Deserialize, Serialize};
use storage::{Collection, Record};

use crate::Diagnostics;

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Another version.
    Deploy,
    /// Another configuration.
    Config,
    /// A flag.
    Flag,
    /// More instances, or fewer.
    Scale,
    /// An instance began anew.
    Restart,
}

impl ChangeKind {
    /// Its name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Config => "config",
            Self::Flag => "flag",
            Self::Scale => "scale",
            Self::Restart => "restart",
        }
    }
}

/// A mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its name.
    #[serde(default)]
    pub id: String,
    /// When it was made, in nanoseconds as text.
    pub time: String,
    /// What was changed.
    pub kind: ChangeKind,
    /// Of which service.
    pub service: String,
    /// Of which namespace, if it was said.
    pub namespace: Option<String>,
    /// Of which environment, if it was said.
    pub environment: Option<String>,
    /// To which version, if it was said.
    pub version: Option<String>,
    /// In the words of who made it.
    pub text: Option<String>,
    /// `api` where somebody made it, `telemetry` where it was read off.
    #[serde(default)]
    pub source: String,
}

/// The longest text of a mark in bytes.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// The longest name of a service, version, namespace or environment in bytes.
const NAME_BYTES_MAX: usize = 256;
/// The most marks of one answer.
pub(crate) const CHANGES_MAX: usize = 1_000;

impl Change {
    fn check(&self) -> Result<UnixNanos, QueryError> {
        let names =
            [Some(&self.service), self.namespace.as_ref(), self.environment.as_ref(), self.version.as_ref()];
        if self.service.is_empty() || names.into_iter().flatten().any(|name| name.len() > NAME_BYTES_MAX) {
            let message = format!("a mark names a service; names have 1 to {NAME_BYTES_MAX} bytes");
            return Err(QueryError::invalid(message));
        }
        if self.text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(QueryError::invalid(format!(
                "the text of a mark has {TEXT_BYTES_MAX} bytes at most"
            )));
        }
        self.time
            .parse()
            .map(UnixNanos)
            .map_err(|_| QueryError::invalid("the time of a mark is in nanoseconds"))
    }
}

impl Diagnostics {
    /// Writes a mark down, and gives it with its name.
    pub async fn mark(&self, reader: &Reader, mut change: Change) -> Result<Change, QueryError> {
        let time = change.check()?;
        change.id = format!("{:016x}{}", time.0, query::request_id());
        self.put_change(reader, &change).await?;
        Ok(change)
    }

    /// Writes a mark down under its name, in the place of what had it.
    pub(crate) async fn put_change(&self, reader: &Reader, change: &Change) -> Result<(), QueryError> {
        let time = change.check()?;
        let body = serde_json::to_string(change).map_err(|error| QueryError::Store(error.to_string()))?;
        let record = Record { id: change.id.clone(), time, body };
        self.put(reader, Collection::Changes, record).await
    }

    /// The marks of a range of time, newest first.
    pub async fn changes(&self, reader: &Reader, range: TimeRange) -> Result<Vec<Change>, QueryError> {
        let records = self.records(reader, Collection::Changes, range, CHANGES_MAX).await?;
        Ok(records.iter().filter_map(|record| serde_json::from_str(&record.body).ok()).collect())
    }
}
