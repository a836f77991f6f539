//! How much memory the jobs of this machine may need together, when nobody says: three quarters of what there is.

use std::fs;
use std::path::Path;

/// Taken where the system does not tell.
const UNKNOWN: u64 = 2 << 30;

/// Gives three quarters of the machine's memory, or of what its container or control group may use if that is less.
pub fn memory_budget() -> u64 {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total(&text));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let bounds = limit_files(&groups).into_iter().filter_map(|path| limit(&read(Path::new(&path))?));
    machine.into_iter().chain(bounds).min().map_or(UNKNOWN, |bytes| bytes / 4 * 3)
}

/// Reads `MemTotal:  16309484 kB`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Where the limits stand of the groups that this process is in: its own and all above it, in both versions of control groups.
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = vec![
        // In a container with a file system of its own, its group is mounted at the root.
        "/sys/fs/cgroup/memory.max".to_owned(),
        "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned(),
    ];
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|one| one == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        for group in Path::new(path).ancestors() {
            let group = group.to_string_lossy();
            files.push(format!("{root}{}/{name}", group.trim_end_matches('/')));
        }
    }
    files
}

/// Reads a limit; `max` is none.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_its_memory_in_kilobytes() {
        assert_eq!(total("MemFree: 3 kB\nMemTotal:       16309484 kB\n"), Some(16_309_484 * 1024));
        assert_eq!(total("nothing"), None);
    }

    #[test]
    fn a_group_is_bound_by_its_own_limit_and_by_those_above_it() {
        let files = limit_files("12:cpu,memory:/docker/abc\n3:cpu:/other\n0::/system.slice/trainyard.service\n");
        for path in [
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
            "/sys/fs/cgroup/system.slice/trainyard.service/memory.max",
            "/sys/fs/cgroup/system.slice/memory.max",
        ] {
            assert!(files.iter().any(|file| file == path), "{path} is not in {files:?}");
        }
        assert!(!files.iter().any(|file| file.contains("other")), "{files:?}");
        assert_eq!((limit("max\n"), limit("1048576\n")), (None, Some(1_048_576)));
    }

    #[test]
    fn the_budget_is_a_part_of_the_machine() {
        let budget = memory_budget();
        assert!(budget > 64 << 20, "{budget}");
    }
}
