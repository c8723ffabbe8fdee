//! What can be wrong with a query.

/// Why a query was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no query: what is wrong, and where.
    #[error("{line}:{column}: parse error: {message}")]
    Syntax {
        /// What is wrong.
        message: String,
        /// Where, in bytes from the start of the text.
        position: usize,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
    },
    /// The query is right and cannot be answered over these series.
    #[error("{0}")]
    Evaluation(String),
    /// A limit of [`super::Limits`], or one of the text, is reached.
    #[error("the query needs more than {name} = {most} allows")]
    Limit {
        /// Which one.
        name: &'static str,
        /// What it allows.
        most: u64,
    },
    /// The caller asked for an early end: the time is up, or nobody waits for the answer.
    #[error("the query was cancelled")]
    Cancelled,
}

impl Error {
    /// An error of a text at a place in it.
    pub(super) fn syntax(message: impl Into<String>, position: usize, text: &str) -> Self {
        let (line, column) = place(text, position);
        Self::Syntax { message: message.into(), position, line, column }
    }

    /// An error of evaluation.
    pub(super) fn evaluation(message: impl Into<String>) -> Self {
        Self::Evaluation(message.into())
    }

    /// Whether the same query can be answered if it asks for less.
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::Limit { .. })
    }
}

/// The line and the character in it of a place in a text, both from 1.
pub(super) fn place(text: &str, position: usize) -> (usize, usize) {
    let before = text.get(..position).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
