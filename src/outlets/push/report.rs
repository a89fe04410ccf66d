//! Delivery reports and per-sink statistics.

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::clock::UnixSeconds;
use crate::telemetry::{ExportEnd, PointCounts};

/// How one delivery to one sink ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Delivery {
    pub name: &'static str,
    pub status: ExportOutcome,
    /// Samples delivered, those of earlier batches included.
    pub samples: u64,
    pub duration_ms: u64,
    pub error: Option<String>,
}

/// How a delivery, or all deliveries of one batch, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportOutcome {
    Ok,
    Partial,
    Failed,
}

impl ExportOutcome {
    /// The common outcome of the deliveries, or `Partial`.
    pub(super) fn of(deliveries: &[Delivery]) -> Self {
        let ok = deliveries.iter().filter(|delivery| delivery.status == Self::Ok).count();
        match ok {
            _ if ok == deliveries.len() => Self::Ok,
            0 => Self::Failed,
            _ => Self::Partial,
        }
    }
}

/// How the deliveries of one batch ended.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Report {
    pub status: ExportOutcome,
    #[schema(value_type = f64)]
    pub ts: UnixSeconds,
    pub sinks: Vec<Delivery>,
    /// Why there are no deliveries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Statistics of one sink since the start.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct SinkStats {
    pub name: &'static str,
    /// Batches by outcome.
    pub ok: u64,
    pub no_data: u64,
    pub failed: u64,
    /// Attempts beyond the first of a batch.
    pub retries: u64,
    #[serde(flatten)]
    pub points: PointCounts,
    /// `None` before the first.
    #[schema(value_type = Option<f64>)]
    pub last_success: Option<UnixSeconds>,
    pub last_error: Option<String>,
    #[schema(value_type = Option<f64>)]
    pub last_error_at: Option<UnixSeconds>,
    pub last_samples: u64,
    pub last_duration_ms: u64,
    /// Id of the snapshot of the last success.
    pub last_snapshot: Option<String>,
}

impl SinkStats {
    /// Counts a delivery.
    pub(super) fn record(&mut self, end: ExportEnd, delivery: &Delivery, now: UnixSeconds) {
        self.last_samples = delivery.samples;
        self.last_duration_ms = delivery.duration_ms;
        match end {
            ExportEnd::Ok => {
                self.ok += 1;
                self.last_success = Some(now);
            }
            ExportEnd::NoData => self.no_data += 1,
            ExportEnd::Failed => {
                self.failed += 1;
                self.last_error.clone_from(&delivery.error);
                self.last_error_at = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(status: ExportOutcome) -> Delivery {
        Delivery { name: "fake", status, samples: 2, duration_ms: 3, error: None }
    }

    #[test]
    fn a_batch_is_partial_if_its_deliveries_disagree() {
        use ExportOutcome::{Failed, Ok, Partial};
        let cases: [(&[ExportOutcome], ExportOutcome); 4] =
            [(&[], Ok), (&[Ok, Ok], Ok), (&[Failed, Failed], Failed), (&[Ok, Failed], Partial)];
        for (statuses, expected) in cases {
            let deliveries: Vec<_> = statuses.iter().map(|status| delivery(*status)).collect();
            assert_eq!(ExportOutcome::of(&deliveries), expected, "{statuses:?}");
        }
    }

    #[test]
    fn each_end_has_its_count_and_its_last_time() {
        use ExportEnd::{Failed, NoData, Ok};
        let mut stats = SinkStats::default();
        for (now, end) in (1_u8..).zip([Ok, Failed, Failed, NoData, Ok, NoData]) {
            stats.record(end, &delivery(ExportOutcome::Ok), f64::from(now));
        }
        assert_eq!((stats.ok, stats.no_data, stats.failed), (2, 2, 2));
        assert_eq!((stats.last_success, stats.last_error_at), (Some(5.0), Some(3.0)));
    }

    #[test]
    fn the_json_of_a_report_keeps_its_field_names() {
        let report =
            Report { status: ExportOutcome::Ok, ts: 1.5, sinks: vec![delivery(ExportOutcome::Ok)], detail: None };
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"status":"ok","ts":1.5,"sinks":[{"name":"fake","status":"ok","samples":2,"duration_ms":3,"error":null}]}"#
        );
    }
}
