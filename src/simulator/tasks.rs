//! Tasks: they arrive by role, wait in their role's queue, and run in processor slots, as background jobs do when no task waits.
//!
//! Waits and executions are known when a task ends, and dated so.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;

use super::demand::long_tailed;
use crate::base::clock::UnixSeconds;
use crate::base::number::{count, float};
use crate::platform::facts::{
    JobBacklog, PerRole, Point, ProcessorReport, QueueAnalytics, QueueDepth, QueueFront, Role,
};

/// Median time of a task's execution.
const EXECUTION_SECONDS: f64 = 2.0;

/// A running task does something at least this often.
const LONGEST_IDLE_SECONDS: f64 = 7.0;
/// Time that a processor takes between two looks at the queue.
const LOOP_LAG_SECONDS: f64 = 0.05;

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

/// A task or a job in execution.
#[derive(Debug, Clone, Copy)]
struct Running {
    role: Role,
    is_job: bool,
    arrived: UnixSeconds,
    started: UnixSeconds,
    ends: UnixSeconds,
}

/// Statistics of a role's queue.
#[derive(Debug, Clone, Copy, Default)]
struct RoleWaits {
    ended: i64,
    waited: f64,
}

/// All queues and slots.
#[derive(Debug)]
pub(super) struct Tasks {
    waiting: PerRole<VecDeque<UnixSeconds>>,
    jobs: PerRole<VecDeque<UnixSeconds>>,
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
            jobs: PerRole::default(),
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

    /// A background job.
    pub(super) fn arrive_job(&mut self, role: Role, at: UnixSeconds) {
        self.jobs.get_mut(role).push_back(at);
    }

    /// Ends the tasks that are done by `now` and starts waiting ones.
    pub(super) fn work(&mut self, rng: &mut Rng, now: UnixSeconds) {
        for task in self.workers.iter_mut().flat_map(|worker| worker.extract_if(.., |task| task.ends <= now)) {
            let waited = task.started - task.arrived;
            self.executions.push(Point { at: task.ends, value: (task.ends - task.started) * 1000.0 });
            self.waits.push(Point { at: task.ends, value: waited * 1000.0 });
            let seen = self.seen.get_mut(task.role);
            seen.ended += 1;
            seen.waited += waited;
        }
        while self.workers.iter().any(|worker| worker.len() < self.slots) {
            let Some((role, is_job, arrived)) = self.next() else { break };
            let ends = now + long_tailed(rng, EXECUTION_SECONDS, 0.6);
            let free = self.workers.iter_mut().min_by_key(|worker| worker.len());
            free.into_iter().for_each(|worker| worker.push(Running { role, is_job, arrived, started: now, ends }));
        }
    }

    /// Claims the next task, or job if no task waits: its role, whether it is a job, and when it arrived.
    fn next(&mut self) -> Option<(Role, bool, UnixSeconds)> {
        let first = |queues: &mut PerRole<VecDeque<UnixSeconds>>| {
            PRIORITY.into_iter().find_map(|role| Some((role, queues.get_mut(role).pop_front()?)))
        };
        let task = first(&mut self.waiting).map(|(role, arrived)| (role, false, arrived));
        task.or_else(|| first(&mut self.jobs).map(|(role, arrived)| (role, true, arrived)))
    }

    /// Running tasks of each process.
    pub(super) fn loads(&self) -> impl Iterator<Item = i64> {
        self.workers.iter().map(|worker| count(worker.len()))
    }

    /// What each processor says of its work.
    pub(super) fn reports(&self, now: UnixSeconds) -> impl Iterator<Item = ProcessorReport> {
        self.workers.iter().map(move |worker| {
            let oldest = worker.iter().map(|task| now - task.started).fold(0.0, f64::max);
            ProcessorReport {
                oldest_active_seconds: Some(oldest),
                max_idle_seconds: Some(oldest % LONGEST_IDLE_SECONDS),
                queue_loop_lag_seconds: Some(LOOP_LAG_SECONDS),
                is_implausible: false,
            }
        })
    }

    /// When the oldest waiting task of each role arrived.
    pub(super) fn fronts(&self) -> PerRole<Option<QueueFront>> {
        let front = |role| self.waiting.get(role).front().copied().map_or(QueueFront::Empty, QueueFront::Created);
        PerRole::from_fn(|role| Some(front(role)))
    }

    /// Jobs that wait, and those that run.
    pub(super) fn jobs(&self) -> BTreeMap<Role, JobBacklog> {
        let backlog = |role: Role| {
            let running = self.workers.iter().flatten().filter(|task| task.role == role && task.is_job);
            JobBacklog { lag: Some(count(self.jobs.get(role).len())), pending: count(running.count()) }
        };
        Role::WITH_JOBS.into_iter().map(|role| (role, backlog(role))).collect()
    }

    /// Waiting tasks.
    pub(super) fn waiting(&self) -> i64 {
        self.waiting.iter().map(|(_, queue)| count(queue.len())).sum()
    }

    /// The depths as the platform counts them: a claimed task stays in flight until it is done.
    pub(super) fn depths(&self) -> PerRole<Option<QueueDepth>> {
        let mut depths = PerRole::default();
        for role in Role::ALL {
            let running = self.workers.iter().flatten().filter(|task| task.role == role && !task.is_job).count();
            let ready = count(self.waiting.get(role).len());
            *depths.get_mut(role) = Some(QueueDepth { ready, inflight: count(running), continuations: 0 });
        }
        depths
    }

    pub(super) fn analytics(&self) -> PerRole<Option<QueueAnalytics>> {
        let mut analytics = PerRole::default();
        for (role, seen) in self.seen.iter().filter(|(_, seen)| seen.ended > 0) {
            let avg_wait_seconds = seen.waited / float(seen.ended);
            *analytics.get_mut(role) = Some(QueueAnalytics { avg_wait_seconds, throughput_last_hour: seen.ended });
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
        tasks.work(&mut rng, 13.0 * DAY);
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
        assert!(tasks.executions.is_empty() && tasks.waits.is_empty(), "it has only begun");
        tasks.work(&mut rng, 101.5 + DAY);
        assert_eq!(tasks.waits, [Point { at: tasks.executions[0].at, value: 1500.0 }]);
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
        assert_eq!(tasks.analytics(), PerRole::default(), "written when they end");
        tasks.work(&mut rng, 4.0 + DAY);
        let expected = QueueAnalytics { avg_wait_seconds: 3.0, throughput_last_hour: 2 };
        assert_eq!(tasks.analytics(), PerRole { paid: Some(expected), ..PerRole::default() });
    }

    #[test]
    fn jobs_take_the_slots_that_tasks_leave() {
        let (mut tasks, mut rng) = (Tasks::new(1, 1), Rng::with_seed(1));
        tasks.arrive_job(Role::Paid, 1.0);
        tasks.arrive_job(Role::Paid, 2.0);
        tasks.arrive(Role::Anonymous, 3.0);
        assert_eq!(tasks.fronts().anonymous, Some(QueueFront::Created(3.0)));
        let found =
            |tasks: &Tasks| (tasks.jobs()[&Role::Paid], tasks.waiting(), tasks.depths().anonymous.unwrap().inflight);
        let backlog = |lag, pending| JobBacklog { lag: Some(lag), pending };
        for (step, expected) in
            (1..).zip([(backlog(2, 0), 0, 1), (backlog(1, 1), 0, 0), (backlog(0, 1), 0, 0), (backlog(0, 0), 0, 0)])
        {
            tasks.work(&mut rng, f64::from(step) * DAY);
            assert_eq!(found(&tasks), expected, "{step}");
        }
        assert_eq!((tasks.executions.len(), tasks.fronts().anonymous), (3, Some(QueueFront::Empty)));
    }

    #[test]
    fn a_processor_reports_its_oldest_task() {
        let (mut tasks, mut rng) = (Tasks::new(2, 1), Rng::with_seed(1));
        tasks.arrive(Role::Paid, 0.0);
        tasks.work(&mut rng, 0.0);
        let reports: Vec<_> = tasks.reports(0.5).map(|report| report.oldest_active_seconds).collect();
        assert_eq!(reports, [Some(0.5), Some(0.0)]);
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
