//! Deliveries: what each enabled sink was given, how it went, and trying again in time.
//!
//! Owns the sinks and their stats. When rounds happen is `scheduler`'s matter, what is sent the
//! sinks' own.

mod attempt_budget;
mod sink_runner;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::attempt_budget::AttemptBudget;
use self::sink_runner::Enabled;
pub use super::report::{Delivery, ExportOutcome, Report, SinkStats};
use crate::base::clock::Clock;
use crate::catalog;
use crate::engine::snapshot::{Snapshot, SnapshotReader};
use crate::outlets::push::sink::{ExportBatch, Sink, SnapshotSamples};
use crate::telemetry::Telemetry;

/// Exports on demand closer together than this share one, so that nobody can hammer a sink.
pub(crate) const SPACING: Duration = Duration::from_secs(1);

/// Every enabled sink.
pub struct Exports {
    sinks: Vec<Arc<Enabled>>,
    clock: Arc<dyn Clock>,
    /// Limit of one attempt.
    attempt: Duration,
    /// Becomes true when the server stops: nothing is tried again then.
    stopping: watch::Sender<bool>,
    /// The last export on demand; held while one runs.
    on_demand: tokio::sync::Mutex<Option<(Instant, Report)>>,
}

impl std::fmt::Debug for Exports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.sinks.iter().map(|enabled| enabled.sink.name())).finish()
    }
}

impl Exports {
    /// Delivers to these sinks; an attempt that takes longer than `attempt` is given up.
    #[must_use]
    pub fn new(
        sinks: Vec<Box<dyn Sink>>,
        telemetry: &Arc<Telemetry>,
        clock: Arc<dyn Clock>,
        attempt: Duration,
    ) -> Self {
        let enabled = |sink| Arc::new(Enabled::new(sink, Arc::clone(telemetry), Arc::clone(&clock)));
        let sinks = sinks.into_iter().map(enabled).collect();
        Self { sinks, clock, attempt, stopping: watch::Sender::new(false), on_demand: tokio::sync::Mutex::new(None) }
    }

    /// Whether there is any sink.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// What is known of every sink.
    #[must_use]
    pub fn stats(&self) -> Vec<SinkStats> {
        self.sinks.iter().map(|enabled| enabled.record()).collect()
    }

    /// The sinks themselves, to be looked at.
    pub fn sinks(&self) -> impl Iterator<Item = &dyn Sink> {
        self.sinks.iter().map(|enabled| enabled.sink.as_ref())
    }

    /// One batch to every sink at once, each tried again until `limit` has passed.
    pub async fn deliver(&self, batch: ExportBatch, limit: Duration) -> Report {
        let deadline = Instant::now() + limit;
        let batch = Arc::new(batch);
        let mut deliveries = JoinSet::new();
        for (place, enabled) in self.sinks.iter().enumerate() {
            let (enabled, batch) = (Arc::clone(enabled), Arc::clone(&batch));
            let budget = AttemptBudget { attempt: self.attempt, deadline, stopping: self.stopping.subscribe() };
            deliveries.spawn(async move { (place, enabled.deliver(&batch, budget).await) });
        }
        let mut sinks = deliveries.join_all().await;
        sinks.sort_by_key(|(place, _)| *place);
        self.report(sinks.into_iter().map(|(_, delivery)| delivery).collect())
    }

    /// One export because somebody asked; askers at the same time share it. It goes on when they leave:
    /// a request that is cut may have arrived, and would be sent again.
    pub async fn on_demand(self: &Arc<Self>, reader: &SnapshotReader, fresh: Duration) -> Report {
        let (exports, reader) = (Arc::clone(self), reader.clone());
        let export = tokio::spawn(async move { exports.shared(&reader, fresh).await });
        let defect = "the export ended early; this is a defect, please report it";
        export.await.unwrap_or_else(|_| Report {
            status: ExportOutcome::Failed,
            detail: Some(defect),
            ..self.report(Vec::new())
        })
    }

    async fn shared(&self, reader: &SnapshotReader, fresh: Duration) -> Report {
        let mut last = self.on_demand.lock().await;
        if let Some((ended, report)) = last.as_ref().filter(|(ended, _)| ended.elapsed() < SPACING) {
            tracing::debug!(age = ?ended.elapsed(), "an export that has just ended is told again");
            return report.clone();
        }
        let truth = reader.fresher_than(fresh).await;
        let report = self.deliver(batch(truth.as_deref(), reader), self.attempt).await;
        *last = Some((Instant::now(), report.clone()));
        report
    }

    /// Lets attempts that are under way end, and every sink say goodbye, all within `limit`.
    pub async fn stop(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        self.stopping.send_replace(true);
        join_all(self.sinks.iter().map(|enabled| enabled.leave(self.attempt, deadline))).await;
    }

    fn report(&self, sinks: Vec<Delivery>) -> Report {
        let none = "no sink is enabled; METRICS_EXPORT_CLOUDWATCH=1 or METRICS_EXPORT_PROMETHEUS_PUSH=1 enables one";
        let detail = sinks.is_empty().then_some(none);
        Report { status: ExportOutcome::of(&sinks), ts: self.clock.now(), detail, sinks }
    }
}

/// The batch of a snapshot, or of there being none.
#[must_use]
pub fn batch(truth: Option<&Snapshot>, reader: &SnapshotReader) -> ExportBatch {
    ExportBatch {
        truth: truth.map(truth_of),
        snapshot_age_seconds: reader.latest().map(|snapshot| snapshot.age().as_secs_f64()),
    }
}

/// A snapshot as sinks take it.
fn truth_of(snapshot: &Snapshot) -> SnapshotSamples {
    SnapshotSamples { id: snapshot.id.to_string(), at: snapshot.taken_at, samples: catalog::samples(&snapshot.state) }
}

#[cfg(test)]
mod tests;
