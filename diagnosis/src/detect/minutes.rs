//! Which minutes have new spans, and when they are complete enough to be judged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::counts::MINUTE;

/// A minute is due when so long no span of it came.
const QUIET_FOR: Duration = Duration::from_secs(6);
/// And at the latest so long after its first new span, unless it is the newest.
const LATEST: Duration = Duration::from_secs(90);
/// A minute under way can be looked at every so often, when so much of it came.
const EARLY_EVERY: Duration = Duration::from_secs(15);
/// The most minutes that wait; of more the oldest are not judged.
const WAITING_MAX: usize = 50_000;

/// Minutes with spans, and when the newest of these began.
#[derive(Debug, Default)]
pub(super) struct Came(BTreeMap<i64, i64>);

impl Came {
    /// Those in which spans with these starts began.
    pub(super) fn of(starts: &[i64]) -> Self {
        let mut came = BTreeMap::new();
        // Neighbours are mostly of one minute.
        for of_minute in starts.chunk_by(|a, b| a.div_euclid(MINUTE) == b.div_euclid(MINUTE)) {
            let newest = of_minute.iter().copied().max().unwrap_or_default();
            let known = came.entry(newest.div_euclid(MINUTE)).or_insert(newest);
            *known = newest.max(*known);
        }
        Self(came)
    }

    /// Whole minutes.
    pub(super) fn whole(minutes: impl IntoIterator<Item = i64>) -> Self {
        Self(minutes.into_iter().map(|minute| (minute, end(minute))).collect())
    }
}

/// The last nanosecond of a minute.
pub(super) fn end(minute: i64) -> i64 {
    minute.saturating_add(1).saturating_mul(MINUTE).saturating_sub(1)
}

/// Minutes that wait to be judged.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    waiting: BTreeMap<i64, Waiting>,
    /// When a minute under way was looked at.
    looked: Option<Instant>,
}

/// When the first and the last new span of a minute came, and when the newest began.
#[derive(Debug)]
struct Waiting {
    first: Instant,
    last: Instant,
    newest: i64,
}

impl Minutes {
    /// Notes that spans of these minutes came.
    pub(super) fn note(&mut self, came: Came, now: Instant) {
        for (minute, newest) in came.0 {
            let waiting = self.waiting.entry(minute).or_insert(Waiting { first: now, last: now, newest });
            (waiting.last, waiting.newest) = (now, waiting.newest.max(newest));
        }
        while self.waiting.len() > WAITING_MAX {
            self.waiting.pop_first();
        }
    }

    /// Takes the minutes that are due, at most so many, the oldest first. While spans of older minutes keep coming, as from
    /// a recording, newer ones wait for them.
    pub(super) fn due(&mut self, now: Instant, most: usize) -> Vec<i64> {
        let newest = self.waiting.last_key_value().map(|(minute, _)| *minute);
        let is_due = |minute: i64, of: &Waiting| {
            now.saturating_duration_since(of.last) >= QUIET_FOR
                || Some(minute) != newest && now.saturating_duration_since(of.first) >= LATEST
        };
        let due = self.waiting.iter().take_while(|(minute, of)| is_due(**minute, of));
        let due: Vec<i64> = due.map(|(minute, _)| *minute).take(most).collect();
        self.waiting.retain(|minute, _| !due.contains(minute));
        due
    }

    /// The minute after `last` while it is under way and the newest, with the newest start in it; now and then.
    pub(super) fn under_way(&mut self, last: i64, now: Instant) -> Option<(i64, i64)> {
        let (minute, of) = self.waiting.last_key_value()?;
        let is_early = |since: Instant| now.saturating_duration_since(since) < EARLY_EVERY;
        if *minute != last + 1 || is_early(of.first) || self.looked.is_some_and(is_early) {
            return None;
        }
        self.looked = Some(now);
        Some((*minute, of.newest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_due_when_they_are_quiet() {
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut minutes = Minutes::default();
        minutes.note(Came::whole([5, 6]), at(0));
        minutes.note(Came::whole([6]), at(4));
        assert_eq!(minutes.due(at(5), 9), Vec::<i64>::new());
        assert_eq!(minutes.due(at(6), 9), [5]);
        assert_eq!(minutes.due(at(10), 9), [6]);
        // Older ones come first, and few at once.
        minutes.note(Came::whole([1, 2, 3]), at(20));
        minutes.note(Came::whole([1]), at(25));
        assert_eq!(minutes.due(at(27), 9), Vec::<i64>::new());
        assert_eq!(minutes.due(at(31), 2), [1, 2]);
        // One that never is quiet is due in the end, but not the newest.
        (31..120).for_each(|second| minutes.note(Came::whole([3, 4]), at(second)));
        assert_eq!(minutes.due(at(119), 9), [3]);
    }
    #[test]
    fn minutes_under_way_are_looked_at_now_and_then() {
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut minutes = Minutes::default();
        minutes.note(Came::of(&[7 * MINUTE + 3, 7 * MINUTE + 9, 7 * MINUTE + 5]), at(0));
        assert_eq!(minutes.under_way(6, at(14)), None, "too little of it");
        assert_eq!(minutes.under_way(6, at(15)), Some((7, 7 * MINUTE + 9)));
        assert_eq!(minutes.under_way(6, at(20)), None, "just looked at");
        assert_eq!(minutes.under_way(6, at(30)), Some((7, 7 * MINUTE + 9)));
        assert_eq!(minutes.under_way(5, at(60)), None, "not the one after");
        minutes.note(Came::of(&[8 * MINUTE, 7 * MINUTE + 20, -1]), at(61));
        assert_eq!(minutes.under_way(6, at(90)), None, "not the newest");
        assert_eq!(minutes.under_way(7, at(90)), Some((8, 8 * MINUTE)));
        assert_eq!(minutes.due(at(91), 9), [-1, 7, 8]);
    }
}
