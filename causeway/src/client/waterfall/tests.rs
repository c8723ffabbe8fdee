//! Waterfalls as text, whole.

use serde_json::{Map, json};

use super::*;

const START: i64 = 1_795_252_443_000_000_000;
const MS: i64 = 1_000_000;

fn span(id: &str, parent: Option<&str>, at_ms: i64, long_ms: i64, service: &str, name: &str) -> Span {
    Span {
        id: id.to_owned(),
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        span_id: id.to_owned(),
        parent_span_id: parent.map(str::to_owned),
        name: name.to_owned(),
        kind: "server".to_owned(),
        service: service.to_owned(),
        instance: None,
        start: START + at_ms * MS,
        duration_ns: long_ms * MS,
        status: "unset".to_owned(),
        status_message: None,
        attributes: Map::new(),
        resource: Map::new(),
        scope: Default::default(),
        events: Vec::new(),
        links: Vec::new(),
    }
}

fn log(span: Option<&str>, at_ms: i64, severity: &str, body: &str) -> Log {
    Log {
        id: "1".to_owned(),
        time: START + at_ms * MS,
        observed_time: None,
        severity: Some(severity.to_owned()),
        severity_number: None,
        severity_text: None,
        body: json!(body),
        service: "any".to_owned(),
        instance: None,
        trace_id: None,
        span_id: span.map(str::to_owned),
        event_name: None,
        template_id: None,
        variables: Vec::new(),
        attributes: Map::new(),
        resource: Map::new(),
        scope: Default::default(),
    }
}

fn trace(long_ms: i64, spans: Vec<Span>, logs: Vec<Log>) -> Trace {
    Trace {
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        start: START,
        duration_ns: long_ms * MS,
        spans,
        logs,
        warnings: Vec::new(),
        truncated: false,
    }
}

fn lines(trace: &Trace, width: usize, on: bool) -> Vec<String> {
    let mut lines = Vec::new();
    render(trace, width, Paint { on }, &mut |line| {
        lines.push(line.trim_end().to_owned());
        Ok(())
    })
    .unwrap();
    lines
}

fn check(trace: &Trace, width: usize, expected: &str) {
    let text = lines(trace, width, false).join("\n");
    assert_eq!(text, expected.trim_matches('\n'), "\n{text}\n");
}

fn shop() -> Trace {
    let mut charge = span("c", Some("b"), 50, 25, "payment", "charge");
    charge.status = "error".to_owned();
    charge.status_message = Some("card declined".to_owned());
    charge.events.push(Event {
        time: START + 70 * MS,
        name: "exception".to_owned(),
        attributes: json!({"exception.type": "CardError", "exception.message": "no\nfunds"})
            .as_object()
            .unwrap()
            .clone(),
    });
    let mut cart =
        span("d", Some("a"), 0, 25, "cart", "GET /cart/{id} with a name that is too long to be shown");
    cart.events.push(Event {
        time: START + 10 * MS,
        name: "cache.miss".to_owned(),
        attributes: json!({"key": "user:7", "size": 3}).as_object().unwrap().clone(),
    });
    trace(
        100,
        vec![
            span("a", None, 0, 100, "frontend", "GET /checkout"),
            cart,
            span("b", Some("a"), 25, 50, "checkout", "POST /orders"),
            charge,
        ],
        vec![
            log(Some("a"), 1, "info", "checkout began"),
            log(Some("c"), 60, "error", "card refused \u{1b}[2J by the bank"),
            log(None, 90, "warn", "nobody's log"),
            log(Some("unknown"), 95, "debug", "a log of a span that is not stored"),
        ],
    )
}

#[test]
fn a_trace_with_logs_and_events() {
    check(
        &shop(),
        80,
        "
trace 0af7651916cd43dd8448eb211c80319c  frontend GET /checkout
2026-11-21 09:14:03.000  100 ms  4 spans  1 error  4 logs
4 services: cart, checkout, frontend, payment

frontend GET /checkout                  100 ms  ████████████████████████████████
├ cart GET /cart/{id} with a name…     25.0 ms  ████████
│ └ +10.0 ms event cache.miss key=user:7 size=3
├ +1.00 ms info  checkout began
└ checkout POST /orders                50.0 ms          ████████████████
  └ ✗ payment charge                   25.0 ms                  ████████
    ├ ✗ card declined
    ├ +60.0 ms error card refused \\u{1b}[2J by the bank
    └ +70.0 ms event exception CardError: no\\nfunds
logs outside the spans above
├ +90.0 ms warn  nobody's log
└ +95.0 ms debug a log of a span that is not stored
",
    );
}

#[test]
fn missing_parents_and_circles_are_said() {
    let spans = vec![
        span("a", None, 0, 80, "s", "root"),
        span("m1", Some("gone"), 10, 10, "s", "orphan"),
        span("x", Some("y"), 20, 10, "s", "first of a circle"),
        span("y", Some("x"), 30, 10, "s", "second of a circle"),
        span("z", Some("y"), 40, 10, "s", "under a circle"),
        span("self", Some("self"), 50, 10, "s", "its own parent"),
        span("m2", Some("gone"), 60, 10, "s", "orphan too"),
        span("a", Some("x"), 70, 10, "s", "an id twice"),
    ];
    check(
        &trace(80, spans, vec![log(Some("gone"), 35, "info", "log of the missing parent")]),
        60,
        "
trace 0af7651916cd43dd8448eb211c80319c  s root
2026-11-21 09:14:03.000  80.0 ms  8 spans  0 errors  1 log
1 service: s

s root                     80.0 ms  ████████████████████████
… missing parent gone
├ s orphan                 10.0 ms     ███
├ +35.0 ms info  log of the missing parent
└ s orphan too             10.0 ms                    ███
… parents in a circle
└ s first of a circle      10.0 ms        ███
  ├ s second of a cir…     10.0 ms           ███
  │ └ s under a circle     10.0 ms              ███
  └ s an id twice          10.0 ms                       ███
… parents in a circle
└ s its own parent         10.0 ms                 ███
",
    );
}

#[test]
fn odd_times_stay_in_the_picture() {
    let mut before = span("b", Some("a"), -5, 10, "s", "before the trace");
    before.duration_ns = 10 * MS;
    let mut negative = span("c", Some("a"), 10, -5, "s", "negative");
    negative.status = "ok".to_owned();
    let spans = vec![
        before,
        span("a", None, 0, 20, "s", "root"),
        negative,
        span("d", Some("a"), 30, 10, "s", "after the trace"),
        span("e", Some("a"), i64::MAX / MS - START / MS, 10, "s", "at the end of time"),
    ];
    let shown = lines(&trace(20, spans, Vec::new()), 60, false);
    assert_eq!(
        shown[4..],
        [
            "s root                     20.0 ms  ████████████████████████",
            "├ s before the trace       10.0 ms  ██████",
            "├ s negative              -5.00 ms              ▏",
            "├ s after the trace        10.0 ms                         ▕",
            "└ s at the end of time     10.0 ms                         ▕",
        ]
    );
    let still = lines(&trace(0, vec![span("a", None, 0, 0, "s", "root")], Vec::new()), 60, false);
    assert_eq!(still[4], "s root                        0 ns  ▏");
}

#[test]
fn a_trace_of_logs_only() {
    check(
        &trace(5, Vec::new(), vec![log(Some("x"), 5, "info", "alone")]),
        60,
        "
trace 0af7651916cd43dd8448eb211c80319c
2026-11-21 09:14:03.000  5.00 ms  0 spans  0 errors  1 log

logs outside the spans above
└ +5.00 ms info  alone
",
    );
}

#[test]
fn bars_by_eighths() {
    for (from, to, bar) in [
        (0, 1, "▏"),
        (0, 8, "█"),
        (3, 5, "▎"),
        (4, 8, "▐"),
        (7, 8, "▕"),
        (8, 17, " █▏"),
        (12, 24, " ▐█"),
        (15, 20, " ▕▌"),
        (2, 32, "████"),
    ] {
        assert_eq!(blocks(from, to), bar, "{from} {to}");
    }
}

/// Spans and headings of a trace of which every span names the one before it, and the first `first`: how many
/// lines, and the most levels.
fn chain(length: usize, first: Option<&str>) -> (usize, usize) {
    let spans = (0..length).map(|at| {
        let above = at.checked_sub(1).map(|above| above.to_string());
        span(&at.to_string(), above.as_deref().or(first), 0, 1, "s", "n")
    });
    let trace = trace(1, spans.collect(), Vec::new());
    let (mut lines, mut deepest) = (0, 0);
    let walked = Tree::new(&trace).walk(&mut |levels, _| {
        lines += 1;
        deepest = deepest.max(levels.len());
        Ok(())
    });
    walked.unwrap();
    (lines, deepest)
}

#[test]
fn chains_and_circles_of_any_length_end() {
    const LENGTH: usize = 100_000;
    assert_eq!(chain(LENGTH, None), (LENGTH, LENGTH - 1));
    assert_eq!(chain(LENGTH, Some("99999")), (LENGTH + 1, LENGTH));
    assert_eq!(chain(LENGTH, Some("gone")), (LENGTH + 1, LENGTH));
}

#[test]
fn levels_too_deep_to_draw_are_counted() {
    let empty = trace(1, Vec::new(), Vec::new());
    let view = View::new(&empty, 60, Paint { on: false });
    let deep = |levels| view.prefix(&vec![false; levels]);
    assert_eq!([deep(0), deep(1), deep(5)], ["", "└ ", "        └ "]);
    assert_eq!([deep(6), deep(100_000)], ["+1         └ ", "+99995         └ "]);
    let name = view.line(&vec![true; 100_000], &Node::Span(&span("a", None, 0, 1, "service", "name")));
    assert!(name.starts_with("+99995 │ │ │ │ ├ serv…") && columns(&name) <= 60, "{name}");
}

#[test]
fn errors_are_red_and_lines_keep_their_width() {
    let shown = lines(&shop(), 80, true);
    let failed = shown.iter().find(|line| line.contains("charge")).unwrap();
    assert!(failed.contains("\u{1b}[31m✗ "), "{failed:?}");
    assert!(shown.iter().all(|line| columns(line) <= 80));
}
