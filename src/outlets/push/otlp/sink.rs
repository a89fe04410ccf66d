//! Pushes points to an OpenTelemetry receiver.
//!
//! One attempt adds the batch to the spool and sends the spool, oldest first, with this server's own metrics of the moment. A
//! point leaves the spool only when the receiver has accepted or rejected it, so an attempt may be dropped anywhere.

mod message;
mod names;
mod outcome;
mod transport;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::time::Instant;

use self::message::Identity;
use self::outcome::{Accepted, Failure};
use self::transport::Transport;
use super::config::OtlpConfig;
use crate::base::clock::{Clock, SystemClock, UnixSeconds};
use crate::catalog::own;
use crate::outlets::push::batch::{ExportBatch, SnapshotSamples};
use crate::outlets::push::config::SinkContext;
use crate::outlets::push::outbox::Outbox;
use crate::outlets::push::sink::{Preview, Sink, SinkError};
use crate::outlets::push::spool::SpooledPoint;
use crate::telemetry::{Observed, PointCounts, Telemetry};

/// Points in one message: a few hundred kilobytes before compression.
const MAX_POINTS_PER_REQUEST: usize = 4000;

/// Pushes to one receiver.
pub struct OtlpSink {
    transport: Transport,
    identity: Identity,
    telemetry: Arc<Telemetry>,
    outbox: Outbox,
    /// Until then the receiver wants no request.
    closed_until: Mutex<Option<Instant>>,
}

impl OtlpSink {
    /// A sink that connects with its first push.
    ///
    /// # Errors
    /// The HTTP client cannot be built, for example because the CA file went bad.
    pub fn new(config: &OtlpConfig, context: &SinkContext) -> Result<Self, SinkError> {
        let setup = |error| SinkError::Setup(format!("OTLP: {error}"));
        let telemetry = Arc::clone(&context.telemetry);
        let started = telemetry.own_state(Observed::default()).process.start_time;
        Ok(Self {
            transport: Transport::new(config).map_err(setup)?,
            identity: Identity { attributes: attributes(config, context), started },
            telemetry,
            outbox: Outbox::new("otlp", config.spool),
            closed_until: Mutex::default(),
        })
    }

    /// This server's own metrics, which are not kept for later: the next ones say all that these do.
    fn own(&self, batch: &ExportBatch) -> Vec<SpooledPoint> {
        let observed = Observed {
            up: batch.snapshot.is_some(),
            snapshot_age_seconds: batch.snapshot_age_seconds,
            snapshot_taken_at: batch.snapshot_taken_at,
            scope_found: batch.snapshot.as_ref().and_then(|snapshot| snapshot.scope_found),
        };
        let at: UnixSeconds = SystemClock.now();
        let samples = own::samples(&self.telemetry.own_state(observed)).into_iter();
        samples.map(|sample| SpooledPoint { at, sample }).filter(message::is_carried).collect()
    }

    /// Sends the spool, oldest first, and then what is not kept.
    async fn drain(&self, own: &[SpooledPoint]) -> Result<(), SinkError> {
        let mut rejection = None;
        loop {
            let points = self.outbox.spool().batch(MAX_POINTS_PER_REQUEST);
            if points.is_empty() {
                break;
            }
            match self.send(&points).await {
                Ok(()) => self.outbox.spool().remove(points.len()),
                Err(error @ SinkError::Invalid(_)) => {
                    self.outbox.spool().remove(points.len());
                    self.outbox.count_dropped("rejected by the OTLP receiver", points.len());
                    rejection = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        if !own.is_empty() {
            self.send(own).await?;
        }
        rejection.map_or(Ok(()), Err)
    }

    /// One request, unless the receiver wants none yet.
    async fn send(&self, points: &[SpooledPoint]) -> Result<(), SinkError> {
        let closed = self.closed_until().filter(|until| Instant::now() < *until);
        if let Some(until) = closed {
            let left = until.saturating_duration_since(Instant::now()).as_secs_f64();
            return Err(SinkError::Retry(format!("OTLP receiver wants no request for {left:.0} s more; will retry")));
        }
        match self.transport.send(message::request(points, &self.identity)).await {
            Ok(accepted) => {
                self.record(&accepted, points.len());
                Ok(())
            }
            Err(Failure { error, wait }) => {
                *self.closed_until() = wait.map(|wait| Instant::now() + wait);
                Err(error)
            }
        }
    }

    /// What the receiver rejected of an accepted request is not sent again.
    fn record(&self, accepted: &Accepted, sent: usize) {
        let rejected = usize::try_from(accepted.rejected).unwrap_or(usize::MAX).min(sent);
        self.outbox.count_delivered(sent - rejected);
        self.outbox.count_dropped("rejected by the OTLP receiver", rejected);
        if !accepted.message.is_empty() {
            tracing::debug!(sink = "otlp", rejected, message = accepted.message, "the receiver accepted a part");
        }
    }

    fn closed_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.closed_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn points(snapshot: &SnapshotSamples) -> Vec<SpooledPoint> {
    let points = snapshot.samples.iter().map(|sample| SpooledPoint { at: snapshot.at, sample: sample.clone() });
    points.filter(message::is_carried).collect()
}

/// The configured attributes over those that are known anyhow.
fn attributes(config: &OtlpConfig, context: &SinkContext) -> BTreeMap<String, String> {
    let known = [
        ("service.name", "metrics"),
        ("service.namespace", "kdcube"),
        ("service.instance.id", &context.instance_id),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("kdcube.metrics.mode", context.mode),
    ];
    let known = known.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    known.chain(config.attributes.clone()).collect()
}

#[async_trait]
impl Sink for OtlpSink {
    fn name(&self) -> &'static str {
        "otlp"
    }

    async fn export(&self, batch: &ExportBatch) -> Result<(), SinkError> {
        self.outbox.take(batch, points);
        self.drain(&self.own(batch)).await
    }

    fn preview(&self, batch: &ExportBatch) -> Preview {
        let points = batch.snapshot.as_ref().map(points).unwrap_or_default();
        let line = |point: &SpooledPoint| {
            let labels: Vec<_> = point.sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let (metric, value) = (point.sample.metric, point.sample.value);
            let (name, unit) = (names::name(metric), names::unit(metric));
            format!("  {name} {{{}}} = {} {unit}", labels.join(", "), names::value(metric, value))
        };
        let target = format!("OTLP to {}", self.transport.url());
        let text = std::iter::once(target).chain(points.iter().map(line)).collect::<Vec<_>>().join("\n");
        let requests = points.len().div_ceil(MAX_POINTS_PER_REQUEST) + 1;
        Preview { text, billed_metrics: None, requests }
    }

    /// Sends a message without points, which a receiver accepts and forgets.
    async fn check(&self) -> Result<String, SinkError> {
        let accepted = self.transport.send(message::request(&[], &self.identity)).await;
        accepted.map(|_| format!("{} accepts OTLP", self.transport.url())).map_err(|failure| failure.error)
    }

    fn point_counts(&self) -> PointCounts {
        self.outbox.counts()
    }

    /// Sends the spool once more: it is in memory only.
    async fn shutdown(&self) -> Result<(), SinkError> {
        self.drain(&[]).await
    }
}
