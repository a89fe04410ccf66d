//! What goes wrong, and when: decided by the seed alone.

use fastrand::Rng;
use kdcube_metrics::platform::facts::{LatencySeries, Role};
use kdcube_metrics::platform::gateway::SavedGatewayConfig;

use super::world::{FIGURES, World};

/// What happens to one replica.
#[derive(Debug, Clone, Copy)]
pub(super) enum ReplicaFault {
    /// It ends and starts at once.
    Restart,
    /// It ends, and starts after a while.
    Kill { seconds: f64 },
    /// It stands still and goes on later, with what it knew.
    Pause { seconds: f64 },
    /// Its machine's clock is set.
    Clock { ahead: f64 },
}

/// Decides before every tick.
pub(super) struct Faults {
    rng: Rng,
    is_scheduled: bool,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed ^ 0x5eed), is_scheduled: true }
    }

    /// Seconds to the next tick: the interval, now and then a pause, or a tick between that a reader requested.
    pub(super) fn pause(&mut self, interval: f64) -> f64 {
        self.is_scheduled = !self.happens(0.1);
        match () {
            () if !self.is_scheduled => interval * self.rng.f64(),
            () if self.happens(0.01) => interval * (2.0 + 8.0 * self.rng.f64()),
            () => interval,
        }
    }

    /// Whether the tick is a scheduled one, which records.
    pub(super) const fn is_scheduled(&self) -> bool {
        self.is_scheduled
    }

    /// What happens to the deployment and its Redis before a tick.
    pub(super) fn strike(&mut self, world: &mut World) {
        self.processes(world);
        self.inputs(world);
        self.configuration(world);
        if self.happens(0.002) {
            let longest = if self.happens(0.2) { 300.0 } else { 40.0 };
            world.away_until = world.now() + self.seconds(longest);
        }
        if self.happens(0.002) {
            world.read_only_until = world.now() + self.seconds(60.0);
        }
        if self.happens(0.01) {
            let samples = self.rng.usize(1..400);
            world.burst(&mut self.rng, samples);
        }
    }

    /// What happens to a replica of the server before its tick.
    pub(super) fn replica(&mut self) -> Option<ReplicaFault> {
        match self.rng.f64() {
            chance if chance < 0.003 => Some(ReplicaFault::Restart),
            chance if chance < 0.005 => Some(ReplicaFault::Kill { seconds: self.seconds(120.0) }),
            chance if chance < 0.007 => Some(ReplicaFault::Pause { seconds: self.seconds(90.0) }),
            chance if chance < 0.009 => Some(ReplicaFault::Clock { ahead: (self.rng.f64() - 0.5) * 7200.0 }),
            _ => None,
        }
    }

    /// The order in which the replicas take their turn.
    pub(super) fn shuffle<T>(&mut self, replicas: &mut [T]) {
        self.rng.shuffle(replicas);
    }

    fn processes(&mut self, world: &mut World) {
        let instances = world.instances();
        if self.happens(0.006) {
            world.kill(self.one_of::<String>(&instances));
        }
        if self.happens(0.01) {
            world.draining.insert(self.one_of(&instances).clone());
        }
        if self.happens(0.03) {
            world.draining.clear();
        }
        let dead: Vec<String> = world.dead.keys().cloned().collect();
        for instance in dead.iter().filter(|_| self.rng.f64() < 0.03) {
            world.restart(instance);
        }
    }

    fn inputs(&mut self, world: &mut World) {
        let until = world.now() + self.seconds(90.0);
        if self.happens(0.005) {
            world.broken_queues.insert(self.one_of(&Role::ALL).to_owned(), until);
        }
        if self.happens(0.005) {
            world.broken_beats.insert(self.one_of(&world.instances()).clone(), until);
        }
        if self.happens(0.005) {
            world.broken_series.insert(*self.one_of(&LatencySeries::ALL), until);
        }
        let workers: Vec<_> = world.streams().map(|sample| sample.worker.clone()).collect();
        if self.happens(0.005) && !workers.is_empty() {
            world.broken_samples.insert(self.one_of(&workers).clone(), until);
        }
    }

    fn configuration(&mut self, world: &mut World) {
        if self.happens(0.004) {
            world.saved = SavedGatewayConfig::Text(self.one_of(&FIGURES).text());
        }
        if self.happens(0.002) {
            world.saved = SavedGatewayConfig::Unreadable("is of another type".to_owned());
        }
        if self.happens(0.002) {
            world.saved = SavedGatewayConfig::Text("{nope".to_owned());
        }
        if self.happens(0.002) {
            world.saved = SavedGatewayConfig::Missing;
        }
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.rng.f64() < probability
    }

    fn seconds(&mut self, most: f64) -> f64 {
        1.0 + self.rng.f64() * (most - 1.0)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.rng.usize(..all.len())]
    }
}
