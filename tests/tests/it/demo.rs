//! `causeway demo` as a process: with a server of its own, and what it sent is kept when it ends.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;
use tests::harness::{causeway, command, interrupt};

use crate::support::Home;

/// The services of the shop, and the job that computes reports.
const SERVICES: u64 = 14;

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
