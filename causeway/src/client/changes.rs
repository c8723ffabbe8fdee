//! `mark` and `changes`: what was changed on purpose, written down and listed.

use diagnosis::Change;
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::{self, Object, field, misread};
use super::error::ClientError;
use super::output::{Output, notice};
use super::source::{Patience, Source};
use super::table::{Cell, Column, Table};
use super::text::Tone;
use super::times::{self, rfc3339};
use super::views::{NAME_MIN, dim, plain};
use super::{Outcome, ask, parse, whole};
use crate::cli::{ChangesArgs, Format, MarkArgs};

/// The keys of a change, in the order of CSV.
const KEYS: [&str; 9] =
    ["id", "time", "kind", "service", "namespace", "environment", "version", "text", "source"];
/// Texts and sources are shown on terminals at least this wide.
const SOURCE_NEEDS: usize = 100;

/// `mark`.
pub(super) fn mark(source: &Source, args: &MarkArgs, output: &mut Output) -> Result<Outcome, ClientError> {
    let mut mark = json!({ "kind": args.kind.word(), "service": args.service });
    let text = args.text.join(" ");
    let fields = [
        ("version", args.to_version.clone()),
        ("namespace", args.namespace.clone()),
        ("environment", args.environment.clone()),
        ("time", args.time.map(rfc3339)),
        ("text", Some(text).filter(|text| !text.trim().is_empty())),
    ];
    for (key, value) in fields {
        if let Some(value) = value {
            mark[key] = value.into();
        }
    }
    let doing = format!("asking {}", source.name());
    let body = ask(&doing, "", || source.post("/api/changes", &mark, Patience::Question))?;
    match args.connection.format {
        Format::Json => whole(output, &body, source)?,
        format => write(&[answer::one(&body, source.name())?], format, source, output)?,
    }
    output.flush()?;
    Ok(Outcome::Found)
}

/// `changes`.
pub(super) fn list(source: &Source, args: &ChangesArgs, output: &mut Output) -> Result<Outcome, ClientError> {
    let connection = &args.connection;
    let params = args.times.params();
    let body = ask(&format!("asking {}", source.name()), "", || source.get("/api/changes", &params))?;
    let read = || field(&serde_json::from_slice::<Object<'_>>(&body)?, "changes");
    let rows: Vec<&RawValue> = read().map_err(|error| misread(source.name(), &error))?;
    match connection.format {
        Format::Json => whole(output, &body, source)?,
        format => write(&rows, format, source, output)?,
    }
    output.flush()?;
    if rows.is_empty() && connection.format == Format::Table {
        notice(connection.color, Tone::Dim, "nothing found:", "no changes in this time");
    }
    Ok(Outcome::of(!rows.is_empty()))
}

fn write(
    rows: &[&RawValue],
    format: Format,
    source: &Source,
    output: &mut Output,
) -> Result<(), ClientError> {
    match format {
        Format::Csv => answer::csv(&KEYS, rows, output)?,
        Format::Ndjson | Format::Json => answer::ndjson(rows, output)?,
        Format::Table if rows.is_empty() => {}
        Format::Table => {
            let rows: Vec<Change> = rows
                .iter()
                .map(|row| parse(row.get().as_bytes(), source.name()))
                .collect::<Result<_, _>>()?;
            let rows: Vec<_> = rows.iter().map(cells).collect();
            Table::write(columns(), &rows, output)?;
        }
    }
    Ok(())
}

/// The columns of changes.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::new("TIME"),
        Column::new("CHANGE"),
        Column::new("SERVICE").shrinks_to(NAME_MIN),
        Column::new("VERSION").optional().shrinks_to(NAME_MIN),
        Column::new("NAMESPACE").optional().shrinks_to(NAME_MIN),
        Column::new("ENVIRONMENT").optional().shrinks_to(NAME_MIN),
        Column::new("SOURCE").needs_width(SOURCE_NEEDS),
        Column::new("TEXT").optional().shrinks_to(NAME_MIN),
    ]
}

/// A change as a row.
pub(super) fn cells(change: &Change) -> Vec<Cell> {
    // The word of the API: what is an enumeration there is text in its JSON.
    let kind = serde_json::to_value(change.kind).unwrap_or_default();
    let or_empty = |text: &Option<String>| plain(text.as_deref().unwrap_or(""));
    vec![
        dim(&when(&change.time)),
        plain(kind.as_str().unwrap_or("")),
        Cell::new(&change.service, Tone::Strong),
        or_empty(&change.version),
        or_empty(&change.namespace),
        or_empty(&change.environment),
        dim(&change.source),
        or_empty(&change.text),
    ]
}

/// A time in nanoseconds as text, as people read it.
pub(super) fn when(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), times::show)
}
