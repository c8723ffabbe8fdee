//! What can go wrong between a command and its answer, how it is said on the terminal, and the exit code that
//! says the same to programs.

use std::io;

use serde::Deserialize;

use crate::client::text::{Paint, Tone, columns, cut, cut_front, visible};

/// Exit code: found, done.
pub(crate) const FOUND: u8 = 0;
/// Exit code: a search found nothing.
pub(crate) const NOTHING: u8 = 1;
/// Exit code: bad usage, or a wrong question.
pub(crate) const WRONG: u8 = 2;
/// Exit code: the server or the data could not answer.
pub(crate) const UNANSWERED: u8 = 3;

/// Exit code: ended by Ctrl-C, as shells say it.
pub(crate) const INTERRUPTED: u8 = 130;

/// Columns before a question that is shown under its error.
const INDENT: &str = "  ";

/// The most characters of an answer that is no JSON which are shown.
const FOREIGN_TEXT_MAX: usize = 200;

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The command cannot be carried out as it was given.
    #[error("{0}")]
    Usage(String),
    /// The question is wrong.
    #[error("{}", .0.message)]
    Question(Box<Question>),
    /// Nothing has that name.
    #[error("{0}")]
    NotFound(String),
    /// No answer came from the server.
    #[error("no answer from {url}: {reason}{hint}")]
    Unreachable {
        /// Where it was asked.
        url: String,
        /// What the connection said.
        reason: String,
        /// What to look at.
        hint: &'static str,
    },
    /// The server answered that it cannot.
    #[error("{message} (status {status}{})", .request_id.as_ref().map(|id| format!(", request {id}")).unwrap_or_default())]
    Server {
        /// The HTTP status.
        status: u16,
        /// What it says.
        message: String,
        /// The request, for the server's log.
        request_id: Option<String>,
    },
    /// An answer came that is not one of the API.
    #[error("the answer of {asked} is not understood: {reason}")]
    Answer {
        /// Who answered.
        asked: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An answer ended before its end; what came of it was shown.
    #[error("the answer of {asked} ended early: {reason}")]
    Cut {
        /// Who answered.
        asked: String,
        /// What is known of it.
        reason: String,
    },
    /// Ctrl-C ended it; what came so far, and how to go on.
    #[error("{0}")]
    Interrupted(String),
    /// The data directory cannot be read.
    #[error("{0}")]
    Open(String),
    /// The statement cannot be read from standard input.
    #[error("cannot read standard input: {0}")]
    Input(#[source] io::Error),
    /// The results cannot be written.
    #[error("cannot write the results: {0}")]
    Output(#[from] io::Error),
}

/// A wrong question, with the place.
#[derive(Debug, Default)]
pub(crate) struct Question {
    /// What is wrong.
    pub(crate) message: String,
    /// The question as it was asked; empty if the error is not about its text.
    pub(crate) text: String,
    /// Where in the text, in bytes.
    pub(crate) position: Option<usize>,
    /// What would fit there.
    pub(crate) expected: Vec<String>,
}

/// An error as the API writes it.
#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
    position: Option<usize>,
    #[serde(default)]
    expected: Vec<String>,
    request_id: Option<String>,
}

/// An error as Prometheus' API writes it.
#[derive(Deserialize)]
struct PrometheusError {
    error: String,
}

impl PrometheusError {
    /// The same about the question `text`, with the place that it names: `1:5: parse error: …`.
    fn about(self, text: &str) -> ErrorBody {
        let named = self.error.strip_prefix("invalid parameter \"query\": ").unwrap_or(&self.error);
        let found = named.split_once(": parse error: ").and_then(|(place, message)| {
            let (line, column) = place.split_once(':')?;
            Some((offset(text, line.parse().ok()?, column.parse().ok()?)?, message.to_owned()))
        });
        let (position, message) = match found {
            Some((position, message)) => (Some(position), message),
            None => (None, self.error),
        };
        ErrorBody { message, position, expected: Vec::new(), request_id: None }
    }
}

/// The byte at a line and a character of it, both counted from 1.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let before = text[start..].chars().take(column.checked_sub(1)?);
    Some(start + before.map(char::len_utf8).sum::<usize>())
}

impl ClientError {
    /// What an answer with an error status says about the question `text`.
    pub(crate) fn from_answer(status: u16, body: &[u8], text: &str) -> Self {
        let error = match serde_json::from_slice::<ErrorAnswer>(body) {
            Ok(answer) => answer.error,
            Err(_) => match serde_json::from_slice::<PrometheusError>(body) {
                Ok(answer) => answer.about(text),
                Err(_) => return Self::Server { status, message: foreign(status, body), request_id: None },
            },
        };
        match status {
            400 | 413 | 414 => Self::Question(Box::new(Question {
                message: error.message,
                text: text.to_owned(),
                position: error.position,
                expected: error.expected,
            })),
            404 => Self::NotFound(error.message),
            _ => Self::Server { status, message: error.message, request_id: error.request_id },
        }
    }

    /// Whether the reader of the results went away, which is no fault: `causeway logs | head`.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the same may go well if it is tried again later: the connection broke, or the server is busy.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Server { status: 429 | 502..=504, .. })
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            _ if self.is_broken_pipe() => FOUND,
            Self::Interrupted(_) => INTERRUPTED,
            Self::NotFound(_) => NOTHING,
            // 401 and 403: the token is missing or wrong, or the question is not for this reader.
            Self::Usage(_) | Self::Question(_) | Self::Server { status: 401 | 403, .. } => WRONG,
            _ => UNANSWERED,
        }
    }

    /// The error for a reader, with the place in the question where there is one.
    pub(crate) fn render(&self, width: usize, paint: Paint) -> String {
        let word = match self {
            Self::Interrupted(_) => paint.apply(Tone::Warn, "interrupted:"),
            _ => paint.apply(Tone::Bad, "error:"),
        };
        let mut text = format!("{word} {}\n", visible(&self.to_string()));
        if let Self::Question(question) = self {
            if let Some(position) = question.position.filter(|_| !question.text.is_empty()) {
                text.push_str(&place(&question.text, position, width, paint));
            }
            if !question.expected.is_empty() {
                text.push_str(&format!("expected: {}\n", visible(&question.expected.join(", "))));
            }
        }
        text
    }
}

/// What an answer says that is not one of the API.
fn foreign(status: u16, body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).trim().chars().take(FOREIGN_TEXT_MAX).collect();
    match (status, text.is_empty()) {
        // The ports of OTLP answer so.
        (404, _) => {
            "the API is not there: is this the address of causeway's page, port 4319 unless set?".to_owned()
        }
        (_, true) => "no reason given".to_owned(),
        (_, false) => text,
    }
}

/// The line of `question` that `position` is in, and a caret under the place. A long line is cut on both
/// sides, so that the place stays in view.
fn place(question: &str, position: usize, width: usize, paint: Paint) -> String {
    let at = question.floor_char_boundary(position);
    let start = question[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = question[at..].find('\n').map_or(question.len(), |length| at + length);
    let room = width.saturating_sub(INDENT.len()).max(20);
    let before = visible(&question[start..at]);
    let before = cut_front(&before, room * 2 / 3);
    let after = visible(&question[at..end]);
    let after = cut(&after, room - columns(&before));
    let number = question[..start].matches('\n').count() + 1;
    let line = if question.trim_end().contains('\n') { format!("line {number}:\n") } else { String::new() };
    let blanks = " ".repeat(columns(&before));
    format!("{line}{INDENT}{before}{after}\n{INDENT}{blanks}{}\n", paint.apply(Tone::Bad, "^"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { on: false };

    fn wrong(text: &str, position: usize) -> String {
        let body = serde_json::json!({"error": {
            "code": "bad_question", "message": "this is no number", "position": position,
            "expected": ["a number", "a duration"], "request_id": "r1",
        }});
        ClientError::from_answer(400, body.to_string().as_bytes(), text).render(40, PLAIN)
    }

    #[test]
    fn a_wrong_question_is_shown_with_its_place() {
        for (text, position, shown) in [
            ("duration>soon", 9, "  duration>soon\n           ^\n"),
            ("name:äö x>y", 12, "  name:äö x>y\n            ^\n"),
            ("name:日本 x>y", 14, "  name:日本 x>y\n              ^\n"),
            ("name:\"", 6, "  name:\"\n        ^\n"),
            ("name:\"", 999, "  name:\"\n        ^\n"),
            ("select 1\nfrom x\nwhere", 14, "line 2:\n  from x\n       ^\n"),
            ("a\tb>c", 4, "  a\\tb>c\n       ^\n"),
        ] {
            let expected = format!("error: this is no number\n{shown}expected: a number, a duration\n");
            assert_eq!(wrong(text, position), expected, "{text}");
        }
    }

    #[test]
    fn an_error_of_prometheus_has_its_place() {
        for (text, error, message, position) in [
            ("rate(up)", "invalid parameter \"query\": 1:6: parse error: a range", "a range", Some(5)),
            ("a +\né *", "invalid parameter \"query\": 2:4: parse error: the end", "the end", Some(8)),
            ("up", "invalid parameter \"step\": none", "invalid parameter \"step\": none", None),
            ("up", "9:9: nothing", "9:9: nothing", None),
        ] {
            let body = serde_json::json!({"status": "error", "errorType": "bad_data", "error": error});
            let error = ClientError::from_answer(400, body.to_string().as_bytes(), text);
            let ClientError::Question(question) = error else { panic!("{error}") };
            assert_eq!((question.message.as_str(), question.position), (message, position), "{text}");
        }
    }

    #[test]
    fn a_long_question_is_cut_around_the_place() {
        let text = format!("{}here{}", "a".repeat(60), "b".repeat(60));
        let shown = wrong(&text, 60);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "  …aaaaaaaaaaaaaaaaaaaaaaaaherebbbbbbbb…");
        assert_eq!(lines[2].find('^'), Some(2 + 25));
    }

    #[test]
    fn exit_codes() {
        let api = |status| {
            let body =
                r#"{"error":{"code":"x","message":"m","position":null,"expected":[],"request_id":"r"}}"#;
            ClientError::from_answer(status, body.as_bytes(), "q")
        };
        let broken = ClientError::Output(io::ErrorKind::BrokenPipe.into());
        let full = ClientError::Output(io::ErrorKind::StorageFull.into());
        let unreachable =
            ClientError::Unreachable { url: "http://x".into(), reason: "refused".into(), hint: "" };
        for (error, code) in [
            (api(400), 2),
            (api(401), 2),
            (api(403), 2),
            (api(404), 1),
            (api(413), 2),
            (api(422), 3),
            (api(429), 3),
            (api(500), 3),
            (api(504), 3),
            (ClientError::from_answer(404, b"<html>", "q"), 3),
            (ClientError::Usage("u".into()), 2),
            (unreachable, 3),
            (ClientError::Open("o".into()), 3),
            (broken, 0),
            (full, 3),
            (ClientError::Interrupted("i".into()), 130),
        ] {
            assert_eq!(error.exit_code(), code, "{error:?}");
        }
    }

    #[test]
    fn an_error_that_is_no_json_is_quoted_harmlessly() {
        let error = ClientError::from_answer(502, b"bad \x1b[2Jgateway\n", "q");
        assert_eq!(error.render(80, PLAIN), "error: bad \\u{1b}[2Jgateway (status 502)\n");
    }
}
