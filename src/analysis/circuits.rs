//! `circuit_breakers`: what each left in Redis, with the platform's defaults for what it did not.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::base::clock::UnixSeconds;
use crate::payload::shapes::CircuitBreaker;
use crate::platform::facts::{Circuit, CircuitFacts, CircuitState, Facts, Unreadable};

/// A state that cannot be read; a circuit without any is closed.
const UNKNOWN: &str = "unknown";

/// All circuit breakers by name.
pub(super) fn breakers(signals: &Facts, now: UnixSeconds) -> BTreeMap<String, CircuitBreaker> {
    let nothing = CircuitFacts::default();
    Circuit::ALL
        .into_iter()
        .map(|circuit| {
            let facts = signals.circuits.get(&circuit).unwrap_or(&nothing);
            let mut breaker = breaker(circuit, facts, now);
            if signals.unreadable.contains(&Unreadable::Circuit(circuit)) {
                UNKNOWN.clone_into(&mut breaker.state);
            }
            (circuit.as_str().to_owned(), breaker)
        })
        .collect()
}

fn breaker(circuit: Circuit, facts: &CircuitFacts, now: UnixSeconds) -> CircuitBreaker {
    let empty = Map::new();
    let stats = facts.stats.as_ref().unwrap_or(&empty);
    let whole = |field: &str| stats.get(field).and_then(Value::as_i64).unwrap_or_default();
    let time = |field: &str| stats.get(field).and_then(Value::as_f64).filter(|time| time.is_finite());
    CircuitBreaker {
        name: circuit.as_str().to_owned(),
        state: state(stats.get("state").and_then(Value::as_str), facts.state.map(CircuitState::as_str)).to_owned(),
        failure_count: whole("failure_count"),
        success_count: whole("success_count"),
        last_failure_time: time("last_failure_time"),
        last_success_time: time("last_success_time"),
        total_requests: whole("total_requests"),
        total_failures: whole("total_failures"),
        opened_at: time("opened_at"),
        last_state_change: time("last_state_change").unwrap_or(now),
        consecutive_failures: whole("consecutive_failures"),
        consecutive_successes: whole("consecutive_successes"),
        // Counted anew: the statistics hold what was true when they were written.
        current_window_failures: facts.window_failures,
        half_open_calls: facts.half_open_calls.unwrap_or_default(),
    }
}

/// The state in the statistics, which is what the platform shows; else the one kept beside them.
fn state(stats: Option<&str>, kept: Option<&str>) -> &'static str {
    let known = |word: Option<&str>| Circuit::STATES.into_iter().find(|state| Some(*state) == word);
    known(stats).or_else(|| known(kept)).unwrap_or("closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_nobody_knows_is_skipped() {
        let table = [
            (Some("open"), Some("closed"), "open"),
            (None, Some("half_open"), "half_open"),
            (Some("?"), Some("open"), "open"),
            (None, None, "closed"),
        ];
        for (stats, kept, expected) in table {
            assert_eq!(state(stats, kept), expected);
        }
    }

    #[test]
    fn fields_of_the_wrong_type_take_their_defaults() {
        let stats = serde_json::json!({"failure_count": "many", "opened_at": [], "half_open_calls": 9});
        let facts = CircuitFacts { stats: stats.as_object().cloned(), ..CircuitFacts::default() };
        let breaker = breaker(Circuit::Backpressure, &facts, 7.5);
        assert_eq!((breaker.failure_count, breaker.opened_at, breaker.half_open_calls), (0, None, 0));
        assert_eq!(breaker.last_state_change, 7.5);
    }
}
