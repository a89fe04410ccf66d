//! How much is queued, against the capacity; and the sections that present it.
//!
//! A role that could not be read makes the total unknown, and all that depends on it.

use std::collections::BTreeMap;

use super::capacity::CapacitySource;
use crate::base::number::{count, float, round};
use crate::payload::shapes::{
    CapacityContext, IndividualQueue, IndividualQueues, QueueAnalyticsStats, QueueAnalyticsView,
};
use crate::payload::shapes::{EnhancedQueueStats, QueueStats};
use crate::platform::facts::{Facts, PerRole, QueueAnalytics, QueueDepth, Role, Unreadable};

/// What waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Queue {
    /// Ready, in flight and continuations, by role.
    pub(super) depths: PerRole<Option<i64>>,
    /// Over all five roles.
    pub(super) total: Option<i64>,
    /// Total / capacity; 1 without capacity.
    pub(super) pressure: Option<f64>,
    /// `round(total / capacity · 100, 1)`; without capacity 100 if anything is queued, else 0.
    pub(super) utilization: Option<f64>,
}

impl Queue {
    pub(super) fn new(queues: &PerRole<Option<QueueDepth>>, capacity: i64) -> Self {
        let mut depths = PerRole::default();
        for (role, found) in queues.iter() {
            *depths.get_mut(role) = found.map(QueueDepth::total);
        }
        let total = depths.iter().try_fold(0_i64, |total, (_, depth)| depth.map(|depth| total.saturating_add(depth)));
        Self {
            depths,
            total,
            pressure: total.map(|total| pressure(total, capacity)),
            utilization: total.map(|total| utilization(total, capacity)),
        }
    }

    /// Whether a threshold still lets tasks in.
    fn accepts(&self, threshold: i64) -> Option<bool> {
        self.total.map(|total| total < threshold)
    }
}

fn pressure(total: i64, capacity: i64) -> f64 {
    if capacity > 0 { float(total) / float(capacity) } else { 1.0 }
}

fn utilization(total: i64, capacity: i64) -> f64 {
    match (capacity > 0, total > 0) {
        (true, _) => round(float(total) / float(capacity) * 100.0, 1),
        (false, true) => 100.0,
        (false, false) => 0.0,
    }
}

/// `queue_stats`.
pub(super) fn stats(queue: &Queue, source: &CapacitySource, signals: &Facts, analytics: bool) -> QueueStats {
    QueueStats {
        anonymous: queue.depths.anonymous,
        registered: queue.depths.registered,
        paid: queue.depths.paid,
        privileged: queue.depths.privileged,
        total: queue.total,
        capacity_context: context(queue, source),
        analytics: if analytics { bookkeeping(signals) } else { QueueAnalyticsStats::default() },
    }
}

fn context(queue: &Queue, source: &CapacitySource) -> CapacityContext {
    CapacityContext {
        base_capacity_per_instance: source.base_per_instance,
        alive_instances: source.alive_instances.clone(),
        instance_count: count(source.alive_instances.len()).max(1),
        weighted_max_capacity: Some(source.total),
        pressure_ratio: queue.pressure,
        accepting_anonymous: queue.accepts(source.limits.anonymous),
        accepting_registered: queue.accepts(source.limits.registered),
        accepting_paid: queue.accepts(source.limits.paid),
        accepting_privileged: queue.accepts(source.limits.hard),
        thresholds: source.thresholds(),
    }
}

/// A role without bookkeeping is one whose writer has not written yet: 0, as the platform shows it. One
/// whose bookkeeping cannot be read is left out.
fn bookkeeping(signals: &Facts) -> QueueAnalyticsStats {
    let readable = |(role, _): &(Role, _)| !signals.unreadable.contains(&Unreadable::Analytics(*role));
    let kept = signals.analytics.iter().filter(readable);
    let kept = kept.map(|(role, analytics)| (role.as_str().to_owned(), analytics.unwrap_or_default()));
    let kept: Vec<(String, QueueAnalytics)> = kept.collect();
    QueueAnalyticsStats {
        avg_wait_times: kept.iter().map(|(role, analytics)| (role.clone(), analytics.avg_wait_seconds)).collect(),
        throughput_metrics: kept.into_iter().map(|(role, kept)| (role, kept.throughput_last_hour)).collect(),
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
pub(super) fn analytics(stats: &QueueStats) -> QueueAnalyticsView {
    let context = &stats.capacity_context;
    QueueAnalyticsView {
        wait_times: stats.analytics.avg_wait_times.clone(),
        throughput: stats.analytics.throughput_metrics.clone(),
        individual_queues: IndividualQueues {
            anonymous: individual(stats, Role::Anonymous, stats.anonymous, context.accepting_anonymous),
            registered: individual(stats, Role::Registered, stats.registered, context.accepting_registered),
            paid: individual(stats, Role::Paid, stats.paid, context.accepting_paid),
            privileged: individual(stats, Role::Privileged, stats.privileged, context.accepting_privileged),
        },
    }
}

fn individual(stats: &QueueStats, role: Role, size: Option<i64>, accepting: Option<bool>) -> IndividualQueue {
    IndividualQueue {
        size,
        avg_wait: of(&stats.analytics.avg_wait_times, role),
        throughput: of(&stats.analytics.throughput_metrics, role),
        blocked: accepting.map(|accepting| !accepting),
    }
}

/// Without any bookkeeping it is switched off, which the platform shows as 0.
fn of<T: Copy + Default>(by_role: &BTreeMap<String, T>, role: Role) -> Option<T> {
    if by_role.is_empty() { Some(T::default()) } else { by_role.get(role.as_str()).copied() }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn all_roles_count_and_no_capacity_is_not_idleness() {
        let table = [(Some(1), 28, Some(14), Some(0.5), Some(50.0)), (Some(1), 0, Some(14), Some(1.0), Some(100.0))];
        for (depth, capacity, total, pressure, utilization) in table {
            let queue = Queue::new(&queues(depth), capacity);
            assert_eq!((queue.total, queue.pressure, queue.utilization), (total, pressure, utilization));
        }
        let idle = Queue::new(&PerRole::default(), 0);
        assert_eq!(idle.total, None);
        let nothing = Some(QueueDepth::default());
        let empty =
            PerRole { anonymous: nothing, external: nothing, registered: nothing, paid: nothing, privileged: nothing };
        let idle = Queue::new(&empty, 0);
        assert_eq!((idle.pressure, idle.utilization), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn one_unreadable_role_makes_the_total_unknown() {
        let queue = Queue::new(&queues(None), 28);
        assert_eq!((queue.total, queue.pressure, queue.utilization), (None, None, None));
        assert_eq!(queue.depths.anonymous, Some(3));
        assert_eq!(queue.accepts(100), None);
    }

    #[test]
    fn a_counter_below_zero_makes_no_negative_tasks() {
        let mut roles = queues(Some(1));
        roles.paid = Some(QueueDepth { ready: 5, inflight: 1, continuations: -2 });
        roles.privileged = Some(QueueDepth { ready: 0, inflight: 0, continuations: -2 });
        let queue = Queue::new(&roles, 28);
        assert_eq!((queue.depths.paid, queue.depths.privileged), (Some(4), Some(0)));
    }

    #[test]
    fn huge_depths_do_not_overflow() {
        let huge = Some(QueueDepth { ready: i64::MAX, inflight: i64::MAX, continuations: 1 });
        let all = PerRole { anonymous: huge, external: huge, registered: huge, paid: huge, privileged: huge };
        assert_eq!(Queue::new(&all, 1).total, Some(i64::MAX));
    }
}
