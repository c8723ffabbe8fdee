//! The spans and logs of a diagnosis in columns, with what is computed once of each: its parent, its own time, what
//! happened inside it.
//!
//! Terms:
//!
//! - A span's *own time* is what no child of it covers. Between a caller and a callee it is the difference of two
//!   durations, in which the clocks of two machines do not matter.
//! - Its *key* says what its own time is spent on: code of the service itself, an edge to another, or a peer that sends
//!   no spans.
//! - Its *context* is the code that it stands for: the service and name, of a call also the caller's name.
//! - Its *shape* is the sequence of events inside it: its start, the statements it logs, its children's starts.
//!
//! The order of rows and the numbers of names follow from the rows alone, however they are stored, so that the same
//! data give the same diagnosis.

mod build;

pub(crate) use build::build;

/// No row.
pub(crate) const NONE: u32 = u32::MAX;

/// The first event of every shape.
pub(crate) const START: u32 = 0;
/// Stands alone after the start where nothing happened inside.
pub(crate) const EMPTY: u32 = 1;
/// The last event of a span that failed.
pub(crate) const FAILED: u32 = 2;

/// The kind of a span, as far as a diagnosis tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

impl Kind {
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "server" => Self::Server,
            "client" => Self::Client,
            "producer" => Self::Producer,
            "consumer" => Self::Consumer,
            _ => Self::Internal,
        }
    }

    /// Whether it stands for a call to somebody else.
    pub(crate) fn calls(self) -> bool {
        matches!(self, Self::Client | Self::Producer)
    }
}

/// A service: environment, namespace and name, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) environment: Option<String>,
}

/// A span as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawSpan {
    pub(crate) trace: [u8; 16],
    pub(crate) id: [u8; 8],
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) start: i64,
    pub(crate) duration: i64,
    pub(crate) service: u32,
    pub(crate) instance: u32,
    pub(crate) version: u32,
    pub(crate) name: u32,
    pub(crate) kind: Kind,
    pub(crate) failed: bool,
}

/// A log record of a span as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawLog {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) time: i64,
    pub(crate) service: u32,
    pub(crate) statement: u32,
    pub(crate) is_error: bool,
}

/// Numbers for texts. Reading gives them in the order of rows, [`Names::sorted`] in that of the texts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names<T = String> {
    pub(crate) texts: Vec<T>,
    numbers: std::collections::HashMap<T, u32>,
}

impl<T: Clone + Eq + Ord + std::hash::Hash> Names<T> {
    pub(crate) fn number(&mut self, text: T) -> u32 {
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.texts.get(number as usize)
    }

    pub(crate) fn find(&self, text: &T) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// The same texts in their own order, and the new number of each old one.
    pub(crate) fn sorted(&self) -> (Self, Vec<u32>) {
        let mut texts = self.texts.clone();
        texts.sort_unstable();
        let numbers = texts.iter().cloned().zip(0..).collect();
        let sorted = Self { texts, numbers };
        let new = self.texts.iter().map(|text| sorted.find(text).unwrap_or(NONE)).collect();
        (sorted, new)
    }
}

/// What was read, with the names that its numbers stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Raw {
    pub(crate) spans: Vec<RawSpan>,
    pub(crate) logs: Vec<RawLog>,
    pub(crate) services: Names<Service>,
    pub(crate) instances: Names,
    pub(crate) versions: Names,
    pub(crate) names: Names,
    pub(crate) statements: Names,
}

/// What happens inside a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Event {
    Start,
    Empty,
    Failed,
    /// The call arrived: what it is called there is the traffic's business.
    Callee,
    /// A child begins: service and name.
    Span(u32, u32),
    /// A statement is logged: service, statement, and whether it is an error.
    Log(u32, u32, bool),
}

/// The code that a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Context {
    pub(crate) service: u32,
    pub(crate) name: u32,
    /// Of a call the name of the span that makes it.
    pub(crate) caller: u32,
}

/// What a span's own time is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// Between a caller's span and its callee's: service and name of both.
    Edge(u32, u32, u32, u32),
    /// A call to what sends no spans, such as a database.
    Peer(u32, u32),
    /// The service's own code.
    Own(u32, u32),
}

impl Key {
    /// The service whose span has the time.
    pub(crate) fn service(self) -> u32 {
        match self {
            Self::Edge(service, ..) | Self::Peer(service, _) | Self::Own(service, _) => service,
        }
    }

    /// The name of the span that has the time.
    pub(crate) fn name(self) -> u32 {
        match self {
            Self::Edge(_, name, ..) | Self::Peer(_, name) | Self::Own(_, name) => name,
        }
    }
}

/// Spans in columns, in the order of trace, start and id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    /// By the number of the trace: its id.
    pub(crate) traces: Vec<[u8; 16]>,
    /// When its first root began.
    pub(crate) began: Vec<i64>,
    /// Its rows.
    pub(crate) rows: Vec<(u32, u32)>,

    pub(crate) trace: Vec<u32>,
    pub(crate) id: Vec<[u8; 8]>,
    pub(crate) parent: Vec<u32>,
    pub(crate) start: Vec<i64>,
    pub(crate) duration: Vec<i64>,
    pub(crate) service: Vec<u32>,
    pub(crate) instance: Vec<u32>,
    pub(crate) version: Vec<u32>,
    pub(crate) name: Vec<u32>,
    pub(crate) kind: Vec<Kind>,
    pub(crate) failed: Vec<bool>,
    pub(crate) own: Vec<f64>,
    pub(crate) callee: Vec<u32>,
    pub(crate) key: Vec<u32>,
    pub(crate) context: Vec<u32>,
    /// The shape with what it logs.
    pub(crate) shape: Vec<u32>,
    /// The shape of its children alone.
    pub(crate) bare: Vec<u32>,
    pub(crate) has_log: Vec<bool>,

    pub(crate) keys: Vec<Key>,
    pub(crate) contexts: Vec<Context>,
    pub(crate) events: Vec<Event>,
    pub(crate) shapes: Vec<Box<[u32]>>,

    pub(crate) services: Names<Service>,
    pub(crate) instances: Names,
    pub(crate) versions: Names,
    pub(crate) names: Names,
    pub(crate) statements: Names,
}

impl Frame {
    pub(crate) fn len(&self) -> usize {
        self.trace.len()
    }

    /// When a row's trace began.
    pub(crate) fn began(&self, row: u32) -> i64 {
        self.began[self.trace[row as usize] as usize]
    }

    /// The row's parents, nearest first.
    pub(crate) fn above(&self, row: u32) -> impl Iterator<Item = u32> + '_ {
        // No longer than the trace has rows: parents may go round in circles.
        let (first, end) = self.rows[self.trace[row as usize] as usize];
        let mut at = row;
        (first..end).map_while(move |_| {
            at = self.parent[at as usize];
            (at != NONE).then_some(at)
        })
    }

    pub(crate) fn version_text(&self, version: u32) -> &str {
        self.versions.get(version).map_or("", String::as_str)
    }

    pub(crate) fn service_name(&self, service: u32) -> &str {
        self.services.get(service).map_or("", |service| service.name.as_str())
    }

    pub(crate) fn name_text(&self, name: u32) -> &str {
        self.names.get(name).map_or("", String::as_str)
    }
}
