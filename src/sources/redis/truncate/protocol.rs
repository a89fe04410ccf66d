//! Finds the values in Redis' protocol (RESP 2 and 3) and truncates those that are too long.

use std::io::{Result, Write};

use super::{TRUNCATED_BYTES, invalid};

/// Longest line between values; those of Redis are far shorter.
const LONGEST_LINE: usize = 64 * 1024;

/// The position in the protocol. Replies are lines; some of them (`$52\r\n`) announce so many bytes and a line end.
#[derive(Debug, Default)]
pub(super) struct Truncator {
    /// The line so far.
    line: Vec<u8>,
    /// Bytes to drop, before those to pass.
    drop: usize,
    pass: usize,
}

impl Truncator {
    /// Appends to `out` what passes of these bytes, which may be pieces of values and lines.
    ///
    /// # Errors
    /// A line is too long.
    pub(super) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        while !bytes.is_empty() {
            bytes = match (self.drop, self.pass) {
                (0, 0) => self.read_line(bytes, out)?,
                (0, _) => {
                    let (passed, rest) = bytes.split_at(self.pass.min(bytes.len()));
                    out.extend_from_slice(passed);
                    self.pass -= passed.len();
                    rest
                }
                _ => {
                    let (dropped, rest) = bytes.split_at(self.drop.min(bytes.len()));
                    self.drop -= dropped.len();
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

    fn end_line(&mut self, out: &mut Vec<u8>) {
        const END: usize = "\r\n".len();
        match value_length(&self.line) {
            Some((kind, length)) if length > TRUNCATED_BYTES => {
                // Drops the beginning and keeps the end, with its line end: neither is parsed.
                (self.drop, self.pass) = (length - TRUNCATED_BYTES, TRUNCATED_BYTES + END);
                // Writing to memory cannot fail.
                let _ = write!(out, "{}{TRUNCATED_BYTES}\r\n", char::from(kind));
            }
            found => {
                self.pass = found.map_or(0, |(_, length)| length + END);
                out.extend_from_slice(&self.line);
            }
        }
        self.line.clear();
    }
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
