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
        if facts.unreadable.contains(&Unreadable::Circuit(circuit)) {
            let keys = [keys.circuit(circuit, "stats"), keys.circuit(circuit, "state")];
            breaker.state = Reading::absent(unreadable::reason(facts, keys));
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
    Breaker {
        state: Reading::Value(state(stats.get("state").and_then(Value::as_str), facts.state.as_deref())),
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

/// The state in the statistics, which is what the platform shows; else the one kept beside them; a circuit without any is
/// closed.
fn state(stats: Option<&str>, kept: Option<&str>) -> CircuitState {
    let known = |word: Option<&str>| word.and_then(CircuitState::named);
    known(stats).or_else(|| known(kept)).unwrap_or(CircuitState::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_unknown_name_is_skipped() {
        let table = [
            (Some("open"), Some("closed"), CircuitState::Open),
            (None, Some("half_open"), CircuitState::HalfOpen),
            (Some("?"), Some("open"), CircuitState::Open),
            (None, None, CircuitState::Closed),
        ];
        for (stats, kept, expected) in table {
            assert_eq!(state(stats, kept), expected);
        }
    }

    #[test]
    fn fields_of_the_wrong_type_take_their_defaults() {
        let stats = serde_json::json!({"failure_count": "many", "opened_at": [], "half_open_calls": 9});
        let facts = CircuitFacts { stats: stats.as_object().cloned(), ..CircuitFacts::default() };
        assert_eq!(breaker(&facts).stats, BreakerStats::default());
    }
}
