//! What is asked, and what the answer has to be.

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;

use super::{duration, word};
use crate::notation::Line;

/// When a query is answered, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// At this time.
    Instant(i64),
    /// At steps.
    Range {
        /// The first.
        start: i64,
        /// The last, or a time before the next.
        end: i64,
        /// The time between two.
        step: i64,
    },
}

/// A message as it has to be.
#[derive(Debug)]
pub enum Message {
    /// This text.
    Text(String),
    /// Any in which this is found.
    Regex(Regex),
}

impl Message {
    /// Whether a message is as it has to be.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Text(message) => message == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// The warnings, or the remarks, that an answer has to come with.
#[derive(Debug, Default)]
pub struct Notes {
    /// Whether there has to be one.
    pub any: bool,
    /// Whether there must be none.
    pub none: bool,
    /// What they have to be.
    pub messages: Vec<Message>,
}

/// What an answer has to be.
#[derive(Debug)]
pub enum Outcome {
    /// A number.
    Scalar(f64),
    /// Series; an instant has one value of each.
    Series(Vec<Line>),
}

/// A query and its answer.
#[derive(Debug)]
pub struct Eval {
    /// The query.
    pub query: String,
    /// When it is answered.
    pub times: Times,
    /// Whether the order of series matters.
    pub ordered: bool,
    /// Whether it has to be refused.
    pub fails: bool,
    /// What the refusal has to be.
    pub failures: Vec<Message>,
    /// The warnings.
    pub warnings: Notes,
    /// The remarks.
    pub infos: Notes,
    /// Whether a line says anything of warnings and remarks; else there have to be none but those that the command's
    /// name asks for.
    pub says_notes: bool,
    /// The answer.
    pub outcome: Outcome,
}

impl Eval {
    pub(super) fn parse(line: &str, body: &[&str]) -> Result<Self> {
        let (command, rest) = word(line);
        let (times, query) = times(rest)?;
        let mut eval = Self {
            query: query.trim().to_owned(),
            times,
            ordered: command == "eval_ordered",
            fails: command == "eval_fail",
            failures: Vec::new(),
            warnings: Notes { any: command == "eval_warn", ..Notes::default() },
            infos: Notes { any: command == "eval_info", ..Notes::default() },
            says_notes: false,
            outcome: Outcome::Series(Vec::new()),
        };
        ensure!(!eval.query.is_empty(), "there is no query");
        let mut result = Vec::new();
        for line in body {
            match line.strip_prefix("expect ").or_else(|| line.strip_prefix("expected_")) {
                Some(expected) => eval.expect(expected).with_context(|| (*line).to_owned())?,
                None => result.push(*line),
            }
        }
        eval.outcome = outcome(&result)?;
        Ok(eval)
    }

    fn expect(&mut self, line: &str) -> Result<()> {
        let (kind, rest) = word(line);
        match kind {
            "ordered" => self.ordered = true,
            "no_warn" => self.warnings.none = true,
            "no_info" => self.infos.none = true,
            "fail" => {
                self.fails = true;
                self.failures.extend(message(rest)?);
            }
            "fail_message" => self.failures.push(Message::Text(rest.trim().to_owned())),
            "fail_regexp" => self.failures.push(Message::Regex(Regex::new(rest.trim())?)),
            "warn" | "info" => {
                let notes = if kind == "warn" { &mut self.warnings } else { &mut self.infos };
                notes.any = true;
                notes.messages.extend(message(rest)?);
                self.says_notes = true;
            }
            _ => bail!("what can be expected is fail, warn, info, no_warn, no_info or ordered"),
        }
        Ok(())
    }
}

/// `instant at 5m` or `range from 0 to 1h step 5m`, and the query that follows.
fn times(text: &str) -> Result<(Times, &str)> {
    let (form, mut rest) = word(text);
    let mut next = |name: &str| -> Result<i64> {
        let (found, after) = word(rest);
        ensure!(found == name, "{name:?} is expected where {found:?} stands");
        let (value, after) = word(after);
        rest = after;
        duration(value)
    };
    let times = match form {
        "instant" => Times::Instant(next("at")?),
        "range" => Times::Range { start: next("from")?, end: next("to")?, step: next("step")? },
        _ => bail!("a query is asked for an `instant` or a `range`"),
    };
    Ok((times, rest))
}

/// `msg: …` or `regex: …`, if there is one.
fn message(text: &str) -> Result<Option<Message>> {
    let text = text.trim();
    if let Some(text) = text.strip_prefix("msg:") {
        return Ok(Some(Message::Text(text.trim().to_owned())));
    }
    match text.strip_prefix("regex:") {
        Some(text) => Ok(Some(Message::Regex(Regex::new(text.trim())?))),
        None => Ok(None),
    }
}

/// A number alone, or series.
fn outcome(lines: &[&str]) -> Result<Outcome> {
    if let [line] = lines
        && let Ok(number) = line.parse()
    {
        return Ok(Outcome::Scalar(number));
    }
    let lines = lines.iter().map(|line| Line::parse(line).with_context(|| (*line).to_owned()));
    Ok(Outcome::Series(lines.collect::<Result<_>>()?))
}
