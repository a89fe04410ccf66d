//! The values of many keys at once: MGET, except for keys whose value was too long the last time. Of those only the
//! beginning is fetched, each by its own command.

use std::collections::HashSet;

use redis::{Pipeline, Value};

use super::replies::Replies;
use super::truncate::{TRUNCATED_BYTES, is_too_long};
use crate::platform::facts::InputKind;

/// Keys of one MGET, to keep a single command short.
const MGET_KEYS: usize = 500;
/// Most keys that are remembered as long; a deployment has none.
const MOST_LONG: usize = 1000;

/// Remembers which values are too long.
#[derive(Debug, Default)]
pub(super) struct Values {
    long: HashSet<String>,
}

impl Values {
    /// The keys to fetch completely, and those of which only the beginning is fetched.
    fn ordered<'a>(&self, keys: &'a [String]) -> (Vec<&'a String>, Vec<&'a String>) {
        keys.iter().partition(|key| !self.long.contains(*key))
    }

    /// Adds the commands.
    pub(super) fn ask(&self, keys: &[String], pipeline: &mut Pipeline) {
        let (whole, parts) = self.ordered(keys);
        for chunk in whole.chunks(MGET_KEYS) {
            pipeline.cmd("MGET").arg(chunk);
        }
        for key in parts {
            ask_beginning(key, pipeline);
        }
    }

    /// Takes the replies to [`Self::ask`] with the same keys: each key's value, `None` for one that is gone.
    pub(super) fn take(
        &mut self,
        keys: &[String],
        kind: InputKind,
        replies: &mut Replies,
    ) -> Vec<(String, Option<Vec<u8>>)> {
        let (whole, parts) = self.ordered(keys);
        let mut values = Vec::with_capacity(keys.len());
        for chunk in whole.chunks(MGET_KEYS) {
            let answered = replies.list(kind, "MGET").into_iter().map(bytes);
            // A chunk that has no reply must not shift the values of the next.
            let answered = answered.chain(std::iter::repeat(None));
            values.extend(chunk.iter().map(ToString::to_string).zip(answered));
        }
        values.extend(parts.into_iter().map(|key| (key.clone(), replies.bytes(kind, key))));
        values.iter().for_each(|(key, value)| self.remember(key, value.as_deref()));
        values
    }

    fn remember(&mut self, key: &str, value: Option<&[u8]>) {
        if value.is_none_or(|bytes| !is_too_long(bytes)) {
            self.long.remove(key);
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
