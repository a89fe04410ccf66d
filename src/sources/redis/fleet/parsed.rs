//! Heartbeats as they were parsed last: a process writes one in ten seconds, so most of what a tick reads is what the one
//! before read, and is not parsed again.

use std::collections::{BTreeSet, HashMap};

use super::large::NORMAL_BYTES;
use crate::platform::facts::Heartbeat;
use crate::platform::parse::{self, ParseError};

/// The last value of each heartbeat key, and what it says.
#[derive(Debug, Default)]
pub(super) struct ParsedHeartbeats {
    known: HashMap<String, (Vec<u8>, Result<Heartbeat, ParseError>)>,
}

impl ParsedHeartbeats {
    /// What a value says.
    pub(super) fn parse(&mut self, key: &str, bytes: &[u8]) -> Result<Heartbeat, ParseError> {
        if let Some((_, beat)) = self.known.get(key).filter(|(known, _)| known == bytes) {
            return beat.clone();
        }
        let beat = parse::heartbeat(bytes);
        // Longer ones would be kept for little: they change with every task.
        if bytes.len() <= NORMAL_BYTES {
            self.keep(key, bytes, &beat);
        }
        beat
    }

    /// Forgets all but these keys.
    pub(super) fn retain(&mut self, keys: &BTreeSet<String>) {
        if self.known.len() > keys.len() {
            self.known.retain(|key, _| keys.contains(key));
        }
    }

    fn keep(&mut self, key: &str, bytes: &[u8], beat: &Result<Heartbeat, ParseError>) {
        match self.known.get_mut(key) {
            Some((known, before)) => {
                known.clear();
                known.extend_from_slice(bytes);
                before.clone_from(beat);
            }
            None => drop(self.known.insert(key.to_owned(), (bytes.to_vec(), beat.clone()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(load: usize, padding: usize) -> Vec<u8> {
        let padding = " ".repeat(padding);
        format!(
            r#"{{"instance_id":"a","service_type":"chat","service_name":"proc","last_heartbeat":1,"current_load":{load}{padding}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn what_changed_is_parsed_and_what_did_not_says_the_same() {
        let mut parsed = ParsedHeartbeats::default();
        for load in [1, 1, 2, 2, 1] {
            let bytes = json(load, 0);
            assert_eq!(parsed.parse("key", &bytes), parse::heartbeat(&bytes));
        }
        for _ in 0..2 {
            assert_eq!(parsed.parse("key", b"{nope"), parse::heartbeat(b"{nope"));
        }
        assert_eq!(parsed.parse("other", &json(7, 0)).unwrap().load, 7);
    }

    #[test]
    fn long_ones_are_not_kept_and_those_of_stopped_processes_are_forgotten() {
        let mut parsed = ParsedHeartbeats::default();
        parsed.parse("a", &json(1, NORMAL_BYTES)).unwrap();
        assert!(parsed.known.is_empty());
        ["a", "b"].into_iter().for_each(|key| drop(parsed.parse(key, &json(1, 0))));
        parsed.retain(&BTreeSet::from(["b".to_owned()]));
        assert_eq!(parsed.known.keys().collect::<Vec<_>>(), ["b"]);
    }
}
