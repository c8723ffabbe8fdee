//! `causeway export` and `causeway import`: what was exported and imported is what was stored.

use std::fs;
use std::path::Path;

use demo::model::{Plan, run};
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value};
use serde_json::Value;
use tests::harness::{Server, causeway};
use tests::otlp::{self, Export};

use crate::support::{Home, store};

/// A Tuesday at noon.
const START: i64 = 1_763_467_200_000_000_000;
/// Two minutes of a small shop.
const PLAN: Plan =
    Plan { seed: 9, start: START, minutes: 2, rate: 1.0, faults: Vec::new(), distractors: false };
/// A trace in which everything is that a span can have.
const TRACE: [u8; 16] = [0xce; 16];

fn fill(server: &Server) {
    run(&PLAN, &mut |batch| {
        for export in [Export::Traces(batch.traces), Export::Logs(batch.logs)] {
            store(server, &export);
        }
    });
    let value = |value| Some(AnyValue { value: Some(value) });
    let pair = |key: &str, value| KeyValue { key: key.to_owned(), value, ..KeyValue::default() };
    let text = AnyValue { value: Some(any_value::Value::StringValue("a".to_owned())) };
    let attributes = vec![
        pair("int", value(any_value::Value::IntValue(i64::MAX))),
        pair("double", value(any_value::Value::DoubleValue(0.5))),
        pair("bytes", value(any_value::Value::BytesValue(vec![0, 255]))),
        pair("array", value(any_value::Value::ArrayValue(ArrayValue { values: vec![text] }))),
        pair("empty", None),
    ];
    let mut span = otlp::span(TRACE, [7; 8], "</script><b>whole</b>");
    span.trace_state = "ot=th:8".to_owned();
    span.flags = 1;
    span.dropped_attributes_count = 3;
    span.attributes.clone_from(&attributes);
    span.start_time_unix_nano = START as u64;
    span.end_time_unix_nano = START as u64 + 5_000;
    store(server, &otlp::traces("whole", vec![span]));
    let mut log = otlp::log("a body");
    log.body = value(any_value::Value::BytesValue(vec![1, 2, 3]));
    log.trace_id = TRACE.to_vec();
    log.span_id = vec![7; 8];
    log.attributes = attributes;
    store(server, &otlp::logs("whole", vec![log]));
}

/// All that is stored of spans and logs, but for what the store itself adds.
fn stored(server: &Server) -> [Vec<Vec<Value>>; 2] {
    let common = "service_name, resource_attributes, scope_name, scope_version, attributes, dropped_attributes_count, \
                  trace_id, span_id, flags, weight";
    [
        format!(
            "SELECT {common}, parent_span_id, name, kind, start_time, end_time, status_code, status_message, trace_state, \
             events, links FROM spans ORDER BY trace_id, span_id"
        ),
        format!(
            "SELECT {common}, time, observed_time, severity_number, severity_text, body, body_type, event_name FROM logs \
             ORDER BY time, trace_id, span_id, body, service_instance_id"
        ),
    ]
    .map(|sql| server.api().sql(&sql))
}

fn run_command(arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = causeway(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn url(server: &Server) -> String {
    format!("http://{}", server.addresses.http)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path that is UTF-8")
}

#[test]
fn what_is_exported_and_imported_is_what_was_stored() {
    let (home, other) = (Home::new(), Home::new());
    let server = Server::start(&home.data());
    fill(&server);
    let expected = stored(&server);
    assert!(expected.iter().all(|rows| rows.len() > 100), "{:?}", expected.each_ref().map(Vec::len));
    let folder = home.data().with_file_name("files");
    fs::create_dir(&folder).expect("a folder");
    let files = ["traces.otlp.jsonl", "logs.otlp.jsonl"].map(|name| folder.join(name));
    for (file, signal) in files.iter().zip(["traces", "logs"]) {
        let (_, err, code) = run_command(&[
            "export",
            "--signal",
            signal,
            "--limit",
            "100000",
            "--output",
            path(file),
            "--url",
            &url(&server),
        ]);
        assert_eq!(code, Some(0), "{err}");
    }
    let again = Server::start(&other.data());
    // Logs of traces are in both files: the second time they are other logs, so one file at a time.
    let logs_alone = folder.join("alone.jsonl");
    let text = fs::read_to_string(&files[0]).expect("the file");
    let spans: String =
        text.lines().filter(|line| line.contains("resourceSpans")).flat_map(|line| [line, "\n"]).collect();
    fs::write(&files[0], spans).expect("the file is written");
    let gzip = flate2::GzBuilder::new();
    let mut packed = gzip.read(fs::File::open(&files[1]).expect("the file"), flate2::Compression::fast());
    std::io::copy(&mut packed, &mut fs::File::create(logs_alone.with_extension("jsonl.gz")).expect("a file"))
        .expect("it is written");
    fs::remove_file(&files[1]).expect("the plain one goes");
    let (out, err, code) = run_command(&["import", path(&folder), "--format", "json", "--url", &url(&again)]);
    assert_eq!(code, Some(0), "{err}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((told["files"].as_u64(), told["rejected"].as_u64()), (Some(2), Some(0)), "{told}");
    assert_eq!(told["spans"].as_u64(), Some(expected[0].len() as u64), "{told}");
    for (found, expected) in stored(&again).iter().zip(&expected) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_trace_is_one_html_file_that_can_be_imported() {
    let (home, other) = (Home::new(), Home::new());
    let server = Server::start(&home.data());
    fill(&server);
    let id = "ce".repeat(16);
    let file = home.data().with_file_name("trace.html");
    let export = ["export", &id, "--html", "--output", path(&file), "--url", &url(&server)];
    let (_, err, code) = run_command(&export);
    assert_eq!(code, Some(0), "{err}");
    let html = fs::read_to_string(&file).expect("the file");
    assert!(!html.contains("</script><b>"), "hostile text is in the data alone");
    assert!(html.contains("Content-Security-Policy") && html.contains("id=\"otlp\""), "{}", &html[..2000]);
    // The same without a server, of stopped data.
    server.stop();
    let data = home.data();
    let (offline, err, code) = run_command(&["export", &id, "--html", "--data", path(&data)]);
    assert_eq!(code, Some(0), "{err}");
    let otlp = |html: &str| {
        html.split_once("id=\"otlp\">").map(|(_, rest)| rest.split('<').next().map(str::to_owned))
    };
    assert_eq!(otlp(&offline), otlp(&html));
    // Into the data of another one that is stopped.
    let again = Server::start(&other.data());
    again.stop();
    let (out, err, code) = run_command(&["import", path(&file), "--data", path(&other.data())]);
    assert_eq!((out.as_str(), code), ("stored 1 spans, 1 logs and 0 metrics of 1 files\n", Some(0)), "{err}");
    let again = Server::start(&other.data());
    let trace = again.api().json(&format!("/api/traces/{id}"));
    assert_eq!(trace["spans"][0]["attributes"]["int"], i64::MAX.to_string(), "{trace}");
    assert_eq!(trace["logs"][0]["body"], "AQID", "{trace}");
}

#[test]
fn files_that_are_wrong_are_refused_with_their_place() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let file = home.data().with_file_name("wrong.jsonl");
    let good =
        String::from_utf8(otlp::logs("early", vec![otlp::log("a line")]).to_json().to_vec()).expect("JSON");
    let cases = [
        ("{\"resourceSpans\": [".to_owned(), 2, "wrong.jsonl: document 1: EOF"),
        (
            format!("{good}\n{{\"spans\": []}}"),
            2,
            "document 2: it is no OTLP, which has one of resourceSpans",
        ),
        (format!("{good}\nnot JSON"), 2, "document 2: expected ident"),
        ("<html><body>a page</body></html>".to_owned(), 2, "not that of an exported trace"),
        (
            "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"zz\"}]}]}]}".to_owned(),
            1,
            "trace_id must be",
        ),
    ];
    for (text, expected, part) in cases {
        fs::write(&file, &text).expect("the file is written");
        let (_, err, code) = run_command(&["import", path(&file), "--url", &url(&server)]);
        assert_eq!(code, Some(expected), "{text}: {err}");
        assert!(err.contains(part), "{text}: {err}");
    }
    // What came before the wrong document is stored, once, and said.
    assert_eq!(server.api().count("SELECT count(*) FROM logs"), 1);
    let missing = home.data().with_file_name("missing.json");
    let (_, err, code) = run_command(&["import", path(&missing), "--url", &url(&server)]);
    assert!(code == Some(2) && err.contains("missing.json cannot be read"), "{err}");
    let (_, err, code) = run_command(&["export", "status:error", "--html", "--url", &url(&server)]);
    assert!(code == Some(2) && err.contains("name it by its id"), "{err}");
    let (_, err, code) = run_command(&["export", &"1".repeat(32), "--url", &url(&server)]);
    assert!(code == Some(1) && err.contains("is stored"), "{code:?}: {err}");
}
