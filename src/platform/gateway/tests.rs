//! Sources, slices, defaults, placeholders and problems of the gateway configuration.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn context() -> GatewayContext<'static> {
    GatewayContext { component: Component::Proc, instance_id: "m-1", tenant: None, project: None, forced: false }
}

/// The configuration of a processor.
pub(super) fn read_config(text: &str) -> GatewayConfig {
    read(text)
}

fn read(text: &str) -> GatewayConfig {
    GatewayConfig::from_env_json(text, &context()).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    GatewayConfig::from_env_json(text, &context()).unwrap_err().problems
}

#[test]
fn defaults_are_filled_in() {
    let config = read(r#"{"tenant": "acme", "project": "chat"}"#);
    assert_eq!(config.scope(), &Scope { tenant: "acme".into(), project: "chat".into() });
    let settings = config.settings();
    assert_eq!(settings.display_name, "Gateway-development-m-1");
    assert_eq!(settings.capacity(1), Capacity { concurrent: 5, effective: 4, queue: 10, total: 14, hourly: 720 });
    assert_eq!(settings.limits_of(14), Limits { anonymous: 8, registered: 11, paid: 11, hard: 13 });
    assert_eq!(settings.monitoring.heartbeat_timeout_seconds.whole(), 45);
    assert_eq!(settings.pools, PoolSettings::default());
}

#[test]
fn all_problems_come_at_once_with_their_paths() {
    let text = r#"{"tenant": "a", "project": "b", "profile": 3, "unknown": {"x": "y"},
        "service_capacity": {"proc": {"processes_per_instance": "two", "concurrent_requests_per_process": -1,
                             "avg_processing_time_seconds": 0}, "ingress": {"processes_per_instance": 1.5}},
        "backpressure": {"capacity_buffer": 1.5}, "monitoring": [], "pools": {"pg_pool_max_size": true}}"#;
    let expected = [
        "GATEWAY_CONFIG_JSON: profile: expected a text, got a number",
        "GATEWAY_CONFIG_JSON: service_capacity.ingress.processes_per_instance: expected a whole number, got 1.5",
        "GATEWAY_CONFIG_JSON: backpressure.capacity_buffer: expected a number from 0 to 1, got 1.5",
        "GATEWAY_CONFIG_JSON: monitoring: expected an object, got a list",
        "GATEWAY_CONFIG_JSON: pools.pg_pool_max_size: expected a whole number, got true or false",
        "GATEWAY_CONFIG_JSON: service_capacity.proc.concurrent_requests_per_process: \
         expected a whole number of at least 0, got -1",
        "GATEWAY_CONFIG_JSON: service_capacity.proc.processes_per_instance: expected a whole number, got a text",
        "GATEWAY_CONFIG_JSON: service_capacity.proc.avg_processing_time_seconds: expected a number above 0, got 0",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn what_is_no_document_says_where() {
    assert_eq!(problems("{"), ["GATEWAY_CONFIG_JSON: is not JSON (line 1, column 1)"]);
    assert_eq!(problems("[]"), ["GATEWAY_CONFIG_JSON: expected an object, got a list"]);
    let yaml = GatewayConfig::from_yaml("gateway: 5", "gateway.yaml", &context()).unwrap_err();
    assert_eq!(yaml.to_string(), "gateway.yaml: gateway: expected an object, got a number");
    assert!(GatewayConfig::from_yaml("a: [", "g", &context()).unwrap_err().to_string().starts_with("g: is not YAML"));
}

#[test]
fn placeholders_fall_back() {
    let names = ["TENANT_ID", "tenant_id", "Tenant", "PROJECT_ID", "project", "default_project_name", "<tenant>", " "];
    let names = names.map(|name| format!("\"{name}\""));
    let framed = [r#""{{ tenant }}""#, r#""${TENANT}""#, r#""""#, "null"].map(str::to_owned);
    for given in names.into_iter().chain(framed) {
        let text = format!(r#"{{"tenant": {given}, "project": "chat"}}"#);
        let found = problems(&text);
        assert!(found[0].starts_with("GATEWAY_CONFIG_JSON: tenant: is missing") && found[0].contains("TENANT_ID"));
        let filled = GatewayContext { tenant: Some("acme"), ..context() };
        assert_eq!(GatewayConfig::from_env_json(&text, &filled).unwrap().scope().tenant, "acme");
    }
    assert_eq!(problems("{}").len(), 2);
    assert_eq!(problems(r#"{"tenant": 5, "project": "p"}"#).len(), 2);
    assert!(problems(r#"{"tenant": "a\nb", "project": "p"}"#)[0].contains("control character"));
    let named = problems(r#"{"tenant": "a", "project": "p", "rate_limits": {"x\ny": {"burst": "q"}}}"#);
    assert!(!named.is_empty() && named.iter().all(|problem| !problem.contains('\n')), "{named:?}");
}

#[test]
fn a_name_that_only_begins_like_a_placeholder_is_a_name() {
    for name in ["tenant-1", "my_project", "TENANT_IDS", "{acme}"] {
        let config = read(&format!(r#"{{"tenant": "{name}", "project": "p"}}"#));
        assert_eq!(config.scope().tenant, name);
    }
}

#[test]
fn tenant_and_project_alone_are_a_configuration() {
    let given = GatewayContext { tenant: Some("acme"), project: Some("chat"), ..context() };
    let config = GatewayConfig::of_scope(&given).unwrap();
    assert_eq!(config.scope(), &Scope { tenant: "acme".into(), project: "chat".into() });
    assert_eq!(config.settings().capacity(1).total, 14);
    assert_eq!(GatewayConfig::of_scope(&context()).unwrap_err().problems.len(), 2);
}

#[test]
fn a_text_in_a_numeric_pool_or_limit_counts_as_unset_with_a_warning() {
    let config = read(
        r#"{"tenant": "a", "project": "p", "pools": {"proc": {"pg_pool_max_size": "many", "pg_pool_min_size": "2"}},
            "limits": {"max_queue_size": "S3CRET"}}"#,
    );
    assert_eq!((&config.settings().pools.pg_pool_max_size, &config.settings().limits.max_queue_size), (&None, &None));
    assert_eq!(config.settings().pools.pg_pool_min_size, Some(2.into()));
    let expected = [
        "GATEWAY_CONFIG_JSON: pools.proc.pg_pool_max_size: expected a whole number, got a text: counts as not set",
        "GATEWAY_CONFIG_JSON: limits.max_queue_size: expected a whole number, got a text: counts as not set",
    ];
    assert_eq!(config.warnings(), expected);
    let saved = read(r#"{"tenant": "a", "project": "p"}"#).with_saved_json(r#"{"limits": {"max_queue_size": "x"}}"#);
    assert!(saved.unwrap().warnings()[0].starts_with("saved gateway configuration: limits.max_queue_size"));
}

#[test]
fn every_configuration_knows_its_origin() {
    let own = read(r#"{"tenant": "a", "project": "b"}"#);
    let yaml = GatewayConfig::from_yaml("tenant: a\nproject: b\n", "g", &context()).unwrap();
    let saved = yaml.with_saved_json(r#"{"profile": "testing"}"#).unwrap();
    let update = r#"{"tenant": "a", "project": "b", "config": {"profile": "testing"}}"#;
    let origins =
        [&own, &yaml, &saved, &yaml.with_update_message(update).unwrap()].map(|config| config.origin().as_str());
    assert_eq!(origins, ["environment", "gateway_yaml", "saved", "published"]);
    assert_eq!(yaml.with_saved_json("{}").unwrap().origin(), GatewayOrigin::Yaml, "an empty one changes nothing");
}

#[test]
fn the_redis_of_the_environments_configuration_is_known_and_never_shown() {
    let config = read(r#"{"tenant": "a", "project": "b", "redis_url": " redis://:S3CRET@h/1 "}"#);
    assert_eq!(config.redis_url().map(RedisUrl::expose), Some("redis://:S3CRET@h/1"));
    assert!(!format!("{config:?}").contains("S3CRET"));
    for nothing in [r#""${REDIS_URL}""#, r#""""#, "null", "5"] {
        let text = format!(r#"{{"tenant": "a", "project": "b", "redis_url": {nothing}}}"#);
        assert_eq!(read(&text).redis_url(), None, "{nothing}");
    }
}

#[test]
fn a_slice_that_another_wins_over_is_checked() {
    let text = r#"{"tenant": "a", "project": "p", "service_capacity": {"proc": {}, "processor": 7}}"#;
    assert_eq!(problems(text), ["GATEWAY_CONFIG_JSON: service_capacity.processor: expected an object, got a number"]);
}

#[test]
fn yaml_is_read_bare_and_under_gateway() {
    let bare = "tenant: acme\nproject: chat\nservice_capacity:\n  proc:\n    processes_per_instance: 3\n";
    let nested = format!("gateway:\n{}", bare.lines().map(|line| format!("  {line}\n")).collect::<String>());
    let bare = GatewayConfig::from_yaml(bare, "g", &context()).unwrap();
    assert_eq!(bare, GatewayConfig::from_yaml(&nested, "g", &context()).unwrap());
    assert_eq!(bare.settings().service_capacity.processes_per_instance.whole(), 3);
}

#[test]
fn a_component_reads_its_slice_or_the_next_best() {
    let with = |slices: &str| {
        let config = read(&format!(r#"{{"tenant": "a", "project": "b", "service_capacity": {slices}}}"#));
        Component::ALL.map(|c| config.of(c).service_capacity.processes_per_instance.whole())
    };
    let slice = |n: i64| format!(r#"{{"processes_per_instance": {n}}}"#);
    let table = [
        (slice(7), [7, 7]),
        (format!(r#"{{"ingress": {}, "processor": {}}}"#, slice(2), slice(3)), [2, 3]),
        (format!(r#"{{"worker": {}}}"#, slice(4)), [4, 4]),
        (format!(r#"{{"ingress": {}}}"#, slice(5)), [5, 5]),
        (r#"{"proc": null, "ingress": null}"#.to_owned(), [1, 1]),
    ];
    for (slices, expected) in table {
        assert_eq!(with(&slices), expected, "{slices}");
    }
}

#[test]
fn a_saved_configuration_keeps_the_running_pools_and_scope() {
    let own = read(r#"{"tenant": "a", "project": "b", "pools": {"pg_pool_max_size": 3}}"#);
    let saved = own
        .with_saved_json(
            r#"{"tenant": "other", "redis_url": "redis://:pw@h", "pools": {"pg_pool_max_size": 9},
                            "service_capacity": {"concurrent_requests_per_process": 20}}"#,
        )
        .unwrap();
    assert_eq!(saved.scope(), own.scope());
    assert_eq!(saved.settings().pools.pg_pool_max_size, Some(3.into()));
    assert_eq!(saved.of(Component::Proc).pools.pg_pool_max_size, Some(9.into()));
    assert_eq!(saved.settings().service_capacity.concurrent_requests_per_process.whole(), 20);
    assert!(!saved.raw().contains_key("redis_url"));
    assert_eq!(own.with_saved_json("{}").unwrap(), own);
}

#[test]
fn an_update_applies_to_its_own_deployment_only() {
    let own = read(r#"{"tenant": "a", "project": "b"}"#);
    let config = r#"{"service_capacity": {"concurrent_requests_per_process": 9}}"#;
    let update = |tenant: &str, config: &str| {
        own.with_update_message(&format!(r#"{{"tenant": "{tenant}", "project": "b", "ts": 1.5, "config": {config}}}"#))
    };
    assert_eq!(update("a", config).unwrap().settings().service_capacity.concurrent_requests_per_process.whole(), 9);
    assert!(update("x", config).unwrap_err().to_string().contains("another deployment"));
    assert!(update("a", "{}").unwrap_err().to_string().contains("config: is empty"));
    assert!(update("a", "null").unwrap_err().to_string().contains("config: expected an object, got null"));
    assert!(update("a", r#"{"pools": 5}"#).unwrap_err().to_string().contains("pools: expected an object"));
}

#[test]
fn the_capacity_source_has_aliases() {
    let table = [
        ("proc", "chat:proc"),
        ("Processor", "chat:proc"),
        ("chat_rest", "chat:rest"),
        ("ingress", "chat:rest"),
        ("kb:rest", "kb:rest"),
        (":", "chat:proc"),
        ("search", "chat:search"),
    ];
    for (given, expected) in table {
        let text =
            format!(r#"{{"tenant":"a","project":"b","backpressure":{{"capacity_source_component":"{given}"}}}}"#);
        let (kind, name) = read(&text).settings().capacity_source();
        assert_eq!(format!("{kind}:{name}"), expected);
    }
    assert_eq!(component_named("worker"), Some(Component::Proc));
    assert_eq!(component_named("nobody"), None);
}

#[test]
fn amounts_stay_as_given_and_huge_ones_do_not_overflow() {
    let config = read(
        r#"{"tenant": "a", "project": "b", "backpressure": {"queue_depth_multiplier": 3},
            "service_capacity": {"concurrent_requests_per_process": 9000000000000000000, "processes_per_instance": 9}}"#,
    );
    let shown = serde_json::to_value(config.settings()).unwrap();
    assert_eq!(shown["backpressure"]["queue_depth_multiplier"].to_string(), "3");
    assert_eq!(shown["backpressure"]["capacity_buffer"].to_string(), "0.2");
    assert_eq!(config.settings().capacity(i64::MAX).total, i64::MAX);
}

/// The settings of a processor of which the document says this much.
fn settings_of(document: Value) -> GatewaySettings {
    let mut named = json!({"tenant": "a", "project": "p"});
    for (name, value) in document.as_object().unwrap() {
        named[name] = value.clone();
    }
    read(&named.to_string()).settings().clone()
}

#[test]
fn roles_stand_in_the_section_or_under_roles_and_are_the_platforms_without_any() {
    let limits = |document: Value| {
        let roles = settings_of(document).rate_limits.roles.into_iter();
        let whole = |limit: RoleLimit| [limit.hourly, limit.burst, limit.burst_window].map(|amount| amount.whole());
        roles.map(|(role, limit)| (role, whole(limit))).collect::<Vec<_>>()
    };
    let role = |name: &str, numbers: [i64; 3]| (name.to_owned(), numbers);
    let platforms = [
        role("anonymous", [120, 10, 60]),
        role("paid", [2000, 60, 60]),
        role("privileged", [-1, 200, 60]),
        role("registered", [600, 30, 60]),
    ];
    for without in [json!({}), json!({"rate_limits": {}}), json!({"rate_limits": {"roles": {}, "paid": {"burst": 1}}})]
    {
        assert_eq!(limits(without), platforms);
    }
    let given = json!({"vip": {"burst": 7}});
    // A role that is given in part has the rest from the gateway's defaults for any role.
    assert_eq!(limits(json!({"rate_limits": given})), [role("vip", [50, 7, 60])]);
    let nested = json!({"rate_limits": {"roles": given, "paid": {"hourly": 1}}});
    assert_eq!(limits(nested), [role("vip", [50, 7, 60])]);
    assert_eq!(limits(json!({"rate_limits": {"vip": {"hourly": 9}}})), [role("vip", [9, 5, 60])]);
}

#[test]
fn an_instance_takes_what_its_processes_take_unless_it_is_given() {
    let per_instance = |service: Value| {
        let settings = settings_of(json!({"service_capacity": service}));
        (settings.service_capacity.concurrent_requests_per_instance.whole(), settings.computed_metrics)
    };
    let (concurrent, computed) =
        per_instance(json!({"concurrent_requests_per_process": 10, "processes_per_instance": 3}));
    assert_eq!(concurrent, 30);
    assert_eq!((computed.effective_concurrent_capacity, computed.queue_capacity_per_instance), (24, 60));
    assert_eq!(
        per_instance(json!({"concurrent_requests_per_process": i64::MAX, "processes_per_instance": 2})).0,
        i64::MAX
    );
    let (concurrent, computed) =
        per_instance(json!({"concurrent_requests_per_instance": 100, "concurrent_requests_per_process": 10}));
    assert_eq!(concurrent, 100);
    // What the given number is for; the queue's own base stays with the processes.
    assert_eq!((computed.effective_concurrent_capacity, computed.queue_capacity_per_instance), (80, 200));
    assert_eq!((computed.base_queue_size_per_instance, computed.theoretical_throughput_per_instance), (28, 1440));
}

/// Documents that begin right and go wrong anywhere.
fn near_miss() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<f64>().prop_filter("JSON", |value| value.is_finite()).prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        "[a-z{}_ ]{0,12}".prop_map(|text| format!("{text:?}")),
    ];
    let names = [
        "tenant",
        "project",
        "service_capacity",
        "backpressure",
        "pools",
        "limits",
        "monitoring",
        "redis",
        "proc",
        "ingress",
        "processes_per_instance",
        "capacity_buffer",
        "thresholds",
        "rate_limits",
        "capacity_source_component",
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let object = proptest::collection::vec((proptest::sample::select(names.to_vec()), inner.clone()), 0..6);
        let object = object.prop_map(|fields| {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name:?}: {value}")).collect();
            format!("{{{}}}", fields.join(", "))
        });
        prop_oneof![object, proptest::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(", ")))]
    })
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}", near in near_miss()) {
        let sound = read(r#"{"tenant": "acme", "project": "chat"}"#);
        for text in [text, near] {
            let _ = GatewayConfig::from_env_json(&text, &context());
            let _ = GatewayConfig::from_yaml(&text, "GATEWAY_YAML_PATH", &context());
            let _ = sound.with_saved_json(&text);
            let _ = sound.with_update_message(&text);
            let _ = sound.with_update_message(&format!(r#"{{"tenant": "acme", "project": "chat", "config": {text}}}"#));
        }
    }
}
