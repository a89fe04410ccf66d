//! How many replicas a component needs, with every step of the arithmetic: numbers in, a number out.
//!
//! A replica is one worker container: what an autoscaler starts and stops, and what names itself by one instance id in
//! heartbeats, however many processes it runs. Its slots are the tasks that its processes work on at once.
//!
//! The order is always the same: what the load needs, the tolerance, the limits, and then whether it may be fewer than there
//! are. Nothing here knows Redis; a simulator calls the same functions.

mod bounds;
mod need;
mod of_state;
mod operands;
mod policy;
mod settings;
mod stabilization;
mod steps;
#[cfg(test)]
mod tests;

use super::state::{Quality, Reading};
use crate::base::clock::UnixSeconds;
use crate::base::number::{float, whole};
use need::Need;

pub use bounds::Limit;
pub use of_state::{Recommendations, ScaleMemory};
pub use operands::{ConnectionBudget, IngressOperands, ProcOperands, ReplicaOperands};
pub use policy::{Bounds, ComponentPolicy, Fraction, ScalePolicy};
pub use stabilization::Stabilization;
pub use steps::{Number, Step};

/// The share by which the need may differ from what there is without a change.
pub const TOLERANCE: f64 = 0.1;

/// How many replicas one component should have, and why.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recommendation {
    /// Replicas that there should be, within the policy's bounds.
    pub desired: Reading<i64>,
    /// Replicas that take new work now.
    pub current: Reading<i64>,
    /// The bound that the need was cut or raised to.
    pub limited_by: Option<Limit>,
    /// Why it is not the number that the load needs, where that would be another.
    pub held_by: Option<Hold>,
    /// The arithmetic, in its order.
    pub steps: Vec<Step>,
}

/// Why the number of replicas stays although the load needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hold {
    /// The need is within the tolerance of what there is.
    Tolerance,
    /// More were needed a short time ago.
    Stabilization,
    /// Something that the number rests on could not be read.
    Quality,
    /// A part of the need is unknown.
    Incomplete,
    /// Replicas are still finishing their work.
    Draining,
    /// Tasks wait beside free slots and are not claimed: more replicas would not help.
    Stalled,
}

impl Hold {
    /// The word in payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tolerance => "tolerance",
            Self::Stabilization => "stabilization",
            Self::Quality => "quality",
            Self::Incomplete => "incomplete",
            Self::Draining => "draining",
            Self::Stalled => "stalled",
        }
    }
}

impl Recommendation {
    /// Desired minus current replicas: below 0 where there are too many.
    #[must_use]
    pub fn missing(&self) -> Reading<i64> {
        self.desired.clone().zip(self.current.clone()).map(|(desired, current)| desired.saturating_sub(current))
    }
}

/// The processors' replicas; `memory` is what the call before it returned, or the default.
#[must_use]
pub fn proc(
    operands: &ProcOperands,
    policy: &ScalePolicy,
    memory: Stabilization,
    now: UnixSeconds,
) -> (Recommendation, Stabilization) {
    let mut steps = Vec::with_capacity(8);
    let need = need::proc(operands, policy, &mut steps);
    let decision = Decision { replicas: &operands.replicas, bounds: policy.proc.bounds, policy, now };
    decision.recommend(need, memory, steps)
}

/// The ingress's replicas, likewise.
#[must_use]
pub fn ingress(
    operands: &IngressOperands,
    policy: &ScalePolicy,
    memory: Stabilization,
    now: UnixSeconds,
) -> (Recommendation, Stabilization) {
    let mut steps = Vec::with_capacity(8);
    let need = need::ingress(operands, policy, &mut steps);
    let decision = Decision { replicas: &operands.replicas, bounds: policy.ingress.bounds, policy, now };
    decision.recommend(need, memory, steps)
}

/// What turns a need into a number of replicas.
struct Decision<'a> {
    replicas: &'a ReplicaOperands,
    bounds: Bounds,
    policy: &'a ScalePolicy,
    now: UnixSeconds,
}

impl Decision<'_> {
    fn recommend(
        &self,
        need: Reading<Need>,
        memory: Stabilization,
        mut steps: Vec<Step>,
    ) -> (Recommendation, Stabilization) {
        let current = self.replicas.current.clone();
        let (need, known) = match need.zip(current.clone()) {
            Reading::Value(both) => both,
            Reading::Absent(reason) => {
                let nothing = Recommendation { desired: Reading::Absent(reason), current, ..Recommendation::default() };
                return (Recommendation { steps, ..nothing }, memory);
            }
        };
        let memory = memory.at(self.now, self.policy.stabilization_seconds, known);
        let (desired, limited_by, held_by, memory) = self.decide(&need, known, memory, &mut steps);
        steps.push(Step::Result { desired, current: known });
        (Recommendation { desired: Reading::Value(desired), current, limited_by, held_by, steps }, memory)
    }

    fn decide(
        &self,
        need: &Need,
        current: i64,
        memory: Stabilization,
        steps: &mut Vec<Step>,
    ) -> (i64, Option<Limit>, Option<Hold>, Stabilization) {
        if need.stalled {
            steps.push(Step::Held { by: Hold::Stalled, at: current });
            return (self.bounds.clamp(current), None, Some(Hold::Stalled), memory.with(self.now, current));
        }
        let (wanted, tolerated) = tolerated(need.replicas, current, steps);
        let (limited, limit) = bounds::limited(wanted, current, self.replicas, self.bounds, steps);
        let (least, held) = self.held(limited, current, need, steps);
        // Replicas that finish their work are no reason to keep others for another window: what is needed is known.
        let needed = if held == Some(Hold::Draining) { limited } else { least };
        let memory = memory.with(self.now, needed);
        let (stable, stabilized) = stabilized(&memory, least, self.policy.stabilization_seconds, steps);
        // What was needed before may be more than the limits of now.
        let (desired, _) = bounds::limited(stable, current, self.replicas, self.bounds, &mut Vec::new());
        (desired, limit, stabilized.or(held).or(tolerated), memory)
    }

    /// No fewer than there are, while the need may be greater than is known.
    fn held(&self, wanted: i64, current: i64, need: &Need, steps: &mut Vec<Step>) -> (i64, Option<Hold>) {
        let hold = if self.replicas.quality != Quality::Ok {
            Some(Hold::Quality)
        } else if need.is_incomplete {
            Some(Hold::Incomplete)
        } else if self.replicas.is_draining {
            Some(Hold::Draining)
        } else {
            None
        };
        let Some(by) = hold.filter(|_| wanted < current) else { return (wanted, None) };
        steps.push(Step::Held { by, at: current });
        (current, Some(by))
    }
}

/// Whole replicas for a need; what there is, where the need is within the tolerance of it.
fn tolerated(need: f64, current: i64, steps: &mut Vec<Step>) -> (i64, Option<Hold>) {
    let wanted = rounded_up(need);
    if wanted == current || (need - float(current)).abs() > TOLERANCE * float(current) {
        steps.push(Step::RoundedUp { need: Number(need), wanted });
        return (wanted, None);
    }
    steps.push(Step::Tolerated { need: Number(need), current });
    (current, Some(Hold::Tolerance))
}

/// Far beyond any fleet, and exact in a float.
const MOST: f64 = 1e15;

fn rounded_up(need: f64) -> i64 {
    // A sum like 2.0000000000000004 is no third replica.
    whole((need - 1e-9).ceil().clamp(0.0, MOST)).unwrap_or_default()
}

/// No fewer than the greatest need of the stabilization window.
fn stabilized(memory: &Stabilization, wanted: i64, seconds: f64, steps: &mut Vec<Step>) -> (i64, Option<Hold>) {
    let greatest = memory.greatest().unwrap_or(wanted);
    if greatest <= wanted {
        return (wanted, None);
    }
    steps.push(Step::Stabilized { greatest, seconds: Number(seconds) });
    (greatest, Some(Hold::Stabilization))
}
