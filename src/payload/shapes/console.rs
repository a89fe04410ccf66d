//! Shapes of `/monitoring/system` and `/admin/circuit-breakers`, where they differ from the system payload: the sections
//! that ingress rearranges for the platform's console.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{ActualRuntime, CircuitBreaker};
use crate::platform::gateway::{Amount, CircuitBreakers, MonitoringSettings, RoleLimit};

/// `/admin/circuit-breakers`, and `circuit_breakers` of `/monitoring/system`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct CircuitBreakersView {
    pub summary: CircuitSummary,
    /// By circuit name.
    pub circuits: BTreeMap<String, CircuitBreaker>,
}

/// Circuits by state; one whose state is unknown counts in the total only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CircuitSummary {
    pub total_circuits: usize,
    pub open_circuits: usize,
    pub half_open_circuits: usize,
    pub closed_circuits: usize,
}

/// The sections that replace or extend those of the system payload.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConsoleSections {
    pub circuit_breakers: CircuitBreakersView,
    /// `None` without a gateway configuration, as are the next two.
    pub gateway_config_source: Option<&'static str>,
    pub gateway_configuration: Option<ConsoleGateway>,
    pub configuration: Option<ConsoleConfiguration>,
}

/// `gateway_configuration` in the console's names.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConsoleGateway {
    pub current_profile: String,
    pub instance_id: String,
    pub tenant_id: String,
    pub display_name: String,
    pub guarded_rest_patterns: Vec<String>,
    pub bypass_throttling_patterns: Vec<String>,
    /// By role.
    pub rate_limits: BTreeMap<String, RoleLimit>,
    pub service_capacity: ConsoleCapacity,
    pub backpressure_settings: ConsoleBackpressure,
    pub circuit_breaker_settings: CircuitBreakers,
    pub monitoring_settings: MonitoringSettings,
}

/// What one instance can do: what runs, or what is configured where that is unknown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConsoleCapacity {
    pub concurrent_requests_per_instance: Amount,
    pub avg_processing_time_seconds: Amount,
    pub requests_per_hour: i64,
}

/// The ratios at which roles are turned away, and what they are taken of.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConsoleBackpressure {
    pub capacity_buffer: Amount,
    pub queue_depth_multiplier: Amount,
    pub anonymous_pressure_threshold: Amount,
    pub registered_pressure_threshold: Amount,
    pub paid_pressure_threshold: Amount,
    pub hard_limit_threshold: Amount,
}

/// `configuration`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConsoleConfiguration {
    /// By instance.
    pub expected_services: BTreeMap<String, Vec<ExpectedService>>,
    pub queue_policy: QueuePolicy,
    pub computed_metrics: ActualRuntime,
}

/// A service and its processes on one instance. The platform also shows its ports, which no heartbeat holds.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExpectedService {
    /// `{service_type}_{service_name}`.
    pub service_key: String,
    pub expected_processes: i64,
}

/// Capacity and thresholds once more, as an older console reads them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct QueuePolicy {
    pub service_capacity: ConsoleCapacity,
    pub backpressure_thresholds: ConsoleBackpressure,
}
