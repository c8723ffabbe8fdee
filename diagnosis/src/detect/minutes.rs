//! Which minutes have new spans, and when they are complete enough to be judged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A minute is due when so long no span of it came.
const QUIET_FOR: Duration = Duration::from_secs(6);
/// And at the latest so long after its first new span, unless it is the newest.
const LATEST: Duration = Duration::from_secs(90);
/// The most minutes that wait; of more the oldest are not judged.
const WAITING_MAX: usize = 50_000;

/// Minutes that wait to be judged.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    /// When the first and the last new span of each came.
    waiting: BTreeMap<i64, (Instant, Instant)>,
}

impl Minutes {
    /// Notes that spans of these minutes came.
    pub(super) fn note(&mut self, minutes: BTreeSet<i64>, now: Instant) {
        for minute in minutes {
            self.waiting.entry(minute).or_insert((now, now)).1 = now;
        }
        while self.waiting.len() > WAITING_MAX {
            self.waiting.pop_first();
        }
    }

    /// Takes the minutes that are due, at most so many, the oldest first. While spans of older minutes keep coming, as from
    /// a recording, newer ones wait for them.
    pub(super) fn due(&mut self, now: Instant, most: usize) -> Vec<i64> {
        let newest = self.waiting.last_key_value().map(|(minute, _)| *minute);
        let is_due = |minute: i64, (first, last): (Instant, Instant)| {
            now.saturating_duration_since(last) >= QUIET_FOR
                || Some(minute) != newest && now.saturating_duration_since(first) >= LATEST
        };
        let due = self.waiting.iter().take_while(|(minute, times)| is_due(**minute, **times));
        let due: Vec<i64> = due.map(|(minute, _)| *minute).take(most).collect();
        self.waiting.retain(|minute, _| !due.contains(minute));
        due
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
        minutes.note(BTreeSet::from([5, 6]), at(0));
        minutes.note(BTreeSet::from([6]), at(4));
        assert_eq!(minutes.due(at(5), 9), Vec::<i64>::new());
        assert_eq!(minutes.due(at(6), 9), [5]);
        assert_eq!(minutes.due(at(10), 9), [6]);
        // Older ones come first, and few at once.
        minutes.note(BTreeSet::from([1, 2, 3]), at(20));
        minutes.note(BTreeSet::from([1]), at(25));
        assert_eq!(minutes.due(at(27), 9), Vec::<i64>::new());
        assert_eq!(minutes.due(at(31), 2), [1, 2]);
        // One that never is quiet is due in the end, but not the newest.
        (31..120).for_each(|second| minutes.note(BTreeSet::from([3, 4]), at(second)));
        assert_eq!(minutes.due(at(119), 9), [3]);
    }
}
