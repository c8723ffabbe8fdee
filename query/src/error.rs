//! What can be wrong with a question.

use crate::promql;

/// Why a question was not answered. [`QueryError::code`] is the HTTP status that says the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The question is wrong: where, and what would be right.
    #[error("{message}")]
    Bad {
        /// What is wrong.
        message: String,
        /// Where, in bytes from the start of the text.
        position: Option<usize>,
        /// What would fit there.
        expected: Vec<String>,
    },
    /// Nothing has that name.
    #[error("{0}")]
    NotFound(String),
    /// It would not be read-only, or is not for this reader.
    #[error("{0}")]
    Forbidden(String),
    /// The address is right and the method is not.
    #[error("{0}")]
    Method(String),
    /// The question is longer than one may be.
    #[error("{0}")]
    TooLarge(String),
    /// The question is right and cannot be answered over these rows.
    #[error("{0}")]
    Evaluation(String),
    /// It needs more than a limit allows.
    #[error("{0}")]
    Limit(String),
    /// It needs more memory than a query may have.
    #[error("{0}")]
    Memory(String),
    /// Too many questions at once.
    #[error("{0}")]
    Busy(String),
    /// The process is short of memory; the same question may be answered shortly.
    #[error("{0}")]
    Short(String),
    /// The time limit passed before anything was covered.
    #[error("{0}")]
    Timeout(String),
    /// The store could not be read.
    #[error("{0}")]
    Store(String),
}

impl QueryError {
    /// A wrong question, with the place.
    pub fn bad(message: impl Into<String>, position: usize, expected: &[&str]) -> Self {
        Self::Bad {
            message: message.into(),
            position: Some(position),
            expected: expected.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    /// A wrong question as a whole.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Bad { message: message.into(), position: None, expected: Vec::new() }
    }

    /// Whether the same question may be answered if it is asked again shortly.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Short(_))
    }

    /// The HTTP status, and the word that programs read.
    pub fn code(&self) -> (u16, &'static str) {
        match self {
            Self::Bad { .. } => (400, "bad_question"),
            Self::Forbidden(_) => (403, "forbidden"),
            Self::NotFound(_) => (404, "not_found"),
            Self::Method(_) => (405, "method"),
            Self::TooLarge(_) => (413, "too_large"),
            Self::Evaluation(_) => (422, "evaluation"),
            Self::Limit(_) => (422, "limit"),
            Self::Memory(_) => (422, "memory_limit"),
            Self::Busy(_) => (429, "busy"),
            Self::Short(_) => (503, "memory"),
            Self::Timeout(_) => (504, "time_limit"),
            Self::Store(_) => (500, "store"),
        }
    }
}

impl From<promql::Error> for QueryError {
    fn from(error: promql::Error) -> Self {
        let message = error.to_string();
        match error {
            promql::Error::Syntax { position, .. } => {
                Self::Bad { message, position: Some(position), expected: Vec::new() }
            }
            promql::Error::Evaluation(_) => Self::Evaluation(message),
            promql::Error::Limit { .. } => Self::Limit(message),
            promql::Error::Cancelled => {
                Self::Timeout("the time limit passed before the query was answered".to_owned())
            }
        }
    }
}
