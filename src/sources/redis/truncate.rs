//! Bounds replies: truncates values that are longer than any that is parsed, while they arrive.
//!
//! A member of a sorted set or a field of a hash cannot be fetched in part, and asking for the length of every value
//! first would double the commands of a tick. So all bytes pass through here: the head of a value has its length, and the
//! rest of a value that is too long is dropped. This bounds memory whatever Redis holds, without a command more.
//! [`crate::platform::parse`] recognises a truncated value by its length.
//!
//! A long JSON object of up to the longest heartbeat's length loses the contents of its arrays instead (`condense`), and has a
//! mark that only the parser of heartbeats accepts.

mod condense;
mod protocol;

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::protocol::Truncator;
use crate::platform::parse::{MAX_VALUE_BYTES, condensed_length};

/// The length of a truncated value: one byte more than is parsed, so that it shows.
pub(super) const TRUNCATED_BYTES: usize = MAX_VALUE_BYTES + 1;
/// Whether a value was too long to arrive as it is.
pub(super) fn is_too_long(value: &[u8]) -> bool {
    value.len() >= TRUNCATED_BYTES || condensed_length(value).is_some()
}

/// Most bytes of the replies of one round trip: twice those of the largest fleet's first tick.
const MOST_BYTES: usize = 128 * 1024 * 1024;
const CHUNK: usize = 32 * 1024;

/// The bytes that may still arrive before the next request.
#[derive(Debug, Clone)]
pub(super) struct ByteBudget(Arc<AtomicUsize>);

impl ByteBudget {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(MOST_BYTES)))
    }

    /// Starts the next request.
    pub(super) fn renew(&self) {
        self.0.store(MOST_BYTES, Relaxed);
    }

    /// Whether nothing has arrived since the last request.
    pub(super) fn is_untouched(&self) -> bool {
        self.0.load(Relaxed) == MOST_BYTES
    }

    fn spend(&self, bytes: usize) -> Result<()> {
        let left = self.0.load(Relaxed).checked_sub(bytes);
        self.0.store(left.ok_or_else(|| invalid("the replies of one round trip are longer than 128 MiB"))?, Relaxed);
        Ok(())
    }
}

/// A stream whose replies have no value longer than [`TRUNCATED_BYTES`].
pub(super) struct TruncatingStream<S> {
    stream: S,
    truncator: Truncator,
    chunk: Box<[u8]>,
    /// Bytes that passed and were not read yet, from `taken` on.
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

    /// Copies passed bytes to the reader; false if there are none.
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
            this.taken = 0;
            this.passed.clear();
            // A piece passes more than it has only at the end of a long value.
            this.passed.shrink_to(2 * CHUNK);
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

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn each_round_trip_has_its_own_budget() {
        let bytes = format!("$1000\r\n{}\r\n", "x".repeat(1000)).repeat(2);
        let (mut stream, budget) = TruncatingStream::new(bytes.as_bytes());
        budget.0.store(1500, Relaxed);
        assert!(stream.read_to_end(&mut Vec::new()).await.unwrap_err().to_string().contains("128 MiB"));
        let (mut stream, budget) = TruncatingStream::new(bytes.as_bytes());
        budget.renew();
        assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), bytes.len());
    }
}
