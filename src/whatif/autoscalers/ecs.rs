//! An ECS service under Application Auto Scaling: several policies on one desired count, with cooldowns.
//!
//! Rules: Application Auto Scaling user guide. Of several policies the one with the greatest count wins; target tracking scales
//! in only where every target tracking policy would; a scale-out ends the cooldown of a scale-in; while the cooldown of a
//! scale-out lasts, what it added counts as part of the next one. The cooldown begins with the change.

use super::Replicas;
use super::step_scaling::{StepPolicy, StepScaling};
use super::target_tracking::{TargetTracking, TargetTrackingPolicy};
use crate::base::clock::UnixSeconds;

/// Seconds between two looks at the alarms: the shortest period that an alarm can have.
pub const EVALUATION_SECONDS: f64 = 10.0;

#[derive(Debug, Clone, PartialEq)]
pub struct EcsPolicy {
    pub min: u32,
    pub max: u32,
    /// One a metric, in the order in which values come.
    pub policies: Vec<ScalingPolicy>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ScalingPolicy {
    TargetTracking(TargetTrackingPolicy),
    Step(StepPolicy),
}

#[derive(Debug)]
enum Scaling {
    TargetTracking(TargetTracking),
    Step(StepScaling),
}

/// A scale-out and its cooldown.
#[derive(Debug, Clone, Copy)]
struct ScaleOut {
    /// The count before it.
    base: u32,
    until: UnixSeconds,
}

#[derive(Debug)]
struct Scaler {
    scaling: Scaling,
    out: Option<ScaleOut>,
}

#[derive(Debug)]
pub struct Ecs {
    min: u32,
    max: u32,
    scalers: Vec<Scaler>,
    /// When the cooldown of the last scale-in ends.
    scale_in: Option<UnixSeconds>,
}

impl Ecs {
    #[must_use]
    pub fn new(policy: EcsPolicy, now: UnixSeconds) -> Self {
        let scaler = |policy| {
            let scaling = match policy {
                ScalingPolicy::TargetTracking(policy) => Scaling::TargetTracking(TargetTracking::new(policy, now)),
                ScalingPolicy::Step(policy) => Scaling::Step(StepScaling::new(policy, now)),
            };
            Scaler { scaling, out: None }
        };
        let scalers = policy.policies.into_iter().map(scaler).collect();
        Self { min: policy.min, max: policy.max, scalers, scale_in: None }
    }

    /// Adds the points of one push; an absent value has none.
    pub fn push(&mut self, at: UnixSeconds, values: &[Option<f64>]) {
        for (scaler, value) in self.scalers.iter_mut().zip(values) {
            let Some(value) = *value else { continue };
            match &mut scaler.scaling {
                Scaling::TargetTracking(tracking) => tracking.push(at, value),
                Scaling::Step(step) => step.push(at, value),
            }
        }
    }

    /// The desired count after the alarms of `now`.
    pub fn evaluate(&mut self, now: UnixSeconds, running: Replicas) -> u32 {
        let current = running.wanted.clamp(self.min, self.max);
        if self.scale_in.is_some_and(|until| until <= now) {
            self.scale_in = None;
        }
        let proposals: Vec<Proposal> = self.scalers.iter_mut().map(|scaler| scaler.proposal(now, current)).collect();
        let out = proposals.iter().filter_map(|proposal| proposal.count).filter(|count| *count > current).max();
        if let Some(count) = out {
            let count = count.min(self.max);
            self.note_out(now, current, count, &proposals);
            return count;
        }
        self.shrunk(now, current, &proposals)
    }

    /// Policies that wanted more begin their cooldown; that of a scale-in stops.
    fn note_out(&mut self, now: UnixSeconds, current: u32, count: u32, proposals: &[Proposal]) {
        if count <= current {
            return;
        }
        self.scale_in = None;
        for (scaler, proposal) in self.scalers.iter_mut().zip(proposals) {
            if proposal.count.is_some_and(|count| count > current) {
                let base = scaler.base(now, current);
                scaler.out = Some(ScaleOut { base, until: now + scaler.out_cooldown() });
            }
        }
    }

    fn shrunk(&mut self, now: UnixSeconds, current: u32, proposals: &[Proposal]) -> u32 {
        let is_tracking_unanimous = proposals
            .iter()
            .all(|proposal| !proposal.is_tracking || proposal.count.is_some() || proposal.ignores_scale_in);
        let counted = |proposal: &&Proposal| !proposal.is_tracking || is_tracking_unanimous;
        let counts = proposals.iter().filter(counted).filter_map(|proposal| proposal.count);
        let Some(count) = counts.filter(|count| *count < current).max() else { return current };
        if self.scale_in.is_some() {
            return current;
        }
        let count = count.max(self.min);
        if count < current {
            let asking = self.scalers.iter().zip(proposals).filter(|(_, proposal)| proposal.asks_below(current));
            let cooldown = asking.map(|(scaler, _)| scaler.in_cooldown()).fold(0.0, f64::max);
            self.scale_in = Some(now + cooldown);
        }
        count
    }
}

/// What one policy asks for.
#[derive(Debug, Clone, Copy)]
struct Proposal {
    count: Option<u32>,
    is_tracking: bool,
    /// Target tracking whose scale-in is disabled has no say in it.
    ignores_scale_in: bool,
}

impl Proposal {
    fn asks_below(&self, current: u32) -> bool {
        self.count.is_some_and(|count| count < current)
    }
}

impl Scaler {
    fn proposal(&mut self, now: UnixSeconds, current: u32) -> Proposal {
        let base = self.base(now, current);
        match &mut self.scaling {
            Scaling::TargetTracking(tracking) => {
                let out = tracking.scale_out(now, base).filter(|count| *count > current);
                let count = out.or_else(|| tracking.scale_in(now, current));
                let ignores_scale_in = tracking.policy().disable_scale_in;
                Proposal { count, is_tracking: true, ignores_scale_in }
            }
            Scaling::Step(step) => {
                let is_cooling = base != current;
                let count = step.act(now, base).filter(|count| !is_cooling || *count > current);
                Proposal { count, is_tracking: false, ignores_scale_in: false }
            }
        }
    }

    /// The count that a scale-out starts from: while a cooldown lasts, that before it.
    fn base(&self, now: UnixSeconds, current: u32) -> u32 {
        self.out.filter(|scale_out| scale_out.until > now).map_or(current, |scale_out| scale_out.base)
    }

    const fn out_cooldown(&self) -> f64 {
        match &self.scaling {
            Scaling::TargetTracking(tracking) => tracking.policy().out_cooldown,
            Scaling::Step(step) => step.policy().cooldown,
        }
    }

    const fn in_cooldown(&self) -> f64 {
        match &self.scaling {
            Scaling::TargetTracking(tracking) => tracking.policy().in_cooldown,
            Scaling::Step(step) => step.policy().cooldown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whatif::autoscalers::alarm::{AlarmPolicy, Comparison, Statistic};
    use crate::whatif::autoscalers::step_scaling::{AdjustmentKind, Step};

    fn tracking(target: f64) -> ScalingPolicy {
        let (statistic, disable_scale_in) = (Statistic::Average, false);
        let policy =
            TargetTrackingPolicy { target, statistic, out_cooldown: 120.0, in_cooldown: 300.0, disable_scale_in };
        ScalingPolicy::TargetTracking(policy)
    }

    /// Adds as many as its metric is above 0 (at most 5), looking at each 10 seconds; or removes one where it is below.
    fn step(comparison: Comparison, adjustments: &[(f64, i32)]) -> ScalingPolicy {
        let (statistic, threshold) = (Statistic::Maximum, 0.0);
        let alarm = AlarmPolicy { period: 10.0, evaluated: 1, breaching: 1, statistic, comparison, threshold };
        let uppers = adjustments.iter().skip(1).map(|(bound, _)| Some(*bound)).chain([None]);
        let steps = adjustments.iter().zip(uppers);
        let steps = steps.map(|(&(lower, adjustment), upper)| match comparison {
            Comparison::Greater => Step { lower: Some(lower), upper, adjustment },
            _ => Step { lower: upper, upper: Some(lower), adjustment },
        });
        let (kind, steps) = (AdjustmentKind::Change, steps.collect());
        ScalingPolicy::Step(StepPolicy { alarm, kind, steps, min_magnitude: 0, cooldown: 120.0 })
    }

    /// Pushes these values every 10 seconds and evaluates 5 seconds after; the changes.
    fn run(
        policies: &[ScalingPolicy],
        from: u32,
        until: f64,
        value: impl Fn(f64) -> Vec<Option<f64>>,
    ) -> Vec<(f64, u32)> {
        let mut ecs = Ecs::new(EcsPolicy { min: 2, max: 40, policies: policies.to_vec() }, 0.0);
        let (mut wanted, mut changes, mut now) = (from, Vec::new(), 0.0);
        while now < until {
            ecs.push(now, &value(now));
            now += EVALUATION_SECONDS;
            let next = ecs.evaluate(now + 5.0, Replicas { wanted, ready: wanted });
            if next != wanted {
                changes.push((now, next));
            }
            wanted = next;
        }
        changes
    }

    #[test]
    fn target_tracking_scales_out_after_three_minutes_and_in_after_fifteen() {
        let ratio = |now| vec![Some(if now < 180.0 { 0.8 } else { 0.4 })];
        assert_eq!(run(&[tracking(0.4)], 5, 1000.0, ratio), [(180.0, 10)]);
        let idle = |_| vec![Some(0.2)];
        assert_eq!(run(&[tracking(0.4)], 20, 1700.0, idle), [(900.0, 10), (1200.0, 5), (1500.0, 3)], "300 s apart");
    }

    #[test]
    fn what_a_scale_out_added_counts_while_its_cooldown_lasts() {
        // The alarm acts again after a minute. In the cooldown of 120 s the same breach adds nothing, a greater one the difference.
        let missing = |now| vec![Some(if now < 20.0 { 1.0 } else { 3.0 })];
        let steps = step(Comparison::Greater, &[(0.0, 2), (2.0, 3)]);
        assert_eq!(run(std::slice::from_ref(&steps), 10, 70.0, missing), [(10.0, 12), (70.0, 13)]);
        let same = |_| vec![Some(1.0)];
        assert_eq!(run(&[steps], 10, 130.0, same), [(10.0, 12), (130.0, 14)]);
    }

    #[test]
    fn the_policy_that_asks_for_most_wins() {
        let both = [step(Comparison::Greater, &[(0.0, 1)]), step(Comparison::Greater, &[(0.0, 4)])];
        assert_eq!(run(&both, 10, 20.0, |_| vec![Some(1.0), Some(1.0)]), [(10.0, 14)]);
        let out_and_in = [step(Comparison::Greater, &[(0.0, 1)]), step(Comparison::Less, &[(0.0, -1)])];
        assert_eq!(run(&out_and_in, 10, 20.0, |_| vec![Some(1.0), Some(-1.0)]), [(10.0, 11)]);
    }

    #[test]
    fn target_tracking_scales_in_only_where_every_one_would() {
        let both = [tracking(0.4), tracking(0.4)];
        assert_eq!(run(&both, 20, 1000.0, |_| vec![Some(0.2), Some(0.39)]), [(0.0, 0); 0]);
        assert_eq!(run(&both, 20, 1000.0, |_| vec![Some(0.2), None]), [(0.0, 0); 0], "nor without data");
        assert_eq!(run(&both, 20, 1000.0, |_| vec![Some(0.2), Some(0.3)]), [(900.0, 15)]);
    }

    #[test]
    fn scale_in_waits_for_its_cooldown_and_a_scale_out_ends_it() {
        let policies = [step(Comparison::Greater, &[(0.0, 1)]), step(Comparison::Less, &[(0.0, -1)])];
        let value = |now| {
            let out = (20.0..30.0).contains(&now);
            vec![out.then_some(1.0), (!out).then_some(-1.0)]
        };
        assert_eq!(run(&policies, 10, 40.0, value), [(10.0, 9), (30.0, 10), (40.0, 9)]);
        assert_eq!(run(&policies, 10, 130.0, |_| vec![None, Some(-1.0)]), [(10.0, 9), (130.0, 8)]);
    }

    #[test]
    fn the_count_stays_within_its_bounds() {
        let policies = [step(Comparison::Greater, &[(0.0, 30)]), step(Comparison::Less, &[(0.0, -30)])];
        assert_eq!(run(&policies, 20, 200.0, |_| vec![Some(1.0), None]), [(10.0, 40)]);
        assert_eq!(run(&policies, 20, 200.0, |_| vec![None, Some(-1.0)]), [(10.0, 2)]);
        assert_eq!(run(&policies, 1, 10.0, |_| vec![None, None]), [(10.0, 2)]);
    }
}
