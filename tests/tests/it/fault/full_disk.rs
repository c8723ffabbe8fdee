//! A disk that is full: the answer is 503 or UNAVAILABLE with a delay, the process lives, nothing acknowledged is
//! lost, and once there is room again so is success.
//!
//! Needs a small file system of its own, which only root can mount.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tests::{
    grpc::Call,
    harness::{Server, Setup, announce},
    http::{Answer, Client},
    otlp::{Export, Signal, attribute, log, logs, sha256_hex},
};

use crate::support::protobuf_request;

/// Size of the file system.
const DISK: &str = "64m";

/// What is taken away once the disk is full: enough for one request more.
const LITTLE_BYTES: usize = 2 << 20;

/// What is taken away at last: enough to write the whole log anew, which a start does.
const MUCH_BYTES: usize = 40 << 20;

/// Characters of one record: noise, which does not compress by much.
const RECORD_BYTES: usize = 256 << 10;

/// More requests than the disk can hold.
const REQUESTS_MAX: usize = 400;

/// How often a start is tried without room.
const STARTS: usize = 3;

/// What a refused start may leave behind: the catalog's journal, but no copy of the log.
const LEFT_BYTES_MAX: u64 = 1 << 20;

/// How long the server may take to notice that there is room again.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

/// A file system of its own, unmounted at the end.
struct Disk {
    directory: TempDir,
}

impl Disk {
    /// `None` where this process may not mount.
    fn mount() -> Option<Self> {
        let directory = TempDir::new().expect("a temporary directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK}"), "tmpfs"])
            .arg(directory.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn occupy(&self, name: &str, bytes: usize) {
        fs::write(self.path().join(name), vec![1; bytes]).expect("the ballast fits");
    }

    fn free(&self, name: &str) {
        fs::remove_file(self.path().join(name)).expect("the ballast goes");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server that is killed after this may still hold files.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_for_now_and_loses_nothing() {
    let Some(disk) = Disk::mount() else {
        announce("full disk: LEFT OUT, as this process may not mount a file system");
        return;
    };
    disk.occupy("little", LITTLE_BYTES);
    disk.occupy("much", MUCH_BYTES);
    let data = disk.path().join("data");
    let server = Server::start(&data);
    let mut stored = fill(&server);
    announce(&format!("full disk: refused after {} requests", stored.len()));
    assert_eq!(server.api().get("/healthz").status, 200, "the process is alive");
    refused_over_grpc(&server);
    check(&server, &stored, "while the disk is full");
    disk.free("little");
    stored.insert(send_until_stored(&server));
    check(&server, &stored, "once there is room");
    server.kill();
    let setup = Setup::new(&data);
    start_without_room(&setup, &data, &stored);
    disk.free("much");
    check(&setup.start(), &stored, "after a kill");
}

/// With less room than its log needs, a start does without or is refused with one line; each try the same.
fn start_without_room(setup: &Setup, data: &Path, stored: &BTreeSet<usize>) {
    let before = bytes_below(data);
    for attempt in 0..STARTS {
        match setup.try_start() {
            Ok(server) => {
                check(&server, stored, "started without room");
                server.kill();
            }
            Err(ended) => {
                assert_eq!(ended.stderr.lines().count(), 1, "not one line: {}", ended.stderr);
                assert!(ended.stderr.contains(&data.display().to_string()), "no place: {}", ended.stderr);
                let left = bytes_below(data).saturating_sub(before);
                assert!(left <= LEFT_BYTES_MAX, "start {attempt} left {left} bytes on a full disk");
            }
        }
    }
}

/// The bytes of all files in a directory and below.
fn bytes_below(directory: &Path) -> u64 {
    let bytes_of = |path: PathBuf| match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_dir() => bytes_below(&path),
        Ok(metadata) => metadata.len(),
        Err(error) => panic!("{}: {error}", path.display()),
    };
    let entries = fs::read_dir(directory).expect("the directory is there");
    entries.map(|entry| bytes_of(entry.expect("an entry").path())).sum()
}

/// Sends until the server refuses; the numbers of what it took.
fn fill(server: &Server) -> BTreeSet<usize> {
    let mut client = server.otlp_http();
    let mut stored = BTreeSet::new();
    for number in 0..REQUESTS_MAX {
        let answer = send(&mut client, number);
        if answer.status != 200 {
            assert_refused_for_now(&answer);
            return stored;
        }
        stored.insert(number);
    }
    panic!("the disk of {DISK} took {REQUESTS_MAX} records of {RECORD_BYTES} bytes");
}

fn send(client: &mut Client, number: usize) -> Answer {
    client.send(&protobuf_request(&record(number))).expect("the server answers")
}

fn assert_refused_for_now(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let seconds = answer.header("retry-after").and_then(|after| after.parse::<u32>().ok());
    assert!(seconds.is_some(), "no Retry-After in seconds: {:?}", answer.headers);
}

fn refused_over_grpc(server: &Server) {
    let call = Call::plain(Signal::Logs.grpc_path(), &record(REQUESTS_MAX + 1).to_protobuf());
    let answer = server.otlp_grpc().call(&call).expect("the server answers");
    assert_eq!(answer.status, 14, "UNAVAILABLE: {}", answer.message);
    let details = answer.details.unwrap_or_default().details;
    assert!(details.iter().any(|detail| detail.type_url.ends_with("google.rpc.RetryInfo")), "no RetryInfo");
}

/// As an exporter does: again and again, until it is taken.
fn send_until_stored(server: &Server) -> usize {
    let deadline = Instant::now() + NOTICED_WITHIN;
    let mut client = server.otlp_http();
    loop {
        let answer = send(&mut client, REQUESTS_MAX);
        if answer.status == 200 {
            return REQUESTS_MAX;
        }
        assert_refused_for_now(&answer);
        assert!(Instant::now() < deadline, "still refused with room on the disk: {}", answer.text());
    }
}

fn check(server: &Server, stored: &BTreeSet<usize>, when: &str) {
    let rows = server.api().sql("SELECT attributes['n'] FROM logs");
    let number = |row: &Vec<serde_json::Value>| {
        let text = row[0].as_str().unwrap_or_else(|| panic!("{when}: no number: {}", row[0]));
        text.parse::<usize>().expect("a number")
    };
    assert_eq!(rows.len(), stored.len(), "{when}: rows");
    assert_eq!(rows.iter().map(number).collect::<BTreeSet<_>>(), *stored, "{when}");
}

/// A record of noise, the same each time it is made.
fn record(number: usize) -> Export {
    let mut body = String::with_capacity(RECORD_BYTES + 64);
    while body.len() < RECORD_BYTES {
        body += &sha256_hex(&format!("{number} {}", body.len()));
    }
    let mut record = log(&body);
    record.attributes = vec![attribute("n", number as i64)];
    logs("filler", vec![record])
}
