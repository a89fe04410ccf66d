//! Facts survive the way through Redis (the simulator's writer, then the source) and through JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use kdcube_metrics::platform::facts::{
    Circuit, CircuitFacts, CircuitState, Component, Departed, Facts, HealthWord, Heartbeat, InputKind, JobBacklog,
    LatencySeries, Malformed, PerRole, Point, Pool, PoolUse, Pools, ProcessorReport, QueueAnalytics, QueueDepth,
    QueueFront, Role, RollingSeries, Scope, SseSample, ThrottlingDetail, ThrottlingEvent, Unreadable, WorkerId,
};
use kdcube_metrics::platform::gateway::SavedGatewayConfig;
use kdcube_metrics::platform::keys::Keys;
use kdcube_metrics::simulator::writer;
use kdcube_metrics::sources::Source;
use kdcube_metrics::sources::redis::RedisSource;
use kdcube_metrics::sources::redis::config::RedisConfig;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::support::RedisServer;

const NOW: f64 = 1_767_225_600.5;

/// Instance ids as people choose them, colons and other alphabets included.
fn name() -> impl Strategy<Value = String> {
    "[a-z0-9é][a-z0-9:._é\"-]{0,12}"
}

fn service() -> impl Strategy<Value = &'static str> {
    select(vec!["rest", "proc", "tools"])
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..1e6, 1e-9..1e-3, 1e15..1e18]
}

/// What can be measured.
fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..1e6, 1e-9..1e-3, 1e14..9e15]
}

fn recent(seconds: f64) -> impl Strategy<Value = f64> {
    (0.0..seconds).prop_map(|ago| NOW - ago)
}

fn pool() -> impl Strategy<Value = Option<PoolUse>> {
    let number = || option::of(finite());
    let pool = (number(), number(), number(), number());
    option::of(pool.prop_map(|(max, size, available, in_use)| PoolUse { max, size, available, in_use }))
}

fn pools() -> impl Strategy<Value = Pools> {
    (pool(), pool(), pool(), pool()).prop_map(|(postgres, redis_async, redis_async_decode, redis_sync)| Pools {
        postgres,
        redis_async,
        redis_async_decode,
        redis_sync,
    })
}

fn health() -> impl Strategy<Value = HealthWord> {
    select(vec![
        HealthWord::Healthy,
        HealthWord::Degraded,
        HealthWord::Unhealthy,
        HealthWord::Unknown,
        HealthWord::Null,
    ])
}

/// At least one age.
fn processor() -> impl Strategy<Value = ProcessorReport> {
    (amount(), option::of(amount()), option::of(amount())).prop_map(|(lag, oldest, idle)| ProcessorReport {
        oldest_active_seconds: oldest,
        max_idle_seconds: idle,
        queue_loop_lag_seconds: Some(lag),
        is_implausible: false,
    })
}

/// Tasks as the lists have them.
fn fronts(queues: &PerRole<Option<QueueDepth>>, oldest: f64) -> PerRole<Option<QueueFront>> {
    PerRole::from_fn(|role| {
        let ready = queues.get(role).map_or(0, |depth| depth.ready);
        Some(if ready > 0 { QueueFront::Created(oldest) } else { QueueFront::Empty })
    })
}

fn jobs() -> impl Strategy<Value = BTreeMap<Role, JobBacklog>> {
    let backlog = (0..9_i64, 0..9_i64).prop_map(|(lag, pending)| JobBacklog { lag: Some(lag), pending });
    vec(backlog, 4).prop_map(|backlogs| Role::WITH_JOBS.into_iter().zip(backlogs).collect())
}

prop_compose! {
    fn heartbeat()(
        instance_id in name(), service_name in service(), process_id in 0..100_000_i64, port in option::of(1..65_536_i64),
        processor in option::of(processor()),
        load in 0..1000_i64, capacity in 0..1000_i64, last_heartbeat in recent(60.0), health in health(), pools in pools(),
    ) -> Heartbeat {
        Heartbeat {
            instance_id: instance_id.into(), service_type: "chat".into(), service_name: service_name.into(),
            draining: false, processor: processor.filter(|_| service_name == "proc"),
            process_id: Some(process_id), port, load, capacity, last_heartbeat, health, pools: pools.into(),
        }
    }
}

/// Processes that live, and some that stopped; none twice.
fn fleet() -> impl Strategy<Value = (Vec<Heartbeat>, Vec<Departed>)> {
    vec((heartbeat(), any::<bool>()), 0..12).prop_map(|processes| {
        let named =
            processes.into_iter().map(|(beat, live)| ((beat.instance_id.clone(), beat.process_id), (beat, live)));
        let (live, gone): (Vec<_>, Vec<_>) =
            named.collect::<BTreeMap<_, _>>().into_values().partition(|(_, live)| *live);
        let departed = |beat: Heartbeat| Departed {
            instance_id: beat.instance_id,
            service_type: beat.service_type,
            service_name: beat.service_name,
            process_id: beat.process_id,
            last_seen: beat.last_heartbeat,
        };
        let live = live.into_iter().map(|(beat, _)| beat).collect();
        (live, gone.into_iter().map(|(beat, _)| departed(beat)).collect())
    })
}

/// Count, sessions, limit and time of a sample.
type Drawn = Option<(i64, i64, i64, Option<f64>)>;

/// A sample for the ingress workers that drew one.
fn samples(beats: &[Heartbeat], drawn: &[Drawn]) -> Vec<SseSample> {
    let workers = beats.iter().filter(|beat| &*beat.service_name == "rest");
    let sample = |(beat, drawn): (&Heartbeat, &Drawn)| {
        let (count, sessions, max, at) = (*drawn)?;
        let worker = WorkerId { instance_id: beat.instance_id.clone(), process_id: beat.process_id? };
        Some(SseSample { worker, count, sessions, max, at })
    };
    workers.zip(drawn).filter_map(sample).collect()
}

fn per_role<T: std::fmt::Debug + Clone + Default>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = PerRole<T>> {
    vec(value, 5).prop_map(|values| {
        let mut roles = PerRole::default();
        Role::ALL.into_iter().zip(values).for_each(|(role, value)| *roles.get_mut(role) = value);
        roles
    })
}

fn depth() -> impl Strategy<Value = Option<QueueDepth>> {
    (0..40_i64, 0..40_i64, 0..1_000_000_i64)
        .prop_map(|(ready, inflight, continuations)| Some(QueueDepth { ready, inflight, continuations }))
}

fn analytics() -> impl Strategy<Value = Option<QueueAnalytics>> {
    let analytics = (amount(), 0..1_000_000_i64);
    option::of(
        analytics.prop_map(|(avg_wait_seconds, throughput_last_hour)| QueueAnalytics {
            avg_wait_seconds,
            throughput_last_hour,
        }),
    )
}

/// Points in order, none at the same time as another.
fn points() -> impl Strategy<Value = Vec<Point>> {
    btree_map(0..3_500_000_u32, amount(), 0..60).prop_map(|points| {
        let point = |(ago, value): (&u32, &f64)| Point { at: NOW - f64::from(*ago) / 1000.0, value: *value };
        points.iter().rev().map(point).collect()
    })
}

fn series<K: Ord + Copy + std::fmt::Debug>(keys: Vec<K>) -> impl Strategy<Value = BTreeMap<K, Vec<Point>>> {
    vec(points(), keys.len()).prop_map(move |series| keys.iter().copied().zip(series).collect())
}

/// Reason, status, session, and whether the event is all that consoles rely on.
type Throttled = (Option<String>, Option<i64>, String, bool);

fn event(at: f64, detail: Option<Throttled>) -> ThrottlingEvent {
    let detail = detail.map(|(reason, http_status, session, whole)| {
        let shown = json!({
            "timestamp": at, "event_id": "e", "reason": reason, "http_status": http_status, "session_id": session,
            "user_type": "paid", "fingerprint": "é", "endpoint": "/", "retry_after": 60, "queue_stats": [1, 2.5],
            "rate_limit_stats": null,
        });
        let known = whole && reason.as_deref() == Some("burst_rate_limit");
        ThrottlingDetail { reason, http_status, session_id: Some(session), shown: known.then_some(shown) }
    });
    ThrottlingEvent { at, detail }
}

fn events() -> impl Strategy<Value = Vec<ThrottlingEvent>> {
    let reason = prop_oneof![Just("burst_rate_limit".to_owned()), "[a-zé_]{1,12}"];
    let detail = option::of((option::of(reason), option::of(400..600_i64), "s-[0-9é]{1,3}", any::<bool>()));
    btree_map(0..80_000_000_u32, detail, 0..20).prop_map(|events| {
        events.into_iter().rev().map(|(ago, detail)| event(NOW - f64::from(ago) / 1000.0, detail)).collect()
    })
}

fn circuits() -> impl Strategy<Value = BTreeMap<Circuit, CircuitFacts>> {
    let states = || select(CircuitState::ALL.to_vec());
    let stats = option::of((0..100_i64, finite(), states()).prop_map(|(failures, at, state)| {
        let stats = json!({
            "name": "x", "state": state.as_str(), "failure_count": failures, "success_count": 0, "last_failure_time": at,
            "last_success_time": null, "total_requests": failures, "total_failures": failures, "opened_at": at,
            "last_state_change": at, "consecutive_failures": 0, "consecutive_successes": 0,
        });
        stats.as_object().cloned().unwrap()
    }));
    let state = option::of(states());
    let facts =
        (state, stats, 0..5_i64, option::of(0..9_i64)).prop_map(|(state, stats, window_failures, half_open_calls)| {
            CircuitFacts { state, stats, window_failures, half_open_calls }
        });
    vec(facts, 3).prop_map(|facts| Circuit::ALL.into_iter().zip(facts).collect())
}

prop_compose! {
    fn signals()(
        (heartbeats, departed) in fleet(),
        drawn in vec(option::of((0..500_i64, 0..500_i64, 0..500_i64, option::of(recent(500.0)))), 12),
        queues in per_role(depth()),
        oldest in recent(5000.0),
        jobs in jobs(),
        analytics in per_role(analytics()),
        latency in series(LatencySeries::ALL.to_vec()),
        rolling in series(RollingSeries::all().collect()),
        throttling_events in events(),
        hourly_requests in btree_map("2026-01-[0-3][0-9]_[0-2][0-9]", 0..1_000_000_i64, 0..10),
        circuits in circuits(),
        saved in option::of("[{}a-z\"é ]{1,30}"),
    ) -> Facts {
        Facts {
            process_keys_found: heartbeats.len(),
            sse: samples(&heartbeats, &drawn),
            queue_fronts: fronts(&queues, oldest),
            heartbeats, departed, queues, jobs, analytics, latency, rolling, throttling_events, hourly_requests, circuits,
            saved_gateway_config: saved.map_or(SavedGatewayConfig::Missing, SavedGatewayConfig::Text),
            ..Facts::default()
        }
    }
}

fn written_and_read(server: &RedisServer, scope: &Scope, signals: &Facts) -> Facts {
    let mut connection = server.connection();
    redis::cmd("FLUSHALL").query::<()>(&mut connection).unwrap();
    writer::commands(&Keys::new(scope), signals, NOW).query::<()>(&mut connection).unwrap();
    let config = RedisConfig::new(&server.url(), "round-trip".to_owned(), Duration::from_secs(5)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { RedisSource::new(config, scope, 1000).collect(NOW).await }).unwrap()
}

/// Empty series and circuits leave nothing in Redis; an event that is not JSON is also reported as malformed.
fn without_empty(mut signals: Facts) -> Facts {
    signals.latency.retain(|_, points| !points.is_empty());
    signals.rolling.retain(|_, points| !points.is_empty());
    signals.circuits.retain(|_, facts| *facts != CircuitFacts::default());
    signals.series.clear();
    signals.malformed.retain(|malformed| malformed.kind != InputKind::ThrottlingEvent);
    signals
}

/// The first place where they differ, with the lines around it.
fn difference(written: &Facts, read: &Facts) -> Option<String> {
    if written == read {
        return None;
    }
    let (written, read) = (format!("{written:#?}"), format!("{read:#?}"));
    let (written, read): (Vec<&str>, Vec<&str>) = (written.lines().collect(), read.lines().collect());
    let place = written.iter().zip(&read).position(|(written, read)| written != read).unwrap_or(0);
    let around =
        |lines: &[&str]| lines.iter().skip(place.saturating_sub(8)).take(12).copied().collect::<Vec<_>>().join("\n");
    Some(format!("written:\n{}\nread:\n{}", around(&written), around(&read)))
}

prop_compose! {
    /// What the writer does not write, and what only a recording holds.
    fn findings()(
        problems in vec(("[a-zé:]{1,8}", "[a-zé ]{1,8}"), 0..5),
        unlisted in option::of(1..u64::MAX),
        series in select(LatencySeries::ALL.to_vec()),
        role in select(Role::ALL.to_vec()),
        circuit in select(Circuit::ALL.to_vec()),
        dropped_before_load in any::<u64>(),
    ) -> Facts {
        let kind = InputKind::SeriesMember;
        Facts {
            malformed: problems.into_iter().map(|(key, problem)| Malformed { kind, key, problem }).collect(),
            malformed_unlisted: unlisted.map(|number| (kind, number)).into_iter().collect(),
            unreadable: [
                Unreadable::Latency(series), Unreadable::Analytics(role), Unreadable::Circuit(circuit),
                Unreadable::Throttling, Unreadable::HourlyRequests,
            ].into(),
            dropped_before_load,
            ..Facts::default()
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    #[test]
    fn facts_read_back_from_json_are_the_same(facts in signals(), findings in findings()) {
        let Facts { malformed, malformed_unlisted, unreadable, dropped_before_load, .. } = findings;
        let facts = Facts { malformed, malformed_unlisted, unreadable, dropped_before_load, ..facts };
        let read: Facts = serde_json::from_slice(&serde_json::to_vec(&facts).unwrap()).unwrap();
        let difference = difference(&facts, &read);
        prop_assert!(difference.is_none(), "{}", difference.unwrap_or_default());
    }
}

#[test]
fn a_recording_without_newer_fields_is_read() {
    let facts: Facts = serde_json::from_str(r#"{"rolling": {"pool_in_use:proc:redis_sync": [[1.5, 2.0]]}}"#).unwrap();
    let series = RollingSeries::PoolInUse(Component::Proc, Pool::RedisSync);
    assert_eq!(facts.rolling, [(series, vec![Point { at: 1.5, value: 2.0 }])].into());
    assert!(serde_json::from_str::<Facts>(r#"{"rolling": {"pool_in_use:proc": []}}"#).is_err());
}

#[test]
fn whatever_is_written_reads_back_the_same() {
    let server = RedisServer::start();
    let scope = Scope { tenant: "acme*".to_owned(), project: "ch[a]t".to_owned() };
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&signals(), |signals| {
        let read = written_and_read(&server, &scope, &signals);
        let difference = difference(&without_empty(signals), &without_empty(read));
        prop_assert!(difference.is_none(), "{}", difference.unwrap_or_default());
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
