//! The demo's shop in simulated time, broken in every way: the first suspect is right in service and kind; and in a
//! healthy window nobody is suspected much. `accuracy demo` does the same with all faults and many seeds.

use bytes::Bytes;
use demo::fault::Fault;
use demo::model::{self, Batch, FaultPlan, MINUTE, Plan};
use prost::Message;
use serde_json::{Value, json};
use tests::{api::Api, harness::Server, http::Client, otlp::Signal};

use crate::support::{Home, assert_stored, bytes_request};

/// When the shop opens: a Tuesday at noon.
const START: i64 = 1_763_467_200_000_000_000;
/// How long it is healthy, and how long a fault lasts, in minutes.
const HEALTHY: i64 = 8;
const BROKEN: i64 = 5;
/// Requests of customers a second.
const RATE: f64 = 5.0;
/// What a suspect may be suspected of where nothing is wrong.
const SCORE_QUIET_MAX: f64 = 0.5;

#[test]
fn the_first_suspect_is_the_one_that_was_broken() {
    for fault in Fault::all() {
        let from = START + HEALTHY * MINUTE;
        let planned = FaultPlan { fault, from, to: from + BROKEN * MINUTE };
        let home = Home::new();
        let server = Server::start(&home.data());
        live(&server, vec![planned]);
        let (label, api) = (fault.label(), server.api());
        let told = diagnosis(&api, planned.from, planned.to);
        let first = &told["suspects"][0];
        assert_eq!(
            (&first["service"], &first["kind"]),
            (&json!(label.service), &json!(label.kind)),
            "{fault}: {told}"
        );
    }
}

#[test]
fn nobody_is_suspected_much_where_nothing_is_wrong() {
    let home = Home::new();
    let server = Server::start(&home.data());
    live(&server, Vec::new());
    for minute in [2, 5, HEALTHY] {
        let from = START + minute * MINUTE;
        let told = diagnosis(&server.api(), from, from + BROKEN * MINUTE);
        let score = told["suspects"][0]["score"].as_f64().unwrap_or(0.0);
        assert!(score <= SCORE_QUIET_MAX, "from minute {minute}: {told}");
        assert!(told["status"] != "not_enough", "from minute {minute}: {told}");
    }
}

/// Lets the shop live and sends what it exports.
fn live(server: &Server, faults: Vec<FaultPlan>) {
    let minutes = u32::try_from(HEALTHY + BROKEN).expect("minutes are few");
    let plan = Plan { seed: 5, start: START, minutes, rate: RATE, faults, distractors: true };
    let mut client = server.otlp_http();
    model::run(&plan, &mut |batch: Batch| {
        send(&mut client, Signal::Traces, batch.traces.encode_to_vec().into());
        send(&mut client, Signal::Logs, batch.logs.encode_to_vec().into());
        send(&mut client, Signal::Metrics, batch.metrics.encode_to_vec().into());
    });
}

fn send(client: &mut Client, signal: Signal, body: Bytes) {
    assert_stored(&client.send(&bytes_request(signal, body)).expect("the server answers"));
}

fn diagnosis(api: &Api, from: i64, to: i64) -> Value {
    let answer = api.post("/api/diagnose", &json!({ "from": from, "to": to }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}
