//! A fixed-bucket histogram of durations, lock-free.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in seconds: from a tick over a local socket to one that hits its time limit.
pub(crate) const BOUNDS: [f64; 12] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// How often durations fell between the bounds.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// Not cumulative: each observation is in one of them, or in `above`.
    buckets: [AtomicU64; BOUNDS.len()],
    above: AtomicU64,
    nanoseconds: AtomicU64,
}

/// One consistent reading: cumulative counts by bound, the last of them over all.
pub(crate) struct HistogramReading {
    pub(crate) buckets: Vec<(f64, u64)>,
    pub(crate) count: u64,
    pub(crate) sum_seconds: f64,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().zip(&self.buckets).find(|(bound, _)| seconds <= **bound);
        bucket.map_or(&self.above, |(_, bucket)| bucket).fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn read(&self) -> HistogramReading {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(BOUNDS.len() + 1);
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            count += bucket.load(Relaxed);
            buckets.push((*bound, count));
        }
        // The count is made of the buckets, so that both always agree.
        count += self.above.load(Relaxed);
        buckets.push((f64::INFINITY, count));
        let sum_seconds = Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64();
        HistogramReading { buckets, count, sum_seconds }
    }
}
