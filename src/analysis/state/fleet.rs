//! The processes, grouped by instance and service.

use std::collections::BTreeMap;

use crate::base::clock::UnixSeconds;
use crate::base::number::count;
use crate::platform::facts::{Component, HealthWord, Pools};

/// All processes, those that stopped recently included.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fleet {
    /// Instance id → service → processes by process id.
    pub instances: BTreeMap<String, BTreeMap<Service, Vec<Process>>>,
    /// Heartbeat keys that exist, readable or not.
    pub process_keys_found: i64,
}

/// Names a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service {
    /// `chat` for both components.
    pub kind: String,
    pub name: String,
}

/// One process.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    pub pid: Option<i64>,
    pub port: Option<i64>,
    /// Requests being worked on.
    pub load: i64,
    /// Requests it can work on at once.
    pub capacity: i64,
    pub last_heartbeat: UnixSeconds,
    /// Seconds since the last heartbeat.
    pub age: f64,
    pub status: Status,
    /// `None` for a process that only an index still names.
    pub pools: Option<Pools>,
}

/// A process's status. The word of a heartbeat counts only while the heartbeat is young.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    Healthy,
    Degraded,
    Unhealthy,
    /// A word that is not a known one.
    Unknown,
    /// JSON `null`.
    Null,
    Stale,
}

/// Processes by status; `missing` ones are expected and not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusCounts {
    pub healthy: i64,
    pub degraded: i64,
    pub unhealthy: i64,
    pub stale: i64,
    pub missing: i64,
    /// Their heartbeat gives no known word; `None` where an upstream's numbers contradict each other.
    pub unknown: Option<i64>,
}

impl Fleet {
    /// Instances that run the service, with its processes.
    pub fn running<'a>(&'a self, service: &Service) -> impl Iterator<Item = (&'a str, &'a [Process])> {
        self.instances.iter().filter_map(move |(instance, services)| {
            services.get(service).map(|processes| (instance.as_str(), processes.as_slice()))
        })
    }

    /// All processes of all services.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.instances.values().flat_map(BTreeMap::values).flatten()
    }
}

impl Service {
    /// A component's service.
    #[must_use]
    pub fn of(component: Component) -> Self {
        Self { kind: "chat".to_owned(), name: component.service_name().to_owned() }
    }
}

impl Process {
    /// Takes part: a saturated process is capacity in use, a stale one is none.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.status != Status::Stale
    }
}

impl Status {
    /// The word in payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
            Self::Null => "none",
            Self::Stale => "stale",
        }
    }

    /// Healthy or degraded.
    #[must_use]
    pub const fn is_responsive(self) -> bool {
        matches!(self, Self::Healthy | Self::Degraded)
    }
}

impl From<HealthWord> for Status {
    fn from(word: HealthWord) -> Self {
        match word {
            HealthWord::Healthy => Self::Healthy,
            HealthWord::Degraded => Self::Degraded,
            HealthWord::Unhealthy => Self::Unhealthy,
            HealthWord::Unknown => Self::Unknown,
            HealthWord::Null => Self::Null,
        }
    }
}

impl StatusCounts {
    /// Counts statuses; `missing` is known from elsewhere.
    #[must_use]
    pub fn of(statuses: impl Iterator<Item = Status>, missing: i64) -> Self {
        let (mut counts, mut unknown) = (Self { missing, ..Self::default() }, 0);
        for status in statuses {
            *match status {
                Status::Healthy => &mut counts.healthy,
                Status::Degraded => &mut counts.degraded,
                Status::Unhealthy => &mut counts.unhealthy,
                Status::Stale => &mut counts.stale,
                Status::Unknown | Status::Null => &mut unknown,
            } += 1;
        }
        Self { unknown: Some(unknown), ..counts }
    }

    /// Each status with its word in labels.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Option<i64>)> {
        [
            ("healthy", Some(self.healthy)),
            ("degraded", Some(self.degraded)),
            ("unhealthy", Some(self.unhealthy)),
            ("stale", Some(self.stale)),
            ("missing", Some(self.missing)),
            ("unknown", self.unknown),
        ]
        .into_iter()
    }
}

/// How many of the processes are live.
#[must_use]
pub(crate) fn live(processes: &[Process]) -> i64 {
    count(processes.iter().filter(|process| process.is_live()).count())
}
