//! Where the fault is, and why: what differs between a window of time and its past, and who that tells against.
//!
//! A question walks down this list. [`history`](self) names the minutes that are read, `load` reads their spans, logs
//! and metrics through SQL, `frame` puts them in columns, `reference` chooses among the minutes, `evidence` compares,
//! `blame` and `votes` say who it tells against, `rank` orders suspects, and `explain` says why. Absent here: files,
//! protobuf, HTML, and any number that belongs to a data set.

#![forbid(unsafe_code)]

mod stats;
mod frame;
mod counts;
mod reference;
mod load;
mod evidence;
mod blame;
mod votes;
mod history;
mod compare;
mod rank;
mod witness;
mod answer;
mod explain;
mod diagnose;
mod changes;
mod incidents;
mod detect;
mod http;

pub use answer::{Baseline, Diagnosis, Evidence, SUSPECTS_MAX, Status, Suspect, counted};
pub use changes::{Change, ChangeKind};
pub use detect::watch;
pub use diagnose::Question;
pub use http::router;
pub use incidents::{Affected, INCIDENTS_MAX, Incident, Moment};

use model::{Reader, TimeRange};
use query::{Engine, QueryError};
use storage::{Collection, Record};

/// Marks of changes within so many minutes before an incident are told with it.
pub(crate) const CHANGES_BEFORE: i64 = 30;

/// Answers what is wrong, and keeps what was found. Cloning is cheap.
#[derive(Clone)]
pub struct Diagnostics {
    engine: Engine,
}

impl Diagnostics {
    /// Over an engine, within its limits.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// What is wrong in a window of time.
    pub async fn diagnose(&self, reader: &Reader, question: &Question) -> Result<Diagnosis, QueryError> {
        Ok(diagnose::diagnose(self, reader, question).await?.0)
    }

    async fn put(&self, reader: &Reader, of: Collection, record: Record) -> Result<(), QueryError> {
        let (store, tenant) = (self.engine.store().clone(), reader.tenant.clone());
        let put = tokio::task::spawn_blocking(move || store.put_record(&tenant, of, &record)).await;
        Ok(put.map_err(|error| QueryError::Store(error.to_string()))??)
    }

    async fn records(
        &self,
        reader: &Reader,
        of: Collection,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Record>, QueryError> {
        let (store, reader) = (self.engine.store().clone(), reader.clone());
        let read = tokio::task::spawn_blocking(move || store.records(&reader, of, range, limit)).await;
        let found = read.map_err(|error| QueryError::Store(error.to_string()))??;
        if found.damaged > 0 {
            tracing::error!(records = found.damaged, "records of the catalog are damaged and left out");
        }
        Ok(found.records)
    }
}
