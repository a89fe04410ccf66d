//! The processes: their heartbeats, with load and pools, and their SSE streams.

use std::sync::Arc;

use fastrand::Rng;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::{
    Component, HealthWord, Heartbeat, PoolUse, Pools, ProcessorReport, SseSample, WorkerId, shared_name,
};

/// Interval of the workers' heartbeats; ages in the facts follow from it.
pub(super) const BEAT_SECONDS: f64 = 10.0;
/// SSE streams that an ingress worker accepts.
const SSE_LIMIT: i64 = 200;
/// Requests that an ingress process works on at once.
const INGRESS_SLOTS: i64 = 20;

/// An ingress process.
#[derive(Debug)]
struct Ingress {
    id: WorkerId,
    streams: i64,
    /// When the number of streams last changed: only then it is published.
    changed: UnixSeconds,
    load: i64,
}

/// All processes, one an instance.
#[derive(Debug)]
pub(super) struct SimulatedFleet {
    ingress: Vec<Ingress>,
    proc: u32,
    slots: i64,
    /// The last heartbeat of all.
    beat: UnixSeconds,
}

impl SimulatedFleet {
    pub(super) fn new(ingress: u32, proc: u32, slots: i64, now: UnixSeconds) -> Self {
        let worker = |number| Ingress {
            id: WorkerId { instance_id: format!("ingress-{number}").into(), process_id: 41 },
            streams: 20,
            changed: now,
            load: 0,
        };
        Self { ingress: (1..=ingress).map(worker).collect(), proc, slots, beat: now }
    }

    /// Streams follow demand slowly; loads follow it at once.
    pub(super) fn advance(&mut self, rng: &mut Rng, now: UnixSeconds, demand: f64) {
        if now - self.beat >= BEAT_SECONDS {
            self.beat = now;
        }
        for worker in &mut self.ingress {
            let wanted = round(demand * 50.0).min(SSE_LIMIT);
            let step = (wanted - worker.streams).signum() * rng.i64(0..=3) + rng.i64(-1..=1);
            let streams = (worker.streams + step).clamp(0, SSE_LIMIT);
            if streams != worker.streams {
                worker.changed = now;
            }
            worker.streams = streams;
            worker.load = round(demand * 4.0 * rng.f64()).min(INGRESS_SLOTS);
        }
    }

    /// The last heartbeats, in the order of [`crate::platform::facts::Facts`].
    pub(super) fn heartbeats(&self, workers: impl Iterator<Item = (i64, ProcessorReport)>) -> Vec<Heartbeat> {
        let ingress = self.ingress.iter().map(|worker| {
            let WorkerId { instance_id, process_id } = worker.id.clone();
            self.heartbeat(Component::Ingress, instance_id, process_id, worker.load, INGRESS_SLOTS)
        });
        let proc = (1..=self.proc).zip(workers).map(|(number, (load, report))| Heartbeat {
            processor: Some(report),
            ..self.heartbeat(Component::Proc, format!("proc-{number}").into(), 17, load, self.slots)
        });
        let mut heartbeats: Vec<Heartbeat> = ingress.chain(proc).collect();
        heartbeats.sort_by(|a, b| (&a.instance_id, a.process_id).cmp(&(&b.instance_id, b.process_id)));
        heartbeats
    }

    fn heartbeat(&self, component: Component, instance_id: Arc<str>, pid: i64, load: i64, capacity: i64) -> Heartbeat {
        Heartbeat {
            instance_id,
            service_type: shared_name("chat"),
            service_name: shared_name(component.service_name()),
            process_id: Some(pid),
            port: (component == Component::Ingress).then_some(8010),
            load,
            capacity,
            last_heartbeat: self.beat,
            health: health(load, capacity),
            draining: false,
            processor: None,
            pools: pools(load).into(),
        }
    }

    pub(super) fn samples(&self) -> Vec<SseSample> {
        let sample = |worker: &Ingress| SseSample {
            worker: worker.id.clone(),
            count: worker.streams,
            sessions: worker.streams - worker.streams / 8,
            max: SSE_LIMIT,
            at: Some(worker.changed),
        };
        let mut samples: Vec<SseSample> = self.ingress.iter().map(sample).collect();
        samples.sort_by(|a, b| a.worker.cmp(&b.worker));
        samples
    }
}

/// The status that the platform's workers report.
const fn health(load: i64, capacity: i64) -> HealthWord {
    match () {
        () if load >= capacity => HealthWord::Unhealthy,
        () if load * 5 >= capacity * 4 => HealthWord::Degraded,
        () => HealthWord::Healthy,
    }
}

/// Connections in use follow the load.
fn pools(load: i64) -> Pools {
    let use_of = |max: i64, in_use: i64| {
        let in_use = in_use.min(max);
        let size = (in_use + 2).min(max);
        let number = |count: i64| i32::try_from(count).ok().map(f64::from);
        PoolUse { max: number(max), size: number(size), available: number(size - in_use), in_use: number(in_use) }
    };
    Pools { postgres: Some(use_of(8, load)), redis_async: Some(use_of(40, load * 2)), ..Pools::default() }
}

#[expect(clippy::cast_possible_truncation, reason = "small numbers")]
fn round(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_reports_the_platforms_word_for_its_load() {
        for (load, capacity, expected) in [
            (0, 5, HealthWord::Healthy),
            (3, 5, HealthWord::Healthy),
            (4, 5, HealthWord::Degraded),
            (5, 5, HealthWord::Unhealthy),
            (6, 5, HealthWord::Unhealthy),
            (15, 20, HealthWord::Healthy),
            (16, 20, HealthWord::Degraded),
        ] {
            assert_eq!(health(load, capacity), expected, "{load} of {capacity}");
        }
    }

    #[test]
    fn a_pool_is_never_fuller_than_it_is_large() {
        for (load, in_use, size, redis_in_use) in
            [(0, 0.0, 2.0, 0.0), (5, 5.0, 7.0, 10.0), (7, 7.0, 8.0, 14.0), (20, 8.0, 8.0, 40.0), (21, 8.0, 8.0, 40.0)]
        {
            let pools = pools(load);
            let expected =
                PoolUse { max: Some(8.0), size: Some(size), available: Some(size - in_use), in_use: Some(in_use) };
            assert_eq!(pools.postgres, Some(expected), "{load}");
            let redis = pools.redis_async.expect("is reported");
            assert_eq!((redis.max, redis.in_use), (Some(40.0), Some(redis_in_use)));
            assert_eq!((pools.redis_async_decode, pools.redis_sync), (None, None));
        }
    }

    #[test]
    fn heartbeats_move_every_ten_seconds() {
        let (mut fleet, mut rng) = (SimulatedFleet::new(1, 0, 5, 100.0), Rng::with_seed(1));
        for (now, expected) in [(109.9, 100.0), (110.0, 110.0), (115.0, 110.0), (131.0, 131.0)] {
            fleet.advance(&mut rng, now, 1.0);
            let beats = fleet.heartbeats(std::iter::empty());
            assert_eq!(beats.iter().map(|beat| beat.last_heartbeat).collect::<Vec<_>>(), [expected], "{now}");
        }
    }

    #[test]
    fn processes_come_by_name_with_the_load_of_their_own() {
        let fleet = SimulatedFleet::new(1, 11, 5, 0.0);
        let beats = fleet.heartbeats((1..=11).map(|load| (load, ProcessorReport::default())));
        let names: Vec<&str> = beats.iter().map(|beat| &*beat.instance_id).collect();
        assert_eq!(names[..4], ["ingress-1", "proc-1", "proc-10", "proc-11"]);
        for beat in &beats[1..] {
            let number: i64 = beat.instance_id.strip_prefix("proc-").expect("a processor").parse().unwrap();
            assert_eq!((beat.load, beat.capacity, beat.port), (number, 5, None));
            assert_eq!(&*beat.service_name, "proc");
        }
        assert_eq!((&*beats[0].service_name, beats[0].capacity, beats[0].port), ("rest", 20, Some(8010)));
    }

    #[test]
    fn streams_stay_within_the_limit_and_are_dated_to_their_last_change() {
        for (demand, least, most) in [(100.0, 190, 200), (0.0, 0, 10)] {
            let (mut fleet, mut rng) = (SimulatedFleet::new(1, 0, 5, 0.0), Rng::with_seed(1));
            let mut before = fleet.samples().remove(0);
            for second in 1..=600 {
                let now = f64::from(second);
                fleet.advance(&mut rng, now, demand);
                let sample = fleet.samples().remove(0);
                let changed = if sample.count == before.count { before.at } else { Some(now) };
                assert_eq!(sample.at, changed, "{second}");
                assert!((0..=200).contains(&sample.count) && sample.sessions <= sample.count && sample.max == 200);
                before = sample;
            }
            assert!((least..=most).contains(&before.count), "{} streams at {demand}", before.count);
        }
    }

    #[test]
    fn an_ingress_process_works_on_no_more_than_it_can() {
        let (mut fleet, mut rng) = (SimulatedFleet::new(50, 0, 5, 0.0), Rng::with_seed(1));
        fleet.advance(&mut rng, 1.0, 100.0);
        let loads = fleet.heartbeats(std::iter::empty()).into_iter().map(|beat| beat.load);
        assert_eq!(loads.max(), Some(20));
    }
}
