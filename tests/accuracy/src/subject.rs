//! The program that is asked: started on a directory of its own, filled, and asked for windows of time.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ::tests::harness::{Server, Setup};
use ::tests::http::{Answer, Client, Request, percent_encoded};
use ::tests::otlp::Signal;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::told::Told;

/// How long one exchange may take: a compaction of a whole sample by a debug build is one.
const EXCHANGE_MAX: Duration = Duration::from_secs(3600);
/// How often a request is sent again that the server had no room for, and after how long.
const AGAIN_MAX: u32 = 240;
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// From a moment until another, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first moment.
    pub(crate) from: i64,
    /// The last.
    pub(crate) to: i64,
}

/// The program, ready. Dropping it kills it and removes its data.
pub(crate) struct Subject {
    otlp: Client,
    api: Client,
    /// Before its directory, so that it ends first.
    _server: Server,
    _directory: TempDir,
}

/// The program at `path`, else the one that lies beside this one.
pub(crate) fn program(path: Option<&Path>) -> Result<PathBuf> {
    let beside = || -> Result<PathBuf> {
        let own = std::env::current_exe().context("this process does not know its program")?;
        Ok(own.with_file_name("causeway"))
    };
    let path = path.map_or_else(beside, |path| Ok(path.to_owned()))?;
    if !path.is_file() {
        bail!("there is no program at {}: build causeway, or name it by --program", path.display());
    }
    Ok(path)
}

impl Subject {
    /// Starts the program on an empty directory.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("causeway-accuracy-").tempdir();
        let directory = directory.context("cannot make a directory for the data")?;
        let server = Setup::new(&directory.path().join("data")).program(program).start();
        let client = |address| Client::new(address).exchange_max(EXCHANGE_MAX);
        let (otlp, api) = (client(server.addresses.otlp_http), client(server.addresses.http));
        Ok(Self { otlp, api, _server: server, _directory: directory })
    }

    /// Sends an export request, again while the server has no room for it, and demands that all of it is taken.
    pub(crate) fn send(&mut self, signal: Signal, body: Bytes, encoding: Option<&str>) -> Result<()> {
        let request = Request::post(signal.http_path(), "application/x-protobuf", body);
        let request = match encoding {
            Some(encoding) => request.header("content-encoding", encoding),
            None => request,
        };
        for _ in 0..AGAIN_MAX {
            let answer = self.otlp.send(&request)?;
            match answer.status {
                200 if answer.body.is_empty() => return Ok(()),
                429 | 503 => thread::sleep(AGAIN_AFTER),
                status => bail!("{} was answered {status}: {}", signal.http_path(), answer.text()),
            }
        }
        bail!("the server had no room for a request, {AGAIN_MAX} times")
    }

    /// Settles the storage.
    pub(crate) fn compact(&mut self) -> Result<()> {
        self.post("/api/compact", &json!({})).map(|_| ())
    }

    /// Asks what is wrong in a window.
    pub(crate) fn ask(&mut self, window: Window) -> Result<Told> {
        let answer = self.post("/api/diagnose", &json!({ "from": window.from, "to": window.to }))?;
        Told::read(&answer.text())
    }

    /// Whether a service wrote any log record in a window.
    pub(crate) fn logs_in(&mut self, service: &str, window: Window) -> Result<bool> {
        let search = percent_encoded(&format!("service:\"{service}\""));
        let (from, to) = (window.from, window.to);
        let answer = self.get(&format!("/api/logs?q={search}&from={from}&to={to}&limit=1"))?;
        let answer: Value = serde_json::from_str(&answer).context("the answer is no JSON")?;
        Ok(answer["logs"].as_array().is_some_and(|logs| !logs.is_empty()))
    }

    /// The answer to a GET.
    pub(crate) fn get(&mut self, path: &str) -> Result<String> {
        Ok(good(path, self.api.send(&Request::get(path))?)?.text())
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        let request = Request::post(path, "application/json", Bytes::from(body.to_string()));
        good(path, self.api.send(&request)?)
    }
}

fn good(path: &str, answer: Answer) -> Result<Answer> {
    if !(200..300).contains(&answer.status) {
        bail!("{path} was answered {}: {}", answer.status, answer.text());
    }
    Ok(answer)
}
