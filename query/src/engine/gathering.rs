//! Rows for the rooms above, which ask several questions of one moment and compute with the answers.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use model::Reader;
use storage::{Reservation, Snapshot};
use tokio::sync::OwnedSemaphorePermit;

use super::Engine;
use crate::error::QueryError;
use crate::sql::Most;

/// The most bytes of one answer in memory.
const GATHERED_BYTES_MAX: usize = 512 << 20;

/// Questions of one moment: what is asked through it sees the same rows. It is one question to the limit of those at
/// once, and has the time of one.
pub struct Gathering {
    engine: Engine,
    snapshot: Snapshot,
    deadline: Instant,
    slot: Arc<OwnedSemaphorePermit>,
}

/// Rows that were gathered, with the memory they take.
pub struct Gathered {
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// The limit that left further ones out, if one did.
    pub cut: Option<String>,
    _memory: Arc<Reservation>,
}

impl Engine {
    /// Begins to gather.
    pub fn gathering(&self, reader: &Reader) -> Result<Gathering, QueryError> {
        Ok(Gathering {
            slot: Arc::new(self.slot()?),
            engine: self.clone(),
            snapshot: self.store.snapshot(reader),
            deadline: Instant::now() + self.limits.time,
        })
    }

    /// The store, for what is written down about telemetry.
    pub fn store(&self) -> &storage::Store {
        &self.store
    }
}

impl Gathering {
    /// The rows of a read-only SQL query, at most `rows_max`.
    pub async fn rows(&self, sql: &str, rows_max: usize) -> Result<Gathered, QueryError> {
        let memory = self.engine.memory(0)?;
        let most = Most { rows: rows_max, bytes: GATHERED_BYTES_MAX, deadline: self.deadline.into() };
        let answer = self.engine.sql.run_within(&self.snapshot, sql, memory, most).await?;
        Ok(Gathered {
            batches: answer.batches,
            cut: answer.stats.partial.map(|partial| partial.reason),
            _memory: answer._memory,
        })
    }

    /// Computes where questions are answered. What is begun ends, even where nobody waits for it.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let slot = Arc::clone(&self.slot);
        let work = self.engine.threads.block(move || {
            let _slot = slot;
            work()
        });
        work?.await
    }

    /// What is left of its time.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}
