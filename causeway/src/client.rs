//! The commands that ask: what each sends, and how its answer is written. They know the API and nothing of how
//! data is kept; see `source` for where answers come from.
//!
//! - `interrupt`: Ctrl-C, which stops what is under way
//! - `source`: a server over HTTP, or a data directory read in this process
//! - `events`: server-sent events
//! - `error`: what can go wrong, the place in a wrong question, exit codes
//! - `answer`: the answers of the API, their rows untouched
//! - `output`, `table`, `views`, `waterfall`, `text`: how results look
//! - `service`: one service
//! - `why`, `incidents`, `changes`: what is wrong, what went wrong, what was changed
//! - `suspects`, `units`: suspects with their evidence, numbers with their unit
//! - `metrics`: PromQL, as a chart or rows
//! - `templates`: text from standard input, by template
//! - `times`, `progress`: times as people write them, a sign of life
//! - `sql`, `statements`, `prompt`: statements, where they end, and where they are typed
//! - `tail`: rows as they arrive
//! - `export`, `import`: OTLP files, and traces that are one HTML file

use std::process::ExitCode;

use query::rows::{Partial, Service, Stats, Trace};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cli::{Asked, Client, Color, CompactArgs, Format, SearchArgs, ServicesArgs, TraceArgs};

mod interrupt;
mod source;
mod events;
mod error;
mod answer;
mod progress;
mod output;
mod table;
mod views;
mod waterfall;
mod service;
mod units;
mod suspects;
mod why;
mod changes;
mod incidents;
mod metrics;
mod templates;
mod text;
pub(crate) mod times;
mod statements;
mod sql;
mod prompt;
mod tail;
mod export;
mod import;

use answer::{Kind, Page, ServicesAnswer, TraceAnswer};
use error::{ClientError, FOUND, NOTHING};
use indicatif::{HumanBytes, HumanCount};
use interrupt::Interrupt;
use output::{Output, hint, notice};
use progress::Progress;
use source::{Answer, Patience, Source};
use table::Table;
use text::Tone;

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
    let color = command.asked().color;
    let mut output = Output::stdout(color);
    let result = answer(command, &mut output).and_then(|outcome| {
        output.flush()?;
        Ok(outcome)
    });
    ExitCode::from(report(&result, color))
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
    if let Client::Templates(args) = command
        && args.stdin
    {
        templates::stdin(&mut std::io::stdin().lock(), output)?;
        return Ok(Outcome::Found);
    }
    // What is wrong by itself is said, and statements are read, before anything is opened.
    let statements = match command {
        Client::Sql(args) => Some(sql::read(args, output)?),
        Client::Tail(args) => tail::check(args).map(|()| None)?,
        Client::Metrics(args) => metrics::check(args).map(|()| None)?,
        _ => None,
    };
    let writes = matches!(command, Client::Compact(_) | Client::Mark(_) | Client::Import(_));
    let source = open(command.asked(), writes)?;
    match command {
        Client::Logs(args) => search(&source, Kind::Logs, args, output),
        Client::Spans(args) => search(&source, Kind::Spans, args, output),
        Client::Traces(args) => search(&source, Kind::Traces, args, output),
        Client::Templates(args) => search(&source, Kind::Templates, &args.search, output),
        Client::Trace(args) => trace(&source, args, output),
        Client::Services(args) => services(&source, args, output),
        Client::Tail(args) => tail::tail(&source, args, output),
        Client::Metrics(args) => metrics::metrics(&source, args, output),
        Client::Sql(args) => match statements {
            Some(sql::Asked::Statements(statements)) => {
                sql::run(&source, &args.connection, &statements, output)
            }
            _ => prompt::run(&source, &args.connection, output),
        },
        Client::Why(args) => why::why(&source, args, output),
        Client::Incidents(args) => incidents::incidents(&source, args, output),
        Client::Mark(args) => changes::mark(&source, args, output),
        Client::Changes(args) => changes::list(&source, args, output),
        Client::Export(args) => export::export(&source, args, output),
        Client::Import(args) => import::import(&source, args, output),
        Client::Compact(args) => compact(&source, args, output),
    }
}

fn open(asked: Asked<'_>, writes: bool) -> Result<Source, ClientError> {
    let source = {
        let _progress = asked.data.map(|data| Progress::start(format!("opening {}", data.display())));
        Source::open(asked, writes, Interrupt::listen())?
    };
    Ok(source)
}

/// What came of a search so far.
#[derive(Default)]
struct Found {
    rows: u64,
    cursor: Option<String>,
    partial: Option<Partial>,
    stats: Stats,
}

/// `logs`, `spans`, `traces`, `templates`: page after page until the limit, the end, or Ctrl-C.
fn search(
    source: &Source,
    kind: Kind,
    args: &SearchArgs,
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    let color = args.connection.color;
    let as_is = args.connection.format == Format::Json && args.limit <= query::LIMIT_MAX as u64;
    let mut writer = answer::Writer::new(kind, args.connection.format);
    let mut found = Found { cursor: args.cursor.clone(), ..Found::default() };
    let stopped = pages(source, kind, args, &mut found, &mut |page, body| match as_is {
        true => whole(output, body, source),
        // Whoever reads gets every page as it comes.
        false => writer.page(page, output).and_then(|()| Ok(output.flush()?)),
    });
    match stopped {
        Err(ClientError::Interrupted(_)) | Ok(()) if !as_is => {
            writer.end(found.cursor.as_deref(), output)?;
        }
        _ => {}
    }
    output.flush()?;
    match stopped {
        Err(ClientError::Interrupted(_)) => return Err(ClientError::Interrupted(found.how_to_go_on())),
        stopped => stopped?,
    }
    warn_partial(found.partial.as_ref(), color);
    if args.connection.format == Format::Table {
        tell_rest(kind, args, found.rows, found.cursor.is_some());
    }
    cost(color, &found.stats);
    Ok(Outcome::of(found.rows > 0))
}

/// Is given a page with its text.
type EachPage<'a> = dyn FnMut(&Page<'_>, &[u8]) -> Result<(), ClientError> + 'a;

/// Asks for pages and hands each to `each`, with its text.
fn pages(
    source: &Source,
    kind: Kind,
    args: &SearchArgs,
    found: &mut Found,
    each: &mut EachPage<'_>,
) -> Result<(), ClientError> {
    let text = args.query.join(" ");
    loop {
        let limit = (args.limit - found.rows).min(query::LIMIT_MAX as u64);
        let mut params = vec![("q", text.clone()), ("limit", limit.to_string())];
        params.extend(args.times.params());
        params.extend(found.cursor.clone().map(|cursor| ("cursor", cursor)));
        let body = ask(&found.doing(source), &text, || source.get(kind.path(), &params))?;
        let page = Page::read(kind, &body, source.name())?;
        each(&page, &body)?;
        found.add(&page);
        if found.cursor.is_none() || page.rows.is_empty() || found.rows >= args.limit {
            return Ok(());
        }
        if source.interrupt().is_pressed() {
            return Err(ClientError::Interrupted(String::new()));
        }
    }
}

impl Found {
    fn add(&mut self, page: &Page<'_>) {
        self.rows += page.rows.len() as u64;
        self.cursor.clone_from(&page.cursor);
        self.partial = page.stats.partial.clone().or(self.partial.take());
        answer::add(&mut self.stats, &page.stats);
    }

    /// What is waited for, and what came before it.
    fn doing(&self, source: &Source) -> String {
        if self.rows == 0 {
            return format!("asking {}", source.name());
        }
        let (rows, bytes) = (HumanCount(self.stats.rows_scanned), HumanBytes(self.stats.bytes_scanned));
        format!("{} rows so far, {rows} rows and {bytes} read", HumanCount(self.rows))
    }

    /// What Ctrl-C kept.
    fn how_to_go_on(&self) -> String {
        let rows = match self.rows {
            1 => "1 row".to_owned(),
            rows => format!("{rows} rows"),
        };
        match self.cursor.as_ref().filter(|_| self.rows > 0) {
            Some(cursor) => format!("{rows} came; the same command with --cursor {cursor} goes on"),
            None => format!("{rows} came"),
        }
    }
}

/// Under an answer, at a terminal: what it cost.
fn cost(color: Color, stats: &Stats) {
    let (rows, bytes) = (HumanCount(stats.rows_scanned), HumanBytes(stats.bytes_scanned));
    let (opened, total) = (stats.segments_opened, stats.segments_total);
    let time = stats.elapsed_ms;
    hint(color, "read:", &format!("{rows} rows, {bytes}, {opened} of {total} segments opened, {time} ms"));
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

/// `services`: all of them, or one.
fn services(source: &Source, args: &ServicesArgs, output: &mut Output) -> Result<Outcome, ClientError> {
    if let Some(name) = &args.name {
        return service::show(source, name, args, output);
    }
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
    cost(connection.color, &answer.stats);
    Ok(Outcome::of(any))
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
