//! The same question has the same answer wherever the rows lie: in memory, replayed from the log, in sealed
//! segments, compacted and indexed, or part here and part there.

mod data;
mod questions;
mod sql;

use serde_json::Value;
use tests::{
    api::Api,
    harness::{Server, Setup},
};

use crate::support::{Home, store};

#[test]
fn answers_do_not_depend_on_where_rows_lie() {
    let home = Home::new();
    let setup = Setup::new(&home.data());
    let mut server = setup.start();
    data::all().iter().for_each(|export| store(&server, export));
    let fresh = check(&server, "fresh");
    server.kill();
    server = setup.start();
    assert_same(&fresh, &check(&server, "replayed"), "replayed");
    assert!(server.stop().status.success(), "not stopped cleanly");
    server = setup.start();
    assert_same(&fresh, &check(&server, "stopped and started"), "stopped and started");
    server.api().compact();
    assert_same(&fresh, &check(&server, "compacted"), "compacted");
    server.kill();
    server = setup.start();
    assert_same(&fresh, &check(&server, "compacted and started"), "compacted and started");
}

#[test]
fn answers_join_segments_and_memory() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let (first, second) = data::halves();
    first.iter().for_each(|export| store(&server, export));
    server.api().compact();
    second.iter().for_each(|export| store(&server, export));
    check(&server, "half compacted");
    server.api().compact();
    check(&server, "both halves compacted");
}

/// Asks everything, compares with the tables, and gives back whole answers.
fn check(server: &Server, when: &str) -> Vec<(String, Value)> {
    let api = server.api();
    let mut answers = questions::check(&api, when);
    sql::check(&api, when);
    answers.extend(paths(&api));
    answers
}

/// Answers that are compared as a whole.
fn paths(api: &Api) -> Vec<(String, Value)> {
    let trace = format!("/api/traces/{}", data::trace(1));
    let answer = |path: &str| {
        let mut answer = api.json(path);
        // What it cost differs; what it says must not.
        answer.as_object_mut().expect("an answer is an object").remove("stats");
        (path.to_owned(), answer)
    };
    [trace.as_str(), "/api/services"].map(answer).to_vec()
}

fn assert_same(fresh: &[(String, Value)], now: &[(String, Value)], when: &str) {
    assert_eq!(fresh.len(), now.len(), "{when}");
    for ((question, before), (_, after)) in fresh.iter().zip(now) {
        assert_eq!(before, after, "{when}: {question} has another answer than in memory");
    }
}
