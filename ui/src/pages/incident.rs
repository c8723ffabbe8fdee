//! `/incidents/{id}`: who may be the cause of an incident, and why; what it reached, what was changed before, and what
//! happened when. With `.md` or `.html` after the id, the same as a report to keep.

mod charts;
mod report;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use diagnosis::{Affected, Incident};
use model::{Reader, UnixNanos};

use self::charts::Charts;
use crate::Ui;
use crate::address::{Address, search, term};
use crate::copy::{self, CopyAs};
use crate::format::{Moment, counted, percent};
use crate::named::Named;
use crate::pages::changes::ChangeTable;
use crate::pages::incidents::{href, lasted, nanos, newest_span, title};
use crate::pages::respond;
use crate::pages::rows::ServiceMark;
use crate::pages::suspects::{self, Figures, SuspectList};
use crate::problem::{Problem, html};
use crate::prose::Prose;
use crate::range::between;
use crate::visit::{Frame, Section, Visit};
use crate::zone::{self, Zone};

/// How many affected operations are shown; the rest are counted.
const OPERATIONS_MAX: usize = 50;
/// How many moments of the timeline are shown; the rest are counted.
const MOMENTS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage {
    frame: Frame,
    view: IncidentView,
    charts: Charts,
    /// Address and text.
    ways: Vec<(String, &'static str)>,
    copy: CopyAs,
}

/// What the page and the reports show.
struct IncidentView {
    id: String,
    title: String,
    open: bool,
    /// Name and value, in words.
    facts: Vec<(&'static str, String)>,
    start: Option<Moment>,
    end: Option<Moment>,
    suspects: SuspectList,
    operations: Vec<OperationRow>,
    changes: ChangeTable,
    timeline: Vec<(Option<Moment>, Prose)>,
    /// What is left out here and stands in the JSON.
    left_out: Vec<String>,
}

/// An operation that the incident reached.
struct OperationRow {
    service: ServiceMark,
    operation: String,
    signal: String,
    figures: Figures,
    since: Option<Moment>,
    href: String,
}

/// In what form an incident is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Page,
    Markdown,
    Html,
}

impl Form {
    /// Takes the form off the end of an id.
    fn of(name: &str) -> (&str, Self) {
        let forms = [(".md", Self::Markdown), (".html", Self::Html)];
        let found = forms.into_iter().find_map(|(ending, form)| Some((name.strip_suffix(ending)?, form)));
        found.unwrap_or((name, Self::Page))
    }
}

/// Answers the page and the reports.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    Named(name): Named,
    visit: Visit,
) -> Response {
    let answer = answer(&ui, &reader, &visit, &name);
    let answer = match Form::of(&name).1 {
        Form::Page => answer.await,
        // A report is kept and sent to others: its times are UTC, whatever its first reader prefers.
        _ => zone::within(Zone::default(), answer).await,
    };
    respond(answer, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit, name: &str) -> Result<Response, Problem> {
    let (id, form) = Form::of(name);
    let incident = ui.diagnostics.incident(reader, id).await?;
    let newest = newest_span(ui, reader).await?;
    let origin = format!("http://{}", visit.authority);
    let view = IncidentView::new(&incident, newest);
    if form == Form::Markdown {
        return Ok(report::markdown(&view, &origin, UnixNanos::now()));
    }
    let charts = charts::ask(ui, reader, &incident, window(&incident, newest)).await;
    match form {
        Form::Html => report::html(view, charts, origin, ui.version, UnixNanos::now()),
        _ => html(&IncidentPage::new(visit, ui.version, &incident, view, charts, newest)),
    }
}

/// From when to when an incident lasted; one that is open up to the newest span.
fn window(incident: &Incident, newest: Option<UnixNanos>) -> (i64, i64) {
    let start = nanos(&incident.start).unwrap_or(0);
    let end = incident.end.as_deref().and_then(nanos).or(newest.map(|newest| newest.0.saturating_add(1)));
    (start, end.unwrap_or(start).max(start.saturating_add(1)))
}

impl IncidentPage {
    fn new(
        visit: &Visit,
        version: &'static str,
        incident: &Incident,
        view: IncidentView,
        charts: Charts,
        newest: Option<UnixNanos>,
    ) -> Self {
        let (from, to) = window(incident, newest);
        let t = between(from, to);
        let report = |ending: &str| href(&format!("{}{ending}", incident.id));
        let ways = vec![
            (report(".html"), "Report as HTML"),
            (report(".md"), "Report as Markdown"),
            (Address::new("/api/incidents").below(&incident.id).to_string(), "JSON"),
            (search("traces", "status:error", &t), "Failed traces of this time"),
            (Address::new("/explain").with("t", &t).to_string(), "Explain this time again"),
        ];
        let copy = CopyAs::timeless(visit)
            .api(visit, &Address::new("/api/incidents").below(&incident.id))
            .form("causeway", format!("causeway incidents {}", copy::quoted(&incident.id)));
        Self {
            frame: visit.frame(view.title.as_str(), Section::Incidents, version),
            view,
            charts,
            ways,
            copy,
        }
    }
}

impl IncidentView {
    fn new(incident: &Incident, newest: Option<UnixNanos>) -> Self {
        let (from, to) = window(incident, newest);
        let t = between(from, to);
        let mut facts = vec![
            ("Duration", lasted(incident, newest)),
            ("Traffic harmed", percent(incident.traffic_share)),
            ("Services reached", incident.services.join(", ")),
        ];
        facts.extend(
            incident.baseline.as_ref().map(|baseline| ("Compared with", suspects::baseline(baseline))),
        );
        let moments = incident.timeline.iter().take(MOMENTS_MAX);
        let more = |number: usize, most: usize, noun: &str| {
            (number > most).then(|| format!("{} more", counted((number - most) as u64, noun)))
        };
        let left_out = [
            more(incident.operations.len(), OPERATIONS_MAX, "operation"),
            more(incident.timeline.len(), MOMENTS_MAX, "moment"),
        ];
        Self {
            id: incident.id.clone(),
            title: title(incident),
            open: incident.end.is_none(),
            facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            start: nanos(&incident.start).map(Moment::to_second),
            end: incident.end.as_deref().and_then(nanos).map(Moment::to_second),
            suspects: SuspectList::new(&incident.suspects, &t),
            operations: incident
                .operations
                .iter()
                .take(OPERATIONS_MAX)
                .map(|one| OperationRow::new(one, &t))
                .collect(),
            changes: ChangeTable::new(&incident.changes),
            timeline: moments
                .map(|moment| (nanos(&moment.time).map(Moment::to_second), Prose::new(&moment.text)))
                .collect(),
            left_out: left_out.into_iter().flatten().collect(),
        }
    }
}

impl OperationRow {
    fn new(affected: &Affected, t: &str) -> Self {
        let is_errors = affected.signal == "errors";
        let mut q = format!("{} {}", term("service", &affected.service), term("name", &affected.operation));
        if is_errors {
            q.push_str(" status:error");
        }
        Self {
            service: ServiceMark::new(&affected.service),
            operation: affected.operation.clone(),
            signal: affected.signal.clone(),
            figures: Figures::new(
                affected.value,
                Some(affected.expected),
                &affected.unit,
                is_errors && affected.unit == "1",
            ),
            since: nanos(&affected.start).map(Moment::to_second),
            href: search("spans", &q, t),
        }
    }
}

#[cfg(test)]
mod tests;
