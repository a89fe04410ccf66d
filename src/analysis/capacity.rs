//! How much the live processes of the capacity source can take, and where roles are turned away.

use super::fleet::grace;
use super::state::{Capacity, CapacitySource, Fleet, LostInstance, Process, Reading, Service};
use super::{Inputs, unreadable};
use crate::base::clock::UnixSeconds;
use crate::base::number::{count, sum};

/// Looks at the processes that `backpressure.capacity_source_component` selects.
///
/// A process whose heartbeat is too long is there, and busy: without it the capacity would be too small, and is absent.
pub(super) fn capacity(inputs: &Inputs<'_>, fleet: &Fleet, stale_after: f64) -> Capacity {
    let (settings, now) = (inputs.gateway.settings(), inputs.now);
    let (kind, name) = settings.capacity_source();
    let service = Service { kind: kind.into(), name: name.into() };
    let (mut total, mut accepting) = (0_i64, 0_i64);
    let mut source = CapacitySource { base_per_instance: settings.capacity(1).total, ..CapacitySource::default() };
    for (instance, processes) in fleet.running(&service) {
        let live = super::state::live(processes);
        // Rounded down for each instance by itself, as the gateway does it.
        let tasks = settings.capacity(live).total;
        total = total.saturating_add(tasks);
        let accept = count(processes.iter().filter(|process| process.accepts_work()).count());
        accepting = accepting.saturating_add(settings.capacity(accept).total);
        add(&mut source, processes, live);
        if live == 0 {
            source.lost.push(lost(instance, processes, grace(stale_after), now));
            continue;
        }
        source.alive_instances.push(instance.clone());
        if **instance == *settings.instance_id {
            source.base_per_instance = tasks;
        }
    }
    let unread = unreadable::long_heartbeat(inputs.facts, &service);
    (source.service, source.total) = (service, total);
    Capacity {
        total: unread.map_or(Reading::Value(accepting), Reading::absent),
        limits: Reading::Value(settings.limits_of(total)),
        source: Reading::Value(source),
    }
}

fn add(source: &mut CapacitySource, processes: &[Process], live: i64) {
    source.actual += count(processes.len());
    source.live += live;
    source.load = source.load.saturating_add(sum(processes.iter().map(|process| process.load)));
    source.reported = source.reported.saturating_add(sum(processes.iter().map(|process| process.capacity)));
}

fn lost(instance: &str, processes: &[Process], grace: f64, now: UnixSeconds) -> LostInstance {
    let last_heartbeat = processes.iter().map(|process| process.last_heartbeat).fold(f64::NEG_INFINITY, f64::max);
    // In whole seconds, as the platform compares them.
    let draining = (now - last_heartbeat).trunc() <= grace;
    LostInstance { instance_id: instance.to_owned(), last_heartbeat, draining }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::state::Cause;
    use crate::analysis::tests::{NOW, analysis, beat, departed, gateway_with};
    use crate::history::History;
    use crate::platform::facts::{Component, Facts, HealthWord, Heartbeat, Unreadable};

    /// A process takes 14 tasks, two of them 28, as the default configuration has it.
    const ONE: i64 = 14;

    fn of(facts: &Facts) -> Capacity {
        let gateway = Arc::new(gateway_with(""));
        let history = History::new(10);
        let tick = analysis(facts, &history, &gateway);
        capacity(&tick.inputs, &tick.fleet, 45.0)
    }

    fn proc(instance: &str, pid: i64, age: f64) -> Heartbeat {
        beat(instance, "proc", pid, age, HealthWord::Healthy)
    }

    fn source(capacity: &Capacity) -> &CapacitySource {
        capacity.source.known().expect("a configuration in force has a source")
    }

    #[test]
    fn live_processes_count_and_others_are_lost_with_their_instance_alone() {
        let heartbeats = vec![proc("a", 1, 1.0), proc("a", 2, 46.0), proc("b", 1, 1.0), proc("c", 1, 50.0)];
        let capacity = of(&Facts { heartbeats, departed: vec![departed("d", 91.0)], ..Facts::default() });
        let source = source(&capacity);
        let alive: Vec<&str> = source.alive_instances.iter().map(|instance| &**instance).collect();
        assert_eq!((alive, source.actual, source.live, source.total), (vec!["a", "b"], 5, 2, 2 * ONE));
        // Whatever heartbeats say of themselves counts, live or not, as the platform sums it.
        assert_eq!((source.load, source.reported, capacity.total.get()), (20, 20, Some(2 * ONE)));
        let lost: Vec<_> = source.lost.iter().map(|lost| (lost.instance_id.as_str(), lost.draining)).collect();
        assert_eq!(lost, [("c", true), ("d", false)]);
        assert_eq!(source.lost[0].last_heartbeat, NOW - 50.0);
    }

    #[test]
    fn an_instance_drains_for_whole_seconds_of_grace_after_the_newest_heartbeat_of_its_processes() {
        let draining = |ages: [f64; 2]| {
            let heartbeats = vec![proc("a", 1, ages[0]), proc("a", 2, ages[1])];
            source(&of(&Facts { heartbeats, ..Facts::default() })).lost[0].draining
        };
        let found = [[90.0, 200.0], [90.9, 200.0], [200.0, 90.9], [91.0, 200.0]].map(draining);
        assert_eq!(found, [true, true, true, false]);
    }

    #[test]
    fn a_draining_process_is_no_capacity_for_new_tasks_and_the_platforms_limits_still_count_it() {
        let mut heartbeats = vec![proc("a", 1, 1.0), proc("a", 2, 1.0), proc("b", 1, 1.0)];
        let all = of(&Facts { heartbeats: heartbeats.clone(), ..Facts::default() });
        heartbeats[1].draining = true;
        heartbeats[2].draining = true;
        let draining = of(&Facts { heartbeats, ..Facts::default() });
        assert_eq!((all.total.get(), draining.total.get()), (Some(3 * ONE), Some(ONE)));
        assert_eq!((source(&draining).total, &draining.limits), (3 * ONE, &all.limits));
        assert_eq!(source(&draining).alive_instances.len(), 2);
    }

    #[test]
    fn the_base_is_what_this_servers_own_instance_takes_else_what_one_process_would() {
        let base = |instance: &str| {
            let heartbeats = vec![proc(instance, 1, 1.0), proc(instance, 2, 1.0)];
            source(&of(&Facts { heartbeats, ..Facts::default() })).base_per_instance
        };
        assert_eq!((base("m-1"), base("another")), (2 * ONE, ONE));
        assert_eq!(source(&of(&Facts::default())).base_per_instance, ONE);
    }

    #[test]
    fn a_heartbeat_that_is_too_long_makes_the_capacity_unknown_and_not_smaller() {
        let unreadable = [Unreadable::Heartbeat(Component::Proc)].into();
        let capacity = of(&Facts { heartbeats: vec![proc("a", 1, 1.0)], unreadable, ..Facts::default() });
        assert_eq!(capacity.total.reason().map(|reason| reason.cause), Some(Cause::Unreadable));
        assert_eq!((source(&capacity).total, capacity.limits.known().is_some()), (ONE, true));
        // One of the ingress is none of the processors.
        let unreadable = [Unreadable::Heartbeat(Component::Ingress)].into();
        let capacity = of(&Facts { heartbeats: vec![proc("a", 1, 1.0)], unreadable, ..Facts::default() });
        assert_eq!(capacity.total.get(), Some(ONE));
    }
}
