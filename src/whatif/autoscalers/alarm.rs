//! A CloudWatch alarm on one metric: periods, M out of N, missing data, and repeated scaling actions.
//!
//! Rules: CloudWatch user guide, "Using Amazon CloudWatch alarms". An alarm whose action scales repeats it once a minute
//! while it stays in ALARM. A period without a point neither breaches nor clears (`TreatMissingData: missing`).

use std::collections::VecDeque;

use serde::Deserialize;

use crate::base::clock::UnixSeconds;

/// Seconds after the end of a period at which CloudWatch has its points.
pub const INGESTION_SECONDS: f64 = 5.0;
/// Seconds between two actions of an alarm that stays in ALARM.
const REPEAT_SECONDS: f64 = 60.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Statistic {
    Average,
    Maximum,
    Minimum,
    Sum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Comparison {
    #[serde(rename = "GreaterThanOrEqualToThreshold")]
    GreaterOrEqual,
    #[serde(rename = "GreaterThanThreshold")]
    Greater,
    #[serde(rename = "LessThanOrEqualToThreshold")]
    LessOrEqual,
    #[serde(rename = "LessThanThreshold")]
    Less,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlarmPolicy {
    /// Seconds: 10, 20, 30 or a multiple of 60.
    pub period: f64,
    /// N, periods.
    pub evaluated: usize,
    /// M of them must breach.
    pub breaching: usize,
    pub statistic: Statistic,
    pub comparison: Comparison,
    pub threshold: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    count: u32,
    sum: f64,
    min: f64,
    max: f64,
}

#[derive(Debug)]
pub struct Alarm {
    policy: AlarmPolicy,
    /// The periods so far, oldest first; the last one is under way.
    buckets: VecDeque<Bucket>,
    /// Begin of the last one.
    begin: UnixSeconds,
    next_action: Option<UnixSeconds>,
}

impl Alarm {
    #[must_use]
    pub fn new(policy: AlarmPolicy, now: UnixSeconds) -> Self {
        let begin = (now / policy.period).floor() * policy.period;
        Self { policy, buckets: VecDeque::from([Bucket::default()]), begin, next_action: None }
    }

    #[must_use]
    pub const fn policy(&self) -> &AlarmPolicy {
        &self.policy
    }

    /// Adds a point.
    pub fn push(&mut self, at: UnixSeconds, value: f64) {
        self.advance(at);
        if let Some(bucket) = self.buckets.back_mut() {
            bucket.add(value);
        }
    }

    /// The statistic of the newest period that breaches, where the alarm acts at `now`: when it goes into ALARM, and each
    /// minute that it stays.
    pub fn act(&mut self, now: UnixSeconds) -> Option<f64> {
        let ended = self.ended(now - INGESTION_SECONDS);
        let from = ended.saturating_sub(self.policy.evaluated);
        let values = self.buckets.range(from..ended).filter_map(|bucket| bucket.statistic(self.policy.statistic));
        let breaching: Vec<f64> = values.filter(|value| self.breaches(*value)).collect();
        if breaching.len() < self.policy.breaching {
            self.next_action = None;
            return None;
        }
        if self.next_action.is_some_and(|next| now < next) {
            return None;
        }
        self.next_action = Some(now + REPEAT_SECONDS);
        breaching.last().copied()
    }

    fn breaches(&self, value: f64) -> bool {
        let threshold = self.policy.threshold;
        match self.policy.comparison {
            Comparison::GreaterOrEqual => value >= threshold,
            Comparison::Greater => value > threshold,
            Comparison::LessOrEqual => value <= threshold,
            Comparison::Less => value < threshold,
        }
    }

    /// The number of periods that ended by `at`.
    fn ended(&mut self, at: UnixSeconds) -> usize {
        self.advance(at);
        let (mut ended, mut end) = (self.buckets.len() - 1, self.begin);
        while end > at && ended > 0 {
            ended -= 1;
            end -= self.policy.period;
        }
        ended
    }

    /// Begins the periods up to `at`.
    fn advance(&mut self, at: UnixSeconds) {
        while self.begin + self.policy.period <= at {
            self.begin += self.policy.period;
            self.buckets.push_back(Bucket::default());
            // One more than is evaluated and the one under way: the last may have ended and not be ingested.
            if self.buckets.len() > self.policy.evaluated + 2 {
                self.buckets.pop_front();
            }
        }
    }
}

impl Bucket {
    fn add(&mut self, value: f64) {
        (self.min, self.max) =
            if self.count == 0 { (value, value) } else { (self.min.min(value), self.max.max(value)) };
        self.count += 1;
        self.sum += value;
    }

    /// `None` without a point.
    fn statistic(&self, statistic: Statistic) -> Option<f64> {
        (self.count > 0).then(|| match statistic {
            Statistic::Average => self.sum / f64::from(self.count),
            Statistic::Maximum => self.max,
            Statistic::Minimum => self.min,
            Statistic::Sum => self.sum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(period: f64, evaluated: usize, breaching: usize) -> AlarmPolicy {
        let (statistic, comparison) = (Statistic::Average, Comparison::Greater);
        AlarmPolicy { period, evaluated, breaching, statistic, comparison, threshold: 1.0 }
    }

    /// The times of its actions, evaluated `INGESTION_SECONDS` after each period of values (`None` is a period without point).
    fn actions(policy: AlarmPolicy, values: &[Option<f64>]) -> Vec<f64> {
        let mut alarm = Alarm::new(policy, 0.0);
        let mut times = Vec::new();
        for (n, value) in values.iter().enumerate() {
            let begin = policy.period * n as f64;
            value.iter().for_each(|value| alarm.push(begin + 1.0, *value));
            let now = begin + policy.period + INGESTION_SECONDS;
            times.extend(alarm.act(now).map(|_| now));
        }
        times
    }

    #[test]
    fn three_of_three_minutes_must_breach_and_the_action_repeats_each_minute() {
        let [low, high] = [Some(0.5), Some(2.0)];
        assert_eq!(actions(policy(60.0, 3, 3), &[high, high, low, high, high]), [0.0; 0]);
        assert_eq!(actions(policy(60.0, 3, 3), &[high, high, high, high, low, high]), [185.0, 245.0]);
    }

    #[test]
    fn two_of_three_short_periods_act_after_20_seconds_and_then_once_a_minute() {
        let high = [Some(2.0); 9];
        assert_eq!(actions(policy(10.0, 3, 2), &high), [25.0, 85.0]);
        assert_eq!(actions(policy(10.0, 3, 2), &[Some(2.0), Some(0.0), Some(2.0)]), [35.0]);
    }

    #[test]
    fn a_period_without_a_point_does_not_breach() {
        assert_eq!(actions(policy(60.0, 3, 3), &[Some(2.0), None, Some(2.0), Some(2.0)]), [0.0; 0]);
        assert_eq!(actions(policy(60.0, 3, 3), &[None; 9]), [0.0; 0]);
        let below = AlarmPolicy { comparison: Comparison::Less, ..policy(60.0, 3, 3) };
        assert_eq!(actions(below, &[None; 9]), [0.0; 0], "nothing is not little");
    }

    #[test]
    fn a_period_has_the_statistic_of_its_points() {
        for (statistic, expected) in
            [(Statistic::Average, 2.0), (Statistic::Maximum, 3.0), (Statistic::Minimum, 1.5), (Statistic::Sum, 6.0)]
        {
            let mut alarm = Alarm::new(AlarmPolicy { statistic, ..policy(60.0, 1, 1) }, 0.0);
            [3.0, 1.5, 1.5].into_iter().for_each(|value| alarm.push(10.0, value));
            assert_eq!(alarm.act(65.0), Some(expected), "{statistic:?}");
        }
    }

    #[test]
    fn each_comparison_is_with_the_threshold() {
        for (comparison, expected) in [
            (Comparison::GreaterOrEqual, [false, true, true]),
            (Comparison::Greater, [false, false, true]),
            (Comparison::LessOrEqual, [true, true, false]),
            (Comparison::Less, [true, false, false]),
        ] {
            let alarm = Alarm::new(AlarmPolicy { comparison, ..policy(60.0, 1, 1) }, 0.0);
            assert_eq!([0.5, 1.0, 1.5].map(|value| alarm.breaches(value)), expected);
        }
    }

    #[test]
    fn a_point_counts_once_its_period_is_over_and_ingested() {
        let mut alarm = Alarm::new(policy(60.0, 1, 1), 0.0);
        alarm.push(59.0, 2.0);
        alarm.push(60.0, 0.0);
        assert_eq!([60.0, 64.9, 65.0].map(|now| alarm.act(now)), [None, None, Some(2.0)]);
        alarm.push(120.0, 0.0);
        assert_eq!(alarm.act(125.0), None, "the second period is low");
    }
}
