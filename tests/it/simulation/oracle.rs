//! The truth of a tick, computed again from all that was ever written, and compared with what the server says.

use kdcube_metrics::analysis::SystemState;
use kdcube_metrics::analysis::state::{Decision, Quality};
use kdcube_metrics::catalog;
use kdcube_metrics::platform::facts::{Component, LatencySeries, QueueDepth, Role, RollingSeries};

use super::expected::Expected;
use super::world::World;

/// How long a last good value may stand in.
const HELD: f64 = 45.0;

/// Compares; how many numbers, or what is wrong.
pub(super) fn check(world: &World, expected: &Expected, state: &SystemState) -> Result<u64, String> {
    let mut oracle = Oracle { world, state, expected, compared: 0 };
    oracle.every_number_is_one()?;
    oracle.quality()?;
    oracle.processes()?;
    oracle.queue()?;
    oracle.demand()?;
    oracle.replicas()?;
    oracle.sse()?;
    oracle.latency()?;
    oracle.throttling()?;
    oracle.windows()?;
    Ok(oracle.compared)
}

struct Oracle<'a> {
    world: &'a World,
    state: &'a SystemState,
    expected: &'a Expected,
    compared: u64,
}

impl Oracle<'_> {
    fn scalar(&self, key: &str) -> Option<f64> {
        catalog::scalar(key, self.state)
    }

    fn equal(&mut self, key: &str, expected: Option<f64>) -> Result<(), String> {
        let said = self.scalar(key);
        self.compared += 1;
        let is_equal = match (said, expected) {
            (Some(said), Some(expected)) => (said - expected).abs() <= 1e-9 * expected.abs().max(1.0),
            (said, expected) => said == expected,
        };
        if is_equal { Ok(()) } else { Err(format!("{key} is {said:?} and should be {expected:?}")) }
    }

    /// Nothing is NaN, infinite or negative, whatever happens.
    fn every_number_is_one(&mut self) -> Result<(), String> {
        for sample in catalog::samples(self.state) {
            self.compared += 1;
            let is_difference = sample.metric.key.ends_with(".missing");
            if !sample.value.is_finite() || (sample.value < 0.0 && !is_difference) {
                return Err(format!("{sample:?}"));
            }
        }
        Ok(())
    }

    /// What rests on unreadable input is flagged, and no hint scales on it.
    fn quality(&mut self) -> Result<(), String> {
        let is_broken = self.world.is_decisive_broken()
            || self.expected.is_configuration_uncertain
            || self.state.sse_unknown_workers.get().is_some_and(|workers| workers > 0);
        if is_broken != (self.state.quality == Quality::Partial) {
            return Err(format!("the quality is {:?}", self.state.quality));
        }
        for component in Component::ALL.into_iter().filter(|_| is_broken) {
            let decision = self.state.decision(component);
            if decision.get() != Some(Decision::Hold) {
                return Err(format!("{component:?} does not hold on partial numbers: {decision:?}"));
            }
        }
        Ok(())
    }

    fn is_beat_broken(&self, component: Component) -> bool {
        let name = component.service_name();
        let mut beats = self.world.beats().filter(|beat| &*beat.service_name == name);
        beats.any(|beat| self.world.broken_beats.contains_key(&*beat.instance_id))
    }

    fn processes(&mut self) -> Result<(), String> {
        let proc = |beat: &&kdcube_metrics::platform::facts::Heartbeat| &*beat.service_name == "proc";
        let load: i64 = self.world.readable_beats().filter(proc).map(|beat| beat.load).sum();
        let known = (!self.is_beat_broken(Component::Proc)).then_some(load as f64);
        self.equal("proc.active_tasks", known)
    }

    /// A processor that drains, is gone or unreadable is no capacity.
    fn capacity(&self) -> f64 {
        let accepting = self.world.readable_beats().filter(|beat| &*beat.service_name == "proc" && !beat.draining);
        accepting.count() as f64 * self.expected.figures.capacity()
    }

    /// The depth of all queues; where one is unreadable its last good one stands in for a while.
    fn depth(&self) -> Option<f64> {
        let mut total = 0;
        for role in Role::ALL {
            total += self.depth_of(role)?.total();
        }
        Some(total as f64)
    }

    fn depth_of(&self, role: Role) -> Option<QueueDepth> {
        let readable = self.world.depths().get(role).filter(|_| !self.world.broken_queues.contains_key(&role));
        let held = self.expected.last_depths.get(role).filter(|(_, at)| self.world.now() - at <= HELD);
        readable.or(held.map(|(depth, _)| depth))
    }

    fn queue(&mut self) -> Result<(), String> {
        let (total, capacity) = (self.depth(), self.capacity());
        self.equal("proc.queue.total", total)?;
        let pressure = total.map(|total| if capacity > 0.0 { total / capacity } else { 1.0 });
        self.equal("proc.queue.pressure_ratio", pressure)?;
        self.equal("proc.pressure_ratio_percent", pressure.map(|pressure| pressure * 100.0))
    }

    /// What waits and is worked on, as the deployment has it.
    fn demand(&mut self) -> Result<(), String> {
        let waiting = self.waiting();
        self.equal("proc.queue.waiting", waiting)?;
        let active = self.scalar("proc.active_tasks");
        self.equal("proc.tasks.active", active)?;
        let accepting = || self.world.readable_beats().filter(|beat| &*beat.service_name == "proc" && !beat.draining);
        let (slots, load) = accepting().fold((0, 0), |(slots, load), beat| (slots + beat.capacity, load + beat.load));
        let current = accepting().count() as f64;
        self.equal("proc.slots", Some(slots as f64))?;
        self.equal("proc.slots.free", Some((slots - load) as f64))?;
        self.equal("proc.replicas.current", Some(current))?;
        let jobs = self.world.jobs() as f64;
        self.equal("proc.jobs.waiting", Some(jobs))?;
        let tasks = active.zip(waiting).map(|(active, waiting)| active + waiting + jobs);
        self.equal("proc.load_ratio", tasks.filter(|_| slots > 0).map(|tasks| tasks / slots as f64))?;
        let oldest = self.oldest_wait();
        self.equal("proc.queue.oldest_wait_seconds", oldest)?;
        let ended = self.per_second(LatencySeries::TaskExec);
        self.equal("proc.throughput_per_second", ended)?;
        let requests = self.per_second(LatencySeries::IngressRest);
        self.equal("ingress.rest.requests_per_second", requests)
    }

    fn waiting(&self) -> Option<f64> {
        let mut total = 0;
        for role in Role::ALL {
            let depth = self.depth_of(role)?;
            total += depth.ready + depth.continuations;
        }
        Some(total as f64)
    }

    /// Absent where a list cannot be read.
    fn oldest_wait(&self) -> Option<f64> {
        let is_known = self.world.broken_queues.is_empty();
        let oldest = self.world.oldest_task().map_or(0.0, |at| self.world.now() - at);
        is_known.then_some(oldest)
    }

    fn per_second(&self, series: LatencySeries) -> Option<f64> {
        let is_known = !self.world.broken_series.contains_key(&series);
        let now = self.world.now();
        let minute = self.world.latency[&series].iter().filter(|point| point.at >= now - 60.0 && point.at <= now);
        is_known.then(|| minute.count() as f64 / 60.0)
    }

    /// Never fewer than there are while something is broken or drains, and never without its operands.
    fn replicas(&mut self) -> Result<(), String> {
        self.compared += 1;
        let [desired, current] = ["desired", "current"].map(|key| self.scalar(&format!("proc.replicas.{key}")));
        let is_draining = self.world.readable_beats().any(|beat| beat.draining && &*beat.service_name == "proc");
        let holds = is_draining || self.state.quality == Quality::Partial;
        if desired.is_some() && (self.waiting().is_none() || self.scalar("proc.tasks.active").is_none()) {
            return Err(format!("{desired:?} replicas follow from nothing"));
        }
        match desired.zip(current) {
            Some((desired, current)) if holds && desired < current => {
                Err(format!("{desired} replicas of {current} while it should hold"))
            }
            _ => Ok(()),
        }
    }

    /// Every stream of a live worker, at the most those of workers that died just now beside them; or absent, flagged.
    fn sse(&mut self) -> Result<(), String> {
        self.compared += 1;
        let count = |samples: &mut dyn Iterator<Item = i64>| samples.sum::<i64>() as f64;
        let open = count(&mut self.world.streams().map(|sample| sample.count));
        let leaving = count(&mut self.world.leaving().map(|sample| sample.count));
        let Some(said) = self.scalar("ingress.sse.total_connections") else {
            let is_unknown = self.state.quality == Quality::Partial || open == 0.0;
            return if is_unknown { Ok(()) } else { Err(format!("{open} streams are absent, unflagged")) };
        };
        let is_held = !self.world.broken_samples.is_empty();
        if is_held || (open <= said && said <= open + leaving) {
            return Ok(());
        }
        Err(format!("{said} SSE streams; {open} are open, {leaving} were those of workers that died"))
    }

    fn latency(&mut self) -> Result<(), String> {
        let percentiles = [
            (LatencySeries::IngressRest, "ingress.rest.latency.p50", 50),
            (LatencySeries::IngressRest, "ingress.rest.latency.p95", 95),
            (LatencySeries::IngressRest, "ingress.rest.latency.p99", 99),
            (LatencySeries::QueueWait, "proc.queue.wait.p95_ms", 95),
            (LatencySeries::TaskExec, "proc.exec.p95_ms", 95),
        ];
        for (series, key, percent) in percentiles {
            let expected = self.percentile(series, percent);
            self.equal(key, expected)?;
        }
        Ok(())
    }

    /// By sorting: the value at rank int(n · p / 100), or the last.
    fn percentile(&self, series: LatencySeries, percent: usize) -> Option<f64> {
        if self.world.broken_series.contains_key(&series) {
            return None;
        }
        let now = self.world.now();
        let newest_first = self.world.latency[&series].iter().rev();
        let minute = newest_first.take_while(|point| point.at >= now - 120.0);
        let mut values: Vec<f64> =
            minute.filter(|point| point.at >= now - 60.0 && point.at <= now).map(|point| point.value).collect();
        values.sort_by(f64::total_cmp);
        values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied()
    }

    fn throttling(&mut self) -> Result<(), String> {
        let now = self.world.now();
        let of = |status, seconds| {
            let hour = self.world.events.iter().filter(|event| event.at >= now - seconds && event.at <= now);
            let details = hour.filter_map(|event| event.detail.as_ref()?.http_status);
            details.filter(|found| *found == status).count() as f64
        };
        let (rate_limit, backpressure) = (of(429, 3600.0), of(503, 3600.0));
        let minute = [of(429, 60.0), of(503, 60.0)];
        self.equal("throttling.rate_limit_429.1m", Some(minute[0]))?;
        self.equal("throttling.backpressure_503.1m", Some(minute[1]))?;
        self.equal("throttling.rate_limit_429", Some(rate_limit))?;
        self.equal("throttling.backpressure_503", Some(backpressure))
    }

    /// The mean of the points that this life of the server wrote or found, rounded as the platform does it.
    fn windows(&mut self) -> Result<(), String> {
        for (key, series) in [
            ("proc.queue.depth.1m", RollingSeries::QueueDepth),
            ("proc.queue.pressure_ratio.1m", RollingSeries::QueuePressure),
        ] {
            let now = self.world.now();
            let minute = self.expected.points().filter(|(at, of, _)| *of == series && *at >= now - 60.0 && *at <= now);
            let values: Vec<f64> = minute.map(|(_, _, value)| *value).collect();
            let is_known = self.scalar("proc.queue.total").is_some() && !values.is_empty();
            let said = self.scalar(key);
            self.compared += 1;
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let is_right =
                if is_known { said.is_some_and(|said| (said - mean).abs() <= 0.005 + 1e-9) } else { said.is_none() };
            if !is_right {
                return Err(format!("{key} is {said:?}, the mean of {} points is {mean}", values.len()));
            }
        }
        Ok(())
    }
}
