//! Which Redis the connection leads to, and connections that end early: failovers, replicas, cluster mode, idle closes, and a
//! limit on what Redis keeps for a client.

use std::time::Duration;

use kdcube_metrics::platform::facts::{Facts, LatencySeries, Role};
use kdcube_metrics::sources::redis::RedisSource;
use kdcube_metrics::sources::{Source, SourceError};

use crate::redis_login::queue;
use crate::redis_source::{NOW, P, beat, run, source};
use crate::slow_proxy::SlowProxy;
use crate::support::{GATEWAY, RedisServer, Server, eventually, program};

const LIMIT: Duration = Duration::from_secs(20);

fn info(server: &RedisServer) -> String {
    redis::cmd("INFO").query(&mut server.connection()).unwrap()
}

fn replica_of(server: &RedisServer, primary: u16) {
    run(server, &[&["REPLICAOF", "127.0.0.1", &primary.to_string()]]);
}

fn follows(primary: &RedisServer, replica: &RedisServer) {
    replica_of(replica, primary.port());
    eventually("the replica", LIMIT, || info(replica).contains("master_link_status:up"));
}

fn paid(facts: &Facts) -> i64 {
    facts.queues.get(Role::Paid).unwrap().total()
}

#[tokio::test]
async fn a_demoted_primary_is_left_for_the_one_that_the_name_leads_to() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    queue(&old, &[], 0, 7);
    follows(&old, &new);
    let name = SlowProxy::to(old.port());
    let mut source = source(&format!("redis://127.0.0.1:{}", name.port()));
    assert_eq!(paid(&source.collect(NOW).await.unwrap()), 7);

    // The failover is under way: the old primary is a replica, and the name still leads to it.
    run(&new, &[&["REPLICAOF", "NO", "ONE"]]);
    follows(&new, &old);
    let error = source.collect(NOW + 1.0).await.unwrap_err();
    assert!(matches!(error, SourceError::WrongNode { .. }), "{error}");
    let problems = source.problems();
    assert_eq!(problems.iter().map(|problem| problem.code.as_str()).collect::<Vec<_>>(), ["wrong_node"]);

    name.lead_to(new.port());
    queue(&new, &[], 0, 2);
    let facts = recovers(&mut source, NOW + 2.0).await;
    assert_eq!((paid(&facts), source.problems()), (9, vec![]));
}

#[tokio::test]
async fn a_finished_failover_costs_no_tick() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    queue(&old, &[], 0, 7);
    follows(&old, &new);
    let name = SlowProxy::to(old.port());
    let mut source = source(&format!("redis://127.0.0.1:{}", name.port()));
    source.collect(NOW).await.unwrap();
    name.lead_to(new.port());
    run(&new, &[&["REPLICAOF", "NO", "ONE"]]);
    replica_of(&old, new.port());
    queue(&new, &[], 0, 2);
    assert_eq!(paid(&source.collect(NOW + 1.0).await.unwrap()), 9);
}

#[tokio::test]
async fn a_replica_on_purpose_is_read_until_it_loses_its_primary() {
    let (mut primary, replica) = (RedisServer::start(), RedisServer::start());
    queue(&primary, &[], 0, 3);
    follows(&primary, &replica);
    let mut source = source(&replica.url());
    assert_eq!(paid(&source.collect(NOW).await.unwrap()), 3);
    primary.stop();
    eventually("the lost link", LIMIT, || info(&replica).contains("master_link_status:down"));
    let error = source.collect(NOW + 1.0).await.unwrap_err().to_string();
    assert!(error.contains("a replica that has lost its primary"), "{error}");
}

async fn recovers(source: &mut RedisSource, now: f64) -> Facts {
    for _ in 0..200 {
        match source.collect(now).await {
            Ok(facts) => return facts,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("the source did not recover");
}

#[tokio::test]
async fn a_connection_that_was_closed_between_two_ticks_costs_neither() {
    let server = RedisServer::start();
    beat(&server, "proc-1", "proc", 51);
    let mut source = source(&server.url());
    for tick in 0..5 {
        let facts = source.collect(NOW + f64::from(tick)).await.unwrap();
        assert_eq!(facts.heartbeats.len(), 1);
        run(&server, &[&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]]);
    }
    run(&server, &[&["CONFIG", "SET", "timeout", "1"]]);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    source.collect(NOW + 9.0).await.unwrap();
}

#[tokio::test]
async fn a_limit_on_what_redis_keeps_for_a_client_leads_to_smaller_requests() {
    let server = RedisServer::start_with(&["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let key = format!("{P}:metrics:task_exec_ms:proc");
    for batch in 0..20 {
        let mut zadd = redis::cmd("ZADD");
        zadd.arg(&key);
        for sample in 0..5_000 {
            let at = NOW - 3000.0 + f64::from(batch * 5_000 + sample) / 50.0;
            zadd.arg(at).arg(format!("{at}:12345.678"));
        }
        zadd.query::<i64>(&mut server.connection()).unwrap();
    }
    let mut source = source(&server.url());
    let facts = recovers(&mut source, NOW).await;
    assert_eq!(facts.latency[&LatencySeries::TaskExec].len(), 100_000);
    source.collect(NOW + 1.0).await.unwrap();
}

#[tokio::test]
async fn a_page_that_is_too_long_by_itself_is_divided() {
    let server = RedisServer::start_with(&["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let script = "for event = 1, 6000 do
        redis.call('ZADD', KEYS[1], tonumber(ARGV[1]) - event / 10, '{\"event_id\": \"' .. event .. string.rep('x', 900) .. '\"}')
    end";
    let mut eval = redis::cmd("EVAL");
    eval.arg(script).arg(1).arg(format!("{P}:throttling:events")).arg(NOW);
    eval.query::<()>(&mut server.connection()).unwrap();
    let mut source = source(&server.url());
    assert_eq!(recovers(&mut source, NOW).await.throttling_events.len(), 6000);
}

#[test]
fn a_redis_in_cluster_mode_is_refused_in_one_line_and_never_read() {
    let server = RedisServer::start_with(&["--cluster-enabled", "yes"]);
    run(&server, &[&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]]);
    let url = server.url();
    for arguments in [&["check"][..], &["snapshot"]] {
        let output = program(&[GATEWAY, ("REDIS_URL", &url), ("METRICS_PORT", "0")], arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("runs in cluster mode")).collect();
        assert!(!output.status.success() && lines.len() == 1, "{arguments:?}: {text}");
        assert!(lines[0].contains("point REDIS_URL at a Redis without cluster mode"), "{text}");
    }
    let serving = Server::start(&[("REDIS_URL", &url)]);
    eventually("the problem", LIMIT, || serving.log().contains("cluster_mode"));
    let metrics = serving.get("/metrics").text();
    assert!(metrics.contains("kdcube_metrics_ticks_total{result=\"ok\"} 0"), "{metrics}");
}
