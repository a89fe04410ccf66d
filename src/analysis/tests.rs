//! The points of the recorded cases, and where an autoscaler must not inherit the platform's ways.

mod properties;

use std::sync::Arc;

use super::recorded::{Case, key_of};
use super::state::{Cause, DatabaseLimit, LimitOrigin, Quality, Reading, StatusCounts};
use super::{Analysis, Inputs, SystemState};
use crate::catalog;
use crate::history::History;
use crate::payload::{self, shapes::SystemPayload};
use crate::platform::facts::{
    Circuit, Component, Departed, Facts, HealthWord, Heartbeat, LatencySeries, PerRole, Point, QueueDepth, Role,
    RollingSeries, SseSample, Unreadable, WorkerId,
};
use crate::platform::gateway::{GatewayConfig, GatewayContext};

static UTC: jiff::tz::TimeZone = jiff::tz::TimeZone::UTC;

pub(super) const NOW: f64 = 1_767_225_600.0;

pub(super) fn gateway_of(text: &str) -> GatewayConfig {
    let context =
        GatewayContext { component: Component::Proc, instance_id: "m-1", tenant: None, project: None, forced: false };
    GatewayConfig::from_env_json(text, &context).unwrap()
}

/// Of the deployment `a`/`b`, with further fields of the document.
pub(super) fn gateway_with(fields: &str) -> GatewayConfig {
    let separator = if fields.is_empty() { "" } else { ", " };
    gateway_of(&format!(r#"{{"tenant": "a", "project": "b"{separator}{fields}}}"#))
}

fn gateway() -> GatewayConfig {
    gateway_with(r#""redis_url": "redis://:secret@h", "data_bus": {"url": "secret"}"#)
}

pub(super) fn beat(instance: &str, name: &str, pid: i64, age: f64, health: HealthWord) -> Heartbeat {
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
        draining: false,
        processor: None,
        pools: Arc::default(),
    }
}

pub(super) fn departed(instance: &str, age: f64) -> Departed {
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

pub(super) fn analysis<'a>(facts: &'a Facts, history: &History, gateway: &'a Arc<GatewayConfig>) -> Analysis<'a> {
    let database_max_connections = Reading::default();
    let inputs = Inputs {
        zone: &UTC,
        facts,
        gateway,
        instance_id: "m-1",
        database_max_connections,
        is_gateway_uncertain: false,
        is_scope_found: true,
        now: NOW,
    };
    Analysis::new(inputs, history)
}

fn tick(facts: &Facts, history: &mut History) -> (SystemState, Vec<(RollingSeries, f64)>) {
    let gateway = Arc::new(gateway());
    history.absorb(&mut facts.clone(), NOW);
    let analysis = analysis(facts, history, &gateway);
    let points = analysis.rolling_points();
    history.record(NOW, &points);
    (analysis.finish(history), points)
}

fn once(facts: &Facts) -> SystemState {
    tick(facts, &mut History::new(1000)).0
}

fn payload(facts: &Facts) -> SystemPayload {
    payload::system(&once(facts))
}

#[test]
fn recorded_points_are_those_that_were_written() {
    for case in Case::all() {
        let mut ours: Vec<_> = case.tick().1.into_iter().map(|(series, value)| (key_of(series), value)).collect();
        ours.sort_by(|left, right| left.0.cmp(&right.0));
        assert_eq!(ours, case.points, "{}", case.name);
    }
}

#[test]
fn a_saturated_process_is_unhealthy_and_yet_capacity() {
    let beats = vec![beat("p", "proc", 1, 1.0, HealthWord::Unhealthy), beat("p", "proc", 2, 1.0, HealthWord::Null)];
    let truth = payload(&Facts { heartbeats: beats, queues: queues(1), ..Facts::default() });
    assert_eq!(truth.global_stats.healthy, 0);
    assert_eq!(truth.instances["p"]["chat_proc"].health_statuses, ["unhealthy", "none"]);
    assert_eq!(truth.capacity_info.weighted_max_capacity, Some(28));
    assert_eq!(truth.capacity_transparency.instance_scaling.total_healthy_processes, 2);
}

#[test]
fn one_limit_decides_status_and_capacity() {
    for (age, capacity, responsive) in [(45.0, 14, 1), (45.001, 0, 0), (-3.0, 14, 1)] {
        let beats = vec![beat("p", "proc", 1, age, HealthWord::Healthy)];
        let truth = payload(&Facts { heartbeats: beats, queues: queues(0), ..Facts::default() });
        assert_eq!(
            (truth.capacity_info.weighted_max_capacity, truth.global_stats.healthy),
            (Some(capacity), responsive)
        );
    }
}

#[test]
fn a_process_whose_key_expired_drains() {
    for (age, draining) in [(31.0, true), (90.0, true), (91.0, false)] {
        let truth = payload(&Facts { departed: vec![departed("p", age)], queues: queues(1), ..Facts::default() });
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
    let truth = payload(&signals);
    let instance = &truth.components.proc.unwrap().instances[0];
    assert_eq!((instance.draining, instance.processes, instance.capacity), (false, 2, 5));
    assert_eq!(truth.instances["p"]["chat_proc"].pids, [Some(7), Some(9)]);
}

#[test]
fn no_capacity_is_not_idleness() {
    for (ready, utilization) in [(1, 100.0), (0, 0.0)] {
        let truth = payload(&Facts { queues: queues(ready), ..Facts::default() });
        assert_eq!(truth.queue_utilization, Some(utilization));
        assert_eq!(truth.capacity_info.pressure_ratio, Some(1.0));
    }
}

#[test]
fn an_unreadable_queue_is_unknown_and_adds_no_points() {
    let mut signals = Facts { queues: queues(1), ..Facts::default() };
    signals.queues.external = None;
    let (state, points) = tick(&signals, &mut History::new(1000));
    let truth = payload::system(&state);
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
        // Its heartbeat is stale: so are its connections.
        (50.0, Some(1.0), false),
        (50.0, None, false),
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
        assert_eq!(truth.sse.known().is_some(), counts, "{beat_age} {sample_age:?}");
        let expired = truth.left_out.iter().filter(|left| left.reason.cause == Cause::Expired).count();
        assert_eq!(expired, usize::from(!counts));
        assert_eq!(points.contains(&(RollingSeries::SseConnections, 12.0)), counts);
    }
}

#[test]
fn without_any_process_one_expected_service_stands_in() {
    let truth = payload(&Facts::default());
    let service = &truth.instances["m-1"]["chat_proc"];
    assert_eq!((service.processes, service.missing_processes, service.health.as_str()), (1, 1, "unhealthy"));
}

#[test]
fn other_services_show_but_are_no_capacity() {
    let beats = vec![beat("k", "search", 1, 1.0, HealthWord::Healthy)];
    let truth = payload(&Facts { heartbeats: beats, queues: queues(0), ..Facts::default() });
    assert_eq!(truth.instances["k"]["chat_search"].actual_processes, 1);
    assert_eq!((truth.global_stats.actual, truth.capacity_info.weighted_max_capacity), (1, Some(0)));
    assert_eq!(truth.components.proc.unwrap().instance_count, Some(0));
}

#[test]
fn the_base_capacity_is_that_of_the_instance_that_the_configuration_names() {
    let beats = (1..=3).map(|pid| beat("p", "proc", pid, 1.0, HealthWord::Healthy)).collect();
    let signals = Facts { heartbeats: beats, ..Facts::default() };
    let base = |gateway: GatewayConfig| {
        let history = History::new(10);
        analysis(&signals, &history, &Arc::new(gateway))
            .finish(&history)
            .capacity
            .source
            .value()
            .unwrap()
            .base_per_instance
    };
    let saved = gateway().with_saved_json(r#"{"instance_id": "p"}"#).unwrap();
    assert_eq!((base(gateway()), base(saved)), (14, 42));
}

#[test]
fn port_0_is_no_port() {
    let mut beats =
        vec![beat("p", "proc", 1, 1.0, HealthWord::Healthy), beat("p", "proc", 2, 1.0, HealthWord::Healthy)];
    (beats[0].port, beats[1].port) = (Some(0), Some(8010));
    let truth = payload(&Facts { heartbeats: beats, ..Facts::default() });
    assert_eq!(truth.instances["p"]["chat_proc"].ports, [8010]);
}

#[test]
fn the_connections_of_a_worker_end_with_its_heartbeat() {
    let stopped = Departed { service_name: "rest".into(), ..departed("i", 31.0) };
    let worker = WorkerId { instance_id: "i".into(), process_id: 7 };
    let sample = |age: f64| SseSample { worker: worker.clone(), count: 12, sessions: 9, max: 200, at: Some(NOW - age) };
    let gone = Facts { departed: vec![stopped], ..Facts::default() };
    for samples in [vec![sample(1.0)], vec![sample(121.0)], vec![]] {
        let mut history = History::new(10);
        let beating = vec![beat("i", "rest", 7, 1.0, HealthWord::Healthy)];
        history.absorb(&mut Facts { sse: vec![sample(5.0)], heartbeats: beating, ..Facts::default() }, NOW - 40.0);
        let (truth, _) = tick(&Facts { sse: samples, ..gone.clone() }, &mut history);
        assert!(truth.sse.known().is_none());
    }
}

#[test]
fn unknown_counts_are_left_out_of_the_total_and_too_many_make_the_saturation_absent() {
    let worker = |pid: i64| WorkerId { instance_id: "i".into(), process_id: pid };
    let sample = |pid: i64| SseSample { worker: worker(pid), count: 10, sessions: 9, max: 100, at: Some(NOW) };
    for (known, unknown, saturation) in [(9, 1, Some(10.0)), (10, 0, Some(10.0)), (8, 1, None), (0, 1, None)] {
        let heartbeats = (0..10).map(|pid| beat("i", "rest", pid, 1.0, HealthWord::Healthy)).collect();
        let facts = Facts {
            heartbeats,
            sse: (0..known).map(sample).collect(),
            sse_unknown: (known..known + unknown).map(worker).collect(),
            ..Facts::default()
        };
        let (state, _) = tick(&facts, &mut History::new(10));
        let scalar = |key: &str| {
            let found = catalog::samples(&state).into_iter().find(|sample| sample.metric.key == key);
            found.map(|sample| sample.value)
        };
        let total = (known > 0).then_some(10.0 * f64::from(u8::try_from(known).unwrap()));
        assert_eq!(scalar("ingress.sse.total_connections"), total, "{known} {unknown}");
        assert_eq!(scalar("ingress.sse.saturation_percent"), saturation, "{known} {unknown}");
        assert_eq!(scalar("ingress_sse_unknown_workers"), Some(f64::from(u8::try_from(unknown).unwrap())));
        let quality = if unknown > 0 { Quality::Partial } else { Quality::Ok };
        let reported = state.problems.iter().filter(|problem| problem.code.as_str() == "sse_count_unknown").count();
        assert_eq!((state.quality, reported), (quality, usize::try_from(unknown).unwrap()), "{known} {unknown}");
    }
}

#[test]
fn a_rolling_window_reaches_back_an_hour_less_what_its_writer_trims() {
    let at = |age: f64, value: f64| Point { at: NOW - age, value };
    let points = vec![at(3600.0, 90.0), at(3599.5, 7.0), at(60.0, 1.0)];
    let rolling = [(RollingSeries::QueueDepth, points)].into();
    let (truth, _) = tick(&Facts { queues: queues(0), rolling, ..Facts::default() }, &mut History::new(10));
    let depth = truth.rolling(RollingSeries::QueueDepth).value().unwrap();
    assert_eq!((depth.max.get(), depth.one_minute.get()), (Some(7.0), Some(0.5)));
}

#[test]
fn what_cannot_be_read_is_unknown_and_not_zero() {
    let unreadable = [
        Unreadable::Analytics(Role::Paid),
        Unreadable::Latency(LatencySeries::QueueWait),
        Unreadable::HourlyRequests,
        Unreadable::Circuit(Circuit::Backpressure),
    ];
    let state = once(&Facts { unreadable: unreadable.into(), queues: queues(0), ..Facts::default() });
    assert_eq!(catalog::scalar("proc.queue.avg_wait_seconds.paid", &state), None);
    assert_eq!(catalog::scalar("proc.queue.avg_wait_seconds.anonymous", &state), Some(0.0));
    let counted = |series| state.latency[&series].one_hour.count.get();
    assert_eq!((counted(LatencySeries::QueueWait), counted(LatencySeries::TaskExec)), (None, Some(0)));
    let wait = state.latency[&LatencySeries::QueueWait].one_minute.p95.reason().unwrap().to_string();
    assert_eq!(wait, "it cannot be read: a:b:kdcube:metrics:task_queue_wait_ms:proc");
    let hour = payload::system(&state).throttling_stats.unwrap();
    assert_eq!((hour.total_throttled, hour.total_requests, hour.throttle_rate), (0, None, None));
    let circuits: Vec<String> = catalog::samples(&state)
        .into_iter()
        .filter(|sample| sample.metric.key == "circuit_state" && sample.value > 0.0)
        .map(|sample| sample.labels[0].1.clone())
        .collect();
    assert_eq!(circuits, ["authentication", "rate_limiter"]);

    let state = once(&Facts { unreadable: [Unreadable::Throttling].into(), ..Facts::default() });
    let shown = payload::system(&state);
    assert_eq!((shown.throttling_stats.is_none(), shown.throttling_by_period.len()), (true, 0));
    assert_eq!(catalog::scalar("throttling.rate_limit_429", &state), None);
}

#[test]
fn an_absent_scalar_names_the_key_that_caused_it() {
    let state = once(&Facts { queues: queues(0), ..Facts::default() });
    let reasons: Vec<(&str, String)> = catalog::scalars(&state)
        .filter_map(|(metric, reading)| Some((metric.key, reading.reason()?.to_string())))
        .collect();
    let of = |key: &str| reasons.iter().find(|(known, _)| *known == key).map(|(_, reason)| reason.as_str());
    assert_eq!(
        of("ingress.sse.sessions"),
        Some("no worker has published a sample that still counts: a:b:kdcube:chat:sse:connections:*")
    );
    assert_eq!(of("proc.exec.p95_ms"), Some("the window holds no value: a:b:kdcube:metrics:task_exec_ms:proc"));
    assert_eq!(of("proc.queue.total"), None);
}

#[test]
fn processes_of_other_services_do_not_count_as_a_components() {
    let mut beats = vec![
        beat("i", "proc", 1, 1.0, HealthWord::Healthy),
        beat("i", "search", 2, 1.0, HealthWord::Healthy),
        beat("i", "", 3, 1.0, HealthWord::Healthy),
        beat("i", "proc", 4, 1.0, HealthWord::Null),
        beat("i", "proc", 5, 1.0, HealthWord::Healthy),
    ];
    beats[4].service_type = "batch".into();
    let state = once(&Facts { heartbeats: beats, queues: queues(0), ..Facts::default() });
    let proc = state.proc.known().unwrap();
    let expected = StatusCounts { healthy: 1, unknown: Some(1), ..StatusCounts::default() };
    assert_eq!((proc.processes.get(), proc.load.get()), (Some(expected), Some(10)));
    assert_eq!((state.capacity.total.get(), state.ingress.known().unwrap().actual()), (Some(28), 0));
    assert_eq!(state.fleet.known().unwrap().processes().count(), 5);
}

#[test]
fn the_databases_limit_comes_through_unless_one_is_configured() {
    let limit = |gateway: GatewayConfig, queried: Reading<i64>| {
        let (facts, history, gateway) = (Facts::default(), History::new(1), Arc::new(gateway));
        let inputs = Inputs {
            zone: &UTC,
            facts: &facts,
            gateway: &gateway,
            instance_id: "m-1",
            database_max_connections: queried,
            is_gateway_uncertain: false,
            is_scope_found: true,
            now: NOW,
        };
        Analysis::new(inputs, &history).finish(&history).database.limit
    };
    let found = |connections, origin| Some(DatabaseLimit { connections, origin: Some(origin) });
    assert_eq!(limit(gateway(), Reading::Value(100)).get(), found(100, LimitOrigin::Query));
    let silent = limit(gateway(), Reading::absent(Cause::NoAnswer));
    assert_eq!(silent.reason().map(|reason| reason.cause), Some(Cause::NoAnswer));
    let configured = gateway_with(r#""pools": {"pg_max_connections": 50}"#);
    assert_eq!(limit(configured, Reading::Value(100)).get(), found(50, LimitOrigin::Config));
}

#[test]
fn secrets_are_not_shown() {
    let shown = serde_json::to_string(&payload(&Facts::default())).unwrap();
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
