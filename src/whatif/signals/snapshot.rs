//! One tick's numbers, and the formulas of what follows from them.

use super::flow::Rates;
use crate::analysis::recommendation::{IngressOperands, ProcOperands, ReplicaOperands};
use crate::analysis::state::{Cause, Quality, Reading};
use crate::base::number::{float, round};
use crate::platform::facts::Component;

/// What this server knows after a tick. Everything of the simulated deployment can be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Snapshot {
    pub(in crate::whatif) component: Component,
    /// Tasks in the queues, waiting or claimed.
    pub(in crate::whatif) depth: i64,
    /// Tasks that the accepting processors take, running and queued.
    pub(in crate::whatif) capacity: i64,
    pub(in crate::whatif) waiting: u32,
    pub(in crate::whatif) oldest_wait: f64,
    pub(in crate::whatif) turned_away: u32,
    /// By the last heartbeats.
    pub(in crate::whatif) active: u32,
    pub(in crate::whatif) free: u32,
    pub(in crate::whatif) slots: u32,
    pub(in crate::whatif) slots_per_replica: u32,
    pub(in crate::whatif) accepting: u32,
    pub(in crate::whatif) is_draining: bool,
    pub(in crate::whatif) flow: Rates,
    pub(in crate::whatif) wait_p95_ms: Option<f64>,
    pub(in crate::whatif) exec_p95_ms: Option<f64>,
    pub(in crate::whatif) depth_1m: Option<f64>,
    pub(in crate::whatif) pressure_1m: Option<f64>,
    pub(in crate::whatif) desired: Option<i64>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            component: Component::Proc,
            depth: 0,
            capacity: 0,
            waiting: 0,
            oldest_wait: 0.0,
            turned_away: 0,
            active: 0,
            free: 0,
            slots: 0,
            slots_per_replica: 0,
            accepting: 0,
            is_draining: false,
            flow: Rates::default(),
            wait_p95_ms: None,
            exec_p95_ms: None,
            depth_1m: None,
            pressure_1m: None,
            desired: None,
        }
    }
}

impl Snapshot {
    pub(super) fn queued(&self) -> f64 {
        float(self.depth)
    }

    pub(super) fn pressure(&self) -> f64 {
        if self.capacity > 0 { float(self.depth) / float(self.capacity) } else { 1.0 }
    }

    /// As the server has it: 29 tasks of 100 are 29 %, and 100 · 0.29 is not.
    pub(super) fn pressure_percent(&self) -> f64 {
        if self.capacity > 0 { 100.0 * float(self.depth) / float(self.capacity) } else { 100.0 }
    }

    /// In tenths of a percent, as the platform publishes it.
    pub(super) fn utilization_percent(&self) -> f64 {
        let ratio = if self.capacity == 0 && self.depth == 0 { 0.0 } else { self.pressure() };
        round(ratio * 100.0, 1)
    }

    pub(super) fn load_ratio(&self) -> Option<f64> {
        (self.slots > 0).then(|| f64::from(self.active + self.waiting) / f64::from(self.slots))
    }

    pub(super) fn drain_seconds(&self) -> Option<f64> {
        match self.waiting {
            0 => Some(0.0),
            waiting => (self.flow.throughput > 0.0).then(|| f64::from(waiting) / self.flow.throughput),
        }
    }

    pub(super) fn saturation(&self) -> Option<f64> {
        (self.slots > 0).then(|| f64::from(self.active) / f64::from(self.slots))
    }

    pub(super) fn desired(&self) -> Option<f64> {
        self.desired.map(float)
    }

    pub(super) fn missing(&self) -> Option<f64> {
        self.desired.map(|desired| float(desired - i64::from(self.accepting)))
    }

    pub(super) fn proc_operands(&self) -> ProcOperands {
        let count = |value: u32| Reading::Value(i64::from(value));
        ProcOperands {
            replicas: self.replica_operands(),
            active: count(self.active),
            waiting: count(self.waiting),
            waiting_jobs: Reading::Value(0),
            turned_away: count(self.turned_away),
            slots_per_replica: Reading::Value(f64::from(self.slots_per_replica)),
            free_slots: count(self.free),
            is_claiming: Reading::Value(true),
            arrivals_per_second: Reading::Value(self.flow.arrivals),
            mean_exec_seconds: Reading::or_absent(self.flow.mean_exec_seconds, || Cause::EmptyWindow),
        }
    }

    pub(super) fn ingress_operands(&self) -> IngressOperands {
        IngressOperands {
            replicas: self.replica_operands(),
            connections: Reading::Value(i64::from(self.active)),
            limit_per_replica: Reading::Value(f64::from(self.slots_per_replica)),
        }
    }

    fn replica_operands(&self) -> ReplicaOperands {
        ReplicaOperands {
            current: Reading::Value(i64::from(self.accepting)),
            is_draining: self.is_draining,
            quality: Quality::Ok,
            database: Reading::absent(Cause::NotAsked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formulas_are_those_of_the_catalog() {
        let snapshot = Snapshot { depth: 7, capacity: 28, waiting: 3, active: 4, slots: 10, ..Snapshot::default() };
        assert_eq!(
            (snapshot.pressure(), snapshot.utilization_percent(), snapshot.load_ratio()),
            (0.25, 25.0, Some(0.7))
        );
        assert_eq!((snapshot.drain_seconds(), snapshot.saturation()), (None, Some(0.4)));
        let flow = Rates { throughput: 0.5, ..Rates::default() };
        assert_eq!(Snapshot { flow, ..snapshot }.drain_seconds(), Some(6.0));
    }

    #[test]
    fn without_processors_pressure_is_one_and_ratios_of_slots_are_absent() {
        let none = Snapshot::default();
        assert_eq!(
            (none.pressure(), none.utilization_percent(), none.load_ratio(), none.saturation()),
            (1.0, 0.0, None, None)
        );
        assert_eq!(Snapshot { depth: 1, ..none }.utilization_percent(), 100.0);
        assert_eq!(none.missing(), None);
        assert_eq!(Snapshot { desired: Some(2), accepting: 5, ..none }.missing(), Some(-3.0));
    }
}
