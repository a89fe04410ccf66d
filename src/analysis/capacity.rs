//! How much the live processes of the capacity source can take, and where roles are turned away.

use super::processes::{Process, Processes, live};
use crate::base::number::{count, sum};
use crate::payload::shapes::Thresholds;
use crate::platform::gateway::{GatewaySettings, Limits};

/// The capacity source over all instances.
#[derive(Debug)]
pub(super) struct CapacitySource {
    /// `type:name`.
    pub(super) name: String,
    /// Processes, stale ones included.
    pub(super) actual: i64,
    /// Live ones, whatever they say of their health.
    pub(super) live: i64,
    pub(super) load: i64,
    /// Requests at once, as the processes report it.
    pub(super) reported: i64,
    /// Instances with a live process, sorted.
    pub(super) alive_instances: Vec<String>,
    /// Tasks: effective concurrency and queue places, summed over instances.
    pub(super) total: i64,
    /// The same for the instance that the gateway configuration names (this server's own, unless a
    /// saved one says otherwise), of one process if it runs none.
    pub(super) base_per_instance: i64,
    pub(super) limits: Limits,
    /// Instances with processes none of which is live, and when one last was.
    pub(super) lost: Vec<(String, f64)>,
}

impl CapacitySource {
    /// Looks at the processes that `backpressure.capacity_source_component` selects.
    pub(super) fn new(fleet: &Processes<'_>, settings: &GatewaySettings) -> Self {
        let (kind, service) = settings.capacity_source();
        let mut source = Self {
            name: format!("{kind}:{service}"),
            actual: 0,
            live: 0,
            load: 0,
            reported: 0,
            alive_instances: Vec::new(),
            total: 0,
            base_per_instance: settings.capacity(1).total,
            limits: Limits::default(),
            lost: Vec::new(),
        };
        for (instance, processes) in fleet.running((&kind, &service)) {
            source.add(instance, processes, settings);
        }
        source.limits = settings.limits_of(source.total);
        source
    }

    fn add(&mut self, instance: &str, processes: &[Process<'_>], settings: &GatewaySettings) {
        let live = live(processes);
        // Rounded down for each instance by itself, as the gateway does it.
        let capacity = settings.capacity(live).total;
        self.actual += count(processes.len());
        self.live += live;
        self.load = self.load.saturating_add(sum(processes.iter().map(|process| process.load)));
        self.reported = self.reported.saturating_add(sum(processes.iter().map(|process| process.capacity)));
        self.total = self.total.saturating_add(capacity);
        if live == 0 {
            let last = processes.iter().map(|process| process.last_heartbeat).fold(f64::NEG_INFINITY, f64::max);
            self.lost.push((instance.to_owned(), last));
            return;
        }
        self.alive_instances.push(instance.to_owned());
        if instance == settings.instance_id {
            self.base_per_instance = capacity;
        }
    }

    /// The limits in the shape of the queue's sections.
    pub(super) const fn thresholds(&self) -> Thresholds {
        Thresholds {
            anonymous_threshold: self.limits.anonymous,
            registered_threshold: self.limits.registered,
            paid_threshold: self.limits.paid,
            hard_limit_threshold: self.limits.hard,
        }
    }
}
