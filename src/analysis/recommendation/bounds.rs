//! How many replicas there may be: the policy's bounds, and what the database accepts.

use super::operands::{ConnectionBudget, ReplicaOperands};
use super::policy::Bounds;
use super::steps::Step;
use crate::analysis::state::Reading;
use crate::base::number::float;

/// The bound that replaced the number that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    Minimum,
    Maximum,
    /// More replicas could open more connections than the database should accept.
    Database,
}

impl Limit {
    /// The word in payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::Database => "database",
        }
    }
}

/// The share of a server's connections that replicas may use up.
pub(super) const CONNECTION_SHARE: f64 = 0.8;

impl ConnectionBudget {
    /// Replicas that fit; `None` where a replica opens no connection.
    pub(super) fn replicas(self) -> Option<i64> {
        let left = (CONNECTION_SHARE * float(self.max) - float(self.others)).max(0.0);
        (self.per_replica > 0).then(|| crate::base::number::whole((left / float(self.per_replica)).floor()))?
    }
}

/// The number within its limits. What the database accepts never removes replicas that there are or that the policy wants:
/// it is an estimate of what their pools can open.
pub(super) fn limited(
    wanted: i64,
    current: i64,
    replicas: &ReplicaOperands,
    bounds: Bounds,
    steps: &mut Vec<Step>,
) -> (i64, Option<Limit>) {
    let borne = borne(wanted, current.max(bounds.min()), &replicas.database, steps);
    let clamped = bounds.clamp(borne);
    if clamped != borne {
        let by = if clamped > borne { Limit::Minimum } else { Limit::Maximum };
        steps.push(Step::Limited { by, to: clamped });
        return (clamped, Some(by));
    }
    (clamped, (borne < wanted).then_some(Limit::Database))
}

fn borne(wanted: i64, floor: i64, budget: &Reading<ConnectionBudget>, steps: &mut Vec<Step>) -> i64 {
    let Some(budget) = budget.get() else { return wanted };
    let Some(at_most) = budget.replicas() else { return wanted };
    if wanted <= at_most.max(floor) {
        return wanted;
    }
    steps.push(Step::Database { budget, at_most });
    at_most.max(floor)
}
