//! Nesting without end, in everything that nests: requests, searches, statements. Each is answered, never with a
//! failure of the server's own, and the server goes on answering.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;
use tests::{
    grpc::Call,
    harness::Server,
    http::{Answer, Request},
    otlp::{BASE_TIME, Signal, log, logs},
    raw,
};

use crate::support::{Home, bytes_request, once, store};

/// Levels of nesting that no stack has room for.
const DEPTH: usize = 1_000_000;

/// The longest path and query that the server takes, in bytes; one more is answered with 414.
const URL_BYTES_MAX: usize = 65_534;

/// Longer than the server keeps of a head, in bytes: it answers before it has all of it.
const HEAD_TOO_LONG_BYTES: usize = 1_000_000;

/// How long an answer to a head may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// INVALID_ARGUMENT.
const GRPC_INVALID: u32 = 3;

#[test]
fn deep_requests_are_refused() {
    let home = Home::new();
    let server = Server::start(&home.data());
    for (what, signal, body) in protobuf_requests() {
        let answer = once(&server, &bytes_request(signal, body.clone()));
        assert!(refused_or_rejected(&answer), "{what}: {} {}", answer.status, answer.text());
        let call = Call::plain(signal.grpc_path(), &body);
        let answer = server.otlp_grpc().call(&call).expect("the server answers");
        let rejected =
            answer.status == 0 && answer.payload.as_ref().is_some_and(|payload| !payload.is_empty());
        assert!(answer.status == GRPC_INVALID || rejected, "{what}: {} {}", answer.status, answer.message);
    }
    for (what, text) in json_requests() {
        let answer = once(&server, &Request::post("/v1/logs", "application/json", text.into()));
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
    }
    assert_calm(&server);
}

/// Each with a depth of [`DEPTH`].
fn protobuf_requests() -> [(&'static str, Signal, Bytes); 5] {
    // From the value outwards: LogRecord.body, ScopeLogs.log_records, ResourceLogs.scope_logs, resource_logs.
    let of_log = |field| [field, 2, 2, 1];
    // A value in an attribute: KeyValue.value, Span.attributes, then as above.
    let of_span = [2, 9, 2, 2, 1];
    // DataPoint.attributes, Gauge.data_points, Metric.gauge, then as above.
    let of_metric = [2, 7, 1, 5, 2, 2, 1];
    // Fields of a kind that protobuf has given up: they begin and end like brackets. 11 is their number here.
    let groups = [[11 << 3 | 3].repeat(DEPTH), [11 << 3 | 4].repeat(DEPTH)].concat();
    [
        ("arrays in a log's body", Signal::Logs, wrapped(deep(&[1, 5]), &of_log(5))),
        ("maps in a log's body", Signal::Logs, wrapped(deep(&[2, 1, 6]), &of_log(5))),
        ("arrays in a span's attribute", Signal::Traces, wrapped(deep(&[1, 5]), &of_span)),
        ("maps in a point's attribute", Signal::Metrics, wrapped(deep(&[2, 1, 6]), &of_metric)),
        ("groups", Signal::Logs, groups.into()),
    ]
}

fn json_requests() -> [(&'static str, String); 4] {
    let body = |open: &str, close: &str| {
        let (open, close) = (open.repeat(DEPTH), close.repeat(DEPTH));
        let record = format!(r#"{{"timeUnixNano":"{BASE_TIME}","body":{open}{close}}}"#);
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#)
    };
    let unknown = format!("{{\"novelty\":{}{}}}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    [
        ("arrays in JSON", body(r#"{"arrayValue":{"values":["#, "]}}")),
        ("maps in JSON", body(r#"{"kvlistValue":{"values":[{"key":"k","value":"#, "}]}}")),
        ("an unknown field of JSON", unknown),
        ("JSON that never ends", "[".repeat(DEPTH)),
    ]
}

/// Messages in messages under these field numbers in turn. Built from the inside, so that each level knows its length.
fn deep(fields: &[u64]) -> Vec<u8> {
    // Written backwards, as what comes before depends on the length of what comes after.
    let mut reversed = Vec::new();
    for _ in 0..DEPTH {
        for field in fields {
            let mut head = raw::varint(field << 3 | 2);
            head.extend(raw::varint(reversed.len() as u64));
            reversed.extend(head.into_iter().rev());
        }
    }
    reversed.reverse();
    reversed
}

fn wrapped(content: Vec<u8>, fields: &[u32]) -> Bytes {
    fields.iter().fold(content, |content, field| raw::field(*field, &content)).into()
}

/// 400, or a success that says which record it left out.
fn refused_or_rejected(answer: &Answer) -> bool {
    answer.status == 400 || (answer.status == 200 && !answer.body.is_empty())
}

/// A piece of a search that is repeated as often as a URL takes it, and the status of the answer.
const SEARCHES: &[(&str, u16)] = &[
    ("(", 400),
    ("%28", 400),
    ("NOT+", 400),
    ("NOT+(", 400),
    ("-(", 400),
    ("a+AND+(", 400),
    ("a+OR+(", 400),
    ("a+OR+", 400),
    ("a:(", 400),
    ("a:(NOT+b:(", 400),
    (")", 400),
    ("%22a%22:(", 400),
    ("a%3E(", 400),
    // A key, and a long value with colons in it.
    ("a:", 200),
];

#[test]
fn deep_searches_are_refused() {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("calm", vec![log("before")]));
    for (piece, status) in SEARCHES {
        for kind in ["logs", "spans", "traces"] {
            let answer = server.api().get(&longest(&format!("/api/{kind}?q="), piece));
            assert_eq!(answer.status, *status, "{kind}, {piece}: {}", answer.text());
            if *status == 400 {
                assert_ne!(answer.json()["error"]["message"], json!(""), "{kind}, {piece}");
            }
        }
        let page = server.api().get(&longest("/search?tab=logs&q=", piece));
        assert!(page.status < 500, "the page, {piece}: {}", page.status);
    }
    let room = (URL_BYTES_MAX - "/api/logs?q=name:/a/".len()) / 2;
    let (open, close) = ("(".repeat(room), ")".repeat(room));
    for (what, search) in
        [("closed brackets", format!("{open}a{close}")), ("a pattern", format!("name:/{open}a{close}/"))]
    {
        let answer = server.api().get(&format!("/api/logs?q={search}"));
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
    }
    assert_calm(&server);
}

/// A URL as long as the server takes, of this beginning and a piece that is repeated.
fn longest(begin: &str, piece: &str) -> String {
    format!("{begin}{}", piece.repeat((URL_BYTES_MAX - begin.len()) / piece.len()))
}

#[test]
fn a_search_too_long_for_a_url_is_refused() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let begin = "/api/logs?q=";
    let of_bytes = |bytes: usize| format!("{begin}{}", "(".repeat(bytes - begin.len()));
    let cases = [(URL_BYTES_MAX, 400), (URL_BYTES_MAX + 1, 414), (HEAD_TOO_LONG_BYTES, 431)];
    for (bytes, status) in cases {
        for address in [server.addresses.http, server.addresses.otlp_http] {
            // The receiver has no search, and no room for the address of one.
            let own = address == server.addresses.http;
            let expected = if own { status } else { 431 };
            assert_eq!(status_of_get(address, &of_bytes(bytes)), expected, "{bytes} bytes, own page: {own}");
        }
    }
    assert_calm(&server);
}

/// The status that a path has, which may be longer than any client would send.
fn status_of_get(address: SocketAddr, path: &str) -> u16 {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(ANSWER_MAX)).expect("a limit can be set");
    // The server may answer and hang up before it has read all, which fails this and not the test.
    let _ = stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes());
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..length]);
    }
    let text = String::from_utf8_lossy(&answer);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.unwrap_or_else(|| panic!("no status in {text:?}"))
}

/// What stands before, in and behind the middle of a statement, repeated.
struct Nest(&'static str, &'static str, &'static str);

const NESTS: &[Nest] = &[
    Nest("SELECT ", "(", ")"),
    Nest("SELECT ", "NOT ", ""),
    Nest("SELECT ", "- ", ""),
    Nest("SELECT ", "1 + ", ""),
    Nest("SELECT ", "1 = ", ""),
    Nest("SELECT ", "ARRAY[", "]"),
    Nest("SELECT ", "abs(", ")"),
    Nest("SELECT ", "CAST(", " AS INT)"),
    Nest("SELECT ", "CASE WHEN true THEN ", " END"),
    Nest("SELECT ", "(SELECT ", ")"),
    Nest("SELECT 1 WHERE 1 ", "IN (1) OR 1 ", "IN (1)"),
    Nest("", "SELECT * FROM (", ")"),
    Nest("", "SELECT 1 UNION ALL ", ""),
    Nest("", "EXPLAIN ", ""),
    Nest("", "WITH t AS (", ") SELECT 1"),
];

/// How often: below what the parser takes, below what a statement may have of words, and far above both.
const REPEATED: [usize; 5] = [20, 64, 300, 900, 30_000];

#[test]
fn deep_statements_are_refused() {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("calm", vec![log("before")]));
    for Nest(begin, open, close) in NESTS {
        for times in REPEATED {
            let middle = if begin.is_empty() { "SELECT 1" } else { "1" };
            let sql = format!("{begin}{}{middle}{}", open.repeat(times), close.repeat(times));
            let answer = server.api().sql_answer(&sql);
            let allowed = if times == 30_000 { 400..500 } else { 200..500 };
            assert!(
                allowed.contains(&answer.status),
                "{begin}{open} {times} times: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    let bodies = [
        ("a million brackets", json!({ "sql": format!("SELECT {}", "(".repeat(DEPTH)) }).to_string()),
        ("a million arrays of JSON", format!("{{\"sql\":{}", "[".repeat(DEPTH))),
        ("a million objects of JSON", r#"{"a":"#.repeat(DEPTH / 5)),
    ];
    for (what, body) in bodies {
        let answer = server.api().send(Request::post("/api/sql", "application/json", body.into()));
        assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    }
    assert_calm(&server);
}

/// The server lives, stores and answers.
fn assert_calm(server: &Server) {
    store(server, &logs("calm-after", vec![log("after")]));
    assert_eq!(server.api().count("SELECT count(*) FROM logs WHERE service_name = 'calm-after'"), 1);
}
