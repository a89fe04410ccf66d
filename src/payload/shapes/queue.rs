//! Payload shapes of the queue: `queue_stats` and the sections that present it again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Depths by role and what they mean against the capacity. Depths are `None` where unreadable;
/// what depends on the total is `None` if any role is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct QueueStats {
    pub anonymous: Option<i64>,
    pub registered: Option<i64>,
    pub paid: Option<i64>,
    pub privileged: Option<i64>,
    /// Over all five roles: `external` counts too, though it is not shown by itself.
    pub total: Option<i64>,
    pub capacity_context: CapacityContext,
    pub analytics: QueueAnalyticsStats,
}

/// The capacity that the queue is measured against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CapacityContext {
    /// Capacity of the instance that the gateway configuration names, of one process if it runs none.
    pub base_capacity_per_instance: i64,
    /// Instances with a live capacity-source process, sorted.
    pub alive_instances: Vec<String>,
    /// Their number, at least 1.
    pub instance_count: i64,
    /// The total capacity, in tasks; `None` only in what an upstream did not send.
    pub weighted_max_capacity: Option<i64>,
    /// Queue total / total capacity; 1 without capacity.
    pub pressure_ratio: Option<f64>,
    pub accepting_anonymous: Option<bool>,
    pub accepting_registered: Option<bool>,
    pub accepting_paid: Option<bool>,
    pub accepting_privileged: Option<bool>,
    pub thresholds: Thresholds,
}

/// Queue depths from which a role is turned away; all or none, because 0 would be a guess.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Thresholds {
    pub anonymous_threshold: i64,
    pub registered_threshold: i64,
    pub paid_threshold: i64,
    pub hard_limit_threshold: i64,
}

/// The platform's own bookkeeping, by role; empty where it is switched off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct QueueAnalyticsStats {
    /// Seconds.
    pub avg_wait_times: BTreeMap<String, f64>,
    /// Tasks in the last hour.
    pub throughput_metrics: BTreeMap<String, i64>,
}

/// `queue_stats` laid flat.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct EnhancedQueueStats {
    pub anonymous_queue: Option<i64>,
    pub registered_queue: Option<i64>,
    pub paid_queue: Option<i64>,
    pub privileged_queue: Option<i64>,
    pub total_queue: Option<i64>,
    pub base_capacity_per_instance: i64,
    pub alive_instances: Vec<String>,
    pub instance_count: i64,
    pub weighted_max_capacity: Option<i64>,
    pub pressure_ratio: Option<f64>,
    pub accepting_anonymous: Option<bool>,
    pub accepting_registered: Option<bool>,
    pub accepting_paid: Option<bool>,
    pub accepting_privileged: Option<bool>,
}

/// What the queue makes the gateway do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BackpressurePolicy {
    pub thresholds: Thresholds,
    pub current_effects: CurrentEffects,
    pub capacity_scaling: CapacityScaling,
}

/// Who is turned away now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CurrentEffects {
    pub anonymous_blocked: Option<bool>,
    pub registered_blocked: Option<bool>,
    pub paid_blocked: Option<bool>,
    pub all_blocked: Option<bool>,
    /// `critical` > 0.9, `high` > 0.8, `medium` > 0.6, else `low`.
    pub pressure_level: Option<String>,
}

/// Capacity, instances and ingress load side by side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CapacityScaling {
    pub base_per_instance: i64,
    pub instances_detected: i64,
    pub total_weighted_capacity: i64,
    /// `round(pressure · 100, 1)`.
    pub utilization_percent: Option<f64>,
    pub chat_rest_capacity: i64,
    pub chat_rest_utilization: f64,
}

/// The bookkeeping beside the depths.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct QueueAnalyticsView {
    /// Seconds, by role.
    pub wait_times: BTreeMap<String, f64>,
    /// Tasks in the last hour, by role.
    pub throughput: BTreeMap<String, i64>,
    pub individual_queues: IndividualQueues,
}

/// The queues that are shown one by one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IndividualQueues {
    pub anonymous: IndividualQueue,
    pub registered: IndividualQueue,
    pub paid: IndividualQueue,
    pub privileged: IndividualQueue,
}

/// One role's queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IndividualQueue {
    pub size: Option<i64>,
    /// Seconds; this and the next are `None` where the bookkeeping cannot be read.
    pub avg_wait: Option<f64>,
    /// Tasks in the last hour.
    pub throughput: Option<i64>,
    pub blocked: Option<bool>,
}
