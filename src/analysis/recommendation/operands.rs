//! What a recommendation follows from, each number with why it is absent where it is.

use crate::analysis::state::{Quality, Reading};

/// What is known of a component's replicas.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReplicaOperands {
    /// Replicas with a live process that takes new work.
    pub current: Reading<i64>,
    /// Whether a replica is still finishing work without taking new.
    pub is_draining: bool,
    /// Of all that the numbers follow from.
    pub quality: Quality,
    /// What the database accepts.
    pub database: Reading<ConnectionBudget>,
}

/// Connections that a server accepts, and who opens them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionBudget {
    /// That it accepts in all.
    pub max: i64,
    /// That a replica can open.
    pub per_replica: i64,
    /// That others than the component's replicas can open.
    pub others: i64,
}

/// What the processors' replicas follow from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcOperands {
    pub replicas: ReplicaOperands,
    /// Tasks that are worked on, by draining processors too.
    pub active: Reading<i64>,
    /// Tasks that no processor has claimed.
    pub waiting: Reading<i64>,
    /// Background jobs that no processor has finished; they take the same slots.
    pub waiting_jobs: Reading<i64>,
    /// Users whom backpressure turned away (503) within the last minute: they have no task yet, and want one.
    pub turned_away: Reading<i64>,
    /// Slots of a replica: the median of those that take new work; where none does, what the configuration gives one.
    pub slots_per_replica: Reading<f64>,
    /// Slots of processors that take new work, minus their load.
    pub free_slots: Reading<i64>,
    /// Whether processors claim what waits; `false` where tasks wait for longer than a claim takes and none was claimed.
    pub is_claiming: Reading<bool>,
    /// Tasks a second, mean of the last minute.
    pub arrivals_per_second: Reading<f64>,
    /// Seconds that a task takes.
    pub mean_exec_seconds: Reading<f64>,
}

/// What the ingress's replicas follow from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IngressOperands {
    pub replicas: ReplicaOperands,
    /// Open SSE connections.
    pub connections: Reading<i64>,
    /// SSE connections that a replica accepts, the median.
    pub limit_per_replica: Reading<f64>,
}
