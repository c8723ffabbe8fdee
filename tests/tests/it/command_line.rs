//! The command line where it goes on for long: tails, Ctrl-C, several statements, and the prompt at a terminal.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::PermissionsExt,
    process::{Child, ChildStdout, Stdio},
};

use serde_json::Value;
use tests::{
    harness::{Server, Setup, causeway, command, interrupt},
    otlp::{Export, log, logs},
    terminal::Terminal,
};

use crate::support::{Home, store};

fn lines(bodies: impl IntoIterator<Item = String>) -> Export {
    logs("shop", bodies.into_iter().map(|body| log(&body)).collect())
}

fn url(server: &Server) -> String {
    format!("http://{}", server.addresses.http)
}

/// A command whose results are read while it runs.
struct Running {
    child: Child,
    results: BufReader<ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command()
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let results = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Self { child, results }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.results.read_line(&mut line).expect("lines are UTF-8");
        line
    }

    fn ctrl_c(&self) {
        interrupt(&self.child);
    }

    /// The rest of its results, what it said beside them, and its exit code.
    fn ended(mut self) -> (String, String, Option<i32>) {
        let (mut rest, mut said) = (String::new(), String::new());
        self.results.read_to_string(&mut rest).expect("results are UTF-8");
        let mut stderr = self.child.stderr.take().expect("standard error is piped");
        stderr.read_to_string(&mut said).expect("messages are UTF-8");
        (rest, said, self.child.wait().expect("a child can be waited for").code())
    }
}

fn is_hello(row: &Value) -> bool {
    row["body"].as_str().is_some_and(|body| body.starts_with("hello "))
}

/// Stores rows until a tail that was just started shows one: nothing says when it is there.
fn until_shown(server: &Server, tail: &mut Running) -> Value {
    let (ready, shown) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let line = tail.line();
            ready.send(line).expect("somebody waits");
        });
        for number in 0.. {
            // Told apart by its number: what is sent again is stored once.
            store(server, &lines([format!("hello {number}")]));
            if let Ok(line) = shown.try_recv() {
                return serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
        unreachable!("the numbers do not end")
    })
}

#[test]
fn a_tail_shows_rows_comes_back_and_ends_with_ctrl_c() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let address = server.addresses.http.to_string();
    let mut tail = Running::start(&["tail", "hello OR back", "--format", "ndjson", "--url", &url(&server)]);
    assert!(is_hello(&until_shown(&server, &mut tail)));
    server.kill();
    let server = Setup::new(&home.data()).arguments(&["--listen", &address]).start();
    store(&server, &lines(["nothing".to_owned(), "back".to_owned()]));
    let shown = loop {
        let row: Value = serde_json::from_str(&tail.line()).expect("a row");
        if !is_hello(&row) {
            break row;
        }
    };
    assert_eq!(shown["body"], "back");
    tail.ctrl_c();
    let (rest, said, code) = tail.ended();
    assert_eq!((rest.as_str(), code), ("", Some(0)), "{said}");
    assert!(said.contains("lost:") && said.contains("back:"), "{said}");
}

#[test]
fn what_cannot_be_followed_is_said() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let data = home.data().display().to_string();
    let url = url(&server);
    let cases: [(&[&str], i32, &str); 4] = [
        (&["tail", "--data", &data], 2, "--data"),
        (&["tail", "timeout AND", "--url", &url], 2, "expected: a word"),
        (&["tail", "--format", "json", "--url", &url], 2, "ndjson"),
        (&["tail", "--url", "http://127.0.0.1:1"], 3, "is `causeway serve` running?"),
    ];
    for (arguments, code, part) in cases {
        let output = causeway(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}

#[test]
fn a_tail_without_rows_ends_with_one() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let mut terminal = Terminal::start(command().args(["tail", "--url", &url(&server)]));
    terminal.shows("following:");
    terminal.ctrl_c();
    assert_eq!(terminal.ended().code(), Some(1));
}

#[test]
fn ctrl_c_keeps_what_came_and_says_how_to_go_on() {
    /// A page holds this many rows.
    const PAGE: usize = 10_000;
    const ROWS: usize = 3 * PAGE + 50;
    let home = Home::new();
    let server = Server::start(&home.data());
    for first in (0..ROWS).step_by(PAGE) {
        store(&server, &lines((first..ROWS.min(first + PAGE)).map(|row| format!("row {row}"))));
    }
    let url = url(&server);
    let search = ["logs", "row", "--limit", "50000", "--format", "ndjson", "--url", &url];
    let mut long = Running::start(&search);
    // It has written a part of its first page, and waits for a reader.
    assert!(!long.line().is_empty());
    long.ctrl_c();
    let (rest, said, code) = long.ended();
    let came = rest.lines().count() + 1;
    assert!(came.is_multiple_of(PAGE) && came < ROWS, "whole pages: {came}");
    assert_eq!(code, Some(130), "{said}");
    assert!(said.starts_with(&format!("interrupted: {came} rows came")), "{said}");
    let cursor = said.split_whitespace().skip_while(|word| *word != "--cursor").nth(1).expect("a cursor");
    let output = causeway(&[&search[..], &["--cursor", cursor]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), ROWS - came);
    assert!(output.stderr.is_empty(), "nothing to say: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn statements_on_standard_input_run_one_after_another() {
    let home = Home::new();
    let server = Server::start(&home.data());
    for (text, code, results) in [
        ("SELECT 1 AS a; SELECT ';' AS b;\n", 0, "a\n1\nb\n;\n"),
        ("SELECT 1 AS a", 0, "a\n1\n"),
        ("SELECT 1 AS a; SELECT FROM; SELECT 2 AS b;", 2, "a\n1\n"),
        (" -- nothing\n", 2, ""),
    ] {
        let mut child = command()
            .args(["sql", "--format", "csv", "--url", &url(&server)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut input = child.stdin.take().expect("standard input is piped");
        input.write_all(text.as_bytes()).expect("the program reads");
        drop(input);
        let output = child.wait_with_output().expect("the program ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}: {said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), results, "{text}: {said}");
    }
}

#[test]
fn a_prompt_completes_runs_and_remembers() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let state = home.data().with_extension("state");
    let mut command = command();
    command.args(["sql", "--color", "never", "--url", &url(&server)]).env("XDG_STATE_HOME", &state);
    let mut terminal = Terminal::start(command.env("TERM", "xterm"));
    terminal.shows("causeway> ");
    terminal.types("\\d\r");
    for table in ["logs", "metrics", "spans", "traces"] {
        terminal.shows(table);
    }
    terminal.shows("causeway> ");
    terminal.types("SELECT 40 +\r");
    terminal.types("  2 AS answer;\r");
    terminal.shows("answer");
    terminal.shows("42");
    // At a terminal, what it cost is said.
    terminal.shows("segments opened");
    terminal.shows("causeway> ");
    terminal.types("SELECT FROM;\r");
    terminal.shows("error:");
    terminal.shows("causeway> ");
    terminal.types("dropped by Ctrl-C\u{3}");
    terminal.shows("causeway> ");
    terminal.types("SELECT approx_dis\tseries) AS n FROM metr\t;\r");
    terminal.shows("answered: 1 row");
    terminal.shows("causeway> ");
    terminal.types("\\q\r");
    assert_eq!(terminal.ended().code(), Some(0));
    let history = state.join("causeway/sql_history");
    assert_eq!(history.metadata().expect("a history").permissions().mode() & 0o777, 0o600);
    let kept = fs::read_to_string(&history).expect("text");
    assert!(kept.contains("AS answer") && !kept.contains("dropped"), "{kept}");
}

#[test]
fn completions_and_pages_are_written() {
    let home = Home::new();
    for (shell, part) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef causeway"),
        ("fish", "complete -c causeway"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let output = causeway(&["completions", shell]);
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(part), "{shell}");
    }
    let page = causeway(&["man"]);
    assert!(page.status.success() && String::from_utf8_lossy(&page.stdout).contains(".TH causeway"));
    let pages = home.data().with_extension("man1");
    assert!(causeway(&["man", &pages.display().to_string()]).status.success());
    assert!(pages.join("causeway-tail.1").is_file());
}
