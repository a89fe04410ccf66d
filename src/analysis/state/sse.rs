//! SSE connections, summed over the ingress workers.

use super::{Cause, Reading};
use crate::base::number::float;

/// Sums of the samples that count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SseTotals {
    pub connections: Reading<i64>,
    /// 0 = no limit configured.
    pub max: Reading<i64>,
    pub sessions: Reading<i64>,
    /// Workers whose sample counts.
    pub workers: i64,
}

impl SseTotals {
    /// Open connections and their limit; absent without a limit.
    #[must_use]
    pub fn against_limit(&self) -> Reading<(f64, f64)> {
        let max = self.max.clone().filter(|max| *max > 0, || Cause::NoLimitConfigured);
        self.connections.clone().zip(max).map(|(connections, max)| (float(connections), float(max)))
    }
}
