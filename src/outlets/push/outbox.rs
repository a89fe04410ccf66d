//! What becomes of the points of a sink that keeps them: some wait, some were delivered, and some never will be.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::number::count_u64;
use crate::outlets::push::batch::{ExportBatch, SnapshotSamples};
use crate::outlets::push::dropped::DroppedPoints;
use crate::outlets::push::spool::{Spool, SpooledPoint};
use crate::telemetry::PointCounts;

/// Maximum points in the spool, whatever their age: at 200 bytes a point, tens of megabytes.
const MAX_SPOOLED_POINTS: usize = 100_000;

/// The spool of a sink, with its counts.
#[derive(Debug)]
pub(super) struct Outbox {
    spool: Mutex<Spool>,
    delivered: AtomicU64,
    dropped: DroppedPoints,
}

impl Outbox {
    /// Empty; points of this sink are kept so long.
    pub(super) fn new(sink: &'static str, keep: Duration) -> Self {
        Self {
            spool: Mutex::new(Spool::new(keep, MAX_SPOOLED_POINTS)),
            delivered: AtomicU64::new(0),
            dropped: DroppedPoints::of(sink),
        }
    }

    pub(super) fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`Spool::take`], and counts what is too late.
    pub(super) fn take(&self, batch: &ExportBatch, points: impl FnOnce(&SnapshotSamples) -> Vec<SpooledPoint>) {
        let late = self.spool().take(batch, points);
        self.count_dropped("not delivered in time", late);
    }

    pub(super) fn count_delivered(&self, points: usize) {
        self.delivered.fetch_add(count_u64(points), Relaxed);
    }

    pub(super) fn count_dropped(&self, reason: &'static str, points: usize) {
        self.dropped.add(reason, points);
    }

    pub(super) fn counts(&self) -> PointCounts {
        PointCounts {
            delivered: self.delivered.load(Relaxed),
            waiting: self.spool().len(),
            dropped: self.dropped.total(),
        }
    }
}
