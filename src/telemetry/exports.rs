//! Counts of exports, one set per sink.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::histogram::Histogram;
use super::{Telemetry, locked};
use crate::base::clock::UnixSeconds;

/// What happened to a sink's points since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PointCounts {
    /// Points that the sink accepted.
    pub delivered: u64,
    /// Points queued for a later delivery.
    pub waiting: usize,
    /// Points that will never be delivered.
    pub dropped: u64,
}

/// How an export ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportEnd {
    /// All was delivered.
    Ok,
    /// There was no fresh snapshot to push: a problem of the source, not of the sink.
    NoData,
    Failed,
}

/// What happened to exports to one sink since the start.
#[derive(Debug, Clone, Default)]
pub struct SinkCounts {
    pub ok: u64,
    pub no_data: u64,
    pub failed: u64,
    /// Attempts beyond the first of an export.
    pub retries: u64,
    pub last_success: Option<UnixSeconds>,
    pub last_failure: Option<UnixSeconds>,
    pub points: PointCounts,
    pub duration: Histogram,
}

impl Telemetry {
    /// A sink exists: its series start at 0.
    pub fn register_sink(&self, sink: &'static str) {
        locked(&self.exports).entry(sink).or_default();
    }

    /// An export is attempted again.
    pub fn export_retried(&self, sink: &'static str) {
        locked(&self.exports).entry(sink).or_default().retries += 1;
    }

    /// What happened to a sink's points so far.
    pub fn export_points(&self, sink: &'static str, points: PointCounts) {
        locked(&self.exports).entry(sink).or_default().points = points;
    }

    /// An export ended at `now`.
    pub fn export_ended(&self, sink: &'static str, end: ExportEnd, took: Duration, now: UnixSeconds) {
        let mut exports = locked(&self.exports);
        let counts = exports.entry(sink).or_default();
        match end {
            ExportEnd::Ok => (counts.ok, counts.last_success) = (counts.ok + 1, Some(now)),
            ExportEnd::NoData => counts.no_data += 1,
            ExportEnd::Failed => (counts.failed, counts.last_failure) = (counts.failed + 1, Some(now)),
        }
        counts.duration.observe(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Observed;

    #[test]
    fn a_missing_snapshot_is_not_a_failure_of_the_sink() {
        let telemetry = Telemetry::default();
        telemetry.export_ended("cloudwatch", ExportEnd::NoData, Duration::from_millis(1), 5.0);
        let counts = telemetry.own_state(Observed::default()).exports.remove("cloudwatch").unwrap();
        assert_eq!((counts.ok, counts.no_data, counts.failed), (0, 1, 0));
        assert_eq!((counts.last_success, counts.last_failure, counts.duration.count()), (None, None, 1));
    }

    #[test]
    fn the_last_success_and_the_last_failure_are_kept_apart() {
        let telemetry = Telemetry::default();
        for (end, now) in [(ExportEnd::Ok, 5.0), (ExportEnd::Failed, 6.0), (ExportEnd::Ok, 7.0)] {
            telemetry.export_ended("pushgateway", end, Duration::from_millis(1), now);
        }
        let counts = telemetry.own_state(Observed::default()).exports.remove("pushgateway").unwrap();
        assert_eq!((counts.ok, counts.failed), (2, 1));
        assert_eq!((counts.last_success, counts.last_failure), (Some(7.0), Some(6.0)));
    }

    #[test]
    fn registering_a_sink_again_keeps_its_counts() {
        let telemetry = Telemetry::default();
        telemetry.register_sink("pushgateway");
        telemetry.export_retried("pushgateway");
        telemetry.register_sink("pushgateway");
        assert_eq!(telemetry.own_state(Observed::default()).exports["pushgateway"].retries, 1);
    }
}
