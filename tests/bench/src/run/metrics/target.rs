//! Servers that take remote write and answer PromQL: the program, and Prometheus as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde_json::Value;

use crate::client::http::Connection;
use crate::procfs;
use crate::server::{Program, Server};
use crate::subject::compact;

/// How long Prometheus may take to be ready.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// How many of its lines may wait to be read.
const LINES_MAX: usize = 256;
/// How long its queries may take, and how many samples they may read: enough not to be what is measured.
const LIMITS: [&str; 2] = ["--query.timeout=30m", "--query.max-samples=500000000"];

/// A server that is ready.
#[derive(Debug)]
pub(super) struct Target {
    /// What it is called in tables.
    pub(super) name: String,
    /// Its process.
    pub(super) pid: u32,
    address: String,
    /// What stands before the paths of Prometheus' API.
    prefix: &'static str,
    data: PathBuf,
}

impl Target {
    /// The program.
    pub(super) fn causeway(program: &Program, server: &Server, data: PathBuf) -> Self {
        let (name, address) = (program.version(), server.http.clone());
        Self { name, pid: server.pid(), address, prefix: "/prometheus", data }
    }

    /// A new connection to it.
    pub(super) fn connection(&self) -> Connection {
        Connection::new(&self.address)
    }

    /// A path of Prometheus' API.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.prefix)
    }

    /// Makes it settle what it has; how many bytes that is.
    pub(super) async fn compact(&self) -> Result<u64> {
        if !self.prefix.is_empty() {
            compact(&self.address, "/api/compact").await?;
            return Ok(procfs::directory_bytes(&self.data));
        }
        let path = self.path("admin/tsdb/snapshot");
        let reply = self.connection().request("POST", &path, &[], Bytes::new()).await?;
        let answer: Value =
            serde_json::from_slice(&reply.body).context("a snapshot is answered with JSON")?;
        let name =
            answer["data"]["name"].as_str().with_context(|| format!("there is no snapshot in {answer}"))?;
        Ok(procfs::directory_bytes(&self.data.join("snapshots").join(name)))
    }
}

/// Prometheus, ready. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Prometheus {
    /// It as a server.
    pub(super) target: Target,
    child: Child,
}

impl Prometheus {
    /// Starts it on a directory, on a free port, without anything to scrape.
    pub(super) async fn start(program: &Path, directory: &Path) -> Result<Self> {
        let config = directory.join("prometheus.yml");
        fs::write(&config, "global: {}\n").context("cannot write the configuration of Prometheus")?;
        let data = directory.join("prometheus");
        let mut command = Command::new(program);
        command.arg("--config.file").arg(&config).arg("--storage.tsdb.path").arg(&data);
        command.args(["--web.listen-address=127.0.0.1:0", "--web.enable-remote-write-receiver"]);
        command.arg("--web.enable-admin-api").args(LIMITS);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let lines = child.stderr.take().map(listen).context("standard error was not piped")?;
        let target =
            Target { name: version(program), pid: child.id(), address: String::new(), prefix: "", data };
        let mut prometheus = Self { target, child };
        prometheus.wait_until_ready(&lines)?;
        Ok(prometheus)
    }

    fn wait_until_ready(&mut self, lines: &Receiver<String>) -> Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left).context("Prometheus is not ready, or has ended")?;
            if line.contains("Listening on") {
                let address = line.rsplit_once("address=").map(|(_, address)| address.trim().to_owned());
                self.target.address = address.with_context(|| format!("no address in {line:?}"))?;
            }
            if line.contains("ready to receive web requests") {
                if self.target.address.is_empty() {
                    bail!("Prometheus did not say where it listens");
                }
                return Ok(());
            }
        }
    }

    /// Ends it.
    pub(super) fn stop(mut self) -> Result<()> {
        self.child.kill().context("cannot kill Prometheus")?;
        self.child.wait().context("cannot wait for Prometheus")?;
        Ok(())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Its name and version, as it tells them: `prometheus, version 2.42.0 (branch …)`.
fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let version = text.split_whitespace().nth(2).unwrap_or("of unknown version");
    format!("prometheus {version}")
}

/// Lines of standard error. What nobody reads is dropped, so that the process never waits.
fn listen(stderr: ChildStderr) -> Receiver<String> {
    let (sender, lines) = sync_channel(LINES_MAX);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(|line| line.ok()) {
            let _ = sender.try_send(line);
        }
    });
    lines
}
