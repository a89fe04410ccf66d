//! When an upstream that fails is left alone: after a row of failures, with growing pauses and one
//! probe after each.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::backoff::jittered;

/// Failures in a row after which the breaker opens.
const OPENS_AFTER: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The state of one upstream's breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// No request before this; a probe after it.
    opens_at: Option<Instant>,
}

impl Breaker {
    /// How long it stays open; `None` while requests may be made.
    pub(super) fn rest(&self) -> Option<Duration> {
        let rest = self.opens_at?.saturating_duration_since(Instant::now());
        (!rest.is_zero()).then_some(rest)
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        if let Some(row) = self.failures.checked_sub(OPENS_AFTER) {
            let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(row)).min(LONGEST_PAUSE);
            self.opens_at = Some(Instant::now() + jittered(pause));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_row_of_failures_opens_it_for_longer_and_longer() {
        let mut breaker = Breaker::default();
        for _ in 0..OPENS_AFTER - 1 {
            breaker.failed();
            assert_eq!(breaker.rest(), None);
        }
        for longest in [1, 2, 4, 8, 16, 30, 30, 30] {
            breaker.failed();
            let rest = breaker.rest().unwrap();
            assert!(rest > Duration::from_secs(longest) / 3 && rest <= Duration::from_secs(longest), "{rest:?}");
            tokio::time::advance(rest).await;
            assert_eq!(breaker.rest(), None, "a probe may be made");
        }
        breaker.succeeded();
        breaker.failed();
        assert_eq!(breaker.rest(), None, "a new row begins");
    }
}
