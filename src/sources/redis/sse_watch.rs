//! Whether the last SSE count of a quiet worker still holds.
//!
//! A worker publishes only when its count changes, and what it published expires after a minute. So a count is known as long as
//! somebody looks at the key at least once a minute, and as long as it is the same process: a successor under the same name
//! has other connections.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::clock::UnixSeconds;
use crate::base::ordered::{Walk, set_all};
use crate::platform::facts::{Facts, Heartbeat, SseSample, WorkerId};

/// Longest time between two looks: what a worker publishes lives as long.
const LONGEST_GAP: f64 = 60.0;
/// A process whose heartbeat pauses for so long was gone from Redis in between.
const HEARTBEAT_GAP: f64 = 30.0;
/// A process that skipped a heartbeat and has no load any more was probably started anew.
const SKIPPED_HEARTBEAT: f64 = 15.0;

/// What distinguishes a process from its successor under the same name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Life {
    pub(super) port: Option<i64>,
    last_heartbeat: UnixSeconds,
    load: i64,
}

impl Life {
    const fn of(beat: &Heartbeat) -> Self {
        Self { port: beat.port, last_heartbeat: beat.last_heartbeat, load: beat.load }
    }

    /// Of a process of which only the port is known.
    pub(super) const fn of_port(port: i64) -> Self {
        Self { port: Some(port), last_heartbeat: f64::INFINITY, load: 0 }
    }

    fn goes_on_as(self, next: Self) -> bool {
        let pause = next.last_heartbeat - self.last_heartbeat;
        let is_reset = self.load > 0 && next.load == 0 && pause > SKIPPED_HEARTBEAT;
        self.port == next.port && pause <= HEARTBEAT_GAP && !is_reset
    }
}

/// The last count of a worker.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) sample: SseSample,
    pub(super) life: Option<Life>,
    pub(super) is_known: bool,
}

/// The last counts of the workers that heartbeat.
#[derive(Debug, Default)]
pub(super) struct SseWatch {
    pub(super) kept: BTreeMap<WorkerId, Kept>,
    /// The last look at the keys.
    pub(super) looked: Option<UnixSeconds>,
}

impl SseWatch {
    /// Takes a tick's counts and heartbeats. Adds to the facts the counts of quiet workers in `saved`, which an earlier server
    /// kept, and the workers whose count is unknown.
    pub(super) fn observe(&mut self, facts: &mut Facts, saved: BTreeMap<WorkerId, Kept>, now: UnixSeconds) {
        let mut lives: Vec<(WorkerId, Life)> = facts.heartbeats.iter().filter_map(life).collect();
        lives.sort_by(|a, b| a.0.cmp(&b.0));
        let restored: BTreeSet<WorkerId> = saved.keys().cloned().collect();
        self.kept.extend(saved);
        let is_unbroken = self.looked.is_some_and(|looked| (0.0..=LONGEST_GAP).contains(&(now - looked)));
        self.looked = Some(now);
        let mut walk = Walk::new(&lives);
        self.kept.retain(|worker, kept| {
            let life = walk.find(worker).copied();
            let is_same = kept.life.zip(life).is_none_or(|(before, now)| before.goes_on_as(now));
            (kept.life, kept.is_known) = (life.or(kept.life), kept.is_known && is_same && is_unbroken);
            life.is_some() || facts.unreadable_workers.contains(worker)
        });
        facts.sse.sort_by(|a, b| a.worker.cmp(&b.worker));
        let mut walk = Walk::new(&lives);
        let kept = |sample: &'_ SseSample| {
            let life = walk.find(&sample.worker).copied();
            let is_there = life.is_some() || facts.unreadable_workers.contains(&sample.worker);
            is_there.then(|| Kept { sample: sample.clone(), life, is_known: true })
        };
        let samples = facts.sse.iter().map(|sample| &sample.worker).zip(facts.sse.iter().map(kept));
        set_all(&mut self.kept, samples.filter_map(|(worker, kept)| Some((worker, kept?))));
        self.add_to(facts, &restored);
    }

    fn add_to(&self, facts: &mut Facts, restored: &BTreeSet<WorkerId>) {
        if !restored.is_empty() {
            self.add_restored(facts, restored);
            facts.sse.sort_by(|a, b| a.worker.cmp(&b.worker));
        }
        let unknown = self.kept.iter().filter(|(_, kept)| !kept.is_known);
        facts.sse_unknown = unknown.map(|(worker, _)| worker.clone()).collect();
    }
}

impl SseWatch {
    fn add_restored(&self, facts: &mut Facts, restored: &BTreeSet<WorkerId>) {
        let published: BTreeSet<&WorkerId> = facts.sse.iter().map(|sample| &sample.worker).collect();
        let quiet = |worker: &WorkerId| restored.contains(worker) && !published.contains(worker);
        let known = self.kept.iter().filter(|(worker, kept)| kept.is_known && quiet(worker));
        let known: Vec<SseSample> = known.map(|(_, kept)| kept.sample.clone()).collect();
        facts.sse.extend(known);
    }
}

fn life(beat: &Heartbeat) -> Option<(WorkerId, Life)> {
    super::fleet::ingress_worker(beat).map(|worker| (worker, Life::of(beat)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::platform::facts::HealthWord;

    const WORKER: (&str, i64) = ("ingress-1", 41);

    fn worker() -> WorkerId {
        WorkerId { instance_id: WORKER.0.into(), process_id: WORKER.1 }
    }

    fn sample(count: i64) -> SseSample {
        SseSample { worker: worker(), count, sessions: 1, max: 200, at: None }
    }

    /// The facts of a tick in which the worker heartbeats.
    fn facts(at: f64, port: i64, load: i64, published: Option<i64>) -> Facts {
        let beat = Heartbeat {
            instance_id: WORKER.0.into(),
            service_type: "chat".into(),
            service_name: "rest".into(),
            process_id: Some(WORKER.1),
            port: Some(port),
            load,
            capacity: 10,
            last_heartbeat: at,
            health: HealthWord::Healthy,
            draining: false,
            processor: None,
            pools: Arc::default(),
        };
        Facts { heartbeats: vec![beat], sse: published.map(sample).into_iter().collect(), ..Facts::default() }
    }

    /// Whether the count is unknown after ticks at these times with these ports and loads, the first of which saw it.
    fn is_unknown(ticks: &[(f64, f64, i64, i64)]) -> bool {
        let mut watch = SseWatch::default();
        let mut unknown = true;
        for (index, &(now, beat, port, load)) in ticks.iter().enumerate() {
            let mut facts = facts(beat, port, load, (index == 0).then_some(100));
            watch.observe(&mut facts, BTreeMap::new(), now);
            unknown = facts.sse_unknown.contains(&worker());
        }
        unknown
    }

    #[test]
    fn a_count_holds_while_its_key_is_watched_and_the_process_lives_on() {
        for (ticks, expected) in [
            (&[(0.0, 0.0, 1, 5), (5.0, 0.0, 1, 5), (65.0, 30.0, 1, 5)][..], false),
            (&[(0.0, 0.0, 1, 5), (60.0, 30.0, 1, 5)], false),
            // Nobody looked for more than a minute.
            (&[(0.0, 0.0, 1, 5), (60.1, 30.0, 1, 5)], true),
            (&[(0.0, 0.0, 1, 5), (100.0, 30.0, 1, 5), (105.0, 40.0, 1, 5)], true),
            // The clock went back.
            (&[(0.0, 0.0, 1, 5), (-5.0, 0.0, 1, 5)], true),
            // A successor under the same name.
            (&[(0.0, 0.0, 1, 5), (5.0, 5.0, 2, 5)], true),
            (&[(0.0, 0.0, 1, 5), (40.0, 30.1, 1, 5)], true),
            (&[(0.0, 0.0, 1, 5), (20.0, 16.0, 1, 0)], true),
            (&[(0.0, 0.0, 1, 5), (10.0, 10.0, 1, 0)], false),
        ] {
            assert_eq!(is_unknown(ticks), expected, "{ticks:?}");
        }
    }

    #[test]
    fn a_heartbeat_that_cannot_be_read_for_a_while_costs_no_count() {
        let mut watch = SseWatch::default();
        watch.observe(&mut facts(0.0, 1, 5, Some(100)), BTreeMap::new(), 0.0);
        let unreadable_workers = BTreeSet::from([worker()]);
        watch.observe(&mut Facts { unreadable_workers, ..Facts::default() }, BTreeMap::new(), 5.0);
        for (port, expected) in [(1, false), (2, true)] {
            let mut back = facts(10.0, port, 5, None);
            watch.observe(&mut back, BTreeMap::new(), 10.0);
            assert_eq!(back.sse_unknown.contains(&worker()), expected, "{port}");
        }
    }

    #[test]
    fn an_unknown_count_is_known_again_with_the_next_change() {
        let mut watch = SseWatch::default();
        watch.observe(&mut facts(0.0, 1, 5, Some(100)), BTreeMap::new(), 0.0);
        watch.observe(&mut facts(90.0, 1, 5, None), BTreeMap::new(), 90.0);
        let mut published = facts(95.0, 1, 5, Some(7));
        watch.observe(&mut published, BTreeMap::new(), 95.0);
        assert!(published.sse_unknown.is_empty());
    }

    #[test]
    fn a_worker_that_stops_heartbeating_is_forgotten_and_a_new_one_is_not_unknown() {
        let mut watch = SseWatch::default();
        watch.observe(&mut facts(0.0, 1, 5, Some(100)), BTreeMap::new(), 0.0);
        watch.observe(&mut Facts::default(), BTreeMap::new(), 5.0);
        let mut back = facts(10.0, 1, 0, None);
        watch.observe(&mut back, BTreeMap::new(), 10.0);
        assert!(back.sse_unknown.is_empty() && back.sse.is_empty());
    }

    #[test]
    fn saved_counts_are_restored_only_within_a_minute() {
        for (now, expected) in [(30.0, vec![sample(100)]), (61.0, vec![])] {
            let kept = Kept { sample: sample(100), life: None, is_known: true };
            let mut watch = SseWatch { looked: Some(0.0), ..SseWatch::default() };
            let mut facts = facts(now, 1, 5, None);
            watch.observe(&mut facts, [(worker(), kept)].into(), now);
            assert_eq!((facts.sse_unknown.len(), &facts.sse), (1 - expected.len(), &expected), "{now}");
        }
    }
}
