//! SQL that nobody waits for any more: Ctrl-C keeps what came and leaves the prompt usable, and a reader who leaves
//! gives back the place of its question.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{
    harness::{Server, announce, command, interrupt, program},
    terminal::Terminal,
};

use crate::support::Home;

/// Runs until its time limit of half a minute, without a row before.
const ENDLESS: &str =
    "SELECT sum(a.value * b.value) AS n FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
/// More rows than anybody reads here.
const MANY: &str =
    "SELECT a.value AS a, b.value AS b FROM generate_series(1, 100000) a, generate_series(1, 1000) b";
/// The most questions at once.
const QUESTIONS_MAX: usize = 32;
/// Long after a question that nobody waits for has to be gone, and long before its time limit.
const FREED_WITHIN: Duration = Duration::from_secs(10);

fn url(server: &Server) -> String {
    format!("http://{}", server.addresses.http)
}

fn status(server: &Server) -> u16 {
    // A search: it takes a place as SQL does, and does not wait for the threads of SQL.
    server.api().get("/api/logs?limit=1").status
}

/// Sends a statement, and leaves the answer unread.
fn asked(server: &Server, accept: &str) -> TcpStream {
    let body = json!({ "sql": ENDLESS }).to_string();
    let mut stream = TcpStream::connect(server.addresses.http).expect("the server listens");
    write!(
        stream,
        "POST /api/sql HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("the server reads");
    stream
}

#[test]
fn readers_who_leave_give_back_their_places() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let forms =
        ["application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"];
    // Twice as many as there are places: the one that looks whether all are taken takes one, too.
    let readers: Vec<TcpStream> =
        forms.iter().cycle().take(2 * QUESTIONS_MAX).map(|accept| asked(&server, accept)).collect();
    let deadline = Instant::now() + FREED_WITHIN;
    while status(&server) != 429 {
        assert!(Instant::now() < deadline, "{QUESTIONS_MAX} questions do not take all places");
    }
    drop(readers);
    let left = Instant::now();
    while status(&server) != 200 {
        assert!(left.elapsed() < FREED_WITHIN, "no place is free after {FREED_WITHIN:?}");
    }
    announce(&format!("places of SQL free {:?} after their readers left", left.elapsed()));
}

/// `causeway sql` with pipes for its results and messages.
fn running(server: &Server, more: &[&str]) -> Child {
    command()
        .args(["sql", "--url", &url(server)])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

#[test]
fn ctrl_c_keeps_the_rows_that_came() {
    let home = Home::new();
    let server = Server::start(&home.data());
    for (format, header) in [("ndjson", false), ("csv", true)] {
        let mut sql = running(&server, &["--format", format, MANY]);
        let mut results = BufReader::new(sql.stdout.take().expect("standard output is piped"));
        let mut text = String::new();
        results.read_line(&mut text).expect("lines are UTF-8");
        // It has more, and waits for a reader.
        interrupt(&sql);
        results.read_to_string(&mut text).expect("results are UTF-8");
        let mut said = String::new();
        sql.stderr.take().expect("standard error is piped").read_to_string(&mut said).expect("UTF-8");
        assert_eq!(sql.wait().expect("a child can be waited for").code(), Some(130), "{format}: {said}");
        assert!(text.ends_with('\n'), "{format}: a line is cut");
        let lines = text.lines().count();
        assert!(said.starts_with(&format!("interrupted: {lines} lines came")), "{format}, {lines}: {said}");
        for line in text.lines().skip(usize::from(header)) {
            match header {
                true => assert_eq!(line.split(',').count(), 2, "{line}"),
                false => assert!(serde_json::from_str::<Value>(line).expect("JSON")["b"].is_i64(), "{line}"),
            }
        }
    }
}

#[test]
fn ctrl_c_at_the_prompt_ends_the_statement_and_not_the_prompt() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let state = home.data().with_extension("state");
    let mut sql = command();
    sql.args(["sql", "--color", "never", "--url", &url(&server)]).env("XDG_STATE_HOME", &state);
    let mut terminal = Terminal::start(sql.env("TERM", "xterm"));
    terminal.shows("causeway> ");
    for format in ["table", "ndjson"] {
        terminal.types(&format!("\\format {format}\r"));
        terminal.shows("causeway> ");
        terminal.types(&format!("{ENDLESS};\r"));
        // The sign of life: it runs.
        terminal.shows("asking http");
        terminal.ctrl_c();
        terminal.shows("stopped: the statement was cancelled");
        terminal.shows("causeway> ");
    }
    terminal.types(&format!("{MANY};\r"));
    terminal.shows("\"b\":");
    terminal.ctrl_c();
    terminal.shows("lines came");
    terminal.types("SELECT 40 + 2 AS answer;\r");
    terminal.shows("\"answer\":42");
    terminal.types("\\q\r");
    assert_eq!(terminal.ended().code(), Some(0));
}

#[test]
fn a_statement_alone_ends_with_ctrl_c() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let mut terminal = Terminal::start(command().args(["sql", ENDLESS, "--url", &url(&server)]));
    terminal.shows("asking http");
    terminal.ctrl_c();
    terminal.shows("interrupted:");
    assert_eq!(terminal.ended().code(), Some(130));
}

#[test]
fn a_terminal_shows_how_much_came_into_a_file() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let file = home.data().with_extension("ndjson");
    let line = format!("exec '{}' sql --format ndjson \"$1\" > '{}'", program().display(), file.display());
    let mut shell = Command::new("sh");
    shell.args(["-c", &line, "sh", MANY]).env("CAUSEWAY_URL", url(&server));
    let mut terminal = Terminal::start(&mut shell);
    terminal.shows("lines and ");
    terminal.shows(" so far,");
    terminal.ctrl_c();
    terminal.shows("interrupted:");
    terminal.shows("lines came");
    assert_eq!(terminal.ended().code(), Some(130));
    let rows = fs::read_to_string(&file).expect("rows");
    assert!(rows.ends_with('\n') && rows.starts_with("{\"a\":"), "whole lines");
}
