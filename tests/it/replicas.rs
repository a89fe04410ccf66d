//! Several replicas over one Redis: one records and pushes, all serve the same, and another takes over.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::pushgateway::{PUSH, Pushgateway};
use crate::server::simulate;
use crate::support::{GATEWAY, RedisServer, Server, eventually, program, value};

const DEPTH: &str = "acme:chat:kdcube:metrics:queue_depth:proc";
const LIMIT: Duration = Duration::from_secs(20);
/// The lease lasts a second: three of them, rounded up.
const INTERVAL: (&str, &str) = ("METRICS_SAMPLE_INTERVAL_SEC", "0.3");
const SECONDS: f64 = 0.3;
const LEASE: f64 = 1.0;

fn replica(redis: &RedisServer, name: &str) -> Server {
    Server::ready(&[("REDIS_URL", &redis.url()), INTERVAL, ("INSTANCE_ID", name)])
}

fn standing(server: &Server) -> String {
    server.get("/api/v1/lease").json()["standing"].as_str().unwrap().to_owned()
}

fn leads(server: &Server) -> bool {
    standing(server) == "leader"
}

/// The times of the points of a series, oldest first.
fn points(redis: &RedisServer) -> Vec<f64> {
    let mut connection = redis.connection();
    let members: Vec<(String, f64)> =
        redis::cmd("ZRANGE").arg(DEPTH).arg(0).arg(-1).arg("WITHSCORES").query(&mut connection).unwrap();
    members.into_iter().map(|(_, at)| at).collect()
}

/// Seconds between neighbours: the shortest and the longest.
fn gaps(points: &[f64]) -> (f64, f64) {
    let gaps = points.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.fold((f64::INFINITY, 0.0), |(shortest, longest), gap| (gap.min(shortest), gap.max(longest)))
}

fn wait_for_points(redis: &RedisServer, more: usize) {
    let before = points(redis).len();
    eventually("points", LIMIT, || points(redis).len() >= before + more);
}

#[test]
fn one_of_three_records_and_their_windows_are_the_same() {
    let redis = RedisServer::start();
    let _simulator = simulate(&redis);
    let replicas = ["a", "b", "c"].map(|name| replica(&redis, name));
    eventually("a leader", LIMIT, || replicas.iter().filter(|server| leads(server)).count() == 1);
    wait_for_points(&redis, 10);
    assert_eq!(replicas.iter().filter(|server| leads(server)).count(), 1);
    let (shortest, _) = gaps(&points(&redis));
    assert!(shortest > SECONDS * 0.5, "one point an interval: {shortest}");
    let leaders: f64 =
        replicas.iter().filter_map(|server| value(&server.get("/metrics").text(), "kdcube_metrics_leader")).sum();
    assert!((leaders - 1.0).abs() < 1e-9);
    // Each knows the leader's points a tick later; over the simulated past they differ by less than the last ones weigh.
    let hour = |server: &Server| {
        let depth =
            &server.get("/metrics/combined").json()["system"]["components"]["proc"]["queue"]["windows"]["depth"];
        depth["1h"].as_f64().unwrap_or_else(|| panic!("{depth}"))
    };
    let means = replicas.each_ref().map(hour);
    let spread = means.iter().fold(0.0_f64, |spread, mean| spread.max((mean - means[0]).abs()));
    assert!(spread <= means[0].max(1.0) * 0.5, "{means:?}");
}

#[test]
fn at_a_stop_another_takes_over_at_once_and_after_a_kill_within_the_lease() {
    let redis = RedisServer::start();
    let _simulator = simulate(&redis);
    let first = replica(&redis, "first");
    eventually("a leader", LIMIT, || leads(&first));
    let second = replica(&redis, "second");
    let third = replica(&redis, "third");
    wait_for_points(&redis, 4);
    assert_eq!((standing(&second), standing(&third)), ("follower".to_owned(), "follower".to_owned()));
    let fence = |server: &Server| server.get("/api/v1/lease").json()["lease"]["fence"].as_u64().unwrap();
    let before = fence(&second);

    first.terminate();
    eventually("the next leader", LIMIT, || leads(&second) || leads(&third));
    wait_for_points(&redis, 4);
    let (leader, follower) = if leads(&second) { (second, third) } else { (third, second) };
    assert_eq!(fence(&leader), before + 1);
    let text = leader.get("/metrics").text();
    assert_eq!(value(&text, "kdcube_metrics_lease_takeovers_total"), Some(1.0));

    // Without a signal to stop.
    drop(leader);
    eventually("the last leader", LIMIT, || leads(&follower));
    wait_for_points(&redis, 2);
    let (shortest, longest) = gaps(&points(&redis));
    assert!(shortest > SECONDS * 0.5, "never two points in an interval: {shortest}");
    assert!(longest < LEASE + 2.0 * SECONDS + 1.0, "no gap beyond the lease and a tick: {longest}");
}

#[test]
fn a_leader_that_was_paused_neither_writes_nor_pushes_when_it_wakes() {
    let (redis, gateway) = (RedisServer::start(), Pushgateway::start());
    let _simulator = simulate(&redis);
    let place = gateway.url();
    let to = [
        PUSH,
        ("METRICS_PROM_PUSHGATEWAY_URL", place.as_str()),
        ("METRICS_SCHEDULER_ENABLED", "1"),
        ("METRICS_EXPORT_INTERVAL_SEC", "1"),
    ];
    let start = |name| {
        let url = redis.url();
        let variables = [&to[..], &[("REDIS_URL", url.as_str()), INTERVAL, ("INSTANCE_ID", name)]].concat();
        Server::ready(&variables)
    };
    let sleeper = start("sleeper");
    eventually("a leader", LIMIT, || leads(&sleeper));
    let other = start("other");
    let pushes = |server: &Server| {
        let text = server.get("/metrics").text();
        let of = |line: &&str| line.starts_with("kdcube_metrics_exports_total") && line.contains("result=\"ok\"");
        text.lines().find(of).and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or_default()
    };
    eventually("pushes", LIMIT, || pushes(&sleeper) >= 1.0);
    assert!(pushes(&other) < 1.0, "a follower does not push");
    sleeper.signal(libc::SIGSTOP);
    eventually("a takeover", LIMIT, || leads(&other));
    wait_for_points(&redis, 5);
    let asleep = points(&redis).len();
    sleeper.signal(libc::SIGCONT);
    eventually("it is awake", LIMIT, || sleeper.get("/readyz").status == 200);
    let (before, began) = (pushes(&sleeper), Instant::now());
    eventually("some time", LIMIT, || began.elapsed() > Duration::from_millis(2500));
    assert!(!leads(&sleeper) && leads(&other));
    assert!((pushes(&sleeper) - before).abs() < 0.5, "it pushed");
    assert!(points(&redis).len() > asleep);
    assert!(gaps(&points(&redis)).0 > SECONDS * 0.5, "two wrote in one interval");
}

#[test]
fn a_run_beside_a_server_leaves_it_the_lease_and_says_so_with_a_code_of_its_own() {
    let redis = RedisServer::start().with_deployment();
    let url = redis.url();
    let once = |more: &[(&str, &str)]| {
        let variables = [&[GATEWAY, ("REDIS_URL", url.as_str()), ("INSTANCE_ID", "job")][..], more].concat();
        let output = program(&variables, &["once"]).output().unwrap();
        let line = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), serde_json::from_str::<Value>(&line).unwrap())
    };
    assert_eq!(once(&[]).1["status"], "ok");
    let server = replica(&redis, "service");
    eventually("a leader at once: the run gave the lease back", Duration::from_secs(5), || leads(&server));
    let (code, line) = once(&[]);
    assert_eq!((code, &line["status"], &line["holder"]), (Some(4), &"skipped".into(), &"service".into()), "{line}");
    assert_eq!(once(&[("METRICS_LEASE", "0")]).1["status"], "ok", "it asks nobody");
}

#[test]
fn a_user_that_may_not_write_the_lease_acts_alone_and_the_problem_says_so() {
    let redis = RedisServer::start().with_deployment();
    let command = ["ACL", "SETUSER", "narrow", "on", ">pw", "~*", "&*", "+@all", "-watch"];
    redis::cmd(command[0]).arg(&command[1..]).query::<()>(&mut redis.connection()).unwrap();
    let url = format!("redis://narrow:pw@127.0.0.1:{}/0", redis.port());
    let server = Server::ready(&[("REDIS_URL", &url), INTERVAL]);
    wait_for_points(&redis, 2);
    let lease = server.get("/api/v1/lease").json();
    assert_eq!(lease["standing"], "alone");
    assert!(lease["refused"].as_str().unwrap().contains("watch"), "{lease}");
    server.log_with("lease_refused");
}

#[test]
fn a_redis_that_takes_no_writes_for_a_while_makes_nobody_act_alone() {
    let redis = RedisServer::start();
    let _simulator = simulate(&redis);
    let replicas = ["a", "b"].map(|name| replica(&redis, name));
    eventually("a leader", LIMIT, || replicas.iter().filter(|server| leads(server)).count() == 1);
    let limit = |replicas: &str| {
        let words = ["CONFIG", "SET", "min-replicas-to-write", replicas];
        redis::cmd(words[0]).arg(&words[1..]).query::<()>(&mut redis.connection()).unwrap();
    };
    limit("1");
    eventually("nobody leads without a lease", LIMIT, || replicas.iter().all(|server| standing(server) == "follower"));
    limit("0");
    eventually("a leader again", LIMIT, || replicas.iter().filter(|server| leads(server)).count() == 1);
    wait_for_points(&redis, 8);
    let (shortest, _) = gaps(&points(&redis));
    assert!(shortest > SECONDS * 0.5, "one point an interval: {shortest}");
}
