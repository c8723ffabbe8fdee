//! The store as the collector's sink, and the memory budget as its gate.

use std::sync::Arc;
use std::time::Duration;

use collector::{Permit, Room, Sink, SinkError, Stored};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{Batch, TenantName};
use storage::{MemoryBudget, MemoryFull, Purpose, Reservation, Store, StoreError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// How long a client waits when it is not told otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a request that has arrived waits for memory to be decoded in: less than the ten seconds after which
/// exporters give up.
const DECODE_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a request waits for room before its body is read. With the wait before decoding and the write, less than
/// the ten seconds after which exporters give up.
const ADMIT_WAIT_MAX: Duration = Duration::from_secs(3);

/// Admits requests within the memory budget and writes them to the store.
pub(crate) struct StoreSink {
    store: Store,
    /// Whoever waits for room stands in line here, and only the first of them looks.
    first_in_line: Semaphore,
    /// How long.
    wait: Duration,
}

impl StoreSink {
    /// A sink over a store, within the store's budget.
    pub(crate) fn new(store: Store) -> Self {
        Self { store, first_in_line: Semaphore::new(1), wait: ADMIT_WAIT_MAX }
    }
}

impl Sink for StoreSink {
    fn admit(&self, bytes: usize) -> BoxFuture<'_, Result<Permit, SinkError>> {
        async move {
            let budget = self.store.budget();
            let deadline = Instant::now() + self.wait;
            let turn = timeout_at(deadline, self.first_in_line.acquire()).await;
            // The semaphore is never closed; were it, requests would be taken in no order.
            let _turn = turn.map_err(|_elapsed| {
                budget.count_refused(Purpose::Bodies);
                busy("requests that came before wait for memory")
            })?;
            if !budget.wait_until(|| self.store.has_room(), deadline).await {
                budget.count_refused(Purpose::FreshRows);
                return Err(busy("rows wait to be put into segments, and memory for them is full"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let body = budget.reserve(Purpose::Bodies, bytes, left).await.map_err(full)?;
            Ok(Box::new(RequestRoom { budget: Arc::clone(budget), body, decoding: None }) as Permit)
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        tenant: &'a TenantName,
        batch: Batch,
        permit: Permit,
    ) -> BoxFuture<'a, Result<Stored, SinkError>> {
        let held = Box::new(permit);
        async move {
            let written = self.store.write_holding(tenant, batch, held).await.map_err(refused)?;
            Ok(Stored { answer: written.answer, repeat: written.repeat })
        }
        .boxed()
    }
}

/// The memory of one request.
struct RequestRoom {
    budget: Arc<MemoryBudget>,
    body: Reservation,
    decoding: Option<Reservation>,
}

impl Room for RequestRoom {
    fn decode(&mut self, bytes: usize) -> BoxFuture<'_, Result<(), SinkError>> {
        async move {
            let reserved = self.budget.reserve(Purpose::Decoding, bytes, DECODE_WAIT_MAX).await;
            self.decoding = Some(reserved.map_err(full)?);
            Ok(())
        }
        .boxed()
    }

    fn grow(&mut self, bytes: usize) -> Result<(), SinkError> {
        self.decoding.as_mut().unwrap_or(&mut self.body).try_grow(bytes).map_err(full)
    }
}

fn busy(what: &str) -> SinkError {
    SinkError::Busy { retry_after: RETRY_AFTER, what: what.to_owned() }
}

fn full(full: MemoryFull) -> SinkError {
    SinkError::Busy { retry_after: RETRY_AFTER, what: full.to_string() }
}

fn refused(error: StoreError) -> SinkError {
    let retry_after = error.retry_after().unwrap_or(RETRY_AFTER);
    let what = error.to_string();
    if error.is_at_capacity() {
        SinkError::Busy { retry_after, what }
    } else {
        SinkError::Unavailable { retry_after, what }
    }
}

#[cfg(test)]
mod tests {
    use storage::Options;

    use super::*;

    #[tokio::test]
    async fn a_request_holds_memory_for_its_body_and_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let budget = MemoryBudget::new(64 << 20);
        let store = Store::open(dir.path(), Options::within(Arc::clone(&budget))).unwrap();
        let sink = StoreSink { wait: Duration::ZERO, ..StoreSink::new(store) };
        let held = || [Purpose::Bodies, Purpose::Decoding].map(|purpose| budget.reserved_for(purpose));
        let mut permit = sink.admit(1000).await.unwrap();
        permit.grow(1000).unwrap();
        assert_eq!(held(), [2000, 0]);
        permit.decode(4000).await.unwrap();
        permit.grow(500).unwrap();
        assert_eq!(held(), [2000, 4500]);
        let busy = sink.admit(64 << 20).await.map(drop).unwrap_err();
        let SinkError::Busy { what, .. } = busy else { panic!("{busy}") };
        assert!(what.contains("requests is full"), "{what}");
        drop(permit);
        assert_eq!(held(), [0, 0]);
        let large = sink.admit(64 << 20).await.unwrap();
        assert_eq!(held(), [budget.share(Purpose::Bodies), 0]);
        drop(large);
        let fresh = budget.usage().refused;
        assert_eq!(fresh, [1, 0, 0, 0, 0, 0]);
    }
}
