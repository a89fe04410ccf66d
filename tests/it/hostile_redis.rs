//! A Redis that holds huge values, is slow, or refuses commands: the server stays up and small, answers health checks in
//! time, and recovers.

use std::time::Duration;

use crate::slow_proxy::SlowProxy;
use crate::support::{GATEWAY, RedisServer, Server, at_once, eventually, program, value};

const P: &str = "acme:chat:kdcube";
const LIMIT: Duration = Duration::from_secs(20);
const MEGABYTE: u64 = 1 << 20;
/// Size of a value that no deployment has.
const HUGE: u64 = 50 * MEGABYTE;

fn ask<T: redis::FromRedisValue>(connection: &mut redis::Connection, words: &[&str]) -> T {
    redis::cmd(words[0]).arg(&words[1..]).query(connection).unwrap()
}

/// Makes the value inside Redis: `command` with what it says, and a value of this length at the end.
fn huge(connection: &mut redis::Connection, length: u64, command: &[&str]) {
    let script = "local length = table.remove(ARGV, 1)
        table.insert(ARGV, string.rep('7', tonumber(length)))
        return redis.call(unpack(ARGV))";
    let length = length.to_string();
    ask::<()>(connection, &[&["EVAL", script, "0", &length], command].concat());
}

fn seconds(connection: &mut redis::Connection) -> String {
    ask::<(String, String)>(connection, &["TIME"]).0
}

/// Writes the heartbeat of one process, in its index too.
fn beat(connection: &mut redis::Connection, instance: &str, service: &str, pid: u32) {
    let now = seconds(connection);
    let key = format!("{P}:heartbeat:process:{instance}:chat:{service}:{pid}");
    let json = format!(
        r#"{{"instance_id": "{instance}", "service_type": "chat", "service_name": "{service}", "process_id": {pid}, "current_load": 1, "max_capacity": 5, "last_heartbeat": {now}, "health_status": "ServiceHealth.HEALTHY", "metadata": {{}}}}"#
    );
    ask::<()>(connection, &["SET", &key, &json]);
    ask::<()>(connection, &["ZADD", &format!("{P}:system:capacity:process-index:chat:{service}"), &now, &key]);
}

fn malformed(server: &Server, kind: &str) -> f64 {
    value(&server.get("/metrics").text(), &format!("kdcube_metrics_malformed_total{{kind=\"{kind}\"}}")).unwrap_or(0.0)
}

fn ticks(server: &Server) -> f64 {
    value(&server.get("/metrics").text(), r#"kdcube_metrics_ticks_total{result="ok"}"#).unwrap_or(0.0)
}

/// Waits until so many ticks more have ended well.
fn tick(server: &Server, more: f64) {
    let before = ticks(server);
    eventually("ticks", LIMIT, || ticks(server) >= before + more);
}

fn sent(connection: &mut redis::Connection) -> u64 {
    let info: String = ask(connection, &["INFO", "stats"]);
    info.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:")?.parse().ok()).unwrap()
}

/// Health checks are answered at once, whatever Redis does, and ticks continue.
fn is_healthy(server: &Server) {
    assert_eq!(at_once(|| server.get("/health").status), 200);
    // Three of these tests' short intervals are less than a busy machine may take over one tick.
    eventually("liveness", Duration::from_secs(3), || server.get("/livez").status == 200);
}

#[test]
fn values_of_50_megabytes_are_malformed_and_affect_nothing_else() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let now = seconds(&mut connection);
    beat(&mut connection, "ingress-1", "rest", 41);
    beat(&mut connection, "proc-1", "proc", 51);
    let heartbeat = format!("{P}:heartbeat:process:big:chat:proc:1");
    ask::<()>(&mut connection, &["ZADD", &format!("{P}:system:capacity:process-index:chat:proc"), &now, &heartbeat]);
    for (command, key) in [
        (&["SET"][..], heartbeat.as_str()),
        (&["SET"], &format!("{P}:chat:sse:connections:ingress-1:41")),
        (&["SET"], &format!("{P}:chat:prompt:queue:analytics:paid")),
        (&["SET"], &format!("{P}:config:gateway:current")),
        (&["ZADD", &now], &format!("{P}:metrics:task_exec_ms:proc")),
        (&["ZADD", &now], &format!("{P}:throttling:events")),
    ] {
        let (name, more) = command.split_first().unwrap();
        huge(&mut connection, HUGE, &[&[*name, key], more].concat());
    }
    // A loaded machine may take a while over so much.
    let server = Server::start(&[("REDIS_URL", &redis.url()), ("METRICS_REQUEST_TIMEOUT_SEC", "30")]);
    eventually("readiness", LIMIT * 3, || server.get("/readyz").status == 200);
    tick(&server, 3.0);
    for kind in ["heartbeat", "sse_sample", "queue_analytics", "gateway_config"] {
        assert!(malformed(&server, kind) >= 3.0, "{kind}");
    }
    assert!((malformed(&server, "series_member") - 1.0).abs() < 0.1, "handed over once");
    let system = server.get("/metrics/combined").json()["system"].take();
    assert_eq!(system["components"]["proc"]["actual_processes"], 1);
    assert_eq!(system["throttling_windows"]["1h"]["total_throttled"], 1);
    is_healthy(&server);

    // Known, they are not fetched again.
    let before = sent(&mut connection);
    tick(&server, 5.0);
    assert!(sent(&mut connection) - before < 10 * MEGABYTE, "{}", sent(&mut connection) - before);

    // Above this a subscriber would be cut off by Redis itself.
    let updates = malformed(&server, "gateway_config");
    huge(&mut connection, 20 * MEGABYTE, &["PUBLISH", &format!("{P}:config:gateway:update")]);
    eventually("the update's count", LIMIT, || malformed(&server, "gateway_config") > updates);
    assert!(server.peak_memory() < 64 * MEGABYTE, "{} MiB", server.peak_memory() / MEGABYTE);

    // A value of normal size is read again.
    beat(&mut connection, "big", "proc", 1);
    let processes =
        || server.get("/metrics/combined").json()["system"]["components"]["proc"]["actual_processes"].take();
    eventually("the process", LIMIT, || processes() == 2);
}

#[test]
fn a_slow_redis_delays_only_ticks() {
    let redis = RedisServer::start();
    beat(&mut redis.connection(), "proc-1", "proc", 51);
    let relay = SlowProxy::to(redis.port());
    relay.delay(Duration::from_millis(100));
    let url = format!("redis://127.0.0.1:{}/0", relay.port());
    let server = Server::ready(&[
        ("REDIS_URL", &url),
        ("METRICS_REQUEST_TIMEOUT_SEC", "1"),
        ("METRICS_STALE_AFTER_SEC", "2"),
        ("METRICS_SAMPLE_INTERVAL_SEC", "0.5"),
    ]);
    tick(&server, 2.0);
    is_healthy(&server);
    assert_eq!(server.get("/readyz").status, 200);

    relay.delay(Duration::from_secs(5));
    eventually("staleness", LIMIT, || server.get("/readyz").status == 503);
    is_healthy(&server);
    server.log_with("no answer within 1s");

    relay.delay(Duration::ZERO);
    eventually("recovery", LIMIT, || server.get("/readyz").status == 200);
}

#[test]
fn a_refused_password_is_retried_until_it_is_accepted() {
    let redis = RedisServer::start();
    let mut admin = redis.connection();
    ask::<()>(&mut admin, &["CONFIG", "SET", "requirepass", "another"]);
    let url = format!("redis://:hunter2@127.0.0.1:{}/0", redis.port());
    let server = Server::start(&[("REDIS_URL", &url), ("METRICS_STALE_AFTER_SEC", "1")]);
    eventually("the refusal", LIMIT, || server.log().contains("problem code=\"source_unreachable\""));
    assert_eq!(server.get("/readyz").status, 503);
    is_healthy(&server);

    ask::<()>(&mut admin, &["CONFIG", "SET", "requirepass", "hunter2"]);
    eventually("readiness", LIMIT, || server.get("/readyz").status == 200);

    ask::<()>(&mut admin, &["CONFIG", "SET", "requirepass", "another"]);
    ask::<i64>(&mut admin, &["CLIENT", "KILL", "TYPE", "normal"]);
    eventually("staleness", LIMIT, || server.get("/readyz").status == 503);
    ask::<()>(&mut admin, &["CONFIG", "SET", "requirepass", "hunter2"]);
    eventually("recovery", LIMIT, || server.get("/readyz").status == 200);
    assert!(!server.log_with("WRONGPASS").contains("hunter2"));
}

/// Makes Redis refuse writes, then allows them again.
fn writes_are_refused(redis: &RedisServer, refuse: &[&str], word: &str, allow: &[&str]) {
    let mut admin = redis.connection();
    let server = Server::ready(&[("REDIS_URL", &redis.url())]);
    ask::<()>(&mut admin, refuse);
    let metric = |name: &str| value(&server.get("/metrics").text(), name);
    let errors = || metric("kdcube_metrics_record_errors_total").unwrap();
    let before = errors();
    eventually("errors", LIMIT, || errors() >= before + 3.0);
    tick(&server, 2.0);
    assert_eq!((server.get("/readyz").status, metric("kdcube_metrics_up")), (200, Some(1.0)));
    assert_eq!(metric("kdcube_proc_queue_total"), Some(0.0));
    is_healthy(&server);
    let log = server.log_with("problem code=\"record_failed\"");
    assert_eq!(log.matches("problem code=\"record_failed\"").count(), 1, "once, not once a tick: {log}");
    assert!(log.contains(word), "{log}");

    ask::<()>(&mut admin, allow);
    let points = format!("{P}:metrics:queue_depth:proc");
    let mut count = || ask::<u64>(&mut admin, &["ZCARD", &points]);
    let recorded = count();
    eventually("points", LIMIT, || count() > recorded + 2);
    assert_eq!(server.log().matches("problem code=\"record_failed\"").count(), 1);
}

#[test]
fn a_read_only_replica_is_read() {
    let primary = RedisServer::start().with_deployment();
    let redis = RedisServer::start_with(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
    let mut connection = redis.connection();
    let mut info = || ask::<String>(&mut connection, &["INFO", "replication"]);
    eventually("the copy", LIMIT, || info().contains("master_link_status:up"));
    // It refuses from the beginning: a primary that becomes a replica is left.
    writes_are_refused(&redis, &["PING"], "READONLY", &["REPLICAOF", "NO", "ONE"]);
}

#[test]
fn a_redis_that_is_out_of_memory_is_read() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "noeviction"]).with_deployment();
    let set = |bytes| ["CONFIG", "SET", "maxmemory", bytes];
    writes_are_refused(&redis, &set("1"), "OOM", &set("0"));
}

#[test]
fn a_redis_that_is_loading_is_retried() {
    // Slows the loading down and lets it answer meanwhile.
    let slow = ["--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024"];
    let mut redis = RedisServer::start_with(&slow);
    let mut connection = redis.connection();
    let mut pipeline = redis::pipe();
    (0..400).for_each(|key| _ = pipeline.cmd("SET").arg(format!("other:{key}")).arg("x".repeat(100)).ignore());
    pipeline.query::<()>(&mut connection).unwrap();
    beat(&mut connection, "proc-1", "proc", 51);
    ask::<()>(&mut connection, &["SAVE"]);
    let server = Server::ready(&[("REDIS_URL", &redis.url()), ("METRICS_STALE_AFTER_SEC", "1")]);
    redis.restart();
    eventually("staleness", LIMIT, || server.get("/readyz").status == 503);
    is_healthy(&server);
    let check = program(&[GATEWAY, ("REDIS_URL", &redis.url()), ("METRICS_PORT", "0")], &["check"]).output().unwrap();
    let found = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.code() == Some(1) && found.contains("LOADING"), "{found}");

    eventually("recovery", LIMIT, || server.get("/readyz").status == 200);
    let system = server.get("/metrics/combined").json()["system"].take();
    assert_eq!(system["components"]["proc"]["actual_processes"], 1);
}
