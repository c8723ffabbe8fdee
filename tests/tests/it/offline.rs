//! A data directory read without a server: the log included, and nothing written there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::SystemTime,
};

use serde_json::Value;
use tests::{
    harness::{Server, causeway},
    otlp::{hex, log, logs, span, span_id, trace_id, traces},
};

use crate::support::{Home, store};

/// Arguments without `--data DIR`, the exit code, and a part of standard output.
struct Case(&'static [&'static str], i32, &'static str);

const CASES: &[Case] = &[
    Case(&["sql", "SELECT count(*) FROM logs", "--format", "csv"], 0, "\n3\n"),
    Case(&["sql", "SELECT count(*) FROM spans", "--format", "csv"], 0, "\n2\n"),
    Case(&["sql", "SELECT count(*) AS n FROM logs", "--format", "ndjson"], 0, r#""n":3"#),
    Case(&["sql", "SELECT body FROM logs ORDER BY body LIMIT 1"], 0, "after compaction"),
    Case(&["sql", "SELECT 1 WHERE false", "--format", "csv"], 0, ""),
    Case(&["logs", "refused", "--format", "ndjson"], 0, r#""body":"connection refused""#),
    Case(&["logs", "service:shop", "--format", "table"], 0, "connection refused"),
    Case(&["logs", "nothing-like-it", "--format", "ndjson"], 1, ""),
    Case(&["spans", "name:checkout", "--format", "ndjson"], 0, r#""name":"checkout""#),
    Case(&["traces", "service:shop", "--format", "json"], 0, r#""root_name":"checkout""#),
    Case(&["traces", "service:nobody", "--format", "json"], 1, ""),
    Case(&["services", "--format", "json"], 0, r#""name":"shop""#),
    Case(&["logs", "\"unfinished"], 2, ""),
    Case(&["sql", "SELECT FROM"], 2, ""),
    Case(&["logs", "x", "--format", "poem"], 2, ""),
    Case(&["trace", "zz"], 2, ""),
    Case(&["trace", "0af7651916cd43dd8448eb211c80319c"], 1, ""),
    Case(&["no-such-command"], 2, ""),
];

#[test]
fn offline_reads_all_and_writes_nothing() {
    let home = Home::new();
    fill_and_kill(&home);
    let before = listing(&home.data());
    for Case(arguments, code, part) in CASES {
        let output = offline(&home, arguments);
        assert_code(&output, *code, arguments);
        assert!(
            text(&output.stdout).contains(part),
            "{arguments:?}: no {part:?} in {}",
            text(&output.stdout)
        );
        let said = !output.stderr.is_empty();
        assert!(said || *code < 2, "{arguments:?}: an error without a word");
    }
    trace_with_its_log(&home);
    assert_eq!(listing(&home.data()), before, "reading changed the directory");
}

fn trace_with_its_log(home: &Home) {
    let output = offline(home, &["trace", &hex(&trace_id("offline"))]);
    assert_code(&output, 0, &["trace"]);
    let shown = text(&output.stdout);
    for part in ["checkout", "charge", "connection refused"] {
        assert!(shown.contains(part), "the waterfall lacks {part}: {shown}");
    }
}

#[test]
fn ndjson_is_one_row_a_line_and_json_the_whole_answer() {
    let home = Home::new();
    fill_and_kill(&home);
    let lines = text(&offline(&home, &["logs", "", "--format", "ndjson"]).stdout);
    let rows: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(rows.len(), 3, "{lines}");
    assert_eq!(rows[2]["trace_id"], hex(&trace_id("offline")), "newest first, the oldest has a trace");
    let whole: Value =
        serde_json::from_str(&text(&offline(&home, &["logs", "", "--format", "json"]).stdout)).expect("JSON");
    assert_eq!(whole["logs"], Value::Array(rows));
    assert!(whole["stats"].is_object() && whole.get("cursor").is_some(), "not the API's answer: {whole}");
}

#[test]
fn compact_settles_offline() {
    let home = Home::new();
    fill_and_kill(&home);
    let before = text(&offline(&home, &["logs", "", "--format", "ndjson"]).stdout);
    assert_code(&offline(&home, &["compact"]), 0, &["compact"]);
    assert_eq!(
        text(&offline(&home, &["logs", "", "--format", "ndjson"]).stdout),
        before,
        "the same rows afterwards"
    );
    assert_eq!(Server::start(&home.data()).api().count("SELECT count(*) FROM logs"), 3);
}

#[test]
fn a_directory_that_is_served_names_its_server() {
    let home = Home::new();
    let server = Server::start(&home.data());
    for arguments in [&["sql", "SELECT 1"][..], &["logs", ""], &["compact"]] {
        let output = offline(&home, arguments);
        let said = text(&output.stderr);
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        assert!(said.contains(&server.addresses.http.to_string()), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_named_and_not_made() {
    let home = Home::new();
    let output = offline(&home, &["logs", ""]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(&home.data().display().to_string()), "{}", text(&output.stderr));
    assert!(!home.data().exists(), "reading made the directory");
}

#[test]
fn client_commands_ask_a_server() {
    let home = Home::new();
    let server = Server::start(&home.data());
    fill(&server);
    let url = format!("http://{}", server.addresses.http);
    for Case(arguments, code, part) in CASES {
        let arguments = [*arguments, &["--url", &url]].concat();
        let output = causeway(&arguments);
        assert_code(&output, *code, &arguments);
        assert!(
            text(&output.stdout).contains(part),
            "{arguments:?}: no {part:?} in {}",
            text(&output.stdout)
        );
    }
    server.kill();
    let gone = causeway(&["logs", "", "--url", &url]);
    assert_eq!(gone.status.code(), Some(3), "{}", text(&gone.stderr));
    assert!(text(&gone.stderr).contains(&url), "{}", text(&gone.stderr));
}

/// Some rows in a segment, some in the log alone, and no clean end.
fn fill_and_kill(home: &Home) {
    let server = Server::start(&home.data());
    fill(&server);
    server.kill();
}

fn fill(server: &Server) {
    let id = trace_id("offline");
    let root = span(id, span_id("offline", 1), "checkout");
    let mut child = span(id, span_id("offline", 2), "charge");
    child.parent_span_id = span_id("offline", 1).to_vec();
    store(server, &traces("shop", vec![root, child]));
    let mut refused = log("connection refused");
    refused.trace_id = id.to_vec();
    refused.span_id = span_id("offline", 2).to_vec();
    refused.time_unix_nano += 1_000_000;
    store(server, &logs("shop", vec![refused]));
    server.api().compact();
    let later = |body: &str, number: u64| {
        let mut record = log(body);
        record.time_unix_nano += number * 1_000_000_000;
        record
    };
    store(server, &logs("shop", vec![later("after compaction", 1), later("just now", 2)]));
}

/// Runs a command on the directory.
fn offline(home: &Home, arguments: &[&str]) -> Output {
    let data = home.data().display().to_string();
    causeway(&[arguments, &["--data", &data]].concat())
}

fn assert_code(output: &Output, code: i32, arguments: &[&str]) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file and folder with its length and the time it was changed.
fn listing(directory: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).expect("a file that is listed is there");
        if metadata.is_dir() {
            waiting
                .extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        }
        all.insert(path, (metadata.len(), metadata.modified().expect("files have times")));
    }
    all
}
