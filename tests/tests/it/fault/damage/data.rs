//! The data directory that is damaged, and the questions that are asked of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;
use tests::{
    harness::{Server, Setup},
    http::Answer,
    otlp::{
        BASE_TIME, Export, SECOND, attribute, gauge_of, hex, log, logs, metrics, point, span, span_id,
        trace_id, traces,
    },
};

use super::{Verdict, scratch};
use crate::support::store;

/// Stretches of time, a day each: the first two are in segments, of which the catalog's own log names the second,
/// and the third is in the log.
const DAYS: usize = 3;

/// Records of each signal in a day.
const RECORDS: usize = 40;

const DAY: u64 = 86_400 * SECOND;

/// A data directory with every kind of file, and what it answers.
pub(super) struct Template {
    directory: TempDir,
    files: Vec<PathBuf>,
    truth: Answers,
}

impl Template {
    pub(super) fn make() -> Self {
        let directory = scratch();
        let data = directory.path().join("data");
        let setup = Setup::new(&data);
        let server = setup.start();
        fill(&server, 0);
        server.api().compact();
        assert!(server.stop().status.success(), "not stopped cleanly");
        let server = setup.start();
        fill(&server, 1);
        server.api().compact();
        fill(&server, 2);
        let truth = Answers::ask(&server);
        server.kill();
        let mut files = Vec::new();
        let mut open = vec![data.clone()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory).expect("the directory is there") {
                let path = entry.expect("an entry").path();
                let is_empty = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0);
                if path.is_dir() {
                    open.push(path);
                } else if !is_empty && !path.to_string_lossy().ends_with("-shm") {
                    files.push(path.strip_prefix(&data).expect("it is below").to_owned());
                }
            }
        }
        files.sort();
        Self { directory, files, truth }
    }

    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(super) fn truth(&self) -> &Answers {
        &self.truth
    }

    pub(super) fn copy_to(&self, data: &Path) {
        for file in &self.files {
            let to = data.join(file);
            fs::create_dir_all(to.parent().expect("a file lies in a directory")).expect("a directory");
            fs::copy(self.directory.path().join("data").join(file), to).expect("the file is copied");
        }
    }
}

/// A day of each signal.
fn fill(server: &Server, day: usize) {
    let service = format!("day-{day}");
    let time = |record: usize| BASE_TIME + day as u64 * DAY + record as u64 * SECOND;
    let id = |record: usize| format!("{day}-{record:03}");
    let span = |record: usize| {
        let mut span = span(trace_id(&id(record / 4)), span_id(&service, record), &format!("step {record}"));
        span.start_time_unix_nano = time(record);
        span.end_time_unix_nano = time(record) + SECOND;
        span.attributes = vec![attribute("id", id(record).as_str()), attribute("size", record as i64)];
        span
    };
    let log = |record: usize| {
        let mut log = log(&format!("order {record} placed by customer{}", hex(&span_id("customer", record))));
        log.time_unix_nano = time(record);
        log.attributes = vec![attribute("id", id(record).as_str())];
        log
    };
    let point = |record: usize| {
        let mut point = point(record as f64 * 1.5);
        point.time_unix_nano = time(record);
        point.attributes = vec![attribute("id", id(record).as_str())];
        point
    };
    let all: [Export; 3] = [
        traces(&service, (0..RECORDS).map(span).collect()),
        logs(&service, (0..RECORDS).map(log).collect()),
        metrics(&service, vec![gauge_of("load", (0..RECORDS).map(point).collect())]),
    ];
    all.iter().for_each(|export| store(server, export));
}

/// What was answered, question by question.
pub(super) struct Answers {
    all: Vec<Given>,
}

/// One answer.
struct Given {
    question: String,
    /// The day that it is about, if it is about one.
    day: Option<usize>,
    status: u16,
    partial: bool,
    /// What counts: everything but what the answer cost.
    value: Value,
}

impl Answers {
    /// Asks everything.
    pub(super) fn ask(server: &Server) -> Self {
        let api = server.api();
        let mut all = Vec::new();
        let whole = [
            "SELECT attributes['id'], name, trace_id, span_id, service_name, start_time, end_time, attributes FROM spans",
            "SELECT attributes['id'], body, service_name, time, severity, attributes FROM logs",
            "SELECT attributes['id'], metric, value, service_name, time, attributes FROM metrics",
        ];
        for table in whole {
            let sql = format!("{table} ORDER BY 1");
            all.push(Given::of(&sql, None, &api.sql_answer(&sql)));
        }
        let word = hex(&span_id("customer", 7));
        let mut paths = vec![("/api/services".to_owned(), None)];
        for day in 0..DAYS {
            let (from, to) = (BASE_TIME + day as u64 * DAY, BASE_TIME + day as u64 * DAY + DAY / 2);
            let range = format!("from={from}&to={to}&limit=1000");
            paths.extend([
                (format!("/api/logs?q=customer{word}&{range}"), Some(day)),
                (format!("/api/logs?q=%22order+12+placed%22&{range}"), Some(day)),
                (format!("/api/logs?q=id:{day}-009&{range}"), Some(day)),
                (format!("/api/spans?q=service:day-{day}&{range}"), Some(day)),
                (format!("/api/spans?q=step&{range}"), Some(day)),
                (format!("/api/traces/{}", hex(&trace_id(&format!("{day}-002")))), None),
            ]);
        }
        all.extend(paths.iter().map(|(path, day)| Given::of(path, *day, &api.get(path))));
        Self { all }
    }

    /// Against what is right.
    pub(super) fn judge(&self, truth: &Self, file: &Path) -> (Verdict, String) {
        let mut said = None;
        for (given, right) in self.all.iter().zip(&truth.all) {
            if given.status != 200 || given.partial {
                let text = format!("{} {}: {}", given.status, given.question, given.value);
                if given.day.is_some_and(|day| !holds_day(file, day)) {
                    return (Verdict::OthersLost, text);
                }
                said = Some(text);
            } else if given.value != right.value {
                return (
                    Verdict::Wrong,
                    format!("{}: {}", given.question, difference(&given.value, &right.value)),
                );
            }
        }
        said.map_or((Verdict::Right, String::new()), |text| (Verdict::Said, text))
    }

    /// Whether all that is missing is of the last day, and nothing else is other than it should be.
    pub(super) fn lacks_only_the_log(&self, truth: &Self) -> bool {
        let tables = self.all.iter().zip(&truth.all).take(3);
        tables.into_iter().all(|(given, right)| {
            let rows = |value: &Value| value["rows"].as_array().cloned().unwrap_or_default();
            let last = format!("{}-", DAYS - 1);
            let of_log = |row: &Value| row[0].as_str().is_some_and(|id| id.starts_with(&last));
            let given = rows(&given.value);
            rows(&right.value).iter().all(|row| of_log(row) || given.contains(row))
                && given.iter().all(|row| rows(&right.value).contains(row))
        })
    }
}

/// Whether a file can hold rows of a day. Segments are told apart by what else is not known of them here, so every
/// segment may hold the first two days, and only the log holds the third.
fn holds_day(file: &Path, day: usize) -> bool {
    match file.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned()).as_deref() {
        Some("segments") => day < DAYS - 1,
        Some("wal") => day == DAYS - 1,
        _ => true,
    }
}

impl Given {
    fn of(question: &str, day: Option<usize>, answer: &Answer) -> Self {
        let mut value: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| answer.text().into());
        let partial = !value["stats"]["partial"].is_null() || value["truncated"] == true;
        if let Some(object) = value.as_object_mut() {
            // What it cost, and a name that each answer has for itself.
            object.remove("stats");
            if let Some(error) = object.get_mut("error").and_then(Value::as_object_mut) {
                error.remove("request_id");
            }
        }
        Self { question: question.to_owned(), day, status: answer.status, partial, value }
    }
}

/// The first row that differs, for people.
fn difference(given: &Value, right: &Value) -> String {
    let rows = |value: &Value| {
        let array = ["rows", "logs", "spans", "services"].iter().find_map(|key| value[*key].as_array());
        array.cloned().unwrap_or_else(|| vec![value.clone()])
    };
    let (given, right) = (rows(given), rows(right));
    let more = given.iter().find(|row| !right.contains(row));
    let missing = right.iter().find(|row| !given.contains(row));
    let short = |row: Option<&Value>| {
        row.map_or("nothing".to_owned(), |row| row.to_string().chars().take(200).collect())
    };
    format!(
        "{} rows for {}; there is {}; missing is {}",
        given.len(),
        right.len(),
        short(more),
        short(missing)
    )
}
