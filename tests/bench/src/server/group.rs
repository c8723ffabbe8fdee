//! A control group that bounds the memory of a process, where this process may make one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How often the group is tried to be deleted while its last process ends.
const DELETE_TRIES: u32 = 50;
/// How long is waited between.
const DELETE_EVERY: Duration = Duration::from_millis(20);

/// A control group, deleted in the end.
#[derive(Debug)]
pub(crate) struct Group {
    kind: Kind,
    bytes: u64,
}

#[derive(Debug)]
enum Kind {
    /// A directory of the kernel's file system, and which file there counts kills.
    Files { dir: PathBuf, kills: &'static str },
    /// A scope of systemd.
    Scope,
}

impl Group {
    /// One that gives its processes so many bytes; an error says what was tried.
    pub(crate) fn new(bytes: u64) -> Result<Self> {
        let mut tried = Vec::new();
        let name = format!("causeway-bench-{}", std::process::id());
        for (root, limit, kills) in [
            ("/sys/fs/cgroup", "memory.max", "memory.events"),
            ("/sys/fs/cgroup/unified", "memory.max", "memory.events"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"),
        ] {
            match files(&Path::new(root).join(&name), limit, bytes) {
                Ok(dir) => return Ok(Self { kind: Kind::Files { dir, kills }, bytes }),
                Err(error) => tried.push(format!("{root}: {error:#}")),
            }
        }
        if Path::new("/run/systemd/system").is_dir() {
            return Ok(Self { kind: Kind::Scope, bytes });
        }
        tried.push("systemd-run: this machine does not run systemd".to_owned());
        bail!("no control group can be made:\n  {}", tried.join("\n  "))
    }

    /// A command that runs a program in it, under the process id of the command.
    pub(super) fn command(&self, program: &Path) -> Command {
        match &self.kind {
            Kind::Files { dir, .. } => {
                let mut command = Command::new("sh");
                command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(dir.join("cgroup.procs"));
                command.arg(program);
                command
            }
            Kind::Scope => {
                let mut command = Command::new("systemd-run");
                command.args(["--scope", "--quiet", "--property", "MemorySwapMax=0", "--property"]);
                command.arg(format!("MemoryMax={}", self.bytes)).arg("--").arg(program);
                command
            }
        }
    }

    /// How often the kernel killed a process of it for want of memory, where that can be read.
    pub(crate) fn kills(&self) -> Option<u64> {
        let Kind::Files { dir, kills } = &self.kind else { return None };
        let text = fs::read_to_string(dir.join(kills)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    }

    /// What it is, for people.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Files { dir, .. } => format!("control group {} of {} bytes", dir.display(), self.bytes),
            Kind::Scope => format!("scope of systemd of {} bytes", self.bytes),
        }
    }
}

/// Makes a group as a directory of the kernel's file system.
fn files(dir: &Path, limit: &str, bytes: u64) -> Result<PathBuf> {
    fs::create_dir(dir).context("cannot be made")?;
    let limited = fs::metadata(dir.join(limit))
        .and_then(|_| fs::write(dir.join(limit), bytes.to_string()))
        .with_context(|| format!("has no {limit}, the memory controller is not enabled there"));
    if limited.is_err() {
        // Whatever was made is of no use.
        let _ = fs::remove_dir(dir);
    }
    limited.map(|()| dir.to_owned())
}

impl Drop for Group {
    fn drop(&mut self) {
        let Kind::Files { dir, .. } = &self.kind else { return };
        for _ in 0..DELETE_TRIES {
            if fs::remove_dir(dir).is_ok() {
                return;
            }
            std::thread::sleep(DELETE_EVERY);
        }
    }
}
