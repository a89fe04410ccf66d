//! When pushes happen: at a fixed interval with a random phase, for as long as the server runs; of several replicas, by the
//! one that holds the lease.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::batch::ExportBatch;
use super::delivery::Exports;
use crate::base::lease::Leadership;
use crate::engine::snapshot::SnapshotReader;

/// How often to look for the first snapshot.
const POLL: Duration = Duration::from_millis(100);

/// When to push.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub interval: Duration,
    /// Whether the first push is one with the first snapshot.
    pub on_start: bool,
    /// How long a replica that does not push keeps what it would have pushed, in case the one that does has ended.
    pub keep: Duration,
}

/// Pushes until dropped. A late or failed push does not shift the next one.
pub async fn run(exports: Arc<Exports>, reader: SnapshotReader, leadership: Leadership, schedule: Schedule) {
    let Schedule { interval, on_start, .. } = schedule;
    let pusher = Arc::new(Pusher { exports, reader, leadership, schedule, kept: Mutex::default() });
    if on_start {
        pusher.first_snapshot().await;
        pusher.push();
    }
    // A random phase: replicas that start together must not push together.
    let mut cadence = interval_at(Instant::now() + interval.mul_f64(fastrand::f64()), interval);
    cadence.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        cadence.tick().await;
        pusher.push();
    }
}

struct Pusher {
    exports: Arc<Exports>,
    reader: SnapshotReader,
    leadership: Leadership,
    schedule: Schedule,
    /// What this replica did not push, oldest first, each with the time when it was kept.
    kept: Mutex<Vec<(Instant, ExportBatch)>>,
}

impl Pusher {
    /// Waits for the first snapshot, for at most an interval: that there is none is pushed too.
    async fn first_snapshot(&self) {
        let ready = async {
            while !self.reader.is_ready() {
                tokio::time::sleep(POLL).await;
            }
        };
        let _ = tokio::time::timeout(self.schedule.interval, ready).await;
    }

    /// Pushes in the background; the push must end before the next one begins.
    fn push(self: &Arc<Self>) {
        let pusher = Arc::clone(self);
        tokio::spawn(async move {
            let snapshot = pusher.reader.fresher_than(pusher.schedule.interval).await;
            pusher.push_or_keep(ExportBatch::of_fresh(snapshot.as_deref(), &pusher.reader)).await;
        });
    }

    async fn push_or_keep(&self, batch: ExportBatch) {
        if !self.leadership.may_push(batch.snapshot.is_some()) {
            return self.keep(batch);
        }
        let deadline = Instant::now() + self.schedule.interval;
        for batch in self.missed().into_iter().chain([batch]) {
            let left = deadline.saturating_duration_since(Instant::now());
            self.exports.deliver_as_leader(&self.leadership, batch, left).await;
        }
    }

    fn keep(&self, batch: ExportBatch) {
        let (now, keep) = (Instant::now(), self.schedule.keep);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(at, _)| now.duration_since(*at) <= keep);
        if batch.snapshot.is_some() {
            kept.push((now, batch));
        }
    }

    /// What the holder before this replica did not push any more: batches of after its end.
    fn missed(&self) -> Vec<ExportBatch> {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(former_end) = self.leadership.former_end() else { return Vec::new() };
        let (now, keep) = (Instant::now(), self.schedule.keep);
        let is_recent = |at: Instant| now.duration_since(at) <= keep;
        let is_missed = |batch: &ExportBatch| batch.snapshot.as_ref().is_some_and(|known| known.at >= former_end);
        kept.into_iter().filter(|(at, batch)| is_recent(*at) && is_missed(batch)).map(|(_, batch)| batch).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::FixedClock;
    use crate::base::lease::LeaseRecord;
    use crate::engine::snapshot::{self, Publisher, RunId, Snapshot};
    use crate::outlets::push::fake_sink::{Act, Fake};

    const INTERVAL: Duration = Duration::from_secs(10);
    const ATTEMPT: Duration = Duration::from_secs(5);

    /// Pushes to these sinks beside the test; the publisher has published nothing.
    fn running(fakes: &[&Fake], on_start: bool) -> Publisher {
        running_as(&Leadership::default(), fakes, on_start)
    }

    fn running_as(leadership: &Leadership, fakes: &[&Fake], on_start: bool) -> Publisher {
        let sinks = fakes.iter().map(|fake| fake.sink()).collect();
        let exports = Arc::new(Exports::new(sinks, &Arc::default(), Arc::new(FixedClock(0.0)), ATTEMPT));
        let (publisher, reader) = snapshot::channel(INTERVAL, 1000 * INTERVAL);
        let schedule = Schedule { interval: INTERVAL, on_start, keep: 3 * INTERVAL };
        tokio::spawn(run(exports, reader, leadership.clone(), schedule));
        publisher
    }

    /// Publishes an empty snapshot; returns its id.
    fn publish(publisher: &Publisher) -> String {
        let id = RunId::random().snapshot(1);
        publisher.publish(Arc::new(Snapshot { id, taken_at: 0.0, taken: Instant::now(), state: Arc::default() }));
        id.to_string()
    }

    /// When each batch's first attempt began.
    fn times(fake: &Fake) -> Vec<Instant> {
        fake.seen(|seen| seen.attempts.iter().map(|(at, _)| *at).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn pushes_are_one_interval_apart_from_a_random_phase_on() {
        let mut phases = Vec::new();
        for _ in 0..5 {
            let sink = Fake::new(&[Act::Take]);
            let publisher = running(&[&sink], false);
            let start = Instant::now();
            publish(&publisher);
            for _ in 0..100 {
                tokio::time::sleep(INTERVAL / 2).await;
                publish(&publisher);
            }
            let times = times(&sink);
            assert!((49..=51).contains(&times.len()), "{}", times.len());
            assert!(times[0] - start <= INTERVAL);
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] == INTERVAL), "{times:?}");
            phases.push(times[0] - start);
        }
        phases.dedup();
        assert!(phases.len() > 1, "replicas that start together push apart: {phases:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_push_waits_for_the_first_snapshot_for_at_most_an_interval() {
        let (late, never) = (Fake::new(&[Act::Take]), Fake::new(&[Act::Take]));
        let start = Instant::now();
        let publisher = running(&[&late], true);
        let _silent = running(&[&never], true);
        tokio::time::sleep(3 * INTERVAL / 10).await;
        assert_eq!((late.attempts(), never.attempts()), (0, 0));
        let first = publish(&publisher);
        tokio::time::sleep(INTERVAL / 10).await;
        assert_eq!(late.seen(|seen| seen.attempts[0].1.clone()), Some(first));
        tokio::time::sleep(INTERVAL).await;
        let (at, id) = never.seen(|seen| seen.attempts[0].clone());
        assert_eq!(id, None, "that there is no snapshot is pushed too");
        assert!(at - start <= INTERVAL + ATTEMPT, "{:?}", at - start);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_hangs_or_panics_delays_neither_the_others_nor_the_next_push() {
        let (hangs, panics, works) = (Fake::new(&[Act::Hang]), Fake::new(&[Act::Panic]), Fake::new(&[Act::Take]));
        let publisher = running(&[&hangs, &panics, &works], false);
        for _ in 0..100 {
            publish(&publisher);
            tokio::time::sleep(INTERVAL).await;
        }
        let times = times(&works);
        assert!(times.len() >= 99 && times.windows(2).all(|pair| pair[1] - pair[0] == INTERVAL), "{times:?}");
        assert_eq!(panics.attempts(), times.len());
        assert!(hangs.attempts() >= times.len(), "each batch tries");
    }

    /// A lease of this life of the process, or of another one's.
    fn lease(run: &str, renewed: f64) -> LeaseRecord {
        let (instance, run) = ("m".to_owned(), run.to_owned());
        LeaseRecord { instance, run, fence: 1, since: 0.0, renewed, expires: renewed + 15.0 }
    }

    fn publish_at(publisher: &Publisher, tick: u64, taken_at: f64) -> String {
        let id = RunId::random().snapshot(tick);
        publisher.publish(Arc::new(Snapshot { id, taken_at, taken: Instant::now(), state: Arc::default() }));
        id.to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_pushes_nothing_and_after_a_takeover_what_its_leader_cannot_have_pushed() {
        let (sink, leadership) = (Fake::new(&[Act::Take]), Leadership::default());
        leadership.contend();
        leadership.follow(Some(lease("other", 15.0)));
        let publisher = running_as(&leadership, &[&sink], false);
        let mut ids = Vec::new();
        for tick in 1..=4 {
            ids.push(publish_at(&publisher, tick, 10.0 * (tick as f64 - 1.0)));
            tokio::time::sleep(INTERVAL).await;
        }
        assert_eq!(sink.attempts(), 0, "another replica pushes");
        // It renewed at 15 and not at 20: of the kept ones those of 20 and 30 are younger.
        let later = Instant::now() + 100 * INTERVAL;
        leadership.lead(Some(&lease("other", 15.0)), lease("own", 45.0), later, 5.0);
        ids.push(publish_at(&publisher, 5, 40.0));
        tokio::time::sleep(INTERVAL).await;
        let pushed: Vec<Option<String>> = sink.seen(|seen| seen.attempts.iter().map(|(_, id)| id.clone()).collect());
        assert_eq!(pushed, ids[2..].iter().cloned().map(Some).collect::<Vec<_>>());
        publish_at(&publisher, 6, 50.0);
        tokio::time::sleep(INTERVAL).await;
        assert_eq!(sink.attempts(), 4, "each of them once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_whose_lease_ended_pushes_only_that_nothing_is_known() {
        let (sink, leadership) = (Fake::new(&[Act::Take]), Leadership::default());
        leadership.contend();
        leadership.lead(None, lease("own", 0.0), Instant::now() + 2 * INTERVAL, 5.0);
        let publisher = running_as(&leadership, &[&sink], false);
        publish_at(&publisher, 1, 1.0);
        tokio::time::sleep(10 * INTERVAL).await;
        let attempts = sink.attempts();
        assert!((1..=2).contains(&attempts), "while it led: {attempts}");
        // Not known any more: the snapshot is too old to be served.
        tokio::time::sleep(1000 * INTERVAL).await;
        let last = sink.seen(|seen| seen.attempts.last().map(|(_, id)| id.clone()));
        assert_eq!(last, Some(None));
    }
}
