//! `once`: one tick, one push, one line of JSON; for schedulers outside, such as EventBridge.
//!
//! With `--dry-run` nothing is written or pushed: what would be is printed, and what it would cost.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Exit, block_on, fail, print};
use crate::app;
use crate::base::clock::UnixSeconds;
use crate::base::clock::{Clock, SystemClock};
use crate::catalog;
use crate::cli::OnceArgs;
use crate::config::Config;
use crate::engine::snapshot::RunId;
use crate::engine::tick::RecordMode;
use crate::outlets::push::delivery::{ExportOutcome, Exports, Report};
use crate::outlets::push::sink::{ExportBatch, Preview, SnapshotSamples};
use crate::sources::SourceError;
use crate::telemetry::Telemetry;

/// Attempts that a sink gets, in time limits of one.
const ATTEMPTS: u32 = 3;

/// The month that prices are for.
const MONTH: Duration = Duration::from_hours(30 * 24);

pub(super) fn run(config: &Config, arguments: &OnceArgs) -> Exit {
    match block_on(once(config, arguments)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => fail(&format!("{error:#}")),
        Err(error) => fail(&error),
    }
}

async fn once(config: &Config, arguments: &OnceArgs) -> anyhow::Result<Exit> {
    let telemetry = Arc::new(Telemetry::default());
    let exports = app::exports(config, &telemetry)?;
    let now = SystemClock.now();
    let (mut ticker, _) = app::ticker(config, &SystemClock, &telemetry, app::asked_database(config).await)?;
    let tick = match ticker.tick(now, if arguments.dry_run { RecordMode::No } else { RecordMode::Yes }).await {
        Ok(tick) => tick,
        Err(error) => return Ok(nothing_collected(&error, now)),
    };
    telemetry.report_malformed(&tick.malformed);
    if let Some(error) = &tick.record_error {
        telemetry.record_failed(error);
    }
    let truth = SnapshotSamples {
        id: RunId::random().snapshot(1).to_string(),
        at: now,
        samples: catalog::samples(&tick.state),
    };
    let batch = ExportBatch { truth: Some(truth), snapshot_age_seconds: Some((SystemClock.now() - now).max(0.0)) };
    if arguments.dry_run {
        return Ok(print(&previews(config, arguments, &exports, &batch)));
    }
    let report = exports.deliver(batch, config.request_timeout * ATTEMPTS).await;
    Ok(tell(&report))
}

fn nothing_collected(error: &SourceError, now: UnixSeconds) -> Exit {
    let line = json!({"status": "failed", "ts": now, "error": error.to_string(), "sinks": []});
    fail(error);
    print(&format!("{line}\n"));
    Exit::NothingCollected
}

fn tell(report: &Report) -> Exit {
    // A report is plain data: it always is JSON.
    let line = serde_json::to_string(report).unwrap_or_default();
    match (print(&format!("{line}\n")), report.status) {
        (Exit::Fine, ExportOutcome::Ok) => Exit::Fine,
        (Exit::Fine, _) => Exit::SinkFailed,
        (exit, _) => exit,
    }
}

fn previews(config: &Config, arguments: &OnceArgs, exports: &Exports, batch: &ExportBatch) -> String {
    let mut text = String::new();
    for sink in exports.sinks() {
        let preview = sink.preview(batch);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "== {} ==\n{}", sink.name(), preview.text.trim_end());
        text.push_str(&price(&preview, config.export.interval, arguments));
        text.push('\n');
    }
    if exports.is_empty() {
        text.push_str("no sink is enabled: nothing would be sent\n");
    }
    text
}

/// What a service that bills would bill in a month, or nothing.
fn price(preview: &Preview, interval: Duration, arguments: &OnceArgs) -> String {
    let Some(metrics) = preview.billed_metrics else { return String::new() };
    let rounds = MONTH.as_secs_f64() / interval.as_secs_f64();
    let (metrics, requests) = (count(metrics), count(preview.requests) * rounds);
    let cost = metrics * arguments.price_per_metric + requests / 1000.0 * arguments.price_per_1000_requests;
    format!(
        "a month: {metrics} metrics, {requests:.0} requests (one batch every {interval:?}), about {cost:.2} USD at {} USD a metric \
         and {} USD a thousand requests (list prices of us-east-1, November 2026; --price-per-metric and \
         --price-per-1000-requests say otherwise)\n",
        arguments.price_per_metric, arguments.price_per_1000_requests
    )
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
const fn count(number: usize) -> f64 {
    number as f64
}
