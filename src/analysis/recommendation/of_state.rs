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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::state::{ComponentInstance, DatabaseLimit, PoolEstimates, Status};

    fn component(instances: &[&[Status]], per_instance: Option<i64>, total: Option<i64>) -> Reading<ComponentState> {
        let instance = |statuses: &&[Status]| ComponentInstance { statuses: statuses.to_vec(), ..Default::default() };
        Reading::Value(ComponentState {
            instances: instances.iter().map(instance).collect(),
            pool_estimates: PoolEstimates {
                postgres_per_instance: per_instance,
                postgres_total: total,
                ..PoolEstimates::default()
            },
            ..ComponentState::default()
        })
    }

    /// Every number is another one.
    fn state() -> SystemState {
        let mut state = SystemState { quality: Quality::Partial, at: 1000.0, ..SystemState::default() };
        state.demand.active = Reading::Value(1);
        state.demand.waiting = Reading::Value(2);
        state.demand.waiting_jobs = Reading::Value(3);
        state.demand.turned_away = Reading::Value(4);
        state.demand.slots.per_replica = Reading::Value(5.0);
        state.demand.slots.free = Reading::Value(6);
        state.demand.slots.replicas = Reading::Value(7);
        state.demand.slots.is_draining = true;
        state.demand.flow.arrivals_per_second = Reading::Value(8.0);
        state.demand.flow.mean_exec_seconds = Reading::Value(9.0);
        state.sse = Reading::Value(SseTotals {
            connections: Reading::Value(10),
            limit_per_replica: Reading::Value(11.0),
            ..SseTotals::default()
        });
        state.database.limit = Reading::Value(DatabaseLimit { connections: 100, origin: None });
        state.proc = component(&[&[Status::Healthy]], Some(12), Some(13));
        state.ingress =
            component(&[&[Status::Healthy], &[Status::Stale, Status::Unhealthy], &[Status::Stale]], Some(14), Some(15));
        state
    }

    #[test]
    fn each_operand_is_its_own_number_of_the_state() {
        let expected = ProcOperands {
            replicas: ReplicaOperands {
                current: Reading::Value(7),
                is_draining: true,
                quality: Quality::Partial,
                database: Reading::Value(ConnectionBudget { max: 100, per_replica: 12, others: 15 }),
            },
            active: Reading::Value(1),
            waiting: Reading::Value(2),
            waiting_jobs: Reading::Value(3),
            turned_away: Reading::Value(4),
            slots_per_replica: Reading::Value(5.0),
            free_slots: Reading::Value(6),
            is_claiming: Reading::Value(true),
            arrivals_per_second: Reading::Value(8.0),
            mean_exec_seconds: Reading::Value(9.0),
        };
        assert_eq!(ProcOperands::of(&state()), expected);
        let expected = IngressOperands {
            replicas: ReplicaOperands {
                // An instance is a replica while one of its processes lives, and none drains: connections end with theirs.
                current: Reading::Value(2),
                is_draining: false,
                quality: Quality::Partial,
                database: Reading::Value(ConnectionBudget { max: 100, per_replica: 14, others: 13 }),
            },
            connections: Reading::Value(10),
            limit_per_replica: Reading::Value(11.0),
        };
        assert_eq!(IngressOperands::of(&state()), expected);
    }

    #[test]
    fn only_a_stall_of_claims_says_that_processors_do_not_claim() {
        let is_claiming = |stall| {
            let mut state = state();
            state.demand.stall = stall;
            ProcOperands::of(&state).is_claiming.get()
        };
        let stalls = [None, Some(Stall::NothingEnds(90.0)), Some(Stall::NothingClaimed(90.0))];
        assert_eq!(stalls.map(is_claiming), [Some(true), Some(true), Some(false)]);
    }

    #[test]
    fn a_budget_needs_the_limit_and_what_a_replica_opens_and_others_may_open_none() {
        let budget = |change: fn(&mut SystemState)| {
            let mut state = state();
            change(&mut state);
            ProcOperands::of(&state).replicas.database.get()
        };
        assert_eq!(budget(|state| state.database.limit = Reading::default()), None);
        assert_eq!(budget(|state| state.proc = component(&[], None, None)), None);
        assert_eq!(budget(|state| state.ingress = Reading::absent(Cause::Unreadable)), None);
        let without_others = Some(ConnectionBudget { max: 100, per_replica: 12, others: 0 });
        assert_eq!(budget(|state| state.ingress = component(&[], Some(14), None)), without_others);
    }

    #[test]
    fn what_fits_is_rounded_down_and_never_below_none() {
        let fits = |max, per_replica, others| ConnectionBudget { max, per_replica, others }.replicas();
        // 0.8 · 100 = 80 may be used.
        assert_eq!([fits(100, 10, 0), fits(100, 10, 1), fits(100, 81, 0)], [Some(8), Some(7), Some(0)]);
        assert_eq!([fits(100, 10, 90), fits(0, 1, 0), fits(100, 1, 79)], [Some(0), Some(0), Some(1)]);
        assert_eq!(fits(100, 0, 0), None);
    }

    #[test]
    fn of_a_deployment_that_is_not_there_nothing_follows_and_nothing_is_forgotten() {
        let policy = ScalePolicy::default();
        let found = SystemState { quality: Quality::Ok, ..state() };
        let (recommended, memory) = Recommendations::of(&found, &policy, ScaleMemory::default());
        assert!(recommended.proc.desired.get().is_some() && recommended.ingress.desired.get().is_some());
        assert_ne!(memory, ScaleMemory::default());
        let gone = SystemState { quality: Quality::ScopeNotFound, ..state() };
        let (recommended, after) = Recommendations::of(&gone, &policy, memory.clone());
        assert_eq!(recommended, Recommendations::absent(Cause::ScopeNotFound));
        assert_eq!(after, memory);
        let causes = [&recommended.proc.missing(), &recommended.ingress.current]
            .map(|number| number.reason().map(|reason| reason.cause));
        assert_eq!(causes, [Some(Cause::ScopeNotFound); 2]);
    }
}
