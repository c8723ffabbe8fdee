//! The search language: text in, a [`Predicate`] out. `docs/search.md` describes it for users.
//!
//! ```text
//! service:checkout status:error duration>500ms http.route:/cart/* "connection refused" NOT k8s.pod.name:canary-*
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `lexer` | characters to tokens: words, quoted text, regular expressions, `key:value`, operators |
//! | `grammar` | tokens to `AND`, `OR`, `NOT`, groups, sets of spans and joins |
//! | `condition` | what sets of spans mean in a search for spans and in one for traces |
//! | `terms` | one token to one test: which field or attribute, at which level |
//! | `values` | numbers with units, severities, ids, patterns |
//! | `aliases` | old and new names of the semantic conventions |
//! | `completion` | what can stand at a place of an unfinished search |
//!
//! Nothing here knows a column or a file, and no input makes it panic or recurse without bound.

mod lexer;
mod grammar;
mod terms;
mod values;
mod aliases;
mod condition;
pub(crate) mod completion;
#[cfg(test)]
mod tests;

use model::{Predicate, Signal};

use crate::QueryError;
pub use condition::Condition;

/// The longest search in bytes.
pub const QUERY_BYTES_MAX: usize = 64 << 10;
/// The most groups that stand in one another.
pub const DEPTH_MAX: usize = 64;
/// The most words, phrases and `key:value` terms of one search.
pub const TERMS_MAX: usize = 1_000;
/// The most wildcards and regular expressions of one search: each costs time before any row is read.
pub const PATTERNS_MAX: usize = 50;
/// The largest compiled pattern in bytes; the storage room compiles with the same limit.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The most sets of spans of one search: each costs scans of its own.
pub const SETS_MAX: usize = 16;
/// The most joins of one search: each is a question of its own.
pub const JOINS_MAX: usize = 4;

/// What a search is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Logs,
    Spans,
    Traces,
}

impl Asked {
    /// The word for it.
    fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Spans => "spans",
            Self::Traces => "traces",
        }
    }

    /// The rows that are looked at.
    fn signal(self) -> Signal {
        match self {
            Self::Logs => Signal::Logs,
            Self::Spans | Self::Traces => Signal::Spans,
        }
    }
}

/// Reads a search for rows of a signal. The empty text means everything. What is read may ask about other rows
/// too ([`Predicate::is_of_one_row`]): the engine resolves that.
///
/// # Errors
///
/// [`QueryError::Bad`] with the place and what would fit there, for every text that is not a search; also for
/// metrics and red, which have no search.
pub fn parse(text: &str, signal: Signal) -> Result<Predicate, QueryError> {
    Ok(condition::dissolved(read(text, asked(signal)?, false)?))
}

/// Reads a search for rows of a signal as they arrive. What is read asks about one row.
///
/// # Errors
///
/// As [`parse`], and for what asks about other rows, which may come later: joins and sets of spans below one another.
pub(crate) fn parse_followed(text: &str, signal: Signal) -> Result<Predicate, QueryError> {
    Ok(condition::dissolved(read(text, asked(signal)?, true)?))
}

fn asked(signal: Signal) -> Result<Asked, QueryError> {
    match signal {
        Signal::Logs => Ok(Asked::Logs),
        Signal::Spans => Ok(Asked::Spans),
        Signal::Metrics | Signal::Red => {
            Err(QueryError::invalid(format!("{signal} cannot be searched; logs and spans can")))
        }
    }
}

/// Reads a search for traces. The empty text means every trace.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_traces(text: &str) -> Result<Condition, QueryError> {
    Ok(condition::condition(read(text, Asked::Traces, false)?))
}

fn read(text: &str, asked: Asked, follows_rows: bool) -> Result<Predicate, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        let message = format!("the search has {} bytes; the most is {QUERY_BYTES_MAX}", text.len());
        return Err(QueryError::bad(
            message,
            text.floor_char_boundary(QUERY_BYTES_MAX),
            &["a shorter search"],
        ));
    }
    let tokens = lexer::tokens(text)?;
    grammar::predicate(&tokens, asked, follows_rows)
}

/// The other names of an attribute in the semantic conventions, older and newer.
pub(crate) fn other_names(key: &str) -> Vec<std::borrow::Cow<'static, str>> {
    aliases::of(key)
}

/// Why a parser did not succeed.
#[derive(Debug)]
enum Fault {
    /// Something else may stand here; another parser is tried.
    NoMatch,
    /// The search is wrong, whatever else is tried.
    Wrong(QueryError),
}

impl Fault {
    fn wrong(message: impl Into<String>, position: usize, expected: &[&str]) -> Self {
        Self::Wrong(QueryError::bad(message, position, expected))
    }

    /// The error to report, at `position` if nothing fitted there.
    fn into_error(self, position: usize) -> QueryError {
        match self {
            Self::NoMatch => QueryError::bad("this is no part of a search", position, EXPECTED_TERM),
            Self::Wrong(error) => error,
        }
    }
}

impl<I: winnow::stream::Stream> winnow::error::ParserError<I> for Fault {
    type Inner = Self;

    fn from_input(_: &I) -> Self {
        Self::NoMatch
    }

    fn is_backtrack(&self) -> bool {
        matches!(self, Self::NoMatch)
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

/// What fits where a term may begin.
const EXPECTED_TERM: &[&str] = &["a word", "key:value", "("];
/// What fits after a set.
const EXPECTED_AFTER_SET: &[&str] = &[">", ">>", "AND", "OR", "the end"];
