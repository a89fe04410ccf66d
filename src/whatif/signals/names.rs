//! The signals that a policy can name, by key or by the names that outlets give them.

use std::fmt;

use super::Snapshot;
use crate::platform::facts::Component;

/// A signal: a metric of this server that the simulation computes.
#[derive(Clone, Copy)]
pub struct Signal(&'static Row);

struct Row {
    key: &'static str,
    /// It needs percentiles or rolling means.
    is_of_window: bool,
    read: fn(&Snapshot) -> Option<f64>,
}

const fn row(key: &'static str, read: fn(&Snapshot) -> Option<f64>) -> Row {
    Row { key, is_of_window: false, read }
}

const fn windowed(key: &'static str, read: fn(&Snapshot) -> Option<f64>) -> Row {
    Row { key, is_of_window: true, read }
}

static TABLE: [Row; 29] = [
    row("proc.queue.total", |s| Some(s.queued())),
    row("proc.queue.pressure_ratio", |s| Some(s.pressure())),
    row("proc.pressure_ratio_percent", |s| Some(s.pressure_percent())),
    row("proc.queue.utilization_ratio", |s| Some(s.utilization_percent() / 100.0)),
    row("proc.queue.utilization_percent", |s| Some(s.utilization_percent())),
    windowed("proc.queue.wait.p95_ms", |s| s.wait_p95_ms),
    windowed("proc.exec.p95_ms", |s| s.exec_p95_ms),
    windowed("proc.queue.depth.1m", |s| s.depth_1m),
    windowed("proc.queue.pressure_ratio.1m", |s| s.pressure_1m),
    row("proc.active_tasks", |s| Some(f64::from(s.active))),
    row("proc.tasks.active", |s| Some(f64::from(s.active))),
    row("proc.queue.waiting", |s| Some(f64::from(s.waiting))),
    row("proc.queue.oldest_wait_seconds", |s| Some(s.oldest_wait)),
    row("proc.slots", |s| Some(f64::from(s.slots))),
    row("proc.slots.free", |s| Some(f64::from(s.free))),
    row("proc.load_ratio", Snapshot::load_ratio),
    row("proc.throughput_per_second", |s| Some(s.flow.throughput)),
    row("proc.arrivals_per_second", |s| Some(s.flow.arrivals)),
    row("proc.drain_seconds", Snapshot::drain_seconds),
    row("proc.replicas.desired", Snapshot::desired),
    row("proc.replicas.current", |s| Some(f64::from(s.accepting))),
    row("proc.replicas.missing", Snapshot::missing),
    row("ingress.sse.total_connections", |s| Some(f64::from(s.active))),
    row("ingress.sse.max_connections", |s| Some(f64::from(s.slots))),
    row("ingress.sse.saturation_ratio", Snapshot::saturation),
    row("ingress.sse.saturation_percent", |s| s.saturation().map(|ratio| 100.0 * ratio)),
    row("ingress.replicas.desired", Snapshot::desired),
    row("ingress.replicas.current", |s| Some(f64::from(s.accepting))),
    row("ingress.replicas.missing", Snapshot::missing),
];

/// A name that is no signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSignal(String);

impl Signal {
    /// The signal that a document names: by key (`proc.queue.pressure_ratio`), Prometheus name
    /// (`kdcube_proc_queue_pressure_ratio`) or CloudWatch name (`proc/queue/pressure_ratio`).
    ///
    /// # Errors
    /// No signal has this name.
    pub fn named(name: &str) -> Result<Self, UnknownSignal> {
        let wanted = normal(name);
        let row = TABLE.iter().find(|row| normal(row.key) == wanted);
        row.map(Self).ok_or_else(|| UnknownSignal(name.to_owned()))
    }

    #[must_use]
    pub const fn key(self) -> &'static str {
        self.0.key
    }

    /// The component that it measures.
    #[must_use]
    pub fn component(self) -> Component {
        if self.0.key.starts_with("ingress.") { Component::Ingress } else { Component::Proc }
    }

    #[must_use]
    pub const fn is_of_window(self) -> bool {
        self.0.is_of_window
    }

    /// Its value in a snapshot; `None` where it is absent.
    #[must_use]
    pub fn read(self, snapshot: &Snapshot) -> Option<f64> {
        (self.0.read)(snapshot)
    }

    /// All of them, in the order of documents.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(Self)
    }
}

/// A name without what outlets change: the prefix, the separators, and a unit at the end.
fn normal(name: &str) -> String {
    let name = name.strip_prefix("kdcube_").unwrap_or(name);
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    name.strip_suffix("_ms").unwrap_or(&name).to_owned()
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.key)
    }
}

impl PartialEq for Signal {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl fmt::Display for UnknownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = Signal::all().map(Signal::key).collect();
        write!(
            f,
            "no signal is called \"{}\"; accepted, also by their names in Prometheus and CloudWatch: {}",
            self.0,
            keys.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_the_names_of_every_outlet() {
        for (name, key) in [
            ("proc.queue.pressure_ratio", "proc.queue.pressure_ratio"),
            ("kdcube_proc_queue_pressure_ratio", "proc.queue.pressure_ratio"),
            ("proc/queue/pressure_ratio", "proc.queue.pressure_ratio"),
            ("kdcube_proc_queue_pressure_ratio_1m", "proc.queue.pressure_ratio.1m"),
            ("kdcube_proc_queue_wait_p95", "proc.queue.wait.p95_ms"),
            ("proc.queue.wait.p95", "proc.queue.wait.p95_ms"),
            ("ingress.sse.saturation_ratio", "ingress.sse.saturation_ratio"),
        ] {
            assert_eq!(Signal::named(name).map(Signal::key), Ok(key), "{name}");
        }
        let error = Signal::named("proc.queue.lenght").unwrap_err().to_string();
        assert!(
            error.starts_with("no signal is called \"proc.queue.lenght\"; accepted, ")
                && error.contains(", proc.slots, ")
        );
    }

    #[test]
    fn no_two_signals_share_a_name() {
        let names: std::collections::BTreeSet<String> = Signal::all().map(|signal| normal(signal.key())).collect();
        assert_eq!(names.len(), TABLE.len());
    }
}
