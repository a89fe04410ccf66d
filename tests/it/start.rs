//! How a server starts: with a long history to load, beside a Redis that hangs, and after a restart.

use std::time::Duration;

use crate::redis_source::{P, run};
use crate::support::{GATEWAY, RedisServer, Server, eventually, program};

#[expect(clippy::disallowed_methods, reason = "the test writes what workers write now")]
fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// An ingress worker that beats, as its key stands for the length of a test.
pub(crate) fn beat(server: &RedisServer, pid: i64) {
    let key = format!("{P}:heartbeat:process:ingress-1:chat:rest:{pid}");
    let json = format!(
        r#"{{"instance_id": "ingress-1", "service_type": "chat", "service_name": "rest", "process_id": {pid}, "current_load": 1, "max_capacity": 5, "last_heartbeat": {}, "health_status": "ServiceHealth.HEALTHY"}}"#,
        now()
    );
    run(server, &[&["SET", &key, &json]]);
    run(server, &[&["ZADD", &format!("{P}:system:capacity:process-index:chat:rest"), &now().to_string(), &key]]);
}

/// Publishes once.
pub(crate) fn publish(server: &RedisServer, pid: i64, count: i64) {
    let json = format!(r#"{{"count": {count}, "sessions": 1, "max": 100, "ts": {}}}"#, now());
    run(server, &[&["SET", &format!("{P}:chat:sse:connections:ingress-1:{pid}"), &json]]);
}

/// What happens a minute after it was published.
fn expire(server: &RedisServer, pid: i64) {
    run(server, &[&["DEL", &format!("{P}:chat:sse:connections:ingress-1:{pid}")]]);
}

fn total(server: &Server) -> serde_json::Value {
    server.get("/api/v1/signals").json()["ingress"]["sse"]["total_connections"].clone()
}

#[test]
fn a_quiet_workers_count_survives_a_restart_of_the_server() {
    let redis = RedisServer::start();
    beat(&redis, 41);
    beat(&redis, 42);
    publish(&redis, 41, 12);
    publish(&redis, 42, 5);
    let url = redis.url();
    let server = Server::ready(&[("REDIS_URL", &url)]);
    eventually("the count", Duration::from_secs(10), || total(&server) == 17);
    [41, 42].into_iter().for_each(|pid| expire(&redis, pid));
    let snapshot = || server.get("/api/v1/signals").json()["snapshot"]["id"].clone();
    let before = snapshot();
    eventually("a later tick", Duration::from_secs(10), || snapshot() != before);
    assert_eq!(total(&server), 17);
    // Without a signal to stop.
    drop(server);
    run(&redis, &[&["DEL", &format!("{P}:heartbeat:process:ingress-1:chat:rest:42")]]);
    let server = Server::ready(&[("REDIS_URL", &url)]);
    assert_eq!(total(&server), 12, "a worker that stopped meanwhile has no connections");
    publish(&redis, 41, 3);
    eventually("news", Duration::from_secs(10), || total(&server) == 3);
    let life: i64 = redis::cmd("TTL").arg(format!("{P}:metrics:sse:last")).query(&mut redis.connection()).unwrap();
    assert!((500..=600).contains(&life), "{life}");
}

#[test]
fn a_count_that_nobody_watched_for_a_minute_is_unknown_until_the_worker_publishes() {
    let redis = RedisServer::start();
    beat(&redis, 41);
    publish(&redis, 41, 100);
    let url = redis.url();
    let server = Server::ready(&[("REDIS_URL", &url)]);
    eventually("the count", Duration::from_secs(10), || total(&server) == 100);
    let memory = format!("{P}:metrics:sse:last");
    let saved = || redis::cmd("HLEN").arg(&memory).query::<i64>(&mut redis.connection()).unwrap();
    eventually("the saved count", Duration::from_secs(10), || saved() == 2);
    drop(server);
    expire(&redis, 41);
    run(&redis, &[&["HSET", &memory, "seen", &(now() - 90.0).to_string()]]);
    let server = Server::ready(&[("REDIS_URL", &url)]);
    assert!(total(&server).is_null());
    let text = server.get("/metrics").text();
    assert!(text.contains("kdcube_ingress_sse_unknown_workers 1\n"), "{text}");
    eventually("the problem", Duration::from_secs(10), || server.log().contains("sse_count_unknown"));
    publish(&redis, 41, 3);
    eventually("the new count", Duration::from_secs(10), || total(&server) == 3);
}

#[test]
fn a_run_once_a_minute_knows_quiet_workers_too_and_a_snapshot_leaves_no_memory() {
    let redis = RedisServer::start();
    beat(&redis, 41);
    publish(&redis, 41, 12);
    let url = redis.url();
    let variables = [GATEWAY, ("REDIS_URL", url.as_str())];
    let memory = format!("{P}:metrics:sse:last");
    let kept = || redis::cmd("HLEN").arg(&memory).query::<i64>(&mut redis.connection()).unwrap();
    assert!(program(&variables, &["snapshot", "--record"]).output().unwrap().status.success());
    assert_eq!(kept(), 0);
    assert!(program(&variables, &["once"]).output().unwrap().status.success());
    assert_eq!(kept(), 2, "the worker, and the time of the last look");
    expire(&redis, 41);
    let output = program(&variables, &["snapshot", "--format", "scalars"]).output().unwrap();
    let scalars: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(scalars["ingress.sse.total_connections"], 12);
}

#[test]
fn it_is_alive_while_it_loads_a_long_history_and_hears_of_configurations() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    for batch in 0..40 {
        let mut zadd = redis::cmd("ZADD");
        zadd.arg(format!("{P}:metrics:task_exec_ms:proc"));
        for index in 0..10_000 {
            let at = now() - 3000.0 + f64::from(batch * 10_000 + index) * 0.005;
            zadd.arg(at).arg(format!("{at}:{index}.5"));
        }
        zadd.query::<i64>(&mut connection).unwrap();
    }
    let server = Server::start(&[("REDIS_URL", &redis.url())]);
    let update = r#"{"tenant": "acme", "project": "chat", "ts": 1.0, "config": {"service_capacity": {"processes_per_instance": 7}}}"#;
    let channel = format!("{P}:config:gateway:update");
    let mut publish = || redis::cmd("PUBLISH").arg(&channel).arg(update).query::<i64>(&mut connection).unwrap();
    let (mut heard, mut asked) = (0, 0);
    eventually("readiness", Duration::from_secs(60), || {
        let live = server.get("/livez");
        assert_eq!(live.status, 200, "{}", live.text());
        asked += 1;
        if heard == 0 {
            heard = publish();
        }
        server.get("/readyz").status == 200
    });
    assert!(asked > 3, "the history was loaded too fast to tell");
    eventually("the update", Duration::from_secs(10), || {
        if heard == 0 {
            heard = publish();
        }
        let system = server.get("/metrics/proc/system").json();
        system["gateway_configuration"]["service_capacity"]["processes_per_instance"] == 7
    });
    let system = server.get("/metrics/proc/system").json();
    assert_eq!(system["components"]["proc"]["latency"]["exec_ms"]["1h"]["count"], 400_000);
}

#[test]
fn a_redis_that_hangs_is_no_reason_to_restart() {
    let redis = RedisServer::start();
    let server = Server::ready(&[
        ("REDIS_URL", &redis.url()),
        ("METRICS_STALE_AFTER_SEC", "1"),
        ("METRICS_REQUEST_TIMEOUT_SEC", "3"),
    ]);
    redis.hang(true);
    // Far more than three intervals, and within the limit of one request.
    eventually("staleness", Duration::from_secs(10), || {
        assert_eq!(server.get("/livez").status, 200);
        server.get("/readyz").status == 503
    });
    eventually("the end of the request", Duration::from_secs(20), || {
        assert_eq!(server.get("/livez").status, 200);
        server.log().contains("no answer within")
    });
    redis.hang(false);
    eventually("recovery", Duration::from_secs(30), || server.get("/readyz").status == 200);
}
