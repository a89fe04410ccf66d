//! Payload shapes of `capacity_transparency`: how the total capacity comes about.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::platform::gateway::Amount;

/// Configured against actual, scaling, thresholds, warnings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CapacityTransparency {
    pub capacity_metrics: CapacityMetrics,
    pub instance_scaling: InstanceScaling,
    pub current_thresholds: CurrentThresholds,
    pub threshold_breakdown: ThresholdBreakdown,
    pub capacity_warnings: Vec<String>,
}

/// What is configured and what runs of the capacity source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CapacityMetrics {
    pub configuration: CapacityConfiguration,
    pub actual_runtime: ActualRuntime,
    pub health_metrics: HealthMetrics,
    pub threshold_ratios: ThresholdRatios,
}

/// Numbers of the gateway configuration, as given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CapacityConfiguration {
    pub configured_concurrent_per_process: Amount,
    pub configured_processes_per_instance: Amount,
    pub configured_avg_processing_time_seconds: Amount,
    pub capacity_buffer_percent: f64,
    pub queue_depth_multiplier: Amount,
}

/// The capacity source over all instances, despite the names; at least one process is assumed
/// where capacities are computed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ActualRuntime {
    pub actual_processes_per_instance: i64,
    /// Live ones.
    pub actual_healthy_processes_per_instance: i64,
    pub actual_concurrent_per_instance: i64,
    pub actual_effective_concurrent_per_instance: i64,
    pub actual_queue_capacity_per_instance: i64,
    pub actual_total_capacity_per_instance: i64,
    /// Requests an hour.
    pub actual_theoretical_hourly_per_instance: i64,
}

/// Health and load of the capacity source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HealthMetrics {
    /// Live / all, 3 decimals.
    pub process_health_ratio: f64,
    /// Load / capacity, 3 decimals.
    pub capacity_utilization_from_load: f64,
    pub processes_vs_configured: ProcessesVsConfigured,
}

/// Processes that should be and that are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ProcessesVsConfigured {
    pub configured: Amount,
    pub actual: i64,
    /// Live ones.
    pub healthy: i64,
    pub process_deficit: i64,
}

/// The thresholds as ratios of the total capacity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ThresholdRatios {
    pub anonymous_threshold_ratio: Amount,
    pub registered_threshold_ratio: Amount,
    pub paid_threshold_ratio: Amount,
    pub hard_limit_threshold_ratio: Amount,
}

/// Sums over instances. The `chat_rest_*` names are the platform's older ones for the capacity source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct InstanceScaling {
    pub detected_instances: i64,
    pub total_configured_processes: i64,
    pub total_actual_processes: i64,
    /// Live ones.
    pub total_healthy_processes: i64,
    pub process_health_ratio: f64,
    /// `type:name`.
    pub capacity_source: String,
    pub capacity_source_configured_processes: i64,
    pub capacity_source_actual_processes: i64,
    pub capacity_source_healthy_processes: i64,
    pub capacity_source_health_ratio: f64,
    pub chat_rest_configured_processes: i64,
    pub chat_rest_actual_processes: i64,
    pub chat_rest_healthy_processes: i64,
    pub chat_rest_health_ratio: f64,
    pub total_concurrent_capacity: i64,
    pub total_effective_capacity: i64,
    pub total_queue_capacity: i64,
    pub total_system_capacity: i64,
    /// Requests an hour.
    pub theoretical_system_hourly: i64,
}

/// Queue depths from which a role is turned away, and the capacity they are taken of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CurrentThresholds {
    pub anonymous_threshold: i64,
    pub registered_threshold: i64,
    pub paid_threshold: i64,
    pub hard_limit: i64,
    pub total_capacity: i64,
}

/// The same beside the percentages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ThresholdBreakdown {
    pub anonymous_blocks_at: i64,
    pub registered_blocks_at: i64,
    pub paid_blocks_at: i64,
    pub hard_limit_at: i64,
    pub anonymous_percentage: f64,
    pub registered_percentage: f64,
    pub paid_percentage: f64,
    pub hard_limit_percentage: f64,
}
