//! Proxy mode against a second server behind nginx, which checks a header or a certificate, and against recorded payloads.

mod hostile;
pub(crate) mod nginx;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use self::nginx::Nginx;
use crate::authority::{Authority, Pair};
use crate::support::{Answer, RedisServer, Server, eventually, free_port, program};

const PROXY: (&str, &str) = ("METRICS_MODE", "proxy");
const SOON: Duration = Duration::from_secs(10);

/// A second server in redis mode that ticks only once, so that its numbers stay comparable.
fn frozen(redis: &RedisServer) -> Server {
    let url = redis.url();
    let arguments = ["simulate", "--redis-url", &url, "--tenant", "acme", "--project", "chat", "--for", "1s"];
    let arguments = [&arguments[..], &["--history", "500"]].concat();
    assert!(program(&[], &arguments).output().unwrap().status.success());
    Server::ready(&[
        ("REDIS_URL", &url),
        ("METRICS_SAMPLE_INTERVAL_SEC", "600"),
        ("METRICS_STALE_AFTER_SEC", "3600"),
        ("METRICS_PROM_SCRAPE_TTL_SEC", "3600"),
    ])
}

/// Samples of `/metrics` that do not describe the server itself.
fn facts(metrics: &Answer) -> BTreeMap<String, String> {
    let text = metrics.text();
    let lines = text.lines().filter(|line| line.starts_with("kdcube_") && !line.starts_with("kdcube_metrics_"));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn has(server: &Server, line: &str) -> bool {
    server.get("/metrics").text().lines().any(|found| found == line)
}

/// Forwards requests for the payload to `upstream` if they have the header.
fn guarded(upstream: &Server, header: &str) -> String {
    format!(
        "location = /monitoring/system {{
            if ($http_x_metrics_key != '{header}') {{ return 401; }}
            proxy_pass http://127.0.0.1:{}/metrics/proc/system;
        }}",
        upstream.port()
    )
}

/// The platform's payload has neither the parts of a role's depth, how full windows are, whose clock is off, whose count is
/// unknown, the leading signals and what follows from them, nor the maxima of the shorter windows.
fn is_sent(name: &str) -> bool {
    let not_sent = [
        "kdcube_ingress_replicas_",
        "kdcube_ingress_rest_requests_per_second",
        "kdcube_proc_arrivals_per_second",
        "kdcube_proc_drain_seconds",
        "kdcube_proc_jobs_waiting",
        "kdcube_proc_load_ratio",
        "kdcube_proc_processor_",
        "kdcube_proc_queue_loop_lag_seconds",
        "kdcube_proc_queue_oldest_wait_seconds",
        "kdcube_proc_queue_role_jobs_waiting",
        "kdcube_proc_queue_role_oldest_wait_seconds",
        "kdcube_proc_queue_waiting",
        "kdcube_proc_replicas_",
        "kdcube_proc_slots",
        "kdcube_proc_tasks_",
        "kdcube_proc_throughput_per_second",
        "kdcube_proc_queue_tasks",
        "kdcube_window_filled_ratio",
        "kdcube_writer_clock_offset_seconds",
        "kdcube_ingress_sse_unknown_workers",
    ];
    let is_short_maximum = name.contains("stat=\"max\"") && !name.contains("window=\"1h\"");
    !not_sent.iter().any(|family| name.starts_with(family)) && !is_short_maximum
}

#[test]
fn the_upstreams_metrics_are_exported_unchanged() {
    let redis = RedisServer::start();
    let upstream = frozen(&redis);
    let nginx = Nginx::start(&guarded(&upstream, "hunter2"));
    let server = Server::ready(&[
        PROXY,
        ("METRICS_INGRESS_BASE_URL", &nginx.url()),
        ("METRICS_PROC_BASE_URL", &nginx.url()),
        ("METRICS_AUTH_HEADER_NAME", "X-Metrics-Key"),
        ("METRICS_AUTH_HEADER_VALUE", "hunter2"),
    ]);

    let (there, here) = (facts(&upstream.get("/metrics")), facts(&server.get("/metrics")));
    assert!(there.len() > 100, "{there:?}");
    for name in there.keys().filter(|name| is_sent(name)) {
        if name.contains("_window{") {
            // The payload between the two rounds windows to two decimals, those of percentages to one.
            let value = |facts: &BTreeMap<String, String>| facts[name].parse::<f64>().unwrap();
            assert!((value(&here) - value(&there)).abs() <= 0.005_001, "{name}");
        } else {
            assert_eq!(here.get(name), there.get(name), "{name}");
        }
    }
    assert!(has(&server, "kdcube_metrics_up 1") && has(&server, "kdcube_metrics_upstream_up{upstream=\"proc\"} 1"));

    let age = server.get("/metrics").text();
    assert!(age.contains("kdcube_metrics_upstream_payload_age_seconds{upstream=\"ingress\"} "), "{age}");
    let body = upstream.get("/metrics/proc/system").body;
    for route in ["/metrics/ingress/system", "/metrics/proc/system"] {
        assert!(server.get(route).body == body, "{route} is forwarded unchanged");
    }
    let combined = server.get("/metrics/combined").json();
    assert_eq!(combined["mode"], "proxy");
    let sent: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&combined["ingress"], &combined["proc"]), (&sent, &sent));
    assert!(combined["timestamp"].as_f64() > sent["timestamp"].as_f64());
    assert!(server.get("/api/v1/signals").json()["proc"]["queue"]["total"].is_number());
}

#[test]
fn a_server_can_be_the_upstream_of_another_as_ingress_is() {
    let redis = RedisServer::start();
    let upstream = frozen(&redis);
    let url = format!("http://127.0.0.1:{}", upstream.port());
    let server =
        Server::ready(&[PROXY, ("METRICS_INGRESS_BASE_URL", url.as_str()), ("METRICS_PROC_BASE_URL", url.as_str())]);

    let (there, here) = (facts(&upstream.get("/metrics")), facts(&server.get("/metrics")));
    assert!(there.keys().any(|name| name.starts_with("kdcube_circuit")), "{there:?}");
    // The payload rounds windows to two decimals.
    let number = |text: Option<&String>| text.and_then(|text| text.parse::<f64>().ok());
    for name in there.keys().filter(|name| is_sent(name)) {
        match number(here.get(name)).zip(number(there.get(name))) {
            Some((here, there)) if name.contains("_window") => assert!((here - there).abs() <= 0.005_001, "{name}"),
            _ => assert_eq!(here.get(name), there.get(name), "{name}"),
        }
    }
    let scalars = |server: &Server| {
        let signals = server.get("/api/v1/signals").json();
        [
            "/ingress/sse",
            "/ingress/rest/latency",
            "/proc/queue/total",
            "/proc/queue/depth",
            "/proc/queue/avg_wait_seconds",
            "/proc/exec",
        ]
        .map(|path| signals.pointer(path).cloned().unwrap_or_else(|| panic!("{path} is not in {signals}")))
    };
    assert_eq!(scalars(&server), scalars(&upstream));
    let console = upstream.get("/monitoring/system");
    assert_eq!(console.json()["gateway_configuration"]["tenant_id"], "acme");
    assert!(server.get("/monitoring/system").body == console.body, "it is forwarded unchanged");
    let circuits = upstream.get("/admin/circuit-breakers").json();
    assert!(circuits["summary"]["total_circuits"].as_u64() > Some(0) && circuits == console.json()["circuit_breakers"]);
    assert_eq!(server.get("/admin/circuit-breakers").json(), circuits);
}

#[test]
fn a_renewed_token_is_used_at_once() {
    let redis = RedisServer::start();
    let upstream = frozen(&redis);
    let mut nginx = Nginx::start(&guarded(&upstream, "old"));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "old\n").unwrap();
    let server = Server::ready(&[
        PROXY,
        ("METRICS_PROC_BASE_URL", &nginx.url()),
        ("METRICS_AUTH_HEADER_NAME", "X-Metrics-Key"),
        ("METRICS_AUTH_HEADER_VALUE_FILE", token.to_str().unwrap()),
        ("METRICS_STALE_AFTER_SEC", "1"),
    ]);
    nginx.serve(&guarded(&upstream, "new"));
    eventually("a refusal", SOON, || server.get("/metrics/proc/system").status == 401);
    let problem = server.get("/metrics/proc/system").json();
    assert!(problem["detail"].as_str().unwrap().contains("METRICS_AUTH_HEADER_VALUE"), "{problem}");
    // Until the circuit opens: a new token is tried in spite of it.
    eventually("the open circuit", SOON, || {
        let detail = server.get("/metrics/proc/system").json()["detail"].clone();
        detail.as_str().unwrap().contains("next request in 3")
    });
    std::fs::write(&token, "new").unwrap();
    eventually("the new token", Duration::from_secs(2), || server.get("/metrics/proc/system").status == 200);
    let log = server.log_with("problem ended code=\"upstream_failed\"");
    assert!(
        !log.contains("old") && log.matches("problem code=\"upstream_failed\" subject=\"proc\"").count() == 1,
        "{log}"
    );
}

#[test]
fn a_replaced_client_certificate_is_reloaded() {
    let redis = RedisServer::start();
    let upstream = frozen(&redis);
    let (authority, other) = (Authority::new(), Authority::new());
    let (shown, mine, strange) = (authority.issue("server"), authority.issue("me"), other.issue("me"));
    let nginx = Nginx::start_tls(
        &format!(
            "location = /monitoring/system {{ proxy_pass http://127.0.0.1:{}/metrics/proc/system; }}",
            upstream.port()
        ),
        &format!(
            "ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {}; ssl_verify_client on;",
            shown.certificate,
            shown.key,
            authority.certificate()
        ),
    );
    let (certificate, key) = (authority.path("client.pem"), authority.path("client.key"));
    let show = |pair: &Pair| {
        std::fs::copy(&pair.certificate, &certificate).unwrap();
        std::fs::copy(&pair.key, &key).unwrap();
    };
    show(&strange);
    let (url, ca) = (format!("https://localhost:{}", nginx.port()), authority.certificate());
    let server = Server::start(&[
        PROXY,
        ("METRICS_PROC_BASE_URL", &url),
        ("METRICS_PROXY_CA_FILE", &ca),
        ("METRICS_PROXY_CLIENT_CERT_FILE", &certificate),
        ("METRICS_PROXY_CLIENT_KEY_FILE", &key),
    ]);
    eventually("a refusal", SOON, || server.get("/metrics/proc/system").status == 400);
    assert_eq!(server.get("/readyz").status, 503);
    show(&mine);
    eventually("the other certificate", SOON, || server.get("/metrics/proc/system").status == 200);

    // An upstream with a certificate of an untrusted CA is not connected to.
    let stranger = other.certificate();
    let variables = [PROXY, ("METRICS_PROC_BASE_URL", url.as_str()), ("METRICS_PROXY_CA_FILE", stranger.as_str())];
    let output = program(&variables, &["snapshot"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("cannot be reached") && errors.contains("METRICS_PROC_BASE_URL"), "{errors}");
}

#[test]
fn a_failing_upstream_does_not_affect_the_other() {
    let redis = RedisServer::start();
    let upstream = frozen(&redis);
    let nginx = Nginx::start(&guarded(&upstream, "k"));
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let server = Server::ready(&[
        PROXY,
        ("METRICS_INGRESS_BASE_URL", &nginx.url()),
        ("METRICS_PROC_BASE_URL", &nowhere),
        ("METRICS_HEADERS_JSON", r#"{"X-Metrics-Key": "k"}"#),
    ]);
    let facts = facts(&server.get("/metrics"));
    assert!(facts.contains_key("kdcube_ingress_sse_total_connections"));
    assert_eq!(facts.keys().find(|name| name.starts_with("kdcube_proc_")), None);
    assert!(has(&server, "kdcube_metrics_upstream_up{upstream=\"proc\"} 0"));
    let combined = server.get("/metrics/combined");
    assert_eq!(combined.status, 200);
    let combined = combined.json();
    assert!(combined["ingress"]["components"].is_object());
    let error = combined["proc"]["error"].as_str().unwrap();
    assert!(error.contains("METRICS_PROC_BASE_URL"), "{error}");
    let answer = server.get("/metrics/proc/system");
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (502, "application/problem+json"));
    assert_eq!(server.get("/metrics/ingress/system").status, 200);
}

#[test]
fn an_upstreams_error_keeps_its_status() {
    let nginx =
        Nginx::start("location /429/ { return 429; } location /403/ { return 403; } location /503/ { return 503; }");
    let start = |status: u16| {
        let server = Server::start(&[PROXY, ("METRICS_PROC_BASE_URL", &format!("{}/{status}", nginx.url()))]);
        eventually("the status", SOON, || server.get("/metrics/proc/system").status == status);
        assert_eq!(server.get("/metrics/proc/system").json()["status"], status);
        server
    };
    for status in [429, 404, 403] {
        start(status);
    }
    let server = start(503);
    assert_eq!(server.get("/metrics/combined").status, 502);
    let answer = server.get("/metrics/ingress/system");
    assert_eq!(answer.status, 400);
    assert!(answer.json()["detail"].as_str().unwrap().contains("METRICS_INGRESS_BASE_URL"));
    assert_eq!((server.get("/readyz").status, server.get("/livez").status), (503, 200));
}

#[test]
fn recorded_payloads_give_the_recorded_scalars() {
    let cases = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/cases")).unwrap();
    let nginx = Nginx::start("");
    for case in cases {
        let case: Value = serde_json::from_slice(&std::fs::read(case.unwrap().path()).unwrap()).unwrap();
        let name = case["name"].as_str().unwrap();
        nginx.put(&format!("{name}/monitoring/system"), case["expected"]["system"].to_string().as_bytes());
        let base = format!("{}/{name}", nginx.url());
        let variables = [PROXY, ("METRICS_INGRESS_BASE_URL", base.as_str()), ("METRICS_PROC_BASE_URL", base.as_str())];
        let output = program(&variables, &["snapshot", "--format", "scalars"]).output().unwrap();
        let scalars: BTreeMap<String, f64> = serde_json::from_slice(&output.stdout).unwrap();
        for (key, expected) in case["expected"]["scalars"].as_object().unwrap() {
            let found = scalars.get(key).copied().unwrap_or_else(|| panic!("{name}: no {key}"));
            assert!((found - expected.as_f64().unwrap()).abs() < 1e-9, "{name}: {key} is {found}, not {expected}");
        }
    }
}

#[test]
fn requests_go_through_the_proxy_of_the_environment() {
    let nginx = Nginx::start("");
    nginx.put("monitoring/system", br#"{"queue_stats": {"total": 3}}"#);
    let base = ("METRICS_PROC_BASE_URL", "http://proc.internal.invalid");
    let snapshot = |variables: &[(&str, &str)]| {
        program(&[&[PROXY, base], variables].concat(), &["snapshot", "--format", "scalars"]).output().unwrap()
    };
    let through = snapshot(&[("HTTP_PROXY", &nginx.url())]);
    assert_eq!(serde_json::from_slice::<Value>(&through.stdout).unwrap()["proc.queue.total"], 3);
    let around = snapshot(&[("HTTP_PROXY", &nginx.url()), ("NO_PROXY", "internal.invalid")]);
    assert_eq!(around.status.code(), Some(2));
}

#[test]
fn a_check_reports_each_upstream() {
    let nginx = Nginx::start("");
    nginx.put("good/monitoring/system", br#"{"queue_stats": {"total": 3}}"#);
    let port = free_port().to_string();
    let check = |ingress: &str, proc: &str| {
        let variables = [
            PROXY,
            ("METRICS_PORT", port.as_str()),
            ("METRICS_INGRESS_BASE_URL", ingress),
            ("METRICS_PROC_BASE_URL", proc),
        ];
        let output = program(&variables, &["check"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let good = format!("{}/good", nginx.url());
    let (code, table) = check("", &good);
    assert_eq!(code, Some(0), "{table}");
    assert!(table.contains("METRICS_INGRESS_BASE_URL is not set") && table.contains("bytes of payload"), "{table}");
    let (code, table) = check(&nginx.url().replace("http://", "http://me:hunter2@"), &good);
    assert_eq!(code, Some(1), "{table}");
    assert!(table.contains("404") && !table.contains("hunter2"), "{table}");
}
