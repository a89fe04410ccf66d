//! What a server that reads the world finds at a tick, as the Redis source would bring it.

use std::collections::{BTreeMap, BTreeSet};

use kdcube_metrics::platform::facts::{
    Component, Departed, Facts, Heartbeat, InputKind, LatencySeries, Malformed, PerRole, Point, Role, Unreadable,
    WorkerId,
};
use kdcube_metrics::sources::SourceError;

use super::world::{BEAT_TTL, HOUR, World};

/// How long a process that is gone is still named.
const REMEMBERED: f64 = 90.0;
/// Longest time between two looks at the SSE counts of quiet workers.
const LONGEST_GAP: f64 = 60.0;

/// What one life of a server has read so far.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    latency: BTreeMap<LatencySeries, usize>,
    events: usize,
    /// Recorded points up to this number.
    points: u64,
    /// The last tick that succeeded; `None` at the start.
    looked: Option<f64>,
    /// Workers whose last count expired while nobody looked.
    unknown: BTreeSet<WorkerId>,
}

impl World {
    /// All state, and of series what is new to the server whose `run` this is.
    pub(super) fn read(&self, cursor: &mut Cursor, run: &str) -> Result<Facts, SourceError> {
        self.answer()?;
        let mut facts = self.state();
        self.read_sse(&mut facts, cursor);
        self.read_series(&mut facts, cursor);
        self.read_points(&mut facts, cursor, run);
        cursor.looked = Some(self.now());
        Ok(facts)
    }

    /// What the small keys say.
    pub(super) fn state(&self) -> Facts {
        let broken = |role| self.broken_queues.contains_key(&role);
        let mut queues = self.written().queues.clone();
        let mut malformed = Vec::new();
        for role in Role::ALL.into_iter().filter(|role| broken(*role)) {
            *queues.get_mut(role) = None;
            malformed.push(note(InputKind::QueueDepth, self.keys().queue(role)));
        }
        for beat in self.beats().filter(|beat| self.broken_beats.contains_key(&*beat.instance_id)) {
            let pid = beat.process_id.unwrap_or_default().to_string();
            let key = self.keys().heartbeat(&beat.instance_id, &beat.service_type, &beat.service_name, &pid);
            malformed.push(note(InputKind::Heartbeat, key));
        }
        Facts {
            heartbeats: self.readable_beats().cloned().collect(),
            departed: self.departed(),
            unreadable_workers: self.unreadable_workers(),
            process_keys_found: self.beats().count(),
            queue_fronts: PerRole::from_fn(|role| (*self.written().queue_fronts.get(role)).filter(|_| !broken(role))),
            jobs: self.written().jobs.clone(),
            queues,
            malformed,
            analytics: self.written().analytics.clone(),
            hourly_requests: self.written().hourly_requests.clone(),
            circuits: self.written().circuits.clone(),
            saved_gateway_config: self.saved.clone(),
            ..Facts::default()
        }
    }

    /// Ingress workers whose heartbeat is broken.
    fn unreadable_workers(&self) -> BTreeSet<WorkerId> {
        let broken = self.beats().filter(|beat| self.broken_beats.contains_key(&*beat.instance_id));
        let ingress = broken.filter(|beat| &*beat.service_name == Component::Ingress.service_name());
        let worker =
            |beat: &Heartbeat| Some(WorkerId { instance_id: beat.instance_id.clone(), process_id: beat.process_id? });
        ingress.filter_map(worker).collect()
    }

    fn departed(&self) -> Vec<Departed> {
        let gone = self.dead.values().filter(|beat| {
            let silent = self.now() - beat.last_heartbeat;
            silent > BEAT_TTL && silent <= REMEMBERED
        });
        gone.map(|beat| Departed {
            instance_id: beat.instance_id.clone(),
            service_type: beat.service_type.clone(),
            service_name: beat.service_name.clone(),
            process_id: beat.process_id,
            last_seen: beat.last_heartbeat,
        })
        .collect()
    }

    /// A start also finds the counts of quiet workers that were saved, unless nobody has looked since for too long.
    fn read_sse(&self, facts: &mut Facts, cursor: &mut Cursor) {
        facts.malformed.extend(
            self.broken_visible_samples().map(|sample| note(InputKind::SseSample, self.keys().sse(&sample.worker))),
        );
        let is_start = cursor.looked.is_none();
        let is_unbroken = self.now() - cursor.looked.unwrap_or(self.counts_saved) <= LONGEST_GAP;
        let readable = self.visible_samples().filter(|sample| !self.broken_samples.contains_key(&sample.worker));
        facts.sse = readable.cloned().collect();
        let is_beating = |worker: &WorkerId| self.beats().any(|beat| beat.instance_id == worker.instance_id);
        for sample in self.quiet_samples().filter(|sample| is_beating(&sample.worker)) {
            if !is_unbroken {
                cursor.unknown.insert(sample.worker.clone());
            } else if is_start {
                facts.sse.push(sample.clone());
            }
        }
        cursor.unknown.retain(|worker| is_beating(worker) && facts.sse.iter().all(|sample| sample.worker != *worker));
        facts.sse_unknown = cursor.unknown.clone();
    }

    fn read_series(&self, facts: &mut Facts, cursor: &mut Cursor) {
        for (series, points) in &self.latency {
            if self.broken_series.contains_key(series) {
                facts.unreadable.insert(Unreadable::Latency(*series));
                continue;
            }
            let read = cursor.latency.entry(*series).or_default();
            let new = points[*read..].iter().filter(|point| point.at >= self.now() - HOUR).copied();
            facts.latency.insert(*series, new.collect());
            *read = points.len();
        }
        facts.throttling_events = self.events[cursor.events..].to_vec();
        cursor.events = self.events.len();
    }

    /// Of its own points a server keeps what it wrote.
    fn read_points(&self, facts: &mut Facts, cursor: &mut Cursor, run: &str) {
        let is_new = |number: u64| number > cursor.points;
        let new = self.points().iter().filter(|point| is_new(point.number) && point.run != run);
        for point in new.filter(|point| point.at >= self.now() - HOUR) {
            facts.rolling.entry(point.series).or_default().push(Point { at: point.at, value: point.value });
        }
        cursor.points = self.points().last().map_or(cursor.points, |point| point.number);
    }
}

fn note(kind: InputKind, key: String) -> Malformed {
    Malformed { kind, key, problem: "is not what the platform writes".to_owned() }
}
