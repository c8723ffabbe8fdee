//! Templates of logs: what a row is told of its own does not depend on where the row is.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::Int32Type;

use super::*;
use crate::templates::{self, TEMPLATE_ID, TEMPLATE_VARIABLES};
use crate::{Tally, Trend};

/// Many values of a word, numbers, and one whole body.
const BODIES: [&str; 10] = [
    "user ann signed in from 10.0.0.1",
    "user bob signed in from 10.0.0.2",
    "user cyd signed in from 10.0.0.3",
    "user dan signed in from 10.0.0.4",
    "user eve signed in from 10.0.0.5",
    "user fay signed in from 10.0.0.6",
    "job 1 done",
    "job 2 done",
    "deleted 1, 2, 3 blocks",
    "reserved \u{1a}",
];

/// The identity of a template, and what stands at its variable places.
type Shown = (Option<String>, Vec<String>);

/// The identities and variables of each body's rows.
fn told(fixture: &Fixture, predicate: Predicate) -> BTreeMap<String, BTreeSet<Shown>> {
    let snapshot = fixture.store().snapshot(&reader());
    let (rows, _) = snapshot.newest(&scan(predicate), None, 1000, None, &control()).unwrap();
    let mut told: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for row in &rows {
        let ids = row.column_by_name(TEMPLATE_ID).unwrap().as_dictionary::<Int32Type>();
        let id = ids.key(0).map(|key| ids.values().as_string::<i32>().value(key).to_owned());
        let variables = row.column_by_name(TEMPLATE_VARIABLES).unwrap().as_list::<i32>().value(0);
        let variables = variables.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
        told.entry(body(row)).or_default().insert((id, variables));
    }
    told
}

fn of(id: &str) -> Predicate {
    Predicate::Field(Field::Template, Test::Equals(id.to_owned()))
}

fn id(template: &str) -> String {
    templates::digits(templates::id(template))
}

fn tally(fixture: &Fixture, range: TimeRange, predicate: Predicate, trend: Trend) -> Tally {
    let scan = Scan { signal: Signal::Logs, range, predicate };
    fixture.store().snapshot(&reader()).tally(&scan, trend, &control()).unwrap()
}

const WHOLE: Trend = Trend { from: 0, width: 1_000, parts: 4 };

/// Template, count, first and last time, trend.
fn counted(tally: &Tally) -> Vec<(String, u64, i64, i64, Vec<u64>)> {
    let mut counted: Vec<_> = tally
        .templates
        .iter()
        .map(|one| (one.text.clone(), one.count, one.first_seen.0, one.last_seen.0, one.trend.clone()))
        .collect();
    counted.sort();
    counted
}

#[test]
fn a_row_is_told_the_same_in_every_state_and_segment() {
    let mut fixture = Fixture::new();
    fixture.logs("shop", 1_000, &BODIES);
    let user = id("user \u{1a} signed in from \u{1a}");
    let expected = |number: usize| match number {
        0..6 => (Some(user.clone()), 2),
        6..8 => (Some(id("job \u{1a} done")), 1),
        8 => (Some(id("deleted \u{1a}, \u{1a}, \u{1a} blocks")), 3),
        _ => (None, 0),
    };
    let check = |fixture: &Fixture, state: &str| {
        let told = told(fixture, Predicate::All);
        assert_eq!(told.len(), BODIES.len(), "{state}");
        for (number, body) in BODIES.iter().enumerate() {
            let of_body: Vec<_> = told[*body].iter().collect();
            let [(id, variables)] = of_body.as_slice() else {
                panic!("{state}: {body:?} is told {of_body:?}")
            };
            let (expected, places) = expected(number);
            assert_eq!((id, variables.len()), (&expected, places), "{state}: {body:?}");
            assert!(
                variables.iter().all(|variable| body.contains(variable.as_str())),
                "{state}: {variables:?}"
            );
        }
        assert_eq!(told[BODIES[1]].first().unwrap().1, ["bob", "10.0.0.2"], "{state}");
        let found = self::told(fixture, of(&user));
        assert_eq!(found.keys().collect::<Vec<_>>(), BODIES[..6].iter().collect::<Vec<_>>(), "{state}");
        assert!(self::told(fixture, of("0123456789abcdef")).is_empty(), "{state}");
    };
    check(&fixture, "fresh");
    fixture.store().seal().unwrap();
    check(&fixture, "sealed");
    // In another order, so that another miner sees other values first.
    let turned: Vec<&str> = BODIES.iter().rev().copied().collect();
    fixture.logs("cart", 2_000, &turned);
    check(&fixture, "sealed and fresh");
    fixture.store().seal().unwrap();
    check(&fixture, "in two segments");
    fixture.store().compact(&mut |_| ()).unwrap();
    check(&fixture, "merged");
    fixture.crash();
    check(&fixture, "merged, in another process");
}

#[test]
fn an_identity_leads_to_what_its_template_became() {
    let fixture = Fixture::new();
    fixture.logs("shop", 1_000, &BODIES[..1]);
    let before = id("user ann signed in from \u{1a}");
    assert_eq!(told(&fixture, of(&before)).len(), 1);
    fixture.store().seal().unwrap();
    fixture.logs("shop", 2_000, &BODIES[1..6]);
    for state in ["fresh", "sealed"] {
        assert_eq!(told(&fixture, of(&before)).len(), 6, "{state}");
        fixture.store().seal().unwrap();
    }
}

#[test]
fn counts_by_template_add_up_in_every_state() {
    let fixture = Fixture::new();
    fixture.logs("shop", 500, &BODIES);
    fixture.logs("cart", 2_500, &["job 3 done", "stop"]);
    let expected = [
        ("deleted <*>, <*>, <*> blocks", 1, 508, 508, [1, 0, 0, 0]),
        ("job <*> done", 3, 506, 2_500, [2, 0, 1, 0]),
        ("stop", 1, 2_501, 2_501, [0, 0, 1, 0]),
        ("user <*> signed in from <*>", 6, 500, 505, [6, 0, 0, 0]),
    ];
    let late = TimeRange { from: Some(UnixNanos(2_000)), to: None };
    for state in ["fresh", "sealed", "merged"] {
        let all = tally(&fixture, TimeRange::ALL, Predicate::All, WHOLE);
        let expected = expected.iter().map(|(text, count, first, last, trend)| {
            ((*text).to_owned(), *count, *first, *last, trend.to_vec())
        });
        assert_eq!(counted(&all), expected.collect::<Vec<_>>(), "{state}");
        let counted_rows: u64 = all.templates.iter().map(|one| one.count).sum();
        assert_eq!((counted_rows, all.without, all.total), (11, 1, 12), "{state}");

        // A template keeps its first time where only its last row is asked for, also if other sources were not read.
        let late = tally(&fixture, late, Predicate::All, WHOLE);
        assert_eq!(
            counted(&late),
            [
                ("job <*> done".to_owned(), 1, 506, 2_500, vec![0, 0, 1, 0]),
                ("stop".to_owned(), 1, 2_501, 2_501, vec![0, 0, 1, 0]),
            ],
            "{state}"
        );
        let job = late.templates.iter().find(|one| one.text == "job <*> done").unwrap();
        assert_eq!(job.services, [("cart".to_owned(), 1)], "{state}");
        let bodies = fixture.store().snapshot(&reader()).bodies(&[&job.sample], 10).unwrap();
        assert_eq!(bodies, [[("job 3 done".to_owned(), vec!["3".to_owned()])]], "{state}");

        let found = tally(&fixture, TimeRange::ALL, Predicate::Text("bob".into()), WHOLE);
        assert_eq!(counted(&found)[0].1, 1, "{state}");
        assert_eq!(found.total, 1, "{state}");
        match state {
            "fresh" => fixture.store().seal().unwrap(),
            _ => fixture.store().compact(&mut |_| ()).unwrap(),
        }
    }
}

#[test]
fn templates_past_the_memory_for_them_stand_alone() {
    let mut fixture = Fixture::new();
    fixture.store.take().unwrap().close().unwrap();
    let options = Options { compaction: false, ..Options::for_memory(0) };
    fixture.store =
        Some(Store::open(fixture.dir.path(), Options { fresh_bytes_max: 1 << 20, ..options }).unwrap());
    fixture.logs("shop", 1_000, &BODIES);
    let told = told(&fixture, Predicate::All);
    for (body, template) in [(0, "user ann signed in from \u{1a}"), (6, "job \u{1a} done")] {
        assert_eq!(told[BODIES[body]].first().unwrap().0, Some(id(template)), "{template}");
    }
}
