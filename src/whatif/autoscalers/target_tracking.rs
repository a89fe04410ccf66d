//! Target tracking of Application Auto Scaling on a custom metric: whole minutes, three above the target to scale out,
//! fifteen below nine tenths of it to scale in, in proportion.
//!
//! Rules: Application Auto Scaling user guide, "Target tracking scaling policies". How much a scale-in removes is not
//! documented beyond "more gradually"; here it is the proportional count, rounded up.

use super::alarm::{Alarm, AlarmPolicy, Comparison, Statistic};
use super::replicas;
use crate::base::clock::UnixSeconds;

const PERIOD: f64 = 60.0;
const OUT_PERIODS: usize = 3;
const IN_PERIODS: usize = 15;
/// Scale-in starts below this share of the target.
const IN_SHARE: f64 = 0.9;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetTrackingPolicy {
    pub target: f64,
    pub statistic: Statistic,
    pub out_cooldown: f64,
    pub in_cooldown: f64,
    pub disable_scale_in: bool,
}

#[derive(Debug)]
pub struct TargetTracking {
    policy: TargetTrackingPolicy,
    high: Alarm,
    low: Alarm,
}

impl TargetTracking {
    #[must_use]
    pub fn new(policy: TargetTrackingPolicy, now: UnixSeconds) -> Self {
        let alarm = |periods, comparison, threshold| {
            let (evaluated, breaching, statistic) = (periods, periods, policy.statistic);
            Alarm::new(AlarmPolicy { period: PERIOD, evaluated, breaching, statistic, comparison, threshold }, now)
        };
        Self {
            policy,
            high: alarm(OUT_PERIODS, Comparison::Greater, policy.target),
            low: alarm(IN_PERIODS, Comparison::Less, policy.target * IN_SHARE),
        }
    }

    #[must_use]
    pub const fn policy(&self) -> &TargetTrackingPolicy {
        &self.policy
    }

    pub fn push(&mut self, at: UnixSeconds, value: f64) {
        self.high.push(at, value);
        self.low.push(at, value);
    }

    /// The count that a scale-out starting from `base` asks for.
    pub fn scale_out(&mut self, now: UnixSeconds, base: u32) -> Option<u32> {
        self.high.act(now).map(|value| self.proportional(base, value))
    }

    /// The count that a scale-in asks for.
    pub fn scale_in(&mut self, now: UnixSeconds, current: u32) -> Option<u32> {
        let value = self.low.act(now)?;
        (!self.policy.disable_scale_in).then(|| self.proportional(current, value))
    }

    fn proportional(&self, count: u32, value: f64) -> u32 {
        replicas((f64::from(count) * value / self.policy.target).ceil())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracking() -> TargetTracking {
        let statistic = Statistic::Average;
        let policy = TargetTrackingPolicy {
            target: 0.4,
            statistic,
            out_cooldown: 60.0,
            in_cooldown: 300.0,
            disable_scale_in: false,
        };
        TargetTracking::new(policy, 0.0)
    }

    /// The first minute after whose end it asks for a count, and the count, starting from 10.
    fn first(mut tracking: TargetTracking, value: f64) -> Option<(u32, u32)> {
        (0..40).find_map(|minute| {
            let begin = 60.0 * f64::from(minute);
            tracking.push(begin + 5.0, value);
            let now = begin + 65.0;
            let asked = tracking.scale_out(now, 10).or_else(|| tracking.scale_in(now, 10));
            asked.map(|count| (minute + 1, count))
        })
    }

    #[test]
    fn three_minutes_above_the_target_scale_out_in_proportion() {
        assert_eq!(first(tracking(), 0.8), Some((3, 20)));
        assert_eq!(first(tracking(), 0.41), Some((3, 11)), "rounded up");
    }

    #[test]
    fn fifteen_minutes_below_nine_tenths_of_it_scale_in() {
        assert_eq!(first(tracking(), 0.2), Some((15, 5)));
        assert_eq!(first(tracking(), 0.21), Some((15, 6)), "rounded up");
    }

    #[test]
    fn between_both_nothing_happens() {
        for value in [0.37, 0.38, 0.4] {
            assert_eq!(first(tracking(), value), None, "{value}");
        }
    }

    #[test]
    fn scale_in_can_be_disabled() {
        let policy = TargetTrackingPolicy { disable_scale_in: true, ..tracking().policy };
        assert_eq!(first(TargetTracking::new(policy, 0.0), 0.1), None);
    }
}
