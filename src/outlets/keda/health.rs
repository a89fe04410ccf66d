//! `grpc.health.v1`: serving while there is a fresh snapshot, as `/readyz` has it.

use std::time::Duration;

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::health_reporter;

use crate::engine::snapshot::SnapshotReader;

/// How often readiness is looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// The server as a whole, and the scaler by its name.
const SERVICES: [&str; 2] = ["", "externalscaler.ExternalScaler"];

/// The service, and what keeps it up to date for as long as it is polled.
pub(super) fn service(
    reader: SnapshotReader,
) -> (HealthServer<impl Health>, impl Future<Output = ()> + Send + 'static) {
    let (reporter, service) = health_reporter();
    let report = async move {
        let mut reported = None;
        loop {
            let is_ready = reader.is_ready();
            if reported != Some(is_ready) {
                let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
                for name in SERVICES {
                    reporter.set_service_status(name, status).await;
                }
                reported = Some(is_ready);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    (service, report)
}
