//! `queue_stats` and the sections that show it again.

use std::collections::BTreeMap;

use crate::analysis::state::{CapacitySource, Cause, Reading, SystemState};
use crate::base::number::{count, round};
use crate::payload::shapes::{
    CapacityContext, EnhancedQueueStats, IndividualQueue, IndividualQueues, QueueAnalyticsStats, QueueAnalyticsView,
    QueueStats, Thresholds,
};
use crate::platform::facts::{PerRole, Role};
use crate::platform::gateway::Limits;

/// `queue_utilization`.
pub(super) fn utilization_percent(state: &SystemState) -> Option<f64> {
    state.queue.platform_utilization.get().map(|ratio| round(ratio * 100.0, 1))
}

/// `queue_stats`.
pub(super) fn stats(state: &SystemState) -> QueueStats {
    let depth = |role| state.queue.depths.get(role).get();
    QueueStats {
        anonymous: depth(Role::Anonymous),
        registered: depth(Role::Registered),
        paid: depth(Role::Paid),
        privileged: depth(Role::Privileged),
        total: state.queue.total.get(),
        capacity_context: context(state),
        analytics: QueueAnalyticsStats {
            avg_wait_times: known(&state.queue.average_wait),
            throughput_metrics: known(&state.queue.throughput),
        },
    }
}

fn known<T: Copy + Default>(by_role: &PerRole<Reading<T>>) -> BTreeMap<String, T> {
    by_role
        .iter()
        .filter_map(|(role, reading)| Some((role.as_str().to_owned(), or_default_if(reading, Cause::Unparsed)?)))
        .collect()
}

fn context(state: &SystemState) -> CapacityContext {
    let nothing = CapacitySource::default();
    let source = state.capacity.source.known().unwrap_or(&nothing);
    let limits = state.capacity.limits.get().unwrap_or_default();
    CapacityContext {
        base_capacity_per_instance: source.base_per_instance,
        alive_instances: source.alive_instances.iter().map(ToString::to_string).collect(),
        instance_count: count(source.alive_instances.len()).max(1),
        weighted_max_capacity: Some(source.total),
        pressure_ratio: state.queue.platform_pressure.get(),
        accepting_anonymous: state.accepts(limits.anonymous),
        accepting_registered: state.accepts(limits.registered),
        accepting_paid: state.accepts(limits.paid),
        accepting_privileged: state.accepts(limits.hard),
        thresholds: thresholds(&limits),
    }
}

/// The limits in the shape of the queue's sections.
pub(super) const fn thresholds(limits: &Limits) -> Thresholds {
    Thresholds {
        anonymous_threshold: limits.anonymous,
        registered_threshold: limits.registered,
        paid_threshold: limits.paid,
        hard_limit_threshold: limits.hard,
    }
}

/// `enhanced_queue_stats`.
pub(super) fn enhanced(stats: &QueueStats) -> EnhancedQueueStats {
    let context = &stats.capacity_context;
    EnhancedQueueStats {
        anonymous_queue: stats.anonymous,
        registered_queue: stats.registered,
        paid_queue: stats.paid,
        privileged_queue: stats.privileged,
        total_queue: stats.total,
        base_capacity_per_instance: context.base_capacity_per_instance,
        alive_instances: context.alive_instances.clone(),
        instance_count: context.instance_count,
        weighted_max_capacity: context.weighted_max_capacity,
        pressure_ratio: context.pressure_ratio,
        accepting_anonymous: context.accepting_anonymous,
        accepting_registered: context.accepting_registered,
        accepting_paid: context.accepting_paid,
        accepting_privileged: context.accepting_privileged,
    }
}

/// `queue_analytics`.
pub(super) fn analytics(state: &SystemState, stats: &QueueStats) -> QueueAnalyticsView {
    let context = &stats.capacity_context;
    let individual = |role, size, accepting: Option<bool>| IndividualQueue {
        size,
        avg_wait: shown(state.queue.average_wait.get(role)),
        throughput: shown(state.queue.throughput.get(role)),
        blocked: accepting.map(|accepting| !accepting),
    };
    QueueAnalyticsView {
        wait_times: stats.analytics.avg_wait_times.clone(),
        throughput: stats.analytics.throughput_metrics.clone(),
        individual_queues: IndividualQueues {
            anonymous: individual(Role::Anonymous, stats.anonymous, context.accepting_anonymous),
            registered: individual(Role::Registered, stats.registered, context.accepting_registered),
            paid: individual(Role::Paid, stats.paid, context.accepting_paid),
            privileged: individual(Role::Privileged, stats.privileged, context.accepting_privileged),
        },
    }
}

/// Bookkeeping that is switched off or cannot be parsed is 0, as the platform shows it.
fn shown<T: Copy + Default>(reading: &Reading<T>) -> Option<T> {
    or_default_if(reading, Cause::SwitchedOff).or_else(|| or_default_if(reading, Cause::Unparsed))
}

fn or_default_if<T: Copy + Default>(reading: &Reading<T>, cause: Cause) -> Option<T> {
    match reading {
        Reading::Value(value) => Some(*value),
        Reading::Absent(reason) => (reason.cause == cause).then(T::default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::state::Capacity;

    /// Limits of 1, 2, 3 and 4 tasks, and a total of this many.
    fn state_with(total: Reading<i64>) -> SystemState {
        let limits = Reading::Value(Limits { anonymous: 1, registered: 2, paid: 3, hard: 4 });
        let mut state = SystemState { capacity: Capacity { limits, ..Capacity::default() }, ..SystemState::default() };
        state.queue.total = total;
        state
    }

    #[test]
    fn a_role_is_turned_away_from_its_own_limit_on() {
        for total in 0..=5 {
            let state = state_with(Reading::Value(total));
            let stats = stats(&state);
            let context = &stats.capacity_context;
            let accepting = [
                context.accepting_anonymous,
                context.accepting_registered,
                context.accepting_paid,
                context.accepting_privileged,
            ];
            let expected = [1, 2, 3, 4].map(|limit| Some(total < limit));
            assert_eq!(accepting, expected, "{total}");
            let queues = analytics(&state, &stats).individual_queues;
            let blocked =
                [queues.anonymous, queues.registered, queues.paid, queues.privileged].map(|queue| queue.blocked);
            assert_eq!(blocked, expected.map(|accepts| accepts.map(|accepts| !accepts)), "{total}");
        }
    }

    #[test]
    fn nobody_knows_who_is_turned_away_while_the_total_is_unknown() {
        let state = state_with(Reading::absent(Cause::Unreadable));
        let stats = stats(&state);
        assert_eq!((stats.total, stats.capacity_context.accepting_anonymous), (None, None));
        assert_eq!(analytics(&state, &stats).individual_queues.paid.blocked, None);
    }

    #[test]
    fn every_role_has_its_own_numbers_in_every_section() {
        let mut state = state_with(Reading::Value(15));
        for (role, number) in Role::ALL.into_iter().zip(1..) {
            *state.queue.depths.get_mut(role) = Reading::Value(number);
            *state.queue.average_wait.get_mut(role) = Reading::Value(f64::from(i32::try_from(number).unwrap()) / 2.0);
            *state.queue.throughput.get_mut(role) = Reading::Value(number * 10);
        }
        let stats = stats(&state);
        // External users' tasks are in the total alone.
        let shown = [Some(1), Some(3), Some(4), Some(5)];
        assert_eq!([stats.anonymous, stats.registered, stats.paid, stats.privileged], shown);
        let flat = enhanced(&stats);
        assert_eq!([flat.anonymous_queue, flat.registered_queue, flat.paid_queue, flat.privileged_queue], shown);
        assert_eq!(flat.total_queue, Some(15));
        let view = analytics(&state, &stats);
        assert_eq!((view.wait_times["external"], view.throughput["external"]), (1.0, 20));
        let queues = view.individual_queues;
        let queues = [queues.anonymous, queues.registered, queues.paid, queues.privileged];
        assert_eq!(queues.each_ref().map(|queue| queue.size), shown);
        assert_eq!(queues.each_ref().map(|queue| queue.avg_wait), [0.5, 1.5, 2.0, 2.5].map(Some));
        assert_eq!(queues.each_ref().map(|queue| queue.throughput), [10, 30, 40, 50].map(Some));
    }

    #[test]
    fn bookkeeping_that_cannot_be_parsed_is_0_in_both_sections() {
        for (cause, listed, individual) in
            [(Cause::Unparsed, Some(0), Some(0)), (Cause::SwitchedOff, None, Some(0)), (Cause::Unreadable, None, None)]
        {
            let mut state = state_with(Reading::Value(0));
            state.queue.throughput.paid = Reading::absent(cause);
            let view = analytics(&state, &stats(&state));
            assert_eq!(view.throughput.get("paid").copied(), listed, "{cause:?}");
            assert_eq!(view.individual_queues.paid.throughput, individual, "{cause:?}");
        }
    }

    #[test]
    fn instances_are_at_least_one_and_the_thresholds_are_the_limits() {
        let mut state = state_with(Reading::Value(0));
        for (alive, expected) in [(vec![], 1), (vec!["a"], 1), (vec!["a", "b", "c"], 3)] {
            let alive_instances = alive.into_iter().map(Into::into).collect();
            state.capacity.source = Reading::Value(CapacitySource {
                alive_instances,
                total: 42,
                base_per_instance: 14,
                ..CapacitySource::default()
            });
            let context = context(&state);
            assert_eq!((context.instance_count, context.weighted_max_capacity), (expected, Some(42)));
            assert_eq!(context.base_capacity_per_instance, 14);
            let Thresholds { anonymous_threshold, registered_threshold, paid_threshold, hard_limit_threshold } =
                context.thresholds;
            assert_eq!([anonymous_threshold, registered_threshold, paid_threshold, hard_limit_threshold], [1, 2, 3, 4]);
        }
    }
}
