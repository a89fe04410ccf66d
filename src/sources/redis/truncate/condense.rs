//! Condenses a long JSON object while it arrives: its arrays are skipped without being stored, such as the running tasks in a
//! busy processor's heartbeat, and the rest is kept.

use memchr::{memchr2, memchr3};

use super::TRUNCATED_BYTES;
use crate::platform::parse::{CONDENSED, MAX_VALUE_BYTES};

/// A value on its way.
#[derive(Debug)]
pub(super) struct Condenser {
    /// Bytes that are still to come.
    left: usize,
    kept: Vec<u8>,
    /// Arrays around the next byte.
    arrays: usize,
    in_string: bool,
    escaped: bool,
}

impl Condenser {
    pub(super) fn new(length: usize) -> Self {
        let kept = format!("{CONDENSED}{length}\n").into_bytes();
        Self { left: length, kept, arrays: 0, in_string: false, escaped: false }
    }

    /// Takes the value's next bytes; returns those that follow it.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (own, rest) = bytes.split_at(self.left.min(bytes.len()));
        self.left -= own.len();
        let mut own = own;
        while let Some((byte, next)) = own.split_first() {
            let (run, after) = own.split_at(self.run(own));
            if run.is_empty() {
                self.take_byte(*byte);
                own = next;
            } else {
                if self.arrays == 0 {
                    self.keep(run);
                }
                own = after;
            }
        }
        rest
    }

    /// How many bytes follow that change nothing.
    fn run(&self, bytes: &[u8]) -> usize {
        let special = match self.in_string {
            _ if self.escaped => Some(0),
            true => memchr2(b'"', b'\\', bytes),
            false => memchr3(b'"', b'[', b']', bytes),
        };
        special.unwrap_or(bytes.len())
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.kept.len() <= MAX_VALUE_BYTES {
            self.kept.extend_from_slice(bytes);
        }
    }

    fn take_byte(&mut self, byte: u8) {
        let was_inside = self.arrays > 0;
        match (self.in_string, byte) {
            _ if self.escaped => self.escaped = false,
            (true, b'\\') => self.escaped = true,
            (_, b'"') => self.in_string = !self.in_string,
            (false, b'[') => self.arrays += 1,
            (false, b']') => self.arrays = self.arrays.saturating_sub(1),
            _ => {}
        }
        // Of an array only its brackets.
        let inside = was_inside && self.arrays > 0;
        if !inside {
            self.keep(&[byte]);
        }
    }

    /// Bytes of the value that are still to come.
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    /// The beginning of what is kept, without the mark.
    pub(super) fn beginning(&self) -> &[u8] {
        let mark = self.kept.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let kept = self.kept.get(mark..).unwrap_or_default();
        kept.get(..TRUNCATED_BYTES).unwrap_or(kept)
    }

    /// What is kept; `None` if even that is too long to be parsed.
    pub(super) fn kept(&self) -> Option<&[u8]> {
        (self.kept.len() <= MAX_VALUE_BYTES).then_some(&self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of a text that arrives in pieces.
    fn condensed(text: &str, size: usize) -> Option<String> {
        let mut condenser = Condenser::new(text.len());
        for piece in text.as_bytes().chunks(size) {
            assert!(condenser.take(piece).is_empty());
        }
        let kept = String::from_utf8(condenser.kept()?.to_vec()).unwrap();
        Some(kept.strip_prefix(CONDENSED).unwrap().split_once('\n').unwrap().1.to_owned())
    }

    #[test]
    fn arrays_are_skipped_and_nothing_else() {
        for (text, expected) in [
            (r#"{"a": 1, "b": [1, [2], {"c": 3}], "d": 4}"#, r#"{"a": 1, "b": [], "d": 4}"#),
            (r#"{"a": "[", "b": ["]", "\"]", "\\"], "c": "]\\"}"#, r#"{"a": "[", "b": [], "c": "]\\"}"#),
            (r#"{"a": [], "b": [[]], "c": {"d": [7]}}"#, r#"{"a": [], "b": [], "c": {"d": []}}"#),
            (r#"{"a": "\"[\"", "b": 1}"#, r#"{"a": "\"[\"", "b": 1}"#),
            ("]]]", "]]]"),
        ] {
            for size in [1, 3, 100] {
                assert_eq!(condensed(text, size).as_deref(), Some(expected), "{text}");
            }
        }
    }

    #[test]
    fn what_is_too_long_without_its_arrays_is_not_kept() {
        assert_eq!(condensed(&format!("{{\"a\": \"{}\"}}", "x".repeat(MAX_VALUE_BYTES)), 1000), None);
    }
}
