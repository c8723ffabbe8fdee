//! An answer that is sent as it is produced.
//!
//! A task on the threads of SQL takes batches, writes them down in the form asked for, and puts the pieces into a
//! channel; whoever sends them takes them out. What waits is bounded by [`PIECES_WAITING_MAX`], and its memory is
//! reserved until it was sent: a piece carries its reservation to the socket.
//!
//! The task ends when the last piece was taken, or at the time limit: then what still waits is dropped, so that a
//! client that does not read holds neither a place among the questions nor more than the piece it is being sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use storage::{MemoryBudget, Purpose, Reservation, Snapshot};
use tokio::sync::{Mutex, OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant as Moment, timeout_at};

use super::written::{RowFormat, Writer};
use super::{GRACE, SqlEngine, check_size, out_of_time, spent, wrong};
use crate::error::QueryError;
use crate::rows::Stats;
use crate::threads::Task;

/// Rows written down at a time.
const ROWS_AT_ONCE: usize = 1024;
/// Pieces that wait to be sent, each of [`ROWS_AT_ONCE`] rows at most.
const PIECES_WAITING_MAX: usize = 4;
/// The most rows of an answer that is sent as it is produced.
const ROWS_STREAMED_MAX: usize = 10_000_000;
/// The largest answer that is sent as it is produced, in bytes as they are sent.
const BYTES_STREAMED_MAX: usize = 4 << 30;
/// How long memory for rows is waited for that others have.
const MEMORY_WAIT_MAX: Duration = Duration::from_secs(2);
/// What an answer is said to be cut by at its deadline.
const TIME_LIMIT: &str = "time limit";

/// What a question holds until it ends: its place among the questions, and memory for its scans.
type Held = (OwnedSemaphorePermit, Reservation);
type Pieces = Arc<Mutex<mpsc::Receiver<Bytes>>>;

/// The answer to a query, written down as it comes. Dropping it ends the query.
pub struct SqlStream {
    first: Option<Bytes>,
    pieces: Pieces,
    task: Task<Stats>,
    /// When a query is given up that does not look at its deadline.
    until: Moment,
    time: Duration,
    /// Once everything was taken.
    stats: Option<Stats>,
}

impl SqlStream {
    /// What comes next: whole rows; `None` at the end. After an error nothing more comes.
    pub async fn next(&mut self) -> Result<Option<Bytes>, QueryError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.stats.is_some() {
            return Ok(None);
        }
        let late = |_| out_of_time(self.time);
        let next = timeout_at(self.until, async { self.pieces.lock().await.recv().await }).await;
        if let Some(piece) = next.map_err(late)? {
            return Ok(Some(piece));
        }
        self.stats = Some(timeout_at(self.until, &mut self.task).await.map_err(late)??);
        Ok(None)
    }

    /// What it cost, and what cut it short; known once the end was reached.
    pub fn stats(&self) -> Option<&Stats> {
        self.stats.as_ref()
    }
}

/// A piece on its way, with its memory.
struct Piece {
    bytes: Vec<u8>,
    _memory: Reservation,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl SqlEngine {
    /// Begins to answer one query over a snapshot, and returns when its first rows are there.
    pub(crate) async fn stream(
        &self,
        snapshot: Snapshot,
        sql: &str,
        format: RowFormat,
        budget: Arc<MemoryBudget>,
        held: Held,
    ) -> Result<SqlStream, QueryError> {
        check_size(sql)?;
        let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
        let pieces = Arc::new(Mutex::new(receiver));
        let deadline = Moment::now() + self.time;
        let way = Way { sender, pieces: Arc::clone(&pieces), budget, deadline, rows: 0, bytes: 0 };
        let (engine, sql) = (self.clone(), sql.to_owned());
        let task = self.threads.spawn(async move {
            let _held = held;
            engine.produce(&snapshot, &sql, format, way).await
        })?;
        let until = deadline + GRACE;
        let mut stream = SqlStream { first: None, pieces, task, until, time: self.time, stats: None };
        stream.first = stream.next().await?;
        Ok(stream)
    }

    async fn produce(
        &self,
        snapshot: &Snapshot,
        sql: &str,
        format: RowFormat,
        mut way: Way,
    ) -> Result<Stats, QueryError> {
        let begun = Instant::now();
        let planned = self.planned(snapshot, sql, way.deadline).await?;
        let rows = planned.run().map_err(|error| wrong(&error))?;
        let mut writer = Writer::new(format, &rows.schema())?;
        let cut = match way.send_all(rows, &mut writer).await {
            Err(Stop::Cut(_)) if way.rows == 0 => return Err(out_of_time(self.time)),
            Err(Stop::Cut(reason)) => Some(reason),
            Err(Stop::Wrong(error)) => return Err(error),
            Ok(()) => None,
        };
        let cut = way.drained().await.err().or(cut);
        Ok(spent(snapshot, planned.plan.as_ref(), begun, cut))
    }
}

/// Why no more rows are sent.
enum Stop {
    /// A limit was reached.
    Cut(String),
    /// Something went wrong.
    Wrong(QueryError),
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        Self::Wrong(error)
    }
}

/// The way of an answer to whoever sends it.
struct Way {
    sender: mpsc::Sender<Bytes>,
    /// The other end, for what is not taken in time.
    pieces: Pieces,
    budget: Arc<MemoryBudget>,
    deadline: Moment,
    rows: usize,
    bytes: usize,
}

impl Way {
    /// Sends all rows, and what stands behind them.
    async fn send_all(
        &mut self,
        mut rows: SendableRecordBatchStream,
        writer: &mut Writer,
    ) -> Result<(), Stop> {
        loop {
            let next = timeout_at(self.deadline, rows.next()).await;
            let Some(batch) = next.map_err(|_| Stop::Cut(TIME_LIMIT.to_owned()))? else { break };
            let batch = batch.map_err(|error| Stop::Wrong(wrong(&error)))?;
            self.send_batch(&batch, writer).await?;
        }
        let end = writer.end()?;
        self.send(end).await
    }

    async fn send_batch(&mut self, batch: &RecordBatch, writer: &mut Writer) -> Result<(), Stop> {
        let _memory = self.reserve(batch.get_array_memory_size()).await?;
        let mut at = 0;
        while at < batch.num_rows() {
            let room = ROWS_STREAMED_MAX - self.rows;
            if room == 0 {
                return Err(Stop::Cut(format!("row limit: {ROWS_STREAMED_MAX}")));
            }
            let rows = ROWS_AT_ONCE.min(batch.num_rows() - at).min(room);
            let written = writer.rows(&batch.slice(at, rows))?;
            self.send(written).await?;
            self.rows += rows;
            at += rows;
        }
        Ok(())
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.bytes += bytes.len();
        if self.bytes > BYTES_STREAMED_MAX {
            return Err(Stop::Cut(format!("answer size: {BYTES_STREAMED_MAX} bytes")));
        }
        let memory = self.reserve(bytes.len()).await?;
        let piece = Bytes::from_owner(Piece { bytes, _memory: memory });
        match timeout_at(self.deadline, self.sender.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Stop::Wrong(QueryError::Timeout("nobody waits for the answer".to_owned()))),
            Err(_) => Err(Stop::Cut(TIME_LIMIT.to_owned())),
        }
    }

    /// Memory, waited for where it is taken: that of what was sent is free soon.
    async fn reserve(&self, bytes: usize) -> Result<Reservation, QueryError> {
        let reserved = self.budget.reserve(Purpose::Queries, bytes, MEMORY_WAIT_MAX).await;
        reserved.map_err(|full| QueryError::Memory(format!("the answer needs too much memory: {full}")))
    }

    /// Waits until everything was taken. What was not at the deadline is dropped, and that is the reason told.
    async fn drained(self) -> Result<(), String> {
        if timeout_at(self.deadline, self.sender.reserve_many(PIECES_WAITING_MAX)).await.is_ok() {
            return Ok(());
        }
        if let Ok(mut pieces) = self.pieces.try_lock() {
            while pieces.try_recv().is_ok() {}
        }
        Err(TIME_LIMIT.to_owned())
    }
}
