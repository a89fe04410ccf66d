//! `spec.behavior` of a HorizontalPodAutoscaler: stabilization windows and how fast a count may change.
//!
//! Rules: kubernetes.io, "Horizontal Pod Autoscaling", Configurable scaling behavior.

use serde::Deserialize;

use super::replicas;
use crate::base::clock::UnixSeconds;

/// One direction's rules.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingRules {
    /// Recommendations of so many seconds count: the least when scaling up, the greatest when scaling down.
    pub stabilization: f64,
    pub select: SelectPolicy,
    pub policies: Vec<RatePolicy>,
    /// Relative distance between metric and target that changes nothing.
    pub tolerance: f64,
}

/// Which of several rates applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SelectPolicy {
    /// The one that allows the greatest change.
    Max,
    /// The one that allows the smallest.
    Min,
    /// No change in this direction.
    Disabled,
}

/// How much may change in `period` seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatePolicy {
    pub change: RateChange,
    pub period: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateChange {
    Pods(u32),
    Percent(u32),
}

/// Both directions.
#[derive(Debug, Clone, PartialEq)]
pub struct Behavior {
    pub up: ScalingRules,
    pub down: ScalingRules,
}

/// The controller's tolerance (`--horizontal-pod-autoscaler-tolerance`).
pub const TOLERANCE: f64 = 0.1;
/// The controller's window for scaling down (`--horizontal-pod-autoscaler-downscale-stabilization`).
pub const DOWNSCALE_STABILIZATION: f64 = 300.0;

impl Default for Behavior {
    fn default() -> Self {
        let rate = |change| RatePolicy { change, period: 15.0 };
        let all = RateChange::Percent(100);
        let up = vec![rate(RateChange::Pods(4)), rate(all)];
        let rules = |stabilization, policies| ScalingRules {
            stabilization,
            select: SelectPolicy::Max,
            policies,
            tolerance: TOLERANCE,
        };
        Self { up: rules(0.0, up), down: rules(DOWNSCALE_STABILIZATION, vec![rate(all)]) }
    }
}

/// What was recommended and done: the memory of one HorizontalPodAutoscaler.
#[derive(Debug, Default)]
pub struct BehaviorHistory {
    recommendations: Vec<(UnixSeconds, u32)>,
    ups: Vec<(UnixSeconds, u32)>,
    downs: Vec<(UnixSeconds, u32)>,
}

impl BehaviorHistory {
    /// The count that the behavior allows for a recommendation.
    pub fn allowed(&mut self, behavior: &Behavior, now: UnixSeconds, current: u32, recommended: u32) -> u32 {
        if self.recommendations.is_empty() {
            self.recommendations.push((now, current));
        }
        let stable = self.stabilized(behavior, now, current, recommended);
        self.recommendations.push((now, recommended));
        let allowed = match stable {
            up if up > current => up.min(self.up_limit(&behavior.up, now, current).max(current)),
            down if down < current => down.max(self.down_limit(&behavior.down, now, current).min(current)),
            same => same,
        };
        self.expire(behavior, now);
        allowed
    }

    /// Notes a change that was made.
    pub fn note(&mut self, now: UnixSeconds, from: u32, to: u32) {
        match to.cmp(&from) {
            std::cmp::Ordering::Greater => self.ups.push((now, to - from)),
            std::cmp::Ordering::Less => self.downs.push((now, from - to)),
            std::cmp::Ordering::Equal => {}
        }
    }

    /// Up at most to the least recommendation of its window, down at least to the greatest of its own.
    fn stabilized(&self, behavior: &Behavior, now: UnixSeconds, current: u32, recommended: u32) -> u32 {
        let within = |seconds: f64| {
            let since = now - seconds;
            self.recommendations.iter().filter(move |(at, _)| *at > since).map(|(_, count)| *count)
        };
        let least = within(behavior.up.stabilization).fold(recommended, u32::min);
        let greatest = within(behavior.down.stabilization).fold(recommended, u32::max);
        current.max(least).min(greatest)
    }

    fn up_limit(&self, rules: &ScalingRules, now: UnixSeconds, current: u32) -> u32 {
        let limits = rules.policies.iter().map(|policy| {
            let start = f64::from(self.at_start(now, policy.period, current));
            match policy.change {
                RateChange::Pods(pods) => replicas(start + f64::from(pods)),
                RateChange::Percent(percent) => replicas((start * (1.0 + f64::from(percent) / 100.0)).ceil()),
            }
        });
        match rules.select {
            SelectPolicy::Max => limits.max().unwrap_or(current),
            SelectPolicy::Min => limits.min().unwrap_or(current),
            SelectPolicy::Disabled => current,
        }
    }

    fn down_limit(&self, rules: &ScalingRules, now: UnixSeconds, current: u32) -> u32 {
        let limits = rules.policies.iter().map(|policy| {
            let start = f64::from(self.at_start(now, policy.period, current));
            match policy.change {
                RateChange::Pods(pods) => replicas((start - f64::from(pods)).max(0.0)),
                RateChange::Percent(percent) => replicas((start * (1.0 - f64::from(percent) / 100.0)).max(0.0).floor()),
            }
        });
        match rules.select {
            SelectPolicy::Max => limits.min().unwrap_or(current),
            SelectPolicy::Min => limits.max().unwrap_or(current),
            SelectPolicy::Disabled => current,
        }
    }

    /// The count when the period began: today's without what was added since, and with what was removed.
    fn at_start(&self, now: UnixSeconds, period: f64, current: u32) -> u32 {
        let since = |events: &[(UnixSeconds, u32)]| {
            events.iter().filter(|(at, _)| *at > now - period).map(|(_, change)| *change).sum::<u32>()
        };
        (current + since(&self.downs)).saturating_sub(since(&self.ups))
    }

    fn expire(&mut self, behavior: &Behavior, now: UnixSeconds) {
        let longest = |rules: &ScalingRules| rules.policies.iter().map(|policy| policy.period).fold(0.0, f64::max);
        let window = behavior.up.stabilization.max(behavior.down.stabilization);
        let period = longest(&behavior.up).max(longest(&behavior.down));
        // One recommendation always stays: an empty list stands for the first decision.
        let old = self.recommendations.iter().filter(|(at, _)| *at <= now - window).count();
        self.recommendations.drain(..old.min(self.recommendations.len().saturating_sub(1)));
        self.ups.retain(|(at, _)| *at > now - period);
        self.downs.retain(|(at, _)| *at > now - period);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(stabilization: f64, select: SelectPolicy, policies: &[(RateChange, f64)]) -> ScalingRules {
        let policies = policies.iter().map(|&(change, period)| RatePolicy { change, period }).collect();
        ScalingRules { stabilization, select, policies, tolerance: TOLERANCE }
    }

    fn both(rules: &ScalingRules) -> Behavior {
        Behavior { up: rules.clone(), down: rules.clone() }
    }

    /// Recommends the same count every 15 seconds; the counts that follow.
    fn follow(behavior: &Behavior, from: u32, recommended: u32, steps: usize) -> Vec<u32> {
        let (mut history, mut current) = (BehaviorHistory::default(), from);
        let mut step = |now: f64| {
            let next = history.allowed(behavior, now, current, recommended);
            history.note(now, current, next);
            current = next;
            next
        };
        (0..steps).map(|n| step(15.0 * n as f64)).collect()
    }

    #[test]
    fn by_default_a_count_doubles_or_grows_by_four_in_15_seconds() {
        assert_eq!(follow(&Behavior::default(), 1, 100, 6), [5, 10, 20, 40, 80, 100]);
    }

    #[test]
    fn by_default_a_count_falls_once_five_minutes_recommend_it_and_then_at_once() {
        let counts = follow(&Behavior::default(), 10, 2, 22);
        assert_eq!(counts[..20], [10; 20], "the first recommendation was the count itself");
        assert_eq!(counts[20..], [2, 2]);
    }

    /// The page's own example: 80 pods, 10 % a minute or 4 pods a minute, whichever is more, down to 10.
    #[test]
    fn the_example_of_kubernetes_page_falls_by_ten_percent_and_from_40_on_by_four() {
        let down = rules(0.0, SelectPolicy::Max, &[(RateChange::Pods(4), 60.0), (RateChange::Percent(10), 60.0)]);
        let behavior = both(&down);
        let (mut history, mut current, mut counts) = (BehaviorHistory::default(), 80, Vec::new());
        for minute in 0..14 {
            let now = 60.0 * f64::from(minute);
            let next = history.allowed(&behavior, now, current, 10);
            history.note(now, current, next);
            current = next;
            counts.push(next);
        }
        assert_eq!(counts, [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10]);
    }

    #[test]
    fn within_a_period_the_changes_add_up_to_its_rate() {
        let slow = rules(0.0, SelectPolicy::Max, &[(RateChange::Pods(2), 60.0)]);
        assert_eq!(follow(&both(&slow), 1, 100, 9), [3, 3, 3, 3, 5, 5, 5, 5, 7]);
        assert_eq!(follow(&both(&slow), 9, 1, 9), [7, 7, 7, 7, 5, 5, 5, 5, 3]);
    }

    #[test]
    fn the_smallest_change_applies_where_min_is_selected_and_none_where_disabled() {
        let two = [(RateChange::Pods(4), 15.0), (RateChange::Percent(100), 15.0)];
        assert_eq!(follow(&both(&rules(0.0, SelectPolicy::Min, &two)), 2, 100, 3), [4, 8, 12]);
        assert_eq!(follow(&both(&rules(0.0, SelectPolicy::Min, &two)), 10, 1, 3), [6, 2, 1]);
        assert_eq!(follow(&both(&rules(0.0, SelectPolicy::Disabled, &two)), 10, 1, 2), [10, 10]);
        assert_eq!(follow(&both(&rules(0.0, SelectPolicy::Disabled, &two)), 1, 10, 2), [1, 1]);
    }

    #[test]
    fn a_stabilized_scale_up_waits_until_its_whole_window_recommends_it() {
        let slow = rules(60.0, SelectPolicy::Max, &[(RateChange::Percent(100), 15.0)]);
        assert_eq!(follow(&both(&slow), 4, 8, 6), [4, 4, 4, 4, 8, 8]);
    }

    #[test]
    fn a_short_dip_does_not_scale_down_and_a_short_peak_keeps_the_count_for_the_window() {
        let behavior = Behavior::default();
        let mut history = BehaviorHistory::default();
        let mut allowed = |now, current, recommended| history.allowed(&behavior, now, current, recommended);
        assert_eq!(allowed(0.0, 10, 10), 10);
        assert_eq!(allowed(15.0, 10, 3), 10, "a dip");
        assert_eq!(allowed(30.0, 10, 12), 12, "a peak");
        assert_eq!(allowed(300.0, 12, 3), 12, "it is in the window");
        assert_eq!(allowed(331.0, 12, 3), 3, "it has left it");
    }
}
