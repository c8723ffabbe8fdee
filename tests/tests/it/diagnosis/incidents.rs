//! A shop that breaks and is mended: one incident for each cause opens by itself, with the right suspect, and closes again.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use demo::{
    fault::Fault,
    model::{FaultPlan, MINUTE, Plan, run},
};
use serde_json::{Value, json};
use tests::{harness::Server, otlp::Export};

use crate::support::{Home, store};

/// A Tuesday at noon.
const START: i64 = 1_763_467_200_000_000_000;
/// How long customers come, from when to when it is broken, in minutes.
const MINUTES: u32 = 18;
const BROKEN: (i64, i64) = (10, 13);
/// Within which time an incident has to be there, on a machine that has other work.
const THERE_WITHIN: Duration = Duration::from_secs(120);
/// How long is waited between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A server with all that a shop sends that has these faults.
fn lived(home: &Home, faults: &[Fault]) -> Server {
    let server = Server::start(&home.data());
    let (from, to) = (START + BROKEN.0 * MINUTE, START + BROKEN.1 * MINUTE);
    let faults = faults.iter().map(|fault| FaultPlan { fault: *fault, from, to }).collect();
    let plan = Plan { seed: 3, start: START, minutes: MINUTES, rate: 4.0, faults, distractors: true };
    run(&plan, &mut |batch| {
        for export in [Export::Traces(batch.traces), Export::Logs(batch.logs), Export::Metrics(batch.metrics)]
        {
            store(&server, &export);
        }
    });
    server
}

#[test]
fn two_causes_at_once_are_two_incidents() {
    let home = Home::new();
    let server = lived(&home, &[Fault::Exception, Fault::Lock]);
    let incidents = closed(&server);
    let mut found: Vec<(&str, &str)> = incidents
        .iter()
        .filter_map(|incident| {
            let first = &incident["suspects"][0];
            Some((first["service"].as_str()?, first["kind"].as_str()?))
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("catalog", "code"), ("inventory", "lock")], "{incidents:?}");
}

#[test]
fn an_incident_opens_and_closes_by_itself() {
    let home = Home::new();
    let server = lived(&home, &[Fault::Exception]);
    let incidents = closed(&server);
    let [incident] = incidents.as_slice() else { panic!("one incident: {incidents:?}") };
    let minute = |value: &Value| {
        let time: i64 = value.as_str().and_then(|text| text.parse().ok()).expect("nanoseconds as text");
        (time - START).div_euclid(MINUTE)
    };
    assert_eq!((minute(&incident["start"]), minute(&incident["end"])), BROKEN, "{incident}");
    let first = &incident["suspects"][0];
    assert_eq!(
        (first["service"].as_str(), first["kind"].as_str()),
        (Some("catalog"), Some("code")),
        "{incident}"
    );
    assert!(incident["services"].as_array().is_some_and(|services| services.contains(&"catalog".into())));
    let one = server.api().get(&format!("/api/incidents/{}", incident["id"].as_str().expect("a name")));
    assert_eq!(one.json(), *incident);
    // The page that shows it, and the report to keep.
    for (page, part) in [("", "catalog"), (".md", "catalog"), (".html", "catalog")] {
        let page = format!("/incidents/{}{page}", incident["id"].as_str().expect("a name"));
        let answer = server.api().get(&page);
        assert_eq!(answer.status, 200, "{page}");
        assert!(answer.text().contains(part), "{page}");
    }
}

#[test]
fn every_number_can_be_computed_again() {
    let faults = [Fault::Exception, Fault::BadDeploy, Fault::Lock];
    let kinds = ["attribute", "metric", "missing_event", "new_event", "own_time", "template_new"];
    assert_eq!(computed_again(&faults).iter().map(String::as_str).collect::<Vec<_>>(), kinds);
    let faults = [Fault::NetworkDelay, Fault::SlowQuery, Fault::QueueBacklog];
    let kinds = ["attribute", "edge_time", "peer_time", "template_new"];
    assert_eq!(computed_again(&faults).iter().map(String::as_str).collect::<Vec<_>>(), kinds);
}

/// The kinds of evidence about a shop with faults of which each number was computed again.
fn computed_again(faults: &[Fault]) -> BTreeSet<String> {
    let home = Home::new();
    let server = lived(&home, faults);
    let api = server.api();
    let window = json!({
        "from": (START + BROKEN.0 * MINUTE).to_string(),
        "to": (START + BROKEN.1 * MINUTE).to_string(),
    });
    let answer = api.post("/api/diagnose", &window).json();
    let mut seen = BTreeSet::new();
    for suspect in answer["suspects"].as_array().expect("suspects") {
        for evidence in suspect["evidence"].as_array().expect("evidence") {
            let (Some(kind), Some(query)) = (evidence["kind"].as_str(), evidence["query"].as_str()) else {
                continue;
            };
            let rows = api.sql(query);
            assert!(!rows.is_empty(), "{evidence}");
            if let Some(value) = evidence["value"].as_f64() {
                assert!((again(kind, &rows) - value).abs() <= value.abs() / 1e9, "{evidence}: {rows:?}");
                seen.insert(kind.to_owned());
            }
        }
    }
    seen
}

/// The number of an evidence of a kind, from what its query answers.
fn again(kind: &str, rows: &[Vec<Value>]) -> f64 {
    let number = |value: &Value| value.as_f64().expect("a number");
    let (first, second) = (&rows[0][0], rows[0].get(1));
    let share = |part: &Value, of: &Value| number(part) / number(of);
    match (kind, second) {
        ("attribute", Some(traces)) => share(first, traces),
        ("missing_event" | "new_event", Some(with_event)) => share(with_event, first),
        ("metric", _) => {
            let mut values: Vec<f64> = rows.iter().map(|row| number(&row[1])).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        }
        _ => number(first),
    }
}

/// The incidents once there are some and all are over.
fn closed(server: &Server) -> Vec<Value> {
    let deadline = Instant::now() + THERE_WITHIN;
    loop {
        let answer = server.api().get("/api/incidents").json();
        let incidents = answer["incidents"].as_array().cloned().unwrap_or_default();
        if !incidents.is_empty() && incidents.iter().all(|incident| !incident["end"].is_null()) {
            return incidents;
        }
        assert!(Instant::now() < deadline, "no incident that is over: {answer}");
        std::thread::park_timeout(LOOK_EVERY);
    }
}
