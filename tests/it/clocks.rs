//! Clocks that differ: ticks go by Redis' clock, whatever this machine's shows, and what differs is reported.

use std::time::Duration;

use kdcube_metrics::analysis::state::{Decision, Quality};
use kdcube_metrics::base::clock::{Clock, SystemClock};
use kdcube_metrics::engine::gateway_store::GatewayStore;
use kdcube_metrics::engine::sample_ticker::SampleTicker;
use kdcube_metrics::engine::tick::{RecordMode, Tick, Ticker};
use kdcube_metrics::platform::facts::{Component, RollingSeries};
use kdcube_metrics::platform::gateway::{GatewayConfig, GatewayContext};

use crate::redis_source::{P, beat_at, run, source};
use crate::support::{GATEWAY, RedisServer};

fn ticker(url: &str) -> SampleTicker {
    let context =
        GatewayContext { component: Component::Proc, instance_id: "m-1", tenant: None, project: None, forced: false };
    let gateway = GatewayStore::new(GatewayConfig::from_env_json(GATEWAY.1, &context).unwrap(), false);
    SampleTicker::new(Box::new(source(url)), gateway, "m-1".to_owned(), 100_000).following_the_source()
}

fn now() -> f64 {
    SystemClock.now()
}

fn deployment(server: &RedisServer) {
    beat_at(server, "ingress-1", "rest", 41, now() - 3.0);
    beat_at(server, "proc-1", "proc", 51, now() - 3.0);
}

fn queue_key() -> String {
    format!("{P}:metrics:queue_depth:proc")
}

/// The times of the points in Redis.
fn times(server: &RedisServer) -> Vec<f64> {
    let zrange = redis::cmd("ZRANGE").arg(queue_key()).arg(0).arg(-1).arg("WITHSCORES").clone();
    let members: Vec<(String, f64)> = zrange.query(&mut server.connection()).unwrap();
    members.into_iter().map(|(_, at)| at).collect()
}

fn add_point(server: &RedisServer, at: f64, value: f64) {
    run(server, &[&["ZADD", &queue_key(), &at.to_string(), &format!("{at}:{value}")]]);
}

fn codes(tick: &Tick) -> Vec<&'static str> {
    tick.state.problems.iter().map(|problem| problem.code.as_str()).collect()
}

fn hour_max(tick: &Tick) -> Option<f64> {
    tick.state.rolling(RollingSeries::QueueDepth).value().and_then(|windows| windows.max.value())
}

#[tokio::test]
async fn ages_and_points_go_by_redis_clock_whatever_this_servers_shows() {
    for off in [90.0, -90.0, 1e6] {
        let server = RedisServer::start();
        deployment(&server);
        let mut ticker = ticker(&server.url());
        let tick = ticker.tick(now() + off, RecordMode::Yes).await.unwrap();
        assert!((tick.at - now()).abs() < 2.0 && tick.state.at == tick.at, "{off}: {}", tick.at - now());
        let ages: Vec<f64> = tick.state.fleet.known().unwrap().processes().map(|process| process.age).collect();
        assert!(ages.len() == 2 && ages.iter().all(|age| (1.0..9.0).contains(age)), "{off}: {ages:?}");
        assert!(tick.clock_offset.is_some_and(|offset| (offset - off).abs() < 1.0), "{:?}", tick.clock_offset);
        assert!(codes(&tick).contains(&"clock_skew_server"), "{off}: {:?}", codes(&tick));
        assert_eq!(times(&server), [tick.at]);
    }
}

#[tokio::test]
async fn a_configuration_that_is_published_changed_when_redis_says_so() {
    let server = RedisServer::start();
    deployment(&server);
    let mut ticker = ticker(&server.url());
    ticker.tick(now() + 1e6, RecordMode::No).await.unwrap();
    let update = r#"{"tenant": "acme", "project": "chat", "ts": 1.0, "config": {"tenant": "acme", "project": "chat", "service_capacity": {"processes_per_instance": 7}}}"#;
    ticker.apply_update(update.as_bytes(), now() + 1e6).unwrap();
    let tick = ticker.tick(now() + 1e6, RecordMode::No).await.unwrap();
    let changed_at = tick.gateway.unwrap().changed_at.unwrap();
    assert!((changed_at - now()).abs() < 5.0, "{}", changed_at - now());
}

#[tokio::test]
async fn a_worker_whose_clock_is_behind_is_named_and_no_hint_scales_on_its_staleness() {
    let server = RedisServer::start();
    deployment(&server);
    let mut ticker = ticker(&server.url());
    let mut offsets = Vec::new();
    for look in 0..3 {
        beat_at(&server, "proc-2", "proc", 52, now() - 60.0);
        beat_at(&server, "proc-3", "proc", 53, now() + 20.0);
        let tick = ticker.tick(now(), RecordMode::No).await.unwrap();
        offsets.push(tick.state.writer_offsets.clone());
        let problems = tick.state.problems.iter().filter(|problem| problem.code.as_str() == "clock_skew_writer");
        assert_eq!(problems.map(|problem| problem.subject.as_str()).collect::<Vec<_>>(), ["proc-2", "proc-3"]);
        assert_eq!(tick.state.quality == Quality::Partial, look > 0, "{look}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let of = |look: usize, instance: &str| offsets[look][instance].round();
    assert_eq!((of(0, "proc-2"), of(0, "proc-3")), (-30.0, 20.0), "known from the life of the key alone");
    assert_eq!((of(1, "proc-2"), of(1, "proc-3")), (-30.0, 20.0), "a write that was seen once may have been delayed");
    assert_eq!((of(2, "proc-2"), of(2, "proc-3")), (-60.0, 20.0), "seen twice");
    assert_eq!(
        ticker.tick(now(), RecordMode::No).await.unwrap().state.decision(Component::Proc).get(),
        Some(Decision::Hold)
    );
}

#[tokio::test]
async fn a_jump_of_this_servers_clock_trims_nothing_and_loses_nothing() {
    let server = RedisServer::start();
    deployment(&server);
    let old = now() - 3000.0;
    add_point(&server, old, 70.0);
    let mut ticker = ticker(&server.url());
    for jump in [0.0, 4000.0, 4000.0, 0.0] {
        let tick = ticker.tick(now() + jump, RecordMode::Yes).await.unwrap();
        assert_eq!(hour_max(&tick), Some(70.0));
        assert_eq!(codes(&tick).contains(&"clock_jump"), times(&server).len() > 2, "{jump}");
    }
    let times = times(&server);
    assert!(times.len() == 5 && (times[0] - old).abs() < 1.0, "{times:?}");
    assert!(times.iter().all(|at| *at <= now()), "no point of the future: {times:?}");
}

#[tokio::test]
async fn without_permission_for_time_this_servers_clock_is_used_and_a_jump_undone() {
    let server = RedisServer::start();
    run(&server, &[&["ACL", "SETUSER", "blind", "on", "nopass", "~*", "&*", "+@all", "-time"]]);
    deployment(&server);
    add_point(&server, now() - 3000.0, 70.0);
    let url = server.url().replace("redis://", "redis://blind:x@");
    let mut ticker = ticker(&url);
    let mut times_after = Vec::new();
    for jump in [0.0, 4000.0, 0.0, 0.0] {
        let (began, tick) = (now(), ticker.tick(now() + jump, RecordMode::Yes).await.unwrap());
        assert!((tick.at - began - jump).abs() < 1.0 && tick.clock_offset.is_none());
        times_after.push((times(&server).len(), codes(&tick).contains(&"clock_jump"), hour_max(&tick)));
    }
    // Neither written nor trimmed on the ticks of the jump and back; the hour is there again after them.
    let [before, jumped, back, after] = times_after[..] else { panic!("{times_after:?}") };
    assert_eq!(before, (2, false, Some(70.0)));
    assert_eq!((jumped.0, jumped.1), (2, true));
    assert_eq!((back.0, back.1), (2, true));
    assert_eq!(after, (3, true, Some(70.0)));
}
