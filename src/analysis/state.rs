//! What one tick found out: typed, unrounded, each unknown value with its reason. Every view (catalog, payload, page) reads
//! it; nothing here knows JSON.

mod autoscaler;
mod capacity;
mod circuits;
mod components;
mod database;
mod demand;
mod fleet;
mod left_out;
mod pools;
mod quality;
mod queue;
mod reading;
mod sse;
mod throttling;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::recommendation::{Recommendation, Recommendations};
use crate::base::clock::UnixSeconds;
use crate::history::Window;
use crate::platform::facts::{Circuit, Component, LatencySeries, Pool, RollingSeries, Scope, SeriesId};
use crate::platform::gateway::GatewayConfig;
use crate::problems::Problem;

pub use autoscaler::{Decision, Hint, HintReason};
pub use capacity::{Capacity, CapacitySource, LostInstance};
pub use circuits::{Breaker, BreakerStats};
pub use components::{ComponentInstance, ComponentState, PoolEstimates};
pub use database::{Database, DatabaseEstimate, DatabaseLimit, LimitOrigin};
pub use demand::{Demand, Flow, InstanceAges, ProcessorAges, Slots, Stall};
pub(crate) use fleet::live;
pub use fleet::{Fleet, Process, ProcessGroup, Service, Status, StatusCounts};
pub use left_out::LeftOut;
pub use pools::PoolTotals;
pub use quality::Quality;
pub use queue::Queue;
pub use reading::{Cause, Reading, Reason};
pub use sse::SseTotals;
pub use throttling::{ThrottledWindow, Throttling, ThrottlingPeriod};
pub use windows::{LatencyWindow, PerWindow, RollingWindows};

/// Everything that one tick found out of one scope. The default knows nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SystemState {
    /// `None` in proxy mode: upstreams do not say whose numbers they send.
    pub scope: Option<Arc<Scope>>,
    /// The tick's time.
    pub at: UnixSeconds,
    /// This server's own instance id.
    pub instance_id: String,
    pub fleet: Reading<Fleet>,
    pub ingress: Reading<ComponentState>,
    pub proc: Reading<ComponentState>,
    pub capacity: Capacity,
    pub queue: Queue,
    /// What the processors have to do and can do.
    pub demand: Demand,
    pub sse: Reading<SseTotals>,
    /// Ingress workers that heartbeat and whose SSE count is unknown.
    pub sse_unknown_workers: Reading<i64>,
    /// A series without an entry was not asked for.
    pub latency: BTreeMap<LatencySeries, PerWindow<LatencyWindow>>,
    /// A series is absent as a whole where its current value is.
    pub rolling: BTreeMap<RollingSeries, Reading<RollingWindows>>,
    /// How full windows are, from 0 to 1; a series that cannot be read has none.
    pub window_fill: BTreeMap<(SeriesId, Window), f64>,
    pub pools: BTreeMap<(Component, Pool), PoolTotals>,
    pub throttling: Reading<Throttling>,
    pub circuits: BTreeMap<Circuit, Breaker>,
    pub database: Database,
    /// The gateway configuration in force.
    pub gateway: Reading<Arc<GatewayConfig>>,
    pub ingress_hint: Reading<Hint>,
    pub proc_hint: Reading<Hint>,
    /// How many replicas there should be.
    pub scaling: Recommendations,
    pub left_out: Vec<LeftOut>,
    /// Instances whose clock is off for certain: the least that it is ahead, or behind below 0, seconds.
    pub writer_offsets: BTreeMap<String, f64>,
    pub quality: Quality,
    /// What is wrong with the deployment, as this tick found it.
    pub problems: Vec<Problem>,
}

impl SystemState {
    /// One component over all its instances.
    #[must_use]
    pub const fn component(&self, component: Component) -> &Reading<ComponentState> {
        match component {
            Component::Ingress => &self.ingress,
            Component::Proc => &self.proc,
        }
    }

    /// One component's hint.
    #[must_use]
    pub const fn hint(&self, component: Component) -> &Reading<Hint> {
        match component {
            Component::Ingress => &self.ingress_hint,
            Component::Proc => &self.proc_hint,
        }
    }

    /// Whether anything of the scope is in the source; `None` where the source has no scope.
    #[must_use]
    pub fn scope_found(&self) -> Option<bool> {
        self.scope.as_ref().map(|_| self.quality != Quality::ScopeNotFound)
    }

    /// How many replicas one component should have.
    #[must_use]
    pub const fn recommendation(&self, component: Component) -> &Recommendation {
        match component {
            Component::Ingress => &self.scaling.ingress,
            Component::Proc => &self.scaling.proc,
        }
    }

    /// One component's decision for outlets: to hold while the numbers behind it are not complete.
    #[must_use]
    pub fn decision(&self, component: Component) -> Reading<Decision> {
        let decision = self.hint(component).as_ref().map(|hint| hint.decision);
        decision.map(|decision| if self.quality == Quality::Ok { decision } else { Decision::Hold })
    }

    /// A rolling series over its windows.
    #[must_use]
    pub fn rolling(&self, series: RollingSeries) -> Reading<RollingWindows> {
        self.rolling.get(&series).cloned().unwrap_or_default()
    }

    /// Whether a queue limit still lets tasks in.
    #[must_use]
    pub fn accepts(&self, limit: i64) -> Option<bool> {
        self.queue.total.known().map(|total| *total < limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(decision: Decision) -> Reading<Hint> {
        Reading::Value(Hint { decision, reasons: Vec::new() })
    }

    #[test]
    fn a_decision_counts_only_while_the_numbers_behind_it_are_complete() {
        for (quality, ingress, proc) in [
            (Quality::Ok, Decision::ScaleDown, Decision::ScaleUp),
            (Quality::Partial, Decision::Hold, Decision::Hold),
            (Quality::ScopeNotFound, Decision::Hold, Decision::Hold),
        ] {
            let state = SystemState {
                ingress_hint: hint(Decision::ScaleDown),
                proc_hint: hint(Decision::ScaleUp),
                quality,
                ..SystemState::default()
            };
            let found = [Component::Ingress, Component::Proc].map(|component| state.decision(component).get());
            assert_eq!(found, [Some(ingress), Some(proc)], "{quality:?}");
        }
        let nothing = SystemState { quality: Quality::Partial, ..SystemState::default() };
        assert_eq!(nothing.decision(Component::Proc), Reading::absent(Cause::NotAsked), "no hint is not to hold");
    }

    #[test]
    fn a_limit_lets_tasks_in_while_the_total_is_below_it() {
        let mut state = SystemState::default();
        assert_eq!(state.accepts(i64::MAX), None);
        state.queue.total = Reading::Value(3);
        assert_eq!([2, 3, 4].map(|limit| state.accepts(limit)), [false, false, true].map(Some));
    }

    #[test]
    fn only_a_source_with_a_scope_says_whether_it_is_there() {
        let scope = Some(Arc::new(Scope { tenant: "a".into(), project: "b".into() }));
        for (scope, quality, found) in [
            (None, Quality::Ok, None),
            (None, Quality::ScopeNotFound, None),
            (scope.clone(), Quality::Ok, Some(true)),
            (scope.clone(), Quality::Partial, Some(true)),
            (scope, Quality::ScopeNotFound, Some(false)),
        ] {
            let state = SystemState { scope, quality, ..SystemState::default() };
            assert_eq!(state.scope_found(), found, "{quality:?}");
        }
    }

    #[test]
    fn a_component_counts_the_processes_of_all_its_instances() {
        let on =
            |statuses: &[Status]| ComponentInstance { statuses: statuses.to_vec(), ..ComponentInstance::default() };
        let instances = vec![
            on(&[Status::Healthy, Status::Stale]),
            on(&[]),
            on(&[Status::Degraded, Status::Unhealthy, Status::Null, Status::Unknown]),
        ];
        let component = ComponentState { instances, ..ComponentState::default() };
        assert_eq!((component.actual(), component.responsive()), (6, 2));
    }

    #[test]
    fn sse_is_measured_against_a_limit_above_0() {
        for (connections, max, expected) in [
            (Reading::Value(3), Reading::Value(4), Ok((3.0, 4.0))),
            (Reading::Value(3), Reading::Value(0), Err(Cause::NoLimitConfigured)),
            (Reading::absent(Cause::Expired), Reading::Value(4), Err(Cause::Expired)),
            (Reading::absent(Cause::Expired), Reading::Value(0), Err(Cause::Expired)),
        ] {
            let found = SseTotals { connections, max, ..SseTotals::default() }.against_limit();
            let cause = found.reason().map(|reason| reason.cause);
            assert_eq!(found.value().ok_or(cause), expected.map_err(Some));
        }
    }
}
