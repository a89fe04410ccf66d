//! Processes that stopped recently: this server saw them, or an index names them, and their keys are gone.
//!
//! The platform's own readers trim the indexes, so what was seen is remembered here.

use std::collections::BTreeMap;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::Departed;
use crate::platform::keys::{Keys, ProcessName};

/// Seconds after its last heartbeat for which a process counts as one that stopped recently.
const RECENT_SECONDS: f64 = 90.0;

/// The last heartbeat of each process that is gone, by key.
#[derive(Debug, Default)]
pub(super) struct RecentProcesses {
    last_heartbeats: BTreeMap<String, UnixSeconds>,
}

impl RecentProcesses {
    /// Takes a process that is gone, and its last heartbeat.
    pub(super) fn left(&mut self, key: &str, last: UnixSeconds) {
        self.last_heartbeats.insert(key.to_owned(), last);
    }

    /// Forgets one that is back; gives the heartbeat that was its last.
    pub(super) fn returned(&mut self, key: &str) -> Option<UnixSeconds> {
        self.last_heartbeats.remove(key)
    }

    pub(super) fn knows(&self, key: &str) -> bool {
        self.last_heartbeats.contains_key(key)
    }

    /// Those that stopped recently; forgets the others. A key that is of another type by now is neither.
    pub(super) fn stopped(
        &mut self,
        keys: &Keys,
        now: UnixSeconds,
        is_of_another_type: impl Fn(&str) -> bool,
    ) -> Vec<Departed> {
        self.last_heartbeats.retain(|key, last| now - *last <= RECENT_SECONDS || is_of_another_type(key));
        let gone = self.last_heartbeats.iter().filter(|(key, _)| !is_of_another_type(key));
        let departed = |(key, last_seen): (&String, &UnixSeconds)| {
            let ProcessName { instance_id, service_type, service_name, process_id } = keys.process_name(key)?;
            Some(Departed { instance_id, service_type, service_name, process_id, last_seen: *last_seen })
        };
        gone.filter_map(departed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_counts_as_stopped_for_a_while_after_its_last_heartbeat() {
        let keys = Keys::sample();
        let key = |pid: i64| format!("a:b:kdcube:heartbeat:process:proc-1:chat:proc:{pid}");
        let mut recent = RecentProcesses::default();
        [(1, 1000.0), (2, 1005.0), (3, 990.0)].into_iter().for_each(|(pid, last)| recent.left(&key(pid), last));
        assert_eq!(
            (recent.returned(&key(2)), recent.knows(&key(2)), recent.knows(&key(1))),
            (Some(1005.0), false, true)
        );
        let mut stopped = |now, other: i64| {
            let stopped = recent.stopped(&keys, now, |name| name == key(other)).into_iter();
            stopped.map(|process| (process.process_id.unwrap(), process.last_seen)).collect::<Vec<_>>()
        };
        assert_eq!(stopped(1010.0, 9), [(1, 1000.0), (3, 990.0)]);
        assert_eq!(stopped(1085.0, 3), [(1, 1000.0)]);
        assert_eq!(stopped(1085.0, 9), [(1, 1000.0)]);
        assert_eq!(stopped(1091.0, 1), []);
        assert_eq!(stopped(1091.0, 9), []);
    }
}
