//! What Linux says of a process, of a directory and of the machine.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// In which unit Linux tells processor time: hundredths of a second, wherever this runs.
const TICKS_PER_SECOND: f64 = 100.0;
/// How long a process has to be idle before its work counts as done.
const QUIET_TIME: Duration = Duration::from_secs(3);
/// How much of a processor an idle process may use.
const QUIET_SHARE: f64 = 0.02;
/// How often is looked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long is waited for that.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(1800);
/// How deep a data directory may be.
const DEPTH_MAX: usize = 16;

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// Resident bytes now.
    pub(crate) resident: u64,
    /// The most resident bytes so far.
    pub(crate) resident_peak: u64,
    /// Bytes that were written to disks.
    pub(crate) written: u64,
}

/// Reads what a process has used so far.
pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}: has the server ended?"))
    };
    let (stat, status, io) = (read("stat")?, read("status")?, read("io")?);
    parse(&stat, &status, &io).with_context(|| format!("cannot make sense of /proc/{pid}"))
}

fn parse(stat: &str, status: &str, io: &str) -> Option<Usage> {
    // The name of the program stands in parentheses and may have any character in it.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    let line = |text: &str, name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Usage {
        cpu: (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
        resident: line(status, "VmRSS")? * 1024,
        resident_peak: line(status, "VmHWM")? * 1024,
        written: line(io, "write_bytes")?,
    })
}

/// Waits until a process has been idle for three seconds. `waiting` is told now and then how long it took.
pub(crate) async fn settled(pid: u32, waiting: &mut dyn FnMut(Duration)) -> Result<Usage> {
    let begin = Instant::now();
    let (mut quiet_since, mut cpu) = (Instant::now(), usage(pid)?.cpu);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = usage(pid)?;
        let quiet = quiet_since.elapsed();
        if now.cpu - cpu > QUIET_SHARE * quiet.as_secs_f64().max(1.0) {
            (quiet_since, cpu) = (Instant::now(), now.cpu);
        } else if quiet >= QUIET_TIME {
            return Ok(now);
        }
        if begin.elapsed() > SETTLE_TIME_MAX {
            bail!("the server still works {} s after the load ended", SETTLE_TIME_MAX.as_secs());
        }
        waiting(begin.elapsed());
    }
}

/// Seconds of processor time of the whole machine so far, waiting for disks apart.
pub(crate) fn machine_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = first.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq
    [0, 1, 2, 5, 6].iter().filter_map(|index| ticks.get(*index)).sum::<f64>() / TICKS_PER_SECOND
}

/// Bytes of all files below a directory. Files that go away meanwhile count as none.
pub(crate) fn directory_bytes(dir: &Path) -> u64 {
    files(dir).into_iter().map(|(_, bytes)| bytes).sum()
}

/// Files below a directory with their sizes.
pub(crate) fn files(dir: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    let mut left = vec![(dir.to_owned(), 0)];
    while let Some((dir, depth)) = left.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() && depth < DEPTH_MAX => {
                    left.push((entry.path(), depth + 1))
                }
                Ok(metadata) if metadata.is_file() => found.push((entry.path(), metadata.len())),
                _ => {}
            }
        }
    }
    found
}

/// Asks the kernel to forget what it holds of the files below a directory. Nobody may have them open.
/// Returns whether it was asked for all of them.
pub(crate) fn evict(dir: &Path) -> bool {
    files(dir).iter().all(|(path, _)| {
        let mut argument = std::ffi::OsString::from("if=");
        argument.push(path);
        let mut command = std::process::Command::new("dd");
        command.arg(argument).args(["of=/dev/null", "iflag=nocache", "count=0", "status=none"]);
        command.status().is_ok_and(|status| status.success())
    })
}

/// The machine in a line: processor, cores, memory, kernel.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = value(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kib: f64 = memory.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    let kernel = read("/proc/sys/kernel/osrelease");
    let build = if cfg!(debug_assertions) { "; DEV BUILD OF THE BENCHMARK" } else { "" };
    format!(
        "machine: {model}, {cores} cores, {:.1} GiB, Linux {}{build}",
        kib / 1024.0 / 1024.0,
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read() {
        let stat = "77 (a) b (c)) S 1 77 77 0 -1 4194560 500 0 0 0 250 150 0 0 20 0 9 0 100 1 2";
        let status = "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        let io = "rchar: 1\nwchar: 2\nread_bytes: 0\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n";
        let expected = Usage { cpu: 4.0, resident: 1 << 20, resident_peak: 2 << 20, written: 4096 };
        assert_eq!(parse(stat, status, io), Some(expected));
        assert_eq!(parse("77", status, io), None);
        assert_eq!(parse(stat, "", io), None);
    }

    #[test]
    fn this_process_is_read() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.resident > 0 && usage.resident_peak >= usage.resident);
    }

    #[test]
    fn directories() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/b/c"), [0; 100]).unwrap();
        fs::write(dir.path().join("d"), [0; 20]).unwrap();
        assert_eq!(directory_bytes(dir.path()), 120);
        assert_eq!(directory_bytes(&dir.path().join("none")), 0);
    }
}
