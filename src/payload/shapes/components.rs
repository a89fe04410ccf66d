//! Payload shapes of `components`: what an autoscaler looks at, for ingress and processor.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PoolsAggregate, Thresholds};
use crate::platform::facts::Component;

/// Both components; `None` only in what an upstream did not send.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Components {
    pub ingress: Option<ComponentStats>,
    pub proc: Option<ComponentStats>,
}

impl Components {
    /// The component's statistics.
    #[must_use]
    pub const fn get(&self, component: Component) -> Option<&ComponentStats> {
        match component {
            Component::Ingress => self.ingress.as_ref(),
            Component::Proc => self.proc.as_ref(),
        }
    }
}

/// One component over all its instances.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ComponentStats {
    pub service_type: String,
    pub service_name: String,
    /// `None` only in what an upstream did not send, as with `load`.
    pub instance_count: Option<i64>,
    /// Configured processes per instance × instances; `None` if either is 0.
    pub expected_processes: Option<i64>,
    pub actual_processes: i64,
    /// Responsive ones.
    pub healthy_processes: i64,
    /// Expected − actual: negative if there are more than configured.
    pub missing_processes: Option<i64>,
    pub load: Option<i64>,
    pub capacity: i64,
    pub utilization_percent: f64,
    pub configured: Configured,
    pub pools: PoolEstimates,
    pub pools_aggregate: PoolsAggregate,
    pub instances: Vec<ComponentInstance>,
    /// Ingress, where there is a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sse: Option<IngressSse>,
    /// Processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<ProcQueue>,
    pub latency: LatencyByName,
}

/// The component's configured size.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Configured {
    pub processes_per_instance: Option<i64>,
    pub concurrent_requests_per_process: Option<i64>,
}

/// Configured pool sizes and the Postgres connections they can amount to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PoolEstimates {
    pub pg_pool_max_size: Option<i64>,
    pub redis_max_connections: Option<i64>,
    pub estimated_pg_per_instance: Option<i64>,
    pub estimated_pg_total: Option<i64>,
}

/// One instance of a component.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ComponentInstance {
    pub instance_id: String,
    pub processes: i64,
    /// Responsive ones.
    pub healthy_processes: i64,
    pub capacity: i64,
    pub load: i64,
    pub utilization_percent: f64,
    pub statuses: Vec<String>,
    /// Age of its oldest heartbeat, seconds.
    pub max_age_seconds: f64,
    /// All its processes are stale, and recently so.
    pub draining: bool,
}

/// SSE connections of all ingress workers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IngressSse {
    pub total_connections: Option<i64>,
    /// 0 = no limit configured.
    pub max_connections: Option<i64>,
    pub sessions: Option<i64>,
    /// `None` without a limit.
    pub utilization_percent: Option<f64>,
    pub windows: Option<Windows>,
}

/// The queue as the processor sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ProcQueue {
    pub total: Option<i64>,
    pub pressure_ratio: Option<f64>,
    /// `None` only in what an upstream did not send.
    pub thresholds: Option<Thresholds>,
    pub accepting: Accepting,
    pub windows: QueueWindows,
}

/// Whether a role's tasks are taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Accepting {
    pub anonymous: Option<bool>,
    pub registered: Option<bool>,
    pub paid: Option<bool>,
    pub privileged: Option<bool>,
}

/// Rolling queue series; `None` when the queue could not be read this tick.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct QueueWindows {
    pub pressure_ratio: Option<Windows>,
    pub depth: Option<Windows>,
}

/// Means over three windows and the maximum over the last hour; `None` where a window holds no point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Windows {
    #[serde(rename = "1m")]
    pub one_minute: Option<f64>,
    #[serde(rename = "15m")]
    pub fifteen_minutes: Option<f64>,
    #[serde(rename = "1h")]
    pub one_hour: Option<f64>,
    pub max: Option<f64>,
}

/// The latency series of a component, milliseconds: ingress has `rest_ms`, processor the others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LatencyByName {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest_ms: Option<LatencyWindows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_wait_ms: Option<LatencyWindows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec_ms: Option<LatencyWindows>,
}

/// Percentiles over three windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LatencyWindows {
    #[serde(rename = "1m")]
    pub one_minute: LatencyPercentiles,
    #[serde(rename = "15m")]
    pub fifteen_minutes: LatencyPercentiles,
    #[serde(rename = "1h")]
    pub one_hour: LatencyPercentiles,
}

/// Milliseconds; `None` where the window is empty. Zero is a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LatencyPercentiles {
    /// `None` only in what an upstream did not send.
    pub count: Option<i64>,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}
