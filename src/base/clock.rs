//! The one place that reads the wall clock, behind a trait so that tests can freeze it.
//!
//! Durations inside the program use `tokio::time::Instant`; this is for times that leave it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in seconds, with fractions; the platform's own unit.
pub type UnixSeconds = f64;

/// Tells the time of a tick.
pub trait Clock: Send + Sync {
    /// Unix time in seconds.
    fn now(&self) -> UnixSeconds;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may read the wall clock")]
    fn now(&self) -> UnixSeconds {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
    }
}

/// A clock that stands still: for tests and for `snapshot --at`.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub UnixSeconds);

impl Clock for FixedClock {
    fn now(&self) -> UnixSeconds {
        self.0
    }
}
