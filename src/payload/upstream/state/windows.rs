//! Latencies and rolling series over their windows.

use std::collections::BTreeMap;

use super::Sides;
use crate::analysis::state::{LatencyWindow, PerWindow, Reading, RollingWindows};
use crate::payload::shapes::{LatencyPercentiles, LatencyWindows, SystemPayload, Windows};
use crate::platform::facts::{Component, LatencySeries, Pool, RollingSeries};

/// All latency series.
pub(super) fn latency(system: &SystemPayload, sides: &Sides<'_>) -> BTreeMap<LatencySeries, PerWindow<LatencyWindow>> {
    let ingress = system.components.ingress.as_ref().map(|ingress| &ingress.latency);
    let proc = system.components.proc.as_ref().map(|proc| &proc.latency);
    let of = |component, name, sent: Option<LatencyWindows>| latency_windows(sides, component, name, sent);
    [
        (LatencySeries::IngressRest, of(Component::Ingress, "rest_ms", ingress.and_then(|latency| latency.rest_ms))),
        (
            LatencySeries::QueueWait,
            of(Component::Proc, "queue_wait_ms", proc.and_then(|latency| latency.queue_wait_ms)),
        ),
        (LatencySeries::TaskExec, of(Component::Proc, "exec_ms", proc.and_then(|latency| latency.exec_ms))),
    ]
    .into()
}

fn latency_windows(
    sides: &Sides<'_>,
    component: Component,
    name: &str,
    sent: Option<LatencyWindows>,
) -> PerWindow<LatencyWindow> {
    let sent = sent.unwrap_or_default();
    let over = |window: &str, sent: LatencyPercentiles| {
        let path = |field: &str| format!("components.{}.latency.{name}.{window}.{field}", component.as_str());
        let value = |field: &str, value| sides.reading(component, &path(field), value);
        LatencyWindow {
            count: sides.count(component, &path("count"), sent.count),
            p50: value("p50", sent.p50),
            p95: value("p95", sent.p95),
            p99: value("p99", sent.p99),
            max: value("max", sent.max),
            mean: Reading::absent(sides.reason(component, &path("mean"))),
        }
    };
    PerWindow {
        one_minute: over("1m", sent.one_minute),
        fifteen_minutes: over("15m", sent.fifteen_minutes),
        one_hour: over("1h", sent.one_hour),
    }
}

/// All rolling series.
pub(super) fn rolling(system: &SystemPayload, sides: &Sides<'_>) -> BTreeMap<RollingSeries, Reading<RollingWindows>> {
    RollingSeries::all().map(|series| (series, rolling_windows(system, sides, series))).collect()
}

fn rolling_windows(system: &SystemPayload, sides: &Sides<'_>, series: RollingSeries) -> Reading<RollingWindows> {
    let (component, path, sent) = sent_windows(system, series);
    let value = |window: &str, value| sides.reading(component, &format!("{path}.{window}"), value);
    sides.reading(component, &path, sent).map(|sent| RollingWindows {
        one_minute: value("1m", sent.one_minute),
        fifteen_minutes: value("15m", sent.fifteen_minutes),
        one_hour: value("1h", sent.one_hour),
        // The payload has no field for these two.
        max_one_minute: value("1m.max", None),
        max_fifteen_minutes: value("15m.max", None),
        max: value("max", sent.max),
    })
}

/// Where an upstream sends the series, and what it sent.
fn sent_windows(system: &SystemPayload, series: RollingSeries) -> (Component, String, Option<&Windows>) {
    let queue = system.components.proc.as_ref().and_then(|proc| proc.queue.as_ref()).map(|queue| &queue.windows);
    let pools = |component| system.components.get(component).map(|found| &found.pools_aggregate);
    let pool_path = |component: Component, name: &str, pool: Pool| {
        format!("components.{}.pools_aggregate.{name}.{}", component.as_str(), pool.as_str())
    };
    match series {
        RollingSeries::SseConnections => {
            let sse = system.components.ingress.as_ref().and_then(|ingress| ingress.sse.as_ref());
            (Component::Ingress, "components.ingress.sse.windows".to_owned(), sse.and_then(|sse| sse.windows.as_ref()))
        }
        RollingSeries::QueuePressure => {
            let path = "components.proc.queue.windows.pressure_ratio".to_owned();
            (Component::Proc, path, queue.and_then(|windows| windows.pressure_ratio.as_ref()))
        }
        RollingSeries::QueueDepth => {
            let path = "components.proc.queue.windows.depth".to_owned();
            (Component::Proc, path, queue.and_then(|windows| windows.depth.as_ref()))
        }
        RollingSeries::PoolUtilization(component, pool) => {
            let windows = pools(component).and_then(|pools| pools.utilization_windows.get(pool));
            (component, pool_path(component, "utilization_windows", pool), windows)
        }
        RollingSeries::PoolInUse(component, pool) => {
            let windows = pools(component).and_then(|pools| pools.in_use_windows.get(pool));
            (component, pool_path(component, "in_use_windows", pool), windows)
        }
    }
}
