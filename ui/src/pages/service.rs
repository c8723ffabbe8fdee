//! `/services/{name}`: one service over time, with its versions, operations, neighbours, instances, and what its logs say
//! since its last deploy. A box that was dragged over a chart stands in the address as `sel`.

mod view;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use diagnosis::{Change, ChangeKind};
use http::StatusCode;
use model::{Reader, Signal, TimeRange, UnixNanos};
use query::rows::{Page, Span, Version};
use query::{QueryError, Search, ServiceDetail, ServiceQuestion, Templates};

use crate::Ui;
use crate::address::{Address, term};
use crate::named::Named;
use crate::pages::{changes, respond};
use crate::params::BadParameter;
use crate::problem::{Problem, html};
use crate::range::Range;
use crate::selection::Selection;
use crate::visit::Visit;

/// How many spans of a box, failed ones and slow ones are shown.
const SPANS_MAX: usize = 8;
/// Among how many templates new ones are looked for.
const TEMPLATES_MAX: usize = 500;

/// The question of the address.
#[derive(Debug, Clone)]
struct Asked {
    name: String,
    namespace: String,
    environment: String,
    range: Range,
    selection: Option<Selection>,
}

/// What stands beside the figures of the service. What could not be answered says why in its place.
struct Beside {
    /// Times of changes and new versions, in words.
    marks: Vec<(i64, String)>,
    /// Spans by what they show.
    exemplars: Vec<(String, Result<Page<Span>, QueryError>)>,
    /// Since when new templates are looked for, and what that was.
    since: Option<(i64, String)>,
    templates: Result<Templates, QueryError>,
    /// What is not marked.
    note: Option<String>,
}

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    Named(name): Named,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit, name).await, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit, name: String) -> Result<Response, Problem> {
    let extent = ui.engine.extent(reader, Signal::Spans).await?;
    let newest = extent.and_then(|extent| extent.to);
    let asked = Asked::of(visit, name, newest, UnixNanos::now())?;
    let detail = match ui.engine.service(reader, &asked.question()).await {
        Ok(detail) => detail,
        Err(QueryError::NotFound(_)) => {
            let known = ui.engine.services(reader, TimeRange::ALL).await?;
            let page = html(&view::missing(visit, ui.version, &asked, &known.services))?;
            return Ok((StatusCode::NOT_FOUND, page).into_response());
        }
        Err(error) => return Err(error.into()),
    };
    let beside = beside(ui, reader, &asked, &detail).await;
    html(&view::found(visit, ui.version, &asked, &detail, &beside))
}

impl Asked {
    fn of(
        visit: &Visit,
        name: String,
        newest: Option<UnixNanos>,
        now: UnixNanos,
    ) -> Result<Self, BadParameter> {
        // Without `t` the newest hour with data; with an empty one, everything.
        let range = match visit.asks_for("t") {
            true => Range::of(&visit.params, now)?,
            false => Range::newest_hour(newest.unwrap_or(now), now),
        };
        Ok(Self {
            name,
            namespace: visit.params.text("namespace")?.to_owned(),
            environment: visit.params.text("environment")?.to_owned(),
            range,
            selection: Selection::of(&visit.params, "sel", now)?,
        })
    }

    fn question(&self) -> ServiceQuestion {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ServiceQuestion {
            name: self.name.clone(),
            namespace: given(&self.namespace),
            environment: given(&self.environment),
            range: self.range.range,
        }
    }

    /// The spans of the service, as a search.
    fn q(&self) -> String {
        let mut q = term("service", &self.name);
        for (key, value) in [("namespace", &self.namespace), ("environment", &self.environment)] {
            if !value.is_empty() {
                q = format!("{q} {}", term(key, value));
            }
        }
        q
    }

    /// This page about another time, without a box.
    fn at(&self, t: &str) -> Address {
        let address = Address::new("/services").below(&self.name).with("namespace", &self.namespace);
        let address = address.with("environment", &self.environment);
        // An empty range is everything, and no range the newest hour.
        if t.is_empty() { address.with_empty("t") } else { address.with("t", t) }
    }
}

/// Asks for what stands beside the figures.
async fn beside(ui: &Ui, reader: &Reader, asked: &Asked, detail: &ServiceDetail) -> Beside {
    let found = ui.diagnostics.changes(reader, detail.range).await;
    let note = found.as_ref().err().map(|error| format!("Changes of this time are not marked: {error}."));
    let found = found.unwrap_or_default();
    let since = deployed(&found, &asked.name, &detail.versions);
    let (exemplars, templates) = tokio::join!(
        exemplars(ui, reader, asked, detail),
        templates(ui, reader, asked, detail, since.as_ref())
    );
    Beside { marks: marks(&found, &asked.name, &detail.versions), exemplars, since, templates, note }
}

/// Changes of the service, and versions that are new in this time and that no change names.
fn marks(found: &[Change], name: &str, versions: &[Version]) -> Vec<(i64, String)> {
    let mut marks = changes::marks(found.iter(), name);
    let named = |version: &str| found.iter().any(|change| change.version.as_deref() == Some(version));
    let first = versions.first().map_or(i64::MIN, |first| first.first_seen);
    let new = versions.iter().filter(|version| version.first_seen > first);
    marks.extend(new.filter_map(|new| {
        let version = new.version.as_deref().filter(|version| !named(version))?;
        Some((new.first_seen, format!("version {version} first seen")))
    }));
    marks.sort();
    marks
}

/// The last deploy of the service in this time: its time and its version.
fn deployed(found: &[Change], name: &str, versions: &[Version]) -> Option<(i64, String)> {
    let deploys = found.iter().filter(|change| change.service == name && change.kind == ChangeKind::Deploy);
    let marked = deploys
        .filter_map(|change| Some((change.time.parse().ok()?, change.version.clone().unwrap_or_default())));
    let first = versions.first().map_or(i64::MIN, |first| first.first_seen);
    let seen = versions.iter().filter(|version| version.first_seen > first);
    let seen = seen.filter_map(|version| Some((version.first_seen, version.version.clone()?)));
    marked.chain(seen).max_by_key(|(time, _): &(i64, String)| *time)
}

/// Spans of the box, else failed and slow ones.
async fn exemplars(
    ui: &Ui,
    reader: &Reader,
    asked: &Asked,
    detail: &ServiceDetail,
) -> Vec<(String, Result<Page<Span>, QueryError>)> {
    let ask = async |q: String, range: TimeRange| {
        let search = Search { q, range, limit: SPANS_MAX, ..Search::default() };
        ui.engine.spans(reader, &search).await
    };
    let (q, range) = (asked.q(), asked.range.range);
    if let Some(selection) = &asked.selection {
        let spans = ask(format!("{q}{}", selection.terms()), selection.range.range).await;
        return vec![("Newest spans of the box".to_owned(), spans)];
    }
    let failed = ask(format!("{q} status:error"), range).await;
    let mut all = vec![("Newest spans that failed".to_owned(), failed)];
    if let Some(p99) = detail.service.p99_ns {
        let spans = ask(format!("{q} duration>={:.0}ns", p99), range).await;
        all.push((
            format!(
                "Newest spans of {} and more, the 99th percentile",
                crate::format::duration_of(Some(p99))
            ),
            spans,
        ));
    }
    all
}

/// What the logs of the service say since its last deploy, or in this time if there was none.
async fn templates(
    ui: &Ui,
    reader: &Reader,
    asked: &Asked,
    detail: &ServiceDetail,
    since: Option<&(i64, String)>,
) -> Result<Templates, QueryError> {
    let from = since.map(|(time, _)| UnixNanos(*time)).or(detail.range.from);
    let range = TimeRange { from, to: asked.range.range.to };
    let search = Search { q: asked.q(), range, limit: TEMPLATES_MAX, ..Search::default() };
    ui.engine.templates(reader, &search).await
}

#[cfg(test)]
mod tests;
