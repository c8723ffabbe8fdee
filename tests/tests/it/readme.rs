//! What README.md says can be typed: its commands, its requests and its SQL are run as they stand there, against a
//! server that has the records they speak of.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};

use opentelemetry_proto::tonic::trace::v1::{Status, status::StatusCode};
use tests::{
    harness::{Server, announce, program},
    otlp::{SECOND, attribute, gauge, log, logs, metrics, span, span_id, traces},
};

use crate::support::{Home, store};

/// The trace that README.md asks for.
const TRACE: [u8; 16] =
    [0x6e, 0xba, 0x35, 0xe0, 0x74, 0x32, 0xf7, 0x9d, 0x1f, 0xcc, 0x96, 0x34, 0xa4, 0x3b, 0xe3, 0x68];

/// The address that README.md uses.
const ADDRESS: &str = "127.0.0.1:4319";

/// Fewer than these would mean that the page is read wrongly: commands, requests, statements.
const FOUND_MIN: [usize; 3] = [7, 3, 6];

/// Ends a tail as Ctrl-C does.
const TAIL_ENDS: &str = "timeout --preserve-status --signal=INT 2 ";

/// The code of a command that found something, of one that found nothing, and of a wrong question.
const EXIT: [i32; 3] = [0, 1, 2];

#[test]
fn what_the_readme_says_can_be_typed_works() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("README.md is in the workspace");
    let home = Home::new();
    let server = Server::start(&home.data());
    store_what_it_speaks_of(&server);
    let folder = home.data().with_file_name("typed");
    fs::create_dir(&folder).expect("a folder can be made");
    fs::write(folder.join("application.log"), "started in 12 ms\nstarted in 14 ms\n")
        .expect("a file can be made");
    let [mut commands, mut requests, mut statements] = [0; 3];
    for Block { language, text } in blocks(&readme) {
        if language == "sql" {
            for statement in text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
                let rows = server.api().sql(statement);
                assert!(!rows.is_empty(), "nothing found: {statement}");
                statements += 1;
            }
        } else if let Some((command, shown)) =
            text.strip_prefix("$ causeway ").and_then(|text| text.split_once('\n'))
        {
            let output = causeway(&server, &folder, command);
            let (code, error) = (output.status.code(), String::from_utf8_lossy(&output.stderr));
            match shown.starts_with("error: ") {
                true => assert_eq!((code, error.trim_end()), (Some(EXIT[2]), shown.trim_end()), "{command}"),
                false => assert_eq!(code, Some(EXIT[0]), "{command}: {error}"),
            }
            commands += 1;
        } else {
            for line in text.lines() {
                if let Some(command) = line.strip_prefix("causeway ") {
                    let output = causeway(&server, &folder, command);
                    // The records are of 2023, so what only looks at the last minutes may find nothing.
                    let may_miss = command.contains("--since") || command.starts_with("tail ");
                    let allowed = if may_miss { &EXIT[..2] } else { &EXIT[..1] };
                    let code = output.status.code().unwrap_or(-1);
                    let error = String::from_utf8_lossy(&output.stderr);
                    assert!(allowed.contains(&code), "{command}: {code} {error}");
                    commands += 1;
                } else if line.starts_with("curl ") {
                    curl(&server, line);
                    requests += 1;
                }
            }
        }
    }
    let found = [commands, requests, statements];
    assert!(
        found.iter().zip(FOUND_MIN).all(|(found, min)| *found >= min),
        "only {found:?} found in README.md"
    );
    announce(&format!("README.md: {commands} commands, {requests} requests, {statements} statements"));
}

/// A span that failed, a log written in it, a metric.
fn store_what_it_speaks_of(server: &Server) {
    let mut request = span(TRACE, span_id("readme", 1), "GET /cart");
    request.end_time_unix_nano = request.start_time_unix_nano + SECOND;
    request.attributes = vec![
        attribute("http.route", "/cart"),
        attribute("http.response.status_code", 503),
        attribute("k8s.pod.name", "checkout-1"),
    ];
    request.status = Some(Status { code: StatusCode::Error as i32, message: "no stock".to_owned() });
    store(server, &traces("checkout", vec![request]));
    let mut record = log("connection refused");
    record.trace_id = TRACE.to_vec();
    record.span_id = span_id("readme", 1).to_vec();
    record.severity_number = 17;
    store(server, &logs("checkout", vec![record]));
    store(server, &metrics("checkout", vec![gauge("process.memory.usage", 1.0)]));
}

/// A block of code.
struct Block<'a> {
    language: &'a str,
    text: &'a str,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    // Every second part stands between fences; its first line names the language.
    let parts = page.split("```").skip(1).step_by(2);
    parts
        .filter_map(|part| part.split_once('\n'))
        .map(|(language, text)| Block { language: language.trim(), text })
        .collect()
}

/// Runs the program with arguments as a shell would read them, comment included.
fn causeway(server: &Server, folder: &Path, arguments: &str) -> Output {
    // A tail goes on until somebody ends it.
    let ended = if arguments.starts_with("tail ") { TAIL_ENDS } else { "" };
    let mut command = shell(&format!("{ended}'{}' {arguments}", program().display()));
    command.current_dir(folder);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CAUSEWAY_")) {
        command.env_remove(name);
    }
    command.env("CAUSEWAY_URL", format!("http://{}", server.addresses.http)).output().expect("a shell runs")
}

/// Sends a request as README.md has it, but to this server.
fn curl(server: &Server, line: &str) {
    assert!(line.contains(ADDRESS), "not to the page's address: {line}");
    let line = line.replace(ADDRESS, &server.addresses.http.to_string());
    let line = line.replacen("curl ", "curl --silent --show-error --fail-with-body ", 1);
    let output = shell(&line).output().expect("a shell runs");
    let [said, error] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{line}: {said} {error}");
    assert!(said.starts_with('{'), "{line}: {said}");
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}
