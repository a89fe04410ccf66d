//! `components`: what an autoscaler looks at, for ingress and processor.

use super::{or_zero, pools, queue, windows};
use crate::analysis::state::{ComponentInstance as InstanceState, ComponentState, Service, SseTotals, SystemState};
use crate::base::number::{count, percent, sum};
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
    let load = sum(found.instances.iter().map(|instance| instance.load));
    let (capacity, actual) = (or_zero(&found.capacity), found.actual());
    let expected = expected(found);
    Some(ComponentStats {
        service_type: kind.to_string(),
        service_name: name.to_string(),
        instance_count: found.instance_count.get(),
        expected_processes: expected,
        actual_processes: actual,
        healthy_processes: found.responsive(),
        missing_processes: expected.map(|expected| expected.saturating_sub(actual)),
        load: Some(load),
        capacity,
        utilization_percent: percent(load, capacity),
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
        instance_id: found.instance_id.to_string(),
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
        pressure_ratio: state.queue.platform_pressure.get(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::state::{Cause, LatencyWindow, PerWindow, Reading, Status};
    use crate::platform::gateway::Limits;

    fn component(configured: i64, instances: i64) -> ComponentState {
        ComponentState {
            instance_count: Reading::Value(instances),
            configured_processes: Reading::Value(configured),
            ..ComponentState::default()
        }
    }

    #[test]
    fn as_many_processes_are_expected_as_are_configured_on_all_instances() {
        for (configured, instances, expected_processes) in
            [(2, 3, Some(6)), (0, 3, None), (2, 0, None), (i64::MAX, 2, Some(i64::MAX))]
        {
            assert_eq!(expected(&component(configured, instances)), expected_processes, "{configured} {instances}");
        }
        let unknown = ComponentState { configured_processes: Reading::absent(Cause::NotReported), ..component(2, 3) };
        assert_eq!(expected(&unknown), None);
    }

    #[test]
    fn a_components_numbers_are_sums_of_its_instances() {
        let on = |id: &str, load, statuses: &[Status]| InstanceState {
            instance_id: id.into(),
            capacity: 8,
            load,
            statuses: statuses.to_vec(),
            max_age_seconds: 1.5,
            draining: id == "b",
        };
        let instances = vec![
            on("a", 3, &[Status::Healthy, Status::Unhealthy, Status::Stale]),
            on("b", 4, &[Status::Degraded, Status::Null]),
        ];
        let found = ComponentState { capacity: Reading::Value(16), instances, ..component(2, 2) };
        let shown = proc(&SystemState { proc: Reading::Value(found), ..SystemState::default() }).expect("is known");
        assert_eq!((shown.service_type.as_str(), shown.service_name.as_str()), ("chat", "proc"));
        assert_eq!((shown.load, shown.capacity, shown.utilization_percent), (Some(7), 16, 43.8));
        assert_eq!((shown.expected_processes, shown.actual_processes, shown.healthy_processes), (Some(4), 5, 2));
        assert_eq!(shown.missing_processes, Some(-1), "one more than configured");
        let [first, second] = &shown.instances[..] else { panic!("{:?}", shown.instances) };
        assert_eq!((first.processes, first.healthy_processes, first.utilization_percent), (3, 1, 37.5));
        assert_eq!(first.statuses, ["healthy", "unhealthy", "stale"]);
        assert_eq!((second.statuses[1].as_str(), first.draining, second.draining), ("none", false, true));
    }

    #[test]
    fn sse_is_measured_against_a_limit_only_where_there_is_one() {
        for (open, max, expected) in [
            (Reading::Value(30), Reading::Value(40), Some(75.0)),
            (Reading::Value(50), Reading::Value(40), Some(125.0)),
            (Reading::Value(0), Reading::Value(40), Some(0.0)),
            (Reading::Value(30), Reading::Value(0), None),
            (Reading::Value(30), Reading::absent(Cause::NoSample), None),
            (Reading::absent(Cause::NoSample), Reading::Value(40), None),
        ] {
            let totals = SseTotals { connections: open.clone(), max: max.clone(), ..SseTotals::default() };
            let shown = sse(&SystemState::default(), &totals);
            assert_eq!(shown.utilization_percent, expected, "{open:?} of {max:?}");
            assert_eq!((shown.total_connections, shown.max_connections), (open.get(), max.get()));
        }
    }

    #[test]
    fn the_queue_accepts_each_role_below_its_limit_and_says_nothing_without_limits() {
        let mut state = SystemState::default();
        state.queue.total = Reading::Value(2);
        let unknown = proc_queue(&state);
        assert_eq!((unknown.accepting, unknown.thresholds), (Accepting::default(), None));
        state.capacity.limits = Reading::Value(Limits { anonymous: 1, registered: 2, paid: 3, hard: 4 });
        let Accepting { anonymous, registered, paid, privileged } = proc_queue(&state).accepting;
        assert_eq!([anonymous, registered, paid, privileged], [false, false, true, true].map(Some));
    }

    #[test]
    fn each_component_shows_the_latencies_that_are_its_own() {
        let mut state = SystemState {
            ingress: Reading::Value(component(1, 1)),
            proc: Reading::Value(component(1, 1)),
            ..SystemState::default()
        };
        for (series, p95) in
            [(LatencySeries::IngressRest, 1.0), (LatencySeries::QueueWait, 2.0), (LatencySeries::TaskExec, 3.0)]
        {
            let window = LatencyWindow { p95: Reading::Value(p95), ..LatencyWindow::default() };
            state.latency.insert(series, PerWindow { one_minute: window, ..PerWindow::default() });
        }
        let p95 = |shown: ComponentStats| {
            let LatencyByName { rest_ms, queue_wait_ms, exec_ms } = shown.latency;
            [rest_ms, queue_wait_ms, exec_ms].map(|series| series.and_then(|windows| windows.one_minute.p95))
        };
        assert_eq!(p95(ingress(&state).expect("is known")), [Some(1.0), None, None]);
        assert_eq!(p95(proc(&state).expect("is known")), [None, Some(2.0), Some(3.0)]);
        assert!(proc(&state).expect("is known").sse.is_none() && ingress(&state).expect("is known").queue.is_none());
    }
}
