//! PostgreSQL's connection limit: queries, outages, TLS, and the CA file.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kdcube_metrics::engine::database::{self, Pace};
use kdcube_metrics::sources::postgres::config::PostgresConfig;
use kdcube_metrics::telemetry::Telemetry;

use crate::authority::Authority;
use crate::postgres_server::{PASSWORD, PostgresServer};
use crate::slow_proxy::SlowProxy;
use crate::support::{GATEWAY, Server, eventually, program, value};

/// The embedded deployment with `metrics` asking the server.
fn variables(port: &str) -> Vec<(&str, &str)> {
    vec![
        ("METRICS_MODE", "embedded"),
        ("METRICS_ENABLE_PG_POOL", "1"),
        ("POSTGRES_HOST", "localhost"),
        ("POSTGRES_PORT", port),
        ("POSTGRES_DATABASE", "postgres"),
        ("POSTGRES_USER", "metrics"),
        ("POSTGRES_PASSWORD", PASSWORD),
    ]
}

fn run(variables: &[(&str, &str)], more: &[(&str, &str)], arguments: &[&str]) -> Output {
    program(&[variables, more].concat(), arguments).output().unwrap()
}

/// Standard output and error together.
fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn check(variables: &[(&str, &str)], more: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = run(variables, &[more, &[("METRICS_PORT", "0")]].concat(), &["check"]);
    let line = words(&output).lines().find(|line| line.starts_with("postgres")).unwrap_or_default().to_owned();
    assert!(!words(&output).contains(PASSWORD), "{}", words(&output));
    (output.status.code(), line)
}

/// `db_connections` of one snapshot.
fn snapshot(variables: &[(&str, &str)], more: &[(&str, &str)]) -> serde_json::Value {
    let output = run(variables, more, &["snapshot"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(!words(&output).contains(PASSWORD), "{}", words(&output));
    serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["db_connections"].take()
}

#[test]
fn the_limit_arrives_and_outages_cost_no_tick() {
    let mut postgres = PostgresServer::start();
    let port = postgres.port().to_string();
    let server = Server::ready(&variables(&port));
    let metric = |name: &str| value(&server.get("/metrics").text(), name);
    eventually("the limit", Duration::from_secs(10), || metric("kdcube_db_connections_max") == Some(37.0));
    let found = server.get("/metrics/combined").json()["system"]["db_connections"].take();
    assert_eq!((&found["max_connections"], &found["source"]), (&37.into(), &"query".into()));
    assert_eq!(metric("kdcube_metrics_postgres_errors_total"), Some(0.0));

    postgres.stop();
    eventually("an error", Duration::from_secs(10), || metric("kdcube_metrics_postgres_errors_total") >= Some(2.0));
    assert_eq!(server.get("/readyz").status, 200);
    let id = || server.get("/api/v1/signals").json()["snapshot"]["id"].to_string();
    let before = id();
    eventually("a tick", Duration::from_secs(5), || id() != before);

    let conf = postgres.folder().join("data/postgresql.auto.conf");
    let text = std::fs::read_to_string(&conf).unwrap().replace("max_connections = 37", "max_connections = 41");
    std::fs::write(&conf, text).unwrap();
    postgres.restart();
    eventually("the new limit", Duration::from_secs(30), || metric("kdcube_db_connections_max") == Some(41.0));
    let log = server.log_with("problem ended code=\"postgres_failed\"");
    assert_eq!(log.matches("problem code=\"postgres_failed\"").count(), 1, "once, not once a query: {log}");
    assert!(log.contains("problem ended code=\"postgres_failed\"") && !log.contains(PASSWORD), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_old_is_absent_until_there_is_a_new_one() {
    let mut postgres = PostgresServer::start();
    let relay = SlowProxy::to(postgres.port());
    let config = PostgresConfig {
        host: "127.0.0.1".into(),
        port: relay.port(),
        database: "postgres".into(),
        user: "metrics".into(),
        password: Some(PASSWORD.into()),
        tls: None,
        application: "kdcube-metrics:test".into(),
        timeout: Duration::from_secs(1),
    };
    let pace = Pace { period: Duration::from_millis(500), first_pause: Duration::from_millis(50) };
    let database = database::watch(config, Arc::new(Telemetry::default()), pace).unwrap();
    assert_eq!(database.max_connections(), None);
    let limit = Duration::from_secs(10);
    eventually("an answer", limit, || database.max_connections() == Some(37));
    // Nothing closes the connection; the question just has no answer.
    relay.hang();
    eventually("absence in a hang", limit, || database.max_connections().is_none());
    relay.delay(Duration::ZERO);
    eventually("an answer after the hang", limit, || database.max_connections() == Some(37));
    postgres.stop();
    eventually("absence", limit, || database.max_connections().is_none());
    postgres.restart();
    eventually("an answer after the restart", limit, || database.max_connections() == Some(37));
}

#[test]
fn a_check_reports_the_server_or_why_it_failed() {
    let mut postgres = PostgresServer::start();
    let port = postgres.port().to_string();
    let variables = variables(&port);
    let (code, line) = check(&variables, &[]);
    assert_eq!(code, Some(0), "{line}");
    for part in [&format!("localhost:{port}/postgres as metrics"), "PostgreSQL 1", "max_connections 37"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    for (more, parts) in [
        ([("POSTGRES_PASSWORD", "hunter3")], ["28P01", "POSTGRES_PASSWORD"]),
        ([("POSTGRES_PASSWORD", "")], ["password", "set POSTGRES_PASSWORD"]),
        ([("POSTGRES_DATABASE", "nowhere")], ["3D000", "POSTGRES_DATABASE"]),
        ([("POSTGRES_SSL", "1")], ["TLS", "POSTGRES_SSL"]),
    ] {
        let (code, line) = check(&variables, &more);
        assert_eq!(code, Some(1), "{more:?}: {line}");
        assert!(line.contains("FAILED") && !line.contains("hunter"), "{line}");
        assert!(parts.iter().all(|part| line.contains(part)), "{parts:?} in {line}");
    }
    postgres.stop();
    let (code, line) = check(&variables, &[]);
    assert!(code == Some(1) && line.contains("refused") && line.contains("is it running"), "{line}");
}

#[test]
fn commands_that_tick_once_query_once() {
    let postgres = PostgresServer::start();
    let port = postgres.port().to_string();
    let variables = variables(&port);
    assert_eq!(snapshot(&variables, &[])["source"], "query");
    let configured = GATEWAY.1.replace('}', r#", "pools": {"pg_max_connections": 50}}"#);
    let won = snapshot(&variables, &[(GATEWAY.0, &configured)]);
    assert_eq!((&won["max_connections"], &won["source"]), (&50.into(), &"config".into()));
    let off = snapshot(&variables, &[("METRICS_ENABLE_PG_POOL", "0")]);
    assert!(off["max_connections"].is_null(), "{off}");
    let once = run(&variables, &[], &["once", "--dry-run"]);
    assert_eq!(once.status.code(), Some(0), "{}", words(&once));

    let relay = SlowProxy::to(postgres.port());
    relay.hang();
    let (began, port) = (Instant::now(), relay.port().to_string());
    let found = snapshot(&variables, &[("POSTGRES_PORT", &port), ("METRICS_REQUEST_TIMEOUT_SEC", "0.5")]);
    assert!(found["max_connections"].is_null() && began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
}

/// A server that accepts TLS only, with a certificate of this authority.
fn tls_server(authority: &Authority) -> PostgresServer {
    authority.issue("server");
    let copy = |folder: &Path, name: &str| std::fs::copy(authority.path(name), folder.join(name)).unwrap();
    PostgresServer::start_with(|folder| {
        copy(folder, "server.pem");
        copy(folder, "server.key");
        let (folder, hba) = (folder.display(), folder.join("hba"));
        std::fs::write(&hba, "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        let files = format!("ssl_cert_file = '{folder}/server.pem'\nssl_key_file = '{folder}/server.key'\n");
        format!("ssl = on\n{files}hba_file = '{folder}/hba'\n")
    })
}

#[test]
fn a_replaced_ca_file_is_used_for_the_next_connection() {
    let (authority, other) = (Authority::new(), Authority::new());
    let postgres = tls_server(&authority);
    let port = postgres.port().to_string();
    let ca = postgres.folder().join("ca.pem");
    std::fs::copy(other.certificate(), &ca).unwrap();
    let more = [("POSTGRES_SSL", "1"), ("METRICS_POSTGRES_CA_FILE", ca.to_str().unwrap())];
    let server = Server::ready(&[&variables(&port)[..], &more].concat());
    let metric = |name: &str| value(&server.get("/metrics").text(), name);
    let reloads =
        |result: &str| metric(&format!("kdcube_metrics_reloads_total{{files=\"postgres_ca\",result=\"{result}\"}}"));
    let limit = Duration::from_secs(30);
    eventually("an error", limit, || metric("kdcube_metrics_postgres_errors_total") >= Some(1.0));
    assert_eq!((reloads("ok"), reloads("failed"), metric("kdcube_db_connections_max")), (Some(0.0), Some(0.0), None));

    std::fs::copy(authority.certificate(), &ca).unwrap();
    eventually("the limit", limit, || metric("kdcube_db_connections_max") == Some(37.0));
    assert_eq!((reloads("ok"), reloads("failed")), (Some(1.0), Some(0.0)));

    std::fs::write(&ca, "no certificate").unwrap();
    eventually("the failed reload", limit, || reloads("failed") == Some(1.0));
    server.log_with("problem code=\"reload_failed\" subject=\"postgres_ca\"");
    assert_eq!(metric("kdcube_db_connections_max"), Some(37.0), "the open connection and the previous CA stay");
}

#[test]
fn only_a_server_with_a_valid_certificate_is_queried() {
    let authority = Authority::new();
    let postgres = tls_server(&authority);
    let port = postgres.port().to_string();
    let variables = variables(&port);
    let (tls, own) = (("POSTGRES_SSL", "1"), authority.certificate());
    let (full, own) = (("POSTGRES_SSL_MODE", "verify-full"), ("METRICS_POSTGRES_CA_FILE", own.as_str()));
    let (code, line) = check(&variables, &[tls, own]);
    assert!(code == Some(0) && line.contains("max_connections 37"), "{line}");
    let (code, line) = check(&variables, &[tls, full, ("SSL_CERT_FILE", own.1)]);
    assert_eq!(code, Some(0), "the system's authorities count too: {line}");

    let (code, line) = check(&variables, &[tls, full]);
    assert!(code == Some(1) && line.contains("UnknownIssuer") && line.contains("METRICS_POSTGRES_CA_FILE"), "{line}");
    let (code, line) = check(&variables, &[tls, own, ("POSTGRES_HOST", "127.0.0.1")]);
    assert!(code == Some(1) && line.contains("not valid for name"), "another's name: {line}");
    let (code, line) = check(&variables, &[]);
    assert!(code == Some(1) && line.contains("no encryption"), "{line}");
}

#[test]
fn modes_verify_what_libpqs_do() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (postgres, plain) = (tls_server(&authority), PostgresServer::start());
    let (port, plain_port) = (postgres.port().to_string(), plain.port().to_string());
    let (own, other) = (authority.certificate(), other.certificate());
    let (on, own, other) =
        (("POSTGRES_SSL", "True"), ("POSTGRES_SSL_ROOT_CERT", own.as_str()), ("PGSSLROOTCERT", other.as_str()));
    let mode = |word| ("POSTGRES_SSL_MODE", word);
    let address = ("POSTGRES_HOST", "127.0.0.1");
    for (more, expected) in [
        (&[on, address][..], Ok(())),
        (&[on, mode("require"), address], Ok(())),
        (&[("POSTGRES_SSL", "require"), address], Ok(())),
        (&[on, mode("prefer"), address], Ok(())),
        (&[on, mode("verify-ca"), own, address], Ok(())),
        (&[on, mode("verify-ca"), other, address], Err("invalid peer certificate")),
        (&[on, mode("require"), other, address], Err("invalid peer certificate")),
        (&[on, mode("verify-ca"), address], Err("UnknownIssuer")),
        (&[on, mode("verify-full"), own], Ok(())),
        (&[on, mode("verify-full"), own, address], Err("not valid for name")),
        (&[on, mode("disable")], Err("no encryption")),
    ] {
        let (code, line) = check(&variables(&port), more);
        let matches = match expected {
            Ok(()) => code == Some(0) && line.contains("max_connections 37"),
            Err(part) => code == Some(1) && line.contains(part),
        };
        assert!(matches, "{more:?}: {line}");
    }
    for (more, code) in [(&[on, mode("prefer")][..], 0), (&[on, mode("require")], 1)] {
        let (found, line) = check(&variables(&plain_port), more);
        assert_eq!(found, Some(code), "without TLS, {more:?}: {line}");
    }
    let output = run(&variables(&port), &[on, address, ("METRICS_PORT", "0")], &["check"]);
    assert!(words(&output).contains("nothing verifies the server"), "{}", words(&output));
}

#[test]
fn every_problem_of_its_configuration_stops_the_start() {
    let output = run(&[("METRICS_MODE", "embedded"), ("METRICS_ENABLE_PG_POOL", "1")], &[], &["--postgres-port", "x"]);
    assert_eq!(output.status.code(), Some(78));
    for part in ["POSTGRES_HOST", "POSTGRES_PORT \"x\"", "POSTGRES_DATABASE", "POSTGRES_USER"] {
        assert!(words(&output).contains(part), "{part} in\n{}", words(&output));
    }
}
