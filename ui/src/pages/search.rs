//! `/search`: one query bar over traces, spans and logs, with matches over time above and the commonest values
//! beside.

mod view;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::{Reader, Signal, TimeRange, UnixNanos};
use query::rows::{Log, Page, Span, TraceSummary};
use query::{QueryError, Search};

use crate::Ui;
use crate::address::Address;
use crate::pages::respond;
use crate::problem::{Problem, WrongQuery, html};
use crate::range::Range;
use crate::visit::Visit;

/// Rows on a page.
const ROWS_MAX: usize = 100;
/// The bars of the histogram.
const BARS: usize = 60;

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tab {
    Traces,
    Spans,
    Logs,
}

impl Tab {
    /// Each by its word in the address.
    const ALL: [(&str, Self); 3] = [("traces", Self::Traces), ("spans", Self::Spans), ("logs", Self::Logs)];

    fn word(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Spans => "spans",
            Self::Logs => "logs",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Traces => "Traces",
            Self::Spans => "Spans",
            Self::Logs => "Logs",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Traces => "trace",
            Self::Spans => "span",
            Self::Logs => "log",
        }
    }

    /// The table it is read from.
    fn signal(self) -> Signal {
        match self {
            Self::Traces | Self::Spans => Signal::Spans,
            Self::Logs => Signal::Logs,
        }
    }

    /// The keys whose commonest values stand beside the rows, with their titles.
    fn facets(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::Traces | Self::Spans => [("service", "Service"), ("status", "Status")],
            Self::Logs => [("service", "Service"), ("severity", "Severity")],
        }
    }
}

/// The question of the address.
#[derive(Debug, Clone)]
struct Question {
    tab: Tab,
    q: String,
    range: Range,
    cursor: String,
}

impl Question {
    fn of(visit: &Visit) -> Result<Self, Problem> {
        Ok(Self {
            tab: visit.params.choice("tab", &Tab::ALL)?,
            q: visit.params.text("q")?.to_owned(),
            range: Range::of(&visit.params, UnixNanos::now())?,
            cursor: visit.params.text("cursor")?.to_owned(),
        })
    }

    fn search(&self) -> Search {
        Search {
            q: self.q.clone(),
            range: self.range.range,
            limit: ROWS_MAX,
            cursor: (!self.cursor.is_empty()).then(|| self.cursor.clone()),
            facets: self.tab.facets().iter().map(|(key, _)| (*key).to_owned()).collect(),
            histogram: Some(BARS),
        }
    }

    /// The address of this question with some parts replaced; a new question begins at its first page.
    fn href(&self, tab: Tab, q: &str, t: &str) -> String {
        Address::new("/search").with("tab", tab.word()).with("q", q).with("t", t).to_string()
    }

    fn href_of_query(&self, q: &str) -> String {
        self.href(self.tab, q, &self.range.text)
    }

    fn href_of_time(&self, t: &str) -> String {
        self.href(self.tab, &self.q, t)
    }
}

/// Rows of the tab that was asked for.
enum Found {
    Traces(Page<TraceSummary>),
    Spans(Page<Span>),
    Logs(Page<Log>),
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
    let question = Question::of(visit)?;
    let found = match ask(ui, reader, &question).await {
        Ok(found) => found,
        Err(error) => {
            let Some(wrong) = WrongQuery::of(&question.q, &error) else { return Err(error.into()) };
            let page = html(&view::wrong(visit, ui.version, &question, wrong))?;
            return Ok((StatusCode::BAD_REQUEST, page).into_response());
        }
    };
    // Only an empty answer needs to know what there is instead.
    let extent = match found.is_empty() {
        true => ui.engine.extent(reader, question.tab.signal()).await?,
        false => None,
    };
    html(&view::found(visit, ui.version, &question, &found, extent))
}

async fn ask(ui: &Ui, reader: &Reader, question: &Question) -> Result<Found, QueryError> {
    let search = question.search();
    Ok(match question.tab {
        Tab::Traces => Found::Traces(ui.engine.traces(reader, &search).await?),
        Tab::Spans => Found::Spans(ui.engine.spans(reader, &search).await?),
        Tab::Logs => Found::Logs(ui.engine.logs(reader, &search).await?),
    })
}

impl Found {
    fn is_empty(&self) -> bool {
        match self {
            Self::Traces(page) => page.rows.is_empty(),
            Self::Spans(page) => page.rows.is_empty(),
            Self::Logs(page) => page.rows.is_empty(),
        }
    }
}

/// Where rows of the tab lie in time; `None` if there are none at all.
type Extent = Option<TimeRange>;
