//! The processes by heartbeat key, and what this tick found of each. A key is looked up once in a tick, and a value whose bytes
//! did not change is not parsed again: a process writes one in ten seconds.

use std::collections::HashMap;
use std::sync::Arc;

use super::large::NORMAL_BYTES;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::Heartbeat;
use crate::platform::parse::{self, ParseError};

/// A heartbeat, or what is wrong with it.
pub(super) type Parsed = Result<Arc<Heartbeat>, ParseError>;

/// Those that existed in the last tick, and those that this one named.
#[derive(Debug, Default)]
pub(super) struct Processes {
    numbers: HashMap<Arc<str>, usize>,
    /// The known ones in the order of the facts, which costs no sorting then; those that this tick named behind them.
    all: Vec<Process>,
}

/// One heartbeat key.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) key: Arc<str>,
    /// It existed in the last tick.
    pub(super) is_known: bool,
    pub(super) found: Found,
    /// Of the index member that names it in this tick.
    pub(super) score: Option<UnixSeconds>,
    /// The last heartbeat that could be read; never ahead of the tick.
    pub(super) seen: Option<UnixSeconds>,
    last: Option<(Vec<u8>, Parsed)>,
}

/// What a tick found under a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Unread,
    Gone,
    OfAnotherType,
    Beat(Parsed),
}

impl Found {
    /// The key exists.
    pub(super) const fn is_there(&self) -> bool {
        matches!(self, Self::OfAnotherType | Self::Beat(_))
    }
}

impl Process {
    fn new(key: &str) -> Self {
        Self { key: key.into(), is_known: false, found: Found::Unread, score: None, seen: None, last: None }
    }

    /// Takes a value that was read.
    pub(super) fn read(&mut self, bytes: Vec<u8>) {
        let beat = match &self.last {
            Some((known, beat)) if *known == bytes => beat.clone(),
            _ => self.parse(bytes),
        };
        self.found = Found::Beat(beat);
    }

    fn parse(&mut self, bytes: Vec<u8>) -> Parsed {
        let beat = parse::heartbeat(&bytes).map(|beat| Arc::new(self.named_as_before(beat)));
        // Longer ones would be kept for little: they change with every task.
        self.last = (bytes.len() <= NORMAL_BYTES).then(|| (bytes, beat.clone()));
        beat
    }

    /// The name of an instance is there once, however often its processes heartbeat.
    fn named_as_before(&self, mut beat: Heartbeat) -> Heartbeat {
        if let Some((_, Ok(before))) = &self.last
            && before.instance_id == beat.instance_id
        {
            beat.instance_id = before.instance_id.clone();
        }
        beat
    }

    /// The order of the facts; of what has no heartbeat first.
    fn place(&self) -> Option<(&Arc<str>, Option<i64>)> {
        match &self.found {
            Found::Beat(Ok(beat)) => Some((&beat.instance_id, beat.process_id)),
            _ => None,
        }
    }
}

impl Processes {
    /// Begins a tick: of what an unfinished one named nothing is known.
    pub(super) fn begin(&mut self) {
        if self.keep_known() {
            self.number();
        }
        for process in &mut self.all {
            (process.found, process.score) = (Found::Unread, None);
        }
    }

    /// Ends a tick: the next one reads those that have a heartbeat.
    pub(super) fn end(&mut self) {
        let mut has_new = false;
        for process in &mut self.all {
            let is_there = matches!(process.found, Found::Beat(_));
            has_new |= is_there && !process.is_known;
            process.is_known = is_there;
        }
        let is_smaller = self.keep_known();
        if has_new {
            self.all.sort_by(|one, other| one.place().cmp(&other.place()));
        }
        if has_new || is_smaller {
            self.number();
        }
    }

    /// Whether that made them fewer; their numbers are old then.
    fn keep_known(&mut self) -> bool {
        let before = self.all.len();
        self.all.retain(|process| process.is_known);
        self.all.len() < before
    }

    fn number(&mut self) {
        self.numbers = self.all.iter().enumerate().map(|(number, process)| (process.key.clone(), number)).collect();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Process> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        self.all.iter_mut()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Process> {
        self.numbers.get(key).and_then(|number| self.all.get(*number))
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Process> {
        self.numbers.get(key).and_then(|number| self.all.get_mut(*number))
    }

    /// Notes something of the process of a key.
    pub(super) fn name(&mut self, key: &str, note: impl FnOnce(&mut Process)) {
        if let Some(process) = self.get_mut(key) {
            return note(process);
        }
        let mut process = Process::new(key);
        note(&mut process);
        self.numbers.insert(process.key.clone(), self.all.len());
        self.all.push(process);
    }

    /// Whether the tick has read this key.
    pub(super) fn is_read(&self, key: &str) -> bool {
        self.get(key).is_some_and(|process| process.found != Found::Unread)
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
        let (mut process, mut names) = (Process::new("key"), Vec::new());
        for bytes in [json(1, 0), json(1, 0), json(2, 0), json(1, 0), b"{nope".into(), b"{nope".into(), Vec::new()] {
            let before = process.last.clone();
            process.read(bytes.clone());
            let expected = parse::heartbeat(&bytes).map(Arc::new);
            assert_eq!(process.found, Found::Beat(expected));
            names.extend(process.place().map(|(instance, _)| instance.clone()));
            let shared = before.filter(|(known, _)| *known == bytes).and_then(|(_, beat)| beat.ok());
            if let (Some(before), Found::Beat(Ok(beat))) = (shared, &process.found) {
                assert!(Arc::ptr_eq(&before, beat));
            }
        }
        let shared = names.windows(2).filter(|names| Arc::ptr_eq(&names[0], &names[1])).count();
        assert_eq!((names.len(), shared), (4, 3), "the name of an instance is there once");
    }

    #[test]
    fn what_is_known_is_in_the_order_of_the_facts_however_it_was_found() {
        let mut processes = Processes::default();
        let beat = |instance: &str, pid: i64| {
            let text = String::from_utf8(json(1, 0)).unwrap();
            text.replace(r#""a""#, &format!(r#""{instance}","process_id":{pid}"#)).into_bytes()
        };
        let known = |processes: &Processes| processes.iter().map(|process| process.key.to_string()).collect::<Vec<_>>();
        for (key, bytes) in [("1", beat("b", 2)), ("2", beat("b", 1)), ("3", b"{nope".into()), ("4", beat("a", 9))] {
            processes.name(key, |process| process.read(bytes));
        }
        processes.end();
        processes.begin();
        assert_eq!(known(&processes), ["3", "4", "2", "1"]);
        for (key, bytes) in [("1", beat("b", 2)), ("2", beat("b", 1)), ("3", beat("c", 1)), ("4", beat("a", 9))] {
            processes.name(key, |process| process.read(bytes));
        }
        processes.name("5", |process| process.read(beat("aa", 3)));
        processes.end();
        assert_eq!(known(&processes), ["4", "5", "2", "1", "3"]);
        let is_found = |key: &String| processes.get(key).is_some_and(|process| *process.key == **key);
        assert!(known(&processes).iter().all(is_found));
    }

    #[test]
    fn long_values_are_not_kept() {
        let mut process = Process::new("key");
        process.read(json(1, NORMAL_BYTES));
        assert!(process.found.is_there() && process.last.is_none());
        process.read(Vec::new());
        assert!(matches!(process.found, Found::Beat(Err(_))));
    }

    #[test]
    fn a_tick_reads_those_that_the_last_one_found_and_forgets_those_that_it_only_named() {
        let mut processes = Processes::default();
        let known = |processes: &Processes| processes.iter().map(|process| process.key.to_string()).collect::<Vec<_>>();
        for key in ["c", "a", "b", "d"] {
            processes.name(key, |process| process.read(json(1, 0)));
        }
        processes.name("b", |process| process.found = Found::Gone);
        processes.name("d", |process| process.found = Found::OfAnotherType);
        processes.end();
        processes.begin();
        assert_eq!(known(&processes), ["c", "a"]);
        processes.name("e", |process| process.read(json(1, 0)));
        assert!(processes.is_read("e") && !processes.is_read("a") && !processes.is_read("x"));
        // That tick failed.
        processes.begin();
        assert_eq!(known(&processes), ["c", "a"]);
        assert_eq!(processes.get("a").map(|process| &*process.key), Some("a"));
        assert!(processes.get("e").is_none());
    }
}
