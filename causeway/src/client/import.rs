//! `import`: OTLP files, and traces that are one HTML file, sent as exporters send.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indicatif::{HumanBytes, HumanCount};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;

use super::Outcome;
use super::error::ClientError;
use super::output::{Output, notice};
use super::progress::Progress;
use super::source::{Patience, Source};
use super::text::Tone;
use crate::cli::{Format, ImportArgs};

/// The bytes of one request, if resources are not larger by themselves.
const REQUEST_BYTES: usize = 2 << 20;
/// The largest HTML file, and the largest of its data when it is unpacked, in bytes.
const PAGE_BYTES_MAX: u64 = 1 << 30;
/// How often a request is sent that the server has no room for, and how long is waited between two.
const TRIES_MAX: u32 = 30;
const WAIT: Duration = Duration::from_secs(1);
/// How deep folders are looked through.
const FOLDERS_DEPTH_MAX: usize = 16;
/// The endings of files that are taken from folders.
const ENDINGS: [&str; 8] =
    [".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".json.zst", ".jsonl.zst", ".html"];
/// What stands before the data of a trace's HTML file.
const DATA_BEGINS: &str = "id=\"otlp\">";

/// A document of OTLP's JSON: what is in it is sent on as it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    resource_spans: Option<Vec<Box<RawValue>>>,
    resource_logs: Option<Vec<Box<RawValue>>>,
    resource_metrics: Option<Vec<Box<RawValue>>>,
}

/// What came of it.
#[derive(Default)]
struct Tally {
    files: u64,
    /// Spans, logs, and metrics.
    records: [u64; 3],
    rejected: u64,
    bytes: u64,
}

/// The signals in the order of [`Tally::records`]: the key of a document, the path, and the word for people.
const SIGNALS: [(&str, &str, &str); 3] = [
    ("resourceSpans", "/api/import/v1/traces", "spans"),
    ("resourceLogs", "/api/import/v1/logs", "logs"),
    ("resourceMetrics", "/api/import/v1/metrics", "metrics"),
];

/// Sends what files hold.
pub(super) fn import(
    source: &Source,
    args: &ImportArgs,
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, 0, &mut files)?;
    }
    let mut sending = Sending {
        source,
        args,
        tally: Tally::default(),
        progress: Progress::start(format!("sending to {}", source.name())),
    };
    let sent = files.iter().try_for_each(|path| sending.file(path));
    let Sending { tally, .. } = sending;
    if let Err(error) = sent {
        if tally.records.iter().any(|count| *count > 0) {
            notice(args.connection.color, Tone::Warn, "stored so far:", &tally.words());
        }
        return Err(error);
    }
    tally.write(args.connection.format, output)?;
    Ok(Outcome::of(tally.records.iter().any(|count| *count > 0)))
}

impl Tally {
    fn words(&self) -> String {
        let [spans, logs, metrics] = self.records.map(HumanCount);
        format!("{spans} spans, {logs} logs and {metrics} metrics of {} files", HumanCount(self.files))
    }

    fn write(&self, format: Format, output: &mut Output) -> Result<(), ClientError> {
        let [spans, logs, metrics] = self.records;
        let fields = [
            ("files", self.files),
            ("spans", spans),
            ("logs", logs),
            ("metrics", metrics),
            ("rejected", self.rejected),
        ];
        match format {
            Format::Json | Format::Ndjson => {
                let object: serde_json::Map<_, _> =
                    fields.iter().map(|(key, count)| ((*key).to_owned(), json!(count))).collect();
                output.data(&format!("{}\n", serde_json::Value::Object(object)))?;
            }
            Format::Csv => {
                output.data(&super::output::csv_lines([fields.iter().map(|(key, _)| *key)])?)?;
                let counts = fields.map(|(_, count)| count.to_string());
                output.data(&super::output::csv_lines([counts.iter()])?)?;
            }
            Format::Table => output.line(&format!("stored {}", self.words()))?,
        }
        Ok(output.flush()?)
    }
}

/// The files of a path: itself, or of a folder those with a known ending, by name.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ClientError> {
    let wrong = |error: io::Error| unread(path, &error);
    if path == Path::new("-") || !fs::metadata(path).map_err(wrong)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    if depth > FOLDERS_DEPTH_MAX {
        let message = format!("{}: folders are nested deeper than {FOLDERS_DEPTH_MAX}", path.display());
        return Err(ClientError::Usage(message));
    }
    let entries = fs::read_dir(path).map_err(wrong)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(wrong)?;
    entries.sort();
    for entry in entries {
        let is_known =
            || ENDINGS.iter().any(|ending| entry.to_string_lossy().to_ascii_lowercase().ends_with(ending));
        if entry.is_dir() || is_known() {
            collect(&entry, depth + 1, files)?;
        }
    }
    Ok(())
}

fn unread(path: &Path, error: &dyn std::fmt::Display) -> ClientError {
    ClientError::Usage(format!("{} cannot be read: {error}", path.display()))
}

/// The text of a file: decompressed, and out of its HTML.
fn open(path: &Path) -> Result<Box<dyn BufRead>, ClientError> {
    let wrong = |error: io::Error| unread(path, &error);
    let file: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(path).map_err(wrong)?),
    };
    let mut plain = plain(BufReader::new(file)).map_err(wrong)?;
    let is_html = plain.fill_buf().map_err(wrong)?.trim_ascii_start().starts_with(b"<");
    if !is_html {
        return Ok(plain);
    }
    let mut page = String::new();
    plain.take(PAGE_BYTES_MAX).read_to_string(&mut page).map_err(wrong)?;
    let data = page.split_once(DATA_BEGINS).and_then(|(_, rest)| rest.split('<').next());
    let data = data.ok_or_else(|| unread(path, &"it is HTML, and not that of an exported trace"))?;
    let packed = STANDARD.decode(data.trim()).map_err(|error| unread(path, &error))?;
    let text = flate2::read::MultiGzDecoder::new(io::Cursor::new(packed)).take(PAGE_BYTES_MAX);
    Ok(Box::new(BufReader::new(text)))
}

/// What is behind gzip or zstd, which their first bytes tell.
fn plain(mut reader: BufReader<Box<dyn Read>>) -> io::Result<Box<dyn BufRead>> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let begin = reader.fill_buf()?;
    Ok(if begin.starts_with(&GZIP) {
        Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(reader)))
    } else if begin.starts_with(&ZSTD) {
        Box::new(BufReader::new(zstd::Decoder::with_buffer(reader)?))
    } else {
        Box::new(reader)
    })
}

/// What is under way.
struct Sending<'a> {
    source: &'a Source,
    args: &'a ImportArgs,
    tally: Tally,
    progress: Progress,
}

impl Sending<'_> {
    fn file(&mut self, path: &Path) -> Result<(), ClientError> {
        let documents = serde_json::Deserializer::from_reader(open(path)?).into_iter::<Document>();
        for (number, document) in documents.enumerate() {
            let wrong = |why: &dyn std::fmt::Display| {
                let message = format!("{}: document {}: {why}", path.display(), number + 1);
                ClientError::Usage(message)
            };
            let Document { resource_spans, resource_logs, resource_metrics } =
                document.map_err(|error| wrong(&error))?;
            let parts = [resource_spans, resource_logs, resource_metrics];
            if parts.iter().all(Option::is_none) {
                let keys = SIGNALS.map(|(key, ..)| key).join(", ");
                return Err(wrong(&format!("it is no OTLP, which has one of {keys}")));
            }
            for (signal, resources) in parts.into_iter().enumerate() {
                for some in in_requests(resources.unwrap_or_default()) {
                    self.send(signal, &some)?;
                }
            }
        }
        self.tally.files += 1;
        Ok(())
    }

    /// Sends some resources with what is under them.
    fn send(&mut self, signal: usize, resources: &[Box<RawValue>]) -> Result<(), ClientError> {
        let (key, path, word) = SIGNALS[signal];
        let texts: Vec<&str> = resources.iter().map(|resource| resource.get()).collect();
        let body = format!("{{\"{key}\":[{}]}}", texts.join(","));
        let bytes = body.len() as u64;
        let rejected = self.post(path, body)?;
        let count: u64 = resources.iter().map(|resource| records(resource)).sum();
        // Of metrics data points are rejected, which are not what is counted.
        let stored = if word == "metrics" { count } else { count.saturating_sub(rejected) };
        self.tally.records[signal] += stored;
        self.tally.rejected += rejected;
        self.tally.bytes += bytes;
        let tally = &self.tally;
        self.progress.tell(|| format!("{}, {} sent; now {word}", tally.words(), HumanBytes(tally.bytes)));
        Ok(())
    }

    /// Sends a request, again while there is no room for it, and says how many of its records were rejected.
    fn post(&self, path: &str, body: String) -> Result<u64, ClientError> {
        let mut tries = 0;
        let answer = loop {
            let answer = self.source.post_text(path, body.clone(), Patience::Question)?;
            tries += 1;
            if !matches!(answer.status, 429 | 503) || tries == TRIES_MAX {
                break answer;
            }
            thread::sleep(WAIT);
            if self.source.interrupt().is_pressed() {
                return Err(ClientError::Interrupted(self.tally.words()));
            }
        };
        if answer.status != 200 {
            return Err(refused(answer.status, &answer.body));
        }
        let answer: Accepted = super::parse(&answer.body, self.source.name())?;
        let Some(partial) = answer.partial_success else { return Ok(0) };
        let rejected = partial.rejected();
        if rejected > 0 || !partial.error_message.is_empty() {
            let message = format!("{rejected} records: {}", partial.error_message);
            notice(self.args.connection.color, Tone::Warn, "rejected:", &message);
        }
        Ok(rejected)
    }
}

/// Resources as requests of about [`REQUEST_BYTES`].
fn in_requests(resources: Vec<Box<RawValue>>) -> Vec<Vec<Box<RawValue>>> {
    let mut requests: Vec<Vec<Box<RawValue>>> = Vec::new();
    let mut bytes = 0;
    for resource in resources {
        let more = resource.get().len();
        match requests.last_mut() {
            Some(last) if bytes + more <= REQUEST_BYTES => last.push(resource),
            _ => {
                requests.push(vec![resource]);
                bytes = 0;
            }
        }
        bytes += more;
    }
    requests
}

/// The records under a resource.
fn records(resource: &RawValue) -> u64 {
    /// A resource of any signal.
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Under {
        scope_spans: Vec<Records>,
        scope_logs: Vec<Records>,
        scope_metrics: Vec<Records>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Records {
        spans: Vec<IgnoredAny>,
        log_records: Vec<IgnoredAny>,
        metrics: Vec<IgnoredAny>,
    }
    // What cannot be read was refused, or counts as nothing.
    let Under { scope_spans, scope_logs, scope_metrics } =
        serde_json::from_str(resource.get()).unwrap_or_default();
    let scopes = scope_spans.iter().chain(&scope_logs).chain(&scope_metrics);
    scopes.map(|scope| (scope.spans.len() + scope.log_records.len() + scope.metrics.len()) as u64).sum()
}

/// An answer to an export.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    partial_success: Option<PartialSuccess>,
}

/// Numbers of 64 bits are texts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    rejected_spans: serde_json::Value,
    rejected_log_records: serde_json::Value,
    rejected_data_points: serde_json::Value,
    error_message: String,
}

impl PartialSuccess {
    fn rejected(&self) -> u64 {
        let number = |value: &serde_json::Value| {
            value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
        };
        [&self.rejected_spans, &self.rejected_log_records, &self.rejected_data_points]
            .into_iter()
            .map(number)
            .sum()
    }
}

/// Why a request was refused, as a receiver of OTLP or the guard before it says it.
fn refused(status: u16, body: &[u8]) -> ClientError {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    match serde_json::from_slice::<Said>(body) {
        Ok(Said { message }) => ClientError::Server { status, message, request_id: None },
        Err(_) => ClientError::from_answer(status, body, ""),
    }
}
