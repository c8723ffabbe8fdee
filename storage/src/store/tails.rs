//! Live tails: rows handed on as they become durable, to whoever subscribed to their tenant and signal.
//!
//! The log thread hands every subscriber the same batch, after its rows can be read, and never waits: an inbox
//! that is full counts what it did not take. Where nobody subscribed, a commit pays for one look at a number.
//!
//! A subscription begins at a `seq`: every row before it is in the snapshot that comes with it, every row from it
//! on is handed over. So both together have no gap and no row twice.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arrow::array::RecordBatch;
use model::{Reader, Signal, TenantId, TenantName};
use tokio::sync::Notify;

use super::Store;
use crate::error::{Result, StoreError};
use crate::snapshot::Snapshot;

/// The most batches that wait in an inbox, however small they are.
const INBOX_BATCHES_MAX: usize = 1024;

/// Everyone who wants rows as they come.
#[derive(Debug, Default)]
pub(super) struct Tails {
    /// How many there are, read without the lock.
    count: AtomicUsize,
    subscribers: Mutex<Vec<Subscriber>>,
}

/// Who wants which rows.
#[derive(Debug)]
struct Subscriber {
    tenant: TenantName,
    /// A tenant that has sent nothing yet has no number.
    id: Option<TenantId>,
    signal: Signal,
    /// Rows before this are in the subscriber's snapshot.
    from: i64,
    inbox: Arc<Inbox>,
}

/// Durable rows of one request, on their way to the tails.
#[derive(Debug)]
pub(super) struct Durable {
    pub(super) tenant: TenantId,
    pub(super) signal: Signal,
    pub(super) first_seq: i64,
    /// The rows as the memtable has them.
    pub(super) rows: Arc<RecordBatch>,
}

/// What came to a subscription.
#[derive(Debug)]
pub enum Arrival {
    /// Rows of one request, packed: [`Matcher`](crate::Matcher) reads them.
    Rows(Arc<RecordBatch>),
    /// So many rows came here while the inbox was full, and are not handed over.
    Lost(u64),
}

/// What was there when a subscription began.
#[derive(Debug, Clone)]
pub struct Tailed {
    /// Every row before the subscription's first.
    pub snapshot: Snapshot,
    /// The last `seq` of them: of any tenant and signal.
    pub last_seq: i64,
}

/// The rows of one tenant and signal from a moment on. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    inbox: Arc<Inbox>,
    tails: Weak<Tails>,
}

/// What waits for one subscriber.
#[derive(Debug)]
struct Inbox {
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    arrivals: VecDeque<(Arrival, usize)>,
    bytes: usize,
    /// Rows not taken since the last that were.
    lost: u64,
    closed: bool,
}

impl Store {
    /// The rows of a signal that become durable from now on, and a snapshot of all before. At most `bytes_max`
    /// of them wait in memory to be taken, or one batch. Nothing of it slows what is written.
    pub fn subscribe(
        &self,
        reader: &Reader,
        signal: Signal,
        bytes_max: usize,
    ) -> Result<(Tailed, Subscription)> {
        if self.inner.log.is_none() {
            return Err(StoreError::Closed);
        }
        let shared = &self.inner.shared;
        let live = shared.live();
        // Under the lock: a tenant that sends its first rows now has them in the snapshot, or handed over.
        let tenant = shared.known_tenant(&reader.tenant);
        let snapshot = Snapshot::new(tenant, |signal| {
            tenant.map(|tenant| live.table(tenant, signal)).unwrap_or_default()
        });
        let subscription = shared.tails.subscribe(&reader.tenant, signal, live.next_seq, bytes_max);
        if shared.closing.load(Ordering::Acquire) {
            shared.tails.end();
        }
        Ok((Tailed { snapshot, last_seq: live.next_seq - 1 }, subscription))
    }
}

impl Tails {
    /// Whether anybody wants rows at all.
    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Hands on the rows from `from` on. The caller holds the lock under which rows become readable.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        tenant: &TenantName,
        signal: Signal,
        from: i64,
        bytes_max: usize,
    ) -> Subscription {
        let inbox = Arc::new(Inbox { bytes_max, waiting: Mutex::default(), wake: Notify::new() });
        let subscriber =
            Subscriber { tenant: tenant.clone(), id: None, signal, from, inbox: Arc::clone(&inbox) };
        let mut subscribers = self.subscribers();
        subscribers.push(subscriber);
        self.count.store(subscribers.len(), Ordering::Release);
        Subscription { inbox, tails: Arc::downgrade(self) }
    }

    /// Hands rows to all who want them. `known` gives the number of a tenant, once it has one.
    pub(super) fn offer(&self, rows: &[Durable], known: impl Fn(&TenantName) -> Option<TenantId>) {
        if rows.is_empty() {
            return;
        }
        for subscriber in self.subscribers().iter_mut() {
            if subscriber.id.is_none() {
                subscriber.id = known(&subscriber.tenant);
            }
            for durable in rows {
                let wanted = subscriber.id == Some(durable.tenant)
                    && subscriber.signal == durable.signal
                    && subscriber.from <= durable.first_seq;
                if wanted {
                    subscriber.inbox.offer(&durable.rows);
                }
            }
        }
    }

    /// Ends all subscriptions.
    pub(super) fn end(&self) {
        let mut subscribers = self.subscribers();
        subscribers.drain(..).for_each(|subscriber| subscriber.inbox.close());
        self.count.store(0, Ordering::Release);
    }

    fn subscribers(&self) -> MutexGuard<'_, Vec<Subscriber>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// What came next; `None` once the store has ended. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Arrival> {
        loop {
            let mut woken = std::pin::pin!(self.inbox.wake.notified());
            // Listens before it looks, so that nothing that comes in between is missed.
            woken.as_mut().enable();
            {
                let mut waiting = self.inbox.waiting();
                if let Some(arrival) = waiting.take() {
                    return Some(arrival);
                }
                if waiting.closed {
                    return None;
                }
            }
            woken.await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(tails) = self.tails.upgrade() else { return };
        let mut subscribers = tails.subscribers();
        subscribers.retain(|subscriber| !Arc::ptr_eq(&subscriber.inbox, &self.inbox));
        tails.count.store(subscribers.len(), Ordering::Release);
    }
}

impl Inbox {
    /// Takes a batch if there is room. A batch larger than all room is taken alone: the memtable holds it too.
    fn offer(&self, rows: &Arc<RecordBatch>) {
        let bytes = rows.get_array_memory_size();
        let mut waiting = self.waiting();
        let fits = waiting.arrivals.is_empty() || waiting.bytes.saturating_add(bytes) <= self.bytes_max;
        if fits && waiting.arrivals.len() < INBOX_BATCHES_MAX {
            let lost = std::mem::take(&mut waiting.lost);
            if lost > 0 {
                waiting.arrivals.push_back((Arrival::Lost(lost), 0));
            }
            waiting.bytes += bytes;
            waiting.arrivals.push_back((Arrival::Rows(Arc::clone(rows)), bytes));
        } else {
            waiting.lost += rows.num_rows() as u64;
        }
        drop(waiting);
        self.wake.notify_one();
    }

    fn close(&self) {
        self.waiting().closed = true;
        self.wake.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Arrival> {
        if let Some((arrival, bytes)) = self.arrivals.pop_front() {
            self.bytes -= bytes;
            return Some(arrival);
        }
        let lost = std::mem::take(&mut self.lost);
        (lost > 0).then_some(Arrival::Lost(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::logs;

    fn batch(rows: usize) -> Arc<RecordBatch> {
        Arc::new(logs("s", 0, &vec!["x"; rows]))
    }

    #[test]
    fn a_full_inbox_counts_what_it_does_not_take_where_it_was_lost() {
        let one = batch(1).get_array_memory_size();
        let inbox = Inbox { bytes_max: 2 * one, waiting: Mutex::default(), wake: Notify::new() };
        let take = || {
            inbox.waiting().take().map(|arrival| match arrival {
                Arrival::Rows(rows) => (rows.num_rows(), 0),
                Arrival::Lost(rows) => (0, rows),
            })
        };
        for rows in [1, 1, 3, 2] {
            inbox.offer(&batch(rows));
        }
        assert_eq!(take(), Some((1, 0)));
        inbox.offer(&batch(1));
        assert_eq!([take(), take(), take(), take()], [Some((1, 0)), Some((0, 5)), Some((1, 0)), None]);
        // Alone, even what is larger than all room is taken; what comes behind it is not.
        inbox.offer(&batch(10_000));
        inbox.offer(&batch(7));
        assert_eq!([take(), take(), take()], [Some((10_000, 0)), Some((0, 7)), None]);
        assert_eq!(inbox.waiting().bytes, 0);
    }
}
