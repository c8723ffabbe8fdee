//! Between the task that tests rows and the reader who takes them: a bounded queue, and a pace.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::{Dropped, TailEvent};

/// How much a queue holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// A row that waits to be sent.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) json: String,
}

/// Rows that wait to be sent, and what was dropped before the first of them.
#[derive(Debug)]
pub(super) struct Queue {
    room: Room,
    state: Mutex<State>,
    /// Wakes the reader.
    filled: Notify,
    /// Wakes the task that fills.
    closing: Notify,
}

#[derive(Debug, Default)]
struct State {
    rows: VecDeque<Row>,
    bytes: usize,
    dropped: Dropped,
    position: Option<i64>,
    /// The reader is gone.
    closed: bool,
    /// Nothing more will come.
    ended: bool,
}

impl Queue {
    pub(super) fn new(room: Room) -> Self {
        Self { room, state: Mutex::default(), filled: Notify::new(), closing: Notify::new() }
    }

    /// Adds a row. Where there is no room, the oldest go: a reader who is behind wants to see what is new.
    pub(super) fn push(&self, row: Row) {
        let mut state = self.state();
        state.bytes += row.bytes();
        state.rows.push_back(row);
        while state.rows.len() > self.room.rows || state.bytes > self.room.bytes {
            let Some(oldest) = state.rows.pop_front() else { break };
            state.bytes -= oldest.bytes();
            state.dropped.rows += 1;
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Counts rows that were left out. Told before the next row.
    pub(super) fn drop_rows(&self, dropped: Dropped) {
        if dropped == Dropped::default() {
            return;
        }
        let mut state = self.state();
        state.dropped.rows += dropped.rows;
        state.dropped.untested += dropped.untested;
        state.dropped.unfinished |= dropped.unfinished;
        drop(state);
        self.filled.notify_one();
    }

    /// All rows up to this `seq` are in the queue, or do not match.
    pub(super) fn looked_at(&self, seq: i64) {
        let mut state = self.state();
        state.position = Some(state.position.map_or(seq, |before| before.max(seq)));
    }

    /// What comes next.
    pub(super) fn take(&self) -> Option<TailEvent> {
        let mut state = self.state();
        if state.dropped != Dropped::default() {
            return Some(TailEvent::Dropped(std::mem::take(&mut state.dropped)));
        }
        let row = state.rows.pop_front()?;
        state.bytes -= row.bytes();
        Some(TailEvent::Row { id: row.id, json: row.json })
    }

    /// Up to which `seq` the reader has everything; `None` while something waits.
    pub(super) fn position(&self) -> Option<i64> {
        let state = self.state();
        state.position.filter(|_| state.rows.is_empty() && state.dropped == Dropped::default())
    }

    /// Ends when something was put in after the call, or before it and was not waited for.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.filled.notified()
    }

    /// Ends when the reader is gone.
    pub(super) async fn closed(&self) {
        while !self.is_closed() {
            self.closing.notified().await;
        }
    }

    /// Whether the reader is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// The reader goes.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.closing.notify_one();
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.filled.notify_one();
    }

    /// Whether nothing more will come, and all was taken.
    pub(super) fn is_ended(&self) -> bool {
        let state = self.state();
        state.ended && state.rows.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn bytes(&self) -> usize {
        self.id.len() + self.json.len()
    }
}

/// So many events in a second: as many at once as a second has, and then one by one.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    burst: Duration,
    /// When all that was sent is paid for.
    paid: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let burst = Duration::from_secs(1);
        Self { gap: burst / per_second.max(1), burst, paid: now }
    }

    /// How long to wait before the next event; zero if it may be sent.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        self.paid.saturating_duration_since(now + self.burst.saturating_sub(self.gap))
    }

    /// An event is sent.
    pub(super) fn sent(&mut self, now: Instant) {
        self.paid = self.paid.max(now) + self.gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: usize) -> Row {
        Row { id: id.to_string(), json: "x".repeat(9) }
    }

    fn all(queue: &Queue) -> Vec<String> {
        let shown = |event| match event {
            TailEvent::Row { id, .. } => id,
            TailEvent::Dropped(Dropped { rows, untested, unfinished }) => {
                format!("-{rows}/{untested}{}", if unfinished { "?" } else { "" })
            }
            TailEvent::Alive(_) => "alive".to_owned(),
        };
        std::iter::from_fn(|| queue.take()).map(shown).collect()
    }

    #[test]
    fn a_full_queue_lets_the_oldest_go_and_says_so_first() {
        for (room, pushed, taken) in [
            (Room { rows: 3, bytes: 1000 }, 3, vec!["0", "1", "2"]),
            (Room { rows: 3, bytes: 1000 }, 5, vec!["-2/0", "2", "3", "4"]),
            (Room { rows: 100, bytes: 25 }, 4, vec!["-2/0", "2", "3"]),
            (Room { rows: 100, bytes: 5 }, 2, vec!["-2/0"]),
        ] {
            let queue = Queue::new(room);
            (0..pushed).for_each(|id| queue.push(row(id)));
            assert_eq!(all(&queue), taken, "{room:?}");
            assert_eq!(queue.state().bytes, 0);
        }
    }

    #[test]
    fn what_was_left_out_is_summed_up_until_it_is_told() {
        let queue = Queue::new(Room { rows: 10, bytes: 1000 });
        queue.looked_at(4);
        assert_eq!(queue.position(), Some(4));
        queue.drop_rows(Dropped { rows: 2, untested: 3, unfinished: false });
        queue.drop_rows(Dropped { rows: 1, untested: 0, unfinished: true });
        queue.push(row(7));
        queue.looked_at(7);
        assert_eq!(queue.position(), None, "a reader who has not seen a row is not past it");
        assert_eq!(all(&queue), ["-3/3?", "7"]);
        assert_eq!(queue.position(), Some(7));
        queue.end();
        assert!(queue.is_ended());
    }

    #[test]
    fn a_pace_allows_a_second_at_once_and_then_one_by_one() {
        let begun = Instant::now();
        let mut pace = Pace::new(10, begun);
        for sent in 0..10 {
            assert_eq!(pace.pause(begun), Duration::ZERO, "{sent}");
            pace.sent(begun);
        }
        let tenth = Duration::from_millis(100);
        assert_eq!(pace.pause(begun), tenth);
        assert_eq!(pace.pause(begun + tenth), Duration::ZERO);
        pace.sent(begun + tenth);
        assert_eq!(pace.pause(begun + tenth), tenth);
        // A silence saves up no more than a second.
        let later = begun + Duration::from_secs(60);
        for _ in 0..10 {
            assert_eq!(pace.pause(later), Duration::ZERO);
            pace.sent(later);
        }
        assert!(pace.pause(later) > Duration::ZERO);
    }
}
