//! Counts of ticks: results, duration, cost, and failed writes of their points.

use std::fmt::Display;
use std::time::Duration;

use super::histogram::Histogram;
use super::{Telemetry, locked};
use crate::base::clock::UnixSeconds;
use crate::problems::ProblemCode;
use crate::problems::code::code;

const RECORD_FAILED: ProblemCode = code("record_failed");

/// What happened to ticks since the start.
#[derive(Debug, Clone, Default)]
pub struct TickCounts {
    pub ok: u64,
    pub failed: u64,
    pub duration: Histogram,
    /// Ticks whose points could not be written to the rolling series.
    pub record_errors: u64,
    /// Redis round trips of the last tick.
    pub round_trips: u64,
    /// Redis commands of the last tick.
    pub commands: u64,
}

impl Telemetry {
    /// A tick ended; a failed one published nothing.
    pub fn tick_finished(&self, ok: bool, took: Duration) {
        let mut ticks = locked(&self.ticks);
        *if ok { &mut ticks.ok } else { &mut ticks.failed } += 1;
        ticks.duration.observe(took);
    }

    /// What the last tick cost the source.
    pub fn set_source_cost(&self, round_trips: u64, commands: u64) {
        let mut ticks = locked(&self.ticks);
        (ticks.round_trips, ticks.commands) = (round_trips, commands);
    }

    /// A tick wrote its points to the rolling series, or could not.
    pub fn points_recorded(&self, error: Option<&dyn Display>, now: UnixSeconds) {
        locked(&self.ticks).record_errors += u64::from(error.is_some());
        self.problems.set(RECORD_FAILED, "", error.map(ToString::to_string), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Observed;

    #[test]
    fn results_are_counted_apart_and_every_duration_counts() {
        let telemetry = Telemetry::default();
        telemetry.tick_finished(true, Duration::from_millis(3));
        telemetry.tick_finished(true, Duration::from_millis(4));
        telemetry.tick_finished(false, Duration::from_secs(9));
        let ticks = telemetry.own_state(Observed::default()).ticks;
        assert_eq!((ticks.ok, ticks.failed, ticks.duration.count()), (2, 1, 3));
    }

    #[test]
    fn the_cost_is_that_of_the_last_tick() {
        let telemetry = Telemetry::default();
        telemetry.set_source_cost(3, 41);
        telemetry.set_source_cost(2, 17);
        let ticks = telemetry.own_state(Observed::default()).ticks;
        assert_eq!((ticks.round_trips, ticks.commands), (2, 17));
    }

    #[test]
    fn points_that_are_not_written_are_counted_and_a_problem_until_some_are() {
        let telemetry = Telemetry::default();
        let errors = || telemetry.own_state(Observed::default()).ticks.record_errors;
        telemetry.points_recorded(None, 1.0);
        assert_eq!((errors(), telemetry.problems().active().len()), (0, 0));
        telemetry.points_recorded(Some(&"READONLY"), 2.0);
        let active = telemetry.problems().active();
        assert_eq!((errors(), active[0].code, active[0].detail.as_str()), (1, RECORD_FAILED, "READONLY"));
        telemetry.points_recorded(None, 3.0);
        assert_eq!((errors(), telemetry.problems().active().len()), (1, 0));
    }
}
