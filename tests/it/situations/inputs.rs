//! What is in Redis or in the settings and cannot be used, and a configuration that was replaced.

use super::{LIMIT, P, Situation, check, documented, log_line};
use crate::redis_source::run;
use crate::support::{GATEWAY, RedisServer, Server, eventually, program};

#[test]
fn a_queue_of_the_wrong_type_is_named_with_its_key() {
    let redis = RedisServer::start().with_deployment();
    let queue = format!("{P}:chat:prompt:queue:registered");
    run(&redis, &[&["SET", &queue, "7"]]);
    let url = redis.url();
    let words = [queue.as_str(), "WRONGTYPE"];
    let situation = Situation::new("a queue of the wrong type", "queue_unreadable", &words);
    situation.named_by(&Server::ready(&[("REDIS_URL", &url)]));
    situation.checked("queue_unreadable", &[("REDIS_URL", &url)]);
}

#[test]
fn a_typo_in_the_mapping_stops_the_start_and_names_the_key_and_a_near_one() {
    let mapping = ("METRICS_MAPPING_JSON", r#"{"proc.queue.totl": "queued"}"#);
    let output = program(&[GATEWAY, mapping], &["serve"]).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let errors = String::from_utf8(output.stderr).unwrap();
    let line = errors.lines().find(|line| line.contains("METRICS_MAPPING_JSON")).unwrap_or_else(|| panic!("{errors}"));
    assert!(line.contains("did you mean `proc.queue.total`"), "{line}");
    documented("a typo in the mapping", line);
    let table = check(&[mapping]);
    assert!(table.contains("unknown metric key `proc.queue.totl`"), "{table}");
}

/// Saves a configuration with this many requests at once for each process.
fn save(redis: &RedisServer, concurrent: u32) {
    let text = format!(r#"{{"service_capacity": {{"concurrent_requests_per_process": {concurrent}}}}}"#);
    run(redis, &[&["SET", &format!("{P}:config:gateway:current"), &text]]);
}

#[test]
fn a_configuration_that_was_replaced_is_named_with_old_and_new_figures() {
    let redis = RedisServer::start();
    save(&redis, 50);
    let url = redis.url();
    let server = Server::ready(&[("REDIS_URL", &url)]);
    save(&redis, 10);
    let words = ["capacity_per_instance 140 -> 28"];
    let situation = Situation::new("the configuration was replaced", "gateway_config_changed", &words);
    situation.shown_by(&server);
    documented(situation.name, &log_line(&server, &["gateway configuration changed", words[0]]));
    assert!(server.get("/").text().contains("the gateway configuration changed"), "a mark in the charts");
    let table = check(&[("REDIS_URL", &url)]);
    assert!(table.contains("from saved; capacity of an instance: ") && table.contains("= 28"), "{table}");
}

#[test]
fn a_saved_configuration_that_cannot_be_used_is_named_with_the_one_in_force() {
    let redis = RedisServer::start();
    run(&redis, &[&["SET", &format!("{P}:config:gateway:current"), "{"]]);
    let url = redis.url();
    let words = ["config:gateway:current", "from the environment"];
    let situation = Situation::new("the saved configuration is unusable", "gateway_config_unreadable", &words);
    situation.named_by(&Server::ready(&[("REDIS_URL", &url)]));
    situation.checked("gateway_config_unreadable", &[("REDIS_URL", &url)]);
}

#[test]
fn a_file_of_tokens_that_went_bad_is_named_and_the_previous_one_stays_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, "hunter2\n").unwrap();
    let file = path.to_str().unwrap();
    let server = Server::ready(&[("METRICS_MODE", "embedded"), ("METRICS_AUTH_TOKEN_FILE", file)]);
    std::fs::write(&path, "\n").unwrap();
    let words = ["tokens", "METRICS_AUTH_TOKEN_FILE", "holds no token"];
    let name = "a file of certificates or tokens went bad";
    let situation = Situation { token: Some("hunter2"), ..Situation::new(name, "reload_failed", &words) };
    situation.shown_by(&server);
    let line = log_line(&server, &["problem code=\"reload_failed\"", "holds no token"]);
    documented(name, &line.replace(file, "/run/secrets/tokens"));
    eventually("it answers to the previous token", LIMIT, || situation.get(&server, "/api/v1/signals").status == 200);
}
