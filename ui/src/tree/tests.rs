use query::rows::Trace;

use super::*;
use crate::sample;

/// Lays out spans written `id parent start`, `-` for none, and logs written `span time`, and writes the rows
/// back with two blanks for each level.
fn check(spans: &[&str], logs: &[&str], expected: &str) {
    let trace = sample::trace_of(spans, logs);
    assert_eq!(drawn(&trace, &layout(&trace)), expected, "{spans:?} {logs:?}");
}

fn drawn(trace: &Trace, layout: &Layout) -> String {
    let lines = layout.rows.iter().map(|row| {
        let name = match row.item {
            Item::Span(span) => trace.spans[span].span_id.clone(),
            Item::Event(span, event) => format!("event {}", trace.spans[span].events[event].name),
            Item::Log(log) => format!("log {}", trace.logs[log].time),
            Item::Gap(gap) => format!("{:?}", layout.gaps[gap]),
        };
        format!("{}{name}\n", "  ".repeat(row.depth))
    });
    lines.collect()
}

#[test]
fn children_stand_in_order_of_time_under_their_parents() {
    check(&["a - 0", "b a 10", "c b 12", "d a 11"], &[], "a\n  b\n    c\n  d\n");
    check(&["a - 0", "b a 10", "c - 5"], &[], "a\n  b\nc\n");
}

#[test]
fn logs_stand_among_the_spans_at_their_time() {
    check(
        &["a - 0", "b a 10"],
        &["a 5", "a 10", "a 11", "b 12"],
        "a\n  log 5\n  log 10\n  b\n    log 12\n  log 11\n",
    );
}

#[test]
fn logs_without_a_span_stand_under_the_trace() {
    check(&["a - 0"], &["- 3"], "a\nlog 3\n");
    check(&[], &["- 3", "- 4"], "log 3\nlog 4\n");
}

#[test]
fn what_misses_its_parent_hangs_under_a_gap() {
    check(
        &["a - 0", "c b 3", "d b 2", "e c 4"],
        &["b 1", "x 9"],
        "a\nMissing(\"b\")\n  log 1\n  d\n  c\n    e\nMissing(\"x\")\n  log 9\n",
    );
}

#[test]
fn rings_are_cut_at_their_earliest_span() {
    check(&["a a 0"], &[], "Cycle\n  a\n");
    check(
        &["a c 2", "b a 1", "c b 0", "d a 5"],
        &["b 7"],
        "Cycle\n  c\n    a\n      b\n        log 7\n      d\n",
    );
    check(&["a - 0", "x y 1", "y x 2", "p q 3", "q p 4"], &[], "a\nCycle\n  x\n    y\nCycle\n  p\n    q\n");
}

#[test]
fn spans_that_share_an_id_all_appear() {
    check(&["a - 0", "b a 1", "b a 2", "c b 3"], &["b 4"], "a\n  b\n    c\n    log 4\n  b\n");
    check(&["a - 0", "b a 1", "b b 2"], &[], "a\n  b\n    b\n");
    check(&["a - 0", "a - 0"], &[], "a\na\n");
}

#[test]
fn an_empty_trace_has_no_rows() {
    check(&[], &[], "");
}

#[test]
fn events_are_rows_of_their_span() {
    let mut trace = sample::trace_of(&["a - 0", "b a 10"], &["a 4"]);
    for (time, name) in [(4, "retry"), (20, "done")] {
        trace.spans[0].events.push(sample::event(time, name));
    }
    assert_eq!(drawn(&trace, &layout(&trace)), "a\n  event retry\n  log 4\n  b\n  event done\n");
}

#[test]
fn lines_go_on_while_siblings_follow() {
    let trace = sample::trace_of(&["a - 0", "b a 1", "c b 2", "d a 3"], &[]);
    let guides: Vec<_> =
        layout(&trace).rows.iter().map(|row| (row.depth, row.guides, row.children)).collect();
    assert_eq!(guides, [(0, 0, 2), (1, 0b1, 1), (2, 0b1, 0), (1, 0, 0)]);
}

#[test]
fn depth_breaks_nothing() {
    const DEPTH: usize = 100_000;
    for closed in [false, true] {
        let trace = sample::chain(DEPTH, closed);
        let layout = layout(&trace);
        let gaps = usize::from(closed);
        assert_eq!(layout.rows.len(), DEPTH + gaps);
        assert_eq!(layout.rows.last().unwrap().depth, DEPTH - 1 + gaps);
    }
}

#[test]
fn every_row_appears_once_however_parents_are_named() {
    // Every way in which four spans can name parents among each other, themselves, a missing one and none.
    for code in 0..6_usize.pow(4) {
        let spans: Vec<String> = (0..4)
            .map(|span| {
                let parent = ["0", "1", "2", "3", "gone", "-"][code / 6_usize.pow(span) % 6];
                format!("{span} {parent} {span}")
            })
            .collect();
        let spans: Vec<&str> = spans.iter().map(String::as_str).collect();
        let trace = sample::trace_of(&spans, &["2 9"]);
        let mut shown: Vec<_> = layout(&trace)
            .rows
            .iter()
            .map(|row| row.item)
            .filter(|item| !matches!(item, Item::Gap(_)))
            .collect();
        shown.sort_by_key(|item| format!("{item:?}"));
        assert_eq!(
            shown,
            [Item::Log(0), Item::Span(0), Item::Span(1), Item::Span(2), Item::Span(3)],
            "{spans:?}"
        );
    }
}
