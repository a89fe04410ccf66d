//! Processes that stopped recently: this server saw them, or an index names them, and their keys are gone.
//!
//! The platform's own readers trim the indexes, so what was seen is remembered here.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::clock::UnixSeconds;
use crate::platform::facts::Departed;
use crate::platform::keys::{Keys, ProcessName};

/// Seconds after its last heartbeat for which a process counts as one that stopped recently.
const RECENT_SECONDS: f64 = 90.0;

/// The last heartbeat of each process, by key.
#[derive(Debug, Default)]
pub(super) struct RecentProcesses {
    last_heartbeats: BTreeMap<String, UnixSeconds>,
}

impl RecentProcesses {
    /// Takes a heartbeat that is there; its writer's clock may be ahead.
    pub(super) fn saw(&mut self, key: &str, heartbeat: UnixSeconds, now: UnixSeconds) {
        match self.last_heartbeats.get_mut(key) {
            Some(known) => *known = heartbeat.min(now),
            None => drop(self.last_heartbeats.insert(key.to_owned(), heartbeat.min(now))),
        }
    }

    /// Takes an index's word for a process that was never seen.
    pub(super) fn named(&mut self, key: &str, score: UnixSeconds) {
        self.last_heartbeats.entry(key.to_owned()).or_insert(score);
    }

    pub(super) fn knows(&self, key: &str) -> bool {
        self.last_heartbeats.contains_key(key)
    }

    /// Processes whose key is in neither set any more; forgets those that stopped long ago.
    pub(super) fn stopped(
        &mut self,
        keys: &Keys,
        now: UnixSeconds,
        heartbeats: &BTreeSet<String>,
        others: &BTreeSet<String>,
    ) -> Vec<Departed> {
        let is_there = |key: &String| heartbeats.contains(key) || others.contains(key);
        self.last_heartbeats.retain(|key, last| now - *last <= RECENT_SECONDS || is_there(key));
        // Both are in order: in a large fleet one step is less than one search.
        let mut there = heartbeats.iter().peekable();
        let gone = self.last_heartbeats.iter().filter(|(key, _)| {
            while there.next_if(|known| known < key).is_some() {}
            there.next_if(|known| known == key).is_none() && !others.contains(*key)
        });
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
    use crate::platform::facts::Scope;

    #[test]
    fn a_process_counts_as_stopped_for_a_while_after_its_last_heartbeat() {
        let keys = Keys::new(&Scope { tenant: "a".into(), project: "b".into() });
        let key = |pid: i64| format!("a:b:kdcube:heartbeat:process:proc-1:chat:proc:{pid}");
        let mut recent = RecentProcesses::default();
        recent.saw(&key(1), 1000.0, 1005.0);
        recent.saw(&key(2), 1060.0, 1005.0);
        recent.named(&key(3), 990.0);
        recent.named(&key(1), 7.0);
        let mut stopped = |now, alive: i64| {
            let stopped = recent.stopped(&keys, now, &[key(alive)].into(), &BTreeSet::new()).into_iter();
            stopped.map(|process| (process.process_id.unwrap(), process.last_seen)).collect::<Vec<_>>()
        };
        assert_eq!(stopped(1010.0, 2), [(1, 1000.0), (3, 990.0)]);
        assert_eq!(stopped(1085.0, 2), [(1, 1000.0)]);
        assert_eq!(stopped(1094.0, 9), [(2, 1005.0)]);
        assert_eq!(stopped(1096.0, 9), []);
    }
}
