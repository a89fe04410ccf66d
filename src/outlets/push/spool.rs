//! Points that wait for delivery: bounded by age and number; each snapshot enters once.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::clock::UnixSeconds;
use crate::catalog::Sample;
use crate::outlets::push::batch::{ExportBatch, SnapshotSamples};

/// One value of one metric with the time of its snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SpooledPoint {
    pub(super) at: UnixSeconds,
    pub(super) sample: Sample,
}

/// A queue of points, oldest first.
#[derive(Debug)]
pub(super) struct Spool {
    points: VecDeque<SpooledPoint>,
    /// Maximum age; zero keeps a snapshot only until the next one.
    keep: Duration,
    max: usize,
    newest_id: Option<String>,
    newest_at: UnixSeconds,
}

impl Spool {
    pub(super) const fn new(keep: Duration, max: usize) -> Self {
        Self { points: VecDeque::new(), keep, max, newest_id: None, newest_at: 0.0 }
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether this snapshot is the one that was added last.
    fn is_newest(&self, id: &str) -> bool {
        self.newest_id.as_deref() == Some(id)
    }

    /// Takes the points of a batch's snapshot, unless an attempt before did; without one, lets points grow old. Returns how many
    /// were not delivered in time.
    pub(super) fn take(
        &mut self,
        batch: &ExportBatch,
        points: impl FnOnce(&SnapshotSamples) -> Vec<SpooledPoint>,
    ) -> usize {
        match &batch.snapshot {
            None => self.expire(batch.snapshot_age_seconds.unwrap_or_default()),
            Some(snapshot) if self.is_newest(&snapshot.id) => 0,
            Some(snapshot) => self.add(&snapshot.id, snapshot.at, points(snapshot)),
        }
    }

    /// Adds a snapshot's points; returns how many were evicted because they are too old or too many. Age is measured
    /// against the snapshot's time: no clock is needed.
    fn add(&mut self, id: &str, at: UnixSeconds, points: Vec<SpooledPoint>) -> usize {
        if self.is_newest(id) {
            return 0;
        }
        self.newest_id = Some(id.to_owned());
        self.newest_at = at;
        let expired = self.evict(at);
        self.points.extend(points);
        let excess = self.len().saturating_sub(self.max);
        self.points.drain(..excess);
        expired + excess
    }

    /// Evicts what is too old this many seconds after the newest snapshot; returns how many points.
    fn expire(&mut self, seconds: f64) -> usize {
        self.evict(self.newest_at + seconds)
    }

    fn evict(&mut self, now: UnixSeconds) -> usize {
        let before = self.len();
        let oldest = now - self.keep.as_secs_f64();
        self.points.retain(|point| !self.keep.is_zero() && point.at >= oldest);
        before - self.len()
    }

    /// The oldest points, at most `limit`.
    #[cfg(feature = "otlp")]
    pub(super) fn batch(&self, limit: usize) -> Vec<SpooledPoint> {
        self.points.iter().take(limit).cloned().collect()
    }

    /// The oldest points that fit into one request of at most `limit` points and `max_bytes` bytes.
    #[cfg(feature = "cloudwatch")]
    pub(super) fn batch_within(
        &self,
        limit: usize,
        max_bytes: usize,
        size: impl Fn(&SpooledPoint) -> usize,
    ) -> Vec<SpooledPoint> {
        let mut bytes = 0;
        let fits = |point: &&SpooledPoint| {
            bytes += size(point);
            bytes <= max_bytes
        };
        self.points.iter().take(limit).take_while(fits).cloned().collect()
    }

    /// Removes the oldest points: delivered or rejected.
    pub(super) fn remove(&mut self, count: usize) {
        self.points.drain(..count.min(self.points.len()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{Part, find};

    fn points(at: UnixSeconds, count: usize) -> Vec<SpooledPoint> {
        let metric = find("instances").unwrap();
        (0..count)
            .map(|_| SpooledPoint {
                at,
                sample: Sample { metric, labels: Vec::new(), part: Part::Whole, value: 1.0, scope: None },
            })
            .collect()
    }

    fn times(spool: &Spool) -> Vec<UnixSeconds> {
        spool.points.iter().map(|point| point.at).collect()
    }

    #[test]
    fn a_snapshot_is_added_once() {
        let mut spool = Spool::new(Duration::from_secs(900), 100);
        assert_eq!(spool.add("a", 10.0, points(10.0, 3)), 0);
        assert_eq!(spool.add("a", 10.0, points(10.0, 3)), 0);
        assert_eq!(spool.len(), 3);
        spool.remove(3);
        spool.add("a", 10.0, points(10.0, 3));
        assert_eq!(spool.len(), 0, "delivered points do not come back");
    }

    #[test]
    fn old_points_are_evicted_when_new_ones_are_added() {
        let mut spool = Spool::new(Duration::from_secs(60), 100);
        spool.add("a", 0.0, points(0.0, 2));
        spool.add("b", 30.0, points(30.0, 2));
        assert_eq!(spool.add("c", 61.0, points(61.0, 1)), 2);
        assert_eq!(times(&spool), [30.0, 30.0, 61.0]);
    }

    #[test]
    fn points_expire_without_new_ones() {
        let mut spool = Spool::new(Duration::from_secs(60), 100);
        spool.add("a", 100.0, points(100.0, 2));
        spool.add("b", 130.0, points(130.0, 1));
        assert_eq!((spool.expire(30.0), spool.len()), (0, 3));
        assert_eq!((spool.expire(31.0), spool.len()), (2, 1));
        assert_eq!((spool.expire(61.0), spool.len()), (1, 0));
    }

    #[test]
    fn a_spool_of_zero_seconds_keeps_a_snapshot_until_the_next_one() {
        let mut spool = Spool::new(Duration::ZERO, 100);
        spool.add("a", 5.0, points(5.0, 2));
        assert_eq!(spool.add("a", 5.0, points(5.0, 2)), 0);
        assert_eq!(spool.len(), 2);
        // Two snapshots may have one time.
        assert_eq!(spool.add("b", 5.0, points(5.0, 1)), 2);
        assert_eq!((spool.expire(0.0), spool.len()), (1, 0));
    }

    #[test]
    fn a_batch_is_bounded_by_points_and_bytes() {
        let mut spool = Spool::new(Duration::from_secs(60), 100);
        spool.add("a", 5.0, points(5.0, 10));
        assert_eq!(spool.batch_within(4, 10, |_| 1).len(), 4);
        assert_eq!(spool.batch_within(10, 99, |_| 33).len(), 3);
    }

    proptest! {
        #[test]
        fn evictions_are_counted_and_the_newest_points_stay(
            snapshots in proptest::collection::vec((0_u32..100, 0_usize..40, 0_usize..40), 0..20),
        ) {
            let mut spool = Spool::new(Duration::from_secs(200), 50);
            let (mut at, mut added, mut dropped, mut removed) = (0.0, 0, 0, 0);
            for (id, (pause, count, delivered)) in snapshots.into_iter().enumerate() {
                at += f64::from(pause);
                added += count;
                dropped += spool.add(&id.to_string(), at, points(at, count));
                let times = times(&spool);
                prop_assert!(times.len() <= 50 && times.is_sorted());
                prop_assert!(times.iter().all(|time| *time >= at - 200.0));
                let before = spool.len();
                spool.remove(delivered);
                removed += before - spool.len();
            }
            prop_assert_eq!(added, dropped + removed + spool.len());
        }
    }
}
