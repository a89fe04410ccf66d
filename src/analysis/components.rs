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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::tests::{analysis, beat, departed, gateway_with};
    use crate::history::History;
    use crate::platform::facts::{Facts, HealthWord};
    use crate::platform::gateway::GatewayConfig;

    fn configured(fields: &str) -> Arc<GatewayConfig> {
        Arc::new(gateway_with(fields))
    }

    fn proc(facts: &Facts, gateway: &Arc<GatewayConfig>) -> ComponentState {
        component(&analysis(facts, &History::new(10), gateway), Component::Proc)
    }

    fn two_instances() -> Facts {
        let beats = ["a", "b"].map(|instance| beat(instance, "proc", 1, 1.0, HealthWord::Healthy));
        Facts { heartbeats: beats.into(), ..Facts::default() }
    }

    #[test]
    fn pools_can_amount_to_their_size_for_each_process_of_each_instance() {
        let capacity = r#""service_capacity": {"concurrent_requests_per_process": 5, "processes_per_instance": 2}"#;
        let table = [
            // The configured pools; size, by instance, in total.
            (r#""pools": {"pg_pool_max_size": 7, "redis_max_connections": 9}"#, (Some(7), Some(14), Some(28), Some(9))),
            // A worker without a pool size has one connection for each request.
            (r#""pools": {}"#, (Some(5), Some(10), Some(20), None)),
            // A pool of no connection amounts to nothing that could be told.
            (r#""pools": {"pg_pool_max_size": 0}"#, (Some(0), None, None, None)),
        ];
        for (pools, expected) in table {
            let found = proc(&two_instances(), &configured(&format!("{capacity}, {pools}"))).pool_estimates;
            let found =
                (found.postgres_size, found.postgres_per_instance, found.postgres_total, found.redis_connections);
            assert_eq!(found, expected, "{pools}");
        }
    }

    #[test]
    fn without_concurrency_and_pool_size_nothing_is_estimated() {
        let gateway = configured(r#""service_capacity": {"concurrent_requests_per_process": 0}"#);
        assert_eq!(proc(&two_instances(), &gateway).pool_estimates, PoolEstimates::default());
    }

    #[test]
    fn without_instances_only_their_sum_is_unknown() {
        let gateway =
            configured(r#""pools": {"pg_pool_max_size": 7}, "service_capacity": {"processes_per_instance": 2}"#);
        let found = proc(&Facts::default(), &gateway).pool_estimates;
        assert_eq!((found.postgres_per_instance, found.postgres_total), (Some(14), None));
    }

    #[test]
    fn processes_are_missing_only_where_there_is_none_at_all() {
        let missing = |facts: &Facts, processes: i64, component: Component| {
            let gateway = configured(&format!(r#""service_capacity": {{"processes_per_instance": {processes}}}"#));
            let history = History::new(10);
            let state = super::component(&analysis(facts, &history, &gateway), component);
            state.processes.get().map(|counts| counts.missing)
        };
        assert_eq!(missing(&Facts::default(), 3, Component::Proc), Some(3));
        assert_eq!(missing(&Facts::default(), 0, Component::Proc), Some(1), "one is missing at the least");
        assert_eq!(missing(&Facts::default(), 3, Component::Ingress), Some(0), "not the gateway's own component");
        assert_eq!(missing(&two_instances(), 3, Component::Proc), Some(0));
    }

    #[test]
    fn an_instance_is_as_old_as_its_oldest_process_and_drains_when_all_of_them_stopped_of_late() {
        let table = [
            // Ages of two processes; the instance's age, draining, live.
            ([1.0, 3.0], (3.0, false, true)),
            ([50.0, 3.0], (50.0, false, true)),
            ([50.0, 60.0], (60.0, true, false)),
            ([50.0, 90.0], (90.0, true, false)),
            ([50.0, 90.5], (90.5, false, false)),
        ];
        for (ages, expected) in table {
            let beats = [1, 2].map(|pid| beat("a", "proc", pid, ages[pid as usize - 1], HealthWord::Healthy));
            let facts = Facts { heartbeats: beats.into(), ..Facts::default() };
            let state = proc(&facts, &configured(""));
            let found = &state.instances[0];
            assert_eq!((found.max_age_seconds, found.draining, found.is_live()), expected, "{ages:?}");
        }
    }

    #[test]
    fn load_and_capacity_are_sums_and_those_of_another_service_are_not_in_them() {
        let mut facts = two_instances();
        facts.heartbeats.push(beat("b", "proc", 2, 1.0, HealthWord::Degraded));
        facts.heartbeats.push(beat("b", "rest", 3, 1.0, HealthWord::Healthy));
        facts.departed.push(departed("c", 31.0));
        let state = proc(&facts, &configured(""));
        assert_eq!((state.load.get(), state.capacity.get(), state.instance_count.get()), (Some(15), Some(15), Some(3)));
        let by_instance: Vec<_> =
            state.instances.iter().map(|one| (&*one.instance_id, one.load, one.capacity)).collect();
        assert_eq!(by_instance, [("a", 5, 5), ("b", 10, 10), ("c", 0, 0)]);
        assert_eq!((state.actual(), state.responsive()), (4, 3));
    }
}
