//! What this server would export about the simulated deployment: sampled at its interval, by its own formulas.

mod flow;
mod names;
mod snapshot;

use self::flow::Flow;
use super::deployment::{Deployment, Ended};
use crate::analysis::recommendation::{self, ScalePolicy, Stabilization};
use crate::base::clock::UnixSeconds;
use crate::history::{History, Window};
use crate::platform::facts::{Component, Facts, LatencySeries, RollingSeries};

pub use self::flow::Rates;
pub use self::names::{Signal, UnknownSignal};
pub use self::snapshot::Snapshot;

/// Seconds between two ticks (`METRICS_SAMPLE_INTERVAL_SEC`).
pub const SAMPLE_SECONDS: f64 = 5.0;
/// Seconds between two heartbeats of a process.
const BEAT_SECONDS: f64 = 10.0;
/// Samples kept of a latency series (`METRICS_MAX_SAMPLES`); a shape has fewer in an hour.
const MAX_SAMPLES: usize = 1_000_000;

/// Takes snapshots of a deployment, one a tick.
#[derive(Debug)]
pub struct Sampler {
    history: History,
    flow: Flow,
    scale: ScalePolicy,
    memory: Stabilization,
    /// Loads as of the last heartbeats.
    beat: Beat,
    /// Percentiles and rolling means cost the most, and are of use only to a policy that reads them.
    with_windows: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Beat {
    at: UnixSeconds,
    active: u32,
    free: u32,
}

impl Sampler {
    /// A sampler for a policy that reads these signals.
    #[must_use]
    pub fn new(signals: &[Signal], scale: ScalePolicy) -> Self {
        Self {
            history: History::new(MAX_SAMPLES),
            flow: Flow::default(),
            scale,
            memory: Stabilization::default(),
            beat: Beat { at: f64::NEG_INFINITY, ..Beat::default() },
            with_windows: signals.iter().any(|signal| signal.is_of_window()),
        }
    }

    /// The snapshot of a tick at `now`, to which the deployment has advanced.
    pub fn sample(&mut self, deployment: &mut Deployment<'_>, now: UnixSeconds) -> Snapshot {
        let ended = deployment.take_ended();
        if now >= self.beat.at + BEAT_SECONDS {
            let free = deployment.free_slots();
            self.beat = Beat { at: now, active: deployment.running(), free };
        }
        self.flow.add(now, deployment.waiting() + deployment.running(), &ended.executions);
        let mut snapshot = self.state(deployment, now);
        if self.with_windows {
            self.windows(&mut snapshot, ended, now);
        }
        self.recommend(&mut snapshot, now);
        snapshot
    }

    fn state(&self, deployment: &mut Deployment<'_>, now: UnixSeconds) -> Snapshot {
        let turned_away = deployment.turned_away();
        let (world, accepting) = (deployment.world(), deployment.accepting());
        let each = world.gateway.capacity(1).total;
        Snapshot {
            component: world.component,
            depth: deployment.depth(),
            capacity: each.saturating_mul(i64::from(accepting)),
            waiting: deployment.waiting(),
            oldest_wait: deployment.oldest_wait(),
            turned_away,
            active: self.beat.active,
            free: self.beat.free.min(accepting * world.slots),
            slots: accepting * world.slots,
            slots_per_replica: world.slots,
            accepting,
            is_draining: deployment.replicas().draining() > 0,
            flow: self.flow.rates(now),
            ..Snapshot::default()
        }
    }

    fn windows(&mut self, snapshot: &mut Snapshot, ended: Ended, now: UnixSeconds) {
        let latency = [(LatencySeries::QueueWait, ended.waits), (LatencySeries::TaskExec, ended.executions)];
        self.history.absorb(&mut Facts { latency: latency.into(), ..Facts::default() }, now);
        let (depth, pressure) = (crate::base::number::float(snapshot.depth), snapshot.pressure());
        let points = [(RollingSeries::QueueDepth, depth), (RollingSeries::QueuePressure, pressure)];
        self.history.record(now, &points);
        let last_minute = |series| self.history.latency(series, Window::OneMinute).p95;
        snapshot.wait_p95_ms = last_minute(LatencySeries::QueueWait);
        snapshot.exec_p95_ms = last_minute(LatencySeries::TaskExec);
        snapshot.depth_1m = self.history.rolling(RollingSeries::QueueDepth, now).one_minute;
        snapshot.pressure_1m = self.history.rolling(RollingSeries::QueuePressure, now).one_minute;
    }

    fn recommend(&mut self, snapshot: &mut Snapshot, now: UnixSeconds) {
        let memory = std::mem::take(&mut self.memory);
        let (recommended, memory) = match snapshot.component {
            Component::Proc => recommendation::proc(&snapshot.proc_operands(), &self.scale, memory, now),
            Component::Ingress => recommendation::ingress(&snapshot.ingress_operands(), &self.scale, memory, now),
        };
        self.memory = memory;
        snapshot.desired = recommended.desired.value();
    }
}
