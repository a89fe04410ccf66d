//! The platform's circuit breakers.

use super::Reading;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::CircuitState;

/// One circuit breaker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Breaker {
    pub state: Reading<CircuitState>,
    /// What the platform shows, even where it guesses; `None` where neither the state nor the statistics can be read.
    pub shown: Option<CircuitState>,
    pub stats: BreakerStats,
}

/// Its statistics, as it left them; what it did not leave is 0 or `None`, as the platform shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BreakerStats {
    pub failure_count: i64,
    pub success_count: i64,
    pub last_failure_time: Option<UnixSeconds>,
    pub last_success_time: Option<UnixSeconds>,
    pub total_requests: i64,
    pub total_failures: i64,
    pub opened_at: Option<UnixSeconds>,
    pub last_state_change: Option<UnixSeconds>,
    pub consecutive_failures: i64,
    pub consecutive_successes: i64,
    pub current_window_failures: i64,
    pub half_open_calls: i64,
}
