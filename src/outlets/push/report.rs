//! What is told of deliveries: of one, of a round, and of a sink since the start.

use serde::Serialize;

use crate::base::clock::UnixSeconds;
use crate::telemetry::ExportEnd;
use crate::telemetry::PointCounts;

/// How one delivery to one sink ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    pub name: &'static str,
    pub status: ExportOutcome,
    /// Samples that arrived, those that had waited included.
    pub samples: u64,
    pub duration_ms: u64,
    pub error: Option<String>,
}

/// In the words of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportOutcome {
    Ok,
    Partial,
    Failed,
}

impl ExportOutcome {
    /// Of a round: as its deliveries where they agree.
    pub(super) fn of(deliveries: &[Delivery]) -> Self {
        let ok = deliveries.iter().filter(|delivery| delivery.status == Self::Ok).count();
        match ok {
            _ if ok == deliveries.len() => Self::Ok,
            0 => Self::Failed,
            _ => Self::Partial,
        }
    }
}

/// How one round ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub status: ExportOutcome,
    pub ts: UnixSeconds,
    pub sinks: Vec<Delivery>,
    /// What there is to say beyond the sinks, as when none is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'static str>,
}

/// What is known of one sink since the start.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SinkStats {
    pub name: &'static str,
    /// Rounds that ended, by how.
    pub ok: u64,
    pub no_data: u64,
    pub failed: u64,
    /// Attempts beyond the first of a round.
    pub retries: u64,
    #[serde(flatten)]
    pub points: PointCounts,
    /// Unix time; `None` before the first.
    pub last_success: Option<UnixSeconds>,
    pub last_error: Option<String>,
    pub last_error_at: Option<UnixSeconds>,
    pub last_samples: u64,
    pub last_duration_ms: u64,
}

impl SinkStats {
    /// Counts a delivery; gives whether it is the first good or bad one after the other.
    pub(super) fn count(&mut self, end: ExportEnd, delivery: &Delivery, now: UnixSeconds) -> bool {
        let was_bad = self.last_error_at > self.last_success;
        self.last_samples = delivery.samples;
        self.last_duration_ms = delivery.duration_ms;
        match end {
            ExportEnd::Ok => {
                self.ok += 1;
                self.last_success = Some(now);
                was_bad
            }
            ExportEnd::NoData => {
                self.no_data += 1;
                false
            }
            ExportEnd::Failed => {
                self.failed += 1;
                self.last_error.clone_from(&delivery.error);
                self.last_error_at = Some(now);
                !was_bad
            }
        }
    }
}
