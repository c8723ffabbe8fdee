//! One term to one test: what its key names, and what its value asks.
//!
//! An unquoted key is a field of the data model, an attribute at the level that its prefix names, or an
//! attribute at any level, in this order. A quoted key is always an attribute at any level.

use model::{Field, Level, Predicate, Signal, Test};

use super::lexer::{Key, Pair, Relation, Value};
use super::{PATTERNS_MAX, aliases, values};
use crate::QueryError;

/// The own fields by name.
pub(super) const FIELDS: &[(&str, Field)] = &[
    ("service", Field::Service),
    ("namespace", Field::Namespace),
    ("environment", Field::Environment),
    ("version", Field::Version),
    ("instance", Field::Instance),
    ("name", Field::Name),
    ("kind", Field::Kind),
    ("status", Field::Status),
    ("duration", Field::Duration),
    ("trace", Field::Trace),
    ("span", Field::Span),
    ("parent", Field::Parent),
    ("severity", Field::Severity),
    ("level", Field::Severity),
    ("body", Field::Body),
    ("event", Field::Event),
    ("scope", Field::Scope),
    ("template", Field::Template),
];

pub(super) const KINDS: &[&str] = &["internal", "server", "client", "producer", "consumer", "unspecified"];
pub(super) const STATUSES: &[&str] = &["unset", "ok", "error"];

/// The semantic conventions name log attributes so; elsewhere `log.` is the level.
const LOG_NAMES: &[&str] = &["log.file.", "log.iostream", "log.record."];

/// Makes the tests of one search.
pub(super) struct Terms {
    signal: Signal,
    patterns: usize,
}

impl Terms {
    pub(super) fn new(signal: Signal) -> Self {
        Self { signal, patterns: 0 }
    }

    /// Goes on with terms about another signal.
    pub(super) fn search(&mut self, signal: Signal) {
        self.signal = signal;
    }

    /// A word, a phrase, or a pattern for the field that says what a row is about.
    pub(super) fn bare(&mut self, value: &Value<'_>, at: usize) -> Result<Predicate, QueryError> {
        let main = if self.signal == Signal::Logs { Field::Body } else { Field::Name };
        match value {
            Value::Plain(word) if is_any(word) => Ok(Predicate::All),
            Value::Plain(word) if !word.contains('*') => self.text(word, at),
            Value::Quoted(phrase) => self.text(phrase, at),
            Value::Plain(_) | Value::Regex(_) => Ok(Predicate::Field(main, self.test(value, at)?)),
        }
    }

    fn text(&self, text: &str, at: usize) -> Result<Predicate, QueryError> {
        if text.contains(char::is_alphanumeric) {
            return Ok(Predicate::Text(text.to_owned()));
        }
        let main = if self.signal == Signal::Logs { "body" } else { "name" };
        let message =
            format!("without a letter or digit `{text}` is no word; {main}:/regex/ finds such text");
        Err(QueryError::bad(message, at, super::EXPECTED_TERM))
    }

    /// A key with a value.
    pub(super) fn pair(&mut self, pair: &Pair<'_>, at: usize) -> Result<Predicate, QueryError> {
        let name = match &pair.key {
            Key::Quoted(name) => return self.attribute(Level::Any, name, pair),
            Key::Plain(name) => *name,
        };
        match FIELDS.iter().find(|(own, _)| *own == name) {
            Some((_, field)) => {
                self.must_have(*field, name, at)?;
                self.field(*field, name, pair)
            }
            None => {
                let (level, name) = self.level_of(name, at)?;
                self.attribute(level, name, pair)
            }
        }
    }

    fn must_have(&self, field: Field, name: &str, at: usize) -> Result<(), QueryError> {
        let (prefix, instead) = match (self.signal, field) {
            (Signal::Spans, Field::Body) => ("span", Some("name")),
            (Signal::Spans, Field::Severity) => ("span", Some("status")),
            (Signal::Spans, Field::Template) => ("span", Some("name")),
            (Signal::Logs, Field::Name) => ("log", Some("body")),
            (Signal::Logs, Field::Status) => ("log", Some("severity")),
            (Signal::Logs, Field::Parent) => ("log", Some("span")),
            (Signal::Logs, Field::Kind | Field::Duration) => ("log", None),
            _ => return Ok(()),
        };
        let attribute = format!("{prefix}.{name}");
        let signal = self.signal;
        let message = format!("{signal} have no `{name}`; an attribute of that name is `{attribute}`");
        let expected: Vec<&str> = [attribute.as_str()].into_iter().chain(instead).collect();
        Err(QueryError::bad(message, at, &expected))
    }

    fn field(&mut self, field: Field, name: &str, pair: &Pair<'_>) -> Result<Predicate, QueryError> {
        match field {
            Field::Duration => values::duration(pair),
            Field::Severity => self.severity(pair),
            Field::Trace => values::id(field, values::TRACE_DIGITS, pair),
            Field::Span | Field::Parent | Field::Template => values::id(field, values::SPAN_DIGITS, pair),
            Field::Kind => self.named(field, KINDS, pair),
            Field::Status => self.named(field, STATUSES, pair),
            Field::Body => Ok(Predicate::Field(field, self.related(pair)?)),
            _ => {
                must_not_order(pair, name)?;
                Ok(Predicate::Field(field, self.related(pair)?))
            }
        }
    }

    fn severity(&mut self, pair: &Pair<'_>) -> Result<Predicate, QueryError> {
        if values::is_pattern(&pair.value) {
            return self.lower(Field::Severity, pair);
        }
        values::severity(pair)
    }

    /// A field with a few known values, case ignored.
    fn named(&mut self, field: Field, names: &[&str], pair: &Pair<'_>) -> Result<Predicate, QueryError> {
        must_not_order(pair, if field == Field::Kind { "kind" } else { "status" })?;
        if values::is_pattern(&pair.value) {
            return self.lower(field, pair);
        }
        let text = values::text(&pair.value).to_ascii_lowercase();
        if names.contains(&text.as_str()) {
            return Ok(Predicate::Field(field, Test::Equals(text)));
        }
        Err(QueryError::bad(format!("`{text}` is none of the known values"), pair.value_at, names))
    }

    /// A pattern over values that are stored in lower case.
    fn lower(&mut self, field: Field, pair: &Pair<'_>) -> Result<Predicate, QueryError> {
        Ok(Predicate::Field(
            field,
            match self.related(pair)? {
                Test::Glob(pattern) => Test::Glob(pattern.to_ascii_lowercase()),
                test => test,
            },
        ))
    }

    /// The level that a key's prefix names, and the key without it.
    fn level_of<'k>(&self, name: &'k str, at: usize) -> Result<(Level, &'k str), QueryError> {
        let (prefix, rest) = match name.split_once('.') {
            Some((prefix, rest)) if !rest.is_empty() => (prefix, rest),
            _ => return Ok((Level::Any, name)),
        };
        let other = |own: &str| {
            let message =
                format!("{} have no `{prefix}.` attributes; a whole name is put in quotes", self.signal);
            Err(QueryError::bad(message, at, &[&format!("{own}.{rest}"), &format!("\"{name}\"")]))
        };
        match (prefix, self.signal) {
            ("resource", _) => Ok((Level::Resource, rest)),
            ("scope", _) => Ok((Level::Scope, rest)),
            ("span", Signal::Spans) => Ok((Level::Record, rest)),
            ("event", Signal::Spans) => Ok((Level::Event, rest)),
            ("log", _) if LOG_NAMES.iter().any(|own| name.starts_with(own)) => Ok((Level::Any, name)),
            ("log", Signal::Logs) => Ok((Level::Record, rest)),
            ("log", _) => other("span"),
            ("span", _) => other("log"),
            _ => Ok((Level::Any, name)),
        }
    }

    fn attribute(&mut self, level: Level, name: &str, pair: &Pair<'_>) -> Result<Predicate, QueryError> {
        let test = self.related(pair)?;
        let attribute = |name: &str| Predicate::Attribute(level, name.to_owned(), test.clone());
        let others = aliases::of(name);
        if others.is_empty() {
            return Ok(attribute(name));
        }
        let names = std::iter::once(name).chain(others.iter().map(AsRef::as_ref));
        Ok(Predicate::Or(names.map(attribute).collect()))
    }

    fn related(&mut self, pair: &Pair<'_>) -> Result<Test, QueryError> {
        match pair.relation {
            Relation::Is => self.test(&pair.value, pair.value_at),
            Relation::Order(order) => Ok(Test::Compare(order, values::number(pair)?)),
        }
    }

    fn test(&mut self, value: &Value<'_>, at: usize) -> Result<Test, QueryError> {
        let test = match value {
            Value::Plain(text) if is_any(text) => return Ok(Test::Exists),
            Value::Plain(text) if !text.contains('*') => return Ok(Test::Equals((*text).to_owned())),
            Value::Quoted(text) => return Ok(Test::Equals(text.clone())),
            Value::Plain(pattern) => {
                values::check_glob(pattern, at)?;
                Test::Glob((*pattern).to_owned())
            }
            Value::Regex(pattern) => {
                values::check_regex(pattern, at)?;
                Test::Regex((*pattern).to_owned())
            }
        };
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            let message =
                format!("the search has more than {PATTERNS_MAX} wildcards and regular expressions");
            return Err(QueryError::bad(message, at, &["a value without `*`"]));
        }
        Ok(test)
    }
}

/// Whether a value is only `*`.
fn is_any(text: &str) -> bool {
    text.chars().all(|c| c == '*')
}

fn must_not_order(pair: &Pair<'_>, name: &str) -> Result<(), QueryError> {
    match pair.relation {
        Relation::Is => Ok(()),
        Relation::Order(_) => {
            let message = format!("`{name}` is text and has no order");
            Err(QueryError::bad(message, pair.value_at, &[&format!("{name}:value")]))
        }
    }
}
