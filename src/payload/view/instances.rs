//! `instances` and `global_stats`: services per instance, and their sums.

use std::collections::BTreeMap;

use crate::analysis::state::{Process, Service, Status, StatusCounts, SystemState};
use crate::base::number::{count, percent, sum};
use crate::payload::shapes::{GlobalStats, ServiceStats, StatusBreakdown};
use crate::platform::facts::Component;

/// Instance id → service key → statistics.
pub(super) type Instances = BTreeMap<String, BTreeMap<String, ServiceStats>>;

/// All instances; without any process the one that should be there: this server's own instance with
/// the configured processes of the gateway component, all missing.
pub(super) fn instances(state: &SystemState) -> Instances {
    let Some(fleet) = state.fleet.known() else { return Instances::default() };
    if fleet.instances.is_empty() {
        return expected(state);
    }
    let services = |services: &BTreeMap<Service, Vec<Process>>| {
        services
            .iter()
            .map(|(service, processes)| (key(service), service_stats(service, processes, count(processes.len()))))
            .collect()
    };
    fleet.instances.iter().map(|(instance, found)| (instance.clone(), services(found))).collect()
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
    let StatusCounts { healthy, degraded, unhealthy, stale, missing, unknown: _ } = counts;
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
