//! `db_connections`: the estimate against the limit, with the platform's warnings.

use crate::analysis::state::{LimitOrigin, SystemState};
use crate::base::number::{float, percent};
use crate::payload::shapes::DbConnections;

/// `db_connections`.
pub(super) fn connections(state: &SystemState) -> DbConnections {
    let estimate = state.database.estimate.get().unwrap_or_default();
    let total = state.database.estimated_total.get();
    let limit = state.database.limit.get();
    let max = limit.map(|limit| limit.connections);
    let measured = total.zip(max.filter(|max| *max > 0));
    let (level, reason) = measured.and_then(|(total, max)| warning(total, max)).unzip();
    DbConnections {
        max_connections: max,
        source: limit.and_then(|limit| limit.origin).map(|origin| LimitOrigin::as_str(origin).to_owned()),
        pool_max_per_worker: estimate.pool_size,
        processes_per_instance: estimate.processes_per_instance,
        estimated_per_instance: estimate.per_instance,
        instance_count: estimate.instance_count,
        estimated_total: total,
        percent_of_max: measured.map(|(total, max)| percent(total, max)),
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
