//! A shop that breaks and is mended: one incident for each cause opens by itself, with the right suspect, and closes again.

use std::time::{Duration, Instant};

use demo::{
    fault::Fault,
    model::{FaultPlan, MINUTE, Plan, run},
};
use serde_json::Value;
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
