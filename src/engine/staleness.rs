//! Watches the age of the newest snapshot: the moment it becomes stale is reported even while a tick hangs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::snapshot::SnapshotReader;
use crate::base::clock::Clock;
use crate::problems::code::code;
use crate::problems::{ProblemCode, ProblemRegistry};

const SNAPSHOT_STALE: ProblemCode = code("snapshot_stale");

/// Reports the beginning and the end of each time without a fresh snapshot. Runs until it is dropped, or the collector is.
pub(super) async fn watch(
    mut reader: SnapshotReader,
    stale_after: Duration,
    problems: Arc<ProblemRegistry>,
    clock: Arc<dyn Clock>,
) {
    let began = Instant::now();
    loop {
        let taken = reader.latest().map(|snapshot| snapshot.taken);
        let is_stale = taken.unwrap_or(began).elapsed() > stale_after;
        problems.set(SNAPSHOT_STALE, "", is_stale.then(|| detail(taken, stale_after)), clock.now());
        // The instant after the last fresh one.
        let ends_at = taken.unwrap_or(began) + stale_after + Duration::from_millis(1);
        tokio::select! {
            () = sleep_until(ends_at), if !is_stale => {}
            published = reader.published() => if !published { return },
        }
    }
}

fn detail(taken: Option<Instant>, stale_after: Duration) -> String {
    match taken {
        Some(_) => format!("no snapshot for more than {stale_after:?}: no metric of the deployment is exported"),
        None => format!("no snapshot since the start, {stale_after:?} ago: no metric of the deployment is exported"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::FixedClock;
    use crate::engine::snapshot::{RunId, Snapshot, channel};

    const STALE: Duration = Duration::from_secs(15);

    async fn after(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn staleness_begins_and_ends_once_whether_or_not_a_tick_ends() {
        let (publisher, reader) = channel(Duration::from_secs(5), STALE);
        let problems = Arc::new(ProblemRegistry::new(""));
        let clock = Arc::new(FixedClock(7.0));
        let watching = tokio::spawn(watch(reader, STALE, Arc::clone(&problems), clock));
        let details = || problems.active().into_iter().map(|problem| problem.detail).collect::<Vec<_>>();
        let publish = || {
            let (id, taken) = (RunId::random().snapshot(1), Instant::now());
            publisher.publish(Arc::new(Snapshot { id, taken_at: 7.0, taken, state: Arc::default() }));
        };
        after(14).await;
        assert_eq!(details(), [""; 0]);
        after(2).await;
        assert!(details()[0].starts_with("no snapshot since the start"), "{:?}", details());
        publish();
        after(14).await;
        assert_eq!(details(), [""; 0]);
        after(2).await;
        assert!(details()[0].starts_with("no snapshot for more than 15s"), "{:?}", details());
        assert_eq!(problems.active()[0].count, 1);
        publish();
        after(1).await;
        assert_eq!(details(), [""; 0]);
        drop(publisher);
        watching.await.unwrap();
    }
}
