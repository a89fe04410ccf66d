//! Circuit breakers: which there are, their states, and what each left in Redis.

use serde::{Deserialize, Serialize};

/// The platform's circuit breakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Circuit {
    Authentication,
    RateLimiter,
    Backpressure,
}

impl Circuit {
    pub const ALL: [Self; 3] = [Self::Authentication, Self::RateLimiter, Self::Backpressure];

    /// The word in keys, labels and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::RateLimiter => "rate_limiter",
            Self::Backpressure => "backpressure",
        }
    }
}

/// The state of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    Closed,
    Open,
    HalfOpen,
}

impl CircuitState {
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word in Redis, labels and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    /// The state that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// What one circuit breaker left in Redis; each part may be missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CircuitFacts {
    pub state: Option<CircuitState>,
    /// The statistics object as written.
    pub stats: Option<serde_json::Map<String, serde_json::Value>>,
    /// Failures in the window.
    pub window_failures: i64,
    pub half_open_calls: Option<i64>,
}
