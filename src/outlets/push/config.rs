//! Settings of pushing: the schedule, and from the settings of each sink to the sink.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::SINKS;
use super::sink::{Sink, SinkError};
use crate::outlets::names::Mapping;
use crate::settings::{Setting, Settings, setting};
use crate::telemetry::Telemetry;

const SCHEDULED: &Setting = setting("METRICS_SCHEDULER_ENABLED");
const INTERVAL: &Setting = setting("METRICS_EXPORT_INTERVAL_SEC");
const ON_START: &Setting = setting("METRICS_EXPORT_ON_START");

/// The configuration of one enabled sink.
pub trait SinkConfig: Debug + Send + Sync {
    /// A sink that connects with its first push.
    ///
    /// # Errors
    /// [`SinkError::Setup`]: the system lacks what the sink needs.
    fn build(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError>;
}

/// What sinks share.
#[derive(Debug, Clone)]
pub struct SinkContext {
    pub mapping: Arc<Mapping>,
    /// The name of this replica.
    pub instance_id: String,
    /// The name of the mode.
    pub mode: &'static str,
    pub telemetry: Arc<Telemetry>,
}

/// One kind of sink.
pub struct SinkKind {
    /// The setting that enables it.
    pub enabled_by: &'static Setting,
    /// Reads and validates all of its settings, enabled or not, given the time between two pushes. `None` if the sink is
    /// disabled or a setting is invalid, which is recorded.
    pub read: fn(&mut Settings, Duration) -> Option<Arc<dyn SinkConfig>>,
}

/// What is pushed, where, and when.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// Push at every interval; otherwise only on demand.
    pub scheduled: bool,
    pub interval: Duration,
    /// Push as soon as there is a snapshot, rather than after a random part of the interval.
    pub on_start: bool,
    /// The enabled ones.
    pub sinks: Vec<Arc<dyn SinkConfig>>,
}

impl PushConfig {
    /// Reads all settings of pushing. A sink that is disabled or invalid is left out; errors are recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let scheduled = settings.get(SCHEDULED);
        // An interval that is not accepted is recorded and returned as its default: the sinks' errors are found too.
        let interval = settings.get(INTERVAL)?;
        let on_start = settings.get(ON_START);
        let sinks = SINKS.iter().filter_map(|kind| (kind.read)(settings, interval)).collect();
        Some(Self { scheduled: scheduled?, interval, on_start: on_start?, sinks })
    }

    /// Builds every enabled sink.
    ///
    /// # Errors
    /// The first sink that cannot be built.
    pub fn build(&self, context: &SinkContext) -> Result<Vec<Box<dyn Sink>>, SinkError> {
        self.sinks.iter().map(|sink| sink.build(context)).collect()
    }
}

/// What to do where no sink is enabled.
pub(super) fn none_enabled() -> String {
    let settings: Vec<_> = SINKS.iter().map(|kind| format!("{}=1", kind.enabled_by.variable())).collect();
    format!("no sink is enabled; {} enables one", settings.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(variables: &[(&str, &str)]) -> (Option<PushConfig>, Vec<String>) {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = PushConfig::read(&mut settings);
        (config, settings.into_errors().into_iter().map(|error| error.to_string()).collect())
    }

    #[test]
    fn every_sink_is_off_by_default_and_its_setting_says_so() {
        assert!(read_all(&[]).0.unwrap().sinks.is_empty());
        for kind in SINKS {
            assert_eq!(kind.enabled_by.default(), "0", "{}", kind.enabled_by.variable());
        }
    }

    #[test]
    fn what_enables_a_sink_is_derived_from_the_list() {
        let text = none_enabled();
        assert!(text.starts_with("no sink is enabled; METRICS_EXPORT_CLOUDWATCH=1 or METRICS_EXPORT_"), "{text}");
        for kind in SINKS {
            assert!(text.contains(&format!("{}=1 ", kind.enabled_by.variable())), "{text}");
        }
    }

    #[test]
    fn settings_of_disabled_sinks_are_validated_together() {
        let wrong = [
            ("METRICS_CLOUDWATCH_NAMESPACE", "AWS/EC2"),
            ("METRICS_PROM_PUSHGATEWAY_URL", "ftp://x"),
            ("METRICS_EXPORT_INTERVAL_SEC", "never"),
        ];
        let (_, errors) = read_all(&wrong);
        for (variable, _) in wrong {
            assert!(errors.iter().any(|error| error.starts_with(variable)), "{variable} is not in {errors:?}");
        }
    }

    #[test]
    fn an_enabled_sink_is_built_under_its_name() {
        let on = [("METRICS_EXPORT_PROMETHEUS_PUSH", "1"), ("METRICS_PROM_PUSHGATEWAY_URL", "http://gateway:9091")];
        let context = SinkContext {
            mapping: Arc::default(),
            instance_id: String::new(),
            mode: "redis",
            telemetry: Arc::default(),
        };
        let sinks = read_all(&on).0.unwrap().build(&context).unwrap();
        assert_eq!(sinks.iter().map(|sink| sink.name()).collect::<Vec<_>>(), ["pushgateway"]);
    }
}
