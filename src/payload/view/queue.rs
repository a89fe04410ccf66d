//! `queue_stats` and the sections that show it again.

use std::collections::BTreeMap;

use super::or_zero;
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
    state.queue.utilization.get().map(|ratio| round(ratio * 100.0, 1))
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

fn known<T: Copy>(by_role: &PerRole<Reading<T>>) -> BTreeMap<String, T> {
    by_role.iter().filter_map(|(role, reading)| Some((role.as_str().to_owned(), reading.get()?))).collect()
}

fn context(state: &SystemState) -> CapacityContext {
    let nothing = CapacitySource::default();
    let source = state.capacity.source.known().unwrap_or(&nothing);
    let limits = state.capacity.limits.get().unwrap_or_default();
    CapacityContext {
        base_capacity_per_instance: source.base_per_instance,
        alive_instances: source.alive_instances.clone(),
        instance_count: count(source.alive_instances.len()).max(1),
        weighted_max_capacity: Some(or_zero(&state.capacity.total)),
        pressure_ratio: state.queue.pressure.get(),
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
        avg_wait: or_switched_off(state.queue.average_wait.get(role)),
        throughput: or_switched_off(state.queue.throughput.get(role)),
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

/// Bookkeeping that is switched off is 0, as the platform shows it.
fn or_switched_off<T: Copy + Default>(reading: &Reading<T>) -> Option<T> {
    match reading {
        Reading::Value(value) => Some(*value),
        Reading::Absent(reason) => (reason.cause == Cause::SwitchedOff).then(T::default),
    }
}
