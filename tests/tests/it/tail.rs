//! Live tail: rows arrive once, in order, after they are durable and for their tenant alone; and everything about
//! it is bounded.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use serde_json::Value;
use tests::{
    events::{Event, Stream},
    harness::{Server, Setup},
    http::{Answer, Client, Request, percent_encoded},
    otlp::{Export, log, logs, sha256_hex, span, span_id, trace_id, traces},
};

use crate::support::{Home, protobuf_request, store};

/// How many tails there may be, as docs/api.md says.
const TAILS_MAX: usize = 16;
/// After which time what a reader held who left is free, as docs/api.md says.
const FREED_WITHIN: Duration = Duration::from_secs(1);

fn open(server: &Server, parameters: &str, last: Option<&str>) -> Result<Stream, Box<Answer>> {
    let request = Request::get(&format!("/api/tail{parameters}"));
    let request = match last {
        Some(last) => request.header("last-event-id", last),
        None => request,
    };
    Stream::open(server.addresses.http, &request)
}

fn tail(server: &Server, q: &str) -> Stream {
    let opened = open(server, &format!("?q={}", percent_encoded(q)), None);
    opened.unwrap_or_else(|answer| panic!("{q}: {} {}", answer.status, answer.text()))
}

fn lines(bodies: &[&str]) -> Export {
    logs("shop", bodies.iter().map(|body| log(body)).collect())
}

/// The bodies of the next logs.
fn bodies(tail: &mut Stream, count: usize) -> Vec<String> {
    (0..count).map(|_| body(&tail.said())).collect()
}

fn body(event: &Event) -> String {
    assert_eq!(event.name, "log", "{event:?}");
    let row = event.json();
    assert_eq!(row["id"], event.id.as_str(), "the id is that of the row");
    row["body"].as_str().unwrap_or_else(|| panic!("no body in {row}")).to_owned()
}

#[test]
fn rows_arrive_once_and_in_order_in_the_form_of_the_api() {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &lines(&["refused before"]));
    let mut all = tail(&server, "");
    let mut some = tail(&server, "refused");
    let mut spans = open(&server, "?signal=spans&q=status:error", None).unwrap_or_else(|_| panic!("spans"));
    assert_eq!(all.headers["content-type"], "text/event-stream");
    let first = all.next_event().expect("a tail begins with a sign of life");
    assert!(!first.comment.is_empty() && !first.id.is_empty(), "{first:?}");
    store(&server, &lines(&["1 refused", "2"]));
    let id = trace_id("tail");
    let mut failed = span(id, span_id("tail", 2), "charge");
    failed.status = Some(Default::default());
    failed.status.as_mut().expect("just set").code = 2;
    store(&server, &traces("shop", vec![span(id, span_id("tail", 1), "checkout"), failed]));
    server.api().compact();
    store(&server, &lines(&["3 refused"]));
    assert_eq!(bodies(&mut all, 3), ["1 refused", "2", "3 refused"]);
    assert_eq!(bodies(&mut some, 2), ["1 refused", "3 refused"]);
    let span = spans.said();
    assert_eq!((span.name.as_str(), &span.json()["name"]), ("span", &Value::from("charge")));
    // The same rows as a search gives, but for what templates tell: those are joined when they are asked for.
    store(&server, &lines(&["4 the last"]));
    let mut said = all.said().json();
    let mut found = server.api().rows("logs", "\"4 the last\"");
    for row in found.iter_mut().chain([&mut said]) {
        let fields = row.as_object_mut().expect("a row is an object");
        for field in ["template_id", "variables"] {
            fields.remove(field).expect("a log has it");
        }
    }
    assert_eq!(found, [said]);
}

#[test]
fn wrong_questions_are_refused_as_those_of_a_search() {
    let home = Home::new();
    let server = Server::start(&home.data());
    for (parameters, part) in [
        ("?q=timeout%20AND", "\"position\":11"),
        ("?signal=metrics", "\"expected\":[\"logs\",\"spans\"]"),
        ("?limit=1", "limit"),
    ] {
        let answer = open(&server, parameters, None).err().expect("refused");
        assert_eq!(answer.status, 400, "{parameters}: {}", answer.text());
        assert!(answer.text().contains(part), "{parameters}: {}", answer.text());
    }
    let answer = open(&server, "", Some("yesterday")).err().expect("refused");
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[test]
fn tenants_are_kept_apart() {
    let home = Home::new();
    let mut config = String::new();
    for name in ["one", "two"] {
        let hash = sha256_hex(name);
        let _ = write!(
            config,
            "[[token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\ntenant = \"{name}\"\nwrite = true\nread = true\n"
        );
    }
    let server = Setup::new(&home.data()).config(&config).start();
    let bearer = |request: Request, name: &str| request.header("authorization", &format!("Bearer {name}"));
    let follow = |name: &str| {
        let stream = Stream::open(server.addresses.http, &bearer(Request::get("/api/tail"), name));
        stream.unwrap_or_else(|answer| panic!("{name}: {}", answer.text()))
    };
    let (mut one, mut two) = (follow("one"), follow("two"));
    let nobody = open(&server, "", None).err().expect("refused");
    assert_eq!(nobody.status, 401, "{}", nobody.text());
    for (name, text) in [("one", "of one"), ("two", "of two"), ("one", "of one again")] {
        let request = bearer(protobuf_request(&lines(&[text])), name);
        let answer = Client::new(server.addresses.otlp_http).send(&request).expect("the server answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(bodies(&mut one, 2), ["of one", "of one again"]);
    assert_eq!(bodies(&mut two, 1), ["of two"]);
}

#[test]
fn a_reader_who_comes_back_misses_nothing_and_gets_nothing_twice() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let mut first = tail(&server, "");
    store(&server, &lines(&["1", "2", "3"]));
    let seen = first.said();
    assert_eq!(body(&seen), "1");
    drop(first);
    store(&server, &lines(&["4"]));
    let mut again = open(&server, "", Some(&seen.id)).unwrap_or_else(|_| panic!("refused"));
    store(&server, &lines(&["5"]));
    assert_eq!(bodies(&mut again, 4), ["2", "3", "4", "5"]);
    drop(again);
    // What is in segments is found, too, also by a server that was started since.
    server.api().compact();
    assert!(server.stop().status.success());
    let server = Server::start(&home.data());
    let mut later = open(&server, "?q=NOT%20body:3", Some(&seen.id)).unwrap_or_else(|_| panic!("refused"));
    store(&server, &lines(&["6"]));
    assert_eq!(bodies(&mut later, 4), ["2", "4", "5", "6"]);
}

#[test]
fn a_slow_reader_loses_rows_and_is_told_how_many() {
    const REQUESTS: usize = 40;
    const ROWS: usize = 100;
    const BYTES: usize = 10_000;
    let home = Home::new();
    let server = Server::start(&home.data());
    let mut tail = tail(&server, "");
    // Far more than a queue and the buffers of two sockets hold. Nothing is read meanwhile.
    let padding = "x".repeat(BYTES);
    for request in 0..REQUESTS {
        let texts: Vec<String> =
            (0..ROWS).map(|row| format!("{:06} {padding}", request * ROWS + row)).collect();
        store(&server, &lines(&texts.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let (mut rows, mut dropped, mut last) = (0, 0, None);
    while rows + dropped < REQUESTS * ROWS {
        let event = tail.said();
        if event.name == "dropped" {
            let data = event.json();
            let number = |key: &str| data[key].as_u64().expect("a number") as usize;
            dropped += number("rows") + number("untested");
        } else {
            let number: usize = body(&event)[..6].parse().expect("a number");
            assert!(last < Some(number), "{number} after {last:?}");
            last = Some(number);
            rows += 1;
        }
    }
    assert_eq!(rows + dropped, REQUESTS * ROWS, "every row was sent or counted");
    assert!(rows > 0 && dropped > 0, "{rows} rows came, {dropped} were dropped");
    assert_eq!(server.api().count("SELECT count(*) FROM logs"), (REQUESTS * ROWS) as u64, "all are stored");
}

#[test]
fn tails_are_few_and_free_their_place_when_their_reader_leaves() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let mut tails: Vec<Stream> = (0..TAILS_MAX).map(|_| tail(&server, "")).collect();
    let refused = open(&server, "", None).err().expect("one too many");
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.header("retry-after").is_some() && refused.text().contains("busy"), "{}", refused.text());
    tails.pop();
    let deadline = Instant::now() + FREED_WITHIN;
    while let Err(answer) = open(&server, "", None).map(|stream| tails.push(stream)) {
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert!(Instant::now() < deadline, "the place is not free after {FREED_WITHIN:?}");
    }
    store(&server, &lines(&["for all"]));
    for tail in &mut tails {
        assert_eq!(bodies(tail, 1), ["for all"]);
    }
}

#[test]
fn tails_end_when_the_server_stops() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let mut tail = tail(&server, "");
    store(&server, &lines(&["the last"]));
    let ended = server.stop();
    assert!(ended.status.success() && !ended.stderr.contains("still open"), "{}", ended.stderr);
    assert_eq!(bodies(&mut tail, 1), ["the last"]);
    while let Some(event) = tail.next_event() {
        assert!(event.name.is_empty(), "{event:?}");
    }
}
