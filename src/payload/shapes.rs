//! The typed payload of `/metrics/combined` (`system`): names, nesting and nulls are the platform's.
//!
//! Holds shapes only; `view` fills them. Reading is lenient: what an upstream does
//! not send takes its default, what is unknown here is skipped.

mod capacity;
mod components;
mod console;
mod extras;
mod pools;
mod processes;
mod queue;
mod throttling;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::platform::gateway::GatewaySettings;

pub use capacity::{
    ActualRuntime, CapacityConfiguration, CapacityMetrics, CapacityTransparency, CurrentThresholds, HealthMetrics,
    InstanceScaling, ProcessesVsConfigured, ThresholdBreakdown, ThresholdRatios,
};
pub use components::{
    Accepting, ComponentInstance, ComponentStats, Components, Configured, IngressSse, LatencyByName,
    LatencyPercentiles, LatencyWindows, PoolEstimates, ProcQueue, QueueWindows, Windows,
};
pub use console::{
    CircuitBreakersView, CircuitSummary, ConsoleBackpressure, ConsoleCapacity, ConsoleConfiguration, ConsoleGateway,
    ConsoleSections, ExpectedService, QueuePolicy,
};
pub use extras::{
    Autoscaler, AutoscalerHint, CircuitBreaker, DbConnections, IngressSignals, ProcSignals, RedisInfo, SseConnections,
};
pub use pools::{
    ConnectionPools, PerPool, PoolsAggregate, PoolsByComponent, PostgresTotals, RedisPoolTotals, RedisTotals,
};
pub use processes::{ChatRestStats, GlobalStats, ServiceStats, StatusBreakdown};
pub use queue::{
    BackpressurePolicy, CapacityContext, CapacityScaling, CurrentEffects, EnhancedQueueStats, IndividualQueue,
    IndividualQueues, QueueAnalyticsStats, QueueAnalyticsView, QueueStats, Thresholds,
};
pub use throttling::{ThrottlingPeriod, ThrottlingWindow, ThrottlingWindows};

/// The payload of `/metrics/combined` (`system`).
///
/// A field is `Option` where the platform shows null, or where a value can be unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SystemPayload {
    pub components: Components,
    pub autoscaler: Autoscaler,
    /// Instance id → `{service_type}_{service_name}` → its processes.
    pub instances: BTreeMap<String, BTreeMap<String, ServiceStats>>,
    pub global_stats: GlobalStats,
    pub queue_stats: QueueStats,
    pub enhanced_queue_stats: EnhancedQueueStats,
    pub backpressure_policy: BackpressurePolicy,
    pub queue_analytics: QueueAnalyticsView,
    /// Percent of the total capacity that is queued; with no capacity 100 if anything is queued,
    /// else 0. `None` when a queue could not be read.
    pub queue_utilization: Option<f64>,
    pub capacity_info: CapacityContext,
    /// The last hour; `None`, as all of throttling is absent, where the events cannot be read.
    pub throttling_stats: Option<ThrottlingPeriod>,
    /// `1h`, `3h`, `6h`, `12h`, `24h`.
    pub throttling_by_period: BTreeMap<String, ThrottlingPeriod>,
    pub throttling_windows: ThrottlingWindows,
    /// The newest 20 of the last hour, newest first, as their writer wrote them.
    pub recent_throttling_events: Vec<Value>,
    /// By circuit name.
    pub circuit_breakers: BTreeMap<String, CircuitBreaker>,
    pub gateway_configuration: GatewaySettings,
    /// The configuration in force as it was written, without what must not be shown.
    pub gateway_config_raw: Map<String, Value>,
    /// `ingress` and `proc`: the configuration as each component reads it.
    pub gateway_config_components: BTreeMap<String, GatewaySettings>,
    pub capacity_transparency: CapacityTransparency,
    pub db_connections: DbConnections,
    /// `None` when there is no sample.
    pub sse_connections: Option<SseConnections>,
    pub connection_pools: ConnectionPools,
    /// The tick's time, Unix seconds.
    pub timestamp: f64,
    pub redis_info: RedisInfo,
}
