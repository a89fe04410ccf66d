//! What a simulated deployment is like, apart from its load.

use crate::platform::facts::{Component, Role};
use crate::platform::gateway::{GatewayConfig, GatewayContext, GatewaySettings, Limits};

/// The deployment's properties. A replica is a container with one process.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// What is scaled.
    pub component: Component,
    /// Capacity and thresholds.
    pub gateway: GatewaySettings,
    /// Tasks that a processor runs at once, or streams that an ingress accepts.
    pub slots: u32,
    /// From the decision to the first heartbeat of a new replica.
    pub startup_seconds: f64,
    /// How long a user's stream stays open after the task; 0 for processors.
    pub stay_seconds: f64,
    /// How long a replica that is to stop may finish its work.
    pub drain_seconds: f64,
}

impl World {
    /// A usual one, under the gateway's defaults: 5 tasks a processor and 200 streams an ingress; a replica is up after a
    /// minute, drains for as long as the platform's processors do, and cuts streams after half a minute. Users stay for five minutes after
    /// their task.
    #[must_use]
    pub fn of(component: Component) -> Self {
        let context =
            GatewayContext { component, instance_id: "", tenant: Some("a"), project: Some("a"), forced: false };
        let gateway = GatewayConfig::of_scope(&context).map(|config| config.settings().clone()).unwrap_or_default();
        let (slots, stay_seconds, drain_seconds) = match component {
            Component::Proc => (5, 0.0, 900.0),
            Component::Ingress => (200, 300.0, 30.0),
        };
        Self { component, gateway, slots, startup_seconds: 60.0, stay_seconds, drain_seconds }
    }

    /// Where roles are refused with so many live replicas.
    pub(super) fn limits(&self, live: u32) -> Limits {
        let each = self.gateway.capacity(1).total;
        self.gateway.limits_of(each.saturating_mul(i64::from(live)))
    }

    /// The depth from which this role is refused.
    pub(super) const fn limit(limits: &Limits, role: Role) -> i64 {
        match role {
            Role::Anonymous => limits.anonymous,
            Role::External | Role::Registered => limits.registered,
            Role::Paid => limits.paid,
            Role::Privileged => limits.hard,
        }
    }
}

/// The share of a count, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "counts of replicas"
)]
pub(super) fn share_of(count: usize, share: f64) -> usize {
    (count as f64 * share).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_world_has_the_defaults_of_the_gateway() {
        let world = World::of(Component::Proc);
        assert_eq!((world.gateway.capacity(1).concurrent, world.slots), (5, 5));
        // 5 tasks, a fifth of them held back, and 10 places in the queue.
        let limits = world.limits(10);
        let roles = [Role::Anonymous, Role::External, Role::Registered, Role::Paid, Role::Privileged];
        assert_eq!(roles.map(|role| World::limit(&limits, role)), [84, 112, 112, 112, 133]);
        assert_eq!(World::limit(&world.limits(0), Role::Privileged), 0);
    }

    #[test]
    fn a_share_is_rounded_up() {
        assert_eq!(
            [(10, 0.5), (3, 0.5), (1, 0.01), (5, 0.0)].map(|(count, share)| share_of(count, share)),
            [5, 2, 1, 0]
        );
    }
}
