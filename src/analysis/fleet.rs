//! Which processes run: heartbeats and recently stopped processes, grouped by instance and service, with status.

use std::collections::BTreeMap;

use super::state::{Fleet, Process, Service, Status};
use crate::base::clock::UnixSeconds;
use crate::base::number::count;
use crate::platform::facts::{Departed, Facts, Heartbeat};

/// Groups the tick's processes. A heartbeat older than `limit` seconds is stale.
pub(super) fn fleet(facts: &Facts, now: UnixSeconds, limit: f64) -> Fleet {
    let mut fleet = Fleet { process_keys_found: count(facts.process_keys_found), ..Fleet::default() };
    for beat in &facts.heartbeats {
        add(&mut fleet, &beat.instance_id, &beat.service_type, &beat.service_name, heartbeating(beat, now, limit));
    }
    for gone in &facts.departed {
        add(&mut fleet, &gone.instance_id, &gone.service_type, &gone.service_name, departed(gone, now));
    }
    for services in fleet.instances.values_mut() {
        services.values_mut().for_each(|processes| processes.sort_by_key(|process| process.pid));
    }
    fleet
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

fn add(fleet: &mut Fleet, instance: &str, kind: &str, name: &str, process: Process) {
    let service = || Service { kind: kind.to_owned(), name: name.to_owned() };
    // Of the thousands of processes few are of an instance or a service of their own.
    let Some(services) = fleet.instances.get_mut(instance) else {
        let services = BTreeMap::from([(service(), vec![process])]);
        fleet.instances.insert(instance.to_owned(), services);
        return;
    };
    let known = services.iter_mut().find(|(service, _)| service.name == name && service.kind == kind);
    match known {
        Some((_, processes)) => processes.push(process),
        None => drop(services.insert(service(), vec![process])),
    }
}

/// How long after their heartbeats stop the processes of an instance count as draining rather than lost.
pub(super) fn grace(limit: f64) -> f64 {
    (limit * 2.0).max(limit + 10.0)
}
