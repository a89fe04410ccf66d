//! Workers that are dead, silent, or send something odd, and clocks that are off.

use kdcube_metrics::base::clock::{Clock, SystemClock};

use super::{P, Situation};
use crate::redis_source::{beat_at, run};
use crate::support::{RedisServer, Server};

fn key(instance: &str, pid: i64) -> String {
    format!("{P}:heartbeat:process:{instance}:chat:proc:{pid}")
}

/// A heartbeat of a processor whose clock is off by so many seconds.
fn beat(redis: &RedisServer, instance: &str, pid: i64, off: f64) {
    beat_at(redis, instance, "proc", pid, SystemClock.now() + off);
}

#[test]
fn that_all_workers_are_dead_is_named_with_how_many_there_were() {
    let redis = RedisServer::start().with_deployment();
    beat(&redis, "proc-1", 51, 0.0);
    let url = redis.url();
    let server = Server::ready(&[("REDIS_URL", &url)]);
    run(&redis, &[&["DEL", &key("proc-1", 51), &format!("{P}:system:capacity:process-index:chat:proc")]]);
    Situation::new("all workers dead", "no_workers", &["1 process had one"]).named_by(&server);
    let words = ["no process has a heartbeat that still counts"];
    Situation::new("all workers dead", "no_workers", &words).checked("no_workers", &[("REDIS_URL", &url)]);
}

#[test]
fn a_silent_worker_is_named_with_its_instance_and_process() {
    let redis = RedisServer::start();
    beat(&redis, "proc-1", 51, 0.0);
    beat(&redis, "proc-2", 52, 0.0);
    let url = redis.url();
    let server = Server::ready(&[("REDIS_URL", &url)]);
    run(&redis, &[&["DEL", &key("proc-2", 52)]]);
    let situation = Situation::new("one worker silent", "worker_silent", &["proc-2/chat:proc/52", "silent for"]);
    situation.named_by(&server);
    situation.checked("worker_silent", &[("REDIS_URL", &url)]);
}

#[test]
fn a_malformed_heartbeat_is_named_with_its_key_and_field() {
    let redis = RedisServer::start();
    beat(&redis, "proc-1", 51, 0.0);
    beat(&redis, "proc-2", 52, 0.0);
    let text: String = redis::cmd("GET").arg(key("proc-2", 52)).query(&mut redis.connection()).unwrap();
    let broken = text.replace("\"current_load\": 1", "\"current_load\": \"many\"");
    assert_ne!(text, broken);
    run(&redis, &[&["SET", &key("proc-2", 52), &broken]]);
    let url = redis.url();
    let key = key("proc-2", 52);
    let words = [key.as_str(), "current_load"];
    let situation = Situation::new("a malformed heartbeat", "heartbeat_unreadable", &words);
    situation.named_by(&Server::ready(&[("REDIS_URL", &url)]));
    situation.checked("heartbeat_unreadable", &[("REDIS_URL", &url)]);
}

#[test]
fn a_workers_clock_that_is_off_is_named_with_its_instance_and_direction() {
    for (name, off, direction) in
        [("a worker's clock is ahead", 20.0, "ahead of"), ("a worker's clock is behind", -60.0, "behind")]
    {
        let redis = RedisServer::start();
        beat(&redis, "proc-1", 51, 0.0);
        beat(&redis, "proc-2", 52, off);
        let url = redis.url();
        let words = ["proc-2", direction];
        let situation = Situation::new(name, "clock_skew_writer", &words);
        situation.named_by(&Server::ready(&[("REDIS_URL", &url)]));
        situation.checked("clock_skew_writer", &[("REDIS_URL", &url)]);
    }
}

/// What shifts the clock of a program, but for the one that its waits go by.
fn clock(off: &'static str) -> [(&'static str, String); 3] {
    let folders = std::fs::read_dir("/usr/lib").unwrap().filter_map(|folder| Some(folder.ok()?.path()));
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketime.so.1"));
    let library = libraries.find(|library| library.exists()).expect("faketime is needed: ./test installs it");
    let library = library.to_str().unwrap().to_owned();
    [("LD_PRELOAD", library), ("FAKETIME", off.to_owned()), ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned())]
}

#[test]
fn a_clock_of_this_server_that_is_off_is_named_with_its_direction() {
    for (name, off, direction) in [
        ("this server's clock is ahead", "+90s", "s ahead of Redis' clock"),
        ("this server's clock is behind", "-90s", "s behind Redis' clock"),
    ] {
        let redis = RedisServer::start().with_deployment();
        let (url, clock) = (redis.url(), clock(off));
        let mut variables = vec![("REDIS_URL", url.as_str())];
        variables.extend(clock.iter().map(|(name, value)| (*name, value.as_str())));
        let words = [direction];
        let situation = Situation::new(name, "clock_skew_server", &words);
        situation.named_by(&Server::ready(&variables));
        situation.checked("clock_skew_server", &variables);
    }
}
