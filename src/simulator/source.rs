//! A source that simulates its deployment in memory; needs no Redis.

use async_trait::async_trait;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Facts, RollingSeries};
use crate::simulator::deployment::{Deployment, Shape};
use crate::sources::{Cost, Recorded, SaveState, Source, SourceError};

/// How far back the simulation begins, so that the first windows are not empty.
const WARM_UP_SECONDS: f64 = 900.0;

#[derive(Debug)]
pub struct EmbeddedSource(Deployment);

impl EmbeddedSource {
    /// A deployment that has been running for a while at `now`.
    #[must_use]
    pub fn new(now: UnixSeconds) -> Self {
        Self(Deployment::new(Shape::default(), now - WARM_UP_SECONDS))
    }
}

#[async_trait]
impl Source for EmbeddedSource {
    async fn collect(&mut self, now: UnixSeconds) -> Result<Facts, SourceError> {
        Ok(self.0.advance(now))
    }

    /// History keeps the points, and there is no other reader.
    async fn record(
        &mut self,
        _now: UnixSeconds,
        _points: &[(RollingSeries, f64)],
        _save_state: SaveState,
    ) -> Result<Recorded, SourceError> {
        Ok(Recorded::Written)
    }

    fn cost(&self) -> Cost {
        Cost::default()
    }
}
