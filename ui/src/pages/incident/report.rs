//! An incident to keep, for the post-mortem: Markdown, and a single HTML file that needs nothing else to be read.

use std::fmt::Write as _;
use std::sync::LazyLock;

use askama::Template;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_SECURITY_POLICY;
use model::UnixNanos;
use sha2::{Digest, Sha256};

use super::charts::Charts;
use super::{IncidentView, OperationRow};
use crate::format::{Moment, date_time};
use crate::pages::changes::ChangeRow;
use crate::pages::incidents::href;
use crate::pages::kept;
use crate::pages::suspects::{EvidenceView, SuspectView};
use crate::problem::Problem;
use crate::prose::{code_block, escaped};

/// The longest file name in characters, without its ending.
const NAME_CHARS_MAX: usize = 80;
/// What the file looks like.
const STYLE: &str = include_str!("../../../templates/report.css");

/// The file allows itself its own style, by its hash, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
});

#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Report {
    view: IncidentView,
    charts: Charts,
    /// Where the program is reached.
    origin: String,
    /// The address of the incident.
    source: String,
    version: &'static str,
    written: Moment,
    policy: &'static str,
    style: &'static str,
}

impl Report {
    pub(super) fn new(
        view: IncidentView,
        charts: Charts,
        origin: String,
        version: &'static str,
        now: UnixNanos,
    ) -> Self {
        let source = format!("{origin}{}", href(&view.id));
        let written = Moment::to_second(now.0);
        Self { view, charts, origin, source, version, written, policy: &POLICY, style: STYLE }
    }
}

/// The single file.
pub(super) fn html(
    view: IncidentView,
    charts: Charts,
    origin: String,
    version: &'static str,
    now: UnixNanos,
) -> Result<Response, Problem> {
    let name = file_name(&view.id, "html");
    let text = Report::new(view, charts, origin, version, now).render()?;
    let policy = [(CONTENT_SECURITY_POLICY, POLICY.as_str())];
    Ok((policy, kept("text/html; charset=utf-8", name), text).into_response())
}

/// The Markdown.
pub(super) fn markdown(view: &IncidentView, origin: &str, now: UnixNanos) -> Response {
    let name = file_name(&view.id, "md");
    (kept("text/markdown; charset=utf-8", name), text(view, origin, now)).into_response()
}

fn file_name(id: &str, ending: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let id: String = id.chars().take(NAME_CHARS_MAX).map(plain).collect();
    format!("incident-{id}.{ending}")
}

pub(super) fn text(view: &IncidentView, origin: &str, now: UnixNanos) -> String {
    let mut out = format!("# {}\n\n", escaped(&view.title));
    let state = if view.open { "open" } else { "closed" };
    let moment = |moment: Option<Moment>| moment.map_or_else(|| "–".to_owned(), |moment| moment.text());
    let mut facts = vec![("State", state.to_owned()), ("Start (UTC)", moment(view.start))];
    facts.extend(view.end.map(|end| ("End (UTC)", end.text())));
    facts.extend(view.facts.iter().cloned());
    for (name, value) in &facts {
        push(&mut out, format_args!("- {name}: {}\n", escaped(value)));
    }
    let (source, written) = (format!("{origin}{}", href(&view.id)), date_time(now.0));
    push(&mut out, format_args!("- Source: <{source}>, written {written} UTC\n"));
    out.push_str("\n## Suspects\n");
    if view.suspects.suspects.is_empty() {
        out.push_str("\nNobody is suspected.\n");
    }
    view.suspects.suspects.iter().for_each(|suspect| push_suspect(&mut out, suspect, origin));
    push_table(
        &mut out,
        "Operations reached",
        ["Service", "Operation", "What", "Found", "Usual", "Since (UTC)"],
        view.operations.iter().map(|row| operation(row, &moment)),
    );
    push_table(
        &mut out,
        "Changes just before",
        ["Time (UTC)", "What", "Service", "To", "Known"],
        view.changes.rows.iter().map(|row| change(row, &moment)),
    );
    out.push_str("\n## Timeline\n\n");
    if view.timeline.is_empty() {
        out.push_str("Nothing was noted.\n");
    }
    for (time, text) in &view.timeline {
        push(&mut out, format_args!("- {} {}\n", moment(*time), text.markdown()));
    }
    if !view.left_out.is_empty() {
        push(&mut out, format_args!("\nNot in this report: {}.\n", view.left_out.join(", ")));
    }
    out
}

/// Writing to text does not fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn push_suspect(out: &mut String, suspect: &SuspectView, origin: &str) {
    let (service, kind) = (escaped(&suspect.service.name), escaped(&suspect.kind));
    push(out, format_args!("\n### {}. {service}: {kind}, {}\n\n", suspect.place, suspect.score.text));
    push(out, format_args!("{}\n\n", suspect.summary.markdown()));
    for (name, value) in &suspect.facts {
        push(out, format_args!("- {name}: {}\n", escaped(value)));
    }
    for (href, text) in &suspect.traces {
        push(out, format_args!("- {}: <{origin}{href}>\n", escaped(text)));
    }
    suspect.evidence.iter().for_each(|evidence| push_evidence(out, evidence, origin));
}

fn push_evidence(out: &mut String, evidence: &EvidenceView, origin: &str) {
    push(out, format_args!("\n{}\n", evidence.statement.markdown()));
    if let Some(figures) = &evidence.figures {
        let usual = figures.expected.as_ref().map(|(usual, _)| format!(", usual {}", escaped(usual)));
        push(out, format_args!("\nFound {}{}.\n", escaped(&figures.value), usual.unwrap_or_default()));
    }
    if let Some(href) = &evidence.href {
        push(out, format_args!("\n<{origin}{href}>\n"));
    }
    if let Some(query) = &evidence.query {
        push(out, format_args!("\n{}", code_block("sql", query)));
    }
}

fn push_table<const N: usize>(
    out: &mut String,
    title: &str,
    columns: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let mut rows = rows.peekable();
    push(out, format_args!("\n## {title}\n\n"));
    if rows.peek().is_none() {
        out.push_str("None.\n");
        return;
    }
    push(out, format_args!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(N)));
    rows.for_each(|row| push(out, format_args!("| {} |\n", row.join(" | "))));
}

fn operation(row: &OperationRow, moment: &impl Fn(Option<Moment>) -> String) -> [String; 6] {
    let usual = row.figures.expected.as_ref().map_or("–", |(text, _)| text.as_str());
    let texts = [&row.service.name, &row.operation, &row.signal, &row.figures.value];
    let [service, operation, signal, value] = texts.map(|text| escaped(text));
    [service, operation, signal, value, escaped(usual), moment(row.since)]
}

fn change(row: &ChangeRow, moment: &impl Fn(Option<Moment>) -> String) -> [String; 5] {
    let [kind, service, words, source] =
        [&row.kind, &row.service.name, &row.words, &row.source].map(|text| escaped(text));
    [moment(row.time), kind, service, words, source]
}
