//! Counts of what is read: failed reads, malformed inputs, dropped samples, PostgreSQL.

use std::collections::BTreeMap;

use super::{Telemetry, locked};
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{InputKind, Malformed, SeriesFacts, SeriesId};
use crate::problems::ProblemCode;
use crate::problems::code::code;

const POSTGRES_FAILED: ProblemCode = code("postgres_failed");

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
    /// Those that workers write.
    pub series: BTreeMap<SeriesId, SeriesCounts>,
    /// Skipped inputs by kind; kinds that never occurred are missing.
    pub malformed: BTreeMap<InputKind, u64>,
}

/// The times of a series' samples.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeriesCounts {
    /// How far reading is behind, as of the last tick; `None` if the series could not be read.
    pub lag_seconds: Option<f64>,
    /// Samples that wait until their time comes, as of the last tick.
    pub ahead: u64,
    /// Samples that came too late, since the start.
    pub late: u64,
}

impl Telemetry {
    /// What a tick found out about the series.
    pub fn report_series(&self, found: &BTreeMap<SeriesId, SeriesFacts>) {
        let known = &mut locked(&self.sources).series;
        known.values_mut().for_each(|counts| (counts.lag_seconds, counts.ahead) = (None, 0));
        for (series, facts) in found.iter().filter(|(_, facts)| facts.lag_seconds.is_some()) {
            let counts = known.entry(*series).or_default();
            (counts.lag_seconds, counts.ahead) = (facts.lag_seconds, facts.ahead);
            counts.late += facts.late;
        }
    }

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

    /// PostgreSQL's `max_connections` was read, or could not be.
    pub fn postgres_queried(&self, error: Option<String>, now: UnixSeconds) {
        *locked(&self.sources).postgres_errors.get_or_insert(0) += u64::from(error.is_some());
        self.problems.set(POSTGRES_FAILED, "max_connections", error, now);
    }

    /// Counts malformed inputs of a kind.
    pub fn malformed(&self, kind: InputKind, inputs: u64) {
        *locked(&self.sources).malformed.entry(kind).or_default() += inputs;
    }

    /// Counts malformed inputs, and further ones by kind.
    pub fn count_malformed(&self, inputs: &[Malformed], unlisted: &BTreeMap<InputKind, u64>) {
        inputs.iter().for_each(|input| self.malformed(input.kind, 1));
        unlisted.iter().for_each(|(kind, inputs)| self.malformed(*kind, *inputs));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Observed;

    #[test]
    fn every_malformed_input_is_counted_listed_or_not() {
        let telemetry = Telemetry::default();
        let input = |kind| Malformed { kind, key: "key".to_owned(), problem: "not a number".to_owned() };
        let listed = [input(InputKind::Circuit), input(InputKind::Circuit), input(InputKind::Index)];
        telemetry.count_malformed(&listed, &BTreeMap::from([(InputKind::Index, 4)]));
        let counts = telemetry.own_state(Observed::default()).sources.malformed;
        assert_eq!(counts, BTreeMap::from([(InputKind::Circuit, 2), (InputKind::Index, 5)]));
    }

    #[test]
    fn late_samples_add_up_and_the_rest_is_of_the_last_tick() {
        let telemetry = Telemetry::default();
        let facts = SeriesFacts { ahead: 3, late: 2, lag_seconds: Some(0.5), ..SeriesFacts::default() };
        let found = BTreeMap::from([(SeriesId::Throttling, facts)]);
        telemetry.report_series(&found);
        telemetry.report_series(&found);
        let counts = || telemetry.own_state(Observed::default()).sources.series[&SeriesId::Throttling];
        assert_eq!((counts().lag_seconds, counts().ahead, counts().late), (Some(0.5), 3, 4));
        telemetry.report_series(&BTreeMap::new());
        assert_eq!((counts().lag_seconds, counts().ahead, counts().late), (None, 0, 4));
    }

    #[test]
    fn postgres_errors_are_absent_unless_it_is_queried() {
        let telemetry = Telemetry::default();
        let errors = || telemetry.own_state(Observed::default()).sources.postgres_errors;
        assert_eq!(errors(), None);
        telemetry.register_postgres();
        assert_eq!(errors(), Some(0));
        telemetry.postgres_queried(Some("refused".to_owned()), 1.0);
        telemetry.register_postgres();
        assert_eq!((errors(), telemetry.problems().active().len()), (Some(1), 1));
        telemetry.postgres_queried(None, 2.0);
        assert_eq!((errors(), telemetry.problems().active().len()), (Some(1), 0));
    }
}
