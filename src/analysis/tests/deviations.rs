//! Where an autoscaler must not inherit the platform's ways; and that no input makes a panic or a NaN.

use proptest::prelude::*;

use super::super::{Inputs, SystemPayload, analyze, rolling_points};
use crate::catalog;
use crate::history::History;
use crate::platform::facts::{
    Circuit, Component, Departed, Facts, HealthWord, Heartbeat, LatencySeries, PerRole, Pools, QueueDepth, Role,
    RollingSeries, SseSample, Unreadable, WorkerId,
};
use crate::platform::gateway::{GatewayConfig, GatewayContext};

const NOW: f64 = 1_767_225_600.0;

fn gateway() -> GatewayConfig {
    let context =
        GatewayContext { component: Component::Proc, instance_id: "m-1", tenant: None, project: None, forced: false };
    let text = r#"{"tenant": "a", "project": "b", "redis_url": "redis://:secret@h", "data_bus": {"url": "secret"}}"#;
    GatewayConfig::from_env_json(text, &context).unwrap()
}

fn beat(instance: &str, name: &str, pid: i64, age: f64, health: HealthWord) -> Heartbeat {
    Heartbeat {
        instance_id: instance.into(),
        service_type: "chat".into(),
        service_name: name.into(),
        process_id: Some(pid),
        port: None,
        load: 5,
        capacity: 5,
        last_heartbeat: NOW - age,
        health,
        pools: Pools::default(),
    }
}

fn departed(instance: &str, age: f64) -> Departed {
    Departed {
        instance_id: instance.into(),
        service_type: "chat".into(),
        service_name: "proc".into(),
        process_id: Some(7),
        last_seen: NOW - age,
    }
}

fn queues(ready: i64) -> PerRole<Option<QueueDepth>> {
    let depth = Some(QueueDepth { ready, inflight: 0, continuations: 0 });
    PerRole { anonymous: depth, external: depth, registered: depth, paid: depth, privileged: depth }
}

fn inputs<'a>(signals: &'a Facts, history: &'a History, gateway: &'a GatewayConfig) -> Inputs<'a> {
    Inputs { signals, history, gateway, instance_id: "m-1", database_max_connections: None, now: NOW }
}

fn tick(signals: &Facts, history: &mut History) -> (SystemPayload, Vec<(RollingSeries, f64)>) {
    let gateway = gateway();
    history.absorb(&mut signals.clone(), NOW);
    let points = rolling_points(&inputs(signals, history, &gateway));
    history.record(NOW, &points);
    (analyze(&inputs(signals, history, &gateway)), points)
}

fn once(signals: &Facts) -> SystemPayload {
    tick(signals, &mut History::new(1000)).0
}

#[test]
fn a_saturated_process_is_unhealthy_and_yet_capacity() {
    let beats = vec![beat("p", "proc", 1, 1.0, HealthWord::Unhealthy), beat("p", "proc", 2, 1.0, HealthWord::Null)];
    let truth = once(&Facts { heartbeats: beats, queues: queues(1), ..Facts::default() });
    assert_eq!(truth.global_stats.healthy, 0);
    assert_eq!(truth.instances["p"]["chat_proc"].health_statuses, ["unhealthy", "none"]);
    assert_eq!(truth.capacity_info.weighted_max_capacity, Some(28));
    assert_eq!(truth.capacity_transparency.instance_scaling.total_healthy_processes, 2);
}

#[test]
fn one_limit_decides_status_and_capacity() {
    for (age, capacity, responsive) in [(45.0, 14, 1), (45.001, 0, 0), (-3.0, 14, 1)] {
        let beats = vec![beat("p", "proc", 1, age, HealthWord::Healthy)];
        let truth = once(&Facts { heartbeats: beats, queues: queues(0), ..Facts::default() });
        assert_eq!(
            (truth.capacity_info.weighted_max_capacity, truth.global_stats.healthy),
            (Some(capacity), responsive)
        );
    }
}

#[test]
fn a_process_whose_key_expired_drains() {
    for (age, draining) in [(31.0, true), (90.0, true), (91.0, false)] {
        let truth = once(&Facts { departed: vec![departed("p", age)], queues: queues(1), ..Facts::default() });
        let proc = truth.components.proc.unwrap();
        assert_eq!((proc.actual_processes, proc.healthy_processes, proc.capacity), (1, 0, 0));
        assert_eq!((proc.instances[0].draining, proc.instances[0].statuses[0].as_str()), (draining, "stale"));
        let service = &truth.instances["p"]["chat_proc"];
        assert_eq!((service.pids.as_slice(), service.ports.len()), ([Some(7)].as_slice(), 0));
        assert_eq!(truth.capacity_info.weighted_max_capacity, Some(0));
        let state = if draining { "draining" } else { "stale" };
        assert!(truth.capacity_transparency.capacity_warnings[2].contains(state), "{age}");
    }
}

#[test]
fn an_instance_that_still_has_a_live_process_does_not_drain() {
    let signals = Facts {
        heartbeats: vec![beat("p", "proc", 9, 1.0, HealthWord::Healthy)],
        departed: vec![departed("p", 31.0)],
        ..Facts::default()
    };
    let truth = once(&signals);
    let instance = &truth.components.proc.unwrap().instances[0];
    assert_eq!((instance.draining, instance.processes, instance.capacity), (false, 2, 5));
    assert_eq!(truth.instances["p"]["chat_proc"].pids, [Some(7), Some(9)]);
}

#[test]
fn no_capacity_is_not_idleness() {
    for (ready, utilization) in [(1, 100.0), (0, 0.0)] {
        let truth = once(&Facts { queues: queues(ready), ..Facts::default() });
        assert_eq!(truth.queue_utilization, Some(utilization));
        assert_eq!(truth.capacity_info.pressure_ratio, Some(1.0));
    }
}

#[test]
fn an_unreadable_queue_is_unknown_and_adds_no_points() {
    let mut signals = Facts { queues: queues(1), ..Facts::default() };
    signals.queues.external = None;
    let (truth, points) = tick(&signals, &mut History::new(1000));
    assert!(points.is_empty());
    assert_eq!((truth.queue_stats.total, truth.queue_utilization), (None, None));
    assert_eq!((truth.queue_stats.anonymous, truth.capacity_info.accepting_paid), (Some(1), None));
    assert_eq!(truth.components.proc.unwrap().queue.unwrap().windows.depth, None);
    assert_eq!(truth.autoscaler.proc.unwrap().decision, "hold");
}

#[test]
fn a_quiet_sse_worker_keeps_its_count() {
    let table = [
        // Heartbeat age, sample age, whether it counts.
        (1.0, Some(500.0), true),
        (50.0, Some(120.0), true),
        (50.0, Some(120.5), false),
        (50.0, None, true),
    ];
    for (beat_age, sample_age, counts) in table {
        let mut history = History::new(1000);
        let worker = WorkerId { instance_id: "i".into(), process_id: 1 };
        let at = sample_age.map(|age| NOW - age);
        let sample = SseSample { worker, count: 12, sessions: 9, max: 200, at };
        let beats = vec![beat("i", "rest", 1, beat_age, HealthWord::Healthy)];
        let first = Facts { sse: vec![sample], heartbeats: beats.clone(), ..Facts::default() };
        history.absorb(&mut first.clone(), NOW);
        // Its key has expired by now.
        let (truth, points) = tick(&Facts { heartbeats: beats, ..Facts::default() }, &mut history);
        assert_eq!(truth.sse_connections.is_some(), counts, "{beat_age} {sample_age:?}");
        assert_eq!(points.contains(&(RollingSeries::SseConnections, 12.0)), counts);
    }
}

#[test]
fn without_any_process_one_expected_service_stands_in() {
    let truth = once(&Facts::default());
    let service = &truth.instances["m-1"]["chat_proc"];
    assert_eq!((service.processes, service.missing_processes, service.health.as_str()), (1, 1, "unhealthy"));
}

#[test]
fn other_services_show_but_are_no_capacity() {
    let beats = vec![beat("k", "search", 1, 1.0, HealthWord::Healthy)];
    let truth = once(&Facts { heartbeats: beats, queues: queues(0), ..Facts::default() });
    assert_eq!(truth.instances["k"]["chat_search"].actual_processes, 1);
    assert_eq!((truth.global_stats.actual, truth.capacity_info.weighted_max_capacity), (1, Some(0)));
    assert_eq!(truth.components.proc.unwrap().instance_count, Some(0));
}

#[test]
fn the_base_capacity_is_that_of_the_instance_that_the_configuration_names() {
    let beats = (1..=3).map(|pid| beat("p", "proc", pid, 1.0, HealthWord::Healthy)).collect();
    let signals = Facts { heartbeats: beats, ..Facts::default() };
    let base = |gateway: &GatewayConfig| {
        let mut history = History::new(10);
        history.absorb(&mut signals.clone(), NOW);
        analyze(&inputs(&signals, &history, gateway)).capacity_info.base_capacity_per_instance
    };
    let saved = gateway().with_saved_json(r#"{"instance_id": "p"}"#).unwrap();
    assert_eq!((base(&gateway()), base(&saved)), (14, 42));
}

#[test]
fn port_0_is_no_port() {
    let mut beats =
        vec![beat("p", "proc", 1, 1.0, HealthWord::Healthy), beat("p", "proc", 2, 1.0, HealthWord::Healthy)];
    (beats[0].port, beats[1].port) = (Some(0), Some(8010));
    let truth = once(&Facts { heartbeats: beats, ..Facts::default() });
    assert_eq!(truth.instances["p"]["chat_proc"].ports, [8010]);
}

#[test]
fn a_sample_of_a_worker_that_stopped_counts_while_it_is_there_and_young() {
    let stopped = Departed { service_name: "rest".into(), ..departed("i", 31.0) };
    let worker = WorkerId { instance_id: "i".into(), process_id: 7 };
    let sample = |age: f64| SseSample { worker: worker.clone(), count: 12, sessions: 9, max: 200, at: Some(NOW - age) };
    let gone = Facts { departed: vec![stopped], ..Facts::default() };
    for (samples, counts) in [(vec![sample(120.0)], true), (vec![sample(121.0)], false), (vec![], false)] {
        let mut history = History::new(10);
        let beating = vec![beat("i", "rest", 7, 1.0, HealthWord::Healthy)];
        history.absorb(&mut Facts { sse: vec![sample(5.0)], heartbeats: beating, ..Facts::default() }, NOW - 40.0);
        let (truth, _) = tick(&Facts { sse: samples, ..gone.clone() }, &mut history);
        assert_eq!(truth.sse_connections.is_some(), counts);
    }
}

#[test]
fn a_rolling_window_reaches_back_an_hour_less_what_its_writer_trims() {
    let at = |age: f64, value: f64| crate::platform::facts::Point { at: NOW - age, value };
    let points = vec![at(3600.0, 90.0), at(3599.5, 7.0), at(60.0, 1.0)];
    let rolling = [(RollingSeries::QueueDepth, points)].into();
    let (truth, _) = tick(&Facts { queues: queues(0), rolling, ..Facts::default() }, &mut History::new(10));
    let depth = truth.components.proc.unwrap().queue.unwrap().windows.depth.unwrap();
    assert_eq!((depth.max, depth.one_minute), (Some(7.0), Some(0.5)));
}

#[test]
fn what_cannot_be_read_is_unknown_and_not_zero() {
    let unreadable = [
        Unreadable::Analytics(Role::Paid),
        Unreadable::Latency(LatencySeries::QueueWait),
        Unreadable::HourlyRequests,
        Unreadable::Circuit(Circuit::Backpressure),
    ];
    let truth = once(&Facts { unreadable: unreadable.into(), queues: queues(0), ..Facts::default() });
    assert_eq!(catalog::scalar("proc.queue.avg_wait_seconds.paid", &truth), None);
    assert_eq!(catalog::scalar("proc.queue.avg_wait_seconds.anonymous", &truth), Some(0.0));
    assert_eq!(truth.queue_analytics.individual_queues.paid.avg_wait, None);
    let latency = truth.components.proc.as_ref().unwrap().latency.clone();
    assert_eq!(
        (latency.queue_wait_ms.unwrap().one_hour.count, latency.exec_ms.unwrap().one_hour.count),
        (None, Some(0))
    );
    let hour = truth.throttling_stats.as_ref().unwrap();
    assert_eq!((hour.total_throttled, hour.total_requests, hour.throttle_rate), (0, None, None));
    let circuits: Vec<String> = catalog::samples(&truth)
        .into_iter()
        .filter(|sample| sample.metric.key == "circuit_state" && sample.value > 0.0)
        .map(|sample| sample.labels[0].1.clone())
        .collect();
    assert_eq!(circuits, ["authentication", "rate_limiter"]);

    let truth = once(&Facts { unreadable: [Unreadable::Throttling].into(), ..Facts::default() });
    assert_eq!((truth.throttling_stats.is_none(), truth.throttling_by_period.len()), (true, 0));
    assert_eq!(catalog::scalar("throttling.rate_limit_429", &truth), None);
}

#[test]
fn secrets_are_not_shown() {
    let shown = serde_json::to_string(&once(&Facts::default())).unwrap();
    assert!(!shown.contains("secret") && !shown.contains("redis_url"));
    assert!(shown.contains(r#""data_bus":{"url":null}"#), "an unknown field is shown by its name: {shown}");
}

#[test]
fn a_payload_with_missing_and_unknown_fields_is_read() {
    let text = r#"{"components": {"proc": {"load": 3, "new": 1}}, "later": [], "queue_stats": {"total": 2}}"#;
    let read: SystemPayload = serde_json::from_str(text).unwrap();
    assert_eq!((read.components.proc.unwrap().load, read.queue_stats.total), (Some(3), Some(2)));
    assert_eq!((read.components.ingress, read.queue_utilization), (None, None));
}

fn any_beat() -> impl Strategy<Value = Heartbeat> {
    let word = prop::sample::select(vec![HealthWord::Healthy, HealthWord::Unhealthy, HealthWord::Null]);
    let names = prop::sample::select(vec!["rest", "proc", "other"]);
    (0..4_i64, names, -1e3..1e3_f64, word, any::<i64>(), any::<i64>()).prop_map(
        |(pid, name, age, word, load, capacity)| Heartbeat {
            load,
            capacity,
            ..beat(&format!("i{}", pid % 2), name, pid, age, word)
        },
    )
}

proptest! {
    #[test]
    fn nothing_panics_and_everything_is_a_number(
        heartbeats in prop::collection::vec(any_beat(), 0..8),
        ready in any::<i64>(),
        ages in prop::collection::vec(-1e9..1e9_f64, 0..3),
    ) {
        let departed = ages.iter().map(|age| departed("gone", *age)).collect();
        let mut truth = once(&Facts { heartbeats, departed, queues: queues(ready), ..Facts::default() });
        truth.queue_depths = PerRole::default();
        // A NaN would be written as null and could not be read back as a number.
        let shown = serde_json::to_string(&truth).unwrap();
        prop_assert_eq!(serde_json::from_str::<SystemPayload>(&shown).unwrap(), truth);
    }
}
