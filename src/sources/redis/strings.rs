//! Many strings by one command: what was asked for one by one with GETRANGE is asked for with one MGET.
//!
//! MGET does not tell a key that is gone from one of another type, and transfers a long value as a whole. So a value that was
//! long, and a key of another type, is asked for apart; and a key that is newly gone is asked for once more, in the same tick.
//! MGET also tells whether a key exists: an EXISTS after the reading of the same key is not sent. What counts the members of keys
//! that were missing is replaced by one EXISTS of them all (`absent`), and sent in the same tick if one of them is there.

use std::collections::HashSet;

use redis::{Arg, Cmd, Pipeline, Value};

use super::absent::{Absent, counted};
use super::truncate::{TRUNCATED_BYTES, is_too_long};
use super::values::ask_beginning;
use crate::base::clock::UnixSeconds;

/// Seconds after which keys that are gone are looked at again: one may be of another type by now.
const SURE_SECONDS: f64 = 300.0;

/// Which strings one command may read.
#[derive(Debug, Default)]
pub(super) struct Strings {
    /// Keys of long values and of other types.
    apart: HashSet<String>,
    /// Keys that are gone for sure.
    gone: HashSet<String>,
    looked: Option<UnixSeconds>,
    absent: Absent,
    /// One of the keys that were missing is there now.
    appeared: bool,
    /// One for each command of the tick, in order.
    slots: Vec<Slot>,
}

/// Where the reply to a command comes from.
#[derive(Debug)]
enum Slot {
    /// The command itself.
    Own,
    /// The command itself, which counts what is under this key.
    Counted(String),
    /// EXISTS of the keys that were missing.
    Absent(String, Cmd),
    /// A GETRANGE of its own for this key.
    Apart(String),
    /// MGET.
    Together(String),
    /// What MGET finds of this key.
    Exists(String),
    Reply(Value),
}

impl Strings {
    /// Adds these commands to a pipeline, those that read the beginning of a string as one.
    pub(super) fn ask(&mut self, commands: &Pipeline, now: UnixSeconds, pipeline: &mut Pipeline) {
        if self.looked.is_none_or(|looked| !(0.0..SURE_SECONDS).contains(&(now - looked))) {
            self.gone.clear();
            self.looked = Some(now);
        }
        self.slots = Vec::with_capacity(commands.len());
        for command in commands.cmd_iter() {
            self.slots.push(self.slot(command));
        }
        for (command, slot) in commands.cmd_iter().zip(&self.slots) {
            if !slot.is_of_list() {
                pipeline.add_command(command.clone());
            }
        }
        let keys: Vec<&String> = self.slots.iter().filter_map(Slot::together).collect();
        if !keys.is_empty() {
            pipeline.cmd("MGET").arg(keys);
        }
        Absent::ask(self.slots.iter().filter_map(Slot::absent), pipeline);
    }

    /// Whether this key was missing the last time, and is not asked for alone.
    pub(super) fn is_absent(&self, key: &str) -> bool {
        self.absent.contains(key)
    }

    /// Whether one of the keys that were missing is there now.
    pub(super) const fn has_appeared(&self) -> bool {
        self.appeared
    }

    /// Takes the replies to [`Self::ask`].
    pub(super) fn take(&mut self, replies: &mut impl Iterator<Item = Value>) {
        let mut slots = std::mem::take(&mut self.slots);
        for slot in slots.iter_mut().filter(|slot| !slot.is_of_list()) {
            let reply = replies.next().unwrap_or(Value::Nil);
            match slot {
                Slot::Apart(key) => self.remember(key, &reply),
                Slot::Counted(key) => self.absent.note(key, &reply),
                _ => {}
            }
            *slot = Slot::Reply(reply);
        }
        if slots.iter().any(|slot| slot.together().is_some()) {
            self.take_list(&mut slots, list(replies.next()));
        }
        let mut absent = slots.iter_mut().filter(|slot| slot.absent().is_some()).peekable();
        self.appeared = absent.peek().is_some() && replies.next() != Some(Value::Int(0));
        if !self.appeared {
            absent.for_each(|slot| *slot = Slot::Reply(Value::Int(0)));
        }
        self.slots = slots;
    }

    fn take_list(&mut self, slots: &mut [Slot], mut values: impl Iterator<Item = Value>) {
        let mut exists = None;
        for slot in slots {
            let reply = match slot {
                Slot::Together(key) => {
                    let value = values.next();
                    exists = self.exists(key, value.as_ref());
                    self.of_list(key, value)
                }
                Slot::Exists(_) => exists.map(|exists| Value::Int(i64::from(exists))),
                _ => continue,
            };
            if let Some(reply) = reply {
                *slot = Slot::Reply(reply);
            }
        }
    }

    /// Adds the commands for the keys that are newly gone, or of another type.
    pub(super) fn ask_unsure(&self, pipeline: &mut Pipeline) {
        for slot in &self.slots {
            match slot {
                Slot::Together(key) => ask_beginning(key, pipeline),
                Slot::Exists(key) => drop(pipeline.cmd("EXISTS").arg(key)),
                Slot::Absent(_, command) => drop(pipeline.add_command(command.clone())),
                Slot::Own | Slot::Counted(_) | Slot::Apart(_) | Slot::Reply(_) => {}
            }
        }
    }

    /// Takes the replies to [`Self::ask_unsure`]; gives one reply for each command, in their order, as if each had been
    /// sent.
    pub(super) fn conclude(&mut self, replies: &mut impl Iterator<Item = Value>) -> Vec<Value> {
        let slots = std::mem::take(&mut self.slots);
        let mut reply = |slot| match slot {
            Slot::Reply(reply) => reply,
            Slot::Own | Slot::Counted(_) => Value::Nil,
            Slot::Exists(_) => replies.next().unwrap_or(Value::Nil),
            Slot::Absent(key, _) => {
                let reply = replies.next().unwrap_or(Value::Nil);
                self.absent.note(&key, &reply);
                reply
            }
            Slot::Apart(key) | Slot::Together(key) => {
                let reply = replies.next().unwrap_or(Value::Nil);
                self.remember(&key, &reply);
                reply
            }
        };
        slots.into_iter().map(&mut reply).collect()
    }

    fn slot(&self, command: &Cmd) -> Slot {
        match beginning(command) {
            Some(key) if self.apart.contains(&key) => Slot::Apart(key),
            Some(key) => Slot::Together(key),
            None => self.other_slot(command),
        }
    }

    fn other_slot(&self, command: &Cmd) -> Slot {
        match counted(command) {
            Some(key) if self.absent.contains(&key) => Slot::Absent(key, command.clone()),
            Some(key) => Slot::Counted(key),
            None => self.slots.last().and_then(|before| before.existence(command)).unwrap_or(Slot::Own),
        }
    }

    /// Whether a key of the list exists; `None` where the list does not say.
    fn exists(&self, key: &str, value: Option<&Value>) -> Option<bool> {
        match value? {
            Value::BulkString(_) => Some(true),
            _ => self.gone.contains(key).then_some(false),
        }
    }

    /// The reply for one key of the list; `None` where the list does not say.
    fn of_list(&mut self, key: &str, value: Option<Value>) -> Option<Value> {
        match value {
            Some(value @ Value::BulkString(_)) => {
                self.gone.remove(key);
                self.remember(key, &value);
                Some(value)
            }
            // As GETRANGE answers.
            _ => self.gone.contains(key).then(|| Value::BulkString(Vec::new())),
        }
    }

    /// Takes the reply to a GETRANGE, or a value.
    fn remember(&mut self, key: &str, reply: &Value) {
        match reply {
            Value::BulkString(bytes) if !is_too_long(bytes) => {
                self.apart.remove(key);
                if bytes.is_empty() {
                    self.gone.insert(key.to_owned());
                }
            }
            _ => drop(self.apart.insert(key.to_owned())),
        }
    }
}

impl Slot {
    const fn together(&self) -> Option<&String> {
        if let Self::Together(key) = self { Some(key) } else { None }
    }

    const fn absent(&self) -> Option<&String> {
        if let Self::Absent(key, _) = self { Some(key) } else { None }
    }

    /// Whether a command for many keys answers it.
    const fn is_of_list(&self) -> bool {
        matches!(self, Self::Together(_) | Self::Exists(_) | Self::Absent(..))
    }

    /// The slot of a command that asks whether the key that this one reads exists.
    fn existence(&self, command: &Cmd) -> Option<Self> {
        let key = self.together()?;
        let mut words = command.args_iter().filter_map(word);
        let is_asked = words.by_ref().eq([b"EXISTS", key.as_bytes()]);
        is_asked.then(|| Self::Exists(key.clone()))
    }
}

fn list(reply: Option<Value>) -> std::vec::IntoIter<Value> {
    if let Some(Value::Array(values)) = reply { values.into_iter() } else { Vec::new().into_iter() }
}

/// The key, of a command that reads as much of a string as is parsed.
fn beginning(command: &Cmd) -> Option<String> {
    let words: Vec<&[u8]> = command.args_iter().filter_map(word).collect();
    match words.as_slice() {
        [b"GETRANGE", key, b"0", end] if *end == (TRUNCATED_BYTES - 1).to_string().as_bytes() => {
            String::from_utf8(key.to_vec()).ok()
        }
        _ => None,
    }
}

pub(super) const fn word(argument: Arg<&[u8]>) -> Option<&[u8]> {
    match argument {
        Arg::Simple(word) => Some(word),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A Redis with strings; a key without one is of another type.
    type Redis = HashMap<&'static str, Option<String>>;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn answer(redis: &Redis, command: &Cmd) -> Value {
        let words: Vec<String> =
            command.args_iter().filter_map(word).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let value = |key: &String| redis.get(key.as_str());
        match words[0].as_str() {
            "MGET" => Value::Array(
                words[1..]
                    .iter()
                    .map(|key| value(key).and_then(Option::as_ref).map_or(Value::Nil, |v| text(v)))
                    .collect(),
            ),
            "GETRANGE" => match value(&words[1]) {
                None => text(""),
                Some(None) => redis::parse_redis_value(b"-WRONGTYPE of another type\r\n").unwrap(),
                Some(Some(value)) => text(value),
            },
            "EXISTS" => Value::Int(words[1..].iter().map(|key| i64::from(value(key).is_some())).sum()),
            _ => Value::Int(value(&words[1]).map_or(0, |_| 7)),
        }
    }

    /// One tick: the replies, and the names of the commands that were sent first and then.
    fn tick(strings: &mut Strings, redis: &Redis, now: f64) -> (Vec<Value>, String, String) {
        let mut commands = Pipeline::new();
        ["a", "b"].into_iter().for_each(|key| ask_beginning(key, &mut commands));
        commands.cmd("LLEN").arg("list");
        ask_beginning("c", &mut commands);
        commands.cmd("EXISTS").arg("c");
        let (mut first, mut then) = (Pipeline::new(), Pipeline::new());
        strings.ask(&commands, now, &mut first);
        let mut replies = first.cmd_iter().map(|command| answer(redis, command));
        strings.take(&mut replies);
        assert_eq!(replies.next(), None, "every reply was taken");
        strings.ask_unsure(&mut then);
        let mut replies = then.cmd_iter().map(|command| answer(redis, command));
        let whole = strings.conclude(&mut replies);
        let direct: Vec<Value> = commands.cmd_iter().map(|command| answer(redis, command)).collect();
        assert_eq!((&whole, replies.next()), (&direct, None), "as if each had been sent");
        (whole, names(&first), names(&then))
    }

    fn names(pipeline: &Pipeline) -> String {
        let name = |command: &Cmd| match command.args_iter().next() {
            Some(Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
            _ => String::new(),
        };
        pipeline.cmd_iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_command_reads_all_strings_and_a_key_that_is_newly_gone_is_looked_at_once() {
        let mut strings = Strings::default();
        let mut redis: Redis = [("a", Some("1".to_owned())), ("b", Some("2".to_owned())), ("list", None)].into();
        let sent = |(_, first, then): (Vec<Value>, String, String)| (first, then);
        let both = |then: &str| ("LLEN MGET".to_owned(), then.to_owned());
        assert_eq!(sent(tick(&mut strings, &redis, 0.0)), both("GETRANGE EXISTS"));
        assert_eq!(sent(tick(&mut strings, &redis, 5.0)), both(""));
        redis.remove("a");
        assert_eq!(sent(tick(&mut strings, &redis, 10.0)), both("GETRANGE"));
        assert_eq!(sent(tick(&mut strings, &redis, 15.0)), both(""));
        redis.insert("c", Some("3".to_owned()));
        assert_eq!(sent(tick(&mut strings, &redis, 20.0)), both(""), "the same tick has its value");
        assert_eq!(sent(tick(&mut strings, &redis, 301.0)), both("GETRANGE"), "it may be of another type by now");
    }

    #[test]
    fn a_key_of_another_type_and_a_long_value_are_asked_for_apart_until_they_change() {
        let mut strings = Strings::default();
        let long = "x".repeat(TRUNCATED_BYTES);
        let mut redis: Redis = [("a", None), ("b", Some(long)), ("c", Some("3".to_owned())), ("list", None)].into();
        let apart = "GETRANGE GETRANGE LLEN MGET";
        assert_eq!(tick(&mut strings, &redis, 0.0).1, "LLEN MGET");
        assert_eq!(tick(&mut strings, &redis, 5.0).1, apart);
        redis.extend([("a", Some("1".to_owned())), ("b", Some("2".to_owned()))]);
        assert_eq!(tick(&mut strings, &redis, 10.0).1, apart);
        assert_eq!(tick(&mut strings, &redis, 15.0).1, "LLEN MGET");
    }

    #[test]
    fn what_was_missing_is_asked_for_by_one_command_until_one_of_it_is_there() {
        let (mut strings, mut redis) = (Strings::default(), Redis::new());
        assert_eq!(tick(&mut strings, &redis, 0.0).1, "LLEN MGET");
        let (_, first, then) = tick(&mut strings, &redis, 5.0);
        assert_eq!((first.as_str(), then.as_str(), strings.has_appeared()), ("MGET EXISTS", "", false));
        redis.insert("list", None);
        let (_, first, then) = tick(&mut strings, &redis, 10.0);
        assert_eq!((first.as_str(), then.as_str(), strings.has_appeared()), ("MGET EXISTS", "LLEN", true));
        assert!(!strings.is_absent("list"));
        assert_eq!(tick(&mut strings, &redis, 15.0).1, "LLEN MGET");
    }

    #[test]
    fn a_list_that_is_refused_or_short_says_nothing() {
        for reply in [Value::Array(vec![text("1")]), Value::Nil] {
            let mut strings = Strings::default();
            let (mut commands, mut pipeline) = (Pipeline::new(), Pipeline::new());
            ["a", "b"].into_iter().for_each(|key| ask_beginning(key, &mut commands));
            strings.ask(&commands, 0.0, &mut pipeline);
            let known = usize::from(reply != Value::Nil);
            strings.take(&mut std::iter::once(reply));
            let mut unsure = Pipeline::new();
            strings.ask_unsure(&mut unsure);
            assert_eq!(unsure.len(), 2 - known);
        }
    }
}
