//! Incidents: what went wrong, from when to when, with a copy of the evidence, so that it can be read when the telemetry
//! is gone.

use model::{Reader, TimeRange, UnixNanos};
use query::QueryError;
use serde::{Deserialize, Serialize};
use storage::{Collection, Record};

use crate::Diagnostics;
use crate::answer::{Baseline, Suspect};
use crate::changes::Change;

/// The most incidents of one answer.
pub const INCIDENTS_MAX: usize = 500;

/// An incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name, the same as long as it lives.
    pub id: String,
    /// What it is about, in a line.
    pub title: String,
    /// When it began, in nanoseconds as text.
    pub start: String,
    /// When it ended; nothing while it is open.
    pub end: Option<String>,
    /// The services that it reached, the first that was reached first.
    pub services: Vec<String>,
    /// Their operations.
    pub operations: Vec<Affected>,
    /// The share of the calls from outside that it harmed, from 0 to 1.
    pub traffic_share: f64,
    /// Who may be the cause, the best first.
    pub suspects: Vec<Suspect>,
    /// What it was compared with.
    pub baseline: Option<Baseline>,
    /// What was changed just before.
    pub changes: Vec<Change>,
    /// What happened when, oldest first.
    pub timeline: Vec<Moment>,
}

/// An operation that an incident reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Affected {
    /// The service.
    pub service: String,
    /// The operation.
    pub operation: String,
    /// What is wrong with it: `errors`, `duration` or `rate`.
    pub signal: String,
    /// That in numbers: at the worst minute.
    pub value: f64,
    /// What is usual.
    pub expected: f64,
    /// The unit of both: `1`, `ns` or `1/min`.
    pub unit: String,
    /// When it began, in nanoseconds as text.
    pub start: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// When, in nanoseconds as text.
    pub time: String,
    /// What.
    pub text: String,
}

impl Incident {
    fn record(&self) -> Result<Record, QueryError> {
        let time = self.start.parse().map(UnixNanos);
        let time = time.map_err(|_| QueryError::Store("an incident begins at no time".to_owned()))?;
        let body = serde_json::to_string(self).map_err(|error| QueryError::Store(error.to_string()))?;
        Ok(Record { id: self.id.clone(), time, body })
    }
}

impl Diagnostics {
    /// Incidents that began in a range of time, newest first, at most `limit`.
    pub async fn incidents(
        &self,
        reader: &Reader,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Incident>, QueryError> {
        let records = self.records(reader, Collection::Incidents, range, limit.min(INCIDENTS_MAX)).await?;
        Ok(records.iter().filter_map(|record| serde_json::from_str(&record.body).ok()).collect())
    }

    /// One incident.
    pub async fn incident(&self, reader: &Reader, id: &str) -> Result<Incident, QueryError> {
        let store = self.engine.store().clone();
        let (reader, name) = (reader.clone(), id.to_owned());
        let read = move || store.record(&reader, Collection::Incidents, &name);
        let found = tokio::task::spawn_blocking(read).await;
        let found = found.map_err(|error| QueryError::Store(error.to_string()))??;
        let not_found = || QueryError::NotFound(format!("there is no incident {id:?}"));
        let record = found.ok_or_else(not_found)?;
        serde_json::from_str(&record.body).map_err(|error| QueryError::Store(error.to_string()))
    }

    /// Writes an incident down, in the place of what was known of it.
    pub async fn put_incident(&self, reader: &Reader, incident: &Incident) -> Result<(), QueryError> {
        self.put(reader, Collection::Incidents, incident.record()?).await
    }
}
