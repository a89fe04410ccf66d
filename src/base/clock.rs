//! The only reader of the wall clock, behind a trait that tests replace.
//!
//! Durations inside the program use `tokio::time::Instant`; this is for times that leave it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in seconds, with fractions; the platform's own unit.
pub type UnixSeconds = f64;

/// A wall clock.
pub trait Clock: Send + Sync {
    /// Unix time in seconds.
    fn now(&self) -> UnixSeconds;

    /// Whether it always shows the same time, which then is not compared with other clocks.
    fn is_fixed(&self) -> bool {
        false
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may read the wall clock")]
    fn now(&self) -> UnixSeconds {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
    }
}

/// A clock that does not move: for tests and for `snapshot --at`.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub UnixSeconds);

impl Clock for FixedClock {
    fn now(&self) -> UnixSeconds {
        self.0
    }

    fn is_fixed(&self) -> bool {
        true
    }
}
