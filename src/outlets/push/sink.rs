//! The contract of a sink: it pushes the samples of one snapshot. `scheduler` decides when, `delivery` retries and
//! counts.

use async_trait::async_trait;

use super::batch::ExportBatch;
use crate::telemetry::PointCounts;

/// What a sink would send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The requests, in readable form.
    pub text: String,
    /// Distinct metrics, for a service that bills by metric; `None` where nothing is billed.
    pub billed_metrics: Option<usize>,
    /// Requests per batch.
    pub requests: usize,
}

/// Why a push failed: where, what and what to do about it. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// An outage, a timeout or a throttle: the same request may succeed on the next attempt.
    #[error("{0}")]
    Retry(String),
    /// Rejected until the operator changes something: credentials, permissions, address.
    #[error("{0}")]
    Denied(String),
    /// The receiver does not accept these points.
    #[error("{0}")]
    Invalid(String),
    /// The sink cannot be built.
    #[error("{0}")]
    Setup(String),
}

impl SinkError {
    /// Whether another attempt with the same batch may succeed without anybody acting.
    #[must_use]
    pub const fn may_retry(&self) -> bool {
        matches!(self, Self::Retry(_))
    }
}

/// A receiver of samples. The caller runs at most one `export` or `shutdown` at a time.
#[async_trait]
pub trait Sink: Send + Sync {
    /// The name in settings, labels and logs.
    fn name(&self) -> &'static str;

    /// One attempt. It has no deadline of its own: the caller drops it when the time is up, and may call it again with
    /// the same batch.
    ///
    /// # Errors
    /// Why the batch, or a part of it, was not delivered.
    async fn export(&self, batch: &ExportBatch) -> Result<(), SinkError>;

    /// What `export` would send for this batch.
    fn preview(&self, batch: &ExportBatch) -> Preview;

    /// Checks connection and credentials without pushing anything; returns what was found.
    ///
    /// # Errors
    /// What is missing.
    async fn check(&self) -> Result<String, SinkError>;

    /// Totals since the start. Correct at any moment, also after an attempt was dropped.
    fn point_counts(&self) -> PointCounts;

    /// The final flush, when the server shuts down. Nothing is exported after it.
    ///
    /// # Errors
    /// Why the flush failed.
    async fn shutdown(&self) -> Result<(), SinkError> {
        Ok(())
    }
}
