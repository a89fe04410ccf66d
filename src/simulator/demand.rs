//! Demand: a daily curve, bursts, and chance.

use std::f64::consts::TAU;

use fastrand::Rng;

use crate::base::clock::UnixSeconds;

/// A simulated day, short enough to watch.
const DAY_SECONDS: f64 = 1200.0;
/// Between the ends of two bursts, on average.
const CALM_SECONDS: f64 = 150.0;
const BURST_SECONDS: f64 = 15.0;
/// Arrivals in a burst, relative to the time around it.
const BURST_FACTOR: f64 = 2.5;

#[derive(Debug)]
pub(super) struct Demand {
    /// When the current burst began, or the next one begins.
    burst: UnixSeconds,
}

impl Demand {
    pub(super) fn new(rng: &mut Rng, now: UnixSeconds) -> Self {
        Self { burst: now + exponential(rng, CALM_SECONDS) }
    }

    /// Arrivals at `now`, relative to the average.
    pub(super) fn factor(&mut self, rng: &mut Rng, now: UnixSeconds) -> f64 {
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

/// An exponentially distributed time of this mean.
pub(super) fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.f64()).ln()
}

/// A log-normally distributed value around `median`, sometimes far above it, as latencies are.
pub(super) fn long_tailed(rng: &mut Rng, median: f64, spread: f64) -> f64 {
    // A normal variate by Box and Muller.
    let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (TAU * rng.f64()).cos();
    median * (spread * normal).exp()
}
