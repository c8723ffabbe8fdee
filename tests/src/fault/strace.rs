//! `strace`, which sees every call into the kernel and can make one fail.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::harness::announce;

/// How long it may take to write the end of its log after the program has ended.
const LOG_ENDS_WITHIN: Duration = Duration::from_secs(60);

/// How long it may take to attach to all threads.
const ATTACHES_WITHIN: Duration = Duration::from_secs(30);

/// Calls that change files or directories, or that say which file a number stands for; those that answer a
/// client; and those that a model of the disk would have to know if they ever came up.
const RECORDED: &str = "open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync,\
    sync_file_range,ftruncate,truncate,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,\
    mkdir,mkdirat,rmdir,close,close_range,dup,dup2,dup3,fcntl,lseek,copy_file_range,sendfile,splice,fallocate,mmap,\
    accept4,io_uring_setup";

/// The longest text that is written down whole, in bytes: more than one call writes.
const TEXT_BYTES_MAX: &str = "268435456";

/// Whether it can be used here. Says so where it cannot, since a test is then left out.
pub fn is_usable(test: &str) -> bool {
    // A program may be there that may trace nothing.
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let usable = tried.is_ok_and(|output| output.status.success());
    if !usable {
        announce(&format!("{test}: LEFT OUT, as strace is not installed or may not trace here"));
    }
    usable
}

/// The words before a program that record it. The program stays the child of whoever starts it.
pub fn recorder(log: &Path) -> Vec<String> {
    let words = ["strace", "-D", "-f", "-v", "-xx", "--seccomp-bpf", "-s", TEXT_BYTES_MAX];
    let mut words: Vec<String> = words.map(str::to_owned).to_vec();
    words.extend(["-e".to_owned(), format!("trace={RECORDED}"), "-o".to_owned(), log.display().to_string()]);
    words
}

/// Waits until the log of a program that has ended is whole.
///
/// # Panics
///
/// If that takes too long.
pub fn wait_for_end(log: &Path, process_id: u32) {
    let deadline = Instant::now() + LOG_ENDS_WITHIN;
    let process_id = process_id.to_string();
    // The number is padded to the width of a column.
    let is_end = |line: &str| {
        line.split_once(' ')
            .is_some_and(|(thread, rest)| thread == process_id && rest.trim_start().starts_with("+++"))
    };
    loop {
        let bytes = fs::read(log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4096)..]).into_owned();
        if tail.lines().any(is_end) && tail.ends_with('\n') {
            return;
        }
        assert!(Instant::now() < deadline, "{} does not end with the end of {process_id}", log.display());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Calls that fail for as long as this lives.
pub struct Injection {
    strace: Child,
}

impl Injection {
    /// Attaches to a running program and lets calls fail with EIO. `when` counts the calls of each thread from now
    /// on: `3` is the third alone, `3+` all from the third.
    ///
    /// # Panics
    ///
    /// If it cannot attach.
    pub fn attach(process_id: u32, calls: &str, when: &str) -> Self {
        let mut strace = Command::new("strace")
            .args(["-f", "-p", &process_id.to_string(), "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:error=EIO:when={when}"), "-e", "signal=none"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace runs");
        let stderr = strace.stderr.take().expect("standard error is piped");
        let (attached, heard) = std::sync::mpsc::channel();
        // It writes a line per call: someone has to read them, or it stands still.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.contains("attached") {
                    // Nobody waits for a second one.
                    let _ = attached.send(());
                }
            }
        });
        heard.recv_timeout(ATTACHES_WITHIN).expect("strace attaches");
        Self { strace }
    }
}

impl Drop for Injection {
    /// Detaches, so that calls succeed again.
    fn drop(&mut self) {
        // The shell's own kill, as the machine may lack the program. It may have ended with the program.
        let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.strace.id())]).output();
        let _ = self.strace.wait();
    }
}
