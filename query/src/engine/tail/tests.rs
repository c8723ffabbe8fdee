use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use model::{Answer, Batch, TenantName};
use storage::Purpose;

use super::*;
use crate::testing::{Fixture, rows, texts, times};

/// Stores logs with these bodies, sent by a tenant.
fn store(fixture: &Fixture, tenant: &str, bodies: &[&str]) {
    let count = bodies.len();
    let given: [(&str, ArrayRef); 4] = [
        ("body", texts(bodies)),
        ("body_type", texts(&vec!["string"; count])),
        ("time", times(&(0..count as i64).collect::<Vec<_>>())),
        ("severity_number", Arc::new(Int64Array::from(vec![9; count]))),
    ];
    let rows = rows(Signal::Logs, count, &given);
    let batch =
        Batch { signal: Signal::Logs, rows, payload_hash: 0, repeatable: false, answer: Answer::default() };
    let tenant = TenantName::new(tenant).unwrap();
    fixture.runtime.block_on(fixture.store.write(&tenant, batch)).unwrap();
}

fn tail(fixture: &Fixture, signal: Signal, q: &str, after: Option<i64>) -> Result<Tail, QueryError> {
    fixture.runtime.block_on(fixture.engine.tail(&fixture.reader, signal, q, after))
}

/// The bodies of the next logs.
fn bodies(fixture: &Fixture, tail: &mut Tail, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < count {
        match fixture.runtime.block_on(tail.next()).expect("the tail goes on") {
            TailEvent::Row { json, .. } => {
                let row: serde_json::Value = serde_json::from_str(&json).unwrap();
                found.push(row["body"].as_str().unwrap().to_owned());
            }
            TailEvent::Alive(_) => {}
            TailEvent::Dropped(dropped) => panic!("dropped {dropped:?}"),
        }
    }
    found
}

#[test]
fn rows_that_match_arrive_once_and_in_order() {
    let fixture = Fixture::new();
    let mut all = tail(&fixture, Signal::Logs, "", None).unwrap();
    let mut some = tail(&fixture, Signal::Logs, "yes", None).unwrap();
    store(&fixture, "default", &["yes 1", "no 2"]);
    store(&fixture, "other", &["yes, and not ours"]);
    store(&fixture, "default", &["yes 3"]);
    fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    store(&fixture, "default", &["yes 4"]);
    assert_eq!(bodies(&fixture, &mut all, 4), ["yes 1", "no 2", "yes 3", "yes 4"]);
    assert_eq!(bodies(&fixture, &mut some, 3), ["yes 1", "yes 3", "yes 4"]);
}

#[test]
fn a_tenant_that_has_sent_nothing_yet_can_be_followed() {
    let fixture = Fixture::new();
    let reader = Reader::of(TenantName::new("newcomer").unwrap());
    let mut tail = fixture.runtime.block_on(fixture.engine.tail(&reader, Signal::Logs, "", None)).unwrap();
    store(&fixture, "newcomer", &["hello"]);
    assert_eq!(bodies(&fixture, &mut tail, 1), ["hello"]);
}

#[test]
fn a_reader_who_comes_back_gets_what_came_meanwhile() {
    let fixture = Fixture::new();
    let mut first = tail(&fixture, Signal::Logs, "", None).unwrap();
    let TailEvent::Alive(Some(position)) = fixture.runtime.block_on(first.next()).unwrap() else {
        panic!("a tail begins with its place")
    };
    drop(first);
    store(&fixture, "default", &["yes 1", "no 2"]);
    for state in ["fresh", "sealed"] {
        let mut again = tail(&fixture, Signal::Logs, "yes", Some(position)).unwrap();
        store(&fixture, "default", &[&format!("yes {state}")]);
        let expected: &[&str] =
            if state == "fresh" { &["yes 1", "yes fresh"] } else { &["yes 1", "yes fresh", "yes sealed"] };
        assert_eq!(bodies(&fixture, &mut again, expected.len()), expected, "{state}");
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
    // A place that is still to come is that of another store: what comes from now on is sent.
    let mut ahead = tail(&fixture, Signal::Logs, "", Some(i64::MAX)).unwrap();
    store(&fixture, "default", &["now"]);
    assert_eq!(bodies(&fixture, &mut ahead, 1), ["now"]);
}

#[test]
fn tails_are_few_and_give_back_what_they_hold() {
    let fixture = Fixture::new();
    let held = || fixture.budget.reserved_for(Purpose::Queries);
    let mut tails: Vec<Tail> =
        (0..TAILS_MAX).map(|_| tail(&fixture, Signal::Spans, "", None).unwrap()).collect();
    assert!(held() > 0);
    let refused = tail(&fixture, Signal::Spans, "", None).err().unwrap();
    assert_eq!(refused.code(), (429, "busy"));
    // A program that stops ends them all; what was sent before is still read.
    fixture.engine.end_tails();
    for tail in &mut tails {
        while fixture.runtime.block_on(tail.next()).is_some() {}
    }
    assert_eq!(held(), 0);
    assert!(tail(&fixture, Signal::Spans, "", None).is_ok(), "the slots are free again");
}

#[test]
fn a_reader_who_leaves_frees_its_slot() {
    let fixture = Fixture::new();
    let tails = (0..TAILS_MAX).map(|_| tail(&fixture, Signal::Logs, "", None).unwrap());
    drop(tails.collect::<Vec<_>>());
    let slots = Arc::clone(&fixture.engine.tails.slots);
    let all = u32::try_from(TAILS_MAX).unwrap();
    // Waits for the tasks to end, and for ever if one does not.
    drop(fixture.runtime.block_on(slots.acquire_many(all)).unwrap());
    assert_eq!(fixture.budget.reserved_for(Purpose::Queries), 0);
}

#[test]
fn wrong_searches_are_refused() {
    let fixture = Fixture::new();
    for (q, status) in [("timeout AND", 400), ("body:/(/", 400), ("", 0)] {
        let refused = tail(&fixture, Signal::Logs, q, None).err().map_or(0, |error| error.code().0);
        assert_eq!(refused, status, "{q}");
    }
}

#[test]
fn what_asks_about_rows_to_come_is_refused_at_its_place() {
    let fixture = Fixture::new();
    for (signal, q, place, part, fits) in [
        (Signal::Spans, "{ service:cart } > { status:error }", 17, "a span above it may come later", "AND"),
        (Signal::Spans, "ping OR { name:a } >> { name:b }", 19, "a span above it may come later", "AND"),
        (Signal::Logs, "refused trace in spans(status:error)", 8, "may come later", "trace:ID"),
        (Signal::Spans, "{ trace in logs(x) }", 2, "may come later", "trace:ID"),
    ] {
        let refused = tail(&fixture, signal, q, None).err();
        let Some(QueryError::Bad { message, position, expected }) = refused else {
            panic!("{q}: {refused:?}")
        };
        assert_eq!(
            (position, expected.first().map(String::as_str)),
            (Some(place), Some(fits)),
            "{q}: {message}"
        );
        assert!(message.contains(part), "{q}: {message}");
    }
    // A set by itself asks about one span.
    assert!(tail(&fixture, Signal::Spans, "{ service:cart } OR { status:error }", None).is_ok());
}
