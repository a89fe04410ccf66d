//! Counts of the log events that browsers send, by level and result.

use std::collections::BTreeMap;

use super::{Telemetry, locked};

/// The level of a client event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientEventLevel {
    Error,
    Warn,
    Info,
}

impl ClientEventLevel {
    /// The level in events, responses and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}

/// What became of a client event. Only one that was received has a level that can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientEventOutcome {
    Received(ClientEventLevel),
    Invalid,
    RateLimited,
}

impl ClientEventOutcome {
    /// Every outcome, in the order of series.
    pub const ALL: [Self; 5] = [
        Self::Received(ClientEventLevel::Error),
        Self::Received(ClientEventLevel::Warn),
        Self::Received(ClientEventLevel::Info),
        Self::Invalid,
        Self::RateLimited,
    ];

    /// The value of the label `level`.
    #[must_use]
    pub const fn level(self) -> &'static str {
        match self {
            Self::Received(level) => level.as_str(),
            Self::Invalid | Self::RateLimited => "unknown",
        }
    }

    /// The value of the label `result`.
    #[must_use]
    pub const fn result(self) -> &'static str {
        match self {
            Self::Received(_) => "received",
            Self::Invalid => "invalid",
            Self::RateLimited => "rate_limited",
        }
    }
}

/// Client events since the start, by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientEventCounts(BTreeMap<ClientEventOutcome, u64>);

impl ClientEventCounts {
    /// Events with an outcome.
    #[must_use]
    pub fn of(&self, outcome: ClientEventOutcome) -> u64 {
        self.0.get(&outcome).copied().unwrap_or(0)
    }
}

impl Telemetry {
    /// Client events are received: their series start at 0.
    pub fn register_client_events(&self) {
        locked(&self.client_events).get_or_insert_default();
    }

    /// A client event arrived.
    pub fn client_event(&self, outcome: ClientEventOutcome) {
        *locked(&self.client_events).get_or_insert_default().0.entry(outcome).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::telemetry::Observed;

    fn counts(telemetry: &Telemetry) -> Option<[u64; 5]> {
        let counts = telemetry.own_state(Observed::default()).client_events?;
        Some(ClientEventOutcome::ALL.map(|outcome| counts.of(outcome)))
    }

    #[test]
    fn events_are_counted_by_outcome_once_they_are_received() {
        let telemetry = Telemetry::default();
        assert_eq!(counts(&telemetry), None);
        telemetry.register_client_events();
        assert_eq!(counts(&telemetry), Some([0; 5]));
        let received = ClientEventOutcome::Received(ClientEventLevel::Warn);
        for outcome in [received, received, ClientEventOutcome::Invalid, ClientEventOutcome::RateLimited] {
            telemetry.client_event(outcome);
        }
        telemetry.register_client_events();
        assert_eq!(counts(&telemetry), Some([0, 2, 0, 1, 1]));
    }

    #[test]
    fn no_two_outcomes_share_a_series() {
        let labels = ClientEventOutcome::ALL.map(|outcome| (outcome.level(), outcome.result()));
        assert_eq!(BTreeSet::from(labels).len(), ClientEventOutcome::ALL.len());
    }
}
