//! `why`: what is wrong in a window of time, as a report.

use diagnosis::{Baseline, Suspect};
use model::UnixNanos;
use query::rows::Span;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{self, Kind, Object, Page, field, misread};
use super::error::ClientError;
use super::output::{Output, notice};
use super::source::{Patience, Source};
use super::text::{Tone, visible};
use super::times::{self, duration, rfc3339};
use super::{Outcome, ask, parse, suspects, whole};
use crate::cli::{Format, Times, WhyArgs};

/// How long a window is that names one end, or none, in nanoseconds.
const QUARTER: i64 = 15 * 60_000_000_000;
/// The status of an answer that names suspects.
const OK: &str = "ok";

/// An answer of `/api/diagnose`.
#[derive(Deserialize)]
struct Answer {
    status: String,
    message: String,
    baseline: Option<Baseline>,
    suspects: Vec<Suspect>,
    #[serde(default)]
    partial: Option<String>,
}

/// Asks what is wrong, and shows it.
pub(super) fn why(source: &Source, args: &WhyArgs, output: &mut Output) -> Result<Outcome, ClientError> {
    let connection = &args.connection;
    let window = window(source, &args.times)?;
    let doing = format!("asking {} what is wrong", source.name());
    let question = question(window, args);
    let body = ask(&doing, "", || source.post("/api/diagnose", &question, Patience::Question))?;
    let found: Answer = parse(&body, source.name())?;
    match connection.format {
        Format::Json => whole(output, &body, source)?,
        Format::Ndjson | Format::Csv => rows(&body, source, connection.format, output)?,
        Format::Table => report(&found, window, args, source, output)?,
    }
    output.flush()?;
    if let Some(partial) = &found.partial {
        notice(connection.color, Tone::Warn, "cut short:", partial);
    }
    let any = found.status == OK;
    if !any && matches!(connection.format, Format::Ndjson | Format::Csv) {
        notice(connection.color, Tone::Dim, word(&found.status), &found.message);
    }
    Ok(Outcome::of(any))
}

/// The window that is asked about; nothing where nothing is stored. Both ends are known here, so that the page's address
/// shows the same window for ever.
fn window(source: &Source, asked: &Times) -> Result<Option<(i64, i64)>, ClientError> {
    let ends = match (asked.since, asked.from, asked.to) {
        (Some(from), _, to) => (from, to.unwrap_or_else(|| UnixNanos::now().0)),
        (None, Some(from), to) => (from, to.unwrap_or(from.saturating_add(QUARTER))),
        (None, None, Some(to)) => (to.saturating_sub(QUARTER), to),
        (None, None, None) => {
            let Some(newest) = newest(source)? else { return Ok(None) };
            (newest.saturating_sub(QUARTER), newest.saturating_add(1))
        }
    };
    Ok(Some(ends))
}

/// When the newest span began.
fn newest(source: &Source) -> Result<Option<i64>, ClientError> {
    let params = [("limit", "1".to_owned())];
    let body = ask(&format!("asking {}", source.name()), "", || source.get(Kind::Spans.path(), &params))?;
    let page = Page::read(Kind::Spans, &body, source.name())?;
    let newest = page.rows.first().map(|row| parse::<Span>(row.get().as_bytes(), source.name()));
    Ok(newest.transpose()?.map(|span| span.start))
}

fn question(window: Option<(i64, i64)>, args: &WhyArgs) -> Value {
    let mut question = json!({});
    if let Some((from, to)) = window {
        question["from"] = rfc3339(from).into();
        question["to"] = rfc3339(to).into();
    }
    if let Some(service) = &args.service {
        question["service"] = service.as_str().into();
    }
    if let (Some(from), Some(to)) = (args.baseline_from, args.baseline_to) {
        question["baseline"] = json!({ "from": rfc3339(from), "to": rfc3339(to) });
    }
    question
}

/// Suspects as rows.
fn rows(body: &[u8], source: &Source, format: Format, output: &mut Output) -> Result<(), ClientError> {
    let read = || field(&serde_json::from_slice::<Object<'_>>(body)?, "suspects");
    let rows: Vec<_> = read().map_err(|error| misread(source.name(), &error))?;
    match format {
        Format::Csv => answer::csv(&suspects::KEYS, &rows, output)?,
        _ => answer::ndjson(&rows, output)?,
    }
    Ok(())
}

fn report(
    found: &Answer,
    window: Option<(i64, i64)>,
    args: &WhyArgs,
    source: &Source,
    output: &mut Output,
) -> Result<(), ClientError> {
    if let Some((from, to)) = window {
        let long = duration(to.saturating_sub(from));
        let shown = format!("{} to {}, {long}", times::show(from), times::show(to));
        suspects::head("window", &shown, output)?;
    }
    if let Some(service) = &args.service {
        suspects::head("traces", &format!("with spans of {service}"), output)?;
    }
    if let Some(baseline) = &found.baseline {
        suspects::head("compared", &format!("with {}", suspects::compared(baseline)), output)?;
    }
    if found.status != OK {
        let line = output.paint.apply(Tone::Strong, word(&found.status));
        output.line(&format!("{line} {}", visible(&found.message)))?;
    }
    suspects::write(&found.suspects, source, output)?;
    if let Some((from, to)) = window {
        output.line("")?;
        suspects::head("page", &source.page(&format!("/explain?t={from}..{to}")), output)?;
    }
    Ok(())
}

/// A status in front of its message.
fn word(status: &str) -> &'static str {
    match status {
        "quiet" => "quiet:",
        _ => "not enough:",
    }
}
