//! The program as a process: started on free ports, measured, stopped or killed.

mod group;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub(crate) use group::Group;

/// How long the program may take to be ready: it may have a long log to read.
const START_TIME_MAX: Duration = Duration::from_secs(3600);
/// How long it may take to end.
const STOP_TIME_MAX: Duration = Duration::from_secs(300);
/// How often is looked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How many lines may wait to be read.
const LINES_MAX: usize = 256;
/// How many lines are shown of a program that did not start.
const LINES_SHOWN_MAX: usize = 20;

/// How the program is started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its memory budget in bytes; its own default if none.
    pub(crate) memory: Option<u64>,
}

impl Program {
    /// The one at `path`, else the one that lies beside this benchmark.
    pub(crate) fn find(path: Option<&Path>, memory: Option<u64>) -> Result<Self> {
        let beside = || -> Result<PathBuf> {
            let own = std::env::current_exe().context("this process does not know its program")?;
            Ok(own.with_file_name("causeway"))
        };
        let path = path.map_or_else(beside, |path| Ok(path.to_owned()))?;
        if !path.is_file() {
            bail!(
                "there is no program at {}: run `cargo build --release -p causeway`, or name it by --program",
                path.display()
            );
        }
        Ok(Self { path, memory })
    }

    /// Its name and version, as it tells them.
    pub(crate) fn version(&self) -> String {
        let output = Command::new(&self.path).arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.unwrap_or_else(|_| "unknown version".to_owned())
    }
}

/// A server that is ready. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// From the start of the process until it said `ready`.
    pub(crate) ready_after: Duration,
    /// When the process was started.
    pub(crate) started: Instant,
    /// Where its API is.
    pub(crate) http: String,
    /// Where it takes OTLP over gRPC.
    pub(crate) otlp_grpc: String,
    /// Where it takes OTLP over HTTP.
    pub(crate) otlp_http: String,
}

impl Server {
    /// Starts the program on a data directory, in a control group if there is one, and waits until it is ready.
    pub(crate) fn start(program: &Program, data: &Path, group: Option<&Group>) -> Result<Self> {
        let mut command = match group {
            None => Command::new(&program.path),
            Some(group) => group.command(&program.path),
        };
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CAUSEWAY_"))
        {
            command.env_remove(name);
        }
        command.arg("serve").arg("--data").arg(data);
        for listener in ["--listen", "--otlp-grpc", "--otlp-http"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        if let Some(memory) = program.memory {
            command.args(["--memory", &memory.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", program.path.display()))?;
        let lines = child.stderr.take().map(listen).context("standard error was not piped")?;
        let empty = String::new;
        let ready_after = Duration::ZERO;
        let mut server =
            Self { child, ready_after, started, http: empty(), otlp_grpc: empty(), otlp_http: empty() };
        server.wait_until_ready(&lines)?;
        server.ready_after = started.elapsed();
        Ok(server)
    }

    fn wait_until_ready(&mut self, lines: &Receiver<String>) -> Result<()> {
        let mut said = VecDeque::new();
        loop {
            let left = START_TIME_MAX.saturating_sub(self.started.elapsed());
            let line = match lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the program was not ready within {} s", START_TIME_MAX.as_secs())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let said: Vec<String> = said.into();
                    bail!("the program ended instead of being ready:\n{}", said.join("\n"))
                }
            };
            let listener = line.strip_prefix("listening ").and_then(|rest| rest.split_once(' '));
            match listener {
                Some(("http", address)) => self.http = address.to_owned(),
                Some(("otlp-grpc", address)) => self.otlp_grpc = address.to_owned(),
                Some(("otlp-http", address)) => self.otlp_http = address.to_owned(),
                _ if line == "ready" => return Ok(()),
                _ => {}
            }
            said.push_back(line);
            if said.len() > LINES_SHOWN_MAX {
                said.pop_front();
            }
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// SIGKILL, without a word of warning.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill().context("cannot kill the server")?;
        self.child.wait().context("cannot wait for the server")?;
        Ok(())
    }

    /// SIGTERM, and waits until it has ended.
    pub(crate) fn stop(mut self) -> Result<()> {
        // The shell's own kill, as the machine may lack the program.
        let signal = format!("kill -TERM {}", self.pid());
        Command::new("sh").args(["-c", &signal]).status().context("cannot send SIGTERM")?;
        let begin = Instant::now();
        while self.child.try_wait().context("cannot wait for the server")?.is_none() {
            if begin.elapsed() > STOP_TIME_MAX {
                bail!("the server did not end within {} s", STOP_TIME_MAX.as_secs());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines of the program's standard error. What nobody reads is dropped, so that the program never waits.
fn listen(stderr: ChildStderr) -> Receiver<String> {
    let (sender, lines) = sync_channel(LINES_MAX);
    thread::spawn(move || forward(stderr, &sender));
    lines
}

fn forward(stderr: ChildStderr, sender: &SyncSender<String>) {
    for line in BufReader::new(stderr).lines().map_while(|line| line.ok()) {
        let _ = sender.try_send(line);
    }
}
