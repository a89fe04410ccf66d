//! The Redis contract, byte for byte: what the simulated workers write, and which commands the server sends.

use std::collections::BTreeSet;

use kdcube_metrics::platform::facts::{
    Circuit, CircuitFacts, CircuitState, Departed, Facts, HealthWord, Heartbeat, LatencySeries, PerRole, Point,
    PoolUse, Pools, QueueAnalytics, QueueDepth, RollingSeries, SseSample, ThrottlingDetail, ThrottlingEvent, WorkerId,
};
use kdcube_metrics::platform::keys::Keys;
use kdcube_metrics::simulator::writer;
use kdcube_metrics::sources::{SaveState, Source};
use serde_json::json;

use crate::redis_source::{NOW, P, beat, run, scope, source};
use crate::support::RedisServer;

fn heartbeat() -> Heartbeat {
    let pool = |max: f64| Some(PoolUse { max: Some(max), size: Some(4.0), available: Some(3.0), in_use: Some(1.0) });
    Heartbeat {
        instance_id: "ingress-1".into(),
        service_type: "chat".into(),
        service_name: "rest".into(),
        process_id: Some(41),
        port: Some(8010),
        load: 3,
        capacity: 10,
        last_heartbeat: NOW - 10.376_544,
        health: HealthWord::Healthy,
        draining: false,
        processor: None,
        pools: Pools { postgres: pool(8.0), redis_async: pool(2_147_483_648.0), ..Pools::default() }.into(),
    }
}

fn signals() -> Facts {
    let depth = |ready| Some(QueueDepth { ready, inflight: 1, continuations: 7 });
    let worker = WorkerId { instance_id: "ingress-1".into(), process_id: 41 };
    let shown =
        json!({"timestamp": NOW - 20.0, "event_id": "6f1c", "reason": "hourly_rate_limit", "queue_stats": null});
    let detail = ThrottlingDetail { reason: None, http_status: None, session_id: None, shown: Some(shown) };
    let analytics = QueueAnalytics { avg_wait_seconds: 1.25, throughput_last_hour: 42 };
    Facts {
        heartbeats: vec![heartbeat()],
        departed: vec![Departed {
            instance_id: "proc-1".into(),
            service_type: "chat".into(),
            service_name: "proc".into(),
            process_id: Some(51),
            last_seen: NOW - 31.0,
        }],
        sse: vec![SseSample { worker, count: 12, sessions: 9, max: 200, at: Some(NOW - 10.38) }],
        queues: PerRole { paid: depth(2), ..PerRole::default() },
        analytics: PerRole { paid: Some(analytics), ..PerRole::default() },
        latency: [(LatencySeries::IngressRest, vec![Point { at: NOW - 10.376_544, value: 1532.0 }])].into(),
        throttling_events: vec![ThrottlingEvent { at: NOW - 20.0, detail: Some(detail) }],
        hourly_requests: [("2026-01-01_00".to_owned(), 3)].into(),
        circuits: [(
            Circuit::Backpressure,
            CircuitFacts { state: Some(CircuitState::Open), ..CircuitFacts::default() },
        )]
        .into(),
        ..Facts::default()
    }
}

#[test]
fn the_simulated_workers_write_what_the_platforms_workers_do() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    writer::commands(&Keys::new(&scope()), &signals(), NOW).query::<()>(&mut connection).unwrap();
    let mut text = |key: &str| redis::cmd("GET").arg(format!("{P}:{key}")).query::<String>(&mut connection).unwrap();
    assert_eq!(
        text("heartbeat:process:ingress-1:chat:rest:41"),
        r#"{"instance_id": "ingress-1", "service_type": "chat", "service_name": "rest", "process_id": 41, "port": 8010, "current_load": 3, "max_capacity": 10, "last_heartbeat": 1767225590.123456, "health_status": "ServiceHealth.HEALTHY", "metadata": {"pools": {"postgres": {"min_size": 0, "max_size": 8, "size": 4, "available": 3, "in_use": 1}, "redis": {"async": {"max_connections": 2147483648, "in_use": 1, "available": 3, "total": 4}, "async_decode": null, "sync": null}}}}"#
    );
    assert_eq!(
        text("chat:sse:connections:ingress-1:41"),
        r#"{"count": 12, "sessions": 9, "max": 200, "ts": 1767225590.12, "instance_id": "ingress-1", "process_id": 41}"#
    );
    assert_eq!(
        text("chat:prompt:queue:analytics:paid"),
        r#"{"avg_wait_time": 1.25, "processed_today": 42, "peak_size_today": 0, "last_updated": 1767225600.5, "throughput_last_hour": 42, "total_processed": 42}"#
    );
    assert_eq!(
        (text("chat:conversation:mailbox:count:paid"), text("circuit_breaker:backpressure:state")),
        ("7".into(), "open".into())
    );

    let members = |key: &str| {
        let zrange = redis::cmd("ZRANGE").arg(format!("{P}:{key}")).arg(0).arg(-1).arg("WITHSCORES").clone();
        zrange.query::<Vec<(String, f64)>>(&mut server.connection()).unwrap()
    };
    assert_eq!(
        members("metrics:ingress_rest_ms:ingress"),
        [("1767225590.123456:1532.0".to_owned(), 1_767_225_590.123_456)]
    );
    assert_eq!(
        members("throttling:events"),
        [(
            r#"{"timestamp": 1767225580.5, "event_id": "6f1c", "reason": "hourly_rate_limit", "queue_stats": null}"#
                .to_owned(),
            1_767_225_580.5
        )]
    );
    let process = |name: &str| format!("{P}:heartbeat:process:{name}");
    assert_eq!(
        members("system:capacity:process-index:chat:rest"),
        [(process("ingress-1:chat:rest:41"), 1_767_225_590.123_456)]
    );
    assert_eq!(members("system:capacity:process-index:chat:proc"), [(process("proc-1:chat:proc:51"), NOW - 31.0)]);
    assert_eq!(members("heartbeat:instance:index").len(), 2);

    for (key, life) in [
        ("heartbeat:process:ingress-1:chat:rest:41", 30),
        ("system:capacity:process-index:chat:rest", 75),
        ("heartbeat:instance:ingress-1:chat:rest", 30),
        ("chat:sse:connections:ingress-1:41", 60),
        ("chat:prompt:queue:analytics:paid", 86_400),
        ("metrics:ingress_rest_ms:ingress", 3_660),
        ("throttling:requests:hourly", 172_800),
    ] {
        let left: i64 = redis::cmd("TTL").arg(format!("{P}:{key}")).query(&mut server.connection()).unwrap();
        assert!((life - 5..=life).contains(&left), "{key}: {left}");
    }
}

/// What the server logged as a command: its words, the first 30 or so.
fn logged(server: &RedisServer) -> Vec<Vec<String>> {
    let entries: Vec<redis::Value> = redis::cmd("SLOWLOG").arg("GET").arg(-1).query(&mut server.connection()).unwrap();
    let words = |entry: redis::Value| match entry {
        redis::Value::Array(parts) => redis::from_redis_value(parts[3].clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    entries.into_iter().map(words).collect()
}

/// Every command of the server, and that of the log.
const COMMANDS: [&str; 20] = [
    "CLIENT",
    "EXISTS",
    "EXPIRE",
    "GETRANGE",
    "HGETALL",
    "HSET",
    "INFO",
    "LLEN",
    "LRANGE",
    "MGET",
    "SCAN",
    "SLOWLOG",
    "TIME",
    "XINFO",
    "ZADD",
    "ZCARD",
    "ZCOUNT",
    "ZRANGEBYSCORE",
    "ZREMRANGEBYSCORE",
    "ZREVRANGEBYSCORE",
];

#[tokio::test]
async fn the_server_reads_in_small_pieces_and_writes_only_its_own_keys() {
    let server = RedisServer::start_with(&["--slowlog-log-slower-than", "0", "--slowlog-max-len", "100000"]);
    for process in 0..700 {
        beat(&server, "ingress-1", "rest", process);
    }
    let mut zadd = redis::cmd("ZADD");
    zadd.arg(format!("{P}:metrics:task_exec_ms:proc"));
    for index in 0..30_000 {
        zadd.arg(NOW - 3000.0 + f64::from(index) * 0.09).arg(index);
    }
    zadd.query::<i64>(&mut server.connection()).unwrap();
    run(&server, &[&["SET", &format!("{P}:chat:sse:connections:ingress-1:41"), "{\"count\": 3}"]]);
    run(&server, &[&["SLOWLOG", "RESET"]]);
    let mut source = source(&server.url());
    for tick in 0..3 {
        let now = NOW + f64::from(tick);
        source.collect(now).await.unwrap();
        source.record(now, &[(RollingSeries::QueueDepth, 1.0)], SaveState::Yes).await.unwrap();
    }
    let own = format!("{P}:metrics:");
    let mut used = BTreeSet::new();
    for words in logged(&server) {
        let number =
            |name: &str| words.iter().position(|word| word == name).map(|at| words[at + 1].parse::<usize>().unwrap());
        match words[0].as_str() {
            "SCAN" => assert!(number("COUNT").unwrap() <= 500, "{words:?}"),
            "ZRANGEBYSCORE" => assert_eq!(words.last().unwrap(), "5000", "{words:?}"),
            // What does not fit in the log is summarised at its end.
            "MGET" => {
                let more = words
                    .last()
                    .unwrap()
                    .strip_prefix("... (")
                    .map_or(0, |rest| rest.split(' ').next().unwrap().parse().unwrap());
                assert!(words.len() + more <= 502, "{} and {more}", words.len());
            }
            "ZADD" | "ZREMRANGEBYSCORE" | "EXPIRE" | "HSET" | "HDEL" => {
                assert!(words[1].starts_with(&own), "{words:?}")
            }
            _ => {}
        }
        used.insert(words[0].clone());
    }
    assert_eq!(used.iter().map(String::as_str).collect::<Vec<_>>(), COMMANDS);
}
