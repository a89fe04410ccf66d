//! The world: a simulated deployment, all that it ever wrote, the faults that act now, and what a reader finds.

use std::collections::{BTreeMap, BTreeSet};

use kdcube_metrics::base::lease::LeaseRecord;
use kdcube_metrics::platform::facts::{
    Component, Facts, Heartbeat, LatencySeries, PerRole, Point, QueueDepth, QueueFront, Role, Scope, SseSample,
    ThrottlingDetail, ThrottlingEvent, WorkerId,
};
use kdcube_metrics::platform::gateway::{GatewayConfig, GatewayContext, SavedGatewayConfig};
use kdcube_metrics::platform::keys::Keys;
use kdcube_metrics::simulator::deployment::{Deployment, Shape};
use kdcube_metrics::sources::SourceError;

use super::recorded::RecordedPoint;

const START: f64 = 1_767_225_600.0;
/// The platform's: heartbeats expire after this, SSE counts after that.
pub(super) const BEAT_TTL: f64 = 30.0;
pub(super) const SSE_TTL: f64 = 60.0;
pub(super) const HOUR: f64 = 3600.0;

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

/// A fault of some part, by what it hits, until a time.
pub(super) type Until<T> = BTreeMap<T, f64>;

#[derive(Debug)]
pub(super) struct World {
    now: f64,
    deployment: Deployment,
    scope: Scope,
    keys: Keys,
    /// As the processes wrote it, before faults.
    written: Facts,
    pub(super) latency: BTreeMap<LatencySeries, Vec<Point>>,
    pub(super) events: Vec<ThrottlingEvent>,
    /// What the servers recorded in the last hour, and how many points they ever did.
    pub(super) points_written: u64,
    pub(super) points: Vec<RecordedPoint>,
    /// The last sample of each ingress worker, and when it was written.
    samples: BTreeMap<WorkerId, (SseSample, f64)>,
    /// Killed processes with their last heartbeat.
    pub(super) dead: BTreeMap<String, Heartbeat>,
    pub(super) killed_at: BTreeMap<String, f64>,
    /// When processes were started again: they heartbeat at once.
    restarted_at: BTreeMap<String, f64>,
    pub(super) draining: BTreeSet<String>,
    pub(super) saved: SavedGatewayConfig,
    pub(super) broken_queues: Until<Role>,
    pub(super) broken_beats: Until<String>,
    pub(super) broken_samples: Until<WorkerId>,
    pub(super) broken_series: Until<LatencySeries>,
    pub(super) away_until: f64,
    pub(super) read_only_until: f64,
    /// Who records, as all replicas see it.
    pub(super) lease: Option<LeaseRecord>,
    /// When the counts of quiet workers were last saved for servers that start.
    pub(super) counts_saved: f64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let shape = Shape { ingress: 3, proc: 4, rate: 1.5, seed };
        let scope = Scope { tenant: "acme".to_owned(), project: "chat".to_owned() };
        Self {
            now: START,
            deployment: Deployment::new(shape, START - 60.0),
            keys: Keys::new(&scope),
            scope,
            written: Facts::default(),
            latency: LatencySeries::ALL.map(|series| (series, Vec::new())).into(),
            events: Vec::new(),
            points_written: 0,
            points: Vec::new(),
            samples: BTreeMap::new(),
            dead: BTreeMap::new(),
            killed_at: BTreeMap::new(),
            restarted_at: BTreeMap::new(),
            draining: BTreeSet::new(),
            saved: SavedGatewayConfig::Missing,
            broken_queues: BTreeMap::new(),
            broken_beats: BTreeMap::new(),
            broken_samples: BTreeMap::new(),
            broken_series: BTreeMap::new(),
            away_until: 0.0,
            read_only_until: 0.0,
            lease: None,
            counts_saved: f64::NEG_INFINITY,
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

    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What the processes wrote last, before faults.
    pub(super) const fn written(&self) -> &Facts {
        &self.written
    }

    pub(super) fn points(&self) -> &[RecordedPoint] {
        &self.points
    }

    pub(super) fn is_away(&self) -> bool {
        self.now < self.away_until
    }

    /// # Errors
    /// It is away.
    pub(super) fn answer(&self) -> Result<(), SourceError> {
        if !self.is_away() {
            return Ok(());
        }
        let (server, cause) = ("the simulated Redis".to_owned(), "away".to_owned());
        Err(SourceError::Unreachable { server, cause, advice: "" })
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
            beat.draining = self.draining.contains(&*beat.instance_id);
            let restarted = self.restarted_at.get(&*beat.instance_id);
            restarted.into_iter().for_each(|at| beat.last_heartbeat = beat.last_heartbeat.max(*at));
        }
        for sample in facts.sse.drain(..).filter(|sample| !self.dead.contains_key(&*sample.worker.instance_id)) {
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

    /// Many samples and rejected requests at once, as far back as readers can still expect them.
    pub(super) fn burst(&mut self, rng: &mut fastrand::Rng, samples: usize) {
        for _ in 0..samples {
            let at = self.now - rng.f64();
            let series = LatencySeries::ALL[rng.usize(..LatencySeries::ALL.len())];
            self.latency.entry(series).or_default().push(Point { at, value: rng.f64() * 1e5 });
            let status = if rng.bool() { 429 } else { 503 };
            let detail = ThrottlingDetail {
                reason: Some("burst".to_owned()),
                http_status: Some(status),
                session_id: Some(format!("session-{}", rng.u64(..))),
                shown: None,
            };
            self.events.push(ThrottlingEvent { at, detail: Some(detail) });
        }
    }

    /// Every process that the deployment should have.
    pub(super) fn instances(&self) -> Vec<String> {
        self.written.heartbeats.iter().map(|beat| beat.instance_id.to_string()).collect()
    }

    pub(super) fn kill(&mut self, instance: &str) {
        if let Some(beat) = self.written.heartbeats.iter().find(|beat| &*beat.instance_id == instance) {
            self.dead.entry(instance.to_owned()).or_insert_with(|| beat.clone());
            self.killed_at.insert(instance.to_owned(), self.now);
        }
    }

    /// Under the same name; it heartbeats at once, and an ingress worker begins without streams of its predecessor and
    /// publishes at once.
    pub(super) fn restart(&mut self, instance: &str) {
        self.dead.remove(instance);
        self.restarted_at.insert(instance.to_owned(), self.now);
        let beats = self.written.heartbeats.iter_mut();
        beats.filter(|beat| &*beat.instance_id == instance).for_each(|beat| beat.last_heartbeat = self.now);
        let own = self.samples.iter_mut().filter(|(worker, _)| &*worker.instance_id == instance);
        for (_, (sample, written)) in own {
            *sample = SseSample { count: 0, sessions: 0, at: Some(self.now), ..sample.clone() };
            *written = self.now;
        }
    }

    /// The heartbeats that have not expired, readable or not.
    pub(super) fn beats(&self) -> impl Iterator<Item = &Heartbeat> {
        self.written.heartbeats.iter().filter_map(|beat| match self.dead.get(&*beat.instance_id) {
            None => Some(beat),
            Some(last) => (self.now - last.last_heartbeat <= BEAT_TTL).then_some(last),
        })
    }

    pub(super) fn readable_beats(&self) -> impl Iterator<Item = &Heartbeat> {
        self.beats().filter(|beat| !self.broken_beats.contains_key(&*beat.instance_id))
    }

    /// The streams of each ingress worker that lives.
    pub(super) fn streams(&self) -> impl Iterator<Item = &SseSample> {
        let alive = self.samples.values().filter(|(sample, _)| !self.dead.contains_key(&*sample.worker.instance_id));
        alive.map(|(sample, _)| sample)
    }

    /// The last count of each worker that was killed within the time that its sample is kept.
    pub(super) fn leaving(&self) -> impl Iterator<Item = &SseSample> {
        let gone = self.samples.values().filter(|(sample, _)| {
            let instance = &sample.worker.instance_id;
            self.dead.contains_key(&**instance) && self.now - self.killed_at[&**instance] <= SSE_TTL + BEAT_TTL
        });
        gone.map(|(sample, _)| sample)
    }

    pub(super) fn depths(&self) -> &PerRole<Option<QueueDepth>> {
        &self.written.queues
    }

    /// Background jobs that are not done.
    pub(super) fn jobs(&self) -> i64 {
        self.written.jobs.values().map(|jobs| jobs.lag.unwrap_or_default() + jobs.pending).sum()
    }

    /// When the oldest task that waits was created.
    pub(super) fn oldest_task(&self) -> Option<f64> {
        let created = |(_, front): (Role, &Option<QueueFront>)| match front {
            Some(QueueFront::Created(at)) => Some(*at),
            _ => None,
        };
        self.written.queue_fronts.iter().filter_map(created).reduce(f64::min)
    }

    /// Whether a fault hits something that the fleet's size follows from.
    pub(super) fn is_decisive_broken(&self) -> bool {
        let has_broken_beat = self.beats().any(|beat| self.broken_beats.contains_key(&*beat.instance_id));
        has_broken_beat || !self.broken_queues.is_empty() || self.broken_visible_samples().next().is_some()
    }

    pub(super) fn visible_samples(&self) -> impl Iterator<Item = &SseSample> {
        self.samples.values().filter(|(_, at)| self.now - at <= SSE_TTL).map(|(sample, _)| sample)
    }

    /// Those whose worker has not published for so long that they have expired.
    pub(super) fn quiet_samples(&self) -> impl Iterator<Item = &SseSample> {
        self.samples.values().filter(|(_, at)| self.now - at > SSE_TTL).map(|(sample, _)| sample)
    }

    pub(super) fn broken_visible_samples(&self) -> impl Iterator<Item = &SseSample> {
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
}
