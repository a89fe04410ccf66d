//! The settings of pushes: the schedule, and each sink's own.

use std::time::Duration;

use super::cloudwatch::config::{self as cloudwatch, CloudWatchConfig};
use super::pushgateway::config::{self as pushgateway, PushgatewayConfig};
use crate::settings::{Setting, Settings, setting};

const SCHEDULED: &Setting = setting("METRICS_SCHEDULER_ENABLED");
const INTERVAL: &Setting = setting("METRICS_EXPORT_INTERVAL_SEC");
const ON_START: &Setting = setting("METRICS_EXPORT_ON_START");

/// When and to which sinks the server pushes.
#[derive(Debug, Clone)]
pub struct ExportConfig {
    /// Push at every interval.
    pub scheduled: bool,
    pub interval: Duration,
    /// The first push does not wait for its phase.
    pub on_start: bool,
    pub cloudwatch: Option<CloudWatchConfig>,
    pub pushgateway: Option<PushgatewayConfig>,
}

impl ExportConfig {
    /// Reads schedule and sinks. A sink that is off or wrong is `None`; errors are recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let scheduled = settings.get(SCHEDULED);
        let interval = settings.get(INTERVAL);
        let on_start = settings.get(ON_START);
        // An interval that is not accepted is recorded and returned as its default: the sink's errors are found too.
        let cloudwatch = interval.and_then(|interval| cloudwatch::read(settings, interval));
        let pushgateway = pushgateway::read(settings);
        Some(Self { scheduled: scheduled?, interval: interval?, on_start: on_start?, cloudwatch, pushgateway })
    }
}
