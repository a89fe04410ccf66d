//! One tick: facts from the source, into history, through the formulas, to the truth.
//!
//! Owns the state that ticks share (history, gateway configuration). When ticks happen and who
//! sees their result is `collector`'s matter.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::gateway::GatewayConfig;
use crate::engine::gateway::GatewayStore;
use crate::history::History;
use crate::monitoring::{self, Inputs, SystemMonitoring};
use crate::signals::{InputKind, Malformed, RollingSeries, UnixSeconds};
use crate::sources::{Cost, Memory, Source, SourceError};

/// Turns ticks into truth.
pub struct Sampler {
    source: Box<dyn Source>,
    history: History,
    gateway: GatewayStore,
    instance_id: String,
}

/// What one tick came to.
#[derive(Debug)]
pub struct Tick {
    pub monitoring: SystemMonitoring,
    /// Inputs that could not be read.
    pub malformed: Vec<Malformed>,
    /// Why the tick's points could not be written, where they could not.
    pub record_error: Option<SourceError>,
    /// Further ones, by kind: too many to be listed.
    pub malformed_unlisted: BTreeMap<InputKind, u64>,
    /// Samples dropped so far because a series reached its limit.
    pub dropped: u64,
    /// What the tick cost the source.
    pub cost: Cost,
}

/// Whether a tick adds its points to the rolling series. Only scheduled ticks do, so that windows
/// do not depend on how often somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// As the server does it, with what its next start needs to know.
    Yes,
    /// The points alone.
    Points,
    No,
}

impl Sampler {
    /// A sampler over `source` that keeps at most `max_samples` of each latency series.
    #[must_use]
    pub fn new(source: Box<dyn Source>, gateway: GatewayStore, instance_id: String, max_samples: usize) -> Self {
        Self { source, history: History::new(max_samples), gateway, instance_id }
    }

    /// The gateway configuration in force.
    #[must_use]
    pub const fn gateway(&self) -> &GatewayConfig {
        self.gateway.current()
    }

    /// Applies a configuration published while the server runs.
    ///
    /// # Errors
    /// What is wrong with the message; the configuration in force stays.
    pub fn apply_update(&mut self, message: &str) -> Result<(), String> {
        self.gateway.apply_update(message)
    }

    /// Does a short part of what comes before the first tick; whether that was the last one.
    ///
    /// # Errors
    /// The source could not be read.
    pub async fn prepare(&mut self, now: UnixSeconds) -> Result<bool, SourceError> {
        self.source.prepare(now).await
    }

    /// The longest that a tick takes by the source's own time limits.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.source.patience()
    }

    /// One tick as of `now`.
    ///
    /// # Errors
    /// The source could not be read: then there is no truth, and nothing changed.
    pub async fn tick(&mut self, now: UnixSeconds, record: Record) -> Result<Tick, SourceError> {
        let mut signals = self.source.collect(now).await?;
        let mut malformed = std::mem::take(&mut signals.malformed);
        let malformed_unlisted = std::mem::take(&mut signals.malformed_unlisted);
        malformed.extend(self.gateway.apply_saved(signals.saved_gateway_config.as_deref()));
        self.history.absorb(&mut signals, now);
        let points = monitoring::rolling_points(&self.inputs(&signals, now));
        let record_error = self.record(now, &points, record).await;
        let monitoring = monitoring::analyze(&self.inputs(&signals, now));
        let (dropped, cost) = (self.history.dropped(), self.source.cost());
        Ok(Tick { monitoring, malformed, malformed_unlisted, record_error, dropped, cost })
    }

    const fn inputs<'a>(&'a self, signals: &'a crate::signals::Signals, now: UnixSeconds) -> Inputs<'a> {
        Inputs {
            signals,
            history: &self.history,
            gateway: self.gateway.current(),
            instance_id: self.instance_id.as_str(),
            database_max_connections: None,
            now,
        }
    }

    /// Writes the points; a failure costs the other readers of the series a point, not us the tick.
    async fn record(
        &mut self,
        now: UnixSeconds,
        points: &[(RollingSeries, f64)],
        record: Record,
    ) -> Option<SourceError> {
        let memory = match record {
            Record::No => return None,
            Record::Points => Memory::Left,
            Record::Yes => Memory::Kept,
        };
        self.history.record(now, points);
        self.source.record(now, points, memory).await.err()
    }
}
