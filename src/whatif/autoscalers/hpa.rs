//! A HorizontalPodAutoscaler on external metrics.
//!
//! Rules: kubernetes.io, "Horizontal Pod Autoscaling", Algorithm details: `ceil(ready × value / target)` (`Value`) or
//! `ceil(value / target)` (`AverageValue`), nothing within the tolerance, the greatest of several metrics, and no scale-in
//! while one is missing.

use super::behavior::{Behavior, BehaviorHistory};
use super::{Replicas, replicas};
use crate::base::clock::UnixSeconds;

/// Seconds between two decisions (`--horizontal-pod-autoscaler-sync-period`).
pub const SYNC_SECONDS: f64 = 15.0;

/// What an external metric is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// The value itself.
    Value(f64),
    /// The value divided by the replicas.
    AverageValue(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct HpaPolicy {
    pub min: u32,
    pub max: u32,
    /// One a metric, in the order in which values come.
    pub targets: Vec<Target>,
    pub behavior: Behavior,
}

#[derive(Debug)]
pub struct Hpa {
    policy: HpaPolicy,
    history: BehaviorHistory,
}

impl Hpa {
    #[must_use]
    pub fn new(policy: HpaPolicy) -> Self {
        Self { policy, history: BehaviorHistory::default() }
    }

    /// One sync: the count that is to be, from the metrics' values in the order of the targets; `None` is a metric that
    /// cannot be had.
    pub fn sync(&mut self, now: UnixSeconds, now_running: Replicas, values: &[Option<f64>]) -> u32 {
        let HpaPolicy { min, max, .. } = self.policy;
        let current = now_running.wanted;
        let wanted = match current {
            // A workload at 0 is switched off for the HPA.
            0 => return 0,
            above if above > max => max,
            below if below < min => min,
            _ => {
                let Some(recommended) = self.recommended(now_running, values) else { return current };
                let allowed = self.history.allowed(&self.policy.behavior, now, current, recommended);
                allowed.clamp(min, max)
            }
        };
        self.history.note(now, current, wanted);
        wanted
    }

    /// What the metrics ask for; `None` where that is to be left alone.
    fn recommended(&self, running: Replicas, values: &[Option<f64>]) -> Option<u32> {
        let proposals = self.policy.targets.iter().zip(values).map(|(target, value)| {
            let value = (*value)?;
            Some(self.proposal(*target, quantity(value), running))
        });
        let proposals: Vec<Option<u32>> = proposals.collect();
        let greatest = proposals.iter().copied().flatten().max()?;
        let is_missing = proposals.contains(&None);
        (!is_missing || greatest >= running.wanted).then_some(greatest)
    }

    fn proposal(&self, target: Target, value: f64, running: Replicas) -> u32 {
        let current = f64::from(running.wanted);
        let (ratio, count) = match target {
            Target::Value(target) => (value / target, (f64::from(running.ready) * value / target).ceil()),
            Target::AverageValue(target) => (value / (target * current), (value / target).ceil()),
        };
        if self.is_within_tolerance(ratio) { running.wanted } else { replicas(count) }
    }

    fn is_within_tolerance(&self, ratio: f64) -> bool {
        let Behavior { up, down } = &self.policy.behavior;
        (1.0 - down.tolerance..=1.0 + up.tolerance).contains(&ratio)
    }
}

/// A value as the metrics APIs carry it: in thousandths.
fn quantity(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hpa(targets: &[Target]) -> Hpa {
        Hpa::new(HpaPolicy { min: 1, max: 50, targets: targets.to_vec(), behavior: Behavior::default() })
    }

    fn first(targets: &[Target], wanted: u32, values: &[Option<f64>]) -> u32 {
        hpa(targets).sync(0.0, Replicas { wanted, ready: wanted }, values)
    }

    #[test]
    fn a_value_scales_in_proportion_and_rounds_up() {
        for (value, expected) in [(0.8, 8), (0.61, 7), (0.44, 4), (0.45, 5), (0.36, 4), (0.4, 4)] {
            assert_eq!(first(&[Target::Value(0.4)], 4, &[Some(value)]), expected, "{value}");
        }
    }

    #[test]
    fn an_average_value_asks_for_its_count_whatever_runs() {
        for (value, expected) in [(7.0, 7), (7.2, 8), (4.4, 4), (4.41, 5), (0.0, 4)] {
            assert_eq!(first(&[Target::AverageValue(1.0)], 4, &[Some(value)]), expected, "{value}");
        }
        let beyond_eight = first(&[Target::AverageValue(1.0)], 4, &[Some(30.0)]);
        assert_eq!(beyond_eight, 8, "at most twice or four more in 15 seconds");
    }

    #[test]
    fn nothing_changes_within_ten_percent() {
        for value in [0.9, 0.95, 1.0, 1.05, 1.1] {
            assert_eq!(first(&[Target::Value(1.0)], 20, &[Some(value)]), 20, "{value}");
        }
        assert_eq!(first(&[Target::Value(1.0)], 20, &[Some(1.11)]), 23);
    }

    #[test]
    fn a_ratio_is_multiplied_by_the_replicas_that_are_ready() {
        let mut hpa = hpa(&[Target::Value(0.4)]);
        assert_eq!(hpa.sync(0.0, Replicas { wanted: 8, ready: 4 }, &[Some(0.8)]), 8);
        assert_eq!(hpa.sync(15.0, Replicas { wanted: 8, ready: 4 }, &[Some(1.0)]), 10);
    }

    #[test]
    fn the_greatest_of_several_metrics_wins() {
        let targets = [Target::Value(0.4), Target::AverageValue(1.0)];
        assert_eq!(first(&targets, 4, &[Some(0.6), Some(5.0)]), 6);
        assert_eq!(first(&targets, 4, &[Some(0.6), Some(7.0)]), 7);
    }

    #[test]
    fn a_missing_metric_blocks_scale_in_and_not_scale_out() {
        let targets = [Target::Value(0.4), Target::Value(5000.0)];
        assert_eq!(first(&targets, 4, &[Some(0.8), None]), 8);
        let counts = |second| {
            let mut hpa = hpa(&targets);
            let mut current = 4;
            for sync in 0..40 {
                let replicas = Replicas { wanted: current, ready: current };
                current = hpa.sync(15.0 * f64::from(sync), replicas, &[Some(0.1), second]);
            }
            current
        };
        assert_eq!((counts(None), counts(Some(100.0))), (4, 1));
        assert_eq!(first(&targets, 4, &[None, None]), 4);
    }

    #[test]
    fn counts_outside_the_bounds_come_back_at_once_and_zero_stays() {
        for (wanted, expected) in [(60, 50), (0, 0)] {
            assert_eq!(first(&[Target::Value(1.0)], wanted, &[Some(1.0)]), expected);
        }
        let mut hpa = Hpa::new(HpaPolicy { min: 3, ..hpa(&[Target::Value(1.0)]).policy });
        assert_eq!(hpa.sync(0.0, Replicas { wanted: 1, ready: 1 }, &[None]), 3);
    }
}
