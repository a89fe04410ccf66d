//! Who runs: heartbeats and recently stopped processes, grouped by instance and service, with status.
//!
//! Owns statuses and staleness; what the processes amount to is for the other modules.

use std::collections::BTreeMap;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Component, Facts, HealthWord, Pools};

/// Service type and name.
pub(super) type Service<'a> = (&'a str, &'a str);

/// What a process is taken for. The word of a heartbeat counts only while the heartbeat is young.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Healthy,
    Degraded,
    Unhealthy,
    Unknown,
    Null,
    Stale,
}

impl Status {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
            Self::Null => "none",
            Self::Stale => "stale",
        }
    }

    const fn of(word: HealthWord) -> Self {
        match word {
            HealthWord::Healthy => Self::Healthy,
            HealthWord::Degraded => Self::Degraded,
            HealthWord::Unhealthy => Self::Unhealthy,
            HealthWord::Unknown => Self::Unknown,
            HealthWord::Null => Self::Null,
        }
    }
}

/// One process.
#[derive(Debug)]
pub(super) struct Process<'a> {
    pub(super) pid: Option<i64>,
    pub(super) port: Option<i64>,
    pub(super) load: i64,
    pub(super) capacity: i64,
    pub(super) last_heartbeat: UnixSeconds,
    /// Seconds.
    pub(super) age: f64,
    pub(super) status: Status,
    /// `None` for a process that only an index remembers.
    pub(super) pools: Option<&'a Pools>,
}

impl Process<'_> {
    /// Takes part: a saturated process is capacity in use, a stale one is none.
    pub(super) fn is_live(&self) -> bool {
        self.status != Status::Stale
    }

    /// Healthy or degraded.
    pub(super) const fn is_responsive(&self) -> bool {
        matches!(self.status, Status::Healthy | Status::Degraded)
    }
}

/// All processes: instance id → service → processes by process id.
#[derive(Debug)]
pub(super) struct Processes<'a> {
    pub(super) instances: BTreeMap<&'a str, BTreeMap<Service<'a>, Vec<Process<'a>>>>,
}

impl<'a> Processes<'a> {
    /// Groups the tick's processes. Older than `limit` seconds is stale.
    pub(super) fn new(signals: &'a Facts, now: UnixSeconds, limit: f64) -> Self {
        let mut fleet = Self { instances: BTreeMap::new() };
        for beat in &signals.heartbeats {
            let age = now - beat.last_heartbeat;
            fleet.add(
                &beat.instance_id,
                (&beat.service_type, &beat.service_name),
                Process {
                    pid: beat.process_id,
                    port: beat.port,
                    load: beat.load,
                    capacity: beat.capacity,
                    last_heartbeat: beat.last_heartbeat,
                    age,
                    status: if age > limit { Status::Stale } else { Status::of(beat.health) },
                    pools: Some(&beat.pools),
                },
            );
        }
        for gone in &signals.departed {
            fleet.add(
                &gone.instance_id,
                (&gone.service_type, &gone.service_name),
                Process {
                    pid: gone.process_id,
                    port: None,
                    load: 0,
                    capacity: 0,
                    last_heartbeat: gone.last_seen,
                    age: now - gone.last_seen,
                    status: Status::Stale,
                    pools: None,
                },
            );
        }
        for processes in fleet.instances.values_mut().flat_map(BTreeMap::values_mut) {
            processes.sort_by_key(|process| process.pid);
        }
        fleet
    }

    fn add(&mut self, instance: &'a str, service: Service<'a>, process: Process<'a>) {
        self.instances.entry(instance).or_default().entry(service).or_default().push(process);
    }

    /// Instances that run the service, with its processes.
    pub(super) fn running(&self, service: Service<'_>) -> impl Iterator<Item = (&'a str, &[Process<'a>])> {
        self.instances.iter().filter_map(move |(instance, services)| {
            services
                .iter()
                .find(|(known, _)| known.0 == service.0 && known.1 == service.1)
                .map(|(_, processes)| (*instance, processes.as_slice()))
        })
    }

    /// All processes of all services.
    pub(super) fn processes(&self) -> impl Iterator<Item = &Process<'a>> {
        self.instances.values().flat_map(BTreeMap::values).flatten()
    }
}

/// A component's service.
pub(super) const fn service_of(component: Component) -> Service<'static> {
    ("chat", component.service_name())
}

/// How long after their heartbeats stop the processes of an instance count as draining rather than lost.
pub(super) fn grace(limit: f64) -> f64 {
    (limit * 2.0).max(limit + 10.0)
}

/// How many of the processes are live.
pub(super) fn live(processes: &[Process<'_>]) -> i64 {
    crate::base::number::count(processes.iter().filter(|process| process.is_live()).count())
}
