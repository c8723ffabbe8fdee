use query::rows::{Point, Stats};
use query::{QueryError, ServiceDetail};

use super::*;
use crate::pages::checks;
use crate::pages::incident::charts::ServiceCharts;
use crate::sample::{self, START};

const MINUTE: i64 = 60_000_000_000;
const NEWEST: Option<UnixNanos> = Some(UnixNanos(START + 12 * MINUTE));

/// Forty minutes of a service, five of them bad.
fn detail() -> ServiceDetail {
    let points = (-30..10_i64).map(|minute| {
        let bad = (0..5).contains(&minute);
        Point {
            time: (START / MINUTE + minute) * MINUTE,
            calls: 120.0 + (minute * 7 % 5) as f64,
            errors: if bad { 40.0 } else { 1.0 },
            p95_ns: Some(if bad { 797e6 } else { 61e6 }),
        }
    });
    ServiceDetail {
        service: sample::services().remove(2),
        merged: Vec::new(),
        operations: Vec::new(),
        instances: Vec::new(),
        series: points.collect(),
        heat: query::Heat::default(),
        versions: Vec::new(),
        step_ns: MINUTE,
        edges: Vec::new(),
        range: model::TimeRange::ALL,
        stats: Stats::default(),
    }
}

fn charts() -> Charts {
    let (covered, window) = ((START - 30 * MINUTE, START + 15 * MINUTE), (START, START + 5 * MINUTE));
    let marks = [(START - 40_000_000_000, "deploy 1.42.0".to_owned())];
    let chart = |name: &str, answer| ServiceCharts::new(name, answer, &marks, covered, window);
    let gone = Err(QueryError::NotFound("no span".to_owned()));
    let busy = Err(QueryError::Busy("32 questions are being answered".to_owned()));
    Charts {
        services: vec![chart("payment", Ok(detail())), chart("cart", gone), chart(sample::HOSTILE, busy)],
        notes: vec!["The first 4 h 00 m of the incident are charted.".to_owned()],
    }
}

fn page(name: &str, incident: &Incident) -> String {
    let visit = checks::visit("/incidents/x");
    let view = IncidentView::new(incident, NEWEST);
    let page = IncidentPage::new(&visit, "0.1.0", incident, view, charts(), NEWEST).render().unwrap();
    checks::is_sound(name, &page);
    page
}

/// The single file, without what only it may have: its own style.
fn report(name: &str, incident: &Incident) -> String {
    let view = IncidentView::new(incident, NEWEST);
    let origin = "http://localhost:4319".to_owned();
    let report = report::Report::new(view, charts(), origin, "0.1.0", UnixNanos(START));
    let text = report.render().unwrap();
    if let Ok(folder) = std::env::var("CAUSEWAY_PAGES_DIR") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), &text).unwrap();
    }
    text
}

#[test]
fn an_incident_shows_who_is_suspected_and_why() {
    let page = page("incident", &sample::incident());
    for part in [
        "Checkout is slow and fails",
        "5 m 00 s",
        "34 %",
        "payment, checkout, frontend",
        "24 minutes between",
        "<code>charge::begin#73</code>",
        "code between charge::begin#73 and charge::done#86",
        "href=\"/traces/0af7651916cd43dd8448eb211c80319c?span=00f067aa0ba902b7#s-00f067aa0ba902b7\"",
        "SELECT median(duration_ns)",
        "POST /checkout",
        "0.4 %",
        "120 /min",
        "deploy",
        "rollout 17",
        "takes 797 ms",
        "Errors per minute of payment: at most 40 in the shaded time, 1 outside of it",
        "No span of it is stored in this time any more.",
        "No charts: ",
        "/incidents/i-0001.md",
        "/incidents/i-0001.html",
        "/explain?t=",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn an_open_incident_lasts_up_to_the_newest_span() {
    let incident = sample::open_incident();
    let page = page("incident-open", &incident);
    assert!(page.contains("12 m 00 s so far"), "{page}");
    assert_eq!(window(&incident, NEWEST), (START, START + 12 * MINUTE + 1));
    assert_eq!(window(&incident, None), (START, START + 1));
}

#[test]
fn an_incident_without_evidence_says_so() {
    let bare = Incident {
        title: String::new(),
        suspects: Vec::new(),
        operations: Vec::new(),
        changes: Vec::new(),
        timeline: Vec::new(),
        baseline: None,
        ..sample::incident()
    };
    let page = page("incident-bare", &bare);
    for part in ["Nobody is suspected", "No change is known", "None is named", "Nothing was noted", "i-0001"]
    {
        assert!(page.contains(part), "{part}");
    }
    let text = report::text(&IncidentView::new(&bare, NEWEST), "http://localhost", UnixNanos(0));
    assert!(
        text.contains("Nobody is suspected.")
            && text.contains("None.")
            && text.contains("Nothing was noted.")
    );
}

#[test]
fn long_lists_are_cut_and_counted() {
    let mut incident = sample::incident();
    incident.operations = incident.operations.iter().cycle().take(OPERATIONS_MAX + 1).cloned().collect();
    incident.timeline = incident.timeline.iter().cycle().take(MOMENTS_MAX + 2).cloned().collect();
    let view = IncidentView::new(&incident, NEWEST);
    assert_eq!((view.operations.len(), view.timeline.len()), (OPERATIONS_MAX, MOMENTS_MAX));
    assert_eq!(view.left_out, ["1 operation more", "2 moments more"]);
}

#[test]
fn the_markdown_says_all_of_it() {
    let text =
        report::text(&IncidentView::new(&sample::incident(), NEWEST), "http://h:4319", UnixNanos(START));
    for part in [
        "# Checkout is slow and fails\n\n- State: closed\n- Start \\(UTC\\): ",
        "- Traffic harmed: 34 %\n",
        "- Source: <http://h:4319/incidents/i-0001>, written 2025-11-21 09:00:00 UTC\n",
        "### 1. payment: code, 97 %\n\nin payment, `charge::begin#73` is no longer followed by `charge::done#86`;",
        "- Trace at the guilty span: <http://h:4319/traces/0af7651916cd43dd8448eb211c80319c?span=",
        "Found 797 ms, usual 61.2 ms.\n",
        "```sql\nSELECT median(duration_ns)",
        "| checkout | POST /checkout | errors | 34.0 % | 0.4 % | 2025-11-21 09:01:00 |",
        "| 2025-11-21 08:59:20 | deploy | payment | 1.42.0 · rollout 17 | marked |",
        "## Timeline\n\n- 2025-11-21 08:59:20 deploy of payment 1.42.0\n",
    ] {
        assert!(text.replace("- Start (UTC)", "- Start \\(UTC\\)").contains(part), "{part}\n{text}");
    }
}

#[test]
fn hostile_text_stays_text() {
    let incident = sample::hostile_incident();
    page("incident-hostile", &incident);
    let text = report::text(&IncidentView::new(&incident, NEWEST), "http://h", UnixNanos(0));
    let outside = text.split("```").step_by(2);
    assert!(
        outside.flat_map(str::lines).all(|line| !line.contains("<script") && !line.contains("<img")),
        "{text}"
    );
    let file = report("report-hostile", &incident);
    assert!(!file.contains("<script") && !file.contains("<img"), "{file}");
    assert_eq!(file.matches("</style>").count(), 1);
}

#[test]
fn the_single_file_needs_nothing_else() {
    let file = report("report", &sample::incident());
    for part in
        ["Checkout is slow", "http://localhost:4319/incidents/i-0001", "style-src 'sha256-", "viewBox"]
    {
        assert!(file.contains(part), "{part}");
    }
    for loading in ["src=\"", "url(", "<link", "<script", "@import", "href=\"/", "<use"] {
        assert!(!file.contains(loading), "{loading}");
    }
}

#[test]
fn the_ending_is_the_form() {
    for (name, id, form) in [
        ("i-1", "i-1", Form::Page),
        ("i-1.md", "i-1", Form::Markdown),
        ("i-1.html", "i-1", Form::Html),
        ("i.1", "i.1", Form::Page),
        (".md", "", Form::Markdown),
    ] {
        assert_eq!(Form::of(name), (id, form));
    }
}
