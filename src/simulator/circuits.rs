//! Circuit breakers, as the platform writes their statistics.

use serde_json::{Map, Value, json};

use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Circuit, CircuitFacts, CircuitState};

/// A breaker that has been closed since `started`.
pub(super) fn closed(circuit: Circuit, started: UnixSeconds, now: UnixSeconds, requests: i64) -> CircuitFacts {
    let mut stats = Map::new();
    for (field, value) in [
        ("name", json!(circuit.as_str())),
        ("state", json!("closed")),
        ("failure_count", json!(0)),
        ("success_count", json!(requests)),
        ("last_failure_time", Value::Null),
        ("last_success_time", json!(now)),
        ("total_requests", json!(requests)),
        ("total_failures", json!(0)),
        ("opened_at", Value::Null),
        ("last_state_change", json!(started)),
        ("consecutive_failures", json!(0)),
        ("consecutive_successes", json!(requests)),
        ("current_window_failures", json!(0)),
        ("half_open_calls", json!(0)),
    ] {
        stats.insert(field.to_owned(), value);
    }
    CircuitFacts { state: Some(CircuitState::Closed), stats: Some(stats), window_failures: 0, half_open_calls: None }
}
