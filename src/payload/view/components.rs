//! `components`: what an autoscaler looks at, for ingress and processor.

use super::{or_zero, pools, queue, windows};
use crate::analysis::state::{ComponentInstance as InstanceState, ComponentState, Service, SseTotals, SystemState};
use crate::base::number::{count, percent};
use crate::payload::shapes::{
    Accepting, ComponentInstance, ComponentStats, Configured, IngressSse, LatencyByName, PoolEstimates, ProcQueue,
    QueueWindows,
};
use crate::platform::facts::{Component, LatencySeries, RollingSeries};
use crate::platform::gateway::Limits;

/// `components.ingress`.
pub(super) fn ingress(state: &SystemState) -> Option<ComponentStats> {
    let latency =
        LatencyByName { rest_ms: windows::latency(state, LatencySeries::IngressRest), ..LatencyByName::default() };
    let sse = state.sse.known().map(|totals| sse(state, totals));
    Some(ComponentStats { sse, latency, ..base(state, Component::Ingress)? })
}

/// `components.proc`.
pub(super) fn proc(state: &SystemState) -> Option<ComponentStats> {
    let latency = LatencyByName {
        queue_wait_ms: windows::latency(state, LatencySeries::QueueWait),
        exec_ms: windows::latency(state, LatencySeries::TaskExec),
        ..LatencyByName::default()
    };
    Some(ComponentStats { queue: Some(proc_queue(state)), latency, ..base(state, Component::Proc)? })
}

/// One component, without what only it has.
fn base(state: &SystemState, component: Component) -> Option<ComponentStats> {
    let found = state.component(component).known()?;
    let Service { kind, name } = Service::of(component);
    let (load, capacity, actual) = (found.load.get(), or_zero(&found.capacity), found.actual());
    let expected = expected(found);
    Some(ComponentStats {
        service_type: kind,
        service_name: name,
        instance_count: found.instance_count.get(),
        expected_processes: expected,
        actual_processes: actual,
        healthy_processes: found.responsive(),
        missing_processes: expected.map(|expected| expected.saturating_sub(actual)),
        load,
        capacity,
        utilization_percent: percent(load.unwrap_or_default(), capacity),
        configured: Configured {
            processes_per_instance: found.configured_processes.get(),
            concurrent_requests_per_process: found.configured_concurrency.get(),
        },
        pools: estimates(found),
        pools_aggregate: pools::aggregate(state, component),
        instances: found.instances.iter().map(instance).collect(),
        ..ComponentStats::default()
    })
}

/// Configured processes over all instances; the platform knows no expectation of 0.
fn expected(found: &ComponentState) -> Option<i64> {
    let (per_instance, instances) = found.configured_processes.get().zip(found.instance_count.get())?;
    (per_instance != 0 && instances != 0).then(|| per_instance.saturating_mul(instances))
}

fn estimates(found: &ComponentState) -> PoolEstimates {
    let estimates = &found.pool_estimates;
    PoolEstimates {
        pg_pool_max_size: estimates.postgres_size,
        redis_max_connections: estimates.redis_connections,
        estimated_pg_per_instance: estimates.postgres_per_instance,
        estimated_pg_total: estimates.postgres_total,
    }
}

fn instance(found: &InstanceState) -> ComponentInstance {
    ComponentInstance {
        instance_id: found.instance_id.clone(),
        processes: count(found.statuses.len()),
        healthy_processes: count(found.statuses.iter().filter(|status| status.is_responsive()).count()),
        capacity: found.capacity,
        load: found.load,
        utilization_percent: percent(found.load, found.capacity),
        statuses: found.statuses.iter().map(|status| status.as_str().to_owned()).collect(),
        max_age_seconds: found.max_age_seconds,
        draining: found.draining,
    }
}

fn sse(state: &SystemState, totals: &SseTotals) -> IngressSse {
    let (total, max) = (totals.connections.get(), totals.max.get());
    IngressSse {
        total_connections: total,
        max_connections: max,
        sessions: totals.sessions.get(),
        utilization_percent: total.zip(max).filter(|(_, max)| *max > 0).map(|(total, max)| percent(total, max)),
        windows: windows::rolling(state, RollingSeries::SseConnections),
    }
}

fn proc_queue(state: &SystemState) -> ProcQueue {
    let limits = state.capacity.limits.known();
    let accepts = |limit: fn(&Limits) -> i64| limits.and_then(|limits| state.accepts(limit(limits)));
    ProcQueue {
        total: state.queue.total.get(),
        pressure_ratio: state.queue.pressure.get(),
        thresholds: limits.map(queue::thresholds),
        accepting: Accepting {
            anonymous: accepts(|limits| limits.anonymous),
            registered: accepts(|limits| limits.registered),
            paid: accepts(|limits| limits.paid),
            privileged: accepts(|limits| limits.hard),
        },
        windows: QueueWindows {
            pressure_ratio: windows::rolling(state, RollingSeries::QueuePressure),
            depth: windows::rolling(state, RollingSeries::QueueDepth),
        },
    }
}
