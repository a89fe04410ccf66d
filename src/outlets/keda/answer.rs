//! What a snapshot says to a trigger: the value of its metric, and whether its workload is active.

use tonic::{Code, Status};

use super::trigger::Trigger;
use crate::analysis::SystemState;
use crate::analysis::state::{Cause, Reading, Reason};
use crate::catalog::{self, Metric};
use crate::engine::snapshot::Snapshot;
use crate::platform::facts::Scope;

/// What the keys of the processors' metrics begin with.
const PROCESSORS: &str = "proc.";
/// What waits, claimed tasks included, and what runs.
const WAITING: &str = "proc.queue.total";
const RUNNING: &str = "proc.active_tasks";

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("there is no fresh snapshot: the source cannot be read; see the log of kdcube-metrics")]
    NoSnapshot,
    #[error("{metric} has no value: {reason}")]
    Absent { metric: &'static str, reason: Reason },
    #[error("{metric} is {value}, which is no value for an autoscaler")]
    Negative { metric: &'static str, value: f64 },
    #[error("this server has the numbers of {0}, and the trigger's tenant or project is another one")]
    OtherScope(String),
    #[error("the source does not say whose numbers it sends: leave tenant and project out of the trigger")]
    UnknownScope,
}

impl From<Unanswered> for Status {
    fn from(unanswered: Unanswered) -> Self {
        let code = match unanswered {
            Unanswered::NoSnapshot | Unanswered::Absent { .. } | Unanswered::Negative { .. } => Code::Unavailable,
            Unanswered::OtherScope(_) | Unanswered::UnknownScope => Code::NotFound,
        };
        Self::new(code, unanswered.to_string())
    }
}

/// The metric's value, 0 or above.
pub(super) fn value(trigger: &Trigger, snapshot: Option<&Snapshot>) -> Result<f64, Unanswered> {
    let snapshot = snapshot.ok_or(Unanswered::NoSnapshot)?;
    check_scope(trigger, snapshot.scope().map(AsRef::as_ref))?;
    known(trigger.metric, &snapshot.state)
}

/// Whether the workload should run at all. Of the processors' metrics all look at the same: while tasks wait or run, none of
/// them may be scaled to zero, whatever the metric is. One of the two that is known and above is enough to be active; both
/// are needed to be not.
pub(super) fn is_active(trigger: &Trigger, snapshot: Option<&Snapshot>) -> Result<bool, Unanswered> {
    if !trigger.metric.key.starts_with(PROCESSORS) {
        return Ok(value(trigger, snapshot)? > trigger.activation);
    }
    let snapshot = snapshot.ok_or(Unanswered::NoSnapshot)?;
    check_scope(trigger, snapshot.scope().map(AsRef::as_ref))?;
    let signs = [WAITING, RUNNING].into_iter().filter_map(catalog::find);
    let signs: Vec<_> = signs.map(|metric| known(metric, &snapshot.state)).collect();
    if signs.iter().flatten().any(|tasks| *tasks > trigger.activation) {
        return Ok(true);
    }
    signs.into_iter().collect::<Result<Vec<f64>, _>>().map(|_| false)
}

fn known(metric: &'static Metric, state: &SystemState) -> Result<f64, Unanswered> {
    match metric.scalar(state) {
        Some(Reading::Value(value)) if value >= 0.0 => Ok(value),
        Some(Reading::Value(value)) => Err(Unanswered::Negative { metric: metric.key, value }),
        Some(Reading::Absent(reason)) => Err(Unanswered::Absent { metric: metric.key, reason }),
        None => Err(Unanswered::Absent { metric: metric.key, reason: Cause::Unknown.into() }),
    }
}

/// A trigger that names a tenant or project gets only their numbers.
fn check_scope(trigger: &Trigger, scope: Option<&Scope>) -> Result<(), Unanswered> {
    let is_other = |wanted: &Option<String>, own: &str| wanted.as_deref().is_some_and(|wanted| wanted != own);
    match scope {
        None if trigger.tenant.is_some() || trigger.project.is_some() => Err(Unanswered::UnknownScope),
        Some(scope) if is_other(&trigger.tenant, &scope.tenant) || is_other(&trigger.project, &scope.project) => {
            Err(Unanswered::OtherScope(scope.to_string()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::state::{ComponentState, Quality};
    use crate::engine::snapshot::RunId;

    fn trigger(key: &str, activation: f64) -> Trigger {
        let metric = catalog::find(key).unwrap();
        Trigger { metric, target: 1.0, activation, tenant: None, project: None }
    }

    /// What waits and what runs.
    fn snapshot(waiting: Option<i64>, running: Option<i64>) -> Snapshot {
        let mut state = SystemState::default();
        let reading = |value| Reading::or_absent(value, || Cause::Unreadable);
        state.queue.total = reading(waiting);
        state.queue.pressure = reading(waiting).map(|_| 0.0);
        state.proc = Reading::Value(ComponentState { load: reading(running), ..ComponentState::default() });
        state.scope = Some(Arc::new(Scope { tenant: "acme".into(), project: "chat".into() }));
        Snapshot {
            id: RunId::random().snapshot(1),
            taken_at: 0.0,
            taken: tokio::time::Instant::now(),
            state: Arc::new(state),
        }
    }

    #[test]
    fn processors_are_active_while_tasks_wait_or_run_whatever_the_metric_is() {
        for (waiting, running, activation, active) in [
            (Some(0), Some(0), 0.0, Some(false)),
            (Some(1), Some(0), 0.0, Some(true)),
            // Busy workers and an empty queue.
            (Some(0), Some(3), 0.0, Some(true)),
            (Some(2), Some(3), 3.0, Some(false)),
            (Some(4), Some(3), 3.0, Some(true)),
            // Towards more capacity only.
            (Some(1), None, 0.0, Some(true)),
            (None, Some(1), 0.0, Some(true)),
            (Some(0), None, 0.0, None),
            (None, Some(0), 0.0, None),
            (None, None, 0.0, None),
        ] {
            for key in ["proc.queue.total", "proc.queue.pressure_ratio", "proc.exec.p95_ms"] {
                let given = is_active(&trigger(key, activation), Some(&snapshot(waiting, running)));
                assert_eq!(given.clone().ok(), active, "{key} {waiting:?} {running:?}: {given:?}");
            }
        }
    }

    #[test]
    fn other_workloads_are_active_above_the_activation_of_their_own_metric() {
        let absent = is_active(&trigger("ingress.sse.total_connections", 0.0), Some(&snapshot(Some(9), Some(9))));
        assert!(matches!(absent, Err(Unanswered::Absent { metric: "ingress.sse.total_connections", .. })));
    }

    #[test]
    fn what_is_not_known_is_unavailable_with_its_reason_and_never_a_number() {
        let depth = trigger("proc.queue.total", 0.0);
        assert_eq!(value(&depth, Some(&snapshot(Some(7), None))), Ok(7.0));
        let mut nowhere = snapshot(Some(7), Some(1));
        let state = SystemState { quality: Quality::ScopeNotFound, ..(*nowhere.state).clone() };
        nowhere.state = Arc::new(state);
        for (snapshot, part) in [
            (None, "no fresh snapshot"),
            (Some(snapshot(None, None)), "proc.queue.total has no value: it cannot be read"),
            (Some(snapshot(Some(-1), None)), "is -1"),
            (Some(nowhere), "nothing of the tenant and project is in Redis"),
        ] {
            for status in
                [value(&depth, snapshot.as_ref()).map(|_| ()), is_active(&depth, snapshot.as_ref()).map(|_| ())]
            {
                let status = Status::from(status.unwrap_err());
                assert_eq!(status.code(), Code::Unavailable);
                assert!(status.message().contains(part), "{status}");
            }
        }
    }

    #[test]
    fn a_trigger_of_another_tenant_or_project_gets_nothing() {
        let of = |tenant: Option<&str>, project: Option<&str>| Trigger {
            tenant: tenant.map(str::to_owned),
            project: project.map(str::to_owned),
            ..trigger("proc.queue.total", 0.0)
        };
        let known = snapshot(Some(7), Some(0));
        assert_eq!(value(&of(Some("acme"), Some("chat")), Some(&known)), Ok(7.0));
        assert_eq!(value(&of(None, Some("chat")), Some(&known)), Ok(7.0));
        for other in [of(Some("acme"), Some("x")), of(Some("x"), None)] {
            let status = Status::from(value(&other, Some(&known)).unwrap_err());
            assert!(status.code() == Code::NotFound && status.message().contains("acme/chat"), "{status}");
            assert!(is_active(&other, Some(&known)).is_err());
        }
        let mut proxied = snapshot(Some(7), Some(0));
        proxied.state = Arc::new(SystemState { scope: None, ..(*proxied.state).clone() });
        assert_eq!(value(&of(Some("acme"), None), Some(&proxied)), Err(Unanswered::UnknownScope));
    }
}
