//! How much is queued, against the capacity.
//!
//! A role that cannot be read makes the total absent, and all that depends on it.

use super::state::{Cause, Queue, Reading, Reason};
use super::unreadable;
use crate::base::number::float;
use crate::platform::facts::{Facts, PerRole, QueueAnalytics, QueueDepth, Role, Unreadable};
use crate::platform::keys::Keys;

/// The queues of all roles; `analytics` says whether the platform keeps its own bookkeeping of them.
pub(super) fn queue(facts: &Facts, keys: &Keys, capacity: &Reading<i64>, analytics: bool) -> Queue {
    let mut queue = Queue::default();
    for role in Role::ALL {
        let tasks = tasks(facts, keys, role);
        let kept = bookkeeping(facts, keys, role, analytics);
        *queue.depths.get_mut(role) = tasks.clone().map(QueueDepth::total);
        *queue.tasks.get_mut(role) = tasks;
        *queue.average_wait.get_mut(role) = kept.clone().map(|kept| kept.avg_wait_seconds);
        *queue.throughput.get_mut(role) = kept.map(|kept| kept.throughput_last_hour);
    }
    queue.total = total(&queue.depths);
    let measured = queue.total.clone().zip(capacity.clone());
    queue.pressure = measured.clone().map(|(total, capacity)| pressure(total, capacity));
    queue.utilization = measured.map(|(total, capacity)| utilization(total, capacity));
    queue
}

fn tasks(facts: &Facts, keys: &Keys, role: Role) -> Reading<QueueDepth> {
    let keys = || [keys.queue(role), keys.inflight(role), keys.continuations(role)];
    Reading::or_absent(*facts.queues.get(role), || unreadable::reason(facts, keys()))
}

/// A role without bookkeeping is one whose writer has not written yet: 0, as the platform shows it.
fn bookkeeping(facts: &Facts, keys: &Keys, role: Role, analytics: bool) -> Reading<QueueAnalytics> {
    if !analytics {
        return Reading::absent(Reason::of(Cause::SwitchedOff, "monitoring.queue_analytics_enabled"));
    }
    if facts.unreadable.contains(&Unreadable::Analytics(role)) {
        return Reading::absent(unreadable::reason(facts, [keys.analytics(role)]));
    }
    Reading::Value(facts.analytics.get(role).unwrap_or_default())
}

fn total(depths: &PerRole<Reading<i64>>) -> Reading<i64> {
    depths.iter().fold(Reading::Value(0), |total, (_, depth)| {
        total.zip(depth.clone()).map(|(total, depth): (i64, i64)| total.saturating_add(depth))
    })
}

fn pressure(total: i64, capacity: i64) -> f64 {
    if capacity > 0 { float(total) / float(capacity) } else { 1.0 }
}

fn utilization(total: i64, capacity: i64) -> f64 {
    match (capacity > 0, total > 0) {
        (true, _) => float(total) / float(capacity),
        (false, true) => 1.0,
        (false, false) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::{InputKind, Malformed, Scope};

    fn keys() -> Keys {
        Keys::new(&Scope { tenant: "a".into(), project: "b".into() })
    }

    fn of(queues: PerRole<Option<QueueDepth>>, capacity: i64) -> Queue {
        queue(&Facts { queues, ..Facts::default() }, &keys(), &Reading::Value(capacity), true)
    }

    fn queues(depth: Option<i64>) -> PerRole<Option<QueueDepth>> {
        let some = |ready| Some(QueueDepth { ready, inflight: 1, continuations: 1 });
        PerRole {
            anonymous: some(1),
            external: some(2),
            registered: depth.and_then(some),
            paid: some(0),
            privileged: some(0),
        }
    }

    fn all(depth: QueueDepth) -> PerRole<Option<QueueDepth>> {
        let depth = Some(depth);
        PerRole { anonymous: depth, external: depth, registered: depth, paid: depth, privileged: depth }
    }

    #[test]
    fn all_roles_count_and_no_capacity_is_not_idleness() {
        for (capacity, pressure, utilization) in [(28, 0.5, 0.5), (0, 1.0, 1.0)] {
            let queue = of(queues(Some(1)), capacity);
            assert_eq!(queue.total.get(), Some(14));
            assert_eq!((queue.pressure.get(), queue.utilization.get()), (Some(pressure), Some(utilization)));
        }
        assert_eq!(of(PerRole::default(), 0).total.get(), None);
        let idle = of(all(QueueDepth::default()), 0);
        assert_eq!((idle.pressure.get(), idle.utilization.get()), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn one_unreadable_role_makes_the_total_absent_for_its_reason() {
        let key = keys().inflight(Role::Registered);
        let malformed = Malformed { kind: InputKind::QueueDepth, key: key.clone(), problem: "WRONGTYPE".into() };
        let facts = Facts { queues: queues(None), malformed: vec![malformed], ..Facts::default() };
        let queue = queue(&facts, &keys(), &Reading::Value(28), true);
        assert_eq!(queue.depths.anonymous.get(), Some(3));
        let expected = format!("it cannot be read: {key} (WRONGTYPE)");
        for reason in [queue.total.reason(), queue.pressure.reason(), queue.utilization.reason()] {
            assert_eq!(reason.unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_counter_below_zero_makes_no_negative_tasks() {
        let mut roles = queues(Some(1));
        roles.paid = Some(QueueDepth { ready: 5, inflight: 1, continuations: -2 });
        roles.privileged = Some(QueueDepth { ready: 0, inflight: 0, continuations: -2 });
        let queue = of(roles, 28);
        assert_eq!((queue.depths.paid.get(), queue.depths.privileged.get()), (Some(4), Some(0)));
    }

    #[test]
    fn huge_depths_do_not_overflow() {
        let huge = QueueDepth { ready: i64::MAX, inflight: i64::MAX, continuations: 1 };
        assert_eq!(of(all(huge), 1).total.get(), Some(i64::MAX));
    }

    #[test]
    fn bookkeeping_is_zero_before_it_is_written_and_absent_where_it_is_off_or_unreadable() {
        let mut facts = Facts { unreadable: [Unreadable::Analytics(Role::Paid)].into(), ..Facts::default() };
        facts.analytics.registered = Some(QueueAnalytics { avg_wait_seconds: 1.5, throughput_last_hour: 7 });
        let wait = queue(&facts, &keys(), &Reading::Value(1), true).average_wait;
        assert_eq!((wait.anonymous.get(), wait.registered.get()), (Some(0.0), Some(1.5)));
        assert_eq!(wait.paid.reason().unwrap().subject.as_deref(), Some(keys().analytics(Role::Paid).as_str()));
        let off = queue(&facts, &keys(), &Reading::Value(1), false).throughput.registered;
        assert_eq!(off.reason().map(|reason| reason.cause), Some(Cause::SwitchedOff));
    }
}
