//! `/traces/{id}/file`: a trace as one HTML file that opens without the program: its OTLP, and script that shows it. It can
//! be imported again.

use std::io::Write as _;
use std::sync::LazyLock;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, write::GzEncoder};
use http::header::CONTENT_SECURITY_POLICY;
use model::{Reader, UnixNanos};
use sha2::{Digest, Sha256};

use super::trace_id;
use crate::Ui;
use crate::address;
use crate::format::Moment;
use crate::named::Named;
use crate::pages::{apart, kept, respond};
use crate::problem::Problem;
use crate::visit::Visit;
use crate::zone::{self, Zone};

/// What shows it.
const SCRIPT: &str = include_str!("../../../templates/trace-file.js");

/// What the file looks like: a style of its own, and the services' colours of the pages.
static STYLE: LazyLock<String> = LazyLock::new(|| {
    let pages = include_str!("../../../assets/main.css");
    let palette: String =
        pages.lines().filter(|line| line.contains("{ --c:")).flat_map(|line| [line.trim(), "\n"]).collect();
    palette + include_str!("../../../templates/trace-file.css")
});

/// The file allows itself its own style and script, by their hashes, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(&STYLE),
        hash(SCRIPT)
    )
});

#[derive(Template)]
#[template(path = "trace-file.html")]
struct TraceFile {
    title: String,
    policy: &'static str,
    style: &'static str,
    script: &'static str,
    /// OTLP documents, one for each line, compressed with gzip, in base64.
    data: String,
    /// The address of the trace.
    source: String,
    written: Moment,
    version: &'static str,
    left_out: Option<String>,
}

/// Answers the file.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    Named(id): Named,
    visit: Visit,
) -> Response {
    // The file is kept and sent to others: its times are UTC, whatever its first reader prefers.
    let answer = zone::within(Zone::default(), answer(&ui, &reader, &visit, &id)).await;
    respond(answer, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit, id: &str) -> Result<Response, Problem> {
    let id = trace_id(id)?;
    let exported = ui.engine.export_trace(reader, id).await?;
    let file = TraceFile {
        title: format!("Trace {id}"),
        policy: &POLICY,
        style: &STYLE,
        script: SCRIPT,
        data: apart(|| packed(&exported.documents)),
        source: format!("http://{}{}", visit.authority, address::trace(&id.to_string())),
        written: Moment::to_second(UnixNanos::now().0),
        version: ui.version,
        left_out: exported.left_out,
    };
    let policy = [(CONTENT_SECURITY_POLICY, POLICY.as_str())];
    let headers = kept("text/html; charset=utf-8", format!("trace-{id}.html"));
    Ok((policy, headers, file.render()?).into_response())
}

/// Lines, compressed, in base64.
fn packed(lines: &[String]) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let bytes = lines.iter().try_for_each(|line| writeln!(encoder, "{line}")).and_then(|()| encoder.finish());
    // A vector takes all that is written.
    STANDARD.encode(bytes.unwrap_or_default())
}
