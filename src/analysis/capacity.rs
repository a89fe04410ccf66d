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
