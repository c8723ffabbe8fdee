use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch, TimestampNanosecondArray};
use model::predicate::{Compare, RowKey};
use model::{Field, Level, Predicate, Test, TimeRange, TraceId};

use super::*;
use crate::segment::SegmentMeta;
use crate::testing::{logs, request, rows};
use crate::{Control, Scan};

mod fixtures;
mod sets;
mod red;
mod templates;
mod newest;
mod records;

const DAY: i64 = 86_400 * 1_000_000_000;

fn options() -> Options {
    Options { compaction: false, ..Options::for_memory(1 << 30) }
}

fn control() -> Control {
    Control { deadline: Instant::now() + Duration::from_secs(60), cancelled: Arc::default() }
}

fn reader() -> Reader {
    Reader::of(TenantName::default())
}

/// A store with a runtime to write from.
struct Fixture {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    store: Option<Store>,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Some(Store::open(dir.path(), options()).unwrap());
        Self { dir, runtime, store }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn write(&self, batch: Batch) -> Answer {
        self.runtime.block_on(self.store().write(&TenantName::default(), batch)).unwrap()
    }

    fn logs(&self, service: &str, first: i64, bodies: &[&str]) {
        self.write(request(Signal::Logs, logs(service, first, bodies), first as u128));
    }

    /// Ends as a killed process does: nothing is sealed or tidied.
    fn crash(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(self.dir.path(), copy.path());
        self.store.take().unwrap().close().unwrap();
        self.dir = copy;
        self.store = Some(Store::open(self.dir.path(), options()).unwrap());
    }

    fn bodies(&self, predicate: Predicate) -> Vec<String> {
        bodies(&self.store().snapshot(&reader()), predicate)
    }
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn scan(predicate: Predicate) -> Scan {
    Scan { signal: Signal::Logs, range: TimeRange::ALL, predicate }
}

fn bodies(snapshot: &Snapshot, predicate: Predicate) -> Vec<String> {
    let (batches, _) = snapshot.newest(&scan(predicate), None, 1000, None, &control()).unwrap();
    batches.iter().map(body).collect()
}

fn body(batch: &RecordBatch) -> String {
    batch.column_by_name("body").unwrap().as_string::<i32>().value(0).to_owned()
}

fn key(batch: &RecordBatch) -> RowKey {
    crate::scan::keys(Signal::Logs, batch)[0]
}

/// Every state a row can be in gives the same answers.
#[test]
fn answers_are_the_same_fresh_sealed_merged_and_after_a_crash() {
    let mut fixture = Fixture::new();
    fixture.logs("shop", 1_000, &["connection refused", "order 12 placed", "slow query"]);
    fixture.logs("cart", 2_000, &["Connection refused again", "cart empty"]);
    let equals = |text: &str| Test::Equals(text.to_owned());
    let cases: Vec<(Predicate, &[&str])> = vec![
        (Predicate::Text("connection refused".into()), &["Connection refused again", "connection refused"]),
        (Predicate::Field(Field::Service, equals("cart")), &["cart empty", "Connection refused again"]),
        (Predicate::Attribute(Level::Any, "user".into(), equals("u2")), &["slow query"]),
        (
            Predicate::Attribute(Level::Record, "n".into(), Test::Compare(Compare::GreaterOrEqual, 1.0)),
            &["cart empty", "slow query", "order 12 placed"],
        ),
        (Predicate::Field(Field::Body, Test::Glob("*empty".into())), &["cart empty"]),
        (Predicate::Field(Field::Body, Test::Regex("order \\d+".into())), &["order 12 placed"]),
        (
            Predicate::Not(Box::new(Predicate::Text("refused".into())))
                .and(Predicate::Field(Field::Service, equals("shop"))),
            &["slow query", "order 12 placed"],
        ),
        (Predicate::Text("absent".into()), &[]),
    ];
    let check = |fixture: &Fixture, state: &str| {
        for (predicate, expected) in &cases {
            assert_eq!(fixture.bodies(predicate.clone()), *expected, "{state}: {predicate:?}");
        }
    };
    check(&fixture, "fresh");
    fixture.crash();
    check(&fixture, "after a crash");
    fixture.store().seal().unwrap();
    check(&fixture, "sealed");
    fixture.logs("late", 3_000, &["unrelated"]);
    fixture.store().compact(&mut |_| ()).unwrap();
    check(&fixture, "merged");
    assert_eq!(fixture.store().snapshot(&reader()).segments(Signal::Logs), 1);
    fixture.crash();
    check(&fixture, "merged, after a crash");
}

#[test]
fn a_repeat_is_answered_and_not_stored_even_after_a_restart() {
    let mut fixture = Fixture::new();
    let mut batch = request(Signal::Logs, logs("a", 1, &["once"]), 7);
    batch.answer = Answer { rejected: 2, message: "two were bad".into() };
    for state in ["fresh", "crashed", "sealed and crashed"] {
        assert_eq!(fixture.write(batch.clone()), batch.answer, "{state}");
        assert_eq!(fixture.bodies(Predicate::All).len(), 1, "{state}");
        if state == "crashed" {
            fixture.store().seal().unwrap();
        }
        fixture.crash();
    }
    batch.repeatable = false;
    fixture.write(batch.clone());
    fixture.write(batch);
    assert_eq!(fixture.bodies(Predicate::All).len(), 3);
}

#[test]
fn pages_follow_on_one_another_while_rows_arrive_and_segments_merge() {
    let fixture = Fixture::new();
    let texts: Vec<String> = (0..50).map(|at| format!("line {at}")).collect();
    for (at, chunk) in texts.chunks(10).enumerate() {
        // Equal times: only `seq` tells rows apart.
        let lines: Vec<&str> = chunk.iter().map(String::as_str).collect();
        let times = TimestampNanosecondArray::from_value(500, chunk.len()).with_timezone("UTC");
        let body: ArrayRef = Arc::new(arrow::array::StringArray::from(lines));
        let batch = rows(Signal::Logs, chunk.len(), &[("time", Arc::new(times)), ("body", body)]);
        fixture.write(request(Signal::Logs, batch, at as u128 + 1));
        fixture.store().seal().unwrap();
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let snapshot = fixture.store().snapshot(&reader());
        let (page, _) = snapshot.newest(&scan(Predicate::All), before, 7, None, &control()).unwrap();
        let Some(last) = page.last() else { break };
        before = Some(key(last));
        seen.extend(page.iter().map(body));
        if seen.len() == 14 {
            fixture.logs("late", 501, &["a newer line"]);
            fixture.store().compact(&mut |_| ()).unwrap();
        }
    }
    let expected: Vec<String> = texts.into_iter().rev().collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_trace_is_found_without_a_time_range_in_few_segments() {
    let fixture = Fixture::new();
    for number in 1..=20u8 {
        let ids = FixedSizeBinaryArray::try_from_iter(std::iter::repeat_n([number; 16], 3)).unwrap();
        let times = TimestampNanosecondArray::from_value(i64::from(number) * DAY, 3).with_timezone("UTC");
        let batch = rows(Signal::Spans, 3, &[("trace_id", Arc::new(ids)), ("start_time", Arc::new(times))]);
        fixture.write(request(Signal::Spans, batch, u128::from(number)));
        fixture.store().seal().unwrap();
    }
    let snapshot = fixture.store().snapshot(&reader());
    assert_eq!(snapshot.segments(Signal::Spans), 20);
    let (_, found, stats) = snapshot.trace(Signal::Spans, TraceId([5; 16]), 100, &control()).unwrap();
    assert_eq!((found, stats.opened), (3, 1));
    let (_, found, stats) = snapshot.trace(Signal::Spans, TraceId([99; 16]), 100, &control()).unwrap();
    assert_eq!((found, stats.opened), (0, 0));
}

/// The goal for look-ups by trace: of stored ids two segments opened in the median, of 100 unknown ones 99 none.
#[test]
fn filters_keep_nearly_every_segment_closed() {
    const SEGMENTS: u64 = 60;
    const TRACES: u64 = 25;
    let id = |number: u64| {
        let hash = |seed: u64| xxhash_rust::xxh3::xxh3_64_with_seed(&number.to_le_bytes(), seed);
        [hash(1).to_be_bytes(), hash(2).to_be_bytes()].concat().try_into().map(TraceId).unwrap()
    };
    let fixture = Fixture::new();
    for segment in 0..SEGMENTS {
        // Every fifth trace goes on in the next segment.
        let mine = segment * TRACES..(segment + 1) * TRACES;
        let late = (segment.saturating_sub(1) * TRACES..segment * TRACES).filter(|number| number % 5 == 0);
        let ids: Vec<TraceId> = mine.chain(late).map(id).collect();
        let count = ids.len();
        let column = FixedSizeBinaryArray::try_from_iter(ids.iter().map(|id| id.0)).unwrap();
        let batch = rows(Signal::Spans, count, &[("trace_id", Arc::new(column))]);
        fixture.write(request(Signal::Spans, batch, u128::from(segment)));
        fixture.store().seal().unwrap();
    }
    let snapshot = fixture.store().snapshot(&reader());
    assert_eq!(snapshot.segments(Signal::Spans) as u64, SEGMENTS);
    let look_up = |number: u64| {
        let (_, found, stats) = snapshot.trace(Signal::Spans, id(number), 100, &control()).unwrap();
        (found, stats.opened)
    };
    let mut opened: Vec<u64> = (0..1_000)
        .map(|number| {
            let (found, opened) = look_up(number);
            assert_eq!(found, 1 + u64::from(number % 5 == 0), "{number}");
            opened
        })
        .collect();
    opened.sort_unstable();
    assert_eq!((opened[500], opened[950]), (1, 2));
    let closed = (0..10_000).filter(|number| look_up(SEGMENTS * TRACES + number) == (0, 0)).count();
    assert!(closed >= 9_900, "{closed} of 10,000 unknown ids opened no segment");
}

#[test]
fn a_merge_without_memory_is_put_off_and_done_later() {
    let fixture = Fixture::new();
    for first in 1..=3 {
        fixture.logs("a", first, &["one"]);
        fixture.store().seal().unwrap();
    }
    let budget = fixture.store().budget();
    let held = budget.try_reserve(Purpose::Merges, budget.share(Purpose::Merges)).unwrap();
    let segments = || fixture.store().snapshot(&reader()).segments(Signal::Logs);
    std::thread::scope(|scope| {
        let compacting = scope.spawn(|| fixture.store().compact(&mut |_| ()));
        while budget.usage().refused[Purpose::Merges as usize] == 0 {
            std::thread::yield_now();
        }
        assert_eq!(segments(), 3);
        drop(held);
        compacting.join().unwrap().unwrap();
    });
    assert_eq!(segments(), 1);
    assert_eq!(budget.reserved_for(Purpose::Merges), 0);
}

#[test]
fn little_memory_makes_merges_small_and_not_impossible() {
    let mut fixture = Fixture::new();
    fixture.store.take().unwrap().close().unwrap();
    let small = Options { compaction: false, ..Options::for_memory(1 << 20) };
    fixture.store = Some(Store::open(fixture.dir.path(), small).unwrap());
    for first in 1..=5 {
        fixture.logs("a", first, &["one"]);
        fixture.store().seal().unwrap();
    }
    let mut merges = Vec::new();
    fixture.store().compact(&mut |merge| merges.push(merge.to_owned())).unwrap();
    assert!(merges.iter().all(|merge| merge.starts_with("2 segments")), "{merges:?}");
    assert_eq!(merges.len(), 4);
    assert_eq!(fixture.bodies(Predicate::All).len(), 5);
}

#[test]
fn days_go_to_segments_of_their_own_up_to_a_limit() {
    let fixture = Fixture::new();
    let times: Vec<i64> = (0..20).map(|day| day * DAY).collect();
    let column: ArrayRef = Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"));
    fixture.write(request(Signal::Logs, rows(Signal::Logs, 20, &[("time", column)]), 1));
    fixture.store().seal().unwrap();
    assert_eq!(fixture.store().snapshot(&reader()).segments(Signal::Logs), 8);
    assert_eq!(fixture.store().snapshot(&reader()).rows(Signal::Logs), 20);
}

#[test]
fn retention_removes_whole_segments_and_leaves_what_is_being_read() {
    let mut fixture = Fixture::new();
    for (number, body) in ["one", "two", "three"].into_iter().enumerate() {
        fixture.logs("a", number as i64, &[body]);
        fixture.store().seal().unwrap();
    }
    fixture.logs("a", 9, &["fresh"]);
    let held = fixture.store().snapshot(&reader());
    let segments: Vec<SegmentMeta> =
        held.table(Signal::Logs).segments.iter().map(|segment| segment.meta.clone()).collect();
    let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let on_disk = |fixture: &Fixture| {
        segments.iter().filter(|segment| fixture.dir.path().join(segment.path()).exists()).count()
    };
    let now = UnixNanos::now();
    let later = UnixNanos(now.0 + 2 * DAY);
    let by_age = Retention { age: Some(Duration::from_secs(86_400)), bytes: None };
    let by_size = Retention { age: None, bytes: Some(bytes - 1) };
    let retire = |fixture: &Fixture, retention: &Retention, now| {
        let shared = &fixture.store().inner.shared;
        let _turn = lock(&shared.merging);
        shared.retire(retention, now).unwrap()
    };

    assert_eq!(retire(&fixture, &Retention::default(), later), Removed::default());
    assert_eq!(retire(&fixture, &by_age, now), Removed::default());
    let first = retire(&fixture, &by_size, now);
    assert_eq!((first.segments, first.rows), (1, 1));
    assert_eq!(retire(&fixture, &by_size, now), Removed::default(), "it fits now");
    assert_eq!(fixture.bodies(Predicate::All).len(), 3);
    let rest = retire(&fixture, &by_age, later);
    assert_eq!((rest.segments, rest.rows, rest.bytes), (2, 2, bytes - first.bytes));
    assert_eq!(fixture.store().health().removed, Removed { segments: 3, rows: 3, bytes });
    assert_eq!(fixture.bodies(Predicate::All), ["fresh"]);

    assert_eq!(bodies(&held, Predicate::All).len(), 4, "the snapshot was taken before");
    assert_eq!(on_disk(&fixture), 3);
    drop(held);
    assert_eq!(on_disk(&fixture), 0);
    fixture.crash();
    assert_eq!(fixture.bodies(Predicate::All), ["fresh"]);
}

#[test]
fn memory_of_a_write_is_held_until_its_rows_count_as_fresh() {
    let fixture = Fixture::new();
    let budget = Arc::clone(fixture.store().budget());
    let held = Box::new(budget.try_reserve(Purpose::Decoding, 1000).unwrap());
    assert_eq!(budget.reserved_for(Purpose::Decoding), 1000);
    let batch = request(Signal::Logs, logs("a", 1, &["one"]), 1);
    let tenant = TenantName::default();
    let write = fixture.store().write_holding(&tenant, batch, held);
    fixture.runtime.block_on(write).unwrap();
    assert_eq!(budget.reserved_for(Purpose::Decoding), 0);
    let fresh = fixture.store().health().fresh_bytes;
    assert!(fresh > 0);
    assert_eq!(budget.reserved_for(Purpose::FreshRows) as u64, fresh);
    fixture.store().seal().unwrap();
    assert_eq!(budget.reserved_for(Purpose::FreshRows), 0);
}

#[test]
fn tenants_do_not_see_each_other() {
    let fixture = Fixture::new();
    let other = TenantName::new("other").unwrap();
    fixture.logs("mine", 1, &["mine"]);
    let batch = request(Signal::Logs, logs("theirs", 1, &["theirs"]), 1);
    fixture.runtime.block_on(fixture.store().write(&other, batch)).unwrap();
    for _ in 0..2 {
        assert_eq!(fixture.bodies(Predicate::All), ["mine"]);
        assert_eq!(bodies(&fixture.store().snapshot(&Reader::of(other.clone())), Predicate::All), ["theirs"]);
        let unknown = Reader::of(TenantName::new("unknown").unwrap());
        assert!(bodies(&fixture.store().snapshot(&unknown), Predicate::All).is_empty());
        fixture.store().compact(&mut |_| ()).unwrap();
    }
}

#[test]
fn a_damaged_segment_does_not_stop_the_others_from_merging() {
    let fixture = Fixture::new();
    for number in 1..=3 {
        fixture.logs("a", number, &["log"]);
        let batch = rows(Signal::Spans, 2, &[]);
        fixture.write(request(Signal::Spans, batch, number as u128));
        fixture.store().seal().unwrap();
    }
    let spans = subdirectories(&fixture.dir.path().join("segments/00000001/spans")).unwrap();
    let path = spans[0].join(crate::segment::DATA_FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let said = fixture.store().compact(&mut |_| ()).unwrap_err().to_string();
    assert!(said.contains("checksum"), "{said}");
    let snapshot = fixture.store().snapshot(&reader());
    assert_eq!((snapshot.segments(Signal::Logs), snapshot.segments(Signal::Spans)), (1, 2));
    assert_eq!(fixture.bodies(Predicate::All).len(), 3);
}

#[test]
fn data_without_a_catalog_are_refused_and_kept() {
    let fixture = Fixture::new();
    fixture.logs("a", 1, &["one"]);
    fixture.store().close().unwrap();
    let copy = tempfile::tempdir().unwrap();
    copy_dir(fixture.dir.path(), copy.path());
    std::fs::remove_file(copy.path().join(catalog::FILE)).unwrap();
    let before = listing(&copy.path().join("segments"));
    let refused = Store::open(copy.path(), options()).map(drop).unwrap_err();
    assert!(refused.to_string().contains("catalog.sqlite is damaged: it is missing"), "{refused}");
    assert_eq!(listing(&copy.path().join("segments")), before);
}

#[test]
fn a_snapshot_outlives_the_segments_it_reads() {
    let fixture = Fixture::new();
    fixture.logs("a", 1, &["one"]);
    fixture.store().seal().unwrap();
    fixture.logs("a", 2, &["two"]);
    fixture.store().seal().unwrap();
    let snapshot = fixture.store().snapshot(&reader());
    fixture.store().compact(&mut |_| ()).unwrap();
    assert_eq!(bodies(&snapshot, Predicate::All), ["two", "one"]);
    drop(snapshot);
    let left = subdirectories(&fixture.dir.path().join("segments/00000001/logs")).unwrap();
    assert_eq!(left.len(), 1);
}

#[test]
fn what_a_crash_left_of_a_segment_is_deleted() {
    let mut fixture = Fixture::new();
    fixture.logs("a", 1, &["one"]);
    fixture.store().seal().unwrap();
    let orphan = fixture.dir.path().join("segments/00000001/logs/0123");
    std::fs::create_dir_all(&orphan).unwrap();
    fixture.crash();
    assert!(!fixture.dir.path().join("segments/00000001/logs/0123").exists());
    assert_eq!(fixture.bodies(Predicate::All), ["one"]);
}

#[test]
fn a_directory_has_one_writer_and_readers_change_nothing() {
    let fixture = Fixture::new();
    fixture.logs("a", 1, &["one"]);
    fixture.store().describe_holder("the first").unwrap();
    let second = Store::open(fixture.dir.path(), options()).map(drop).unwrap_err();
    assert!(second.to_string().contains("in use by the first"), "{second}");
    let reading = Store::open_read_only(fixture.dir.path(), options()).map(drop).unwrap_err();
    assert!(matches!(reading, StoreError::Locked { .. }), "{reading}");

    let copy = tempfile::tempdir().unwrap();
    copy_dir(fixture.dir.path(), copy.path());
    let before = listing(copy.path());
    let store = Store::open_read_only(copy.path(), options()).unwrap();
    assert_eq!(bodies(&store.snapshot(&reader()), Predicate::All), ["one"]);
    let writing = Store::open(copy.path(), options()).map(drop).unwrap_err();
    assert!(writing.to_string().contains("a command that reads it"), "{writing}");
    drop(store);
    assert_eq!(listing(copy.path()), before);
    assert!(matches!(
        Store::open_read_only(&copy.path().join("wal"), options()),
        Err(StoreError::NotAStore { .. })
    ));
}

/// Every file below a directory with its bytes.
fn listing(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(listing(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn a_newer_format_is_refused_in_one_line() {
    let fixture = Fixture::new();
    fixture.store().close().unwrap();
    let copy = tempfile::tempdir().unwrap();
    copy_dir(fixture.dir.path(), copy.path());
    let catalog = rusqlite::Connection::open(copy.path().join(catalog::FILE)).unwrap();
    catalog.execute("UPDATE meta SET value = 99 WHERE key = 'format'", []).unwrap();
    drop(catalog);
    let refused = Store::open(copy.path(), options()).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::NewerFormat { found: 99, .. }), "{refused}");
    assert_eq!(refused.to_string().lines().count(), 1);
}

#[test]
fn many_small_requests_leave_few_batches() {
    let fixture = Fixture::new();
    for number in 0..300 {
        fixture.logs("a", number, &["x"]);
    }
    let snapshot = fixture.store().snapshot(&reader());
    assert_eq!(snapshot.rows(Signal::Logs), 300);
    assert!(snapshot.table(Signal::Logs).fresh.len() < 128);
    let seqs = snapshot.newest(&scan(Predicate::All), None, 300, None, &control()).unwrap().0;
    let mut seqs: Vec<i64> = seqs.iter().map(|row| key(row).seq).collect();
    seqs.reverse();
    assert_eq!(seqs, (0..300).collect::<Vec<_>>());
}

#[test]
fn nothing_is_taken_after_the_end() {
    let fixture = Fixture::new();
    fixture.store().close().unwrap();
    let late = request(Signal::Logs, logs("a", 1, &["late"]), 1);
    let refused = fixture.runtime.block_on(fixture.store().write(&TenantName::default(), late));
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
}

#[test]
fn a_search_stops_when_it_is_cancelled_or_out_of_time() {
    let fixture = Fixture::new();
    fixture.logs("a", 1, &["one"]);
    let snapshot = fixture.store().snapshot(&reader());
    let cancelled = Control { cancelled: Arc::new(AtomicBool::new(true)), ..control() };
    let stopped = snapshot.newest(&scan(Predicate::All), None, 10, None, &cancelled);
    assert!(matches!(stopped, Err(StoreError::Cancelled)));
    let late = Control { deadline: Instant::now(), ..control() };
    let (rows, stats) = snapshot.newest(&scan(Predicate::All), None, 10, None, &late).unwrap();
    assert!(rows.is_empty() && stats.timed_out);
}
