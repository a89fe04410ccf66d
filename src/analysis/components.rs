//! What an autoscaler looks at, for ingress and processor.

use std::sync::Arc;

use super::fleet::grace;
use super::state::{ComponentInstance, ComponentState, PoolEstimates, Process, Reading, Service, StatusCounts};
use super::{Analysis, unreadable};
use crate::base::number::{count, sum};
use crate::platform::facts::Component;
use crate::platform::gateway::{Amount, GatewaySettings};

/// One component over all its instances.
pub(super) fn component(tick: &Analysis<'_>, component: Component) -> ComponentState {
    let settings = tick.inputs.gateway.of(component);
    let grace = grace(tick.stale_after);
    let service = Service::of(component);
    let running = tick.fleet.running(&service);
    let instances: Vec<ComponentInstance> = running.map(|(id, processes)| instance(id, processes, grace)).collect();
    let instance_count = count(instances.len());
    let processes = || tick.fleet.running(&service).flat_map(|(_, processes)| processes);
    ComponentState {
        instance_count: Reading::Value(instance_count),
        processes: Reading::Value(StatusCounts::of_processes(processes(), missing(tick, component))),
        load: load(tick, component, &instances),
        capacity: capacity(tick, &service, &instances),
        configured_processes: Reading::Value(settings.service_capacity.processes_per_instance.whole()),
        configured_concurrency: Reading::Value(settings.service_capacity.concurrent_requests_per_process.whole()),
        pool_estimates: estimates(settings, instance_count),
        instances,
    }
}

/// The requests being worked on; absent where a heartbeat cannot be read, whose load would be missing.
fn load(tick: &Analysis<'_>, component: Component, instances: &[ComponentInstance]) -> Reading<i64> {
    match unreadable::heartbeat(tick.inputs.facts, component) {
        Some(reason) => Reading::absent(reason),
        None => Reading::Value(sum(instances.iter().map(|instance| instance.load))),
    }
}

/// What the processes report; absent where a heartbeat is too long, whose capacity would be missing.
fn capacity(tick: &Analysis<'_>, service: &Service, instances: &[ComponentInstance]) -> Reading<i64> {
    match unreadable::long_heartbeat(tick.inputs.facts, service) {
        Some(reason) => Reading::absent(reason),
        None => Reading::Value(sum(instances.iter().map(|instance| instance.capacity))),
    }
}

/// Without any process at all the gateway component's configured ones are missing; otherwise the number of instances, and so
/// of processes that should be there, is the autoscaler's to decide.
fn missing(tick: &Analysis<'_>, component: Component) -> i64 {
    let gateway = tick.inputs.gateway;
    if tick.fleet.groups.is_empty() && gateway.component() == component {
        gateway.settings().service_capacity.processes_per_instance.whole().max(1)
    } else {
        0
    }
}

fn instance(id: &Arc<str>, processes: &[Process], grace: f64) -> ComponentInstance {
    let max_age_seconds = processes.iter().map(|process| process.age).reduce(f64::max).unwrap_or_default();
    ComponentInstance {
        instance_id: id.clone(),
        capacity: sum(processes.iter().map(|process| process.capacity)),
        load: sum(processes.iter().map(|process| process.load)),
        statuses: processes.iter().map(|process| process.status).collect(),
        max_age_seconds,
        draining: !processes.iter().any(Process::is_live) && max_age_seconds <= grace,
    }
}

/// What the configured pools can amount to: a worker without a pool size has one for each request.
fn estimates(settings: &GatewaySettings, instances: i64) -> PoolEstimates {
    let service = &settings.service_capacity;
    let concurrent = Some(service.concurrent_requests_per_process.whole()).filter(|concurrent| *concurrent != 0);
    let size = settings.pools.pg_pool_max_size.as_ref().map(Amount::whole).or(concurrent);
    let per_instance = product(size, Some(service.processes_per_instance.whole()));
    PoolEstimates {
        postgres_size: size,
        redis_connections: settings.pools.redis_max_connections.as_ref().map(Amount::whole),
        postgres_per_instance: per_instance,
        postgres_total: product(per_instance, Some(instances)),
    }
}

/// The product of two positive numbers; the platform knows no estimate of 0.
fn product(left: Option<i64>, right: Option<i64>) -> Option<i64> {
    left.zip(right).filter(|(left, right)| *left != 0 && *right != 0).map(|(left, right)| left.saturating_mul(right))
}
