//! `causeway demo` as a process: with a server of its own, and what it sent is kept when it ends. In the long form its faults
//! in real time.

use std::{
    env,
    io::{BufRead, BufReader},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use demo::fault::{Fault, Label};
use serde_json::Value;
use tests::{
    api::Api,
    harness::{announce, causeway, command, interrupt},
};

use crate::support::Home;

/// The services of the shop, and the job that computes reports.
const SERVICES: u64 = 14;
/// The variable that names the faults of the long form, with commas between.
const LIVE_FAULTS: &str = "CAUSEWAY_LIVE_FAULTS";
/// Within which time an incident has to be open, with the right suspect first.
const OPEN_WITHIN: Duration = Duration::from_secs(120);
/// How long is waited between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[test]
fn the_demo_starts_a_server_and_keeps_what_it_sent() {
    let home = Home::new();
    let data = home.data();
    let data = data.to_str().expect("the path is UTF-8");
    let free = "127.0.0.1:0";
    let mut child = command()
        .args(["demo", "--data", data, "--listen", free, "--otlp-grpc", free, "--otlp-http", free])
        .args(["--fault", "dead-instance", "--after", "0s"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().expect("standard error is piped")).lines() {
        let line = line.expect("lines are UTF-8");
        if line.starts_with("demo: in a minute") {
            interrupt(&child);
        }
        said.push(line);
    }
    let code = child.wait().expect("a child can be waited for").code();
    let said = said.join("\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("right is: inventory (inventory-2), kind instance"), "{said}");
    let question = "SELECT count(DISTINCT service_name) AS n FROM logs WHERE body LIKE '%started%'";
    let output = causeway(&["sql", question, "--data", data, "--format", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["rows"][0][0], SERVICES, "{answer}");
}

#[test]
fn an_address_where_no_one_listens_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", free.local_addr().expect("it has an address"));
    drop(free);
    let output = causeway(&["demo", "--url", &url]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("causeway: no one listens on 127.0.0.1:"), "{said}");
}

#[test]
fn the_demo_lists_its_faults() {
    let output = causeway(&["demo", "--list"]);
    let text = String::from_utf8(output.stdout).expect("text is UTF-8");
    assert!(text.contains("retry-storm") && text.contains("payment: retry, edge payment to fraud"), "{text}");
    assert_eq!(text.lines().count(), 2 * 12);
}

#[test]
fn a_fault_in_real_time_is_an_open_incident_within_two_minutes() {
    let Ok(names) = env::var(LIVE_FAULTS) else {
        announce(&format!("{LIVE_FAULTS} is not set: faults in real time are left out"));
        return;
    };
    let label = |name: &str| {
        Fault::all().map(Fault::label).find(|label| label.name == name).expect("a fault of the demo")
    };
    // A shop waits more than it works: several live beside each other.
    let shops: Vec<_> =
        names.split(',').map(label).map(|label| (label, thread::spawn(|| broken(label)))).collect();
    let mut wrong = Vec::new();
    for (label, shop) in shops {
        let (incident, after) = shop.join().expect("a shop lives");
        let first = &incident["suspects"][0];
        announce(&format!("{}: after {after:?} the first suspect is {first}", label.name));
        if (&first["service"], &first["kind"]) != (&label.service.into(), &label.kind.into()) {
            wrong.push((label.name, incident));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lets a shop live and break when it does by itself: the open incident whose first suspect is right, and how long after the
/// fault it was there; at the end of the time the incident that is there.
fn broken(label: &'static Label) -> (Value, Duration) {
    let home = Home::new();
    let data = home.data();
    let data = data.to_str().expect("the path is UTF-8");
    let free = "127.0.0.1:0";
    let mut child = command()
        .args(["demo", "--data", data, "--listen", free, "--otlp-grpc", free, "--otlp-http", free])
        .args(["--fault", label.name])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
    let mut said = || lines.next().expect("the demo goes on").expect("lines are UTF-8");
    let address = loop {
        if let Some(address) = said().strip_prefix("listening http ") {
            break address.parse().expect("an address");
        }
    };
    while !said().contains("is on:") {}
    let (api, begun) = (Api::new(address, None), Instant::now());
    // What the demo says is read on, so that it is never held up.
    let reader = thread::spawn(move || lines.for_each(drop));
    let found = loop {
        let answer = api.json("/api/incidents?open=true");
        let incident = answer["incidents"][0].clone();
        let first = &incident["suspects"][0];
        let is_right = first["service"] == label.service && first["kind"] == label.kind;
        if is_right || begun.elapsed() > OPEN_WITHIN {
            break (incident, begun.elapsed());
        }
        thread::park_timeout(LOOK_EVERY);
    };
    interrupt(&child);
    child.wait().expect("a child can be waited for");
    reader.join().expect("the reader ends with the demo");
    found
}
