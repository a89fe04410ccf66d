//! The gateway configuration in force: its origin and its last change.

use super::{Telemetry, locked};
use crate::base::clock::UnixSeconds;

/// The configuration in force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GatewayConfigInfo {
    /// The label value, such as `saved`.
    pub source: &'static str,
    /// `None` where it has not changed since the start.
    pub changed_at: Option<UnixSeconds>,
}

impl Telemetry {
    /// The configuration that the last tick used.
    pub fn set_gateway_config(&self, source: &'static str, changed_at: Option<UnixSeconds>) {
        *locked(&self.gateway_config) = Some(GatewayConfigInfo { source, changed_at });
    }
}
