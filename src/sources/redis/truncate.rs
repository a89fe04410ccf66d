//! Keeps answers small: cuts values that are longer than any that is read, while they arrive.
//!
//! A member of a sorted set or a field of a hash cannot be asked for in part, and asking for the
//! length of every value first would double the commands of a tick. So the bytes pass through here:
//! the head of a value names its length, and what is too long goes no further. Memory is bounded
//! whatever Redis holds, at no command and no look at the values themselves. What a value says is
//! `signals::parse`'s matter: it knows a cut value by its length.

use std::io::{Error, ErrorKind, Result, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::platform::parse::MAX_VALUE_BYTES;

/// What is left of a value that is too long: one byte more than is read, which tells.
pub(super) const TRUNCATED_BYTES: usize = MAX_VALUE_BYTES + 1;
/// Most bytes that the answers of one round trip may have: twice what the largest fleet's first tick has.
const MOST_BYTES: usize = 128 * 1024 * 1024;
/// Longest line between values; Redis' own are far shorter.
const LONGEST_LINE: usize = 64 * 1024;
const CHUNK: usize = 32 * 1024;

/// What may still come in before something is asked again.
#[derive(Debug, Clone)]
pub(super) struct ByteBudget(Arc<AtomicUsize>);

impl ByteBudget {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(MOST_BYTES)))
    }

    /// Something is asked: its answer may be as long as any.
    pub(super) fn renew(&self) {
        self.0.store(MOST_BYTES, Relaxed);
    }

    fn spend(&self, bytes: usize) -> Result<()> {
        let left = self.0.load(Relaxed).checked_sub(bytes);
        self.0.store(left.ok_or_else(|| odd("the answers of one round trip are longer than 128 MiB"))?, Relaxed);
        Ok(())
    }
}

/// A stream whose answers have no value longer than [`TRUNCATED_BYTES`].
pub(super) struct TruncatingStream<S> {
    stream: S,
    truncator: Truncator,
    chunk: Box<[u8]>,
    /// What was let through and not yet taken.
    passed: Vec<u8>,
    taken: usize,
    budget: ByteBudget,
}

impl<S> TruncatingStream<S> {
    pub(super) fn new(stream: S) -> (Self, ByteBudget) {
        let budget = ByteBudget::new();
        let chunk = vec![0; CHUNK].into_boxed_slice();
        let truncator = Truncator::default();
        (Self { stream, truncator, chunk, passed: Vec::new(), taken: 0, budget: budget.clone() }, budget)
    }

    /// Hands over what was let through; false if there is nothing.
    fn deliver(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let waiting = self.passed.get(self.taken..).unwrap_or_default();
        let (now, _) = waiting.split_at(waiting.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.taken += now.len();
        !now.is_empty()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TruncatingStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        while !this.deliver(buffer) {
            (this.taken, this.passed) = (0, Vec::new());
            let mut chunk = ReadBuf::new(&mut this.chunk);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                break;
            }
            this.truncator.feed(chunk.filled(), &mut this.passed)?;
            this.budget.spend(this.passed.len())?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TruncatingStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Where in the protocol the bytes are. Answers are lines; some of them (`$52\r\n`) say that so many
/// bytes and a line end follow.
#[derive(Debug, Default)]
struct Truncator {
    /// The line so far.
    line: Vec<u8>,
    /// Bytes that go no further, and then those that do.
    drop: usize,
    pass: usize,
}

impl Truncator {
    /// Takes bytes in whatever pieces they come.
    fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
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
            return Err(odd("a line of an answer is longer than 64 KiB"));
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
                // The end is as good as the beginning, for it is not read; so the line end stays with it.
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

/// The kind and length of the value that follows a line, if one does: a string, a long error or a
/// verbatim text.
fn value_length(line: &[u8]) -> Option<(u8, usize)> {
    let (kind, length) = line.split_first().filter(|(kind, _)| b"$!=".contains(kind))?;
    Some((*kind, std::str::from_utf8(length).ok()?.trim().parse().ok()?))
}

fn odd(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// What comes through of `bytes` that arrive in pieces of `size`.
    fn cut(bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut truncator, mut out) = (Truncator::default(), Vec::new());
        bytes.chunks(size.max(1)).for_each(|piece| truncator.feed(piece, &mut out).unwrap());
        out
    }

    fn string(length: usize) -> Vec<u8> {
        [format!("${length}\r\n").as_bytes(), &vec![b'\n'; length], b"\r\n"].concat()
    }

    #[test]
    fn values_that_are_too_long_are_cut_and_nothing_else_changes() {
        let before = b"*3\r\n$-1\r\n:7\r\n-WRONGTYPE x\r\n$0\r\n\r\n";
        let long = [&before[..], &string(TRUNCATED_BYTES + 5), &string(TRUNCATED_BYTES), b"+OK\r\n"].concat();
        let expected = [&before[..], &string(TRUNCATED_BYTES), &string(TRUNCATED_BYTES), b"+OK\r\n"].concat();
        for size in [1, 7, 1000, long.len()] {
            assert!(cut(&long, size) == expected, "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn a_round_trip_has_a_limit_and_the_next_has_it_anew() {
        let bytes = [string(1000), string(1000)].concat();
        let (mut stream, budget) = TruncatingStream::new(&bytes[..]);
        budget.0.store(1500, Relaxed);
        assert!(stream.read_to_end(&mut Vec::new()).await.unwrap_err().to_string().contains("128 MiB"));
        let (mut stream, budget) = TruncatingStream::new(&bytes[..]);
        budget.renew();
        assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), bytes.len());
    }

    #[test]
    fn a_line_has_a_limit() {
        assert!(Truncator::default().feed(&[b'+'; LONGEST_LINE + 1], &mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn answers_of_usual_size_pass_unchanged_in_any_pieces(
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..10), size in 1..200_usize
        ) {
            let one = |value: Vec<u8>| [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n:1\r\n"].concat();
            let bytes: Vec<u8> = values.into_iter().flat_map(one).collect();
            prop_assert_eq!(cut(&bytes, size), bytes);
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
