//! Series in a real Redis: each entry is returned once, however many there are and however late they come.

use std::collections::HashMap;

use kdcube_metrics::platform::facts::{Facts, InputKind, LatencySeries, Point, RollingSeries, SeriesId};
use kdcube_metrics::sources::redis::RedisSource;
use kdcube_metrics::sources::{SaveState, Source};

use crate::redis_source::{NOW, P, config, run, scope, source};
use crate::support::RedisServer;

const EXEC: LatencySeries = LatencySeries::TaskExec;

fn exec_key() -> String {
    format!("{P}:metrics:task_exec_ms:proc")
}

fn values(signals: &Facts) -> Vec<f64> {
    signals.latency.get(&EXEC).into_iter().flatten().map(|point| point.value).collect()
}

/// Adds entries at these times, each with a different value.
fn add_all(server: &RedisServer, key: &str, times: impl Iterator<Item = f64>) {
    let times: Vec<f64> = times.collect();
    for (batch, times) in times.chunks(5_000).enumerate() {
        let mut zadd = redis::cmd("ZADD");
        zadd.arg(key);
        for (index, at) in times.iter().enumerate() {
            zadd.arg(at).arg(format!("{at}:{batch}{index:05}.5"));
        }
        zadd.query::<i64>(&mut server.connection()).unwrap();
    }
}

/// Ticks until no entries come any more; counts how often each value was returned.
async fn returned(source: &mut RedisSource, from: f64) -> HashMap<u64, usize> {
    let mut seen = HashMap::new();
    let mut now = from;
    loop {
        let values = values(&source.collect(now).await.unwrap());
        if values.is_empty() {
            return seen;
        }
        values.iter().for_each(|value| *seen.entry(value.to_bits()).or_default() += 1);
        now += 0.001;
    }
}

#[tokio::test]
async fn each_entry_is_returned_once_even_if_it_is_late() {
    let server = RedisServer::start();
    let key = exec_key();
    let add = |at: f64, value: f64| run(&server, &[&["ZADD", &key, &at.to_string(), &format!("{at}:{value}")]]);
    add(NOW - 4000.0, 1.0);
    add(NOW - 3600.0, 2.0);
    add(NOW - 10.0, 3.0);
    let mut source = source(&server.url());
    assert_eq!(values(&source.collect(NOW).await.unwrap()), [2.0, 3.0]);
    add(NOW + 1.0, 4.0);
    add(NOW - 11.0, 5.0);
    add(NOW - 200.0, 6.0);
    add(NOW + 6.5, 7.0);
    add(NOW + 100.0, 9.0);
    assert_eq!(values(&source.collect(NOW + 5.0).await.unwrap()), [5.0, 4.0, 7.0]);
    add(NOW + 6.0, 8.0);
    // One that came before the overlap is noticed by a count, which every second tick makes.
    assert_eq!(values(&source.collect(NOW + 10.0).await.unwrap()), [8.0]);
    assert_eq!(values(&source.collect(NOW + 12.0).await.unwrap()), [6.0]);
    assert!(values(&source.collect(NOW + 15.0).await.unwrap()).is_empty());
    // What lies ahead waits for its time.
    assert_eq!(values(&source.collect(NOW + 250.0).await.unwrap()), [9.0]);
}

#[tokio::test]
async fn samples_ahead_wait_are_counted_and_hide_nothing() {
    let server = RedisServer::start();
    add_all(&server, &exec_key(), (0..200_000).map(|index| NOW + 10.0 + f64::from(index) * 1e-3));
    add_all(&server, &exec_key(), std::iter::once(NOW - 1.0));
    let mut source = source(&server.url());
    let mut ahead = Vec::new();
    for tick in 0..4 {
        let now = NOW + f64::from(tick);
        add_all(&server, &exec_key(), std::iter::once(now - 0.5));
        let facts = source.collect(now).await.unwrap();
        assert_eq!(values(&facts).len(), if tick == 0 { 2 } else { 1 }, "those of now, each once");
        ahead.push(facts.series[&SeriesId::Latency(EXEC)].ahead);
    }
    assert_eq!(ahead, [200_000; 4]);
    let facts = source.collect(NOW + 50.0).await.unwrap();
    let left = 200_000 - values(&facts).len() as u64;
    assert!((155_000..161_000).contains(&left) && facts.series[&SeriesId::Latency(EXEC)].ahead == left, "{left}");
}

#[tokio::test]
async fn a_burst_is_read_within_the_tick() {
    let server = RedisServer::start();
    add_all(&server, &exec_key(), std::iter::once(NOW - 1.0));
    let mut source = source(&server.url());
    source.collect(NOW).await.unwrap();
    add_all(&server, &exec_key(), (0..120_000).map(|index| NOW + f64::from(index) * 3e-5));
    let facts = source.collect(NOW + 5.0).await.unwrap();
    assert_eq!(values(&facts).len(), 120_000);
    assert_eq!(facts.series[&SeriesId::Latency(EXEC)].lag_seconds, Some(0.0));
    source.collect(NOW + 6.0).await.unwrap();
    assert!(source.cost().round_trips <= 2, "none more without a burst");
}

#[tokio::test]
async fn what_redis_no_longer_holds_starts_over() {
    let server = RedisServer::start();
    let events = format!("{P}:throttling:events");
    let add = || {
        add_all(&server, &exec_key(), (0..3_000).map(|index| NOW - 3000.0 + f64::from(index)));
        add_all(&server, &events, (0..100).map(|index| NOW - 3000.0 + f64::from(index)));
    };
    add();
    let mut source = source(&server.url());
    let mut tick = NOW;
    let mut counts = async || {
        tick += 1.0;
        let facts = source.collect(tick).await.unwrap();
        let restarted = [SeriesId::Latency(EXEC), SeriesId::Throttling].map(|series| facts.series[&series].restarted);
        (values(&facts).len(), facts.throttling_events.len(), restarted)
    };
    assert_eq!(counts().await, (3_000, 100, [false; 2]));
    assert_eq!(counts().await, (0, 0, [false; 2]));
    run(&server, &[&["FLUSHALL"]]);
    add_all(&server, &exec_key(), std::iter::once(NOW + 1.5));
    assert_eq!(counts().await, (1, 0, [true; 2]), "what came after it is read at once");
    assert_eq!(counts().await, (0, 0, [false; 2]));
    // The series filled again, of which a part is then removed.
    add();
    let mut returned = 0;
    for _ in 0..3 {
        returned += counts().await.0;
    }
    assert!(returned < 3_000, "beyond the horizon they are late");
    run(&server, &[&["DEL", &events]]);
    assert_eq!(counts().await.2, [false, true]);
}

#[tokio::test]
async fn members_removed_from_the_middle_make_the_rest_come_again() {
    let server = RedisServer::start();
    add_all(&server, &exec_key(), (0..3_000).map(|index| NOW - 3000.0 + f64::from(index)));
    let mut source = source(&server.url());
    source.collect(NOW).await.unwrap();
    // Trimming by the writers is nothing new.
    run(&server, &[&["ZREMRANGEBYSCORE", &exec_key(), "-inf", &(NOW - 2950.0).to_string()]]);
    assert!(!source.collect(NOW + 400.0).await.unwrap().series[&SeriesId::Latency(EXEC)].restarted);
    run(&server, &[&["ZREMRANGEBYSCORE", &exec_key(), &(NOW - 2000.0).to_string(), &(NOW - 1900.5).to_string()]]);
    let facts = source.collect(NOW + 401.0).await.unwrap();
    assert!(facts.series[&SeriesId::Latency(EXEC)].restarted);
    assert_eq!(values(&facts).len(), 2_849, "from 2949 s before on, without 100 of them");
}

#[tokio::test]
async fn samples_that_come_more_than_300_s_late_are_counted_once() {
    let server = RedisServer::start();
    add_all(&server, &exec_key(), std::iter::once(NOW - 1.0));
    let mut source = source(&server.url());
    let mut late = async |second: f64| {
        let facts = source.collect(NOW + second).await.unwrap();
        (facts.series[&SeriesId::Latency(EXEC)].late, values(&facts).len())
    };
    assert_eq!(late(0.0).await, (0, 1));
    add_all(&server, &exec_key(), [NOW - 400.0, NOW - 2000.0, NOW - 200.0].into_iter());
    assert_eq!(late(1.0).await, (0, 0), "every second tick counts");
    assert_eq!(late(2.0).await, (0, 0), "noticed");
    assert_eq!(late(3.0).await, (2, 1), "one can still be read");
    for second in 4..7 {
        assert_eq!(late(f64::from(second)).await, (0, 0));
    }
    add_all(&server, &exec_key(), std::iter::once(NOW - 500.0));
    let mut counts = Vec::new();
    for second in 7..10 {
        counts.push(late(f64::from(second)).await);
    }
    counts.sort_unstable();
    assert_eq!(counts, [(0, 0), (0, 0), (1, 0)]);
    // The late ones expire one by one: that is not a series that was emptied.
    for second in [1700.0, 2900.0, 3300.0] {
        add_all(&server, &exec_key(), std::iter::once(NOW + second - 1.0));
        assert_eq!(late(second).await, (0, 1), "{second}");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_counts_nothing_twice() {
    let server = RedisServer::start();
    add_all(&server, &exec_key(), (0..1_000).map(|index| NOW - 1000.0 + f64::from(index)));
    let mut source = source(&server.url());
    assert_eq!(values(&source.collect(NOW).await.unwrap()).len(), 1_000);
    for now in [NOW + 1.0, NOW - 600.0, NOW - 595.0, NOW + 2.0] {
        assert!(values(&source.collect(now).await.unwrap()).is_empty(), "{now}");
    }
    add_all(&server, &exec_key(), std::iter::once(NOW + 3.5));
    assert_eq!(values(&source.collect(NOW + 4.0).await.unwrap()).len(), 1);
}

#[tokio::test]
async fn members_of_one_time_and_value_are_two_if_they_differ() {
    let server = RedisServer::start();
    let at = NOW.to_string();
    run(&server, &[&["ZADD", &exec_key(), &at, "a:5.0", &at, "b:5.0", &at, "c:d:5.0"]]);
    let signals = source(&server.url()).collect(NOW).await.unwrap();
    assert_eq!((values(&signals), signals.malformed.len()), (vec![5.0, 5.0], 1));
}

#[tokio::test]
async fn an_hour_is_loaded_in_pages() {
    let server = RedisServer::start();
    add_all(&server, &exec_key(), (0..23_456).map(|index| NOW - 3500.0 + f64::from(index) * 0.1));
    let values = values(&source(&server.url()).collect(NOW).await.unwrap());
    assert_eq!(values.len(), 23_456);
}

#[tokio::test]
async fn many_entries_of_one_score_are_all_read() {
    let server = RedisServer::start();
    // More of one time than a reading takes, and more within the overlap.
    add_all(&server, &exec_key(), (0..50_000).map(|_| NOW - 20.0));
    add_all(&server, &exec_key(), (0..45_000).map(|index| NOW - 1.0 + f64::from(index) * 1e-5));
    let mut source = source(&server.url());
    let seen = returned(&mut source, NOW).await;
    assert!(seen.values().all(|times| *times <= 2), "the two crowds share their values");
    assert_eq!(seen.values().sum::<usize>(), 95_000);
    add_all(&server, &exec_key(), (0..30_000).map(|index| NOW + 4.0 + f64::from(index) * 1e-5));
    let seen = returned(&mut source, NOW + 5.0).await;
    assert_eq!((seen.len(), seen.values().sum::<usize>()), (30_000, 30_000));
    add_all(&server, &exec_key(), std::iter::once(NOW + 4.0));
    add_all(&server, &exec_key(), std::iter::once(NOW + 6.5));
    assert_eq!(values(&source.collect(NOW + 7.0).await.unwrap()).len(), 1);
    assert!(source.cost().round_trips <= 2);
}

#[tokio::test]
async fn no_more_is_returned_than_history_holds_and_the_rest_is_counted() {
    let server = RedisServer::start();
    add_all(&server, &exec_key(), (0..3_000).map(|index| NOW - 3000.0 + f64::from(index)));
    add_all(&server, &format!("{P}:throttling:events"), (0..3_000).map(|index| NOW - 3000.0 + f64::from(index)));
    let mut source = RedisSource::new(config(&server.url()), &scope(), 1_200);
    let signals = source.collect(NOW).await.unwrap();
    let first = |points: &[Point]| points.first().map(|point| point.at);
    assert_eq!((values(&signals).len(), first(&signals.latency[&EXEC])), (1_200, Some(NOW - 1200.0)));
    assert_eq!((signals.throttling_events.len(), signals.dropped_before_load), (1_200, 3_600));
    // None of the events is JSON: some are listed, all are counted.
    let unlisted = signals.malformed_unlisted[&InputKind::ThrottlingEvent];
    assert_eq!((signals.malformed.len(), unlisted), (1_000, 2_000));
}

#[tokio::test]
async fn only_the_newest_events_keep_their_shown_part() {
    let server = RedisServer::start();
    let event = |number: i32| {
        format!(
            r#"{{"timestamp": {number}, "event_id": "e", "reason": "burst_rate_limit", "http_status": 429, "session_id": "s", "user_type": "paid", "fingerprint": "f", "endpoint": "/", "retry_after": 1}}"#
        )
    };
    let mut zadd = redis::cmd("ZADD");
    zadd.arg(format!("{P}:throttling:events"));
    for number in 0..1_500 {
        zadd.arg(NOW - 2000.0 + f64::from(number)).arg(event(number));
    }
    zadd.query::<i64>(&mut server.connection()).unwrap();
    let signals = source(&server.url()).collect(NOW).await.unwrap();
    let shown = |index: usize| signals.throttling_events[index].detail.as_ref().unwrap().shown.is_some();
    assert_eq!((shown(0), shown(1_299), shown(1_300), shown(1_499)), (false, false, true, true));
}

#[tokio::test]
async fn points_that_were_written_and_are_gone_start_over_and_refused_ones_do_not() {
    let server = RedisServer::start();
    run(&server, &[&["ACL", "SETUSER", "reader", "on", "nopass", "%R~*", "&*", "+@all"]]);
    let series = RollingSeries::QueueDepth;
    for (user, expected) in [("default", true), ("reader", false)] {
        let mut source = source(&server.url().replace("redis://", &format!("redis://{user}:x@")));
        for second in 0..5 {
            let now = NOW + f64::from(second);
            let facts = source.collect(now).await.unwrap();
            assert!(!facts.series.contains_key(&SeriesId::Rolling(series)), "{user}");
            assert_eq!(source.record(now, &[(series, 3.0)], SaveState::No).await.is_ok(), expected);
        }
        run(&server, &[&["FLUSHALL"]]);
        let facts = source.collect(NOW + 5.0).await.unwrap();
        assert_eq!(
            facts.series.get(&SeriesId::Rolling(series)).is_some_and(|facts| facts.restarted),
            expected,
            "{user}"
        );
    }
}

#[tokio::test]
async fn only_points_of_other_servers_are_returned() {
    let server = RedisServer::start();
    let mut source = source(&server.url());
    source.collect(NOW).await.unwrap();
    source.record(NOW, &[(RollingSeries::QueueDepth, 3.0)], SaveState::Yes).await.unwrap();
    let at = (NOW - 0.5).to_string();
    run(&server, &[&["ZADD", &format!("{P}:metrics:queue_depth:proc"), &at, &format!("{at}:3.0")]]);
    let signals = source.collect(NOW + 5.0).await.unwrap();
    assert_eq!(signals.rolling[&RollingSeries::QueueDepth], [Point { at: NOW - 0.5, value: 3.0 }]);
    assert!(source.collect(NOW + 10.0).await.unwrap().rolling.is_empty());
}
