//! `/incidents`: what went wrong and when, newest first; and the table of incidents that the overview shares.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use diagnosis::Incident;
use model::{Reader, Signal, TimeRange, UnixNanos};

use crate::Ui;
use crate::address::Address;
use crate::copy::{self, CopyAs};
use crate::format::{Moment, counted, duration, percent};
use crate::pages::respond;
use crate::pages::rows::ServiceMark;
use crate::pages::suspects::Score;
use crate::problem::{Problem, html};
use crate::range::{PRESETS, Range};
use crate::visit::{Frame, Section, Visit};

/// Among how many of the newest incidents those of a time are looked for.
const INCIDENTS_MAX: usize = 200;
/// How many services of an incident are named in a list; the rest are counted.
const SERVICES_MAX: usize = 4;

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    frame: Frame,
    table: IncidentTable,
    /// The range in words.
    range: String,
    /// What was not looked at.
    note: Option<String>,
    copy: CopyAs,
    /// Whether no incident is stored at all.
    none_ever: bool,
    /// Ranges to choose from: address, name, whether it is this one.
    presets: Vec<(String, &'static str, bool)>,
}

/// Incidents, one a row.
#[derive(Debug, Template)]
#[template(path = "part/incidents.html")]
pub(crate) struct IncidentTable {
    pub(crate) caption: String,
    pub(crate) rows: Vec<IncidentRow>,
}

/// An incident.
#[derive(Debug)]
pub(crate) struct IncidentRow {
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) open: bool,
    pub(crate) start: Option<Moment>,
    pub(crate) duration: String,
    pub(crate) traffic: String,
    pub(crate) services: Vec<ServiceMark>,
    /// Services that are counted and not named.
    pub(crate) more: usize,
    /// All of them by name.
    pub(crate) all_services: String,
    /// Who is the first suspect, of which kind, and with which score.
    pub(crate) suspect: Option<(ServiceMark, String, Score)>,
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
    let range = Range::of(&visit.params, UnixNanos::now())?;
    // Also those that began before the range and reach into it.
    let until = TimeRange { from: None, to: range.range.to };
    let incidents = ui.diagnostics.incidents(reader, until, INCIDENTS_MAX).await?;
    let newest = newest_span(ui, reader).await?;
    html(&view(visit, ui.version, &incidents, &range, newest))
}

/// When the newest span began: how long an open incident lasts is told in the time of its telemetry.
pub(crate) async fn newest_span(ui: &Ui, reader: &Reader) -> Result<Option<UnixNanos>, Problem> {
    let extent = ui.engine.extent(reader, Signal::Spans).await?;
    Ok(extent.and_then(|extent| extent.to))
}

fn view(
    visit: &Visit,
    version: &'static str,
    incidents: &[Incident],
    range: &Range,
    newest: Option<UnixNanos>,
) -> IncidentsPage {
    let shown: Vec<&Incident> = incidents.iter().filter(|incident| reaches(incident, &range.range)).collect();
    let words = range.words();
    let caption = format!("{}, {words}", counted(shown.len() as u64, "incident"));
    let presets = PRESETS
        .iter()
        .map(|(t, name)| (Address::new("/incidents").with("t", t).to_string(), *name, *t == range.text));
    IncidentsPage {
        frame: visit.frame("Incidents", Section::Incidents, version).over(range),
        table: IncidentTable::new(caption, &shown, newest),
        copy: CopyAs::new(visit, range)
            .api(visit, &copy::with_range(Address::new("/api/incidents"), range.range))
            .form("causeway", format!("causeway incidents{}", copy::flags(range.range))),
        range: words,
        note: (incidents.len() >= INCIDENTS_MAX)
            .then(|| format!("Looked for among the newest {INCIDENTS_MAX} before the end of this time.")),
        none_ever: incidents.is_empty() && range.range.to.is_none(),
        presets: presets.collect(),
    }
}

/// Whether an incident lasted at some time of a range.
fn reaches(incident: &Incident, range: &TimeRange) -> bool {
    let (start, end) = (nanos(&incident.start).unwrap_or(i64::MIN), incident.end.as_deref().and_then(nanos));
    let before_end = range.to.is_none_or(|to| start < to.0);
    let after_begin = range.from.is_none_or(|from| end.is_none_or(|end| end > from.0));
    before_end && after_begin
}

/// A time of a stored text.
pub(crate) fn nanos(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// How long an incident lasted, or has lasted so far.
pub(crate) fn lasted(incident: &Incident, newest: Option<UnixNanos>) -> String {
    let Some(start) = nanos(&incident.start) else { return "–".to_owned() };
    match (incident.end.as_deref().and_then(nanos), newest) {
        (Some(end), _) => duration(end.saturating_sub(start).max(0)),
        (None, Some(newest)) => format!("{} so far", duration(newest.0.saturating_sub(start).max(0))),
        (None, None) => "–".to_owned(),
    }
}

/// What an incident is called.
pub(crate) fn title(incident: &Incident) -> String {
    if incident.title.trim().is_empty() { incident.id.clone() } else { incident.title.clone() }
}

/// The address of an incident's page.
pub(crate) fn href(id: &str) -> String {
    Address::new("/incidents").below(id).to_string()
}

impl IncidentTable {
    /// The table. `newest` is the time up to which open ones have lasted.
    pub(crate) fn new(
        caption: impl Into<String>,
        incidents: &[&Incident],
        newest: Option<UnixNanos>,
    ) -> Self {
        let rows = incidents.iter().map(|incident| IncidentRow::new(incident, newest));
        Self { caption: caption.into(), rows: rows.collect() }
    }
}

impl IncidentRow {
    fn new(incident: &Incident, newest: Option<UnixNanos>) -> Self {
        let suspect = incident.suspects.first().map(|suspect| {
            (ServiceMark::new(&suspect.service), suspect.kind.clone(), Score::new(suspect.score))
        });
        Self {
            href: href(&incident.id),
            title: title(incident),
            open: incident.end.is_none(),
            start: nanos(&incident.start).map(Moment::to_second),
            duration: lasted(incident, newest),
            traffic: percent(incident.traffic_share),
            services: incident
                .services
                .iter()
                .take(SERVICES_MAX)
                .map(|name| ServiceMark::new(name))
                .collect(),
            more: incident.services.len().saturating_sub(SERVICES_MAX),
            all_services: incident.services.join(", "),
            suspect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::checks;
    use crate::sample::{self, START};

    const SECOND: i64 = 1_000_000_000;

    fn everything() -> Range {
        Range { text: String::new(), range: TimeRange::ALL }
    }

    #[test]
    fn incidents_are_listed_with_their_first_suspect() {
        let incidents = [sample::open_incident(), sample::incident(), sample::hostile_incident()];
        let newest = Some(UnixNanos(START + 400 * SECOND));
        let page =
            view(&checks::visit("/incidents"), "0.1.0", &incidents, &everything(), newest).render().unwrap();
        checks::is_sound("incidents", &page);
        for part in [
            "3 incidents, everything",
            "6 m 40 s so far",
            "5 m 00 s",
            "34 %",
            "href=\"/incidents/i-0001\"",
            "Checkout is slow and fails",
            "97 %",
            "2025-11-21 09:00:00",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn no_incident_says_what_to_do() {
        let page =
            |range: Range| view(&checks::visit("/incidents"), "0.1.0", &[], &range, None).render().unwrap();
        let ever = page(everything());
        checks::is_sound("incidents-empty", &ever);
        assert!(ever.contains("causeway demo --fault") && ever.contains("/explain"), "{ever}");
        let hour = page(Range::between(UnixNanos(START), UnixNanos(START + 3600 * SECOND)));
        checks::is_sound("incidents-empty-hour", &hour);
        assert!(hour.contains("Everything stored"), "{hour}");
    }

    #[test]
    fn an_incident_belongs_to_each_time_it_lasted_in() {
        let (closed, open) = (sample::incident(), sample::open_incident());
        let at = |second: i64| Some(UnixNanos(START + second * SECOND));
        for (from, to, is_closed, is_open) in [
            (None, None, true, true),
            (at(-60), at(0), false, false),
            (at(-60), at(1), true, true),
            (at(299), None, true, true),
            (at(300), None, false, true),
            (at(9_000), at(9_001), false, true),
        ] {
            let range = TimeRange { from, to };
            assert_eq!((reaches(&closed, &range), reaches(&open, &range)), (is_closed, is_open), "{range:?}");
        }
    }

    #[test]
    fn ids_are_encoded_in_addresses() {
        assert_eq!(href("i-1"), "/incidents/i-1");
        assert_eq!(href("../a b\""), "/incidents/..%2Fa%20b%22");
    }
}
