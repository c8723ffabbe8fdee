//! The services of an incident over its time, and some time before and after.

use diagnosis::Incident;
use model::{Reader, TimeRange, UnixNanos};
use query::{QueryError, ServiceDetail, ServiceQuestion};

use crate::Ui;
use crate::address::{Address, search, term};
use crate::chart::minutes::{Minutes, Series};
use crate::format::{counted, duration};
use crate::pages::changes::marks;
use crate::pages::rows::ServiceMark;
use crate::range::between;

/// How many services are charted: the first suspects, then those that were reached first.
const SERVICES_MAX: usize = 4;
/// How many suspects are charted before the services that were reached.
const SUSPECTS_MAX: usize = 2;
const MINUTE: i64 = 60_000_000_000;
/// What of the time before the incident is charted.
const BEFORE: i64 = 30 * MINUTE;
/// What of the time after it is.
const AFTER: i64 = 10 * MINUTE;
/// The most of the incident itself that is.
const DURING_MAX: i64 = 240 * MINUTE;

/// Charts, and what is not in them.
#[derive(Debug, Default)]
pub(super) struct Charts {
    pub(super) services: Vec<ServiceCharts>,
    /// What is left out, in sentences.
    pub(super) notes: Vec<String>,
}

/// The charts of a service.
#[derive(Debug)]
pub(super) struct ServiceCharts {
    pub(super) service: ServiceMark,
    /// The charts, or why there are none.
    pub(super) drawn: Result<Minutes, String>,
    /// The traces behind them.
    pub(super) traces: String,
    /// The figures as the API answers them.
    pub(super) json: String,
}

/// Asks for the services of an incident that lasted from one time to another. What cannot be answered says so in its
/// place: the evidence above it is a copy and can be read all the same.
pub(super) async fn ask(ui: &Ui, reader: &Reader, incident: &Incident, window: (i64, i64)) -> Charts {
    let covered = covered(window);
    let range = TimeRange { from: Some(UnixNanos(covered.0)), to: Some(UnixNanos(covered.1)) };
    let (names, mut notes) = (names(incident), notes(incident, window));
    let found = ui.diagnostics.changes(reader, range).await;
    let found = found.unwrap_or_else(|error| {
        notes.push(format!("Changes of this time are not marked: {error}."));
        Vec::new()
    });
    let mut services = Vec::new();
    for name in names.into_iter().take(SERVICES_MAX) {
        let question = ServiceQuestion { name: name.to_owned(), range, ..ServiceQuestion::default() };
        let answer = ui.engine.service(reader, &question).await;
        let marks = marks(incident.changes.iter().chain(&found), name);
        services.push(ServiceCharts::new(name, answer, &marks, covered, window));
    }
    Charts { services, notes }
}

/// The time that is charted, in whole minutes.
fn covered((from, to): (i64, i64)) -> (i64, i64) {
    let to = to.min(from.saturating_add(DURING_MAX));
    let whole = |time: i64| time.div_euclid(MINUTE).saturating_mul(MINUTE);
    (whole(from.saturating_sub(BEFORE)), whole(to.saturating_add(AFTER)))
}

/// Whose charts say most, each once.
fn names(incident: &Incident) -> Vec<&str> {
    let suspects = incident.suspects.iter().take(SUSPECTS_MAX).map(|suspect| suspect.service.as_str());
    let mut names: Vec<&str> = Vec::new();
    for name in suspects.chain(incident.services.iter().map(String::as_str)) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn notes(incident: &Incident, window: (i64, i64)) -> Vec<String> {
    let all = names(incident).len();
    let services = (all > SERVICES_MAX).then(|| {
        let rest = counted((all - SERVICES_MAX) as u64, "more service");
        format!("{SERVICES_MAX} services are charted; the incident names {rest}.")
    });
    let length = window.1.saturating_sub(window.0);
    let time = (length > DURING_MAX)
        .then(|| format!("The first {} of the incident are charted.", duration(DURING_MAX)));
    services.into_iter().chain(time).collect()
}

impl ServiceCharts {
    pub(super) fn new(
        name: &str,
        answer: Result<ServiceDetail, QueryError>,
        marks: &[(i64, String)],
        covered: (i64, i64),
        window: (i64, i64),
    ) -> Self {
        let drawn = match answer {
            Ok(detail) => Ok(Minutes::new(
                &Series {
                    service: name,
                    points: &detail.series,
                    step: detail.step_ns,
                    covered,
                    shaded: window,
                },
                marks,
            )),
            Err(QueryError::NotFound(_)) => Err("No span of it is stored in this time any more.".to_owned()),
            Err(error) => Err(format!("No charts: {error}.")),
        };
        let json = Address::new("/api/services").below(name);
        Self {
            service: ServiceMark::new(name),
            drawn,
            traces: search("traces", &term("service", name), &between(covered.0, covered.1)),
            json: json.with("from", &covered.0.to_string()).with("to", &covered.1.to_string()).link(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, START};

    #[test]
    fn whole_minutes_around_the_incident_are_covered() {
        assert_eq!(covered((31 * MINUTE + 5, 33 * MINUTE + 5)), (MINUTE, 43 * MINUTE));
        let (from, to) = covered((0, i64::MAX));
        assert_eq!((from, to), (-BEFORE, DURING_MAX + AFTER));
        assert!(covered((i64::MIN, i64::MAX)).0 < covered((i64::MIN, i64::MAX)).1);
    }

    #[test]
    fn suspects_come_first_and_what_is_left_out_is_said() {
        let mut incident = sample::incident();
        assert_eq!(names(&incident), ["payment", "cart", "checkout", "frontend"]);
        assert_eq!(notes(&incident, (0, MINUTE)), Vec::<String>::new());
        incident.services.push("ads".to_owned());
        assert_eq!(
            notes(&incident, (0, DURING_MAX + 1)),
            [
                "4 services are charted; the incident names 1 more service.",
                "The first 4 h 00 m of the incident are charted."
            ]
        );
    }

    #[test]
    fn a_change_is_marked_once_and_at_its_service() {
        let changes = sample::incident().changes;
        let twice = changes.iter().chain(&changes);
        assert_eq!(
            marks(twice, "payment"),
            [(START - 40_000_000_000, "deploy 1.42.0 · rollout 17".to_owned())]
        );
        assert_eq!(marks(changes.iter(), "cart")[0].1, "restart");
        assert_eq!(marks(changes.iter(), "nobody"), []);
    }
}
