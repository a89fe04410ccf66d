//! What the load needs, in replicas with a fraction.

use super::MOST;
use super::operands::{IngressOperands, ProcOperands};
use super::policy::ScalePolicy;
use super::steps::{Number, Step};
use crate::analysis::state::{Cause, Reading, Reason};
use crate::base::number::float;

/// What the load needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Need {
    /// Replicas, not rounded.
    pub(super) replicas: f64,
    /// A part is unknown: the need may be greater.
    pub(super) is_incomplete: bool,
    /// Tasks wait beside free slots and are not claimed.
    pub(super) stalled: bool,
}

/// Slots for the load, or for what arrives and waits if those are more, over the slots of a replica.
pub(super) fn proc(operands: &ProcOperands, policy: &ScalePolicy, steps: &mut Vec<Step>) -> Reading<Need> {
    let tasks = operands.active.clone().zip(operands.waiting.clone());
    tasks.map(|(active, waiting)| {
        let jobs = jobs(operands, steps);
        let waiting_all = waiting.max(0).saturating_add(jobs.unwrap_or_default());
        let load = load(active.max(0), waiting.max(0), jobs, policy, steps);
        let flow = flow(operands, waiting_all, policy, steps);
        let slots = load.max(flow.slots);
        let replicas = over_slots(slots, &operands.slots_per_replica, steps);
        Need {
            replicas: replicas.unwrap_or(if slots > 0.0 { 1.0 } else { 0.0 }),
            is_incomplete: jobs.is_none() || flow.is_unknown || replicas.is_none(),
            stalled: is_stalled(operands, waiting_all),
        }
    })
}

fn is_stalled(operands: &ProcOperands, waiting: i64) -> bool {
    waiting > 0 && operands.free_slots.get().is_some_and(|free| free > 0) && operands.is_claiming.get() == Some(false)
}

fn jobs(operands: &ProcOperands, steps: &mut Vec<Step>) -> Option<i64> {
    match &operands.waiting_jobs {
        Reading::Value(jobs) => Some((*jobs).max(0)),
        Reading::Absent(reason) => {
            steps.push(Step::LeftOut { what: "background jobs that wait", reason: reason.clone() });
            None
        }
    }
}

/// A slot for each task, at the utilization that is wanted.
fn load(active: i64, waiting: i64, jobs: Option<i64>, policy: &ScalePolicy, steps: &mut Vec<Step>) -> f64 {
    let utilization = policy.proc.target.get();
    let tasks = float(active) + float(waiting) + float(jobs.unwrap_or_default());
    let slots = tasks / utilization;
    let (utilization, shown) = (Number(utilization), Number(slots));
    steps.push(Step::Load { active, waiting, jobs: jobs.unwrap_or_default(), utilization, slots: shown });
    slots
}

/// What the flow of tasks needs.
struct Flow {
    slots: f64,
    /// It cannot be known, where no task ended it can.
    is_unknown: bool,
}

/// Slots that arriving tasks keep busy (Little's law), and those that work off what waits within the wait that is wanted.
fn flow(operands: &ProcOperands, waiting: i64, policy: &ScalePolicy, steps: &mut Vec<Step>) -> Flow {
    let known = operands.arrivals_per_second.clone().zip(operands.mean_exec_seconds.clone());
    let (arrivals, exec) = match known.filter(|both| is_plausible(*both), || Cause::Implausible) {
        Reading::Value(known) => known,
        Reading::Absent(reason) => {
            let is_unknown = !is_idle(&reason);
            steps.push(Step::LeftOut { what: "what arrives", reason });
            return Flow { slots: 0.0, is_unknown };
        }
    };
    let (utilization, target_wait) = (policy.proc.target.get(), policy.target_wait_seconds);
    let slots = arrivals * exec / utilization + float(waiting) * exec / target_wait;
    let [arrivals, exec, utilization, target_wait] = [arrivals, exec, utilization, target_wait].map(Number);
    steps.push(Step::Flow { arrivals, exec, utilization, waiting, target_wait, slots: Number(slots) });
    Flow { slots, is_unknown: false }
}

fn is_plausible((arrivals, exec): (f64, f64)) -> bool {
    [arrivals, exec, arrivals * exec].iter().all(|number| (0.0..=MOST).contains(number))
}

/// Nothing ended lately, so that nothing is known and nothing is hidden.
const fn is_idle(reason: &Reason) -> bool {
    matches!(reason.cause, Cause::EmptyWindow | Cause::NoSample)
}

/// `None` where the slots of a replica are unknown.
fn over_slots(slots: f64, per_replica: &Reading<f64>, steps: &mut Vec<Step>) -> Option<f64> {
    let Some(per_replica) = per_replica.get().filter(|slots| (1.0..=MOST).contains(slots)) else {
        steps.push(Step::SlotsUnknown);
        return None;
    };
    let replicas = slots / per_replica;
    let [slots, per_replica, shown] = [slots, per_replica, replicas].map(Number);
    steps.push(Step::Replicas { slots, per_replica, replicas: shown });
    Some(replicas)
}

/// Open connections over those that a replica should hold.
pub(super) fn ingress(operands: &IngressOperands, policy: &ScalePolicy, steps: &mut Vec<Step>) -> Reading<Need> {
    let limit = operands.limit_per_replica.clone();
    let limit = limit.filter(|limit| (1.0..=MOST).contains(limit), || Cause::NoLimitConfigured);
    operands.connections.clone().zip(limit).map(|(connections, limit)| {
        let (connections, saturation) = (connections.max(0), policy.ingress.target.get());
        let replicas = float(connections) / (limit * saturation);
        let [limit, saturation, shown] = [limit, saturation, replicas].map(Number);
        steps.push(Step::Connections { connections, limit, saturation, replicas: shown });
        Need { replicas, is_incomplete: false, stalled: false }
    })
}
