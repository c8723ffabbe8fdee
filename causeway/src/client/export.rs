//! `export`: what is stored, as OTLP files, or a trace as one HTML file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use indicatif::HumanCount;
use query::rows::Stats;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ClientError;
use super::output::{Output, notice};
use super::source::Source;
use super::text::Tone;
use super::{Outcome, ask, cost, parse, warn_partial};
use crate::cli::{ExportArgs, Exported};

/// The most traces, and the most spans or logs, that are asked for at once.
const TRACES_PAGE: u64 = 20;
const ROWS_PAGE: u64 = 2_000;

/// An answer of `/api/export`.
#[derive(Deserialize)]
struct Page {
    otlp: Vec<Box<RawValue>>,
    found: u64,
    rows: u64,
    left_out: Vec<String>,
    cursor: Option<String>,
    stats: Stats,
}

/// What was written so far.
#[derive(Default)]
struct Written {
    found: u64,
    rows: u64,
    cursor: Option<String>,
    stats: Stats,
}

/// Writes what is asked for.
pub(super) fn export(
    source: &Source,
    args: &ExportArgs,
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    let query = args.query.join(" ");
    let is_id = query.len() == 32 && query.bytes().all(|byte| byte.is_ascii_hexdigit());
    if args.html && !is_id {
        let message = "--html writes one trace: name it by its id, 32 hexadecimal digits";
        return Err(ClientError::Usage(message.to_owned()));
    }
    let mut target = Target::open(args.output.as_deref(), output)?;
    let color = args.connection.color;
    let whole =
        |path: &str| text(ask(&format!("asking {}", source.name()), "", || source.get(path, &[]))?, source);
    if args.html {
        target.write(&whole(&format!("/traces/{}/file", query.to_ascii_lowercase()))?)?;
        target.close()?;
        return Ok(Outcome::Found);
    }
    let mut written = Written::default();
    let id = (is_id && args.signal == Exported::Traces).then(|| query.to_ascii_lowercase());
    let query = id.as_ref().map_or(query.clone(), |id| format!("trace:{id}"));
    match pages(source, args, &query, &mut written, &mut target) {
        Ok(()) => {
            // A trace of logs alone is none that a search finds.
            if let Some(id) = id.filter(|_| written.found == 0) {
                target.write(&whole(&format!("/api/traces/{id}/otlp"))?)?;
                written.found = 1;
            }
            target.close()?;
        }
        Err(ClientError::Interrupted(_)) => {
            target.close()?;
            return Err(ClientError::Interrupted(format!("{} records were written", written.rows)));
        }
        // What was there stays.
        Err(error) => return Err(error),
    }
    if written.found == 0 {
        notice(color, Tone::Dim, "nothing found:", "nothing to export matches");
    } else if written.cursor.is_some() {
        notice(color, Tone::Dim, "more:", &format!("older ones match too; --limit is {}", args.limit));
    }
    cost(color, &written.stats);
    Ok(Outcome::of(written.found > 0))
}

/// Asks for page after page, and writes each as it comes.
fn pages(
    source: &Source,
    args: &ExportArgs,
    query: &str,
    written: &mut Written,
    target: &mut Target<'_>,
) -> Result<(), ClientError> {
    let (signal, most) = match args.signal {
        Exported::Traces => ("traces", TRACES_PAGE),
        Exported::Spans => ("spans", ROWS_PAGE),
        Exported::Logs => ("logs", ROWS_PAGE),
    };
    loop {
        let limit = (args.limit - written.found).min(most);
        let mut params =
            vec![("signal", signal.to_owned()), ("q", query.to_owned()), ("limit", limit.to_string())];
        params.extend(args.times.params());
        params.extend(written.cursor.clone().map(|cursor| ("cursor", cursor)));
        let doing = match written.rows {
            0 => format!("asking {}", source.name()),
            rows => format!("{} records so far", HumanCount(rows)),
        };
        let body = ask(&doing, query, || source.get("/api/export", &params))?;
        let page: Page = parse(&body, source.name())?;
        for document in &page.otlp {
            target.write(document.get())?;
            target.write("\n")?;
        }
        for what in &page.left_out {
            notice(args.connection.color, Tone::Warn, "left out:", what);
        }
        warn_partial(page.stats.partial.as_ref(), args.connection.color);
        written.found += page.found;
        written.rows += page.rows;
        written.cursor = page.cursor;
        super::answer::add(&mut written.stats, &page.stats);
        if written.cursor.is_none() || page.found == 0 || written.found >= args.limit {
            return Ok(());
        }
        if source.interrupt().is_pressed() {
            return Err(ClientError::Interrupted(String::new()));
        }
    }
}

/// Where it is written to. A file has its name once it is whole.
enum Target<'a> {
    Output(&'a mut Output),
    File { path: PathBuf, begun: tempfile::NamedTempFile, writer: BufWriter<File> },
}

impl<'a> Target<'a> {
    fn open(path: Option<&Path>, output: &'a mut Output) -> Result<Self, ClientError> {
        let Some(path) = path else { return Ok(Self::Output(output)) };
        let wrong = |error: std::io::Error| {
            ClientError::Usage(format!("{} cannot be written: {error}", path.display()))
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let begun = tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
        let writer = BufWriter::new(begun.reopen().map_err(wrong)?);
        Ok(Self::File { path: path.to_owned(), begun, writer })
    }

    fn write(&mut self, text: &str) -> Result<(), ClientError> {
        match self {
            Self::Output(output) => output.data(text)?,
            Self::File { writer, .. } => writer.write_all(text.as_bytes())?,
        }
        Ok(())
    }

    fn close(self) -> Result<(), ClientError> {
        match self {
            Self::Output(output) => output.flush()?,
            Self::File { path, begun, writer } => {
                writer.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
                begun.persist(path).map_err(|error| error.error)?;
            }
        }
        Ok(())
    }
}

fn text(body: Vec<u8>, source: &Source) -> Result<String, ClientError> {
    String::from_utf8(body)
        .map_err(|error| ClientError::Answer { asked: source.name().to_owned(), reason: error.to_string() })
}
