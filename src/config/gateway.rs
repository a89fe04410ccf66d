//! The gateway configuration: tenant, project and the capacity numbers of each component.

mod amount;
mod settings;

use crate::signals::Scope;

pub use amount::Amount;
pub use settings::{
    Backpressure, CircuitBreakers, CircuitSettings, ComputedMetrics, GatewaySettings, LimitSettings,
    MonitoringSettings, PoolSettings, RateLimits, RedisSettings, RoleLimit, ServiceCapacity,
};

/// Tenant, project and capacity settings, flat or by component.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayConfig {
    scope: Scope,
}

impl GatewayConfig {
    /// The tenant and project.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }
}
