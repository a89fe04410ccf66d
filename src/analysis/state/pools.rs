//! Connection pools, summed over the processes of a component.

use super::Reading;

/// One pool; each number is connections, and absent until a process reports it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolTotals {
    pub max: Reading<f64>,
    pub size: Reading<f64>,
    pub available: Reading<f64>,
    pub in_use: Reading<f64>,
    /// In use over the maximum, a ratio; the size replaces a maximum that no process reports.
    pub utilization: Reading<f64>,
    /// Processes that report the pool.
    pub reported: i64,
}
