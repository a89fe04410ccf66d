//! Pushes samples to Amazon CloudWatch: `PutMetricData` through the official SDK.
//!
//! Owns one attempt: what of a round enters the spool, and what of the spool is sent. A point leaves
//! the spool when CloudWatch has it or refuses it, so that an attempt may end, or be dropped, anywhere.

mod client;
mod datum;
mod errors;
mod losses;
mod patience;
mod spool;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::client::Client;
use self::datum::{Format, Point};
use self::errors::{Failure, Verdict};
use self::losses::Losses;
use self::patience::Patience;
use self::spool::Spool;
use super::{Preview, Round, Sink, SinkError, Tally, Truth};
use crate::catalog::mapping::Mapping;
use crate::config::cloudwatch::{CloudWatchConfig, Include};

/// Most points kept, whatever their age: at 200 bytes a point, tens of megabytes.
const MOST_POINTS: usize = 100_000;

/// Pushes to one namespace in one region.
pub struct CloudWatchSink {
    include: Include,
    format: Format,
    client: Client,
    spool: Mutex<Spool>,
    /// One attempt at a time: what is taken from the front must still be there when it is delivered.
    turn: tokio::sync::Mutex<()>,
    delivered: AtomicU64,
    losses: Losses,
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
            format: Format::new(mapping, &dimensions, high_resolution),
            client: Client::new(Box::new(loader), region, namespace),
            spool: Mutex::new(Spool::new(spool, MOST_POINTS)),
            turn: tokio::sync::Mutex::new(()),
            delivered: AtomicU64::new(0),
            losses: Losses::default(),
        }
    }

    /// Takes a round in, unless it is already; also makes room.
    fn admit(&self, round: &Round) {
        let Some(truth) = &round.truth else {
            let lost = self.spool().expire(round.snapshot_age_seconds.unwrap_or_default());
            return self.losses.add("not delivered in time", lost);
        };
        if self.spool().knows(&truth.id) {
            return;
        }
        let (points, unfit) = self.points(truth);
        let lost = self.spool().add(&truth.id, truth.at, points);
        self.losses.add("not delivered in time", lost);
        self.losses.add("a value or label that CloudWatch does not accept", unfit);
    }

    fn points(&self, truth: &Truth) -> (Vec<Point>, usize) {
        let included = truth.samples.iter().filter(|sample| self.include.contains(sample.metric));
        let (fit, unfit): (Vec<_>, Vec<_>) = included.partition(|sample| datum::is_fit(sample));
        (fit.into_iter().map(|sample| Point { at: truth.at, sample: sample.clone() }).collect(), unfit.len())
    }

    /// Sends what waits, oldest first.
    async fn drain(&self) -> Result<(), Failure> {
        let mut patience = Patience::new(datum::MOST_IN_A_REQUEST);
        let mut refusal = None;
        loop {
            let batch = self.spool().batch(patience.limit(), |point| self.format.weight(point));
            if batch.is_empty() {
                return refusal.map_or(Ok(()), Err);
            }
            let data = batch.iter().map(|point| self.format.datum(point)).collect();
            match self.client.put(data).await {
                Ok(()) => {
                    self.spool().remove(batch.len());
                    patience.accepted();
                    self.delivered.fetch_add(u64::try_from(batch.len()).unwrap_or(u64::MAX), Relaxed);
                }
                Err(failure) if failure.verdict == Verdict::Invalid => {
                    // One bad point spoils a request: smaller ones find it, and the rest arrives.
                    if patience.refused(batch.len()) {
                        self.spool().remove(batch.len());
                        self.losses.add("refused by CloudWatch", batch.len());
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

    async fn export(&self, round: &Round) -> Result<(), SinkError> {
        let _turn = self.turn.lock().await;
        self.admit(round);
        self.drain().await.map_err(SinkError::from)
    }

    fn preview(&self, round: &Round) -> Preview {
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
    fn tally(&self) -> Tally {
        Tally { delivered: self.delivered.load(Relaxed), waiting: self.spool().len(), dropped: self.losses.total() }
    }

    /// What waits is tried once more: it does not outlive the server.
    async fn stop(&self) -> Result<(), SinkError> {
        let _turn = self.turn.lock().await;
        Ok(self.drain().await?)
    }
}
