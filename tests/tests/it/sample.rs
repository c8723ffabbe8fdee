//! The sample of microservice telemetry: every directory into a fresh store, counted before and after compaction.
//!
//! `CAUSEWAY_SAMPLE` names the folder with `cases.json`. Without it this part is left out, and says so.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::Instant,
};

use serde_json::Value;
use tests::{
    api::Api,
    harness::{Server, announce},
    http::Client,
    otlp::Signal,
};

use crate::support::{Home, assert_stored, bytes_request};

/// Connections that send at once.
const CONNECTIONS: usize = 4;

/// What a directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    spans: u64,
    logs: u64,
    points: u64,
    traces: u64,
}

#[test]
fn every_directory_is_counted() {
    let Some(root) = env::var_os("CAUSEWAY_SAMPLE").map(PathBuf::from) else {
        announce("sample: LEFT OUT, as CAUSEWAY_SAMPLE is not set");
        return;
    };
    let directories = directories(&root);
    assert!(!directories.is_empty(), "no directories in {}", root.display());
    for (name, expected) in &directories {
        let begun = Instant::now();
        replay(&root.join(name), *expected);
        announce(&format!("sample: {name}: {expected:?} in {:.1} s", begun.elapsed().as_secs_f64()));
    }
}

/// The directories that `cases.json` names, with what each holds.
fn directories(root: &Path) -> Vec<(String, Counts)> {
    let path = root.join("cases.json");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let index: Value = serde_json::from_str(&text).expect("cases.json is JSON");
    let entries =
        ["baselines", "cases"].into_iter().flat_map(|key| index[key].as_array().cloned().unwrap_or_default());
    entries
        .map(|entry| (entry["dir"].as_str().expect("a case has a dir").to_owned(), counts_of(&entry)))
        .collect()
}

fn counts_of(entry: &Value) -> Counts {
    let count = |key: &str| entry["counts"][key].as_u64().unwrap_or_else(|| panic!("no {key} in {entry}"));
    Counts {
        spans: count("spans"),
        logs: count("logs"),
        points: count("metric_points"),
        traces: count("traces"),
    }
}

fn replay(directory: &Path, expected: Counts) {
    let home = Home::new();
    let server = Server::start(&home.data());
    let waiting = Mutex::new(files(directory));
    let address = server.addresses.otlp_http;
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| send_all(Client::new(address), &waiting));
        }
    });
    let api = server.api();
    assert_eq!(stored(&api), expected, "{}, as it was sent", directory.display());
    api.compact();
    assert_eq!(stored(&api), expected, "{}, compacted", directory.display());
    assert!(server.stop().status.success(), "{}: not stopped cleanly", directory.display());
}

fn files(directory: &Path) -> Vec<(Signal, PathBuf)> {
    let folders = [(Signal::Traces, "traces"), (Signal::Logs, "logs"), (Signal::Metrics, "metrics")];
    let in_folder = |(signal, folder): (Signal, &str)| {
        let entries = fs::read_dir(directory.join(folder)).ok().into_iter().flatten();
        let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
        paths
            .filter(|path| path.extension().is_some_and(|kind| kind == "zst"))
            .map(move |path| (signal, path))
    };
    folders.into_iter().flat_map(in_folder).collect()
}

fn send_all(mut client: Client, waiting: &Mutex<Vec<(Signal, PathBuf)>>) {
    loop {
        let next = waiting.lock().expect("no sender panics while it holds the list").pop();
        let Some((signal, path)) = next else { return };
        let body = fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let request = bytes_request(signal, body.into()).header("content-encoding", "zstd");
        assert_stored(&client.send(&request).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    }
}

fn stored(api: &Api) -> Counts {
    let traces = api.count("SELECT count(DISTINCT trace_id) FROM spans");
    assert_eq!(
        api.count("SELECT count(DISTINCT trace_id) FROM traces"),
        traces,
        "traces of the summary table"
    );
    Counts {
        spans: api.count("SELECT count(*) FROM spans"),
        logs: api.count("SELECT count(*) FROM logs"),
        points: api.count("SELECT count(*) FROM metrics"),
        traces,
    }
}
