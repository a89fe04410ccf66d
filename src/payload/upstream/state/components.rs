//! Components with their processes, and hints.

use super::Sides;
use crate::analysis::state::{ComponentState, Decision, Hint, HintReason, PoolEstimates, Reading, StatusCounts};
use crate::base::number::sum;
use crate::payload::shapes::{ComponentStats, ServiceStats, StatusBreakdown, SystemPayload};
use crate::platform::facts::Component;

/// One component.
pub(super) fn component(system: &SystemPayload, sides: &Sides<'_>, component: Component) -> Reading<ComponentState> {
    let name = component.as_str();
    let path = |rest: &str| format!("components.{name}{rest}");
    let count = |rest: &str, value| sides.count(component, &path(rest), value);
    let found = system.components.get(component);
    sides.reading(component, &path(""), found).map(|found| ComponentState {
        instance_count: count(".instance_count", found.instance_count),
        processes: sides.reading(component, "instances.*.status_breakdown", statuses(system, found, component)),
        load: count(".load", found.load),
        // 0 is also what a payload without it comes to.
        capacity: count(".capacity", Some(found.capacity).filter(|capacity| *capacity != 0)),
        configured_processes: count(".configured.processes_per_instance", found.configured.processes_per_instance),
        configured_concurrency: count(
            ".configured.concurrent_requests_per_process",
            found.configured.concurrent_requests_per_process,
        ),
        pool_estimates: PoolEstimates {
            postgres_size: found.pools.pg_pool_max_size,
            redis_connections: found.pools.redis_max_connections,
            postgres_per_instance: found.pools.estimated_pg_per_instance,
            postgres_total: found.pools.estimated_pg_total,
        },
        instances: Vec::new(),
    })
}

/// Sums over instances; one that does not say makes them unknown.
fn statuses(system: &SystemPayload, found: &ComponentStats, component: Component) -> Option<StatusCounts> {
    let instances = found.instance_count?;
    let service = format!("chat_{}", component.service_name());
    let services: Vec<&ServiceStats> = system.instances.values().filter_map(|found| found.get(&service)).collect();
    let all = services.iter().map(|service| service.status_breakdown).collect::<Option<Vec<_>>>()?;
    if instances > 0 && all.is_empty() {
        return None;
    }
    let total = |pick: fn(&StatusBreakdown) -> i64| sum(all.iter().map(pick).map(|processes| processes.max(0)));
    let counts = StatusCounts {
        healthy: total(|counts| counts.healthy),
        degraded: total(|counts| counts.degraded),
        unhealthy: total(|counts| counts.unhealthy),
        stale: total(|counts| counts.stale),
        missing: total(|counts| counts.missing),
        unknown: None,
    };
    let known = sum([counts.healthy, counts.degraded, counts.unhealthy, counts.stale].into_iter());
    let unknown = sum(services.iter().map(|service| service.actual_processes)).saturating_sub(known);
    Some(StatusCounts { unknown: Some(unknown).filter(|unknown| *unknown >= 0), ..counts })
}

/// `autoscaler.ingress`.
pub(super) fn ingress_hint(system: &SystemPayload, sides: &Sides<'_>) -> Reading<Hint> {
    let sent = system.autoscaler.ingress.as_ref();
    let hint = sent.and_then(|sent| hint(&sent.decision, &sent.reasons));
    sides.reading(Component::Ingress, "autoscaler.ingress.decision", hint)
}

/// `autoscaler.proc`.
pub(super) fn proc_hint(system: &SystemPayload, sides: &Sides<'_>) -> Reading<Hint> {
    let sent = system.autoscaler.proc.as_ref();
    let hint = sent.and_then(|sent| hint(&sent.decision, &sent.reasons));
    sides.reading(Component::Proc, "autoscaler.proc.decision", hint)
}

fn hint(decision: &str, reasons: &[String]) -> Option<Hint> {
    let reasons = reasons.iter().cloned().map(HintReason::Upstream).collect();
    Some(Hint { decision: Decision::named(decision)?, reasons })
}
