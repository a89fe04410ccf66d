//! What a sink is: takes the samples of one snapshot and pushes them. When batches are due, how often an attempt is
//! repeated and how it is counted is the business of `scheduler` and `delivery`.

use async_trait::async_trait;

use crate::base::clock::UnixSeconds;
use crate::catalog::Sample;
use crate::telemetry::PointCounts;

/// What every sink is given at the same moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportBatch {
    /// `None` while the snapshot is stale or missing: then there is nothing true to push.
    pub truth: Option<SnapshotSamples>,
    /// Age of the newest snapshot, however old; `None` before the first.
    pub snapshot_age_seconds: Option<f64>,
}

/// The samples of one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotSamples {
    /// The snapshot's id. The same batch tried again has the same id.
    pub id: String,
    /// The snapshot's time, which is that of its samples.
    pub at: UnixSeconds,
    pub samples: Vec<Sample>,
}

/// What a sink would send, in words and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Requests as a person reads them.
    pub text: String,
    /// Different metrics, as a service that bills for them counts; `None` where nobody bills.
    pub billed_metrics: Option<usize>,
    /// Requests a batch.
    pub requests: usize,
}

/// Why a push failed; never with a secret in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    /// What, where and what to do.
    pub message: String,
    /// Whether the same again may succeed: an outage, yes; a refusal, no.
    pub may_retry: bool,
}

/// Where samples are pushed.
#[async_trait]
pub trait Sink: Send + Sync {
    /// The word in settings, labels and logs.
    fn name(&self) -> &'static str;

    /// One attempt. It has no time limit of its own: the caller drops it when the time is up, and may
    /// call it again with the same batch.
    ///
    /// # Errors
    /// Why not all that there was to deliver was delivered.
    async fn export(&self, batch: &ExportBatch) -> Result<(), SinkError>;

    /// What `export` would send in this batch, for people to look at.
    fn preview(&self, batch: &ExportBatch) -> Preview;

    /// Whether the sink can be reached and would let us in; gives what was found, and pushes nothing.
    ///
    /// # Errors
    /// What is missing.
    async fn check(&self) -> Result<String, SinkError>;

    /// What became of all points so far; true at any moment, also after an attempt was dropped.
    fn point_counts(&self) -> PointCounts;

    /// Says goodbye when the server stops; most sinks have nothing to say. Nothing is exported after it.
    ///
    /// # Errors
    /// Why that failed.
    async fn stop(&self) -> Result<(), SinkError> {
        Ok(())
    }
}
