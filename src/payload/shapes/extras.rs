//! Payload shapes of the smaller sections: autoscaler hints, circuits, database, SSE, Redis.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One hint a component; `None` only in what an upstream did not send.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Autoscaler {
    pub proc: Option<AutoscalerHint<ProcSignals>>,
    pub ingress: Option<AutoscalerHint<IngressSignals>>,
}

/// What an autoscaler might do, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AutoscalerHint<S: Default> {
    /// `scale_up`, `scale_down` or `hold`.
    #[serde(default)]
    pub decision: String,
    #[serde(default)]
    pub scale_up: bool,
    #[serde(default)]
    pub scale_down: bool,
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The numbers behind it.
    #[serde(default)]
    pub signals: S,
}

/// What the processor's hint is made of; `None` where a queue could not be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ProcSignals {
    /// 3 decimals.
    pub queue_pressure_ratio: Option<f64>,
    pub queue_depth: Option<i64>,
    pub utilization_percent: f64,
    pub instance_count: i64,
}

/// What the ingress's hint is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IngressSignals {
    /// 1 decimal; `None` without samples or without a limit.
    pub sse_utilization_percent: Option<f64>,
    pub utilization_percent: f64,
    pub instance_count: i64,
}

/// One circuit breaker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CircuitBreaker {
    pub name: String,
    /// `closed`, `open` or `half_open`.
    pub state: String,
    pub failure_count: i64,
    pub success_count: i64,
    pub last_failure_time: Option<f64>,
    pub last_success_time: Option<f64>,
    pub total_requests: i64,
    pub total_failures: i64,
    pub opened_at: Option<f64>,
    /// Unix seconds; the tick's time where nothing is known.
    pub last_state_change: f64,
    pub consecutive_failures: i64,
    pub consecutive_successes: i64,
    pub current_window_failures: i64,
    pub half_open_calls: i64,
}

/// Postgres connections that the configuration can amount to, against what the server allows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct DbConnections {
    pub max_connections: Option<i64>,
    /// `config` or `query`.
    pub source: Option<String>,
    pub pool_max_per_worker: i64,
    pub processes_per_instance: i64,
    pub estimated_per_instance: i64,
    pub instance_count: i64,
    /// `None` only in what an upstream did not send.
    pub estimated_total: Option<i64>,
    pub percent_of_max: Option<f64>,
    pub warning: bool,
    pub warning_reason: Option<String>,
    /// `high`, `max` or `exceeds`.
    pub warning_level: Option<String>,
}

/// SSE connections summed over ingress workers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SseConnections {
    pub total_connections: Option<i64>,
    /// 0 = no limit configured.
    pub max_connections: Option<i64>,
    pub sessions: Option<i64>,
    /// Workers whose sample counts.
    pub processes: i64,
    /// `redis`.
    pub source: String,
}

/// What was found in Redis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RedisInfo {
    pub process_keys_found: i64,
    pub active_processes: i64,
    pub chat_rest_processes: i64,
    pub max_queue_size: i64,
}
