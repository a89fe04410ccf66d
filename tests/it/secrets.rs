//! Planted secrets: everything is asked and broken, and none of them is seen anywhere.
//!
//! A new secret is a row in [`planted`]; a new way to run is one in [`WAYS`].

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kdcube_metrics::config::Config;
use kdcube_metrics::settings::Settings;

use crate::authority::{Authority, Https};
use crate::support::{Answer, GATEWAY, RedisServer, Server, eventually, free_port, program};

/// A variable that holds a secret, and what must not be seen of it.
struct Planted {
    variable: &'static str,
    value: String,
    secret: &'static str,
}

/// Where the secrets are told to, good or bad.
struct Places {
    redis: u16,
    echo: u16,
    authority: Authority,
}

impl Places {
    fn new(redis: u16) -> Self {
        Self { redis, echo: echo(), authority: Authority::new() }
    }
}

fn planted(places: &Places) -> Vec<Planted> {
    let Places { redis, echo, .. } = places;
    let row = |variable, secret: &'static str, value: String| Planted { variable, value, secret };
    vec![
        row("REDIS_URL", "plantedRedis1", format!("redis://:plantedRedis1@127.0.0.1:{redis}/0")),
        row("METRICS_AUTH_TOKEN", "plantedToken2", "plantedToken2,plantedToken2b".to_owned()),
        row("METRICS_PROM_PUSHGATEWAY_URL", "plantedPush3", format!("http://me:plantedPush3@127.0.0.1:{echo}")),
        row("AWS_ACCESS_KEY_ID", "plantedAccess4", "plantedAccess4".to_owned()),
        row("AWS_SECRET_ACCESS_KEY", "plantedKey5", "plantedKey5".to_owned()),
        row("AWS_SESSION_TOKEN", "plantedSession6", "plantedSession6".to_owned()),
        row("METRICS_AUTH_HEADER_VALUE", "plantedHeader7", "Bearer plantedHeader7".to_owned()),
        row("METRICS_HEADERS_JSON", "plantedHeaders8", r#"{"X-Key": "plantedHeaders8"}"#.to_owned()),
        row("POSTGRES_PASSWORD", "plantedDatabase9", "plantedDatabase9".to_owned()),
    ]
}

/// What is set besides: everything that uses a secret is on.
fn environment(places: &Places) -> Vec<(String, String)> {
    let pair = places.authority.issue("server");
    let echo = format!("http://127.0.0.1:{}", places.echo);
    let set = [
        GATEWAY,
        ("METRICS_TLS_CERT_FILE", &pair.certificate),
        ("METRICS_TLS_KEY_FILE", &pair.key),
        ("METRICS_EXPORT_PROMETHEUS_PUSH", "1"),
        ("METRICS_EXPORT_CLOUDWATCH", if cfg!(feature = "cloudwatch") { "1" } else { "0" }),
        ("METRICS_SCHEDULER_ENABLED", "1"),
        ("METRICS_EXPORT_INTERVAL_SEC", "0.5"),
        ("METRICS_SAMPLE_INTERVAL_SEC", "0.5"),
        ("METRICS_REQUEST_TIMEOUT_SEC", "1"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL_CLOUDWATCH", &echo),
        ("METRICS_INGRESS_BASE_URL", &echo),
        ("METRICS_ENABLE_PG_POOL", "1"),
        ("POSTGRES_HOST", "127.0.0.1"),
        ("POSTGRES_PORT", "9"),
        ("POSTGRES_DATABASE", "postgres"),
        ("POSTGRES_USER", "postgres"),
        ("RUST_LOG", "trace"),
    ];
    let rows = planted(places).into_iter().map(|row| (row.variable.to_owned(), row.value));
    set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(rows).collect()
}

fn borrowed(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The modes that everything is done in.
const WAYS: [&str; 2] = ["redis", "embedded"];

/// Fails if any of the secrets stands in the text, as it is or as a header would carry it.
fn assert_clean(places: &Places, what: &str, text: &str) {
    for row in planted(places) {
        let basic = STANDARD.encode(format!("me:{}", row.secret));
        for form in [row.secret, &basic] {
            let line = text.lines().find(|line| line.contains(form));
            assert!(line.is_none(), "{what} shows {} in: {}", row.variable, line.unwrap_or_default());
        }
    }
    let key = std::fs::read_to_string(places.authority.path("server.key")).unwrap_or_default();
    for line in key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!text.contains(line), "{what} shows the TLS key");
    }
}

/// A server that refuses everything and says back all it was told, as some proxies do.
fn echo() -> u16 {
    let port = free_port();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = vec![0; 8192];
            let read = stream.read(&mut head).unwrap_or(0);
            let told = String::from_utf8_lossy(&head[..read]).into_owned();
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{told}",
                told.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

const ROUTES: [&str; 16] = [
    "/",
    "/metrics",
    "/metrics/combined",
    "/metrics/ingress/system",
    "/metrics/proc/system",
    "/metrics/export",
    "/api/v1/signals",
    "/api/v1/exports",
    "/health",
    "/healthz",
    "/livez",
    "/readyz",
    "/-/healthy",
    "/-/ready",
    "/nowhere/plantedNothing",
    "/metrics/",
];

/// Every answer of a server, head and body, with a token, with a wrong one and without.
fn answers(client: &Https, port: u16) -> Vec<(String, Answer)> {
    let tokens = ["", "Authorization: Bearer plantedToken2\r\n", "Authorization: Bearer wrong\r\n"];
    let ask =
        |path: &'static str| tokens.map(|header| (format!("{path} {header}"), client.ask(port, path, header).unwrap()));
    ROUTES.into_iter().flat_map(ask).collect()
}

fn asked_and_stopped(places: &Places, mode: &str) {
    let mut variables = environment(places);
    variables.push(("METRICS_MODE".to_owned(), mode.to_owned()));
    let server = Server::start(&borrowed(&variables));
    let client = places.authority.client(None);
    let failed = r#"kdcube_metrics_exports_total{sink="pushgateway",result="failed"}"#;
    eventually("a push that failed", Duration::from_secs(20), || {
        let metrics = client.ask(server.port(), "/metrics", "Authorization: Bearer plantedToken2\r\n").unwrap().text();
        metrics.lines().any(|line| line.strip_prefix(failed).is_some_and(|count| count.trim() != "0"))
    });
    for (what, answer) in answers(&client, server.port()) {
        assert_clean(places, &what, &format!("{:?}\n{}", answer.headers, String::from_utf8_lossy(&answer.body)));
    }
    let (_, _, log) = server.terminate();
    assert!(log.contains("DEBUG"), "the log tells all it can: {log}");
    assert_clean(places, &format!("the log in mode {mode}"), &log);
}

#[test]
fn no_answer_and_no_line_of_the_log_shows_a_secret() {
    let redis = RedisServer::start_with(&["--requirepass", "plantedRedis1"]);
    let places = Places::new(redis.port());
    for mode in WAYS {
        asked_and_stopped(&places, mode);
    }
}

#[test]
fn no_failure_shows_a_secret() {
    // A Redis that takes another password, and one that is not there.
    let redis = RedisServer::start_with(&["--requirepass", "another"]);
    for port in [redis.port(), free_port()] {
        let places = Places::new(port);
        let variables = environment(&places);
        for command in [&["check"][..], &["snapshot"], &["once"], &["once", "--dry-run"], &["healthcheck"]] {
            let output = program(&borrowed(&variables), command).output().unwrap();
            let text = told(&output);
            assert_clean(&places, &format!("{command:?}"), &text);
            assert!(output.status.code() != Some(78), "it ran: {text}");
        }
        asked_and_stopped(&places, "redis");
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn no_bad_configuration_shows_a_secret() {
    let places = Places::new(free_port());
    let variables = environment(&places);
    for row in planted(&places) {
        // Broken in ways that still hold the secret, for readers of lists, URLs and JSON.
        let broken = [
            format!("{} {}", row.secret, row.secret),
            format!("{}\u{7f}", row.value),
            row.value.replace("://", "//"),
            row.value.replace("127.0.0.1", "[::"),
            format!("ftp://me:{}@x", row.secret),
            format!("{{\"{}\": {{\"x\": \"{}\"}}", row.secret, row.secret),
            format!("/nowhere/{}", "x".repeat(300)),
        ];
        for value in broken {
            for command in ["serve", "check", "snapshot", "once"] {
                // A number that is no port stops even those whose secret could be used.
                let output = program(&borrowed(&variables), &[command])
                    .env(row.variable, &value)
                    .env("METRICS_PORT", "many")
                    .output()
                    .unwrap();
                assert_eq!(output.status.code(), Some(78), "{}", told(&output));
                assert_clean(&places, &format!("{command} with {} {value:?}", row.variable), &told(&output));
            }
        }
    }
}

#[test]
fn a_file_in_the_wrong_place_is_not_shown() {
    // A mix-up: the key where another file belongs, and a secret where a path does.
    let places = Places::new(free_port());
    let variables = environment(&places);
    let key = places.authority.path("server.key");
    for variable in
        ["METRICS_TLS_CERT_FILE", "METRICS_TLS_CLIENT_CA_FILE", "GATEWAY_YAML_PATH", "METRICS_MAPPING_JSON_FILE"]
    {
        let mut command = program(&borrowed(&variables), &["check"]);
        let output = command.env_remove("GATEWAY_CONFIG_JSON").env(variable, &key).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{variable}: {}", told(&output));
        assert_clean(&places, variable, &told(&output));
    }
}

#[test]
fn the_configuration_does_not_print_its_secrets() {
    let places = Places::new(free_port());
    let variables = environment(&places);
    let mut settings = Settings::from_environment(borrowed(&variables));
    let config = Config::read(&mut settings).unwrap_or_else(|| panic!("{:?}", settings.problems()));
    assert_clean(&places, "Debug", &format!("{config:?} {config:#?}"));
}
