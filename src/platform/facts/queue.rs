//! Task queues: one a role, with its depth and the platform's own statistics.

use serde::{Deserialize, Serialize};

use crate::base::clock::UnixSeconds;

/// The role of the user a task belongs to; each role has its own queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Anonymous,
    External,
    Registered,
    Paid,
    Privileged,
}

impl Role {
    /// In the platform's order.
    pub const ALL: [Self; 5] = [Self::Anonymous, Self::External, Self::Registered, Self::Paid, Self::Privileged];

    /// Those with a stream of background jobs.
    pub const WITH_JOBS: [Self; 4] = [Self::Anonymous, Self::Registered, Self::Paid, Self::Privileged];

    /// The word in keys, labels and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::External => "external",
            Self::Registered => "registered",
            Self::Paid => "paid",
            Self::Privileged => "privileged",
        }
    }
}

/// One role's tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepth {
    pub ready: i64,
    pub inflight: i64,
    pub continuations: i64,
}

impl QueueDepth {
    /// All tasks of the role, waiting or claimed. A continuation counter that lags may be negative: it then
    /// offsets tasks that are already counted as ready.
    #[must_use]
    pub fn total(self) -> i64 {
        self.ready.saturating_add(self.inflight).saturating_add(self.continuations).max(0)
    }
}

/// The tasks of a role that are claimed next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueFront {
    /// None waits.
    Empty,
    /// When the oldest of them was created.
    Created(UnixSeconds),
    /// One of them does not say when it was created.
    Unreadable,
}

/// Background jobs of a role that are not done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobBacklog {
    /// Jobs that no processor has got; `None` where Redis does not know.
    pub lag: Option<i64>,
    /// Jobs that a processor has got and not finished.
    pub pending: i64,
}

/// One value for each role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PerRole<T> {
    pub anonymous: T,
    pub external: T,
    pub registered: T,
    pub paid: T,
    pub privileged: T,
}

impl<T> PerRole<T> {
    /// One value for each role, made from it.
    pub fn from_fn(mut make: impl FnMut(Role) -> T) -> Self {
        Self {
            anonymous: make(Role::Anonymous),
            external: make(Role::External),
            registered: make(Role::Registered),
            paid: make(Role::Paid),
            privileged: make(Role::Privileged),
        }
    }

    pub const fn get(&self, role: Role) -> &T {
        match role {
            Role::Anonymous => &self.anonymous,
            Role::External => &self.external,
            Role::Registered => &self.registered,
            Role::Paid => &self.paid,
            Role::Privileged => &self.privileged,
        }
    }

    pub const fn get_mut(&mut self, role: Role) -> &mut T {
        match role {
            Role::Anonymous => &mut self.anonymous,
            Role::External => &mut self.external,
            Role::Registered => &mut self.registered,
            Role::Paid => &mut self.paid,
            Role::Privileged => &mut self.privileged,
        }
    }

    /// Roles with their values, in [`Role::ALL`] order.
    pub fn iter(&self) -> impl Iterator<Item = (Role, &T)> {
        Role::ALL.into_iter().map(|role| (role, self.get(role)))
    }
}

/// The platform's own statistics of a role's queue; a missing field is 0, as its writer means it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueAnalytics {
    pub avg_wait_seconds: f64,
    pub throughput_last_hour: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_depth_is_all_tasks_and_never_below_0() {
        for (ready, inflight, continuations, total) in [
            (1, 2, 4, 7),
            (0, 0, 0, 0),
            // Continuations that lag offset tasks that are counted already.
            (5, 1, -2, 4),
            (1, 0, -3, 0),
            (i64::MAX, 1, 1, i64::MAX),
            (i64::MAX, 0, -1, i64::MAX - 1),
        ] {
            let depth = QueueDepth { ready, inflight, continuations };
            assert_eq!(depth.total(), total, "{depth:?}");
        }
    }

    #[test]
    fn each_role_has_a_place_of_its_own_under_its_own_name() {
        let mut numbers: PerRole<usize> = PerRole::default();
        for (number, role) in Role::ALL.into_iter().enumerate() {
            *numbers.get_mut(role) = number;
        }
        assert_eq!(numbers.iter().collect::<Vec<_>>(), Role::ALL.into_iter().zip(&[0, 1, 2, 3, 4]).collect::<Vec<_>>());
        let shown = serde_json::to_value(&numbers).unwrap();
        for (number, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(shown[role.as_str()], number, "{role:?}");
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }
}
