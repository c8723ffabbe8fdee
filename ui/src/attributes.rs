//! Attributes as a list that can be read, copied and searched for.

use askama::Template;
use query::rows::Attributes;
use serde_json::Value;

use crate::address::{and, is_key, search, term};
use crate::format::{cut, first_line};

/// From how many characters on a value is folded.
const FOLDED_CHARS_MIN: usize = 240;
/// How much of a folded value is seen.
const FOLD_CHARS: usize = 100;
/// How much of a key is said once more, in characters.
const KEY_CHARS_MAX: usize = 80;
/// How much of a key or value stands in a table of many rows, in characters.
pub(crate) const SHORT_CHARS_MAX: usize = 2_000;

/// Attributes of one level.
#[derive(Debug, Template)]
#[template(path = "part/attributes.html")]
pub(crate) struct AttributeList {
    /// What they belong to.
    pub(crate) title: &'static str,
    /// Each.
    pub(crate) entries: Vec<Entry>,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Its key.
    pub(crate) key: String,
    /// Its value as text.
    pub(crate) value: String,
    /// The beginning of a value too long to stand open.
    pub(crate) fold: Option<String>,
    /// The search for rows that have it too.
    pub(crate) href: Option<String>,
    /// Whether the value is not all of it, so that it cannot be copied.
    pub(crate) is_cut: bool,
}

/// What sort of row the attributes belong to, which decides how a search names them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Level {
    /// A span.
    Span,
    /// A log record.
    Log,
    /// The resource behind it; searched among rows of the tab named.
    Resource(&'static str),
    /// Not searched for: scopes, events, links.
    Plain,
}

impl AttributeList {
    /// The list under a title; `q` is the query that a search begins with.
    pub(crate) fn new(title: &'static str, level: Level, attributes: &Attributes) -> Self {
        let entries = attributes.iter().map(|(key, value)| Entry::new(level, key, value)).collect();
        Self { title, entries }
    }

    /// The same with no more of each key and value than stands in a table of many rows.
    pub(crate) fn shortened(mut self) -> Self {
        for entry in &mut self.entries {
            entry.is_cut = entry.value.chars().nth(SHORT_CHARS_MAX).is_some();
            entry.value = cut(&entry.value, SHORT_CHARS_MAX);
            entry.key = cut(&entry.key, SHORT_CHARS_MAX);
        }
        self
    }
}

impl Entry {
    fn new(level: Level, key: &str, value: &Value) -> Self {
        let text = text(value);
        let href = href(level, key, value, &text);
        // A short list or map stands on one line.
        let flat = if value.is_array() || value.is_object() { value.to_string() } else { text.clone() };
        if flat.chars().nth(FOLDED_CHARS_MIN).is_none() && !flat.contains('\n') {
            return Self { href, ..Self::own(key, flat) };
        }
        Self { fold: Some(first_line(&flat, FOLD_CHARS)), href, ..Self::own(key, text) }
    }

    /// An entry of the row itself that is no attribute.
    pub(crate) fn own(key: &str, value: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: value.into(), fold: None, href: None, is_cut: false }
    }

    /// As much of the key as is said of what can be done with the value.
    pub(crate) fn short_key(&self) -> String {
        short_key(&self.key)
    }
}

fn href(level: Level, key: &str, value: &Value, text: &str) -> Option<String> {
    // A folded or structured value has no exact form that a person would search for.
    if !is_key(key) || value.is_array() || value.is_object() || text.chars().nth(FOLDED_CHARS_MIN).is_some() {
        return None;
    }
    let own = OWN_FIELDS.contains(&key);
    let (tab, key) = match level {
        Level::Span => ("spans", if own { format!("span.{key}") } else { key.to_owned() }),
        Level::Log => ("logs", if own { format!("log.{key}") } else { key.to_owned() }),
        Level::Resource(tab) => (tab, format!("resource.{key}")),
        Level::Plain => return None,
    };
    Some(search(tab, &and("", &term(&key, text)), "")).filter(|href| !href.is_empty())
}

/// As much of a key as is said once more beside it.
pub(crate) fn short_key(key: &str) -> String {
    cut(key, KEY_CHARS_MAX)
}

/// The fields of the search language that hide an attribute of the same name.
const OWN_FIELDS: [&str; 18] = [
    "service",
    "namespace",
    "environment",
    "version",
    "instance",
    "name",
    "kind",
    "status",
    "duration",
    "trace",
    "span",
    "parent",
    "severity",
    "level",
    "body",
    "event",
    "scope",
    "template",
];

/// Whether a key is a field of the search language, so that an attribute of that name needs its level before it.
pub(crate) fn is_own_field(key: &str) -> bool {
    OWN_FIELDS.contains(&key)
}

/// A value as text: strings as they are, all else as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(_) | Value::Object(_) => {
            serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_know_their_search() {
        for (level, key, value, expected) in [
            (
                Level::Span,
                "http.route",
                json!("/cart"),
                Some("/search?tab=spans&q=http.route%3A%22%2Fcart%22"),
            ),
            (Level::Span, "status", json!(200), Some("/search?tab=spans&q=span.status%3A200")),
            (Level::Log, "body", json!("x"), Some("/search?tab=logs&q=log.body%3Ax")),
            (
                Level::Resource("logs"),
                "host.name",
                json!("a"),
                Some("/search?tab=logs&q=resource.host.name%3Aa"),
            ),
            (Level::Span, "odd key", json!("a"), None),
            (Level::Span, "list", json!([1]), None),
            (Level::Plain, "a", json!("b"), None),
            (Level::Span, "a".repeat(300).as_str(), json!("b"), None),
        ] {
            assert_eq!(Entry::new(level, key, &value).href.as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn tables_of_many_rows_have_the_beginnings_of_long_values() {
        let (key, value) = ("k".repeat(70_000), "é".repeat(SHORT_CHARS_MAX + 1));
        let entries = vec![Entry::own(&key, value), Entry::own("b", "c")];
        let list = AttributeList { title: "Attributes", entries }.shortened();
        let lengths = list.entries.iter().map(|entry| (entry.value.chars().count(), entry.is_cut));
        assert_eq!(lengths.collect::<Vec<_>>(), [(SHORT_CHARS_MAX + 1, true), (1, false)]);
        assert_eq!(list.entries[0].short_key(), format!("{}…", "k".repeat(KEY_CHARS_MAX)));
        let page = list.render().unwrap();
        assert!(page.len() < 20_000 && page.matches("data-copy").count() == 1, "{page}");
    }

    #[test]
    fn long_values_are_folded_and_whole() {
        let trace = format!("Traceback\n{}", "line\n".repeat(100));
        let entry = Entry::new(Level::Span, "exception.stacktrace", &json!(trace));
        assert_eq!(entry.fold.as_deref(), Some("Traceback…"));
        assert_eq!(entry.value, trace);
        let list = Entry::new(Level::Span, "list", &json!([1, "a"]));
        assert_eq!((list.value.as_str(), list.fold), ("[1,\"a\"]", None));
    }
}
