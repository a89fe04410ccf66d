//! The settings of the engine: how often it ticks, how long a snapshot is valid, and how much history it keeps.

use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::base::files;
use crate::settings::{Setting, Settings, setting};

const SAMPLE_INTERVAL: &Setting = setting("METRICS_SAMPLE_INTERVAL_SEC");
const STALE_AFTER: &Setting = setting("METRICS_STALE_AFTER_SEC");
const TIME_ZONE: &Setting = setting("TZ");
const HISTORY_MAX_SAMPLES: &Setting = setting("METRICS_HISTORY_MAX_SAMPLES");

/// Cadence and history.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Time between two ticks.
    pub sample_interval: Duration,
    /// The age from which a snapshot is no longer served; more than the sample interval.
    pub stale_after: Duration,
    /// Maximum samples kept per latency series, and maximum throttling events; at least 1.
    pub history_max_samples: usize,
    /// The workers' time zone, by which they name the hours of their counters.
    pub zone: TimeZone,
}

impl EngineConfig {
    /// Reads the engine's settings; errors are recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let sample_interval = settings.get(SAMPLE_INTERVAL);
        let stale_after = settings.get(STALE_AFTER);
        let history_max_samples = settings.get(HISTORY_MAX_SAMPLES);
        if history_max_samples == Some(0) {
            settings.reject(HISTORY_MAX_SAMPLES, "would keep no sample");
        }
        let config = Self {
            sample_interval: sample_interval?,
            stale_after: stale_after?,
            history_max_samples: history_max_samples?,
            zone: read_zone(settings),
        };
        config.reject_short_validity(settings);
        Some(config)
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

/// The zone of `TZ`. One that is none is UTC, as the C library of the workers takes it.
fn read_zone(settings: &mut Settings) -> TimeZone {
    let Some(text) = settings.text(TIME_ZONE) else { return TimeZone::UTC };
    zone(&text).unwrap_or_else(|| {
        let (accepts, origin) = (TIME_ZONE.accepts(), settings.origin(TIME_ZONE));
        settings.warn(format!("TZ {text:?}: is not a time zone and means UTC; accepted: {accepts}; from {origin}"));
        TimeZone::UTC
    })
}

/// The forms that the C library accepts: a name, rules, or a file.
fn zone(text: &str) -> Option<TimeZone> {
    let text = text.strip_prefix(':').unwrap_or(text);
    if text.starts_with('/') {
        return TimeZone::tzif(text, &files::read(Path::new(text)).ok()?).ok();
    }
    TimeZone::get(text).or_else(|_| TimeZone::posix(text)).ok()
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

    #[test]
    fn the_zone_is_named_as_the_c_library_reads_it_and_anything_else_is_utc_with_a_warning() {
        let offset = |text: &str| {
            let mut settings = Settings::from_environment([("TZ", text)]);
            let zone = EngineConfig::read(&mut settings).unwrap().zone;
            let winter = "2026-01-01T00:00:00Z".parse().unwrap();
            (zone.to_offset(winter).seconds() / 60, settings.warnings().len())
        };
        for (text, expected) in [
            ("", (0, 0)),
            ("UTC", (0, 0)),
            ("Asia/Kolkata", (330, 0)),
            (":America/New_York", (-300, 0)),
            ("CET-1CEST,M3.5.0,M10.5.0/3", (60, 0)),
            ("<+03>-3", (180, 0)),
            ("Mars/Olympus", (0, 1)),
            ("/nonexistent", (0, 1)),
        ] {
            assert_eq!(offset(text), expected, "{text}");
        }
    }
}
