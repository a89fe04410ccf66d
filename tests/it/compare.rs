//! `compare` against two servers: this one, and one behind a stub that rewrites its answers as the Python service would.

mod python;

use std::process::Output;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use self::python::PythonService;
use crate::support::{RedisServer, Server, free_port, program};

const P: &str = "acme:chat:kdcube";
/// Enough polls for a majority, each after a new snapshot.
const TIME: [&str; 2] = ["--for", "3s"];

#[expect(clippy::disallowed_methods, reason = "a test writes heartbeats of now")]
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn heartbeat(redis: &RedisServer, service: &str, pid: i64, health: &str) {
    let key = format!("{P}:heartbeat:process:{service}-1:chat:{service}:{pid}");
    let beat = json!({
        "instance_id": format!("{service}-1"), "service_type": "chat", "service_name": service, "process_id": pid,
        "port": 8010, "current_load": 2, "max_capacity": 5, "last_heartbeat": now(),
        "health_status": format!("ServiceHealth.{health}"), "metadata": {},
    });
    let index = format!("{P}:system:capacity:process-index:chat:{service}");
    let mut pipe = redis::pipe();
    pipe.cmd("SET").arg(&key).arg(beat.to_string()).cmd("ZADD").arg(index).arg(now()).arg(&key);
    pipe.query::<()>(&mut redis.connection()).unwrap();
}

/// A deployment that stands still: one ingress and two processors, one of them saturated; a task that took no time.
fn deployment() -> RedisServer {
    let redis = RedisServer::start();
    heartbeat(&redis, "rest", 41, "HEALTHY");
    heartbeat(&redis, "proc", 51, "HEALTHY");
    heartbeat(&redis, "proc", 52, "UNHEALTHY");
    let sample = format!("{}:0.0", now());
    let mut pipe = redis::pipe();
    pipe.cmd("ZADD").arg(format!("{P}:metrics:task_exec_ms:proc")).arg(now()).arg(sample);
    pipe.cmd("RPUSH").arg(format!("{P}:chat:prompt:queue:registered")).arg(&["a", "b", "c"]);
    pipe.query::<()>(&mut redis.connection()).unwrap();
    redis
}

fn serve(redis: &RedisServer) -> Server {
    Server::ready(&[("REDIS_URL", &redis.url())])
}

fn compare(with: &str, own: &Server, arguments: &[&str]) -> Output {
    let own = format!("http://127.0.0.1:{}", own.port());
    let arguments = [&["compare", "--with", with, "--own", &own], arguments].concat();
    program(&[], &arguments).output().unwrap()
}

fn url(server: &Server) -> String {
    format!("http://127.0.0.1:{}", server.port())
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn two_servers_on_one_redis_are_the_same() {
    let redis = deployment();
    let (other, own) = (serve(&redis), serve(&redis));
    let output = compare(&url(&other), &own, &TIME);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(printed(&output).contains("\n0 different without a known reason, 0 with one"), "{}", printed(&output));
}

#[test]
fn the_defects_of_the_python_service_are_recognized_and_named() {
    let redis = deployment();
    let (other, own) = (serve(&redis), serve(&redis));
    let python = PythonService::start(other.port(), python::defects);
    let output = compare(&python.url(), &own, &TIME);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("\n0 different without a known reason"), "{text}");
    for known in
        ["health-words", "zero-is-a-value", "rolling-windows", "hidden-settings", "metric-names", "kept-gauges"]
    {
        assert!(text.contains(&format!("({known})\n")), "{known} is not in\n{text}");
    }
    for line in [
        "instances.proc-1.chat_proc.by_pid.52.health_statuses: theirs \"healthy\", own \"unhealthy\"",
        "components.proc.healthy_processes: theirs 2, own 1",
        "gateway_config_raw.redis_url: theirs (not shown), own –",
        "/metrics kdcube_proc_exec_p95_ms: theirs 0, own 0 as kdcube_proc_exec_p95",
        "/metrics kdcube_ingress_rest_latency_p95: theirs 12, own –",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");

    let output = compare(&python.url(), &own, &[&TIME[..], &["--accept-known"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
}

#[test]
fn what_no_deviation_explains_fails_beside_known_ones() {
    let redis = deployment();
    let (other, own) = (serve(&redis), serve(&redis));
    let python = PythonService::start(other.port(), |system| {
        python::defects(system);
        system["queue_stats"]["total"] = json!(50);
        system["circuit_breakers"]["backpressure"]["state"] = json!("open\u{1b}[2J");
    });
    let output = compare(&python.url(), &own, &[&TIME[..], &["--accept-known"]].concat());
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let (unexplained, _) = text.split_once("\nknown: ").unwrap();
    assert!(unexplained.contains("queue_stats.total: theirs 50, own 3 ("), "{text}");
    assert!(unexplained.contains("circuit_breakers.backpressure.state: "), "{text}");
    assert!(text.contains("\n2 different without a known reason") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_token_goes_to_its_own_server_only() {
    let redis = deployment();
    let other = serve(&redis);
    let own = Server::ready(&[("REDIS_URL", &redis.url()), ("METRICS_AUTH_TOKEN", "old,hunter2")]);
    let python = PythonService::start(other.port(), |_| {});
    let output = compare(&python.url(), &own, &["--for", "1s"]);
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    assert!(printed(&output).contains("/metrics/combined answers 401"), "{}", printed(&output));

    let output = compare(
        &python.url(),
        &own,
        &["--for", "1s", "--accept-known", "--token", "hunter2", "--with-token", "theirs"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let port = own.port().to_string();
    let local = [("METRICS_PORT", port.as_str()), ("METRICS_AUTH_TOKEN", "hunter2,new")];
    let output =
        program(&local, &["compare", "--with", &python.url(), "--for", "1s", "--accept-known"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let heard = python.heard();
    assert!(heard.contains("Bearer theirs") && !heard.contains("hunter2"), "{heard}");
}

#[test]
fn without_two_payloads_there_is_nothing_to_compare() {
    let redis = deployment();
    let (other, own) = (serve(&redis), serve(&redis));
    let nobody = format!("http://me:hunter2@127.0.0.1:{}", free_port());
    let proxy =
        PythonService::start(other.port(), |system| *system = json!({"error": "METRICS_PROC_BASE_URL is not set"}));
    for (with, expected) in [(nobody.as_str(), "onnection refused"), (&proxy.url(), "redis mode")] {
        let output = compare(with, &own, &["--for", "30s"]);
        let text = printed(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{text}");
        assert!(text.contains(expected) && !text.contains("hunter2"), "{text}");
    }
    for (with, code) in [("hunter2", 78), ("ftp://me:hunter2@x", 78)] {
        let output = compare(with, &own, &[]);
        assert_eq!(output.status.code(), Some(code));
        assert!(printed(&output).contains("--with: ") && !printed(&output).contains("hunter2"), "{}", printed(&output));
    }
    assert_eq!(program(&[], &["compare"]).output().unwrap().status.code(), Some(64));
}

#[test]
fn a_server_that_answers_now_and_then_is_reported_and_one_that_stops_is_an_error() {
    let redis = deployment();
    let (other, own) = (serve(&redis), serve(&redis));
    let python = PythonService::start(other.port(), |_| {});
    python.fail_after(4);
    let output = compare(&python.url(), &own, &TIME);
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    assert!(printed(&output).contains("polls failed; the last one: "), "{}", printed(&output));
    assert!(printed(&output).contains(" answers 500"), "{}", printed(&output));

    let python = PythonService::start(other.port(), |_| {});
    python.fail_once(5);
    let output = compare(&python.url(), &own, &[&TIME[..], &["--accept-known"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(printed(&output).contains(" polls, 1 failed\n"), "{}", printed(&output));
}

/// The payload inside the envelope.
pub(crate) fn system(combined: &mut Value) -> &mut Value {
    combined.get_mut("system").unwrap()
}
