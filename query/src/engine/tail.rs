//! Live tails: rows that match, as they become durable.
//!
//! A task per tail takes committed batches from the store, tests them, and puts what matches into a queue; the
//! reader takes rows out of it at a pace. Both ends are bounded: a queue that is full lets its oldest rows go and
//! counts them, so that a slow reader sees what is new, and how much was left out before it.
//!
//! | bounded by | |
//! |---|---|
//! | [`TAILS_MAX`] | tails at once; one more is refused as busy |
//! | [`INBOX_BYTES_MAX`] | batches that wait to be tested |
//! | [`QUEUE_ROWS_MAX`], [`QUEUE_BYTES_MAX`] | rows that wait to be sent |
//! | [`ROWS_PER_SECOND_MAX`] | rows sent |
//! | [`RESUMED_ROWS_MAX`] | rows looked up for a reader who comes back |

mod queue;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use model::{Predicate, Reader, Signal, TimeRange};
use serde::Serialize;
use storage::{Arrival, Control, Matcher, Purpose, Reservation, Scan, Subscription, Tailed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{CancelOnDrop, Engine, SCAN_SHARE, rows_of};
use crate::columns::Columns;
use crate::error::QueryError;
use crate::search;
use queue::{Pace, Queue, Room, Row};

/// The most tails at once.
pub const TAILS_MAX: usize = 16;
/// The most bytes of batches that wait to be tested, by tail. One batch is taken whatever its size.
const INBOX_BYTES_MAX: usize = 4 << 20;
/// The most rows that wait to be sent, by tail.
const QUEUE_ROWS_MAX: usize = 10_000;
/// The most bytes of rows that wait to be sent, by tail.
const QUEUE_BYTES_MAX: usize = 4 << 20;
/// The most rows sent in a second, by tail.
const ROWS_PER_SECOND_MAX: u32 = 2_000;
/// The most rows looked up for a reader who comes back.
const RESUMED_ROWS_MAX: usize = QUEUE_ROWS_MAX;
/// Rows made into text at a time.
const ROWS_AT_ONCE: usize = 256;
/// After how long without anything else a sign of life is sent.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What all tails share.
#[derive(Clone)]
pub(super) struct Tails {
    slots: Arc<Semaphore>,
    ending: CancellationToken,
}

impl Default for Tails {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(TAILS_MAX)), ending: CancellationToken::new() }
    }
}

/// One thing that a tail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TailEvent {
    /// A row that matches.
    Row {
        /// Its `seq`.
        id: String,
        /// The row in the form of the API, as JSON.
        json: String,
    },
    /// Rows were left out here.
    Dropped(Dropped),
    /// Nothing for a while, or the beginning. All rows up to this `seq` were looked at and sent, if it is known.
    Alive(Option<i64>),
}

/// Rows that were left out, because they came faster than they were taken or could be tested.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Rows that match.
    pub rows: u64,
    /// Rows that nobody looked at, so that any of them may match.
    pub untested: u64,
    /// Whether rows from before this tail began may be missing, as the time to look for them was over.
    pub unfinished: bool,
}

/// A tail. Dropping it ends it, and gives back what it holds.
pub struct Tail {
    queue: Arc<Queue>,
    pace: Pace,
    /// When something was last said.
    said: Option<Instant>,
}

impl Tail {
    /// What comes next; `None` when the program ends.
    pub async fn next(&mut self) -> Option<TailEvent> {
        let Some(said) = self.said else {
            self.said = Some(Instant::now());
            return Some(TailEvent::Alive(self.queue.position()));
        };
        let silent_until = said + HEARTBEAT;
        loop {
            let changed = self.queue.changed();
            let pause = self.pace.pause(Instant::now());
            if pause.is_zero() {
                if let Some(event) = self.queue.take() {
                    self.pace.sent(Instant::now());
                    self.said = Some(Instant::now());
                    return Some(event);
                }
                if self.queue.is_ended() {
                    return None;
                }
            }
            tokio::select! {
                () = changed, if pause.is_zero() => {}
                () = tokio::time::sleep(pause), if !pause.is_zero() => {}
                () = tokio::time::sleep_until(silent_until.into()) => {
                    self.said = Some(Instant::now());
                    return Some(TailEvent::Alive(self.queue.position()));
                }
            }
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// What a tail holds until its task has ended.
struct Held {
    // Dropped in this order: who gets the place finds the memory free.
    _memory: Reservation,
    _slot: OwnedSemaphorePermit,
}

/// What tests batches and writes rows down.
struct Writer {
    matcher: Matcher,
    signal: Signal,
    queue: Arc<Queue>,
}

impl Engine {
    /// The rows of a signal that match, from now on. With `after`, first those that came after the row of that
    /// `seq`, as far as they can be found.
    pub async fn tail(
        &self,
        reader: &Reader,
        signal: Signal,
        q: &str,
        after: Option<i64>,
    ) -> Result<Tail, QueryError> {
        let predicate = search::parse_followed(q, signal)?;
        let matcher = Matcher::new(signal, &predicate)?;
        let slot = Arc::clone(&self.tails.slots).try_acquire_owned().map_err(|_| {
            QueryError::Busy(format!("{TAILS_MAX} live tails are open, which is the most at once"))
        })?;
        let budget = self.store.budget();
        let bytes = (INBOX_BYTES_MAX + QUEUE_BYTES_MAX).min(budget.share(Purpose::Queries) / SCAN_SHARE);
        let memory = budget.begin_query(bytes).map_err(|full| QueryError::Short(full.to_string()))?;
        let held = Held { _memory: memory, _slot: slot };
        let (before, subscription) = self.store.subscribe(reader, signal, bytes / 2)?;
        let queue = Arc::new(Queue::new(Room { rows: QUEUE_ROWS_MAX, bytes: bytes / 2 }));
        let writer = Arc::new(Writer { matcher, signal, queue: Arc::clone(&queue) });
        // Made before the rows are looked up, so that whatever ends the future ends the tail.
        let pace = Pace::new(ROWS_PER_SECOND_MAX, Instant::now());
        let tail = Tail { queue: Arc::clone(&queue), pace, said: None };
        match after.filter(|after| *after < before.last_seq) {
            Some(after) => self.resume(&before, predicate, after, &writer).await?,
            None => queue.looked_at(before.last_seq),
        }
        tokio::spawn(feed(subscription, writer, self.tails.ending.clone(), held));
        Ok(tail)
    }

    /// Ends all tails, and those that begin later at once: for a program that stops.
    pub fn end_tails(&self) {
        self.tails.ending.cancel();
    }

    /// Comes once tails are ended: other answers that go on by themselves end then, too.
    pub fn ending(&self) -> impl Future<Output = ()> + Send + use<> {
        self.tails.ending.clone().cancelled_owned()
    }

    /// Puts the rows after `after` into the queue.
    async fn resume(
        &self,
        before: &Tailed,
        predicate: Predicate,
        after: i64,
        writer: &Arc<Writer>,
    ) -> Result<(), QueryError> {
        let (slot, memory) = (self.slot()?, self.memory(RESUMED_ROWS_MAX)?);
        let scan = Scan { signal: writer.signal, range: TimeRange::ALL, predicate };
        let cancelled = Arc::new(AtomicBool::new(false));
        let control =
            Control { deadline: Instant::now() + self.limits.time, cancelled: Arc::clone(&cancelled) };
        let _cancel = CancelOnDrop(cancelled);
        let (writer, before) = (Arc::clone(writer), before.clone());
        let work = self.threads.block(move || {
            let _held = (slot, memory);
            let found = before.snapshot.arrived(&scan, after, RESUMED_ROWS_MAX, &control)?;
            writer.queue.drop_rows(Dropped {
                rows: found.earlier,
                unfinished: found.timed_out,
                ..Dropped::default()
            });
            found.rows.iter().for_each(|row| writer.write(row));
            writer.queue.looked_at(before.last_seq);
            Ok(())
        });
        work?.await
    }
}

/// Fills the queue until the reader leaves or the program ends.
async fn feed(mut subscription: Subscription, writer: Arc<Writer>, ending: CancellationToken, held: Held) {
    loop {
        let arrival = tokio::select! {
            // What has come already is told before the end.
            biased;
            () = writer.queue.closed() => None,
            arrival = subscription.next() => arrival,
            () = ending.cancelled() => None,
        };
        match arrival {
            Some(Arrival::Rows(rows)) => {
                let writer = Arc::clone(&writer);
                // Testing may take long, and other tasks wait on this thread.
                let tested = tokio::task::spawn_blocking(move || writer.test(&rows));
                if let Err(error) = tested.await {
                    tracing::error!(%error, "a live tail ended");
                    break;
                }
            }
            Some(Arrival::Lost(untested)) => {
                writer.queue.drop_rows(Dropped { untested, ..Dropped::default() });
            }
            None => break,
        }
    }
    // Given back before the reader is told, who may come again at once.
    drop((subscription, held));
    writer.queue.end();
}

impl Writer {
    /// Puts the rows of a committed batch that match into the queue.
    fn test(&self, batch: &RecordBatch) {
        let count = batch.num_rows();
        match self.matcher.matching(batch) {
            Ok(rows) => self.write(&rows),
            Err(error) => {
                tracing::error!(%error, "rows could not be tested for a live tail");
                self.queue.drop_rows(Dropped { untested: count as u64, ..Dropped::default() });
            }
        }
        if let Some(last) = count.checked_sub(1).and_then(|row| Columns(batch).int("seq", row)) {
            self.queue.looked_at(last);
        }
    }

    /// Puts rows into the queue. Of more than it can hold, the first are not written down at all.
    fn write(&self, rows: &RecordBatch) {
        let over = rows.num_rows().saturating_sub(QUEUE_ROWS_MAX);
        self.queue.drop_rows(Dropped { rows: over as u64, ..Dropped::default() });
        for first in (over..rows.num_rows()).step_by(ROWS_AT_ONCE) {
            if self.queue.is_closed() {
                return;
            }
            let some = rows.slice(first, ROWS_AT_ONCE.min(rows.num_rows() - first));
            match self.signal {
                Signal::Logs => rows_of::logs(&some).into_iter().for_each(|log| self.push(&log.id, &log)),
                _ => rows_of::spans(&some).into_iter().for_each(|span| self.push(&span.id, &span)),
            }
        }
    }

    fn push(&self, id: &str, row: &impl Serialize) {
        // Rows of the API are made of text and numbers: writing them down cannot fail.
        match serde_json::to_string(row) {
            Ok(json) => self.queue.push(Row { id: id.to_owned(), json }),
            Err(_) => self.queue.drop_rows(Dropped { rows: 1, ..Dropped::default() }),
        }
    }
}

#[cfg(test)]
mod tests;
