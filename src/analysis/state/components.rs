//! Ingress and processor, each over all its instances.

use std::sync::Arc;

use super::{Reading, Status, StatusCounts};

/// One component.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComponentState {
    pub instance_count: Reading<i64>,
    pub processes: Reading<StatusCounts>,
    /// Requests being worked on.
    pub load: Reading<i64>,
    /// Requests that can be worked on at once.
    pub capacity: Reading<i64>,
    /// Processes that each instance should run.
    pub configured_processes: Reading<i64>,
    /// Requests that each process should take at once.
    pub configured_concurrency: Reading<i64>,
    pub pool_estimates: PoolEstimates,
    /// By instance id.
    pub instances: Vec<ComponentInstance>,
}

/// Configured pool sizes and the Postgres connections they can amount to; absent rather than 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolEstimates {
    pub postgres_size: Option<i64>,
    pub redis_connections: Option<i64>,
    pub postgres_per_instance: Option<i64>,
    pub postgres_total: Option<i64>,
}

/// One instance of a component.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComponentInstance {
    pub instance_id: Arc<str>,
    pub capacity: i64,
    pub load: i64,
    /// Of its processes, by process id.
    pub statuses: Vec<Status>,
    /// Age of its oldest heartbeat, seconds.
    pub max_age_seconds: f64,
    /// All its processes are stale, and recently so.
    pub draining: bool,
}

impl ComponentInstance {
    /// Has a process that is not stale.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.statuses.iter().any(|status| *status != Status::Stale)
    }
}

impl ComponentState {
    /// Processes of all instances.
    #[must_use]
    pub fn actual(&self) -> i64 {
        crate::base::number::count(self.statuses().count())
    }

    /// Healthy and degraded processes of all instances.
    #[must_use]
    pub fn responsive(&self) -> i64 {
        crate::base::number::count(self.statuses().filter(|status| status.is_responsive()).count())
    }

    fn statuses(&self) -> impl Iterator<Item = Status> {
        self.instances.iter().flat_map(|instance| instance.statuses.iter().copied())
    }
}
