//! The program as a process: started on ports of its own, killed or stopped, its words kept.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{api::Api, grpc, http};

/// How long the program may take to be ready. Generous: a debug build that replays a log on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);

/// How long it may take to end after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(120);

/// Lines of standard error that a failing test shows.
const LINES_SHOWN_MAX: usize = 60;

/// Where the program is: `CAUSEWAY_BIN`, else where cargo puts it beside this test.
///
/// # Panics
///
/// If it is not there: build it first.
pub fn program() -> PathBuf {
    let path = env::var_os("CAUSEWAY_BIN").map_or_else(beside_the_test, PathBuf::from);
    assert!(
        path.is_file(),
        "no program at {}: run `cargo build -p causeway` or set CAUSEWAY_BIN",
        path.display()
    );
    path
}

/// The test is target/debug/deps/it-…, the program target/debug/causeway.
fn beside_the_test() -> PathBuf {
    let test = env::current_exe().expect("a process knows its program");
    let profile = test.parent().and_then(Path::parent).expect("a test lies in deps");
    profile.join("causeway")
}

/// Writes a line past the capture of the test runner, so that what was left out is seen in a run that passes.
pub fn announce(line: &str) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Runs the program to its end.
pub fn causeway(arguments: &[&str]) -> Output {
    command().args(arguments).stdin(Stdio::null()).output().expect("the program runs")
}

/// The program without settings from the environment of the test.
pub fn command() -> Command {
    command_under(&[], &program())
}

/// SIGINT, as Ctrl-C at a terminal sends it.
///
/// # Panics
///
/// If it cannot be sent.
pub fn interrupt(process: &Child) {
    let command = format!("kill -INT {}", process.id());
    let status = Command::new("sh").args(["-c", &command]).status().expect("a shell runs");
    assert!(status.success(), "cannot send SIGINT");
}

/// A program likewise, as the last argument of another command, if there is one.
fn command_under(wrapper: &[String], program: &Path) -> Command {
    let mut command = match wrapper.split_first() {
        Some((first, others)) => {
            let mut command = Command::new(first);
            command.args(others).arg(program);
            command
        }
        None => Command::new(program),
    };
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CAUSEWAY_")) {
        command.env_remove(name);
    }
    // Tests say what is answered, not how soon beside other tests.
    command.env("CAUSEWAY_QUERY_NICE", "0");
    command
}

/// How a server is to be started.
#[derive(Debug, Clone)]
pub struct Setup {
    program: Option<PathBuf>,
    data: PathBuf,
    config: Option<String>,
    token: Option<String>,
    arguments: Vec<String>,
    wrapper: Vec<String>,
}

impl Setup {
    /// On this data directory, on free ports, with nothing configured.
    pub fn new(data: &Path) -> Self {
        let (config, token, arguments, wrapper) = (None, None, Vec::new(), Vec::new());
        Self { program: None, data: data.to_owned(), config, token, arguments, wrapper }
    }

    /// Of this program instead of the one that [`program`] finds.
    #[must_use]
    pub fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.to_owned());
        self
    }

    /// With this text as its configuration file.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// With this token on all that the harness itself asks.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// With more arguments. A listener named here is not set to port 0.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// As the last argument of another command, which must leave the program as the child of this process.
    #[must_use]
    pub fn under(mut self, wrapper: &[String]) -> Self {
        self.wrapper = wrapper.to_vec();
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    ///
    /// If it ends instead, or is not ready in time.
    pub fn start(&self) -> Server {
        self.try_start()
            .unwrap_or_else(|ended| panic!("serve ended with {}:\n{}", ended.status, ended.stderr))
    }

    /// Starts it and waits until it is ready or has ended.
    ///
    /// # Errors
    ///
    /// How it ended.
    pub fn try_start(&self) -> Result<Server, Ended> {
        let mut process = self.spawn();
        let mut listening = Vec::new();
        let deadline = Instant::now() + START_MAX;
        loop {
            let Some(line) = process.line_before(deadline, "to be ready") else {
                return Err(process.ended());
            };
            if line == "ready" {
                return Ok(Server {
                    addresses: Addresses::of(&listening),
                    process,
                    token: self.token.clone(),
                });
            }
            if let Some(line) = line.strip_prefix("listening ") {
                listening.push(line.to_owned());
            }
        }
    }

    /// Starts it and kills it as soon as something has happened, or it is ready, whichever is first.
    pub fn start_and_kill_once(&self, happened: impl Fn() -> bool) {
        let mut process = self.spawn();
        let deadline = Instant::now() + START_MAX;
        while !happened() && !process.stderr().contains("ready") {
            assert!(Instant::now() < deadline, "nothing happened:\n{}", process.stderr());
            thread::yield_now();
        }
        process.kill();
    }

    fn spawn(&self) -> Process {
        let program = self.program.clone().unwrap_or_else(program);
        let mut command = command_under(&self.wrapper, &program);
        command.arg("serve").arg("--data").arg(&self.data);
        for listener in ["--listen", "--otlp-grpc", "--otlp-http"] {
            if !self.arguments.iter().any(|argument| argument == listener) {
                command.args([listener, "127.0.0.1:0"]);
            }
        }
        if let Some(text) = &self.config {
            let path = self.data.with_extension("toml");
            fs::write(&path, text).expect("the configuration is written");
            command.arg("--config").arg(path);
        }
        let command =
            command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Process::new(command.spawn().expect("the program starts"))
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// All it wrote on standard error.
    pub stderr: String,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Pages and the own API.
    pub http: SocketAddr,
    /// OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// OTLP over HTTP.
    pub otlp_http: SocketAddr,
}

impl Addresses {
    fn of(lines: &[String]) -> Self {
        let find = |name: &str| {
            let address = lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let address =
                address.unwrap_or_else(|| panic!("serve did not say where {name} listens: {lines:?}"));
            address.parse().unwrap_or_else(|error| panic!("not an address of {name}: {address} ({error})"))
        };
        Self { http: find("http"), otlp_grpc: find("otlp-grpc"), otlp_http: find("otlp-http") }
    }
}

/// A server that is ready. Dropping it kills it.
pub struct Server {
    /// Where it listens.
    pub addresses: Addresses,
    process: Process,
    token: Option<String>,
}

impl Server {
    /// On this data directory, on free ports, with nothing configured.
    pub fn start(data: &Path) -> Self {
        Setup::new(data).start()
    }

    /// Its own API.
    pub fn api(&self) -> Api {
        Api::new(self.addresses.http, self.token.clone())
    }

    /// A new connection to OTLP over HTTP.
    pub fn otlp_http(&self) -> http::Client {
        http::Client::new(self.addresses.otlp_http)
    }

    /// A new connection to OTLP over gRPC.
    pub fn otlp_grpc(&self) -> grpc::Client {
        grpc::Client::new(self.addresses.otlp_grpc)
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.process.child.id()
    }

    /// The most memory that it had resident so far, in bytes.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn peak_memory_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process_id());
        let status = fs::read_to_string(&path).expect("the server lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says how much");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kilobytes << 10
    }

    /// SIGKILL: no word of warning.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// SIGTERM, and waits until it has ended.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    pub fn stop(mut self) -> Ended {
        // The shell's own kill, as the machine may lack the program.
        let command = format!("kill -TERM {}", self.process_id());
        let status = Command::new("sh").args(["-c", &command]).status().expect("a shell runs");
        assert!(status.success(), "cannot send SIGTERM");
        let deadline = Instant::now() + STOP_MAX;
        while self.process.line_before(deadline, "to end").is_some() {}
        self.process.ended()
    }

    /// What it wrote on standard error so far.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }
}

/// The child, and a thread that reads what it says.
struct Process {
    child: Child,
    lines: Receiver<String>,
    said: Arc<Mutex<String>>,
}

impl Process {
    fn new(mut child: Child) -> Self {
        let stderr = child.stderr.take().expect("standard error is piped");
        let (sender, lines) = channel();
        let said = Arc::new(Mutex::new(String::new()));
        let copy = Arc::clone(&said);
        thread::spawn(move || listen(stderr, &copy, &sender));
        Self { child, lines, said }
    }

    /// The next line; `None` once standard error is closed.
    fn line_before(&mut self, deadline: Instant, what: &str) -> Option<String> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                self.kill();
                panic!("serve took too long {what}:\n{}", self.stderr());
            }
        }
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn ended(&mut self) -> Ended {
        let status = self.child.wait().expect("a child can be waited for");
        Ended { status, stderr: self.stderr() }
    }

    fn stderr(&self) -> String {
        self.said.lock().expect("the listener does not panic").clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let said = self.stderr();
            let lines: Vec<_> = said.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LINES_SHOWN_MAX)..];
            announce(&format!("--- standard error of a server whose test failed\n{}\n---", shown.join("\n")));
        }
    }
}

fn listen(stderr: ChildStderr, said: &Mutex<String>, sender: &Sender<String>) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let mut said = said.lock().expect("readers do not panic");
        said.push_str(&line);
        said.push('\n');
        drop(said);
        // Nobody waits for lines once the server is ready.
        let _ = sender.send(line);
    }
}
