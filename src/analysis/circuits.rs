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
    let shown = state(stats.get("state").and_then(Value::as_str), facts.state);
    Breaker {
        state: Reading::Value(shown),
        shown: Some(shown),
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

/// The state in the statistics, which is what the platform shows; else the one kept beside them; else closed.
fn state(stats: Option<&str>, kept: Option<CircuitState>) -> CircuitState {
    stats.and_then(CircuitState::named).or(kept).unwrap_or(CircuitState::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::Scope;

    #[test]
    fn a_state_of_unknown_name_is_skipped() {
        let table = [
            (Some("open"), Some(CircuitState::Closed), CircuitState::Open),
            (None, Some(CircuitState::HalfOpen), CircuitState::HalfOpen),
            (Some("?"), Some(CircuitState::Open), CircuitState::Open),
            (None, None, CircuitState::Closed),
        ];
        for (stats, kept, expected) in table {
            assert_eq!(state(stats, kept), expected);
        }
    }

    #[test]
    fn a_malformed_state_is_absent_and_the_payload_keeps_what_the_platform_shows() {
        let (keys, circuit) =
            (Keys::new(&Scope { tenant: "a".to_owned(), project: "b".to_owned() }), Circuit::Backpressure);
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
}
