//! The kinds of telemetry.

use std::fmt;

/// A kind of telemetry, which is also a table. Its number is written to disk: it never changes, and more
/// may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Signal {
    /// Spans, with their events and links.
    Spans = 1,
    /// Log records.
    Logs = 2,
    /// Metric data points, with their exemplars.
    Metrics = 3,
    /// Rate, errors and durations, rolled up from spans. No client sends it.
    Red = 4,
}

impl Signal {
    /// Every signal there is.
    pub const ALL: [Self; 4] = [Self::Spans, Self::Logs, Self::Metrics, Self::Red];

    /// The signals that clients send.
    pub const SENT: [Self; 3] = [Self::Spans, Self::Logs, Self::Metrics];

    /// The number that stands for this signal on disk.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The signal of a number read from disk; `None` if it is of a later version.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.number() == number)
    }

    /// The name of its table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Red => "red",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table())
    }
}
