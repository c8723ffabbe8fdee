//! `/services`: every service by rate, errors and duration.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use model::{Reader, Signal, UnixNanos};
use query::Services;

use crate::Ui;
use crate::address::{Address, search};
use crate::copy::{self, CopyAs};
use crate::format::counted;
use crate::pages::respond;
use crate::pages::rows::ServiceTable;
use crate::problem::{Problem, html};
use crate::range::{self, PRESETS, Range};
use crate::visit::{Frame, Section, Visit};

/// How many services are listed; the rest are counted.
const SERVICES_MAX: usize = 500;

#[derive(Template)]
#[template(path = "services.html")]
struct ServicesPage {
    frame: Frame,
    table: ServiceTable,
    /// The search that finds those that are not listed.
    search: String,
    /// The range in words.
    range: String,
    /// Why another range than the last hour is shown, or what it really covers.
    note: Option<String>,
    copy: CopyAs,
    /// Ranges to choose from: address, name, whether it is this one.
    presets: Vec<(String, &'static str, bool)>,
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
    let now = UnixNanos::now();
    // Without `t` the newest hour with data; with an empty one, everything.
    let range = match visit.asks_for("t") {
        true => Range::of(&visit.params, now)?,
        false => {
            let extent = ui.engine.extent(reader, Signal::Spans).await?;
            Range::newest_hour(extent.and_then(|extent| extent.to).unwrap_or(now), now)
        }
    };
    let services = ui.engine.services(reader, range.range).await?;
    html(&view(visit, ui.version, &services, &range))
}

fn view(visit: &Visit, version: &'static str, services: &Services, range: &Range) -> ServicesPage {
    let words = range.words();
    let caption = format!("{}, {words}", counted(services.services.len() as u64, "service"));
    let presets = PRESETS.iter().map(|(t, name)| (format!("/services?t={t}"), *name, *t == range.text));
    let partial = services
        .stats
        .partial
        .as_ref()
        .map(|partial| format!("Not everything was read: {}.", partial.reason));
    let covered = (range.range.whole_minutes() != services.range)
        .then(|| format!("Covers {}.", range::words(&services.range)));
    ServicesPage {
        frame: visit.frame("Services", Section::Services, version).over(range),
        table: ServiceTable::new(caption, &services.services, SERVICES_MAX, &range.text),
        search: search("traces", "", &range.text),
        range: words,
        note: partial.or(covered),
        copy: copied(visit, range),
        presets: presets.collect(),
    }
}

/// The same question elsewhere.
fn copied(visit: &Visit, range: &Range) -> CopyAs {
    let sql = format!(
        "SELECT service_name, sum(calls) AS calls, sum(errors) AS errors, quantile_merge(duration, 0.95) AS p95_ns \
         FROM red WHERE entry{} GROUP BY service_name ORDER BY calls DESC",
        copy::sql_range("time", range.range)
    );
    CopyAs::new(visit, range)
        .api(visit, &copy::with_range(Address::new("/api/services"), range.range))
        .form("causeway", format!("causeway services{}", copy::flags(range.range)))
        .form("SQL", sql)
}

#[cfg(test)]
mod tests {
    use model::TimeRange;
    use query::rows::Stats;

    use super::*;
    use crate::pages::checks;
    use crate::sample;

    #[test]
    fn services_are_escaped_and_linked() {
        let mut services =
            Services { services: sample::services(), range: TimeRange::ALL, stats: Stats::default() };
        services.services[6].name = sample::HOSTILE.to_owned();
        services.services[6].versions = vec![sample::HOSTILE.to_owned()];
        let range = Range { text: String::new(), range: TimeRange::ALL };
        let page = view(&checks::visit("/services?t="), "0.1.0", &services, &range).render().unwrap();
        checks::is_sound("services", &page);
        for part in ["48,210", "13.4 /s", "3.2 %", "798 ms", "service%3Acheckout", "aria-current=\"true\""] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn very_many_services_are_listed_up_to_a_number_and_counted() {
        let one = sample::services().remove(0);
        let named = |number: usize| query::rows::Service { name: format!("s-{number}"), ..one.clone() };
        let services = Services {
            services: (0..SERVICES_MAX + 1_234).map(named).collect(),
            range: TimeRange::ALL,
            stats: Stats::default(),
        };
        let range = Range { text: String::new(), range: TimeRange::ALL };
        let page = view(&checks::visit("/services?t="), "0.1.0", &services, &range).render().unwrap();
        checks::is_sound("services-many", &page);
        assert!(page.contains("1,734 services") && page.contains("1,234 more services with fewer calls"));
        assert!(page.contains("/services/s-499?") && !page.contains("/services/s-500?"));
    }

    #[test]
    fn no_services_says_what_to_do() {
        let services = Services { services: Vec::new(), range: TimeRange::ALL, stats: Stats::default() };
        let range = Range::newest_hour(UnixNanos(0), UnixNanos(i64::MAX));
        let page = view(&checks::visit("/services"), "0.1.0", &services, &range).render().unwrap();
        checks::is_sound("services-empty", &page);
        assert!(page.contains("No service"));
    }
}
