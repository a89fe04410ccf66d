//! What readers see: one immutable snapshot, and the handle they get it through.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::analysis::SystemState;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::Scope;

pub use super::snapshot_id::{RunId, SnapshotId};

/// How long a reader waits for a fresher snapshot before it takes what there is: a source that
/// hangs must not make every scrape hang with it.
const REFRESH_WAIT: Duration = Duration::from_secs(2);

/// Refresh requests queued for the collector; later ones wait until there is room.
const REFRESHES: usize = 64;

/// One tick's state; the same id is behind every outlet.
#[derive(Debug)]
pub struct Snapshot {
    pub id: SnapshotId,
    /// The tick's time, on the wall clock.
    pub taken_at: UnixSeconds,
    /// The same on the monotonic clock: ages are measured with it.
    pub taken: Instant,
    pub state: Arc<SystemState>,
}

impl Snapshot {
    /// Whose numbers it holds; `None` where the source does not say.
    #[must_use]
    pub fn scope(&self) -> Option<&Arc<Scope>> {
        self.state.scope.as_ref()
    }

    /// How old it is.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.taken.elapsed()
    }
}

/// What the collector publishes besides snapshots.
#[derive(Debug, Clone, Copy)]
pub struct TickStatus {
    /// When the last tick began; the server's start before the first.
    pub tick_began: Instant,
    /// When a tick that is under way is over, by the time limits of its source.
    pub must_end_by: Option<Instant>,
    /// Whether the last tick could read its source.
    pub up: bool,
}

/// The collector's end of [`channel`].
#[derive(Debug)]
pub struct Publisher {
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    tick_status: watch::Sender<TickStatus>,
    /// Readers that want a tick now; each is notified when it is done.
    refresh: mpsc::Receiver<oneshot::Sender<()>>,
}

impl Publisher {
    /// Every reader sees this snapshot from now on.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.snapshots.send_replace(Some(snapshot));
    }

    /// The next reader that wants a tick now; `None` when no reader is left.
    pub async fn next_refresh(&mut self) -> Option<oneshot::Sender<()>> {
        self.refresh.recv().await
    }

    /// A reader that is waiting already, if any.
    pub fn try_next_refresh(&mut self) -> Option<oneshot::Sender<()>> {
        self.refresh.try_recv().ok()
    }

    /// Every reader sees this status from now on.
    pub fn tick_status(&self, tick_status: TickStatus) {
        self.tick_status.send_replace(tick_status);
    }
}

/// A publisher and the reader of what it publishes; not up, with a tick begun now.
#[must_use]
pub fn channel(interval: Duration, stale_after: Duration) -> (Publisher, SnapshotReader) {
    let (snapshots, seen) = watch::channel(None);
    let (tick_status, status_rx) =
        watch::channel(TickStatus { tick_began: Instant::now(), must_end_by: None, up: false });
    let (ask, refresh) = mpsc::channel(REFRESHES);
    let reader = SnapshotReader { snapshots: seen, tick_status: status_rx, refresh: ask, interval, stale_after };
    (Publisher { snapshots, tick_status, refresh }, reader)
}

/// A reader's handle: lock-free, cheap to clone, never touches the source.
#[derive(Debug, Clone)]
pub struct SnapshotReader {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    tick_status: watch::Receiver<TickStatus>,
    refresh: mpsc::Sender<oneshot::Sender<()>>,
    interval: Duration,
    stale_after: Duration,
}

impl SnapshotReader {
    /// The newest snapshot, however old.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.snapshots.borrow().clone()
    }

    /// The newest snapshot unless it is older than `METRICS_STALE_AFTER_SEC`.
    #[must_use]
    pub fn fresh(&self) -> Option<Arc<Snapshot>> {
        self.latest().filter(|snapshot| self.is_fresh(snapshot.taken))
    }

    /// Like [`Self::fresh`], after requesting a tick if the newest snapshot is older
    /// than `max_age`. Concurrent requests share one tick.
    pub async fn fresher_than(&self, max_age: Duration) -> Option<Arc<Snapshot>> {
        if self.latest().is_none_or(|snapshot| snapshot.age() > max_age) {
            // Late or never, or the collector stopped: what there is will have to do.
            let _ = tokio::time::timeout(REFRESH_WAIT, self.refreshed()).await;
        }
        self.fresh()
    }

    async fn refreshed(&self) {
        let (done, wait) = oneshot::channel();
        if self.refresh.send(done).await.is_ok() {
            let _ = wait.await;
        }
    }

    /// Whether the last tick could read its source.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.tick_status.borrow().up
    }

    /// Liveness: a tick began within three intervals, or waits for its source no longer than the
    /// source's time limits say. A source that hangs is no reason to restart the server.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let tick_status = *self.tick_status.borrow();
        tick_status.tick_began.elapsed() <= self.interval * 3
            || tick_status.must_end_by.is_some_and(|end| Instant::now() <= end)
    }

    /// Completes with the next snapshot; `false` where there will be none.
    pub(super) async fn published(&mut self) -> bool {
        self.snapshots.changed().await.is_ok()
    }

    /// Whether what was read at this moment may still be served.
    #[must_use]
    pub fn is_fresh(&self, at: Instant) -> bool {
        at.elapsed() <= self.stale_after
    }

    /// Readiness: there is a snapshot and it is not stale.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.fresh().is_some()
    }
}
