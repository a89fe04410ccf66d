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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> (GatewaySettings, Vec<String>) {
        let problems = GatewayErrors::default();
        let root = document.as_object().expect("an object");
        let settings = settings(root, Component::Proc, "i-1", "acme", &problems);
        (settings, problems.into_result("s", ()).err().map(|error| error.problems).unwrap_or_default())
    }

    /// A number of its own for every field, so that one that is read in another's place shows.
    #[test]
    fn every_field_lands_in_its_own_place() {
        let sections = json!({
            "service_capacity": {"concurrent_requests_per_process": 101, "avg_processing_time_seconds": 102.5,
                "processes_per_instance": 103, "concurrent_requests_per_instance": 104, "requests_per_hour": 105},
            "backpressure": {"capacity_buffer": 0.11, "queue_depth_multiplier": 1.12, "anonymous_pressure_threshold": 0.13,
                "registered_pressure_threshold": 0.14, "paid_pressure_threshold": 0.15, "hard_limit_threshold": 0.16,
                "capacity_source_component": "kb:rest"},
            "monitoring": {"throttling_events_retention_hours": 201, "session_analytics_enabled": false,
                "circuit_breaker_stats_retention_hours": 202, "queue_analytics_enabled": true,
                "heartbeat_timeout_seconds": 203, "instance_cache_ttl_seconds": 204},
            "redis": {"rate_limit_key_ttl": 301, "session_ttl": 302, "analytics_ttl": 303, "circuit_breaker_stats_ttl": 304,
                "heartbeat_ttl": 305, "sse_stats_ttl_seconds": 306, "sse_stats_max_age_seconds": 307},
            "pools": {"pg_pool_min_size": 401, "pg_pool_max_size": 402, "redis_max_connections": 403,
                "pg_max_connections": 404},
            "limits": {"max_sse_connections_per_instance": 501, "max_integrations_ops_concurrency": 502,
                "max_queue_size": 503},
            "guarded_rest_patterns": ["^/guarded$"], "bypass_throttling_patterns": ["^/bypass$"],
        });
        let (settings, problems) = read(&sections);
        assert_eq!(problems, [""; 0]);
        let shown = serde_json::to_value(&settings).unwrap();
        for (section, given) in sections.as_object().unwrap() {
            assert_eq!(&shown[section], given, "{section}");
        }
    }

    #[test]
    fn each_circuit_breaker_has_a_prefix_and_defaults_of_its_own() {
        let shown = |document| serde_json::to_value(read(&document).0.circuit_breakers).unwrap();
        let circuit = |[failures, recovery, successes, window, calls]: [i64; 5]| {
            json!({"failure_threshold": failures, "recovery_timeout": recovery, "success_threshold": successes,
                "window_size": window, "half_open_max_calls": calls})
        };
        let defaults = json!({"authentication": circuit([15, 60, 5, 120, 10]),
            "rate_limiter": circuit([20, 30, 3, 120, 5]), "backpressure": circuit([10, 60, 5, 120, 3])});
        assert_eq!(shown(json!({})), defaults);
        for (prefix, name) in
            [("auth", "authentication"), ("rate_limit", "rate_limiter"), ("backpressure", "backpressure")]
        {
            let fields = circuit([1, 2, 3, 4, 5]);
            let prefixed = fields.as_object().unwrap().iter();
            let prefixed: Map<String, Value> =
                prefixed.map(|(field, value)| (format!("{prefix}_{field}"), value.clone())).collect();
            let mut expected = defaults.clone();
            expected[name] = fields;
            assert_eq!(shown(json!({"circuit_breakers": prefixed})), expected, "{prefix}");
        }
    }

    #[test]
    fn each_number_is_accepted_from_its_own_bound_on() {
        for (section, field, least, below) in [
            ("service_capacity", "concurrent_requests_per_process", json!(0), json!(-1)),
            ("service_capacity", "processes_per_instance", json!(0), json!(-1)),
            ("service_capacity", "requests_per_hour", json!(0), json!(-1)),
            ("service_capacity", "avg_processing_time_seconds", json!(0.01), json!(0)),
            ("backpressure", "capacity_buffer", json!(0), json!(-0.01)),
            ("backpressure", "capacity_buffer", json!(1), json!(1.01)),
            ("backpressure", "queue_depth_multiplier", json!(0), json!(-0.01)),
            ("backpressure", "hard_limit_threshold", json!(0), json!(-0.01)),
            ("circuit_breakers", "auth_window_size", json!(0), json!(-1)),
            ("monitoring", "heartbeat_timeout_seconds", json!(1), json!(0)),
            ("monitoring", "instance_cache_ttl_seconds", json!(0), json!(-1)),
            ("redis", "heartbeat_ttl", json!(0), json!(-1)),
            ("pools", "pg_pool_max_size", json!("0"), json!("-1")),
            ("limits", "max_queue_size", json!(0), json!(-1)),
        ] {
            assert_eq!(read(&json!({section: {field: least}})).1, [""; 0], "{section}.{field}");
            let problems = read(&json!({section: {field: below}})).1;
            assert!(problems.len() == 1 && problems[0].starts_with(&format!("s: {section}.{field}: ")), "{problems:?}");
        }
        // −1 is no limit, of a window there is none.
        assert_eq!(read(&json!({"rate_limits": {"x": {"hourly": -1, "burst": -1, "burst_window": 0}}})).1, [""; 0]);
        let refused = read(&json!({"rate_limits": {"x": {"hourly": -2, "burst": -2, "burst_window": -1}}})).1;
        let refused: Vec<&str> = refused.iter().filter_map(|line| Some(line.rsplit_once(": ")?.1)).collect();
        let at_least = |least, got| format!("expected a whole number of at least {least}, got {got}");
        assert_eq!(refused, [at_least(-1, -2), at_least(-1, -2), at_least(0, -1)]);
    }

    #[test]
    fn the_older_name_of_a_limit_counts_where_the_newer_gives_none() {
        let limit = |limits: Value| read(&json!({"limits": limits})).0.limits.max_integrations_ops_concurrency;
        let (newer, older) = ("max_integrations_ops_concurrency", "max_integrations_concurrency");
        assert_eq!(limit(json!({newer: 3, older: 4})), Some(3.into()));
        assert_eq!(limit(json!({older: 4})), Some(4.into()));
        assert_eq!(limit(json!({newer: null, older: "4"})), Some(4.into()));
        assert_eq!(limit(json!({})), None);
    }

    #[test]
    fn an_unknown_profile_is_development_and_every_name_shows_the_profile() {
        for (given, profile) in [
            (json!("production"), "production"),
            (json!(" load_test "), "load_test"),
            (json!("testing"), "testing"),
            (json!("Production"), "development"),
            (json!("staging"), "development"),
            (json!(""), "development"),
            (Value::Null, "development"),
        ] {
            let (settings, problems) = read(&json!({"profile": given}));
            assert_eq!((settings.profile.as_str(), problems.len()), (profile, 0), "{given}");
            assert_eq!(settings.display_name, format!("Gateway-{profile}-i-1"));
            assert_eq!((settings.instance_id.as_str(), settings.tenant_id.as_str()), ("i-1", "acme"));
        }
    }

    #[test]
    fn the_guarded_routes_are_the_platforms_unless_a_list_has_one() {
        let patterns = |given: Value| {
            let settings = read(&json!({"guarded_rest_patterns": given, "bypass_throttling_patterns": given})).0;
            (settings.guarded_rest_patterns, settings.bypass_throttling_patterns)
        };
        for none in [json!(null), json!([]), json!(""), json!("^/a$"), json!([5, ""]), json!(["https://u:S3CRET@h/"])] {
            assert_eq!(patterns(none.clone()), (GUARDED.map(str::to_owned).to_vec(), Vec::new()), "{none}");
        }
        let one = vec!["^/a$".to_owned()];
        assert_eq!(patterns(json!(["", "^/a$", 7, "redis://:S3CRET@h"])), (one.clone(), one.clone()));
        assert_eq!(patterns(json!({"ingress": ["^/b$"], "proc": ["^/a$"]})), (one.clone(), one));
    }
}
