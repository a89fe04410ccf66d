//! The gateway configuration in Redis and in the environment: what is in force, what is reported, and that nothing
//! secret is shown.

use std::time::Duration;

use serde_json::Value;

use crate::support::{RedisServer, Server, eventually, program, value};

const LIMIT: Duration = Duration::from_secs(10);
const KEY: &str = "acme:chat:kdcube:config:gateway:current";
const CHANNEL: &str = "acme:chat:kdcube:config:gateway:update";
/// Longer than any value that is read.
const TOO_LONG: usize = 70_000;

fn ask<T: redis::FromRedisValue>(redis: &RedisServer, name: &str, arguments: &[&[u8]]) -> T {
    redis::cmd(name).arg(arguments).query(&mut redis.connection()).unwrap()
}

fn save(redis: &RedisServer, text: &[u8]) {
    ask::<()>(redis, "SET", &[KEY.as_bytes(), text]);
}

fn delete(redis: &RedisServer) {
    ask::<i64>(redis, "DEL", &[KEY.as_bytes()]);
}

fn publish(redis: &RedisServer, message: &[u8]) {
    eventually("the subscription", LIMIT, || ask::<i64>(redis, "PUBLISH", &[CHANNEL.as_bytes(), message]) == 1);
}

fn configuration(concurrent: u32) -> String {
    format!(r#"{{"service_capacity": {{"concurrent_requests_per_process": {concurrent}}}}}"#)
}

fn system(server: &Server) -> Value {
    server.get("/metrics/combined").json()["system"].take()
}

/// The capacity of one instance under the configuration in force.
fn capacity(server: &Server) -> i64 {
    system(server)["gateway_configuration"]["computed_metrics"]["base_queue_size_per_instance"].as_i64().unwrap()
}

fn source(server: &Server, source: &str) -> bool {
    let line = format!("kdcube_metrics_gateway_config_info{{source=\"{source}\"}} 1");
    server.get("/metrics").text().lines().any(|found| found == line)
}

fn changed_at(server: &Server) -> Option<f64> {
    value(&server.get("/metrics").text(), "kdcube_metrics_gateway_config_change_timestamp_seconds")
}

/// How many log lines contain all of these.
fn logged(server: &Server, parts: &[&str]) -> usize {
    server.log().lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}

/// Puts something in the key that cannot be used.
type Break = fn(&RedisServer);

const UNUSABLE: [(&str, Break); 6] = [
    ("WRONGTYPE", |redis| {
        delete(redis);
        ask::<i64>(redis, "RPUSH", &[KEY.as_bytes(), b"{}"]);
    }),
    ("is longer than", |redis| save(redis, &vec![b' '; TOO_LONG])),
    ("is not UTF-8", |redis| save(redis, b"{\"a\": \"\xff\"}")),
    ("is not JSON", |redis| save(redis, b"{S3CRET")),
    ("expected an object", |redis| save(redis, b"[\"S3CRET\"]")),
    ("is empty", |redis| save(redis, b"")),
];

#[test]
fn an_unusable_one_at_the_start_leaves_the_environments_in_force_and_is_reported() {
    for (problem, unusable) in UNUSABLE {
        let redis = RedisServer::start();
        unusable(&redis);
        let server = Server::ready(&[("REDIS_URL", &redis.url())]);
        assert!(capacity(&server) == 14 && source(&server, "environment"), "{problem}");
        server.logged(1, &["gateway_config_unreadable", KEY, problem, "from the environment"]);
        server.logged(1, &["gateway configuration in force", "source=\"environment\""]);
        assert!(!server.log().contains("S3CRET"));
    }
}

#[test]
fn while_the_server_runs_the_last_good_one_stays_in_force() {
    let redis = RedisServer::start();
    save(&redis, configuration(50).as_bytes());
    let server = Server::ready(&[("REDIS_URL", &redis.url())]);
    assert!(capacity(&server) == 140 && source(&server, "saved") && changed_at(&server).is_none());
    server.logged(1, &["gateway configuration in force", "source=\"saved\"", "= 40 + 100 = 140"]);
    for (problem, unusable) in UNUSABLE {
        unusable(&redis);
        let malformed = || value(&server.get("/metrics").text(), "kdcube_metrics_ticks_total{result=\"ok\"}").unwrap();
        let before = malformed();
        eventually("two ticks", LIMIT, || malformed() >= before + 2.0);
        assert!(capacity(&server) == 140 && source(&server, "saved"), "{problem}");
    }
    server.logged(1, &["problem", "gateway_config_unreadable", "saved in Redis"]);
    delete(&redis);
    eventually("the deletion", LIMIT, || logged(&server, &["problem", "gateway_config_deleted", KEY]) == 1);
    assert!(capacity(&server) == 140 && source(&server, "saved") && changed_at(&server).is_none());
    save(&redis, configuration(10).as_bytes());
    eventually("the new one", LIMIT, || capacity(&server) == 28);
    assert!(changed_at(&server).is_some());
    server.logged(1, &["gateway configuration changed", "capacity_per_instance 140 -> 28"]);
    eventually("the end", LIMIT, || logged(&server, &["problem ended", "gateway_config_deleted"]) == 1);
}

#[test]
fn a_key_that_never_existed_is_no_problem() {
    let redis = RedisServer::start();
    let server = Server::ready(&[("REDIS_URL", &redis.url())]);
    assert!(source(&server, "environment") && changed_at(&server).is_none());
    server.logged(0, &["gateway_config_"]);
}

#[test]
fn an_update_that_cannot_be_used_is_ignored_and_reported_and_a_good_one_is_in_force() {
    let redis = RedisServer::start();
    let server = Server::ready(&[("REDIS_URL", &redis.url())]);
    for bad in
        [&b"\xff\xfe"[..], b"", b"{}", b"{\"tenant\": \"other\", \"project\": \"chat\", \"config\": {\"pools\": {}}}"]
    {
        publish(&redis, bad);
    }
    eventually("the problem", LIMIT, || {
        logged(&server, &["gateway_config_unreadable", CHANNEL, "update ignored"]) == 1
    });
    let malformed = || value(&server.get("/metrics").text(), "kdcube_metrics_malformed_total{kind=\"gateway_config\"}");
    eventually("all four are counted", LIMIT, || malformed() == Some(4.0));
    assert_eq!(capacity(&server), 14);
    let update = format!(r#"{{"tenant": "acme", "project": "chat", "ts": 1.5, "config": {}}}"#, configuration(50));
    publish(&redis, update.as_bytes());
    eventually("the update", LIMIT, || capacity(&server) == 140);
    assert!(source(&server, "published") && changed_at(&server).is_some());
    server.logged(1, &["gateway configuration changed", "source=\"published\"", "14 -> 140"]);
}

#[test]
fn secrets_in_a_saved_configuration_are_nowhere() {
    let redis = RedisServer::start();
    let text = r#"{"redis_url": "redis://:S3CRET-0@h", "pools": {"pg_pool_max_size": "S3CRET-7", "dsn": "S3CRET-8"},
        "data_bus": {"ingress": {"publish_limits": {"paid": {"packages_per_minute": 7, "key": "S3CRET-9"}}}},
        "vendor": {"token": "S3CRET-1", "secret_key": "S3CRET-2", "list": [[{"password": "S3CRET-3"}]],
        "hooks": ["https://u:S3CRET-4@h.example/x"], "passwd": "S3CRET-5", "private_key": "S3CRET-6"}}"#;
    save(&redis, text.as_bytes());
    let server = Server::ready(&[("REDIS_URL", &redis.url()), ("RUST_LOG", "debug")]);
    for route in
        ["/", "/metrics", "/metrics/combined", "/metrics/ingress/system", "/metrics/proc/system", "/api/v1/signals"]
    {
        assert!(!server.get(route).text().contains("S3CRET"), "{route}");
    }
    let raw = system(&server)["gateway_config_raw"].take();
    assert_eq!((raw.get("vendor"), raw.get("redis_url")), (Some(&Value::Null), None), "{raw}");
    assert_eq!(raw["data_bus"]["ingress"]["publish_limits"]["paid"]["packages_per_minute"], 7, "{raw}");
    server.logged(1, &["WARN", "pools.pg_pool_max_size", "counts as not set"]);
    let (_, _, log) = server.terminate();
    assert!(!log.contains("S3CRET"), "{log}");
}

#[test]
fn the_platforms_environment_without_a_gateway_configuration_is_enough() {
    let redis = RedisServer::start();
    save(&redis, configuration(50).as_bytes());
    let variables = [
        ("GATEWAY_CONFIG_JSON", ""),
        ("TENANT_ID", "acme"),
        ("PROJECT_ID", "chat"),
        ("GATEWAY_COMPONENT", "metrics"),
        ("REDIS_URL", &redis.url()),
    ];
    let server = Server::ready(&variables);
    assert!(capacity(&server) == 140 && source(&server, "saved"));
    server.logged(1, &["WARN", "GATEWAY_COMPONENT \"metrics\"", "using proc"]);
}

#[test]
fn the_redis_of_the_gateway_is_read_where_redis_url_is_not_set_and_compared_elsewhere() {
    let (redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    save(&redis, configuration(50).as_bytes());
    let path = folder.path().join("gateway.yaml");
    std::fs::write(&path, format!("gateway:\n  tenant: acme\n  project: chat\n  redis_url: {}\n", redis.url()))
        .unwrap();
    let yaml = [("GATEWAY_CONFIG_JSON", ""), ("GATEWAY_YAML_PATH", path.to_str().unwrap())];
    let server = Server::ready(&yaml);
    assert_eq!(capacity(&server), 140);
    let other = RedisServer::start();
    let url = other.url();
    let variables = [&yaml[..], &[("REDIS_URL", url.as_str())]].concat();
    let output = program(&variables, &["snapshot"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let (used, ignored) = (other.port().to_string(), redis.port().to_string());
    let warned = |line: &str| line.contains("is not REDIS_URL") && line.contains(&used) && line.contains(&ignored);
    assert!(output.status.success() && errors.lines().filter(|line| warned(line)).count() == 1, "{errors}");
}
