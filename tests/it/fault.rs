//! What goes wrong with a request, on demand.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

pub(crate) enum Fault {
    None,
    /// This status and code.
    Answer(u16, &'static str),
    /// It is taken, and the answer comes this much later.
    Late(Duration),
    /// The connection ends in the middle of the body.
    Reset,
    /// Nothing is taken and no answer comes.
    Hang,
}

/// What happens to the next requests, in order; nothing to those after.
#[derive(Default)]
pub(crate) struct Mishaps(Mutex<VecDeque<Fault>>);

impl Mishaps {
    pub(crate) fn extend(&self, mishaps: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap().extend(mishaps);
    }

    /// From now on nothing goes wrong any more.
    #[cfg(feature = "cloudwatch")]
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub(crate) fn next(&self) -> Fault {
        self.0.lock().unwrap().pop_front().unwrap_or(Fault::None)
    }
}
