//! Lists and sets that are empty do not exist: one EXISTS says of all that were missing the last time that they still are.

use std::collections::HashSet;

use redis::{Cmd, Pipeline, Value};

use super::strings::word;

/// The keys that were missing the last time.
#[derive(Debug, Default)]
pub(super) struct Absent {
    keys: HashSet<String>,
}

impl Absent {
    pub(super) fn contains(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Adds one command for all these keys.
    pub(super) fn ask<'a>(keys: impl Iterator<Item = &'a String>, pipeline: &mut Pipeline) {
        let keys: Vec<&String> = keys.collect();
        if !keys.is_empty() {
            pipeline.cmd("EXISTS").arg(keys);
        }
    }

    /// Takes the reply to a command that counts what is under a key.
    pub(super) fn note(&mut self, key: &str, reply: &Value) {
        if *reply == Value::Int(0) {
            self.keys.insert(key.to_owned());
        } else {
            self.keys.remove(key);
        }
    }
}

/// The key, of a command that counts what is under it.
pub(super) fn counted(command: &Cmd) -> Option<String> {
    let words: Vec<&[u8]> = command.args_iter().filter_map(word).collect();
    match words.as_slice() {
        [b"LLEN" | b"ZCARD", key] => String::from_utf8(key.to_vec()).ok(),
        _ => None,
    }
}
