//! One enabled sink: its turn, its attempts, its record, and leaving it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::attempt_budget::AttemptBudget;
use crate::base::clock::Clock;
use crate::outlets::push::report::{Delivery, ExportOutcome, SinkStats};
use crate::outlets::push::sink::{ExportBatch, Sink, SinkError};
use crate::telemetry::{ExportEnd, Telemetry};

/// Pause before a first repetition; doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A sink and what is known of it.
pub(super) struct Enabled {
    pub(super) sink: Box<dyn Sink>,
    record: Mutex<SinkStats>,
    /// One delivery at a time; true once the sink has been left.
    turn: tokio::sync::Mutex<bool>,
    telemetry: Arc<Telemetry>,
    clock: Arc<dyn Clock>,
}

impl Enabled {
    pub(super) fn new(sink: Box<dyn Sink>, telemetry: Arc<Telemetry>, clock: Arc<dyn Clock>) -> Self {
        telemetry.register_sink(sink.name());
        let record = Mutex::new(SinkStats { name: sink.name(), ..SinkStats::default() });
        Self { sink, record, turn: tokio::sync::Mutex::new(false), telemetry, clock }
    }

    pub(super) fn record(&self) -> SinkStats {
        SinkStats { points: self.sink.point_counts(), ..self.locked().clone() }
    }

    /// Delivers a batch, with as many attempts as budget allows, and counts it.
    pub(super) async fn deliver(&self, batch: &ExportBatch, budget: AttemptBudget) -> Delivery {
        let began = Instant::now();
        let (samples, result) = self.in_turn(batch, budget).await;
        let (end, error) = match result {
            Err(error) => (ExportEnd::Failed, Some(error.message)),
            Ok(()) if batch.truth.is_some() => (ExportEnd::Ok, None),
            Ok(()) => (ExportEnd::NoData, Some("there is no fresh snapshot: nothing true to push".to_owned())),
        };
        let status = if end == ExportEnd::Ok { ExportOutcome::Ok } else { ExportOutcome::Failed };
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let delivery = Delivery { name: self.sink.name(), status, samples, duration_ms, error };
        self.note(end, &delivery, began.elapsed());
        delivery
    }

    /// Says goodbye; after it nothing is delivered any more.
    pub(super) async fn leave(&self, limit: Duration, deadline: Instant) {
        let goodbye = async {
            *self.turn.lock().await = true;
            timeout(limit, self.sink.stop()).await.unwrap_or_else(|_| Err(late(limit)))
        };
        let sink = self.sink.name();
        match timeout_at(deadline, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(sink, %error, "a sink could not be left cleanly"),
            Err(_) => tracing::warn!(sink, "a sink was not left in time"),
        }
        let points = self.sink.point_counts().waiting;
        if points > 0 {
            tracing::warn!(sink, points, "points that could not be delivered are lost");
        }
    }

    /// The number of samples that arrived, and how it ended.
    async fn in_turn(&self, batch: &ExportBatch, budget: AttemptBudget) -> (u64, Result<(), SinkError>) {
        let turn = match timeout_at(budget.deadline, self.turn.lock()).await {
            Ok(turn) if !*turn => turn,
            Ok(_left) => return (0, Err(given_up("the server stops"))),
            Err(_) => return (0, Err(given_up("another delivery to this sink did not end in time"))),
        };
        let before = self.sink.point_counts().delivered;
        let result = self.attempts(batch, budget).await;
        drop(turn);
        (self.sink.point_counts().delivered.saturating_sub(before), result)
    }

    /// Tries until it works, cannot work, or the time is up; pauses double and have full jitter.
    async fn attempts(&self, batch: &ExportBatch, mut budget: AttemptBudget) -> Result<(), SinkError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let result = self.attempt(batch, &mut budget).await;
            self.telemetry.export_tally(self.sink.name(), self.sink.point_counts());
            match result {
                Err(error) if error.may_retry && budget.waits(pause.mul_f64(fastrand::f64())).await => {
                    tracing::debug!(sink = self.sink.name(), %error, "a push failed and is tried again");
                    self.retried();
                    pause *= 2;
                }
                result => return result,
            }
        }
    }

    async fn attempt(&self, batch: &ExportBatch, budget: &mut AttemptBudget) -> Result<(), SinkError> {
        let limit = budget.rest();
        // A defect of one sink must not take the others' deliveries with it.
        let export = AssertUnwindSafe(self.sink.export(batch)).catch_unwind();
        tokio::select! {
            ended = timeout(limit, export) => match ended {
                Ok(Ok(result)) => result,
                Ok(Err(_panic)) => Err(given_up("the sink panicked; please report this")),
                Err(_) => Err(late(limit)),
            },
            () = budget.cut() => Err(given_up("the server stopped before there was an answer")),
        }
    }

    fn retried(&self) {
        self.telemetry.export_retried(self.sink.name());
        self.locked().retries += 1;
    }

    /// Keeps what happened, and logs the change from good to bad and back, not every push.
    fn note(&self, end: ExportEnd, delivery: &Delivery, took: Duration) {
        let (sink, now) = (delivery.name, self.clock.now());
        self.telemetry.export_ended(sink, end, took, now);
        let changed = self.locked().count(end, delivery, now);
        match end {
            ExportEnd::Failed if changed => {
                tracing::error!(sink, error = delivery.error, "a push failed; pushes go on");
            }
            ExportEnd::Ok if changed => tracing::info!(sink, "pushes arrive again"),
            _ => {}
        }
    }

    fn locked(&self) -> MutexGuard<'_, SinkStats> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn late(limit: Duration) -> SinkError {
    SinkError { message: format!("no answer within {limit:?}"), may_retry: true }
}

fn given_up(why: &str) -> SinkError {
    SinkError { message: why.to_owned(), may_retry: false }
}
