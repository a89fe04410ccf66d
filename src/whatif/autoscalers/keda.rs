//! KEDA's ScaledObject: 0↔1 by itself at every poll, 1↔n by the HPA that it creates.
//!
//! Rules: keda.sh, "ScaledObject specification" and "Scaling Deployments": active is a value above the activation threshold;
//! to zero only after the cooldown, and only where `minReplicaCount` is 0.

use super::Replicas;
use super::hpa::{Hpa, HpaPolicy, SYNC_SECONDS};
use crate::base::clock::UnixSeconds;

#[derive(Debug, Clone, PartialEq)]
pub struct KedaPolicy {
    /// `minReplicaCount`; the HPA's own minimum is at least 1.
    pub min: u32,
    /// Targets, behavior and maximum.
    pub hpa: HpaPolicy,
    /// One a trigger.
    pub activations: Vec<Activation>,
    /// Seconds between two looks at activity.
    pub polling: f64,
    /// Seconds without activity after which the last replica goes.
    pub cooldown: f64,
}

/// A trigger is active while a value is above this.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activation {
    /// Which of the values.
    pub value: usize,
    pub above: f64,
}

#[derive(Debug)]
pub struct Keda {
    policy: KedaPolicy,
    hpa: Hpa,
    next_poll: UnixSeconds,
    next_sync: UnixSeconds,
    last_active: Option<UnixSeconds>,
}

impl Keda {
    #[must_use]
    pub fn new(policy: KedaPolicy, now: UnixSeconds) -> Self {
        let hpa = Hpa::new(HpaPolicy { min: policy.min.max(1), ..policy.hpa.clone() });
        Self { policy, hpa, next_poll: now, next_sync: now, last_active: None }
    }

    /// When it next decides.
    #[must_use]
    pub const fn next(&self) -> UnixSeconds {
        self.next_poll.min(self.next_sync)
    }

    /// What is due at `now`: a poll, a sync of the HPA, or both.
    pub fn step(&mut self, now: UnixSeconds, running: Replicas, values: &[Option<f64>]) -> u32 {
        let mut wanted = running.wanted;
        if now >= self.next_poll {
            self.next_poll = now + self.policy.polling;
            wanted = self.poll(now, wanted, values);
        }
        if now >= self.next_sync {
            self.next_sync = now + SYNC_SECONDS;
            wanted = self.hpa.sync(now, Replicas { wanted, ..running }, values);
        }
        wanted
    }

    fn poll(&mut self, now: UnixSeconds, wanted: u32, values: &[Option<f64>]) -> u32 {
        let is_above = |activation: &Activation| {
            values.get(activation.value).copied().flatten().is_some_and(|value| value > activation.above)
        };
        let is_active = self.policy.activations.iter().any(is_above);
        if is_active {
            self.last_active = Some(now);
            return if wanted == 0 { self.policy.min.max(1) } else { wanted };
        }
        let is_known = values.iter().all(Option::is_some);
        let is_cool = self.last_active.is_none_or(|last| now > last + self.policy.cooldown);
        if is_known && is_cool && self.policy.min == 0 { 0 } else { wanted.max(self.policy.min) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whatif::autoscalers::behavior::Behavior;
    use crate::whatif::autoscalers::hpa::Target;

    fn keda(min: u32) -> Keda {
        let targets = vec![Target::AverageValue(1.0)];
        let hpa = HpaPolicy { min: 1, max: 50, targets, behavior: Behavior::default() };
        Keda::new(
            KedaPolicy {
                min,
                hpa,
                activations: vec![Activation { value: 0, above: 0.0 }],
                polling: 30.0,
                cooldown: 300.0,
            },
            0.0,
        )
    }

    fn at(count: u32) -> Replicas {
        Replicas { wanted: count, ready: count }
    }

    /// The counts at each decision while the value stays.
    fn follow(keda: &mut Keda, from: u32, value: Option<f64>, until: f64) -> Vec<(f64, u32)> {
        let (mut count, mut changes) = (from, Vec::new());
        while keda.next() < until {
            let now = keda.next();
            let next = keda.step(now, at(count), &[value]);
            if next != count {
                changes.push((now, next));
            }
            count = next;
        }
        changes
    }

    #[test]
    fn it_polls_every_30_seconds_and_its_hpa_syncs_every_15() {
        let mut keda = keda(1);
        let mut times = Vec::new();
        for _ in 0..5 {
            times.push(keda.next());
            keda.step(keda.next(), at(1), &[Some(1.0)]);
        }
        assert_eq!(times, [0.0, 15.0, 30.0, 45.0, 60.0]);
    }

    #[test]
    fn one_replica_starts_when_the_value_is_above_the_activation_and_the_hpa_does_the_rest() {
        let mut keda = keda(0);
        assert_eq!(follow(&mut keda, 0, Some(0.0), 100.0), [(0.0, 0); 0], "not above 0");
        assert_eq!(follow(&mut keda, 0, Some(7.0), 160.0), [(120.0, 5), (135.0, 7)], "1, and 4 more by the HPA");
    }

    #[test]
    fn the_last_replica_goes_after_the_cooldown() {
        let mut keda = keda(0);
        follow(&mut keda, 1, Some(1.0), 50.0);
        assert_eq!(follow(&mut keda, 1, Some(0.0), 400.0), [(360.0, 0)], "the poll after 30 + 300 s");
    }

    #[test]
    fn a_value_that_cannot_be_had_leaves_the_replicas_alone() {
        for count in [0, 1, 4] {
            assert_eq!(follow(&mut keda(0), count, None, 1000.0), [(0.0, 0); 0], "{count}");
        }
    }

    #[test]
    fn with_a_minimum_it_never_goes_below_it() {
        assert_eq!(follow(&mut keda(2), 0, Some(0.0), 1000.0), [(0.0, 2)]);
        assert_eq!(follow(&mut keda(2), 5, Some(0.0), 1000.0).last(), Some(&(300.0, 2)));
    }
}
