//! What this server would export about the simulated deployment: sampled at its interval, by its own formulas.

mod flow;
mod names;
mod snapshot;

use self::flow::Flow;
use super::deployment::{Deployment, Ended};
use crate::analysis::recommendation::{self, ScalePolicy, Stabilization};
use crate::base::clock::UnixSeconds;
use crate::base::number;
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
        self.sample_ended(deployment, ended, now)
    }

    fn sample_ended(&mut self, deployment: &mut Deployment<'_>, ended: Ended, now: UnixSeconds) -> Snapshot {
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
        let (depth, pressure) = (number::float(snapshot.depth), snapshot.pressure());
        let points = [(RollingSeries::QueueDepth, depth), (RollingSeries::QueuePressure, pressure)];
        self.history.record(now, &points);
        let last_minute = |series| self.history.latency(series, Window::OneMinute).p95;
        snapshot.wait_p95_ms = last_minute(LatencySeries::QueueWait);
        snapshot.exec_p95_ms = last_minute(LatencySeries::TaskExec);
        let mean = |series| self.history.rolling(series, now).one_minute.map(|mean| number::round(mean, 2));
        snapshot.depth_1m = mean(RollingSeries::QueueDepth);
        snapshot.pressure_1m = mean(RollingSeries::QueuePressure);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::state::Reading;
    use crate::analysis::{Analysis, Inputs, SystemState};
    use crate::catalog;
    use crate::platform::facts::{HealthWord, Heartbeat, PerRole, QueueDepth};
    use crate::platform::gateway::{GatewayConfig, GatewayContext};
    use crate::whatif::deployment::World;
    use crate::whatif::load::shapes;

    /// What the platform would have in Redis about the deployment.
    fn facts(deployment: &Deployment<'_>, ended: Ended, now: f64) -> Facts {
        let count = |value: u32| i64::from(value);
        let free = deployment.free_slots();
        let accepting = deployment.accepting() * deployment.world().slots - free;
        let beat = |number: u32, load: u32, draining: bool| Heartbeat {
            instance_id: format!("proc-{draining}-{number}").into(),
            service_type: "chat".into(),
            service_name: "proc".into(),
            process_id: Some(1),
            port: None,
            load: count(load),
            capacity: 5,
            last_heartbeat: now,
            health: HealthWord::Healthy,
            draining,
            processor: None,
            pools: Arc::default(),
        };
        // How a load is spread changes nothing.
        let first = |number: u32, load: u32| if number == 0 { load } else { 0 };
        let running = (0..deployment.accepting()).map(|number| beat(number, first(number, accepting), false));
        let drained = deployment.running() - accepting;
        let draining = (0..deployment.replicas().draining()).map(|number| beat(number, first(number, drained), true));
        let ready = count(deployment.waiting());
        let none = Some(QueueDepth::default());
        let registered = Some(QueueDepth { ready, inflight: deployment.depth() - ready, continuations: 0 });
        let latency = [(LatencySeries::QueueWait, ended.waits), (LatencySeries::TaskExec, ended.executions)];
        Facts {
            heartbeats: running.chain(draining).collect(),
            queues: PerRole { anonymous: none, external: none, registered, paid: none, privileged: none },
            latency: latency.into(),
            ..Facts::default()
        }
    }

    fn analysed(mut facts: Facts, history: &mut History, gateway: &Arc<GatewayConfig>, now: f64) -> SystemState {
        history.absorb(&mut facts, now);
        let inputs = Inputs {
            facts: &facts,
            gateway,
            instance_id: "m",
            database_max_connections: Reading::default(),
            is_gateway_uncertain: false,
            is_scope_found: true,
            zone: &jiff::tz::TimeZone::UTC,
            now,
        };
        let analysis = Analysis::new(inputs, history);
        history.record(now, &analysis.rolling_points());
        analysis.finish(history)
    }

    #[test]
    fn the_signals_are_those_of_the_servers_analysis() {
        let (component, tenant) = (Component::Proc, Some("a"));
        let context = GatewayContext { component, instance_id: "m", tenant, project: tenant, forced: false };
        let gateway = Arc::new(GatewayConfig::of_scope(&context).unwrap());
        let (world, load) = (World::of(component), shapes::find("burst").unwrap().load(1.0));
        let mut deployment = Deployment::new(&world, &load, 3, 1);
        let all: Vec<Signal> = Signal::all().collect();
        let (mut sampler, mut history) = (Sampler::new(&all, ScalePolicy::default()), History::new(MAX_SAMPLES));
        for tick in 1..=500 {
            let now = 3000.0 + 10.0 * f64::from(tick);
            deployment.advance(now);
            match tick {
                80 => deployment.scale(20),
                230 => deployment.scale(4),
                _ => {}
            }
            let ended = deployment.take_ended();
            let snapshot = sampler.sample_ended(&mut deployment, ended.clone(), now);
            let state = analysed(facts(&deployment, ended, now), &mut history, &gateway, now);
            for key in EXPORTED {
                let signal = Signal::named(key).unwrap();
                assert_eq!(signal.read(&snapshot), catalog::scalar(key, &state), "{key} at {now}");
            }
        }
    }

    /// What follows from these facts alone.
    const EXPORTED: [&str; 10] = [
        "proc.queue.total",
        "proc.queue.pressure_ratio",
        "proc.pressure_ratio_percent",
        "proc.queue.utilization_ratio",
        "proc.queue.utilization_percent",
        "proc.queue.wait.p95_ms",
        "proc.exec.p95_ms",
        "proc.queue.depth.1m",
        "proc.queue.pressure_ratio.1m",
        "proc.active_tasks",
    ];
}
