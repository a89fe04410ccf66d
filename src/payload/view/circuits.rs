//! `circuit_breakers`.

use std::collections::BTreeMap;

use crate::analysis::state::{Breaker, SystemState};
use crate::base::clock::UnixSeconds;
use crate::payload::shapes::CircuitBreaker;
use crate::platform::facts::{Circuit, CircuitState};

/// The word where the platform shows no state.
const UNKNOWN: &str = "unknown";

/// All circuit breakers by name.
pub(super) fn breakers(state: &SystemState) -> BTreeMap<String, CircuitBreaker> {
    state
        .circuits
        .iter()
        .map(|(circuit, breaker)| (circuit.as_str().to_owned(), shown(*circuit, breaker, state.at)))
        .collect()
}

fn shown(circuit: Circuit, breaker: &Breaker, now: UnixSeconds) -> CircuitBreaker {
    let stats = &breaker.stats;
    CircuitBreaker {
        name: circuit.as_str().to_owned(),
        state: breaker.shown.map_or(UNKNOWN, CircuitState::as_str).to_owned(),
        failure_count: stats.failure_count,
        success_count: stats.success_count,
        last_failure_time: stats.last_failure_time,
        last_success_time: stats.last_success_time,
        total_requests: stats.total_requests,
        total_failures: stats.total_failures,
        opened_at: stats.opened_at,
        last_state_change: stats.last_state_change.unwrap_or(now),
        consecutive_failures: stats.consecutive_failures,
        consecutive_successes: stats.consecutive_successes,
        current_window_failures: stats.current_window_failures,
        half_open_calls: stats.half_open_calls,
    }
}
