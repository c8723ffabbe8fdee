//! `/search`: one query bar over traces, spans, logs and their templates, with matches over time above and the commonest
//! values beside.
//!
//! | module | what it does |
//! |---|---|
//! | `question` | the parts of the address |
//! | `columns` | which columns a table has |
//! | `table`, `opened` | rows; a row that is open, with the lines around it |
//! | `templates` | logs by template |
//! | `timeline` | matches over time and by value |
//! | `empty` | why nothing was found |
//! | `view` | the page of all that |
//! | `stream` | the same piece by piece, where the whole takes long |
//!
//! The whole answer is waited for a moment. Where it takes longer, the frame is sent at once: script then asks for the
//! rows piece by piece, and a browser without script goes to the address that waits.

mod question;
mod columns;
mod table;
mod opened;
mod templates;
mod timeline;
mod empty;
mod view;
mod stream;

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::{Reader, TimeRange};
use query::rows::{Log, Page, Span, TraceSummary};
use query::{Advice, QueryError, Search, Templates};

use crate::Ui;
use crate::pages::respond;
use crate::problem::{Problem, WrongQuery, html};
use crate::visit::Visit;
use question::{Question, Tab};
pub(crate) use stream::stream;

/// How long the whole answer is waited for before the frame is sent without it.
const FIRST_WAIT: Duration = Duration::from_millis(700);

/// Rows of the tab that was asked for.
enum Found {
    Traces(Page<TraceSummary>),
    Spans(Page<Span>),
    Logs(Page<Log>),
    Templates(Templates),
}

/// Where rows of the tab lie in time; `None` if there are none at all.
type Extent = Option<TimeRange>;

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit).await, &visit, &ui)
}

/// Answers with one row, open, for the page that has the others.
pub(crate) async fn row(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    let answer = match Question::of(&visit) {
        Ok(question) => opened::fragment(&ui, &reader, &question).await,
        Err(problem) => Err(problem),
    };
    respond(answer, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit) -> Result<Response, Problem> {
    let question = Question::of(visit)?;
    let search = question.search();
    let asked = ask(ui, reader, &question, &search);
    let waiting = || html(&view::waiting(visit, ui.version, &question));
    let found = match (question.whole, stream::is_possible(&question)) {
        (Some(true), _) | (_, false) => asked.await,
        (Some(false), true) => return waiting(),
        (None, true) => match tokio::time::timeout(FIRST_WAIT, asked).await {
            Ok(found) => found,
            Err(_elapsed) => return waiting(),
        },
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let Some(wrong) = WrongQuery::of(&question.q, &error) else { return Err(error.into()) };
            let page = html(&view::wrong(visit, ui.version, &question, wrong))?;
            return Ok((StatusCode::BAD_REQUEST, page).into_response());
        }
    };
    let opened = opened::ask(ui, reader, &question).await?;
    let nothing = match found.is_empty() {
        true => Some(nothing(ui, reader, &question).await?),
        false => None,
    };
    html(&view::found(visit, ui.version, &question, &found, opened, nothing))
}

/// What is known where nothing was found: only then is it asked for.
async fn nothing(ui: &Ui, reader: &Reader, question: &Question) -> Result<(Extent, Advice), QueryError> {
    let signal = question.tab.signal();
    let extent = ui.engine.extent(reader, signal).await?;
    let advice = ui.engine.advice(reader, signal, &question.q, question.range.range).await?;
    Ok((extent, advice))
}

async fn ask(ui: &Ui, reader: &Reader, question: &Question, search: &Search) -> Result<Found, QueryError> {
    let counts = Search { limit: 0, cursor: None, ..search.clone() };
    let rows = Search { facets: Vec::new(), histogram: None, ..search.clone() };
    Ok(match (question.tab, question.sort.order) {
        (Tab::Traces, _) => {
            let mut page = ui.engine.traces(reader, search).await?;
            if question.sort.word == "-duration" {
                page.rows.sort_by_key(|trace| std::cmp::Reverse(trace.duration_ns));
            }
            Found::Traces(page)
        }
        (Tab::Spans, None) => Found::Spans(ui.engine.spans(reader, search).await?),
        (Tab::Spans, Some(order)) => {
            let sorted = ui.engine.spans_by(reader, &rows, order).await?;
            Found::Spans(beside(sorted, ui.engine.spans(reader, &counts).await?))
        }
        (Tab::Logs, None) => Found::Logs(ui.engine.logs(reader, search).await?),
        (Tab::Logs, Some(order)) => {
            let sorted = ui.engine.logs_by(reader, &rows, order).await?;
            Found::Logs(beside(sorted, ui.engine.logs(reader, &counts).await?))
        }
        (Tab::Templates, _) => {
            let newest = question.sort.word == "-first";
            let limit = if newest { templates::NEWEST_OF } else { search.limit };
            Found::Templates(ui.engine.templates(reader, &Search { limit, ..rows }).await?)
        }
    })
}

/// Rows in one answer with what was counted in another.
fn beside<T>(rows: Page<T>, counts: Page<T>) -> Page<T> {
    let partial = rows.stats.partial.clone().or(counts.stats.partial);
    let mut stats = rows.stats;
    stats.partial = partial;
    stats.rows_scanned += counts.stats.rows_scanned;
    stats.elapsed_ms += counts.stats.elapsed_ms;
    Page { stats, total: counts.total, facets: counts.facets, histogram: counts.histogram, ..rows }
}

impl Found {
    fn is_empty(&self) -> bool {
        match self {
            Self::Traces(page) => page.rows.is_empty(),
            Self::Spans(page) => page.rows.is_empty(),
            Self::Logs(page) => page.rows.is_empty(),
            Self::Templates(answer) => answer.templates.is_empty(),
        }
    }
}
