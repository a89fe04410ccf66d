//! [`SystemState`] as the platform shows it: names, nesting, duplicates, texts and rounding are the platform's.
//!
//! What is absent in the state is null here, or the platform's default where its payload has no null.

mod autoscaler;
mod backpressure;
mod circuits;
mod components;
mod database;
mod instances;
mod pools;
mod queue;
mod throttling;
mod transparency;
mod windows;

use crate::analysis::state::{Reading, SseTotals, SystemState};
use crate::payload::shapes::{
    Autoscaler, Components, ConnectionPools, PoolsByComponent, RedisInfo, SseConnections, SystemPayload,
};
use crate::platform::facts::Component;
use crate::platform::gateway::GatewayConfig;

/// The payload of `/metrics/combined` (`system`).
#[must_use]
pub fn system(state: &SystemState) -> SystemPayload {
    let mut payload = SystemPayload {
        timestamp: state.at,
        circuit_breakers: circuits::breakers(state),
        sse_connections: state.sse.known().map(sse),
        queue_utilization: queue::utilization_percent(state),
        db_connections: database::connections(state),
        autoscaler: Autoscaler { proc: autoscaler::proc(state), ingress: autoscaler::ingress(state) },
        components: Components { ingress: components::ingress(state), proc: components::proc(state) },
        ..SystemPayload::default()
    };
    let by_component = |component| state.component(component).known().map(|_| pools::aggregate(state, component));
    payload.connection_pools = ConnectionPools {
        components: PoolsByComponent { ingress: by_component(Component::Ingress), proc: by_component(Component::Proc) },
    };
    add_processes(&mut payload, state);
    add_queue(&mut payload, state);
    throttling::add(&mut payload, state);
    if let Some(gateway) = state.gateway.known() {
        add_configuration(&mut payload, gateway);
    }
    payload
}

fn add_processes(payload: &mut SystemPayload, state: &SystemState) {
    payload.instances = instances::instances(state);
    payload.global_stats = instances::global(&payload.instances);
    payload.capacity_transparency = transparency::transparency(state);
    payload.redis_info = RedisInfo {
        process_keys_found: state.fleet.known().map(|fleet| fleet.process_keys_found).unwrap_or_default(),
        active_processes: payload.global_stats.actual,
        chat_rest_processes: payload.global_stats.chat_rest.actual,
        max_queue_size: or_zero(&state.capacity.total),
    };
}

/// Needs the sections of [`add_processes`].
fn add_queue(payload: &mut SystemPayload, state: &SystemState) {
    let stats = queue::stats(state);
    let context = &stats.capacity_context;
    payload.enhanced_queue_stats = queue::enhanced(&stats);
    payload.backpressure_policy = backpressure::policy(context, &payload.capacity_transparency, &payload.global_stats);
    payload.queue_analytics = queue::analytics(state, &stats);
    payload.capacity_info = context.clone();
    payload.queue_stats = stats;
}

fn add_configuration(payload: &mut SystemPayload, gateway: &GatewayConfig) {
    let by_component = |component: Component| (component.as_str().to_owned(), gateway.of(component).clone());
    payload.gateway_configuration = gateway.settings().clone();
    payload.gateway_config_raw = gateway.raw().clone();
    payload.gateway_config_components = Component::ALL.map(by_component).into();
}

fn sse(totals: &SseTotals) -> SseConnections {
    SseConnections {
        total_connections: totals.connections.get(),
        max_connections: totals.max.get(),
        sessions: totals.sessions.get(),
        processes: totals.workers,
        source: "redis".to_owned(),
    }
}

/// The platform's default of a number that its payload always has.
fn or_zero(reading: &Reading<i64>) -> i64 {
    reading.get().unwrap_or_default()
}

#[cfg(test)]
mod tests;
