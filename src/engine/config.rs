//! The settings of the engine: how often it ticks, how long a snapshot is valid, and how much history it keeps.

use std::time::Duration;

use crate::settings::{Setting, Settings, setting};

const SAMPLE_INTERVAL: &Setting = setting("METRICS_SAMPLE_INTERVAL_SEC");
const LEASE: &Setting = setting("METRICS_LEASE");
const STALE_AFTER: &Setting = setting("METRICS_STALE_AFTER_SEC");
const HISTORY_MAX_SAMPLES: &Setting = setting("METRICS_HISTORY_MAX_SAMPLES");

/// Cadence and history.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Time between two ticks.
    pub sample_interval: Duration,
    /// Whether replicas take turns by a lease; else each records and pushes.
    pub lease: bool,
    /// The age from which a snapshot is no longer served; more than the sample interval.
    pub stale_after: Duration,
    /// Maximum samples kept per latency series, and maximum throttling events; at least 1.
    pub history_max_samples: usize,
}

impl EngineConfig {
    /// Reads the engine's settings; errors are recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let sample_interval = settings.get(SAMPLE_INTERVAL);
        let lease = settings.get(LEASE);
        let stale_after = settings.get(STALE_AFTER);
        let history_max_samples = settings.get(HISTORY_MAX_SAMPLES);
        if history_max_samples == Some(0) {
            settings.reject(HISTORY_MAX_SAMPLES, "would keep no sample");
        }
        let config = Self {
            sample_interval: sample_interval?,
            lease: lease?,
            stale_after: stale_after?,
            history_max_samples: history_max_samples?,
        };
        config.reject_short_validity(settings);
        Some(config)
    }

    /// How long a lease is valid without renewal: three intervals, so that one late tick changes no leader.
    #[must_use]
    pub fn lease_seconds(&self) -> u32 {
        let seconds = (self.sample_interval * 3).as_millis().div_ceil(1000);
        u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
    }

    fn reject_short_validity(&self, settings: &mut Settings) {
        if self.stale_after > self.sample_interval {
            return;
        }
        let problem = format!(
            "{} seconds is not more than METRICS_SAMPLE_INTERVAL_SEC ({}): every snapshot would be stale before the next",
            self.stale_after.as_secs_f64(),
            self.sample_interval.as_secs_f64()
        );
        settings.reject(STALE_AFTER, &problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(variables: &[(&str, &str)]) -> Vec<String> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        EngineConfig::read(&mut settings);
        settings.into_errors().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_defaults_are_accepted() {
        assert_eq!(errors(&[]), [""; 0]);
    }

    #[test]
    fn a_snapshot_must_outlive_the_interval_and_history_must_keep_something() {
        let (stale, interval) = ("METRICS_STALE_AFTER_SEC", "METRICS_SAMPLE_INTERVAL_SEC");
        for (variables, parts) in [
            (
                &[(stale, "5")][..],
                &["METRICS_STALE_AFTER_SEC \"5\": 5 seconds is not more than", "from the environment"],
            ),
            (&[(interval, "30")], &["METRICS_STALE_AFTER_SEC: 30 seconds is not more than", "from the default"]),
            (&[("METRICS_HISTORY_MAX_SAMPLES", "0")], &["METRICS_HISTORY_MAX_SAMPLES \"0\": would keep", "at least 1"]),
        ] {
            let errors = errors(variables);
            assert!(errors.len() == 1 && parts.iter().all(|part| errors[0].contains(part)), "{errors:?}");
        }
        assert_eq!(errors(&[(stale, "5.001")]), [""; 0]);
    }
}
