//! Sources read the outside into [`Facts`], or, in proxy mode, into the bodies of upstreams; none computes a metric.

mod error;
pub mod mode;
pub mod postgres;
pub mod proxy;
pub mod redis;

use std::time::Duration;

use async_trait::async_trait;

use tokio::time::Instant;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Facts, RollingSeries, ThrottlingEvent};
use crate::problems::Problem;

pub use error::SourceError;

/// What a tick cost the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Pipelined round trips.
    pub round_trips: u64,
    /// Commands in them.
    pub commands: u64,
}

/// The source's own clock, as it was read last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerClock {
    pub at: UnixSeconds,
    /// When it showed that.
    pub read: Instant,
    /// Seconds by which `read` may be off.
    pub uncertainty: f64,
}

impl ServerClock {
    /// What it shows now, if it runs as evenly as this machine's timer.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        self.at + self.read.elapsed().as_secs_f64()
    }
}

/// Whether `record` also saves what the next start needs, beside the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveState {
    Yes,
    No,
}

/// What became of a tick's points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    Written,
    /// Another replica holds the lease and writes them.
    ByLeader,
}

/// A source of facts. One tick calls `collect`, then, if it records, `record`.
#[async_trait]
pub trait Source: Send {
    /// Does one short part of the work before the first `collect`, such as loading a long history; true after the
    /// last part. `collect` does all that is left, however long it takes.
    async fn prepare(&mut self, _now: UnixSeconds) -> Result<bool, SourceError> {
        Ok(true)
    }

    /// Throttling events that [`Self::prepare`] has read so far, which no `collect` returns then: as facts a million of them
    /// would take a multiple of what history needs.
    fn take_events(&mut self) -> Vec<ThrottlingEvent> {
        Vec::new()
    }

    /// Reads the facts as of `now`; series hold the entries that no earlier call returned.
    async fn collect(&mut self, now: UnixSeconds) -> Result<Facts, SourceError>;

    /// Appends the tick's own points to the rolling series, unless another replica does.
    async fn record(
        &mut self,
        now: UnixSeconds,
        points: &[(RollingSeries, f64)],
        save_state: SaveState,
    ) -> Result<Recorded, SourceError>;

    /// Lets another replica take over at once, where there are others: nothing is recorded after it.
    async fn release(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    /// Where it reads, without credentials; `None` where that is nowhere in particular.
    fn place(&self) -> Option<String> {
        None
    }

    /// Which deployments there are, as text, after a search of at most `longest` that is no part of a tick's cost; `None`
    /// where there is no place to search.
    async fn search_scopes(&mut self, _longest: Duration) -> Option<String> {
        None
    }

    /// What is wrong with the source itself after a tick, whether it succeeded or failed.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// The source's own clock, if it has one that can be read.
    fn server_clock(&self) -> Option<ServerClock> {
        None
    }

    /// The series have to be read again from the beginning of their retention: the next `prepare` begins anew.
    fn read_again(&mut self) {}

    /// What the last tick cost, including its `record`.
    fn cost(&self) -> Cost;

    /// The longest a tick takes by the source's own time limits.
    fn time_limit(&self) -> Duration {
        Duration::ZERO
    }
}
