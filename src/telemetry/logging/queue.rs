//! A bounded queue of log lines and the thread that writes them: logging never blocks, never fails, and counts what it drops.
//!
//! Not `tracing-appender`: it does not count lines that cannot be written, and prints its own errors to standard output.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Most lines and bytes that wait: what a burst needs, and no more memory than a stuck reader may cost.
const MOST_LINES: usize = 10_000;
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Pause before a non-blocking output that takes nothing is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// A handle to the queue of one output.
#[derive(Debug, Clone)]
pub(super) struct LogQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// A line was queued or written.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    is_writing: bool,
    dropped: u64,
}

impl LogQueue {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start(name: &str, output: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let writer = Arc::clone(&shared);
        thread::Builder::new().name(name.to_owned()).spawn(move || writer.write_to(output))?;
        Ok(Self(shared))
    }

    /// Queues a line, or drops it if too much waits already.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.0.locked();
        if state.lines.len() >= MOST_LINES || state.bytes + line.len() > MOST_BYTES {
            state.dropped += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        drop(state);
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, at most until `deadline`.
    pub(super) fn flush(&self, deadline: Instant) {
        let limit = deadline.saturating_duration_since(Instant::now());
        let is_pending = |state: &mut State| state.is_writing || !state.lines.is_empty();
        drop(self.0.changed.wait_timeout_while(self.0.locked(), limit, is_pending));
    }

    /// Lines that did not fit or could not be written.
    pub(super) fn dropped(&self) -> u64 {
        self.0.locked().dropped
    }
}

impl Write for LogQueue {
    /// The subscriber writes each event in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn write_to(&self, mut output: impl Write) {
        loop {
            let line = self.next_line();
            let is_written = write_line(&mut output, &line).is_ok();
            let mut state = self.locked();
            state.is_writing = false;
            state.dropped += u64::from(!is_written);
            drop(state);
            self.changed.notify_all();
        }
    }

    fn next_line(&self) -> Vec<u8> {
        let mut state = self.locked();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.is_writing = true;
                return line;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `write_all` that also waits for an output that another process made non-blocking.
fn write_line(output: &mut impl Write, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        match output.write(line) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => line = line.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => pause(),
            Err(error) => return Err(error),
        }
    }
    output.flush()
}

#[expect(clippy::disallowed_methods, reason = "the writing thread is no async worker")]
fn pause() {
    thread::sleep(RETRY);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    /// Takes a piece of a line whenever the other end of a channel allows it; without the other end it fails.
    struct Output {
        allowed: mpsc::Receiver<io::Result<usize>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Output {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let most = self.allowed.recv().map_err(|_| io::ErrorKind::BrokenPipe)??;
            let taken = &line[..line.len().min(most)];
            self.written.lock().unwrap().extend_from_slice(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Allow = mpsc::Sender<io::Result<usize>>;

    fn queue() -> (LogQueue, Allow, Arc<Mutex<Vec<u8>>>) {
        let ((allow, allowed), written) = (mpsc::channel(), Arc::<Mutex<Vec<u8>>>::default());
        let queue = LogQueue::start("test", Output { allowed, written: Arc::clone(&written) }).unwrap();
        (queue, allow, written)
    }

    #[test]
    fn lines_are_written_in_order_and_whole_although_the_output_takes_pieces_and_blocks() {
        let (queue, allow, written) = queue();
        let replies = [Ok(2), Err(io::ErrorKind::Interrupted), Err(io::ErrorKind::WouldBlock), Ok(9), Ok(9)];
        replies.into_iter().for_each(|reply| allow.send(reply.map_err(io::Error::from)).unwrap());
        queue.push(b"first\n");
        queue.push(b"second\n");
        queue.flush(soon());
        assert_eq!((written.lock().unwrap().as_slice(), queue.dropped()), (&b"first\nsecond\n"[..], 0));
    }

    #[test]
    fn a_stuck_output_blocks_nobody_what_does_not_fit_is_counted_and_a_flush_has_an_end() {
        let (queue, allow, written) = queue();
        let began = Instant::now();
        for _ in 0..MOST_LINES + 7 {
            queue.push(b"x\n");
        }
        let dropped = queue.dropped();
        assert!((6..=7).contains(&dropped), "one line may be in the writer's hands: {dropped}");
        queue.flush(Instant::now() + Duration::from_millis(30));
        assert!(began.elapsed() < Duration::from_secs(5));
        (0..=MOST_LINES).for_each(|_| allow.send(Ok(9)).unwrap());
        queue.flush(soon());
        assert_eq!(written.lock().unwrap().len() / 2 + usize::try_from(dropped).unwrap(), MOST_LINES + 7);
        queue.push(&vec![b'x'; MOST_BYTES + 1]);
        assert_eq!(queue.dropped(), dropped + 1, "bytes are limited too");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_later_ones_are_tried() {
        let (queue, allow, written) = queue();
        allow.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        queue.push(b"lost\n");
        queue.flush(soon());
        allow.send(Ok(9)).unwrap();
        queue.push(b"kept\n");
        queue.flush(soon());
        assert_eq!((written.lock().unwrap().as_slice(), queue.dropped()), (&b"kept\n"[..], 1));
        drop(allow);
        queue.push(b"lost\n");
        queue.flush(soon());
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn a_line_of_all_the_bytes_that_may_wait_is_taken_and_one_more_byte_is_not() {
        let (queue, _allow, _) = queue();
        queue.push(&vec![b'x'; MOST_BYTES]);
        assert_eq!(queue.dropped(), 0);
        queue.push(&vec![b'x'; MOST_BYTES + 1]);
        assert_eq!(queue.dropped(), 1);
    }
}
