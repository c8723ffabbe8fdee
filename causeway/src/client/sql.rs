//! `sql`: statements from the command line, from standard input, or typed at a prompt.

use std::io::{IsTerminal, Read};

use indicatif::{HumanBytes, HumanCount};
use serde_json::json;

use crate::cli::{Connection, Format, SqlArgs};
use crate::client::answer::SqlAnswer;
use crate::client::error::ClientError;
use crate::client::output::{Output, notice};
use crate::client::progress::Progress;
use crate::client::source::{Patience, Source};
use crate::client::table::Table;
use crate::client::text::{Tone, count};
use crate::client::{Outcome, ask, cost, parse, statements, views, warn_partial, whole};

/// The most bytes of statements on standard input.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// What is to be run.
pub(super) enum Asked {
    /// These statements, one after another.
    Statements(Vec<String>),
    /// What is typed at the terminal.
    Prompt,
}

/// What `sql` is asked: its argument, else a prompt where there is a terminal, else standard input.
pub(super) fn read(args: &SqlArgs, output: &Output) -> Result<Asked, ClientError> {
    if let Some(sql) = args.sql.as_ref().filter(|sql| *sql != "-") {
        return Ok(Asked::Statements(vec![sql.clone()]));
    }
    let input = std::io::stdin();
    if input.is_terminal() {
        if args.sql.is_none() && output.is_terminal() {
            return Ok(Asked::Prompt);
        }
        notice(args.connection.color, Tone::Dim, "reading SQL", "from the terminal, until Ctrl-D");
    }
    let mut text = String::new();
    input.lock().take(INPUT_BYTES_MAX + 1).read_to_string(&mut text).map_err(ClientError::Input)?;
    if text.len() as u64 > INPUT_BYTES_MAX {
        return Err(ClientError::Usage(format!("statements have at most {INPUT_BYTES_MAX} bytes")));
    }
    let found = statements::all(&text);
    if found.is_empty() {
        let message = "no statement: give it as an argument or on standard input";
        return Err(ClientError::Usage(message.to_owned()));
    }
    Ok(Asked::Statements(found))
}

/// Runs statements until one fails. An answer without rows is an answer: this is no search.
pub(super) fn run(
    source: &Source,
    connection: &Connection,
    statements: &[String],
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    for statement in statements {
        one(source, connection, connection.format, statement, output)?;
    }
    Ok(Outcome::Found)
}

/// Runs one statement and shows its answer.
pub(super) fn one(
    source: &Source,
    connection: &Connection,
    format: Format,
    statement: &str,
    output: &mut Output,
) -> Result<(), ClientError> {
    let accept = match format {
        Format::Ndjson => Some("application/x-ndjson"),
        Format::Csv => Some("text/csv"),
        Format::Json | Format::Table => None,
    };
    if let Some(accept) = accept {
        return as_they_come(source, accept, statement, output);
    }
    let request = json!({ "sql": statement });
    let doing = format!("asking {}", source.name());
    let body = ask(&doing, statement, || source.post("/api/sql", &request, Patience::Question))?;
    let answer: SqlAnswer = parse(&body, source.name())?;
    match format {
        Format::Table => {
            let rows: Vec<_> = answer.rows.iter().map(|row| views::sql_row(row)).collect();
            let columns = views::sql_columns(&answer.names(), &answer.rows);
            Table::write(columns, &rows, output)?;
            output.flush()?;
            notice(connection.color, Tone::Dim, "answered:", &count(rows.len(), "row", "rows"));
        }
        _ => whole(output, &body, source)?,
    }
    output.flush()?;
    warn_partial(answer.stats.partial.as_ref(), connection.color);
    cost(connection.color, &answer.stats);
    Ok(())
}

/// Runs one statement and shows whole lines of its answer as they come.
fn as_they_come(
    source: &Source,
    accept: &str,
    statement: &str,
    output: &mut Output,
) -> Result<(), ClientError> {
    let mut waiting = Some(Progress::start(format!("asking {}", source.name())));
    let mut came = Vec::new();
    let (mut lines, mut bytes) = (0, 0);
    let request = json!({ "sql": statement });
    let ended = source.stream("/api/sql", &request, accept, statement, &mut |piece| {
        if output.is_terminal() {
            // Rows and a sign of life do not share a line.
            drop(waiting.take());
        }
        bytes += piece.len() as u64;
        came.extend_from_slice(piece);
        let Some(end) = came.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        lines += came[..=end].iter().filter(|byte| **byte == b'\n').count();
        let text = std::str::from_utf8(&came[..=end]).map_err(std::io::Error::other)?;
        output.data(text)?;
        output.flush()?;
        came.drain(..=end);
        if let Some(waiting) = &waiting {
            waiting.tell(|| format!("{} lines and {} so far,", HumanCount(lines as u64), HumanBytes(bytes)));
        }
        Ok(())
    });
    drop(waiting);
    match ended {
        Err(ClientError::Interrupted(_)) if lines > 0 => {
            Err(ClientError::Interrupted(format!("{} came", count(lines, "line", "lines"))))
        }
        ended => ended,
    }
}
