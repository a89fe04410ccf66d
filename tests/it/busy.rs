//! The server answers while a tick of a large deployment computes.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::support::{Killed, RedisServer, Server, program, value};

/// Probes of one attempt.
const PROBES: usize = 60;
/// Most of them that the machine itself may delay.
const DELAYED: usize = 3;

/// Leaves a deployment of 2,000 processes in Redis.
fn large_deployment(redis: &RedisServer) {
    let url = redis.url();
    let place = ["--redis-url", &url, "--tenant", "acme", "--project", "chat"];
    let size = ["--ingress", "1000", "--proc", "1000", "--history", "100"];
    let arguments: Vec<&str> = ["simulate"].into_iter().chain(place).chain(size).collect();
    let mut simulator = program(&[], &arguments).stdout(Stdio::piped()).spawn().map(Killed).unwrap();
    simulator.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
}

/// How long probes take, longest first.
fn probes(server: &Server) -> Vec<Duration> {
    let probe = |number: usize| {
        let began = Instant::now();
        let path = if number.is_multiple_of(2) { "/livez" } else { "/readyz" };
        assert_eq!(server.get(path).status, 200, "{path}");
        began.elapsed()
    };
    let mut times: Vec<Duration> = (0..PROBES).map(probe).collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    times
}

#[test]
fn health_answers_within_100_ms_while_a_tick_computes() {
    let redis = RedisServer::start();
    large_deployment(&redis);
    let server = Server::ready(&[("REDIS_URL", &redis.url()), ("METRICS_SAMPLE_INTERVAL_SEC", "0.25")]);
    let longest = |_| probes(&server)[DELAYED];
    let quickest = (0..5).map(longest).find(|time| *time <= Duration::from_millis(100));
    let metrics = server.get("/metrics").text();
    let of = |name: &str| value(&metrics, &format!("kdcube_metrics_tick_duration_seconds_{name}")).unwrap();
    assert!(of("sum") / of("count") > 0.05, "its ticks are long: {} s", of("sum") / of("count"));
    assert!(quickest.is_some());
}
