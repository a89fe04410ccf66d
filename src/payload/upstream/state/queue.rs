//! The queue: depths by role, total, pressure and bookkeeping.

use super::Sides;
use crate::analysis::state::{Cause, Queue, Reading, Reason};
use crate::payload::shapes::SystemPayload;
use crate::platform::facts::{Component, PerRole, QueueDepth, Role};

const SIDE: Component = Component::Proc;

/// The queue of all roles.
pub(super) fn queue(system: &SystemPayload, sides: &Sides<'_>) -> Queue {
    let mut queue = Queue::default();
    for role in Role::ALL {
        *queue.tasks.get_mut(role) = tasks(sides, role);
        *queue.depths.get_mut(role) = depth(system, sides, role);
        let wait = system.queue_stats.analytics.avg_wait_times.get(role.as_str()).copied();
        *queue.average_wait.get_mut(role) = bookkeeping(sides, role, "avg_wait_times", wait);
        let throughput = system.queue_stats.analytics.throughput_metrics.get(role.as_str()).copied();
        *queue.throughput.get_mut(role) = bookkeeping(sides, role, "throughput_metrics", throughput);
    }
    queue.total = sides.count(SIDE, "queue_stats.total", system.queue_stats.total);
    queue.depths.external = external(&queue.depths, &queue.total);
    let pressure = system.queue_stats.capacity_context.pressure_ratio;
    queue.pressure = sides.reading(SIDE, "queue_stats.capacity_context.pressure_ratio", pressure);
    let percent = sides.reading(SIDE, "queue_utilization", system.queue_utilization);
    queue.utilization = percent.map(|percent| percent / 100.0);
    queue
}

fn tasks(sides: &Sides<'_>, role: Role) -> Reading<QueueDepth> {
    Reading::absent(sides.reason(SIDE, &format!("queue_stats.{}", role.as_str())))
}

fn depth(system: &SystemPayload, sides: &Sides<'_>, role: Role) -> Reading<i64> {
    let stats = &system.queue_stats;
    let sent = match role {
        Role::Anonymous => stats.anonymous,
        Role::Registered => stats.registered,
        Role::Paid => stats.paid,
        Role::Privileged => stats.privileged,
        Role::External => None,
    };
    sides.count(SIDE, &format!("queue_stats.{}", role.as_str()), sent)
}

/// No queue of external users is sent by itself, but the total counts it.
fn external(depths: &PerRole<Reading<i64>>, total: &Reading<i64>) -> Reading<i64> {
    let others = depths.iter().filter(|(role, _)| *role != Role::External);
    let left = others.fold(total.clone(), |left, (_, depth)| {
        left.zip(depth.clone()).map(|(left, depth): (i64, i64)| left.saturating_sub(depth))
    });
    left.filter(|left| *left >= 0, || Reason::of(Cause::Implausible, "proc: queue_stats.total"))
}

fn bookkeeping<T>(sides: &Sides<'_>, role: Role, name: &str, sent: Option<T>) -> Reading<T> {
    sides.reading(SIDE, &format!("queue_stats.analytics.{name}.{}", role.as_str()), sent)
}
