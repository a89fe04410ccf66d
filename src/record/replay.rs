//! A source that brings recorded facts.

use std::sync::mpsc::{Receiver, Sender, channel};

use async_trait::async_trait;

use super::Header;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Facts, RollingSeries};
use crate::platform::gateway::{GatewayConfig, GatewayConfigError, GatewayContext};
use crate::sources::{Cost, Recorded, SaveState, Source, SourceError};

/// Brings the facts that it is sent, one tick's at a time.
#[derive(Debug)]
pub struct ReplaySource {
    facts: Receiver<Facts>,
    /// The recording has the points that a running server wrote.
    has_points: bool,
}

impl ReplaySource {
    /// A source, and where each tick's facts are sent before the tick.
    #[must_use]
    pub fn new() -> (Self, Sender<Facts>) {
        let (sender, facts) = channel();
        (Self { facts, has_points: false }, sender)
    }
}

#[async_trait]
impl Source for ReplaySource {
    async fn collect(&mut self, _now: UnixSeconds) -> Result<Facts, SourceError> {
        let facts = self.facts.try_recv().unwrap_or_default();
        self.has_points |= !facts.rolling.is_empty();
        Ok(facts)
    }

    /// Rolling points come with the facts, where a server ran beside the recorder; else they are those of the replay.
    async fn record(
        &mut self,
        _now: UnixSeconds,
        _points: &[(RollingSeries, f64)],
        _save_state: SaveState,
    ) -> Result<Recorded, SourceError> {
        Ok(if self.has_points { Recorded::ByLeader } else { Recorded::Written })
    }

    fn cost(&self) -> Cost {
        Cost::default()
    }
}

impl Header {
    /// The gateway configuration that the recorder had.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn gateway_config(&self, instance_id: &str) -> Result<GatewayConfig, GatewayConfigError> {
        let context = GatewayContext {
            component: self.component,
            instance_id,
            tenant: Some(&self.tenant),
            project: Some(&self.project),
            forced: false,
        };
        let text = serde_json::Value::Object(self.gateway.clone()).to_string();
        GatewayConfig::from_env_json(&text, &context)
    }
}
