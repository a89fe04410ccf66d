//! The deployment: users whose tasks are admitted or refused, wait, run in the slots of replicas, and end.
//!
//! Seeded and event-driven: the time of a simulated day follows the tasks, not the seconds.

mod queue;
mod slots;
mod tally;
mod turned_away;
mod user;
mod world;

use fastrand::Rng;

use self::queue::Queue;
use self::slots::{Slots, Started, TaskId};
use self::turned_away::TurnedAway;
use self::user::User;
use super::agenda::Agenda;
use super::load::{Arrival, Fault, Load};
use super::replica_set::{ReplicaId, ReplicaSet};
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Component, Point};
use crate::platform::gateway::Limits;

pub use self::tally::Tally;
pub use self::world::World;

/// How long the heartbeat of a process that died still counts.
const HEARTBEAT_TTL: f64 = 30.0;
/// After this time a task whose processor died is put back into its queue.
const REQUEUE_SECONDS: f64 = 60.0;

#[derive(Debug)]
enum Event {
    /// The next of the load.
    Arrival(Arrival),
    Retry(User),
    /// A task whose processor died comes back.
    Requeue(User),
    End(TaskId),
    Up(ReplicaId),
    DrainLimit(ReplicaId),
    /// The heartbeats of dead replicas expire.
    Forget(u32),
    Kill(f64),
}

pub struct Deployment<'a> {
    world: &'a World,
    faults: &'a [Fault],
    arrivals: Box<dyn Iterator<Item = Arrival> + 'a>,
    agenda: Agenda<Event>,
    rng: Rng,
    now: UnixSeconds,
    replicas: ReplicaSet,
    slots: Slots,
    queue: Queue,
    /// Dead replicas that still seem to be there.
    ghosts: u32,
    /// Tasks of dead processors, still in the list of claimed ones.
    orphans: u32,
    limits: Limits,
    turned_away: TurnedAway,
    tally: Tally,
    /// Waits and executions, in milliseconds, of tasks that ended since they were last taken.
    ended: Ended,
}

/// Points of tasks that ended, as the platform writes them: dated to their end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ended {
    pub waits: Vec<Point>,
    pub executions: Vec<Point>,
}

impl<'a> Deployment<'a> {
    /// A deployment at time 0 with `replicas` that are ready.
    #[must_use]
    pub fn new(world: &'a World, load: &'a Load, replicas: u32, seed: u64) -> Self {
        let mut deployment = Self {
            world,
            faults: &load.faults,
            arrivals: load.arrivals(seed),
            agenda: Agenda::new(),
            // Chance within the deployment must not shift that of the load: every policy gets the same users.
            rng: Rng::with_seed(!seed),
            now: 0.0,
            replicas: ReplicaSet::new(replicas, 0.0),
            slots: Slots::new(world.slots),
            queue: Queue::default(),
            ghosts: 0,
            orphans: 0,
            limits: Limits::default(),
            turned_away: TurnedAway::default(),
            tally: Tally::default(),
            ended: Ended::default(),
        };
        deployment.replicas.ready_ids().into_iter().for_each(|id| deployment.slots.open(id));
        for fault in &load.faults {
            if let Fault::Kill { at, share } = *fault {
                deployment.agenda.add(at, Event::Kill(share));
            }
        }
        deployment.next_arrival();
        deployment.admit_anew();
        deployment
    }

    /// Simulates until `now`.
    pub fn advance(&mut self, now: UnixSeconds) {
        while let Some((at, event)) = self.agenda.next(now) {
            self.now = at;
            self.handle(event);
        }
        self.now = now;
    }

    /// Starts or drains replicas until so many are to run.
    pub fn scale(&mut self, wanted: u32) {
        let scaled = self.replicas.scale(wanted, self.now);
        let up_at = self.now + self.world.startup_seconds;
        scaled.started.into_iter().for_each(|id| self.agenda.add(up_at, Event::Up(id)));
        scaled.drained.into_iter().for_each(|id| self.drain(id));
        self.admit_anew();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival(arrival) => {
                self.next_arrival();
                self.tally.arrived += 1;
                self.attempt(User::new(&arrival, self.tally.arrived));
            }
            Event::Retry(user) => {
                self.tally.retrying -= 1;
                self.attempt(user);
            }
            Event::Requeue(user) => {
                self.orphans -= 1;
                self.queue.push_front(user);
                self.start_waiting();
            }
            Event::End(task) => self.end(task),
            Event::Up(id) => self.up(id),
            Event::DrainLimit(id) => self.cut(id),
            Event::Forget(count) => {
                self.ghosts -= count;
                self.admit_anew();
            }
            Event::Kill(share) => self.kill(share),
        }
    }

    fn next_arrival(&mut self) {
        if let Some(arrival) = self.arrivals.next() {
            self.agenda.add(arrival.at, Event::Arrival(arrival));
        }
    }

    /// A user's request: admitted, or refused and tried again until the user's patience ends.
    fn attempt(&mut self, mut user: User) {
        if self.admits(&user) {
            user.queued = self.now;
            self.queue.push(user);
            return self.start_waiting();
        }
        self.tally.refused += 1;
        self.turned_away.add(self.now, user.number);
        match user.retry_at(self.now, &mut self.rng) {
            Some(at) => {
                self.tally.retrying += 1;
                self.agenda.add(at, Event::Retry(user));
            }
            None => self.tally.give_up(self.now - user.first),
        }
    }

    /// By the platform's thresholds; an ingress takes a stream wherever there is room.
    fn admits(&self, user: &User) -> bool {
        match self.world.component {
            Component::Ingress => self.slots.free() > 0,
            Component::Proc => self.depth() < World::limit(&self.limits, user.role),
        }
    }

    fn admit_anew(&mut self) {
        self.limits = self.world.limits(self.replicas.ready() + self.replicas.draining() + self.ghosts);
    }

    fn start_waiting(&mut self) {
        while self.slots.free() > 0 {
            let Some(mut user) = self.queue.pop() else { return };
            user.started = self.now;
            let seconds = user.seconds * self.slowness() + self.world.stay_seconds;
            let task = self.slots.start(user, &mut self.rng);
            self.agenda.add(self.now + seconds, Event::End(task));
        }
    }

    /// How much longer a task that starts now takes.
    fn slowness(&self) -> f64 {
        let slow = self.faults.iter().filter_map(|fault| match *fault {
            Fault::Slow { from, to, factor } if (from..to).contains(&self.now) => Some(factor),
            _ => None,
        });
        slow.fold(1.0, f64::max)
    }

    fn end(&mut self, task: TaskId) {
        let Some(Started { user, replica }) = self.slots.end(task) else { return };
        self.tally.end(user.started - user.first);
        let point = |seconds: f64| Point { at: self.now, value: seconds * 1000.0 };
        self.ended.waits.push(point(user.started - user.queued));
        self.ended.executions.push(point(self.now - user.started));
        if self.slots.is_closed(replica) && self.slots.load(replica) == 0 {
            self.stop(replica);
        }
        self.start_waiting();
    }

    fn up(&mut self, id: ReplicaId) {
        if self.replicas.up(id) {
            self.slots.open(id);
            self.admit_anew();
            self.start_waiting();
        }
    }

    fn drain(&mut self, id: ReplicaId) {
        self.slots.close(id);
        if self.slots.load(id) == 0 {
            return self.stop(id);
        }
        self.agenda.add(self.now + self.world.drain_seconds, Event::DrainLimit(id));
    }

    fn stop(&mut self, id: ReplicaId) {
        self.replicas.stop(id, self.now);
        self.admit_anew();
    }

    /// A replica that drained for too long is stopped with its tasks, which start over.
    fn cut(&mut self, id: ReplicaId) {
        let tasks = self.slots.cut(id);
        if tasks.is_empty() {
            return;
        }
        self.stop(id);
        for user in tasks {
            self.tally.restarted += 1;
            match self.world.component {
                // A stream that is cut is a new one to its user.
                Component::Ingress => self.attempt(User { first: self.now, attempts: 0, ..user }),
                Component::Proc => self.queue.push_front(user),
            }
        }
        self.start_waiting();
    }

    fn kill(&mut self, share: f64) {
        let ready = self.replicas.ready_ids();
        let dying = world::share_of(ready.len(), share);
        for id in ready.into_iter().take(dying) {
            self.slots.close(id);
            for user in self.slots.cut(id) {
                self.tally.restarted += 1;
                self.orphans += 1;
                self.agenda.add(self.now + REQUEUE_SECONDS, Event::Requeue(user));
            }
            let next = self.replicas.replace(id, self.now);
            self.agenda.add(self.now + self.world.startup_seconds, Event::Up(next));
            self.ghosts += 1;
            self.agenda.add(self.now + HEARTBEAT_TTL, Event::Forget(1));
        }
        self.admit_anew();
    }

    /// Tasks in the queues, waiting or claimed.
    #[must_use]
    pub fn depth(&self) -> i64 {
        i64::from(self.queue.len()) + i64::from(self.slots.running()) + i64::from(self.orphans)
    }

    /// Tasks that wait for a slot.
    #[must_use]
    pub const fn waiting(&self) -> u32 {
        self.queue.len()
    }

    /// Users who were refused within the last minute, each once.
    pub fn turned_away(&mut self) -> u32 {
        self.turned_away.count(self.now)
    }

    /// Tasks that run, those of draining replicas included.
    #[must_use]
    pub const fn running(&self) -> u32 {
        self.slots.running()
    }

    /// Slots of accepting replicas that run nothing.
    #[must_use]
    pub fn free_slots(&self) -> u32 {
        u32::try_from(self.slots.free()).unwrap_or(u32::MAX)
    }

    /// How long the task that waits longest has done so, seconds; 0 where none waits.
    #[must_use]
    pub fn oldest_wait(&self) -> f64 {
        self.queue.oldest().map_or(0.0, |queued| self.now - queued)
    }

    /// Replicas whose heartbeats say that they take work; those that died a moment ago are among them.
    #[must_use]
    pub fn accepting(&self) -> u32 {
        self.replicas.ready() + self.ghosts
    }

    #[must_use]
    pub(super) const fn replicas(&self) -> &ReplicaSet {
        &self.replicas
    }

    #[must_use]
    pub const fn world(&self) -> &World {
        self.world
    }

    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The points since the last call.
    pub fn take_ended(&mut self) -> Ended {
        std::mem::take(&mut self.ended)
    }

    /// Counts those who still wait or run with the time that they have waited so far, and returns all.
    #[must_use]
    pub fn finish(mut self) -> (Tally, f64) {
        let hours = self.replicas.hours(self.now);
        let unfinished: Vec<f64> = self.slots.users().map(|user| user.started - user.first).collect();
        let waiting: Vec<f64> = self.queue.users().map(|user| self.now - user.first).collect();
        self.tally.unfinished(unfinished.into_iter().chain(waiting), self.orphans);
        (self.tally, hours)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::whatif::load::{Shape, TaskKind};

    fn world(slots: u32) -> World {
        World { slots, startup_seconds: 60.0, drain_seconds: 900.0, ..World::of(Component::Proc) }
    }

    fn steady(rate: f64, seconds: f64) -> Shape {
        Shape { rates: vec![(0.0, rate)], kinds: vec![TaskKind { share: 1.0, median_seconds: seconds, spread: 0.0 }] }
    }

    fn is_conserved(deployment: &Deployment<'_>) -> bool {
        let tally = deployment.tally();
        let inside = u64::from(deployment.waiting() + deployment.running() + deployment.orphans);
        tally.arrived == tally.done + tally.gave_up + tally.retrying + inside
    }

    #[test]
    fn with_slots_enough_nobody_waits() {
        let (world, load) = (world(5), steady(1.0, 10.0).into_load("x", 3600.0, vec![]));
        let mut deployment = Deployment::new(&world, &load, 10, 1);
        deployment.advance(3600.0);
        assert_eq!((deployment.waiting(), deployment.tally().refused), (0, 0));
        assert!(deployment.tally().waits.iter().all(|wait| *wait == 0.0));
        let (tally, hours) = deployment.finish();
        assert_eq!((tally.arrived, hours), (tally.done + tally.unfinished, 10.0));
    }

    #[test]
    fn users_beyond_the_threshold_are_refused_and_retry() {
        let (world, load) = (world(5), steady(2.0, 25.0).into_load("x", 1800.0, vec![]));
        let mut deployment = Deployment::new(&world, &load, 2, 1);
        deployment.advance(1800.0);
        // Two processors have a capacity of 28 tasks, of which 26 are accepted from anybody.
        assert!(deployment.depth() <= 26, "{}", deployment.depth());
        let (tally, _) = deployment.finish();
        assert!(tally.gave_up > 0 && tally.refused > tally.gave_up * 9, "{} {}", tally.refused, tally.gave_up);
    }

    #[test]
    fn a_new_replica_helps_after_its_start() {
        let (world, load) = (world(5), steady(0.4, 25.0).into_load("x", 3600.0, vec![]));
        let mut deployment = Deployment::new(&world, &load, 1, 1);
        deployment.advance(100.0);
        deployment.scale(4);
        deployment.advance(159.9);
        assert_eq!((deployment.accepting(), deployment.running()), (1, 5));
        deployment.advance(160.1);
        assert_eq!((deployment.accepting(), deployment.replicas().wanted()), (4, 4));
        assert!(deployment.running() > 5 && deployment.waiting() == 0);
    }

    #[test]
    fn a_draining_replica_finishes_its_tasks_or_is_cut_after_the_limit() {
        let long = |seconds| steady(0.05, seconds).into_load("x", 9999.0, vec![]);
        for (seconds, restarted) in [(600.0, 0), (3000.0, 5)] {
            let (world, load) = (world(5), long(seconds));
            let mut deployment = Deployment::new(&world, &load, 2, 1);
            deployment.advance(400.0);
            let running = deployment.running();
            deployment.scale(1);
            assert_eq!((deployment.running(), deployment.replicas().draining()), (running, 1));
            deployment.advance(1301.0);
            assert_eq!((deployment.replicas().draining(), deployment.tally().restarted), (0, restarted), "{seconds} s");
            assert!(is_conserved(&deployment));
        }
    }

    #[test]
    fn a_replica_that_dies_counts_until_its_heartbeat_expires_and_its_tasks_come_back() {
        let faults = vec![Fault::Kill { at: 500.0, share: 0.5 }];
        let (world, load) = (world(5), steady(0.3, 25.0).into_load("x", 3600.0, faults));
        let mut deployment = Deployment::new(&world, &load, 4, 1);
        deployment.advance(499.0);
        let done_before = deployment.tally().restarted;
        deployment.advance(501.0);
        assert_eq!((deployment.accepting(), deployment.replicas().ready(), done_before), (4, 2, 0));
        assert!(deployment.tally().restarted > 0 && is_conserved(&deployment));
        deployment.advance(531.0);
        assert_eq!(deployment.accepting(), 2);
        deployment.advance(561.0);
        assert_eq!((deployment.accepting(), deployment.orphans), (4, 0), "others have started, and the tasks are back");
    }

    #[test]
    fn while_a_database_is_slow_tasks_that_start_take_longer() {
        let faults = vec![Fault::Slow { from: 600.0, to: 1200.0, factor: 3.0 }];
        let (world, load) = (world(5), steady(0.2, 10.0).into_load("x", 1800.0, faults));
        let mut deployment = Deployment::new(&world, &load, 8, 1);
        deployment.advance(1800.0);
        let executions = deployment.take_ended().executions;
        let mean = |from: f64, to: f64| {
            let within = executions.iter().filter(|point| point.at > from && point.at < to);
            let values: Vec<f64> = within.map(|point| point.value / 1000.0).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        assert_eq!([mean(0.0, 600.0), mean(700.0, 1200.0), mean(1300.0, 1800.0)].map(f64::round), [10.0, 30.0, 10.0]);
    }

    #[test]
    fn points_are_dated_to_the_end_of_a_task() {
        let (world, load) = (world(1), steady(0.02, 100.0).into_load("x", 3600.0, vec![]));
        let mut deployment = Deployment::new(&world, &load, 1, 2);
        deployment.advance(3600.0);
        let Ended { waits, executions } = deployment.take_ended();
        assert!(!waits.is_empty() && waits.len() == executions.len());
        assert!(
            waits.iter().zip(&executions).all(|(wait, run)| wait.at == run.at && (run.value - 100_000.0).abs() < 1e-3)
        );
        assert!(waits.iter().any(|wait| wait.value > 100_000.0), "behind a task of 100 s");
        assert_eq!(deployment.take_ended(), Ended::default());
    }

    #[test]
    fn an_ingress_refuses_beyond_its_room_and_its_users_reconnect_when_it_stops() {
        let world = World {
            slots: 100,
            stay_seconds: 0.0,
            startup_seconds: 30.0,
            drain_seconds: 30.0,
            ..World::of(Component::Ingress)
        };
        let load = steady(0.9, 300.0).into_load("x", 3600.0, vec![]);
        let mut deployment = Deployment::new(&world, &load, 4, 1);
        deployment.advance(1000.0);
        assert_eq!((deployment.tally().refused, deployment.waiting()), (0, 0));
        assert!(deployment.running() > 200);
        deployment.scale(2);
        deployment.advance(1100.0);
        assert_eq!((deployment.running(), deployment.replicas().draining()), (200, 0));
        assert!(deployment.tally().restarted > 0 && deployment.tally().refused > 0 && is_conserved(&deployment));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn no_user_is_lost_or_counted_twice(
            seed in any::<u64>(),
            rate in 0.1_f64..3.0,
            seconds in 1.0_f64..400.0,
            scales in proptest::collection::vec(0_u32..12, 1..12),
            share in 0.0_f64..1.0,
        ) {
            let faults = vec![Fault::Kill { at: 300.0, share }, Fault::Kill { at: 305.0, share }];
            let (world, load) = (world(3), steady(rate, seconds).into_load("x", 1200.0, faults));
            let mut deployment = Deployment::new(&world, &load, 3, seed);
            for (step, wanted) in (1..).zip(scales) {
                deployment.advance(100.0 * f64::from(step));
                deployment.scale(wanted);
                prop_assert!(is_conserved(&deployment));
                let slots = 3 * (deployment.replicas().ready() + deployment.replicas().draining());
                prop_assert!(deployment.running() <= slots);
            }
            let waiting = deployment.tally().retrying;
            let (tally, hours) = deployment.finish();
            prop_assert_eq!(tally.arrived, tally.done + tally.gave_up + tally.unfinished + waiting);
            prop_assert!(hours >= 0.0 && tally.waits.iter().all(|wait| *wait >= 0.0));
        }

        #[test]
        fn the_same_seed_gives_the_same_day(seed in any::<u64>()) {
            let (world, load) = (world(5), steady(1.0, 25.0).into_load("x", 600.0, vec![]));
            let run = || {
                let mut deployment = Deployment::new(&world, &load, 3, seed);
                deployment.advance(600.0);
                deployment.finish()
            };
            prop_assert_eq!(run(), run());
        }
    }
}
