use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use model::schema;
use proptest::prelude::*;

use super::*;
use crate::engine::Limits;
use crate::outline::{Row, Sort};
use crate::rows::RowDetail;
use crate::testing::{self, Fixture, ids, texts, times};

const TRACE: [u8; 16] = [7; 16];
const MEMORY: usize = 1 << 30;

fn id() -> TraceId {
    TraceId::from_bytes(&TRACE).unwrap()
}

fn span_id(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// Number, number of the parent or 0, start, duration. Spans of odd numbers failed.
type SpanOf = (u64, u64, i64, i64);

fn spans(spans: &[SpanOf]) -> RecordBatch {
    let ids_of = |number: fn(&SpanOf) -> u64| {
        let numbers = spans.iter().map(number);
        ids(&numbers.map(|number| (number > 0).then(|| span_id(number))).collect::<Vec<_>>())
    };
    let names: Vec<String> = spans.iter().map(|span| format!("work {}", span.0)).collect();
    let status = |span: &SpanOf| if span.0 % 2 == 1 { "error" } else { "ok" };
    let starts: Vec<i64> = spans.iter().map(|span| span.2).collect();
    let durations: Vec<i64> = spans.iter().map(|span| span.3).collect();
    let services: Vec<&str> = spans.iter().map(|span| if span.0 < 5 { "cart" } else { "payment" }).collect();
    testing::rows(
        Signal::Spans,
        spans.len(),
        &[
            ("trace_id", ids(&vec![Some(TRACE); spans.len()])),
            ("span_id", ids_of(|span| span.0)),
            ("parent_span_id", ids_of(|span| span.1)),
            ("service_name", texts(&services)),
            ("name", Arc::new(StringArray::from(names))),
            ("kind", texts(&vec!["server"; spans.len()])),
            ("status_code", texts(&spans.iter().map(status).collect::<Vec<_>>())),
            ("start_time", times(&starts)),
            ("end_time", times(&starts)),
            ("duration_ns", Arc::new(Int64Array::from(durations))),
            ("events", events(spans)),
        ],
    )
}

/// Every span whose number can be divided by ten has two events, the later one first.
fn events(spans: &[SpanOf]) -> ArrayRef {
    let has = |span: &SpanOf| span.0.is_multiple_of(10);
    let lengths = spans.iter().map(|span| if has(span) { 2 } else { 0 });
    let with: Vec<&SpanOf> = spans.iter().filter(|span| has(span)).collect();
    let all: Vec<i64> = with.iter().flat_map(|span| [span.2 + 2, span.2 + 1]).collect();
    let names = ["exception", "retry"].repeat(with.len());
    let columns: Vec<ArrayRef> = vec![
        times(&all),
        texts(&names),
        texts(&vec!["{}"; names.len()]),
        Arc::new(Int64Array::from(vec![0; names.len()])),
    ];
    let fields = schema::event_fields();
    let items = StructArray::new(fields.clone(), columns, None);
    let item = Field::new_list_field(DataType::Struct(fields), false);
    Arc::new(ListArray::new(Arc::new(item), OffsetBuffer::from_lengths(lengths), Arc::new(items), None))
}

/// Number of the span or 0, and time.
fn logs(logs: &[(u64, i64)]) -> RecordBatch {
    let of = logs.iter().map(|log| (log.0 > 0).then(|| span_id(log.0)));
    let all: Vec<i64> = logs.iter().map(|log| log.1).collect();
    testing::rows(
        Signal::Logs,
        logs.len(),
        &[
            ("trace_id", ids(&vec![Some(TRACE); logs.len()])),
            ("span_id", ids(&of.collect::<Vec<_>>())),
            ("service_name", texts(&vec!["cart"; logs.len()])),
            ("time", times(&all)),
            ("severity_number", Arc::new(Int64Array::from(vec![9; logs.len()]))),
            ("body", texts(&vec!["a line"; logs.len()])),
            ("body_type", texts(&vec!["string"; logs.len()])),
        ],
    )
}

fn holding(batches: Vec<(Signal, RecordBatch)>) -> Fixture {
    Fixture::holding(Limits { nice: 0, ..Limits::default() }, MEMORY, batches)
}

fn asked(fixture: &Fixture, token: Option<Token>) -> DecodedOutline {
    fixture.runtime.block_on(fixture.engine.decoded_outline(&fixture.reader, id(), token)).unwrap()
}

/// The rows as lines: depth as dots, what it is, its start, and marks.
fn lines(outline: &Decoded) -> Vec<String> {
    let mut depths: Vec<usize> = Vec::new();
    let mut lines = Vec::new();
    for (number, row) in outline.rows.iter().enumerate() {
        let depth = if row.distance == 0 { 0 } else { depths[number - row.distance as usize] + 1 };
        depths.push(depth);
        let what = match (row.flags.sort(), row.flags.level()) {
            (Sort::Log, level) => format!("log {level}"),
            (Sort::Gap, Flags::CYCLE) => "cycle".to_owned(),
            (Sort::Gap, _) => "gap".to_owned(),
            _ => outline.names[row.name as usize].clone(),
        };
        let marks = [(Flags::FAILED, "!"), (Flags::EARLY, "<"), (Flags::REPEATED, "=")];
        let marks = marks.iter().filter(|(mark, _)| row.flags.has(*mark)).map(|(_, sign)| *sign);
        let marks: String = marks.collect();
        lines.push(format!("{}{what} @{}{marks}", ".".repeat(depth), row.start));
    }
    lines
}

/// What is odd, spans, logs, the rows, and what a reader is told.
type OddTrace = (
    &'static str,
    &'static [SpanOf],
    &'static [(u64, i64)],
    &'static [&'static str],
    &'static [&'static str],
);

#[test]
fn rows_are_in_order_whatever_is_odd() {
    let cases: [OddTrace; 6] = [
        (
            "children, events and logs by time under their span",
            &[(4, 2, 30, 5), (2, 0, 10, 90), (10, 2, 20, 9), (6, 10, 21, 1)],
            &[(10, 21), (0, 5), (2, 99)],
            &[
                "log 3 @0",
                "work 2 @5",
                ".work 10 @15",
                "..retry @16",
                "..log 3 @16",
                "..work 6 @16",
                "..exception @17!",
                ".work 4 @25",
                ".log 3 @94",
            ],
            &[],
        ),
        (
            "parents that are not stored",
            &[(2, 0, 10, 10), (4, 99, 5, 1), (6, 99, 7, 1), (8, 98, 3, 1)],
            &[(97, 8)],
            &[
                "work 2 @7",
                "gap @0",
                ".work 8 @0",
                "gap @2",
                ".work 4 @2",
                ".work 6 @4",
                "gap @5",
                ".log 3 @5",
            ],
            &[
                "3 spans have a parent that is not stored (3 parents missing)",
                "1 log names a span that is not stored",
            ],
        ),
        (
            "rings",
            &[(2, 4, 10, 5), (4, 6, 5, 5), (6, 2, 7, 5), (8, 8, 1, 1), (12, 6, 8, 1)],
            &[],
            &[
                "cycle @0",
                ".work 8 @0",
                "cycle @4",
                ".work 4 @4",
                "..work 2 @9",
                "...work 6 @6<",
                "....work 12 @7",
            ],
            &[
                "1 span begins before the parent, by up to 3 ns: clocks disagree",
                "2 rings of spans that are each other's ancestors, cut at the earliest",
            ],
        ),
        (
            "one id twice",
            &[(2, 0, 5, 5), (2, 0, 1, 9), (4, 2, 2, 1)],
            &[],
            &["work 2 @0", ".work 4 @1", "work 2 @4="],
            &["1 span repeats the id of another span"],
        ),
        (
            "clocks",
            &[(2, 0, 10, -5), (3, 2, 9, 1), (5, 2, 3, 1)],
            &[],
            &["work 2 @7", ".work 5 @0!<", ".work 3 @6!<"],
            &[
                "2 spans begin before the parent, by up to 7 ns: clocks disagree",
                "1 span ends before beginning, as recorded",
            ],
        ),
        (
            "far apart",
            &[(2, 0, i64::MIN, 1), (4, 2, i64::MAX, i64::MAX)],
            &[],
            &["work 2 @0", ".work 4 @9007199254740991"],
            &["1 row stands more than 104 days from the start, and are drawn there"],
        ),
    ];
    for (what, spans_of, logs_of, expected, warnings) in cases {
        let mut batches = vec![(Signal::Spans, spans(spans_of))];
        batches.extend((!logs_of.is_empty()).then(|| (Signal::Logs, logs(logs_of))));
        let fixture = holding(batches);
        for state in ["fresh", "compacted"] {
            let outline = asked(&fixture, None);
            assert_eq!(lines(&outline), expected, "{what}, {state}");
            assert_eq!(outline.head.warnings, warnings, "{what}, {state}");
            fixture.runtime.block_on(fixture.engine.compact()).unwrap();
            fixture.engine.outlines.clear();
        }
    }
}

#[test]
fn a_trace_that_grows_keeps_its_rows() {
    let fixture = holding(vec![(Signal::Spans, spans(&[(2, 0, 10, 9), (4, 2, 12, 1)]))]);
    let before = asked(&fixture, None);
    let token: Token = before.head.outline.parse().unwrap();
    let late = model::Batch {
        signal: Signal::Spans,
        rows: spans(&[(6, 2, 11, 1)]),
        payload_hash: 9,
        repeatable: true,
        answer: model::Answer::default(),
    };
    fixture.runtime.block_on(fixture.store.write(&fixture.reader.tenant, late)).unwrap();
    let size = fixture.runtime.block_on(fixture.engine.trace_size(&fixture.reader, id())).unwrap();
    assert_eq!(size, TraceSize { spans: 3, logs: 0 });
    for state in ["kept", "made again"] {
        assert_eq!(lines(&asked(&fixture, Some(token))), lines(&before), "{state}");
        assert_eq!(lines(&asked(&fixture, None)), ["work 2 @0", ".work 6 @1", ".work 4 @2"], "{state}");
        fixture.engine.outlines.clear();
    }
    for (wrong, part) in
        [("x", "names no outline"), ("1.2", "names no outline"), ("1.2.3.4", "names no outline")]
    {
        assert!(wrong.parse::<Token>().unwrap_err().to_string().contains(part), "{wrong}");
    }
    let other: Token = "1.77.0".parse().unwrap();
    let gone = fixture.runtime.block_on(fixture.engine.outline(&fixture.reader, id(), Some(other)));
    assert_eq!(gone.unwrap_err().code().0, 404);
    let none = TraceId::from_bytes(&[9; 16]).unwrap();
    let none = fixture.runtime.block_on(fixture.engine.outline(&fixture.reader, none, None));
    assert_eq!(none.unwrap_err().code().0, 404);
}

#[test]
fn details_are_those_of_the_rows() {
    let batches = vec![
        (
            Signal::Spans,
            spans(&[(10, 2, 20, 9), (2, 0, 10, 90), (4, 77, 15, 1), (6, 8, 16, 1), (8, 6, 17, 1)]),
        ),
        (Signal::Logs, logs(&[(10, 23), (2, 99)])),
    ];
    let fixture = holding(batches);
    let rows = |from, to| {
        let rows = fixture.engine.trace_rows(&fixture.reader, id(), None, (from..to).collect());
        fixture.runtime.block_on(rows).map(|rows| rows.rows)
    };
    let shown = |row: &TraceRow| match &row.detail {
        RowDetail::Span(span) => span.name.clone(),
        RowDetail::Log(log) => format!("log at {}", log.time),
        RowDetail::Event { span_id, row, number, event } => {
            format!("{} {number} of {row} {}", event.name, &span_id[14..])
        }
        RowDetail::Missing { span_id } => format!("missing {span_id}"),
        RowDetail::Cycle => "cycle".to_owned(),
    };
    let expected = [
        "work 2",
        "work 10",
        "retry 0 of 1 0a",
        "exception 1 of 1 0a",
        "log at 23",
        "log at 99",
        "missing 000000000000004d",
        "work 4",
        "cycle",
        "work 6",
        "work 8",
    ];
    let all = rows(0, 100).unwrap();
    assert_eq!(all.iter().map(shown).collect::<Vec<_>>(), expected);
    for (at, row) in all.iter().enumerate() {
        assert_eq!(row.row, at as u64);
        assert_eq!(rows(at, at + 1).unwrap().as_slice(), std::slice::from_ref(row), "{at}");
    }
    assert_eq!(rows(11, 12).unwrap(), []);
    assert!(rows(0, DETAILS_MAX + 1).is_err());
}

#[test]
fn what_is_sought_is_found() {
    let batches = vec![
        (Signal::Spans, spans(&[(10, 2, 20, 9), (2, 0, 10, 90), (3, 10, 21, 1), (2, 10, 22, 1)])),
        (Signal::Logs, logs(&[(10, 23), (2, 99)])),
    ];
    let fixture = holding(batches);
    let found = |sought| {
        let found = fixture.engine.find_in_trace(&fixture.reader, id(), None, sought);
        fixture.runtime.block_on(found).map(|found| found.rows)
    };
    // Rows: work 2, work 10, retry, work 3, exception, work 2 again, log, log.
    let (two, three) = ("0000000000000002".to_owned(), "0000000000000003".to_owned());
    // Chains know spans by their ids, so that both of one id are found.
    let cases: [(&str, &[u32]); 7] = [
        ("status:error", &[3]),
        ("service:cart", &[0, 3, 5, 6, 7]),
        ("line", &[6, 7]),
        ("duration>5ns", &[0, 1]),
        ("{name:\"work 10\"} > {service:cart}", &[0, 3, 5]),
        ("event:retry", &[1]),
        ("absent", &[]),
    ];
    for (q, expected) in cases {
        assert_eq!(found(Sought::Search(q.to_owned())).unwrap(), expected, "{q}");
    }
    assert_eq!(found(Sought::Ids(vec![two.clone()])).unwrap(), [0, 5]);
    assert_eq!(found(Sought::Ids(vec![three])).unwrap(), [3]);
    let logs = fixture.runtime.block_on(fixture.engine.trace(&fixture.reader, id())).unwrap().logs;
    assert_eq!(found(Sought::Ids(vec![format!("#{}", logs[1].id)])).unwrap(), [7]);
    for wrong in
        [Sought::Search("a AND".to_owned()), Sought::Ids(vec!["x".to_owned()]), Sought::Ids(vec![two; 257])]
    {
        assert_eq!(found(wrong.clone()).unwrap_err().code().0, 400, "{wrong:?}");
    }
}

#[test]
fn what_has_no_room_is_left_out_and_said() {
    let many: Vec<SpanOf> = (1..=60_000).map(|number| (2 * number, 2, number as i64, 1)).collect();
    let batches = vec![(Signal::Spans, spans(&many)), (Signal::Logs, logs(&[(2, 1)]))];
    // Its share for queries is a fifth of this.
    let fixture = Fixture::holding(Limits { nice: 0, ..Limits::default() }, 24 << 20, batches);
    let outline = asked(&fixture, None);
    let head = &outline.head;
    assert!(head.truncated && head.rows < 60_000 && head.rows > 10_000, "{head:?}");
    assert_eq!((head.spans_stored, head.logs_stored), (60_000, 1));
    assert!(
        head.warnings[0].ends_with("of 60000 spans are shown, as more have no room"),
        "{:?}",
        head.warnings
    );
    assert!(head.warnings[1].starts_with("0 of 1 logs are shown"), "{:?}", head.warnings);
    drop(outline);
    fixture.engine.outlines.clear();
    assert_eq!(fixture.budget.reserved_for(Purpose::Queries), 0);
}

#[test]
fn deep_traces_do_not_need_the_stack() {
    let chain: Vec<SpanOf> =
        (1..=100_000).map(|number| (number, number - 1, number as i64, 1_000_000)).collect();
    let outline = asked(&holding(vec![(Signal::Spans, spans(&chain))]), None);
    assert!(
        outline.rows.iter().filter(|row| row.flags.sort() == Sort::Span).skip(1).all(|row| row.distance <= 3)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Every span and log has one row, below its parent where it has one, whatever names what.
    #[test]
    fn every_span_has_one_row(
        spans_of in prop::collection::vec((1..12u64, 0..14u64, 0..50i64, -5..50i64), 1..25),
        logs_of in prop::collection::vec((0..14u64, 0..50i64), 1..6),
    ) {
        let batches = vec![(Signal::Spans, spans(&spans_of)), (Signal::Logs, logs(&logs_of))];
        let fixture = holding(batches);
        let outline = asked(&fixture, None);
        let count = |sort: Sort| outline.rows.iter().filter(|row| row.flags.sort() == sort).count();
        prop_assert_eq!(count(Sort::Span), spans_of.len());
        prop_assert_eq!(count(Sort::Log), logs_of.len());
        prop_assert_eq!(outline.head.rows, outline.rows.len() as u64);
        let rows = fixture.runtime.block_on(fixture.engine.trace_rows(&fixture.reader, id(), None, (0..1_000).collect()));
        let rows = rows.unwrap().rows;
        prop_assert_eq!(rows.len(), outline.rows.len());
        let above = |row: &Row, at: usize| (row.distance > 0).then(|| &rows[at - row.distance as usize].detail);
        for (at, row) in outline.rows.iter().enumerate() {
            if let RowDetail::Span(span) = &rows[at].detail {
                match above(row, at) {
                    Some(RowDetail::Span(parent)) => {
                        prop_assert_eq!(Some(&parent.span_id), span.parent_span_id.as_ref());
                    }
                    Some(RowDetail::Missing { span_id }) => {
                        prop_assert_eq!(Some(span_id), span.parent_span_id.as_ref());
                    }
                    Some(other) => prop_assert_eq!(other, &RowDetail::Cycle),
                    None => prop_assert_eq!(&span.parent_span_id, &None),
                }
            }
        }
    }
}
