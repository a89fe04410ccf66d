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
use crate::analysis::recommendation::Recommendations;
use crate::analysis::state::{
    Breaker, BreakerStats, Capacity, Cause, Database, DatabaseLimit, Demand, LeftOut, LimitOrigin, Reading, Reason,
    SseTotals,
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
        demand: Demand::absent(Cause::NotSentByUpstream),
        scaling: Recommendations::absent(Cause::NotSentByUpstream),
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
        limit_per_replica: Reading::absent(Cause::NotSentByUpstream),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::analysis::state::{Quality, StatusCounts};
    use crate::payload::upstream::read;
    use crate::platform::facts::Pool;

    const BOTH: Sides<'static> = Sides { ingress: None, proc: None, malformed: &[] };

    fn state_of(payload: &Value) -> SystemState {
        state(&read(payload.to_string().as_bytes(), "proc").expect("a payload").system, BOTH)
    }

    #[test]
    fn the_reason_of_an_absent_value_is_the_nearest_to_it() {
        let malformed = [Malformed {
            kind: InputKind::Upstream,
            key: "proc: queue_stats.total".to_owned(),
            problem: "expected i64".to_owned(),
        }];
        let failed = Sides { ingress: Some(Cause::NoUpstream), proc: None, malformed: &malformed };
        for (side, path, reason) in [
            (Component::Proc, "queue_stats.total", "it cannot be read: proc: queue_stats.total (expected i64)"),
            (Component::Proc, "queue_stats.paid", "the upstream does not send it: proc: queue_stats.paid"),
            (Component::Ingress, "queue_stats.total", "no upstream is configured for it: ingress"),
        ] {
            assert_eq!(failed.reason(side, path).to_string(), reason);
        }
        let both = Sides { proc: Some(Cause::UpstreamFailed), ..failed };
        assert_eq!(both.reason(Component::Proc, "queue_stats.total").to_string(), "the upstream request failed: proc");
    }

    #[test]
    fn a_count_below_0_is_no_count() {
        let count = |value| BOTH.count(Component::Proc, "a.b", value);
        assert_eq!((count(Some(0)).get(), count(Some(7)).get()), (Some(0), Some(7)));
        let reason = count(Some(-1)).reason().map(ToString::to_string);
        assert_eq!(reason.as_deref(), Some("the numbers it follows from contradict each other: proc: a.b"));
        assert_eq!(count(None).reason().map(|reason| reason.cause), Some(Cause::NotSentByUpstream));
    }

    #[test]
    fn ingress_is_asked_for_shared_facts_only_where_the_processor_is_not_there() {
        let (there, gone) = (None, Some(Cause::UpstreamFailed));
        for (ingress, proc, side) in [
            (there, there, Component::Proc),
            (gone, there, Component::Proc),
            (there, gone, Component::Ingress),
            (gone, gone, Component::Proc),
        ] {
            assert_eq!(Sides { ingress, proc, malformed: &[] }.of_shared_facts(), side, "{ingress:?} {proc:?}");
        }
    }

    #[test]
    fn thresholds_and_the_database_limit_keep_their_places() {
        let thresholds = json!({"anonymous_threshold": 1, "registered_threshold": 2, "paid_threshold": 3,
            "hard_limit_threshold": 4});
        let found = state_of(&json!({"components": {"proc": {"queue": {"thresholds": thresholds}}}}));
        let expected = Limits { anonymous: 1, registered: 2, paid: 3, hard: 4 };
        assert_eq!(found.capacity.limits, Reading::Value(expected));
        for (source, origin) in [
            (json!("config"), Some(LimitOrigin::Config)),
            (json!("query"), Some(LimitOrigin::Query)),
            (json!("guess"), None),
            (Value::Null, None),
        ] {
            let sent = json!({"db_connections": {"max_connections": 100, "estimated_total": 80, "source": source}});
            let database = state_of(&sent).database;
            assert_eq!(database.limit, Reading::Value(DatabaseLimit { connections: 100, origin }), "{source}");
            assert_eq!(database.estimated_total.get(), Some(80));
        }
    }

    #[test]
    fn one_wrong_number_of_sse_leaves_the_others() {
        let sent = json!({"total_connections": 5, "max_connections": -1, "sessions": 4, "processes": 2});
        let sse = state_of(&json!({"sse_connections": sent})).sse.value().expect("is sent");
        assert_eq!(
            (sse.connections.get(), sse.max.get(), sse.sessions.get(), sse.workers),
            (Some(5), None, Some(4), 2)
        );
        assert!(state_of(&json!({})).sse.known().is_none());
    }

    #[test]
    fn a_circuit_that_never_changed_has_no_time_of_it() {
        let sent = |changed: f64| {
            json!({"state": "half_open", "failure_count": 1, "success_count": 2, "total_requests": 3,
            "total_failures": 4, "opened_at": 5.0, "last_state_change": changed, "consecutive_failures": 6,
            "consecutive_successes": 7, "current_window_failures": 8, "half_open_calls": 9})
        };
        let breaker = |changed| state_of(&json!({"circuit_breakers": {"rate_limiter": sent(changed)}})).circuits;
        let found = breaker(10.0).remove(&Circuit::RateLimiter).expect("is sent");
        assert_eq!((found.state.get(), found.shown), (Some(CircuitState::HalfOpen), Some(CircuitState::HalfOpen)));
        let stats = &found.stats;
        let counts = [
            stats.failure_count,
            stats.success_count,
            stats.total_requests,
            stats.total_failures,
            stats.consecutive_failures,
            stats.consecutive_successes,
            stats.current_window_failures,
            stats.half_open_calls,
        ];
        assert_eq!(counts, [1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!((stats.opened_at, stats.last_state_change), (Some(5.0), Some(10.0)));
        assert_eq!(breaker(0.0)[&Circuit::RateLimiter].stats.last_state_change, None);
    }

    #[test]
    fn statuses_are_known_where_every_instance_says_them_and_they_add_up() {
        let processes = |instances: Value, count: i64| {
            let sent = json!({"components": {"proc": {"instance_count": count}}, "instances": instances});
            state_of(&sent).proc.value().expect("is sent").processes.value()
        };
        let service = |healthy: i64, stale: i64, actual: i64| {
            let breakdown = json!({"healthy": healthy, "degraded": 1, "unhealthy": 0, "stale": stale, "missing": 2});
            json!({"chat_proc": {"actual_processes": actual, "status_breakdown": breakdown}})
        };
        let found = processes(json!({"a": service(3, 0, 4), "b": service(1, 2, 5), "c": {"chat_rest": {}}}), 2);
        let expected =
            StatusCounts { healthy: 4, degraded: 2, unhealthy: 0, stale: 2, missing: 4, draining: 0, unknown: Some(1) };
        assert_eq!(found, Some(expected));
        // More processes by status than processes: how many have an unknown one is unknown too.
        assert_eq!(processes(json!({"a": service(3, 0, 3)}), 1).map(|counts| counts.unknown), Some(None));
        assert_eq!(processes(json!({"a": service(-3, 0, 1)}), 1).map(|counts| counts.healthy), Some(0));
        assert_eq!(processes(json!({"a": service(1, 0, 2), "b": {"chat_proc": {}}}), 2), None);
        assert_eq!(processes(json!({}), 1), None);
        assert_eq!(processes(json!({}), 0), Some(StatusCounts { unknown: Some(0), ..StatusCounts::default() }));
    }

    #[test]
    fn a_pools_utilization_is_as_exact_as_its_numbers_allow() {
        let utilization = |pool: Value| {
            let sent = json!({"components": {"proc": {"pools_aggregate": {"redis": {"sync": pool}}}}});
            state_of(&sent).pools[&(Component::Proc, Pool::RedisSync)].utilization.get()
        };
        let percent = 33.3;
        for (sent, expected) in [
            (
                json!({"utilization_percent": percent, "in_use_total": 1, "max_total": 3, "total_total": 2}),
                Some(1.0 / 3.0),
            ),
            (json!({"utilization_percent": percent, "in_use_total": 1, "total_total": 2}), Some(0.5)),
            (json!({"utilization_percent": percent, "in_use_total": 1, "max_total": 0}), Some(percent / 100.0)),
            (json!({"utilization_percent": percent, "max_total": 3}), Some(percent / 100.0)),
            (json!({"in_use_total": 1, "max_total": 3}), None),
        ] {
            assert_eq!(utilization(sent.clone()), expected, "{sent}");
        }
    }

    #[test]
    fn periods_are_ordered_by_their_length_and_others_are_none() {
        let names = ["24h", "3h", "12h", "1h", "0h", "-1h", "h", "1m", "day"];
        let sent: Value = names.map(|name| (name.to_owned(), json!({"throttle_rate": 12.5}))).into_iter().collect();
        let throttling = state_of(&json!({"throttling_by_period": sent})).throttling.value().expect("is sent");
        assert_eq!(throttling.periods.iter().map(|period| period.hours).collect::<Vec<_>>(), [1, 3, 12, 24]);
        assert!(throttling.periods.iter().all(|period| period.rate.get() == Some(0.125)));
    }

    #[test]
    fn a_decision_of_an_unknown_word_is_absent_and_no_capacity_is_not_0() {
        let sent = json!({"autoscaler": {"proc": {"decision": "explode"}, "ingress": {"decision": "scale_up", "reasons": ["r"]}},
            "components": {"proc": {"load": 3, "capacity": 0}}});
        let found = state_of(&sent);
        assert_eq!(found.quality, Quality::Ok);
        assert!(found.proc_hint.known().is_none() && found.ingress_hint.known().is_some());
        let proc = found.proc.value().expect("is sent");
        assert_eq!((proc.load.get(), proc.capacity.get()), (Some(3), None));
    }
}
