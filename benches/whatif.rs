//! How long a simulated day of 200 processors takes: a row of docs/performance.md. Asserts nothing.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails by panicking, and prints")]

use std::time::Instant;

use kdcube_metrics::platform::facts::Component;
use kdcube_metrics::whatif::deployment::World;
use kdcube_metrics::whatif::load::{Shape, TaskKind};
use kdcube_metrics::whatif::outcome::simulate;
use kdcube_metrics::whatif::policy::Policy;

/// Tasks that arrive in a second, of 25 s each: 800 run at once, in 200 processors of 5 slots at a utilization of 0.8.
const RATE: f64 = 32.0;
const DAY: f64 = 86_400.0;

fn main() {
    // `cargo test --benches` only wants to know whether it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("| policy | users | replica-hours | a simulated day in |");
    println!("|---|---:|---:|---:|");
    for name in ["hpa-replicas-desired", "hpa-pressure-and-wait", "ecs-steps-replicas-missing"] {
        let file = format!("{}/deployment/policies/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace("maxReplicas: 50", "maxReplicas: 1000").replace("MaxCapacity: 50", "MaxCapacity: 1000");
        day(&Policy::parse(&text, &file, name).unwrap());
    }
}

fn day(policy: &Policy) {
    let kinds = vec![TaskKind { share: 1.0, median_seconds: 21.0, spread: 0.6 }];
    let load = Shape { rates: vec![(0.0, RATE)], kinds }.into_load("day", DAY, vec![]);
    let began = Instant::now();
    let outcome = simulate(&World::of(Component::Proc), &load, policy, 1);
    let took = began.elapsed().as_secs_f64();
    println!("| {} | {} | {:.0} | {took:.2} s |", policy.name, outcome.arrived, outcome.replica_hours);
}
