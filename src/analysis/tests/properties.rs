//! Whatever the facts: no panic, no NaN, no negative count.

use proptest::prelude::*;

use super::{NOW, beat, departed, once, payload, queues};
use crate::catalog::{self, Unit};
use crate::payload::shapes::SystemPayload;
use crate::platform::facts::{
    Facts, HealthWord, Heartbeat, LatencySeries, PerRole, Point, PoolUse, Pools, QueueDepth, SseSample, WorkerId,
};

fn any_beat() -> impl Strategy<Value = Heartbeat> {
    let word = prop::sample::select(vec![HealthWord::Healthy, HealthWord::Unhealthy, HealthWord::Null]);
    let names = prop::sample::select(vec!["rest", "proc", "other"]);
    let pool = prop::option::of((any::<f64>(), any::<f64>(), any::<f64>()));
    (0..4_i64, names, -1e3..1e3_f64, word, any::<i64>(), any::<i64>(), pool).prop_map(
        |(pid, name, age, word, load, capacity, pool)| {
            let postgres = pool.map(|(max, size, in_use)| PoolUse {
                max: Some(max),
                size: Some(size),
                available: None,
                in_use: Some(in_use),
            });
            let pools = Pools { postgres, ..Pools::default() };
            Heartbeat { load, capacity, pools: pools.into(), ..beat(&format!("i{}", pid % 2), name, pid, age, word) }
        },
    )
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let tasks = (any::<i64>(), any::<i64>(), any::<i64>());
    let points = prop::collection::vec((-4e3..1e3_f64, -1e300..1e300_f64), 0..6);
    let beats = prop::collection::vec(any_beat(), 0..8);
    let ages = prop::collection::vec(-1e9..1e9_f64, 0..3);
    let sse = prop::collection::vec((0..4_i64, 0..i64::MAX, 0..i64::MAX, prop::option::of(-1e3..1e3_f64)), 0..3);
    (beats, ages, tasks, points, sse).prop_map(|(heartbeats, ages, (ready, inflight, continuations), points, sse)| {
        let points: Vec<Point> = points.into_iter().map(|(age, value)| Point { at: NOW - age, value }).collect();
        let depth = Some(QueueDepth { ready, inflight, continuations });
        let sample = |(process_id, count, max, age): (i64, i64, i64, Option<f64>)| SseSample {
            worker: WorkerId { instance_id: format!("i{}", process_id % 2).into(), process_id },
            count,
            sessions: count,
            max,
            at: age.map(|age| NOW - age),
        };
        Facts {
            heartbeats,
            departed: ages.iter().map(|age| departed("gone", *age)).collect(),
            queues: PerRole { anonymous: depth, external: depth, ..queues(1) },
            latency: LatencySeries::ALL.map(|series| (series, points.clone())).into(),
            sse: sse.into_iter().map(sample).collect(),
            ..Facts::default()
        }
    })
}

proptest! {
    #[test]
    fn nothing_panics_and_everything_shown_is_a_number(facts in any_facts()) {
        let shown = payload(&facts);
        // A NaN would be written as null and could not be read back as a number.
        let text = serde_json::to_string(&shown).unwrap();
        prop_assert_eq!(serde_json::from_str::<SystemPayload>(&text).unwrap(), shown);
    }

    #[test]
    fn every_sample_is_finite_and_no_count_is_negative(facts in any_facts()) {
        for sample in catalog::samples(&once(&facts)) {
            prop_assert!(sample.value.is_finite(), "{sample:?}");
            let counts = sample.metric.unit == Unit::Count && !sample.metric.key.ends_with("_window");
            prop_assert!(!counts || sample.value >= 0.0, "{sample:?}");
        }
    }
}
