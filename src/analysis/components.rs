//! `components`: what an autoscaler looks at, for ingress and processor.

use super::processes::{Process, grace, service_of};
use super::{TickFacts, sse, windows};
use crate::base::number::{count, percent, sum};
use crate::payload::shapes::{
    Accepting, ComponentInstance, ComponentStats, Configured, LatencyByName, PoolEstimates, PoolsAggregate, ProcQueue,
    QueueStats, QueueWindows,
};
use crate::platform::facts::{Component, LatencySeries, RollingSeries};
use crate::platform::gateway::{Amount, GatewaySettings};

/// One component, without what only it has (SSE, queue).
fn base(facts: &TickFacts<'_>, component: Component, pools: PoolsAggregate) -> ComponentStats {
    let settings = facts.inputs.gateway.of(component);
    let (service_type, service_name) = service_of(component);
    let grace = grace(facts.stale_after);
    let instances: Vec<ComponentInstance> = facts
        .fleet
        .running((service_type, service_name))
        .map(|(id, processes)| instance(id, processes, grace))
        .collect();
    let instance_count = count(instances.len());
    let per_instance = settings.service_capacity.processes_per_instance.whole();
    let expected = product(Some(per_instance), Some(instance_count));
    let actual = sum(instances.iter().map(|instance| instance.processes));
    let load = sum(instances.iter().map(|instance| instance.load));
    let capacity = sum(instances.iter().map(|instance| instance.capacity));
    ComponentStats {
        service_type: service_type.to_owned(),
        service_name: service_name.to_owned(),
        instance_count: Some(instance_count),
        expected_processes: expected,
        actual_processes: actual,
        healthy_processes: sum(instances.iter().map(|instance| instance.healthy_processes)),
        missing_processes: expected.map(|expected| expected.saturating_sub(actual)),
        load: Some(load),
        capacity,
        utilization_percent: percent(load, capacity),
        configured: Configured {
            processes_per_instance: Some(per_instance),
            concurrent_requests_per_process: Some(settings.service_capacity.concurrent_requests_per_process.whole()),
        },
        pools: estimates(settings, instance_count),
        pools_aggregate: pools,
        instances,
        ..ComponentStats::default()
    }
}

fn instance(id: &str, processes: &[Process<'_>], grace: f64) -> ComponentInstance {
    let load = sum(processes.iter().map(|process| process.load));
    let capacity = sum(processes.iter().map(|process| process.capacity));
    let max_age = processes.iter().map(|process| process.age).reduce(f64::max).unwrap_or_default();
    ComponentInstance {
        instance_id: id.to_owned(),
        processes: count(processes.len()),
        healthy_processes: count(processes.iter().filter(|process| process.is_responsive()).count()),
        capacity,
        load,
        utilization_percent: percent(load, capacity),
        statuses: processes.iter().map(|process| process.status.as_str().to_owned()).collect(),
        max_age_seconds: max_age,
        draining: !processes.iter().any(Process::is_live) && max_age <= grace,
    }
}

/// The product of two positive numbers; the platform knows no estimate of 0.
fn product(left: Option<i64>, right: Option<i64>) -> Option<i64> {
    left.zip(right).filter(|(left, right)| *left != 0 && *right != 0).map(|(left, right)| left.saturating_mul(right))
}

/// What the configured pools can amount to: a worker without a pool size has one for each request.
fn estimates(settings: &GatewaySettings, instances: i64) -> PoolEstimates {
    let service = &settings.service_capacity;
    let concurrent = Some(service.concurrent_requests_per_process.whole()).filter(|concurrent| *concurrent != 0);
    let size = settings.pools.pg_pool_max_size.as_ref().map(Amount::whole).or(concurrent);
    let per_instance = product(size, Some(service.processes_per_instance.whole()));
    PoolEstimates {
        pg_pool_max_size: size,
        redis_max_connections: settings.pools.redis_max_connections.as_ref().map(Amount::whole),
        estimated_pg_per_instance: per_instance,
        estimated_pg_total: product(per_instance, Some(instances)),
    }
}

/// `components.ingress`.
pub(super) fn ingress(facts: &TickFacts<'_>, pools: PoolsAggregate) -> ComponentStats {
    let (history, now) = (facts.inputs.history, facts.inputs.now);
    let windows = || windows::rolling(history, RollingSeries::SseConnections, now);
    ComponentStats {
        sse: facts.sse.as_ref().map(|connections| sse::section(connections, windows())),
        latency: LatencyByName {
            rest_ms: Some(windows::latency(&facts.inputs, LatencySeries::IngressRest)),
            ..LatencyByName::default()
        },
        ..base(facts, Component::Ingress, pools)
    }
}

/// `components.proc`.
pub(super) fn proc(facts: &TickFacts<'_>, pools: PoolsAggregate, queue: &QueueStats) -> ComponentStats {
    ComponentStats {
        queue: Some(proc_queue(facts, queue)),
        latency: LatencyByName {
            queue_wait_ms: Some(windows::latency(&facts.inputs, LatencySeries::QueueWait)),
            exec_ms: Some(windows::latency(&facts.inputs, LatencySeries::TaskExec)),
            ..LatencyByName::default()
        },
        ..base(facts, Component::Proc, pools)
    }
}

fn proc_queue(facts: &TickFacts<'_>, queue: &QueueStats) -> ProcQueue {
    let context = &queue.capacity_context;
    let rolling = |series| windows::rolling(facts.inputs.history, series, facts.inputs.now);
    ProcQueue {
        total: queue.total,
        pressure_ratio: context.pressure_ratio,
        thresholds: Some(context.thresholds),
        accepting: Accepting {
            anonymous: context.accepting_anonymous,
            registered: context.accepting_registered,
            paid: context.accepting_paid,
            privileged: context.accepting_privileged,
        },
        windows: QueueWindows {
            pressure_ratio: context.pressure_ratio.map(|_| rolling(RollingSeries::QueuePressure)),
            depth: queue.total.map(|_| rolling(RollingSeries::QueueDepth)),
        },
    }
}
