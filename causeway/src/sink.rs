//! The store as the collector's sink.

use std::sync::Arc;

use collector::{Permit, Sink, SinkError};
use futures::future::BoxFuture;
use model::{Answer, Batch, TenantName};
use std::time::Duration;
use storage::{Store, StoreError};
use tokio::sync::Semaphore;

/// The share of the memory budget that requests under way may take.
const SHARE: usize = 4;
/// Permits count in these many bytes, since a semaphore counts in 32 bits.
const UNIT_BYTES: usize = 1024;
/// How long a client waits when it is not told otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Admits requests within a share of the memory budget and writes them to the store.
pub(crate) struct StoreSink {
    store: Store,
    room: Arc<Semaphore>,
    units: u32,
}

impl StoreSink {
    /// A sink over a store, for a memory budget of the whole process.
    pub(crate) fn new(store: Store, memory_bytes: usize) -> Self {
        let units =
            u32::try_from(memory_bytes / SHARE / UNIT_BYTES).unwrap_or(u32::MAX >> 3).min(u32::MAX >> 3);
        Self { store, room: Arc::new(Semaphore::new(units as usize)), units }
    }
}

impl Sink for StoreSink {
    fn admit(&self, bytes: usize) -> Result<Permit, SinkError> {
        if !self.store.has_room() {
            let what = "rows wait to be put into segments, and memory for them is full".to_owned();
            return Err(SinkError::Busy { retry_after: RETRY_AFTER, what });
        }
        // A request larger than the whole share may go when it is alone.
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).clamp(1, self.units);
        match Arc::clone(&self.room).try_acquire_many_owned(units) {
            Ok(permit) => Ok(Box::new(permit)),
            Err(_) => {
                let what = "memory for requests is full".to_owned();
                Err(SinkError::Busy { retry_after: RETRY_AFTER, what })
            }
        }
    }

    fn write<'a>(&'a self, tenant: &'a TenantName, batch: Batch) -> BoxFuture<'a, Result<Answer, SinkError>> {
        Box::pin(async move { self.store.write(tenant, batch).await.map_err(|error| refused(&error)) })
    }
}

fn refused(error: &StoreError) -> SinkError {
    let retry_after = error.retry_after().unwrap_or(RETRY_AFTER);
    let what = error.to_string();
    if error.is_at_capacity() {
        SinkError::Busy { retry_after, what }
    } else {
        SinkError::Unavailable { retry_after, what }
    }
}
