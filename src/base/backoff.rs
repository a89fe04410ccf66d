//! Pauses between retries: they double, up to a limit, with jitter. The one law for everything that retries.

use std::time::Duration;

/// Growing pauses with equal jitter: each is between half of its nominal length and the whole, at random, so that
/// replicas do not retry in step and none retries at once.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    /// Nominal length of the next pause.
    nominal: Duration,
}

impl Backoff {
    /// The first pause is nominally `first`; none is longer than `longest`.
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, nominal: first }
    }

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let nominal = self.nominal.min(self.longest);
        self.nominal = nominal.saturating_mul(2);
        let half = nominal / 2;
        half + half.mul_f64(fastrand::f64())
    }

    /// After a success: the next pause is the first again.
    pub(crate) const fn reset(&mut self) {
        self.nominal = self.first;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The nominal length of the pause after `retries` others, by the definition.
    fn nominal(first: Duration, longest: Duration, retries: u32) -> Duration {
        (0..retries).fold(first, |pause, _| pause.saturating_mul(2)).min(longest)
    }

    /// Durations as they are used, and the shortest and longest that there are.
    fn duration() -> impl Strategy<Value = Duration> {
        let usual = (0..100_000_000_u64).prop_map(Duration::from_micros);
        prop_oneof![8 => usual, 1 => Just(Duration::ZERO), 1 => Just(Duration::MAX)]
    }

    proptest! {
        #[test]
        fn pauses_double_up_to_the_longest_and_jitter_takes_half_at_most(
            first in duration(), longest in duration(), retries in 0..80_u32
        ) {
            let mut backoff = Backoff::new(first, longest);
            for retry in 0..=retries {
                let (pause, nominal) = (backoff.next(), nominal(first, longest, retry));
                // A nanosecond for rounding.
                prop_assert!(pause <= nominal && pause <= longest, "{retry}: {pause:?} of {nominal:?}");
                prop_assert!(pause.saturating_add(Duration::from_nanos(1)) >= nominal / 2, "{retry}: {pause:?} of {nominal:?}");
            }
        }

        #[test]
        fn a_reset_begins_again(first in duration(), longest in duration(), retries in 0..80_u32) {
            let mut backoff = Backoff::new(first, longest);
            for _ in 0..retries {
                let _ = backoff.next();
            }
            backoff.reset();
            prop_assert!(backoff.next() <= first);
        }
    }

    #[test]
    fn two_that_fail_together_do_not_retry_together() {
        let mut backoffs = [(); 50].map(|()| Backoff::new(Duration::from_secs(1), Duration::from_mins(1)));
        let pauses: std::collections::BTreeSet<Duration> = backoffs.iter_mut().map(Backoff::next).collect();
        assert!(pauses.len() > 40, "{pauses:?}");
    }
}
