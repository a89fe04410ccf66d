//! `once`: one tick, one push, one line of JSON; for external schedulers such as EventBridge.
//!
//! With `--dry-run` nothing is written or pushed: it prints what would be pushed, and what that would cost.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{Exit, block_on, fail, print};
use crate::app;
use crate::base::clock::{Clock, SystemClock, UnixSeconds};
use crate::base::number::{count, float};
use crate::cli::OnceArgs;
use crate::config::Config;
use crate::engine::snapshot::Snapshot;
use crate::engine::tick::RecordMode;
use crate::outlets::push::batch::ExportBatch;
use crate::outlets::push::delivery::{ExportOutcome, Exports, Report};
use crate::outlets::push::sink::Preview;
use crate::sources::SourceError;
use crate::telemetry::Telemetry;

/// Time for all attempts of a sink, as a multiple of the time limit of one.
const ATTEMPTS: u32 = 3;

/// What prices are per.
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
    let (now, taken) = (SystemClock.now(), Instant::now());
    let (mut ticker, _) = app::ticker(config, &SystemClock, &telemetry, app::asked_database(config).await)?;
    let tick = match ticker.tick(now, if arguments.dry_run { RecordMode::No } else { RecordMode::Yes }).await {
        Ok(tick) => tick,
        Err(error) => return Ok(nothing_collected(&error, now)),
    };
    telemetry.report_malformed(&tick.malformed);
    if let Some(error) = &tick.record_error {
        telemetry.record_failed(error);
    }
    let snapshot = Snapshot { id: format!("once-{now}"), taken_at: now, taken, monitoring: tick.monitoring };
    let batch = ExportBatch::of(&snapshot);
    if arguments.dry_run {
        return Ok(print(&previews(config, arguments, &exports, &batch)));
    }
    let report = exports.deliver(batch, config.request_timeout * ATTEMPTS).await;
    Ok(print_report(&report))
}

fn nothing_collected(error: &SourceError, now: UnixSeconds) -> Exit {
    let line = json!({"status": "failed", "ts": now, "error": error.to_string(), "sinks": []});
    fail(error);
    print(&format!("{line}\n"));
    Exit::NothingCollected
}

fn print_report(report: &Report) -> Exit {
    // Plain data always serializes.
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

/// The cost of a month, or nothing for a sink that is free.
fn price(preview: &Preview, interval: Duration, arguments: &OnceArgs) -> String {
    let Some(metrics) = preview.billed_metrics else { return String::new() };
    let batches = MONTH.as_secs_f64() / interval.as_secs_f64();
    let (metrics, requests) = (float(count(metrics)), float(count(preview.requests)) * batches);
    let cost = metrics * arguments.price_per_metric + requests / 1000.0 * arguments.price_per_1000_requests;
    format!(
        "a month: {metrics} metrics, {requests:.0} requests (one batch every {interval:?}), about {cost:.2} USD at {} USD a metric \
         and {} USD a thousand requests (list prices of us-east-1, November 2026; --price-per-metric and \
         --price-per-1000-requests say otherwise)\n",
        arguments.price_per_metric, arguments.price_per_1000_requests
    )
}
