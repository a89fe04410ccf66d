//! The settings of one component, read from a whole configuration document.
//!
//! Owns names, defaults and ranges; `section` reads a field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::problems::GatewayErrors;
use super::section::{Section, slice};
use super::shown::has_user;
use super::{
    Backpressure, CircuitBreakers, CircuitSettings, GatewaySettings, LimitSettings, MonitoringSettings, PoolSettings,
    RateLimits, RedisSettings, RoleLimit, ServiceCapacity,
};
use crate::platform::facts::Component;

const ANY: (f64, f64) = (0.0, f64::INFINITY);
const SHARE: (f64, f64) = (0.0, 1.0);

const PROFILES: [&str; 4] = ["development", "testing", "production", "load_test"];

/// REST routes that the gateway guards unless the configuration lists others.
const GUARDED: [&str; 7] = [
    "^/resources/link-preview$",
    "^/resources/by-rn$",
    "^/conversations/[^/]+/[^/]+/[^/]+/fetch$",
    "^/conversations/[^/]+/[^/]+/turns-with-feedbacks$",
    "^/conversations/[^/]+/[^/]+/feedback/conversations-in-period$",
    "^/integrations/bundles/[^/]+/[^/]+/operations/[^/]+$",
    "^/integrations/bundles/[^/]+/[^/]+/[^/]+/operations/[^/]+$",
];

/// All settings that `component` reads from `root`.
pub(super) fn settings(
    root: &Map<String, Value>,
    component: Component,
    instance_id: &str,
    tenant: &str,
    problems: &GatewayErrors,
) -> GatewaySettings {
    let profile = profile(root, problems);
    let mut settings = GatewaySettings {
        display_name: format!("Gateway-{profile}-{instance_id}"),
        profile,
        instance_id: instance_id.to_owned(),
        tenant_id: tenant.to_owned(),
        rate_limits: rate_limits(&Section::sliced(root, "rate_limits", component, problems)),
        service_capacity: service_capacity(&Section::sliced(root, "service_capacity", component, problems)),
        backpressure: backpressure(&Section::sliced(root, "backpressure", component, problems)),
        circuit_breakers: circuit_breakers(&Section::flat(root, "circuit_breakers", problems)),
        monitoring: monitoring(&Section::flat(root, "monitoring", problems)),
        redis: redis(&Section::flat(root, "redis", problems)),
        pools: pools(&Section::sliced(root, "pools", component, problems)),
        limits: limits(&Section::sliced(root, "limits", component, problems)),
        guarded_rest_patterns: guarded(root, component),
        bypass_throttling_patterns: patterns(root, "bypass_throttling_patterns", component),
        ..GatewaySettings::default()
    };
    settings.computed_metrics = settings.computed();
    settings
}

/// An unknown profile is the platform's `development`.
fn profile(root: &Map<String, Value>, problems: &GatewayErrors) -> String {
    let named = match root.get("profile") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text.trim(),
        Some(other) => {
            problems.wrong_type("profile", "a text", other);
            ""
        }
    };
    PROFILES.iter().find(|known| **known == named).copied().unwrap_or("development").to_owned()
}

fn service_capacity(section: &Section<'_>) -> ServiceCapacity {
    let concurrent = section.whole("concurrent_requests_per_process", 5, 0);
    let processes = section.whole("processes_per_instance", 1, 0);
    let per_instance = section
        .optional_whole("concurrent_requests_per_instance", 0)
        .unwrap_or_else(|| concurrent.whole().saturating_mul(processes.whole()).into());
    ServiceCapacity {
        concurrent_requests_per_process: concurrent,
        avg_processing_time_seconds: section.positive("avg_processing_time_seconds", 25.0),
        processes_per_instance: processes,
        concurrent_requests_per_instance: per_instance,
        requests_per_hour: section.optional_whole("requests_per_hour", 0),
    }
}

fn backpressure(section: &Section<'_>) -> Backpressure {
    Backpressure {
        capacity_buffer: section.number("capacity_buffer", 0.2, SHARE),
        queue_depth_multiplier: section.number("queue_depth_multiplier", 2.0, ANY),
        anonymous_pressure_threshold: section.number("anonymous_pressure_threshold", 0.6, ANY),
        registered_pressure_threshold: section.number("registered_pressure_threshold", 0.8, ANY),
        paid_pressure_threshold: section.number("paid_pressure_threshold", 0.8, ANY),
        hard_limit_threshold: section.number("hard_limit_threshold", 0.95, ANY),
        capacity_source_component: section.text("capacity_source_component").unwrap_or("proc").to_owned(),
    }
}

/// Roles stand in the section itself or under `roles`; without any, the platform's four.
fn rate_limits(section: &Section<'_>) -> RateLimits {
    let roles = section.inner("roles");
    let roles: BTreeMap<String, RoleLimit> = roles
        .as_ref()
        .unwrap_or(section)
        .inners()
        .map(|(role, limits)| (role.clone(), role_limit(&limits, [50, 5, 60])))
        .collect();
    if !roles.is_empty() {
        return RateLimits { roles };
    }
    let defaults = [("anonymous", 120, 10), ("registered", 600, 30), ("paid", 2000, 60), ("privileged", -1, 200)];
    let roles = defaults.map(|(role, hourly, burst)| {
        (role.to_owned(), RoleLimit { hourly: hourly.into(), burst: burst.into(), burst_window: 60.into() })
    });
    RateLimits { roles: roles.into() }
}

fn role_limit(section: &Section<'_>, [hourly, burst, window]: [i64; 3]) -> RoleLimit {
    RoleLimit {
        hourly: section.whole("hourly", hourly, -1),
        burst: section.whole("burst", burst, -1),
        burst_window: section.whole("burst_window", window, 0),
    }
}

fn circuit_breakers(section: &Section<'_>) -> CircuitBreakers {
    CircuitBreakers {
        authentication: circuit(section, "auth", [15, 60, 5, 120, 10]),
        rate_limiter: circuit(section, "rate_limit", [20, 30, 3, 120, 5]),
        backpressure: circuit(section, "backpressure", [10, 60, 5, 120, 3]),
    }
}

fn circuit(section: &Section<'_>, prefix: &str, defaults: [i64; 5]) -> CircuitSettings {
    let [failures, recovery, successes, window, calls] = defaults;
    let field = |name: &str, default| section.whole(&format!("{prefix}_{name}"), default, 0);
    CircuitSettings {
        failure_threshold: field("failure_threshold", failures),
        recovery_timeout: field("recovery_timeout", recovery),
        success_threshold: field("success_threshold", successes),
        window_size: field("window_size", window),
        half_open_max_calls: field("half_open_max_calls", calls),
    }
}

fn monitoring(section: &Section<'_>) -> MonitoringSettings {
    MonitoringSettings {
        throttling_events_retention_hours: section.whole("throttling_events_retention_hours", 24, 0),
        session_analytics_enabled: section.flag("session_analytics_enabled", true),
        circuit_breaker_stats_retention_hours: section.whole("circuit_breaker_stats_retention_hours", 24, 0),
        queue_analytics_enabled: section.flag("queue_analytics_enabled", true),
        heartbeat_timeout_seconds: section.whole("heartbeat_timeout_seconds", 45, 1),
        instance_cache_ttl_seconds: section.whole("instance_cache_ttl_seconds", 10, 0),
    }
}

fn redis(section: &Section<'_>) -> RedisSettings {
    RedisSettings {
        rate_limit_key_ttl: section.whole("rate_limit_key_ttl", 3600, 0),
        session_ttl: section.whole("session_ttl", 86400, 0),
        analytics_ttl: section.whole("analytics_ttl", 86400, 0),
        circuit_breaker_stats_ttl: section.whole("circuit_breaker_stats_ttl", 3600, 0),
        heartbeat_ttl: section.whole("heartbeat_ttl", 30, 0),
        sse_stats_ttl_seconds: section.whole("sse_stats_ttl_seconds", 60, 0),
        sse_stats_max_age_seconds: section.whole("sse_stats_max_age_seconds", 120, 0),
    }
}

fn pools(section: &Section<'_>) -> PoolSettings {
    PoolSettings {
        pg_pool_min_size: section.optional_whole_or_text("pg_pool_min_size", 0),
        pg_pool_max_size: section.optional_whole_or_text("pg_pool_max_size", 0),
        redis_max_connections: section.optional_whole_or_text("redis_max_connections", 0),
        pg_max_connections: section.optional_whole_or_text("pg_max_connections", 0),
    }
}

fn limits(section: &Section<'_>) -> LimitSettings {
    LimitSettings {
        max_sse_connections_per_instance: section.optional_whole_or_text("max_sse_connections_per_instance", 0),
        // The second is the name that older configurations use.
        max_integrations_ops_concurrency: section
            .optional_whole_or_text("max_integrations_ops_concurrency", 0)
            .or_else(|| section.optional_whole_or_text("max_integrations_concurrency", 0)),
        max_queue_size: section.optional_whole_or_text("max_queue_size", 0),
    }
}

fn guarded(root: &Map<String, Value>, component: Component) -> Vec<String> {
    let given = patterns(root, "guarded_rest_patterns", component);
    if given.is_empty() { GUARDED.map(str::to_owned).to_vec() } else { given }
}

/// Route patterns are shown, not used: what is not a list of texts, and a text that may hold a password, is as good as
/// none.
fn patterns(root: &Map<String, Value>, name: &str, component: Component) -> Vec<String> {
    let (_, value) = slice(root, name, component);
    let texts = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    texts.filter(|text| !text.is_empty() && !has_user(text)).map(str::to_owned).collect()
}
