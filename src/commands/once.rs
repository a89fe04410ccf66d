//! `once`: one tick, one push, one line of JSON; for external schedulers such as EventBridge.
//!
//! `--dry-run` prints what would be pushed and its cost, and writes and pushes nothing.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{CommandError, Exit, block_on, print};
use crate::app::{self, Writes};
use crate::base::clock::{Clock, SystemClock, UnixSeconds};
use crate::base::lease::Leadership;
use crate::base::number::{count, float};
use crate::cli::OnceArgs;
use crate::config::Config;
use crate::engine::snapshot::{RunId, Snapshot};
use crate::engine::tick::{RecordMode, release_lease};
use crate::engine::tick_report::TickReporter;
use crate::outlets::push::batch::ExportBatch;
use crate::outlets::push::delivery::{ExportOutcome, Exports, Report};
use crate::outlets::push::sink::Preview;
use crate::sources::SourceError;
use crate::telemetry::Telemetry;

/// The deadline of the push, in request timeouts.
const TIMEOUTS: u32 = 3;

/// The month of a price.
const MONTH: Duration = Duration::from_hours(30 * 24);

pub(super) fn run(config: &Config, arguments: &OnceArgs) -> Result<Exit, CommandError> {
    block_on(once(config, arguments))
}

async fn once(config: &Config, arguments: &OnceArgs) -> Result<Exit, CommandError> {
    let telemetry = Arc::new(Telemetry::new(config.source.scope().map(ToString::to_string).unwrap_or_default()));
    let exports = app::exports(config, &telemetry)?;
    let (now, taken) = (SystemClock.now(), Instant::now());
    let (record, writes) =
        if arguments.dry_run { (RecordMode::No, Writes::Nothing) } else { (RecordMode::Yes, Writes::Once) };
    let database = app::asked_database(config).await;
    let (mut ticker, _) = app::ticker(config, &SystemClock, &telemetry, database, writes)?;
    // Not `now`: what was asked meanwhile would be taken for a clock that is off.
    let tick = match ticker.tick(SystemClock.now(), record).await {
        Ok(tick) => tick,
        Err(error) => return Err(nothing_collected(error, now)),
    };
    TickReporter::new(Arc::clone(&telemetry)).report(Ok(&tick), record, now);
    if !telemetry.leadership().is_leader() {
        return lease_held(telemetry.leadership(), now);
    }
    let snapshot = Snapshot { id: RunId::random().snapshot(1), taken_at: tick.at, taken, state: tick.state };
    let batch = ExportBatch::of(&snapshot);
    if arguments.dry_run {
        print(&previews(config, arguments, &exports, &batch))?;
        return Ok(Exit::Success);
    }
    let report = exports.deliver(batch, config.request_timeout * TIMEOUTS).await;
    release_lease(ticker.as_mut()).await;
    print_report(&report)
}

/// Prints the line of a run that leaves recording and pushing to a server beside it.
fn lease_held(leadership: &Leadership, now: UnixSeconds) -> Result<Exit, CommandError> {
    let holder = leadership.record().map(|record| record.instance);
    let detail = "another replica holds the lease: it records and pushes";
    let line = json!({"status": "skipped", "ts": now, "detail": detail, "holder": holder, "sinks": []});
    print(&format!("{line}\n"))?;
    Ok(Exit::LeaseHeld)
}

/// Prints the line of a failed run; the exit code is that of the failure even if it cannot be printed.
fn nothing_collected(error: SourceError, now: UnixSeconds) -> CommandError {
    let line = json!({"status": "failed", "ts": now, "error": error.to_string(), "sinks": []});
    let _ = print(&format!("{line}\n"));
    CommandError::NothingCollected(error)
}

fn print_report(report: &Report) -> Result<Exit, CommandError> {
    // A report is plain data and always serialises.
    let line = serde_json::to_string(report).unwrap_or_default();
    print(&format!("{line}\n"))?;
    Ok(if report.status == ExportOutcome::Ok { Exit::Success } else { Exit::SinkFailed })
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

/// The monthly cost of a billed service; empty for others.
fn price(preview: &Preview, interval: Duration, arguments: &OnceArgs) -> String {
    let Some(metrics) = preview.billed_metrics else { return String::new() };
    let pushes = MONTH.as_secs_f64() / interval.as_secs_f64();
    let (metrics, requests) = (float(count(metrics)), float(count(preview.requests)) * pushes);
    let cost = metrics * arguments.price_per_metric + requests / 1000.0 * arguments.price_per_1000_requests;
    format!(
        "a month: {metrics} metrics, {requests:.0} requests (one batch every {interval:?}), about {cost:.2} USD at {} USD a metric \
         and {} USD a thousand requests (list prices of us-east-1, November 2026; --price-per-metric and \
         --price-per-1000-requests say otherwise)\n",
        arguments.price_per_metric, arguments.price_per_1000_requests
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_month_is_that_of_metrics_and_of_requests() {
        let arguments = OnceArgs { price_per_metric: 2.0, price_per_1000_requests: 0.5, ..OnceArgs::default() };
        let cost = |billed_metrics, requests, seconds| {
            let preview = Preview { text: String::new(), billed_metrics, requests };
            price(&preview, Duration::from_secs(seconds), &arguments)
        };
        // 30 days have 43,200 minutes.
        for (requests, seconds, all, usd) in
            [(1, 60, 43_200, "27.60"), (2, 60, 86_400, "49.20"), (1, 3600, 720, "6.36")]
        {
            let text = cost(Some(3), requests, seconds);
            let parts = [
                format!("3 metrics, {all} requests"),
                format!("about {usd} USD"),
                format!("every {:?}", Duration::from_secs(seconds)),
            ];
            assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} in {text}");
        }
        assert_eq!(cost(None, 5, 60), "", "nothing is billed");
        assert!(cost(Some(0), 0, 60).contains("about 0.00 USD"));
    }
}
