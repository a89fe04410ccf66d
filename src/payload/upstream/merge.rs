//! Two sides, one truth: which side's word counts for what.

use std::collections::BTreeMap;

use crate::base::clock::UnixSeconds;
use crate::payload::shapes::{ServiceStats, SystemPayload};

/// The service that is ingress, as instances name it.
const INGRESS: &str = "chat_rest";

/// What both sides say together as of `now`.
///
/// Ingress is asked for its own component and SSE; the processor for queue, capacity and all the
/// rest. Each side computes the queue's numbers with its own slice of the gateway configuration, so
/// those of ingress do not stand in for the processor's. What comes out of one Redis whoever looks
/// (throttling, circuit breakers) does.
#[must_use]
pub fn merge(ingress: Option<SystemPayload>, proc: Option<SystemPayload>, now: UnixSeconds) -> SystemPayload {
    let mut system = match (&ingress, proc) {
        (_, Some(proc)) => without_ingress(proc),
        (Some(ingress), None) => shared(ingress),
        (None, None) => SystemPayload::default(),
    };
    if let Some(ingress) = ingress {
        add_ingress(&mut system, ingress);
    }
    system.timestamp = now;
    system
}

fn without_ingress(mut proc: SystemPayload) -> SystemPayload {
    proc.components.ingress = None;
    proc.autoscaler.ingress = None;
    proc.connection_pools.components.ingress = None;
    proc.sse_connections = None;
    keep_services(&mut proc.instances, |service| service != INGRESS);
    proc
}

fn shared(ingress: &SystemPayload) -> SystemPayload {
    SystemPayload {
        throttling_stats: ingress.throttling_stats.clone(),
        throttling_by_period: ingress.throttling_by_period.clone(),
        throttling_windows: ingress.throttling_windows.clone(),
        recent_throttling_events: ingress.recent_throttling_events.clone(),
        circuit_breakers: ingress.circuit_breakers.clone(),
        ..SystemPayload::default()
    }
}

fn add_ingress(system: &mut SystemPayload, mut ingress: SystemPayload) {
    system.components.ingress = ingress.components.ingress;
    system.autoscaler.ingress = ingress.autoscaler.ingress;
    system.connection_pools.components.ingress = ingress.connection_pools.components.ingress;
    system.sse_connections = ingress.sse_connections;
    keep_services(&mut ingress.instances, |service| service == INGRESS);
    for (instance, services) in ingress.instances {
        system.instances.entry(instance).or_default().extend(services);
    }
}

type Instances = BTreeMap<String, BTreeMap<String, ServiceStats>>;

fn keep_services(instances: &mut Instances, keep: impl Fn(&str) -> bool) {
    for services in instances.values_mut() {
        services.retain(|service, _| keep(service));
    }
    instances.retain(|_, services| !services.is_empty());
}
