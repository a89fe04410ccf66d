//! What upstreams sent, as a state: what they do not send is absent, with the upstream and the path in its payload.
//!
//! An upstream does not say what a role's depth is made of, nor what each process reports: those stay absent.

mod components;
mod pools;
mod queue;
mod throttling;
mod windows;

use std::collections::BTreeMap;

use crate::analysis::SystemState;
use crate::analysis::state::{
    Breaker, BreakerStats, Capacity, Cause, Database, DatabaseLimit, LeftOut, LimitOrigin, Reading, Reason, SseTotals,
};
use crate::payload::shapes::{CircuitBreaker, SystemPayload};
use crate::platform::facts::{Circuit, CircuitState, Component, InputKind, Malformed};
use crate::platform::gateway::Limits;

/// Which sides were read, and what of them could not be.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// Why there is no payload of ingress, where there is none.
    pub ingress: Option<Cause>,
    /// The same of the processor.
    pub proc: Option<Cause>,
    pub malformed: &'a [Malformed],
}

/// The state that a merged payload describes.
#[must_use]
pub fn state(system: &SystemPayload, sides: Sides<'_>) -> SystemState {
    let mut state = SystemState {
        at: system.timestamp,
        ingress: components::component(system, &sides, Component::Ingress),
        proc: components::component(system, &sides, Component::Proc),
        ingress_hint: components::ingress_hint(system, &sides),
        proc_hint: components::proc_hint(system, &sides),
        latency: windows::latency(system, &sides),
        rolling: windows::rolling(system, &sides),
        pools: pools::pools(system, &sides),
        fleet: Reading::absent(sides.reason(Component::Proc, "instances.*.capacity")),
        gateway: Reading::absent(sides.reason(Component::Proc, "gateway_config_raw")),
        capacity: capacity(system, &sides),
        queue: queue::queue(system, &sides),
        sse: sse(system, &sides),
        throttling: throttling::throttling(system, &sides),
        database: database(system, &sides),
        left_out: sides.malformed.iter().map(left_out).collect(),
        ..SystemState::default()
    };
    add_circuits(&mut state, &system.circuit_breakers, &sides);
    state
}

impl Sides<'_> {
    /// Why the value at `path` of a side's payload is absent.
    fn reason(&self, side: Component, path: &str) -> Reason {
        let failed = match side {
            Component::Ingress => self.ingress,
            Component::Proc => self.proc,
        };
        if let Some(cause) = failed {
            return Reason::of(cause, side.as_str());
        }
        let subject = format!("{}: {path}", side.as_str());
        match self.malformed.iter().find(|malformed| malformed.key == subject) {
            Some(malformed) => {
                Reason { problem: Some(malformed.problem.as_str().into()), ..Reason::of(Cause::Unreadable, subject) }
            }
            None => Reason::of(Cause::NotSentByUpstream, subject),
        }
    }

    fn reading<T>(&self, side: Component, path: &str, value: Option<T>) -> Reading<T> {
        Reading::or_absent(value, || self.reason(side, path))
    }

    /// A number of things, which is never negative.
    fn count(&self, side: Component, path: &str, value: Option<i64>) -> Reading<i64> {
        let implausible = || Reason::of(Cause::Implausible, format!("{}: {path}", side.as_str()));
        self.reading(side, path, value).filter(|count| *count >= 0, implausible)
    }

    /// Which side's word counts for what both read from one Redis.
    const fn of_shared_facts(&self) -> Component {
        match (self.ingress, self.proc) {
            (None, Some(_)) => Component::Ingress,
            _ => Component::Proc,
        }
    }
}

fn left_out(malformed: &Malformed) -> LeftOut {
    let reason = Reason::of(Cause::Unreadable, malformed.key.as_str());
    LeftOut {
        kind: malformed.kind,
        times: 1,
        reason: Reason { problem: Some(malformed.problem.as_str().into()), ..reason },
    }
}

fn capacity(system: &SystemPayload, sides: &Sides<'_>) -> Capacity {
    let total = system.queue_stats.capacity_context.weighted_max_capacity;
    let thresholds =
        system.components.proc.as_ref().and_then(|proc| proc.queue.as_ref()).and_then(|queue| queue.thresholds);
    let limits = thresholds.map(|thresholds| Limits {
        anonymous: thresholds.anonymous_threshold,
        registered: thresholds.registered_threshold,
        paid: thresholds.paid_threshold,
        hard: thresholds.hard_limit_threshold,
    });
    Capacity {
        total: sides.count(Component::Proc, "queue_stats.capacity_context.weighted_max_capacity", total),
        limits: sides.reading(Component::Proc, "components.proc.queue.thresholds", limits),
        source: Reading::absent(sides.reason(Component::Proc, "capacity_transparency")),
    }
}

fn sse(system: &SystemPayload, sides: &Sides<'_>) -> Reading<SseTotals> {
    let count = |path, value| sides.count(Component::Ingress, path, value);
    let totals = system.sse_connections.as_ref().map(|sse| SseTotals {
        connections: count("sse_connections.total_connections", sse.total_connections),
        max: count("sse_connections.max_connections", sse.max_connections),
        sessions: count("sse_connections.sessions", sse.sessions),
        workers: sse.processes,
        unknown_workers: 0,
    });
    sides.reading(Component::Ingress, "sse_connections", totals)
}

fn database(system: &SystemPayload, sides: &Sides<'_>) -> Database {
    let sent = &system.db_connections;
    let origin = match sent.source.as_deref() {
        Some("config") => Some(LimitOrigin::Config),
        Some("query") => Some(LimitOrigin::Query),
        _ => None,
    };
    let max = sides.count(Component::Proc, "db_connections.max_connections", sent.max_connections);
    Database {
        limit: max.map(|connections| DatabaseLimit { connections, origin }),
        estimated_total: sides.count(Component::Proc, "db_connections.estimated_total", sent.estimated_total),
        estimate: Reading::absent(sides.reason(Component::Proc, "db_connections")),
    }
}

fn add_circuits(state: &mut SystemState, sent: &BTreeMap<String, CircuitBreaker>, sides: &Sides<'_>) {
    let side = sides.of_shared_facts();
    for (name, breaker) in sent {
        let path = format!("circuit_breakers.{name}");
        match Circuit::ALL.into_iter().find(|circuit| circuit.as_str() == name) {
            Some(circuit) => drop(state.circuits.insert(circuit, circuit_breaker(breaker, side, &path, sides))),
            None => state.left_out.push(LeftOut {
                kind: InputKind::Circuit,
                times: 1,
                reason: Reason::of(Cause::Unknown, format!("{}: {path}", side.as_str())),
            }),
        }
    }
}

fn circuit_breaker(sent: &CircuitBreaker, side: Component, path: &str, sides: &Sides<'_>) -> Breaker {
    let shown = CircuitState::named(&sent.state);
    Breaker {
        state: sides.reading(side, &format!("{path}.state"), shown),
        shown,
        stats: BreakerStats {
            failure_count: sent.failure_count,
            success_count: sent.success_count,
            last_failure_time: sent.last_failure_time,
            last_success_time: sent.last_success_time,
            total_requests: sent.total_requests,
            total_failures: sent.total_failures,
            opened_at: sent.opened_at,
            last_state_change: Some(sent.last_state_change).filter(|at| *at > 0.0),
            consecutive_failures: sent.consecutive_failures,
            consecutive_successes: sent.consecutive_successes,
            current_window_failures: sent.current_window_failures,
            half_open_calls: sent.half_open_calls,
        },
    }
}
