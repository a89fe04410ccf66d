//! What is pushed, where, and when.

use std::time::Duration;

use super::cloudwatch::config::{self as cloudwatch, CloudWatchConfig};
use super::pushgateway::config::{self as pushgateway, PushgatewayConfig};
use crate::settings::Settings;
use crate::settings::table;

/// The push side.
#[derive(Debug, Clone)]
pub struct ExportConfig {
    /// Push by itself at every interval.
    pub scheduled: bool,
    pub interval: Duration,
    /// The first push does not wait for its phase.
    pub on_start: bool,
    pub cloudwatch: Option<CloudWatchConfig>,
    pub pushgateway: Option<PushgatewayConfig>,
}

/// Reads all of it; a sink that is off or wrong is `None`, and what is wrong is noted.
pub fn read(settings: &mut Settings) -> Option<ExportConfig> {
    let scheduled = settings.get(&table::SCHEDULER_ENABLED);
    let interval = settings.get(&table::EXPORT_INTERVAL);
    let on_start = settings.get(&table::EXPORT_ON_START);
    // An interval that is wrong is noted; the default stands in, so that the rest is judged too.
    let cloudwatch = interval.and_then(|interval| cloudwatch::read(settings, interval));
    let pushgateway = pushgateway::read(settings);
    Some(ExportConfig { scheduled: scheduled?, interval: interval?, on_start: on_start?, cloudwatch, pushgateway })
}
