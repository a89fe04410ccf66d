//! Readers of the family rows: state in, labelled values out; what is absent stays out.

use crate::analysis::state::{Decision, LatencyWindow, PerWindow, Reading, RollingWindows, SystemState};
use crate::base::number::float;
use crate::catalog::Rows;
use crate::history::Window;
use crate::platform::facts::{CircuitState, Component, LatencySeries, Pool, Role, RollingSeries};

/// Most instances that have a series of their own: a whole fleet may be off.
const MOST_WRITERS: usize = 100;

/// 1 for the variant that holds and 0 for the others, after the labels before it.
fn one_of<T: Copy + PartialEq>(
    before: &str,
    all: [T; 3],
    word: fn(T) -> &'static str,
    holds: &Reading<T>,
    rows: &mut Rows<'_>,
) {
    match holds {
        Reading::Absent(reason) => rows.absent(&[before], reason),
        Reading::Value(holds) => {
            all.into_iter()
                .for_each(|variant| rows.push(&[before, word(variant)], f64::from(u8::from(variant == *holds))));
        }
    }
}

fn percentiles(windows: Option<&PerWindow<LatencyWindow>>, rows: &mut Rows<'_>) {
    for (window, ms) in windows.into_iter().flat_map(PerWindow::iter) {
        for (name, value) in [("p50", &ms.p50), ("p95", &ms.p95), ("p99", &ms.p99), ("max", &ms.max)] {
            rows.push(&[name, window.as_str()], value.clone().map(|ms| ms / 1000.0));
        }
    }
}

pub(super) fn rest_latency(state: &SystemState, rows: &mut Rows<'_>) {
    percentiles(state.latency.get(&LatencySeries::IngressRest), rows);
}

pub(super) fn queue_wait(state: &SystemState, rows: &mut Rows<'_>) {
    percentiles(state.latency.get(&LatencySeries::QueueWait), rows);
}

pub(super) fn exec(state: &SystemState, rows: &mut Rows<'_>) {
    percentiles(state.latency.get(&LatencySeries::TaskExec), rows);
}

pub(super) fn latency_samples(state: &SystemState, rows: &mut Rows<'_>) {
    for (series, windows) in &state.latency {
        for (window, ms) in windows.iter() {
            rows.push(&[series.as_str(), window.as_str()], &ms.count);
        }
    }
}

/// Means and maxima over three windows, after the labels before them.
fn windows(before: &[&str], windows: &Reading<RollingWindows>, scale: f64, rows: &mut Rows<'_>) {
    let windows = match windows {
        Reading::Value(windows) => windows,
        Reading::Absent(reason) => return rows.absent(before, reason),
    };
    let values = [
        (Window::OneMinute, "mean", &windows.one_minute),
        (Window::OneMinute, "max", &windows.max_one_minute),
        (Window::FifteenMinutes, "mean", &windows.fifteen_minutes),
        (Window::FifteenMinutes, "max", &windows.max_fifteen_minutes),
        (Window::OneHour, "mean", &windows.one_hour),
        (Window::OneHour, "max", &windows.max),
    ];
    for (window, stat, value) in values {
        let labels: Vec<&str> = before.iter().copied().chain([window.as_str(), stat]).collect();
        rows.push(&labels, value.clone().map(|value| value / scale));
    }
}

pub(super) fn sse_window(state: &SystemState, rows: &mut Rows<'_>) {
    windows(&[], &state.rolling(RollingSeries::SseConnections), 1.0, rows);
}

pub(super) fn depth_window(state: &SystemState, rows: &mut Rows<'_>) {
    windows(&[], &state.rolling(RollingSeries::QueueDepth), 1.0, rows);
}

pub(super) fn pressure_window(state: &SystemState, rows: &mut Rows<'_>) {
    windows(&[], &state.rolling(RollingSeries::QueuePressure), 1.0, rows);
}

pub(super) fn queue_tasks(state: &SystemState, rows: &mut Rows<'_>) {
    for (role, tasks) in state.queue.tasks.iter() {
        match tasks {
            Reading::Absent(reason) => rows.absent(&[role.as_str()], reason),
            Reading::Value(tasks) => {
                rows.push(&[role.as_str(), "ready"], float(tasks.ready.max(0)));
                rows.push(&[role.as_str(), "inflight"], float(tasks.inflight.max(0)));
                rows.push(&[role.as_str(), "continuation"], float(tasks.continuations.max(0)));
            }
        }
    }
}

pub(super) fn queue_depth(state: &SystemState, rows: &mut Rows<'_>) {
    for (role, depth) in state.queue.depths.iter() {
        rows.push(&[role.as_str()], depth);
    }
}

pub(super) fn queue_thresholds(state: &SystemState, rows: &mut Rows<'_>) {
    let limits = match &state.capacity.limits {
        Reading::Value(limits) => limits,
        Reading::Absent(reason) => return rows.absent(&[], reason),
    };
    rows.push(&[Role::Anonymous.as_str()], float(limits.anonymous));
    rows.push(&[Role::Registered.as_str()], float(limits.registered));
    rows.push(&[Role::Paid.as_str()], float(limits.paid));
    rows.push(&[Role::Privileged.as_str()], float(limits.hard));
}

pub(super) fn pool_utilization(state: &SystemState, rows: &mut Rows<'_>) {
    for ((component, pool), totals) in &state.pools {
        rows.push(&[component.as_str(), pool.as_str()], &totals.utilization);
    }
}

pub(super) fn pool_in_use(state: &SystemState, rows: &mut Rows<'_>) {
    for ((component, pool), totals) in &state.pools {
        rows.push(&[component.as_str(), pool.as_str()], &totals.in_use);
    }
}

fn pool_windows(state: &SystemState, series: fn(Component, Pool) -> RollingSeries, scale: f64, rows: &mut Rows<'_>) {
    for component in Component::ALL {
        for pool in Pool::ALL {
            windows(&[component.as_str(), pool.as_str()], &state.rolling(series(component, pool)), scale, rows);
        }
    }
}

/// The series holds percentages.
pub(super) fn pool_utilization_window(state: &SystemState, rows: &mut Rows<'_>) {
    pool_windows(state, RollingSeries::PoolUtilization, 100.0, rows);
}

pub(super) fn pool_in_use_window(state: &SystemState, rows: &mut Rows<'_>) {
    pool_windows(state, RollingSeries::PoolInUse, 1.0, rows);
}

pub(super) fn instances(state: &SystemState, rows: &mut Rows<'_>) {
    for component in Component::ALL {
        let instances = state.component(component).as_ref().and_then(|found| found.instance_count.clone());
        rows.push(&[component.as_str()], &instances);
    }
}

pub(super) fn processes(state: &SystemState, rows: &mut Rows<'_>) {
    for component in Component::ALL {
        match state.component(component).as_ref().and_then(|found| found.processes.clone()) {
            Reading::Absent(reason) => rows.absent(&[component.as_str()], &reason),
            Reading::Value(counts) => counts
                .iter()
                .for_each(|(status, processes)| rows.push(&[component.as_str(), status], processes.map(float))),
        }
    }
}

pub(super) fn sse_unknown_workers(state: &SystemState, rows: &mut Rows<'_>) {
    rows.push(&[], &state.sse_unknown_workers);
}

pub(super) fn capacity(state: &SystemState, rows: &mut Rows<'_>) {
    rows.push(&[], &state.capacity.total);
}

pub(super) fn writer_offsets(state: &SystemState, rows: &mut Rows<'_>) {
    for (instance, offset) in state.writer_offsets.iter().take(MOST_WRITERS) {
        rows.push(&[instance], *offset);
    }
}

pub(super) fn window_fill(state: &SystemState, rows: &mut Rows<'_>) {
    for ((series, window), fill) in &state.window_fill {
        rows.push(&[&series.to_string(), window.as_str()], *fill);
    }
}

pub(super) fn load(state: &SystemState, rows: &mut Rows<'_>) {
    for component in Component::ALL {
        rows.push(&[component.as_str()], &state.component(component).as_ref().and_then(|found| found.load.clone()));
    }
}

pub(super) fn throttled(state: &SystemState, rows: &mut Rows<'_>) {
    let throttling = match &state.throttling {
        Reading::Value(throttling) => throttling,
        Reading::Absent(reason) => return rows.absent(&[], reason),
    };
    for (window, events) in throttling.windows.iter() {
        rows.push(&["429", window.as_str()], &events.rate_limit);
        rows.push(&["503", window.as_str()], &events.backpressure);
    }
}

pub(super) fn circuits(state: &SystemState, rows: &mut Rows<'_>) {
    for (circuit, breaker) in &state.circuits {
        one_of(circuit.as_str(), CircuitState::ALL, CircuitState::as_str, &breaker.state, rows);
    }
}

pub(super) fn db_estimated(state: &SystemState, rows: &mut Rows<'_>) {
    rows.push(&[], &state.database.estimated_total);
}

pub(super) fn db_max(state: &SystemState, rows: &mut Rows<'_>) {
    rows.push(&[], state.database.limit.as_ref().map(|limit| float(limit.connections)));
}

pub(super) fn decisions(state: &SystemState, rows: &mut Rows<'_>) {
    for component in Component::ALL {
        one_of(component.as_str(), Decision::ALL, Decision::as_str, &state.decision(component), rows);
    }
}
