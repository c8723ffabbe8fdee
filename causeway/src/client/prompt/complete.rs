//! What may stand at the cursor: words of SQL, names of tables, columns and functions, and the prompt's commands.

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Result};

use crate::client::statements;

/// The words of SQL that queries are made of.
const KEYWORDS: [&str; 58] = [
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CROSS",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FILTER",
    "FIRST",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "RIGHT",
    "SELECT",
    "SHOW",
    "TABLES",
    "THEN",
    "TIMESTAMP",
    "TRUE",
    "UNION",
    "USING",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];
/// The commands of the prompt.
const COMMANDS: [&str; 5] = ["\\?", "\\d", "\\format", "\\q", "\\timing"];
/// What may follow `\format`.
const FORMATS: [&str; 4] = ["csv", "json", "ndjson", "table"];

/// Names that can stand in a statement.
#[derive(Debug, Default)]
pub(super) struct Words {
    tables: Vec<String>,
    /// Columns and functions; these end with a parenthesis.
    others: Vec<String>,
}

impl Words {
    /// Names, each with its kind.
    pub(super) fn new(names: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut words = Self::default();
        for (name, kind) in names {
            match kind.as_str() {
                "table" => words.tables.push(name),
                "function" => words.others.push(format!("{name}(")),
                _ => words.others.push(name),
            }
        }
        words.tables.sort_unstable();
        words.others.sort_unstable();
        words
    }

    /// Where the word before the cursor begins, and what it may become.
    fn complete(&self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let before = &line[..cursor];
        if let Some(command) = before.trim_start().strip_prefix('\\') {
            return self.argument(before, command);
        }
        let word = |char: char| char.is_alphanumeric() || char == '_';
        let start = before
            .rfind(|char| !word(char))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let typed = &before[start..];
        if typed.is_empty() {
            return (start, Vec::new());
        }
        let fitting = |names: &[String]| -> Vec<String> {
            names.iter().filter(|name| begins(name, typed)).cloned().collect()
        };
        let mut found = fitting(&self.tables);
        let last = before[..start].split_whitespace().next_back().unwrap_or_default();
        if ["from", "join", "describe"].iter().any(|word| last.eq_ignore_ascii_case(word)) {
            return (start, found);
        }
        found.extend(fitting(&self.others));
        let small = !typed.chars().any(char::is_uppercase);
        let keywords = KEYWORDS.iter().filter(|keyword| begins(keyword, typed));
        found.extend(keywords.map(|word| if small { word.to_lowercase() } else { (*word).to_owned() }));
        (start, found)
    }

    fn argument(&self, before: &str, command: &str) -> (usize, Vec<String>) {
        let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let typed = &before[start..];
        let fitting = |names: &mut dyn Iterator<Item = &str>| {
            (start, names.filter(|name| begins(name, typed)).map(str::to_owned).collect())
        };
        match command.split_whitespace().next() {
            _ if !command.contains(char::is_whitespace) => fitting(&mut COMMANDS.into_iter()),
            Some("d") => fitting(&mut self.tables.iter().map(String::as_str)),
            Some("format") => fitting(&mut FORMATS.into_iter()),
            _ => (start, Vec::new()),
        }
    }
}

/// Whether a name begins with what was typed, in whatever case.
fn begins(name: &str, typed: &str) -> bool {
    name.get(..typed.len()).is_some_and(|head| head.eq_ignore_ascii_case(typed))
}

/// What the line editor asks.
pub(super) struct Helper {
    pub(super) words: Words,
}

impl rustyline::Helper for Helper {}
impl Highlighter for Helper {}

impl Hinter for Helper {
    type Hint = String;
}

impl Completer for Helper {
    type Candidate = String;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> Result<(usize, Vec<String>)> {
        Ok(self.words.complete(line, cursor))
    }
}

impl Validator for Helper {
    /// A statement goes on until its `;`, a command until the end of its line.
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        let text = context.input();
        let whole = text.trim_start().starts_with('\\') || statements::is_whole(text);
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_offered() {
        let name = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        let words = Words::new([
            name("spans", "table"),
            name("logs", "table"),
            name("span_id", "column"),
            name("service_name", "column"),
            name("split_part", "function"),
        ]);
        for (line, start, expected) in [
            ("", 0, &[][..]),
            ("sel", 0, &["select"]),
            ("SEL", 0, &["SELECT"]),
            ("SELECT sp", 7, &["spans", "span_id", "split_part("]),
            ("SELECT a.ser", 9, &["service_name"]),
            ("SELECT 1 FROM ", 14, &[]),
            ("SELECT 1 from s", 14, &["spans"]),
            ("SELECT 'ä日sp", 13, &[]),
            ("\\", 0, &["\\?", "\\d", "\\format", "\\q", "\\timing"]),
            ("\\f", 0, &["\\format"]),
            ("\\d ", 3, &["logs", "spans"]),
            ("\\d sp", 3, &["spans"]),
            ("\\format n", 8, &["ndjson"]),
            ("\\timing x", 8, &[]),
        ] {
            let (at, found) = words.complete(line, line.len());
            assert_eq!(found, expected, "{line}");
            assert!(expected.is_empty() || at == start, "{line}: {at}");
        }
    }
}
