//! A data directory of every released format is kept for ever, and read by every later program.
//!
//! `CAUSEWAY_WRITE_FIXTURE=1 cargo test --workspace --lib a_data_directory_of_format_4` writes that of the
//! newest format anew. Once a format is released, its directory is never written again.

use arrow::array::{
    Float64Array, Int64Array, ListArray, StringArray, StructArray, UInt32Array, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use model::schema;

use super::*;
use crate::memtable::with_store_columns;

/// Set to write the directory of the newest format.
const WRITE: &str = "CAUSEWAY_WRITE_FIXTURE";

fn kept(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/format-{format}"))
}

/// Runs a check on a fixture: only read, replayed, and merged.
fn check(format: u32, check: impl Fn(&Snapshot, &str)) {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(&kept(format), copy.path());
    let read = Store::open_read_only(copy.path(), options()).unwrap();
    check(&read.snapshot(&reader()), "only read");
    drop(read);
    let written = Store::open(copy.path(), options()).unwrap();
    assert_eq!(written.health().recovery.damaged, 0);
    check(&written.snapshot(&reader()), "replayed");
    written.seal().unwrap();
    check(&written.snapshot(&reader()), "sealed");
    written.compact(&mut |_| ()).unwrap();
    check(&written.snapshot(&reader()), "merged");
}

/// Whether the segments of a signal have an index, those without one first.
fn indexed(snapshot: &Snapshot, signal: Signal) -> Vec<bool> {
    let mut indexed: Vec<bool> =
        snapshot.table(signal).segments.iter().map(|segment| segment.meta.indexed).collect();
    indexed.sort_unstable();
    indexed
}

/// The `seq` of the rows that match, in ascending order.
fn seqs(snapshot: &Snapshot, signal: Signal, predicate: Predicate) -> Vec<i64> {
    let scan = Scan { signal, range: TimeRange::ALL, predicate };
    let (rows, _) = snapshot.newest(&scan, None, 1000, None, &control()).unwrap();
    let seq = |row: &RecordBatch| row.column_by_name("seq").unwrap().as_primitive::<Int64Type>().value(0);
    let mut seqs: Vec<i64> = rows.iter().map(seq).collect();
    seqs.sort_unstable();
    seqs
}

fn word(word: &str) -> Predicate {
    Predicate::Text(word.to_owned())
}

fn attribute(key: &str, value: &str) -> Predicate {
    Predicate::Attribute(Level::Any, key.to_owned(), Test::Equals(value.to_owned()))
}

/// Format 1: a merged segment of logs with an index, one without, and a log.
#[test]
fn a_data_directory_of_format_1_is_read_for_ever() {
    check(1, |snapshot, state| {
        let expected = ["in the log", "sealed", "merged two", "merged one"];
        assert_eq!(bodies(snapshot, Predicate::All), expected, "{state}");
        assert_eq!(bodies(snapshot, word("merged")), expected[2..], "{state}");
        assert_eq!(bodies(snapshot, attribute("user", "u0").and(word("sealed"))), expected[1..2], "{state}");
        assert_eq!(bodies(snapshot, attribute("n", "1")).len(), 0, "{state}");
        let (rows, _) = snapshot.newest(&scan(Predicate::All), None, 1000, None, &control()).unwrap();
        for row in rows {
            let attributes = row.column_by_name("attributes").unwrap().as_string::<i32>().value(0).to_owned();
            assert_eq!(attributes, "{\"n\":0,\"user\":\"u0\"}", "{state}");
        }
        if state == "only read" {
            assert_eq!(indexed(snapshot, Signal::Logs), [false, true]);
        }
    });
}

/// Format 2: of every signal a merged segment with an index, one without, and rows in the log.
#[test]
fn a_data_directory_of_format_2_is_read_for_ever() {
    check(2, |snapshot, state| {
        check_all(snapshot, state);
        if state == "only read" {
            assert_eq!(snapshot.segments(Signal::Red), 0);
        }
    });
}

/// Format 3: as format 2, and the spans of segments are rolled up.
#[test]
fn a_data_directory_of_format_3_is_read_for_ever() {
    check(3, check_rolled_up);
}

/// Format 4: as format 3, and metrics have the columns of Prometheus' histograms.
#[test]
fn a_data_directory_of_format_4_is_read_for_ever() {
    if std::env::var_os(WRITE).is_some() {
        write_fixture(&kept(4));
    }
    check(4, check_rolled_up);
}

fn check_rolled_up(snapshot: &Snapshot, state: &str) {
    check_all(snapshot, state);
    assert!(snapshot.table(Signal::Spans).segments.iter().all(|segment| segment.meta.rolled_up), "{state}");
    if state == "only read" {
        assert_eq!(snapshot.segments(Signal::Red), 2);
    }
}

/// Holds everything that a fixture with all signals has against what was written to it.
fn check_all(snapshot: &Snapshot, state: &str) {
    for signal in Signal::SENT {
        assert_eq!(found(snapshot, signal), expected(signal), "{signal}, {state}");
        if state == "only read" {
            assert_eq!(indexed(snapshot, signal), [false, true], "{signal}");
        }
    }
    for (signal, predicate, rows) in searches() {
        let expected: Vec<i64> = (0..PARTS.len()).flat_map(|part| rows_of(signal, part, rows)).collect();
        assert_eq!(seqs(snapshot, signal, predicate.clone()), expected, "{state}: {predicate:?}");
    }
    for (part, body) in PARTS.iter().enumerate() {
        assert_eq!(seqs(snapshot, Signal::Logs, word(body)), rows_of(Signal::Logs, part, &[4]));
        let id = TraceId([part as u8 + 1; 16]);
        for (signal, rows) in [(Signal::Spans, 2), (Signal::Logs, 1)] {
            let (_, found, _) = snapshot.trace(signal, id, 100, &control()).unwrap();
            assert_eq!(found, rows, "{state}: {signal} of trace {id}");
        }
    }
    let (_, found, _) = snapshot.trace(Signal::Spans, TraceId([99; 16]), 100, &control()).unwrap();
    assert_eq!(found, 0);
    // Segments from before there was `red` are counted as well, and none twice.
    let (calls, errors) = super::red::totals(snapshot);
    assert_eq!((calls, errors), ((PARTS.len() * SPANS) as f64, PARTS.len() as f64), "{state}");
}

/// What becomes of each part of the rows: a word of one of its bodies.
const PARTS: [&str; 4] = ["merged one", "merged two", "sealed", "in the log"];
/// Rows of a signal in each part.
const LOGS: usize = 6;
const SPANS: usize = 3;
const METRICS: usize = 2;

/// Searches, and the rows that match them in every part.
fn searches() -> Vec<(Signal, Predicate, &'static [usize])> {
    let equals = |text: &str| Test::Equals(text.to_owned());
    vec![
        (Signal::Logs, word("payment"), &[0, 1]),
        (Signal::Logs, word("declined"), &[1]),
        (Signal::Logs, word("kept"), &[2]),
        (Signal::Logs, word("boom"), &[3]),
        (Signal::Logs, word("absent"), &[]),
        (Signal::Logs, attribute("n", "1"), &[0]),
        (Signal::Logs, attribute("n", "one"), &[1]),
        (Signal::Logs, attribute("ratio", "0.5"), &[0]),
        (Signal::Logs, attribute("list", "[1,\"a\"]"), &[2]),
        (Signal::Logs, attribute("host.name", "h1"), &[0, 1, 2]),
        (Signal::Logs, Predicate::Field(Field::Service, equals("cart")), &[3, 4, 5]),
        (Signal::Logs, Predicate::Field(Field::Severity, equals("error")), &[1]),
        (Signal::Spans, word("GET"), &[0]),
        (Signal::Spans, word("boom"), &[0]),
        (Signal::Spans, attribute("http.response.status_code", "500"), &[0]),
        (Signal::Spans, Predicate::Attribute(Level::Any, "http.route".to_owned(), Test::Exists), &[0, 1]),
        (Signal::Metrics, word("requests"), &[0, 1]),
        (Signal::Metrics, attribute("card", "visa"), &[1]),
    ]
}

/// The `seq` of rows of a part. Requests come part by part, in each of them by signal.
fn rows_of(signal: Signal, part: usize, rows: &[usize]) -> Vec<i64> {
    let before = match signal {
        Signal::Spans => 0,
        Signal::Logs => SPANS,
        Signal::Metrics => SPANS + LOGS,
        Signal::Red => unreachable!("its rows have no seq"),
    };
    let first = part * (SPANS + LOGS + METRICS) + before;
    rows.iter().map(|row| (first + row) as i64).collect()
}

/// All rows of a signal as a snapshot gives them.
fn found(snapshot: &Snapshot, signal: Signal) -> RecordBatch {
    let scan = Scan { signal, range: TimeRange::ALL, predicate: Predicate::All };
    let (rows, _) = snapshot.newest(&scan, None, 1000, None, &control()).unwrap();
    comparable(signal, &rows)
}

/// All rows of a signal as they were made.
fn expected(signal: Signal) -> RecordBatch {
    let part = |part| {
        let first_seq = rows_of(signal, part, &[0])[0];
        with_store_columns(signal, &made(signal, part), first_seq, UnixNanos(0)).unwrap()
    };
    comparable(signal, &(0..PARTS.len()).map(part).collect::<Vec<_>>())
}

/// Rows by `seq`, dictionaries as plain text, without the time of their arrival.
fn comparable(signal: Signal, rows: &[RecordBatch]) -> RecordBatch {
    let plain = rows.iter().map(|rows| {
        let stored = schema::stored(signal);
        let columns = stored.fields().iter().filter_map(|field| {
            let column = rows.column_by_name(field.name()).unwrap();
            let plain = match field.data_type() {
                DataType::Dictionary(..) => cast(column, &DataType::Utf8).unwrap(),
                _ => Arc::clone(column),
            };
            (field.name() != "received_time").then(|| (field.name().clone(), plain, true))
        });
        RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap()
    });
    let plain: Vec<RecordBatch> = plain.collect();
    let joined = concat_batches(plain[0].schema_ref(), &plain).unwrap();
    let seqs = joined.column_by_name("seq").unwrap().as_primitive::<Int64Type>().values().to_vec();
    let mut order: Vec<u32> = (0..joined.num_rows() as u32).collect();
    order.sort_by_key(|row| seqs[*row as usize]);
    take_record_batch(&joined, &UInt32Array::from(order)).unwrap()
}

fn write_fixture(kept: &Path) {
    let fixture = Fixture::new();
    for part in 0..PARTS.len() {
        for signal in Signal::SENT {
            fixture.write(request(
                signal,
                made(signal, part),
                (part * 10) as u128 + u128::from(signal.number()),
            ));
        }
        match part {
            0 | 2 => fixture.store().seal().unwrap(),
            1 => fixture.store().compact(&mut |_| ()).unwrap(),
            _ => {}
        }
    }
    drop(std::fs::remove_dir_all(kept));
    std::fs::create_dir_all(kept).unwrap();
    copy_dir(fixture.dir.path(), kept);
}

fn texts<const N: usize>(texts: [Option<&str>; N]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

fn times<const N: usize>(times: [Option<i64>; N]) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC"))
}

fn ids<const N: usize, const BYTES: usize>(ids: [Option<u8>; N]) -> ArrayRef {
    let ids = ids.iter().map(|id| id.map(|byte| [byte; BYTES]));
    Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, BYTES as i32).unwrap())
}

/// The rows of a part, with what a file leaves out, and with what it can not leave out.
fn made(signal: Signal, part: usize) -> RecordBatch {
    match signal {
        Signal::Logs => made_logs(part),
        Signal::Spans => made_spans(part),
        Signal::Metrics => made_metrics(part),
        Signal::Red => unreachable!("no client sends it"),
    }
}

fn made_logs(part: usize) -> RecordBatch {
    let first = 1_000_000_000 * (part as i64 + 1);
    let time = |row: i64| Some(first + row);
    let trace = Some(part as u8 + 1);
    let paid = format!("payment {part}1 of 12.50 EUR took 7 ms");
    let declined = format!("payment {part}2 of 3.99 EUR was declined");
    let shop =
        Some("{\"host.name\":\"h1\",\"service.instance.id\":\"shop-1\",\"service.version\":\"1.4.2\"}");
    rows(
        Signal::Logs,
        LOGS,
        &[
            ("service_name", texts(["shop", "shop", "shop", "cart", "cart", "cart"].map(Some))),
            ("resource_attributes", texts([shop, shop, shop, Some("{}"), Some("{}"), Some("{}")])),
            ("service_version", texts([Some("1.4.2"), Some("2"), None, None, Some("3"), None])),
            (
                "service_instance_id",
                texts([Some("shop-1"), None, Some("shop-1"), None, None, Some("cart-1")]),
            ),
            ("time", times([time(0), time(1), time(2), time(3), time(4), time(5)])),
            ("observed_time", times([time(9), time(1), None, Some(i64::MIN), time(0), time(100)])),
            ("trace_id", ids::<LOGS, 16>([None, trace, None, None, None, None])),
            ("span_id", ids::<LOGS, 8>([None, trace, None, None, None, None])),
            (
                "severity_number",
                Arc::new(Int64Array::from(vec![Some(9), Some(17), Some(9), None, Some(13), Some(0)])),
            ),
            ("severity_text", texts([Some("INFO"), Some("Error"), None, None, None, None])),
            ("severity", texts([Some("info"), Some("error"), Some("loud"), Some("warn"), None, None])),
            (
                "body",
                texts([
                    Some(&paid),
                    Some(&declined),
                    Some("\u{1a} kept whole\u{1f}"),
                    None,
                    Some(PARTS[part]),
                    Some(""),
                ]),
            ),
            (
                "body_type",
                texts([Some("string"), Some("string"), Some("string"), None, Some("string"), Some("string")]),
            ),
            (
                "attributes",
                texts([
                    Some("{\"n\":1,\"ok\":true,\"ratio\":0.5,\"user\":\"ä\"}"),
                    Some("{\"n\":\"one\",\"user\":\"b\"}"),
                    Some("{\"list\":[1,\"a\"],\"n\":2,\"nothing\":null}"),
                    Some("{\"exception.message\":\"boom\",\"n\":3}"),
                    Some("{}"),
                    Some("{\"bytes\":{\"$bytes\":\"aGk=\"},\"ratio\":{\"$double\":\"NaN\"}}"),
                ]),
            ),
        ],
    )
}

fn made_spans(part: usize) -> RecordBatch {
    let first = 1_000_000_000 * (part as i64 + 1);
    let trace = Some(part as u8 + 1);
    rows(
        Signal::Spans,
        SPANS,
        &[
            ("service_name", texts([Some("shop"), Some("shop"), Some("cart")])),
            ("trace_id", ids::<SPANS, 16>([trace, trace, Some(100 + part as u8)])),
            ("span_id", ids::<SPANS, 8>([Some(1), Some(2), Some(3)])),
            ("parent_span_id", ids::<SPANS, 8>([None, Some(1), None])),
            ("name", texts([Some("GET /cart"), Some("price"), Some("tick")])),
            ("start_time", times([Some(first), Some(first + 10), Some(first + 20)])),
            // The last one ends elsewhere than where its duration says.
            ("end_time", times([Some(first + 500), Some(first + 40), Some(first + 21)])),
            ("duration_ns", Arc::new(Int64Array::from(vec![500, 30, 0]))),
            ("status_code", texts([Some("error"), Some("unset"), Some("ok")])),
            ("events", events(first + 100)),
            (
                "attributes",
                texts([
                    Some("{\"http.response.status_code\":500,\"http.route\":\"/cart\"}"),
                    Some("{\"http.route\":\"/price\",\"items\":[1,2]}"),
                    Some("{}"),
                ]),
            ),
        ],
    )
}

/// An exception in the first span, none in the others.
fn events(time: i64) -> ArrayRef {
    let stored = schema::stored(Signal::Spans);
    let DataType::List(item) = stored.field_with_name("events").unwrap().data_type() else {
        panic!("events are a list")
    };
    let columns: Vec<ArrayRef> = vec![
        times([Some(time)]),
        texts([Some("exception")]),
        texts([Some("{\"exception.message\":\"boom\"}")]),
        Arc::new(Int64Array::from(vec![0])),
    ];
    let events = StructArray::try_new(schema::event_fields(), columns, None).unwrap();
    let offsets = OffsetBuffer::from_lengths([1, 0, 0]);
    Arc::new(ListArray::try_new(Arc::clone(item), offsets, Arc::new(events), None).unwrap())
}

fn made_metrics(part: usize) -> RecordBatch {
    let first = 1_000_000_000 * (part as i64 + 1);
    let bounds = schema::stored(Signal::Metrics).field_with_name("bounds").unwrap().data_type().clone();
    rows(
        Signal::Metrics,
        METRICS,
        &[
            ("service_name", texts([Some("shop"), Some("shop")])),
            ("metric", texts([Some("http.requests"), Some("http.requests")])),
            ("type", texts([Some("sum"), Some("sum")])),
            ("time", times([Some(first), Some(first + 1)])),
            ("value", Arc::new(Float64Array::from(vec![1.5, part as f64]))),
            ("value_int", Arc::new(Int64Array::from(vec![None, Some(part as i64)]))),
            ("series", Arc::new(Int64Array::from(vec![-7, 7]))),
            ("bounds", new_null_array(&bounds, METRICS)),
            ("attributes", texts([Some("{\"card\":\"master\",\"n\":1}"), Some("{\"card\":\"visa\"}")])),
        ],
    )
}
