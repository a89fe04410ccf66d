//! Deliveries: what each enabled sink was given, how it went, and trying again in time.
//!
//! Owns the sinks and their records. When rounds happen is `scheduler`'s matter, what is sent the
//! sinks' own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::catalog;
use crate::clock::{Clock, SystemClock};
use crate::engine::snapshot::{Snapshot, SnapshotReader};
use crate::exporters::{Backlog, Round, Sink, SinkError, Truth};
use crate::signals::UnixSeconds;
use crate::telemetry::Telemetry;

/// Pause before a first repetition; doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Exports on demand closer together than this share one, so that nobody can hammer a sink.
pub(crate) const SPACING: Duration = Duration::from_secs(1);

/// How one delivery to one sink ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delivery {
    pub name: &'static str,
    pub status: Outcome,
    /// Samples that arrived.
    pub samples: usize,
    pub duration_ms: u64,
    pub error: Option<String>,
}

/// In the words of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok,
    Partial,
    Failed,
}

/// How one round ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub status: Outcome,
    pub ts: UnixSeconds,
    pub sinks: Vec<Delivery>,
    /// What there is to say where sinks say nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'static str>,
}

/// What is known of one sink since the start.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Record {
    pub name: &'static str,
    pub ok: u64,
    pub failed: u64,
    /// Unix time; `None` before the first.
    pub last_success: Option<UnixSeconds>,
    pub last_error: Option<String>,
    pub last_error_at: Option<UnixSeconds>,
    pub last_samples: usize,
    pub last_duration_ms: u64,
    #[serde(flatten)]
    pub backlog: Backlog,
}

/// How long a delivery may take.
struct Patience {
    /// One attempt.
    attempt: Duration,
    /// All of them.
    deadline: Instant,
    stopping: watch::Receiver<bool>,
}

impl Patience {
    fn late(&self) -> SinkError {
        SinkError { message: format!("no answer within {:?}", self.attempt), may_retry: true }
    }

    /// The limit of an attempt that begins now.
    fn rest(&self) -> Duration {
        self.attempt.min(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits before a repetition; false where none is to follow.
    async fn waits(&mut self, pause: Duration) -> bool {
        let again = Instant::now() + pause;
        again < self.deadline && timeout_at(again, self.stopping.wait_for(|stopping| *stopping)).await.is_err()
    }
}

struct Enabled {
    sink: Box<dyn Sink>,
    record: Mutex<Record>,
    /// One delivery at a time.
    turn: tokio::sync::Mutex<()>,
}

/// Every enabled sink.
pub struct Exports {
    sinks: Vec<Arc<Enabled>>,
    telemetry: Arc<Telemetry>,
    /// Limit of one attempt.
    attempt: Duration,
    /// Becomes true when the server stops: nothing is tried again then.
    stopping: watch::Sender<bool>,
    /// The last export on demand; held while one runs.
    on_demand: Arc<tokio::sync::Mutex<Option<(Instant, Report)>>>,
}

impl std::fmt::Debug for Exports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.sinks.iter().map(|enabled| enabled.sink.name())).finish()
    }
}

impl Exports {
    /// Delivers to these sinks; an attempt that takes longer than `attempt` is given up.
    #[must_use]
    pub fn new(sinks: Vec<Box<dyn Sink>>, telemetry: Arc<Telemetry>, attempt: Duration) -> Self {
        let enabled = |sink: Box<dyn Sink>| {
            telemetry.register_sink(sink.name());
            let record = Mutex::new(Record { name: sink.name(), ..Record::default() });
            Arc::new(Enabled { sink, record, turn: tokio::sync::Mutex::new(()) })
        };
        let sinks = sinks.into_iter().map(enabled).collect();
        Self { sinks, telemetry, attempt, stopping: watch::Sender::new(false), on_demand: Arc::default() }
    }

    /// Whether there is any sink.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// What is known of every sink.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.sinks.iter().map(|enabled| enabled.record().clone()).collect()
    }

    /// The sinks themselves, to be looked at.
    pub fn sinks(&self) -> impl Iterator<Item = &dyn Sink> {
        self.sinks.iter().map(|enabled| enabled.sink.as_ref())
    }

    /// One round to every sink at once, each tried again until `limit` has passed.
    pub async fn deliver(&self, round: Round, limit: Duration) -> Report {
        let deadline = Instant::now() + limit;
        let round = Arc::new(round);
        let mut deliveries = JoinSet::new();
        for (place, enabled) in self.sinks.iter().enumerate() {
            let (enabled, round, telemetry) = (Arc::clone(enabled), Arc::clone(&round), Arc::clone(&self.telemetry));
            let patience = Patience { attempt: self.attempt, deadline, stopping: self.stopping.subscribe() };
            deliveries.spawn(async move { (place, enabled.deliver(&round, patience, &telemetry).await) });
        }
        let mut sinks = deliveries.join_all().await;
        sinks.sort_by_key(|(place, _)| *place);
        report(sinks.into_iter().map(|(_, delivery)| delivery).collect())
    }

    /// One export because somebody asked; askers at the same time share it, and it goes on when they
    /// go away: else whoever asks and hangs up could start one after the other.
    pub async fn on_demand(self: &Arc<Self>, reader: &SnapshotReader, fresh: Duration) -> Report {
        let mut last = Arc::clone(&self.on_demand).lock_owned().await;
        if let Some((ended, report)) = last.as_ref().filter(|(ended, _)| ended.elapsed() < SPACING) {
            tracing::debug!(age = ?ended.elapsed(), "an export that has just ended is told again");
            return report.clone();
        }
        let (exports, reader) = (Arc::clone(self), reader.clone());
        let export = tokio::spawn(async move {
            let truth = reader.fresher_than(fresh).await;
            let report = exports.deliver(round(truth.as_deref(), &reader), exports.attempt).await;
            *last = Some((Instant::now(), report.clone()));
            report
        });
        export.await.unwrap_or_else(|_| cut_off())
    }

    /// Lets attempts that are under way end, and every sink say goodbye.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        let goodbyes = self.sinks.iter().map(|enabled| timeout(self.attempt, enabled.stop()));
        for (enabled, goodbye) in self.sinks.iter().zip(futures_util::future::join_all(goodbyes).await) {
            let sink = enabled.sink.name();
            match goodbye {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(sink, %error, "a sink could not be left cleanly"),
                Err(_) => tracing::warn!(sink, "a sink was not left in time"),
            }
        }
    }
}

/// The round of a snapshot, or of there being none.
#[must_use]
pub fn round(truth: Option<&Snapshot>, reader: &SnapshotReader) -> Round {
    Round {
        truth: truth.map(truth_of),
        snapshot_age_seconds: reader.latest().map(|snapshot| snapshot.age().as_secs_f64()),
    }
}

/// A snapshot as sinks take it.
#[must_use]
pub fn truth_of(snapshot: &Snapshot) -> Truth {
    Truth { id: snapshot.id.clone(), at: snapshot.taken_at, samples: catalog::samples(&snapshot.monitoring) }
}

fn report(sinks: Vec<Delivery>) -> Report {
    let ok = sinks.iter().filter(|delivery| delivery.status == Outcome::Ok).count();
    let status = match ok {
        _ if ok == sinks.len() => Outcome::Ok,
        0 => Outcome::Failed,
        _ => Outcome::Partial,
    };
    let none = "no sink is enabled; METRICS_EXPORT_CLOUDWATCH=1 or METRICS_EXPORT_PROMETHEUS_PUSH=1 enables one";
    Report { status, ts: SystemClock.now(), detail: sinks.is_empty().then_some(none), sinks }
}

/// Of an export that ended with the runtime or by a defect.
fn cut_off() -> Report {
    Report { status: Outcome::Failed, ts: SystemClock.now(), detail: Some("the export was cut off"), sinks: Vec::new() }
}

impl Enabled {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stop(&self) -> Result<(), SinkError> {
        let _turn = self.turn.lock().await;
        self.sink.stop().await
    }

    async fn deliver(&self, round: &Round, patience: Patience, telemetry: &Telemetry) -> Delivery {
        let began = Instant::now();
        let result = self.repeat(round, patience).await;
        let stale = round.truth.is_none().then(|| "there is no fresh snapshot: nothing true to push".to_owned());
        let (samples, error) = match result {
            Ok(samples) => (samples, stale),
            Err(error) => (0, Some(error.message)),
        };
        telemetry.export_backlog(self.sink.name(), self.sink.backlog());
        telemetry.export_finished(self.sink.name(), error.is_none(), began.elapsed(), SystemClock.now());
        self.note(samples, error, began.elapsed())
    }

    /// Tries until it works, cannot work, or the time is up; pauses double and have full jitter.
    async fn repeat(&self, round: &Round, mut patience: Patience) -> Result<usize, SinkError> {
        let Ok(_turn) = timeout_at(patience.deadline, self.turn.lock()).await else { return Err(patience.late()) };
        let mut pause = FIRST_PAUSE;
        loop {
            let attempt = timeout(patience.rest(), self.sink.export(round)).await;
            match attempt.unwrap_or_else(|_| Err(patience.late())) {
                Err(error) if error.may_retry && patience.waits(pause.mul_f64(fastrand::f64())).await => {
                    tracing::debug!(sink = self.sink.name(), %error, "a push failed and is tried again");
                    pause *= 2;
                }
                result => return result,
            }
        }
    }

    /// Keeps what happened, and logs the change from good to bad and back, not every push.
    fn note(&self, samples: usize, error: Option<String>, took: Duration) -> Delivery {
        let name = self.sink.name();
        let mut record = self.record();
        record.backlog = self.sink.backlog();
        let was_bad = record.last_error_at > record.last_success;
        record.last_samples = samples;
        record.last_duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if let Some(error) = &error {
            record.failed += 1;
            record.last_error = Some(error.clone());
            record.last_error_at = Some(SystemClock.now());
            if !was_bad {
                tracing::error!(sink = name, error, "a push failed; pushes go on");
            }
        } else {
            record.ok += 1;
            record.last_success = Some(SystemClock.now());
            if was_bad {
                tracing::info!(sink = name, "pushes arrive again");
            }
        }
        let status = if error.is_none() { Outcome::Ok } else { Outcome::Failed };
        Delivery { name, status, samples, duration_ms: record.last_duration_ms, error }
    }
}
