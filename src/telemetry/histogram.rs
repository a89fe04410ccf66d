//! A fixed-bucket histogram of durations.

use std::time::Duration;

/// Upper bounds in seconds, inclusive: from a tick over a local socket to one that reaches its time limit.
const BOUNDS: [f64; 12] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// How many durations fell between the bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Not cumulative: each observation is in one of them, or in `above`.
    buckets: [u64; BOUNDS.len()],
    above: u64,
    sum: Duration,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().zip(&mut self.buckets).find(|(bound, _)| seconds <= **bound);
        *bucket.map_or(&mut self.above, |(_, bucket)| bucket) += 1;
        self.sum = self.sum.saturating_add(took);
    }

    /// Upper bounds in seconds with the observations up to each, cumulative; the last bound is infinite.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let counts = self.buckets.iter().chain([&self.above]).scan(0, |total, count| {
            *total += count;
            Some(*total)
        });
        bounds.zip(counts)
    }

    /// Observations in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.above
    }

    /// All durations together, in seconds.
    #[must_use]
    pub const fn sum_seconds(&self) -> f64 {
        self.sum.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(durations: &[Duration]) -> Histogram {
        let mut histogram = Histogram::default();
        durations.iter().for_each(|took| histogram.observe(*took));
        histogram
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let at_a_bound = histogram(&[Duration::from_millis(5)]);
        let counts: Vec<(f64, u64)> = at_a_bound.cumulative().skip(1).take(2).collect();
        assert_eq!(counts, [(0.002_5, 0), (0.005, 1)]);
    }

    #[test]
    fn a_sum_beyond_all_bounds_saturates() {
        let histogram = histogram(&[Duration::MAX, Duration::MAX]);
        assert_eq!((histogram.count(), histogram.cumulative().last()), (2, Some((f64::INFINITY, 2))));
        assert!(histogram.sum_seconds().is_finite());
    }

    proptest! {
        #[test]
        fn parts_agree(millis in prop::collection::vec(0_u64..20_000, 0..50)) {
            let durations: Vec<Duration> = millis.iter().copied().map(Duration::from_millis).collect();
            let histogram = histogram(&durations);
            for (bound, count) in histogram.cumulative() {
                let up_to = durations.iter().filter(|took| took.as_secs_f64() <= bound).count();
                prop_assert_eq!(count, up_to as u64, "up to {}", bound);
            }
            prop_assert_eq!(histogram.count(), durations.len() as u64);
            prop_assert_eq!(histogram.sum_seconds(), durations.iter().sum::<Duration>().as_secs_f64());
        }
    }
}
