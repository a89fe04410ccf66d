//! How busy it is: a daily shape, bursts, and chance.

use std::f64::consts::TAU;

use fastrand::Rng;

use crate::base::clock::UnixSeconds;

/// A simulated day, short enough to be watched.
const DAY_SECONDS: f64 = 1200.0;
/// Between the ends of two bursts, on average.
const CALM_SECONDS: f64 = 150.0;
const BURST_SECONDS: f64 = 15.0;
/// How much a burst multiplies what arrives.
const BURST_FACTOR: f64 = 2.5;

/// The demand on the deployment.
#[derive(Debug)]
pub(super) struct Weather {
    /// The next burst, or the one that is on.
    burst: UnixSeconds,
}

impl Weather {
    pub(super) fn new(rng: &mut Rng, now: UnixSeconds) -> Self {
        Self { burst: now + exponential(rng, CALM_SECONDS) }
    }

    /// What arrives at `now` over what arrives on average.
    pub(super) fn demand(&mut self, rng: &mut Rng, now: UnixSeconds) -> f64 {
        if now > self.burst + BURST_SECONDS {
            self.burst = now + exponential(rng, CALM_SECONDS);
        }
        let day = 1.0 + 0.4 * (now / DAY_SECONDS * TAU).sin();
        if self.is_burst(now) { day * BURST_FACTOR } else { day }
    }

    pub(super) fn is_burst(&self, now: UnixSeconds) -> bool {
        now >= self.burst
    }
}

/// A waiting time of this mean without memory.
pub(super) fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.f64()).ln()
}

/// A positive value around `median`, now and then far above it, as latencies are.
pub(super) fn long_tailed(rng: &mut Rng, median: f64, spread: f64) -> f64 {
    // Box and Muller's normal variate.
    let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (TAU * rng.f64()).cos();
    median * (spread * normal).exp()
}
