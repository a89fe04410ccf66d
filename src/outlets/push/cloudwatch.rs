//! Pushes samples to Amazon CloudWatch: `PutMetricData` through the official SDK.
//!
//! Owns one attempt: what of a round enters the spool, and what of the spool is sent. A point leaves
//! the spool when CloudWatch has it or refuses it, so that an attempt may end, or be dropped, anywhere.

mod bisect;
mod client;
pub mod config;
mod datum;
mod dropped;
mod errors;
mod spool;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::bisect::BatchBisector;
use self::client::CloudWatchClient;
use self::datum::{DatumFormat, SpooledPoint};
use self::dropped::DroppedPoints;
use self::errors::{Failure, Verdict};
use self::spool::Spool;
use super::sink::{ExportBatch, Preview, Sink, SinkError, SnapshotSamples};
use crate::outlets::names::Mapping;
use crate::outlets::push::cloudwatch::config::{CloudWatchConfig, Include};
use crate::telemetry::PointCounts;

/// Most points kept, whatever their age: at 200 bytes a point, tens of megabytes.
const MOST_POINTS: usize = 100_000;

/// Pushes to one namespace in one region.
pub struct CloudWatchSink {
    include: Include,
    format: DatumFormat,
    client: CloudWatchClient,
    spool: Mutex<Spool>,
    /// One attempt at a time: what is taken from the front must still be there when it is delivered.
    turn: tokio::sync::Mutex<()>,
    delivered: AtomicU64,
    dropped: DroppedPoints,
}

impl CloudWatchSink {
    /// With AWS' own chain of credentials, regions and endpoints.
    #[must_use]
    pub fn new(config: CloudWatchConfig, mapping: Arc<Mapping>) -> Self {
        Self::with_loader(config, mapping, client::loader)
    }

    /// With credentials, region or endpoint from elsewhere; what the loader leaves open, the chain fills.
    #[must_use]
    pub fn with_loader(
        config: CloudWatchConfig,
        mapping: Arc<Mapping>,
        loader: impl Fn() -> aws_config::ConfigLoader + Send + Sync + 'static,
    ) -> Self {
        let CloudWatchConfig { region, namespace, dimensions, include, high_resolution, spool } = config;
        Self {
            include,
            format: DatumFormat::new(mapping, &dimensions, high_resolution),
            client: CloudWatchClient::new(Box::new(loader), region, namespace),
            spool: Mutex::new(Spool::new(spool, MOST_POINTS)),
            turn: tokio::sync::Mutex::new(()),
            delivered: AtomicU64::new(0),
            dropped: DroppedPoints::default(),
        }
    }

    /// Takes a round in, unless it is already; also makes room.
    fn admit(&self, round: &ExportBatch) {
        let Some(truth) = &round.truth else {
            let lost = self.spool().expire(round.snapshot_age_seconds.unwrap_or_default());
            return self.dropped.add("not delivered in time", lost);
        };
        if self.spool().knows(&truth.id) {
            return;
        }
        let (points, unfit) = self.points(truth);
        let lost = self.spool().add(&truth.id, truth.at, points);
        self.dropped.add("not delivered in time", lost);
        self.dropped.add("a value or label that CloudWatch does not accept", unfit);
    }

    fn points(&self, truth: &SnapshotSamples) -> (Vec<SpooledPoint>, usize) {
        let included = truth.samples.iter().filter(|sample| self.include.contains(sample.metric));
        let (fit, unfit): (Vec<_>, Vec<_>) = included.partition(|sample| datum::is_fit(sample));
        (fit.into_iter().map(|sample| SpooledPoint { at: truth.at, sample: sample.clone() }).collect(), unfit.len())
    }

    /// Sends what waits, oldest first.
    async fn drain(&self) -> Result<(), Failure> {
        let mut bisector = BatchBisector::new(datum::MOST_IN_A_REQUEST);
        let mut refusal = None;
        loop {
            let batch = self.spool().batch(bisector.limit(), |point| self.format.weight(point));
            if batch.is_empty() {
                return refusal.map_or(Ok(()), Err);
            }
            let data = batch.iter().map(|point| self.format.datum(point)).collect();
            match self.client.put(data).await {
                Ok(()) => {
                    self.spool().remove(batch.len());
                    bisector.accepted();
                    self.delivered.fetch_add(u64::try_from(batch.len()).unwrap_or(u64::MAX), Relaxed);
                }
                Err(failure) if failure.verdict == Verdict::Invalid => {
                    // One bad point spoils a request: smaller ones find it, and the rest arrives.
                    if bisector.refused(batch.len()) {
                        self.spool().remove(batch.len());
                        self.dropped.add("refused by CloudWatch", batch.len());
                    }
                    refusal = Some(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sink for CloudWatchSink {
    fn name(&self) -> &'static str {
        "cloudwatch"
    }

    async fn export(&self, round: &ExportBatch) -> Result<(), SinkError> {
        let _turn = self.turn.lock().await;
        self.admit(round);
        self.drain().await.map_err(SinkError::from)
    }

    fn preview(&self, round: &ExportBatch) -> Preview {
        let (points, _) = round.truth.as_ref().map(|truth| self.points(truth)).unwrap_or_default();
        let requests = datum::requests(points.iter().map(|point| self.format.weight(point)));
        let lines = points.iter().map(|point| self.format.line(point));
        let text = std::iter::once(self.client.place()).chain(lines).collect::<Vec<_>>().join("\n");
        Preview { text, billed_metrics: Some(points.len()), requests }
    }

    /// Region and credentials; whether the credentials suffice only a push can tell.
    async fn check(&self) -> Result<String, SinkError> {
        Ok(self.client.check().await?)
    }

    /// Dropped are those that are unfit for CloudWatch, refused by it, too old or too many.
    fn point_counts(&self) -> PointCounts {
        PointCounts {
            delivered: self.delivered.load(Relaxed),
            waiting: self.spool().len(),
            dropped: self.dropped.total(),
        }
    }

    /// What waits is tried once more: it does not outlive the server.
    async fn stop(&self) -> Result<(), SinkError> {
        let _turn = self.turn.lock().await;
        Ok(self.drain().await?)
    }
}
