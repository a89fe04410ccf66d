//! `record`: the facts of each tick, one line a tick, until its time is over or nobody reads.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::demo::stop_after;
use super::{CommandError, Exit, block_on, print_on};
use crate::app::{self, FactsSource, Writes};
use crate::base::clock::{Clock, SystemClock, UnixSeconds};
use crate::cli::RecordArgs;
use crate::config::Config;
use crate::record::{Header, RecordedTick};
use crate::telemetry::Telemetry;

pub(super) fn run(config: &Config, arguments: &RecordArgs) -> Result<Exit, CommandError> {
    block_on(record(config, arguments.duration))?;
    Ok(Exit::Success)
}

async fn record(config: &Config, duration: Option<Duration>) -> Result<(), CommandError> {
    let telemetry = Arc::new(Telemetry::default());
    let mut source = app::facts_source(config, &SystemClock, &telemetry, Writes::Nothing)?;
    let interval = config.engine.sample_interval;
    let zone = config.engine.zone.iana_name().unwrap_or("UTC");
    let header = Header::new(source.gateway, zone, interval.as_secs_f64());
    // The first tick shows whether there is anything to record, before anything is printed.
    let first = tick(&mut source).await.map_err(CommandError::NothingCollected)?;
    let begun = header.line().and_then(|header| Ok(header + &first.line()?)).map_err(CommandError::Output)?;
    if !print_on(&begun)? {
        return Ok(());
    }
    tokio::select! {
        result = go_on(&mut source, interval) => result,
        () = stop_after(duration) => Ok(()),
    }
}

/// A tick that fails is a gap in the recording.
async fn go_on(source: &mut FactsSource<'_>, interval: Duration) -> Result<(), CommandError> {
    let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        match tick(source).await {
            Ok(tick) if print_on(&tick.line().map_err(CommandError::Output)?)? => {}
            Ok(_) => return Ok(()),
            Err(error) => tracing::warn!(%error, "a tick was not recorded"),
        }
    }
}

async fn tick(source: &mut FactsSource<'_>) -> Result<RecordedTick, crate::sources::SourceError> {
    let expected = now(source);
    let facts = source.source.collect(expected).await?;
    Ok(RecordedTick::new(now(source), facts, source.gateway))
}

/// By the source's clock, once it is known.
fn now(source: &FactsSource<'_>) -> UnixSeconds {
    source.source.server_clock().map_or_else(|| SystemClock.now(), |clock| clock.now())
}
