//! When ticks happen: at a fixed cadence, and when a reader needs a fresher snapshot.
//!
//! Publishes one immutable snapshot a tick. What a tick computes belongs to `sample_ticker` and `proxy_ticker`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::snapshot::{Publisher, RunId, Snapshot, TickStatus};
use super::tick::{RecordMode, Tick, Ticker};
use crate::base::clock::Clock;
use crate::platform::facts::InputKind;
use crate::problems::ProblemRegistry;
use crate::sources::SourceError;
use crate::telemetry::Telemetry;

/// Drives a [`Ticker`] and publishes what it finds.
pub struct Collector {
    ticker: Box<dyn Ticker>,
    clock: Arc<dyn Clock>,
    publisher: Publisher,
    telemetry: Arc<Telemetry>,
    /// Published gateway configurations, as bytes of any kind.
    updates: mpsc::Receiver<Vec<u8>>,
    interval: Duration,
    /// Distinguishes this collector's snapshot ids from all others'.
    run: RunId,
    ticks: u64,
    was_up: Option<bool>,
    problems: ProblemRegistry,
}

impl Collector {
    /// A collector that ticks every `interval` once it runs.
    #[must_use]
    pub fn new(
        ticker: Box<dyn Ticker>,
        clock: Arc<dyn Clock>,
        publisher: Publisher,
        telemetry: Arc<Telemetry>,
        updates: mpsc::Receiver<Vec<u8>>,
        interval: Duration,
    ) -> Self {
        Self {
            ticker,
            clock,
            publisher,
            telemetry,
            updates,
            interval,
            run: RunId::random(),
            ticks: 0,
            was_up: None,
            problems: ProblemRegistry::new(""),
        }
    }

    /// Ticks until the future it runs in is dropped.
    pub async fn run(mut self) {
        let mut cadence = tokio::time::interval(self.interval);
        // After a slow tick, wait a whole interval: catching up would write points too close together.
        cadence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = cadence.tick() => self.tick(RecordMode::Yes, Vec::new()).await,
                Some(waiter) = self.publisher.next_refresh() => self.tick(RecordMode::No, vec![waiter]).await,
                Some(update) = self.updates.recv() => self.apply_update(&update),
            }
        }
    }

    /// One tick, then a notification to every reader that requested one before it ended.
    async fn tick(&mut self, record: RecordMode, mut waiters: Vec<oneshot::Sender<()>>) {
        let began = Instant::now();
        self.tick_status(began, Some(began + self.ticker.time_limit()));
        let result = match self.prepare(began).await {
            // Dropping the waiters wakes them: there is no fresher snapshot yet.
            Ok(false) => return,
            Ok(true) => self.ticker.tick(self.clock.now(), record).await,
            Err(error) => Err(error),
        };
        self.telemetry.tick_finished(result.is_ok(), began.elapsed());
        match result {
            Ok(tick) => self.publish(tick, began),
            Err(error) => self.went_down(&error, began),
        }
        waiters.extend(std::iter::from_fn(|| self.publisher.try_next_refresh()));
        for waiter in waiters {
            // A waiter that has gone away needs no answer.
            let _ = waiter.send(());
        }
    }

    /// Prepares for no longer than an interval, so that a long history hides neither that the server
    /// lives nor a configuration that is published meanwhile; whether all is prepared.
    async fn prepare(&mut self, began: Instant) -> Result<bool, SourceError> {
        while !self.ticker.prepare(self.clock.now()).await? {
            if began.elapsed() >= self.interval {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn tick_status(&self, tick_began: Instant, must_end_by: Option<Instant>) {
        self.publisher.tick_status(TickStatus { tick_began, must_end_by, up: self.was_up.unwrap_or(false) });
    }

    fn publish(&mut self, tick: Tick, began: Instant) {
        let now = tick.at;
        self.ticks += 1;
        self.telemetry.report_malformed(&tick.malformed);
        tick.malformed_unlisted.iter().for_each(|(kind, times)| self.telemetry.malformed(*kind, *times));
        self.telemetry.set_dropped(tick.dropped);
        self.telemetry.set_source_cost(tick.cost.round_trips, tick.cost.commands);
        self.problems.report("tick", tick.state.problems.clone(), now);
        self.telemetry.set_clock_offset(tick.clock_offset);
        if let Some(gateway) = tick.gateway {
            self.telemetry.set_gateway_config(gateway.origin.as_str(), gateway.changed_at);
        }
        if let Some(error) = tick.record_error {
            self.telemetry.record_failed(&error);
        }
        let snapshot = Snapshot { id: self.run.snapshot(self.ticks), taken_at: now, taken: began, state: tick.state };
        self.publisher.publish(Arc::new(snapshot));
        let was_up = self.was_up.replace(true);
        self.tick_status(began, None);
        if was_up == Some(false) {
            tracing::info!("the source can be read again");
        }
    }

    fn went_down(&mut self, error: &SourceError, began: Instant) {
        self.telemetry.source_error();
        let was_up = self.was_up.replace(false);
        self.tick_status(began, None);
        if was_up != Some(false) {
            tracing::error!(%error, "the source cannot be read; serving the last snapshot until it is stale");
        }
    }

    /// What a usable update changes is logged where it is applied.
    fn apply_update(&mut self, update: &[u8]) {
        match self.ticker.apply_update(update, self.clock.now()) {
            Ok(()) => {}
            Err(problem) => {
                self.telemetry.malformed(InputKind::GatewayConfig, 1);
                tracing::debug!(problem, "published gateway configuration ignored");
            }
        }
    }
}
