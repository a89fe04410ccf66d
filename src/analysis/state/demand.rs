//! What the processors have to do, what they can do, and how fast it moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cause, Reading};
use crate::platform::facts::{PerRole, Role};

/// Work and slots of the processors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Demand {
    /// Tasks that are worked on, by draining processors too. A process counts for no more than its slots.
    pub active: Reading<i64>,
    /// Tasks that no processor has claimed, over all roles.
    pub waiting: Reading<i64>,
    /// Seconds since the oldest of a role's next tasks was created; 0 where none waits.
    pub oldest_wait: PerRole<Reading<f64>>,
    /// Background jobs that are not done, of the roles that have any.
    pub jobs: BTreeMap<Role, Reading<i64>>,
    /// Over all roles.
    pub waiting_jobs: Reading<i64>,
    /// Sessions that backpressure turned away (503) within the last minute; of a flood the newest events alone count.
    pub turned_away: Reading<i64>,
    pub slots: Slots,
    pub flow: Flow,
    pub ages: ProcessorAges,
    /// Tasks wait and nothing seems to come of them.
    pub stall: Option<Stall>,
}

/// Tasks that processors which take new work can work on at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slots {
    pub total: Reading<i64>,
    pub free: Reading<i64>,
    /// (active + waiting + waiting jobs) / total, a ratio.
    pub load_ratio: Reading<f64>,
    /// The median over instances; where none takes new work, what the gateway configuration gives one.
    pub per_replica: Reading<f64>,
    /// Instances with a process that takes new work.
    pub replicas: Reading<i64>,
    /// A live processor takes no new work.
    pub is_draining: bool,
}

/// How fast tasks come and go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flow {
    /// Tasks that ended, per second, mean of the last minute.
    pub ended_per_second: Reading<f64>,
    /// Tasks that came, per second: those that ended, and the growth of those that wait and are worked on.
    pub arrivals_per_second: Reading<f64>,
    /// Mean of the last 15 minutes, else of the last hour.
    pub mean_exec_seconds: Reading<f64>,
    /// Waiting tasks over those that end per second; 0 where none waits.
    pub drain_seconds: Reading<f64>,
    /// REST requests of the ingress that ended, per second, mean of the last minute.
    pub requests_per_second: Reading<f64>,
}

/// What processors say of their oldest work, seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessorAges {
    /// Since the longest-running task was claimed.
    pub oldest_active: Reading<f64>,
    /// Since the quietest running task last did anything.
    pub max_idle: Reading<f64>,
    /// Since a processor last looked at the queue, the longest.
    pub queue_loop_lag: Reading<f64>,
    /// The same by instance, of those that say it.
    pub instances: BTreeMap<Arc<str>, InstanceAges>,
}

/// The greatest over the processes of one instance; `None` where none of them says it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct InstanceAges {
    pub oldest_active: Option<f64>,
    pub max_idle: Option<f64>,
    pub queue_loop_lag: Option<f64>,
}

/// Why what waits does not get done; for so many seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stall {
    /// No task ended, for twice the time that tasks take.
    NothingEnds(f64),
    /// Slots are free and no task was claimed.
    NothingClaimed(f64),
}

impl Demand {
    /// Of a source that tells none of it.
    #[must_use]
    pub fn absent(cause: Cause) -> Self {
        Self {
            active: Reading::absent(cause),
            waiting: Reading::absent(cause),
            oldest_wait: PerRole::from_fn(|_| Reading::absent(cause)),
            waiting_jobs: Reading::absent(cause),
            turned_away: Reading::absent(cause),
            slots: Slots {
                total: Reading::absent(cause),
                free: Reading::absent(cause),
                load_ratio: Reading::absent(cause),
                per_replica: Reading::absent(cause),
                replicas: Reading::absent(cause),
                is_draining: false,
            },
            flow: Flow {
                ended_per_second: Reading::absent(cause),
                arrivals_per_second: Reading::absent(cause),
                mean_exec_seconds: Reading::absent(cause),
                drain_seconds: Reading::absent(cause),
                requests_per_second: Reading::absent(cause),
            },
            ages: ProcessorAges {
                oldest_active: Reading::absent(cause),
                max_idle: Reading::absent(cause),
                queue_loop_lag: Reading::absent(cause),
                instances: BTreeMap::new(),
            },
            ..Self::default()
        }
    }

    /// The longest of the roles' waits; absent where one is, for it may be the longest.
    #[must_use]
    pub fn longest_wait(&self) -> Reading<f64> {
        self.oldest_wait.iter().fold(Reading::Value(0.0), |longest, (_, wait)| {
            longest.zip(wait.clone()).map(|(longest, wait): (f64, f64)| longest.max(wait))
        })
    }
}
