//! What one component's slice of the gateway configuration holds, with the platform's defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One component's settings; every field has a default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slice {
    pub profile: Profile,
    pub rate_limits: RateLimits,
    pub service_capacity: ServiceCapacity,
    pub backpressure: Backpressure,
    pub circuit_breakers: BTreeMap<String, CircuitBreaker>,
    pub monitoring: Monitoring,
    pub redis: Redis,
    pub pools: Pools,
    pub limits: Limits,
    pub guarded_rest_patterns: Vec<String>,
    pub bypass_throttling_patterns: Vec<String>,
}

/// The deployment's profile, a free word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profile(pub String);

impl Default for Profile {
    fn default() -> Self {
        Self("development".to_owned())
    }
}

/// Requests a role may make.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Requests an hour; -1 = without limit.
    pub hourly: Option<i64>,
    pub burst: Option<i64>,
    /// Seconds.
    pub burst_window: Option<i64>,
}

/// Limits by role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimits {
    pub roles: BTreeMap<String, RateLimit>,
}

impl Default for RateLimits {
    fn default() -> Self {
        let limit = |hourly, burst| RateLimit { hourly: Some(hourly), burst: Some(burst), burst_window: Some(60) };
        let roles = [
            ("anonymous", limit(120, 10)),
            ("registered", limit(600, 30)),
            ("paid", limit(2000, 60)),
            ("privileged", limit(-1, 200)),
        ];
        Self { roles: roles.into_iter().map(|(role, limit)| (role.to_owned(), limit)).collect() }
    }
}

/// What one process and instance can take on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceCapacity {
    pub concurrent_requests_per_process: i64,
    pub avg_processing_time_seconds: f64,
    pub processes_per_instance: i64,
    pub requests_per_hour: Option<f64>,
}

impl Default for ServiceCapacity {
    fn default() -> Self {
        Self {
            concurrent_requests_per_process: 5,
            avg_processing_time_seconds: 25.0,
            processes_per_instance: 1,
            requests_per_hour: None,
        }
    }
}

/// How much queue is accepted, as ratios of capacity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backpressure {
    /// Share of concurrent capacity kept free.
    pub capacity_buffer: f64,
    /// Queued tasks for each concurrent one.
    pub queue_depth_multiplier: f64,
    pub anonymous_pressure_threshold: f64,
    pub registered_pressure_threshold: f64,
    pub paid_pressure_threshold: f64,
    pub hard_limit_threshold: f64,
    /// Whose processes are the capacity.
    pub capacity_source_component: String,
}

impl Default for Backpressure {
    fn default() -> Self {
        Self {
            capacity_buffer: 0.2,
            queue_depth_multiplier: 2.0,
            anonymous_pressure_threshold: 0.6,
            registered_pressure_threshold: 0.8,
            paid_pressure_threshold: 0.8,
            hard_limit_threshold: 0.95,
            capacity_source_component: "proc".to_owned(),
        }
    }
}

/// One circuit breaker's settings; counts, and times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CircuitBreaker {
    pub failure_threshold: i64,
    pub recovery_timeout: i64,
    pub success_threshold: i64,
    pub window_size: i64,
    pub half_open_max_calls: i64,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            failure_threshold: 10,
            recovery_timeout: 60,
            success_threshold: 5,
            window_size: 120,
            half_open_max_calls: 3,
        }
    }
}

/// The circuit breakers that every deployment has.
#[must_use]
pub fn default_circuit_breakers() -> BTreeMap<String, CircuitBreaker> {
    let window = CircuitBreaker::default();
    let all = [
        ("authentication", CircuitBreaker { failure_threshold: 15, half_open_max_calls: 10, ..window }),
        (
            "rate_limiter",
            CircuitBreaker {
                failure_threshold: 20,
                recovery_timeout: 30,
                success_threshold: 3,
                half_open_max_calls: 5,
                ..window
            },
        ),
        ("backpressure", window),
    ];
    all.into_iter().map(|(name, breaker)| (name.to_owned(), breaker)).collect()
}

/// What is watched, and for how long it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Monitoring {
    pub throttling_events_retention_hours: f64,
    pub session_analytics_enabled: bool,
    pub circuit_breaker_stats_retention_hours: f64,
    pub queue_analytics_enabled: bool,
    /// A heartbeat older than this is stale; the one limit for status and capacity.
    pub heartbeat_timeout_seconds: f64,
    pub instance_cache_ttl_seconds: f64,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            throttling_events_retention_hours: 24.0,
            session_analytics_enabled: true,
            circuit_breaker_stats_retention_hours: 24.0,
            queue_analytics_enabled: true,
            heartbeat_timeout_seconds: 45.0,
            instance_cache_ttl_seconds: 10.0,
        }
    }
}

/// Lives of keys in Redis, seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Redis {
    pub rate_limit_key_ttl: f64,
    pub session_ttl: f64,
    pub analytics_ttl: f64,
    pub circuit_breaker_stats_ttl: f64,
    pub heartbeat_ttl: f64,
    pub sse_stats_ttl_seconds: f64,
    pub sse_stats_max_age_seconds: f64,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            rate_limit_key_ttl: 3600.0,
            session_ttl: 86_400.0,
            analytics_ttl: 86_400.0,
            circuit_breaker_stats_ttl: 3600.0,
            heartbeat_ttl: 30.0,
            sse_stats_ttl_seconds: 60.0,
            sse_stats_max_age_seconds: 120.0,
        }
    }
}

/// Connection pools of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pools {
    pub pg_pool_min_size: Option<i64>,
    pub pg_pool_max_size: Option<i64>,
    pub redis_max_connections: Option<i64>,
    /// The database's own limit, where an admin states it.
    pub pg_max_connections: Option<i64>,
}

/// Limits of one instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    pub max_sse_connections_per_instance: Option<i64>,
    pub max_integrations_ops_concurrency: Option<i64>,
    pub max_queue_size: Option<i64>,
}

/// REST routes that are guarded unless a configuration says otherwise.
#[must_use]
pub fn default_guarded_rest_patterns() -> Vec<String> {
    [
        "^/resources/link-preview$",
        "^/resources/by-rn$",
        "^/conversations/[^/]+/[^/]+/[^/]+/fetch$",
        "^/conversations/[^/]+/[^/]+/turns-with-feedbacks$",
        "^/conversations/[^/]+/[^/]+/feedback/conversations-in-period$",
        "^/integrations/bundles/[^/]+/[^/]+/operations/[^/]+$",
        "^/integrations/bundles/[^/]+/[^/]+/[^/]+/operations/[^/]+$",
    ]
    .map(str::to_owned)
    .to_vec()
}
