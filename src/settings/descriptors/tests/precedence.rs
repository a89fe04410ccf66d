//! Which of several values counts.

use super::*;

/// The text that a variable would have: as the reader layers the values around the environment.
fn effective(assembly: &str, variable: &str, environment: Option<&str>) -> Option<String> {
    let descriptors = load_assembly(assembly);
    let of = |value: Option<&DescriptorValue>| value.map(|value| value.text.expose_secret().to_owned());
    of(descriptors.over_environment().find(|value| value.variable == variable))
        .or_else(|| environment.map(str::to_owned))
        .or_else(|| of(descriptors.under_environment().find(|value| value.variable == variable)))
}

#[test]
fn precedence_is_the_one_that_was_seen_on_the_platform() {
    let export = |line: &str| format!("platform: {{services: {{metrics: {{export: {{{line}}}}}}}}}");
    let mode = "platform: {services: {metrics: {service: {metrics_mode: redis}}}}";
    for (assembly, variable, environment, expected) in [
        (export("scheduler_enabled: true").as_str(), "METRICS_SCHEDULER_ENABLED", Some("0"), Some("true")),
        (&export("scheduler_enabled: false"), "METRICS_SCHEDULER_ENABLED", Some("1"), Some("false")),
        (&export("scheduler_enabled: null"), "METRICS_SCHEDULER_ENABLED", Some("1"), Some("1")),
        (&export("export_interval_sec: 60"), "METRICS_EXPORT_INTERVAL_SEC", Some("15"), Some("60")),
        (&export("export_interval_sec: 0"), "METRICS_EXPORT_INTERVAL_SEC", Some("15"), Some("0")),
        (&export("export_interval_sec: 60s"), "METRICS_EXPORT_INTERVAL_SEC", Some("15"), Some("15")),
        (&export("cloudwatch: {region: \"\"}"), "METRICS_CLOUDWATCH_REGION", Some("ap-1"), Some("ap-1")),
        (&export("cloudwatch: null"), "METRICS_CLOUDWATCH_REGION", Some("ap-1"), Some("ap-1")),
        (mode, "METRICS_MODE", Some("proxy"), Some("redis")),
        (mode, "METRICS_PORT", None, None),
        ("ports: {metrics: \"8090\"}", "METRICS_PORT", None, Some("8090")),
        ("ports: {metrics: \"8090\"}", "METRICS_PORT", Some("8002"), Some("8002")),
        ("infra: {redis: {host: redis}}", "REDIS_HOST", Some("other"), Some("other")),
        ("context: {tenant: acme}", "TENANT_ID", None, Some("acme")),
        ("context: {tenant: acme}", "TENANT_ID", Some("other"), Some("other")),
    ] {
        assert_eq!(effective(assembly, variable, environment).as_deref(), expected, "{assembly} {environment:?}");
    }
}

#[test]
fn a_configuration_is_forced_by_the_components_section_or_that_of_metrics() {
    let both = |proc: &str, metrics: &str| {
        let section = |value| format!("{{service: {{gateway_config_force_env_on_startup: {value}}}}}");
        format!("platform: {{services: {{proc: {}, metrics: {}}}}}", section(proc), section(metrics))
    };
    for (component, proc, metrics, forced_by) in [
        ("proc", "true", "false", Some("proc")),
        ("proc", "false", "true", Some("metrics")),
        ("proc", "true", "true", Some("proc")),
        ("proc", "false", "false", None),
        ("proc", "null", "\"\"", None),
        (" Worker ", "true", "null", Some("proc")),
        ("", "true", "null", Some("proc")),
        ("something", "true", "null", Some("proc")),
        ("ingress", "true", "null", None),
        ("ingress", "null", "\"yes\"", Some("metrics")),
        ("metrics", "true", "null", None),
        ("metrics", "null", "true", Some("metrics")),
    ] {
        let descriptors = load_files(&[("assembly.yaml", &both(proc, metrics))], &[("GATEWAY_COMPONENT", component)]);
        let expected = forced_by.map(|section| {
            let origin =
                format!("assembly.yaml, platform.services.{section}.service.gateway_config_force_env_on_startup");
            ("GATEWAY_CONFIG_FORCE_ENV_ON_STARTUP true".to_owned(), origin)
        });
        let listed = listed_values(descriptors.over_environment());
        let listed: Vec<_> = listed.into_iter().map(|(value, origin)| (value, origin.to_owned())).collect();
        assert_eq!(listed, Vec::from_iter(expected), "{component:?} {proc} {metrics}");
        assert_eq!(descriptors.under_environment().count(), 0);
    }
}

#[test]
fn a_password_comes_from_secrets_and_then_from_assembly() {
    let assembly = "infra: {redis: {password: from-assembly}}";
    for (secrets, expected) in [
        ("infra: {redis: {password: x}}", ("x", "secrets.yaml, infra.redis.password")),
        ("infra.redis.password: x", ("x", "secrets.yaml, infra.redis.password")),
        ("secrets: {infra.redis.password: x}", ("x", "secrets.yaml, secrets.infra.redis.password")),
        ("secrets: {infra: {redis: {password: x}}}", ("x", "secrets.yaml, secrets.infra.redis.password")),
        ("secrets: {a: 1}\ninfra.redis.password: x", ("x", "secrets.yaml, infra.redis.password")),
        ("infra.redis.password: 0012", ("0012", "secrets.yaml, infra.redis.password")),
        ("infra.redis.password: |\n  p/a?s#s\n", ("p/a?s#s", "secrets.yaml, infra.redis.password")),
        ("infra: {redis: {password: null}}", ("from-assembly", "assembly.yaml, infra.redis.password")),
        ("infra: {redis: {password: \"\"}}", ("from-assembly", "assembly.yaml, infra.redis.password")),
        ("secrets: null", ("from-assembly", "assembly.yaml, infra.redis.password")),
        ("[not, a, mapping]", ("from-assembly", "assembly.yaml, infra.redis.password")),
    ] {
        let descriptors = load_files(&[("assembly.yaml", assembly), ("secrets.yaml", secrets)], &[]);
        let (value, origin) = expected;
        assert_eq!(
            listed_values(descriptors.under_environment()),
            [(format!("REDIS_PASSWORD {value}"), origin)],
            "{secrets}"
        );
    }
}

#[test]
fn the_region_is_read_from_either_key() {
    for (aws, expected) in [
        ("{aws_region: a, region: b}", "AWS_REGION a"),
        ("{aws_region: \"\", region: b}", "AWS_REGION b"),
        ("{region: b}", "AWS_REGION b"),
    ] {
        let descriptors = load_assembly(&format!("aws: {aws}"));
        assert_eq!(listed_values(descriptors.under_environment())[0].0, expected);
    }
}
