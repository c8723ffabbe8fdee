//! Sets of spans and joins, against a plain walk over all spans: fresh and compacted, page by page.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use super::*;
use crate::testing::{ids, rows, texts, times};

/// More traces than the first rounds look at.
const TRACES: usize = 600;
/// Spans of a trace.
const SPANS: usize = 4;
const SECOND: i64 = 1_000_000_000;

/// A span of a trace `number`, by its place: 0 the root, 1 and 2 below it, 3 below 2. The parent of the last one
/// is lost in every fifth trace.
#[derive(Clone, Copy)]
struct Placed {
    trace: usize,
    place: usize,
}

impl Placed {
    fn all() -> Vec<Self> {
        let places = |trace| (0..SPANS).map(move |place| Self { trace, place });
        (0..TRACES).flat_map(places).collect()
    }

    fn trace_id(self) -> [u8; 16] {
        let mut id = [7; 16];
        id[8..].copy_from_slice(&(self.trace as u64 + 1).to_be_bytes());
        id
    }

    fn parent(self) -> Option<usize> {
        match self.place {
            0 => None,
            3 if self.trace.is_multiple_of(5) => Some(9),
            3 => Some(2),
            _ => Some(0),
        }
    }

    fn service(self) -> &'static str {
        ["front", "cart", "stock", "db"][self.place]
    }

    fn failed(self) -> bool {
        (self.trace + self.place).is_multiple_of(3)
    }

    fn start(self) -> i64 {
        self.trace as i64 * SECOND + self.place as i64
    }

    fn name(self) -> String {
        format!("{}-{}", self.trace, self.place)
    }
}

fn span_id(place: usize) -> [u8; 8] {
    (place as u64 + 1).to_be_bytes()
}

fn fixture() -> Fixture {
    let all = Placed::all();
    let names: Vec<String> = all.iter().map(|span| span.name()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let of = |value: fn(&Placed) -> &'static str| texts(&all.iter().map(value).collect::<Vec<_>>());
    let starts: Vec<i64> = all.iter().map(|span| span.start()).collect();
    let ends: Vec<i64> = starts.iter().map(|start| start + 10).collect();
    let durations: ArrayRef = Arc::new(Int64Array::from(vec![10; all.len()]));
    let spans = rows(
        Signal::Spans,
        all.len(),
        &[
            ("trace_id", ids(&all.iter().map(|span| Some(span.trace_id())).collect::<Vec<_>>())),
            ("span_id", ids(&all.iter().map(|span| Some(span_id(span.place))).collect::<Vec<_>>())),
            ("parent_span_id", ids(&all.iter().map(|span| span.parent().map(span_id)).collect::<Vec<_>>())),
            ("service_name", of(|span| span.service())),
            ("name", texts(&names)),
            ("status_code", of(|span| if span.failed() { "error" } else { "ok" })),
            ("start_time", times(&starts)),
            ("end_time", times(&ends)),
            ("duration_ns", durations),
        ],
    );
    // Every fourth trace logs.
    let logged: Vec<Placed> =
        all.iter().copied().filter(|span| span.place == 0 && span.trace % 4 == 0).collect();
    let bodies: Vec<String> = logged.iter().map(|span| format!("refused {}", span.trace)).collect();
    let logs = rows(
        Signal::Logs,
        logged.len(),
        &[
            ("trace_id", ids(&logged.iter().map(|span| Some(span.trace_id())).collect::<Vec<_>>())),
            ("time", times(&logged.iter().map(|span| span.start()).collect::<Vec<_>>())),
            ("body", texts(&bodies.iter().map(String::as_str).collect::<Vec<_>>())),
            ("body_type", texts(&vec!["string"; logged.len()])),
        ],
    );
    Fixture::holding(Limits::default(), 1 << 30, vec![(Signal::Spans, spans), (Signal::Logs, logs)])
}

fn parent_of(span: Placed) -> Option<Placed> {
    span.parent().filter(|place| *place < SPANS).map(|place| Placed { place, ..span })
}

fn below(span: Placed, is: &dyn Fn(Placed) -> bool) -> bool {
    let mut at = parent_of(span);
    while let Some(above) = at {
        if is(above) {
            return true;
        }
        at = parent_of(above);
    }
    false
}

type Expected = fn(Placed) -> bool;

const OF_SPANS: &[(&str, Expected)] = &[
    ("{ service:front } > { service:cart }", |span| span.place == 1),
    ("{ service:front } > { service:db }", |_| false),
    ("{ service:front } >> { service:db }", |span| span.place == 3 && span.trace % 5 != 0),
    ("{ } > { }", |span| parent_of(span).is_some()),
    ("{ status:error } > { status:ok }", |span| {
        !span.failed() && parent_of(span).is_some_and(Placed::failed)
    }),
    ("{ status:error } >> { status:error }", |span| span.failed() && below(span, &Placed::failed)),
    ("{ service:front } > { service:stock } >> { service:db status:error }", |span| {
        span.place == 3 && span.failed() && span.trace % 5 != 0
    }),
    ("{ name:7-0 } >> { }", |span| span.trace == 7 && span.place > 0),
    ("{ service:front } > { } status:error", |span| matches!(span.place, 1 | 2) && span.failed()),
    ("NOT ({ } > { })", |span| parent_of(span).is_none()),
    ("({ name:7-0 } > { }) OR name:9-0", |span| {
        (span.trace == 7 && matches!(span.place, 1 | 2)) || (span.trace == 9 && span.place == 0)
    }),
    ("({ } > { service:db }) ({ status:error } > { })", |span| {
        span.place == 3 && parent_of(span).is_some_and(Placed::failed)
    }),
    ("trace in logs(refused) service:cart", |span| span.place == 1 && span.trace % 4 == 0),
    ("service:cart NOT trace in logs(refused)", |span| span.place == 1 && span.trace % 4 != 0),
    ("{ trace in logs(\"refused 8\") } > { }", |span| span.trace == 8 && parent_of(span).is_some()),
    ("trace in spans({ name:7-0 } > { service:cart })", |span| span.trace == 7),
];

fn pages(fixture: &Fixture, q: &str, limit: usize) -> Vec<String> {
    let mut question = Search { q: q.to_owned(), limit, ..Search::default() };
    let mut found = Vec::new();
    loop {
        let page = fixture.runtime.block_on(fixture.engine.spans(&fixture.reader, &question)).unwrap();
        assert_eq!(page.stats.partial, None, "{q}");
        found.extend(page.rows.into_iter().map(|span| span.name));
        question.cursor = page.cursor;
        if question.cursor.is_none() {
            return found;
        }
    }
}

#[test]
fn spans_are_found_by_what_stands_above_them() {
    let fixture = fixture();
    for state in ["fresh", "compacted"] {
        for (q, holds) in OF_SPANS {
            let mut expected: Vec<Placed> = Placed::all().into_iter().filter(|span| holds(*span)).collect();
            expected.sort_by_key(|span| std::cmp::Reverse(span.start()));
            let expected: Vec<String> = expected.into_iter().map(Placed::name).collect();
            let found = pages(&fixture, q, 4_000);
            assert_eq!(found.len(), expected.len(), "{state}: {q}");
            assert_eq!(found, expected, "{state}: {q}");
            if expected.len() < 300 {
                assert_eq!(pages(&fixture, q, 71), expected, "{state}: {q} page by page");
            }
        }
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}

#[test]
fn counts_of_sets_come_with_the_rows() {
    let fixture = fixture();
    let question = Search {
        q: "{ service:front } > { }".to_owned(),
        facets: vec!["service".into()],
        histogram: Some(3),
        limit: 2,
        ..Search::default()
    };
    let page = fixture.runtime.block_on(fixture.engine.spans(&fixture.reader, &question)).unwrap();
    assert_eq!((page.rows.len(), page.total), (2, Some(2 * TRACES as u64)));
    let counts: Vec<u64> = page.facets.unwrap()["service"].iter().map(|value| value.count).collect();
    assert_eq!(counts, [TRACES as u64, TRACES as u64]);
    assert_eq!(page.histogram.unwrap().iter().map(|bar| bar.count).sum::<u64>(), 2 * TRACES as u64);
    let page = fixture.runtime.block_on(fixture.engine.traces(&fixture.reader, &question)).unwrap();
    assert_eq!((page.rows.len(), page.total), (2, Some(2 * TRACES as u64)));
    let both = Search { q: "{ name:7-0 } AND { name:7-1 }".to_owned(), ..question };
    let page = fixture.runtime.block_on(fixture.engine.traces(&fixture.reader, &both)).unwrap();
    assert_eq!((page.rows.len(), page.total), (1, Some(2)));
}

/// A search, and of which traces it is true.
type Case = (&'static str, fn(usize) -> bool);

const OF_TRACES: &[Case] = &[
    ("", |_| true),
    ("status:error service:cart", |trace| (trace + 1) % 3 == 0),
    ("{ service:front status:error } > { service:stock }", |trace| trace % 3 == 0),
    ("{ service:stock } > { service:db }", |trace| trace % 5 != 0),
    ("{ service:front status:error } AND { service:cart status:ok }", |trace| trace % 3 == 0),
    ("{ service:front status:error } AND { service:cart status:error }", |_| false),
    ("{ name:7-0 } OR { name:9-3 }", |trace| trace == 7 || trace == 9),
    ("NOT { service:front status:error }", |trace| trace % 3 != 0),
    ("{ service:stock } > { service:db } AND NOT { service:cart status:error }", |trace| {
        trace % 5 != 0 && (trace + 1) % 3 != 0
    }),
    ("trace in logs(refused) { service:front status:error }", |trace| trace % 4 == 0 && trace % 3 == 0),
];

#[test]
fn traces_are_found_by_the_sets_they_have() {
    let fixture = fixture();
    for state in ["fresh", "compacted"] {
        for (q, holds) in OF_TRACES {
            let expected: Vec<i64> =
                (0..TRACES).rev().filter(|trace| holds(*trace)).map(|trace| trace as i64).collect();
            for limit in [70, 2_000] {
                let mut question = Search { q: (*q).to_owned(), limit, ..Search::default() };
                let mut found = Vec::new();
                // Some pages are enough where there are many.
                for _ in 0..8 {
                    let page =
                        fixture.runtime.block_on(fixture.engine.traces(&fixture.reader, &question)).unwrap();
                    assert_eq!(page.stats.partial, None, "{q}");
                    assert!(page.rows.iter().all(|trace| trace.span_count == SPANS as u64), "{q}");
                    found.extend(page.rows.iter().map(|trace| trace.start / SECOND));
                    question.cursor = page.cursor;
                    if question.cursor.is_none() {
                        break;
                    }
                }
                let whole = question.cursor.is_none();
                assert_eq!(found, expected[..found.len()], "{state}: {q} by {limit}");
                assert_eq!(whole, found.len() == expected.len(), "{state}: {q} by {limit}");
            }
        }
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}

#[test]
fn logs_are_found_by_the_spans_of_their_traces() {
    let fixture = fixture();
    let cases: [Case; 4] = [
        ("trace in spans(service:front status:error)", |trace| trace % 3 == 0),
        ("logs where refused NOT trace in spans(service:front status:error)", |trace| trace % 3 != 0),
        ("trace in spans({ service:stock } > { service:db })", |trace| trace % 5 != 0),
        ("trace in spans(name:8-1) OR \"refused 12\"", |trace| trace == 8 || trace == 12),
    ];
    for state in ["fresh", "compacted"] {
        for (q, holds) in cases {
            let logged = (0..TRACES).rev().filter(|trace| trace % 4 == 0 && holds(*trace));
            let expected: Vec<String> = logged.map(|trace| format!("refused {trace}")).collect();
            let question = Search { q: q.to_owned(), limit: 1_000, ..Search::default() };
            let page = fixture.runtime.block_on(fixture.engine.logs(&fixture.reader, &question)).unwrap();
            assert_eq!(page.stats.partial, None, "{q}");
            let found: Vec<String> =
                page.rows.iter().filter_map(|log| log.body.as_str()).map(str::to_owned).collect();
            assert_eq!(found, expected, "{state}: {q}");
        }
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}
