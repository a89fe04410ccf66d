//! The world: a simulated deployment, all that it ever wrote, the faults that act now, and what a reader finds.

use std::collections::{BTreeMap, BTreeSet};

use kdcube_metrics::platform::facts::{
    Component, Departed, Facts, Heartbeat, InputKind, LatencySeries, Malformed, PerRole, Point, QueueDepth, Role,
    Scope, SseSample, ThrottlingEvent, Unreadable, WorkerId,
};
use kdcube_metrics::platform::gateway::{GatewayConfig, GatewayContext, SavedGatewayConfig};
use kdcube_metrics::platform::keys::Keys;
use kdcube_metrics::simulator::deployment::{Deployment, Shape};
use kdcube_metrics::sources::SourceError;

use super::server::Written;

const START: f64 = 1_767_225_600.0;
/// The platform's: heartbeats expire after this, SSE counts after that.
const BEAT_TTL: f64 = 30.0;
const SSE_TTL: f64 = 60.0;
/// How long a process that is gone is still named.
const REMEMBERED: f64 = 90.0;
const HOUR: f64 = 3600.0;

/// The figures of a gateway configuration that capacity follows from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub(super) concurrent: f64,
    pub(super) buffer: f64,
    pub(super) multiplier: f64,
}

/// The first is the environment's.
pub(super) const FIGURES: [Figures; 3] = [
    Figures { concurrent: 5.0, buffer: 0.2, multiplier: 2.0 },
    Figures { concurrent: 10.0, buffer: 0.1, multiplier: 1.0 },
    Figures { concurrent: 4.0, buffer: 0.0, multiplier: 3.0 },
];

impl Figures {
    /// int(c · (1 − b)) + int(c · q), for one process.
    pub(super) fn capacity(self) -> f64 {
        (self.concurrent * (1.0 - self.buffer)).trunc() + (self.concurrent * self.multiplier).trunc()
    }

    pub(super) fn text(self) -> String {
        let Self { concurrent, buffer, multiplier } = self;
        format!(
            r#"{{"tenant": "acme", "project": "chat", "service_capacity": {{"concurrent_requests_per_process": {concurrent}}},
            "backpressure": {{"capacity_buffer": {buffer}, "queue_depth_multiplier": {multiplier}}}}}"#
        )
    }
}

/// What a reader has read so far.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    is_behind_start: bool,
    latency: BTreeMap<LatencySeries, usize>,
    events: usize,
}

/// A fault of some part, by what it hits, until a time.
pub(super) type Until<T> = BTreeMap<T, f64>;

#[derive(Debug)]
pub(super) struct World {
    now: f64,
    deployment: Deployment,
    keys: Keys,
    /// As the processes wrote it, before faults.
    written: Facts,
    pub(super) latency: BTreeMap<LatencySeries, Vec<Point>>,
    pub(super) events: Vec<ThrottlingEvent>,
    points: Written,
    /// The last sample of each ingress worker, and when it was written.
    samples: BTreeMap<WorkerId, (SseSample, f64)>,
    /// Killed processes with their last heartbeat.
    pub(super) dead: BTreeMap<String, Heartbeat>,
    pub(super) killed_at: BTreeMap<String, f64>,
    pub(super) draining: BTreeSet<String>,
    pub(super) saved: SavedGatewayConfig,
    /// What the running server has to go by.
    pub(super) in_force: Figures,
    pub(super) is_configuration_uncertain: bool,
    /// The running server has read a saved one that it could use.
    was_saved: bool,
    pub(super) broken_queues: Until<Role>,
    pub(super) broken_beats: Until<String>,
    pub(super) broken_samples: Until<WorkerId>,
    pub(super) broken_series: Until<LatencySeries>,
    pub(super) away_until: f64,
    pub(super) read_only_until: f64,
    /// What this life of the server last read of each queue, and when.
    pub(super) last_depths: PerRole<Option<(QueueDepth, f64)>>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let shape = Shape { ingress: 3, proc: 4, rate: 1.5, seed };
        Self {
            now: START,
            deployment: Deployment::new(shape, START - 60.0),
            keys: Keys::new(&Scope { tenant: "acme".to_owned(), project: "chat".to_owned() }),
            written: Facts::default(),
            latency: LatencySeries::ALL.map(|series| (series, Vec::new())).into(),
            events: Vec::new(),
            points: Vec::new(),
            samples: BTreeMap::new(),
            dead: BTreeMap::new(),
            killed_at: BTreeMap::new(),
            draining: BTreeSet::new(),
            saved: SavedGatewayConfig::Missing,
            in_force: FIGURES[0],
            is_configuration_uncertain: false,
            was_saved: false,
            broken_queues: BTreeMap::new(),
            broken_beats: BTreeMap::new(),
            broken_samples: BTreeMap::new(),
            broken_series: BTreeMap::new(),
            away_until: 0.0,
            read_only_until: 0.0,
            last_depths: PerRole::default(),
        }
    }

    /// The configuration of the server's environment.
    pub(super) fn environment() -> GatewayConfig {
        let context = GatewayContext {
            component: Component::Proc,
            instance_id: "metrics-1",
            tenant: None,
            project: None,
            forced: false,
        };
        GatewayConfig::from_env_json(&FIGURES[0].text(), &context).unwrap()
    }

    pub(super) const fn now(&self) -> f64 {
        self.now
    }

    pub(super) fn points(&self) -> &[(f64, kdcube_metrics::platform::facts::RollingSeries, f64)] {
        &self.points
    }

    pub(super) fn is_away(&self) -> bool {
        self.now < self.away_until
    }

    /// The deployment goes on; faults whose time is over end.
    pub(super) fn advance(&mut self, now: f64) {
        self.now = now;
        let mut facts = self.deployment.advance(now);
        for (series, mut points) in std::mem::take(&mut facts.latency) {
            self.latency.entry(series).or_default().append(&mut points);
        }
        self.events.append(&mut facts.throttling_events);
        for beat in &mut facts.heartbeats {
            beat.draining = self.draining.contains(&beat.instance_id);
        }
        for sample in facts.sse.drain(..).filter(|sample| !self.dead.contains_key(&sample.worker.instance_id)) {
            let is_news = self.samples.get(&sample.worker).is_none_or(|(last, _)| last.count != sample.count);
            if is_news {
                self.samples.insert(sample.worker.clone(), (SseSample { at: Some(now), ..sample }, now));
            }
        }
        self.written = facts;
        self.broken_queues.retain(|_, until| now < *until);
        self.broken_beats.retain(|_, until| now < *until);
        self.broken_samples.retain(|_, until| now < *until);
        self.broken_series.retain(|_, until| now < *until);
    }

    /// Every process that the deployment should have.
    pub(super) fn instances(&self) -> Vec<String> {
        self.written.heartbeats.iter().map(|beat| beat.instance_id.clone()).collect()
    }

    pub(super) fn kill(&mut self, instance: &str) {
        if let Some(beat) = self.written.heartbeats.iter().find(|beat| beat.instance_id == instance) {
            self.dead.entry(instance.to_owned()).or_insert_with(|| beat.clone());
            self.killed_at.insert(instance.to_owned(), self.now);
        }
    }

    /// Under the same name; an ingress worker begins without streams of its predecessor and publishes at once.
    pub(super) fn restart(&mut self, instance: &str) {
        self.dead.remove(instance);
        let own = self.samples.iter_mut().filter(|(worker, _)| worker.instance_id == instance);
        for (_, (sample, written)) in own {
            *sample = SseSample { count: 0, sessions: 0, at: Some(self.now), ..sample.clone() };
            *written = self.now;
        }
    }

    /// The heartbeats that have not expired, readable or not.
    pub(super) fn beats(&self) -> impl Iterator<Item = &Heartbeat> {
        self.written.heartbeats.iter().filter_map(|beat| match self.dead.get(&beat.instance_id) {
            None => Some(beat),
            Some(last) => (self.now - last.last_heartbeat <= BEAT_TTL).then_some(last),
        })
    }

    pub(super) fn readable_beats(&self) -> impl Iterator<Item = &Heartbeat> {
        self.beats().filter(|beat| !self.broken_beats.contains_key(&beat.instance_id))
    }

    /// The streams of each ingress worker that lives.
    pub(super) fn streams(&self) -> impl Iterator<Item = &SseSample> {
        let alive = self.samples.values().filter(|(sample, _)| !self.dead.contains_key(&sample.worker.instance_id));
        alive.map(|(sample, _)| sample)
    }

    /// The last count of each worker that was killed within the time that its sample is kept.
    pub(super) fn leaving(&self) -> impl Iterator<Item = &SseSample> {
        let gone = self.samples.values().filter(|(sample, _)| {
            let instance = &sample.worker.instance_id;
            self.dead.contains_key(instance) && self.now - self.killed_at[instance] <= SSE_TTL + BEAT_TTL
        });
        gone.map(|(sample, _)| sample)
    }

    pub(super) fn depths(&self) -> &PerRole<Option<QueueDepth>> {
        &self.written.queues
    }

    /// Whether a fault hits something that the fleet's size follows from.
    pub(super) fn is_decisive_broken(&self) -> bool {
        let has_broken_beat = self.beats().any(|beat| self.broken_beats.contains_key(&beat.instance_id));
        has_broken_beat || !self.broken_queues.is_empty() || self.broken_visible_samples().next().is_some()
    }

    fn visible_samples(&self) -> impl Iterator<Item = &SseSample> {
        self.samples.values().filter(|(_, at)| self.now - at <= SSE_TTL).map(|(sample, _)| sample)
    }

    fn broken_visible_samples(&self) -> impl Iterator<Item = &SseSample> {
        self.visible_samples().filter(|sample| self.broken_samples.contains_key(&sample.worker))
    }

    /// The faults that act now, for a failure's text.
    pub(super) fn faults(&self) -> String {
        format!(
            "dead {:?}, draining {:?}, queues {:?}, heartbeats {:?}, samples {:?}, series {:?}, saved {:?}",
            self.dead.keys(),
            self.draining,
            self.broken_queues,
            self.broken_beats,
            self.broken_samples,
            self.broken_series,
            self.saved,
        )
    }

    /// What a reader finds now: all state, and of series what is new to it.
    pub(super) fn read(&mut self, cursor: &mut Cursor) -> Result<Facts, SourceError> {
        if self.is_away() {
            let (server, cause) = ("the simulated Redis".to_owned(), "away".to_owned());
            return Err(SourceError::Unreachable { server, cause, advice: "" });
        }
        self.settle_configuration(!cursor.is_behind_start);
        let mut facts = self.state();
        self.read_sse(&mut facts, !cursor.is_behind_start);
        self.read_series(&mut facts, cursor);
        if !cursor.is_behind_start {
            self.last_depths = PerRole::default();
            for &(at, series, value) in self.points.iter().filter(|(at, _, _)| *at >= self.now - HOUR) {
                facts.rolling.entry(series).or_default().push(Point { at, value });
            }
        }
        for role in Role::ALL {
            if let Some(depth) = *facts.queues.get(role) {
                *self.last_depths.get_mut(role) = Some((depth, self.now));
            }
        }
        cursor.is_behind_start = true;
        Ok(facts)
    }

    /// The rule: a saved configuration that can be read is in force; one that cannot, or is gone, leaves the last good one to
    /// a running server and the environment's to one that starts.
    fn settle_configuration(&mut self, is_start: bool) {
        if is_start {
            (self.in_force, self.was_saved) = (FIGURES[0], false);
        }
        self.is_configuration_uncertain = false;
        let saved = FIGURES.into_iter().find(|figures| self.saved.text() == Some(&figures.text()));
        match (&self.saved, saved) {
            (SavedGatewayConfig::Text(_), Some(figures)) => {
                (self.in_force, self.was_saved) = (figures, true);
            }
            (SavedGatewayConfig::Missing, _) => {}
            _ => self.is_configuration_uncertain = !self.was_saved,
        }
    }

    fn state(&self) -> Facts {
        let broken = |role| self.broken_queues.contains_key(&role);
        let mut queues = self.written.queues.clone();
        let mut malformed = Vec::new();
        for role in Role::ALL.into_iter().filter(|role| broken(*role)) {
            *queues.get_mut(role) = None;
            malformed.push(note(InputKind::QueueDepth, self.keys.queue(role)));
        }
        for beat in self.beats().filter(|beat| self.broken_beats.contains_key(&beat.instance_id)) {
            let pid = beat.process_id.unwrap_or_default().to_string();
            let key = self.keys.heartbeat(&beat.instance_id, &beat.service_type, &beat.service_name, &pid);
            malformed.push(note(InputKind::Heartbeat, key));
        }
        Facts {
            heartbeats: self.readable_beats().cloned().collect(),
            departed: self.departed(),
            unreadable_workers: self.unreadable_workers(),
            process_keys_found: self.beats().count(),
            queues,
            malformed,
            analytics: self.written.analytics.clone(),
            hourly_requests: self.written.hourly_requests.clone(),
            circuits: self.written.circuits.clone(),
            saved_gateway_config: self.saved.clone(),
            ..Facts::default()
        }
    }

    /// Ingress workers whose heartbeat is broken.
    fn unreadable_workers(&self) -> BTreeSet<WorkerId> {
        let broken = self.beats().filter(|beat| self.broken_beats.contains_key(&beat.instance_id));
        let ingress = broken.filter(|beat| beat.service_name == Component::Ingress.service_name());
        let worker =
            |beat: &Heartbeat| Some(WorkerId { instance_id: beat.instance_id.clone(), process_id: beat.process_id? });
        ingress.filter_map(worker).collect()
    }

    fn departed(&self) -> Vec<Departed> {
        let gone = self.dead.values().filter(|beat| {
            let silent = self.now - beat.last_heartbeat;
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

    /// A start also finds the last counts of quiet workers that live.
    fn read_sse(&self, facts: &mut Facts, is_start: bool) {
        facts.malformed.extend(
            self.broken_visible_samples().map(|sample| note(InputKind::SseSample, self.keys.sse(&sample.worker))),
        );
        let beating = |worker: &WorkerId| self.beats().any(|beat| beat.instance_id == worker.instance_id);
        let kept = self
            .samples
            .values()
            .filter(|(sample, at)| self.now - at <= SSE_TTL || (is_start && beating(&sample.worker)));
        let kept = kept.map(|(sample, _)| sample).filter(|sample| !self.broken_samples.contains_key(&sample.worker));
        facts.sse = kept.cloned().collect();
    }

    fn read_series(&self, facts: &mut Facts, cursor: &mut Cursor) {
        for (series, points) in &self.latency {
            if self.broken_series.contains_key(series) {
                facts.unreadable.insert(Unreadable::Latency(*series));
                continue;
            }
            let read = cursor.latency.entry(*series).or_default();
            let new = points[*read..].iter().filter(|point| point.at >= self.now - HOUR).copied();
            facts.latency.insert(*series, new.collect());
            *read = points.len();
        }
        facts.throttling_events = self.events[cursor.events..].to_vec();
        cursor.events = self.events.len();
    }

    pub(super) fn write(&mut self, written: Written) -> Result<(), SourceError> {
        if self.now < self.read_only_until {
            let (server, message) = ("the simulated Redis".to_owned(), "read only".to_owned());
            return Err(SourceError::Refused { server, code: "READONLY".to_owned(), message, advice: "" });
        }
        self.points.extend(written);
        let oldest = self.now - HOUR;
        self.points.retain(|(at, _, _)| *at > oldest);
        Ok(())
    }
}

fn note(kind: InputKind, key: String) -> Malformed {
    Malformed { kind, key, problem: "is not what the platform writes".to_owned() }
}
