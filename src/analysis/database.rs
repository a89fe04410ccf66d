//! The Postgres connections that the configuration can amount to, and how many the server accepts.

use super::state::{CapacitySource, Database, DatabaseEstimate, DatabaseLimit, LimitOrigin, Reading};
use crate::base::number::count;
use crate::platform::gateway::{Amount, GatewaySettings};

/// Estimate and limit; `queried` is what the database server answered. A configured limit wins.
pub(super) fn database(
    settings: &GatewaySettings,
    queried: Reading<i64>,
    source: &Reading<CapacitySource>,
) -> Database {
    let limit = |origin| move |connections| DatabaseLimit { connections, origin: Some(origin) };
    let estimate = source.as_ref().map(|source| estimate(settings, count(source.alive_instances.len()).max(1)));
    Database {
        limit: match settings.pools.pg_max_connections.as_ref().map(Amount::whole) {
            Some(configured) => Reading::Value(configured).map(limit(LimitOrigin::Config)),
            None => queried.map(limit(LimitOrigin::Query)),
        },
        estimated_total: estimate
            .as_ref()
            .map(|estimate| estimate.per_instance.saturating_mul(estimate.instance_count)),
        estimate,
    }
}

fn estimate(settings: &GatewaySettings, instance_count: i64) -> DatabaseEstimate {
    let service = &settings.service_capacity;
    let pool_size =
        settings.pools.pg_pool_max_size.as_ref().unwrap_or(&service.concurrent_requests_per_process).whole();
    let processes_per_instance = match service.processes_per_instance.whole() {
        0 => 1,
        processes => processes,
    };
    let per_instance = pool_size.saturating_mul(processes_per_instance);
    DatabaseEstimate { pool_size, processes_per_instance, per_instance, instance_count }
}
