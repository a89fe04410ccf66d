//! Faults of a request, on demand.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

pub(crate) enum Fault {
    None,
    /// Answers with this status and body.
    Answer(u16, &'static str),
    /// Processes the request and answers this much later.
    Late(Duration),
    /// Closes the connection in the middle of the body.
    Reset,
    /// Never answers.
    Hang,
}

/// The faults of the next requests, in order; none after those.
#[derive(Default)]
pub(crate) struct Mishaps(Mutex<VecDeque<Fault>>);

impl Mishaps {
    pub(crate) fn extend(&self, mishaps: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap().extend(mishaps);
    }

    /// Drops the faults that are left.
    #[cfg(feature = "cloudwatch")]
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub(crate) fn next(&self) -> Fault {
        self.0.lock().unwrap().pop_front().unwrap_or(Fault::None)
    }
}
