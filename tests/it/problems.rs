//! What is wrong is said once in the log, and is the same in the API, the metrics and a snapshot.

use std::time::Duration;

use serde_json::Value;

use crate::support::{GATEWAY, RedisServer, Server, eventually, program, request, value};

const P: &str = "acme:chat:kdcube";
const LIMIT: Duration = Duration::from_secs(20);
const EMBEDDED: (&str, &str) = ("METRICS_MODE", "embedded");

fn ask<T: redis::FromRedisValue>(connection: &mut redis::Connection, words: &[&str]) -> T {
    redis::cmd(words[0]).arg(&words[1..]).query(connection).unwrap()
}

fn beat(connection: &mut redis::Connection, key: &str) {
    let (now, _): (String, String) = ask(connection, &["TIME"]);
    let json = format!(
        r#"{{"instance_id": "a", "service_type": "chat", "service_name": "proc", "process_id": 5, "current_load": 1, "max_capacity": 5, "last_heartbeat": {now}, "health_status": "ServiceHealth.HEALTHY", "metadata": {{}}}}"#
    );
    ask::<()>(connection, &["SET", key, &json]);
    ask::<()>(connection, &["ZADD", &format!("{P}:system:capacity:process-index:chat:proc"), &now, key]);
}

/// Every problem of this code in an answer of the API or of `snapshot`.
fn of(list: &Value, code: &str) -> Vec<Value> {
    list["problems"].as_array().unwrap().iter().filter(|problem| problem["code"] == code).cloned().collect()
}

fn listed(server: &Server, code: &str) -> Vec<Value> {
    of(&server.get("/api/v1/problems").json(), code)
}

fn lines(server: &Server, parts: &[&str]) -> usize {
    server.log().lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}

#[test]
fn an_unreadable_queue_is_the_same_problem_everywhere_until_it_can_be_read() {
    let redis = RedisServer::start();
    let mut admin = redis.connection();
    let queue = format!("{P}:chat:prompt:queue:registered");
    ask::<()>(&mut admin, &["SET", &queue, "7"]);
    let source = redis.url();
    let server = Server::ready(&[("REDIS_URL", &source)]);
    eventually("a second report", LIMIT, || {
        listed(&server, "queue_unreadable").first().is_some_and(|problem| problem["count"].as_u64() > Some(1))
    });
    let answer = server.get("/api/v1/problems").json();
    let problem = of(&answer, "queue_unreadable").remove(0);
    assert_eq!(answer["quality"], "partial");
    assert_eq!((&problem["severity"], &problem["scope"]), (&"critical".into(), &"acme/chat".into()));
    assert!(problem["subject"].as_str().unwrap().starts_with(&queue), "{problem}");
    assert!(problem["since"].as_f64() > Some(1e9) && problem["remedy"].as_str().unwrap().contains("redis-cli TYPE"));
    let metric = || value(&server.get("/metrics").text(), r#"kdcube_metrics_problem{code="queue_unreadable"}"#);
    assert_eq!(metric(), Some(1.0));
    server.logged(1, &["problem code=\"queue_unreadable\"", &queue]);
    let page = server.get("/").text();
    assert!(page.contains("= 4 + 10 = 14") && page.contains("queue_unreadable") && page.contains(&queue), "{page}");

    let output = program(&[GATEWAY, ("REDIS_URL", &source)], &["snapshot", "--format", "problems"]).output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(of(&printed, "queue_unreadable")[0]["detail"], problem["detail"]);

    ask::<()>(&mut admin, &["DEL", &queue]);
    eventually("the end", LIMIT, || listed(&server, "queue_unreadable").is_empty() && metric().is_none());
    server.logged(1, &["problem ended code=\"queue_unreadable\"", "lasted_seconds="]);
}

#[test]
fn a_scope_that_is_not_there_is_one_line_that_names_scope_and_redis() {
    let redis = RedisServer::start();
    let url = redis.url();
    let server = Server::ready(&[("REDIS_URL", &url)]);
    eventually("a second report", LIMIT, || {
        listed(&server, "scope_not_found").first().is_some_and(|problem| problem["count"].as_u64() > Some(1))
    });
    assert_eq!(server.get("/api/v1/problems").json()["quality"], "scope_not_found");
    let place = url.trim_start_matches("redis://");
    server.logged(1, &["problem code=\"scope_not_found\" subject=\"acme/chat\"", place]);
}

#[test]
fn problems_are_told_while_nothing_else_can_be() {
    let mut redis = RedisServer::start().with_deployment();
    let server = Server::ready(&[("REDIS_URL", &redis.url()), ("METRICS_STALE_AFTER_SEC", "1")]);
    let taken = || value(&server.get("/metrics").text(), "kdcube_metrics_snapshot_timestamp_seconds").unwrap();
    let before = taken();
    eventually("the next snapshot", LIMIT, || taken() > before);
    redis.stop();
    eventually("staleness", LIMIT, || !listed(&server, "snapshot_stale").is_empty());
    let (answer, stale_since) = (server.get("/api/v1/problems"), taken());
    assert_eq!((answer.status, &answer.json()["quality"]), (200, &Value::Null));
    assert_eq!(of(&answer.json(), "source_unreachable").len(), 1);
    assert_eq!(taken(), stale_since, "the time of a snapshot does not move");
}

#[test]
fn rejected_requests_are_a_problem_of_their_peer() {
    let server = Server::ready(&[EMBEDDED, ("METRICS_AUTH_TOKEN", "hunter2")]);
    for header in [&[][..], &[("Authorization", "Bearer hunter3")]] {
        assert_eq!(request(server.port(), "GET", "/api/v1/problems", header).status, 401);
    }
    let answer = request(server.port(), "GET", "/api/v1/problems", &[("Authorization", "Bearer hunter2")]).json();
    let problem = of(&answer, "unauthorized_requests").remove(0);
    assert_eq!((&problem["subject"], &problem["count"]), (&"127.0.0.1".into(), &2.into()));
    assert!(problem["detail"].as_str().unwrap().ends_with("with an invalid token"), "{problem}");
    server.logged(1, &["problem code=\"unauthorized_requests\" subject=\"127.0.0.1\""]);
    assert!(!server.log().contains("hunter"));
}

#[test]
fn connections_that_are_killed_again_and_again_do_not_fill_the_log() {
    let redis = RedisServer::start().with_deployment();
    let server = Server::ready(&[("REDIS_URL", &redis.url())]);
    let mut admin = redis.connection();
    let (before, mut kills) = (server.log().lines().count(), 0);
    eventually("many kills", LIMIT, || {
        ask::<i64>(&mut admin, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        kills += 1;
        kills >= 100
    });
    eventually("readiness", LIMIT, || server.get("/readyz").status == 200);
    let log = server.log();
    let new = log.lines().count() - before;
    assert!(new <= 4, "{new} lines: {log}");
    assert!(log.matches("problem code=\"source_unreachable\"").count() <= 1, "{log}");
}

#[test]
fn workers_that_vanish_and_come_back_are_told_once_each() {
    let redis = RedisServer::start();
    let mut admin = redis.connection();
    let key = format!("{P}:heartbeat:process:a:chat:proc:5");
    beat(&mut admin, &key);
    ask::<()>(&mut admin, &["RPUSH", &format!("{P}:chat:prompt:queue:registered"), "{}"]);
    let server = Server::ready(&[("REDIS_URL", &redis.url())]);
    assert_eq!(listed(&server, "no_workers"), [] as [Value; 0]);
    ask::<()>(&mut admin, &["DEL", &key]);
    ask::<()>(&mut admin, &["DEL", &format!("{P}:system:capacity:process-index:chat:proc")]);
    eventually("no workers", LIMIT, || listed(&server, "no_workers").len() == 1);
    assert!(listed(&server, "no_workers")[0]["detail"].as_str().unwrap().contains("1 process had one"));
    beat(&mut admin, &key);
    eventually("workers", LIMIT, || listed(&server, "no_workers").is_empty());
    server.logged(1, &["problem code=\"no_workers\""]);
    server.logged(1, &["problem ended code=\"no_workers\""]);
}

#[test]
fn the_start_the_first_snapshot_and_at_debug_each_tick_have_a_line() {
    let server = Server::ready(&[EMBEDDED, ("RUST_LOG", "kdcube_metrics=debug")]);
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    server.logged(1, &["serving", &version, "commit=", "scope=\"acme/chat\""]);
    server.logged(1, &["ready: there is a first snapshot", "quality=\"ok\""]);
    eventually("ticks", LIMIT, || lines(&server, &["DEBUG", " tick ", "workers=", "queue=", "round_trips="]) >= 3);
}
