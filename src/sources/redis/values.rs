//! The values of many keys at once: MGET, except for keys whose value was too long the last time. Of those only the
//! beginning is fetched, each by its own command.

use std::collections::HashSet;
use std::sync::Arc;

use redis::{Pipeline, Value};

use super::replies::Replies;
use super::truncate::{TRUNCATED_BYTES, is_too_long};
use crate::platform::facts::InputKind;

/// Keys of one MGET, to keep a single command short.
pub(super) const MGET_KEYS: usize = 500;
/// Most keys that are remembered as long; a deployment has none.
const MOST_LONG: usize = 1000;

/// Remembers which values are too long.
#[derive(Debug, Default)]
pub(super) struct Values {
    long: HashSet<String>,
}

impl Values {
    /// The keys to fetch completely, and those of which only the beginning is fetched.
    fn ordered<'a>(&self, keys: &'a [Arc<str>]) -> (Vec<&'a Arc<str>>, Vec<&'a Arc<str>>) {
        keys.iter().partition(|key| !self.is_long(key))
    }

    fn is_long(&self, key: &str) -> bool {
        !self.long.is_empty() && self.long.contains(key)
    }

    /// Adds the commands.
    pub(super) fn ask(&self, keys: &[Arc<str>], pipeline: &mut Pipeline) {
        let (whole, parts) = self.ordered(keys);
        for chunk in whole.chunks(MGET_KEYS) {
            let command = pipeline.cmd("MGET");
            for key in chunk {
                command.arg(&***key);
            }
        }
        for key in parts {
            ask_beginning(key, pipeline);
        }
    }

    /// Takes the replies to [`Self::ask`] with the same keys: the value of each, `None` for one that is gone.
    pub(super) fn take(&mut self, keys: &[Arc<str>], kind: InputKind, replies: &mut Replies) -> Vec<Option<Vec<u8>>> {
        let (whole, parts) = self.ordered(keys);
        let mut together = Vec::with_capacity(whole.len());
        for chunk in whole.chunks(MGET_KEYS) {
            let answered = replies.list(kind, "MGET").into_iter().map(bytes);
            // A chunk that has no reply must not shift the values of the next.
            together.extend(answered.chain(std::iter::repeat(None)).take(chunk.len()));
        }
        let parts: Vec<Option<Vec<u8>>> = parts.into_iter().map(|key| replies.bytes(kind, key)).collect();
        let (mut together, mut parts) = (together.into_iter(), parts.into_iter());
        let mut value = |key: &Arc<str>| {
            let value = if self.is_long(key) { parts.next() } else { together.next() }.flatten();
            self.remember(key, value.as_deref());
            value
        };
        keys.iter().map(&mut value).collect()
    }

    fn remember(&mut self, key: &str, value: Option<&[u8]>) {
        if value.is_none_or(|bytes| !is_too_long(bytes)) {
            if !self.long.is_empty() {
                self.long.remove(key);
            }
        } else if self.long.len() < MOST_LONG {
            self.long.insert(key.to_owned());
        }
    }
}

/// Fetches a string, but no more of it than is parsed: a value that is too long costs no more than any other, and the
/// command no more than GET.
pub(super) fn ask_beginning(key: &str, pipeline: &mut Pipeline) {
    ask_up_to(TRUNCATED_BYTES, key, pipeline);
}

/// The same with another length.
pub(super) fn ask_up_to(bytes: usize, key: &str, pipeline: &mut Pipeline) {
    pipeline.cmd("GETRANGE").arg(key).arg(0).arg(bytes - 1);
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: InputKind = InputKind::Heartbeat;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn keys(count: usize) -> Vec<Arc<str>> {
        (0..count).map(|number| format!("key{number}").into()).collect()
    }

    /// The names of the commands, each with the number of its keys.
    fn commands(values: &Values, keys: &[Arc<str>]) -> Vec<(String, usize)> {
        let mut pipeline = Pipeline::new();
        values.ask(keys, &mut pipeline);
        let name = |command: &redis::Cmd| match command.args_iter().next() {
            Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
            _ => String::new(),
        };
        pipeline.cmd_iter().map(|command| (name(command), command.args_iter().count() - 1)).collect()
    }

    /// The values that were found, by key.
    fn take(values: &mut Values, keys: &[Arc<str>], replies: Vec<Value>) -> (Vec<(String, String)>, usize) {
        let mut replies = Replies::new(replies);
        let taken = values.take(keys, KIND, &mut replies);
        assert_eq!((taken.len(), replies.next()), (keys.len(), None), "one for each key, and no reply is left");
        let found =
            keys.iter().zip(taken).filter_map(|(key, value)| Some((key.to_string(), String::from_utf8(value?).ok()?)));
        (found.collect(), replies.malformed.len())
    }

    #[test]
    fn many_keys_are_fetched_by_commands_of_a_bounded_length() {
        let values = Values::default();
        for (count, expected) in [(0, vec![]), (500, vec![500]), (501, vec![500, 1]), (1200, vec![500, 500, 200])] {
            let expected: Vec<_> = expected.into_iter().map(|count| ("MGET".to_owned(), count)).collect();
            assert_eq!(commands(&values, &keys(count)), expected);
        }
    }

    #[test]
    fn a_command_that_is_refused_or_short_does_not_shift_the_values_of_others() {
        let refused = redis::parse_redis_value(b"-LOADING in memory\r\n").unwrap();
        let keys = keys(502);
        for (first, problems) in [(refused, 1), (Value::Array(vec![Value::Nil; 3]), 0), (Value::Array(Vec::new()), 0)] {
            let (found, malformed) =
                take(&mut Values::default(), &keys, vec![first, Value::Array(vec![text("a"), text("b")])]);
            let expected = [("key500", "a"), ("key501", "b")].map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!((found, malformed), (expected.to_vec(), problems));
        }
    }

    #[test]
    fn of_a_value_that_was_too_long_only_the_beginning_is_fetched_until_it_is_shorter() {
        let (mut values, keys) = (Values::default(), keys(3));
        let long = "x".repeat(TRUNCATED_BYTES);
        take(&mut values, &keys, vec![Value::Array(vec![text("a"), text(&long), Value::Nil])]);
        let apart = [("MGET".to_owned(), 2), ("GETRANGE".to_owned(), 3)];
        assert_eq!(commands(&values, &keys), apart);
        let (found, _) = take(&mut values, &keys, vec![Value::Array(vec![text("a"), text("c")]), text(&long)]);
        let names: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(names, ["key0", "key1", "key2"], "each value is that of its key");
        assert_eq!(commands(&values, &keys), apart, "it is still too long");
        let (found, _) = take(&mut values, &keys, vec![Value::Array(vec![text("a"), text("c")]), text("short")]);
        assert!(found.contains(&("key1".to_owned(), "short".to_owned())));
        assert_eq!(commands(&values, &keys), [("MGET".to_owned(), 3)]);
    }

    #[test]
    fn a_long_value_that_is_gone_is_fetched_with_the_others_again() {
        let (mut values, keys) = (Values::default(), keys(1));
        take(&mut values, &keys, vec![Value::Array(vec![text(&"x".repeat(TRUNCATED_BYTES))])]);
        assert_eq!(commands(&values, &keys)[0].0, "GETRANGE");
        let (found, malformed) = take(&mut values, &keys, vec![text("")]);
        assert_eq!((found.len(), malformed, commands(&values, &keys)[0].0.as_str()), (0, 0, "MGET"));
    }

    #[test]
    fn no_more_than_a_thousand_keys_are_remembered_as_long() {
        let (mut values, keys) = (Values::default(), keys(MOST_LONG + 100));
        let long = || text(&"x".repeat(TRUNCATED_BYTES));
        let replies = keys.chunks(MGET_KEYS).map(|chunk| Value::Array(chunk.iter().map(|_| long()).collect()));
        take(&mut values, &keys, replies.collect());
        let parts = commands(&values, &keys).into_iter().filter(|(name, _)| name == "GETRANGE").count();
        assert_eq!(parts, MOST_LONG);
    }
}
