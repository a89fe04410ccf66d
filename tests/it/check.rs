//! `check`: configuration, dependencies and data, each input that cannot be read, and what is odd without being wrong.

use std::time::Duration;

use crate::support::{GATEWAY, RedisServer, Server, eventually, free_port, program};

const P: &str = "acme:chat:kdcube";

fn run(redis: &RedisServer, commands: &[&[&str]]) {
    let mut connection = redis.connection();
    for words in commands {
        redis::cmd(words[0]).arg(&words[1..]).query::<()>(&mut connection).unwrap();
    }
}

/// The exit code and the table.
fn check(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = program(&[&[GATEWAY], variables].concat(), &["check"]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// The line of the table that begins with this word and this status.
fn line<'a>(table: &'a str, what: &str, status: &str) -> &'a str {
    let found = table.lines().find(|line| line.split_whitespace().take(2).eq([what, status]));
    found.unwrap_or_else(|| panic!("no {what} {status} in\n{table}"))
}

fn beat(redis: &RedisServer) {
    let (now, _): (String, String) = redis::cmd("TIME").query(&mut redis.connection()).unwrap();
    let key = format!("{P}:heartbeat:process:a:chat:proc:5");
    let json = format!(
        r#"{{"instance_id": "a", "service_type": "chat", "service_name": "proc", "process_id": 5, "current_load": 1, "max_capacity": 5, "last_heartbeat": {now}, "health_status": "ServiceHealth.HEALTHY", "metadata": {{}}}}"#
    );
    let index = format!("{P}:system:capacity:process-index:chat:proc");
    run(redis, &[&["SET", &key, &json], &["ZADD", &index, &now, &key]]);
}

#[test]
fn a_deployment_is_shown_in_three_parts_with_the_arithmetic_of_its_capacity() {
    let redis = RedisServer::start();
    beat(&redis);
    run(&redis, &[&["RPUSH", &format!("{P}:chat:prompt:queue:paid"), "{}"]]);
    let (code, table) = check(&[("REDIS_URL", &redis.url()), ("METRICS_PORT", "0")]);
    assert_eq!(code, Some(0), "{table}");
    let headings: Vec<&str> =
        table.lines().filter(|line| ["Configuration", "Dependencies", "Data"].contains(line)).collect();
    assert_eq!(headings, ["Configuration", "Dependencies", "Data"], "{table}");
    assert!(line(&table, "gateway", "ok").contains("from environment") && table.contains("= 4 + 10 = 14"), "{table}");
    assert!(line(&table, "workers", "ok").ends_with("0 of ingress, 1 of proc"), "{table}");
    assert!(line(&table, "queue", "ok").ends_with("1 tasks"), "{table}");
    assert!(line(&table, "lease", "ok").ends_with("held by nobody"), "{table}");
}

#[test]
fn the_replica_that_holds_the_lease_is_named() {
    let redis = RedisServer::start().with_deployment();
    let server = Server::ready(&[("REDIS_URL", &redis.url()), ("INSTANCE_ID", "metrics-7")]);
    eventually("the lease", Duration::from_secs(10), || server.get("/api/v1/lease").text().contains("leader"));
    let (_, table) = check(&[("REDIS_URL", &redis.url()), ("METRICS_PORT", "0")]);
    assert!(line(&table, "lease", "ok").contains("held by metrics-7 since 20"), "{table}");
}

#[test]
fn every_unreadable_input_is_named_and_an_unreadable_queue_is_a_failure() {
    let redis = RedisServer::start();
    beat(&redis);
    let (queue, sse) = (format!("{P}:chat:prompt:queue:paid"), format!("{P}:sse:connections:a:7"));
    let analytics = format!("{P}:queue:analytics:registered");
    run(&redis, &[&["SET", &queue, "x"], &["SADD", &analytics, "x"], &["SET", &sse, "x"]]);
    let variables = [("REDIS_URL", redis.url()), ("METRICS_PORT", "0".to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (code, table) = check(&variables);
    assert_eq!(code, Some(1), "{table}");
    let found = line(&table, "queue_unreadable", "FAILED");
    assert!(found.contains(&queue) && found.contains("WRONGTYPE"), "{table}");
    run(&redis, &[&["DEL", &queue]]);
    assert_eq!(check(&variables).0, Some(0));
}

#[test]
fn a_scope_that_is_not_there_is_a_warning_that_names_those_that_are() {
    let redis = RedisServer::start();
    run(&redis, &[&["SET", "Acme:chat:kdcube:x", "1"], &["SET", "other:app:kdcube:y", "1"]]);
    let (code, table) = check(&[("REDIS_URL", &redis.url()), ("METRICS_PORT", "0")]);
    assert_eq!(code, Some(0), "{table}");
    let found = line(&table, "scope_not_found", "warning");
    assert!(found.contains("this database holds Acme/chat, other/app; keys are in db0"), "{table}");
    assert!(!table.lines().any(|line| line.starts_with("queue ")), "nothing is known of a queue: {table}");
    let elsewhere = redis.url().replace("/0", "/3");
    let (_, table) = check(&[("REDIS_URL", &elsewhere), ("METRICS_PORT", "0")]);
    let found = line(&table, "scope_not_found", "warning");
    assert!(found.contains("this database holds no deployment; keys are in db0"), "{table}");
}

#[test]
fn a_deployment_without_workers_is_a_warning() {
    let redis = RedisServer::start();
    run(&redis, &[&["RPUSH", &format!("{P}:chat:prompt:queue:paid"), "{}"]]);
    let (code, table) = check(&[("REDIS_URL", &redis.url()), ("METRICS_PORT", "0")]);
    assert_eq!(code, Some(0), "{table}");
    line(&table, "no_workers", "warning");
}

#[test]
fn a_port_that_our_server_has_is_fine_and_one_of_another_program_is_not() {
    for token in [&[][..], &[("METRICS_AUTH_TOKEN", "hunter2")]] {
        let server = Server::ready(&[&[("METRICS_MODE", "embedded")], token].concat());
        let port = server.port().to_string();
        let own = [("METRICS_MODE", "embedded"), ("METRICS_BIND", "127.0.0.1"), ("METRICS_PORT", port.as_str())];
        let (code, table) = check(&[&own[..], token].concat());
        assert_eq!(code, Some(0), "{table}");
        assert!(line(&table, "listen", "ok").contains("is running here already"), "{table}");
    }
    let redis = RedisServer::start();
    let port = redis.port().to_string();
    let other = [("METRICS_MODE", "embedded"), ("METRICS_BIND", "127.0.0.1"), ("METRICS_PORT", port.as_str())];
    let (code, table) = check(&other);
    assert_eq!(code, Some(1), "{table}");
    assert!(line(&table, "listen", "FAILED").contains("another program has the port"), "{table}");
}

#[test]
fn a_source_that_cannot_be_reached_is_reported_once() {
    let url = format!("redis://127.0.0.1:{}/0", free_port());
    let (code, table) = check(&[("REDIS_URL", &url), ("METRICS_PORT", "0")]);
    assert_eq!((code, table.matches("FAILED").count()), (Some(1), 1), "{table}");
}
