//! Runs one sink: one delivery at a time, its attempts and retries, its statistics, and the final flush.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::attempt_budget::AttemptBudget;
use crate::base::clock::Clock;
use crate::outlets::push::batch::ExportBatch;
use crate::outlets::push::report::{Delivery, ExportOutcome, SinkStats};
use crate::outlets::push::sink::{Sink, SinkError};
use crate::problems::ProblemCode;
use crate::problems::code::code;
use crate::telemetry::{ExportEnd, Telemetry};

const SINK_FAILING: ProblemCode = code("sink_failing");

/// Pause before the first retry, at most; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Why a delivery failed.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("another delivery to this sink did not end in time")]
    Busy,
    #[error("the sink panicked; please report this")]
    Panicked,
    #[error("interrupted by the shutdown of the server before there was an answer")]
    Interrupted,
    #[error("the server is shutting down")]
    ShutDown,
    #[error("another replica may hold the lease by now, and push")]
    NotLeader,
}

impl DeliveryError {
    const fn may_retry(&self) -> bool {
        match self {
            Self::Sink(error) => error.may_retry(),
            Self::TimedOut(_) => true,
            Self::Busy | Self::Panicked | Self::Interrupted | Self::ShutDown | Self::NotLeader => false,
        }
    }
}

/// Whether a sink still takes deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The final flush has begun.
    ShutDown,
}

/// A sink and its statistics.
pub(super) struct SinkRunner {
    pub(super) sink: Box<dyn Sink>,
    stats: Mutex<SinkStats>,
    /// Held during a delivery and during the final flush.
    phase: tokio::sync::Mutex<Phase>,
    telemetry: Arc<Telemetry>,
    clock: Arc<dyn Clock>,
}

impl SinkRunner {
    pub(super) fn new(sink: Box<dyn Sink>, telemetry: Arc<Telemetry>, clock: Arc<dyn Clock>) -> Self {
        telemetry.register_sink(sink.name());
        let stats = Mutex::new(SinkStats { name: sink.name(), ..SinkStats::default() });
        Self { sink, stats, phase: tokio::sync::Mutex::new(Phase::Open), telemetry, clock }
    }

    pub(super) fn stats(&self) -> SinkStats {
        SinkStats { points: self.sink.point_counts(), ..self.lock_stats().clone() }
    }

    /// Delivers a batch, with as many attempts as the budget allows, and counts the outcome.
    pub(super) async fn deliver(&self, batch: &ExportBatch, budget: AttemptBudget) -> Delivery {
        let began = Instant::now();
        let (samples, result) = self.deliver_exclusively(batch, budget).await;
        let (end, error) = match result {
            Err(error) => (ExportEnd::Failed, Some(error.to_string())),
            Ok(()) if batch.snapshot.is_some() => (ExportEnd::Ok, None),
            Ok(()) => (ExportEnd::NoData, Some("there is no fresh snapshot: nothing to push".to_owned())),
        };
        let status = if end == ExportEnd::Ok { ExportOutcome::Ok } else { ExportOutcome::Failed };
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let delivery = Delivery { name: self.sink.name(), status, samples, duration_ms, error };
        self.record(end, &delivery, began.elapsed());
        if let Some(snapshot) = batch.snapshot.as_ref().filter(|_| end == ExportEnd::Ok) {
            self.lock_stats().last_snapshot = Some(snapshot.id.clone());
        }
        delivery
    }

    /// The final flush, of at most `limit`; waits for a delivery in progress, and rejects later ones.
    pub(super) async fn shut_down(&self, limit: Duration, deadline: Instant) {
        let flush = async {
            let mut phase = self.phase.lock().await;
            *phase = Phase::ShutDown;
            match timeout(limit, self.sink.shutdown()).await {
                Ok(result) => result.map_err(DeliveryError::from),
                Err(_) => Err(DeliveryError::TimedOut(limit)),
            }
        };
        let sink = self.sink.name();
        match timeout_at(deadline, flush).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(sink, %error, "final flush to sink failed"),
            Err(_) => tracing::warn!(sink, "final flush to sink timed out"),
        }
        let points = self.sink.point_counts().waiting;
        if points > 0 {
            tracing::warn!(sink, points, "undelivered points are lost");
        }
    }

    /// The number of samples that were delivered, and the result.
    async fn deliver_exclusively(
        &self,
        batch: &ExportBatch,
        budget: AttemptBudget,
    ) -> (u64, Result<(), DeliveryError>) {
        let phase = match timeout_at(budget.deadline, self.phase.lock()).await {
            Ok(phase) if *phase == Phase::Open => phase,
            Ok(_) => return (0, Err(DeliveryError::ShutDown)),
            Err(_) => return (0, Err(DeliveryError::Busy)),
        };
        let before = self.sink.point_counts().delivered;
        let result = self.attempts(batch, budget).await;
        drop(phase);
        (self.sink.point_counts().delivered.saturating_sub(before), result)
    }

    /// Retries until success, a final error, or the end of the budget; pauses double and have full jitter.
    async fn attempts(&self, batch: &ExportBatch, mut budget: AttemptBudget) -> Result<(), DeliveryError> {
        let mut pause = FIRST_PAUSE;
        let mut cause = None;
        loop {
            let result = self.attempt(batch, &mut budget).await;
            self.telemetry.export_points(self.sink.name(), self.sink.point_counts());
            match result {
                // A retry that the deadline cut short says less than the failure before it.
                Err(DeliveryError::TimedOut(limit)) if limit < budget.attempt => {
                    return Err(cause.unwrap_or(DeliveryError::TimedOut(limit)));
                }
                Err(error) if error.may_retry() && budget.backoff(pause.mul_f64(fastrand::f64())).await => {
                    tracing::debug!(sink = self.sink.name(), %error, "push attempt failed, retrying");
                    self.count_retry();
                    pause *= 2;
                    cause = Some(error);
                }
                result => return result,
            }
        }
    }

    async fn attempt(&self, batch: &ExportBatch, budget: &mut AttemptBudget) -> Result<(), DeliveryError> {
        if budget.is_leadership_lost(batch.snapshot.is_some()) {
            return Err(DeliveryError::NotLeader);
        }
        let limit = budget.attempt_limit();
        // A panic in one sink must not end the deliveries to the others.
        let export = AssertUnwindSafe(self.sink.export(batch)).catch_unwind();
        tokio::select! {
            ended = timeout(limit, export) => match ended {
                Ok(Ok(result)) => Ok(result?),
                Ok(Err(_panic)) => Err(DeliveryError::Panicked),
                Err(_) => Err(DeliveryError::TimedOut(limit)),
            },
            () = budget.grace_elapsed() => Err(DeliveryError::Interrupted),
        }
    }

    fn count_retry(&self) {
        self.telemetry.export_retried(self.sink.name());
        self.lock_stats().retries += 1;
    }

    /// Counts the delivery. A sink that fails is a problem until it delivers; having nothing to push says nothing of it.
    fn record(&self, end: ExportEnd, delivery: &Delivery, took: Duration) {
        let (sink, now) = (delivery.name, self.clock.now());
        self.telemetry.export_ended(sink, end, took, now);
        self.lock_stats().record(end, delivery, now);
        if end != ExportEnd::NoData {
            self.telemetry.problems().set(SINK_FAILING, sink, delivery.error.clone(), now);
        }
    }

    fn lock_stats(&self) -> MutexGuard<'_, SinkStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
