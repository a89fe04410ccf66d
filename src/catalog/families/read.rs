//! Readers of the family rows: state in, labelled values out; what is absent stays out.

use crate::analysis::state::{Decision, InstanceAges, LatencyWindow, PerWindow, Reading, RollingWindows, SystemState};
use crate::base::number::float;
use crate::catalog::Rows;
use crate::history::Window;
use crate::platform::facts::{CircuitState, Component, LatencySeries, Pool, Role, RollingSeries};

/// Most instances that have a series of their own: a whole fleet may be off.
const MOST_WRITERS: usize = 100;
/// All others together.
const OTHER: &str = "other";

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

pub(super) fn oldest_wait(state: &SystemState, rows: &mut Rows<'_>) {
    for (role, wait) in state.demand.oldest_wait.iter() {
        rows.push(&[role.as_str()], wait);
    }
}

pub(super) fn jobs(state: &SystemState, rows: &mut Rows<'_>) {
    for (role, jobs) in &state.demand.jobs {
        rows.push(&[role.as_str()], jobs);
    }
}

/// An age of each processor instance; the greatest of those beyond the most under one name.
fn processor_ages(state: &SystemState, read: fn(&InstanceAges) -> Option<f64>, rows: &mut Rows<'_>) {
    let ages = state.demand.ages.instances.iter().filter_map(|(instance, ages)| Some((&**instance, read(ages)?)));
    let (mut named, mut other) = (0, None::<f64>);
    for (instance, age) in ages {
        if named < MOST_WRITERS && instance != OTHER {
            rows.push(&[instance], age);
            named += 1;
        } else {
            other = Some(other.map_or(age, |other| other.max(age)));
        }
    }
    rows.push(&[OTHER], other);
}

pub(super) fn oldest_active(state: &SystemState, rows: &mut Rows<'_>) {
    processor_ages(state, |ages| ages.oldest_active, rows);
}

pub(super) fn max_idle(state: &SystemState, rows: &mut Rows<'_>) {
    processor_ages(state, |ages| ages.max_idle, rows);
}

pub(super) fn queue_loop_lag(state: &SystemState, rows: &mut Rows<'_>) {
    processor_ages(state, |ages| ages.queue_loop_lag, rows);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::state::{Breaker, Cause, Hint, Quality};
    use crate::catalog::{absences, samples};
    use crate::platform::facts::{Circuit, SeriesId};

    /// The series of one family: its label values and its value.
    fn lines(state: &SystemState, family: &str) -> Vec<String> {
        let labels =
            |labels: &[(&str, String)]| labels.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",");
        let of_family = samples(state).into_iter().filter(|sample| sample.metric.key == family);
        of_family.map(|sample| format!("{} {}", labels(&sample.labels), sample.value)).collect()
    }

    /// The series of one family that have no value, and why.
    fn absent(state: &SystemState, family: &str) -> Vec<String> {
        let of_family = absences(state).into_iter().filter(|absence| absence.metric.key == family);
        of_family.map(|absence| format!("{}: {}", absence.labels.join(","), absence.reason)).collect()
    }

    fn latency(first: f64) -> LatencyWindow {
        let [p50, p95, p99, max] = [0.0, 1.0, 2.0, 3.0].map(|step| Reading::Value(first + step));
        LatencyWindow { count: Reading::Value(7), p50, p95, p99, max, ..LatencyWindow::default() }
    }

    #[test]
    fn each_latency_family_shows_its_own_series_in_seconds() {
        let mut state = SystemState::default();
        for (series, family, first) in [
            (LatencySeries::IngressRest, "ingress_rest_latency_seconds", 1000.0),
            (LatencySeries::QueueWait, "proc_queue_wait_seconds", 2000.0),
            (LatencySeries::TaskExec, "proc_exec_seconds", 3000.0),
        ] {
            let windows = PerWindow { one_minute: latency(first), ..PerWindow::default() };
            state.latency.insert(series, windows);
            let seconds = first / 1000.0;
            let expected = [("p50", 0.0), ("p95", 0.001), ("p99", 0.002), ("max", 0.003)];
            let found = lines(&state, family);
            for (line, (name, step)) in found.iter().zip(expected) {
                let (labels, value) = line.split_once(' ').expect("a value");
                assert_eq!(labels, format!("{name},1m"));
                assert!((value.parse::<f64>().unwrap() - seconds - step).abs() < 1e-9, "{line}");
            }
            assert_eq!(found.len(), 4);
        }
        let counts = ["ingress_rest,1m 7", "proc_queue_wait,1m 7", "proc_exec,1m 7"];
        assert_eq!(lines(&state, "latency_samples"), counts);
    }

    /// The families of windows.
    const WINDOWS: [&str; 5] = [
        "ingress_sse_connections_window",
        "proc_queue_depth_window",
        "proc_queue_pressure_window",
        "pool_utilization_ratio_window",
        "pool_in_use_connections_window",
    ];

    #[test]
    fn each_window_has_a_mean_and_a_maximum_of_its_own() {
        let values = RollingWindows {
            one_minute: Reading::Value(1.0),
            max_one_minute: Reading::Value(2.0),
            fifteen_minutes: Reading::Value(3.0),
            max_fifteen_minutes: Reading::Value(4.0),
            one_hour: Reading::Value(5.0),
            max: Reading::Value(6.0),
        };
        let labels = ["1m,mean", "1m,max", "15m,mean", "15m,max", "1h,mean", "1h,max"];
        let expected = |before: &str, scale: f64| {
            let line = |(label, value): (&str, f64)| format!("{before}{label} {}", value / scale);
            labels.into_iter().zip([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).map(line).collect::<Vec<_>>()
        };
        let utilization = RollingSeries::PoolUtilization(Component::Proc, Pool::RedisAsyncDecode);
        let in_use = RollingSeries::PoolInUse(Component::Proc, Pool::RedisAsyncDecode);
        let pool = "proc,redis_async_decode,";
        for (series, family, before, scale) in [
            (RollingSeries::SseConnections, "ingress_sse_connections_window", "", 1.0),
            (RollingSeries::QueueDepth, "proc_queue_depth_window", "", 1.0),
            (RollingSeries::QueuePressure, "proc_queue_pressure_window", "", 1.0),
            // Percent in the series, a ratio in the family.
            (utilization, "pool_utilization_ratio_window", pool, 100.0),
            (in_use, "pool_in_use_connections_window", pool, 1.0),
        ] {
            let mut state = SystemState::default();
            state.rolling.insert(series, Reading::Value(values.clone()));
            assert_eq!(lines(&state, family), expected(before, scale), "{family}");
            assert_eq!(
                WINDOWS.iter().map(|family| lines(&state, family).len()).sum::<usize>(),
                6,
                "{family} and no other"
            );
        }
    }

    #[test]
    fn exactly_one_state_of_a_circuit_and_one_decision_is_1() {
        let mut state = SystemState::default();
        let open = Breaker { state: Reading::Value(CircuitState::HalfOpen), ..Breaker::default() };
        state.circuits.insert(Circuit::ALL[0], open);
        let unread = Breaker { state: Reading::absent(Cause::Unreadable), ..Breaker::default() };
        state.circuits.insert(Circuit::ALL[1], unread);
        let name = Circuit::ALL[0].as_str();
        let mut expected = CircuitState::ALL
            .map(|state| format!("{name},{} {}", state.as_str(), u8::from(state == CircuitState::HalfOpen)));
        expected.sort();
        let mut found = lines(&state, "circuit_state");
        found.sort();
        assert_eq!(found, expected);
        let reason = format!("{}: it cannot be read", Circuit::ALL[1].as_str());
        assert_eq!(absent(&state, "circuit_state"), [reason]);

        state.proc_hint = Reading::Value(Hint { decision: Decision::ScaleDown, reasons: Vec::new() });
        assert_eq!(lines(&state, "autoscaler_decision"), ["proc,scale_up 0", "proc,scale_down 1", "proc,hold 0"]);
        // Half the facts are no ground to scale on.
        state.quality = Quality::Partial;
        assert_eq!(lines(&state, "autoscaler_decision"), ["proc,scale_up 0", "proc,scale_down 0", "proc,hold 1"]);
    }

    #[test]
    fn instances_with_a_wrong_clock_are_listed_up_to_a_bound() {
        let writer_offsets = (0..=MOST_WRITERS).map(|number| (format!("i-{number:03}"), -2.5)).collect();
        let state = SystemState { writer_offsets, ..SystemState::default() };
        let found = lines(&state, "writer_clock_offset_seconds");
        assert_eq!((found.len(), found[0].as_str()), (100, "i-000 -2.5"));
    }

    #[test]
    fn a_window_that_fills_names_its_series() {
        let mut state = SystemState::default();
        state.window_fill.insert((SeriesId::Latency(LatencySeries::TaskExec), Window::OneHour), 0.25);
        state.window_fill.insert((SeriesId::Throttling, Window::OneMinute), 1.0);
        assert_eq!(lines(&state, "window_filled_ratio"), ["proc_exec,1h 0.25", "throttling,1m 1"]);
    }

    #[test]
    fn ages_of_many_processors_are_bounded_and_the_rest_is_one_series() {
        let mut state = SystemState::default();
        let ages = |seconds: u8| InstanceAges { max_idle: Some(f64::from(seconds)), ..InstanceAges::default() };
        state.demand.ages.instances =
            (0..103).map(|number| (format!("proc-{number:03}").into(), ages(number))).collect();
        state.demand.ages.instances.insert("other".into(), ages(7));
        let lines = lines(&state, "proc_processor_max_idle_seconds");
        assert_eq!(lines.len(), 101);
        let last = &lines[99..];
        assert_eq!(last, ["proc-099 99", "other 102"]);
        assert!(self::lines(&state, "proc_processor_oldest_active_seconds").is_empty());
    }

    #[test]
    fn waits_jobs_and_ages_are_under_the_name_of_their_role_or_instance() {
        let mut state = SystemState::default();
        state.demand.oldest_wait.paid = Reading::Value(12.5);
        state.demand.jobs.insert(crate::platform::facts::Role::Registered, Reading::Value(3));
        let ages = InstanceAges { oldest_active: Some(30.0), max_idle: None, queue_loop_lag: Some(0.5) };
        state.demand.ages.instances.insert("a".into(), ages);
        for (family, expected) in [
            ("proc_queue_role_oldest_wait_seconds", vec!["paid 12.5"]),
            ("proc_queue_role_jobs_waiting", vec!["registered 3"]),
            ("proc_processor_oldest_active_seconds", vec!["a 30"]),
            ("proc_processor_max_idle_seconds", vec![]),
            ("proc_processor_queue_loop_lag_seconds", vec!["a 0.5"]),
        ] {
            assert_eq!(lines(&state, family), expected, "{family}");
        }
    }
}
