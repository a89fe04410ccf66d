//! Each source turns the outside into [`crate::signals::Signals`]; none computes a metric.

pub mod embedded;
pub mod redis;

use crate::signals::{RollingSeries, Signals, UnixSeconds};
use async_trait::async_trait;

/// Why a tick has no facts.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Where facts come from. One tick calls `collect`, then, if it records, `record`.
#[async_trait]
pub trait Source: Send {
    /// Reads the facts as of `now`; series hold what was not handed over before.
    async fn collect(&mut self, now: UnixSeconds) -> Result<Signals, SourceError>;

    /// Appends the tick's own points to the rolling series.
    async fn record(&mut self, now: UnixSeconds, points: &[(RollingSeries, f64)]) -> Result<(), SourceError>;
}
