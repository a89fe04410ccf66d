//! One tick: facts from the source, into history, through the formulas, to the truth.
//!
//! Owns the state that ticks share (history, gateway configuration). When ticks happen and who
//! sees their result is `collector`'s matter.

use std::time::Duration;

use async_trait::async_trait;

use super::tick::{RecordMode, Tick, Ticker};
use crate::analysis::{self, Inputs};
use crate::base::clock::UnixSeconds;
use crate::engine::database::Database;
use crate::engine::gateway_store::GatewayStore;
use crate::history::History;
use crate::platform::facts::RollingSeries;
use crate::sources::{SaveState, Source, SourceError};

/// Turns ticks into truth.
pub struct SampleTicker {
    source: Box<dyn Source>,
    history: History,
    gateway: GatewayStore,
    /// `None` = PostgreSQL is not asked.
    database: Option<Database>,
    instance_id: String,
}

impl SampleTicker {
    /// A sampler over `source` that keeps at most `max_samples` of each latency series.
    #[must_use]
    pub fn new(source: Box<dyn Source>, gateway: GatewayStore, instance_id: String, max_samples: usize) -> Self {
        Self { source, history: History::new(max_samples), gateway, database: None, instance_id }
    }

    /// The same, with what the database says of itself.
    #[must_use]
    pub fn with_database(mut self, database: Option<Database>) -> Self {
        self.database = database;
        self
    }

    fn inputs<'a>(&'a self, signals: &'a crate::platform::facts::Facts, now: UnixSeconds) -> Inputs<'a> {
        Inputs {
            signals,
            history: &self.history,
            gateway: self.gateway.current(),
            instance_id: self.instance_id.as_str(),
            database_max_connections: self.database.as_ref().and_then(Database::max_connections),
            now,
        }
    }

    /// Writes the points; a failure costs the other readers of the series a point, not us the tick.
    async fn record(
        &mut self,
        now: UnixSeconds,
        points: &[(RollingSeries, f64)],
        record: RecordMode,
    ) -> Option<SourceError> {
        let save_state = match record {
            RecordMode::No => return None,
            RecordMode::Points => SaveState::No,
            RecordMode::Yes => SaveState::Yes,
        };
        self.history.record(now, points);
        self.source.record(now, points, save_state).await.err()
    }
}

#[async_trait]
impl Ticker for SampleTicker {
    fn apply_update(&mut self, message: &[u8], now: UnixSeconds) -> Result<(), String> {
        self.gateway.apply_update(message, now)
    }

    async fn prepare(&mut self, now: UnixSeconds) -> Result<bool, SourceError> {
        self.source.prepare(now).await
    }

    fn time_limit(&self) -> Duration {
        self.source.time_limit()
    }

    async fn tick(&mut self, now: UnixSeconds, record: RecordMode) -> Result<Tick, SourceError> {
        let mut signals = self.source.collect(now).await?;
        let mut malformed = std::mem::take(&mut signals.malformed);
        let malformed_unlisted = std::mem::take(&mut signals.malformed_unlisted);
        malformed.extend(self.gateway.apply_saved(&signals.saved_gateway_config, now));
        self.history.absorb(&mut signals, now);
        let points = analysis::rolling_points(&self.inputs(&signals, now));
        let record_error = self.record(now, &points, record).await;
        let monitoring = analysis::analyze(&self.inputs(&signals, now));
        let (dropped, cost) = (self.history.dropped(), self.source.cost());
        Ok(Tick {
            monitoring,
            malformed,
            malformed_unlisted,
            problems: self.gateway.problems(now),
            gateway: Some(self.gateway.status()),
            record_error,
            dropped,
            cost,
            answers: None,
        })
    }
}
