//! Sets that were found before, of traces and of rows, in every state that rows can be in.

use model::{Chain, TraceSet};

use super::*;

/// Traces of which a set is looked for by index, and more than that.
const TRACES: u64 = 300;

fn id(number: u64) -> [u8; 16] {
    let mut id = [9; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

/// A log of every trace, and one of none after each third.
fn logs_of_traces() -> (RecordBatch, Vec<(Option<u64>, String)>) {
    let mut all = Vec::new();
    for trace in 1..=TRACES {
        all.push((Some(trace), format!("log of {trace}")));
        if trace % 3 == 0 {
            all.push((None, format!("log after {trace}")));
        }
    }
    let ids = all.iter().map(|(trace, _)| trace.map(id));
    let ids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, 16).unwrap();
    let bodies: Vec<&str> = all.iter().map(|(_, body)| body.as_str()).collect();
    let times = TimestampNanosecondArray::from_iter_values(0..all.len() as i64).with_timezone("UTC");
    let columns: [(&str, ArrayRef); 3] = [
        ("trace_id", Arc::new(ids)),
        ("time", Arc::new(times)),
        ("body", Arc::new(arrow::array::StringArray::from(bodies))),
    ];
    (rows(Signal::Logs, all.len(), &columns), all)
}

fn traces(numbers: impl IntoIterator<Item = u64>) -> Predicate {
    Predicate::TraceIn(TraceSet::Ids(numbers.into_iter().map(|number| TraceId(id(number))).collect()))
}

fn not(predicate: Predicate) -> Predicate {
    Predicate::Not(Box::new(predicate))
}

/// What is asked, and whether a log of this trace, or of none, with this body is in the answer.
type Case = (Predicate, fn(Option<u64>, &str) -> bool);

#[test]
fn rows_of_a_set_are_found_wherever_they_lie() {
    let (batch, all) = logs_of_traces();
    let fixture = Fixture::new();
    fixture.write(request(Signal::Logs, batch, 1));
    let body = |text: &str| Predicate::Field(Field::Body, Test::Equals(text.to_owned()));
    let text = |text: &str| Predicate::Text(text.to_owned());
    let cases: Vec<Case> = vec![
        (traces([]), |_, _| false),
        (traces([5]), |trace, _| trace == Some(5)),
        (traces([5, 250, 9_999]), |trace, _| matches!(trace, Some(5 | 250))),
        (traces(10..=200), |trace, _| trace.is_some_and(|trace| (10..=200).contains(&trace))),
        (not(traces(10..=200)), |trace, _| !trace.is_some_and(|trace| (10..=200).contains(&trace))),
        (traces([7]).and(text("log of 7")), |trace, _| trace == Some(7)),
        (traces([7]).and(text("log of 8")), |_, _| false),
        (traces(1..=100).and(traces(90..=300)), |trace, _| {
            trace.is_some_and(|trace| (90..=100).contains(&trace))
        }),
        (not(traces(1..=290)).and(text("of")), |trace, _| trace.is_some_and(|trace| trace > 290)),
        (Predicate::Or(vec![traces([5]), body("log after 6")]), |trace, body| {
            trace == Some(5) || body == "log after 6"
        }),
        (Predicate::Rows(Arc::from([])), |_, _| false),
    ];
    let seq_of = |wanted: &str| {
        let found =
            fixture.store().snapshot(&reader()).newest(&scan(body(wanted)), None, 1, None, &control());
        key(&found.unwrap().0[0]).seq
    };
    let mut seqs = vec![seq_of("log of 3"), seq_of("log after 3"), seq_of("log of 299")];
    seqs.sort_unstable();
    let by_seq = Predicate::Rows(seqs.into());
    let named = ["log of 3", "log after 3", "log of 299"];
    for state in ["fresh", "sealed", "merged"] {
        for (predicate, holds) in &cases {
            let expected: Vec<&str> = all
                .iter()
                .rev()
                .filter(|(trace, body)| holds(*trace, body))
                .map(|row| row.1.as_str())
                .collect();
            assert_eq!(fixture.bodies(predicate.clone()), expected, "{state}: {predicate:?}");
        }
        let mut found = fixture.bodies(by_seq.clone());
        found.reverse();
        assert_eq!(found, named, "{state}");
        assert_eq!(fixture.bodies(not(by_seq.clone())).len(), all.len() - named.len(), "{state}");
        match state {
            "fresh" => fixture.store().seal().unwrap(),
            _ => fixture.store().compact(&mut |_| ()).unwrap(),
        }
    }
}

#[test]
fn a_part_that_nobody_answered_is_refused() {
    let fixture = Fixture::new();
    fixture.logs("shop", 1_000, &["a"]);
    let unanswered = [
        Predicate::TraceIn(TraceSet::Of(Signal::Spans, Box::new(Predicate::All))),
        Predicate::Chain(Chain { first: Box::new(Predicate::All), steps: Vec::new() }),
    ];
    for predicate in unanswered {
        let found =
            fixture.store().snapshot(&reader()).newest(&scan(not(predicate)), None, 1, None, &control());
        assert!(matches!(found, Err(StoreError::Unresolved)));
    }
}
