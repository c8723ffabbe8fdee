//! What can stand at a place of a search: keys and values of the stored data, and operators.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use model::{Level, Signal, TimeRange};
use serde::Serialize;
use storage::{Control, Snapshot, Surveyed};

use super::aggregate::column_of;
use crate::error::QueryError;
use crate::search::completion::{self, Wanted};
use crate::search::{self, QUERY_BYTES_MAX};

/// The most items of an answer.
const ITEMS_MAX: usize = 50;
/// How long the data are looked at. What was found by then is answered.
const LOOK_TIME: Duration = Duration::from_millis(60);
/// The longest value that is offered, in bytes.
const VALUE_BYTES_MAX: usize = 256;

/// A place in a search.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The search text as far as it is written.
    pub q: String,
    /// The place in bytes from its start.
    pub at: usize,
    /// What is searched; traces are searched as spans.
    pub signal: Signal,
    /// The times whose data are looked at.
    pub range: TimeRange,
}

/// What fits at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Completions {
    /// The best first.
    pub items: Vec<Item>,
    /// Where the text begins that an item replaces, in bytes.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
}

/// One text that fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The text, with quotes where it needs them.
    pub text: String,
    /// `field`, `attribute`, `value` or `operator`.
    pub kind: &'static str,
    /// Of a key: rows that have it. Of a value: rows of the sample that have it. Null where nobody counted.
    pub count: Option<u64>,
}

/// Items for a place. Whatever stands there, this fails only if the store does.
pub(super) fn items(
    snapshot: &Snapshot,
    question: &Completion,
    control: &Control,
) -> Result<Completions, QueryError> {
    let to = question.q.floor_char_boundary(question.at.min(question.q.len()));
    if question.q.len() > QUERY_BYTES_MAX {
        return Ok(Completions { items: Vec::new(), from: to, to });
    }
    let place = completion::place(&question.q, to);
    let deadline = control.deadline.min(Instant::now() + LOOK_TIME);
    let look = Look { snapshot, question, control: Control { deadline, ..control.clone() } };
    let mut items = match &place.wanted {
        Wanted::Nothing => Vec::new(),
        Wanted::Key { prefix, after_term } => look.keys(prefix, *after_term)?,
        Wanted::Value { key, prefix } => look.values(key, prefix)?,
    };
    items.truncate(ITEMS_MAX);
    Ok(Completions { items, from: place.from, to })
}

struct Look<'a> {
    snapshot: &'a Snapshot,
    question: &'a Completion,
    control: Control,
}

impl Look<'_> {
    /// Operators that begin so, fields, then attributes, those that most rows have first.
    fn keys(&self, prefix: &str, after_term: bool) -> Result<Vec<Item>, QueryError> {
        let signal = self.question.signal;
        let mut items = relations(prefix, signal);
        let fields = completion::fields(signal).filter(|(name, _)| begins(name, prefix));
        items.extend(fields.map(|(name, _)| Item { text: name.to_owned(), kind: "field", count: None }));
        let (level, rest) = level_of(prefix, signal);
        let keys = self.snapshot.attribute_keys(signal, self.question.range, &self.control)?;
        let mut attributes: Vec<Item> = keys
            .into_iter()
            .filter(|(key, _)| begins(key, rest) || (level.is_empty() && contains(key, rest)))
            .map(|(key, count)| {
                let text = match level {
                    "" => completion::written_key(&key, signal),
                    level => format!("{level}{key}"),
                };
                Item { text, kind: "attribute", count }
            })
            .collect();
        attributes.sort_by_key(|item| (!begins(&item.text, prefix), Reverse(item.count), item.text.clone()));
        let room = ITEMS_MAX.saturating_sub(items.len() + OPERATORS.len());
        attributes.truncate(room);
        items.extend(attributes);
        let operators = OPERATORS.iter().filter(|operator| **operator == "NOT" || after_term);
        let operators = operators.filter(|operator| operator.starts_with(&prefix.to_uppercase()));
        let operators: Vec<Item> = operators.map(|operator| plain(operator, "operator")).collect();
        match prefix.is_empty() || prefix.chars().all(|c| c.is_lowercase()) {
            true => items.extend(operators),
            // Who writes in capitals means an operator.
            false => {
                items.splice(0..0, operators);
            }
        }
        Ok(items)
    }

    /// Values that begin so, the commonest first, then those that only contain it.
    fn values(&self, key: &str, prefix: &str) -> Result<Vec<Item>, QueryError> {
        let mut items: Vec<Item> = self.counted(key)?;
        for value in completion::values_of(key) {
            if !items.iter().any(|item| item.text == value) {
                items.push(plain(value, "value"));
            }
        }
        if key == "service" {
            let Completion { signal, range, .. } = self.question;
            for name in self.snapshot.service_names(*signal, *range, &self.control)? {
                if !items.iter().any(|item| item.text == name) {
                    items.push(plain(&name, "value"));
                }
            }
        }
        items.retain(|item| item.text.len() <= VALUE_BYTES_MAX && contains(&item.text, prefix));
        items.sort_by_key(|item| (!begins(&item.text, prefix), Reverse(item.count), item.text.clone()));
        items.truncate(ITEMS_MAX);
        items.iter_mut().for_each(|item| item.text = completion::written_value(&item.text));
        Ok(items)
    }

    /// The values of a key in a sample of the newest rows.
    fn counted(&self, key: &str) -> Result<Vec<Item>, QueryError> {
        let Completion { signal, range, .. } = *self.question;
        let mut names: Vec<String> = Vec::new();
        let of = match key.strip_prefix('"').map(|key| key.trim_end_matches('"')) {
            Some(quoted) => {
                names.push(quoted.replace("\\\"", "\"").replace("\\\\", "\\"));
                Err(Level::Any)
            }
            None => match column_of(signal, key) {
                Some(column) => Ok(column),
                // Ids, durations and bodies have as many values as rows.
                None if completion::fields(signal).any(|(name, _)| name == key) => return Ok(Vec::new()),
                None => {
                    let (level, name) = match level_of(key, signal) {
                        ("resource.", name) => (Level::Resource, name),
                        ("scope.", name) => (Level::Scope, name),
                        ("span." | "log.", name) => (Level::Record, name),
                        _ => (Level::Any, key),
                    };
                    names.push(name.to_owned());
                    Err(level)
                }
            },
        };
        let others: Vec<String> =
            names.iter().flat_map(|name| search::other_names(name)).map(|name| name.into_owned()).collect();
        names.extend(others);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let of = match of {
            Ok("trace_id") => return Ok(Vec::new()),
            Ok(column) => Surveyed::Column(column),
            Err(level) => Surveyed::Attribute(level, &names),
        };
        let counts = self.snapshot.value_counts(signal, range, of, &self.control)?;
        let item = |(text, count)| Item { text, kind: "value", count: Some(count) };
        Ok(counts.into_iter().map(item).collect())
    }
}

const OPERATORS: [&str; 3] = ["AND", "OR", "NOT"];

fn plain(text: &str, kind: &'static str) -> Item {
    Item { text: text.to_owned(), kind, count: None }
}

/// The relations that a key which is written whole goes on with.
fn relations(key: &str, signal: Signal) -> Vec<Item> {
    if !completion::fields(signal).any(|(name, _)| name == key) {
        return Vec::new();
    }
    completion::relations_of(key)
        .iter()
        .map(|relation| plain(&format!("{key}{relation}"), "operator"))
        .collect()
}

/// The level that a key begins with, its point included, and the rest; no level where there is none.
fn level_of(key: &str, signal: Signal) -> (&'static str, &str) {
    let record = if signal == Signal::Logs { "log." } else { "span." };
    let levels = ["resource.", "scope.", record];
    let found = levels.into_iter().find_map(|level| Some((level, key.strip_prefix(level)?)));
    found.unwrap_or(("", key))
}

fn begins(text: &str, prefix: &str) -> bool {
    text.to_lowercase().starts_with(&prefix.to_lowercase())
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}
