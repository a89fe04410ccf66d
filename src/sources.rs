//! Each source turns the outside into [`crate::platform::facts::Facts`], or, `proxy`, into what upstreams
//! answered; none computes a metric.

pub mod mode;
pub mod postgres;
pub mod proxy;
pub mod redis;

use std::time::Duration;

use async_trait::async_trait;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Facts, RollingSeries};

/// Why a tick has no facts: what, where, and what to do; never a secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// What a tick cost the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Pipelined round trips.
    pub round_trips: u64,
    /// Commands in them.
    pub commands: u64,
}

/// Whether `record` also keeps, beside the points, what the next start of a server needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveState {
    Yes,
    No,
}

/// Where facts come from. One tick calls `collect`, then, if it records, `record`.
#[async_trait]
pub trait Source: Send {
    /// Does one short part of what comes before the first `collect`, such as reading a long history;
    /// whether that was the last part. `collect` does all that is left, however long it takes.
    async fn prepare(&mut self, _now: UnixSeconds) -> Result<bool, SourceError> {
        Ok(true)
    }

    /// Reads the facts as of `now`; series hold what was not handed over before.
    async fn collect(&mut self, now: UnixSeconds) -> Result<Facts, SourceError>;

    /// Appends the tick's own points to the rolling series.
    async fn record(
        &mut self,
        now: UnixSeconds,
        points: &[(RollingSeries, f64)],
        save_state: SaveState,
    ) -> Result<(), SourceError>;

    /// What the last tick cost, its record included.
    fn cost(&self) -> Cost;

    /// The longest that a tick takes by the source's own time limits.
    fn time_limit(&self) -> Duration {
        Duration::ZERO
    }
}
