//! Step scaling of Application Auto Scaling: an alarm, and adjustments by how far its metric is beyond the threshold.
//!
//! Rules: Application Auto Scaling API reference, `StepAdjustment` and `StepScalingPolicyConfiguration`.

use serde::Deserialize;

use super::alarm::{Alarm, AlarmPolicy, Comparison};
use super::replicas;
use crate::base::clock::UnixSeconds;

#[derive(Debug, Clone, PartialEq)]
pub struct StepPolicy {
    pub alarm: AlarmPolicy,
    pub kind: AdjustmentKind,
    pub steps: Vec<Step>,
    /// Least number of replicas that a percentage changes.
    pub min_magnitude: u32,
    pub cooldown: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum AdjustmentKind {
    #[serde(rename = "ChangeInCapacity")]
    Change,
    #[serde(rename = "PercentChangeInCapacity")]
    Percent,
    #[serde(rename = "ExactCapacity")]
    Exact,
}

/// An adjustment for a difference between metric and threshold from `lower` to `upper`; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(rename = "MetricIntervalLowerBound")]
    pub lower: Option<f64>,
    #[serde(rename = "MetricIntervalUpperBound")]
    pub upper: Option<f64>,
    #[serde(rename = "ScalingAdjustment")]
    pub adjustment: i32,
}

#[derive(Debug)]
pub struct StepScaling {
    policy: StepPolicy,
    alarm: Alarm,
}

impl StepScaling {
    #[must_use]
    pub fn new(policy: StepPolicy, now: UnixSeconds) -> Self {
        let alarm = Alarm::new(policy.alarm, now);
        Self { policy, alarm }
    }

    #[must_use]
    pub const fn policy(&self) -> &StepPolicy {
        &self.policy
    }

    pub fn push(&mut self, at: UnixSeconds, value: f64) {
        self.alarm.push(at, value);
    }

    /// The count that the alarm asks for at `now`; `base` is the count before a scale-out whose cooldown lasts.
    pub fn act(&mut self, now: UnixSeconds, base: u32) -> Option<u32> {
        let difference = self.alarm.act(now)? - self.policy.alarm.threshold;
        let step = self.policy.steps.iter().find(|step| self.holds(step, difference))?;
        Some(self.adjusted(base, step.adjustment))
    }

    /// Above the threshold the lower bound is inclusive, below it the upper one.
    fn holds(&self, step: &Step, difference: f64) -> bool {
        let (lower, upper) = (step.lower.unwrap_or(f64::NEG_INFINITY), step.upper.unwrap_or(f64::INFINITY));
        match self.policy.alarm.comparison {
            Comparison::GreaterOrEqual | Comparison::Greater => lower <= difference && difference < upper,
            Comparison::LessOrEqual | Comparison::Less => lower < difference && difference <= upper,
        }
    }

    fn adjusted(&self, base: u32, adjustment: i32) -> u32 {
        let change = match self.policy.kind {
            AdjustmentKind::Exact => return adjustment.max(0).unsigned_abs(),
            AdjustmentKind::Change => f64::from(adjustment),
            AdjustmentKind::Percent => self.percent(base, adjustment),
        };
        replicas((f64::from(base) + change).max(0.0))
    }

    /// Rounded towards zero, but by at least one, and at least by the magnitude.
    fn percent(&self, base: u32, adjustment: i32) -> f64 {
        let exact = f64::from(base) * f64::from(adjustment) / 100.0;
        let least = f64::from(self.policy.min_magnitude.max(1));
        if adjustment == 0 { 0.0 } else { exact.trunc().abs().max(least).copysign(exact) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whatif::autoscalers::alarm::Statistic;

    fn step(lower: Option<f64>, upper: Option<f64>, adjustment: i32) -> Step {
        Step { lower, upper, adjustment }
    }

    fn scaling(kind: AdjustmentKind, comparison: Comparison, steps: &[Step]) -> StepScaling {
        let alarm = AlarmPolicy {
            period: 60.0,
            evaluated: 1,
            breaching: 1,
            statistic: Statistic::Average,
            comparison,
            threshold: 50.0,
        };
        StepScaling::new(StepPolicy { alarm, kind, steps: steps.to_vec(), min_magnitude: 0, cooldown: 60.0 }, 0.0)
    }

    fn asked(mut scaling: StepScaling, value: f64, base: u32) -> Option<u32> {
        scaling.push(1.0, value);
        scaling.act(65.0, base)
    }

    /// The example of the API reference: a threshold of 50.
    #[test]
    fn bounds_are_differences_from_the_threshold_inclusive_on_its_side() {
        let out = [step(Some(0.0), Some(10.0), 1), step(Some(10.0), None, 3)];
        let scaled = |value| asked(scaling(AdjustmentKind::Change, Comparison::GreaterOrEqual, &out), value, 10);
        assert_eq!([49.9, 50.0, 59.9, 60.0, 500.0].map(scaled), [None, Some(11), Some(11), Some(13), Some(13)]);
        let down = [step(Some(-10.0), Some(0.0), -1), step(None, Some(-10.0), -3)];
        let scaled = |value| asked(scaling(AdjustmentKind::Change, Comparison::LessOrEqual, &down), value, 10);
        assert_eq!([50.1, 50.0, 40.1, 40.0, 0.0].map(scaled), [None, Some(9), Some(9), Some(7), Some(7)]);
    }

    #[test]
    fn percentages_round_towards_zero_but_change_at_least_one() {
        for (base, percent, expected) in [
            (10, 25, 12),
            (10, 67, 16),
            (3, 10, 4),
            (10, -25, 8),
            (10, -67, 4),
            (3, -10, 2),
            (10, 0, 10),
            (10, -100, 0),
        ] {
            let steps = [step(Some(0.0), None, percent)];
            let scaled = asked(scaling(AdjustmentKind::Percent, Comparison::GreaterOrEqual, &steps), 55.0, base);
            assert_eq!(scaled, Some(expected), "{percent} % of {base}");
        }
    }

    #[test]
    fn a_percentage_has_a_least_magnitude() {
        let mut scaling = scaling(AdjustmentKind::Percent, Comparison::GreaterOrEqual, &[step(Some(0.0), None, 25)]);
        scaling.policy.min_magnitude = 2;
        assert_eq!(asked(scaling, 55.0, 4), Some(6));
    }

    #[test]
    fn an_exact_capacity_is_that_count_and_no_change_goes_below_zero() {
        let exact = scaling(AdjustmentKind::Exact, Comparison::GreaterOrEqual, &[step(Some(0.0), None, 7)]);
        assert_eq!(asked(exact, 55.0, 3), Some(7));
        let change = scaling(AdjustmentKind::Change, Comparison::GreaterOrEqual, &[step(Some(0.0), None, -7)]);
        assert_eq!(asked(change, 55.0, 3), Some(0));
    }

    #[test]
    fn a_difference_that_no_step_covers_changes_nothing() {
        let gap = scaling(AdjustmentKind::Change, Comparison::GreaterOrEqual, &[step(Some(10.0), None, 1)]);
        assert_eq!(asked(gap, 55.0, 3), None);
    }
}
