//! Payload shapes of `instances` and `global_stats`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The processes of one service on one instance, ordered by process id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ServiceStats {
    /// Expected; without a static expectation the number seen.
    pub processes: i64,
    pub actual_processes: i64,
    /// Requests being worked on, summed.
    pub load: i64,
    /// Requests that can be worked on at once, summed.
    pub capacity: i64,
    /// `healthy`, `degraded` or `unhealthy`.
    pub health: String,
    /// Responsive ones: healthy or degraded.
    pub healthy_processes: i64,
    pub missing_processes: i64,
    /// `None` only in what an upstream did not send.
    pub status_breakdown: Option<StatusBreakdown>,
    pub pids: Vec<Option<i64>>,
    /// Of the processes that name one.
    pub ports: Vec<i64>,
    pub loads: Vec<i64>,
    /// Unix seconds.
    pub heartbeats: Vec<f64>,
    pub health_statuses: Vec<String>,
    pub is_chat_rest: bool,
}

/// How many processes are in which state; all or none, because 0 would be a guess.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusBreakdown {
    pub healthy: i64,
    pub degraded: i64,
    pub unhealthy: i64,
    pub stale: i64,
    pub missing: i64,
}

/// Sums over all instances and services.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct GlobalStats {
    pub load: i64,
    pub capacity: i64,
    /// Responsive processes.
    pub healthy: i64,
    /// Expected processes.
    pub total: i64,
    pub actual: i64,
    pub healthy_instances: i64,
    pub total_instances: i64,
    /// `round(load / capacity · 100, 1)`; 0 without capacity.
    pub utilization_percent: f64,
    pub chat_rest: ChatRestStats,
}

/// The same sums over the ingress service alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ChatRestStats {
    pub expected: i64,
    pub actual: i64,
    pub healthy: i64,
    pub load: i64,
    pub capacity: i64,
    pub utilization_percent: f64,
}
