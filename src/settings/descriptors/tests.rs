//! Descriptor files in a folder, and what is read from them.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/platform/descriptors");

/// The descriptors of a folder, with these variables besides.
fn load(folder: &Path, variables: &[(&str, &str)]) -> Descriptors {
    Descriptors::load(|name| match name {
        "PLATFORM_DESCRIPTORS_DIR" => folder.to_str().map(str::to_owned),
        name => variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned()),
    })
}

fn load_files(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Descriptors {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
    load(folder.path(), variables)
}

fn load_assembly(text: &str) -> Descriptors {
    load_files(&[("assembly.yaml", text)], &[])
}

/// `variable text`, `origin` of each value.
fn listed<'a>(values: impl Iterator<Item = &'a DescriptorValue>) -> Vec<(String, &'a str)> {
    values.map(|value| (format!("{} {}", value.variable, value.text.expose_secret()), value.origin.as_str())).collect()
}

fn warnings(descriptors: &Descriptors) -> Vec<&str> {
    descriptors.warnings().iter().map(|warning| warning.detail.as_str()).collect()
}

/// The text that a variable would have: as the reader layers the values around the environment.
fn effective(assembly: &str, variable: &str, environment: Option<&str>) -> Option<String> {
    let descriptors = load_assembly(assembly);
    let of = |value: Option<&DescriptorValue>| value.map(|value| value.text.expose_secret().to_owned());
    of(descriptors.over_environment().find(|value| value.variable == variable))
        .or_else(|| environment.map(str::to_owned))
        .or_else(|| of(descriptors.under_environment().find(|value| value.variable == variable)))
}

/// A document with one value at a path.
fn document(path: &str, value: &Value) -> String {
    path.rsplit('.').fold(value.clone(), |inner, key| json!({ key: inner })).to_string()
}

#[test]
fn a_deployment_of_the_platforms_cli_gives_every_setting() {
    let descriptors = load(&Path::new(DATA).join("compose-cli"), &[("GATEWAY_COMPONENT", "proc")]);
    assert_eq!(descriptors.warnings(), []);
    assert_eq!(descriptors.topology_error(), None);
    const METRICS: &str = "assembly.yaml, platform.services.metrics.";
    let over = listed(descriptors.over_environment());
    let short: Vec<_> =
        over.iter().map(|(value, origin)| (value.as_str(), origin.strip_prefix(METRICS).unwrap_or(origin))).collect();
    assert_eq!(
        short,
        [
            ("LOG_LEVEL INFO", "log.log_level"),
            ("LOG_MAX_MB 20", "log.log_max_mb"),
            ("LOG_BACKUP_COUNT 10", "log.log_backup_count"),
            ("LOG_DIR /logs", "log.log_dir"),
            ("LOG_FILE_PREFIX metrics", "log.log_file_prefix"),
            ("METRICS_MODE redis", "service.metrics_mode"),
            ("METRICS_REQUEST_TIMEOUT_SEC 7.5", "service.metrics_request_timeout_sec"),
            ("METRICS_ENABLE_PG_POOL false", "service.metrics_enable_pg_pool"),
            ("METRICS_INGRESS_BASE_URL http://chat-ingress:8010", "proxy.metrics_ingress_base_url"),
            ("METRICS_PROC_BASE_URL http://chat-proc:8020", "proxy.metrics_proc_base_url"),
            ("METRICS_AUTH_HEADER_NAME Authorization", "proxy.metrics_auth_header_name"),
            ("METRICS_AUTH_HEADER_VALUE Bearer made-up", "proxy.metrics_auth_header_value"),
            ("METRICS_HEADERS_JSON {\"X-ID-Token\": \"made-up\"}", "proxy.metrics_headers_json"),
            ("METRICS_SCHEDULER_ENABLED true", "export.scheduler_enabled"),
            ("METRICS_EXPORT_INTERVAL_SEC 60", "export.export_interval_sec"),
            ("METRICS_EXPORT_ON_START true", "export.export_on_start"),
            ("METRICS_RUN_ONCE false", "export.run_once"),
            (
                "METRICS_MAPPING_JSON {\"ingress.sse.saturation_ratio\":{\"name\":\"chat/ingress/sse/saturation\"},\
                 \"proc.queue.utilization_percent\":\"chat/proc/queue/utilization\"}",
                "export.mapping_json"
            ),
            ("METRICS_EXPORT_CLOUDWATCH true", "export.cloudwatch.enabled"),
            ("METRICS_CLOUDWATCH_NAMESPACE kdcube/chat", "export.cloudwatch.namespace"),
            ("METRICS_CLOUDWATCH_REGION eu-central-1", "export.cloudwatch.region"),
            ("METRICS_CLOUDWATCH_DIMENSIONS_JSON {\"Environment\": \"chat\"}", "export.cloudwatch.dimensions_json"),
            ("METRICS_EXPORT_PROMETHEUS_PUSH false", "export.prometheus.push_enabled"),
            ("METRICS_PROM_PUSHGATEWAY_URL http://pushgateway:9091", "export.prometheus.pushgateway_url"),
            ("METRICS_PROM_JOB_NAME kdcube_metrics", "export.prometheus.job_name"),
            (
                "METRICS_PROM_GROUPING_LABELS_JSON {\"instance\":\"metrics-1\"}",
                "export.prometheus.grouping_labels_json"
            ),
            ("METRICS_PROM_SCRAPE_TTL_SEC 120", "export.prometheus.scrape_ttl_sec"),
            (
                "GATEWAY_CONFIG_FORCE_ENV_ON_STARTUP true",
                "assembly.yaml, platform.services.proc.service.gateway_config_force_env_on_startup"
            ),
        ]
    );
    let under = listed(descriptors.under_environment());
    let under: Vec<_> = under.iter().map(|(value, origin)| (value.as_str(), *origin)).collect();
    assert_eq!(
        under,
        [
            ("METRICS_PORT 8091", "assembly.yaml, ports.metrics"),
            ("TENANT_ID acme", "assembly.yaml, context.tenant"),
            ("PROJECT_ID chat", "assembly.yaml, context.project"),
            ("REDIS_HOST redis", "assembly.yaml, infra.redis.host"),
            ("REDIS_PORT 6380", "assembly.yaml, infra.redis.port"),
            ("REDIS_PASSWORD redis-from-secrets", "secrets.yaml, secrets.infra.redis.password"),
            ("POSTGRES_HOST postgres-db", "assembly.yaml, infra.postgres.host"),
            ("POSTGRES_PORT 5434", "assembly.yaml, infra.postgres.port"),
            ("POSTGRES_USER kdcube", "assembly.yaml, infra.postgres.user"),
            ("POSTGRES_DATABASE kdcube", "assembly.yaml, infra.postgres.database"),
            ("POSTGRES_PASSWORD pg-from-secrets", "secrets.yaml, secrets.infra.postgres.password"),
            ("POSTGRES_SSL true", "assembly.yaml, infra.postgres.postgres_ssl"),
            ("POSTGRES_SSL_MODE verify-ca", "assembly.yaml, infra.postgres.postgres_ssl_mode"),
            ("POSTGRES_SSL_ROOT_CERT /config/pg-root.pem", "assembly.yaml, infra.postgres.postgres_ssl_root_cert"),
            ("AWS_REGION eu-west-1", "assembly.yaml, aws.aws_region"),
            ("AWS_PROFILE kdcube", "assembly.yaml, aws.aws_profile"),
        ]
    );
    let gateway = descriptors.gateway().unwrap();
    assert_eq!(gateway.named_by, "PLATFORM_DESCRIPTORS_DIR");
    let text = gateway.text.as_ref().unwrap().as_ref().unwrap();
    assert!(text.expose_secret().starts_with("gateway:\n  tenant: \"TENANT_ID\""));
}

#[test]
fn the_charts_descriptors_are_found_beside_its_bundles() {
    let bundles = format!("{DATA}/chart/bundles.yaml");
    let environment =
        BTreeMap::from([("BUNDLES_YAML_DESCRIPTOR_PATH", bundles), ("PLATFORM_DESCRIPTORS_DIR", String::new())]);
    let descriptors = Descriptors::load(|name| environment.get(name).cloned());
    assert_eq!(descriptors.warnings(), []);
    assert_eq!(listed(descriptors.over_environment()), []);
    let under = listed(descriptors.under_environment());
    assert!(under.contains(&("AWS_REGION eu-west-1".to_owned(), "assembly.yaml, aws.region")));
    assert!(under.contains(&("METRICS_PORT 8090".to_owned(), "assembly.yaml, ports.metrics")));
    assert_eq!(descriptors.gateway().unwrap().named_by, "BUNDLES_YAML_DESCRIPTOR_PATH");
}

#[test]
fn every_row_is_read_alone_from_its_own_path() {
    for row in ROWS {
        let value = match row.kind {
            value::Kind::Bool => json!(true),
            value::Kind::Number => json!("7"),
            value::Kind::Text | value::Kind::Secret => json!("word"),
            value::Kind::Json => json!({"a": "b"}),
        };
        let path = row.path.replace(COMPONENT, "ingress");
        let descriptors =
            load_files(&[(row.file.name(), &document(&path, &value))], &[("GATEWAY_COMPONENT", "ingress")]);
        let values: Vec<_> = descriptors.over_environment().chain(descriptors.under_environment()).collect();
        let [read] = values[..] else { panic!("{path}: {values:?}") };
        assert_eq!((read.variable, read.origin.as_str()), (row.variable, &*format!("{}, {path}", row.file.name())));
        assert_eq!(read.precedence, row.precedence);
        assert_eq!(descriptors.warnings(), [], "{path}");
    }
}

#[test]
fn every_row_gives_a_warning_and_no_value_where_the_type_is_wrong() {
    for row in ROWS {
        let value = if row.kind == value::Kind::Json { json!(7) } else { json!([{"hunter2": "hunter2"}]) };
        let path = row.path.replace(COMPONENT, "proc");
        let descriptors = load_files(&[(row.file.name(), &document(&path, &value))], &[]);
        assert_eq!(descriptors.values.len(), 0, "{path}");
        let [warning] = warnings(&descriptors)[..] else { panic!("{path}: {:?}", descriptors.warnings()) };
        assert!(warning.starts_with(&format!("{path}: expected ")), "{warning}");
        assert!(!warning.contains("hunter2"), "{warning}");
    }
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
        let listed = listed(descriptors.over_environment());
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
        assert_eq!(listed(descriptors.under_environment()), [(format!("REDIS_PASSWORD {value}"), origin)], "{secrets}");
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
        assert_eq!(listed(descriptors.under_environment())[0].0, expected);
    }
}

#[test]
fn only_a_standalone_redis_can_be_declared() {
    for (word, expected) in [
        ("standalone", None),
        ("\" Standalone \"", None),
        ("\"\"", None),
        ("null", None),
        ("cluster", Some(TopologyError::Cluster)),
        ("sentinel", Some(TopologyError::Unknown)),
        ("[cluster]", Some(TopologyError::Unknown)),
        ("true", Some(TopologyError::Unknown)),
    ] {
        let descriptors = load_assembly(&format!("infra: {{redis: {{topology: {word}}}}}"));
        assert_eq!(descriptors.topology_error(), expected, "{word}");
    }
    assert_eq!(
        TopologyError::Cluster.to_string(),
        "assembly.yaml, infra.redis.topology: Redis Cluster is not supported; accepted: standalone"
    );
}

#[test]
fn files_that_do_not_exist_give_nothing_and_no_warning() {
    let descriptors = load(Path::new("/nowhere"), &[]);
    assert_eq!((descriptors.values.len(), descriptors.warnings()), (0, &[][..]));
    assert!(matches!(descriptors.gateway().unwrap().text, Ok(None)));
    let paths = ["/nowhere/assembly.yaml", "/nowhere/secrets.yaml", "/nowhere/gateway.yaml"];
    assert_eq!(descriptors.paths(), paths.map(PathBuf::from));
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_position_and_the_others_count() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("gateway.yaml")).unwrap();
    std::fs::write(folder.path().join("assembly.yaml"), "a: 1\nb: [hunter2").unwrap();
    std::fs::write(folder.path().join("secrets.yaml"), "infra.redis.password: x").unwrap();
    let descriptors = load(folder.path(), &[]);
    let [warning] = descriptors.warnings() else { panic!("{:?}", descriptors.warnings()) };
    let message = warning.to_string();
    let start = format!("{}: is not YAML (line ", folder.path().join("assembly.yaml").display());
    assert!(message.starts_with(&start) && message.ends_with("; nothing is read from it"), "{message}");
    assert!(!message.contains("hunter2"));
    assert_eq!(descriptors.values.len(), 1);
    let gateway = descriptors.gateway().unwrap().text.as_ref().map(Option::is_some);
    assert_eq!(gateway, Err(&FileError::Unreadable("is not a regular file".to_owned())));
}

#[test]
fn a_section_of_the_wrong_type_is_warned_about_once() {
    let descriptors = load_assembly("infra: hunter2\nplatform: {services: {metrics: [hunter2]}}\nports:\n");
    assert_eq!(
        warnings(&descriptors),
        [
            "platform.services.metrics: expected a mapping, got a list; not used",
            "infra: expected a mapping, got a text; not used"
        ]
    );
}

#[test]
fn a_placeholder_is_taken_as_it_stands_with_a_warning() {
    let descriptors = load_assembly("infra: {redis: {host: \"${REDIS_HOST}\", port: \"${REDIS_PORT}\"}}");
    assert_eq!(
        listed(descriptors.under_environment()),
        [("REDIS_HOST ${REDIS_HOST}".to_owned(), "assembly.yaml, infra.redis.host")]
    );
    assert_eq!(
        warnings(&descriptors),
        [
            "infra.redis.host: a ${…} that nothing replaces, taken as it stands",
            "infra.redis.port: expected a number, got a text; not used"
        ]
    );
}

#[test]
fn secrets_are_in_no_debug_output() {
    let secret = "hunter2";
    let files = [
        ("secrets.yaml", format!("infra: {{redis: {{password: {secret}}}, postgres: {{password: [{secret}]}}}}")),
        ("assembly.yaml", document("platform.services.metrics.proxy.metrics_auth_header_value", &json!(secret))),
        ("gateway.yaml", format!("redis_url: redis://:{secret}@redis")),
    ];
    let descriptors = load_files(&files.each_ref().map(|(name, text)| (*name, text.as_str())), &[]);
    assert_eq!((descriptors.values.len(), descriptors.warnings().len()), (2, 1));
    assert!(!format!("{descriptors:?}").contains(secret), "{descriptors:?}");
}

#[test]
fn a_warning_is_one_line_whatever_the_path_holds() {
    let warning = DescriptorWarning { file: PathBuf::from("/a\nb"), detail: "is not UTF-8 (byte 3)".to_owned() };
    assert_eq!(warning.to_string(), "/a\u{fffd}b: is not UTF-8 (byte 3)");
}

#[test]
fn a_difference_names_the_variables_whose_value_changed() {
    let before = [
        ("assembly.yaml", "ports: {metrics: 1}\ninfra: {redis: {host: a, port: 1}}\naws: {region: x}"),
        ("gateway.yaml", "tenant: a"),
    ];
    let of = |assembly: &str, gateway: &str| load_files(&[("assembly.yaml", assembly), ("gateway.yaml", gateway)], &[]);
    let old = load_files(&before, &[]);
    assert_eq!(old.diff(&load_files(&before, &[])), [""; 0]);
    // Another key of the same variable with the same value is no change.
    let moved = "ports: {metrics: \"2\"}\ninfra: {redis: {host: a}}\ncontext: {tenant: t}\naws: {aws_region: x}";
    assert_eq!(old.diff(&of(moved, "tenant: a")), ["METRICS_PORT", "TENANT_ID", "REDIS_PORT"]);
    assert_eq!(old.diff(&of(before[0].1, "tenant: b")), ["GATEWAY_YAML_PATH"]);
    assert_eq!(of(moved, "").diff(&load(Path::new("/nowhere"), &[])).last(), Some(&"GATEWAY_YAML_PATH"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any value at any row, and anything above it, is used, absent or warned about.
    #[test]
    fn no_document_panics_or_shows_a_value(
        row in 0..ROWS.len(),
        cut in 0..5_usize,
        value in prop_oneof![
            Just(json!(null)), any::<bool>().prop_map(|value| json!(value)), any::<f64>().prop_map(|value| json!(value)),
            Just(json!(["hunter2"])), Just(json!({"hunter2": "hunter2"})), "(hunter2)?[a-z$ {}\n]{0,9}".prop_map(|text| json!(text)),
        ],
    ) {
        let row = &ROWS[row];
        let segments: Vec<_> = row.path.split('.').collect();
        let path = segments[..segments.len().saturating_sub(cut).max(1)].join(".");
        let descriptors = load_files(&[(row.file.name(), &document(&path, &value))], &[("GATEWAY_COMPONENT", "<component>")]);
        let shown = format!("{descriptors:?}");
        prop_assert!(!shown.contains("hunter2"), "{}", shown);
        prop_assert!(descriptors.values.len() + descriptors.warnings().len() <= 60);
    }
}
