//! Raw facts to truth: pure functions, one module a question, and the typed payload they fill.

pub mod payload;

use crate::config::gateway::GatewayConfig;
use crate::history::History;
use crate::signals::{RollingSeries, Signals, UnixSeconds};

pub use payload::SystemMonitoring;

/// What one tick is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub signals: &'a Signals,
    /// Already holds the tick's facts (see [`History::absorb`]).
    pub history: &'a History,
    pub gateway: &'a GatewayConfig,
    /// This server's own instance id.
    pub instance_id: &'a str,
    /// `SHOW max_connections`, where Postgres is asked.
    pub database_max_connections: Option<i64>,
    pub now: UnixSeconds,
}

/// The points that this tick adds to the rolling series, before the windows are read.
#[must_use]
pub fn rolling_points(_inputs: &Inputs<'_>) -> Vec<(RollingSeries, f64)> {
    Vec::new()
}

/// The whole truth of one tick.
#[must_use]
pub fn analyze(_inputs: &Inputs<'_>) -> SystemMonitoring {
    SystemMonitoring::default()
}
