//! What processors say of their oldest work.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::analysis::state::{Cause, Fleet, InstanceAges, Process, ProcessorAges, Reading, Service};
use crate::platform::facts::{Component, ProcessorReport};

/// The greatest over all live processors, and by instance.
pub(super) fn ages(fleet: &Fleet) -> ProcessorAges {
    let service = Service::of(Component::Proc);
    let running = fleet.running(&service);
    let instances: BTreeMap<Arc<str>, InstanceAges> =
        running.filter_map(|(id, processes)| Some((id.clone(), of_instance(processes)?))).collect();
    let greatest = |read: fn(&InstanceAges) -> Option<f64>| {
        let greatest = instances.values().filter_map(read).reduce(f64::max);
        Reading::or_absent(greatest, || Cause::NotReported)
    };
    ProcessorAges {
        oldest_active: greatest(|ages| ages.oldest_active),
        max_idle: greatest(|ages| ages.max_idle),
        queue_loop_lag: greatest(|ages| ages.queue_loop_lag),
        instances,
    }
}

fn of_instance(processes: &[Process]) -> Option<InstanceAges> {
    let reports = || processes.iter().filter(|process| process.is_live()).filter_map(|process| process.report.as_ref());
    reports().next()?;
    let greatest = |read: fn(&ProcessorReport) -> Option<f64>| reports().filter_map(read).reduce(f64::max);
    Some(InstanceAges {
        oldest_active: greatest(|report| report.oldest_active_seconds),
        max_idle: greatest(|report| report.max_idle_seconds),
        queue_loop_lag: greatest(|report| report.queue_loop_lag_seconds),
    })
}
