//! The commands that ask: what each sends, and how its answer is written. They know the API and nothing of how
//! data is kept; see `source` for where answers come from.
//!
//! - `source`: a server over HTTP, or a data directory read in this process
//! - `error`: what can go wrong, the place in a wrong question, exit codes
//! - `answer`: the answers of the API, their rows untouched
//! - `output`, `table`, `views`, `waterfall`, `text`: how results look
//! - `templates`: text from standard input, by template
//! - `times`, `progress`: times as people write them, a sign of life

use std::io::Read;
use std::process::ExitCode;

use query::rows::{Partial, Service, Trace};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cli::{
    Client, Color, CompactArgs, Connection, Format, SearchArgs, ServicesArgs, SqlArgs, TraceArgs,
};

mod source;
mod error;
mod answer;
mod progress;
mod output;
mod table;
mod views;
mod waterfall;
mod templates;
mod text;
pub(crate) mod times;

use answer::{Kind, Page, ServicesAnswer, SqlAnswer, TraceAnswer};
use error::{ClientError, FOUND, NOTHING};
use output::{Output, notice};
use progress::Progress;
use source::{Answer, Patience, Source};
use table::Table;
use text::{Tone, count};

/// The most bytes of a statement on standard input.
const SQL_BYTES_MAX: u64 = 1 << 20;

/// Whether a command found what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Found,
    Nothing,
}

impl Outcome {
    fn of(any: bool) -> Self {
        if any { Self::Found } else { Self::Nothing }
    }
}

/// Carries out a command: results on standard output, all else on standard error.
pub(crate) fn run(command: &Client) -> ExitCode {
    let connection = command.connection();
    let mut output = Output::stdout(connection.color);
    let result = answer(command, &mut output).and_then(|outcome| {
        output.flush()?;
        Ok(outcome)
    });
    ExitCode::from(report(&result, connection.color))
}

/// Says what went wrong, and returns the exit code.
fn report(result: &Result<Outcome, ClientError>, color: Color) -> u8 {
    match result {
        Ok(Outcome::Found) => FOUND,
        Ok(Outcome::Nothing) => NOTHING,
        Err(error) => {
            if !error.is_broken_pipe() {
                let (width, paint) = output::error_style(color);
                output::say(&error.render(width, paint));
            }
            error.exit_code()
        }
    }
}

fn answer(command: &Client, output: &mut Output) -> Result<Outcome, ClientError> {
    let connection = command.connection();
    if let Client::Templates(args) = command
        && args.stdin
    {
        templates::stdin(&mut std::io::stdin().lock(), output)?;
        return Ok(Outcome::Found);
    }
    // A statement is read before anything is opened: it may take long to type.
    let statement = match command {
        Client::Sql(args) => statement(args)?,
        _ => String::new(),
    };
    let writes = matches!(command, Client::Compact(_));
    let source = open(connection, writes)?;
    match command {
        Client::Logs(args) => search(&source, Kind::Logs, args, output),
        Client::Spans(args) => search(&source, Kind::Spans, args, output),
        Client::Traces(args) => search(&source, Kind::Traces, args, output),
        Client::Templates(args) => search(&source, Kind::Templates, &args.search, output),
        Client::Trace(args) => trace(&source, args, output),
        Client::Services(args) => services(&source, args, output),
        Client::Sql(args) => sql(&source, args, &statement, output),
        Client::Compact(args) => compact(&source, args, output),
    }
}

fn open(connection: &Connection, writes: bool) -> Result<Source, ClientError> {
    let _progress =
        connection.data.as_ref().map(|data| Progress::start(format!("opening {}", data.display())));
    Source::open(connection, writes)
}

/// `logs`, `spans`, `traces`, `templates`: page after page until the limit or the end.
fn search(
    source: &Source,
    kind: Kind,
    args: &SearchArgs,
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    let format = args.connection.format;
    let text = args.query.join(" ");
    let page_max = query::LIMIT_MAX as u64;
    let as_is = format == Format::Json && args.limit <= page_max;
    let mut writer = answer::Writer::new(kind, format);
    let (mut cursor, mut found, mut partial) = (None, 0, None);
    loop {
        let limit = (args.limit - found).min(page_max);
        let mut params = vec![("q", text.clone()), ("limit", limit.to_string())];
        params.extend(args.times.params());
        params.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let doing =
            if found == 0 { format!("asking {}", source.name()) } else { format!("{found} rows so far") };
        let body = ask(&doing, &text, || source.get(kind.path(), &params))?;
        let page = Page::read(kind, &body, source.name())?;
        if as_is {
            whole(output, &body, source)?;
        } else {
            writer.page(&page, output)?;
        }
        partial = page.stats.partial.or(partial);
        let rows = page.rows.len() as u64;
        found += rows;
        cursor = page.cursor;
        if cursor.is_none() || rows == 0 || found >= args.limit {
            break;
        }
    }
    if !as_is {
        writer.end(cursor.as_deref(), output)?;
    }
    output.flush()?;
    warn_partial(partial.as_ref(), args.connection.color);
    if format == Format::Table {
        tell_rest(kind, args, found, cursor.is_some());
    }
    Ok(Outcome::of(found > 0))
}

/// Under a list: that there is nothing, or more.
fn tell_rest(kind: Kind, args: &SearchArgs, found: u64, more: bool) {
    if found == 0 {
        notice(args.connection.color, Tone::Dim, "nothing found:", &format!("no {} match", kind.key()));
    } else if more {
        let rest = format!("{} {} match too; --limit is {}", kind.further(), kind.key(), args.limit);
        notice(args.connection.color, Tone::Dim, "more:", &rest);
    }
}

/// `trace`: a waterfall.
fn trace(source: &Source, args: &TraceArgs, output: &mut Output) -> Result<Outcome, ClientError> {
    let connection = &args.connection;
    let body = ask(&format!("asking {}", source.name()), "", || {
        source.get(&format!("/api/traces/{}", args.id), &[])
    })?;
    match connection.format {
        Format::Json => whole(output, &body, source)?,
        Format::Ndjson => TraceAnswer::read(&body, source.name())?.ndjson(output)?,
        Format::Csv => TraceAnswer::read(&body, source.name())?.csv(output)?,
        Format::Table => {
            let trace: Trace = parse(&body, source.name())?;
            let (width, paint) = (output.layout_width(), output.paint);
            waterfall::render(&trace, width, paint, &mut |line| output.line(line.trim_end()))?;
            output.flush()?;
            for warning in &trace.warnings {
                notice(connection.color, Tone::Warn, "warning:", warning);
            }
        }
    }
    Ok(Outcome::Found)
}

/// `services`.
fn services(source: &Source, args: &ServicesArgs, output: &mut Output) -> Result<Outcome, ClientError> {
    let connection = &args.connection;
    let params = args.times.params();
    let body = ask(&format!("asking {}", source.name()), "", || source.get("/api/services", &params))?;
    let answer = ServicesAnswer::read(&body, source.name())?;
    let any = !answer.services.is_empty();
    match connection.format {
        Format::Json => whole(output, &body, source)?,
        Format::Ndjson => answer::ndjson(&answer.services, output)?,
        Format::Csv => answer::csv(&answer::SERVICE_KEYS, &answer.services, output)?,
        Format::Table => {
            let rows =
                answer.services.iter().map(|row| parse::<Service>(row.get().as_bytes(), source.name()));
            let rows: Vec<_> =
                rows.map(|row| row.map(|row| views::service(&row))).collect::<Result<_, _>>()?;
            let table = Table::new(views::service_columns(), &rows, output.width, output.paint);
            if any {
                output.line(&table.header())?;
            }
            for row in &rows {
                output.line(&table.line(row))?;
            }
            output.flush()?;
            if !any {
                notice(connection.color, Tone::Dim, "nothing found:", "no services in this time");
            }
        }
    }
    output.flush()?;
    warn_partial(answer.stats.partial.as_ref(), connection.color);
    Ok(Outcome::of(any))
}

/// `sql`. An answer without rows is an answer: this is no search.
fn sql(
    source: &Source,
    args: &SqlArgs,
    statement: &str,
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    let connection = &args.connection;
    let request = json!({ "sql": statement });
    let doing = format!("asking {}", source.name());
    let body = ask(&doing, statement, || source.post("/api/sql", &request, Patience::Question))?;
    let answer: SqlAnswer = parse(&body, source.name())?;
    match connection.format {
        Format::Json => whole(output, &body, source)?,
        Format::Ndjson => answer.ndjson(output)?,
        Format::Csv => answer.csv(output)?,
        Format::Table => {
            let rows: Vec<_> = answer.rows.iter().map(|row| views::sql_row(row)).collect();
            let columns = views::sql_columns(&answer.names(), &answer.rows);
            let table = Table::new(columns, &rows, output.width, output.paint);
            output.line(&table.header())?;
            for row in &rows {
                output.line(&table.line(row))?;
            }
            output.flush()?;
            notice(connection.color, Tone::Dim, "answered:", &count(rows.len(), "row", "rows"));
        }
    }
    output.flush()?;
    warn_partial(answer.stats.partial.as_ref(), connection.color);
    Ok(Outcome::Found)
}

/// The statement of `sql`: its argument, else standard input.
fn statement(args: &SqlArgs) -> Result<String, ClientError> {
    if let Some(sql) = args.sql.as_ref().filter(|sql| *sql != "-") {
        return Ok(sql.clone());
    }
    let input = std::io::stdin();
    if std::io::IsTerminal::is_terminal(&input) {
        notice(args.connection.color, Tone::Dim, "reading SQL", "from the terminal, until Ctrl-D");
    }
    let mut sql = String::new();
    input.lock().take(SQL_BYTES_MAX + 1).read_to_string(&mut sql).map_err(ClientError::Input)?;
    if sql.len() as u64 > SQL_BYTES_MAX {
        return Err(ClientError::Usage(format!("a statement has at most {SQL_BYTES_MAX} bytes")));
    }
    if sql.trim().is_empty() {
        return Err(ClientError::Usage(
            "no statement: give it as an argument or on standard input".to_owned(),
        ));
    }
    Ok(sql.trim_end().to_owned())
}

/// `compact`.
fn compact(source: &Source, args: &CompactArgs, output: &mut Output) -> Result<Outcome, ClientError> {
    let doing = format!("compacting {}", source.name());
    let body = ask(&doing, "", || source.post("/api/compact", &json!({}), Patience::Compaction))?;
    let answer: Value = parse(&body, source.name())?;
    let facts: Vec<(&String, &Value)> = answer.as_object().into_iter().flatten().collect();
    match args.connection.format {
        Format::Json => whole(output, &body, source)?,
        Format::Ndjson => output.data(&format!("{answer}\n"))?,
        Format::Csv => {
            output.data(&output::csv_lines([facts.iter().map(|(key, _)| key.as_str())])?)?;
            output.data(&output::csv_rows([facts.iter().map(|(_, value)| *value)])?)?;
        }
        Format::Table => {
            for (key, value) in facts {
                output.line(&format!("{} {}", text::visible(key), text::visible(&views::scalar(value))))?;
            }
            output.flush()?;
            notice(args.connection.color, Tone::Good, "settled:", "nothing is left to compact");
        }
    }
    Ok(Outcome::Found)
}

/// Asks, with a sign of life, and returns the body of a good answer. `text` is the question for errors.
fn ask(
    doing: &str,
    text: &str,
    call: impl FnOnce() -> Result<Answer, ClientError>,
) -> Result<Vec<u8>, ClientError> {
    let answer = {
        let _progress = Progress::start(doing);
        call()?
    };
    match answer.status {
        200..300 => Ok(answer.body),
        status => Err(ClientError::from_answer(status, &answer.body, text)),
    }
}

/// An answer of `asked` in its type.
fn parse<T: DeserializeOwned>(body: &[u8], asked: &str) -> Result<T, ClientError> {
    serde_json::from_slice(body)
        .map_err(|error| ClientError::Answer { asked: asked.to_owned(), reason: error.to_string() })
}

/// The answer as it is, with a line end.
fn whole(output: &mut Output, body: &[u8], source: &Source) -> Result<(), ClientError> {
    let text = std::str::from_utf8(body).map_err(|error| ClientError::Answer {
        asked: source.name().to_owned(),
        reason: error.to_string(),
    })?;
    output.data(text.trim_end())?;
    Ok(output.data("\n")?)
}

/// Says that and where an answer was cut short.
fn warn_partial(partial: Option<&Partial>, color: Color) {
    let Some(partial) = partial else { return };
    let end = |time: Option<i64>| time.map_or_else(|| "an open end".to_owned(), times::show);
    let covered = match (partial.covered_from, partial.covered_to) {
        (None, None) => String::new(),
        (from, to) => format!("; covered {} to {}", end(from), end(to)),
    };
    notice(color, Tone::Warn, "cut short:", &format!("{}{covered}", partial.reason));
}

#[cfg(test)]
mod tests;
