//! What Linux tells of this process; nothing elsewhere.

use std::fs;

/// Kernel ticks a second in `/proc`: fixed at 100 for user space on every Linux architecture we build for.
const TICKS: f64 = 100.0;

/// The usual `process_*` facts; each missing where `/proc` does not tell it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProcessStats {
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) start_time: Option<f64>,
    pub(crate) resident_bytes: Option<f64>,
    pub(crate) virtual_bytes: Option<f64>,
    pub(crate) threads: Option<f64>,
    pub(crate) open_fds: Option<f64>,
    pub(crate) max_fds: Option<f64>,
}

impl ProcessStats {
    pub(crate) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Self {
            cpu_seconds: field(&stat, 14).zip(field(&stat, 15)).map(|(user, system)| (user + system) / TICKS),
            start_time: boot_time().zip(field(&stat, 22)).map(|(boot, started)| boot + started / TICKS),
            resident_bytes: after(&status, "VmRSS:", 0).map(|kilobytes| kilobytes * 1024.0),
            virtual_bytes: after(&status, "VmSize:", 0).map(|kilobytes| kilobytes * 1024.0),
            threads: after(&status, "Threads:", 0),
            open_fds: open_fds(),
            max_fds: after(&limits, "Max open files", 0),
        }
    }
}

/// Field `number` of `/proc/self/stat`, counted from 1 as its manual does. The second, the program's
/// name, may hold spaces and brackets, so counting begins behind the last bracket.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// The word at `place` behind a line's name.
fn after(text: &str, name: &str, place: usize) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().nth(place)?.parse().ok()
}

fn boot_time() -> Option<f64> {
    after(&fs::read_to_string("/proc/stat").ok()?, "btime", 0)
}

#[expect(clippy::cast_precision_loss, reason = "a count of file descriptors is small")]
fn open_fds() -> Option<f64> {
    // The directory handle that counts them is one of them.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}
