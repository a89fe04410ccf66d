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
pub(crate) const PRIORITY: [Role; 5] =
    [Role::Privileged, Role::Paid, Role::Registered, Role::External, Role::Anonymous];

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

/// The role of the next task.
pub(crate) fn pick_role(rng: &mut Rng) -> Role {
    let mut draw = rng.f64();
    for (role, share) in SHARES {
        draw -= share;
        if draw < 0.0 {
            return role;
        }
    }
    Role::Registered
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Later than any execution ends.
    const DAY: f64 = 86_400.0;

    fn running(tasks: &Tasks, role: Role) -> i64 {
        tasks.depths().get(role).map_or(0, |depth| depth.inflight)
    }

    #[test]
    fn waiting_roles_are_served_by_priority_and_one_role_in_order() {
        let (mut tasks, mut rng) = (Tasks::new(1, 1), Rng::with_seed(1));
        for role in Role::ALL {
            tasks.arrive(role, 0.0);
        }
        for (step, role) in (1..).zip(PRIORITY) {
            tasks.work(&mut rng, f64::from(step) * DAY);
            assert_eq!(running(&tasks, role), 1, "{role:?}");
            assert_eq!(tasks.waiting(), 5 - i64::from(step));
        }
        tasks.arrive(Role::Paid, 10.0 * DAY);
        tasks.arrive(Role::Paid, 11.0 * DAY);
        tasks.work(&mut rng, 12.0 * DAY);
        let waited = tasks.waits.last().map(|wait| wait.value);
        assert_eq!(waited, Some(2.0 * DAY * 1000.0), "the one that arrived first");
    }

    #[test]
    fn no_process_runs_more_than_its_slots_and_work_is_spread() {
        let (mut tasks, mut rng) = (Tasks::new(3, 2), Rng::with_seed(1));
        for expected in [[1, 0, 0], [1, 1, 0], [1, 1, 1], [2, 1, 1], [2, 2, 1], [2, 2, 2], [2, 2, 2]] {
            tasks.arrive(Role::Paid, 0.0);
            tasks.work(&mut rng, 0.0);
            assert_eq!(tasks.loads().collect::<Vec<_>>(), expected);
        }
        let paid = tasks.depths().paid;
        assert_eq!(paid, Some(QueueDepth { ready: 1, inflight: 6, continuations: 0 }));
        assert_eq!(tasks.waiting(), 1);
        tasks.work(&mut rng, DAY);
        assert_eq!((tasks.loads().sum::<i64>(), tasks.waiting(), tasks.executions.len()), (1, 0, 6));
    }

    #[test]
    fn times_are_in_milliseconds_and_dated_to_their_events() {
        let (mut tasks, mut rng) = (Tasks::new(1, 1), Rng::with_seed(1));
        tasks.arrive(Role::Paid, 100.0);
        tasks.work(&mut rng, 101.5);
        assert_eq!(tasks.waits, [Point { at: 101.5, value: 1500.0 }]);
        assert!(tasks.executions.is_empty(), "it has only begun");
        tasks.work(&mut rng, 101.5 + DAY);
        let [execution] = tasks.executions[..] else { panic!("{:?}", tasks.executions) };
        assert!((execution.at - 101.5 - execution.value / 1000.0).abs() < 1e-6, "{execution:?}");
    }

    #[test]
    fn bookkeeping_is_of_roles_that_had_a_task() {
        let (mut tasks, mut rng) = (Tasks::new(1, 2), Rng::with_seed(1));
        assert_eq!(tasks.analytics(), PerRole::default());
        tasks.arrive(Role::Paid, 0.0);
        tasks.arrive(Role::Paid, 2.0);
        tasks.work(&mut rng, 4.0);
        let expected = QueueAnalytics { avg_wait_seconds: 3.0, throughput_last_hour: 2 };
        assert_eq!(tasks.analytics(), PerRole { paid: Some(expected), ..PerRole::default() });
    }

    #[test]
    fn without_processes_tasks_wait_and_nothing_runs() {
        let (mut tasks, mut rng) = (Tasks::new(0, 5), Rng::with_seed(1));
        tasks.arrive(Role::Anonymous, 0.0);
        tasks.work(&mut rng, DAY);
        assert_eq!((tasks.waiting(), tasks.loads().count(), tasks.waits.len()), (1, 0, 0));
    }

    #[test]
    fn roles_arrive_by_their_shares() {
        let mut rng = Rng::with_seed(7);
        let mut drawn: PerRole<u32> = PerRole::default();
        for _ in 0..10_000 {
            *drawn.get_mut(pick_role(&mut rng)) += 1;
        }
        for (role, share) in SHARES {
            let found = f64::from(*drawn.get(role)) / 10_000.0;
            assert!((found - share).abs() < 0.02, "{role:?}: {found} instead of {share}");
        }
    }
}
