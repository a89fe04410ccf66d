//! One load under one policy: the simulation, and what is measured of it.

mod mean;

use super::autoscalers::Replicas;
use super::deployment::{Deployment, World};
use super::load::Load;
use super::policy::Policy;
use super::scaler::Scaler;
use super::signals::{SAMPLE_SECONDS, Sampler, Snapshot};
use crate::analysis::recommendation::ScalePolicy;
use crate::base::clock::UnixSeconds;

/// Users wait too long while one has waited for longer than this; the default of `METRICS_SCALE_PROC_TARGET_WAIT_SEC`.
pub const TARGET_WAIT_SECONDS: f64 = 30.0;
/// A change against the one before it, within this time, is an oscillation.
const OSCILLATION_SECONDS: f64 = 600.0;
/// Share of the slots that the first replicas are to fill.
const FIRST_UTILIZATION: f64 = 0.8;

/// What a policy did to a load.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    pub load: String,
    pub policy: String,
    /// Users.
    pub arrived: u64,
    /// Users who were refused until they gave up.
    pub gave_up: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Tasks that had to start over.
    pub restarted: u64,
    /// Seconds that 50, 95 and 99 % of the users waited at most; `None` without users.
    pub waits: Option<[f64; 3]>,
    pub replica_hours: f64,
    /// Changes of the count.
    pub actions: u64,
    /// Changes against the one before, within ten minutes.
    pub oscillations: u64,
    /// The longest time for which somebody waited too long or was refused, seconds.
    pub recovery_seconds: f64,
    /// One a tick.
    pub ticks: Vec<TickPoint>,
}

/// What charts show of a tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TickPoint {
    pub at: UnixSeconds,
    /// Users who arrived in this tick.
    pub arrived: u32,
    pub ready: u32,
    /// Seconds.
    pub oldest_wait: f64,
}

/// Simulates a load under a policy. The same seed gives the same outcome, and every policy of a seed the same users.
#[must_use]
pub fn simulate(world: &World, load: &Load, policy: &Policy, seed: u64) -> Outcome {
    let mut run = Run::new(world, load, policy, seed);
    let mut now = 0.0;
    while now < load.seconds {
        now += SAMPLE_SECONDS;
        run.tick(now);
    }
    run.finish(load, policy)
}

struct Run<'a> {
    deployment: Deployment<'a>,
    sampler: Sampler,
    scaler: Scaler,
    actions: Actions,
    disturbance: Disturbance,
    ticks: Vec<TickPoint>,
    refused: u64,
    arrived: u64,
}

impl<'a> Run<'a> {
    fn new(world: &'a World, load: &'a Load, policy: &Policy, seed: u64) -> Self {
        Self {
            deployment: Deployment::new(world, load, first_replicas(world, load, policy), seed),
            sampler: Sampler::new(&policy.signals, ScalePolicy::default()),
            scaler: Scaler::new(policy),
            actions: Actions::default(),
            disturbance: Disturbance::default(),
            ticks: Vec::new(),
            refused: 0,
            arrived: 0,
        }
    }

    fn tick(&mut self, now: UnixSeconds) {
        self.deployment.advance(now);
        let snapshot = self.sampler.sample(&mut self.deployment, now);
        self.scale(now, &snapshot);
        self.measure(now);
    }

    fn scale(&mut self, now: UnixSeconds, snapshot: &Snapshot) {
        let replicas = self.deployment.replicas();
        let running = Replicas { wanted: replicas.wanted(), ready: replicas.ready() };
        let wanted = self.scaler.step(now, snapshot, running);
        if wanted != running.wanted {
            self.actions.note(now, wanted > running.wanted);
            self.deployment.scale(wanted);
        }
    }

    fn measure(&mut self, now: UnixSeconds) {
        let (refused, arrived) = (self.deployment.tally().refused, self.deployment.tally().arrived);
        let oldest_wait = self.deployment.oldest_wait();
        self.disturbance.note(now, oldest_wait > TARGET_WAIT_SECONDS || refused > self.refused);
        self.ticks.push(TickPoint {
            at: now,
            arrived: u32::try_from(arrived - self.arrived).unwrap_or(u32::MAX),
            ready: self.deployment.replicas().ready(),
            oldest_wait,
        });
        (self.refused, self.arrived) = (refused, arrived);
    }

    fn finish(self, load: &Load, policy: &Policy) -> Outcome {
        let (mut tally, replica_hours) = self.deployment.finish();
        Outcome {
            load: load.name.clone(),
            policy: policy.name.clone(),
            arrived: tally.arrived,
            gave_up: tally.gave_up,
            refused: tally.refused,
            restarted: tally.restarted,
            waits: tally.wait_percentiles([0.5, 0.95, 0.99]),
            replica_hours,
            actions: self.actions.count,
            oscillations: self.actions.oscillations,
            recovery_seconds: self.disturbance.longest,
            ticks: self.ticks,
        }
    }
}

/// Enough for what runs when the load begins, within the policy's bounds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count, saturating")]
fn first_replicas(world: &World, load: &Load, policy: &Policy) -> u32 {
    let (min, max) = policy.bounds();
    let needed = load.initial_concurrency(world.stay_seconds) / (f64::from(world.slots) * FIRST_UTILIZATION);
    (needed.ceil() as u32).clamp(min, max)
}

#[derive(Debug, Default)]
struct Actions {
    count: u64,
    oscillations: u64,
    last: Option<(UnixSeconds, bool)>,
}

impl Actions {
    fn note(&mut self, now: UnixSeconds, is_up: bool) {
        self.count += 1;
        if self.last.is_some_and(|(at, was_up)| was_up != is_up && now - at <= OSCILLATION_SECONDS) {
            self.oscillations += 1;
        }
        self.last = Some((now, is_up));
    }
}

/// The longest time without a good tick.
#[derive(Debug, Default)]
struct Disturbance {
    good_at: UnixSeconds,
    longest: f64,
}

impl Disturbance {
    fn note(&mut self, now: UnixSeconds, is_bad: bool) {
        if is_bad {
            self.longest = self.longest.max(now - self.good_at);
        } else {
            self.good_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_against_the_last_one_is_an_oscillation_for_ten_minutes() {
        let mut actions = Actions::default();
        for (now, is_up) in [(0.0, true), (15.0, true), (600.0, false), (1300.0, true), (1310.0, false)] {
            actions.note(now, is_up);
        }
        assert_eq!((actions.count, actions.oscillations), (5, 2));
    }

    #[test]
    fn recovery_is_the_longest_time_without_a_good_tick() {
        let mut disturbance = Disturbance::default();
        for (now, is_bad) in [(5.0, false), (10.0, true), (15.0, true), (20.0, false), (25.0, true), (30.0, false)] {
            disturbance.note(now, is_bad);
        }
        assert_eq!(disturbance.longest, 10.0);
    }

    fn policy() -> Policy {
        Policy::parse(include_str!("../../deployment/policies/hpa-pressure-and-wait.yaml"), "p.yaml", "p").unwrap()
    }

    #[test]
    fn the_first_replicas_bear_the_beginning_and_none_of_them_is_too_many() {
        let policy = policy();
        let (world, (min, max)) = (World::of(policy.component), policy.bounds());
        for shape in super::super::load::shapes::ALL {
            let load = shape.load(1.0);
            let needed = load.initial_concurrency(world.stay_seconds);
            let first = first_replicas(&world, &load, &policy);
            let bears = |replicas: u32| f64::from(replicas * world.slots) * FIRST_UTILIZATION >= needed;
            assert!((min..=max).contains(&first), "{}", load.name);
            assert!(first == max || bears(first), "{}: {first} for {needed}", load.name);
            assert!(first == min || !bears(first - 1), "{}: {first} for {needed}", load.name);
        }
    }

    #[test]
    fn every_user_is_in_one_tick_and_a_burst_disturbs_and_scales() {
        let policy = policy();
        let line = |at: u32| format!("{{\"at\": {at}, \"seconds\": 60}}\n");
        // One user, a burst, and one long after it.
        let times = std::iter::once(0).chain(std::iter::repeat_n(100, 150)).chain([1000]);
        let load = Load::from_jsonl(&times.map(line).collect::<String>(), "l").unwrap();
        let world = World::of(policy.component);
        let outcome = simulate(&world, &load, &policy, 1);
        assert_eq!(outcome, simulate(&world, &load, &policy, 1), "the same seed");
        let arrived: u64 = outcome.ticks.iter().map(|tick| u64::from(tick.arrived)).sum();
        assert_eq!((outcome.arrived, arrived), (152, 152));
        assert!(outcome.ticks.windows(2).all(|pair| pair[1].at - pair[0].at == SAMPLE_SECONDS));
        let last = outcome.ticks.last().unwrap().at;
        assert!(last >= load.seconds && last < load.seconds + SAMPLE_SECONDS, "{last} of {}", load.seconds);
        let ready = || outcome.ticks.iter().map(|tick| tick.ready);
        assert!(ready().max() > ready().next() && outcome.actions > 0, "{} actions", outcome.actions);
        let late = outcome.ticks.iter().filter(|tick| tick.oldest_wait > TARGET_WAIT_SECONDS).count();
        assert!(late > 0 && outcome.recovery_seconds >= SAMPLE_SECONDS, "{late}, {}", outcome.recovery_seconds);
        let [half, most, nearly_all] = outcome.waits.unwrap();
        assert!(half < most && most <= nearly_all, "{half}, {most}, {nearly_all}");
        let hours = last / 3600.0;
        let bounds = policy.bounds();
        assert!((f64::from(bounds.0) * hours..=f64::from(bounds.1) * hours).contains(&outcome.replica_hours));
    }

    #[test]
    fn only_a_change_of_direction_oscillates_and_ten_minutes_are_still_within_it() {
        for (changes, oscillations) in [
            ([(0.0, true), (600.0, false)], 1),
            ([(0.0, false), (600.0, true)], 1),
            ([(0.0, true), (600.1, false)], 0),
            ([(0.0, true), (15.0, true)], 0),
            ([(0.0, false), (15.0, false)], 0),
        ] {
            let mut actions = Actions::default();
            changes.iter().for_each(|(now, is_up)| actions.note(*now, *is_up));
            assert_eq!((actions.count, actions.oscillations), (2, oscillations), "{changes:?}");
        }
    }

    #[test]
    fn a_load_that_the_first_replicas_bear_disturbs_nobody() {
        let policy = policy();
        let lines: String = (0..40).map(|user| format!("{{\"at\": {}, \"seconds\": 5}}\n", user * 15)).collect();
        let load = Load::from_jsonl(&lines, "l").unwrap();
        let outcome = simulate(&World::of(policy.component), &load, &policy, 1);
        assert_eq!((outcome.arrived, outcome.refused, outcome.gave_up, outcome.oscillations), (40, 0, 0, 0));
        assert_eq!(outcome.recovery_seconds, 0.0);
    }
}
