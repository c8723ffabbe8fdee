use std::sync::Arc;

use arrow::array::Int64Array;
use model::{UnixNanos, predicate};

use super::*;
use crate::engine::Limits;
use crate::testing::{Fixture, ids, rows, texts, times};

const SPANS: usize = 400;

/// A span every millisecond; the last quarter is slow and nearly all of it is of another version.
fn fixture() -> Fixture {
    let numbers: Vec<usize> = (0..SPANS).collect();
    let is_slow = |number: usize| number >= SPANS * 3 / 4;
    let is_new =
        |number: usize| if is_slow(number) { !number.is_multiple_of(50) } else { number.is_multiple_of(50) };
    let attributes: Vec<String> = numbers
        .iter()
        .map(|number| format!(r#"{{"http.route":"/cart","request":"r{number}","shard":{}}}"#, number % 2))
        .collect();
    let versions: Vec<&str> =
        numbers.iter().map(|number| if is_new(*number) { "2.0" } else { "1.0" }).collect();
    let resources: Vec<String> =
        versions.iter().map(|version| format!(r#"{{"service.version":"{version}"}}"#)).collect();
    let text =
        |texts: &[String]| crate::testing::texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let id = |number: usize| (number as u64 + 1).to_be_bytes();
    let batch = rows(
        Signal::Spans,
        SPANS,
        &[
            (
                "trace_id",
                ids(&numbers
                    .iter()
                    .map(|number| {
                        let mut trace = [0; 16];
                        trace[8..].copy_from_slice(&id(*number));
                        Some(trace)
                    })
                    .collect::<Vec<_>>()),
            ),
            ("span_id", ids(&numbers.iter().map(|number| Some(id(*number))).collect::<Vec<_>>())),
            ("service_name", texts(&vec!["cart"; SPANS])),
            ("service_version", texts(&versions)),
            (
                "start_time",
                times(&numbers.iter().map(|number| *number as i64 * 1_000_000).collect::<Vec<_>>()),
            ),
            (
                "duration_ns",
                Arc::new(Int64Array::from_iter_values(
                    numbers.iter().map(|number| if is_slow(*number) { 900 } else { 100 }),
                )),
            ),
            ("attributes", text(&attributes)),
            ("resource_attributes", text(&resources)),
        ],
    );
    Fixture::holding(Limits { nice: 0, ..Limits::default() }, 1 << 30, vec![(Signal::Spans, batch)])
}

fn ask(fixture: &Fixture, question: &CompareQuestion) -> Result<Comparison, QueryError> {
    fixture.runtime.block_on(fixture.engine.compare(&fixture.reader, question))
}

fn slow() -> CompareQuestion {
    CompareQuestion {
        selection: SpanBox { low: Some(500), ..SpanBox::default() },
        limit: 10,
        ..CompareQuestion::default()
    }
}

#[test]
fn what_differs_is_listed_and_what_is_alike_is_not() {
    let fixture = fixture();
    for state in ["fresh", "compacted"] {
        let found = ask(&fixture, &slow()).unwrap();
        assert_eq!((found.selection, found.baseline), (100, 300), "{state}");
        let mut listed: Vec<_> = found
            .differences
            .iter()
            .map(|one| (one.key.as_str(), one.value.as_str(), one.selection.count, one.baseline.count))
            .collect();
        // As far apart as each other: which is first does not matter.
        listed.sort_unstable();
        assert_eq!(listed, [("version", "1.0", 2, 294), ("version", "2.0", 98, 6)], "{state}");
        assert!(found.differences.iter().all(|one| one.p_value < 1e-9));
        assert_eq!((found.differing, found.stats.partial), (2, None));
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}

#[test]
fn a_side_is_what_its_box_and_the_search_say() {
    let fixture = fixture();
    let half = Some(UnixNanos(200_000_000));
    let first = TimeRange { from: None, to: half };
    let cases = [
        ("", SpanBox::default(), SpanBox::default(), (400, 0)),
        ("version:2.0", SpanBox { low: Some(500), ..SpanBox::default() }, SpanBox::default(), (98, 6)),
        ("", SpanBox { range: first, ..SpanBox::default() }, SpanBox::default(), (200, 200)),
        (
            "",
            SpanBox { range: first, high: Some(100), ..SpanBox::default() },
            SpanBox { range: first, ..SpanBox::default() },
            (0, 200),
        ),
        ("service:none", SpanBox::default(), SpanBox::default(), (0, 0)),
    ];
    for (q, selection, baseline, expected) in cases {
        let question = CompareQuestion { q: q.to_owned(), selection, baseline, limit: 10 };
        let found = ask(&fixture, &question).unwrap();
        assert_eq!((found.selection, found.baseline), expected, "{q} {selection:?}");
    }
}

#[test]
fn wrong_questions_are_named() {
    let fixture = fixture();
    for (question, part) in [
        (CompareQuestion { q: "a AND".to_owned(), ..slow() }, "ends where"),
        (CompareQuestion { limit: DIFFERENCES_MAX + 1, ..slow() }, "1000 at most"),
        (
            CompareQuestion {
                baseline: SpanBox { low: Some(5), high: Some(5), ..SpanBox::default() },
                ..slow()
            },
            "the baseline ends before it begins",
        ),
    ] {
        let error = ask(&fixture, &question).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn chance_is_that_of_two_proportions() {
    for (counts, spans, low, high) in [
        ([50, 50], [100, 100], 0.99, 1.0),
        ([60, 50], [100, 100], 0.19, 0.21),
        ([100, 0], [100, 100], 0.0, 1e-30),
        ([5, 0], [5, 0], 1.0, 1.0),
        ([0, 0], [10, 10], 1.0, 1.0),
    ] {
        let found = chance(counts, spans);
        assert!((low..=high).contains(&found), "{counts:?} of {spans:?}: {found}");
    }
    // The tests read rows whose predicate asks about one row, too.
    assert!(predicate::Predicate::All.is_of_one_row());
}
