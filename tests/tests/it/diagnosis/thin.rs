//! Wrong questions are refused; thin and odd data get an honest answer, and never an invented suspect.

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    logs::v1::LogRecord,
    trace::v1::{Span, span::SpanKind},
};
use serde_json::{Value, json};
use tests::{
    harness::Server,
    http::Request,
    otlp::{BASE_TIME, Export, MILLISECOND, SECOND, attribute, log, logs, span, span_id, trace_id, traces},
};

use super::{diagnosis, refused};
use crate::support::{Home, store};

const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;
/// How long each application is watched, and when its fault begins, in minutes.
const MINUTES: u64 = 14;
const FAULT: u64 = 12;
/// Traces a minute.
const TRACES: u64 = 12;

/// An application: `NAME-front` that calls `NAME-back`.
#[derive(Clone, Copy)]
struct Application {
    name: &'static str,
    /// The day on which it runs.
    day: u64,
    /// Whether the last minutes are slow.
    broken: bool,
    /// Whether spans name their parents.
    parents: bool,
    /// Whether there is only the service that is called.
    alone: bool,
    /// Whether it logs.
    logs: bool,
    /// By how many minutes the clock of the called service is behind.
    behind: u64,
}

const PLAIN: Application =
    Application { name: "plain", day: 0, broken: false, parents: true, alone: false, logs: false, behind: 0 };

impl Application {
    fn start(self) -> u64 {
        // At the beginning of a minute.
        BASE_TIME - BASE_TIME % MINUTE + self.day * DAY
    }

    /// The window of the fault, or where it would be.
    fn window(self) -> Value {
        let (from, to) = (self.start() + FAULT * MINUTE, self.start() + MINUTES * MINUTE);
        json!({ "from": from.to_string(), "to": to.to_string() })
    }

    fn service(self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    /// All that it sends.
    fn exports(self) -> Vec<Export> {
        let (mut front, mut back, mut records) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..MINUTES * TRACES {
            self.trace(number, &mut front, &mut back, &mut records);
        }
        let mut exports = vec![traces(&self.service("back"), back)];
        if !self.alone {
            exports.push(traces(&self.service("front"), front));
        }
        if self.logs {
            exports.push(logs(&self.service("back"), records));
        }
        exports
    }

    fn trace(self, number: u64, front: &mut Vec<Span>, back: &mut Vec<Span>, records: &mut Vec<LogRecord>) {
        let minute = number / TRACES;
        let start = self.start() + minute * MINUTE + number % TRACES * 4 * SECOND;
        // Durations that differ as those of real services do, the same in every run.
        let jitter = number * 7 % 11 * MILLISECOND / 4;
        let slow = if self.broken && minute >= FAULT { 400 * MILLISECOND } else { 0 };
        let busy = 10 * MILLISECOND + jitter + slow;
        let name = format!("{}/{number}", self.name);
        let placed =
            |at: usize, parent: Option<usize>, name_of: &str, kind: SpanKind, from: u64, long: u64| {
                let mut span = span(trace_id(&name), span_id(&name, at), name_of);
                span.kind = kind as i32;
                (span.start_time_unix_nano, span.end_time_unix_nano) = (from, from + long);
                let parent = parent.filter(|_| self.parents);
                span.parent_span_id = parent.map(|at| span_id(&name, at).to_vec()).unwrap_or_default();
                span
            };
        let caller = (!self.alone).then_some(1);
        front.push(placed(0, None, "GET /", SpanKind::Server, start, busy + 4 * MILLISECOND));
        front.push(placed(1, Some(0), "GET", SpanKind::Client, start + MILLISECOND, busy + 2 * MILLISECOND));
        let begun = start + 2 * MILLISECOND - self.behind * MINUTE;
        back.push(placed(2, caller, "GET /item", SpanKind::Server, begun, busy));
        let mut record = log(&format!("item {number} found"));
        (record.trace_id, record.span_id) = (trace_id(&name).to_vec(), span_id(&name, 2).to_vec());
        record.time_unix_nano = begun + MILLISECOND;
        record.attributes = vec![attribute("code.line.number", 7)];
        records.push(record);
    }
}

#[test]
fn thin_and_odd_data_have_an_honest_answer() {
    let home = Home::new();
    let server = Server::start(&home.data());
    // None of these has metrics, and all but one have no logs.
    let applications = [
        PLAIN,
        Application { name: "slow", broken: true, ..PLAIN },
        Application { name: "one", alone: true, ..PLAIN },
        Application { name: "one-slow", alone: true, broken: true, ..PLAIN },
        Application { name: "orphans", parents: false, ..PLAIN },
        Application { name: "orphans-slow", parents: false, broken: true, ..PLAIN },
        Application { name: "clocks", behind: 3, ..PLAIN },
        Application { name: "clocks-slow", behind: 3, broken: true, ..PLAIN },
        Application { name: "logs", logs: true, ..PLAIN },
        Application { name: "logs-slow", logs: true, broken: true, ..PLAIN },
    ];
    for (day, application) in applications.into_iter().enumerate() {
        let application = Application { day: day as u64, ..application };
        application.exports().iter().for_each(|export| store(&server, export));
        let (name, answer) = (application.name, diagnosis(&server, &application.window()));
        if application.broken {
            let first = &answer["suspects"][0];
            let is = |part: &str| first["service"] == application.service(part);
            let right = match application {
                // Nobody knows which of the two waits for the other.
                Application { parents: false, .. } => is("front") || is("back"),
                // By its own clock the called service has nothing in the window.
                Application { behind: 1.., .. } => is("back") || is("front") && first["kind"] == "dependency",
                _ => is("back"),
            };
            assert!(right, "{name}: {answer}");
        } else {
            assert_ne!(answer["status"], "ok", "{name}: {answer}");
        }
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{name}: {answer}");
    }
}

/// Windows that have little in them.
#[test]
fn too_little_is_said() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let nothing = diagnosis(&server, &json!({}));
    assert_eq!(nothing["status"], "not_enough", "nothing is stored: {nothing}");
    PLAIN.exports().iter().for_each(|export| store(&server, export));
    let at = |minute: u64| (PLAIN.start() + minute * MINUTE).to_string();
    let days = |days: u64| (PLAIN.start() + days * DAY).to_string();
    for (question, status) in [
        // Before and after all that is stored, and between two spans.
        (json!({"from": "0", "to": "60"}), "not_enough"),
        (json!({"from": days(3), "to": days(4)}), "not_enough"),
        (json!({"from": PLAIN.start() + 2 * SECOND, "to": PLAIN.start() + 3 * SECOND}), "not_enough"),
        // All there is, so that there is nothing to compare with; in a month, too.
        (json!({"from": at(0), "to": at(MINUTES)}), "not_enough"),
        (json!({"from": at(0), "to": days(31)}), "not_enough"),
        // One second with one trace.
        (json!({"from": at(3), "to": PLAIN.start() + 3 * MINUTE + SECOND}), "not_enough"),
        (json!({"from": at(12), "to": at(13), "service": "nobody"}), "not_enough"),
        (json!({"from": at(12), "to": at(13), "service": ""}), "not_enough"),
        (json!({"from": at(12), "to": at(13), "baseline": {"from": days(3), "to": days(4)}}), "not_enough"),
        (json!({"from": at(12), "to": at(13), "baseline": {"from": at(2), "to": at(9)}}), "quiet"),
        (json!({"from": at(12), "to": at(13), "service": "plain-back", "baseline": null}), "quiet"),
        (json!({"from": at(12), "to": at(14)}), "quiet"),
    ] {
        let answer = diagnosis(&server, &question);
        assert_eq!(answer["status"], status, "{question}: {answer}");
        assert_eq!(answer["suspects"], json!([]), "{question}");
    }
}

#[test]
fn a_time_may_be_written_in_each_form() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let application = Application { broken: true, ..PLAIN };
    application.exports().iter().for_each(|export| store(&server, export));
    let seconds = application.start() / SECOND + FAULT * 60;
    let expected = diagnosis(&server, &application.window());
    assert_eq!(expected["status"], "ok", "{expected}");
    let end = seconds + (MINUTES - FAULT) * 60;
    for (from, to) in [
        (json!(seconds), json!(end)),
        (json!(seconds * 1_000), json!(end * 1_000_000)),
        (json!(seconds * SECOND), json!(format!("{end}.0"))),
        (json!("2023-11-14T22:25:00Z"), json!("2023-11-14T23:27:00.000000000+01:00")),
    ] {
        let question = json!({"from": from, "to": to});
        assert_eq!(diagnosis(&server, &question), expected, "{question}");
    }
    // One end alone is that of a quarter of an hour.
    let quarter = json!({"from": end - 900, "to": end});
    assert_eq!(diagnosis(&server, &json!({ "to": end })), diagnosis(&server, &quarter));
    assert_eq!(diagnosis(&server, &json!({ "from": end - 900 })), diagnosis(&server, &quarter));
}

/// A body, its status, and a word of what is said.
struct Wrong(&'static str, u16, &'static str);

const WRONG: &[Wrong] = &[
    Wrong("", 400, "no question"),
    Wrong("no json", 400, "no question"),
    Wrong("[]", 400, "no question"),
    Wrong("5", 400, "an object with `from`"),
    Wrong(r#"{"from":"2023-11-14T22:00:00Z","to":"2023-11-14T22:10:00Z","zone":"a"}"#, 400, "zone"),
    Wrong(r#"{"service":5}"#, 400, "no question"),
    Wrong(r#"{"from":"2023-11-14T22:10:00Z","to":"2023-11-14T22:00:00Z"}"#, 400, "from"),
    Wrong(r#"{"from":"2023-11-14T22:10:00Z","to":"2023-11-14T22:10:00Z"}"#, 400, "from"),
    Wrong(r#"{"from":"2023-11-14T22:00:00Z","to":"2023-12-16T22:00:00Z"}"#, 400, "31 days"),
    Wrong(r#"{"from":"yesterdayish"}"#, 400, "yesterdayish"),
    Wrong(r#"{"from":true}"#, 400, "true"),
    Wrong(r#"{"from":[1]}"#, 400, "[1]"),
    Wrong(r#"{"from":{"now":1}}"#, 400, "now"),
    Wrong(r#"{"from":1e300}"#, 400, "1e"),
    Wrong(r#"{"from":"-9223372036854775807","to":"-9223372036854775000"}"#, 400, "1677"),
    Wrong(r#"{"from":"9223372036854775000","to":"9223372036854775807"}"#, 400, "2262"),
    Wrong(r#"{"to":"2500-01-01T00:00:00Z"}"#, 400, "2262"),
    Wrong(r#"{"baseline":{"from":"2023-11-14T22:00:00Z"}}"#, 400, "to"),
    Wrong(r#"{"baseline":{"from":null,"to":null}}"#, 400, "baseline"),
    Wrong(r#"{"baseline":{"from":20,"to":10}}"#, 400, "from"),
    Wrong(r#"{"baseline":{"from":10,"to":20,"why":"so"}}"#, 400, "why"),
    Wrong(r#"{"baseline":"yesterday"}"#, 400, "baseline"),
];

#[test]
fn a_wrong_question_is_refused_with_what_is_wrong() {
    let home = Home::new();
    let server = Server::start(&home.data());
    PLAIN.exports().iter().for_each(|export| store(&server, export));
    for Wrong(body, status, word) in WRONG {
        let request = Request::post("/api/diagnose", "application/json", Bytes::from_static(body.as_bytes()));
        let (found, said) = refused(&server.api().send(request), body);
        assert_eq!(found, *status, "{body}: {said}");
        assert!(said.contains(word), "{body}: {said}");
    }
    let long = format!(r#"{{"service":"{}"}}"#, "a".repeat(100 << 10));
    let answer = server.api().send(Request::post("/api/diagnose", "application/json", Bytes::from(long)));
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(server.api().get("/api/diagnose").status, 405);
    // As early and as late as can be asked about: nothing is there.
    for (from, to) in
        [("1677-09-23T00:00:00Z", "1677-09-23T01:00:00Z"), ("2262-04-09T00:00:00Z", "2262-04-09T23:00:00Z")]
    {
        let question = json!({"from": from, "to": to});
        assert_eq!(diagnosis(&server, &question)["status"], "not_enough", "{question}");
    }
}
