//! The load: OTLP requests of a made-up web shop, built once and changed a little for every send.
//!
//! Terms:
//! - *template*: a request built once, with the places that change ([`Template`]).
//! - *stamp*: what one send writes into these places ([`Stamp`]).
//! - *round*: how often all templates were sent before; counters grow by it.
//!
//! A send costs a copy of the template and the overwriting of a few fields of fixed width a record, so that the
//! figures of a server on the same machine are the server's. All of it follows from a seed.

mod random;
mod text;
mod writer;
mod template;
mod shop;
mod calls;
mod spans;
mod logs;
mod metrics;

#[cfg(test)]
mod tests;

pub(crate) use random::mix;
pub(crate) use template::{Stamp, Template};
pub(crate) use writer::Form;

use clap::ValueEnum;

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Signal {
    /// Spans in whole traces
    Spans,
    /// Log records
    Logs,
    /// Data points of metrics
    Metrics,
}

impl Signal {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Spans, Self::Logs, Self::Metrics];

    /// Its name in tables and paths of the store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }
}

/// What requests look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// What they carry.
    pub(crate) signal: Signal,
    /// How they are written.
    pub(crate) form: Form,
    /// About how many records each has.
    pub(crate) batch: usize,
    /// How many are built; for metrics, as many as the series need.
    pub(crate) templates: usize,
    /// How many series the metrics have.
    pub(crate) series: usize,
    /// What all that is random follows from.
    pub(crate) seed: u64,
}

impl Shape {
    /// Builds the requests.
    pub(crate) fn build(&self) -> Vec<Template> {
        match self.signal {
            Signal::Spans => (0..self.templates).map(|index| spans::template(self, index)).collect(),
            Signal::Logs => (0..self.templates).map(|index| logs::template(self, index)).collect(),
            Signal::Metrics => metrics::templates(self),
        }
    }
}
