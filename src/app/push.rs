//! The sinks, and their schedule.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::base::clock::SystemClock;
use crate::base::lease::Leadership;
use crate::config::Config;
use crate::engine::snapshot::SnapshotReader;
use crate::outlets::push::config::SinkContext;
use crate::outlets::push::delivery::Exports;
use crate::outlets::push::scheduler::{self, Schedule};
use crate::telemetry::Telemetry;

/// Starts the scheduled pushes, if there are any.
pub(super) fn scheduled(
    config: &Config,
    exports: &Arc<Exports>,
    reader: &SnapshotReader,
    leadership: &Leadership,
) -> Option<JoinHandle<()>> {
    let push = &config.export;
    if !push.scheduled {
        return None;
    }
    if exports.is_empty() {
        tracing::warn!("METRICS_SCHEDULER_ENABLED=1, but no sink is enabled: nothing will be pushed");
        return None;
    }
    let schedule = Schedule {
        interval: push.interval,
        on_start: push.on_start,
        keep: Duration::from_secs(u64::from(config.engine.lease_seconds()) * 2) + push.interval,
    };
    let pushes = scheduler::run(Arc::clone(exports), reader.clone(), leadership.clone(), schedule);
    Some(tokio::spawn(pushes))
}

/// The enabled sinks.
///
/// # Errors
/// A sink cannot be built.
pub fn exports(config: &Config, telemetry: &Arc<Telemetry>) -> anyhow::Result<Exports> {
    let context = SinkContext {
        mapping: Arc::new(config.mapping.clone()),
        instance_id: config.instance_id.clone(),
        mode: config.source.mode().as_str(),
        telemetry: Arc::clone(telemetry),
    };
    let sinks = config.export.build(&context)?;
    Ok(Exports::new(sinks, telemetry, Arc::new(SystemClock), config.request_timeout))
}
