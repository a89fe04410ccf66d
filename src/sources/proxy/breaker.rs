//! A circuit breaker for one upstream: opens after consecutive failures, with a probe after each growing pause.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::backoff::Backoff;

/// Consecutive failures after which the breaker opens.
const OPENS_AFTER: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Breaker {
    failures: u32,
    backoff: Backoff,
    /// While it is open: no request before this, a probe after it.
    open_until: Option<Instant>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 0, backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), open_until: None }
    }
}

impl Breaker {
    /// How long it stays open; `None` while a request may be made.
    pub(super) fn open_for(&self) -> Option<Duration> {
        let left = self.open_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= OPENS_AFTER {
            self.open_until = Some(Instant::now() + self.backoff.next());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn consecutive_failures_open_it_for_longer_and_longer() {
        let mut breaker = Breaker::default();
        for _ in 0..OPENS_AFTER - 1 {
            breaker.failed();
            assert_eq!(breaker.open_for(), None);
        }
        for longest in [1, 2, 4, 8, 16, 30, 30, 30] {
            breaker.failed();
            let left = breaker.open_for().unwrap();
            assert!(left > Duration::from_secs(longest) / 3 && left <= Duration::from_secs(longest), "{left:?}");
            tokio::time::advance(left).await;
            assert_eq!(breaker.open_for(), None, "a probe may be made");
        }
        breaker.succeeded();
        breaker.failed();
        assert_eq!(breaker.open_for(), None, "counting begins again");
    }
}
