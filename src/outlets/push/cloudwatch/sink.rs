//! Pushes samples to Amazon CloudWatch: `PutMetricData` through the official SDK.
//!
//! One attempt adds the batch to the spool and sends the spool, oldest first. A point leaves the spool only when
//! CloudWatch has accepted or rejected it, so an attempt may be dropped anywhere.

mod bisect;
mod client;
mod datum;
mod error_codes;
mod errors;

use std::sync::Arc;

use async_trait::async_trait;

use self::bisect::BatchBisector;
use self::client::CloudWatchClient;
use self::datum::DatumFormat;
use super::config::{CloudWatchConfig, Include};
use crate::catalog::Sample;
use crate::outlets::names::Mapping;
use crate::outlets::push::batch::{ExportBatch, SnapshotSamples};
use crate::outlets::push::outbox::Outbox;
use crate::outlets::push::sink::{Preview, Sink, SinkError};
use crate::outlets::push::spool::SpooledPoint;
use crate::telemetry::PointCounts;

/// Pushes to one namespace in one region.
pub struct CloudWatchSink {
    include: Include,
    format: DatumFormat,
    client: CloudWatchClient,
    outbox: Outbox,
}

impl CloudWatchSink {
    /// Uses the AWS SDK's default chain for credentials, region and endpoint.
    #[must_use]
    pub fn new(config: CloudWatchConfig, mapping: Arc<Mapping>) -> Self {
        Self::with_loader(config, mapping, client::loader)
    }

    /// Overrides credentials, region or endpoint; the default chain supplies the rest.
    #[must_use]
    pub fn with_loader(
        config: CloudWatchConfig,
        mapping: Arc<Mapping>,
        loader: impl Fn() -> aws_config::ConfigLoader + Send + Sync + 'static,
    ) -> Self {
        let CloudWatchConfig { region, profile, namespace, dimensions, include, high_resolution, spool } = config;
        Self {
            include,
            format: DatumFormat::new(mapping, &dimensions, high_resolution),
            client: CloudWatchClient::new(Box::new(loader), region, profile, namespace),
            outbox: Outbox::new("cloudwatch", spool),
        }
    }

    /// Adds the batch's points to the spool, unless a previous attempt did, and expires old points.
    fn spool_batch(&self, batch: &ExportBatch) {
        self.outbox.take(batch, |snapshot| {
            let (points, invalid) = self.points(snapshot);
            self.outbox.count_dropped("a value or label that CloudWatch does not accept", invalid);
            points
        });
    }

    /// The included points, and the number of those that CloudWatch would not accept.
    fn points(&self, snapshot: &SnapshotSamples) -> (Vec<SpooledPoint>, usize) {
        let included = snapshot.samples.iter().filter(|sample| self.include.contains(sample.metric));
        let (valid, invalid): (Vec<_>, Vec<_>) = included.partition(|sample| datum::is_valid(sample));
        let spooled = |sample: &Sample| SpooledPoint { at: snapshot.at, sample: sample.clone() };
        (valid.into_iter().map(spooled).collect(), invalid.len())
    }

    /// Sends the spool, oldest first.
    async fn drain(&self) -> Result<(), SinkError> {
        let mut bisector = BatchBisector::new(datum::MAX_POINTS_PER_REQUEST);
        let mut rejection = None;
        loop {
            let batch = self
                .outbox
                .spool()
                .batch_within(bisector.limit(), datum::MAX_REQUEST_BYTES, |point| self.format.max_bytes(point));
            if batch.is_empty() {
                return rejection.map_or(Ok(()), Err);
            }
            let data = batch.iter().map(|point| self.format.datum(point)).collect();
            match self.client.put(data).await {
                Ok(()) => {
                    self.outbox.spool().remove(batch.len());
                    bisector.accepted();
                    self.outbox.count_delivered(batch.len());
                }
                Err(error @ SinkError::Invalid(_)) => {
                    // One invalid point fails the whole request: smaller requests isolate it, and the rest arrives.
                    if bisector.rejected(batch.len()) {
                        self.outbox.spool().remove(batch.len());
                        self.outbox.count_dropped("rejected by CloudWatch", batch.len());
                    }
                    rejection = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[async_trait]
impl Sink for CloudWatchSink {
    fn name(&self) -> &'static str {
        "cloudwatch"
    }

    async fn export(&self, batch: &ExportBatch) -> Result<(), SinkError> {
        self.spool_batch(batch);
        self.drain().await
    }

    fn preview(&self, batch: &ExportBatch) -> Preview {
        let (points, _) = batch.snapshot.as_ref().map(|snapshot| self.points(snapshot)).unwrap_or_default();
        let requests = datum::requests(points.iter().map(|point| self.format.max_bytes(point)));
        let lines = points.iter().map(|point| self.format.line(point));
        let text = std::iter::once(self.client.target()).chain(lines).collect::<Vec<_>>().join("\n");
        Preview { text, billed_metrics: Some(points.len()), requests }
    }

    /// Resolves region and credentials. Only a push shows whether the credentials have the permission.
    async fn check(&self) -> Result<String, SinkError> {
        self.client.check().await
    }

    /// Dropped points are those that CloudWatch would not accept, those it rejected, and those the spool evicted.
    fn point_counts(&self) -> PointCounts {
        self.outbox.counts()
    }

    /// Sends the spool once more: it is in memory only.
    async fn shutdown(&self) -> Result<(), SinkError> {
        self.drain().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::catalog::{Part, find};
    use crate::outlets::push::cloudwatch::config::Dimensions;
    use crate::settings::FromSetting;

    const NOW: f64 = 1_767_225_600.0;
    const KEEP: u64 = 60;

    /// A sink of these metrics that nothing is sent from.
    fn sink(include: &str) -> CloudWatchSink {
        let config = CloudWatchConfig {
            region: Some("eu-central-1".to_owned()),
            profile: None,
            namespace: "Chat".to_owned(),
            dimensions: Dimensions::default(),
            include: Include::from_setting(include).unwrap(),
            high_resolution: false,
            spool: Duration::from_secs(KEEP),
        };
        CloudWatchSink::new(config, Arc::default())
    }

    /// Three metrics of one value each.
    fn batch(id: &str, at: f64, values: [f64; 3]) -> ExportBatch {
        let keys = ["instances", "proc.queue.pressure_ratio", "ingress.sse.saturation_ratio"];
        let sample = |(key, value)| {
            let metric = find(key).unwrap();
            Sample { metric, labels: Vec::new(), part: Part::Whole, value, scope: None }
        };
        let samples = keys.into_iter().zip(values).map(sample).collect();
        let snapshot = SnapshotSamples { id: id.to_owned(), at, samples, scope_found: None };
        ExportBatch { snapshot: Some(snapshot), snapshot_age_seconds: Some(0.0), snapshot_taken_at: Some(at) }
    }

    fn stale(age: f64) -> ExportBatch {
        ExportBatch { snapshot: None, snapshot_age_seconds: Some(age), snapshot_taken_at: Some(NOW) }
    }

    /// Points that wait, and those that were dropped.
    fn counts(sink: &CloudWatchSink) -> (usize, u64) {
        let PointCounts { delivered, waiting, dropped } = sink.point_counts();
        assert_eq!(delivered, 0);
        (waiting, dropped)
    }

    #[test]
    fn a_batch_enters_the_spool_once_and_what_cloudwatch_would_not_accept_is_dropped_once() {
        let sink = sink("*");
        for _ in 0..3 {
            sink.spool_batch(&batch("a", NOW, [1.0, f64::NAN, 1e200]));
            assert_eq!(counts(&sink), (1, 2), "a retry adds nothing");
        }
        sink.spool_batch(&batch("b", NOW + 30.0, [1.0, 0.0, -2.0]));
        assert_eq!(counts(&sink), (4, 2));
    }

    #[test]
    fn points_expire_with_the_next_snapshot_and_without_one_by_the_age_of_the_last() {
        let sink = sink("*");
        sink.spool_batch(&batch("a", NOW, [1.0; 3]));
        sink.spool_batch(&batch("b", NOW + 40.0, [1.0; 3]));
        sink.spool_batch(&stale(20.0));
        assert_eq!(counts(&sink), (6, 0), "exactly as old as they may be");
        sink.spool_batch(&stale(21.0));
        assert_eq!(counts(&sink), (3, 3));
        sink.spool_batch(&batch("c", NOW + 101.0, [1.0; 3]));
        assert_eq!(counts(&sink), (3, 6));
    }

    #[test]
    fn only_included_metrics_are_spooled_and_others_are_not_counted_as_dropped() {
        let sink = sink("proc.queue.*,instances");
        sink.spool_batch(&batch("a", NOW, [1.0, 0.5, f64::NAN]));
        assert_eq!(counts(&sink), (2, 0));
    }

    #[test]
    fn a_preview_names_the_place_and_has_a_line_for_each_point_and_spools_nothing() {
        let sink = sink("*");
        let preview = sink.preview(&batch("a", NOW, [1.0, 0.5, f64::NAN]));
        let lines: Vec<&str> = preview.text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, "PutMetricData to Chat in eu-central-1"));
        assert!(lines[1].contains("instances") && lines[2].contains("pressure"), "{lines:?}");
        assert_eq!((preview.billed_metrics, preview.requests, counts(&sink)), (Some(2), 1, (0, 0)));
        let empty = sink.preview(&stale(1.0));
        assert_eq!((empty.billed_metrics, empty.requests, empty.text.lines().count()), (Some(0), 0, 1));
    }
}
