//! Cuts a component's slice out of a configuration, and tells all that is wrong with it by path.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::sections::{
    Backpressure, CircuitBreaker, Profile, RateLimits, ServiceCapacity, Slice, default_circuit_breakers,
    default_guarded_rest_patterns,
};
use super::{Options, Problems};
use crate::signals::{Component, Scope};

/// Words in a tenant or project that stand for a value nobody filled in.
const PLACEHOLDERS: [&str; 6] =
    ["TENANT_ID", "PROJECT_ID", "TENANT", "PROJECT", "DEFAULT_TENANT", "DEFAULT_PROJECT_NAME"];

/// Largest count that is believed; keeps arithmetic exact and far from overflow.
const MAX_COUNT: i64 = 1_000_000_000;

type Object = Map<String, Value>;

pub(super) fn json_object(text: &str) -> Result<Object, Problems> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(vec!["is not an object; accepted: a JSON object with tenant and project".to_owned()]),
        Err(error) => Err(vec![format!("is not JSON: {error}")]),
    }
}

pub(super) fn yaml_object(text: &str) -> Result<Object, Problems> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| vec![format!("is not YAML: {error}")])?;
    match value {
        Value::Object(mut object) => match object.remove("gateway") {
            Some(Value::Object(section)) => Ok(section),
            Some(_) => Err(vec!["gateway: is not a mapping".to_owned()]),
            None => Ok(object),
        },
        _ => Err(vec![
            "is not a mapping; accepted: a gateway configuration, or a file with a gateway: section".to_owned(),
        ]),
    }
}

/// Gives `tenant` and `tenant_id`, `project` and `project_id` the same value.
pub(super) fn spell_out_ids(raw: &mut Object) {
    for (short, long) in [("tenant", "tenant_id"), ("project", "project_id")] {
        let known = raw.get(short).or_else(|| raw.get(long)).cloned();
        if let Some(value) = known {
            raw.entry(short).or_insert_with(|| value.clone());
            raw.entry(long).or_insert(value);
        }
    }
}

pub(super) fn scope(raw: &Object, options: &Options, problems: &mut Problems) -> Option<Scope> {
    let tenant = id(raw, ["tenant", "tenant_id"], options.tenant.as_deref(), "TENANT_ID", problems);
    let project =
        id(raw, ["project", "project_id"], options.project.as_deref(), "DEFAULT_PROJECT_NAME or PROJECT_ID", problems);
    Some(Scope { tenant: tenant?, project: project? })
}

fn id(
    raw: &Object,
    names: [&str; 2],
    fallback: Option<&str>,
    variable: &str,
    problems: &mut Problems,
) -> Option<String> {
    let [short, long] = names;
    let given = match raw.get(short).filter(|value| !value.is_null()).or_else(|| raw.get(long)) {
        Some(Value::String(text)) => text.trim(),
        None | Some(Value::Null) => "",
        Some(_) => {
            problems.push(format!("{short}: is not a text"));
            return None;
        }
    };
    let id = if is_placeholder(given) { fallback.unwrap_or_default() } else { given };
    if id.is_empty() {
        problems.push(format!("{short}: is missing or a placeholder; give {short} (or {long}), or set {variable}"));
        return None;
    }
    if id.chars().any(char::is_control) {
        problems.push(format!("{short}: holds control characters"));
        return None;
    }
    Some(id.to_owned())
}

fn is_placeholder(text: &str) -> bool {
    text.is_empty()
        || text.contains("{{")
        || text.contains("${")
        || text.starts_with('<')
        || PLACEHOLDERS.contains(&text)
}

/// Everything that counts for one component.
pub(super) fn slice(raw: &Object, component: Component, problems: &mut Problems) -> Slice {
    let slice = Slice {
        profile: raw.get("profile").map_or_else(Profile::default, |value| read(value, "profile", problems)),
        rate_limits: rate_limits(raw, component, problems),
        service_capacity: section(raw, "service_capacity", component, problems),
        backpressure: section(raw, "backpressure", component, problems),
        circuit_breakers: circuit_breakers(raw, component, problems),
        monitoring: section(raw, "monitoring", component, problems),
        redis: section(raw, "redis", component, problems),
        pools: section(raw, "pools", component, problems),
        limits: section(raw, "limits", component, problems),
        guarded_rest_patterns: patterns(raw, "guarded_rest_patterns", component, problems)
            .unwrap_or_else(default_guarded_rest_patterns),
        bypass_throttling_patterns: patterns(raw, "bypass_throttling_patterns", component, problems)
            .unwrap_or_default(),
    };
    check_capacity(&slice.service_capacity, problems);
    check_backpressure(&slice.backpressure, problems);
    check_times(&slice, problems);
    slice
}

/// Pools and limits read as if they were flat: component slices are unknown fields then.
pub(super) fn flatten(main: &mut Slice, raw: &Object, problems: &mut Problems) {
    main.pools = raw.get("pools").map_or_else(Default::default, |value| read(&without_nulls(value), "pools", problems));
    main.limits =
        raw.get("limits").map_or_else(Default::default, |value| read(&without_nulls(value), "limits", problems));
}

/// The component that a key of a section names.
pub(super) fn component_named(name: &str) -> Option<Component> {
    match name {
        "ingress" => Some(Component::Ingress),
        "proc" | "processor" | "worker" => Some(Component::Proc),
        _ => None,
    }
}

/// The part of a section that counts for `component`, with its path: the component's own where the
/// section is keyed by component (what stands beside such keys counts for nobody), else all of it.
fn part<'a>(raw: &'a Object, name: &str, component: Component) -> Option<(String, &'a Value)> {
    let value = raw.get(name).filter(|value| !value.is_null())?;
    let keyed = value.as_object().filter(|object| object.keys().any(|key| component_named(key).is_some()));
    let Some(object) = keyed else { return Some((name.to_owned(), value)) };
    let (key, own) = object.iter().find(|(key, value)| component_named(key) == Some(component) && !value.is_null())?;
    Some((format!("{name}.{key}"), own))
}

fn section<T: DeserializeOwned + Default>(
    raw: &Object,
    name: &str,
    component: Component,
    problems: &mut Problems,
) -> T {
    part(raw, name, component).map_or_else(T::default, |(path, value)| read(&without_nulls(value), &path, problems))
}

fn rate_limits(raw: &Object, component: Component, problems: &mut Problems) -> RateLimits {
    let Some((path, value)) = part(raw, "rate_limits", component) else { return RateLimits::default() };
    match value.get("roles") {
        Some(_) => read(value, &path, problems),
        None => RateLimits { roles: read(value, &path, problems) },
    }
}

fn circuit_breakers(raw: &Object, component: Component, problems: &mut Problems) -> BTreeMap<String, CircuitBreaker> {
    let mut breakers = default_circuit_breakers();
    let Some((path, Value::Object(given))) = part(raw, "circuit_breakers", component) else { return breakers };
    for (name, value) in given {
        let base = breakers.get(name).copied().unwrap_or_default();
        breakers.insert(name.clone(), read(&overlay(base, value), &format!("{path}.{name}"), problems));
    }
    breakers
}

/// A breaker's own defaults under what was given.
fn overlay(base: CircuitBreaker, given: &Value) -> Value {
    let (Ok(Value::Object(mut merged)), Value::Object(given)) = (serde_json::to_value(base), given) else {
        return given.clone();
    };
    merged.extend(given.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())));
    Value::Object(merged)
}

fn patterns(raw: &Object, name: &str, component: Component, problems: &mut Problems) -> Option<Vec<String>> {
    part(raw, name, component).map(|(path, value)| read(value, &path, problems))
}

/// A null field is an unset one.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            object.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect()
        }
        other => other.clone(),
    }
}

/// Reads a part; a problem is noted with its path and the default stands in.
fn read<T: DeserializeOwned + Default>(value: &Value, path: &str, problems: &mut Problems) -> T {
    serde_path_to_error::deserialize(value).unwrap_or_else(|error| {
        let inner = error.path().to_string();
        let field = if inner == "." { path.to_owned() } else { format!("{path}.{inner}") };
        problems.push(format!("{field}: {}", error.inner()));
        T::default()
    })
}

fn check_capacity(capacity: &ServiceCapacity, problems: &mut Problems) {
    let counts = [
        ("concurrent_requests_per_process", capacity.concurrent_requests_per_process),
        ("processes_per_instance", capacity.processes_per_instance),
    ];
    for (name, count) in counts {
        if !(0..=MAX_COUNT).contains(&count) {
            problems.push(format!("service_capacity.{name}: {count} is out of range; accepted: 0 to {MAX_COUNT}"));
        }
    }
    if capacity.avg_processing_time_seconds < 0.0 {
        problems.push("service_capacity.avg_processing_time_seconds: is negative; accepted: seconds".to_owned());
    }
}

fn check_backpressure(backpressure: &Backpressure, problems: &mut Problems) {
    let ratios = [
        ("capacity_buffer", backpressure.capacity_buffer, 1.0),
        ("queue_depth_multiplier", backpressure.queue_depth_multiplier, 1e6),
        ("anonymous_pressure_threshold", backpressure.anonymous_pressure_threshold, 1e6),
        ("registered_pressure_threshold", backpressure.registered_pressure_threshold, 1e6),
        ("paid_pressure_threshold", backpressure.paid_pressure_threshold, 1e6),
        ("hard_limit_threshold", backpressure.hard_limit_threshold, 1e6),
    ];
    for (name, ratio, most) in ratios {
        if !(0.0..=most).contains(&ratio) {
            problems.push(format!("backpressure.{name}: {ratio} is out of range; accepted: 0 to {most}"));
        }
    }
}

fn check_times(slice: &Slice, problems: &mut Problems) {
    let times = [
        ("monitoring.heartbeat_timeout_seconds", slice.monitoring.heartbeat_timeout_seconds),
        ("redis.sse_stats_max_age_seconds", slice.redis.sse_stats_max_age_seconds),
    ];
    for (path, seconds) in times {
        if seconds <= 0.0 {
            problems.push(format!("{path}: {seconds} is out of range; accepted: seconds, more than 0"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::GatewayConfig;
    use super::*;

    fn config(text: &str) -> Result<GatewayConfig, Problems> {
        GatewayConfig::from_json(text, &Options::default())
    }

    #[test]
    fn all_problems_are_told_with_their_paths() {
        let problems = config(
            r#"{"tenant": "TENANT_ID", "project": 7, "service_capacity": {"worker": {"processes_per_instance": "two"}},
                "backpressure": {"capacity_buffer": 1.5}, "pools": {"pg_pool_max_size": [1]}}"#,
        )
        .unwrap_err();
        let all = problems.join("\n");
        for part in [
            "tenant: is missing or a placeholder",
            "project: is not a text",
            "service_capacity.worker.processes_per_instance: invalid type: string \"two\"",
            "backpressure.capacity_buffer: 1.5 is out of range",
            "pools.pg_pool_max_size: invalid type",
        ] {
            assert!(all.contains(part), "{part} is not in\n{all}");
        }
    }

    #[test]
    fn sections_are_flat_or_by_component_and_aliases_are_understood() {
        let config = config(
            r#"{"tenant_id": "a", "project_id": "b", "unknown": 1, "service_capacity": {"concurrent_requests_per_process": 9},
                "pools": {"processor": {"pg_pool_max_size": 3}, "pg_max_connections": 5}}"#,
        )
        .unwrap();
        assert_eq!(config.component(Component::Ingress).service_capacity.concurrent_requests_per_process, 9);
        assert_eq!(config.main().pools.pg_pool_max_size, Some(3));
        assert_eq!(config.main().pools.pg_max_connections, None);
        assert_eq!(config.component(Component::Ingress).pools.pg_pool_max_size, None);
    }

    #[test]
    fn placeholders_fall_back_to_the_given_names() {
        let options = Options { tenant: Some("t".into()), project: Some("p".into()), ..Options::default() };
        for text in [r#"{"tenant": "{{ tenant }}", "project": "PROJECT_ID"}"#, "{}"] {
            let config = GatewayConfig::from_json(text, &options).unwrap();
            assert_eq!((config.scope().tenant.as_str(), config.scope().project.as_str()), ("t", "p"));
        }
    }

    #[test]
    fn yaml_is_a_gateway_section_or_the_whole_file() {
        for text in ["gateway:\n  tenant: a\n  project: b\nother: 1\n", "tenant: a\nproject: b\n"] {
            assert_eq!(GatewayConfig::from_yaml(text, &Options::default()).unwrap().scope().tenant, "a");
        }
        assert!(GatewayConfig::from_yaml("- 1", &Options::default()).is_err());
    }

    #[test]
    fn an_update_carries_its_configuration() {
        let message =
            r#"{"tenant":"a","project":"b","ts":1,"config":{"service_capacity":{"processes_per_instance":4}}}"#;
        let config = GatewayConfig::from_update(message, &Options::default()).unwrap();
        assert_eq!((config.scope().tenant.as_str(), config.main().service_capacity.processes_per_instance), ("a", 4));
        assert!(GatewayConfig::from_update("{}", &Options::default()).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
            let _ = config(&text);
            let _ = GatewayConfig::from_yaml(&text, &Options::default());
            let _ = GatewayConfig::from_update(&text, &Options::default());
        }
    }
}
