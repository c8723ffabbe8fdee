//! Makes a recording: several lives of the program on one directory, with load, seals and merges in each.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    thread,
};

use bytes::Bytes;
use serde_json::json;
use tests::{
    fault::{
        disk::Disk,
        random::Random,
        recording::{self, Operation},
        strace,
    },
    harness::{Server, Setup},
    http::{Client, Request},
    otlp::{Export, Signal, attribute, gauge_of, hex, log, logs, metrics, point, span, traces},
};

use super::{kind, scratch};

/// Times the program is started on the directory. All but the last end by SIGKILL, the last by SIGTERM.
const LIVES: usize = 3;

/// Clients at once, each on a connection of its own.
const CLIENTS: usize = 4;

/// Requests of a client in one life.
const REQUESTS: usize = 24;

/// Most records of a request.
const RECORDS_MAX: usize = 6;

/// Seals and merges asked for in one life.
const COMPACTIONS: usize = 4;

/// One request, and the ids of its records.
pub(super) struct Sent {
    pub(super) signal: Signal,
    pub(super) ids: Vec<String>,
    pub(super) body: Bytes,
}

/// A recording, and what the clients sent meanwhile: by life, port and order.
pub(super) struct Recorded {
    /// Where the program ran; the paths of the recording begin here.
    root: PathBuf,
    lives: Vec<Vec<Operation>>,
    sent: BTreeMap<(usize, u16), Vec<Sent>>,
}

impl Recorded {
    pub(super) fn steps(&self) -> usize {
        self.lives.iter().map(Vec::len).sum()
    }

    /// The requests, by what they were sent on.
    pub(super) fn sent(&self) -> &BTreeMap<(usize, u16), Vec<Sent>> {
        &self.sent
    }

    pub(super) fn steps_of_first_life(&self) -> usize {
        self.lives[0].len()
    }

    pub(super) fn tape(&self) -> Tape<'_> {
        self.tape_without(&[])
    }

    /// The same, had the program not synced these kinds of files.
    pub(super) fn tape_without<'a>(&'a self, forgotten: &'a [&'a str]) -> Tape<'a> {
        Tape { recorded: self, disk: Disk::new(&self.root), at: 0, last: String::new(), forgotten }
    }

    /// The steps after which a loss of power can leave something else than before.
    pub(super) fn changes(&self) -> Vec<usize> {
        let mut tape = self.tape();
        let changed = |step: &usize| {
            tape.last.clear();
            !tape.wind_to(step + 1).is_empty()
        };
        (0..self.steps()).filter(changed).map(|step| step + 1).collect()
    }

    pub(super) fn summary(&self) -> String {
        let mut tape = self.tape();
        tape.wind_to(self.steps());
        let requests: usize = self.sent.values().map(Vec::len).sum();
        let records: usize = self.sent.values().flatten().map(|sent| sent.ids.len()).sum();
        format!(
            "{LIVES} lives, {} calls, {} syncs, {requests} requests with {records} records",
            self.steps(),
            tape.disk.syncs()
        )
    }
}

/// A disk that is taken through a recording.
pub(super) struct Tape<'a> {
    recorded: &'a Recorded,
    disk: Disk,
    at: usize,
    last: String,
    forgotten: &'a [&'a str],
}

impl Tape<'_> {
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Takes all steps up to this one, which is not taken. Returns what the last change was.
    pub(super) fn wind_to(&mut self, end: usize) -> String {
        let mut begin = 0;
        for life in &self.recorded.lives {
            for (step, operation) in life.iter().enumerate() {
                if begin + step < self.at {
                    continue;
                }
                if begin + step >= end {
                    return self.last.clone();
                }
                if step == 0 && begin > 0 {
                    self.disk.process_ended();
                }
                self.take(operation);
                self.at += 1;
            }
            begin += life.len();
        }
        self.last.clone()
    }

    fn is_forgotten(&self, fd: i32) -> bool {
        let path = if self.forgotten.is_empty() { None } else { self.disk.open_path(fd) };
        path.is_some_and(|path| self.forgotten.contains(&kind(&path).as_str()))
    }

    fn take(&mut self, operation: &Operation) {
        // A sync of nothing takes its place, so that the steps keep their numbers.
        let nothing = Operation::Sync { fd: -1, begun: 0 };
        let operation = match operation {
            Operation::Sync { fd, .. } if self.is_forgotten(*fd) => &nothing,
            _ => operation,
        };
        let changed = self.disk.apply(operation).expect("the recording was read once already");
        let what = match operation {
            Operation::Write { .. } | Operation::Length { .. } => "write",
            Operation::Sync { .. } => "sync",
            Operation::Open { .. } | Operation::MakeDirectory(_) => "make",
            Operation::Remove(_) => "remove",
            Operation::Rename(..) => "rename",
            Operation::Answer { .. } => {
                self.last = "answer".to_owned();
                return;
            }
            _ => return,
        };
        if let Some(path) = changed {
            self.last = format!("{what} {}", kind(&path));
        }
    }
}

/// Runs the program and records it.
pub(super) fn record(seed: u64) -> Recorded {
    let home = scratch();
    let root = home.path().join("disk");
    fs::create_dir(&root).expect("a directory");
    let mut recorded = Recorded { root, lives: Vec::new(), sent: BTreeMap::new() };
    let mut disk = Disk::new(&recorded.root);
    for life in 0..LIVES {
        let log = home.path().join(format!("life-{life}"));
        live_once(&mut recorded, &log, seed, life);
        let text = fs::read_to_string(&log).expect("the log of strace is text");
        let steps = recording::read(&text).unwrap_or_else(|error| panic!("recording {seed}: {error}"));
        if life > 0 {
            disk.process_ended();
        }
        for step in &steps {
            disk.apply(step).unwrap_or_else(|error| panic!("recording {seed}: {error}: {step:?}"));
        }
        same_as_the_real_one(&disk, &recorded.root, seed);
        recorded.lives.push(steps);
        // Texts of a gigabyte are not kept for nothing.
        fs::remove_file(&log).expect("the log goes");
    }
    recorded
}

/// The model and the file system agree on every byte. If not, the recording lacks calls, and proves nothing.
fn same_as_the_real_one(disk: &Disk, root: &Path, seed: u64) {
    let mut model = disk.live();
    let mut real = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("the directory is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).expect("it is below").to_owned();
                real.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    // SQLite shares it through memory and makes it anew after a crash.
    let kept = |path: &PathBuf, _: &mut Vec<u8>| !path.to_string_lossy().ends_with("-shm");
    model.retain(kept);
    real.retain(kept);
    let names = |all: &BTreeMap<PathBuf, Vec<u8>>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&model), names(&real), "recording {seed}: the model has other files");
    for (path, bytes) in &model {
        assert!(*bytes == real[path], "recording {seed}: the model has other bytes in {}", path.display());
    }
}

fn live_once(recorded: &mut Recorded, log: &Path, seed: u64, life: usize) {
    let setup = Setup::new(&recorded.root.join("data")).under(&strace::recorder(log));
    let server = setup.arguments(&["--memory", "64MiB"]).start();
    let address = server.addresses.otlp_http;
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| thread::spawn(move || load(address, seed, life, client))).collect();
    let mut compactor = Client::new(server.addresses.http);
    for _ in 0..COMPACTIONS {
        let request = Request::post("/api/compact", "application/json", json!({}).to_string().into());
        let answer = compactor.send(&request).expect("the server answers");
        assert_eq!(answer.status, 200, "recording {seed}: compaction: {}", answer.text());
    }
    for client in clients {
        let (port, sent) = client.join().expect("the server takes all");
        recorded.sent.insert((life, port), sent);
    }
    end(server, log, life);
}

/// Nothing is under way: what a kill in mid-call leaves is in the moments between the calls.
fn end(server: Server, log: &Path, life: usize) {
    let process_id = server.process_id();
    if life + 1 < LIVES {
        server.kill();
    } else {
        let ended = server.stop();
        assert!(ended.status.success(), "{}", ended.stderr);
    }
    strace::wait_for_end(log, process_id);
}

/// Sends one request after the other on one connection. Its port tells the answers in the recording apart.
fn load(address: SocketAddr, seed: u64, life: usize, client: usize) -> (u16, Vec<Sent>) {
    let mut random = Random::new(seed, 1_000 + (life * CLIENTS + client) as u64);
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let port = stream.local_addr().expect("a socket has an address").port();
    let mut all = Vec::new();
    for number in 0..REQUESTS {
        let sent = request(&mut random, life, client, number);
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            sent.signal.http_path(),
            sent.body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&sent.body)).expect("it is sent");
        answered(&mut stream);
        all.push(sent);
    }
    (port, all)
}

/// Reads an answer that is a success without a body.
fn answered(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer comes");
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains("content-length: 0\r\n"), "{head}");
}

fn request(random: &mut Random, life: usize, client: usize, number: usize) -> Sent {
    let signal = [Signal::Traces, Signal::Logs, Signal::Metrics][random.below(3)];
    let records = 1 + random.below(RECORDS_MAX);
    let ids: Vec<[u8; 8]> = (0..records)
        .map(|record| {
            let place = [life + 1, client, number, record];
            place.iter().fold(0_u64, |id, part| id << 16 | *part as u64).to_be_bytes()
        })
        .collect();
    let text = "noise ".repeat(random.below(300));
    let export = export(signal, &format!("client-{client}"), &ids, &text);
    Sent { signal, ids: ids.iter().map(|id| hex(id)).collect(), body: export.to_protobuf() }
}

fn export(signal: Signal, service: &str, ids: &[[u8; 8]], text: &str) -> Export {
    let attributes = |id: &[u8; 8]| vec![attribute("id", hex(id).as_str()), attribute("text", text)];
    match signal {
        Signal::Traces => {
            let one = |id: &[u8; 8]| {
                let mut span = span([*id, *id].concat().try_into().expect("16 bytes"), *id, "work");
                span.attributes = attributes(id);
                span
            };
            traces(service, ids.iter().map(one).collect())
        }
        Signal::Logs => {
            let one = |id: &[u8; 8]| {
                let mut record = log("work done");
                record.attributes = attributes(id);
                record
            };
            logs(service, ids.iter().map(one).collect())
        }
        Signal::Metrics => {
            let one = |id: &[u8; 8]| {
                let mut point = point(1.0);
                point.attributes = attributes(id);
                point
            };
            metrics(service, vec![gauge_of("work", ids.iter().map(one).collect())])
        }
    }
}
