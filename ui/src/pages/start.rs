//! `/start`: how to send the first data, and what has arrived so far.

mod snippets;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use http::header::CACHE_CONTROL;
use model::{Reader, Signal, TimeRange};
use query::rows::{Log, Span};
use query::{QueryError, Search};
use tokio::sync::Semaphore;

use crate::address::Address;
use crate::pages::respond;
use crate::problem::{Problem, html};
use crate::visit::{Frame, Section, Visit};
use crate::{Endpoints, Ui};
use snippets::{Guide, Snippet};

/// Among how many of the newest rows a named service is looked for.
const NEWEST_ROWS: usize = 100;
/// What a row is called whose resource names no service; SDKs append the program's name to it.
const UNKNOWN_SERVICE: &str = "unknown_service";
/// How often it is looked what has arrived.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many pages follow what arrives at once.
const FOLLOWERS_MAX: usize = 64;
static FOLLOWERS: Semaphore = Semaphore::const_new(FOLLOWERS_MAX);
/// Logs that carry a trace id.
const LOGS_WITH_TRACE: &str = "trace:*";

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    frame: Frame,
    guides: Vec<(String, &'static str, bool)>,
    title: &'static str,
    note: Option<&'static str>,
    snippets: Vec<Snippet>,
    grpc: String,
    http: String,
    /// Why another machine would not reach these addresses.
    unreachable: Option<String>,
    steps: Vec<Step>,
    done: bool,
    /// Whether script follows what arrives.
    live: bool,
    here: String,
}

/// The steps alone.
#[derive(Template)]
#[template(path = "part/progress.html")]
struct ProgressPart {
    steps: Vec<Step>,
    done: bool,
    live: bool,
}

/// What has arrived.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Progress {
    /// Whether anything is stored.
    connected: bool,
    /// Whether a span is.
    span: bool,
    /// Whether a row names its service.
    service: bool,
    /// That service.
    service_name: Option<String>,
    /// Whether a row came without naming its service.
    unnamed: bool,
    /// Whether a log carries a trace id.
    logs: bool,
    /// Whether nothing is left to wait for.
    done: bool,
}

/// A step to take.
struct Step {
    key: &'static str,
    title: &'static str,
    done: bool,
    hint: String,
}

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit).await, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit) -> Result<Response, Problem> {
    let guide = visit.params.choice("for", &Guide::ALL)?;
    let progress = look(ui, reader).await?;
    html(&view(visit, ui.version, ui.endpoints, guide, &progress))
}

/// Answers what has arrived as server-sent events: the steps as a part of the page whenever they have changed, until all is
/// there, which the event `done` says.
pub(crate) async fn progress(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    let Ok(place) = FOLLOWERS.try_acquire() else {
        let message = format!("{FOLLOWERS_MAX} pages follow what arrives, which is the most at once");
        return Problem::from(QueryError::Busy(message)).response(&visit, ui.version);
    };
    let ending = ui.engine.ending();
    let turns = stream::unfold(Some((ui, reader, place, None)), |state| async {
        let (ui, reader, place, told) = state?;
        loop {
            let progress = look(&ui, &reader).await.ok()?;
            if told.as_ref() != Some(&progress) {
                let part = ProgressPart { steps: progress.steps(), done: progress.done, live: true }
                    .render()
                    .ok()?;
                return Some((Event::default().data(part), Some((ui, reader, place, Some(progress)))));
            }
            if progress.done {
                return Some((Event::default().event("done").data(""), None));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    let turns = turns.take_until(ending).map(Ok::<_, Infallible>);
    ([(CACHE_CONTROL, "no-store")], Sse::new(turns).keep_alive(KeepAlive::default())).into_response()
}

async fn look(ui: &Ui, reader: &Reader) -> Result<Progress, QueryError> {
    let engine = &ui.engine;
    let (spans, logs, metrics) = tokio::try_join!(
        engine.extent(reader, Signal::Spans),
        engine.extent(reader, Signal::Logs),
        engine.extent(reader, Signal::Metrics),
    )?;
    if spans.is_none() && logs.is_none() {
        return Ok(Progress { connected: metrics.is_some(), ..Progress::default() });
    }
    let search =
        |q: &str, limit| Search { q: q.to_owned(), range: TimeRange::ALL, limit, ..Search::default() };
    let (newest, with_trace) = (search("", NEWEST_ROWS), search(LOGS_WITH_TRACE, 1));
    let spans = engine.spans(reader, &newest).await?;
    let logs = engine.logs(reader, &newest).await?;
    let with_trace = engine.logs(reader, &with_trace).await?;
    Ok(Progress::of(&spans.rows, &logs.rows, !with_trace.rows.is_empty()))
}

impl Progress {
    /// What the newest spans and logs show.
    fn of(spans: &[Span], logs: &[Log], logs_with_trace: bool) -> Self {
        let services = || spans.iter().map(|span| &span.service).chain(logs.iter().map(|log| &log.service));
        let named = services().find(|service| !service.starts_with(UNKNOWN_SERVICE)).cloned();
        let (span, service) = (!spans.is_empty(), named.is_some());
        Self {
            connected: true,
            span,
            service,
            service_name: named,
            unnamed: services().any(|service| service.starts_with(UNKNOWN_SERVICE)),
            logs: logs_with_trace,
            done: span && service && logs_with_trace,
        }
    }

    fn steps(&self) -> Vec<Step> {
        let service = match (&self.service_name, self.unnamed) {
            (Some(name), _) => format!("“{name}” has arrived"),
            (None, true) => "rows arrived without service.name: set OTEL_SERVICE_NAME".to_owned(),
            (None, false) => "set OTEL_SERVICE_NAME".to_owned(),
        };
        let step = |key, title, done, hint: &str| Step { key, title, done, hint: hint.to_owned() };
        vec![
            step("connected", "Connected", self.connected, "the first export has been stored"),
            step("span", "First span", self.span, "call your program, so that it has something to trace"),
            step("service", "Service named", self.service, &service),
            step(
                "logs",
                "Logs carry trace ids",
                self.logs,
                "export logs over OTLP too; SDKs add the ids inside a span",
            ),
        ]
    }
}

fn view(
    visit: &Visit,
    version: &'static str,
    endpoints: Endpoints,
    guide: Guide,
    progress: &Progress,
) -> StartPage {
    let (grpc, http) = (url(endpoints.otlp_grpc, &visit.host), url(endpoints.otlp_http, &visit.host));
    let guides = Guide::ALL.iter().map(|(word, each)| {
        (Address::new("/start").with("for", word).to_string(), each.title(), *each == guide)
    });
    StartPage {
        frame: visit.frame("Start", Section::Start, version),
        guides: guides.collect(),
        title: guide.title(),
        note: guide.note(),
        snippets: guide.snippets(&grpc, &http),
        unreachable: unreachable(endpoints, &visit.host),
        steps: progress.steps(),
        done: progress.done,
        live: false,
        here: visit.here.clone(),
        grpc,
        http,
    }
}

/// The address of a listener as the reader's machine would write it: a listener on every interface, or on this
/// machine only, is reached by the name that the browser used.
fn url(listener: SocketAddr, host: &str) -> String {
    if listener.ip().is_unspecified() || listener.ip().is_loopback() {
        format!("http://{host}:{}", listener.port())
    } else {
        format!("http://{listener}")
    }
}

/// Listeners that take connections from this machine only, though the page was reached from another.
fn unreachable(endpoints: Endpoints, host: &str) -> Option<String> {
    let near = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let listeners = [("--otlp-grpc", endpoints.otlp_grpc), ("--otlp-http", endpoints.otlp_http)];
    let flags = listeners.iter().filter(|(_, listener)| listener.ip().is_loopback());
    let flags: Vec<_> = flags.map(|(flag, listener)| format!("{flag} 0.0.0.0:{}", listener.port())).collect();
    (!near && !flags.is_empty()).then(|| {
        format!(
            "OTLP is taken from this machine only. For exporters elsewhere, start with {}.",
            flags.join(" ")
        )
    })
}

#[cfg(test)]
mod tests;
