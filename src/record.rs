//! Recordings: the facts of ticks as lines of JSON, to replay them later and to simulate with their load.
//!
//! The first line is a [`Header`], each further one a [`RecordedTick`]. The first tick holds what windows reach back to, the
//! others what was new. Nothing of tasks is in it but counts and times; what could be a secret or tell who a user is, is left
//! out. `docs/recordings.md` describes the format.

mod reader;
mod redact;
pub mod replay;

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Component, Facts, Scope};
use crate::platform::gateway::GatewayConfig;

pub use reader::{Recording, RecordingError};

/// The format that this version writes and reads.
pub const FORMAT: u32 = 1;

/// What all ticks of a recording have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The format of the lines: [`FORMAT`].
    pub recording: u32,
    /// The version of the program that recorded.
    pub version: String,
    pub tenant: String,
    pub project: String,
    /// Whose slice of the gateway configuration drives queue and backpressure math.
    pub component: Component,
    /// The gateway configuration of the environment: known fields only.
    pub gateway: Map<String, Value>,
    /// The workers' time zone.
    pub zone: String,
    /// Seconds between two ticks.
    pub interval_seconds: f64,
}

/// One tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedTick {
    pub at: UnixSeconds,
    pub facts: Facts,
}

impl Header {
    #[must_use]
    pub fn new(gateway: &GatewayConfig, zone: &str, interval_seconds: f64) -> Self {
        let Scope { tenant, project } = gateway.scope().clone();
        Self {
            recording: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tenant,
            project,
            component: gateway.component(),
            gateway: gateway.raw().clone(),
            zone: zone.to_owned(),
            interval_seconds,
        }
    }

    /// Its line, with the line end.
    ///
    /// # Errors
    /// It is no JSON, which a defect alone can cause.
    pub fn line(&self) -> io::Result<String> {
        line(self)
    }
}

impl RecordedTick {
    /// A tick's facts without what must not leave the deployment; `gateway` reads a saved configuration.
    #[must_use]
    pub fn new(at: UnixSeconds, facts: Facts, gateway: &GatewayConfig) -> Self {
        Self { at, facts: redact::redacted(facts, gateway) }
    }

    /// Its line, with the line end.
    ///
    /// # Errors
    /// It is no JSON, which a defect alone can cause.
    pub fn line(&self) -> io::Result<String> {
        line(self)
    }
}

fn line(value: &impl Serialize) -> io::Result<String> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
