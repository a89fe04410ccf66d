//! What the processors have to do and can do. `flow` has how fast it moves, `ages` what processors say of their oldest work.

mod ages;
mod flow;

use std::collections::{BTreeMap, BTreeSet};

use super::state::{Cause, Demand, Fleet, Process, Queue, Reading, Reason, Service, Slots, Stall};
use super::{Analysis, Inputs, unreadable};
use crate::base::number::{count, float, median, sum};
use crate::history::{Backlog, History};
use crate::platform::facts::{Component, JobBacklog, PerRole, QueueDepth, QueueFront, Role, Unreadable};
use crate::platform::keys::Keys;

/// Longer than a claim takes, and than a heartbeat's load may lag behind.
const CLAIM_SECONDS: f64 = 30.0;

/// All that one tick shows by itself; `finish` adds what follows from the ticks before.
pub(super) fn demand(inputs: &Inputs<'_>, fleet: &Fleet, queue: &Queue, keys: &Keys) -> Demand {
    let jobs: BTreeMap<Role, Reading<i64>> =
        Role::WITH_JOBS.into_iter().map(|role| (role, jobs(inputs, role, keys))).collect();
    let processes: Vec<&Process> =
        fleet.running(&Service::of(Component::Proc)).flat_map(|(_, processes)| processes).collect();
    let active = active(inputs, &processes);
    let waiting = sum_of(queue.tasks.iter().map(|(_, tasks)| tasks.clone().map(waiting)));
    let waiting_jobs = sum_of(jobs.values().cloned());
    let mut slots = slots(inputs, fleet, &processes);
    slots.load_ratio = load_ratio(&active, &waiting, &waiting_jobs, &slots.total);
    Demand {
        oldest_wait: PerRole::from_fn(|role| oldest_wait(inputs, role, keys)),
        active,
        waiting,
        jobs,
        waiting_jobs,
        slots,
        ages: ages::ages(fleet),
        ..Demand::default()
    }
}

/// What the next ticks compare with.
pub(super) fn backlog(inputs: &Inputs<'_>, demand: &Demand) -> Backlog {
    let oldest = |role| match inputs.facts.queue_fronts.get(role) {
        Some(QueueFront::Created(at)) => Some(*at),
        _ => None,
    };
    Backlog {
        waiting: demand.waiting.get(),
        active: demand.active.get(),
        free: demand.slots.free.get(),
        oldest: PerRole::from_fn(oldest),
    }
}

/// The rest, when the history has this tick's backlog.
pub(super) fn finish(tick: &Analysis<'_>, mut demand: Demand, history: &History) -> Demand {
    demand.flow = flow::flow(tick, &demand, history);
    demand.turned_away = turned_away(tick, history);
    demand.stall = stall(tick, &demand, history);
    demand
}

/// Each session once, however often it tried.
fn turned_away(tick: &Analysis<'_>, history: &History) -> Reading<i64> {
    if tick.inputs.facts.unreadable.contains(&Unreadable::Throttling) {
        return Reading::absent(unreadable::reason(tick.inputs.facts, [tick.keys.throttling_events()]));
    }
    let now = tick.inputs.now;
    let recent = history.throttling().newest(now).take_while(|(at, _)| *at >= now - 60.0);
    let sessions: BTreeSet<&str> = recent.filter_map(|(_, shown)| refused_session(shown.as_ref()?)).collect();
    Reading::Value(count(sessions.len()))
}

fn refused_session(event: &serde_json::Value) -> Option<&str> {
    let status = event.get("http_status")?.as_i64()?;
    event.get("session_id")?.as_str().filter(|_| status == 503)
}

/// Ready tasks and continuations, as a role's depth counts them.
const fn waiting(depth: QueueDepth) -> i64 {
    let waiting = depth.ready.saturating_add(depth.continuations);
    if waiting > 0 { waiting } else { 0 }
}

/// Absent where one is: what the others have is not the total.
fn sum_of(parts: impl Iterator<Item = Reading<i64>>) -> Reading<i64> {
    parts.fold(Reading::Value(0), |total, part| {
        total.zip(part).map(|(total, part): (i64, i64)| total.saturating_add(part))
    })
}

/// The load of live processors, each at the most its slots: a heartbeat that says more is wrong.
fn active(inputs: &Inputs<'_>, processes: &[&Process]) -> Reading<i64> {
    let configured = inputs.gateway.of(Component::Proc).service_capacity.concurrent_requests_per_process.whole();
    let live = processes.iter().filter(|process| process.is_live());
    let load = sum(live.map(|process| process.load.min(process.capacity.max(configured))));
    match unreadable::heartbeat(inputs.facts, Component::Proc) {
        Some(reason) => Reading::absent(reason),
        None => Reading::Value(load),
    }
}

/// Without a processor whose heartbeat cannot be read there are fewer slots, which errs towards more replicas.
fn slots(inputs: &Inputs<'_>, fleet: &Fleet, processes: &[&Process]) -> Slots {
    let service = Service::of(Component::Proc);
    let accepting = || processes.iter().filter(|process| process.accepts_work());
    let total = sum(accepting().map(|process| process.capacity));
    let busy = sum(accepting().map(|process| process.load.min(process.capacity)));
    let of_instances = fleet.running(&service).filter_map(|(_, processes)| accepted(processes));
    let of_instances: Vec<i64> = of_instances.collect();
    let known = |value| match unreadable::long_heartbeat(inputs.facts, &service) {
        Some(reason) => Reading::absent(reason),
        None => Reading::Value(value),
    };
    Slots {
        total: known(total),
        free: known(total.saturating_sub(busy)),
        replicas: known(count(of_instances.len())),
        per_replica: per_replica(inputs, of_instances),
        is_draining: processes.iter().any(|process| process.is_live() && process.draining),
        load_ratio: Reading::default(),
    }
}

/// The slots of an instance that takes new work.
fn accepted(processes: &[Process]) -> Option<i64> {
    let accepting = || processes.iter().filter(|process| process.accepts_work());
    accepting().next()?;
    Some(sum(accepting().map(|process| process.capacity)))
}

fn per_replica(inputs: &Inputs<'_>, of_instances: Vec<i64>) -> Reading<f64> {
    let configured = || {
        let service = &inputs.gateway.of(Component::Proc).service_capacity;
        service.concurrent_requests_per_process.whole().saturating_mul(service.processes_per_instance.whole().max(1))
    };
    let slots = median(of_instances).filter(|slots| *slots > 0.0).unwrap_or_else(|| float(configured()));
    Reading::Value(slots).filter(|slots| *slots > 0.0, || Cause::NoCapacity)
}

fn load_ratio(
    active: &Reading<i64>,
    waiting: &Reading<i64>,
    jobs: &Reading<i64>,
    slots: &Reading<i64>,
) -> Reading<f64> {
    let tasks = sum_of([active, waiting, jobs].into_iter().cloned());
    let slots = slots.clone().filter(|slots| *slots > 0, || Cause::NoCapacity);
    tasks.zip(slots).map(|(tasks, slots)| float(tasks) / float(slots))
}

fn oldest_wait(inputs: &Inputs<'_>, role: Role, keys: &Keys) -> Reading<f64> {
    match inputs.facts.queue_fronts.get(role) {
        Some(QueueFront::Empty) => Reading::Value(0.0),
        // A writer's clock may be a little ahead.
        Some(QueueFront::Created(at)) => Reading::Value((inputs.now - at).max(0.0)),
        Some(QueueFront::Unreadable) | None => Reading::absent(unreadable::reason(inputs.facts, [keys.queue(role)])),
    }
}

fn jobs(inputs: &Inputs<'_>, role: Role, keys: &Keys) -> Reading<i64> {
    let key = || keys.jobs(role);
    match inputs.facts.jobs.get(&role) {
        Some(JobBacklog { lag: Some(lag), pending }) => Reading::Value(lag.saturating_add(*pending)),
        Some(JobBacklog { lag: None, .. }) => Reading::absent(Reason::of(Cause::LagUnknown, key())),
        None => Reading::absent(unreadable::reason(inputs.facts, [key()])),
    }
}

fn stall(tick: &Analysis<'_>, demand: &Demand, history: &History) -> Option<Stall> {
    let now = tick.inputs.now;
    let unclaimed = history.unclaimed_seconds(now).filter(|seconds| *seconds >= CLAIM_SECONDS);
    // Only where it is known which tasks wait can be said that none of them was claimed.
    let is_known = demand.oldest_wait.iter().all(|(_, wait)| wait.known().is_some());
    if let Some(seconds) = unclaimed.filter(|_| is_known) {
        return Some(Stall::NothingClaimed(seconds));
    }
    flow::nothing_ends(tick, demand, history).map(Stall::NothingEnds)
}

#[cfg(test)]
mod tests;
