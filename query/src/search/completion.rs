//! What can stand at a place of a search that need not be finished.
//!
//! Only the text before the place is looked at, and it is read forgivingly: whatever it holds, some answer comes.

use super::lexer;
use super::terms::{FIELDS, KINDS, STATUSES};
use super::values::SEVERITIES;
use model::{Field, Signal};

/// What is asked for at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where the text begins that a completion replaces, in bytes; it ends at the place.
    pub(crate) from: usize,
    /// What is wanted.
    pub(crate) wanted: Wanted,
}

/// What fits at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A key that begins so, and where `after_term` also an operator.
    Key {
        /// What is there of it.
        prefix: String,
        /// Whether a term stands before it, so that an operator can follow.
        after_term: bool,
    },
    /// A value of a key that begins so.
    Value {
        /// The key as it is written.
        key: String,
        /// What is there of the value, without quotes.
        prefix: String,
    },
    /// Words of full text, about which nothing is known.
    Nothing,
}

/// Where a search stands at a byte offset. An offset inside a character or past the end is moved back.
pub(crate) fn place(text: &str, at: usize) -> Place {
    let at = text.floor_char_boundary(at.min(text.len()));
    let before = &text[..at];
    let (from, in_quotes) = last_token(before);
    let token = &before[from..];
    let negated = token.starts_with('-') && token.len() > 1;
    let from = from + usize::from(negated);
    let token = &before[from..];
    if let Some((key, value_from)) = key_of(token) {
        let value = &token[value_from..];
        let prefix = unquoted(value);
        return Place { from: from + value_from, wanted: Wanted::Value { key, prefix } };
    }
    if in_quotes || token.starts_with(['"', '/']) {
        return Place { from: at, wanted: Wanted::Nothing };
    }
    let after_term = !negated && ends_with_term(&before[..from]);
    Place { from, wanted: Wanted::Key { prefix: token.to_owned(), after_term } }
}

/// Where the last token of a text begins, and whether it ends inside quotes.
fn last_token(text: &str) -> (usize, bool) {
    let mut from = 0;
    let mut in_quotes = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            // A brace in a value belongs to it: `/users/{id}`.
            '{' | '}' if at > from => {
                let in_value =
                    text[from..at].contains([':', '/']) && (c == '{' || text[from..at].contains('{'));
                from = if in_value { from } else { at + 1 };
            }
            '(' | ')' | '{' | '}' => from = at + c.len_utf8(),
            c if c.is_whitespace() => from = at + c.len_utf8(),
            _ => {}
        }
    }
    (from, in_quotes)
}

/// The key of `key:value`, and where its value begins.
fn key_of(token: &str) -> Option<(String, usize)> {
    let mut in_quotes = false;
    let mut escaped = false;
    let end = token.char_indices().find(|(_, c)| match c {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' if in_quotes => {
            escaped = true;
            false
        }
        '"' => {
            in_quotes = !in_quotes;
            false
        }
        ':' | '<' | '>' => !in_quotes,
        _ => false,
    });
    let (end, _) = end?;
    let key = token[..end].to_owned();
    let relation = token[end..].chars().take_while(|c| matches!(c, ':' | '<' | '>' | '=')).count();
    let is_key = key.starts_with('"') || lexer::is_key(&key);
    is_key.then_some((key, end + relation))
}

/// A value as far as it is written, without its quotes.
fn unquoted(value: &str) -> String {
    match value.strip_prefix('"') {
        Some(value) => value.trim_end_matches('"').replace("\\\"", "\"").replace("\\\\", "\\"),
        None => value.to_owned(),
    }
}

/// Whether an operator can follow a text: its last word is a term or closes something.
fn ends_with_term(text: &str) -> bool {
    let text = text.trim_end();
    let last = text.rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '{')).next().unwrap_or_default();
    !(text.is_empty()
        || text.ends_with(['(', '{', '>', ':'])
        || matches!(last, "AND" | "OR" | "NOT" | "where"))
}

/// A key as it has to be written in a search: with quotes where it would be read as something else.
pub(crate) fn written_key(key: &str, signal: Signal) -> String {
    let is_field = FIELDS.iter().any(|(name, _)| *name == key) || key == "template";
    let level = if signal == Signal::Logs { "log" } else { "span" };
    let has_level = ["resource.", "scope.", "span.", "log.", "event."]
        .iter()
        .any(|level| key.starts_with(level) && key.len() > level.len());
    if is_field {
        return format!("{level}.{key}");
    }
    if has_level || !lexer::is_key(key) {
        return quoted(key);
    }
    key.to_owned()
}

/// A value as it has to be written in a search.
pub(crate) fn written_value(value: &str) -> String {
    let is_plain = !value.is_empty()
        && !value.starts_with(['/', '>', '<', '='])
        && !value
            .contains(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '*' | '{' | '}' | '\\'));
    if is_plain { value.to_owned() } else { quoted(value) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// The fields that a signal has.
pub(crate) fn fields(signal: Signal) -> impl Iterator<Item = (&'static str, Field)> {
    let lacks = move |field: Field| match signal {
        Signal::Logs => {
            matches!(field, Field::Name | Field::Kind | Field::Status | Field::Duration | Field::Parent)
        }
        _ => matches!(field, Field::Body | Field::Severity | Field::Template),
    };
    FIELDS.iter().copied().filter(move |(_, field)| !lacks(*field))
}

/// The values that a field can have, where they are few and known.
pub(crate) fn values_of(key: &str) -> Vec<&'static str> {
    match key {
        "kind" => KINDS.to_vec(),
        "status" => STATUSES.to_vec(),
        "severity" | "level" => SEVERITIES.iter().map(|(name, ..)| *name).collect(),
        _ => Vec::new(),
    }
}

/// What a key that is written whole can go on with.
pub(crate) fn relations_of(key: &str) -> &'static [&'static str] {
    match FIELDS.iter().find(|(name, _)| *name == key) {
        Some((_, Field::Duration | Field::Severity | Field::Body)) | None => &[":", ">", ">=", "<", "<="],
        Some(_) => &[":"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A search with `|` at the place; what is replaced, and what is wanted.
    #[test]
    fn a_place_is_found_in_any_text() {
        let cases = [
            ("|", "", "key "),
            ("ser|", "ser", "key ser"),
            ("ser|vice:x", "ser", "key ser"),
            ("a |", "", "key  after a term"),
            ("a AN|", "AN", "key AN after a term"),
            ("a AND |", "", "key "),
            ("NOT ser|", "ser", "key ser"),
            ("-ser|", "ser", "key ser"),
            ("(ser|", "ser", "key ser"),
            ("{ ser|", "ser", "key ser"),
            ("{ a:b } > { ser|", "ser", "key ser"),
            ("{ a:b } |", "", "key  after a term"),
            ("{a:b}|", "", "key  after a term"),
            ("service:|", "", "value of service: "),
            ("service:che|ckout", "che", "value of service: che"),
            ("-service:che|", "che", "value of service: che"),
            ("duration>5|", "5", "value of duration: 5"),
            ("duration>=|", "", "value of duration: "),
            ("http.route:/cart|", "/cart", "value of http.route: /cart"),
            ("http.route:\"/cart |", "\"/cart ", "value of http.route: /cart "),
            ("\"weird key\":v|", "v", "value of \"weird key\": v"),
            ("\"connection ref|", "", "nothing"),
            ("\"a \\\" b|", "", "nothing"),
            ("url.path:x/{id}/y|", "x/{id}/y", "value of url.path: x/{id}/y"),
            ("trace in spans(ser|", "ser", "key ser"),
            ("größe:ü|", "ü", "value of größe: ü"),
            ("12:3|", "12:3", "key 12:3"),
            ("/re.*|", "", "nothing"),
        ];
        for (text, replaced, wanted) in cases {
            let at = text.find('|').unwrap();
            let text = text.replace('|', "");
            let place = place(&text, at);
            let found = match &place.wanted {
                Wanted::Key { prefix, after_term: false } => format!("key {prefix}"),
                Wanted::Key { prefix, after_term: true } => format!("key {prefix} after a term"),
                Wanted::Value { key, prefix } => format!("value of {key}: {prefix}"),
                Wanted::Nothing => "nothing".to_owned(),
            };
            assert_eq!((&text[place.from..at], found.as_str()), (replaced, wanted), "{text:?} at {at}");
        }
    }

    #[test]
    fn an_offset_anywhere_is_a_place() {
        for text in ["größe:ü", "", "\"", "\\", "{", "a:b}"] {
            for at in 0..text.len() + 3 {
                let place = place(text, at);
                assert!(text.is_char_boundary(place.from), "{text:?} at {at}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        use model::{Level, Predicate, Test};
        let values =
            ["checkout", "a b", "", "/re/", "/", "a*", "(x)", "say \"hi\"", "C:\\new", "{a}", ">5", "*"];
        let keys = ["http.route", "weird key", "resource.owner", "a:b", "service.name", "5", "k\"q"];
        for key in keys {
            for value in values {
                let text = format!("{}:{}", written_key(key, Signal::Spans), written_value(value));
                for text in [text.clone(), format!("{{ {text} }}"), format!("({text})")] {
                    let expected =
                        Predicate::Attribute(Level::Any, key.to_owned(), Test::Equals(value.to_owned()));
                    assert_eq!(crate::search::parse(&text, Signal::Spans), Ok(expected), "{text}");
                }
            }
        }
        assert_eq!(written_key("status", Signal::Spans), "span.status");
        assert_eq!(written_key("body", Signal::Logs), "log.body");
    }
}
