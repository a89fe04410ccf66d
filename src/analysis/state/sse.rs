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
    /// Connections that a replica accepts: the median over instances of what their workers accept.
    pub limit_per_replica: Reading<f64>,
    /// Workers whose sample counts.
    pub workers: i64,
    /// Workers that heartbeat and whose count is unknown: the sums are without them.
    pub unknown_workers: i64,
}

/// The largest share of workers whose count may be unknown where the sums are set against the limit.
const LARGEST_UNKNOWN_SHARE: f64 = 0.1;

impl SseTotals {
    /// Open connections and their limit; absent without a limit, and where too many workers' counts are unknown.
    #[must_use]
    pub fn against_limit(&self) -> Reading<(f64, f64)> {
        let unknown = float(self.unknown_workers);
        if unknown > LARGEST_UNKNOWN_SHARE * (float(self.workers) + unknown) {
            return Reading::absent(Cause::UnknownWorkers);
        }
        let max = self.max.clone().filter(|max| *max > 0, || Cause::NoLimitConfigured);
        self.connections.clone().zip(max).map(|(connections, max)| (float(connections), float(max)))
    }
}
