//! The server as its users see it: every route over a real Redis, outages, and shutdown.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use flate2::read::GzDecoder;

use crate::support::{GATEWAY, Killed, RedisServer, Server, at_once, eventually, free_port, program, request, value};

/// A simulated deployment that writes to `redis` until dropped, and has written.
pub(crate) fn simulate(redis: &RedisServer) -> Killed {
    simulate_with(redis, &[])
}

/// The same with these arguments more.
pub(crate) fn simulate_with(redis: &RedisServer, more: &[&str]) -> Killed {
    let url = redis.url();
    let arguments = ["simulate", "--redis-url", &url, "--tenant", "acme", "--project", "chat", "--rate", "40"];
    let mut simulator = program(&[], &[&arguments, more].concat()).stdout(Stdio::piped()).spawn().map(Killed).unwrap();
    let mut first = [0; 1];
    simulator.0.stdout.as_mut().unwrap().read_exact(&mut first).expect("it says that it writes");
    simulator
}

/// The complaints of promtool about a scrape.
fn promtool(text: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_route_serves_a_simulated_deployment() {
    let redis = RedisServer::start();
    let _simulator = simulate(&redis);
    let server = Server::ready(&[("REDIS_URL", &redis.url())]);
    eventually("executed tasks", Duration::from_secs(20), || {
        value(&server.get("/metrics").text(), "kdcube_proc_exec_p95").is_some()
    });

    let metrics = server.get("/metrics").text();
    assert_eq!(promtool(&metrics), "");
    assert_eq!(value(&metrics, "kdcube_metrics_up"), Some(1.0));
    assert_eq!(value(&metrics, "kdcube_ingress_sse_max_connections"), Some(400.0));
    assert!(value(&metrics, "kdcube_metrics_redis_round_trips").unwrap() <= 3.0);
    assert!(!metrics.contains("NaN"));

    let signals = server.get("/api/v1/signals").json();
    assert!(signals["proc"]["queue"]["total"].as_i64().is_some(), "{signals}");
    assert!(signals["snapshot"]["age_seconds"].as_f64().unwrap() < 5.0);
    assert!(signals["families"]["proc_queue_wait_seconds"]["p95"]["1m"].is_number());

    let combined = server.get("/metrics/combined").json();
    assert_eq!(combined["mode"], "redis");
    assert_eq!(combined["system"]["components"]["proc"]["actual_processes"], 3);
    for route in ["/metrics/ingress/system", "/metrics/proc/system"] {
        assert_eq!(server.get(route).json()["components"]["ingress"]["actual_processes"], 2);
    }

    assert_eq!(server.get("/health").json()["status"], "ok");
    for route in ["/livez", "/healthz", "/-/healthy", "/readyz", "/-/ready"] {
        assert_eq!(server.get(route).status, 200, "{route}");
    }
    let redirect = server.get("/health/?x=1");
    assert_eq!((redirect.status, redirect.headers["location"].as_str()), (307, "/health?x=1"));
    let page = server.get("/").text();
    assert!(page.contains("/api/v1/signals") && page.contains("proc.queue.pressure_ratio"), "{page}");
}

#[test]
fn scrapes_negotiate_format_and_encoding() {
    let server = Server::ready(&[("METRICS_MODE", "embedded")]);
    let ask = |headers: &[(&str, &str)]| request(server.port(), "GET", "/metrics", headers);

    let plain = ask(&[]);
    assert_eq!(plain.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(promtool(&plain.text()), "");

    let open = ask(&[("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")]);
    assert_eq!(open.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.text().ends_with("# EOF\n") && open.text().contains("# UNIT kdcube_proc_exec_seconds seconds"));

    let zipped = ask(&[("Accept-Encoding", "gzip")]);
    assert_eq!(zipped.headers["content-encoding"], "gzip");
    let mut text = String::new();
    GzDecoder::new(zipped.body.as_slice()).read_to_string(&mut text).unwrap();
    assert!(text.contains("kdcube_metrics_up 1\n") && zipped.body.len() * 3 < text.len());
}

#[test]
fn without_a_source_the_servers_own_metrics_are_served_alone_and_promtool_accepts_them() {
    let redis = format!("redis://127.0.0.1:{}", free_port());
    let gateway = format!("http://127.0.0.1:{}", free_port());
    let server = Server::start(&[
        ("REDIS_URL", &redis),
        ("METRICS_EXPORT_PROMETHEUS_PUSH", "1"),
        ("METRICS_PROM_PUSHGATEWAY_URL", &gateway),
    ]);
    let failed_tick = r#"kdcube_metrics_ticks_total{result="failed"}"#;
    eventually("a failed tick", Duration::from_secs(10), || {
        value(&server.get("/metrics").text(), failed_tick).is_some_and(|ticks| ticks >= 1.0)
    });
    let text = server.get("/metrics").text();
    assert_eq!(promtool(&text), "");
    let mut samples = text.lines().filter(|line| !line.starts_with('#'));
    assert!(samples.all(|line| line.starts_with("kdcube_metrics_") || line.starts_with("process_")), "{text}");
    assert_eq!(value(&text, "kdcube_metrics_up"), Some(0.0));
    assert_eq!(value(&text, "kdcube_metrics_snapshot_age_seconds"), None);
    let exports = r#"kdcube_metrics_export_duration_seconds_bucket{sink="pushgateway",le="+Inf"}"#;
    assert_eq!(value(&text, exports), Some(0.0));
}

#[test]
fn renamed_metrics_are_served_under_their_names() {
    let mapping = ("METRICS_MAPPING_JSON", r#"{"proc.queue.pressure_ratio": "Acme/Pressure"}"#);
    let server = Server::ready(&[("METRICS_MODE", "embedded"), mapping]);
    let metrics = server.get("/metrics").text();
    assert!(
        value(&metrics, "Acme_Pressure").is_some() && value(&metrics, "kdcube_proc_queue_pressure_ratio").is_none()
    );
}

/// A scrape of a simulated deployment.
fn embedded(variables: &[(&str, &str)]) -> String {
    Server::ready(&[&[("METRICS_MODE", "embedded")], variables].concat()).get("/metrics").text()
}

#[test]
fn the_platforms_names_are_served_instead_of_the_default_ones_or_besides_them() {
    let mapping = ("METRICS_MAPPING_JSON", r#"{"proc.queue.depth": "my.queue", "proc.active_tasks": "429s"}"#);
    let default = ["kdcube_proc_exec_p95", "my_queue", "_429s"];
    let platform = ["kdcube_proc_exec_p95_ms", "kdcube_my_queue", "kdcube_m_429s"];
    for (naming, expected) in [("default", [true, false]), ("platform", [false, true]), ("both", [true, true])] {
        let text = embedded(&[mapping, ("METRICS_PROM_NAMES", naming)]);
        for (names, expected) in [default, platform].into_iter().zip(expected) {
            for name in names {
                assert_eq!(value(&text, name).is_some(), expected, "{naming}: {name} in {text}");
            }
        }
        if naming == "both" {
            assert!(
                default.iter().zip(platform).all(|(one, other)| value(&text, one) == value(&text, other)),
                "{text}"
            );
        }
    }
}

#[test]
fn promtool_reports_the_platforms_milliseconds_and_nothing_else() {
    assert_eq!(promtool(&embedded(&[])), "");
    for naming in ["platform", "both"] {
        let report = promtool(&embedded(&[("METRICS_PROM_NAMES", naming)]));
        let (names, reasons): (Vec<_>, Vec<_>) = report.lines().filter_map(|line| line.split_once(' ')).unzip();
        assert_eq!(names, ["kdcube_proc_exec_p95_ms", "kdcube_proc_queue_wait_p95_ms"], "{report}");
        assert!(reasons.iter().all(|reason| reason.contains("abbreviated units")), "{report}");
    }
}

#[test]
fn an_outage_is_reported_and_the_server_recovers() {
    let mut redis = RedisServer::start().with_deployment();
    let server = Server::ready(&[
        ("REDIS_URL", &redis.url()),
        ("METRICS_STALE_AFTER_SEC", "1"),
        ("METRICS_REQUEST_TIMEOUT_SEC", "0.5"),
    ]);
    assert_eq!(value(&server.get("/metrics").text(), "kdcube_proc_queue_total"), Some(0.0));
    redis.stop();
    eventually("staleness", Duration::from_secs(10), || server.get("/readyz").status == 503);

    let metrics = server.get("/metrics").text();
    assert_eq!(value(&metrics, "kdcube_metrics_up"), Some(0.0));
    assert!(!metrics.contains("\nkdcube_proc_") && !metrics.contains("\nkdcube_ingress_"), "{metrics}");
    assert!(value(&metrics, "kdcube_metrics_snapshot_age_seconds").unwrap() > 1.0);
    assert!(value(&metrics, "kdcube_metrics_source_errors_total").unwrap() >= 1.0);
    for route in ["/metrics/combined", "/metrics/proc/system", "/api/v1/signals"] {
        let answer = server.get(route);
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (503, "application/problem+json"));
        assert_eq!(answer.json()["status"], 503);
    }
    assert_eq!((server.get("/livez").status, server.get("/health").status), (200, 200));

    redis.restart();
    eventually("recovery", Duration::from_secs(20), || server.get("/readyz").status == 200);
    assert_eq!(value(&server.get("/metrics").text(), "kdcube_metrics_up"), Some(1.0));
    let log = server.log_with("problem ended code=\"snapshot_stale\"");
    assert_eq!(log.matches("problem code=\"source_unreachable\"").count(), 1, "once, not once a tick: {log}");
    for ended in ["source_unreachable", "snapshot_stale"] {
        let line =
            |line: &str| line.contains(&format!("problem ended code=\"{ended}\"")) && line.contains("lasted_seconds=");
        assert!(log.lines().any(line), "{ended} in {log}");
    }
}

#[test]
fn a_redis_that_hangs_does_not_hang_the_responses() {
    let redis = RedisServer::start();
    let server = Server::ready(&[("REDIS_URL", &redis.url()), ("METRICS_STALE_AFTER_SEC", "1")]);
    redis.hang(true);
    eventually("staleness", Duration::from_secs(10), || server.get("/readyz").status == 503);
    assert_eq!(value(&at_once(|| server.get("/metrics")).text(), "kdcube_metrics_up"), Some(0.0));
    redis.hang(false);
    eventually("recovery", Duration::from_secs(30), || server.get("/readyz").status == 200);
}

#[test]
fn a_published_configuration_applies_without_a_restart() {
    let redis = RedisServer::start();
    let server = Server::ready(&[("REDIS_URL", &redis.url())]);
    let mut connection = redis.connection();
    let published = |processes: i64| {
        let config = format!(
            r#"{{"tenant": "acme", "project": "chat", "service_capacity": {{"processes_per_instance": {processes}}}}}"#
        );
        format!(r#"{{"tenant": "acme", "project": "chat", "ts": 1.0, "config": {config}}}"#)
    };
    let configured = || server.get("/metrics/combined").json()["system"]["gateway_configuration"].to_string();
    eventually("the update", Duration::from_secs(10), || {
        let _: i64 = redis::cmd("PUBLISH")
            .arg("acme:chat:kdcube:config:gateway:update")
            .arg(published(7))
            .query(&mut connection)
            .unwrap();
        configured().contains(r#""processes_per_instance":7"#)
    });
    let _: i64 =
        redis::cmd("PUBLISH").arg("acme:chat:kdcube:config:gateway:update").arg("{").query(&mut connection).unwrap();
    eventually("the count", Duration::from_secs(5), || {
        server.get("/metrics").text().contains(r#"kdcube_metrics_malformed_total{kind="gateway_config"} 1"#)
    });
    assert!(configured().contains(r#""processes_per_instance":7"#), "a broken one changes nothing");
}

#[test]
fn windows_do_not_depend_on_how_often_clients_scrape() {
    let redis = RedisServer::start();
    let server = Server::ready(&[
        ("REDIS_URL", &redis.url()),
        ("METRICS_SAMPLE_INTERVAL_SEC", "20"),
        ("METRICS_STALE_AFTER_SEC", "60"),
        ("METRICS_PROM_SCRAPE_TTL_SEC", "0.001"),
    ]);
    // Each scrape finds the snapshot too old and has another tick taken, which those at once share.
    let scrape = || (0..5).for_each(|_| drop(server.get("/metrics")));
    std::thread::scope(|threads| (0..4).for_each(|_| drop(threads.spawn(scrape))));
    let metrics = server.get("/metrics").text();
    let ticks = value(&metrics, r#"kdcube_metrics_ticks_total{result="ok"}"#).unwrap();
    assert!((3.0..=22.0).contains(&ticks), "{ticks}");
    let points: i64 =
        redis::cmd("ZCARD").arg("acme:chat:kdcube:metrics:queue_depth:proc").query(&mut redis.connection()).unwrap();
    assert!(points <= 2, "{points} points of at most two scheduled ticks");
}

#[test]
fn a_scrape_ttl_of_zero_takes_a_snapshot_for_every_scrape() {
    let server = Server::start(&[
        ("METRICS_MODE", "embedded"),
        ("METRICS_SAMPLE_INTERVAL_SEC", "3600"),
        ("METRICS_STALE_AFTER_SEC", "7200"),
        ("METRICS_PROM_SCRAPE_TTL_SEC", "0"),
    ]);
    let taken = || value(&server.get("/metrics").text(), "kdcube_metrics_snapshot_timestamp_seconds").unwrap();
    let (first, second) = (taken(), taken());
    assert!(second > first, "{first} {second}");
}

#[test]
fn sigterm_stops_it_at_once() {
    let server = Server::ready(&[("METRICS_MODE", "embedded")]);
    // An idle connection does not delay the shutdown.
    let _idle = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let (code, took, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(9), "{took:?}");
    assert!(log.contains("SIGTERM") && log.contains("stopped"), "{log}");
}

#[test]
fn signals_that_would_kill_it_are_ignored_and_sighup_reloads_files() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "old").unwrap();
    let server = Server::start(&[("METRICS_MODE", "embedded"), ("METRICS_AUTH_TOKEN_FILE", tokens.to_str().unwrap())]);
    for signal in [libc::SIGUSR1, libc::SIGUSR2] {
        server.signal(signal);
    }
    std::fs::write(&tokens, "new").unwrap();
    server.signal(libc::SIGHUP);
    let soon = Duration::from_secs(5);
    eventually("the new token", soon, || {
        request(server.port(), "GET", "/metrics", &[("Authorization", "Bearer new")]).status == 200
    });
    eventually("the log", soon, || {
        ["SIGUSR1: ", "SIGUSR2: ", "SIGHUP: "].iter().all(|name| server.log().contains(name))
    });
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_port_in_use_stops_the_start() {
    let server = Server::ready(&[("METRICS_MODE", "embedded")]);
    let port = server.port().to_string();
    let taken = [GATEWAY, ("METRICS_PORT", port.as_str()), ("METRICS_BIND", "127.0.0.1")];
    let output = program(&taken, &[]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("METRICS_PORT"), "{errors}");
}

#[test]
fn a_healthcheck_queries_the_server_on_this_machine() {
    let server = Server::ready(&[("METRICS_MODE", "embedded")]);
    let check =
        |port: u16| program(&[("METRICS_PORT", &port.to_string())], &["healthcheck"]).output().unwrap().status.code();
    assert_eq!(check(server.port()), Some(0));
    assert_eq!(check(crate::support::free_port()), Some(1));
}
