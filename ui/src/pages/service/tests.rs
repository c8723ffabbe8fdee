use askama::Template;
use query::Heat;
use query::rows::{Edge, Instance, Operation, Point, ServiceKey, Stats, Template as LogTemplate};

use super::*;
use crate::pages::checks;
use crate::sample::{self, HOSTILE, START};

const MINUTE: i64 = 60_000_000_000;

fn asked(address: &str) -> Asked {
    Asked::of(&checks::visit(address), "payment".to_owned(), Some(UnixNanos(START)), UnixNanos(START))
        .unwrap()
}

fn detail(name: &str) -> ServiceDetail {
    let from = START.div_euclid(MINUTE) * MINUTE - 60 * MINUTE;
    let series: Vec<Point> = (0..60)
        .map(|minute| Point {
            time: from + minute * MINUTE,
            calls: 200.0,
            errors: (minute % 7) as f64,
            p95_ns: Some(5e8),
        })
        .collect();
    let version = |version: &str, first: i64| Version {
        version: Some(version.to_owned()),
        first_seen: from + first * MINUTE,
        last_seen: from + 59 * MINUTE,
        calls: 6_000.0,
        errors: 9.0,
        error_ratio: 0.0015,
        p95_ns: Some(4e8),
    };
    let operation = Operation {
        name: name.to_owned(),
        kind: "server".to_owned(),
        calls: 12_000.0,
        errors: 180.0,
        rate_per_s: 3.3,
        error_ratio: 0.015,
        p50_ns: Some(4e7),
        p95_ns: Some(5e8),
        p99_ns: Some(7e8),
    };
    let instance = Instance {
        name: Some(name.to_owned()),
        version: Some("2.0".to_owned()),
        calls: 12.0,
        errors: 1.0,
        error_ratio: 0.08,
        p50_ns: None,
        p95_ns: Some(1e6),
        p99_ns: None,
    };
    let edge = |from: &str, to: &str| Edge {
        from: from.to_owned(),
        to: to.to_owned(),
        kind: "call".to_owned(),
        calls: 3_600.0,
        errors: 36.0,
        p95_ns: Some(2e8),
    };
    ServiceDetail {
        service: sample::services().remove(2),
        merged: vec![ServiceKey { namespace: None, environment: None }],
        operations: vec![operation],
        instances: vec![instance],
        heat: Heat { bounds_ns: vec![1e6, 2e6, 4e6], counts: vec![vec![150.0, 50.0]; 60] },
        versions: vec![version("1.0", 0), version("2.0", 30)],
        series,
        step_ns: MINUTE,
        edges: vec![edge("checkout", "payment"), edge("payment", name)],
        range: TimeRange { from: Some(UnixNanos(from)), to: Some(UnixNanos(from + 60 * MINUTE)) },
        stats: Stats::default(),
    }
}

fn beside(detail: &ServiceDetail, text: &str) -> Beside {
    let template = LogTemplate {
        id: "5f0b8c1d7a2e4639".to_owned(),
        template: format!("{text} <*>"),
        count: 12,
        first_seen: START,
        last_seen: START,
        services: vec!["payment".to_owned()],
        example: Some(text.to_owned()),
        state: "new".to_owned(),
        trend: Vec::new(),
        variables: Vec::new(),
    };
    let old =
        LogTemplate { template: "said before".to_owned(), state: "steady".to_owned(), ..template.clone() };
    let templates = Templates {
        templates: vec![template, old],
        templates_total: 2,
        total: 24,
        without: 0,
        range: TimeRange::ALL,
        cursor: None,
        stats: Stats::default(),
    };
    let mut spans = sample::hostile_trace().spans;
    spans.truncate(3);
    Beside {
        marks: marks(&[], "payment", &detail.versions),
        exemplars: vec![
            ("Newest spans that failed".to_owned(), Ok(sample::page(spans))),
            ("Slow".to_owned(), Err(QueryError::Timeout("the time limit passed".to_owned()))),
        ],
        since: deployed(&[], "payment", &detail.versions),
        templates: Ok(templates),
        note: None,
    }
}

fn page(name: &str, address: &str, text: &str) -> String {
    let detail = detail(text);
    let page =
        view::found(&checks::visit(address), "0.1.0", &asked(address), &detail, &beside(&detail, text));
    let page = page.render().unwrap();
    checks::is_sound(name, &page);
    page
}

#[test]
fn all_of_a_service_is_shown() {
    let page = page("service", "/services/payment?t=now-1h", "POST /charges");
    for part in [
        "version 2.0 first seen",
        "since the deploy 2.0 at",
        "POST /charges &#60;*&#62;",
        "The time limit passed",
        "class=\"h5\"",
        "/explain?t=now-1h&#38;service=payment",
        "causeway services &#39;payment&#39;",
        "Called by",
        "data-source=\"/api/services/payment?",
        "changes are triangles",
    ] {
        assert!(page.to_lowercase().contains(&part.to_lowercase()), "{part}");
    }
    assert!(!page.contains("said before") && !page.contains("The selected box"));
}

#[test]
fn a_box_has_its_acts() {
    let sel = "2025-11-21T08:30:00Z..2025-11-21T08:40:00Z,100ms..";
    let page = page("service-box", &format!("/services/payment?t=now-1h&sel={sel}"), "x");
    for part in [
        "The selected box",
        "100 ms and longer",
        "duration%3E%3D100000000ns",
        "/compare?q=service%3Apayment&#38;sel=",
        "class=\"selected\"",
        "the selection is shaded",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn hostile_text_stays_text() {
    page("service-hostile", "/services/payment", HOSTILE);
}

#[test]
fn a_service_that_is_not_stored_says_so_with_names_like_it() {
    let asked = Asked { name: "pay".to_owned(), ..asked("/services/pay?t=now-1h") };
    let page = view::missing(&checks::visit("/services/pay"), "0.1.0", &asked, &sample::services())
        .render()
        .unwrap();
    checks::is_sound("service-missing", &page);
    assert!(
        page.contains("No span of <bdi>pay</bdi> in this time") && page.contains("/services/payment?t="),
        "{page}"
    );
    assert!(!page.contains("checkout"));
}

#[test]
fn wrong_parameters_are_named() {
    for address in ["/services/a?t=pink", "/services/a?sel=x", "/services/a?sel=1..2,x"] {
        let asked = Asked::of(&checks::visit(address), "a".to_owned(), None, UnixNanos(START));
        assert!(asked.is_err(), "{address}");
    }
}
