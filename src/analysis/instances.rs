//! `instances` and `global_stats`: services per instance, and their sums.

use std::collections::BTreeMap;

use super::processes::{Process, Processes, Service, Status, service_of};
use crate::base::number::{count, percent, sum};
use crate::payload::shapes::{GlobalStats, ServiceStats, StatusBreakdown};
use crate::platform::facts::Component;
use crate::platform::gateway::GatewayConfig;

/// Instance id → service key → statistics.
pub(super) type Instances = BTreeMap<String, BTreeMap<String, ServiceStats>>;

/// All instances; without any process the one that should be there: this server's own instance with
/// the configured processes of the gateway component, all missing.
pub(super) fn instances(fleet: &Processes<'_>, gateway: &GatewayConfig, own: &str) -> Instances {
    if fleet.instances.is_empty() {
        let service = service_of(gateway.component());
        let expected = gateway.settings().service_capacity.processes_per_instance.whole().max(1);
        let services = BTreeMap::from([(key(service), service_stats(service, &[], expected))]);
        return BTreeMap::from([(own.to_owned(), services)]);
    }
    let services = |services: &BTreeMap<Service<'_>, Vec<Process<'_>>>| {
        let stats = |processes: &[Process<'_>], service| service_stats(service, processes, count(processes.len()));
        services.iter().map(|(service, processes)| (key(*service), stats(processes, *service))).collect()
    };
    fleet.instances.iter().map(|(instance, found)| ((*instance).to_owned(), services(found))).collect()
}

fn key((kind, name): Service<'_>) -> String {
    format!("{kind}_{name}")
}

fn service_stats(service: Service<'_>, processes: &[Process<'_>], expected: i64) -> ServiceStats {
    let actual = count(processes.len());
    let missing = expected.saturating_sub(actual).max(0);
    let breakdown = breakdown(processes, missing);
    let responsive = breakdown.healthy + breakdown.degraded;
    ServiceStats {
        processes: expected,
        actual_processes: actual,
        load: sum(processes.iter().map(|process| process.load)),
        capacity: sum(processes.iter().map(|process| process.capacity)),
        health: health(expected, breakdown.healthy, responsive).to_owned(),
        healthy_processes: responsive,
        missing_processes: missing,
        status_breakdown: Some(breakdown),
        pids: processes.iter().map(|process| process.pid).collect(),
        // Port 0 is none.
        ports: processes.iter().filter_map(|process| process.port).filter(|port| *port != 0).collect(),
        loads: processes.iter().map(|process| process.load).collect(),
        heartbeats: processes.iter().map(|process| process.last_heartbeat).collect(),
        health_statuses: processes.iter().map(|process| process.status.as_str().to_owned()).collect(),
        is_chat_rest: service == service_of(Component::Ingress),
    }
}

fn breakdown(processes: &[Process<'_>], missing: i64) -> StatusBreakdown {
    let with = |status| count(processes.iter().filter(|process| process.status == status).count());
    StatusBreakdown {
        healthy: with(Status::Healthy),
        degraded: with(Status::Degraded),
        unhealthy: with(Status::Unhealthy),
        stale: with(Status::Stale),
        missing,
    }
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
