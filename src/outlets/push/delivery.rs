//! Delivers batches to all enabled sinks, with retries, on-demand exports and the final flush.
//!
//! `scheduler` decides when to push, and each sink what to send.

mod attempt_budget;
mod sink_runner;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::attempt_budget::AttemptBudget;
use self::sink_runner::SinkRunner;
use super::batch::ExportBatch;
use super::config;
pub use super::report::{Delivery, ExportOutcome, Report, SinkStats};
use super::sink::Sink;
use crate::base::clock::Clock;
use crate::base::lease::Leadership;
use crate::engine::snapshot::SnapshotReader;
use crate::telemetry::Telemetry;

/// An on-demand export within this time after another returns the other's report: clients cannot flood a sink.
pub(crate) const SPACING: Duration = Duration::from_secs(1);

/// All enabled sinks.
pub struct Exports {
    sinks: Vec<Arc<SinkRunner>>,
    clock: Arc<dyn Clock>,
    /// Time limit of one attempt.
    attempt: Duration,
    /// Becomes true at shutdown: nothing is retried then.
    stopping: watch::Sender<bool>,
    /// The last on-demand export; held while one runs.
    on_demand: tokio::sync::Mutex<Option<(Instant, Report)>>,
}

impl std::fmt::Debug for Exports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.sinks.iter().map(|runner| runner.sink.name())).finish()
    }
}

impl Exports {
    /// Delivers to these sinks; `attempt` is the time limit of one attempt.
    #[must_use]
    pub fn new(
        sinks: Vec<Box<dyn Sink>>,
        telemetry: &Arc<Telemetry>,
        clock: Arc<dyn Clock>,
        attempt: Duration,
    ) -> Self {
        let runner = |sink| Arc::new(SinkRunner::new(sink, Arc::clone(telemetry), Arc::clone(&clock)));
        let sinks = sinks.into_iter().map(runner).collect();
        Self { sinks, clock, attempt, stopping: watch::Sender::new(false), on_demand: tokio::sync::Mutex::new(None) }
    }

    /// Whether no sink is enabled.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// Statistics of every sink since the start.
    #[must_use]
    pub fn stats(&self) -> Vec<SinkStats> {
        self.sinks.iter().map(|runner| runner.stats()).collect()
    }

    /// The sinks themselves, for previews and checks.
    pub fn sinks(&self) -> impl Iterator<Item = &dyn Sink> {
        self.sinks.iter().map(|runner| runner.sink.as_ref())
    }

    /// Delivers a batch to all sinks concurrently; each retries until `limit` has passed.
    pub async fn deliver(&self, batch: ExportBatch, limit: Duration) -> Report {
        self.deliver_while(None, batch, limit).await
    }

    /// The same, as long as this replica leads.
    pub(crate) async fn deliver_as_leader(&self, leader: &Leadership, batch: ExportBatch, limit: Duration) -> Report {
        self.deliver_while(Some(leader), batch, limit).await
    }

    async fn deliver_while(&self, leader: Option<&Leadership>, batch: ExportBatch, limit: Duration) -> Report {
        let deadline = Instant::now() + limit;
        let batch = Arc::new(batch);
        let mut deliveries = JoinSet::new();
        for (index, runner) in self.sinks.iter().enumerate() {
            let (runner, batch) = (Arc::clone(runner), Arc::clone(&batch));
            let budget = AttemptBudget {
                attempt: self.attempt,
                deadline,
                stopping: self.stopping.subscribe(),
                leadership: leader.cloned(),
            };
            deliveries.spawn(async move { (index, runner.deliver(&batch, budget).await) });
        }
        let mut sinks = deliveries.join_all().await;
        sinks.sort_by_key(|(index, _)| *index);
        self.report(sinks.into_iter().map(|(_, delivery)| delivery).collect())
    }

    /// An export on request; concurrent callers share one. It continues when they disconnect: an interrupted request may
    /// have arrived, and would be sent again.
    pub async fn on_demand(self: &Arc<Self>, reader: &SnapshotReader, fresh: Duration) -> Report {
        let (exports, reader) = (Arc::clone(self), reader.clone());
        let export = tokio::spawn(async move { exports.shared(&reader, fresh).await });
        let defect = "the export ended early; this is a defect, please report it";
        export.await.unwrap_or_else(|_| Report {
            status: ExportOutcome::Failed,
            detail: Some(defect.to_owned()),
            ..self.report(Vec::new())
        })
    }

    async fn shared(&self, reader: &SnapshotReader, fresh: Duration) -> Report {
        let mut last = self.on_demand.lock().await;
        if let Some((ended, report)) = last.as_ref().filter(|(ended, _)| ended.elapsed() < SPACING) {
            tracing::debug!(age = ?ended.elapsed(), "returning the report of the last export");
            return report.clone();
        }
        let snapshot = reader.fresher_than(fresh).await;
        let report = self.deliver(ExportBatch::of_fresh(snapshot.as_deref(), reader), self.attempt).await;
        *last = Some((Instant::now(), report.clone()));
        report
    }

    /// Waits for attempts in progress, then runs the final flush of every sink, all within `limit`.
    pub async fn shut_down(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        self.stopping.send_replace(true);
        join_all(self.sinks.iter().map(|runner| runner.shut_down(self.attempt, deadline))).await;
    }

    fn report(&self, sinks: Vec<Delivery>) -> Report {
        let detail = sinks.is_empty().then(config::none_enabled);
        Report { status: ExportOutcome::of(&sinks), ts: self.clock.now(), detail, sinks }
    }
}

#[cfg(test)]
mod delivery_tests;
