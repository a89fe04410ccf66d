//! The commands that append a tick's points to the rolling series. Their trimming and expiry are renewed once a minute.

use std::collections::BTreeMap;

use redis::Pipeline;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::RollingSeries;
use crate::platform::keys::Keys;
use crate::platform::python::python_float;

/// The rolling series are kept this long, as the platform's writers keep theirs.
const SERIES_SECONDS: f64 = 3600.0;
/// And expire this long after the last renewal: no window reaches the last point then.
const SERIES_EXPIRE: u64 = 3660;
/// Seconds between two renewals of a series.
const RENEW_AFTER: f64 = 60.0;

/// When each series was renewed last.
#[derive(Debug, Default)]
pub(super) struct PointWriter {
    renewed: BTreeMap<RollingSeries, UnixSeconds>,
}

impl PointWriter {
    /// The member that stands for a point.
    pub(super) fn member(now: UnixSeconds, value: f64) -> String {
        format!("{}:{}", python_float(now), python_float(value))
    }

    /// The commands that append these points.
    pub(super) fn append(&mut self, keys: &Keys, now: UnixSeconds, points: &[(RollingSeries, f64)]) -> Pipeline {
        let mut pipeline = Pipeline::new();
        for &(series, value) in points {
            let key = keys.rolling(series);
            pipeline.cmd("ZADD").arg(&key).arg(python_float(now)).arg(Self::member(now, value));
            if self.is_due(series, now) {
                let oldest = python_float(now - SERIES_SECONDS);
                pipeline.cmd("ZREMRANGEBYSCORE").arg(&key).arg("-inf").arg(oldest);
                pipeline.cmd("EXPIRE").arg(&key).arg(SERIES_EXPIRE);
            }
        }
        pipeline
    }

    /// Whether the write took effect is unknown: the next one renews every series.
    pub(super) fn lost(&mut self) {
        self.renewed.clear();
    }

    fn is_due(&mut self, series: RollingSeries, now: UnixSeconds) -> bool {
        let renewed = self.renewed.get(&series);
        let is_due = renewed.is_none_or(|renewed| !(0.0..RENEW_AFTER).contains(&(now - renewed)));
        if is_due {
            self.renewed.insert(series, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_trimmed_and_expires_from_its_first_point_on_and_once_a_minute() {
        let keys = Keys::sample();
        let mut writer = PointWriter::default();
        let (depth, pressure) = ((RollingSeries::QueueDepth, 1.0), (RollingSeries::QueuePressure, 0.5));
        let mut commands = |now, points: &[_]| writer.append(&keys, now, points).len();
        assert_eq!(commands(0.0, &[depth]), 3);
        assert_eq!(commands(5.0, &[depth, pressure]), 1 + 3, "a new series never lives for ever");
        assert_eq!(commands(59.0, &[depth, pressure]), 2);
        assert_eq!(commands(60.0, &[depth, pressure]), 3 + 1);
        assert_eq!(commands(50.0, &[depth]), 3, "a clock that was set back");
        writer.lost();
        assert_eq!(writer.append(&keys, 51.0, &[depth]).len(), 3);
    }
}
