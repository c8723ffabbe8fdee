use askama::Template;
use query::rows::Stats;
use query::{Alignment, Comparison, Difference, PathRow, PathSpans, Share, TraceSide};

use super::*;
use crate::pages::checks;
use crate::sample::HOSTILE;

const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);
const LEFT: &str = "0af7651916cd43dd8448eb211c80319c";
const RIGHT: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn boxes(address: &str) -> Boxes {
    match Asked::of(&checks::visit(address), NOW).unwrap() {
        Asked::Spans(boxes) => *boxes,
        other => panic!("{address}: {other:?}"),
    }
}

fn found(key: &str, value: &str) -> Comparison {
    let share = |count: u64, share: f64| Share { count, share };
    let difference = |key: &str, value: &str, [a, b]: [f64; 2]| Difference {
        key: key.to_owned(),
        value: value.to_owned(),
        selection: share((a * 100.0) as u64, a),
        baseline: share((b * 300.0) as u64, b),
        p_value: 1e-40,
    };
    Comparison {
        selection: 100,
        baseline: 300,
        differences: vec![difference(key, value, [0.96, 0.03]), difference("version", "1.41", [0.04, 0.97])],
        tested: 120,
        differing: 90,
        stats: Stats::default(),
    }
}

#[test]
fn a_baseline_is_chosen_where_the_address_has_none() {
    for (address, expected, why) in [
        ("/compare?sel=1000..2000&vs=1..2", "1..2", None),
        ("/compare?sel=1000..2000,1s..&t=now-1h", "now-1h", Some("the rest of the time of the page")),
        ("/compare?sel=1000..2000,1s..", "1000..2000", Some("the other durations of the same time")),
        (
            "/compare?sel=1000..2000",
            "1970-01-01T00:00:00Z..1970-01-01T00:16:40Z",
            Some("as long a time just before"),
        ),
        ("/compare?sel=..2000", "", Some("everything else")),
    ] {
        let boxes = boxes(address);
        assert_eq!((boxes.baseline.text.as_str(), boxes.chosen), (expected, why), "{address}");
    }
}

#[test]
fn wrong_addresses_are_named() {
    for (address, name) in [
        ("/compare?sel=x", "sel"),
        ("/compare?sel=1..2,1", "sel"),
        ("/compare?sel=1..2&vs=x", "vs"),
        ("/compare?sel=1..2&t=x", "t"),
        ("/compare?sel=1..2&q=a&q=b", "q"),
    ] {
        let wrong = Asked::of(&checks::visit(address), NOW).unwrap_err();
        assert_eq!(wrong.name, name, "{address}");
    }
    for (sel, vs, name) in [(LEFT, "", "vs"), ("", RIGHT, "sel"), (LEFT, "1..2", "vs")] {
        let wrong = Asked::of(&checks::visit(&format!("/compare?sel={sel}&vs={vs}")), NOW).unwrap_err();
        assert_eq!(wrong.name, name);
    }
}

#[test]
fn what_differs_is_shown_as_text() {
    let address = "/compare?q=service:cart&sel=1000..2000,1s..&t=now-1h";
    let visit = checks::visit(address);
    let page = attributes::view(&visit, "0.1.0", &boxes(address), &found("service.version", "1.42"))
        .render()
        .unwrap();
    checks::is_sound("compare", &page);
    for part in [
        "96 %",
        "+93.0",
        "−93.0",
        "90 pairs of 120 differ; 88 more are in the JSON",
        "/api/compare?q=service%3Acart&#38;from=1000000000000",
        "low=1000000000",
        "the rest of the time of the page",
        "service.version%3A1.42",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let page = attributes::view(&visit, "0.1.0", &boxes(address), &found(HOSTILE, HOSTILE)).render().unwrap();
    checks::is_sound("compare-hostile", &page);
    let none = Comparison { differences: Vec::new(), differing: 0, ..found("a", "b") };
    let page = attributes::view(&visit, "0.1.0", &boxes(address), &none).render().unwrap();
    checks::is_sound("compare-none", &page);
    assert!(page.contains("No attribute differs"));
    let page = attributes::empty(&checks::visit("/compare"), "0.1.0").render().unwrap();
    checks::is_sound("compare-empty", &page);
}

#[test]
fn traces_are_shown_beside_one_another() {
    let address = format!("/compare?sel={LEFT}&vs={RIGHT}");
    assert!(matches!(Asked::of(&checks::visit(&address), NOW), Ok(Asked::Traces(..))));
    let side = |id: &str| TraceSide {
        trace_id: id.to_owned(),
        root: Some((HOSTILE.to_owned(), HOSTILE.to_owned())),
        duration_ns: 5_000_000,
        spans: 3,
        errors: 1,
        warnings: vec![HOSTILE.to_owned()],
    };
    let spans = PathSpans {
        count: 2,
        total_ns: 9_000_000,
        errors: 1,
        span_id: "b7ad6b7169203331".to_owned(),
        start_ns: 0,
    };
    let path = |depth, state: &str, left: Option<PathSpans>| PathRow {
        depth,
        service: HOSTILE.to_owned(),
        name: HOSTILE.to_owned(),
        kind: "server".to_owned(),
        left,
        right: None,
        state: state.to_owned(),
        difference_ns: 9_000_000,
    };
    let alignment = Alignment {
        left: side(LEFT),
        right: side(RIGHT),
        paths: vec![path(0, "added", Some(spans)), path(500, "same", None)],
    };
    let page = traces::view(&checks::visit(&address), "0.1.0", &alignment).render().unwrap();
    checks::is_sound("compare-traces", &page);
    for part in ["1 added, 0 missing", "+9.00 ms", "2 ×", "500 deep", &format!("/compare?sel={RIGHT}")] {
        assert!(page.contains(part), "{part}");
    }
}
