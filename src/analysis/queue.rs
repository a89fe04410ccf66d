//! How much is queued, against the capacity.
//!
//! A role that cannot be read makes the total absent, and all that depends on it.

use super::state::{Capacity, Cause, Queue, Reading, Reason};
use super::{Inputs, unreadable};
use crate::base::number::float;
use crate::history::History;
use crate::platform::facts::{Facts, PerRole, QueueAnalytics, QueueDepth, Role, Unreadable};
use crate::platform::keys::Keys;

/// The queues of all roles against the capacity.
pub(super) fn queue(inputs: &Inputs<'_>, history: &History, keys: &Keys, capacity: &Capacity) -> Queue {
    let facts = inputs.facts;
    let analytics = inputs.gateway.settings().monitoring.queue_analytics_enabled;
    let mut queue = Queue::default();
    for role in Role::ALL {
        let held = || history.held_queue(role, inputs.now);
        let tasks = tasks(facts, keys, role, held);
        let kept = bookkeeping(facts, keys, role, analytics);
        *queue.depths.get_mut(role) = tasks.clone().map(QueueDepth::total);
        *queue.tasks.get_mut(role) = tasks;
        *queue.average_wait.get_mut(role) = kept.clone().map(|kept| kept.avg_wait_seconds);
        *queue.throughput.get_mut(role) = kept.map(|kept| kept.throughput_last_hour);
    }
    queue.total = total(&queue.depths);
    let platform = capacity.source.as_ref().map(|source| source.total);
    let by_platform = queue.total.clone().zip(platform);
    queue.platform_pressure = by_platform.clone().map(|(total, capacity)| pressure(total, capacity));
    queue.platform_utilization = by_platform.map(|(total, capacity)| utilization(total, capacity));
    let measured = queue.total.clone().zip(capacity.total.clone());
    queue.pressure = measured.clone().map(|(total, capacity)| pressure(total, capacity));
    queue.utilization = measured.map(|(total, capacity)| utilization(total, capacity));
    queue
}

/// A depth that cannot be read is the last good one, while that holds.
fn tasks(facts: &Facts, keys: &Keys, role: Role, held: impl Fn() -> Option<QueueDepth>) -> Reading<QueueDepth> {
    let keys = || [keys.queue(role), keys.inflight(role), keys.continuations(role)];
    Reading::or_absent(facts.queues.get(role).or_else(held), || unreadable::reason(facts, keys()))
}

/// A role without bookkeeping is one whose writer has not written yet: 0, as the platform shows it.
fn bookkeeping(facts: &Facts, keys: &Keys, role: Role, analytics: bool) -> Reading<QueueAnalytics> {
    if !analytics {
        return Reading::absent(Reason::of(Cause::SwitchedOff, "monitoring.queue_analytics_enabled"));
    }
    if facts.unreadable.contains(&Unreadable::Analytics(role)) {
        return Reading::absent(unreadable::reason(facts, [keys.analytics(role)]));
    }
    if facts.unreadable.contains(&Unreadable::MalformedAnalytics(role)) {
        let reason = unreadable::reason(facts, [keys.analytics(role)]);
        return Reading::absent(Reason { cause: Cause::Unparsed, ..reason });
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
    use std::sync::Arc;

    use super::*;
    use crate::analysis::state::CapacitySource;
    use crate::analysis::tests::gateway_with;
    use crate::platform::facts::{InputKind, Malformed};

    fn keys() -> Keys {
        Keys::sample()
    }

    fn of_tasks(total: i64) -> Capacity {
        let source = CapacitySource { total, ..CapacitySource::default() };
        Capacity { total: Reading::Value(total), source: Reading::Value(source), ..Capacity::default() }
    }

    fn measured(facts: &Facts, capacity: i64) -> Queue {
        measured_with(facts, &History::new(10), capacity, true)
    }

    fn measured_with(facts: &Facts, history: &History, capacity: i64, analytics: bool) -> Queue {
        let monitoring = format!(r#""monitoring": {{"queue_analytics_enabled": {analytics}}}"#);
        let gateway = Arc::new(gateway_with(&monitoring));
        let inputs = Inputs {
            zone: &jiff::tz::TimeZone::UTC,
            facts,
            gateway: &gateway,
            instance_id: "m-1",
            database_max_connections: Reading::default(),
            is_gateway_uncertain: false,
            is_scope_found: true,
            now: 1000.0,
        };
        queue(&inputs, history, &keys(), &of_tasks(capacity))
    }

    fn of(queues: PerRole<Option<QueueDepth>>, capacity: i64) -> Queue {
        measured(&Facts { queues, ..Facts::default() }, capacity)
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
        let queue = measured(&facts, 28);
        assert_eq!(queue.depths.anonymous.get(), Some(3));
        let expected = format!("it cannot be read: {key} (WRONGTYPE)");
        for reason in [queue.total.reason(), queue.pressure.reason(), queue.utilization.reason()] {
            assert_eq!(reason.unwrap().to_string(), expected);
        }
    }

    #[test]
    fn the_last_good_depth_stands_in_for_45_seconds() {
        for (read_at, expected) in [(960.0, Some(14)), (950.0, None)] {
            let mut history = History::new(10);
            history.absorb(&mut Facts { queues: queues(Some(1)), ..Facts::default() }, read_at);
            let facts = Facts { queues: queues(None), ..Facts::default() };
            assert_eq!(measured_with(&facts, &history, 28, true).total.get(), expected, "{read_at}");
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
        let wait = measured(&facts, 1).average_wait;
        assert_eq!((wait.anonymous.get(), wait.registered.get()), (Some(0.0), Some(1.5)));
        assert_eq!(wait.paid.reason().unwrap().subject.as_deref(), Some(keys().analytics(Role::Paid).as_str()));
        let off = measured_with(&facts, &History::new(10), 1, false).throughput.registered;
        assert_eq!(off.reason().map(|reason| reason.cause), Some(Cause::SwitchedOff));
    }
}
