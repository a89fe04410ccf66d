//! Planted secrets: everything is asked and broken, and none of them is seen anywhere.
//!
//! A new secret is a row in [`planted::planted`]; a new way to run is one in [`WAYS`].

mod planted;

use std::process::Output;
use std::time::Duration;

use kdcube_metrics::config::Config;
use kdcube_metrics::settings::Settings;

use self::planted::{Places, assert_clean, borrowed, environment, planted};
use crate::authority::Https;
use crate::support::{Answer, RedisServer, Server, eventually, free_port, program};

/// The modes that everything is done in.
const WAYS: [&str; 3] = ["redis", "proxy", "embedded"];

const ROUTES: [&str; 20] = [
    "/",
    "/metrics",
    "/metrics/combined",
    "/metrics/ingress/system",
    "/metrics/proc/system",
    "/monitoring/system",
    "/admin/circuit-breakers",
    "/metrics/export",
    "/api/v1/signals",
    "/api/v1/exports",
    "/api/v1/problems",
    "/api/events/client",
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
    // Without Redis nobody leads, and who does not lead pushes nothing.
    variables.push(("METRICS_LEASE".to_owned(), "0".to_owned()));
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
    assert!(log.contains("DEBUG"), "the log is complete: {log}");
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
            let text = printed(&output);
            assert_clean(&places, &format!("{command:?}"), &text);
            assert!(output.status.code() != Some(78), "it ran: {text}");
        }
        asked_and_stopped(&places, "redis");
    }
}

fn printed(output: &Output) -> String {
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
                assert_eq!(output.status.code(), Some(78), "{}", printed(&output));
                assert_clean(&places, &format!("{command} with {} {value:?}", row.variable), &printed(&output));
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
        assert_eq!(output.status.code(), Some(78), "{variable}: {}", printed(&output));
        assert_clean(&places, variable, &printed(&output));
    }
}

#[test]
fn the_configuration_does_not_print_its_secrets() {
    let places = Places::new(free_port());
    let variables = environment(&places);
    let mut settings = Settings::from_environment(borrowed(&variables));
    let config = Config::read(&mut settings).unwrap_or_else(|| panic!("{:?}", settings.errors()));
    assert_clean(&places, "Debug", &format!("{config:?} {config:#?}"));
}
