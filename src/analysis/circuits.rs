//! What each circuit breaker left in Redis, with the platform's defaults for what it did not.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::state::{Breaker, BreakerStats, Reading};
use super::unreadable;
use crate::platform::facts::{Circuit, CircuitFacts, CircuitState, Facts, Unreadable};
use crate::platform::keys::Keys;

/// All circuit breakers.
pub(super) fn breakers(facts: &Facts, keys: &Keys) -> BTreeMap<Circuit, Breaker> {
    let nothing = CircuitFacts::default();
    let breaker = |circuit: Circuit| {
        let left = facts.circuits.get(&circuit).unwrap_or(&nothing);
        let mut breaker = breaker(left);
        let marked = |unreadable| facts.unreadable.contains(&unreadable);
        let gone = marked(Unreadable::Circuit(circuit));
        if gone || marked(Unreadable::CircuitState(circuit)) {
            let keys = [keys.circuit(circuit, "state"), keys.circuit(circuit, "stats")];
            breaker.state = Reading::absent(unreadable::reason(facts, keys));
        }
        if gone {
            breaker.shown = None;
        }
        (circuit, breaker)
    };
    Circuit::ALL.into_iter().map(breaker).collect()
}

fn breaker(facts: &CircuitFacts) -> Breaker {
    let empty = Map::new();
    let stats = facts.stats.as_ref().unwrap_or(&empty);
    let whole = |field: &str| stats.get(field).and_then(Value::as_i64).unwrap_or_default();
    let time = |field: &str| stats.get(field).and_then(Value::as_f64).filter(|time| time.is_finite());
    let in_stats = stats.get("state").and_then(Value::as_str).and_then(CircuitState::named);
    Breaker {
        // The statistics lag behind the state: a circuit that closes fast rewrites the state alone.
        state: Reading::Value(facts.state.or(in_stats).unwrap_or(CircuitState::Closed)),
        shown: Some(in_stats.or(facts.state).unwrap_or(CircuitState::Closed)),
        stats: BreakerStats {
            failure_count: whole("failure_count"),
            success_count: whole("success_count"),
            last_failure_time: time("last_failure_time"),
            last_success_time: time("last_success_time"),
            total_requests: whole("total_requests"),
            total_failures: whole("total_failures"),
            opened_at: time("opened_at"),
            last_state_change: time("last_state_change"),
            consecutive_failures: whole("consecutive_failures"),
            consecutive_successes: whole("consecutive_successes"),
            // Counted anew: the statistics hold what was true when they were written.
            current_window_failures: facts.window_failures,
            half_open_calls: facts.half_open_calls.unwrap_or_default(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_state_decides_and_the_payload_shows_the_statistics() {
        use CircuitState::{Closed, HalfOpen, Open};
        let table = [
            (Some("open"), Some(Closed), Closed, Open),
            (None, Some(HalfOpen), HalfOpen, HalfOpen),
            (Some("open"), None, Open, Open),
            (Some("?"), Some(Open), Open, Open),
            (None, None, Closed, Closed),
        ];
        for (stats, state, expected, shown) in table {
            let stats = stats.and_then(|state| serde_json::json!({"state": state}).as_object().cloned());
            let breaker = breaker(&CircuitFacts { state, stats, ..CircuitFacts::default() });
            assert_eq!((breaker.state.get(), breaker.shown), (Some(expected), Some(shown)));
        }
    }

    #[test]
    fn a_malformed_state_is_absent_and_the_payload_keeps_what_the_platform_shows() {
        let (keys, circuit) = (Keys::sample(), Circuit::Backpressure);
        let open = serde_json::json!({"state": "open"}).as_object().cloned();
        let table = [
            (Unreadable::CircuitState(circuit), open.clone(), Some(CircuitState::Open)),
            (Unreadable::CircuitState(circuit), None, Some(CircuitState::Closed)),
            (Unreadable::Circuit(circuit), None, None),
        ];
        for (unreadable, stats, shown) in table {
            let left = CircuitFacts { stats, ..CircuitFacts::default() };
            let facts =
                Facts { circuits: [(circuit, left)].into(), unreadable: [unreadable].into(), ..Facts::default() };
            let breaker = &breakers(&facts, &keys)[&circuit];
            let reason = breaker.state.reason().unwrap().to_string();
            assert_eq!(reason, "it cannot be read: a:b:kdcube:circuit_breaker:backpressure:state");
            assert_eq!(breaker.shown, shown, "{unreadable:?}");
        }
    }

    #[test]
    fn fields_of_the_wrong_type_take_their_defaults() {
        let stats = serde_json::json!({"failure_count": "many", "opened_at": [], "half_open_calls": 9});
        let facts = CircuitFacts { stats: stats.as_object().cloned(), ..CircuitFacts::default() };
        assert_eq!(breaker(&facts).stats, BreakerStats::default());
    }

    #[test]
    fn the_statistics_are_shown_field_by_field_and_the_window_as_it_is_now() {
        let stats = serde_json::json!({
            "failure_count": 1, "success_count": 2, "last_failure_time": 3.5, "last_success_time": 4,
            "total_requests": 5, "total_failures": 6, "opened_at": 7.25, "last_state_change": 8,
            "consecutive_failures": 9, "consecutive_successes": 10,
            "current_window_failures": 99, "half_open_calls": 99,
        });
        let facts = CircuitFacts {
            stats: stats.as_object().cloned(),
            window_failures: 11,
            half_open_calls: Some(12),
            ..CircuitFacts::default()
        };
        let expected = BreakerStats {
            failure_count: 1,
            success_count: 2,
            last_failure_time: Some(3.5),
            last_success_time: Some(4.0),
            total_requests: 5,
            total_failures: 6,
            opened_at: Some(7.25),
            last_state_change: Some(8.0),
            consecutive_failures: 9,
            consecutive_successes: 10,
            current_window_failures: 11,
            half_open_calls: 12,
        };
        assert_eq!(breaker(&facts).stats, expected);
    }

    #[test]
    fn every_circuit_is_there_and_one_that_left_nothing_is_closed() {
        let keys = Keys::sample();
        let open = CircuitFacts { state: Some(CircuitState::Open), ..CircuitFacts::default() };
        let facts = Facts { circuits: [(Circuit::Backpressure, open)].into(), ..Facts::default() };
        let breakers = breakers(&facts, &keys);
        assert!(breakers.keys().eq(&BTreeSet::from(Circuit::ALL)), "{breakers:?}");
        for (circuit, breaker) in breakers {
            let expected = if circuit == Circuit::Backpressure { CircuitState::Open } else { CircuitState::Closed };
            assert_eq!((breaker.state.get(), breaker.shown), (Some(expected), Some(expected)), "{circuit:?}");
        }
    }
}
