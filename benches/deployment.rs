//! What a tick, a scrape and a start cost, beside a real Redis: the tables of docs/performance.md.
//!
//! Starts the program as a user does and reads its own metrics, Redis' counters and wrk's report.
//! Asserts nothing: numbers are for people to compare.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark fails by panicking, prints, and waits"
)]
#![allow(dead_code, reason = "the tests' helpers; a benchmark needs some of them")]

#[path = "../tests/it/support.rs"]
mod support;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Killed, RedisServer, Server, eventually, program};

/// Ticks in quick succession, so that many are measured in little time.
const TICK: (&str, &str) = ("METRICS_SAMPLE_INTERVAL_SEC", "0.25");
/// How long a steady state is watched.
const WATCH: Duration = Duration::from_secs(10);
const MILLION: usize = 1_000_000;

/// What stands in Redis.
#[derive(Clone, Copy)]
struct Seed {
    processes: usize,
    samples: usize,
    unrelated: usize,
}

fn main() {
    // `cargo test --benches` only wants to know whether it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    ticks();
    starts();
    scrapes();
}

/// A simulated deployment that writes live until dropped, after its seed is in.
fn simulate(redis: &RedisServer, seed: Seed) -> Killed {
    let half = (seed.processes / 2).to_string();
    let (samples, unrelated, url) = (seed.samples.to_string(), seed.unrelated.to_string(), redis.url());
    let arguments = [
        "simulate",
        "--redis-url",
        &url,
        "--tenant",
        "acme",
        "--project",
        "chat",
        "--ingress",
        &half,
        "--proc",
        &half,
        "--history",
        &samples,
        "--unrelated-keys",
        &unrelated,
    ];
    let mut simulator = program(&[], &arguments).stdout(Stdio::piped()).spawn().map(Killed).unwrap();
    simulator.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    simulator
}

fn ticks() {
    println!("## A steady tick\n");
    println!(
        "| processes | samples a series | unrelated keys | tick, mean | round trips | commands | to Redis | from Redis | RSS |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (processes, samples, unrelated) in [
        (20, 1_000, 0),
        (20, 100_000, 0),
        (20, MILLION, 0),
        (20, 1_000, 4 * MILLION),
        (2_000, 1_000, 0),
        (2_000, 1_000, 4 * MILLION),
    ] {
        tick(Seed { processes, samples, unrelated });
    }
}

fn tick(seed: Seed) {
    let redis = RedisServer::start();
    let _simulator = simulate(&redis, seed);
    let server = Server::ready(&[("REDIS_URL", &redis.url()), TICK]);
    // The first seconds are not steady: pages of code and save_state are touched for the first time.
    std::thread::sleep(Duration::from_secs(3));
    let (before, read) = (PointCounts::take(&server), traffic(&redis));
    std::thread::sleep(WATCH);
    let (after, read_after) = (PointCounts::take(&server), traffic(&redis));
    let ticks = after.ticks - before.ticks;
    println!(
        "| {} | {} | {} | {:.2} ms | {} | {} | {:.1} kB | {:.1} kB | {:.1} MB |",
        seed.processes,
        seed.samples,
        seed.unrelated,
        (after.seconds - before.seconds) / ticks * 1000.0,
        after.round_trips,
        after.commands,
        (read_after.0 - read.0) / ticks / 1000.0,
        (read_after.1 - read.1) / ticks / 1000.0,
        after.resident / 1e6,
    );
}

/// The program's own numbers.
struct PointCounts {
    ticks: f64,
    seconds: f64,
    round_trips: f64,
    commands: f64,
    resident: f64,
}

impl PointCounts {
    fn take(server: &Server) -> Self {
        let text = server.get("/metrics").text();
        let value = |name: &str| -> f64 {
            text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(f64::NAN)
        };
        Self {
            ticks: value("kdcube_metrics_tick_duration_seconds_count"),
            seconds: value("kdcube_metrics_tick_duration_seconds_sum"),
            round_trips: value("kdcube_metrics_redis_round_trips"),
            commands: value("kdcube_metrics_redis_commands"),
            resident: value("process_resident_memory_bytes"),
        }
    }
}

/// Bytes that Redis has taken in and given out.
fn traffic(redis: &RedisServer) -> (f64, f64) {
    let info: String = redis::cmd("INFO").arg("stats").query(&mut redis.connection()).unwrap();
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap();
    (field("total_net_input_bytes:"), field("total_net_output_bytes:"))
}

fn starts() {
    println!("\n## From start to ready\n");
    println!("| samples a series | ready after | longest Redis command | RSS |");
    println!("|---:|---:|---:|---:|");
    for samples in [0, 1_000, 100_000, MILLION] {
        start(samples);
    }
}

fn start(samples: usize) {
    let redis = RedisServer::start();
    let simulator = (samples > 0).then(|| simulate(&redis, Seed { processes: 20, samples, unrelated: 0 }));
    drop(simulator);
    let mut connection = redis.connection();
    redis::cmd("CONFIG").arg("SET").arg("slowlog-log-slower-than").arg(100).query::<()>(&mut connection).unwrap();
    redis::cmd("SLOWLOG").arg("RESET").query::<()>(&mut connection).unwrap();
    let began = Instant::now();
    let server = Server::start(&[("REDIS_URL", &redis.url()), ("METRICS_SAMPLE_INTERVAL_SEC", "5")]);
    eventually("readiness", Duration::from_secs(60), || server.get("/readyz").status == 200);
    let ready = began.elapsed();
    let rss = PointCounts::take(&server).resident;
    println!("| {samples} | {:.0} ms | {:.1} ms | {:.1} MB |", ready.as_secs_f64() * 1e3, slowest(&redis), rss / 1e6);
}

/// The longest command that Redis noted, in milliseconds.
fn slowest(redis: &RedisServer) -> f64 {
    let entries: Vec<Vec<redis::Value>> =
        redis::cmd("SLOWLOG").arg("GET").arg(-1).query(&mut redis.connection()).unwrap();
    let micros = entries.iter().filter_map(|entry| match entry.get(2) {
        Some(redis::Value::Int(micros)) => u32::try_from(*micros).ok(),
        _ => None,
    });
    f64::from(micros.max().unwrap_or(0)) / 1e3
}

fn scrapes() {
    println!("\n## Scrapes\n");
    println!("| connections | `/metrics` a second | p99 |");
    println!("|---:|---:|---:|");
    let redis = RedisServer::start();
    let _simulator = simulate(&redis, Seed { processes: 20, samples: 1_000, unrelated: 0 });
    let server = Server::ready(&[("REDIS_URL", &redis.url()), ("METRICS_SAMPLE_INTERVAL_SEC", "5")]);
    for connections in ["1", "64"] {
        let url = format!("http://127.0.0.1:{}/metrics", server.port());
        let output = Command::new("wrk")
            .args(["--latency", "-t", "1", "-c", connections, "-d", "8s", &url])
            .output()
            .expect("wrk is needed: ./bench installs it");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        let after = |name: &str| {
            report.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or("?").trim().to_owned()
        };
        println!("| {connections} | {} | {} |", after("Requests/sec:"), after("99%"));
    }
}
