//! When pushes happen: at a fixed interval with a random phase, for as long as the server runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::batch::ExportBatch;
use super::delivery::Exports;
use crate::engine::snapshot::SnapshotReader;

/// How often to look for the first snapshot.
const POLL: Duration = Duration::from_millis(100);

/// Pushes every `interval` until dropped. A late or failed push does not shift the next one.
pub async fn run(exports: Arc<Exports>, reader: SnapshotReader, interval: Duration, on_start: bool) {
    if on_start {
        first_snapshot(&reader, interval).await;
        push(&exports, &reader, interval);
    }
    // A random phase: replicas that start together must not push together.
    let mut cadence = interval_at(Instant::now() + interval.mul_f64(fastrand::f64()), interval);
    cadence.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        cadence.tick().await;
        push(&exports, &reader, interval);
    }
}

/// Waits for the first snapshot, for at most an interval: that there is none is pushed too.
async fn first_snapshot(reader: &SnapshotReader, limit: Duration) {
    let ready = async {
        while !reader.is_ready() {
            tokio::time::sleep(POLL).await;
        }
    };
    let _ = tokio::time::timeout(limit, ready).await;
}

/// Pushes in the background; the push must end before the next one begins.
fn push(exports: &Arc<Exports>, reader: &SnapshotReader, interval: Duration) {
    let (exports, reader) = (Arc::clone(exports), reader.clone());
    tokio::spawn(async move {
        let snapshot = reader.fresher_than(interval).await;
        exports.deliver(ExportBatch::of_fresh(snapshot.as_deref(), &reader), interval).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::FixedClock;
    use crate::engine::snapshot::{self, Publisher, RunId, Snapshot};
    use crate::outlets::push::fake_sink::{Act, Fake};

    const INTERVAL: Duration = Duration::from_secs(10);
    const ATTEMPT: Duration = Duration::from_secs(5);

    /// Pushes to these sinks beside the test; the publisher has published nothing.
    fn running(fakes: &[&Fake], on_start: bool) -> Publisher {
        let sinks = fakes.iter().map(|fake| fake.sink()).collect();
        let exports = Arc::new(Exports::new(sinks, &Arc::default(), Arc::new(FixedClock(0.0)), ATTEMPT));
        let (publisher, reader) = snapshot::channel(INTERVAL, 1000 * INTERVAL);
        tokio::spawn(run(exports, reader, INTERVAL, on_start));
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
}
