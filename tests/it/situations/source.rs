//! The wrong Redis, one that lets nobody in, one that hangs, and one that was restarted.

use super::{LIMIT, P, Situation};
use crate::redis_source::run;
use crate::support::{RedisServer, Server, eventually};

#[test]
fn a_database_of_another_number_is_named_with_those_that_have_keys() {
    let redis = RedisServer::start().with_deployment();
    let url = redis.url().replace("/0", "/3");
    let words = ["acme/chat", "/3", "this database holds no deployment; keys are in db0"];
    let situation = Situation::new("wrong database number", "scope_not_found", &words);
    situation.named_by(&Server::ready(&[("REDIS_URL", &url)]));
    situation.checked("scope_not_found", &[("REDIS_URL", &url)]);
}

#[test]
fn another_tenant_is_named_with_what_this_redis_holds() {
    let redis = RedisServer::start();
    run(&redis, &[&["SET", "Acme:chat:kdcube:circuit_breaker:authentication:state", "closed"]]);
    let url = redis.url();
    let words = ["no key of acme/chat is in this Redis", "this database holds Acme/chat"];
    let situation = Situation::new("wrong tenant or project", "scope_not_found", &words);
    let server = Server::ready(&[("REDIS_URL", &url)]);
    situation.named_by(&server);
    situation.checked("scope_not_found", &[("REDIS_URL", &url)]);
    let page = server.get("/").text();
    let verdict = page.split("<h1>").nth(1).and_then(|rest| rest.split("</h1>").next()).unwrap();
    assert!(verdict.contains("NOTHING FOUND") && verdict.contains("this database holds Acme/chat"), "{verdict}");
}

#[test]
fn a_wrong_password_is_the_step_that_failed_and_is_not_shown() {
    let redis = RedisServer::start_with(&["--requirepass", "right"]);
    let url = redis.url().replace("redis://", "redis://:hunter2@");
    let situation = Situation::new("wrong password", "source_unreachable", &["WRONGPASS"]);
    let server = Server::start(&[("REDIS_URL", &url)]);
    situation.named_by(&server);
    situation.checked("redis", &[("REDIS_URL", &url)]);
    let shown = [server.log(), server.get("/").text(), super::check(&[("REDIS_URL", &url)])].concat();
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_redis_that_hangs_makes_the_numbers_stale_and_says_so() {
    let redis = RedisServer::start().with_deployment();
    let url = redis.url();
    let limits = [("METRICS_STALE_AFTER_SEC", "1"), ("METRICS_REQUEST_TIMEOUT_SEC", "1"), ("REDIS_URL", url.as_str())];
    let server = Server::ready(&limits);
    redis.hang(true);
    Situation::new("Redis hangs", "snapshot_stale", &[]).named_by(&server);
    let unreachable = Situation::new("Redis hangs", "source_unreachable", &["within 1s"]);
    unreachable.shown_by(&server);
    unreachable.checked("redis", &limits[1..]);
    assert!(server.get("/").text().contains("STALE"));
    redis.hang(false);
}

#[test]
fn a_redis_that_came_back_empty_is_not_an_idle_deployment() {
    let mut redis = RedisServer::start().with_deployment();
    run(&redis, &[&["RPUSH", &format!("{P}:chat:prompt:queue:registered"), "{}"]]);
    let url = redis.url();
    let server = Server::ready(&[("REDIS_URL", &url)]);
    redis.restart();
    let words = ["acme/chat", "this database holds no deployment"];
    let situation = Situation::new("Redis restarted empty", "scope_not_found", &words);
    situation.named_by(&server);
    situation.checked("scope_not_found", &[("REDIS_URL", &url)]);
    assert!(server.get("/").text().contains("the deployment vanished from the source"));
    assert_eq!(server.get("/api/v1/problems").json()["quality"], "scope_not_found");
}

#[test]
fn a_redis_that_came_back_full_is_an_outage_with_a_beginning_and_an_end() {
    let mut redis = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).with_deployment();
    let url = redis.url();
    let server = Server::ready(&[("REDIS_URL", &url)]);
    redis.stop();
    let situation = Situation::new("Redis restarted full", "source_unreachable", &["refused"]);
    situation.named_by(&server);
    situation.checked("redis", &[("REDIS_URL", &url)]);
    redis.restart();
    eventually("the end", LIMIT, || !server.get("/api/v1/problems").text().contains("source_unreachable"));
    server.logged(1, &["problem ended code=\"source_unreachable\"", "lasted_seconds="]);
    let page = server.get("/").text();
    for mark in ["the source could not be read", "the source could be read again"] {
        assert!(page.contains(mark), "{mark}");
    }
}
