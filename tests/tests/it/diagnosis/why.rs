//! A fault of the demo's shop, in simulated time: the same answer by API and command line, fresh, compacted, after a
//! restart and without a server.

use demo::{
    fault::Fault,
    model::{FaultPlan, MINUTE, Plan, run},
};
use serde_json::{Value, json};
use tests::{
    harness::{Server, causeway},
    otlp::Export,
};

use super::{diagnosis, suspected, text, timeless};
use crate::support::{Home, store};

/// A Tuesday at noon.
const START: i64 = 1_763_467_200_000_000_000;
/// How long customers come, and when it breaks, in minutes.
const MINUTES: u32 = 12;
const BROKEN: i64 = 9;
/// Requests of customers a second.
const RATE: f64 = 2.0;

fn plan() -> Plan {
    let (from, to) = (START + BROKEN * MINUTE, START + i64::from(MINUTES) * MINUTE);
    let faults = vec![FaultPlan { fault: Fault::SlowQuery, from, to }];
    Plan { seed: 5, start: START, minutes: MINUTES, rate: RATE, faults, distractors: false }
}

fn fill(server: &Server) {
    run(&plan(), &mut |batch| {
        for export in [Export::Traces(batch.traces), Export::Logs(batch.logs), Export::Metrics(batch.metrics)]
        {
            store(server, &export);
        }
    });
}

fn time(minutes: i64) -> String {
    (START + minutes * MINUTE).to_string()
}

fn question() -> Value {
    json!({"from": time(BROKEN), "to": time(i64::from(MINUTES))})
}

/// Runs a command, and gives what it wrote, what it said, and its exit code.
fn ask(arguments: &[&str], place: &[&str]) -> (String, String, Option<i32>) {
    let output = causeway(&[arguments, place].concat());
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// The answer of the command line as JSON, without the time that it took.
fn asked_for(arguments: &[&str], place: &[&str]) -> Value {
    let (out, err, code) = ask(&[arguments, &["--format", "json"]].concat(), place);
    assert_eq!(code, Some(0), "{arguments:?}: {err}");
    timeless(serde_json::from_str(&out).expect("JSON"), &question())
}

#[test]
fn why_says_the_same_everywhere() {
    let home = Home::new();
    let server = Server::start(&home.data());
    fill(&server);
    let expected = diagnosis(&server, &question());
    assert_eq!(suspected(&expected).first(), Some(&"orders"), "{expected}");
    assert_eq!(diagnosis(&server, &question()), expected, "asked again");
    let url = format!("http://{}", server.addresses.http);
    let there = ["--url", url.as_str()];
    let (from, to) = (time(BROKEN), time(i64::from(MINUTES)));
    let window = ["why", "--from", &from, "--to", &to];
    assert_eq!(asked_for(&window, &there), expected, "the command line");
    check_report(&window, &there, &expected);
    check_others(&window, &there, &from);
    server.api().compact();
    assert_eq!(diagnosis(&server, &question()), expected, "compacted");
    server.kill();
    let (_, said, code) = ask(&window, &there);
    assert_eq!(code, Some(3), "{said}");
    let data = home.data().display().to_string();
    let here = ["--data", data.as_str()];
    assert_eq!(asked_for(&window, &here), expected, "without a server");
    let (report, _, _) = ask(&window, &here);
    assert!(report.ends_with(&format!("page      /explain?t={from}..{to}\n")), "{report}");
    assert_eq!(ask(&["why", "--service", "nobody"], &here).2, Some(1));
    assert_eq!(ask(&["changes"], &here).2, Some(1));
    assert_eq!(diagnosis(&Server::start(&home.data()), &question()), expected, "after a restart");
}

/// The report has the window, what it was compared with, the sentence, and addresses.
fn check_report(window: &[&str], there: &[&str], expected: &Value) {
    let (report, said, code) = ask(window, there);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{report}");
    let first = &expected["suspects"][0];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let head = format!("  {}  {}", word(&first["kind"]), word(&first["service"]));
    let page = format!("{}/explain?t={}..{}", there[1], window[2], window[4]);
    let trace = format!("{}/traces/", there[1]);
    let (summary, why) = (word(&first["summary"]), word(&expected["baseline"]["why"]));
    for part in ["window    2025-11-18 12:09:00.000 to", &head, &summary, &why, &page, &trace, "██"] {
        assert!(!part.is_empty() && report.contains(part), "{part} is not in {report}");
    }
    assert!(!report.contains('\u{1b}'), "no terminal, no colours: {report}");
    let (coloured, ..) = ask(&[window, &["--color", "always"]].concat(), there);
    assert!(coloured.contains("\u{1b}["), "{coloured}");
    let suspects = expected["suspects"].as_array().expect("a list");
    let (rows, ..) = ask(&[window, &["--format", "ndjson"]].concat(), there);
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).expect("a row")).collect();
    assert_eq!(rows, *suspects);
    let (csv, ..) = ask(&[window, &["--format", "csv"]].concat(), there);
    assert!(csv.starts_with("service,namespace,environment,instance,kind,target,score,summary,evidence\n"));
    assert_eq!(csv.lines().count(), suspects.len() + 1, "{csv}");
}

/// Other windows, and their exit codes.
fn check_others(window: &[&str], there: &[&str], from: &str) {
    // The newest quarter of an hour has all there is, so that nothing is left to compare with.
    let (report, _, code) = ask(&["why"], there);
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("\nnot enough: ") && report.contains("/explain?t="), "{report}");
    let early = ["why", "--from", "2025-11-18T12:04:00Z", "--to", from];
    let before = [&early[..], &["--baseline-from", "2025-11-18T12:00:00Z", "--baseline-to", from]].concat();
    for (arguments, codes, part) in [
        (before.as_slice(), &[0, 1][..], "compared  with"),
        (&["why", "--since", "1h"], &[1], "not enough: "),
        (&["why", "--from", "now-1h", "--to", "now-2h"], &[2], ""),
        (&["why", "--from", "now-40d", "--to", "now"], &[2], ""),
        (&["why", "--since", "long"], &[2], ""),
        (&["why", "--baseline-from", "now-1h"], &[2], ""),
        (&[window, &["--service", "nobody"]].concat(), &[1], "traces    with spans of nobody"),
    ] {
        let (report, said, code) = ask(arguments, there);
        assert!(code.is_some_and(|code| codes.contains(&code)), "{arguments:?}: {code:?} {report}{said}");
        assert!(report.contains(part), "{arguments:?}: {report}");
    }
}
