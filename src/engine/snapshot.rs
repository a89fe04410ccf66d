//! What readers see: one immutable snapshot, and the handle they get it through.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::recent::{Mark, RecentTicks, TickRecord};
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
    recent: Arc<RecentTicks>,
}

impl Publisher {
    /// Every reader sees this snapshot from now on.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.recent.push(TickRecord::of(&snapshot));
        self.snapshots.send_replace(Some(snapshot));
    }

    /// Something happened that explains what charts show.
    pub fn mark(&self, mark: Mark) {
        self.recent.mark(mark);
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
    let recent = Arc::<RecentTicks>::default();
    let reader = SnapshotReader {
        snapshots: seen,
        tick_status: status_rx,
        refresh: ask,
        recent: Arc::clone(&recent),
        interval,
        stale_after,
    };
    (Publisher { snapshots, tick_status, refresh, recent }, reader)
}

/// A reader's handle: lock-free, cheap to clone, never touches the source.
#[derive(Debug, Clone)]
pub struct SnapshotReader {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    tick_status: watch::Receiver<TickStatus>,
    refresh: mpsc::Sender<oneshot::Sender<()>>,
    recent: Arc<RecentTicks>,
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

    /// The last hour of snapshots.
    #[must_use]
    pub fn recent(&self) -> &RecentTicks {
        &self.recent
    }

    /// The age from which a snapshot is not served; a longer pause between two is a gap.
    #[must_use]
    pub const fn stale_after(&self) -> Duration {
        self.stale_after
    }

    /// How often a scheduled tick comes.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
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
    pub async fn published(&mut self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const INTERVAL: Duration = Duration::from_secs(5);
    const STALE_AFTER: Duration = Duration::from_secs(15);

    fn publish(publisher: &Publisher, number: u64) {
        let (id, state) = (RunId::random().snapshot(number), Arc::default());
        publisher.publish(Arc::new(Snapshot { id, taken_at: number as f64, taken: Instant::now(), state }));
    }

    /// The time of the snapshot, which distinguishes them.
    fn number(snapshot: Option<Arc<Snapshot>>) -> Option<f64> {
        snapshot.map(|snapshot| snapshot.taken_at)
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_served_up_to_the_limit_and_then_only_known_of() {
        let (publisher, reader) = channel(INTERVAL, STALE_AFTER);
        assert_eq!((number(reader.latest()), reader.is_ready(), reader.is_up()), (None, false, false));
        publish(&publisher, 1);
        for (pause, fresh) in [(15 * SECOND, true), (Duration::from_millis(1), false)] {
            tokio::time::sleep(pause).await;
            assert_eq!((number(reader.fresh()).is_some(), reader.is_ready()), (fresh, fresh));
            assert_eq!(number(reader.latest()), Some(1.0), "however old");
        }
        publish(&publisher, 2);
        assert_eq!((number(reader.fresh()), reader.is_ready()), (Some(2.0), true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_asks_for_a_tick_only_if_the_snapshot_is_older_than_it_wants() {
        let (mut publisher, reader) = channel(INTERVAL, STALE_AFTER);
        publish(&publisher, 1);
        tokio::time::sleep(2 * SECOND).await;
        for (max_age, asks) in [(3 * SECOND, false), (2 * SECOND, false), (SECOND, true)] {
            let asking = reader.clone();
            let wait = tokio::spawn(async move { number(asking.fresher_than(max_age).await) });
            tokio::task::yield_now().await;
            let asked = publisher.try_next_refresh();
            assert_eq!(asked.is_some(), asks, "{max_age:?}");
            if let Some(done) = asked {
                publish(&publisher, 2);
                done.send(()).unwrap();
            }
            assert_eq!(wait.await.unwrap(), Some(if asks { 2.0 } else { 1.0 }));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_tick_that_does_not_come_costs_a_reader_two_seconds_at_most() {
        let (mut publisher, reader) = channel(INTERVAL, STALE_AFTER);
        publish(&publisher, 1);
        let asked = Instant::now();
        assert_eq!(number(reader.fresher_than(Duration::ZERO).await), Some(1.0), "the age is 0");
        tokio::time::sleep(SECOND).await;
        assert_eq!(number(reader.fresher_than(Duration::ZERO).await), Some(1.0), "what there is");
        assert_eq!(asked.elapsed(), 3 * SECOND);
        // A waiter that is dropped, as by a tick that failed, ends the wait.
        let asking = reader.clone();
        let wait = tokio::spawn(async move { asking.fresher_than(Duration::ZERO).await.is_some() });
        // The first is the request of the reader that gave up.
        drop((publisher.next_refresh().await, publisher.next_refresh().await));
        assert!(wait.await.unwrap());
        assert_eq!(asked.elapsed(), 3 * SECOND);
        drop(publisher);
        assert!(reader.fresher_than(Duration::ZERO).await.is_some(), "nor does a collector that ended");
        assert_eq!(asked.elapsed(), 3 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_snapshot_is_not_served_even_to_a_reader_that_asked_in_vain() {
        let (publisher, reader) = channel(INTERVAL, STALE_AFTER);
        publish(&publisher, 1);
        tokio::time::sleep(14 * SECOND).await;
        assert_eq!(number(reader.fresher_than(SECOND).await), None, "it became stale while it waited");
    }

    #[tokio::test(start_paused = true)]
    async fn alive_are_three_intervals_and_the_time_that_the_source_may_take() {
        let (publisher, reader) = channel(INTERVAL, STALE_AFTER);
        let began = Instant::now();
        publisher.tick_status(TickStatus { tick_began: began, must_end_by: Some(began + 20 * SECOND), up: true });
        for (at, live) in [(15, true), (20, true), (21, false)] {
            tokio::time::sleep_until(began + at * SECOND).await;
            assert_eq!((reader.is_live(), reader.is_up()), (live, true), "{at}");
        }
        publisher.tick_status(TickStatus { tick_began: Instant::now(), must_end_by: None, up: false });
        for (pause, live) in [(15 * SECOND, true), (Duration::from_millis(1), false)] {
            tokio::time::sleep(pause).await;
            assert_eq!((reader.is_live(), reader.is_up()), (live, false));
        }
    }
}
