//! The log thread: group commit, and what must happen between two commits.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::{Frozen, Held, Shared};
use crate::error::{Result, StoreError};
use crate::guard::Claim;
use crate::wal::{Committed, Frame, Wal};

/// The most bytes that are synced at once.
const GROUP_BYTES_MAX: usize = 32 << 20;

/// What the log thread is asked to do.
pub(super) enum Command {
    /// Make a request durable and readable.
    Append {
        frame: Box<Frame>,
        payload: Vec<u8>,
        claim: Option<Claim>,
        done: oneshot::Sender<Result<()>>,
        held: Held,
    },
    /// Freeze the memtables. Answers `None` if there are no rows.
    Freeze { done: oneshot::Sender<Result<Option<Arc<Frozen>>>> },
    /// End once everything before this is done.
    Close,
}

/// A request whose group is being gathered.
struct Waiting {
    frame: Box<Frame>,
    claim: Option<Claim>,
    done: oneshot::Sender<Result<()>>,
    held: Held,
}

pub(super) fn spawn(
    wal: Wal,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
) -> Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("log".to_owned());
    let run = move || LogThread { wal, shared }.run(commands);
    thread.spawn(run).map_err(|source| StoreError::Io {
        what: "start the thread",
        path: PathBuf::from("log"),
        source,
    })
}

struct LogThread {
    wal: Wal,
    shared: Arc<Shared>,
}

impl LogThread {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut next = commands.blocking_recv();
        while let Some(command) = next.take() {
            match command {
                Command::Append { frame, payload, claim, done, held } => {
                    let first = (Waiting { frame, claim, done, held }, payload);
                    next = self.commit_group(first, &mut commands);
                }
                Command::Freeze { done } => drop(done.send(self.freeze())),
                Command::Close => return,
            }
            if next.is_none() {
                next = commands.blocking_recv();
            }
        }
    }

    /// Commits a request with all that wait behind it. Returns the first command that is no request.
    fn commit_group(
        &mut self,
        (first, payload): (Waiting, Vec<u8>),
        commands: &mut mpsc::Receiver<Command>,
    ) -> Option<Command> {
        let mut bytes = payload.len();
        let mut payloads = vec![(payload, first.frame.batch.rows.num_rows() as u32)];
        let mut waiting = vec![first];
        let mut other = None;
        while bytes < GROUP_BYTES_MAX {
            match commands.try_recv() {
                Ok(Command::Append { frame, payload, claim, done, held }) => {
                    bytes += payload.len();
                    payloads.push((payload, frame.batch.rows.num_rows() as u32));
                    waiting.push(Waiting { frame, claim, done, held });
                }
                Ok(command) => {
                    other = Some(command);
                    break;
                }
                Err(_) => break,
            }
        }
        match self.wal.commit(&payloads, &self.shared.options.timings) {
            Ok(committed) => self.accept(waiting, &committed),
            Err(error) => {
                if matches!(error, StoreError::Poisoned(_)) {
                    self.shared.poisoned.store(true, Ordering::Release);
                }
                refuse(waiting, &error);
            }
        }
        other
    }

    /// Makes durable requests readable, hands them to the tails, then answers them.
    fn accept(&mut self, waiting: Vec<Waiting>, committed: &[Committed]) {
        let mut answers = Vec::with_capacity(waiting.len());
        let tailed = {
            let mut live = self.shared.live();
            for (Waiting { frame, claim, done, held }, at) in waiting.into_iter().zip(committed) {
                let inserted = self.shared.insert(&mut live, *at, &frame);
                if let (Some(claim), Ok(())) = (claim, &inserted) {
                    claim.done(frame.arrival, &frame.batch.answer);
                }
                answers.push((done, inserted));
                // From here on the rows count as fresh.
                drop(held);
            }
            if live.active.bytes >= self.shared.options.memtable_bytes as u64 {
                self.shared.wake.notify_all();
            }
            std::mem::take(&mut live.tailed)
        };
        self.shared.tails.offer(&tailed, |tenant| self.shared.known_tenant(tenant));
        for (done, answer) in answers {
            drop(done.send(answer));
        }
    }

    fn freeze(&mut self) -> Result<Option<Arc<Frozen>>> {
        if self.shared.live().active.tables.is_empty() {
            return Ok(None);
        }
        let (to, log_files) = self.wal.rotate()?;
        let mut live = self.shared.live();
        let fresh = std::mem::take(&mut live.active);
        let frozen = Arc::new(Frozen { fresh, to, next_seq: self.wal.next_seq(), log_files });
        live.frozen.push(Arc::clone(&frozen));
        Ok(Some(frozen))
    }
}

/// Tells requests that they were not stored. Their claims go, so that copies are taken as new.
fn refuse(waiting: Vec<Waiting>, error: &StoreError) {
    tracing::error!(%error, requests = waiting.len(), "the write-ahead log refused");
    for Waiting { claim, done, .. } in waiting {
        drop(claim);
        drop(done.send(Err(again(error))));
    }
}

/// The same error once more, for each of those that wait for it.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Io { what, path, source } => StoreError::Io {
            what,
            path: path.clone(),
            source: std::io::Error::new(source.kind(), source.to_string()),
        },
        StoreError::Poisoned(why) => StoreError::Poisoned(why.clone()),
        other => StoreError::Log(other.to_string()),
    }
}
