//! The last hour of ticks: what was shown when, and what happened in between. Filled as snapshots are published; read by
//! explanations and charts.

mod marks;
mod record;
mod ring;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use self::marks::MarkWatch;
pub use self::marks::{Mark, MarkKind};
pub use self::record::{Charted, Shown, TickRecord};
use self::ring::Ring;
use crate::base::clock::UnixSeconds;

/// Shared by the publisher and all readers; every method holds a lock for microseconds.
#[derive(Debug, Default)]
pub struct RecentTicks(Mutex<Ring>);

impl RecentTicks {
    /// Every tick that is kept, oldest first.
    #[must_use]
    pub fn ticks(&self) -> Vec<Arc<TickRecord>> {
        self.locked().ticks().cloned().collect()
    }

    /// The tick that readers saw at this time: the newest that is not later; `None` before the first that is kept.
    #[must_use]
    pub fn at(&self, time: UnixSeconds) -> Option<Arc<TickRecord>> {
        self.locked().at(time).cloned()
    }

    /// What happened within the hour, oldest first.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        self.locked().marks().cloned().collect()
    }

    pub(super) fn push(&self, record: TickRecord) {
        self.locked().push(record);
    }

    pub(super) fn mark(&self, mark: Mark) {
        self.locked().mark(mark);
    }

    /// A panic while writing leaves usable entries behind.
    fn locked(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
