//! The slots of all replicas and the tasks in them.

use fastrand::Rng;

use super::user::User;
use crate::whatif::replica_set::ReplicaId;

/// A task that runs, or ran: its place, and a number by which a later one in the same place differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskId {
    place: usize,
    number: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Started {
    pub(super) user: User,
    pub(super) replica: ReplicaId,
}

#[derive(Debug)]
pub(super) struct Slots {
    per_replica: u32,
    /// The replica of each free slot: a task goes to any of them, as workers that poll one queue take them.
    free: Vec<ReplicaId>,
    places: Vec<Option<(u64, Started)>>,
    empty: Vec<usize>,
    replicas: Vec<ReplicaSlots>,
    running: u32,
    started: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct ReplicaSlots {
    load: u32,
    is_open: bool,
}

impl Slots {
    pub(super) const fn new(per_replica: u32) -> Self {
        Self {
            per_replica,
            free: Vec::new(),
            places: Vec::new(),
            empty: Vec::new(),
            replicas: Vec::new(),
            running: 0,
            started: 0,
        }
    }

    /// A replica takes work from now on.
    pub(super) fn open(&mut self, id: ReplicaId) {
        if self.replicas.len() <= id {
            self.replicas.resize(id + 1, ReplicaSlots::default());
        }
        if let Some(replica) = self.replicas.get_mut(id) {
            replica.is_open = true;
            self.free.extend(std::iter::repeat_n(id, self.per_replica as usize));
        }
    }

    /// A replica takes no work from now on.
    pub(super) fn close(&mut self, id: ReplicaId) {
        self.free.retain(|replica| *replica != id);
        if let Some(replica) = self.replicas.get_mut(id) {
            replica.is_open = false;
        }
    }

    pub(super) fn is_closed(&self, id: ReplicaId) -> bool {
        self.replicas.get(id).is_none_or(|replica| !replica.is_open)
    }

    /// Tasks that a replica runs.
    pub(super) fn load(&self, id: ReplicaId) -> u32 {
        self.replicas.get(id).map_or(0, |replica| replica.load)
    }

    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    pub(super) const fn running(&self) -> u32 {
        self.running
    }

    /// Runs a task in any free slot; there must be one.
    pub(super) fn start(&mut self, user: User, rng: &mut Rng) -> TaskId {
        let replica = self.free.swap_remove(rng.usize(..self.free.len()));
        if let Some(slots) = self.replicas.get_mut(replica) {
            slots.load += 1;
        }
        self.running += 1;
        self.started += 1;
        let task = Some((self.started, Started { user, replica }));
        let place = self.empty.pop().unwrap_or(self.places.len());
        match self.places.get_mut(place) {
            Some(empty) => *empty = task,
            None => self.places.push(task),
        }
        TaskId { place, number: self.started }
    }

    /// Ends a task; `None` if its replica was stopped with it.
    pub(super) fn end(&mut self, task: TaskId) -> Option<Started> {
        let place = self.places.get_mut(task.place)?;
        let (_, started) = place.take_if(|(number, _)| *number == task.number)?;
        self.empty.push(task.place);
        self.release(started.replica);
        Some(started)
    }

    /// Stops a replica with the tasks that it runs, and returns them.
    pub(super) fn cut(&mut self, id: ReplicaId) -> Vec<User> {
        let mut users = Vec::new();
        for (at, place) in self.places.iter_mut().enumerate() {
            if let Some((_, started)) = place.take_if(|(_, started)| started.replica == id) {
                self.empty.push(at);
                users.push(started.user);
            }
        }
        users.iter().for_each(|_| self.release(id));
        users
    }

    pub(super) fn users(&self) -> impl Iterator<Item = &User> {
        self.places.iter().flatten().map(|(_, started)| &started.user)
    }

    fn release(&mut self, id: ReplicaId) {
        self.running -= 1;
        if let Some(replica) = self.replicas.get_mut(id) {
            replica.load -= 1;
            if replica.is_open {
                self.free.push(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::Role;
    use crate::whatif::load::Arrival;

    fn user(at: f64) -> User {
        User::new(&Arrival { at, role: Role::Paid, seconds: 1.0 }, 1)
    }

    fn filled() -> (Slots, Vec<TaskId>) {
        let (mut slots, mut rng) = (Slots::new(2), Rng::with_seed(1));
        slots.open(0);
        slots.open(1);
        let tasks = (0..4).map(|n| slots.start(user(f64::from(n)), &mut rng)).collect();
        (slots, tasks)
    }

    #[test]
    fn every_slot_takes_one_task_and_is_free_again_after_it() {
        let (mut slots, tasks) = filled();
        assert_eq!((slots.free(), slots.running(), slots.load(0), slots.load(1)), (0, 4, 2, 2));
        let ended = slots.end(tasks[1]).unwrap();
        assert_eq!((ended.user.first, slots.free(), slots.load(ended.replica)), (1.0, 1, 1));
        assert!(slots.end(tasks[1]).is_none(), "it has ended");
        let next = slots.start(user(9.0), &mut Rng::with_seed(1));
        assert!(slots.end(tasks[1]).is_none(), "another one has its place");
        assert_eq!(slots.end(next).unwrap().user.first, 9.0);
    }

    #[test]
    fn a_closed_replica_finishes_its_tasks_and_gets_none() {
        let (mut slots, tasks) = filled();
        slots.close(0);
        assert!(tasks.into_iter().all(|task| slots.end(task).is_some()));
        assert_eq!((slots.free(), slots.load(0), slots.is_closed(0), slots.is_closed(1)), (2, 0, true, false));
    }

    #[test]
    fn a_replica_that_is_cut_gives_its_tasks_back() {
        let (mut slots, tasks) = filled();
        slots.close(1);
        assert_eq!(slots.cut(1).len(), 2);
        assert_eq!((slots.running(), slots.load(1), slots.users().count()), (2, 0, 2));
        let ended = tasks.into_iter().filter_map(|task| slots.end(task)).count();
        assert_eq!(ended, 2, "those that were cut do not end");
    }
}
