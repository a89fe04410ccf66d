//! The simulated deployment: advanced to a time, it returns the facts of that time.
//!
//! Seeded: the same times give the same facts. `demand` decides what arrives; `tasks` and `fleet` process it.

use std::collections::BTreeMap;

use fastrand::Rng;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::circuits;
use super::demand::{Demand, exponential, long_tailed};
use super::fleet::SimulatedFleet;
use super::tasks::{Tasks, pick_role};
use crate::base::clock::UnixSeconds;
use crate::base::number::count;
use crate::platform::facts::{Circuit, Facts, LatencySeries, Point, Role, ThrottlingDetail, ThrottlingEvent};

/// How large the deployment is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Ingress instances, a process each.
    pub ingress: u32,
    /// Processor instances, a process each.
    pub proc: u32,
    /// Tasks that arrive in a second, on average.
    pub rate: f64,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self { ingress: 2, proc: 3, rate: 4.0, seed: 1 }
    }
}

/// Tasks that a processor runs at once: the platform's default.
const SLOTS: usize = 5;
/// Waiting tasks for each processor, above which anonymous ones are rejected.
const QUEUED_PER_WORKER: i64 = 6;
/// Background jobs for each task.
const JOB_SHARE: f64 = 0.03;
/// The simulation's step; what happens within one happens at its end.
const STEP_SECONDS: f64 = 0.1;
/// Longest time simulated at once: a longer jump of the clock skips the rest.
const LONGEST_SECONDS: f64 = 7200.0;
/// Number of hourly request counters that are kept.
const HOURS: usize = 48;

/// A deployment, with the series entries that no call returned yet.
#[derive(Debug)]
pub struct Deployment {
    rate: f64,
    rng: Rng,
    started: UnixSeconds,
    now: UnixSeconds,
    next_arrival: UnixSeconds,
    demand: Demand,
    fleet: SimulatedFleet,
    tasks: Tasks,
    requests: Vec<Point>,
    events: Vec<ThrottlingEvent>,
    hourly: BTreeMap<String, i64>,
    total_requests: i64,
}

impl Deployment {
    /// A deployment that starts at `now`.
    #[must_use]
    pub fn new(shape: Shape, now: UnixSeconds) -> Self {
        let mut rng = Rng::with_seed(shape.seed);
        let demand = Demand::new(&mut rng, now);
        let workers = usize::try_from(shape.proc).unwrap_or(usize::MAX);
        let slots = count(SLOTS);
        Self {
            rate: shape.rate.max(0.0),
            rng,
            started: now,
            now,
            next_arrival: now,
            demand,
            fleet: SimulatedFleet::new(shape.ingress, shape.proc, slots, now),
            tasks: Tasks::new(workers, SLOTS),
            requests: Vec::new(),
            events: Vec::new(),
            hourly: BTreeMap::new(),
            total_requests: 0,
        }
    }

    /// Simulates until `now` and returns the facts: the complete state, and series since the last call.
    pub fn advance(&mut self, now: UnixSeconds) -> Facts {
        self.now = self.now.max(now - LONGEST_SECONDS);
        while self.now + STEP_SECONDS <= now {
            self.now += STEP_SECONDS;
            self.step();
        }
        self.facts()
    }

    fn step(&mut self) {
        let demand = self.demand.factor(&mut self.rng, self.now);
        self.fleet.advance(&mut self.rng, self.now, demand);
        let pause = 1.0 / (self.rate * demand).max(1e-9);
        // Arrivals missed in a pause are skipped: they must not all come at once.
        self.next_arrival = self.next_arrival.max(self.now - STEP_SECONDS);
        while self.next_arrival <= self.now {
            self.arrival();
            self.next_arrival += exponential(&mut self.rng, pause);
        }
        self.tasks.work(&mut self.rng, self.now);
    }

    /// A user's message: some REST requests, and a task unless it is throttled.
    fn arrival(&mut self) {
        let at = self.next_arrival;
        *self.hourly.entry(hour(at)).or_default() += 1;
        self.total_requests += 1;
        let busy = if self.demand.is_burst(at) { 2.0 } else { 1.0 };
        for _ in 0..self.rng.u8(1..=3) {
            self.requests.push(Point { at, value: long_tailed(&mut self.rng, 25.0 * busy, 0.7) });
        }
        let role = pick_role(&mut self.rng);
        let overloaded = self.tasks.waiting() > QUEUED_PER_WORKER * self.workers();
        match () {
            () if overloaded && role == Role::Anonymous => self.throttle(at, role, "anonymous_backpressure", 503),
            () if self.rng.f64() < 0.002 * busy => self.throttle(at, role, "hourly_rate_limit", 429),
            () => self.tasks.arrive(role, at),
        }
        if self.rng.f64() < JOB_SHARE {
            let role = if Role::WITH_JOBS.contains(&role) { role } else { Role::Registered };
            self.tasks.arrive_job(role, at);
        }
    }

    fn workers(&self) -> i64 {
        count(self.tasks.loads().count())
    }

    /// Adds a throttling event as the platform writes it.
    fn throttle(&mut self, at: UnixSeconds, role: Role, reason: &str, status: i64) {
        let session = format!("s-{}", self.rng.u16(0..50));
        let shown = json!({
            "timestamp": at, "event_id": format!("{:032x}", self.rng.u128(..)), "reason": reason, "http_status": status,
            "session_id": session, "user_type": role.as_str(), "fingerprint": "f", "endpoint": "/sse/chat",
            "retry_after": 60, "queue_stats": null, "rate_limit_stats": null,
        });
        let detail = ThrottlingDetail {
            reason: Some(reason.to_owned()),
            http_status: Some(status),
            session_id: Some(session),
            shown: Some(shown),
        };
        self.events.push(ThrottlingEvent { at, detail: Some(detail) });
    }

    fn facts(&mut self) -> Facts {
        while self.hourly.len() > HOURS {
            self.hourly.pop_first();
        }
        let heartbeats = self.fleet.heartbeats(self.tasks.loads().zip(self.tasks.reports(self.now)));
        let latency = [
            (LatencySeries::IngressRest, std::mem::take(&mut self.requests)),
            (LatencySeries::QueueWait, std::mem::take(&mut self.tasks.waits)),
            (LatencySeries::TaskExec, std::mem::take(&mut self.tasks.executions)),
        ];
        Facts {
            process_keys_found: heartbeats.len(),
            heartbeats,
            sse: self.fleet.samples(),
            queues: self.tasks.depths(),
            queue_fronts: self.tasks.fronts(),
            jobs: self.tasks.jobs(),
            analytics: self.tasks.analytics(),
            latency: latency.into(),
            throttling_events: std::mem::take(&mut self.events),
            hourly_requests: self.hourly.clone(),
            circuits: Circuit::ALL
                .into_iter()
                .map(|circuit| (circuit, circuits::closed(circuit, self.started, self.now, self.total_requests)))
                .collect(),
            ..Facts::default()
        }
    }
}

/// The name of the hourly counter; UTC as in the platform's containers.
#[expect(clippy::cast_possible_truncation, reason = "whole seconds of a clock")]
fn hour(at: UnixSeconds) -> String {
    let time = Timestamp::from_second(at as i64).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(time).strftime("%Y-%m-%d_%H").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixSeconds = 1_767_225_600.0;

    fn hour_of(shape: Shape) -> (Deployment, Facts) {
        let mut deployment = Deployment::new(shape, START);
        let signals = deployment.advance(START + 3600.0);
        (deployment, signals)
    }

    #[test]
    fn an_hour_has_samples_of_everything() {
        let (_, signals) = hour_of(Shape::default());
        assert_eq!((signals.heartbeats.len(), signals.sse.len()), (5, 2));
        assert!(signals.latency.values().all(|points| points.len() > 5_000), "tasks arrive, wait and are executed");
        let reasons = signals.throttling_events.iter().filter_map(|event| event.detail.as_ref()?.http_status);
        let reasons: std::collections::BTreeSet<i64> = reasons.collect();
        assert_eq!(reasons.into_iter().collect::<Vec<_>>(), [429, 503], "bursts are throttled");
        assert!(signals.hourly_requests.contains_key("2026-01-01_00"));
    }

    #[test]
    fn the_same_seed_gives_the_same_facts() {
        assert_eq!(hour_of(Shape::default()).1, hour_of(Shape::default()).1);
        assert_ne!(hour_of(Shape { seed: 2, ..Shape::default() }).1, hour_of(Shape::default()).1);
    }

    #[test]
    fn series_are_returned_once_and_the_state_completely() {
        let (mut deployment, _) = hour_of(Shape::default());
        let signals = deployment.advance(START + 3600.0);
        assert!(signals.latency.values().all(Vec::is_empty) && signals.throttling_events.is_empty());
        assert_eq!(signals.heartbeats.len(), 5);
    }

    #[test]
    fn a_deployment_may_be_empty() {
        let (_, signals) = hour_of(Shape { ingress: 0, proc: 0, rate: 0.0, seed: 1 });
        assert_eq!((signals.heartbeats.len(), signals.sse.len()), (0, 0));
    }
}
