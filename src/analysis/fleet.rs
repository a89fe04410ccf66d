//! Which processes run: heartbeats and recently stopped processes, grouped by instance and service, with status.

use std::cmp::Ordering;
use std::sync::Arc;

use super::state::{Fleet, Process, ProcessGroup, Service, Status};
use crate::base::clock::UnixSeconds;
use crate::base::number::count;
use crate::platform::facts::{Departed, Facts, Heartbeat};

/// Groups the tick's processes. A heartbeat older than `limit` seconds is stale.
pub(super) fn fleet(facts: &Facts, now: UnixSeconds, limit: f64) -> Fleet {
    let beats = facts.heartbeats.iter().map(Seen::Beat);
    let mut seen: Vec<Seen<'_>> = beats.chain(facts.departed.iter().map(Seen::Departed)).collect();
    // Both are nearly in this order already, which costs little.
    seen.sort_by(|a, b| a.group(b).then_with(|| a.pid().cmp(&b.pid())));
    let groups = seen.chunk_by(|a, b| a.group(b).is_eq()).filter_map(|seen| group(seen, now, limit)).collect();
    Fleet { groups, process_keys_found: count(facts.process_keys_found) }
}

/// The processes of one service on one instance, in order.
fn group(seen: &[Seen<'_>], now: UnixSeconds, limit: f64) -> Option<ProcessGroup> {
    let first = seen.first()?;
    let (kind, name) = first.service();
    Some(ProcessGroup {
        instance: first.instance().clone(),
        service: Service { kind: kind.clone(), name: name.clone() },
        processes: seen.iter().map(|seen| seen.process(now, limit)).collect(),
    })
}

/// A process of the tick.
enum Seen<'a> {
    Beat(&'a Heartbeat),
    Departed(&'a Departed),
}

impl Seen<'_> {
    const fn instance(&self) -> &Arc<str> {
        match self {
            Self::Beat(beat) => &beat.instance_id,
            Self::Departed(gone) => &gone.instance_id,
        }
    }

    const fn service(&self) -> (&Arc<str>, &Arc<str>) {
        match self {
            Self::Beat(beat) => (&beat.service_type, &beat.service_name),
            Self::Departed(gone) => (&gone.service_type, &gone.service_name),
        }
    }

    const fn pid(&self) -> Option<i64> {
        match self {
            Self::Beat(beat) => beat.process_id,
            Self::Departed(gone) => gone.process_id,
        }
    }

    /// The order of the groups.
    fn group(&self, other: &Self) -> Ordering {
        self.instance().cmp(other.instance()).then_with(|| self.service().cmp(&other.service()))
    }

    fn process(&self, now: UnixSeconds, limit: f64) -> Process {
        match self {
            Self::Beat(beat) => heartbeating(beat, now, limit),
            Self::Departed(gone) => departed(gone, now),
        }
    }
}

fn heartbeating(beat: &Heartbeat, now: UnixSeconds, limit: f64) -> Process {
    let age = now - beat.last_heartbeat;
    Process {
        pid: beat.process_id,
        port: beat.port,
        // Nothing works on less than no request; a sum must not hide others' load.
        load: beat.load.max(0),
        capacity: beat.capacity.max(0),
        last_heartbeat: beat.last_heartbeat,
        age,
        status: if age > limit { Status::Stale } else { beat.health.into() },
        draining: beat.draining,
        report: beat.processor,
        pools: Some(beat.pools.clone()),
    }
}

fn departed(gone: &Departed, now: UnixSeconds) -> Process {
    Process {
        pid: gone.process_id,
        port: None,
        load: 0,
        capacity: 0,
        last_heartbeat: gone.last_seen,
        age: now - gone.last_seen,
        status: Status::Stale,
        draining: false,
        report: None,
        pools: None,
    }
}

/// How long after their heartbeats stop the processes of an instance count as draining rather than lost.
pub(super) fn grace(limit: f64) -> f64 {
    (limit * 2.0).max(limit + 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::{NOW, beat, departed};
    use crate::platform::facts::HealthWord::Healthy;

    fn of(heartbeats: Vec<Heartbeat>, departed: Vec<Departed>) -> Fleet {
        fleet(&Facts { process_keys_found: heartbeats.len(), heartbeats, departed, ..Facts::default() }, NOW, 45.0)
    }

    #[test]
    fn each_service_of_each_instance_is_one_group_whatever_the_order_of_the_facts() {
        let beats = [("b", "proc", 2), ("a", "rest", 9), ("b", "proc", 1), ("a", "proc", 4), ("b", "rest", 3)];
        let beats = beats.map(|(instance, name, pid)| beat(instance, name, pid, 1.0, Healthy));
        let found = of(beats.into(), vec![departed("b", 60.0), departed("c", 60.0)]);
        let group = |group: &ProcessGroup| {
            let pids = group.processes.iter().map(|process| process.pid.unwrap_or(0)).collect::<Vec<_>>();
            (group.instance.to_string(), group.service.name.to_string(), pids)
        };
        let groups: Vec<_> = found.groups.iter().map(group).collect();
        let expected = [
            ("a", "proc", vec![4]),
            ("a", "rest", vec![9]),
            // The one that stopped is among those that run.
            ("b", "proc", vec![1, 2, 7]),
            ("b", "rest", vec![3]),
            ("c", "proc", vec![7]),
        ];
        assert_eq!(groups, expected.map(|(instance, name, pids)| (instance.to_owned(), name.to_owned(), pids)));
        assert_eq!(found.process_keys_found, 5, "keys, not processes");
    }

    #[test]
    fn a_process_that_stopped_has_nothing_but_its_age() {
        let found = of(Vec::new(), vec![departed("a", 60.0)]);
        let process = &found.groups[0].processes[0];
        assert_eq!((process.load, process.capacity, process.age, process.status), (0, 0, 60.0, Status::Stale));
        assert_eq!((process.pools.is_none(), process.report.is_none(), process.draining), (true, true, false));
    }

    #[test]
    fn a_heartbeat_that_says_less_than_nothing_takes_nothing_from_the_others() {
        let negative = Heartbeat { load: -4, capacity: -2, ..beat("a", "proc", 1, 1.0, Healthy) };
        let found = of(vec![negative, beat("a", "proc", 2, 1.0, Healthy)], Vec::new());
        let numbers: Vec<_> = found.processes().map(|process| (process.load, process.capacity)).collect();
        assert_eq!(numbers, [(0, 0), (5, 5)]);
    }

    #[test]
    fn the_grace_is_twice_the_limit_and_at_least_ten_seconds_more() {
        assert_eq!([0.0, 5.0, 10.0, 11.0, 45.0].map(grace), [10.0, 15.0, 20.0, 22.0, 90.0]);
    }
}
