//! How much memory this process may have: that of the machine, or less where a control group says so.

use std::path::{Path, PathBuf};

/// The memory of a machine that does not tell its size, in bytes.
const MACHINE_BYTES_UNKNOWN: u64 = 2 << 30;
/// Where control groups are mounted, of both versions.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";
/// The groups of this process.
const OWN_GROUPS: &str = "/proc/self/cgroup";

/// The memory there is for this process, in bytes.
pub(crate) fn available() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| machine_bytes(&text));
    let machine = machine.unwrap_or(MACHINE_BYTES_UNKNOWN);
    let groups = std::fs::read_to_string(OWN_GROUPS).unwrap_or_default();
    group_limit(&groups, Path::new(CONTROL_GROUPS)).map_or(machine, |limit| machine.min(limit))
}

fn machine_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The lowest limit of the groups of a process and all groups around them; `None` where there is none.
fn group_limit(groups: &str, mounted: &Path) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        if number == "0" && controllers.is_empty() {
            // Past `memory.high` the kernel slows a process down until it barely runs.
            return lowest(mounted, path, &["memory.max", "memory.high"]);
        }
        let memory = controllers.split(',').any(|controller| controller == "memory");
        memory.then(|| lowest(&mounted.join("memory"), path, &["memory.limit_in_bytes"]))?
    });
    limits.min()
}

/// The lowest number in files of a group and of all around it. A container may see its own group as the root, and
/// a path of the host that is not there.
fn lowest(mounted: &Path, path: &str, files: &[&str]) -> Option<u64> {
    let group: PathBuf = mounted.join(path.trim_start_matches('/'));
    let around = group.ancestors().take_while(|group| group.starts_with(mounted));
    let limits = around.flat_map(|group| files.iter().map(|file| group.join(file)));
    limits.filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_the_machine() {
        assert_eq!(machine_bytes("MemTotal:       2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!(machine_bytes("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn the_lowest_limit_of_all_groups_around_holds() {
        let limits: &[(&str, &str)] = &[
            ("memory.max", "9000000"),
            ("system.slice/memory.max", "max"),
            ("system.slice/a.service/memory.max", "4000000"),
            ("system.slice/b.service/memory.max", "8000000"),
            ("system.slice/b.service/memory.high", "3000000"),
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
            ("memory/docker/memory.limit_in_bytes", "5000000"),
        ];
        let mounted = tempfile::tempdir().unwrap();
        for (path, text) in limits {
            let file = mounted.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, format!("{text}\n")).unwrap();
        }
        for (groups, expected) in [
            ("", None),
            ("nonsense", None),
            ("0::/\n", Some(9_000_000)),
            ("0::/system.slice/a.service\n", Some(4_000_000)),
            ("0::/system.slice/b.service\n", Some(3_000_000)),
            ("0::/not/there\n", Some(9_000_000)),
            ("12:cpu,cpuacct:/docker\n4:memory:/docker\n", Some(5_000_000)),
            ("4:memory:/elsewhere\n", Some(9_223_372_036_854_771_712)),
            ("4:memory:/docker\n0::/\n", Some(5_000_000)),
        ] {
            assert_eq!(group_limit(groups, mounted.path()), expected, "{groups:?}");
        }
    }
}
