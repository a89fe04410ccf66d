//! The gateway settings of one component, resolved and with defaults filled in; the shape is that
//! of `gateway_configuration` in the payload. `parse` reads them from a document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Amount;

/// All settings of one component.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct GatewaySettings {
    pub profile: String,
    /// `Gateway-{profile}-{instance_id}`.
    pub display_name: String,
    pub instance_id: String,
    pub tenant_id: String,
    pub rate_limits: RateLimits,
    pub service_capacity: ServiceCapacity,
    pub backpressure: Backpressure,
    pub circuit_breakers: CircuitBreakers,
    pub monitoring: MonitoringSettings,
    pub redis: RedisSettings,
    pub pools: PoolSettings,
    pub limits: LimitSettings,
    pub guarded_rest_patterns: Vec<String>,
    pub bypass_throttling_patterns: Vec<String>,
    pub computed_metrics: ComputedMetrics,
}

/// Limits by role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RateLimits {
    pub roles: BTreeMap<String, RoleLimit>,
}

/// One role's limits, requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RoleLimit {
    /// −1 = unlimited.
    pub hourly: Amount,
    pub burst: Amount,
    /// Seconds.
    pub burst_window: Amount,
}

/// How much one instance can do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ServiceCapacity {
    pub concurrent_requests_per_process: Amount,
    /// Seconds.
    pub avg_processing_time_seconds: Amount,
    pub processes_per_instance: Amount,
    /// Concurrent per process × processes, unless given.
    pub concurrent_requests_per_instance: Amount,
    pub requests_per_hour: Option<Amount>,
}

/// How full the queue may become.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Backpressure {
    /// Share of the capacity that is held back.
    pub capacity_buffer: Amount,
    /// Queue places per concurrent request.
    pub queue_depth_multiplier: Amount,
    /// This and the next three: ratios of the total capacity.
    pub anonymous_pressure_threshold: Amount,
    pub registered_pressure_threshold: Amount,
    pub paid_pressure_threshold: Amount,
    pub hard_limit_threshold: Amount,
    /// Whose processes count as capacity.
    pub capacity_source_component: String,
}

/// Settings of the three circuit breakers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CircuitBreakers {
    pub authentication: CircuitSettings,
    pub rate_limiter: CircuitSettings,
    pub backpressure: CircuitSettings,
}

/// Settings of one circuit breaker; times in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CircuitSettings {
    pub failure_threshold: Amount,
    pub recovery_timeout: Amount,
    pub success_threshold: Amount,
    pub window_size: Amount,
    pub half_open_max_calls: Amount,
}

/// What is observed, and how long it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MonitoringSettings {
    pub throttling_events_retention_hours: Amount,
    pub session_analytics_enabled: bool,
    pub circuit_breaker_stats_retention_hours: Amount,
    pub queue_analytics_enabled: bool,
    /// A process whose heartbeat is older is stale.
    pub heartbeat_timeout_seconds: Amount,
    pub instance_cache_ttl_seconds: Amount,
}

/// Lifetimes in Redis, seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RedisSettings {
    pub rate_limit_key_ttl: Amount,
    pub session_ttl: Amount,
    pub analytics_ttl: Amount,
    pub circuit_breaker_stats_ttl: Amount,
    pub heartbeat_ttl: Amount,
    pub sse_stats_ttl_seconds: Amount,
    /// An SSE sample of a worker that no longer heartbeats counts this long.
    pub sse_stats_max_age_seconds: Amount,
}

/// Pool sizes of one process, connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PoolSettings {
    pub pg_pool_min_size: Option<Amount>,
    pub pg_pool_max_size: Option<Amount>,
    pub redis_max_connections: Option<Amount>,
    /// What the database server allows in all.
    pub pg_max_connections: Option<Amount>,
}

/// Soft limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LimitSettings {
    pub max_sse_connections_per_instance: Option<Amount>,
    pub max_integrations_ops_concurrency: Option<Amount>,
    pub max_queue_size: Option<Amount>,
}

/// What follows from the settings for one instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ComputedMetrics {
    pub base_queue_size_per_instance: i64,
    /// Requests an hour.
    pub theoretical_throughput_per_instance: i64,
    pub effective_concurrent_capacity: i64,
    pub queue_capacity_per_instance: i64,
}
