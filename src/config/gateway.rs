//! The gateway configuration: tenant, project and the capacity numbers of each component.

use crate::signals::Scope;

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
