//! What is queued.

use super::Reading;
use crate::platform::facts::{PerRole, QueueDepth};

/// Tasks by role, and the total against the capacity. One role that is absent makes the total absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Queue {
    /// What each role's depth is made of.
    pub tasks: PerRole<Reading<QueueDepth>>,
    /// All tasks of each role, waiting or claimed.
    pub depths: PerRole<Reading<i64>>,
    /// Over all five roles.
    pub total: Reading<i64>,
    /// Total / capacity; 1 without capacity.
    pub pressure: Reading<f64>,
    /// Total / capacity; without capacity 1 if anything is queued, else 0.
    pub utilization: Reading<f64>,
    /// Seconds, by the platform's own bookkeeping.
    pub average_wait: PerRole<Reading<f64>>,
    /// Tasks in the last hour, likewise.
    pub throughput: PerRole<Reading<i64>>,
}
