//! How much the deployment can take, and where roles are turned away.

use std::sync::Arc;

use super::{Reading, Service};
use crate::base::clock::UnixSeconds;
use crate::platform::gateway::Limits;

/// The capacity that queues are measured against.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Capacity {
    /// Tasks: effective concurrency and queue places of the processes that take new tasks, summed over instances.
    pub total: Reading<i64>,
    /// Queue depths from which a role's new tasks are turned away.
    pub limits: Reading<Limits>,
    /// What the total comes from.
    pub source: Reading<CapacitySource>,
}

/// The processes that `backpressure.capacity_source_component` selects, over all instances.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CapacitySource {
    pub service: Service,
    /// Tasks of all live processes, draining ones included, as the platform counts them.
    pub total: i64,
    /// Processes, stale ones included.
    pub actual: i64,
    /// Live ones, whatever they say of their health.
    pub live: i64,
    pub load: i64,
    /// Requests at once, as the processes report it.
    pub reported: i64,
    /// Instances with a live process, sorted.
    pub alive_instances: Vec<Arc<str>>,
    /// Tasks of the instance that the gateway configuration names (this server's own, unless a saved configuration names
    /// another); of one process if it runs none.
    pub base_per_instance: i64,
    pub lost: Vec<LostInstance>,
}

/// An instance with processes, none of them live.
#[derive(Debug, Clone, PartialEq)]
pub struct LostInstance {
    pub instance_id: String,
    pub last_heartbeat: UnixSeconds,
    /// It stopped recently.
    pub draining: bool,
}
