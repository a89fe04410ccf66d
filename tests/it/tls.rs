//! TLS: every route over HTTPS, files that stop the start, and the documented scrape configuration.

mod clients;
mod renewal;

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::authority::{Authority, Pair, openssl};
use crate::support::{Answer, GATEWAY, Killed, Server, eventually, free_port, program, raw};

const EMBEDDED: (&str, &str) = ("METRICS_MODE", "embedded");

fn serve(pair: &Pair, more: &[(&str, &str)]) -> Server {
    let files = [("METRICS_TLS_CERT_FILE", pair.certificate.as_str()), ("METRICS_TLS_KEY_FILE", &pair.key)];
    Server::start(&[&[EMBEDDED], &files[..], more].concat())
}

fn value(metrics: &Answer, series: &str) -> Option<f64> {
    metrics.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_route_is_served_over_tls() {
    let authority = Authority::new();
    let pair = authority.issue("server");
    let (server, client) = (serve(&pair, &[]), authority.client(None));
    let port = server.port();
    eventually("readiness", Duration::from_secs(10), || client.get(port, "/readyz").status == 200);
    assert!(client.get(port, "/").text().contains("· https ·"));
    server.log_with(&format!("url=\"https://127.0.0.1:{port}\""));
    let metrics = client.get(port, "/metrics");
    let ends = value(&metrics, "kdcube_metrics_tls_certificate_expiry_timestamp_seconds").unwrap();
    assert!(ends > value(&metrics, "process_start_time_seconds").unwrap() + 29.0 * 86_400.0);

    let handshake = |version: &str| {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-alpn", "h2,http/1.1", "-CAfile", &authority.certificate(), version]);
        let output = client.args(["-connect", &format!("127.0.0.1:{port}")]).stdin(Stdio::null()).output().unwrap();
        (output.status.success(), text_of(&output))
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let (good, text) = handshake(version);
        assert!(good && text.contains("Verify return code: 0") && text.contains("ALPN protocol: http/1.1"), "{text}");
    }
    assert!(!handshake("-tls1_1").0);

    let port = port.to_string();
    let variables = [
        GATEWAY,
        EMBEDDED,
        ("METRICS_PORT", port.as_str()),
        ("METRICS_TLS_CERT_FILE", &pair.certificate),
        ("METRICS_TLS_KEY_FILE", &pair.key),
    ];
    assert_eq!(program(&variables, &["healthcheck"]).output().unwrap().status.code(), Some(0));
    assert_eq!(program(&variables[..3], &["healthcheck"]).output().unwrap().status.code(), Some(1), "not over http");
    let demo = program(&variables, &["demo", "--for", "1s", "--port", "0"]).output().unwrap();
    assert!(text_of(&demo).contains("https://127.0.0.1:"), "{}", text_of(&demo));
}

#[test]
fn invalid_files_stop_the_start_with_a_line_each() {
    let authority = Authority::new();
    let (pair, other) = (authority.issue("server"), authority.issue("other"));
    let (garbage, broken) = (authority.path("garbage"), authority.path("broken"));
    std::fs::write(&garbage, "hunter2\n").unwrap();
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n").unwrap();
    let encrypted = authority.path("encrypted");
    let folder = std::path::Path::new(&encrypted).parent().unwrap();
    openssl(folder, "pkcs8 -topk8 -in server.key -passout pass:hunter2 -out encrypted");
    for (certificate, key, authorities, lines) in [
        (&pair.certificate, &other.key, None, &["METRICS_TLS_KEY_FILE .*is not the key of"][..]),
        (
            &garbage,
            &garbage,
            None,
            &["METRICS_TLS_CERT_FILE .*no certificate", "METRICS_TLS_KEY_FILE .*no private key"],
        ),
        (&broken, &pair.key, None, &["METRICS_TLS_CERT_FILE .*cannot be used"]),
        (&pair.certificate, &encrypted, None, &["METRICS_TLS_KEY_FILE .*no private key; accepted: .*not encrypted"]),
        (&pair.certificate, &pair.key, Some(&pair.key), &["METRICS_TLS_CLIENT_CA_FILE .*no certificate"]),
        (&pair.certificate, &pair.key, Some(&broken), &["METRICS_TLS_CLIENT_CA_FILE .*accepted"]),
    ] {
        let mut command = program(&[GATEWAY, EMBEDDED], &["serve"]);
        command.env("METRICS_TLS_CERT_FILE", certificate).env("METRICS_TLS_KEY_FILE", key);
        command.envs(authorities.map(|path| ("METRICS_TLS_CLIENT_CA_FILE", path)));
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), errors.lines().count()), (Some(78), lines.len() + 1), "{errors}");
        for line in lines {
            let (variable, what) = line.split_once(" .*").unwrap();
            let found = errors.lines().find(|line| line.contains(variable)).unwrap_or_else(|| panic!("{errors}"));
            assert!(what.split(".*").all(|part| found.contains(part)), "{line} in {found}");
        }
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn a_check_reports_when_the_certificate_expires() {
    let authority = Authority::new();
    let port = free_port().to_string();
    let check = |pair: &Pair| {
        let variables = [EMBEDDED, ("METRICS_PORT", port.as_str()), ("METRICS_AUTH_TOKEN", "hunter2,hunter3")];
        let output = program(&variables, &["check"])
            .env("METRICS_TLS_CERT_FILE", &pair.certificate)
            .env("METRICS_TLS_KEY_FILE", &pair.key)
            .output()
            .unwrap();
        (output.status.code(), text_of(&output))
    };
    let (code, text) = check(&authority.issue("server"));
    assert_eq!(code, Some(0), "{text}");
    for part in ["requires one of 2 tokens", "the certificate of localhost is valid until 20"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains("hunter"), "{text}");
    let (code, text) = check(&authority.issue_for("short", 7));
    assert!(code == Some(0) && text.contains("warning"), "{text}");
    let ended = authority.issue_for("ended", 0);
    let late = serve(&ended, &[]);
    eventually("the log line", Duration::from_secs(5), || late.log().contains("has expired"));
    eventually("its expiry", Duration::from_secs(5), || check(&ended).0 == Some(1));
}

#[test]
fn the_scrape_configuration_of_the_security_page_works() {
    let authority = Authority::new();
    authority.issue("client");
    std::fs::write(authority.path("token"), "hunter2").unwrap();
    let server = serve(
        &authority.issue("server"),
        &[("METRICS_TLS_CLIENT_CA_FILE", &authority.certificate()), ("METRICS_AUTH_TOKEN", "hunter2")],
    );
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md")).unwrap();
    let documented = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let documented = documented.replace("localhost:8090", &format!("localhost:{}", server.port()));
    let config = authority.path("prometheus.yaml");
    std::fs::write(&config, format!("global: {{scrape_interval: 1s}}\n{documented}")).unwrap();
    let port = free_port();
    let _prometheus = Command::new("prometheus")
        .arg(format!("--config.file={config}"))
        .arg(format!("--storage.tsdb.path={}", authority.path("data")))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stderr(Stdio::null())
        .spawn()
        .map(Killed)
        .expect("prometheus is needed: ./test installs it");
    let up = "GET /api/v1/query?query=kdcube_metrics_up HTTP/1.0\r\nHost: localhost\r\n\r\n";
    eventually("a scrape", Duration::from_secs(30), || {
        let answer = raw(port, up.as_bytes()).filter(|answer| answer.status == 200);
        answer.is_some_and(|answer| answer.json()["data"]["result"][0]["value"][1] == "1")
    });
}
