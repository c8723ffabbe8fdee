//! Retention: which segments are too old, or too much.
//!
//! Age counts from arrival and never from event time, so that a recording of years ago can be imported and
//! stays. Whole segments go, with the arrival of their last row: a row stays for at least the age, and longer by
//! as much as its segment spans, a day at most, since merges join only segments of one day of arrival. Rows that
//! are not in segments yet are never removed, and do not count towards the size.

use std::time::Duration;

use model::UnixNanos;

use crate::segment::SegmentMeta;

/// What is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// For how long after their arrival rows are kept; `None` for ever.
    pub age: Option<Duration>,
    /// How many bytes of segments are kept, of all tenants and signals together; `None` for any number.
    pub bytes: Option<u64>,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Segments.
    pub segments: u64,
    /// Their rows.
    pub rows: u64,
    /// The bytes of their files.
    pub bytes: u64,
}

impl Removed {
    /// This and another.
    pub(crate) fn add(&mut self, other: Self) {
        self.segments += other.segments;
        self.rows += other.rows;
        self.bytes += other.bytes;
    }

    /// The sum over segments.
    pub(crate) fn of<'a>(segments: impl Iterator<Item = &'a SegmentMeta>) -> Self {
        segments.fold(Self::default(), |mut sum, segment| {
            sum.add(Self { segments: 1, rows: segment.rows, bytes: segment.bytes });
            sum
        })
    }
}

impl Retention {
    /// Whether anything is ever removed.
    pub(crate) fn is_limited(&self) -> bool {
        self.age.is_some() || self.bytes.is_some()
    }

    /// The segments that are to go at a time, the ones that arrived first at the front: those that are too
    /// old, and then as many as the size asks for.
    pub(crate) fn overdue<'a>(
        &self,
        segments: impl Iterator<Item = &'a SegmentMeta>,
        now: UnixNanos,
    ) -> Vec<&'a SegmentMeta> {
        let mut segments: Vec<&SegmentMeta> = segments.collect();
        segments.sort_by(|a, b| (a.last_arrival, &a.id).cmp(&(b.last_arrival, &b.id)));
        let oldest_kept = self.age.map(|age| {
            let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            UnixNanos(now.0.saturating_sub(age))
        });
        let mut left: u64 = segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.bytes));
        let count = segments.iter().take_while(|segment| {
            let too_old = oldest_kept.is_some_and(|oldest| segment.last_arrival < oldest);
            let too_much = self.bytes.is_some_and(|most| left > most);
            left = left.saturating_sub(segment.bytes);
            too_old || too_much
        });
        let count = count.count();
        segments.truncate(count);
        segments
    }
}

#[cfg(test)]
mod tests {
    use model::{Signal, TenantId};

    use super::*;

    /// Segments of 10 bytes by the second of their last arrival; their events are of 1970.
    fn segments(arrivals: &[i64]) -> Vec<SegmentMeta> {
        let segment = |(number, arrival): (usize, &i64)| SegmentMeta {
            id: format!("s{number}"),
            tenant: TenantId(1 + number as u32 % 2),
            signal: Signal::ALL[number % Signal::ALL.len()],
            rows: 5,
            bytes: 10,
            first: UnixNanos(0),
            last: UnixNanos(1),
            first_arrival: UnixNanos((arrival - 1) * 1_000_000_000),
            last_arrival: UnixNanos(arrival * 1_000_000_000),
            indexed: false,
            rolled_up: false,
        };
        arrivals.iter().enumerate().map(segment).collect()
    }

    #[test]
    fn the_oldest_arrivals_go_first() {
        let arrivals = [300, 100, 200, 400];
        // Age in seconds, bytes, the second it is, which ones go.
        type Case = (Option<u64>, Option<u64>, i64, &'static [&'static str]);
        let cases: [Case; 12] = [
            (None, None, 1_000_000, &[]),
            (Some(100), None, 200, &[]),
            (Some(100), None, 201, &["s1"]),
            (Some(100), None, 350, &["s1", "s2"]),
            (Some(100), None, 1_000_000, &["s1", "s2", "s0", "s3"]),
            (Some(u64::MAX), None, 1_000_000, &[]),
            (None, Some(40), 0, &[]),
            (None, Some(39), 0, &["s1"]),
            (None, Some(11), 0, &["s1", "s2", "s0"]),
            (None, Some(0), 0, &["s1", "s2", "s0", "s3"]),
            (Some(100), Some(20), 201, &["s1", "s2"]),
            (Some(100), Some(20), 350, &["s1", "s2"]),
        ];
        for (age, bytes, now, expected) in cases {
            let retention = Retention { age: age.map(Duration::from_secs), bytes };
            let segments = segments(&arrivals);
            let found = retention.overdue(segments.iter(), UnixNanos(now * 1_000_000_000));
            let found: Vec<&str> = found.iter().map(|segment| segment.id.as_str()).collect();
            assert_eq!(found, expected, "{age:?} {bytes:?} at {now}");
        }
    }

    #[test]
    fn a_clock_before_all_arrivals_removes_nothing() {
        let retention = Retention { age: Some(Duration::from_secs(1)), bytes: None };
        let segments = segments(&[100]);
        for now in [i64::MIN, 0, 100_000_000_000] {
            assert!(retention.overdue(segments.iter(), UnixNanos(now)).is_empty(), "{now}");
        }
    }

    #[test]
    fn what_goes_is_summed() {
        let removed = Removed::of(segments(&[1, 2, 3]).iter());
        assert_eq!(removed, Removed { segments: 3, rows: 15, bytes: 30 });
    }
}
