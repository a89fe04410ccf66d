//! Raw facts to truth: pure functions, one module a question, and the typed payload they fill.

mod autoscaler;
mod backpressure;
mod capacity;
mod circuits;
mod components;
mod database;
mod instances;
mod pools;
mod processes;
mod queue;
mod sse;
#[cfg(test)]
mod tests;
mod throttling;
mod transparency;
mod windows;

use crate::base::clock::UnixSeconds;
use crate::base::number::{count, float};
use crate::history::History;
use crate::payload::shapes::{Autoscaler, Components, PoolsAggregate, PoolsByComponent, RedisInfo, SseConnections};
use crate::platform::facts::{Component, Facts, RollingSeries, Unreadable};
use crate::platform::gateway::GatewayConfig;
use capacity::CapacitySource;
use processes::{Processes, service_of};
use queue::Queue;

pub use crate::payload::shapes::SystemPayload;

/// What one tick is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub signals: &'a Facts,
    /// Already holds the tick's facts (see [`History::absorb`]).
    pub history: &'a History,
    pub gateway: &'a GatewayConfig,
    /// This server's own instance id.
    pub instance_id: &'a str,
    /// `SHOW max_connections`, where Postgres is asked.
    pub database_max_connections: Option<i64>,
    pub now: UnixSeconds,
}

/// What several sections are made of, worked out once.
struct TickFacts<'a> {
    inputs: Inputs<'a>,
    /// Seconds after which a heartbeat is stale.
    stale_after: f64,
    fleet: Processes<'a>,
    source: CapacitySource,
    queue: Queue,
    sse: Option<SseConnections>,
}

impl<'a> TickFacts<'a> {
    fn new(inputs: &Inputs<'a>) -> Self {
        let settings = inputs.gateway.settings();
        let stale_after = settings.monitoring.heartbeat_timeout_seconds.as_f64();
        let fleet = Processes::new(inputs.signals, inputs.now, stale_after);
        let source = CapacitySource::new(&fleet, settings);
        let queue = Queue::new(&inputs.signals.queues, source.total);
        let sse_max_age = settings.redis.sse_stats_max_age_seconds.as_f64();
        let sse = sse::connections(inputs.history, &fleet, sse_max_age, inputs.now);
        Self { inputs: *inputs, stale_after, fleet, source, queue, sse }
    }

    /// The component's pools, without history.
    fn pools(&self, component: Component) -> PoolsAggregate {
        let processes = self.fleet.running(service_of(component)).flat_map(|(_, processes)| processes);
        pools::aggregate(&processes.filter_map(|process| process.pools).collect::<Vec<_>>())
    }

    /// The same with history.
    fn pools_over_time(&self, component: Component) -> PoolsAggregate {
        pools::with_windows(self.pools(component), component, self.inputs.history, self.inputs.now)
    }
}

/// The points that this tick adds to the rolling series, before the windows are read; a value that
/// is not known adds none.
#[must_use]
pub fn rolling_points(inputs: &Inputs<'_>) -> Vec<(RollingSeries, f64)> {
    let facts = TickFacts::new(inputs);
    let sse = facts.sse.as_ref().and_then(|sse| sse.total_connections).map(float);
    let single = [
        (RollingSeries::SseConnections, sse),
        (RollingSeries::QueuePressure, facts.queue.pressure),
        (RollingSeries::QueueDepth, facts.queue.total.map(float)),
    ];
    let mut points: Vec<_> =
        single.into_iter().filter_map(|(series, value)| value.map(|value| (series, value))).collect();
    for component in Component::ALL {
        points.extend(pools::points(component, &facts.pools(component)));
    }
    points
}

/// The whole truth of one tick, after its points were recorded in the history.
#[must_use]
pub fn analyze(inputs: &Inputs<'_>) -> SystemPayload {
    let facts = TickFacts::new(inputs);
    let mut monitoring = SystemPayload {
        circuit_breakers: circuits::breakers(inputs.signals, inputs.now),
        sse_connections: facts.sse.clone(),
        queue_depths: inputs.signals.queues.clone(),
        timestamp: inputs.now,
        ..SystemPayload::default()
    };
    add_processes(&mut monitoring, &facts);
    add_queue(&mut monitoring, &facts);
    add_components(&mut monitoring, &facts);
    add_throttling(&mut monitoring, inputs);
    add_configuration(&mut monitoring, inputs.gateway);
    monitoring
}

/// Who runs, and what that amounts to.
fn add_processes(monitoring: &mut SystemPayload, facts: &TickFacts<'_>) {
    let Inputs { signals, gateway, instance_id, now, .. } = facts.inputs;
    let instances = instances::instances(&facts.fleet, gateway, instance_id);
    let global = instances::global(&instances);
    monitoring.redis_info = RedisInfo {
        process_keys_found: count(signals.process_keys_found),
        active_processes: global.actual,
        chat_rest_processes: global.chat_rest.actual,
        max_queue_size: facts.source.total,
    };
    monitoring.capacity_transparency = transparency::transparency(&facts.fleet, &facts.source, gateway.settings(), now);
    monitoring.instances = instances;
    monitoring.global_stats = global;
}

/// What waits; needs the sections of [`add_processes`].
fn add_queue(monitoring: &mut SystemPayload, facts: &TickFacts<'_>) {
    let Inputs { signals, gateway, database_max_connections, .. } = facts.inputs;
    let settings = gateway.settings();
    let stats = queue::stats(&facts.queue, &facts.source, signals, settings.monitoring.queue_analytics_enabled);
    let context = &stats.capacity_context;
    monitoring.enhanced_queue_stats = queue::enhanced(&stats);
    monitoring.backpressure_policy =
        backpressure::policy(context, &monitoring.capacity_transparency, &monitoring.global_stats);
    monitoring.queue_analytics = queue::analytics(&stats);
    monitoring.queue_utilization = facts.queue.utilization;
    monitoring.capacity_info = context.clone();
    monitoring.db_connections = database::connections(settings, database_max_connections, context.instance_count);
    monitoring.queue_stats = stats;
}

/// What an autoscaler looks at; needs the sections of [`add_queue`].
fn add_components(monitoring: &mut SystemPayload, facts: &TickFacts<'_>) {
    let queue = &monitoring.queue_stats;
    let ingress = components::ingress(facts, facts.pools_over_time(Component::Ingress));
    let proc = components::proc(facts, facts.pools_over_time(Component::Proc), queue);
    monitoring.autoscaler = Autoscaler {
        proc: Some(autoscaler::proc(&proc, queue)),
        ingress: Some(autoscaler::ingress(&ingress, facts.sse.as_ref())),
    };
    monitoring.connection_pools.components =
        PoolsByComponent { ingress: Some(ingress.pools_aggregate.clone()), proc: Some(proc.pools_aggregate.clone()) };
    monitoring.components = Components { ingress: Some(ingress), proc: Some(proc) };
}

/// Who was turned away; nothing where that cannot be read.
fn add_throttling(monitoring: &mut SystemPayload, inputs: &Inputs<'_>) {
    let Facts { hourly_requests, unreadable, .. } = inputs.signals;
    if unreadable.contains(&Unreadable::Throttling) {
        return;
    }
    let throttling = inputs.history.throttling();
    let requests = (!unreadable.contains(&Unreadable::HourlyRequests)).then_some(hourly_requests);
    let mut periods = throttling::periods(throttling, requests, inputs.now);
    let recent = throttling::recent(throttling, inputs.now);
    if let Some(hour) = periods.get_mut("1h") {
        hour.recent_events_count = Some(count(recent.len()));
        monitoring.throttling_stats = Some(hour.clone());
    }
    monitoring.throttling_by_period = periods;
    monitoring.throttling_windows = throttling::windows(throttling, inputs.now);
    monitoring.recent_throttling_events = recent;
}

fn add_configuration(monitoring: &mut SystemPayload, gateway: &GatewayConfig) {
    let by_component = |component: Component| (component.as_str().to_owned(), gateway.of(component).clone());
    monitoring.gateway_configuration = gateway.settings().clone();
    monitoring.gateway_config_raw = gateway.raw().clone();
    monitoring.gateway_config_components = Component::ALL.map(by_component).into();
}
