//! The table against the conformance cases, and its names against the rules of the outlets.

use std::collections::BTreeSet;

use super::*;
use crate::analysis::recorded::Case;
use crate::analysis::state::{
    ComponentState, DatabaseLimit, PerWindow, RollingWindows, SseTotals, StatusCounts, ThrottledWindow, Throttling,
};
use crate::outlets::names::{Mapping, Naming};
use crate::platform::facts::{PerRole, QueueDepth, RollingSeries};
use crate::platform::gateway::Limits;

/// Where the payload has a scalar that is in no case's list of scalars; `None` for one that is newer than the recording.
fn in_payload<'a>(case: &'a Case, key: &str) -> Option<&'a serde_json::Value> {
    let components = &case.system["components"];
    if key == "proc.active_tasks" {
        return Some(&components["proc"]["load"]);
    }
    let percentile = key.strip_prefix("ingress.rest.latency.")?;
    Some(&components["ingress"]["latency"]["rest_ms"]["1m"][percentile])
}

#[test]
fn scalars_are_those_of_the_cases() {
    let cases = Case::all();
    // A row that no case names is newer than the recording: its payload holds the value.
    let recorded: BTreeSet<&str> = cases.iter().flat_map(|case| case.scalars.keys()).map(String::as_str).collect();
    for case in &cases {
        let mut left = case.scalars.clone();
        for (metric, reading) in scalars(&case.state()) {
            let names = || metric.aliases.iter().copied().chain([metric.key]);
            if !names().any(|name| recorded.contains(name)) {
                let Some(shown) = in_payload(case, metric.key) else { continue };
                // The platform shows the load that it could read; where a heartbeat cannot be read, the total is unknown.
                if metric.key != "proc.active_tasks" || reading.known().is_some() {
                    assert_eq!(reading.value(), shown.as_f64(), "{}: {}", case.name, metric.key);
                }
                continue;
            }
            let wanted = names().find_map(|name| left.get(name).copied());
            left.retain(|name, _| !names().any(|known| known == name));
            match (wanted, reading) {
                (Some(wanted), Reading::Value(value)) => {
                    assert!((wanted - value).abs() <= 1e-9, "{}: {} is {value}, not {wanted}", case.name, metric.key);
                }
                (None, Reading::Absent(_)) => {}
                (wanted, reading) => panic!("{}: {} is {reading:?}, expected {wanted:?}", case.name, metric.key),
            }
        }
        assert!(left.is_empty(), "{}: no row for {left:?}", case.name);
    }
}

#[test]
fn an_empty_state_has_no_scalar() {
    let absent = scalars(&SystemState::default()).filter(|(_, reading)| reading.known().is_none()).count();
    assert_eq!(absent, scalars::TABLE.len());
    assert_eq!(samples(&SystemState::default()), []);
}

#[test]
fn percentages_are_of_the_counts() {
    let mut state = SystemState::default();
    (state.queue.total, state.queue.pressure) = (Reading::Value(29), Reading::Value(0.29));
    state.capacity.total = Reading::Value(100);
    let totals = SseTotals { connections: Reading::Value(29), max: Reading::Value(100), ..SseTotals::default() };
    state.sse = Reading::Value(totals);
    for key in ["proc.pressure_ratio_percent", "ingress.sse.saturation_percent"] {
        assert_eq!(scalar(key, &state), Some(29.0), "{key}");
    }
    // An upstream may send a pressure alone.
    state.capacity.total = Reading::default();
    state.queue.pressure = Reading::Value(0.5);
    assert_eq!(scalar("proc.pressure_ratio_percent", &state), Some(50.0));
}

#[test]
fn families_are_not_rounded() {
    let windows = RollingWindows { one_minute: Reading::Value(1.0 / 3.0), ..RollingWindows::default() };
    let mut state = SystemState::default();
    state.rolling.insert(RollingSeries::QueuePressure, Reading::Value(windows));
    assert_eq!(lines(&state, "proc_queue_pressure_window"), ["1m,mean 0.3333333333333333"]);
    assert_eq!(scalar("proc.queue.pressure_ratio.1m", &state), Some(0.33));
}

#[test]
fn a_sample_says_whose_it_is() {
    let state = Case::all().remove(0).state();
    assert!(state.scope.is_some());
    assert!(samples(&state).iter().all(|sample| sample.scope == state.scope));
}

#[test]
fn cloudwatch_gets_the_scalars_by_default() {
    // Those of the service that this one replaces, and no other: what is new is opt-in.
    let by_default = all().filter(|metric| metric.cloudwatch_default).count();
    assert_eq!((by_default, all().filter(|metric| metric.is_scalar() && !metric.cloudwatch_default).count()), (23, 23));
}

#[test]
fn keys_names_and_aliases_are_legal_and_unique() {
    let mut seen = BTreeSet::new();
    for metric in all() {
        let names = metric.aliases.iter().chain([&metric.key]);
        names.for_each(|name| assert!(seen.insert(*name), "{name} twice"));
        assert!(metric.key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c)));
        assert!(!metric.help.is_empty() && !metric.help.ends_with('.'), "{}", metric.key);
        assert!(!metric.absent.is_empty());
        for label in metric.labels {
            assert!(!["quantile", "le", "type", "env", "service", "region", "cluster"].contains(label));
        }
    }
    // An empty mapping also looks for clashes among the names that outlets use.
    for naming in [Naming::Default, Naming::Platform, Naming::Both] {
        Mapping::parse("{}", naming).expect("no clash");
    }
}

#[test]
fn scalars_have_no_labels_and_families_no_dots() {
    for metric in all() {
        assert_eq!(metric.is_scalar(), metric.key.contains('.'), "{}", metric.key);
        assert!(!metric.is_scalar() || metric.labels.is_empty());
    }
}

#[test]
fn an_alias_finds_its_metric() {
    assert_eq!(find("proc.exec.p95").map(|metric| metric.key), Some("proc.exec.p95_ms"));
    assert_eq!(find("ingress.rest.latency.p95_ms").map(|metric| metric.key), Some("ingress.rest.latency.p95"));
    assert!(find("proc.exec").is_none());
}

/// The platform's guide to autoscaling suggests these keys; its metrics service exports only the first.
#[test]
fn the_keys_that_the_platforms_guide_suggests_find_metrics() {
    for (suggested, key) in [
        ("ingress.sse.total_connections", "ingress.sse.total_connections"),
        ("ingress.throttling.rate_limit_429", "throttling.rate_limit_429"),
        ("proc.queue.depth", "proc.queue.total"),
        ("proc.queue.wait_ms_p95", "proc.queue.wait.p95_ms"),
        ("proc.capacity.utilization", "proc.queue.utilization_ratio"),
        ("proc.active_tasks", "proc.active_tasks"),
    ] {
        assert_eq!(find(suggested).map(|metric| metric.key), Some(key));
    }
}

#[test]
fn no_two_samples_share_name_and_labels() {
    for case in Case::all() {
        let mut seen = BTreeSet::new();
        for sample in samples(&case.state()) {
            assert!(seen.insert((sample.metric.key, sample.labels.clone())), "{}: {sample:?} twice", case.name);
        }
    }
}

/// The lines of one family, as `label,label value`.
fn lines(state: &SystemState, family: &str) -> Vec<String> {
    let of_family = samples(state).into_iter().filter(|sample| sample.metric.key == family);
    of_family
        .map(|sample| {
            let labels: Vec<&str> = sample.labels.iter().map(|(_, label)| label.as_str()).collect();
            format!("{} {}", labels.join(","), sample.value)
        })
        .collect()
}

#[test]
fn queued_tasks_are_listed_by_role_and_by_state_where_they_are_known() {
    let mut state = SystemState::default();
    (state.queue.depths.anonymous, state.queue.depths.paid) = (Reading::Value(1), Reading::Value(0));
    assert_eq!(lines(&state, "proc_queue_depth"), ["anonymous 1", "paid 0"]);
    assert!(lines(&state, "proc_queue_tasks").is_empty());
    let tasks = QueueDepth { ready: 1, inflight: 2, continuations: 3 };
    state.queue.tasks.external = Reading::Value(tasks);
    let states = ["external,ready 1", "external,inflight 2", "external,continuation 3"];
    assert_eq!(lines(&state, "proc_queue_tasks"), states);
    // A counter of continuations that lags goes below 0; a number of tasks does not.
    state.queue.tasks.external = Reading::Value(QueueDepth { ready: -1, inflight: -2, continuations: -3 });
    let states = ["external,ready 0", "external,inflight 0", "external,continuation 0"];
    assert_eq!(lines(&state, "proc_queue_tasks"), states);
}

#[test]
fn every_process_has_a_status() {
    let case = Case::all().into_iter().find(|case| case.name.contains("health-words")).expect("the case");
    let lines = lines(&case.state(), "processes");
    let expected = ["healthy 1", "degraded 1", "unhealthy 1", "stale 0", "missing 0", "unknown 2"];
    for line in expected.map(|line| format!("proc,{line}")) {
        assert!(lines.contains(&line), "{line} in {lines:?}");
    }
}

#[test]
fn the_hard_limit_is_the_threshold_of_privileged_users() {
    let mut state = SystemState::default();
    assert!(lines(&state, "proc_queue_threshold_tasks").is_empty());
    state.capacity.limits = Reading::Value(Limits { anonymous: 1, registered: 2, paid: 3, hard: 4 });
    let expected = ["anonymous 1", "registered 2", "paid 3", "privileged 4"];
    assert_eq!(lines(&state, "proc_queue_threshold_tasks"), expected);
}

#[test]
fn throttled_requests_are_told_apart_by_status() {
    let windows = PerWindow {
        fifteen_minutes: ThrottledWindow {
            total: Reading::Value(9),
            rate_limit: Reading::Value(4),
            backpressure: Reading::Value(5),
        },
        ..PerWindow::default()
    };
    let throttling = Reading::Value(Throttling { windows, ..Throttling::default() });
    let state = SystemState { throttling, ..SystemState::default() };
    assert_eq!(lines(&state, "throttled_requests"), ["429,15m 4", "503,15m 5"]);
}

#[test]
fn each_component_shows_its_own_numbers() {
    let component = |instances, load| ComponentState {
        instance_count: Reading::Value(instances),
        load: Reading::Value(load),
        processes: Reading::Value(StatusCounts { draining: 2, unknown: None, ..StatusCounts::default() }),
        ..ComponentState::default()
    };
    let state = SystemState {
        ingress: Reading::Value(component(1, 10)),
        proc: Reading::Value(component(2, 20)),
        ..SystemState::default()
    };
    assert_eq!(lines(&state, "instances"), ["ingress 1", "proc 2"]);
    assert_eq!(lines(&state, "load_tasks"), ["ingress 10", "proc 20"]);
    let processes = lines(&state, "processes");
    assert!(processes.contains(&"proc,draining 2".to_owned()), "{processes:?}");
    assert!(!processes.iter().any(|line| line.contains("unknown")), "not known is not 0: {processes:?}");
}

#[test]
fn numbers_without_labels_come_from_their_own_facts() {
    let mut state = SystemState::default();
    state.capacity.total = Reading::Value(42);
    state.database.estimated_total = Reading::Value(43);
    state.database.limit = Reading::Value(DatabaseLimit { connections: 44, origin: None });
    let families = ["capacity_tasks", "db_connections_estimated", "db_connections_max"];
    assert_eq!(families.map(|family| lines(&state, family).concat()), [" 42", " 43", " 44"]);
}

/// A state in which every number that a scalar reads is another one.
fn distinct() -> SystemState {
    let mut state = SystemState::default();
    let whole = Reading::Value::<i64>;
    let real = Reading::Value::<f64>;
    state.queue.average_wait = PerRole {
        anonymous: real(1.5),
        registered: real(2.5),
        paid: real(3.5),
        privileged: real(4.5),
        ..PerRole::default()
    };
    state.demand.waiting = whole(10);
    state.demand.oldest_wait = PerRole { paid: real(11.5), ..PerRole::from_fn(|_| real(0.0)) };
    (state.demand.active, state.demand.waiting_jobs) = (whole(12), whole(16));
    let slots = &mut state.demand.slots;
    (slots.total, slots.free, slots.load_ratio) = (whole(13), whole(14), real(15.5));
    let ages = &mut state.demand.ages;
    (ages.oldest_active, ages.max_idle, ages.queue_loop_lag) = (real(17.5), real(18.5), real(19.5));
    let flow = &mut state.demand.flow;
    (flow.ended_per_second, flow.arrivals_per_second) = (real(20.5), real(21.5));
    (flow.drain_seconds, flow.requests_per_second) = (real(22.5), real(23.5));
    (state.scaling.proc.desired, state.scaling.proc.current) = (whole(30), whole(25));
    (state.scaling.ingress.desired, state.scaling.ingress.current) = (whole(40), whole(47));
    let window = |rate_limit, backpressure| ThrottledWindow {
        rate_limit: whole(rate_limit),
        backpressure: whole(backpressure),
        ..ThrottledWindow::default()
    };
    let windows = PerWindow { one_minute: window(50, 51), fifteen_minutes: window(52, 53), one_hour: window(54, 55) };
    state.throttling = Reading::Value(Throttling { windows, ..Throttling::default() });
    state
}

#[test]
fn each_scalar_that_is_newer_than_the_recordings_reads_its_own_fact() {
    let state = distinct();
    for (key, expected) in [
        ("proc.queue.avg_wait_seconds.anonymous", 1.5),
        ("proc.queue.avg_wait_seconds.registered", 2.5),
        ("proc.queue.avg_wait_seconds.paid", 3.5),
        ("proc.queue.avg_wait_seconds.privileged", 4.5),
        ("proc.queue.waiting", 10.0),
        ("proc.queue.oldest_wait_seconds", 11.5),
        ("proc.tasks.active", 12.0),
        ("proc.slots", 13.0),
        ("proc.slots.free", 14.0),
        ("proc.load_ratio", 15.5),
        ("proc.jobs.waiting", 16.0),
        ("proc.tasks.oldest_active_seconds", 17.5),
        ("proc.tasks.max_idle_seconds", 18.5),
        ("proc.queue_loop_lag_seconds", 19.5),
        ("proc.throughput_per_second", 20.5),
        ("proc.arrivals_per_second", 21.5),
        ("proc.drain_seconds", 22.5),
        ("ingress.rest.requests_per_second", 23.5),
        ("proc.replicas.desired", 30.0),
        ("proc.replicas.current", 25.0),
        ("proc.replicas.missing", 5.0),
        ("ingress.replicas.desired", 40.0),
        ("ingress.replicas.current", 47.0),
        ("ingress.replicas.missing", -7.0),
        ("throttling.rate_limit_429.1m", 50.0),
        ("throttling.backpressure_503.1m", 51.0),
        ("throttling.rate_limit_429", 54.0),
        ("throttling.backpressure_503", 55.0),
    ] {
        assert_eq!(scalar(key, &state), Some(expected), "{key}");
    }
}

#[test]
fn a_longest_wait_is_known_only_where_all_waits_are() {
    let mut state = distinct();
    state.demand.oldest_wait.external = Reading::absent(crate::analysis::state::Cause::Unreadable);
    assert_eq!(scalar("proc.queue.oldest_wait_seconds", &state), None);
}
