//! When pushes happen: at a fixed interval with a random phase, for as long as the server runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::delivery::{Exports, batch};
use crate::engine::snapshot::SnapshotReader;

/// How often the first snapshot is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Pushes every `interval` until dropped. A batch that is late or fails is its own matter: the next
/// one comes in its time all the same.
pub async fn run(exports: Arc<Exports>, reader: SnapshotReader, interval: Duration, on_start: bool) {
    if on_start {
        first_snapshot(&reader, interval).await;
        push(&exports, &reader, interval);
    }
    // Replicas that start together must not push together.
    let mut cadence = interval_at(Instant::now() + interval.mul_f64(fastrand::f64()), interval);
    cadence.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        cadence.tick().await;
        push(&exports, &reader, interval);
    }
}

/// Waits for a first snapshot, but no longer than an interval: that there is none is to be told too.
async fn first_snapshot(reader: &SnapshotReader, limit: Duration) {
    let ready = async {
        while !reader.is_ready() {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = tokio::time::timeout(limit, ready).await;
}

/// A batch beside the cadence; it must end before the next one begins.
fn push(exports: &Arc<Exports>, reader: &SnapshotReader, interval: Duration) {
    let (exports, reader) = (Arc::clone(exports), reader.clone());
    tokio::spawn(async move {
        let truth = reader.fresher_than(interval).await;
        exports.deliver(batch(truth.as_deref(), &reader), interval).await;
    });
}

#[cfg(test)]
mod tests;
