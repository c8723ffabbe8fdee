//! Times: signed nanoseconds since 1970-01-01 UTC.

use std::fmt;

/// The number of nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;
/// The number of nanoseconds in a minute.
const MINUTE: i64 = 60 * SECOND;

/// A point in time in nanoseconds since 1970 UTC. Arithmetic saturates; nothing here panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// The latest time that can be stored: 2262-04-11.
    pub const MAX: Self = Self(i64::MAX);

    /// A time as OTLP sends it. `None` past 2262-04-11, which 64 signed bits cannot hold.
    pub fn from_wire(nanos: u64) -> Option<Self> {
        i64::try_from(nanos).ok().map(Self)
    }

    /// Now, by the machine's clock.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// This time with its fraction of a second cut off.
    pub fn to_the_second(self) -> Self {
        Self(self.0.div_euclid(SECOND).saturating_mul(SECOND))
    }

    /// The beginning of the minute this time lies in; the first minute that can be stored begins a little late.
    pub fn to_the_minute(self) -> Self {
        Self(self.0.div_euclid(MINUTE).saturating_mul(MINUTE))
    }

    /// Nanoseconds from `earlier` to here, negative if it is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The number of the UTC day this time lies in.
    pub fn day(self) -> i64 {
        self.0.div_euclid(86_400 * SECOND)
    }
}

impl fmt::Display for UnixNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A half-open range of event times; an absent end is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// The first time inside.
    pub from: Option<UnixNanos>,
    /// The first time past the end.
    pub to: Option<UnixNanos>,
}

impl TimeRange {
    /// Everything.
    pub const ALL: Self = Self { from: None, to: None };

    /// Whether `time` lies inside.
    pub fn contains(&self, time: UnixNanos) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to)
    }

    /// The range with its ends moved outward to whole minutes.
    pub fn whole_minutes(&self) -> Self {
        let up = |time: UnixNanos| match time.to_the_minute() {
            minute if minute == time => minute,
            minute => UnixNanos(minute.0.saturating_add(MINUTE)),
        };
        Self { from: self.from.map(UnixNanos::to_the_minute), to: self.to.map(up) }
    }

    /// Whether any time from `first` to `last`, both included, lies inside.
    pub fn overlaps(&self, first: UnixNanos, last: UnixNanos) -> bool {
        self.from.is_none_or(|from| from <= last) && self.to.is_none_or(|to| first < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_half_open() {
        let range = TimeRange { from: Some(UnixNanos(10)), to: Some(UnixNanos(20)) };
        for (time, inside) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(range.contains(UnixNanos(time)), inside, "{time}");
        }
        assert!(range.overlaps(UnixNanos(0), UnixNanos(10)));
        assert!(!range.overlaps(UnixNanos(20), UnixNanos(30)));
        assert!(TimeRange::ALL.contains(UnixNanos::MAX));
    }

    #[test]
    fn ranges_widen_to_whole_minutes() {
        let cases = [
            (Some(0), Some(MINUTE), Some(0), Some(MINUTE)),
            (Some(1), Some(MINUTE + 1), Some(0), Some(2 * MINUTE)),
            (Some(-1), None, Some(-MINUTE), None),
            (None, Some(i64::MAX), None, Some(i64::MAX)),
        ];
        let range = |from: Option<i64>, to: Option<i64>| TimeRange {
            from: from.map(UnixNanos),
            to: to.map(UnixNanos),
        };
        for (from, to, wide_from, wide_to) in cases {
            assert_eq!(range(from, to).whole_minutes(), range(wide_from, wide_to));
        }
    }

    #[test]
    fn times_past_2262_do_not_fit() {
        assert_eq!(UnixNanos::from_wire(u64::MAX), None);
        assert_eq!(UnixNanos::from_wire(i64::MAX as u64), Some(UnixNanos::MAX));
    }

    #[test]
    fn seconds_and_days_round_down_before_1970_too() {
        assert_eq!(UnixNanos(-1).to_the_second(), UnixNanos(-SECOND));
        assert_eq!(UnixNanos(-1).day(), -1);
    }
}
