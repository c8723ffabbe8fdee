//! What a search asks for, as data: the query room makes it from text, the storage room answers it.
//!
//! A predicate names no column type and no file: it can be sent to another node. Evaluation on a row gives
//! true or false, never unknown: a field that is absent fails every test but those under a `Not`.

use std::sync::Arc;

use crate::{Signal, TraceId, UnixNanos};

/// A test of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// Every row.
    All,
    /// All of these; none means every row.
    And(Vec<Predicate>),
    /// Any of these; none means no row.
    Or(Vec<Predicate>),
    /// Not this.
    Not(Box<Predicate>),
    /// A word or phrase in the row's full text: consecutive whole tokens, case ignored. The full text of a
    /// log is its body and its exception message; of a span its name, its status message and the exception
    /// messages of its events.
    Text(String),
    /// A test of a field of the data model.
    Field(Field, Test),
    /// A test of an attribute at a level.
    Attribute(Level, String, Test),
    /// In one of these traces. A row without a trace is in none.
    TraceIn(TraceSet),
    /// The last span of a chain of spans; only of spans.
    Chain(Chain),
    /// One of these rows, by their `seq` in ascending order: what a chain was resolved to.
    Rows(Arc<[i64]>),
}

/// A set of traces.
#[derive(Debug, Clone, PartialEq)]
pub enum TraceSet {
    /// Those with a row of this signal that matches: a question of its own, to be answered before rows are tested.
    Of(Signal, Box<Predicate>),
    /// These, in ascending order.
    Ids(Arc<[TraceId]>),
}

/// Spans one below the other: each matches its predicate and stands so to one that matches the predicate before.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// What the uppermost span matches.
    pub first: Box<Predicate>,
    /// How the next stands to the one before, and what it matches; without any the chain is its first span.
    pub steps: Vec<(Kinship, Predicate)>,
}

/// How a span stands to one above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinship {
    /// That one is its parent.
    Child,
    /// That one is its parent, or the parent's parent, and so on.
    Descendant,
}

impl Chain {
    /// The predicates from the uppermost span on; there is at least one.
    pub fn sets(&self) -> impl DoubleEndedIterator<Item = &Predicate> {
        std::iter::once(self.first.as_ref()).chain(self.steps.iter().map(|(_, set)| set))
    }

    /// What the last span matches.
    pub fn last(&self) -> &Predicate {
        self.steps.last().map_or(self.first.as_ref(), |(_, set)| set)
    }
}

/// The fields that have a name of their own in the search language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `service.name`.
    Service,
    /// `service.namespace`.
    Namespace,
    /// `deployment.environment.name`.
    Environment,
    /// `service.version`.
    Version,
    /// `service.instance.id`, else pod or host.
    Instance,
    /// A span's name.
    Name,
    /// A span's kind.
    Kind,
    /// A span's status.
    Status,
    /// A span's duration in nanoseconds.
    Duration,
    /// The trace id, compared as lower-case hexadecimal text.
    Trace,
    /// The span id, compared as lower-case hexadecimal text.
    Span,
    /// A span's parent, compared as lower-case hexadecimal text.
    Parent,
    /// A log's severity; order compares numbers, equality the level's name.
    Severity,
    /// A log's body.
    Body,
    /// A log's event name, or the name of any of a span's events.
    Event,
    /// The name of the instrumentation scope.
    Scope,
    /// The identity of a log's template, compared as lower-case hexadecimal text.
    Template,
}

/// Where an attribute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// On the record, else its scope, else its resource.
    Any,
    /// On the span or log record.
    Record,
    /// On the instrumentation scope.
    Scope,
    /// On the resource.
    Resource,
    /// On any event of the span.
    Event,
}

/// What is asked of one value. Text is the value's text form: `true`, `200`, `0.5`, JSON for arrays and maps.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It is there.
    Exists,
    /// Its text is this, case kept.
    Equals(String),
    /// Its text matches a pattern in which `*` stands for any text.
    Glob(String),
    /// A regular expression (linear time) matches somewhere in its text.
    Regex(String),
    /// It is a number that compares so.
    Compare(Compare, f64),
}

/// An order between numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Compare {
    /// Whether `left` stands so to `right`. False for NaN.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// The place of a row in newest-first order: a page begins after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// The row's time.
    pub time: UnixNanos,
    /// Its `seq`.
    pub seq: i64,
}

impl Predicate {
    /// Whether a row alone decides it: no part asks about other rows.
    pub fn is_of_one_row(&self) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().all(Self::is_of_one_row),
            Self::Not(part) => part.is_of_one_row(),
            Self::TraceIn(TraceSet::Of(..)) | Self::Chain(_) => false,
            _ => true,
        }
    }

    /// Whether some part is a chain of spans, those in the questions of joins not counted.
    pub fn has_chain(&self) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::has_chain),
            Self::Not(part) => part.has_chain(),
            Self::Chain(_) => true,
            _ => false,
        }
    }

    /// Both of these.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, one) | (one, Self::All) => one,
            (Self::And(mut all), one) => {
                all.push(one);
                Self::And(all)
            }
            (one, other) => Self::And(vec![one, other]),
        }
    }
}
