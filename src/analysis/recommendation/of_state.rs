//! The recommendations that follow from a tick's state.

use super::operands::{ConnectionBudget, IngressOperands, ProcOperands, ReplicaOperands};
use super::{Recommendation, ScalePolicy, Stabilization, ingress, proc};
use crate::analysis::state::{Cause, ComponentState, Quality, Reading, SseTotals, Stall, SystemState};
use crate::base::number::count;
use crate::platform::facts::Component;

/// Both components'.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recommendations {
    pub proc: Recommendation,
    pub ingress: Recommendation,
}

/// What both components needed lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScaleMemory {
    proc: Stabilization,
    ingress: Stabilization,
}

impl Recommendations {
    /// Of a source that does not tell enough.
    #[must_use]
    pub fn absent(cause: Cause) -> Self {
        let absent = || Recommendation {
            desired: Reading::absent(cause),
            current: Reading::absent(cause),
            ..Recommendation::default()
        };
        Self { proc: absent(), ingress: absent() }
    }

    /// What follows from a state at its time; `memory` is what the tick before returned. Of a deployment that is not there
    /// nothing follows, and nothing is forgotten.
    #[must_use]
    pub fn of(state: &SystemState, policy: &ScalePolicy, memory: ScaleMemory) -> (Self, ScaleMemory) {
        if state.quality == Quality::ScopeNotFound {
            return (Self::absent(Cause::ScopeNotFound), memory);
        }
        let (proc, of_proc) = proc(&ProcOperands::of(state), policy, memory.proc, state.at);
        let (ingress, of_ingress) = ingress(&IngressOperands::of(state), policy, memory.ingress, state.at);
        (Self { proc, ingress }, ScaleMemory { proc: of_proc, ingress: of_ingress })
    }
}

impl ProcOperands {
    /// The operands in a state.
    #[must_use]
    pub fn of(state: &SystemState) -> Self {
        let demand = &state.demand;
        Self {
            replicas: ReplicaOperands {
                current: demand.slots.replicas.clone(),
                is_draining: demand.slots.is_draining,
                quality: state.quality,
                database: budget(state, Component::Proc, Component::Ingress),
            },
            active: demand.active.clone(),
            waiting: demand.waiting.clone(),
            waiting_jobs: demand.waiting_jobs.clone(),
            turned_away: demand.turned_away.clone(),
            slots_per_replica: demand.slots.per_replica.clone(),
            free_slots: demand.slots.free.clone(),
            is_claiming: Reading::Value(!matches!(demand.stall, Some(Stall::NothingClaimed(_)))),
            arrivals_per_second: demand.flow.arrivals_per_second.clone(),
            mean_exec_seconds: demand.flow.mean_exec_seconds.clone(),
        }
    }
}

impl IngressOperands {
    /// The operands in a state.
    #[must_use]
    pub fn of(state: &SystemState) -> Self {
        let sse = state.sse.as_ref();
        Self {
            replicas: ReplicaOperands {
                current: state.ingress.as_ref().map(running),
                is_draining: false,
                quality: state.quality,
                database: budget(state, Component::Ingress, Component::Proc),
            },
            connections: sse.clone().and_then(|sse| sse.connections.clone()),
            limit_per_replica: sse.and_then(|sse: &SseTotals| sse.limit_per_replica.clone()),
        }
    }
}

/// Instances with a live process.
fn running(component: &ComponentState) -> i64 {
    let live = component.instances.iter().filter(|instance| instance.is_live());
    count(live.count())
}

fn budget(state: &SystemState, of: Component, others: Component) -> Reading<ConnectionBudget> {
    let pools = |component| state.component(component).as_ref().map(|component| component.pool_estimates.clone());
    let per_replica = pools(of).and_then(|pools| known(pools.postgres_per_instance));
    let others = pools(others).map(|pools| pools.postgres_total.unwrap_or_default());
    let max = state.database.limit.as_ref().map(|limit| limit.connections);
    let others = per_replica.zip(others);
    max.zip(others).map(|(max, (per_replica, others))| ConnectionBudget { max, per_replica, others })
}

fn known(value: Option<i64>) -> Reading<i64> {
    Reading::or_absent(value, || Cause::NotReported)
}
