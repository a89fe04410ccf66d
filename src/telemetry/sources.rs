//! Counts of what is read: failed reads, malformed inputs, dropped samples, PostgreSQL.

use std::collections::BTreeMap;

use tracing::warn;

use super::{Telemetry, locked};
use crate::platform::facts::{InputKind, Malformed};

/// What happened to reads since the start.
#[derive(Debug, Clone, Default)]
pub struct SourceCounts {
    /// Failed reads of the source.
    pub errors: u64,
    /// Samples that the history dropped.
    pub dropped_samples: u64,
    /// Failed reads of PostgreSQL's `max_connections`; `None` if it is not queried.
    pub postgres_errors: Option<u64>,
    /// This machine's clock minus the source's, seconds.
    pub clock_offset_seconds: Option<f64>,
    /// Skipped inputs by kind; kinds that never occurred are missing.
    pub malformed: BTreeMap<InputKind, u64>,
}

impl Telemetry {
    /// The source could not be read or returned an error.
    pub fn source_error(&self) {
        locked(&self.sources).errors += 1;
    }

    /// Samples that the history dropped since the start.
    pub fn set_dropped(&self, samples: u64) {
        locked(&self.sources).dropped_samples = samples;
    }

    /// How far this machine's clock is off the source's, as of the last tick.
    pub fn set_clock_offset(&self, seconds: Option<f64>) {
        locked(&self.sources).clock_offset_seconds = seconds;
    }

    /// PostgreSQL is queried: its series starts at 0.
    pub fn register_postgres(&self) {
        locked(&self.sources).postgres_errors.get_or_insert(0);
    }

    /// PostgreSQL's `max_connections` could not be read.
    pub fn postgres_failed(&self) {
        *locked(&self.sources).postgres_errors.get_or_insert(0) += 1;
    }

    /// Counts malformed inputs without logging them.
    pub fn malformed(&self, kind: InputKind, inputs: u64) {
        *locked(&self.sources).malformed.entry(kind).or_default() += inputs;
    }

    /// Counts malformed inputs and logs each kind at most once in ten minutes, with the number since.
    pub fn report_malformed(&self, inputs: &[Malformed]) {
        for input in inputs {
            self.malformed(input.kind, 1);
            if let Some(times) = self.malformed_log.admit(input.kind) {
                let Malformed { kind, key, problem } = input;
                warn!(kind = kind.as_str(), key, problem, times, "malformed input skipped");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Observed;

    #[tokio::test(start_paused = true)]
    async fn every_malformed_input_is_counted_logged_or_not() {
        let telemetry = Telemetry::default();
        let input = |kind| Malformed { kind, key: "key".to_owned(), problem: "not a number".to_owned() };
        telemetry.report_malformed(&[input(InputKind::Circuit), input(InputKind::Circuit), input(InputKind::Index)]);
        telemetry.malformed(InputKind::Index, 4);
        let counts = telemetry.own_state(Observed::default()).sources.malformed;
        assert_eq!(counts, BTreeMap::from([(InputKind::Circuit, 2), (InputKind::Index, 5)]));
    }

    #[test]
    fn postgres_errors_are_absent_unless_it_is_queried() {
        let telemetry = Telemetry::default();
        let errors = || telemetry.own_state(Observed::default()).sources.postgres_errors;
        assert_eq!(errors(), None);
        telemetry.register_postgres();
        assert_eq!(errors(), Some(0));
        telemetry.postgres_failed();
        telemetry.register_postgres();
        assert_eq!(errors(), Some(1));
    }
}
