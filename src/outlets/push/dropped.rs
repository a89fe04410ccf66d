//! Points that will never be delivered: counted, and logged once per reason.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tracing::warn;

use crate::base::log_throttle::LogThrottle;
use crate::base::number::count_u64;

/// Minimum time between two log lines with the same reason.
const QUIET: Duration = Duration::from_mins(10);

#[derive(Debug)]
pub(super) struct DroppedPoints {
    sink: &'static str,
    total: AtomicU64,
    logged: LogThrottle<&'static str>,
}

impl DroppedPoints {
    /// None yet, of this sink.
    pub(super) fn of(sink: &'static str) -> Self {
        Self { sink, total: AtomicU64::new(0), logged: LogThrottle::new(QUIET) }
    }
}

impl DroppedPoints {
    pub(super) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// Counts the points, and logs them if the reason was not logged lately.
    pub(super) fn add(&self, reason: &'static str, points: usize) {
        if points == 0 {
            return;
        }
        self.total.fetch_add(count_u64(points), Relaxed);
        if let Some(times) = self.logged.admit(reason) {
            warn!(sink = self.sink, points, times, reason, "points dropped");
        }
    }
}
