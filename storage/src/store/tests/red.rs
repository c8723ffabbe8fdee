//! The table `red` counts every span once, wherever it is.

use std::collections::BTreeMap;

use arrow::array::{Float64Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimestampNanosecondType};
use model::Sketch;

use super::*;

const MINUTE: i64 = 60_000_000_000;
const COLUMNS: [&str; 14] = [
    "time",
    "deployment_environment",
    "service_namespace",
    "service_name",
    "operation",
    "kind",
    "peer",
    "service_version",
    "service_instance_id",
    "calls",
    "errors",
    "duration",
    "peer_type",
    "entry",
];

/// Minute, and the other columns of a key.
type Key = (i64, Vec<Option<String>>, bool);

#[derive(Debug, Default, Clone)]
struct Sums {
    calls: f64,
    errors: f64,
    /// Durations that are known, each with its weight.
    durations: Vec<(i64, f64)>,
}

#[derive(Debug, Default)]
struct Found {
    calls: f64,
    errors: f64,
    durations: Sketch,
}

fn read(snapshot: &Snapshot, range: TimeRange) -> BTreeMap<Key, Found> {
    let mut found: BTreeMap<Key, Found> = BTreeMap::new();
    let cost = snapshot.red(range, &Predicate::All, &COLUMNS, &control(), &mut |rows| {
        let text = |name: &str| cast(rows.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
        let texts = [&COLUMNS[1..9], &["peer_type"]].concat().into_iter().map(text).collect::<Vec<_>>();
        let numbers = |name| rows.column_by_name(name).unwrap().as_primitive::<Float64Type>();
        for row in 0..rows.num_rows() {
            let text = |column: &ArrayRef| {
                let column = column.as_string::<i32>();
                (!arrow::array::Array::is_null(column, row)).then(|| column.value(row).to_owned())
            };
            let time = rows.column_by_name("time").unwrap().as_primitive::<TimestampNanosecondType>();
            let entry = rows.column_by_name("entry").unwrap().as_boolean().value(row);
            let key = (time.value(row), texts.iter().map(text).collect(), entry);
            let sums = found.entry(key).or_default();
            sums.calls += numbers("calls").value(row);
            sums.errors += numbers("errors").value(row);
            let sketch = rows.column_by_name("duration").unwrap().as_binary::<i32>().value(row);
            sums.durations.merge_encoded(sketch).unwrap();
        }
        Ok(())
    });
    assert!(!cost.unwrap().timed_out);
    found
}

/// Calls and errors of everything.
pub(super) fn totals(snapshot: &Snapshot) -> (f64, f64) {
    let rows = read(snapshot, TimeRange::ALL).into_values();
    rows.fold((0.0, 0.0), |sum, row| (sum.0 + row.calls, sum.1 + row.errors))
}

/// One span as it is written, and as it is to be counted.
#[derive(Debug, Clone)]
struct Made {
    service: &'static str,
    environment: Option<&'static str>,
    version: Option<&'static str>,
    name: &'static str,
    kind: &'static str,
    root: bool,
    failed: bool,
    weight: f64,
    start: i64,
    duration: i64,
    attributes: &'static str,
    peer: Option<(&'static str, &'static str)>,
}

/// Spans of several services around the edges of minutes and days.
fn made(count: usize, salt: usize) -> Vec<Made> {
    let starts = [-1, 0, 1, MINUTE - 1, MINUTE, 2 * MINUTE - 1, DAY - 1, DAY, 7 * DAY + 5];
    let durations = [-1, i64::MIN, 0, 1, 999, 1_000_000, 25_000_000, 3_000_000_000, i64::MAX];
    let calls = [
        ("{}", None),
        (r#"{"peer.service":"pay"}"#, Some(("pay", "service"))),
        (r#"{"db.namespace":"orders","db.system":"mysql"}"#, Some(("mysql/orders", "database"))),
        (
            r#"{"list":[1],"messaging.destination.name":"jobs","messaging.system":"kafka"}"#,
            Some(("kafka/jobs", "queue")),
        ),
    ];
    let one = |at: usize| {
        let at = at * 7 + salt;
        let kind = ["client", "server", "internal", "producer", "consumer", "unspecified"][at % 6];
        let (attributes, peer) = calls[at / 6 % 4];
        Made {
            service: ["shop", "cart"][at / 3 % 2],
            environment: [None, Some("prod")][at / 5 % 2],
            version: [None, Some("1"), Some("2")][at / 11 % 3],
            name: ["GET /", "", "work"][at / 7 % 3],
            kind,
            root: at.is_multiple_of(4),
            failed: at.is_multiple_of(5),
            weight: [1.0, 2.0, 0.5, 4.0][at / 2 % 4],
            start: starts[at / 4 % starts.len()],
            duration: durations[at / 8 % durations.len()],
            attributes,
            peer: peer.filter(|_| matches!(kind, "client" | "producer")),
        }
    };
    (0..count).map(one).collect()
}

fn written(spans: &[Made]) -> RecordBatch {
    let texts = |of: &dyn Fn(&Made) -> Option<&'static str>| -> ArrayRef {
        Arc::new(spans.iter().map(of).collect::<StringArray>())
    };
    let parents = spans.iter().map(|span| (!span.root).then_some([9u8; 8]));
    let times = TimestampNanosecondArray::from_iter_values(spans.iter().map(|span| span.start));
    rows(
        Signal::Spans,
        spans.len(),
        &[
            ("service_name", texts(&|span| Some(span.service))),
            ("deployment_environment", texts(&|span| span.environment)),
            ("service_version", texts(&|span| span.version)),
            ("name", texts(&|span| Some(span.name))),
            ("kind", texts(&|span| Some(span.kind))),
            ("status_code", texts(&|span| Some(if span.failed { "error" } else { "unset" }))),
            ("attributes", texts(&|span| Some(span.attributes))),
            (
                "parent_span_id",
                Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(parents, 8).unwrap()),
            ),
            ("start_time", Arc::new(times.with_timezone("UTC"))),
            ("duration_ns", Arc::new(Int64Array::from_iter_values(spans.iter().map(|span| span.duration)))),
            ("weight", Arc::new(Float64Array::from_iter_values(spans.iter().map(|span| span.weight)))),
        ],
    )
}

fn expected(spans: &[Made]) -> BTreeMap<Key, Sums> {
    let mut sums: BTreeMap<Key, Sums> = BTreeMap::new();
    for span in spans {
        let texts = [
            span.environment,
            None,
            Some(span.service),
            Some(span.name),
            Some(span.kind),
            span.peer.map(|peer| peer.0),
            span.version,
            None,
            span.peer.map(|peer| peer.1),
        ];
        let entry = span.root || matches!(span.kind, "server" | "consumer");
        let minute = span.start.div_euclid(MINUTE) * MINUTE;
        let key = (minute, texts.iter().map(|text| text.map(str::to_owned)).collect(), entry);
        let sums = sums.entry(key).or_default();
        sums.calls += span.weight;
        sums.errors += if span.failed { span.weight } else { 0.0 };
        if span.duration >= 0 {
            sums.durations.push((span.duration, span.weight));
        }
    }
    sums
}

fn quantile(durations: &mut [(i64, f64)], share: f64) -> Option<i64> {
    durations.sort_by_key(|duration| duration.0);
    let all: f64 = durations.iter().map(|duration| duration.1).sum();
    let mut below = 0.0;
    let reached = durations.iter().find(|(_, weight)| {
        below += weight;
        below >= share * all
    });
    reached.map(|reached| reached.0)
}

/// Holds what is found against what was written.
fn check(snapshot: &Snapshot, spans: &[Made], state: &str) {
    let (found, expected) = (read(snapshot, TimeRange::ALL), expected(spans));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{state}");
    for (key, mut sums) in expected {
        let row = &found[&key];
        assert_eq!((row.calls, row.errors), (sums.calls, sums.errors), "{state}: {key:?}");
        let known: f64 = sums.durations.iter().map(|duration| duration.1).sum();
        assert_eq!(row.durations.count(), known, "{state}: {key:?}");
        for share in [0.0, 0.5, 0.95, 0.99, 1.0] {
            let found = row.durations.quantile(share);
            let exact = quantile(&mut sums.durations, share);
            assert_eq!(found.is_some(), exact.is_some(), "{state}: {key:?}");
            let (found, exact) = (found.unwrap_or_default(), exact.unwrap_or_default() as f64);
            assert!((found - exact).abs() <= exact * 0.010_001, "{state}: {found} for {exact}");
        }
    }
}

#[test]
fn every_span_is_counted_once_fresh_sealed_merged_and_after_a_crash() {
    let mut fixture = Fixture::new();
    let (first, second, third) = (made(500, 0), made(300, 1), made(200, 0));
    let all = [&first[..], &second, &third].concat();
    fixture.write(request(Signal::Spans, written(&first[..250]), 1));
    fixture.write(request(Signal::Spans, written(&first[250..]), 2));
    check(&fixture.store().snapshot(&reader()), &first, "fresh");
    fixture.crash();
    check(&fixture.store().snapshot(&reader()), &first, "after a crash");
    fixture.store().seal().unwrap();
    check(&fixture.store().snapshot(&reader()), &first, "sealed");
    fixture.crash();
    check(&fixture.store().snapshot(&reader()), &first, "sealed, after a crash");
    fixture.write(request(Signal::Spans, written(&second), 3));
    fixture.write(request(Signal::Spans, written(&second), 3));
    fixture.store().seal().unwrap();
    fixture.write(request(Signal::Spans, written(&third), 4));
    let snapshot = fixture.store().snapshot(&reader());
    check(&snapshot, &all, "sealed and fresh");
    assert!(snapshot.table(Signal::Spans).segments.iter().all(|segment| segment.meta.rolled_up));
    fixture.store().seal().unwrap();
    let before = fixture.store().snapshot(&reader()).rows(Signal::Red);
    fixture.store().compact(&mut |_| ()).unwrap();
    check(&snapshot, &all, "the snapshot from before");
    drop(snapshot);
    fixture.crash();
    let snapshot = fixture.store().snapshot(&reader());
    check(&snapshot, &all, "merged, after a crash");
    assert!(snapshot.rows(Signal::Red) < before, "{} of {before}", snapshot.rows(Signal::Red));
    assert_eq!(snapshot.rows(Signal::Red), read(&snapshot, TimeRange::ALL).len() as u64);
    let copy = tempfile::tempdir().unwrap();
    copy_dir(fixture.dir.path(), copy.path());
    let only_read = Store::open_read_only(copy.path(), options()).unwrap();
    check(&only_read.snapshot(&reader()), &all, "only read");
}

#[test]
fn a_range_counts_the_minutes_that_it_touches() {
    let fixture = Fixture::new();
    let spans = made(400, 3);
    fixture.write(request(Signal::Spans, written(&spans), 1));
    // From, to, and the minutes that are counted, from the first to before the last.
    let cases =
        [(0, MINUTE, 0, MINUTE), (1, MINUTE + 1, 0, 2 * MINUTE), (-1, 1, -MINUTE, MINUTE), (0, 0, 0, 0)];
    for state in ["fresh", "sealed", "merged"] {
        let snapshot = fixture.store().snapshot(&reader());
        for (from, to, first, end) in cases {
            let range = TimeRange { from: Some(UnixNanos(from)), to: Some(UnixNanos(to)) };
            let found: f64 = read(&snapshot, range).values().map(|row| row.calls).sum();
            let inside = spans.iter().filter(|span| (first..end).contains(&span.start));
            assert_eq!(found, inside.map(|span| span.weight).sum::<f64>(), "{state}: {from} to {to}");
        }
        match state {
            "fresh" => fixture.store().seal().unwrap(),
            _ => fixture.store().compact(&mut |_| ()).unwrap(),
        }
    }
}

#[test]
fn names_past_the_most_are_other_and_still_counted() {
    let fixture = Fixture::new();
    let names = crate::red::OPERATIONS_MAX + 500;
    for part in 0..2 {
        let texts: Vec<String> = (0..names).map(|at| format!("op {part} {at}")).collect();
        let peers: Vec<String> =
            texts.iter().map(|text| format!("{{\"peer.service\":\"{text}\"}}")).collect();
        let column = |texts: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
        let given = [
            ("name", column(texts)),
            ("attributes", column(peers)),
            ("kind", column(vec!["client".to_owned(); names])),
            ("service_name", column(vec!["busy".to_owned(); names])),
        ];
        fixture.write(request(Signal::Spans, rows(Signal::Spans, names, &given), part as u128));
        fixture.write(request(Signal::Spans, written(&made(10, part)), 10 + part as u128));
        fixture.store().seal().unwrap();
    }
    fixture.store().compact(&mut |_| ()).unwrap();
    let found = read(&fixture.store().snapshot(&reader()), TimeRange::ALL);
    for column in [3, 5] {
        let busy = found.iter().filter(|(key, _)| key.1[2].as_deref() == Some("busy"));
        let mut calls: BTreeMap<Option<String>, f64> = BTreeMap::new();
        busy.for_each(|(key, row)| *calls.entry(key.1[column].clone()).or_default() += row.calls);
        assert_eq!(calls.len(), crate::red::OPERATIONS_MAX + 1, "{column}");
        assert_eq!(calls.values().sum::<f64>(), 2.0 * names as f64);
        assert_eq!(calls[&Some("other".to_owned())], (2 * names - crate::red::OPERATIONS_MAX) as f64);
    }
    let small = found.iter().filter(|(key, _)| key.1[2].as_deref() != Some("busy"));
    assert!(small.into_iter().all(|(key, _)| key.1[3].as_deref() != Some("other")));
}

#[test]
fn rolled_up_rows_go_when_they_are_too_old() {
    let fixture = Fixture::new();
    fixture.write(request(Signal::Spans, written(&made(50, 0)), 1));
    fixture.store().seal().unwrap();
    let shared = &fixture.store().inner.shared;
    let _turn = lock(&shared.merging);
    let by_age = Retention { age: Some(Duration::from_secs(86_400)), bytes: None };
    shared.retire(&by_age, UnixNanos(UnixNanos::now().0 + 2 * DAY)).unwrap();
    assert_eq!(totals(&fixture.store().snapshot(&reader())), (0.0, 0.0));
    assert_eq!(fixture.store().snapshot(&reader()).segments(Signal::Red), 0);
}
