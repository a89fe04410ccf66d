//! `db_connections`: the Postgres connections that the configuration can amount to, against the maximum.

use crate::base::number::{float, percent};
use crate::payload::shapes::DbConnections;
use crate::platform::gateway::{Amount, GatewaySettings};

/// `db_connections`. `queried` is what the database server answered, where it is asked.
pub(super) fn connections(settings: &GatewaySettings, queried: Option<i64>, instances: i64) -> DbConnections {
    let service = &settings.service_capacity;
    let configured = settings.pools.pg_max_connections.as_ref().map(Amount::whole);
    let size = settings.pools.pg_pool_max_size.as_ref().unwrap_or(&service.concurrent_requests_per_process).whole();
    let processes = match service.processes_per_instance.whole() {
        0 => 1,
        processes => processes,
    };
    let per_instance = size.saturating_mul(processes);
    let total = per_instance.saturating_mul(instances);
    let max = configured.or(queried);
    let limit = max.filter(|max| *max > 0);
    let (level, reason) = limit.and_then(|max| warning(total, max)).unzip();
    DbConnections {
        max_connections: max,
        source: max.map(|_| if configured.is_some() { "config" } else { "query" }.to_owned()),
        pool_max_per_worker: size,
        processes_per_instance: processes,
        estimated_per_instance: per_instance,
        instance_count: instances,
        estimated_total: Some(total),
        percent_of_max: limit.map(|max| percent(total, max)),
        warning: level.is_some(),
        warning_reason: reason,
        warning_level: level.map(str::to_owned),
    }
}

/// The level and the platform's text, from 80 % (rounded down) on.
fn warning(total: i64, max: i64) -> Option<(&'static str, String)> {
    let (level, relation) = if total > max {
        ("exceeds", "exceed")
    } else if total == max {
        ("max", "are at")
    } else if float(total) >= (float(max) * 0.8).trunc() {
        ("high", "are >=80% of")
    } else {
        return None;
    };
    Some((level, format!("Estimated DB connections ({total}) {relation} max_connections ({max}).")))
}

#[cfg(test)]
mod tests {
    use super::warning;

    #[test]
    fn levels_begin_at_their_bounds() {
        let table = [
            (79, 100, None),
            (80, 100, Some("high")),
            (99, 100, Some("high")),
            (100, 100, Some("max")),
            (101, 100, Some("exceeds")),
            (12, 16, Some("high")),
        ];
        for (total, max, expected) in table {
            assert_eq!(warning(total, max).map(|(level, _)| level), expected, "{total} of {max}");
        }
    }
}
