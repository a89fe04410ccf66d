//! A load by rule: a rate over time, and how long tasks run.

use fastrand::Rng;

use super::{Arrival, Arrivals, Fault, Load};
use crate::base::clock::UnixSeconds;
use crate::simulator::{exponential, long_tailed, pick_role};

/// A kind of task: its share of all, and the log-normal distribution of its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskKind {
    pub share: f64,
    pub median_seconds: f64,
    /// Standard deviation of the logarithm.
    pub spread: f64,
}

/// A load by rule. Rates are linear between their times and constant outside.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Seconds since the start, and tasks that arrive in a second.
    pub rates: Vec<(UnixSeconds, f64)>,
    pub kinds: Vec<TaskKind>,
}

impl Shape {
    /// Tasks that arrive in a second.
    #[must_use]
    pub fn rate(&self, at: UnixSeconds) -> f64 {
        let after = self.rates.partition_point(|(time, _)| *time <= at);
        let before = after.checked_sub(1).and_then(|index| self.rates.get(index));
        match (before, self.rates.get(after)) {
            (Some((from, low)), Some((to, high))) => low + (high - low) * (at - from) / (to - from),
            (Some((_, rate)), None) | (None, Some((_, rate))) => *rate,
            (None, None) => 0.0,
        }
    }

    /// The shape of a deployment that is `factor` times as large.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.rates.iter_mut().for_each(|(_, rate)| *rate *= factor);
        self
    }

    /// Mean time of a task.
    #[must_use]
    pub fn mean_seconds(&self) -> f64 {
        self.kinds.iter().map(|kind| kind.share * kind.median_seconds * (kind.spread * kind.spread / 2.0).exp()).sum()
    }

    /// Endless arrivals of a Poisson process with this rate: candidates at the greatest rate, thinned out.
    pub(super) fn arrivals(&self, seed: u64) -> impl Iterator<Item = Arrival> + '_ {
        let greatest = self.rates.iter().map(|(_, rate)| *rate).fold(1e-9, f64::max);
        let (mut rng, mut at) = (Rng::with_seed(seed), 0.0);
        let candidate = move || {
            at += exponential(&mut rng, 1.0 / greatest);
            let is_kept = rng.f64() * greatest < self.rate(at);
            let (role, seconds) = (pick_role(&mut rng), self.draw_seconds(&mut rng));
            (is_kept, Arrival { at, role, seconds })
        };
        std::iter::repeat_with(candidate).filter_map(|(is_kept, arrival)| is_kept.then_some(arrival))
    }

    fn draw_seconds(&self, rng: &mut Rng) -> f64 {
        let mut draw = rng.f64();
        let last = self.kinds.last();
        let drawn = self.kinds.iter().find(|kind| {
            draw -= kind.share;
            draw < 0.0
        });
        drawn.or(last).map_or(1.0, |kind| long_tailed(rng, kind.median_seconds, kind.spread))
    }

    /// The load that follows it for so many seconds.
    #[must_use]
    pub fn into_load(self, name: &str, seconds: f64, faults: Vec<Fault>) -> Load {
        Load { name: name.to_owned(), seconds, faults, arrivals: Arrivals::Shape(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        let kinds = vec![
            TaskKind { share: 0.75, median_seconds: 10.0, spread: 0.5 },
            TaskKind { share: 0.25, median_seconds: 100.0, spread: 0.0 },
        ];
        Shape { rates: vec![(100.0, 1.0), (200.0, 3.0), (300.0, 3.0)], kinds }
    }

    #[test]
    fn the_rate_is_linear_between_its_times() {
        let rates = [0.0, 100.0, 150.0, 199.0, 200.0, 300.0, 9999.0].map(|at| shape().rate(at));
        assert_eq!(rates, [1.0, 1.0, 2.0, 2.98, 3.0, 3.0, 3.0]);
        assert_eq!(shape().scaled(10.0).rate(150.0), 20.0);
    }

    #[test]
    fn arrivals_follow_the_rate_and_the_seed() {
        let load = shape().into_load("x", 20_000.0, vec![]);
        let arrivals: Vec<Arrival> = load.arrivals(1).collect();
        let within = |from: f64, to: f64| {
            let count = arrivals.iter().filter(|arrival| arrival.at >= from && arrival.at < to).count();
            count as f64 / (to - from)
        };
        assert!((within(1000.0, 20_000.0) / 3.0 - 1.0).abs() < 0.02, "{}", within(1000.0, 20_000.0));
        assert!(within(0.0, 100.0) < 1.4, "{}", within(0.0, 100.0));
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
        assert!(load.arrivals(1).eq(arrivals.iter().copied()) && load.arrivals(2).ne(arrivals));
    }

    #[test]
    fn task_times_have_their_mean() {
        let load = shape().into_load("x", 20_000.0, vec![]);
        let times: Vec<f64> = load.arrivals(3).map(|arrival| arrival.seconds).collect();
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((mean / shape().mean_seconds() - 1.0).abs() < 0.03, "{mean} {}", shape().mean_seconds());
    }
}
