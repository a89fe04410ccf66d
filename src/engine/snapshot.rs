//! What readers see: one immutable snapshot, and the handle they get it through.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::monitoring::SystemMonitoring;
use crate::signals::UnixSeconds;

/// One tick's truth; the same id is behind every outlet.
#[derive(Debug)]
pub struct Snapshot {
    /// Unique in this process's life and increasing: `{start in hex}-{tick}`.
    pub id: String,
    /// The tick's time, on the wall clock.
    pub taken_at: UnixSeconds,
    /// The same on the monotonic clock: ages are measured with it.
    pub taken: Instant,
    pub monitoring: SystemMonitoring,
}

impl Snapshot {
    /// How old it is.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.taken.elapsed()
    }
}

/// What the collector publishes besides snapshots.
#[derive(Debug, Clone, Copy)]
pub struct Pulse {
    /// When the last tick began; the server's start before the first.
    pub tick_began: Instant,
    /// Whether the last tick could read its source.
    pub up: bool,
}

/// A reader's handle: lock-free, cheap to clone, never touches the source.
#[derive(Debug, Clone)]
pub struct SnapshotReader {
    pub(crate) snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    pub(crate) pulse: watch::Receiver<Pulse>,
    pub(crate) refresh: mpsc::Sender<oneshot::Sender<()>>,
    pub(crate) interval: Duration,
    pub(crate) stale_after: Duration,
}

impl SnapshotReader {
    /// The newest snapshot, however old.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.snapshots.borrow().clone()
    }

    /// The newest snapshot unless it is older than `METRICS_STALE_AFTER_SEC`.
    #[must_use]
    pub fn truth(&self) -> Option<Arc<Snapshot>> {
        self.latest().filter(|snapshot| snapshot.age() <= self.stale_after)
    }

    /// Like [`Self::truth`], after asking the collector for a tick if the newest snapshot is older
    /// than `max_age`. Concurrent askers share one tick.
    pub async fn fresher_than(&self, max_age: Duration) -> Option<Arc<Snapshot>> {
        if self.latest().is_none_or(|snapshot| snapshot.age() > max_age) {
            let (done, wait) = oneshot::channel();
            if self.refresh.send(done).await.is_ok() {
                // An error means that the collector stopped: what there is will have to do.
                let _ = wait.await;
            }
        }
        self.truth()
    }

    /// Whether the last tick could read its source.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.pulse.borrow().up
    }

    /// Liveness: a tick began within three intervals.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.pulse.borrow().tick_began.elapsed() <= self.interval * 3
    }

    /// Readiness: there is a snapshot and it is not stale.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.truth().is_some()
    }
}
