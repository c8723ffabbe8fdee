//! What was received, as the receiver counts it and the status page tells it.

use serde::Serialize;

use crate::{Signal, UnixNanos};

/// What passed since the program began, of one tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Ingest {
    /// By service and signal, most rows first.
    pub services: Vec<ServiceIngest>,
    /// Requests that were refused as a whole, of all tenants: who is refused may not have said who it is.
    pub refusals: Vec<Refusal>,
}

/// What one service sent of one signal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceIngest {
    /// Its name; `(other)` for those past the limit.
    pub service: String,
    /// `spans`, `logs` or `metrics`.
    pub signal: &'static str,
    /// Rows that were taken, repeats not counted.
    pub received: u64,
    /// When the last of them came.
    #[serde(with = "nanos")]
    pub last_received: UnixNanos,
    /// Records that were rejected one by one.
    pub rejected: Kind,
    /// Attributes and parts of values that a limit cost.
    pub truncated: Kind,
    /// Records, resources and scopes with text that was not UTF-8.
    pub repaired: Kind,
    /// Rows whose time is more than an hour before their arrival.
    pub late: Kind,
    /// Rows whose time is more than an hour after their arrival.
    pub ahead: Kind,
    /// Rows of requests that repeat one which was stored.
    pub held_back: Kind,
    /// Rows that stand for more than one original, as their sender sampled them.
    pub sampled: Kind,
    /// How many originals all rows stand for.
    pub originals: f64,
}

/// Something that happened to rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Kind {
    /// How often.
    pub count: u64,
    /// One of them, in words.
    pub example: Option<String>,
    /// The time of a row of which it is true, if it can be looked up by that.
    #[serde(with = "nanos_option")]
    pub at: Option<UnixNanos>,
}

/// Requests that were refused as a whole, for one reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    /// The signal they were for.
    pub signal: &'static str,
    /// Why, as a word.
    pub reason: &'static str,
    /// The HTTP status they were answered with.
    pub status: u16,
    /// How many.
    pub requests: u64,
    /// When the last of them came.
    #[serde(with = "nanos")]
    pub last: UnixNanos,
    /// What the last of them was told.
    pub example: String,
}

impl ServiceIngest {
    /// Nothing yet.
    pub fn new(service: &str, signal: Signal) -> Self {
        Self {
            service: service.to_owned(),
            signal: signal.table(),
            received: 0,
            last_received: UnixNanos(0),
            rejected: Kind::default(),
            truncated: Kind::default(),
            repaired: Kind::default(),
            late: Kind::default(),
            ahead: Kind::default(),
            held_back: Kind::default(),
            sampled: Kind::default(),
            originals: 0.0,
        }
    }
}

impl Kind {
    /// Counts some more; the last example is kept.
    pub fn add(&mut self, count: u64, example: impl FnOnce() -> (String, Option<UnixNanos>)) {
        if count > 0 {
            self.count += count;
            let (words, at) = example();
            (self.example, self.at) = (Some(words), at);
        }
    }
}

/// A time as the API writes it.
mod nanos {
    use serde::Serializer;

    use crate::UnixNanos;

    pub(super) fn serialize<S: Serializer>(time: &UnixNanos, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.0)
    }
}

/// A time as the API writes it, or null.
mod nanos_option {
    use serde::Serializer;

    use crate::UnixNanos;

    pub(super) fn serialize<S: Serializer>(
        time: &Option<UnixNanos>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(&time.0),
            None => serializer.serialize_none(),
        }
    }
}
