//! The prompt of `sql`: statements typed at a terminal, with history and completion. Its commands are those of psql.

mod complete;
mod history;

use std::time::Instant;

use rustyline::error::ReadlineError;
use rustyline::{CompletionType, Config, Editor};
use serde_json::json;

use crate::cli::{Connection, Format};
use crate::client::answer::SqlAnswer;
use crate::client::error::ClientError;
use crate::client::output::{Output, notice, say};
use crate::client::source::{Patience, Source};
use crate::client::text::Tone;
use crate::client::{Outcome, ask, output, parse, sql, statements};
use complete::{Helper, Words};
use history::File;

/// What stands before the cursor.
const PROMPT: &str = "causeway> ";
/// What `\?` says.
const HELP: &str = "\
A statement ends with ; and may span lines. Tab completes, the arrows bring earlier ones back.
  \\d           tables
  \\d TABLE     the columns of a table
  \\timing      say how long each statement takes, or no longer
  \\format FORM table, json, ndjson or csv
  \\q           end; so does Ctrl-D
  \\?           this
Ctrl-C drops the line, or stops the statement that runs.
";
/// The tables that can be asked.
const TABLES: &str = "SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'public' ORDER BY table_name";
/// Every name that can stand in a statement.
const NAMES: &str = "SELECT DISTINCT table_name AS name, 'table' AS kind FROM information_schema.tables
        WHERE table_schema = 'public'
    UNION SELECT DISTINCT column_name, 'column' FROM information_schema.columns WHERE table_schema = 'public'
    UNION SELECT DISTINCT routine_name, 'function' FROM information_schema.routines";

/// What is done with a line.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    Quit,
    Help,
    Timing,
    Format(String),
    Run(Vec<String>),
    Unknown(String),
}

/// Reads and runs statements until the end.
pub(super) fn run(
    source: &Source,
    connection: &Connection,
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    let failed = |error: ReadlineError| ClientError::Input(std::io::Error::other(error));
    let words = words(source)?;
    let config = Config::builder()
        .max_history_size(history::ENTRIES_MAX)
        .and_then(|config| config.history_ignore_dups(true))
        .map_err(failed)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .build();
    let mut editor: Editor<Helper, _> = Editor::with_config(config).map_err(failed)?;
    editor.set_helper(Some(Helper { words }));
    let file = File::of_environment();
    file.load(&mut editor);
    notice(connection.color, Tone::Dim, "asking", &format!("{}; \\? explains", source.name()));
    let mut prompt = Prompt { source, connection, format: connection.format, timing: false, output };
    loop {
        match editor.readline(PROMPT) {
            Ok(line) => {
                file.add(&mut editor, &line);
                if !prompt.answer(&line)? {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(Outcome::Found)
}

struct Prompt<'a> {
    source: &'a Source,
    connection: &'a Connection,
    format: Format,
    timing: bool,
    output: &'a mut Output,
}

impl Prompt<'_> {
    /// Does what a line says. Returns whether to go on.
    fn answer(&mut self, line: &str) -> Result<bool, ClientError> {
        let color = self.connection.color;
        match Line::read(line) {
            Line::Nothing => {}
            Line::Quit => return Ok(false),
            Line::Help => say(HELP),
            Line::Timing => {
                self.timing = !self.timing;
                let what = if self.timing { "is said" } else { "is not said any more" };
                notice(color, Tone::Dim, "time", what);
            }
            Line::Format(name) => match <Format as clap::ValueEnum>::from_str(&name, true) {
                Ok(format) => self.format = format,
                Err(_) => {
                    let wrong = format!("`{name}` is no format: table, json, ndjson and csv are");
                    notice(color, Tone::Bad, "error:", &wrong);
                }
            },
            Line::Unknown(command) => {
                notice(color, Tone::Bad, "error:", &format!("`{command}` is not known; \\? explains"));
            }
            Line::Run(statements) => self.run(&statements)?,
        }
        Ok(true)
    }

    /// Runs statements until one fails, and says why. Only results that cannot be written end the prompt.
    fn run(&mut self, statements: &[String]) -> Result<(), ClientError> {
        let color = self.connection.color;
        for statement in statements {
            let begun = Instant::now();
            let result = sql::one(self.source, self.connection, self.format, statement, self.output);
            if self.timing {
                notice(color, Tone::Dim, "time:", &format!("{:.1} ms", begun.elapsed().as_secs_f64() * 1e3));
            }
            let stopped = self.source.interrupt().reset();
            match result {
                Ok(()) => {}
                Err(ClientError::Output(error)) => return Err(ClientError::Output(error)),
                Err(error) if stopped => {
                    let came = match error {
                        ClientError::Interrupted(came) if !came.is_empty() => format!("; {came}"),
                        _ => String::new(),
                    };
                    notice(color, Tone::Warn, "stopped:", &format!("the statement was cancelled{came}"));
                    break;
                }
                Err(error) => {
                    let (width, paint) = output::error_style(color);
                    say(&error.render(width, paint));
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Line {
    fn read(line: &str) -> Self {
        let line = line.trim();
        let Some(command) = line.strip_prefix('\\') else {
            let found = statements::all(line);
            return if found.is_empty() { Self::Nothing } else { Self::Run(found) };
        };
        let mut words = command.trim_end_matches(';').split_whitespace();
        match (words.next().unwrap_or_default(), words.next(), words.next()) {
            ("q" | "quit", None, None) => Self::Quit,
            ("?" | "h", None, None) => Self::Help,
            ("timing", None, None) => Self::Timing,
            ("format", Some(name), None) => Self::Format(name.to_owned()),
            ("d" | "dt", None, None) => Self::Run(vec![TABLES.to_owned()]),
            ("d", Some(table), None) => Self::Run(vec![columns_of(table)]),
            _ => Self::Unknown(line.to_owned()),
        }
    }
}

/// Asks for the columns of a table.
fn columns_of(table: &str) -> String {
    let table = table.trim_matches('"').replace('\'', "''");
    format!(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY ordinal_position"
    )
}

/// Every name there is, to complete. Also tells at the start whether anybody answers.
fn words(source: &Source) -> Result<Words, ClientError> {
    let request = json!({ "sql": NAMES });
    let body = ask(&format!("asking {}", source.name()), NAMES, || {
        source.post("/api/sql", &request, Patience::Question)
    })?;
    let answer: SqlAnswer = parse(&body, source.name())?;
    let text = |value: Option<&serde_json::Value>| value.and_then(|value| value.as_str()).map(str::to_owned);
    let names = answer.rows.iter().filter_map(|row| Some((text(row.first())?, text(row.get(1))?)));
    Ok(Words::new(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_or_statements() {
        for (line, expected) in [
            ("", Line::Nothing),
            ("-- a comment", Line::Nothing),
            ("SELECT 1;", Line::Run(vec!["SELECT 1".into()])),
            ("SELECT 1; SELECT 2;", Line::Run(vec!["SELECT 1".into(), "SELECT 2".into()])),
            (" \\q ", Line::Quit),
            ("\\?", Line::Help),
            ("\\timing;", Line::Timing),
            ("\\format csv", Line::Format("csv".into())),
            ("\\d", Line::Run(vec![TABLES.into()])),
            ("\\d a'b", Line::Run(vec![columns_of("a'b")])),
            ("\\d a b", Line::Unknown("\\d a b".into())),
            ("\\drop", Line::Unknown("\\drop".into())),
        ] {
            assert_eq!(Line::read(line), expected, "{line}");
        }
        assert!(columns_of("a'b").contains("table_name = 'a''b'"));
    }
}
