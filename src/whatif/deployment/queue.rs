//! Tasks that wait for a slot: a queue a role, served by priority and each in order.

use std::collections::VecDeque;

use super::user::User;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{PerRole, Role};
use crate::simulator::PRIORITY;

#[derive(Debug, Default)]
pub(super) struct Queue {
    roles: PerRole<VecDeque<User>>,
    len: u32,
}

impl Queue {
    pub(super) fn push(&mut self, user: User) {
        self.roles.get_mut(user.role).push_back(user);
        self.len += 1;
    }

    /// Puts a task that must start over where it is claimed next, as the platform does.
    pub(super) fn push_front(&mut self, user: User) {
        self.roles.get_mut(user.role).push_front(user);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<User> {
        let user = PRIORITY.into_iter().find_map(|role| self.roles.get_mut(role).pop_front())?;
        self.len -= 1;
        Some(user)
    }

    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// When the oldest of the next ones was admitted.
    pub(super) fn oldest(&self) -> Option<UnixSeconds> {
        let next = Role::ALL.into_iter().filter_map(|role| self.roles.get(role).front());
        next.map(|user| user.queued).min_by(f64::total_cmp)
    }

    pub(super) fn users(&self) -> impl Iterator<Item = &User> {
        Role::ALL.into_iter().flat_map(|role| self.roles.get(role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whatif::load::Arrival;

    fn user(role: Role, at: f64) -> User {
        User::new(&Arrival { at, role, seconds: 1.0 }, 1)
    }

    #[test]
    fn roles_are_served_by_priority_and_each_in_order() {
        let mut queue = Queue::default();
        for user in [user(Role::Anonymous, 1.0), user(Role::Paid, 2.0), user(Role::Anonymous, 3.0)] {
            queue.push(user);
        }
        queue.push_front(user(Role::Anonymous, 0.5));
        assert_eq!((queue.len(), queue.oldest(), queue.users().count()), (4, Some(0.5), 4));
        let order: Vec<f64> = std::iter::from_fn(|| queue.pop()).map(|user| user.first).collect();
        assert_eq!(order, [2.0, 0.5, 1.0, 3.0]);
        assert_eq!((queue.len(), queue.oldest()), (0, None));
    }
}
