//! Rows of SQL as they are produced, over real connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use arrow::ipc::reader::StreamReader;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::json;
use tower::ServiceExt;

use super::*;

const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";
const ARROW: &str = "application/vnd.apache.arrow.stream";
/// Answers for hours.
const ENDLESS: &str =
    "SELECT a.value AS a, b.value AS b FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
/// A time limit that planning keeps in a debug build.
const SOON: Duration = Duration::from_secs(2);
/// How soon a client that left must be forgotten.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(1);
/// How long a test waits for what must come. Generous: a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn router(fixture: &Fixture) -> axum::Router {
    crate::router(fixture.engine.clone()).layer(axum::Extension(fixture.reader.clone()))
}

/// Status and body of an answer without a connection.
fn ask(fixture: &Fixture, accept: &str, sql: &str) -> (u16, Vec<u8>) {
    let request = Request::post("/api/sql").header("accept", accept);
    let request = request.body(Body::from(json!({ "sql": sql }).to_string())).unwrap();
    fixture.runtime.block_on(async {
        let answer = router(fixture).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, to_bytes(answer.into_body(), 1 << 30).await.unwrap().to_vec())
    })
}

/// The API on a port of its own.
fn serve(fixture: &Fixture) -> SocketAddr {
    let router = router(fixture);
    fixture.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    })
}

/// Asks over a connection that ends with the answer.
fn connect(address: SocketAddr, headers: &str, sql: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = json!({ "sql": sql }).to_string();
    let head = format!(
        "POST /api/sql HTTP/1.1\r\nhost: localhost\r\naccept: {NDJSON}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    stream
}

/// The whole answer as it came over the wire, chunks and all.
fn wire(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn every_form_has_the_rows() {
    let fixture = Fixture::new();
    let sql = "SELECT name, duration_ns AS ns FROM spans ORDER BY start_time";
    let lines = "{\"name\":\"GET /cart\",\"ns\":500000000}\n{\"name\":\"charge\",\"ns\":300000000}\n{\"name\":\"ping\",\"ns\":10}\n";
    assert_eq!(ask(&fixture, NDJSON, sql), (200, lines.as_bytes().to_vec()));
    let table = "name,ns\nGET /cart,500000000\ncharge,300000000\nping,10\n";
    assert_eq!(ask(&fixture, CSV, sql), (200, table.as_bytes().to_vec()));
    let none = "SELECT name FROM spans WHERE name = 'none'";
    assert_eq!(ask(&fixture, NDJSON, none), (200, Vec::new()));
    assert_eq!(ask(&fixture, CSV, none), (200, b"name\n".to_vec()));
    for (sql, rows) in [(sql, 3), (none, 0), ("SELECT value FROM generate_series(1, 20000)", 20_000)] {
        let (status, body) = ask(&fixture, ARROW, sql);
        let reader = StreamReader::try_new(body.as_slice(), None).unwrap();
        let found: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!((status, found), (200, rows), "{sql}");
    }
    assert_eq!(fixture.budget.reserved_for(Purpose::Queries), 0);
}

#[test]
fn more_rows_come_than_an_answer_in_json_may_hold() {
    let fixture = Fixture::new();
    let (status, body) = ask(&fixture, CSV, "SELECT value FROM generate_series(1, 150000)");
    let text = String::from_utf8(body).unwrap();
    assert_eq!((status, text.lines().count(), text.lines().last()), (200, 150_001, Some("150000")));
}

#[test]
fn what_is_wrong_has_its_status() {
    let fixture = Fixture::with_limits(Limits { time: SOON, ..Limits::default() });
    let never =
        "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    for accept in [NDJSON, CSV, ARROW] {
        for (sql, status) in
            [("SELECT nothing FROM spans", 400), ("DROP TABLE spans", 403), ("SELECT 1/0", 400), (never, 504)]
        {
            assert_eq!(ask(&fixture, accept, sql).0, status, "{accept}: {sql}");
        }
    }
    let small = Fixture::with_memory(4 << 20);
    let greedy =
        "SELECT a.value, b.value FROM generate_series(1, 3000) a, generate_series(1, 3000) b ORDER BY 2, 1";
    assert_eq!(ask(&small, CSV, greedy).0, 422);
}

#[test]
fn nobody_takes_a_part_for_the_whole() {
    let fixture = Fixture::with_limits(Limits { time: SOON, ..Limits::default() });
    let address = serve(&fixture);
    let breaks = "SELECT 1 / (30000 - value) AS n FROM generate_series(1, 60000)";
    let (whole, cut) = ("\r\n0\r\n\r\n", "\r\n0\r\nx-causeway-partial: time limit\r\n\r\n");
    let cases = [
        ("", "SELECT 1 AS n", Some(whole)),
        ("te: trailers\r\n", "SELECT 1 AS n", Some(whole)),
        ("te: trailers\r\n", ENDLESS, Some(cut)),
        ("", ENDLESS, None),
        ("", breaks, None),
        ("te: trailers\r\n", breaks, None),
    ];
    for (headers, sql, end) in cases {
        let text = wire(connect(address, headers, sql));
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{sql}: {}", &text[..text.len().min(300)]);
        assert!(text.contains("}\n"), "{sql}: rows come before the end");
        let found = [whole, cut].into_iter().find(|end| text.ends_with(end));
        assert_eq!(found, end, "{headers}{sql}");
    }
}

#[test]
fn a_client_that_leaves_ends_its_query() {
    let fixture = Fixture::with_limits(Limits { concurrent_max: 1, ..Limits::default() });
    let address = serve(&fixture);
    let mut stream = connect(address, "", ENDLESS);
    let mut some = vec![0; 100_000];
    stream.read_exact(&mut some).unwrap();
    assert_eq!(fixture.engine.slots.available_permits(), 0);
    let left = Instant::now();
    drop(stream);
    let free = fixture.runtime.block_on(async {
        let slot = tokio::time::timeout(FORGOTTEN_WITHIN, fixture.engine.slots.acquire()).await;
        let nothing = || fixture.budget.reserved_for(Purpose::Queries) == 0;
        let given_back = fixture.budget.wait_until(nothing, (left + FORGOTTEN_WITHIN).into()).await;
        slot.is_ok() && given_back
    });
    assert!(free, "after {:?} {} bytes", left.elapsed(), fixture.budget.reserved_for(Purpose::Queries));
}

#[test]
fn a_client_that_does_not_read_gives_its_place_back_at_the_time_limit() {
    let fixture = Fixture::with_limits(Limits { time: SOON, concurrent_max: 1, ..Limits::default() });
    let address = serve(&fixture);
    let mut stream = connect(address, "", ENDLESS);
    let mut status = [0; 15];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    let slot = async { tokio::time::timeout(PATIENCE, fixture.engine.slots.acquire()).await.is_ok() };
    assert!(fixture.runtime.block_on(slot));
}
