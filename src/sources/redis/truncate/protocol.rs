//! Finds the values in Redis' protocol (RESP 2 and 3) and truncates those that are too long.

use std::io::{Result, Write};

use super::condense::Condenser;
use super::{TRUNCATED_BYTES, invalid};
use crate::platform::parse::MAX_HEARTBEAT_BYTES;

const END: usize = "\r\n".len();

/// Longest line between values; those of Redis are far shorter.
const LONGEST_LINE: usize = 64 * 1024;

/// The position in the protocol. Replies are lines; some of them (`$52\r\n`) announce so many bytes and a line end.
#[derive(Debug, Default)]
pub(super) struct Truncator {
    /// The line so far.
    line: Vec<u8>,
    /// Bytes to pass, then those to drop, and then the line end behind them if any were dropped.
    pass: usize,
    drop: usize,
    /// The length of a long value that may be an object: its first byte decides.
    undecided: Option<usize>,
    condenser: Option<Condenser>,
}

impl Truncator {
    /// Appends to `out` what passes of these bytes, which may be pieces of values and lines.
    ///
    /// # Errors
    /// A line is too long.
    pub(super) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        while !bytes.is_empty() {
            bytes = match (self.pass, self.drop) {
                _ if self.undecided.is_some() || self.condenser.is_some() => self.condense(bytes, out),
                (0, 0) => self.read_line(bytes, out)?,
                (0, _) => {
                    let (dropped, rest) = bytes.split_at(self.drop.min(bytes.len()));
                    self.drop -= dropped.len();
                    self.pass = if self.drop == 0 { END } else { 0 };
                    rest
                }
                _ => {
                    let (passed, rest) = bytes.split_at(self.pass.min(bytes.len()));
                    out.extend_from_slice(passed);
                    self.pass -= passed.len();
                    rest
                }
            };
        }
        Ok(())
    }

    fn read_line<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8]> {
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        let (line, rest) = bytes.split_at(end);
        self.line.extend_from_slice(line);
        if self.line.len() > LONGEST_LINE {
            return Err(invalid("a line of a reply is longer than 64 KiB"));
        }
        if line.ends_with(b"\n") {
            self.end_line(out);
        }
        Ok(rest)
    }

    /// Condenses an object, and truncates anything else of its length.
    fn condense<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        if let Some(length) = self.undecided.take() {
            if !bytes.starts_with(b"{") {
                self.truncate(b'$', length, out);
                return bytes;
            }
            self.condenser = Some(Condenser::new(length));
        }
        let Some(mut condenser) = self.condenser.take() else { return bytes };
        let rest = condenser.take(bytes);
        match condenser.kept() {
            Some(_) if condenser.left() > 0 => self.condenser = Some(condenser),
            Some(kept) => {
                announce(b'$', kept.len(), out);
                out.extend_from_slice(kept);
                self.pass = END;
            }
            None => {
                announce(b'$', TRUNCATED_BYTES, out);
                let end = out.len() + TRUNCATED_BYTES;
                out.extend_from_slice(condenser.beginning());
                out.resize(end, b' ');
                self.pass_and_drop(0, condenser.left());
            }
        }
        rest
    }

    /// Keeps the beginning, of which a little may be parsed, and the line end.
    fn truncate(&mut self, kind: u8, length: usize, out: &mut Vec<u8>) {
        self.pass_and_drop(TRUNCATED_BYTES, length.saturating_sub(TRUNCATED_BYTES));
        announce(kind, TRUNCATED_BYTES, out);
    }

    /// Of a value, and then its line end.
    const fn pass_and_drop(&mut self, pass: usize, drop: usize) {
        (self.pass, self.drop) = if drop == 0 { (pass + END, 0) } else { (pass, drop) };
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        match value_length(&self.line) {
            Some((b'$', length)) if (TRUNCATED_BYTES..=MAX_HEARTBEAT_BYTES).contains(&length) => {
                self.undecided = Some(length);
            }
            Some((kind, length)) if length > TRUNCATED_BYTES => self.truncate(kind, length, out),
            found => {
                self.pass = found.map_or(0, |(_, length)| length + END);
                out.extend_from_slice(&self.line);
            }
        }
        self.line.clear();
    }
}

/// Announces a value in memory, where writing cannot fail.
fn announce(kind: u8, length: usize, out: &mut Vec<u8>) {
    let _ = write!(out, "{}{length}\r\n", char::from(kind));
}

/// The kind and length of the value that a line announces, if it does: a string, a long error or a verbatim text.
fn value_length(line: &[u8]) -> Option<(u8, usize)> {
    let (kind, length) = line.split_first().filter(|(kind, _)| b"$!=".contains(kind))?;
    Some((*kind, std::str::from_utf8(length).ok()?.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::parse::CONDENSED;

    /// What passes of `bytes` that arrive in pieces of `size`.
    fn truncated(bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut truncator, mut out) = (Truncator::default(), Vec::new());
        bytes.chunks(size.max(1)).for_each(|piece| truncator.feed(piece, &mut out).unwrap());
        out
    }

    fn string(length: usize) -> Vec<u8> {
        [format!("${length}\r\n").as_bytes(), &vec![b'\n'; length], b"\r\n"].concat()
    }

    #[test]
    fn long_values_are_truncated_and_nothing_else_changes() {
        let before = b"*3\r\n$-1\r\n:7\r\n-WRONGTYPE x\r\n$0\r\n\r\n";
        let long = [&before[..], &string(TRUNCATED_BYTES + 5), &string(TRUNCATED_BYTES), b"+OK\r\n"].concat();
        let expected = [&before[..], &string(TRUNCATED_BYTES), &string(TRUNCATED_BYTES), b"+OK\r\n"].concat();
        for size in [1, 7, 1000, long.len()] {
            assert!(truncated(&long, size) == expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_has_a_longest_length() {
        assert!(Truncator::default().feed(&[b'+'; LONGEST_LINE + 1], &mut Vec::new()).is_err());
    }

    #[test]
    fn a_long_object_is_condensed_up_to_the_length_of_a_heartbeat() {
        let object = |tasks: usize| format!("{{\"tasks\": [{}1], \"load\": 7}}", "1, ".repeat(tasks)).into_bytes();
        let reply = |object: &[u8]| [format!("${}\r\n", object.len()).as_bytes(), object, b"\r\n:1\r\n"].concat();
        let long = object(30_000);
        let kept = format!("{CONDENSED}{}\n{{\"tasks\": [], \"load\": 7}}", long.len()).into_bytes();
        for size in [1, 7, 1000, long.len()] {
            assert!(truncated(&reply(&long), size) == reply(&kept), "in pieces of {size}");
        }
        let too_long = object(400_000);
        let expected = &too_long[..TRUNCATED_BYTES];
        assert!(truncated(&reply(&too_long), 1000) == reply(expected));
        let text = format!("{{\"text\": \"{}\"}}", "x".repeat(100_000)).into_bytes();
        for size in [1, 1000, text.len()] {
            let passed = truncated(&reply(&text), size);
            let head = format!("${TRUNCATED_BYTES}\r\n");
            let value = &passed[head.len()..head.len() + TRUNCATED_BYTES];
            assert!(passed.starts_with(head.as_bytes()) && passed.ends_with(b"\r\n:1\r\n"), "in pieces of {size}");
            assert!(value[..60_000] == text[..60_000] && passed.len() == reply(value).len(), "in pieces of {size}");
        }
    }

    proptest! {
        #[test]
        fn replies_of_usual_size_pass_unchanged_in_any_pieces(
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..10), size in 1..200_usize
        ) {
            let one = |value: Vec<u8>| [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n:1\r\n"].concat();
            let bytes: Vec<u8> = values.into_iter().flat_map(one).collect();
            prop_assert_eq!(truncated(&bytes, size), bytes);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500), size in 1..50_usize) {
            let (mut truncator, mut out) = (Truncator::default(), Vec::new());
            for piece in bytes.chunks(size) {
                let _ = truncator.feed(piece, &mut out);
            }
        }
    }
}
