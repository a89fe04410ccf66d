//! Readers of the family rows: payload in, labelled values out; what is unknown stays out.

use crate::analysis::SystemPayload;
use crate::base::number::{self, float};
use crate::catalog::Rows;
use crate::payload::shapes::{
    IngressSse, LatencyPercentiles, LatencyWindows, PoolsAggregate, ProcQueue, ServiceStats, StatusBreakdown, Windows,
};
use crate::platform::facts::{Circuit, Component, Pool};

/// 1 for the word that holds and 0 for the others, after the labels before it; nothing for a word
/// that is none of them.
fn one_of(before: &[&str], words: &[&str], holds: &str, rows: &mut Rows<'_>) {
    if !words.contains(&holds) {
        return;
    }
    for &word in words {
        let labels: Vec<&str> = before.iter().copied().chain([word]).collect();
        rows.push(&labels, f64::from(u8::from(word == holds)));
    }
}

const fn latency_windows(series: &LatencyWindows) -> [(&'static str, &LatencyPercentiles); 3] {
    [("1m", &series.one_minute), ("15m", &series.fifteen_minutes), ("1h", &series.one_hour)]
}

fn percentiles(series: Option<LatencyWindows>, rows: &mut Rows<'_>) {
    let Some(series) = series else { return };
    for (window, ms) in latency_windows(&series) {
        for (name, value) in [("p50", ms.p50), ("p95", ms.p95), ("p99", ms.p99), ("max", ms.max)] {
            rows.push(&[name, window], value.map(|ms| ms / 1000.0));
        }
    }
}

fn rest(m: &SystemPayload) -> Option<LatencyWindows> {
    m.components.ingress.as_ref()?.latency.rest_ms
}

fn wait(m: &SystemPayload) -> Option<LatencyWindows> {
    m.components.proc.as_ref()?.latency.queue_wait_ms
}

fn execution(m: &SystemPayload) -> Option<LatencyWindows> {
    m.components.proc.as_ref()?.latency.exec_ms
}

pub(super) fn rest_latency(m: &SystemPayload, rows: &mut Rows<'_>) {
    percentiles(rest(m), rows);
}

pub(super) fn queue_wait(m: &SystemPayload, rows: &mut Rows<'_>) {
    percentiles(wait(m), rows);
}

pub(super) fn exec(m: &SystemPayload, rows: &mut Rows<'_>) {
    percentiles(execution(m), rows);
}

pub(super) fn latency_samples(m: &SystemPayload, rows: &mut Rows<'_>) {
    for (name, series) in [("ingress_rest", rest(m)), ("proc_queue_wait", wait(m)), ("proc_exec", execution(m))] {
        let Some(series) = series else { continue };
        for (window, ms) in latency_windows(&series) {
            rows.push(&[name, window], ms.count.map(float));
        }
    }
}

/// Means over three windows and the maximum of the last hour, after the labels before them.
fn windows(before: &[&str], windows: Option<&Windows>, scale: f64, rows: &mut Rows<'_>) {
    let Some(w) = windows else { return };
    let values = [
        ("1m", "mean", w.one_minute),
        ("15m", "mean", w.fifteen_minutes),
        ("1h", "mean", w.one_hour),
        ("1h", "max", w.max),
    ];
    for (window, stat, value) in values {
        let labels: Vec<&str> = before.iter().copied().chain([window, stat]).collect();
        rows.push(&labels, value.map(|value| value / scale));
    }
}

pub(super) fn sse_window(m: &SystemPayload, rows: &mut Rows<'_>) {
    let sse: Option<&IngressSse> = m.components.ingress.as_ref().and_then(|ingress| ingress.sse.as_ref());
    windows(&[], sse.and_then(|sse| sse.windows.as_ref()), 1.0, rows);
}

fn queue(m: &SystemPayload) -> Option<&ProcQueue> {
    m.components.proc.as_ref()?.queue.as_ref()
}

pub(super) fn depth_window(m: &SystemPayload, rows: &mut Rows<'_>) {
    windows(&[], queue(m).and_then(|queue| queue.windows.depth.as_ref()), 1.0, rows);
}

pub(super) fn pressure_window(m: &SystemPayload, rows: &mut Rows<'_>) {
    windows(&[], queue(m).and_then(|queue| queue.windows.pressure_ratio.as_ref()), 1.0, rows);
}

pub(super) fn queue_tasks(m: &SystemPayload, rows: &mut Rows<'_>) {
    for (role, depth) in m.queue_depths.iter() {
        let Some(depth) = depth else { continue };
        rows.push(&[role.as_str(), "ready"], float(depth.ready));
        rows.push(&[role.as_str(), "inflight"], float(depth.inflight));
        rows.push(&[role.as_str(), "continuation"], float(depth.continuations.max(0)));
    }
}

pub(super) fn queue_depth(m: &SystemPayload, rows: &mut Rows<'_>) {
    let stats = &m.queue_stats;
    let shown = [
        ("anonymous", stats.anonymous),
        ("registered", stats.registered),
        ("paid", stats.paid),
        ("privileged", stats.privileged),
    ];
    // The payload shows no queue of external users by itself, but the total counts it.
    let known = shown.iter().try_fold(0_i64, |known, (_, depth)| known.checked_add((*depth)?));
    let external = stats.total.zip(known).and_then(|(total, known)| total.checked_sub(known));
    for (role, depth) in shown.into_iter().chain([("external", external)]) {
        rows.push(&[role], depth.map(float));
    }
}

pub(super) fn queue_thresholds(m: &SystemPayload, rows: &mut Rows<'_>) {
    let Some(thresholds) = queue(m).and_then(|queue| queue.thresholds) else { return };
    rows.push(&["anonymous"], float(thresholds.anonymous_threshold));
    rows.push(&["registered"], float(thresholds.registered_threshold));
    rows.push(&["paid"], float(thresholds.paid_threshold));
    rows.push(&["privileged"], float(thresholds.hard_limit_threshold));
}

fn each_pool(m: &SystemPayload, mut visit: impl FnMut([&'static str; 2], &PoolsAggregate, Pool)) {
    for component in Component::ALL {
        let Some(stats) = m.components.get(component) else { continue };
        for pool in Pool::ALL {
            visit([component.as_str(), pool.as_str()], &stats.pools_aggregate, pool);
        }
    }
}

pub(super) fn pool_utilization(m: &SystemPayload, rows: &mut Rows<'_>) {
    each_pool(m, |labels, pools, pool| rows.push(&labels, pools.current(pool).0.map(|percent| percent / 100.0)));
}

pub(super) fn pool_utilization_window(m: &SystemPayload, rows: &mut Rows<'_>) {
    each_pool(m, |labels, pools, pool| windows(&labels, pools.utilization_windows.get(pool), 100.0, rows));
}

pub(super) fn pool_in_use(m: &SystemPayload, rows: &mut Rows<'_>) {
    each_pool(m, |labels, pools, pool| rows.push(&labels, pools.current(pool).1));
}

pub(super) fn pool_in_use_window(m: &SystemPayload, rows: &mut Rows<'_>) {
    each_pool(m, |labels, pools, pool| windows(&labels, pools.in_use_windows.get(pool), 1.0, rows));
}

pub(super) fn instances(m: &SystemPayload, rows: &mut Rows<'_>) {
    for component in Component::ALL {
        let count = m.components.get(component).and_then(|stats| stats.instance_count).map(float);
        rows.push(&[component.as_str()], count);
    }
}

pub(super) fn processes(m: &SystemPayload, rows: &mut Rows<'_>) {
    for component in Component::ALL {
        let Some(instances) = m.components.get(component).and_then(|stats| stats.instance_count) else { continue };
        let service = format!("chat_{}", component.service_name());
        let services: Vec<&ServiceStats> = m.instances.values().filter_map(|services| services.get(&service)).collect();
        // One instance that does not tell makes the sums unknown.
        let all = services.iter().map(|service| service.status_breakdown).collect::<Option<Vec<_>>>();
        let Some(all) = all else { continue };
        if instances > 0 && all.is_empty() {
            continue;
        }
        let sum = |pick: fn(&StatusBreakdown) -> i64| float(number::sum(all.iter().map(pick)));
        let name = component.as_str();
        rows.push(&[name, "healthy"], sum(|s| s.healthy));
        rows.push(&[name, "degraded"], sum(|s| s.degraded));
        rows.push(&[name, "unhealthy"], sum(|s| s.unhealthy));
        rows.push(&[name, "stale"], sum(|s| s.stale));
        rows.push(&[name, "missing"], sum(|s| s.missing));
        // A process whose word nobody knows is in none of these.
        let told = sum(|s| number::sum([s.healthy, s.degraded, s.unhealthy, s.stale].into_iter()));
        let unknown = float(number::sum(services.iter().map(|service| service.actual_processes))) - told;
        rows.push(&[name, "unknown"], Some(unknown).filter(|unknown| *unknown >= 0.0));
    }
}

pub(super) fn capacity(m: &SystemPayload, rows: &mut Rows<'_>) {
    rows.push(&[], m.queue_stats.capacity_context.weighted_max_capacity.map(float));
}

pub(super) fn load(m: &SystemPayload, rows: &mut Rows<'_>) {
    for component in Component::ALL {
        rows.push(&[component.as_str()], m.components.get(component).and_then(|stats| stats.load).map(float));
    }
}

pub(super) fn throttled(m: &SystemPayload, rows: &mut Rows<'_>) {
    let t = &m.throttling_windows;
    for (window, events) in [("1m", t.one_minute), ("15m", t.fifteen_minutes), ("1h", t.one_hour)] {
        rows.push(&["429", window], events.and_then(|events| events.rate_limit_429).map(float));
        rows.push(&["503", window], events.and_then(|events| events.backpressure_503).map(float));
    }
}

pub(super) fn circuits(m: &SystemPayload, rows: &mut Rows<'_>) {
    for (name, circuit) in &m.circuit_breakers {
        one_of(&[name], &Circuit::STATES, &circuit.state, rows);
    }
}

pub(super) fn db_estimated(m: &SystemPayload, rows: &mut Rows<'_>) {
    rows.push(&[], m.db_connections.estimated_total.map(float));
}

pub(super) fn db_max(m: &SystemPayload, rows: &mut Rows<'_>) {
    rows.push(&[], m.db_connections.max_connections.map(float));
}

pub(super) fn decisions(m: &SystemPayload, rows: &mut Rows<'_>) {
    let ingress = m.autoscaler.ingress.as_ref().map(|hint| &hint.decision);
    let proc = m.autoscaler.proc.as_ref().map(|hint| &hint.decision);
    for (component, taken) in [("ingress", ingress), ("proc", proc)] {
        if let Some(taken) = taken {
            one_of(&[component], &["scale_up", "scale_down", "hold"], taken, rows);
        }
    }
}
