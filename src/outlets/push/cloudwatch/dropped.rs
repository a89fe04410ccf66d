//! Points that will never arrive: counted, and told once per kind.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tracing::warn;

use crate::base::log_throttle::LogThrottle;

/// A kind is logged again after this long at the earliest.
const QUIET: Duration = Duration::from_mins(10);

/// The count and what was said.
#[derive(Debug)]
pub(super) struct DroppedPoints {
    total: AtomicU64,
    said: LogThrottle<&'static str>,
}

impl Default for DroppedPoints {
    fn default() -> Self {
        Self { total: AtomicU64::new(0), said: LogThrottle::new(QUIET) }
    }
}

impl DroppedPoints {
    pub(super) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// So many points are lost, for this reason.
    pub(super) fn add(&self, why: &'static str, points: usize) {
        if points == 0 {
            return;
        }
        self.total.fetch_add(u64::try_from(points).unwrap_or(u64::MAX), Relaxed);
        if let Some(times) = self.said.admit(why) {
            warn!(sink = "cloudwatch", points, times, "points dropped: {why}");
        }
    }
}
