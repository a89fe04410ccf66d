//! Raw facts to [`SystemState`]: pure functions, one module a question. No JSON, no rounding, no I/O, no clock.

mod autoscaler;
mod capacity;
mod circuits;
mod components;
mod database;
mod demand;
mod fleet;
mod left_out;
mod pools;
mod problems;
mod quality;
mod queue;
pub mod recommendation;
#[cfg(test)]
pub(crate) mod recorded;
mod sse;
pub mod state;
#[cfg(test)]
mod tests;
mod throttling;
mod unreadable;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::base::clock::UnixSeconds;
use crate::base::number::float;
use crate::history::{Backlog, History, WriterOffset};
use crate::platform::facts::{Component, Facts, Pool, RollingSeries};
use crate::platform::gateway::GatewayConfig;
use crate::platform::keys::Keys;
use state::{Capacity, Demand, Fleet, PoolTotals, Quality, Queue, Reading};

pub(crate) use autoscaler::{PRESSURE_UP, SSE_UP};
use recommendation::Recommendations;
pub use state::SystemState;

/// What one tick is computed from, besides the history.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    pub facts: &'a Facts,
    pub gateway: &'a Arc<GatewayConfig>,
    /// This server's own instance id.
    pub instance_id: &'a str,
    /// `SHOW max_connections`.
    pub database_max_connections: Reading<i64>,
    /// The saved gateway configuration cannot be used: the one in force may not be the platform's.
    pub is_gateway_uncertain: bool,
    /// Whether anything of the scope is in the source.
    pub is_scope_found: bool,
    /// The workers' time zone.
    pub zone: &'a TimeZone,
    pub now: UnixSeconds,
}

/// One tick under way: what several sections need, computed once. First it gives the points that the tick adds to the
/// history, then, after these were recorded, the state.
#[derive(Debug)]
pub struct Analysis<'a> {
    inputs: Inputs<'a>,
    keys: Keys,
    /// Seconds after which a heartbeat is stale.
    stale_after: f64,
    fleet: Fleet,
    quality: Quality,
    writer_offsets: BTreeMap<String, WriterOffset>,
    capacity: Capacity,
    queue: Queue,
    demand: Demand,
    sse: sse::Counted,
    pools: BTreeMap<(Component, Pool), PoolTotals>,
}

impl<'a> Analysis<'a> {
    /// Begins a tick. `history` already holds the tick's facts (see [`History::absorb`]).
    #[must_use]
    pub fn new(inputs: Inputs<'a>, history: &History) -> Self {
        let Inputs { facts, gateway, now, .. } = inputs;
        let settings = gateway.settings();
        let keys = Keys::new(gateway.scope());
        let stale_after = settings.monitoring.heartbeat_timeout_seconds.as_f64();
        let fleet = fleet::fleet(facts, now, stale_after);
        let capacity = capacity::capacity(&inputs, &fleet, stale_after);
        let writer_offsets = history.writer_offsets().clone();
        let quality = quality::quality(&inputs, &fleet, &writer_offsets);
        let queue = queue::queue(&inputs, history, &keys, &capacity);
        let demand = demand::demand(&inputs, &fleet, &queue, &keys);
        let sse = sse::count(&inputs, history, &fleet, &keys);
        let pools = pools::totals(&fleet);
        Self { inputs, keys, stale_after, fleet, quality, writer_offsets, capacity, queue, demand, sse, pools }
    }

    /// The points that this tick adds to the rolling series; a value that is absent adds none.
    #[must_use]
    pub fn rolling_points(&self) -> Vec<(RollingSeries, f64)> {
        if self.quality == Quality::ScopeNotFound {
            return Vec::new();
        }
        let single = [
            (RollingSeries::SseConnections, self.sse.connections().map(float)),
            (RollingSeries::QueuePressure, self.queue.pressure.clone()),
            (RollingSeries::QueueDepth, self.queue.total.clone().map(float)),
        ];
        let known = |(series, reading): (RollingSeries, Reading<f64>)| Some((series, reading.value()?));
        single.into_iter().filter_map(known).chain(pools::points(&self.pools)).collect()
    }

    /// What waits and is worked on, for the history: rates follow from it.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        demand::backlog(&self.inputs, &self.demand)
    }

    /// The state of the tick; `history` holds its points by now, if they were recorded.
    #[must_use]
    pub fn finish(mut self, history: &History) -> SystemState {
        let ingress = components::component(&self, Component::Ingress);
        let proc = components::component(&self, Component::Proc);
        let demand = std::mem::take(&mut self.demand);
        let demand = demand::finish(&self, demand, history);
        let Inputs { facts, gateway, zone, now, .. } = self.inputs;
        let max_connections = std::mem::take(&mut self.inputs.database_max_connections);
        let database = database::database(gateway.settings(), max_connections, &self.capacity.source);
        let mut state = SystemState {
            scope: Some(Arc::new(gateway.scope().clone())),
            at: now,
            instance_id: self.inputs.instance_id.to_owned(),
            ingress_hint: Reading::Value(autoscaler::ingress(&ingress, &self.sse.totals)),
            proc_hint: Reading::Value(autoscaler::proc(&proc, &self.queue)),
            latency: windows::latency(facts, history, &self.keys),
            rolling: windows::rolling(&self, history),
            window_fill: windows::fill(facts, history, now),
            throttling: throttling::throttling(facts, history.throttling(), &self.keys, zone, now),
            circuits: circuits::breakers(facts, &self.keys),
            database,
            left_out: left_out::left_out(facts, self.sse.expired),
            ingress: Reading::Value(ingress),
            proc: Reading::Value(proc),
            fleet: Reading::Value(self.fleet),
            capacity: self.capacity,
            queue: self.queue,
            demand,
            sse: self.sse.totals,
            sse_unknown_workers: Reading::Value(self.sse.unknown_workers),
            pools: self.pools,
            gateway: Reading::Value(Arc::clone(gateway)),
            quality: self.quality,
            writer_offsets: known_offsets(self.writer_offsets),
            scaling: Recommendations::default(),
            problems: Vec::new(),
        };
        state.problems = problems::problems(&state, facts, &self.keys);
        state
    }
}

/// Of the instances whose clock is known to be off.
fn known_offsets(offsets: BTreeMap<String, WriterOffset>) -> BTreeMap<String, f64> {
    offsets.into_iter().filter_map(|(instance, offset)| Some((instance, offset.seconds?))).collect()
}
