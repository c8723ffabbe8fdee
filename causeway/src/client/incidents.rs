//! `incidents`: those that were found, or one with its timeline.

use diagnosis::{Affected, INCIDENTS_MAX, Incident};
use serde_json::value::RawValue;

use super::answer::{self, Object, field, misread};
use super::changes::{self, when};
use super::error::ClientError;
use super::output::{Output, notice};
use super::source::Source;
use super::table::{Cell, Column, Table};
use super::text::{Tone, visible};
use super::times::duration;
use super::units::measure;
use super::views::{NAME_MIN, dim, plain};
use super::{Outcome, ask, parse, service, suspects, whole};
use crate::cli::{Format, IncidentsArgs};

/// The keys of an incident, in the order of CSV.
const KEYS: [&str; 11] = [
    "id",
    "title",
    "start",
    "end",
    "services",
    "operations",
    "traffic_share",
    "suspects",
    "baseline",
    "changes",
    "timeline",
];

/// Lists incidents, or shows one.
pub(super) fn incidents(
    source: &Source,
    args: &IncidentsArgs,
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    match &args.id {
        Some(id) => show(source, id, args, output),
        None => list(source, args, output),
    }
}

fn list(source: &Source, args: &IncidentsArgs, output: &mut Output) -> Result<Outcome, ClientError> {
    let connection = &args.connection;
    let mut params = args.times.params();
    params.push(("limit", INCIDENTS_MAX.to_string()));
    if args.open {
        params.push(("open", "true".to_owned()));
    }
    let body = ask(&format!("asking {}", source.name()), "", || source.get("/api/incidents", &params))?;
    let read = || field(&serde_json::from_slice::<Object<'_>>(&body)?, "incidents");
    let rows: Vec<&RawValue> = read().map_err(|error| misread(source.name(), &error))?;
    match connection.format {
        Format::Json => whole(output, &body, source)?,
        Format::Ndjson => answer::ndjson(&rows, output)?,
        Format::Csv => answer::csv(&KEYS, &rows, output)?,
        Format::Table => table(&rows, source, output)?,
    }
    output.flush()?;
    if rows.is_empty() && connection.format == Format::Table {
        let what = if args.open { "no open incident" } else { "no incidents" };
        notice(connection.color, Tone::Dim, "nothing found:", &format!("{what} in this time"));
    } else if rows.len() == INCIDENTS_MAX {
        let message = format!("these are the newest {INCIDENTS_MAX}; --to asks for earlier ones");
        notice(connection.color, Tone::Dim, "more:", &message);
    }
    Ok(Outcome::of(!rows.is_empty()))
}

fn table(rows: &[&RawValue], source: &Source, output: &mut Output) -> Result<(), ClientError> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Vec<Incident> =
        rows.iter().map(|row| parse(row.get().as_bytes(), source.name())).collect::<Result<_, _>>()?;
    let rows: Vec<_> = rows.iter().map(cells).collect();
    Ok(Table::write(columns(), &rows, output)?)
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("START"),
        Column::new("LASTED").right(),
        Column::new("ID").shrinks_to(NAME_MIN),
        Column::new("TRAFFIC").right(),
        Column::new("FIRST SUSPECT").optional().shrinks_to(NAME_MIN),
        Column::new("TITLE").shrinks_to(NAME_MIN),
    ]
}

fn cells(incident: &Incident) -> Vec<Cell> {
    let first = incident.suspects.first();
    let first = first.map(|suspect| format!("{} {}", suspect.service, suspect.kind)).unwrap_or_default();
    let lasted = lasted(incident);
    vec![
        dim(&when(&incident.start)),
        Cell::new(&lasted, if incident.end.is_none() { Tone::Warn } else { Tone::Plain }),
        plain(&incident.id),
        plain(&measure(incident.traffic_share, "1")),
        plain(&first),
        plain(&incident.title),
    ]
}

/// How long it lasted, or that it is open.
fn lasted(incident: &Incident) -> String {
    let number = |text: &str| text.parse::<i64>().ok();
    match &incident.end {
        None => "open".to_owned(),
        Some(end) => match (number(&incident.start), number(end)) {
            (Some(start), Some(end)) => duration(end.saturating_sub(start)),
            _ => String::new(),
        },
    }
}

fn show(
    source: &Source,
    id: &str,
    args: &IncidentsArgs,
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    let path = format!("/api/incidents/{}", service::segment(id));
    let body = ask(&format!("asking {}", source.name()), "", || source.get(&path, &[]))?;
    let row = || answer::one(&body, source.name());
    match args.connection.format {
        Format::Json => whole(output, &body, source)?,
        Format::Ndjson => answer::ndjson(&[row()?], output)?,
        Format::Csv => answer::csv(&KEYS, &[row()?], output)?,
        Format::Table => report(&parse(&body, source.name())?, source, output)?,
    }
    output.flush()?;
    Ok(Outcome::Found)
}

fn report(incident: &Incident, source: &Source, output: &mut Output) -> Result<(), ClientError> {
    output.line(&output.paint.apply(Tone::Strong, &visible(&incident.title)))?;
    suspects::head("began", &when(&incident.start), output)?;
    let ended = match &incident.end {
        Some(end) => format!("{}, after {}", when(end), lasted(incident)),
        None => "not yet".to_owned(),
    };
    suspects::head("ended", &ended, output)?;
    let share = measure(incident.traffic_share, "1");
    suspects::head("harmed", &format!("{share} of the calls from outside"), output)?;
    suspects::head("services", &incident.services.join(", "), output)?;
    if let Some(baseline) = &incident.baseline {
        suspects::head("compared", &format!("with {}", suspects::compared(baseline)), output)?;
    }
    suspects::write(&incident.suspects, source, output)?;
    let rows: Vec<_> = incident.operations.iter().map(affected).collect();
    service::table(affected_columns(), &rows, output)?;
    let rows: Vec<_> = incident.changes.iter().map(changes::cells).collect();
    service::table(changes::columns(), &rows, output)?;
    let rows: Vec<_> =
        incident.timeline.iter().map(|moment| vec![dim(&when(&moment.time)), plain(&moment.text)]).collect();
    let columns = vec![Column::new("TIME"), Column::new("WHAT HAPPENED").shrinks_to(NAME_MIN)];
    service::table(columns, &rows, output)?;
    output.line("")?;
    let page = source.page(&format!("/incidents/{}", service::segment(&incident.id)));
    suspects::head("page", &page, output)
}

fn affected_columns() -> Vec<Column> {
    vec![
        Column::new("FROM"),
        Column::new("SERVICE").shrinks_to(NAME_MIN),
        Column::new("OPERATION").shrinks_to(NAME_MIN),
        Column::new("SIGNAL"),
        Column::new("WORST").right(),
        Column::new("USUAL").right(),
    ]
}

fn affected(of: &Affected) -> Vec<Cell> {
    vec![
        dim(&when(&of.start)),
        plain(&of.service),
        plain(&of.operation),
        plain(&of.signal),
        plain(&measure(of.value, &of.unit)),
        plain(&measure(of.expected, &of.unit)),
    ]
}
