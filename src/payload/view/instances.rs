//! `instances` and `global_stats`: services per instance, and their sums.

use std::collections::BTreeMap;

use crate::analysis::state::{Process, ProcessGroup, Service, Status, StatusCounts, SystemState};
use crate::base::number::{count, percent, sum};
use crate::payload::shapes::{GlobalStats, ServiceStats, StatusBreakdown};
use crate::platform::facts::Component;

/// Instance id → service key → statistics.
pub(super) type Instances = BTreeMap<String, BTreeMap<String, ServiceStats>>;

/// All instances; without any process the one that should be there: this server's own instance with
/// the configured processes of the gateway component, all missing.
pub(super) fn instances(state: &SystemState) -> Instances {
    let Some(fleet) = state.fleet.known() else { return Instances::default() };
    if fleet.groups.is_empty() {
        return expected(state);
    }
    let mut instances = Instances::default();
    for ProcessGroup { instance, service, processes } in &fleet.groups {
        let stats = service_stats(service, processes, count(processes.len()));
        instances.entry(instance.to_string()).or_default().insert(key(service), stats);
    }
    instances
}

fn expected(state: &SystemState) -> Instances {
    let Some(gateway) = state.gateway.known() else { return Instances::default() };
    let service = Service::of(gateway.component());
    let expected = gateway.settings().service_capacity.processes_per_instance.whole().max(1);
    let services = BTreeMap::from([(key(&service), service_stats(&service, &[], expected))]);
    BTreeMap::from([(state.instance_id.clone(), services)])
}

fn key(service: &Service) -> String {
    format!("{}_{}", service.kind, service.name)
}

fn service_stats(service: &Service, processes: &[Process], expected: i64) -> ServiceStats {
    let actual = count(processes.len());
    let missing = expected.saturating_sub(actual).max(0);
    let counts = StatusCounts::of(processes.iter().map(|process| process.status), missing);
    let responsive = counts.healthy + counts.degraded;
    ServiceStats {
        processes: expected,
        actual_processes: actual,
        load: sum(processes.iter().map(|process| process.load)),
        capacity: sum(processes.iter().map(|process| process.capacity)),
        health: health(expected, counts.healthy, responsive).to_owned(),
        healthy_processes: responsive,
        missing_processes: missing,
        status_breakdown: Some(breakdown(counts)),
        pids: processes.iter().map(|process| process.pid).collect(),
        // Port 0 is none.
        ports: processes.iter().filter_map(|process| process.port).filter(|port| *port != 0).collect(),
        loads: processes.iter().map(|process| process.load).collect(),
        heartbeats: processes.iter().map(|process| process.last_heartbeat).collect(),
        health_statuses: processes.iter().map(|process| Status::as_str(process.status).to_owned()).collect(),
        is_chat_rest: *service == Service::of(Component::Ingress),
    }
}

const fn breakdown(counts: StatusCounts) -> StatusBreakdown {
    let StatusCounts { healthy, degraded, unhealthy, stale, missing, draining: _, unknown: _ } = counts;
    StatusBreakdown { healthy, degraded, unhealthy, stale, missing }
}

const fn health(expected: i64, healthy: i64, responsive: i64) -> &'static str {
    if healthy == expected {
        "healthy"
    } else if responsive > 0 {
        "degraded"
    } else {
        "unhealthy"
    }
}

/// The sums over all instances.
pub(super) fn global(instances: &Instances) -> GlobalStats {
    let mut stats = GlobalStats { total_instances: count(instances.len()), ..GlobalStats::default() };
    for services in instances.values() {
        if services.values().all(|service| service.health != "unhealthy") {
            stats.healthy_instances += 1;
        }
        for service in services.values() {
            add(&mut stats, service);
        }
    }
    stats.utilization_percent = percent(stats.load, stats.capacity);
    stats.chat_rest.utilization_percent = percent(stats.chat_rest.load, stats.chat_rest.capacity);
    stats
}

fn add(stats: &mut GlobalStats, service: &ServiceStats) {
    stats.load = stats.load.saturating_add(service.load);
    stats.capacity = stats.capacity.saturating_add(service.capacity);
    stats.healthy += service.healthy_processes;
    stats.total = stats.total.saturating_add(service.processes);
    stats.actual += service.actual_processes;
    if service.is_chat_rest {
        let rest = &mut stats.chat_rest;
        rest.load = rest.load.saturating_add(service.load);
        rest.capacity = rest.capacity.saturating_add(service.capacity);
        rest.healthy += service.healthy_processes;
        rest.expected = rest.expected.saturating_add(service.processes);
        rest.actual += service.actual_processes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(status: Status, port: i64) -> Process {
        let (pid, port) = (Some(port + 1), Some(port));
        Process { pid, port, load: 2, last_heartbeat: 9.5, age: 0.0, ..Process::sample(status) }
    }

    fn stats(component: Component, statuses: &[Status], expected: i64) -> ServiceStats {
        let processes: Vec<Process> = statuses.iter().zip(0..).map(|(status, port)| process(*status, port)).collect();
        service_stats(&Service::of(component), &processes, expected)
    }

    #[test]
    fn a_service_is_healthy_where_all_that_are_expected_are() {
        for (statuses, expected, word, missing) in [
            (&[Status::Healthy, Status::Healthy][..], 2, "healthy", 0),
            (&[Status::Healthy, Status::Degraded], 2, "degraded", 0),
            (&[Status::Degraded, Status::Stale], 2, "degraded", 0),
            (&[Status::Healthy], 2, "degraded", 1),
            (&[Status::Unhealthy, Status::Stale], 2, "unhealthy", 0),
            (&[Status::Unknown, Status::Null], 2, "unhealthy", 0),
            (&[], 2, "unhealthy", 2),
            (&[Status::Healthy, Status::Healthy], 1, "degraded", 0),
        ] {
            let stats = stats(Component::Proc, statuses, expected);
            assert_eq!((stats.health.as_str(), stats.missing_processes), (word, missing), "{statuses:?} of {expected}");
            assert_eq!((stats.processes, stats.actual_processes), (expected, count(statuses.len())));
            let responsive = statuses.iter().filter(|status| status.is_responsive()).count();
            assert_eq!(stats.healthy_processes, count(responsive));
        }
    }

    #[test]
    fn lists_are_in_the_order_of_the_processes_and_port_0_is_none() {
        let stats = stats(Component::Ingress, &[Status::Null, Status::Stale, Status::Healthy], 3);
        assert_eq!((stats.pids, stats.ports), (vec![Some(1), Some(2), Some(3)], vec![1, 2]));
        assert_eq!(stats.health_statuses, ["none", "stale", "healthy"]);
        assert_eq!((stats.load, stats.capacity, stats.loads), (6, 15, vec![2, 2, 2]));
        let breakdown = StatusBreakdown { healthy: 1, stale: 1, ..StatusBreakdown::default() };
        assert_eq!((stats.status_breakdown, stats.is_chat_rest), (Some(breakdown), true));
    }

    #[test]
    fn an_instance_is_healthy_while_none_of_its_services_is_unhealthy() {
        let service = |component, statuses: &[Status]| {
            (key(&Service::of(component)), stats(component, statuses, count(statuses.len())))
        };
        let instances = Instances::from([
            ("a".to_owned(), [service(Component::Ingress, &[Status::Healthy])].into()),
            (
                "b".to_owned(),
                [
                    service(Component::Ingress, &[Status::Degraded, Status::Stale]),
                    service(Component::Proc, &[Status::Healthy]),
                ]
                .into(),
            ),
            (
                "c".to_owned(),
                [service(Component::Ingress, &[Status::Healthy]), service(Component::Proc, &[Status::Stale])].into(),
            ),
        ]);
        let sums = global(&instances);
        assert_eq!((sums.total_instances, sums.healthy_instances), (3, 2));
        assert_eq!((sums.total, sums.actual, sums.healthy), (6, 6, 4));
        assert_eq!((sums.load, sums.capacity, sums.utilization_percent), (12, 30, 40.0));
        let rest = &sums.chat_rest;
        assert_eq!((rest.expected, rest.actual, rest.healthy, rest.load, rest.capacity), (4, 4, 3, 8, 20));
        assert_eq!(global(&Instances::new()).utilization_percent, 0.0);
    }
}
