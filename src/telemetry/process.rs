//! Resource use of this process as Linux reports it in `/proc`; absent on other systems.

use std::fs;

use crate::base::number;

/// Clock ticks per second in `/proc`: fixed at 100 for user space on every Linux architecture we build for.
const TICKS: f64 = 100.0;

/// Values of the usual `process_*` metrics; each is absent if `/proc` does not have it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessStats {
    pub cpu_seconds: Option<f64>,
    /// Unix time in seconds.
    pub start_time: Option<f64>,
    pub resident_bytes: Option<f64>,
    pub virtual_bytes: Option<f64>,
    pub threads: Option<f64>,
    pub open_fds: Option<f64>,
    pub max_fds: Option<f64>,
}

impl ProcessStats {
    /// Reads `/proc/self`.
    pub(super) fn read() -> Self {
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
/// name, may hold spaces and brackets: counting starts behind the last bracket.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// The word at `place`, counted from 0, of the line that starts with `name`.
fn after(text: &str, name: &str, place: usize) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().nth(place)?.parse().ok()
}

fn boot_time() -> Option<f64> {
    after(&fs::read_to_string("/proc/stat").ok()?, "btime", 0)
}

fn open_fds() -> Option<f64> {
    // One of them is the directory handle that lists them.
    let entries = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(number::float(number::count(entries.saturating_sub(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_spaces_and_brackets_moves_no_field() {
        let stat = "17 (a) b (c) S 1 17 17 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 900 0";
        assert_eq!((field(stat, 14), field(stat, 15), field(stat, 22)), (Some(250.0), Some(50.0), Some(900.0)));
    }

    #[test]
    fn what_is_missing_or_not_a_number_is_absent() {
        assert_eq!(field("", 14), None);
        assert_eq!(field("17 (a) S 1", 14), None);
        assert_eq!(after("VmSize: 12 kB", "VmRSS:", 0), None);
        assert_eq!(after("Max open files  unlimited  unlimited  files", "Max open files", 0), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_has_every_value() {
        let ProcessStats { cpu_seconds, start_time, resident_bytes, virtual_bytes, threads, open_fds, max_fds } =
            ProcessStats::read();
        for value in [cpu_seconds, virtual_bytes, threads, open_fds, max_fds] {
            assert!(value.is_some_and(|value| value >= 0.0 && value.is_finite()), "{value:?}");
        }
        assert!(start_time > Some(1.6e9) && resident_bytes > Some(1e5));
    }
}
