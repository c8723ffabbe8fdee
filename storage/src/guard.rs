//! The duplicate guard: a request that is sent again is answered as the first was, and stored once.
//!
//! A client that saw no answer cannot know whether its request was stored, and sends it again. The guard
//! remembers the hash of every stored payload with its answer for [`REMEMBERED`]. A copy that arrives while
//! the first is being written waits for it; if the first fails, the copy takes its place.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Answer, Signal, TenantId, UnixNanos};
use tokio::sync::watch;

/// How long an answer is remembered, in nanoseconds: ten minutes.
pub(crate) const REMEMBERED: i64 = 600 * 1_000_000_000;
/// How many answers are remembered; past it the oldest goes first.
const ANSWERS_MAX: usize = 1_000_000;

/// What makes two requests the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) tenant: TenantId,
    pub(crate) signal: Signal,
    pub(crate) hash: u128,
}

/// A stored payload, as it moves from the log to the catalog.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) key: Key,
    pub(crate) arrival: UnixNanos,
    pub(crate) answer: Answer,
}

/// The guard of a store.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    entries: HashMap<Key, Entry>,
    /// Done entries, oldest first.
    order: VecDeque<(UnixNanos, Key)>,
    held_back: u64,
}

#[derive(Debug)]
enum Entry {
    /// Being written; the channel closes or changes when that ends.
    Pending(watch::Receiver<()>),
    Done(Answer),
}

/// What the guard says of a request.
pub(crate) enum Verdict {
    /// It is new: write it, then call [`Claim::done`]. Dropping the claim gives it up.
    New(Claim),
    /// It is a repeat: this was the answer.
    Repeat(Answer),
}

/// The right to write a payload.
#[derive(Debug)]
pub(crate) struct Claim {
    guard: Arc<Guard>,
    key: Key,
    finished: bool,
    _waiters: watch::Sender<()>,
}

impl Guard {
    /// Asks whether a payload is new. Waits while a copy of it is being written.
    pub(crate) async fn enter(self: &Arc<Self>, key: Key) -> Verdict {
        loop {
            let mut pending = match self.look(key) {
                Ok(verdict) => return verdict,
                Err(pending) => pending,
            };
            // An error means that the first one ended, which is what was waited for.
            drop(pending.changed().await);
        }
    }

    fn look(self: &Arc<Self>, key: Key) -> Result<Verdict, watch::Receiver<()>> {
        let mut known = self.lock();
        match known.entries.get(&key) {
            Some(Entry::Pending(pending)) => return Err(pending.clone()),
            Some(Entry::Done(answer)) => {
                let answer = answer.clone();
                known.held_back += 1;
                return Ok(Verdict::Repeat(answer));
            }
            None => {}
        }
        let (waiters, pending) = watch::channel(());
        known.entries.insert(key, Entry::Pending(pending));
        Ok(Verdict::New(Claim { guard: Arc::clone(self), key, finished: false, _waiters: waiters }))
    }

    /// Remembers a payload that was stored before this process began.
    pub(crate) fn remember(&self, seen: &Seen) {
        self.lock().done(seen.key, seen.arrival, seen.answer.clone());
    }

    /// How many requests were held back as repeats.
    pub(crate) fn held_back(&self) -> u64 {
        self.lock().held_back
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn done(&mut self, key: Key, arrival: UnixNanos, answer: Answer) {
        self.entries.insert(key, Entry::Done(answer));
        self.order.push_back((arrival, key));
        let forget_before = UnixNanos(arrival.0.saturating_sub(REMEMBERED));
        while let Some((oldest, key)) = self.order.front().copied() {
            if oldest >= forget_before && self.order.len() <= ANSWERS_MAX {
                break;
            }
            self.order.pop_front();
            self.entries.remove(&key);
        }
    }
}

impl Claim {
    /// The payload is durable; copies of it get this answer.
    pub(crate) fn done(mut self, arrival: UnixNanos, answer: &Answer) {
        self.finished = true;
        self.guard.lock().done(self.key, arrival, answer.clone());
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.finished {
            self.guard.lock().entries.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hash: u128) -> Key {
        Key { tenant: TenantId(1), signal: Signal::Logs, hash }
    }

    fn claim(verdict: Verdict) -> Claim {
        match verdict {
            Verdict::New(claim) => claim,
            Verdict::Repeat(answer) => panic!("a repeat: {answer:?}"),
        }
    }

    fn answer(rejected: u64) -> Answer {
        Answer { rejected, message: "why".into() }
    }

    #[tokio::test]
    async fn a_repeat_gets_the_first_answer() {
        let guard = Arc::new(Guard::default());
        claim(guard.enter(key(1)).await).done(UnixNanos(0), &answer(3));
        match guard.enter(key(1)).await {
            Verdict::Repeat(first) => assert_eq!(first, answer(3)),
            Verdict::New(_) => panic!("stored twice"),
        }
        assert_eq!(guard.held_back(), 1);
    }

    #[tokio::test]
    async fn a_copy_waits_for_the_first_and_takes_its_place_if_it_fails() {
        let guard = Arc::new(Guard::default());
        let first = claim(guard.enter(key(1)).await);
        let copy = tokio::spawn({
            let guard = Arc::clone(&guard);
            async move { matches!(guard.enter(key(1)).await, Verdict::New(_)) }
        });
        tokio::task::yield_now().await;
        assert!(!copy.is_finished());
        drop(first);
        assert!(copy.await.unwrap());
    }

    #[tokio::test]
    async fn an_answer_is_forgotten_after_ten_minutes() {
        let guard = Arc::new(Guard::default());
        claim(guard.enter(key(1)).await).done(UnixNanos(0), &answer(0));
        claim(guard.enter(key(2)).await).done(UnixNanos(REMEMBERED + 1), &answer(0));
        assert!(matches!(guard.enter(key(1)).await, Verdict::New(_)));
        assert!(matches!(guard.enter(key(2)).await, Verdict::Repeat(_)));
    }
}
