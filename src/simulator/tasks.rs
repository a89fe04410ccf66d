//! Tasks: they arrive by role, wait in their role's queue, and run in processor slots.

use std::collections::VecDeque;

use fastrand::Rng;

use super::demand::long_tailed;
use crate::base::clock::UnixSeconds;
use crate::base::number::{count, float};
use crate::platform::facts::{PerRole, Point, QueueAnalytics, QueueDepth, Role};

/// Median time of a task's execution.
const EXECUTION_SECONDS: f64 = 2.0;

/// The order in which waiting roles are served.
const PRIORITY: [Role; 5] = [Role::Privileged, Role::Paid, Role::Registered, Role::External, Role::Anonymous];

/// Share of all tasks.
const SHARES: [(Role, f64); 5] = [
    (Role::Anonymous, 0.4),
    (Role::External, 0.05),
    (Role::Registered, 0.35),
    (Role::Paid, 0.15),
    (Role::Privileged, 0.05),
];

/// A task in execution.
#[derive(Debug, Clone, Copy)]
struct Running {
    role: Role,
    started: UnixSeconds,
    ends: UnixSeconds,
}

/// Statistics of a role's queue.
#[derive(Debug, Clone, Copy, Default)]
struct RoleWaits {
    started: i64,
    waited: f64,
}

/// All queues and slots.
#[derive(Debug)]
pub(super) struct Tasks {
    waiting: PerRole<VecDeque<UnixSeconds>>,
    seen: PerRole<RoleWaits>,
    /// One a processor process.
    workers: Vec<Vec<Running>>,
    slots: usize,
    pub(super) waits: Vec<Point>,
    pub(super) executions: Vec<Point>,
}

impl Tasks {
    /// `workers` processes that run `slots` tasks each at once.
    pub(super) fn new(workers: usize, slots: usize) -> Self {
        Self {
            waiting: PerRole::default(),
            seen: PerRole::default(),
            workers: vec![Vec::new(); workers],
            slots,
            waits: Vec::new(),
            executions: Vec::new(),
        }
    }

    /// The role of the next task.
    pub(super) fn pick_role(rng: &mut Rng) -> Role {
        let mut draw = rng.f64();
        for (role, share) in SHARES {
            draw -= share;
            if draw < 0.0 {
                return role;
            }
        }
        Role::Registered
    }

    pub(super) fn arrive(&mut self, role: Role, at: UnixSeconds) {
        self.waiting.get_mut(role).push_back(at);
    }

    /// Ends the tasks that are done by `now` and starts waiting ones.
    pub(super) fn work(&mut self, rng: &mut Rng, now: UnixSeconds) {
        for worker in &mut self.workers {
            worker.retain(|task| {
                if task.ends <= now {
                    self.executions.push(Point { at: task.ends, value: (task.ends - task.started) * 1000.0 });
                }
                task.ends > now
            });
        }
        while let Some(worker) = self.workers.iter_mut().min_by_key(|worker| worker.len()) {
            let waiting = PRIORITY.into_iter().find(|role| !self.waiting.get(*role).is_empty());
            let Some(role) = waiting.filter(|_| worker.len() < self.slots) else { break };
            let arrived = self.waiting.get_mut(role).pop_front().unwrap_or(now);
            let ends = now + long_tailed(rng, EXECUTION_SECONDS, 0.6);
            worker.push(Running { role, started: now, ends });
            self.waits.push(Point { at: now, value: (now - arrived) * 1000.0 });
            let seen = self.seen.get_mut(role);
            seen.started += 1;
            seen.waited += now - arrived;
        }
    }

    /// Running tasks of each process.
    pub(super) fn loads(&self) -> impl Iterator<Item = i64> {
        self.workers.iter().map(|worker| count(worker.len()))
    }

    /// Waiting tasks.
    pub(super) fn waiting(&self) -> i64 {
        self.waiting.iter().map(|(_, queue)| count(queue.len())).sum()
    }

    /// The depths as the platform counts them: a claimed task stays in flight until it is done.
    pub(super) fn depths(&self) -> PerRole<Option<QueueDepth>> {
        let mut depths = PerRole::default();
        for role in Role::ALL {
            let running = self.workers.iter().flatten().filter(|task| task.role == role).count();
            let ready = count(self.waiting.get(role).len());
            *depths.get_mut(role) = Some(QueueDepth { ready, inflight: count(running), continuations: 0 });
        }
        depths
    }

    pub(super) fn analytics(&self) -> PerRole<Option<QueueAnalytics>> {
        let mut analytics = PerRole::default();
        for (role, seen) in self.seen.iter().filter(|(_, seen)| seen.started > 0) {
            let avg_wait_seconds = seen.waited / float(seen.started);
            *analytics.get_mut(role) = Some(QueueAnalytics { avg_wait_seconds, throughput_last_hour: seen.started });
        }
        analytics
    }
}
