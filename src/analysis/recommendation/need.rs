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

/// What arrives in more seconds than these says nothing about how many of them run: it is noise of the last minute.
const HORIZON_SECONDS: f64 = 60.0;

/// Slots for what runs and arrives, and for what waits, over the slots of a replica.
pub(super) fn proc(operands: &ProcOperands, policy: &ScalePolicy, steps: &mut Vec<Step>) -> Reading<Need> {
    let tasks = operands.active.clone().zip(operands.waiting.clone());
    tasks.map(|(active, waiting)| {
        let jobs = part(&operands.waiting_jobs, "background jobs that wait", steps);
        let turned_away = part(&operands.turned_away, "users who were turned away", steps);
        let flow = flow(operands, steps);
        let backlog = Backlog {
            waiting: waiting.max(0),
            jobs: jobs.unwrap_or_default(),
            turned_away: turned_away.unwrap_or_default(),
        };
        let slots = running(active.max(0), flow.known, policy, steps) + backlog.slots(flow.known, policy, steps);
        let replicas = over_slots(slots, &operands.slots_per_replica, steps);
        Need {
            replicas: replicas.unwrap_or(if slots > 0.0 { 1.0 } else { 0.0 }),
            is_incomplete: jobs.is_none() || turned_away.is_none() || flow.is_unknown || replicas.is_none(),
            stalled: is_stalled(operands, waiting.max(0).saturating_add(backlog.jobs)),
        }
    })
}

fn is_stalled(operands: &ProcOperands, waiting: i64) -> bool {
    waiting > 0 && operands.free_slots.get().is_some_and(|free| free > 0) && operands.is_claiming.get() == Some(false)
}

/// A part of what waits; `None` where it is not known.
fn part(count: &Reading<i64>, what: &'static str, steps: &mut Vec<Step>) -> Option<i64> {
    match count {
        Reading::Value(count) => Some((*count).max(0)),
        Reading::Absent(reason) => {
            steps.push(Step::LeftOut { what, reason: reason.clone() });
            None
        }
    }
}

/// How tasks come and how long they run.
struct Flow {
    /// Arrivals in a second, and seconds that a task takes.
    known: Option<(f64, f64)>,
    /// It cannot be known, where no task ended it can.
    is_unknown: bool,
}

fn flow(operands: &ProcOperands, steps: &mut Vec<Step>) -> Flow {
    let both = operands.arrivals_per_second.clone().zip(operands.mean_exec_seconds.clone());
    match both.filter(|both| is_plausible(*both), || Cause::Implausible) {
        Reading::Value(known) => Flow { known: Some(known), is_unknown: false },
        Reading::Absent(reason) => {
            let is_unknown = !is_idle(&reason);
            steps.push(Step::LeftOut { what: "what arrives", reason });
            Flow { known: None, is_unknown }
        }
    }
}

/// The slots that arriving tasks keep busy (Little's law) at the utilization that is wanted, and no fewer than there are tasks
/// that run. Where it is not known what arrives, the running tasks are taken for it.
fn running(active: i64, flow: Option<(f64, f64)>, policy: &ScalePolicy, steps: &mut Vec<Step>) -> f64 {
    let utilization = policy.proc.target.get();
    let Some((arrivals, exec)) = flow else {
        let slots = float(active) / utilization;
        steps.push(Step::Active { active, utilization: Number(utilization), slots: Number(slots) });
        return slots;
    };
    let exec = exec.min(HORIZON_SECONDS);
    let slots = float(active).max(arrivals * exec / utilization);
    let [arrivals, exec, utilization, shown] = [arrivals, exec, utilization, slots].map(Number);
    steps.push(Step::Running { active, arrivals, exec, utilization, slots: shown });
    slots
}

/// Tasks without a slot.
struct Backlog {
    waiting: i64,
    jobs: i64,
    turned_away: i64,
}

impl Backlog {
    /// The slots that work it off within the wait that is wanted: at most one for each, where that cannot be done in less.
    fn slots(&self, flow: Option<(f64, f64)>, policy: &ScalePolicy, steps: &mut Vec<Step>) -> f64 {
        let Self { waiting, jobs, turned_away } = *self;
        let each = flow.map_or(1.0, |(_, exec)| (exec / policy.target_wait_seconds).min(1.0));
        let slots = (float(waiting) + float(jobs) + float(turned_away)) * each;
        steps.push(Step::Backlog { waiting, jobs, turned_away, each: Number(each), slots: Number(slots) });
        slots
    }
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
