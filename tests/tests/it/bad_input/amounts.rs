//! Too much of something in one request: memory stays bounded, what was cut is marked on its record, and every number
//! that is told is exact.

use std::{
    thread,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValue, KeyValueList, any_value::Value};
use serde_json::{Value as Json, json};
use tests::{
    compress,
    fault::random::number,
    harness::{Server, announce},
    http::Request,
    otlp::{Export, IntoAny, attribute, hex, log, logs, span, span_id, trace_id, traces},
};

use crate::support::{Home, assert_stored, bytes_request, once, partial_success, protobuf_request, store};

/// Attributes of one record.
const KEYS: usize = 1_000_000;

/// Values in one attribute.
const VALUES: usize = 10_000_000;

/// Bytes of one value.
const VALUE_BYTES: usize = 10 << 20;

/// Attributes that a record keeps.
const KEYS_KEPT: usize = 1024;

/// Bytes that an attribute's value keeps.
const VALUE_BYTES_KEPT: usize = 64 << 10;

/// What a value inside a list takes of that.
const NESTED_BYTES: usize = 8;

/// What one such request may take of memory beside the largest request there can be, once decoded: generous, as the
/// short form of the program is not optimised.
const MEMORY_MAX: u64 = 1 << 30;

/// Spans of one trace unless `CAUSEWAY_TRACE_SPANS` says otherwise.
const SPANS: usize = 50_000;

/// Spans in one request.
const SPANS_PER_REQUEST: usize = 10_000;

/// The page's first screen of such a trace, unless the machine is busy with more than this.
const PAGE_MAX: Duration = Duration::from_secs(30);

/// One record that is far too large.
struct Case {
    what: &'static str,
    kind: &'static str,
    export: fn() -> Export,
    /// What the answer says besides success.
    told: Option<String>,
    /// `dropped_attributes_count` of the record.
    dropped: usize,
    /// Whether the record is marked.
    marked: bool,
    /// What is kept: a number that `measure` finds in the row.
    kept: usize,
    measure: fn(&Json) -> usize,
}

fn cases() -> [Case; 7] {
    let cut = || Some("values cut for being too long or nested too deep: 1".to_owned());
    let dropped =
        |number: usize| Some(format!("attributes dropped for being too many or too long: {number}"));
    let nested = VALUE_BYTES_KEPT / NESTED_BYTES;
    let case = |what, export| Case {
        what,
        kind: "logs",
        export,
        told: cut(),
        dropped: 0,
        marked: true,
        kept: 0,
        measure: |_| 0,
    };
    [
        Case {
            told: dropped(KEYS - KEYS_KEPT),
            dropped: KEYS - KEYS_KEPT,
            // The mark is an attribute, too.
            kept: KEYS_KEPT + 1,
            measure: |row| row["attributes"].as_object().map_or(0, |attributes| attributes.len()),
            ..case("a million keys of a log record", || log_with(many_keys()))
        },
        Case {
            kind: "spans",
            told: dropped(KEYS - KEYS_KEPT),
            // Seven were dropped by the sender.
            dropped: KEYS - KEYS_KEPT + 7,
            kept: KEYS_KEPT + 1,
            measure: |row| row["attributes"].as_object().map_or(0, |attributes| attributes.len()),
            ..case("a million keys of a span", span_with_many_keys)
        },
        Case {
            kept: nested,
            measure: |row| row["attributes"]["large"].as_array().map_or(0, Vec::len),
            ..case("ten million values in a list", || log_with(vec![attribute("large", many_values())]))
        },
        Case {
            // Each entry also takes its key of ten letters.
            kept: VALUE_BYTES_KEPT / (NESTED_BYTES + 10),
            measure: |row| row["attributes"]["large"].as_object().map_or(0, |map| map.len()),
            ..case("a million entries of a map", || log_with(vec![attribute("large", many_entries())]))
        },
        Case {
            kept: VALUE_BYTES_KEPT,
            measure: |row| row["attributes"]["large"].as_str().map_or(0, str::len),
            ..case("a value of 10 MB", || {
                log_with(vec![attribute("large", "x".repeat(VALUE_BYTES).as_str())])
            })
        },
        Case {
            told: dropped(1),
            dropped: 1,
            kept: 1,
            measure: |row| row["attributes"].as_object().map_or(0, |attributes| attributes.len()),
            ..case("a key of 10 MB", || log_with(vec![attribute(&"x".repeat(VALUE_BYTES), "value")]))
        },
        Case {
            told: None,
            marked: false,
            kept: VALUE_BYTES,
            measure: |row| row["body"].as_str().map_or(0, str::len),
            ..case("a body of 10 MB, which is not cut", || logs("large", vec![log(&"x".repeat(VALUE_BYTES))]))
        },
    ]
}

fn log_with(attributes: Vec<KeyValue>) -> Export {
    let mut record = log("large");
    record.attributes = attributes;
    logs("large", vec![record])
}

fn span_with_many_keys() -> Export {
    let mut span = span(trace_id("large"), span_id("large", 1), "large");
    span.attributes = many_keys();
    span.dropped_attributes_count = 7;
    traces("large", vec![span])
}

fn many_keys() -> Vec<KeyValue> {
    (0..KEYS).map(|key| attribute(&format!("key-{key}"), key as i64)).collect()
}

fn many_values() -> Value {
    Value::ArrayValue(ArrayValue { values: (0..VALUES).map(|_| true.into_any()).collect() })
}

fn many_entries() -> Value {
    let values = (0..KEYS).map(|key| attribute(&format!("key{key:07}"), true)).collect();
    Value::KvlistValue(KeyValueList { values })
}

#[test]
fn a_record_that_is_far_too_large_is_cut_marked_and_counted() {
    for case in cases() {
        let Case { what, kind, .. } = case;
        let export = (case.export)();
        // Compressed, since the list is nearly as large as a request may be.
        let body = compress::zstd(&export.to_protobuf());
        let request = bytes_request(export.signal(), body).header("content-encoding", "zstd");
        drop(export);
        let home = Home::new();
        let server = Server::start(&home.data());
        let (before, begun) = (server.peak_memory_bytes(), Instant::now());
        let answer = once(&server, &request);
        let (millis, grown) = (begun.elapsed().as_millis(), server.peak_memory_bytes() - before);
        announce(&format!("amounts: {what}: {} in {millis} ms, {} MiB more", answer.status, grown >> 20));
        assert_eq!(partial_success(&answer), case.told.clone().map(|told| (0, told)), "{what}");
        assert!(grown <= MEMORY_MAX, "{what}: memory grew by {grown} bytes");
        store(&server, &logs("calm", vec![log("after")]));
        check(&server, &case, "fresh");
        server.api().compact();
        check(&server, &case, "compacted");
        let others = server.api().count("SELECT count(*) FROM logs WHERE service_name = 'calm'");
        assert_eq!(others, 1, "{what}, {kind}");
    }
}

/// What the store says of the record, by search and by SQL.
fn check(server: &Server, case: &Case, when: &str) {
    let Case { what, kind, .. } = case;
    let api = server.api();
    let sql = format!("SELECT dropped_attributes_count FROM {kind} WHERE service_name = 'large'");
    assert_eq!(api.sql(&sql), [[json!(case.dropped)]], "{what}, {when}");
    let rows = api.rows(kind, "service:large");
    assert_eq!(rows.len(), 1, "{what}, {when}");
    let mark = &rows[0]["attributes"]["causeway.truncated"];
    assert_eq!(*mark, if case.marked { json!(true) } else { Json::Null }, "{what}, {when}");
    assert_eq!((case.measure)(&rows[0]), case.kept, "{what}, {when}");
    let marked = api.rows(kind, "causeway.truncated:true").len();
    assert_eq!(marked, usize::from(case.marked), "{what}, {when}: rows with the mark");
}

#[test]
fn a_trace_of_very_many_spans_is_stored() {
    let spans = number("CAUSEWAY_TRACE_SPANS", SPANS);
    let home = Home::new();
    let server = Server::start(&home.data());
    let id = trace_id("crowd");
    let begun = Instant::now();
    for first in (0..spans).step_by(SPANS_PER_REQUEST) {
        let one = |number| span(id, span_id("crowd", number), "step");
        let export = traces("crowd", (first..spans.min(first + SPANS_PER_REQUEST)).map(one).collect());
        let deadline = Instant::now() + Duration::from_secs(120);
        // As an exporter does when memory for fresh rows is full.
        while once_or_later(&server, &export) {
            assert!(Instant::now() < deadline, "no room for span {first}");
            thread::sleep(Duration::from_millis(50));
        }
    }
    let stored = begun.elapsed();
    let sql = format!("SELECT count(*) FROM spans WHERE trace_id = '{}'", hex(&id));
    assert_eq!(server.api().count(&sql), spans as u64);
    let trace = server.api().json(&format!("/api/traces/{}", hex(&id)));
    assert_eq!(trace["truncated"], true, "what was left out is said");
    let begun = Instant::now();
    let page = server.api().get(&format!("/traces/{}", hex(&id)));
    let shown = begun.elapsed();
    announce(&format!(
        "amounts: {spans} spans in one trace: stored in {} ms, its page {} ms and {} KiB",
        stored.as_millis(),
        shown.as_millis(),
        page.body.len() >> 10
    ));
    assert_eq!(page.status, 200);
    assert!(shown < PAGE_MAX, "the page took {shown:?}");
    for encoding in ["identity", "gzip", "zstd"] {
        let path = format!("/api/traces/{}/outline", hex(&id));
        let request = Request::get(&path).header("accept-encoding", encoding);
        let begun = Instant::now();
        let outline = server.api().send(request);
        let (millis, bytes) = (begun.elapsed().as_millis(), outline.body.len());
        announce(&format!("amounts: its outline as {encoding}: {bytes} bytes in {millis} ms"));
        assert_eq!(outline.status, 200, "{encoding}");
        assert!(encoding != "identity" || outline.body.starts_with(b"CWO1"), "an outline");
    }
}

/// Whether it has to be sent again.
fn once_or_later(server: &Server, export: &Export) -> bool {
    let answer = once(server, &protobuf_request(export));
    if matches!(answer.status, 429 | 503) {
        return true;
    }
    assert_stored(&answer);
    false
}
