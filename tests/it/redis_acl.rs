//! The Redis user of docs/security.md, created by the command in that page: it may do everything the server does, and
//! nothing else.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use crate::server::simulate;
use crate::support::{GATEWAY, RedisServer, Server, eventually, program, value};

const USER: &str = "kdcube-metrics";
const P: &str = "acme:chat:kdcube";
const LIMIT: Duration = Duration::from_secs(20);

/// Runs the page's command. Returns the URL for the user that it creates.
fn make_user(redis: &RedisServer) -> String {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md")).unwrap();
    let section = document.split("\n## ").find(|section| section.starts_with("The Redis user\n")).unwrap();
    let (_, command) = section.split_once("```sh\nredis-cli ").unwrap();
    let (command, _) = command.split_once("```").unwrap();
    let command = format!("redis-cli -e -p {} {command}", redis.port());
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "OK", "{command}");
    assert!(section.contains(&format!("redis://{USER}:change-me@")));
    format!("redis://{USER}:change-me@127.0.0.1:{}/0", redis.port())
}

fn ask<T: redis::FromRedisValue>(redis: &RedisServer, words: &[&str]) -> T {
    redis::cmd(words[0]).arg(&words[1..]).query(&mut redis.connection()).unwrap()
}

/// Redis' answer to the user, without executing the command.
fn would(redis: &RedisServer, words: &[&str]) -> String {
    ask(redis, &[&["ACL", "DRYRUN", USER], words].concat())
}

fn configuration(processes: u32) -> String {
    format!(r#"{{"tenant": "acme", "project": "chat", "service_capacity": {{"processes_per_instance": {processes}}}}}"#)
}

#[test]
fn the_documented_user_is_enough_for_everything() {
    let redis = RedisServer::start();
    let url = make_user(&redis);
    let _simulator = simulate(&redis);
    ask::<()>(&redis, &["SET", &format!("{P}:config:gateway:current"), &configuration(6)]);
    let server = Server::ready(&[("REDIS_URL", &url)]);
    let metric = |name: &str| value(&server.get("/metrics").text(), name);
    eventually("executed tasks", LIMIT, || metric("kdcube_proc_exec_p95").is_some());
    let system = || server.get("/metrics/combined").json()["system"].take();
    let components = &system()["components"];
    assert_eq!(
        (&components["ingress"]["actual_processes"], &components["proc"]["actual_processes"]),
        (&2.into(), &3.into())
    );
    assert_eq!(metric("kdcube_ingress_sse_max_connections"), Some(400.0));

    let configured = || system()["gateway_configuration"].to_string();
    assert!(configured().contains(r#""processes_per_instance":6"#), "the saved one");
    let update = format!(r#"{{"tenant": "acme", "project": "chat", "ts": 1.0, "config": {}}}"#, configuration(7));
    let channel = format!("{P}:config:gateway:update");
    eventually("the update", LIMIT, || ask::<i64>(&redis, &["PUBLISH", &channel, &update]) == 1);
    eventually("the update in force", LIMIT, || configured().contains(r#""processes_per_instance":7"#));

    let points = || ask::<i64>(&redis, &["ZCARD", &format!("{P}:metrics:queue_depth:proc")]);
    let before = points();
    eventually("points", LIMIT, || points() > before);
    assert_eq!(metric("kdcube_metrics_record_errors_total"), Some(0.0));
    assert_eq!(metric("kdcube_metrics_source_errors_total"), Some(0.0));

    // The server beside it holds the lease.
    for (arguments, code) in [(&["check"][..], 0), (&["snapshot", "--record"], 0), (&["once"], 4)] {
        let output = program(&[GATEWAY, ("REDIS_URL", &url), ("METRICS_PORT", "0")], arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let refused: Vec<redis::Value> = ask(&redis, &["ACL", "LOG"]);
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn the_documented_user_can_do_nothing_else() {
    let redis = RedisServer::start();
    let url = make_user(&redis);
    // Every command that writes, with as many arguments as it wants.
    let writing: Vec<String> = ask(&redis, &["COMMAND", "LIST", "FILTERBY", "ACLCAT", "write"]);
    let arity = |name: &str| {
        let found: Vec<Vec<redis::Value>> = ask(&redis, &["COMMAND", "INFO", name]);
        let arity: i64 = redis::from_redis_value(found[0][1].clone()).unwrap();
        usize::try_from(arity.abs()).unwrap()
    };
    let may = |name: &String| {
        let mut words: Vec<&str> = name.split('|').collect();
        words.resize(arity(name), "1");
        !would(&redis, &words).contains("permissions to run")
    };
    let allowed: BTreeSet<&str> = writing.iter().filter(|name| may(name)).map(String::as_str).collect();
    assert_eq!(allowed, BTreeSet::from(["expire", "hdel", "hset", "set", "zadd", "zremrangebyscore"]));

    let (own, theirs) = (format!("{P}:metrics:queue_depth:proc"), format!("{P}:throttling:events"));
    for (key, sound) in [(own.as_str(), true), (&theirs, false), ("acme:other:kdcube:metrics:x", false), ("x", false)] {
        for words in [
            &["ZADD", key, "1", "m"][..],
            &["ZREMRANGEBYSCORE", key, "0", "1"],
            &["EXPIRE", key, "1"],
            &["HSET", key, "f", "v"],
        ] {
            assert_eq!(would(&redis, words) == "OK", sound, "{words:?}: {}", would(&redis, words));
        }
    }

    let mut user = redis::Client::open(url).unwrap().get_connection().unwrap();
    for words in [
        &["KEYS", "*"][..],
        &["FLUSHALL"],
        &["DEL", &own],
        &["GETRANGE", "other:chat:kdcube:config:gateway:current", "0", "-1"],
        &["MGET", "acme:other:kdcube:x"],
        &["SUBSCRIBE", "other:chat:kdcube:config:gateway:update"],
        &["PUBLISH", &format!("{P}:config:gateway:update"), "{}"],
        &["EVAL", "return 1", "0"],
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["CLIENT", "KILL", "TYPE", "normal"],
    ] {
        let answer: redis::RedisResult<redis::Value> = redis::cmd(words[0]).arg(&words[1..]).query(&mut user);
        assert_eq!(answer.unwrap_err().code(), Some("NOPERM"), "{words:?}");
    }
}
