//! `/`: what is wrong, what runs, what fails, and what is slow, in the newest hour that has data.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use diagnosis::{Change, Incident};
use model::{Reader, Signal, TimeRange, UnixNanos};
use query::rows::{Log, Page, Span, TraceSummary};
use query::{QueryError, Search, Services};

use crate::Ui;
use crate::address::search;
use crate::chart::Histogram;
use crate::chart::axis::Axis;
use crate::format::{Moment, count, counted, date_time};
use crate::pages::changes::ChangeTable;
use crate::pages::incidents::{IncidentTable, nanos};
use crate::pages::respond;
use crate::pages::rows::{LogTable, ServiceTable, TraceTable};
use crate::problem::{Problem, html};
use crate::range::Range;
use crate::visit::{Frame, Section, Visit};

/// How many error logs and failed or slow traces are shown.
const SHOWN_MAX: usize = 8;
/// Among how many of the newest traces the slowest are looked for.
const NEWEST_TRACES: usize = 200;
/// Among how many of the newest incidents open ones are looked for.
const NEWEST_INCIDENTS: usize = 100;
/// How many services stand in the table; all are on their own page.
const SERVICES_MAX: usize = 50;
/// How many changes stand in the table; all are on the axis.
const CHANGES_MAX: usize = 8;
/// The bars of each chart.
const BARS: usize = 60;
/// What counts as an error log.
const ERROR_LOGS: &str = "severity>=error";
/// What counts as a failed trace.
const FAILED_TRACES: &str = "status:error";

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    range: String,
    /// Why the range is not the last hour.
    note: Option<String>,
    /// The open incidents.
    incidents: IncidentTable,
    /// When the last incident ended, if there was one.
    calm_since: Option<Moment>,
    services: ServiceTable,
    /// Changes on one axis of time, and as a table.
    axis: Axis,
    changes: ChangeTable,
    /// Why changes or the hour before are not shown.
    notes: Vec<String>,
    figures: [Figure; 2],
    failed: TraceTable,
    slow: TraceTable,
    error_logs: LogTable,
    failed_href: String,
    traces_href: String,
    error_logs_href: String,
}

/// A count with its picture and the search behind it.
struct Figure {
    title: &'static str,
    total: String,
    errors: String,
    href: String,
    histogram: Option<Histogram>,
}

/// What the engine answered.
struct Answers {
    incidents: Vec<Incident>,
    newest_span: Option<UnixNanos>,
    services: Services,
    /// The services in as long a time before.
    before: Result<Services, QueryError>,
    changes: Result<Vec<Change>, QueryError>,
    spans: Page<Span>,
    logs: Page<Log>,
    error_logs: Page<Log>,
    failed: Page<TraceSummary>,
    newest: Page<TraceSummary>,
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
    let engine = &ui.engine;
    let (spans, logs, metrics) = tokio::try_join!(
        engine.extent(reader, Signal::Spans),
        engine.extent(reader, Signal::Logs),
        engine.extent(reader, Signal::Metrics),
    )?;
    let Some(newest) = newest([spans, logs, metrics]) else {
        return Ok(Redirect::temporary("/start").into_response());
    };
    let newest_span = spans.and_then(|extent| extent.to);
    let now = UnixNanos::now();
    let incidents = ui.diagnostics.incidents(reader, TimeRange::ALL, NEWEST_INCIDENTS).await?;
    let range = Range::newest_hour(newest, now);
    let ask = |q: &str, limit: usize, histogram: Option<usize>| Search {
        q: q.to_owned(),
        range: range.range,
        limit,
        histogram,
        ..Search::default()
    };
    let (all, error_logs) = (ask("", 1, Some(BARS)), ask(ERROR_LOGS, SHOWN_MAX, None));
    let (failed, newest_traces) = (ask(FAILED_TRACES, SHOWN_MAX, None), ask("", NEWEST_TRACES, None));
    // Two at a time: the engine answers a limited number of questions at once, and others ask too.
    let by_span = async {
        let services = engine.services(reader, range.range).await?;
        Ok::<_, QueryError>((
            services,
            engine.spans(reader, &all).await?,
            engine.traces(reader, &failed).await?,
        ))
    };
    let by_log = async {
        let logs = engine.logs(reader, &all).await?;
        Ok((logs, engine.logs(reader, &error_logs).await?, engine.traces(reader, &newest_traces).await?))
    };
    let ((services, spans, failed), (logs, error_logs, newest)) = tokio::try_join!(by_span, by_log)?;
    let before = ui.engine.services(reader, before(range.range, now)).await;
    let changes = ui.diagnostics.changes(reader, range.range).await;
    let answers = Answers {
        incidents,
        newest_span,
        services,
        before,
        changes,
        spans,
        logs,
        error_logs,
        failed,
        newest,
    };
    html(&view(visit, ui.version, &range, answers))
}

/// As long a time just before a range.
fn before(range: TimeRange, now: UnixNanos) -> TimeRange {
    let from = range.from.unwrap_or_default();
    let length = range.to.unwrap_or(now).0.saturating_sub(from.0);
    TimeRange { from: Some(UnixNanos(from.0.saturating_sub(length))), to: Some(from) }
}

/// The ends of a range; those that are open are those of the time before which nothing is.
fn ends(range: &TimeRange) -> (i64, i64) {
    let from = range.from.map_or(0, |from| from.0);
    (from, range.to.map_or(from, |to| to.0).max(from.saturating_add(1)))
}

/// The newest time of several extents; `None` if nothing is stored.
fn newest(extents: [Option<TimeRange>; 3]) -> Option<UnixNanos> {
    extents.into_iter().flatten().map(|extent| extent.to.or(extent.from).unwrap_or_default()).max()
}

/// When the last of several incidents ended, none of which is open.
fn calm_since(incidents: &[Incident]) -> Option<Moment> {
    let ends = incidents.iter().filter_map(|incident| nanos(incident.end.as_deref()?));
    ends.max().map(Moment::to_second)
}

fn view(visit: &Visit, version: &'static str, range: &Range, answers: Answers) -> OverviewPage {
    let t = range.text.as_str();
    let words = range.words();
    let mut slow = answers.newest.rows;
    let looked_at = slow.len() as u64;
    slow.sort_by_key(|trace| std::cmp::Reverse(trace.duration_ns));
    slow.truncate(SHOWN_MAX);
    let newest = range.range.to.map(|to| date_time(to.0.saturating_sub(1)));
    let services = answers.services.services.len() as u64;
    let open: Vec<&Incident> = answers.incidents.iter().filter(|incident| incident.end.is_none()).collect();
    let table = ServiceTable::new(
        format!("{}, {words}", counted(services, "service")),
        &answers.services.services,
        SERVICES_MAX,
        t,
    );
    let mut notes = Vec::new();
    let table = match &answers.before {
        Ok(before) => table.against(&answers.services.services, &before.services),
        Err(error) => {
            notes.push(format!("The hour before could not be read: {error}."));
            table
        }
    };
    let changes = answers.changes.unwrap_or_else(|error| {
        notes.push(format!("Changes could not be read: {error}."));
        Vec::new()
    });
    OverviewPage {
        frame: visit.frame("Overview", Section::Overview, version).over(range),
        range: words.clone(),
        note: newest.map(|newest| format!("Nothing arrived for the last hour; this is the newest hour that has data, up to {newest} {}.", crate::zone::name())),
        incidents: IncidentTable::new("Open incidents", &open, answers.newest_span),
        calm_since: calm_since(&answers.incidents),
        services: table,
        axis: Axis::new(&changes, ends(&answers.services.range)),
        changes: ChangeTable::new(&changes[..changes.len().min(CHANGES_MAX)]),
        notes,
        figures: [
            Figure::new("Spans", "spans", "span", &answers.spans, t),
            Figure::new("Logs", "logs", "log", &answers.logs, t),
        ],
        failed: TraceTable::new("Newest traces with errors", &answers.failed.rows).compact(),
        slow: TraceTable::new(format!("Slowest of the newest {}", counted(looked_at, "trace")), &slow).compact(),
        error_logs: LogTable::new("Newest error logs", &answers.error_logs.rows),
        failed_href: search("traces", FAILED_TRACES, t),
        traces_href: search("traces", "", t),
        error_logs_href: search("logs", ERROR_LOGS, t),
    }
}

impl Figure {
    fn new<T>(title: &'static str, tab: &'static str, noun: &str, page: &Page<T>, t: &str) -> Self {
        let buckets = page.histogram.as_deref().unwrap_or_default();
        let total: u64 = buckets.iter().map(|bucket| bucket.count).sum();
        let errors: u64 = buckets.iter().map(|bucket| bucket.errors).sum();
        Self {
            title,
            total: count(page.total.unwrap_or(total)),
            errors: counted(errors, "error"),
            href: search(tab, "", t),
            histogram: Histogram::new(tab, noun, buckets, |t| search(tab, "", t)),
        }
    }
}

#[cfg(test)]
mod tests {
    use query::rows::Stats;

    use super::*;
    use crate::pages::checks;
    use crate::sample;

    /// The services an hour before: payment was faster, cart was called less, fraud was not there.
    fn earlier() -> Vec<query::rows::Service> {
        let mut services = sample::services();
        services[2].p95_ns = Some(1e8);
        services[2].error_ratio = 0.001;
        services[3].rate_per_s /= 2.0;
        services.pop();
        services
    }

    fn answers(filled: bool) -> Answers {
        let stats = Stats::default();
        let trace = sample::shop();
        let mut logs: Vec<Log> =
            trace.logs.into_iter().filter(|log| log.severity.as_deref() == Some("error")).collect();
        logs.extend(sample::hostile_logs());
        let empty = |page: bool| if page { Vec::new() } else { logs.clone() };
        Answers {
            incidents: if filled {
                vec![sample::open_incident(), sample::incident(), sample::hostile_incident()]
            } else {
                Vec::new()
            },
            newest_span: Some(UnixNanos(sample::START + 90_000_000_000)),
            services: Services {
                services: if filled { sample::services() } else { Vec::new() },
                range: TimeRange {
                    from: Some(UnixNanos(sample::START - 3_600_000_000_000)),
                    to: Some(UnixNanos(sample::START)),
                },
                stats,
            },
            before: Ok(Services { services: earlier(), range: TimeRange::ALL, stats: Stats::default() }),
            changes: Ok(if filled { sample::incident().changes } else { Vec::new() }),
            spans: sample::page(Vec::new()),
            logs: sample::page(Vec::new()),
            error_logs: sample::page(empty(!filled)),
            failed: sample::page(if filled {
                sample::summaries().into_iter().filter(|trace| trace.error_count > 0).collect()
            } else {
                Vec::new()
            }),
            newest: sample::page(if filled { sample::summaries() } else { Vec::new() }),
        }
    }

    #[test]
    fn the_newest_hour_is_shown_and_named() {
        let range = Range::newest_hour(UnixNanos(sample::START), UnixNanos(i64::MAX));
        let page = view(&checks::visit("/"), "0.1.0", &range, answers(true)).render().unwrap();
        checks::is_sound("overview", &page);
        for part in [
            "newest hour that has data",
            "/incidents/i-0002",
            "1 m 30 s so far",
            "Slowest of the newest 30 traces",
            "charge failed",
            "checkout",
            "Deploys and other changes",
            "class=\"change-up\"",
            ">×2.0<",
            ">new<",
            "rollout 17",
        ] {
            assert!(page.contains(part), "{part}");
        }
        // Slowest first, and no more than are shown.
        let table = &page[page.find("Slowest of").unwrap()..];
        assert!(table.find("812 ms").unwrap() < table.find("789 ms").unwrap());
        assert!(!table.contains("582 ms"));
    }

    #[test]
    fn an_hour_without_errors_says_so() {
        let range = Range::newest_hour(UnixNanos(i64::MAX), UnixNanos(i64::MAX));
        let page = view(&checks::visit("/"), "0.1.0", &range, answers(false)).render().unwrap();
        checks::is_sound("overview-quiet", &page);
        assert!(page.contains("No error logs"));
        assert!(!page.contains("newest hour that has data"));
        assert!(page.contains("No incident so far."), "{page}");
    }

    #[test]
    fn without_an_open_incident_the_end_of_the_last_is_named() {
        let range = Range::newest_hour(UnixNanos(i64::MAX), UnixNanos(i64::MAX));
        let answers = Answers { incidents: vec![sample::incident()], ..answers(false) };
        let page = view(&checks::visit("/"), "0.1.0", &range, answers).render().unwrap();
        checks::is_sound("overview-calm", &page);
        assert!(page.contains("Nothing is wrong since") && page.contains("2025-11-21 09:05:00"), "{page}");
        assert!(!page.contains("/incidents/i-0001"));
    }

    #[test]
    fn of_very_many_services_the_first_are_shown_and_the_rest_counted() {
        let range = Range::newest_hour(UnixNanos(i64::MAX), UnixNanos(i64::MAX));
        let mut answers = answers(true);
        let one = answers.services.services[0].clone();
        let named = |number: usize| query::rows::Service { name: format!("s-{number}"), ..one.clone() };
        answers.services.services = (0..10_000).map(named).collect();
        let page = view(&checks::visit("/"), "0.1.0", &range, answers).render().unwrap();
        checks::is_sound("overview-many", &page);
        assert!(page.contains("9,950 more services with fewer calls"), "{page}");
        assert!(page.contains("/services/s-49?") && !page.contains("/services/s-50?"), "{page}");
    }

    #[test]
    fn nothing_stored_has_no_newest_time() {
        assert_eq!(newest([None, None, None]), None);
        let at = |time| Some(TimeRange { from: Some(UnixNanos(0)), to: Some(UnixNanos(time)) });
        assert_eq!(newest([at(3), None, at(5)]), Some(UnixNanos(5)));
    }
}
