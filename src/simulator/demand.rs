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
pub(crate) fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.f64()).ln()
}

/// A log-normally distributed value around `median`, sometimes far above it, as latencies are.
pub(crate) fn long_tailed(rng: &mut Rng, median: f64, spread: f64) -> f64 {
    // A normal variate by Box and Muller.
    let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (TAU * rng.f64()).cos();
    median * (spread * normal).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of a distribution, smallest first.
    fn sorted(mut draw: impl FnMut(&mut Rng) -> f64) -> Vec<f64> {
        let mut rng = Rng::with_seed(3);
        let mut values: Vec<f64> = (0..20_000).map(|_| draw(&mut rng)).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    #[test]
    fn times_between_arrivals_have_their_mean_and_are_never_negative() {
        let values = sorted(|rng| exponential(rng, 150.0));
        let mean = values.iter().sum::<f64>() / 20_000.0;
        assert!(values[0] >= 0.0 && (mean / 150.0 - 1.0).abs() < 0.03, "{mean}");
        // Half of them are shorter than the mean times ln 2.
        assert!((values[10_000] / (150.0 * std::f64::consts::LN_2) - 1.0).abs() < 0.05);
    }

    #[test]
    fn latencies_have_their_median_and_a_tail_to_one_side() {
        let values = sorted(|rng| long_tailed(rng, 25.0, 0.7));
        let (low, median, high) = (values[200], values[10_000], values[19_800]);
        assert!(low > 0.0 && (median / 25.0 - 1.0).abs() < 0.03, "{median}");
        assert!(high - median > 3.0 * (median - low), "{low} {median} {high}");
        // e^(0.7 · 2.326), the 99th percentile of a log-normal distribution.
        assert!((high / median / 5.095 - 1.0).abs() < 0.1, "{}", high / median);
    }

    #[test]
    fn demand_rises_and_falls_over_a_day() {
        let (mut rng, mut demand) = (Rng::with_seed(1), Demand { burst: f64::INFINITY });
        for (now, expected) in [(0.0, 1.0), (300.0, 1.4), (600.0, 1.0), (900.0, 0.6), (1200.0, 1.0), (1500.0, 1.4)] {
            let factor = demand.factor(&mut rng, now);
            assert!((factor - expected).abs() < 1e-9, "{factor} at {now}");
        }
    }

    #[test]
    fn a_burst_lasts_a_quarter_of_a_minute_and_another_follows() {
        let (mut rng, mut demand) = (Rng::with_seed(1), Demand { burst: 600.0 });
        assert!(!demand.is_burst(599.9) && demand.is_burst(600.0));
        let [before, begin, end] = [599.9, 600.0, 615.0].map(|now| demand.factor(&mut rng, now));
        assert!((before - 1.0).abs() < 0.01 && (begin - 2.5).abs() < 0.01 && end > 2.4, "{before} {begin} {end}");
        let after = demand.factor(&mut rng, 615.1);
        assert!(after < 1.0 && demand.burst > 615.1, "{after}, the next at {}", demand.burst);
    }

    #[test]
    fn the_first_burst_comes_after_the_start() {
        for seed in 0..50 {
            let demand = Demand::new(&mut Rng::with_seed(seed), 1000.0);
            assert!(demand.burst >= 1000.0);
        }
    }
}
