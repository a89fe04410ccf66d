//! The processes, grouped by instance and service.

use std::sync::Arc;

use crate::base::clock::UnixSeconds;
use crate::base::number::count;
use crate::platform::facts::{Component, HealthWord, Pools, ProcessorReport, shared_name};

/// All processes, those that stopped recently included.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fleet {
    /// In the order of instance and service, each pair once.
    pub groups: Vec<ProcessGroup>,
    /// Heartbeat keys that exist, readable or not.
    pub process_keys_found: i64,
}

/// The processes of one service on one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessGroup {
    pub instance: Arc<str>,
    pub service: Service,
    /// By process id.
    pub processes: Vec<Process>,
}

/// Names a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service {
    /// `chat` for both components.
    pub kind: Arc<str>,
    pub name: Arc<str>,
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
    /// It is live, finishes its tasks and takes no new ones.
    pub draining: bool,
    /// What a processor says of its work.
    pub report: Option<ProcessorReport>,
    /// `None` for a process that only an index still names.
    pub pools: Option<Arc<Pools>>,
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
    /// Live, and taking no new tasks; in none of the others.
    pub draining: i64,
    pub missing: i64,
    /// Their heartbeat gives no known word; `None` where an upstream's numbers contradict each other.
    pub unknown: Option<i64>,
}

impl Fleet {
    /// Instances that run the service, with its processes.
    pub fn running<'a>(&'a self, service: &Service) -> impl Iterator<Item = (&'a Arc<str>, &'a [Process])> {
        let groups = self.groups.iter().filter(move |group| group.service == *service);
        groups.map(|group| (&group.instance, group.processes.as_slice()))
    }

    /// The groups of each instance.
    pub fn instances(&self) -> impl Iterator<Item = &[ProcessGroup]> {
        self.groups.chunk_by(|one, other| one.instance == other.instance)
    }

    /// All processes of all services.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.groups.iter().flat_map(|group| &group.processes)
    }
}

impl Service {
    /// A component's service.
    #[must_use]
    pub fn of(component: Component) -> Self {
        Self { kind: shared_name("chat"), name: shared_name(component.service_name()) }
    }
}

impl Process {
    /// Takes new tasks: capacity for what waits.
    #[must_use]
    pub fn accepts_work(&self) -> bool {
        self.is_live() && !self.draining
    }

    /// Marked unhealthy although it is not saturated: the mark of one failed heartbeat write, which nothing resets. The
    /// platform's writers set the word at a load of the whole capacity, `degraded` at 80 % of it.
    #[must_use]
    pub const fn is_marked_by_failed_write(&self) -> bool {
        matches!(self.status, Status::Unhealthy) && self.load.saturating_mul(5) < self.capacity.saturating_mul(4)
    }

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
    /// Counts processes; `missing` is known from elsewhere. A draining process counts as that alone, and one that is marked
    /// by a failed write as degraded.
    #[must_use]
    pub fn of_processes<'a>(processes: impl Iterator<Item = &'a Process>, missing: i64) -> Self {
        let (draining, rest): (Vec<&Process>, Vec<&Process>) =
            processes.partition(|process| process.is_live() && process.draining);
        let status = |process: &&Process| match process.is_marked_by_failed_write() {
            true => Status::Degraded,
            false => process.status,
        };
        Self { draining: count(draining.len()), ..Self::of(rest.iter().map(status), missing) }
    }

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
            ("draining", Some(self.draining)),
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

#[cfg(test)]
impl Process {
    /// One of five slots that has nothing to do, for tests.
    pub(crate) const fn sample(status: Status) -> Self {
        Self {
            pid: None,
            port: None,
            load: 0,
            capacity: 5,
            last_heartbeat: 0.0,
            age: 1.0,
            status,
            draining: false,
            report: None,
            pools: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(status: Status, load: i64, capacity: i64, draining: bool) -> Process {
        Process { load, capacity, draining, ..Process::sample(status) }
    }

    #[test]
    fn only_a_live_process_that_does_not_drain_takes_new_tasks() {
        for (status, draining, live, accepts) in [
            (Status::Healthy, false, true, true),
            (Status::Degraded, false, true, true),
            // Saturated, or of no known word: it heartbeats.
            (Status::Unhealthy, false, true, true),
            (Status::Unknown, false, true, true),
            (Status::Null, false, true, true),
            (Status::Healthy, true, true, false),
            (Status::Stale, false, false, false),
            (Status::Stale, true, false, false),
        ] {
            let process = process(status, 0, 1, draining);
            assert_eq!((process.is_live(), process.accepts_work()), (live, accepts), "{status:?} {draining}");
        }
        let fleet = [Status::Healthy, Status::Stale, Status::Unhealthy].map(|status| process(status, 0, 1, false));
        assert_eq!((live(&fleet), live(&[])), (2, 0));
    }

    #[test]
    fn an_unhealthy_process_below_the_bound_of_degraded_is_marked_by_a_failed_write() {
        for (status, load, capacity, marked) in [
            (Status::Unhealthy, 0, 5, true),
            (Status::Unhealthy, 3, 5, true),
            (Status::Unhealthy, 4, 5, false),
            (Status::Unhealthy, 5, 5, false),
            (Status::Unhealthy, 79, 100, true),
            (Status::Unhealthy, 80, 100, false),
            (Status::Unhealthy, 0, 0, false),
            (Status::Unhealthy, i64::MAX, i64::MAX, false),
            (Status::Degraded, 0, 5, false),
            (Status::Stale, 0, 5, false),
        ] {
            let found = process(status, load, capacity, false).is_marked_by_failed_write();
            assert_eq!(found, marked, "{status:?} {load} of {capacity}");
        }
    }

    #[test]
    fn a_process_counts_once_whatever_is_said_of_it() {
        let processes = [
            process(Status::Healthy, 0, 5, false),
            process(Status::Degraded, 4, 5, false),
            process(Status::Unhealthy, 5, 5, false),
            process(Status::Unhealthy, 1, 5, false),
            process(Status::Stale, 0, 5, false),
            process(Status::Unknown, 0, 5, false),
            process(Status::Null, 0, 5, false),
            process(Status::Healthy, 0, 5, true),
            process(Status::Unhealthy, 5, 5, true),
            // Gone is gone.
            process(Status::Stale, 0, 5, true),
        ];
        let counts = StatusCounts::of_processes(processes.iter(), 3);
        let expected = [
            ("healthy", Some(1)),
            // The one of a failed write too.
            ("degraded", Some(2)),
            ("unhealthy", Some(1)),
            ("stale", Some(2)),
            ("draining", Some(2)),
            ("missing", Some(3)),
            ("unknown", Some(2)),
        ];
        assert_eq!(counts.iter().collect::<Vec<_>>(), expected);
        let all: i64 = counts.iter().filter_map(|(_, count)| count).sum();
        assert_eq!(all, count(processes.len()) + 3);
    }

    #[test]
    fn the_word_of_a_heartbeat_becomes_a_status_with_its_word_in_payloads() {
        for (word, status, text, responsive) in [
            (HealthWord::Healthy, Status::Healthy, "healthy", true),
            (HealthWord::Degraded, Status::Degraded, "degraded", true),
            (HealthWord::Unhealthy, Status::Unhealthy, "unhealthy", false),
            (HealthWord::Unknown, Status::Unknown, "unknown", false),
            (HealthWord::Null, Status::Null, "none", false),
        ] {
            let found = Status::from(word);
            assert_eq!((found, found.as_str(), found.is_responsive()), (status, text, responsive));
        }
        assert_eq!((Status::Stale.as_str(), Status::Stale.is_responsive()), ("stale", false));
    }

    #[test]
    fn a_service_is_found_by_kind_and_name_on_every_instance() {
        let (proc, rest) = (Service::of(Component::Proc), Service::of(Component::Ingress));
        let search = Service { kind: "kb".into(), name: proc.name.clone() };
        let of = |count| vec![process(Status::Healthy, 0, 1, false); count];
        let groups = [("a", &proc, 3), ("b", &proc, 2), ("b", &rest, 1), ("c", &search, 4)];
        let group = |(instance, service, count): (&str, &Service, usize)| ProcessGroup {
            instance: instance.into(),
            service: service.clone(),
            processes: of(count),
        };
        let fleet = Fleet { groups: groups.map(group).into(), process_keys_found: 0 };
        let running = |service: &Service| {
            fleet
                .running(service)
                .map(|(instance, processes)| (instance.to_string(), processes.len()))
                .collect::<Vec<_>>()
        };
        assert_eq!(running(&proc), [("a".to_owned(), 3), ("b".to_owned(), 2)]);
        assert_eq!(running(&rest), [("b".to_owned(), 1)]);
        assert_eq!(fleet.processes().count(), 10);
        assert_eq!(fleet.instances().map(<[ProcessGroup]>::len).collect::<Vec<_>>(), [1, 2, 1]);
    }
}
