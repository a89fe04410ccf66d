//! One row for each worker, the worst first.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::chart::bullet;
use super::overview::WorkerText;
use crate::analysis::SystemState;
use crate::analysis::state::{Process, ProcessGroup, Service, Status};
use crate::base::number::float;
use crate::outlets::human;
use crate::platform::facts::{PoolUse, Pools};

/// Workers that have a row unless all are asked for: a large fleet must not make the page heavy.
const MOST: usize = 200;

/// A process with its names.
struct Worker<'a> {
    instance: &'a str,
    service: &'a Service,
    process: &'a Process,
}

pub(super) fn section(state: &SystemState, all: bool) -> Markup {
    let workers = workers(state);
    let shown = if all { workers.len() } else { MOST };
    html! {
        section {
            h2 { "Workers: " (workers.len()) }
            @if !workers.is_empty() {
                div.wide { table.workers {
                    thead { tr { th { "worker" } th { "state" } th { "heartbeat" } th.bars { "load" } th { "pools in use" } } }
                    tbody { @for worker in workers.iter().take(shown) { (row(worker)) } }
                } }
            }
            @if workers.len() > shown { p { a href="/?workers=all" { (workers.len() - shown) " more, none worse than these" } } }
        }
    }
}

/// The rows as text, and how many more there are.
pub(super) fn texts(state: &SystemState, all: bool) -> (Vec<WorkerText>, usize) {
    let workers = workers(state);
    let shown = if all { workers.len() } else { workers.len().min(MOST) };
    (workers.iter().take(shown).map(text).collect(), workers.len() - shown)
}

fn text(worker: &Worker<'_>) -> WorkerText {
    let Worker { instance, service, process } = worker;
    let (level, state) = condition(process);
    let pid = process.pid.map_or_else(String::new, |pid| format!(" {pid}"));
    WorkerText {
        name: format!("{} {instance}{pid}", service.name),
        level: level.to_owned(),
        state,
        heartbeat: human::seconds(process.age.max(0.0).round()),
        load: process.load,
        capacity: process.capacity,
        pools: pools(process.pools.as_deref()),
    }
}

fn workers(state: &SystemState) -> Vec<Worker<'_>> {
    let Some(fleet) = state.fleet.known() else { return Vec::new() };
    let mut workers: Vec<Worker<'_>> = fleet.groups.iter().flat_map(of_group).collect();
    workers.sort_by_cached_key(|worker| Reverse(badness(worker.process)));
    workers
}

fn of_group(group: &ProcessGroup) -> impl Iterator<Item = Worker<'_>> {
    let ProcessGroup { instance, service, processes } = group;
    processes.iter().map(move |process| Worker { instance, service, process })
}

/// Silent ones first, then those that say that they are unwell, then the fullest.
fn badness(process: &Process) -> (u8, i64) {
    let class = match process.status {
        Status::Stale => 4,
        Status::Unknown | Status::Null => 3,
        Status::Unhealthy => 2,
        Status::Degraded => 1,
        Status::Healthy => 0,
    };
    let fullness = process.load.saturating_mul(1000) / process.capacity.max(1);
    (class + u8::from(process.draining), fullness)
}

fn row(worker: &Worker<'_>) -> Markup {
    let Worker { instance, service, process } = worker;
    let (class, state) = condition(process);
    html! {
        tr.(class) {
            td { b { (service.name) } " " (instance) @if let Some(pid) = process.pid { small { " " (pid) } } }
            td { (state) }
            td { (human::seconds(process.age.max(0.0).round())) }
            td.bars { @if process.is_live() { (bullet(float(process.load), float(process.capacity), &[])) " " (process.load) "/" (process.capacity) } }
            td { (pools(process.pools.as_deref())) }
        }
    }
}

fn condition(process: &Process) -> (&'static str, String) {
    match process.status {
        Status::Stale => ("critical", format!("■ silent for {}", human::seconds(process.age.max(0.0).round()))),
        _ if process.draining => ("info", "▽ draining".to_owned()),
        _ if process.is_marked_by_failed_write() => ("warning", "▲ degraded (a failed write)".to_owned()),
        Status::Unhealthy => ("warning", "▲ full".to_owned()),
        Status::Degraded => ("warning", "▲ nearly full".to_owned()),
        Status::Healthy => ("fine", "● healthy".to_owned()),
        Status::Unknown | Status::Null => ("warning", "▲ of no known state".to_owned()),
    }
}

fn pools(pools: Option<&Pools>) -> String {
    let Some(pools) = pools else { return String::new() };
    let one = |name: &str, pool: &Option<PoolUse>| {
        let pool = pool.as_ref()?;
        let most = pool.max.or(pool.size).map_or_else(String::new, |max| format!("/{}", human::digits(max)));
        Some(format!("{name} {}{most}", human::digits(pool.in_use?)))
    };
    [one("pg", &pools.postgres), one("redis", &pools.redis_async)].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
