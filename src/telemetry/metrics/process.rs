//! What the kernel counts of this process, from `/proc`. Where there is none, or it cannot be read, the metrics are
//! simply absent.

use std::fs;

/// What could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
}

/// Linux shows times to user space in hundredths of a second on every architecture we build for (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

impl Process {
    pub(super) fn read() -> Self {
        let text = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
        Self {
            cpu_seconds: text("stat").and_then(|stat| cpu_seconds(&stat)),
            resident_bytes: text("status").and_then(|status| resident_bytes(&status)),
            // One of them is the directory being read.
            open_fds: fs::read_dir("/proc/self/fd").ok().and_then(|entries| u64::try_from(entries.count().saturating_sub(1)).ok()),
            max_fds: text("limits").and_then(|limits| max_fds(&limits)),
        }
    }
}

/// Fields 14 and 15 of `stat`; the second, the name of the program, is in parentheses and may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The soft limit; `unlimited` has no number.
fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_text_is_read() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 100 1 1 1";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        assert_eq!(max_fds("Limit  Soft  Hard\nMax open files            1024                 4096                 files\n"), Some(1024));
        assert_eq!(max_fds("Max open files            unlimited            unlimited            files\n"), None);
        assert_eq!((cpu_seconds(""), resident_bytes("VmRSS: x kB"), max_fds("")), (None, None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_files() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 0 && process.open_fds.unwrap() > 2 && process.cpu_seconds.is_some());
    }
}
