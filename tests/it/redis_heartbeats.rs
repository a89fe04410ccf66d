//! Heartbeats of busy processors, which list their running tasks: read up to 1 MiB, whatever that takes, and never a part of the
//! fleet for the whole.

use std::time::{Duration, Instant};

use kdcube_metrics::platform::facts::{Component, Unreadable};
use kdcube_metrics::sources::Source;
use kdcube_metrics::sources::redis::RedisSource;
use kdcube_metrics::sources::redis::config::RedisConfig;

use crate::redis_source::{NOW, P, run, scope};
use crate::support::{GATEWAY, RedisServer, program};

/// A source with a time limit, which is generous for a machine under load.
fn source(server: &RedisServer, limit: u64) -> RedisSource {
    let config = RedisConfig::new(&server.url(), "kdcube-metrics:test".into(), Duration::from_secs(limit)).unwrap();
    RedisSource::new(config, &scope(), 1000)
}

/// Makes heartbeats of about this length inside Redis, each with a load of 160.
fn beat(server: &RedisServer, processes: usize, length: usize) {
    let task = r#"{"task_id": "task-[\\\"1\"", "activity_count": 7, "wall_age_sec": 30.5}"#;
    let script = r#"
        local tasks = string.rep(ARGV[1] .. ', ', math.floor(tonumber(ARGV[2]) / (#ARGV[1] + 2))) .. ARGV[1]
        for process = 1, tonumber(ARGV[3]) do
            local key = KEYS[1] .. 'heartbeat:process:proc-' .. process .. ':chat:proc:51'
            redis.call('SET', key, '{"instance_id": "proc-' .. process .. '", "service_type": "chat", "service_name": "proc", ' ..
                '"process_id": 51, "current_load": 160, "max_capacity": 200, "last_heartbeat": ' .. ARGV[4] ..
                ', "health_status": "ServiceHealth.HEALTHY", "metadata": {"processor": {"active_task_details": [' .. tasks ..
                '], "draining": false}, "pools": {"postgres": {"max_size": 8, "size": 4}}}}')
            redis.call('ZADD', KEYS[1] .. 'system:capacity:process-index:chat:proc', ARGV[4], key)
        end"#;
    let mut eval = redis::cmd("EVAL");
    eval.arg(script).arg(1).arg(format!("{P}:")).arg(task).arg(length).arg(processes).arg((NOW - 1.0).to_string());
    eval.query::<()>(&mut server.connection()).unwrap();
}

#[tokio::test]
async fn long_heartbeats_are_read_in_the_first_tick_and_in_every_later_one() {
    let server = RedisServer::start();
    beat(&server, 20, 400_000);
    let mut source = source(&server, 30);
    for tick in 0..4 {
        let facts = source.collect(NOW + f64::from(tick)).await.unwrap();
        assert_eq!((facts.heartbeats.len(), facts.process_keys_found, facts.malformed.len()), (20, 20, 0), "{tick}");
        for beat in &facts.heartbeats {
            assert_eq!((beat.load, beat.capacity, beat.draining), (160, 200, false));
            assert_eq!(beat.pools.postgres.as_ref().unwrap().size, Some(4.0));
        }
        assert!(source.cost().round_trips <= 8, "{:?}", source.cost());
    }
    // Short again, they are read beside all others.
    beat(&server, 20, 100);
    source.collect(NOW + 5.0).await.unwrap();
    assert_eq!(source.collect(NOW + 6.0).await.unwrap().heartbeats.len(), 20);
    assert_eq!(source.cost().round_trips, 1);
}

#[tokio::test]
async fn more_long_heartbeats_than_a_tick_can_read_bound_the_tick_and_make_no_smaller_fleet() {
    let server = RedisServer::start();
    beat(&server, 600, 1_000_000);
    let mut source = source(&server, 3);
    let began = Instant::now();
    let facts = source.collect(NOW).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!(facts.process_keys_found, 600);
    let (read, unread) = (facts.heartbeats.len(), facts.malformed.len());
    assert_eq!(read + unread, 600);
    assert_eq!(unread > 0, facts.unreadable.contains(&Unreadable::Heartbeat(Component::Proc)), "{unread}");
}

#[test]
fn a_heartbeat_beyond_the_limit_makes_capacity_absent_and_is_reported() {
    let server = RedisServer::start();
    beat(&server, 1, 1_200_000);
    run(&server, &[&["SET", &format!("{P}:circuit_breaker:authentication:state"), "closed"]]);
    let variables = [GATEWAY, ("REDIS_URL", &server.url()), ("METRICS_REQUEST_TIMEOUT_SEC", "5")];
    let snapshot = |format| program(&variables, &["snapshot", "--format", format]).output().unwrap();
    let output = snapshot("prometheus");
    let (text, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(log.contains("heartbeat_unreadable") && log.contains("is longer than 1048576 bytes"), "{log}");
    for absent in ["kdcube_capacity_tasks", "kdcube_proc_queue_pressure_ratio", "kdcube_load_tasks{component=\"proc\"}"]
    {
        assert!(!text.lines().any(|line| line.starts_with(absent)), "{absent}: {text}");
    }
}
