//! Heartbeats that are too long to be read beside all others: those of busy processors, which list their running tasks. They are
//! read in round trips of bounded size, as long as the tick has time; one that was not reached holds until it is stale.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::processes::{Found, Parsed, Processes};
use crate::base::clock::UnixSeconds;
use crate::platform::facts::Heartbeat;
use crate::platform::parse::{MAX_HEARTBEAT_BYTES, ParseError, condensed_length};

/// Longest heartbeat that is read beside all others.
pub(super) const NORMAL_BYTES: usize = 16 * 1024;
/// Bytes of one round trip.
const ROUND_TRIP_BYTES: usize = 4 * 1024 * 1024;
/// What one is taken for whose length is not known yet.
const UNKNOWN_BYTES: usize = 512 * 1024;

/// Age up to which a heartbeat stands in for the next one: the platform's expire then, so its process has written another.
const HOLD_SECONDS: f64 = 30.0;

/// The large heartbeats by key.
#[derive(Debug, Default)]
pub(super) struct LargeHeartbeats {
    known: BTreeMap<String, Large>,
    /// Counts the ticks.
    tick: u64,
}

#[derive(Debug)]
struct Large {
    bytes: usize,
    /// The tick that read it last.
    read: u64,
    last: Option<Arc<Heartbeat>>,
}

impl LargeHeartbeats {
    pub(super) fn contains(&self, key: &str) -> bool {
        self.known.contains_key(key)
    }

    /// One whose beginning was read.
    pub(super) fn found(&mut self, key: &str) {
        let large = || Large { bytes: UNKNOWN_BYTES, read: 0, last: None };
        self.known.entry(key.to_owned()).or_insert_with(large);
    }

    /// Takes a value of this length that was read, and what was parsed of it; `None` where the key is gone.
    pub(super) fn read(&mut self, key: &str, value: Option<(usize, &Found)>) {
        match value.filter(|(bytes, _)| *bytes > NORMAL_BYTES) {
            Some((bytes, found)) => {
                let last = if let Found::Beat(Ok(beat)) = found { Some(Arc::clone(beat)) } else { None };
                self.known.insert(key.to_owned(), Large { bytes, read: self.tick, last });
            }
            None if self.known.is_empty() => {}
            None => drop(self.known.remove(key)),
        }
    }

    /// The keys of the next round trip: those that were read longest ago, and not in this tick.
    pub(super) fn next(&self, processes: &Processes) -> Vec<String> {
        let unread = self.known.iter().filter(|(key, _)| !processes.is_read(key));
        let mut unread: Vec<(&String, &Large)> = unread.collect();
        unread.sort_by_key(|(_, large)| large.read);
        let mut room = ROUND_TRIP_BYTES;
        let fits = |(key, large): (&String, &Large)| {
            room = room.checked_sub(large.bytes)?;
            Some(key.clone())
        };
        unread.into_iter().map_while(fits).collect()
    }

    /// Those that this tick did not reach, as they were when they were last read, if that is not too long ago.
    pub(super) fn conclude(&mut self, processes: &Processes, now: UnixSeconds) -> Vec<(String, Parsed)> {
        self.tick += 1;
        let holds = |beat: &Heartbeat| now - beat.last_heartbeat <= HOLD_SECONDS;
        let beat = |large: &Large| large.last.clone().filter(|beat| holds(beat)).ok_or(ParseError::NotRead);
        let unread = self.known.iter().filter(|(key, _)| !processes.is_read(key));
        unread.map(|(key, large)| (key.clone(), beat(large))).collect()
    }

    /// Forgets all but those of which the tick has a heartbeat.
    pub(super) fn retain(&mut self, processes: &Processes) {
        let has_beat = |key: &str| processes.get(key).is_some_and(|process| matches!(process.found, Found::Beat(_)));
        self.known.retain(|key, _| has_beat(key));
    }
}

/// The length of a value in Redis; of a truncated one the most that is asked for.
pub(super) fn length(bytes: &[u8]) -> usize {
    let whole = condensed_length(bytes).unwrap_or(bytes.len());
    if super::super::truncate::is_too_long(bytes) && condensed_length(bytes).is_none() {
        MAX_HEARTBEAT_BYTES
    } else {
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn a_condensed_value_is_as_long_as_it_was() {
        let value = format!("{}{MIB}\n{{}}", crate::platform::parse::CONDENSED);
        assert_eq!((length(value.as_bytes()), length(b"{}")), (MIB, 2));
        assert_eq!(length(&vec![b' '; 100_000]), MAX_HEARTBEAT_BYTES);
    }

    #[test]
    fn one_that_was_not_reached_holds_until_its_process_has_written_another() {
        let json = br#"{"instance_id":"a","service_type":"chat","service_name":"proc","last_heartbeat":100}"#;
        let beat = crate::platform::parse::heartbeat(json).map(Arc::new);
        let mut large = LargeHeartbeats::default();
        large.read("a", Some((100_000, &Found::Beat(beat.clone()))));
        for (now, expected) in [(130.0, beat.clone()), (130.1, Err(ParseError::NotRead))] {
            assert_eq!(large.conclude(&Processes::default(), now), [("a".to_owned(), expected)], "{now}");
        }
    }

    #[test]
    fn a_round_trip_is_bounded_and_those_read_longest_ago_come_first() {
        let mut large = LargeHeartbeats::default();
        let missing = Found::Beat(Err(ParseError::MissingField("instance_id")));
        for key in ["a", "b", "c"] {
            large.found(key);
        }
        let mut processes = Processes::default();
        assert_eq!(large.next(&processes), ["a", "b", "c"]);
        for key in ["a", "b"] {
            large.read(key, Some((3 * MIB, &missing)));
            processes.name(key, |process| process.found = missing.clone());
        }
        assert_eq!(large.next(&processes), ["c"]);
        assert_eq!(large.conclude(&processes, 0.0), [("c".to_owned(), Err(ParseError::NotRead))]);
        large.read("c", Some((3 * MIB, &missing)));
        assert_eq!(large.next(&Processes::default()), ["a"], "two of them are too much for one round trip");
        large.read("a", Some((2, &missing)));
        large.read("b", None);
        assert_eq!(large.next(&Processes::default()), ["c"]);
    }
}
