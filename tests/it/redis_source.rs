//! The Redis source against real servers: what it reads, what that costs, and how it fails and recovers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kdcube_metrics::platform::facts::{
    Circuit, CircuitState, Facts, InputKind, LatencySeries, Malformed, Role, RollingSeries, Scope, Unreadable,
};
use kdcube_metrics::sources::redis::RedisSource;
use kdcube_metrics::sources::redis::config::RedisConfig;
use kdcube_metrics::sources::redis::updates::watch_gateway_updates;
use kdcube_metrics::sources::{SaveState, Source};

use crate::support::{RedisServer, eventually};

pub(crate) const NOW: f64 = 1_767_225_600.5;
pub(crate) const P: &str = "acme:chat:kdcube";
const MOST: usize = 1_000_000;

pub(crate) fn scope() -> Scope {
    Scope { tenant: "acme".into(), project: "chat".into() }
}

pub(crate) fn config(url: &str) -> RedisConfig {
    RedisConfig::new(url, "kdcube-metrics:test".into(), Duration::from_secs(5)).unwrap()
}

pub(crate) fn source(url: &str) -> RedisSource {
    RedisSource::new(config(url), &scope(), MOST)
}

pub(crate) fn run(server: &RedisServer, commands: &[&[&str]]) {
    let mut pipeline = redis::pipe();
    for command in commands {
        pipeline.cmd(command[0]).arg(&command[1..]).ignore();
    }
    pipeline.query::<()>(&mut server.connection()).unwrap();
}

fn heartbeat(instance: &str, service: &str, pid: i64, at: f64) -> [Vec<String>; 3] {
    let key = format!("{P}:heartbeat:process:{instance}:chat:{service}:{pid}");
    let json = format!(
        r#"{{"instance_id": "{instance}", "service_type": "chat", "service_name": "{service}", "process_id": {pid}, "port": 8010, "current_load": 1, "max_capacity": 5, "last_heartbeat": {at}, "health_status": "ServiceHealth.HEALTHY", "metadata": {{}}}}"#
    );
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    [
        words(&["SET", &key, &json]),
        words(&["ZADD", &format!("{P}:system:capacity:process-index:chat:{service}"), &at.to_string(), &key]),
        words(&[
            "ZADD",
            &format!("{P}:heartbeat:instance:index"),
            &at.to_string(),
            &format!("{P}:heartbeat:instance:{instance}:chat:{service}"),
        ]),
    ]
}

pub(crate) fn beat(server: &RedisServer, instance: &str, service: &str, pid: i64) {
    beat_at(server, instance, service, pid, NOW - 1.0);
}

pub(crate) fn beat_at(server: &RedisServer, instance: &str, service: &str, pid: i64, at: f64) {
    for command in heartbeat(instance, service, pid, at) {
        run(server, &[&command.iter().map(String::as_str).collect::<Vec<_>>()]);
    }
}

#[tokio::test]
async fn a_key_of_the_wrong_type_affects_nothing_else() {
    let server = RedisServer::start();
    beat(&server, "proc-1", "proc", 51);
    for key in [
        "chat:prompt:queue:paid",
        "throttling:requests:hourly",
        "throttling:events",
        "metrics:task_exec_ms:proc",
        "circuit_breaker:backpressure:window",
        "system:capacity:process-index:chat:rest",
    ] {
        run(&server, &[&["SET", &format!("{P}:{key}"), "text"]]);
    }
    for key in [
        "chat:conversation:mailbox:count:anonymous",
        "chat:prompt:queue:analytics:external",
        "circuit_breaker:backpressure:stats",
        "config:gateway:current",
    ] {
        run(&server, &[&["RPUSH", &format!("{P}:{key}"), "x"]]);
    }
    let task = r#"{"meta": {"created_at": 1767225590.5}}"#;
    run(&server, &[&["RPUSH", &format!("{P}:chat:prompt:queue:registered"), task, task]]);
    let signals = source(&server.url()).collect(NOW).await.unwrap();
    assert_eq!(signals.heartbeats.len(), 1);
    assert_eq!(signals.queues.get(Role::Registered).unwrap().total(), 2);
    assert_eq!((signals.queues.get(Role::Paid), signals.queues.get(Role::Anonymous)), (&None, &None));
    let unreadable = [
        Unreadable::Analytics(Role::External),
        Unreadable::Latency(LatencySeries::TaskExec),
        Unreadable::Throttling,
        Unreadable::HourlyRequests,
        Unreadable::Circuit(Circuit::Backpressure),
    ];
    assert_eq!(signals.unreadable, unreadable.into());
    assert!(signals.malformed.len() >= 10, "{:#?}", signals.malformed);
    assert!(
        signals.malformed.iter().all(|malformed| malformed.problem.starts_with("WRONGTYPE")),
        "{:#?}",
        signals.malformed
    );
}

#[tokio::test]
async fn a_process_that_stopped_is_remembered_though_the_platform_trims_its_index() {
    let server = RedisServer::start();
    beat(&server, "proc-1", "proc", 51);
    beat(&server, "proc-2", "proc", 52);
    let mut source = source(&server.url());
    assert!(source.collect(NOW).await.unwrap().departed.is_empty());
    let key = format!("{P}:heartbeat:process:proc-1:chat:proc:51");
    run(&server, &[&["DEL", &key], &["ZREM", &format!("{P}:system:capacity:process-index:chat:proc"), &key]]);
    for (second, expected) in [(5.0, 1), (60.0, 1), (89.5, 0)] {
        let facts = source.collect(NOW + second).await.unwrap();
        let departed: Vec<_> = facts.departed.iter().map(|gone| (gone.process_id, gone.last_seen)).collect();
        assert_eq!(departed, vec![(Some(51), NOW - 1.0); expected], "{second}");
    }
}

#[tokio::test]
async fn numbers_that_nothing_can_be_are_named_and_count_nothing() {
    let server = RedisServer::start();
    beat(&server, "proc-1", "proc", 51);
    let negative = format!("{P}:heartbeat:process:proc-1:chat:proc:51");
    let beat = r#"{"instance_id": "proc-1", "service_type": "chat", "service_name": "proc", "process_id": 51, "current_load": -7, "max_capacity": 5, "last_heartbeat": 1}"#;
    let series = format!("{P}:metrics:task_exec_ms:proc");
    let at = (NOW - 1.0).to_string();
    run(
        &server,
        &[
            &["SET", &negative, beat],
            &["SET", &format!("{P}:chat:conversation:mailbox:count:paid"), "1000000000000000000000000000000"],
            &["SET", &format!("{P}:chat:prompt:queue:analytics:paid"), r#"{"avg_wait_time": -3}"#],
            &["HSET", &format!("{P}:throttling:requests:hourly"), "2026-01-01_00", "-5"],
            &["ZADD", &series, &at, "a:-1.0", &at, "b:1e17", &at, "c:5.0"],
        ],
    );
    let facts = source(&server.url()).collect(NOW).await.unwrap();
    assert!(facts.malformed.iter().all(Malformed::is_impossible), "{:#?}", facts.malformed);
    let keys: BTreeSet<&str> = facts.malformed.iter().map(|malformed| malformed.key.as_str()).collect();
    assert_eq!((facts.malformed.len(), keys.len()), (6, 5), "{keys:?}");
    assert!(facts.malformed.iter().any(|found| found.key == negative && found.problem.contains("current_load")));
    assert_eq!((facts.heartbeats.len(), facts.queues.get(Role::Paid)), (0, &None));
    assert_eq!(facts.latency[&LatencySeries::TaskExec].len(), 1);
    for unknown in [Unreadable::HourlyRequests, Unreadable::MalformedAnalytics(Role::Paid)] {
        assert!(facts.unreadable.contains(&unknown), "{unknown:?}");
    }
}

#[tokio::test]
async fn malformed_values_are_reported_by_key_and_not_quoted() {
    let server = RedisServer::start();
    beat(&server, "ingress-1", "rest", 41);
    let mut connection = server.connection();
    let key = format!("{P}:heartbeat:process:bad:chat:proc:1");
    redis::cmd("SET").arg(&key).arg(&b"\xff\xfesecret"[..]).query::<()>(&mut connection).unwrap();
    run(
        &server,
        &[
            &["ZADD", &format!("{P}:system:capacity:process-index:chat:proc"), &NOW.to_string(), &key],
            &["SET", &format!("{P}:chat:sse:connections:ingress-1:41"), "{\"count\": \"secret\"}"],
            &["SET", &format!("{P}:chat:prompt:queue:analytics:paid"), "secret"],
            &["SET", &format!("{P}:chat:conversation:mailbox:count:paid"), "secret"],
            &["ZADD", &format!("{P}:metrics:task_exec_ms:proc"), &NOW.to_string(), "secret"],
            &["HSET", &format!("{P}:throttling:requests:hourly"), "2026-01-01_00", "secret"],
        ],
    );
    let signals = source(&server.url()).collect(NOW).await.unwrap();
    let kinds: Vec<InputKind> = signals.malformed.iter().map(|malformed| malformed.kind).collect();
    for kind in [
        InputKind::Heartbeat,
        InputKind::SseSample,
        InputKind::QueueAnalytics,
        InputKind::QueueDepth,
        InputKind::SeriesMember,
        InputKind::HourlyRequests,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} is not in {kinds:?}");
    }
    assert!(!format!("{:?}", signals.malformed).contains("secret"));
    assert!(signals.unreadable.contains(&Unreadable::HourlyRequests), "a part is not the whole");
    assert_eq!((signals.process_keys_found, signals.heartbeats.len()), (2, 1));
}

#[tokio::test]
async fn a_circuit_whose_text_is_malformed_is_unreadable_unless_its_state_is_known() {
    let server = RedisServer::start();
    let key = |circuit: Circuit, part: &str| format!("{P}:circuit_breaker:{}:{part}", circuit.as_str());
    run(
        &server,
        &[
            // The statistics are valid, but lag behind a state that nobody can read.
            &["SET", &key(Circuit::Authentication, "state"), "ajar"],
            &["SET", &key(Circuit::Authentication, "stats"), &circuit_stats("authentication", "open")],
            // Neither a state nor valid statistics.
            &["SET", &key(Circuit::RateLimiter, "stats"), "{}"],
            // A valid state needs no statistics.
            &["SET", &key(Circuit::Backpressure, "state"), "half_open"],
            &["SET", &key(Circuit::Backpressure, "stats"), "{}"],
        ],
    );
    let facts = source(&server.url()).collect(NOW).await.unwrap();
    let malformed = [Circuit::Authentication, Circuit::RateLimiter].map(Unreadable::CircuitState);
    assert_eq!(facts.unreadable, malformed.into());
    assert!(facts.circuits[&Circuit::Authentication].stats.is_some());
    assert_eq!(facts.circuits[&Circuit::Backpressure].state, Some(CircuitState::HalfOpen));
}

fn circuit_stats(name: &str, state: &str) -> String {
    let stats = serde_json::json!({
        "name": name, "state": state, "failure_count": 1, "success_count": 0, "last_failure_time": NOW,
        "last_success_time": null, "total_requests": 1, "total_failures": 1, "opened_at": NOW,
        "last_state_change": NOW, "consecutive_failures": 1, "consecutive_successes": 0,
    });
    stats.to_string()
}

#[tokio::test]
async fn two_thousand_processes_take_three_round_trips_at_most() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    let mut pipeline = redis::pipe();
    for process in 0..2000 {
        for command in heartbeat(&format!("host:{}", process / 4), ["rest", "proc"][process % 2], process as i64, NOW) {
            pipeline.cmd(&command[0]).arg(&command[1..]).ignore();
        }
    }
    pipeline.query::<()>(&mut connection).unwrap();
    let mut source = source(&server.url());
    assert_eq!(source.collect(NOW).await.unwrap().heartbeats.len(), 2000);
    for tick in 1..4 {
        let now = NOW + f64::from(tick);
        let signals = source.collect(now).await.unwrap();
        source.record(now, &[(RollingSeries::QueueDepth, 1.0)], SaveState::Yes).await.unwrap();
        assert_eq!(signals.heartbeats.len(), 2000);
        assert!(source.cost().round_trips <= 3, "{:?}", source.cost());
    }
    beat(&server, "new", "rest", 7);
    assert_eq!(source.collect(NOW + 5.0).await.unwrap().heartbeats.len(), 2001);
    assert!(source.cost().round_trips <= 2, "{:?}", source.cost());
}

#[tokio::test]
async fn the_first_process_of_a_service_is_read_a_tick_later_at_most() {
    let server = RedisServer::start();
    beat(&server, "proc-1", "proc", 51);
    let mut source = source(&server.url());
    assert_eq!(source.collect(NOW).await.unwrap().heartbeats.len(), 1);
    beat(&server, "batch-1", "batch", 7);
    source.collect(NOW + 1.0).await.unwrap();
    assert_eq!(source.collect(NOW + 2.0).await.unwrap().heartbeats.len(), 2);
}

#[tokio::test]
async fn an_index_of_made_up_services_does_not_make_ticks_expensive() {
    let server = RedisServer::start();
    beat(&server, "proc-1", "proc", 51);
    let mut pipeline = redis::pipe();
    for service in 0..2000 {
        let member = format!("{P}:heartbeat:instance:i:odd:{service}");
        pipeline.cmd("ZADD").arg(format!("{P}:heartbeat:instance:index")).arg(NOW).arg(member).ignore();
    }
    pipeline.query::<()>(&mut server.connection()).unwrap();
    let mut source = source(&server.url());
    source.collect(NOW).await.unwrap();
    assert_eq!(source.collect(NOW + 5.0).await.unwrap().heartbeats.len(), 1);
    assert!(source.cost().commands < 300, "{:?}", source.cost());
}

#[tokio::test]
async fn a_process_that_stopped_recently_is_departed() {
    let server = RedisServer::start();
    beat(&server, "a:b", "proc", 5);
    let mut source = source(&server.url());
    source.collect(NOW).await.unwrap();
    run(&server, &[&["DEL", &format!("{P}:heartbeat:process:a:b:chat:proc:5")]]);
    let signals = source.collect(NOW + 5.0).await.unwrap();
    assert_eq!((signals.heartbeats.len(), signals.process_keys_found), (0, 0));
    assert_eq!((&*signals.departed[0].instance_id, signals.departed[0].process_id), ("a:b", Some(5)));
    assert!(source.collect(NOW + 200.0).await.unwrap().departed.is_empty());
}

#[tokio::test]
async fn processes_are_found_without_indexes_among_unrelated_keys() {
    let server = RedisServer::start();
    beat(&server, "ingress-1", "rest", 41);
    run(
        &server,
        &[
            &["DEL", &format!("{P}:system:capacity:process-index:chat:rest"), &format!("{P}:heartbeat:instance:index")],
            &["SET", &format!("{P}:chat:sse:connections:ingress-1:41"), "{\"count\": 3}"],
        ],
    );
    let mut pipeline = redis::pipe();
    for key in 0..20_000 {
        pipeline.cmd("SET").arg(format!("other:{key}")).arg(1).ignore();
    }
    pipeline.query::<()>(&mut server.connection()).unwrap();
    let mut source = source(&server.url());
    let signals = source.collect(NOW).await.unwrap();
    assert_eq!((signals.heartbeats.len(), signals.sse[0].count), (1, 3));
    assert_eq!(source.collect(NOW + 5.0).await.unwrap().heartbeats.len(), 1);
    assert!(source.cost().round_trips <= 2);
}

#[tokio::test]
async fn a_process_that_no_index_names_is_found_in_the_first_tick() {
    let server = RedisServer::start();
    beat(&server, "ingress-1", "rest", 41);
    beat(&server, "proc-1", "proc", 51);
    run(&server, &[&["DEL", &format!("{P}:system:capacity:process-index:chat:rest")]]);
    run(&server, &[&["SET", &format!("{P}:chat:sse:connections:ingress-1:41"), "{\"count\": 3}"]]);
    let signals = source(&server.url()).collect(NOW).await.unwrap();
    assert_eq!((signals.heartbeats.len(), signals.process_keys_found, signals.sse.len()), (2, 2, 1));
}

#[tokio::test]
async fn a_heartbeat_key_of_another_type_is_not_departed() {
    let server = RedisServer::start();
    let key = format!("{P}:heartbeat:process:odd:chat:proc:1");
    run(&server, &[&["RPUSH", &key, "x"]]);
    run(&server, &[&["ZADD", &format!("{P}:system:capacity:process-index:chat:proc"), &NOW.to_string(), &key]]);
    let mut source = source(&server.url());
    for tick in 0..3 {
        let signals = source.collect(NOW + f64::from(tick)).await.unwrap();
        assert_eq!((signals.departed.len(), signals.process_keys_found, signals.malformed.len()), (0, 1, 1));
        assert!(signals.malformed[0].problem.starts_with("WRONGTYPE"), "{:?}", signals.malformed);
    }
}

#[tokio::test]
async fn a_workers_sample_is_read_until_the_index_drops_the_worker() {
    let server = RedisServer::start();
    beat(&server, "ingress-1", "rest", 41);
    run(&server, &[&["SET", &format!("{P}:chat:sse:connections:ingress-1:41"), "{\"count\": 3}"]]);
    let mut known = source(&server.url());
    assert_eq!(known.collect(NOW).await.unwrap().sse.len(), 1);
    run(&server, &[&["DEL", &format!("{P}:heartbeat:process:ingress-1:chat:rest:41")]]);
    for source in [&mut known, &mut source(&server.url())] {
        let signals = source.collect(NOW + 40.0).await.unwrap();
        assert_eq!((signals.departed.len(), signals.sse.len()), (1, 1));
        let signals = source.collect(NOW + 100.0).await.unwrap();
        assert_eq!((signals.departed.len(), signals.sse.len()), (0, 0));
    }
}

#[tokio::test]
async fn after_a_hang_an_outage_and_a_restart_the_source_recovers() {
    let mut server = RedisServer::start();
    let mut source = source(&server.url());
    source.collect(NOW).await.unwrap();
    server.hang(true);
    let began = Instant::now();
    let error = source.collect(NOW + 1.0).await.unwrap_err().to_string();
    assert!(error.contains("no answer within") && began.elapsed() < Duration::from_secs(8), "{error}");
    server.hang(false);
    recovers(&mut source, NOW + 2.0).await;
    server.stop();
    let error = source.collect(NOW + 3.0).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1") && error.contains("REDIS_URL"), "{error}");
    server.restart();
    beat(&server, "proc-1", "proc", 51);
    assert_eq!(recovers(&mut source, NOW + 4.0).await.heartbeats.len(), 1);
}

async fn recovers(source: &mut RedisSource, now: f64) -> Facts {
    for _ in 0..100 {
        match source.collect(now).await {
            Ok(signals) => return signals,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("the source did not recover");
}

#[tokio::test]
async fn recorded_points_have_the_platforms_form_and_are_kept_an_hour() {
    let server = RedisServer::start();
    let key = format!("{P}:metrics:queue_depth:proc");
    run(&server, &[&["ZADD", &key, &(NOW - 3599.9).to_string(), "keep:1.0", &(NOW - 3600.0).to_string(), "drop:1.0"]]);
    let mut source = source(&server.url());
    source.record(NOW, &[(RollingSeries::QueueDepth, 3.0)], SaveState::No).await.unwrap();
    let mut connection = server.connection();
    let members: Vec<String> = redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query(&mut connection).unwrap();
    assert_eq!(members, ["keep:1.0", "1767225600.5:3.0"]);
    let life: i64 = redis::cmd("TTL").arg(&key).query(&mut connection).unwrap();
    assert!((3600..=3660).contains(&life));
}

#[tokio::test]
async fn permissions_for_older_platforms_and_restarts_are_optional() {
    let server = RedisServer::start();
    let user = ["ACL", "SETUSER", "metrics", "on", ">pw", "~*", "&*", "+@all", "-scan", "-hset", "-hdel"];
    run(&server, &[&user]);
    beat(&server, "ingress-1", "rest", 41);
    run(&server, &[&["SET", &format!("{P}:chat:sse:connections:ingress-1:41"), "{\"count\": 3}"]]);
    let mut source = source(&format!("redis://metrics:pw@127.0.0.1:{}/0", server.port()));
    for tick in 0..3 {
        let now = NOW + f64::from(tick);
        assert_eq!(source.collect(now).await.unwrap().heartbeats.len(), 1);
        source.record(now, &[(RollingSeries::SseConnections, 3.0)], SaveState::Yes).await.unwrap();
    }
    let points: i64 = redis::cmd("ZCARD")
        .arg(format!("{P}:metrics:sse_connections:ingress"))
        .query(&mut server.connection())
        .unwrap();
    assert_eq!(points, 3);
}

#[tokio::test]
async fn a_unix_socket_works() {
    let server = RedisServer::start();
    beat(&server, "proc-1", "proc", 51);
    let url = format!("unix://{}", server.socket().display());
    assert_eq!(source(&url).collect(NOW).await.unwrap().heartbeats.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn published_configurations_arrive_even_after_an_outage() {
    let mut server = RedisServer::start();
    let (sender, mut received) = tokio::sync::mpsc::channel(4);
    let task = tokio::spawn(watch_gateway_updates(config(&server.url()), scope(), sender));
    let channel = format!("{P}:config:gateway:update");
    for round in ["one", "two"] {
        eventually("a subscriber", Duration::from_secs(15), || {
            redis::cmd("PUBLISH").arg(&channel).arg(round).query::<i64>(&mut server.connection()).unwrap() == 1
        });
        assert_eq!(received.recv().await.as_deref(), Some(round.as_bytes()));
        server.restart();
    }
    task.abort();
}
