//! When ticks happen: at a fixed cadence, and when a reader needs a fresher snapshot.
//!
//! Publishes one immutable snapshot a tick. What a tick computes belongs to `sample_ticker` and `proxy_ticker`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::recent::MarkWatch;
use super::snapshot::{Publisher, RunId, Snapshot, TickStatus};
use super::tick::{RecordMode, Tick, Ticker, release_lease};
use super::tick_report::{self, TickReporter};
use crate::base::clock::{Clock, UnixSeconds};
use crate::platform::facts::InputKind;
use crate::sources::SourceError;
use crate::telemetry::Telemetry;

/// Drives a [`Ticker`] and publishes what it finds.
pub struct Collector {
    ticker: Box<dyn Ticker>,
    clock: Arc<dyn Clock>,
    publisher: Publisher,
    reporter: TickReporter,
    marks: MarkWatch,
    telemetry: Arc<Telemetry>,
    /// Published gateway configurations, as bytes of any kind.
    updates: mpsc::Receiver<Vec<u8>>,
    interval: Duration,
    /// Distinguishes this collector's snapshot ids from all others'.
    run: RunId,
    ticks: u64,
    up: bool,
    /// That a long history is being loaded has been logged.
    is_loading: bool,
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
        let reporter = TickReporter::new(Arc::clone(&telemetry));
        Self {
            ticker,
            clock,
            publisher,
            reporter,
            marks: MarkWatch::default(),
            telemetry,
            updates,
            interval,
            run: RunId::random(),
            ticks: 0,
            up: false,
            is_loading: false,
        }
    }

    /// Ticks until `stop`, and then lets another replica take over.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut cadence = tokio::time::interval(self.interval);
        // After a slow tick, wait a whole interval: catching up would write points too close together.
        cadence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = cadence.tick() => self.tick(RecordMode::Yes, Vec::new()).await,
                Some(waiter) = self.publisher.next_refresh() => self.tick(RecordMode::No, vec![waiter]).await,
                Some(update) = self.updates.recv() => self.apply_update(&update),
                () = &mut stop => return release_lease(self.ticker.as_mut()).await,
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
        let after = self.clock.now();
        self.reporter.report(result.as_ref(), record, after);
        self.telemetry.problems().report("source", self.ticker.problems(), after);
        self.up = result.is_ok();
        self.mark(result.as_ref().ok(), after);
        if let Ok(tick) = result {
            self.publish(&tick, began);
        }
        self.tick_status(began, None);
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
                if !std::mem::replace(&mut self.is_loading, true) {
                    tracing::info!("loading the last hour; the first snapshot follows");
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn tick_status(&self, tick_began: Instant, must_end_by: Option<Instant>) {
        self.publisher.tick_status(TickStatus { tick_began, must_end_by, up: self.up });
    }

    /// Keeps what happened since the tick before, by the tick's own time as far as there is one.
    fn mark(&mut self, tick: Option<&Tick>, now: UnixSeconds) {
        let standing = self.telemetry.leadership().standing();
        let marks = self.marks.observe(tick.map(|tick| &*tick.state), standing, tick.map_or(now, |tick| tick.at));
        marks.into_iter().for_each(|mark| self.publisher.mark(mark));
    }

    fn publish(&mut self, tick: &Tick, began: Instant) {
        self.ticks += 1;
        let id = self.run.snapshot(self.ticks);
        tick_report::log(&id.to_string(), tick, began.elapsed());
        if self.ticks == 1 {
            tracing::info!(
                quality = tick.state.quality.as_str(),
                snapshot = id.to_string(),
                "ready: there is a first snapshot"
            );
        }
        let snapshot = Snapshot { id, taken_at: tick.at, taken: began, state: Arc::clone(&tick.state) };
        self.publisher.publish(Arc::new(snapshot));
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
