//! How a configuration is shown: known fields as written, unknown ones by their name with a null, because only a known
//! field is known to hold no secret. Which fields there are is stated here; `parse` reads the ones that count.

use serde_json::{Map, Value};

use super::identity::component_named;

/// What a known field holds. A value of another shape is shown as null.
enum Shape {
    /// Or digits in a text, as the platform's own tools write them.
    Number,
    Flag,
    Text,
    Texts,
    Fields(Fields),
    /// The same for every component, or a slice for each.
    Sliced(&'static Self),
    /// One value for every role; roles have any names.
    ByRole(&'static Self),
}

type Fields = &'static [(&'static str, Shape)];

const CAPACITY: Fields = &[
    ("concurrent_requests_per_process", Shape::Number),
    ("avg_processing_time_seconds", Shape::Number),
    ("processes_per_instance", Shape::Number),
    ("concurrent_requests_per_instance", Shape::Number),
    ("requests_per_hour", Shape::Number),
];

const BACKPRESSURE: Fields = &[
    ("capacity_buffer", Shape::Number),
    ("queue_depth_multiplier", Shape::Number),
    ("anonymous_pressure_threshold", Shape::Number),
    ("registered_pressure_threshold", Shape::Number),
    ("paid_pressure_threshold", Shape::Number),
    ("hard_limit_threshold", Shape::Number),
    ("capacity_source_component", Shape::Text),
];

const ROLE_LIMIT: Fields = &[("hourly", Shape::Number), ("burst", Shape::Number), ("burst_window", Shape::Number)];

const PUBLISH_LIMIT: Fields = &[
    ("enabled", Shape::Flag),
    ("packages_per_minute", Shape::Number),
    ("messages_per_minute", Shape::Number),
    ("bytes_per_minute", Shape::Number),
    ("max_messages_per_package", Shape::Number),
    ("max_package_bytes", Shape::Number),
    ("window_seconds", Shape::Number),
];

const CIRCUITS: Fields = &[
    ("auth_failure_threshold", Shape::Number),
    ("auth_recovery_timeout", Shape::Number),
    ("auth_success_threshold", Shape::Number),
    ("auth_window_size", Shape::Number),
    ("auth_half_open_max_calls", Shape::Number),
    ("rate_limit_failure_threshold", Shape::Number),
    ("rate_limit_recovery_timeout", Shape::Number),
    ("rate_limit_success_threshold", Shape::Number),
    ("rate_limit_window_size", Shape::Number),
    ("rate_limit_half_open_max_calls", Shape::Number),
    ("backpressure_failure_threshold", Shape::Number),
    ("backpressure_recovery_timeout", Shape::Number),
    ("backpressure_success_threshold", Shape::Number),
    ("backpressure_window_size", Shape::Number),
    ("backpressure_half_open_max_calls", Shape::Number),
];

const MONITORING: Fields = &[
    ("throttling_events_retention_hours", Shape::Number),
    ("session_analytics_enabled", Shape::Flag),
    ("circuit_breaker_stats_retention_hours", Shape::Number),
    ("queue_analytics_enabled", Shape::Flag),
    ("heartbeat_timeout_seconds", Shape::Number),
    ("instance_cache_ttl_seconds", Shape::Number),
];

const REDIS: Fields = &[
    ("rate_limit_key_ttl", Shape::Number),
    ("session_ttl", Shape::Number),
    ("analytics_ttl", Shape::Number),
    ("circuit_breaker_stats_ttl", Shape::Number),
    ("heartbeat_ttl", Shape::Number),
    ("sse_stats_ttl_seconds", Shape::Number),
    ("sse_stats_max_age_seconds", Shape::Number),
];

const POOLS: Fields = &[
    ("pg_pool_min_size", Shape::Number),
    ("pg_pool_max_size", Shape::Number),
    ("redis_max_connections", Shape::Number),
    ("pg_max_connections", Shape::Number),
];

const LIMITS: Fields = &[
    ("max_sse_connections_per_instance", Shape::Number),
    ("max_integrations_ops_concurrency", Shape::Number),
    ("max_integrations_concurrency", Shape::Number),
    ("max_queue_size", Shape::Number),
];

const DATA_BUS: Fields = &[("publish_limits", Shape::ByRole(&Shape::Fields(PUBLISH_LIMIT)))];

/// Every field of a configuration document except `redis_url`, which is never shown.
const DOCUMENT: Fields = &[
    ("tenant", Shape::Text),
    ("tenant_id", Shape::Text),
    ("project", Shape::Text),
    ("project_id", Shape::Text),
    ("profile", Shape::Text),
    ("instance_id", Shape::Text),
    ("display_name", Shape::Text),
    ("service_capacity", Shape::Sliced(&Shape::Fields(CAPACITY))),
    ("backpressure", Shape::Sliced(&Shape::Fields(BACKPRESSURE))),
    ("rate_limits", Shape::Sliced(&Shape::ByRole(&Shape::Fields(ROLE_LIMIT)))),
    ("circuit_breakers", Shape::Fields(CIRCUITS)),
    ("monitoring", Shape::Fields(MONITORING)),
    ("redis", Shape::Fields(REDIS)),
    ("pools", Shape::Sliced(&Shape::Fields(POOLS))),
    ("limits", Shape::Sliced(&Shape::Fields(LIMITS))),
    ("data_bus", Shape::Sliced(&Shape::Fields(DATA_BUS))),
    ("guarded_rest_patterns", Shape::Sliced(&Shape::Texts)),
    ("bypass_throttling_patterns", Shape::Sliced(&Shape::Texts)),
];

/// The document without `redis_url`, and with a null for every value that is not a known field's.
pub(super) fn shown(mut document: Map<String, Value>) -> Map<String, Value> {
    document.remove("redis_url");
    document.into_iter().map(|(name, value)| field(DOCUMENT, name, value)).collect()
}

fn field(fields: Fields, name: String, value: Value) -> (String, Value) {
    let known = fields.iter().find(|(known, _)| *known == name);
    let value = known.map_or(Value::Null, |(_, shape)| shape.shown(value));
    (name, value)
}

impl Shape {
    fn shown(&self, value: Value) -> Value {
        match (self, value) {
            (Self::Number, Value::Number(number)) => Value::Number(number),
            (Self::Number, Value::String(text)) if is_digits(&text) => Value::String(text),
            (Self::Flag, Value::Bool(flag)) => Value::Bool(flag),
            (Self::Text, Value::String(text)) if !has_user(&text) => Value::String(text),
            (Self::Texts, Value::Array(texts)) => texts.into_iter().map(|text| Self::Text.shown(text)).collect(),
            (Self::Sliced(slice), Value::Object(map)) => map.into_iter().map(|entry| slice.slice(entry)).collect(),
            (Self::Sliced(slice), value) => slice.shown(value),
            (Self::Fields(_) | Self::ByRole(_), Value::Object(map)) => {
                map.into_iter().map(|entry| self.entry(entry)).collect()
            }
            _ => Value::Null,
        }
    }

    /// An entry of a section that may be sliced: a component's slice, or a field beside slices.
    fn slice(&self, (name, value): (String, Value)) -> (String, Value) {
        if component_named(&name).is_some() {
            let value = self.shown(value);
            return (name, value);
        }
        self.entry((name, value))
    }

    fn entry(&self, (name, value): (String, Value)) -> (String, Value) {
        match self {
            Self::Fields(fields) => field(fields, name, value),
            // Roles may also be under `roles`.
            Self::ByRole(_) if name == "roles" => {
                let value = self.shown(value);
                (name, value)
            }
            Self::ByRole(role) => {
                let value = role.shown(value);
                (name, value)
            }
            _ => (name, Value::Null),
        }
    }
}

fn is_digits(text: &str) -> bool {
    text.trim().is_empty() || text.trim().parse::<i64>().is_ok()
}

/// Whether a text contains a URL with a user, which may have a password.
pub(super) fn has_user(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| rest.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn shown_of(value: Value) -> Value {
        let Value::Object(document) = value else { panic!("an object") };
        Value::Object(shown(document))
    }

    #[test]
    fn known_fields_are_shown_as_written() {
        let document = json!({
            "tenant": "acme", "project_id": "chat", "profile": "production",
            "service_capacity": {"proc": {"processes_per_instance": 2}, "ingress": {"requests_per_hour": 7.5}},
            "backpressure": {"capacity_buffer": 0.1, "capacity_source_component": "proc"},
            "rate_limits": {"proc": {"roles": {"paid": {"hourly": -1}}}, "ingress": {"anonymous": {"burst": 10}}},
            "pools": {"proc": {"pg_pool_max_size": "8"}, "pg_max_connections": 100, "redis_max_connections": ""},
            "circuit_breakers": {"auth_window_size": 60},
            "monitoring": {"queue_analytics_enabled": true},
            "redis": {"sse_stats_ttl_seconds": 60},
            "guarded_rest_patterns": {"ingress": ["^/a$"], "proc": []}, "bypass_throttling_patterns": ["^/b$"],
        });
        assert_eq!(shown_of(document.clone()), document);
    }

    #[test]
    fn the_data_bus_limits_are_kept_flat_and_by_component() {
        let limits = json!({"publish_limits": {"registered": {"enabled": false, "packages_per_minute": 600,
            "messages_per_minute": 6000, "bytes_per_minute": 16777216, "max_messages_per_package": 200,
            "max_package_bytes": 1048576, "window_seconds": 60}}});
        let document = json!({"data_bus": {"ingress": limits}});
        assert_eq!(shown_of(document.clone()), document);
        let document = json!({"data_bus": limits});
        assert_eq!(shown_of(document.clone()), document);
        let foreign = json!({"data_bus": {"url": "redis://:S@h", "publish_limits": {"paid": {"token": "S"}}}});
        let expected = json!({"data_bus": {"url": null, "publish_limits": {"paid": {"token": null}}}});
        assert_eq!(shown_of(foreign), expected);
    }

    #[test]
    fn unknown_fields_are_shown_by_name_and_redis_url_not_at_all() {
        let document = json!({
            "redis_url": "redis://:S@h", "REDIS_URL": "redis://:S@h", "vendor": {"token": "S"}, "passwd": "S",
            "pools": {"proc": {"dsn": "S", "pg_pool_max_size": 3}, "secret_key": ["S"]},
            "rate_limits": {"paid": {"hourly": 5, "private_key": "S"}, "x": "S"},
            "guarded_rest_patterns": ["^/a$", "https://u:S@h/x", [{"password": "S"}]],
        });
        let expected = json!({
            "REDIS_URL": null, "vendor": null, "passwd": null,
            "pools": {"proc": {"dsn": null, "pg_pool_max_size": 3}, "secret_key": null},
            "rate_limits": {"paid": {"hourly": 5, "private_key": null}, "x": null},
            "guarded_rest_patterns": ["^/a$", null, null],
        });
        assert_eq!(shown_of(document), expected);
    }

    #[test]
    fn a_known_field_with_a_value_of_another_shape_is_null() {
        let document = json!({"tenant": {"password": "S"}, "pools": "S", "redis": ["S"], "profile": 5,
            "limits": {"max_queue_size": "S"}, "monitoring": {"session_analytics_enabled": "S"},
            "service_capacity": {"proc": "S"}});
        let expected = json!({"tenant": null, "pools": null, "redis": null, "profile": null,
            "limits": {"max_queue_size": null}, "monitoring": {"session_analytics_enabled": null},
            "service_capacity": {"proc": null}});
        assert_eq!(shown_of(document), expected);
    }

    /// Any JSON in which every text is a secret, under known and unknown names.
    fn secretive() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(json!("S3CRET")), Just(json!("redis://u:S3CRET@h")), Just(json!(5)), Just(Value::Null)];
        leaf.prop_recursive(5, 60, 6, |inner| {
            let names: Vec<&str> = DOCUMENT
                .iter()
                .filter(|(_, shape)| !matches!(shape, Shape::Text))
                .map(|(name, _)| *name)
                .chain(["proc", "ingress", "roles", "publish_limits", "paid", "hourly", "burst", "token", "x"])
                .collect();
            let object = proptest::collection::btree_map(proptest::sample::select(names), inner.clone(), 0..6);
            let object = object.prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
            prop_oneof![object, proptest::collection::vec(inner, 0..4).prop_map(Value::Array)]
        })
    }

    /// Whether a secret is left anywhere but in a list of route patterns, which are known texts.
    fn leaks(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains("S3CRET"),
            Value::Array(items) => items.iter().any(leaks),
            Value::Object(map) => map.iter().any(|(name, value)| !name.ends_with("_patterns") && leaks(value)),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn no_text_outside_of_known_fields_is_shown(document in secretive()) {
            let Value::Object(document) = document else { return Ok(()) };
            let names: Vec<String> = document.keys().cloned().collect();
            let shown = shown(document);
            prop_assert_eq!(&shown.keys().cloned().collect::<Vec<_>>(), &names);
            prop_assert!(!leaks(&Value::Object(shown)));
        }
    }
}
