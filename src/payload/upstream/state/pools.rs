//! Connection pools.

use std::collections::BTreeMap;

use super::Sides;
use crate::analysis::state::PoolTotals;
use crate::payload::shapes::{PoolsAggregate, SystemPayload};
use crate::platform::facts::{Component, Pool};

/// All pools.
pub(super) fn pools(system: &SystemPayload, sides: &Sides<'_>) -> BTreeMap<(Component, Pool), PoolTotals> {
    let nothing = PoolsAggregate::default();
    let mut totals = BTreeMap::new();
    for component in Component::ALL {
        let sent = system.components.get(component).map_or(&nothing, |found| &found.pools_aggregate);
        totals.extend(Pool::ALL.into_iter().map(|pool| ((component, pool), pool_totals(sent, sides, component, pool))));
    }
    totals
}

fn pool_totals(sent: &PoolsAggregate, sides: &Sides<'_>, component: Component, pool: Pool) -> PoolTotals {
    let (place, numbers) = numbers(sent, pool);
    let base = format!("components.{}.pools_aggregate.{place}", component.as_str());
    let value = |field: &str, value| sides.reading(component, &format!("{base}.{field}"), value);
    PoolTotals {
        max: value("max_total", numbers.max),
        size: value(if pool == Pool::Postgres { "size_total" } else { "total_total" }, numbers.size),
        available: value("available_total", numbers.available),
        in_use: value("in_use_total", numbers.in_use),
        utilization: value("utilization_percent", numbers.percent).map(|percent| {
            // The percentage has one decimal; what it is made of has more.
            let capacity = numbers.max.or(numbers.size).filter(|capacity| *capacity > 0.0);
            numbers.in_use.zip(capacity).map_or(percent / 100.0, |(in_use, capacity)| in_use / capacity)
        }),
        reported: numbers.reported,
    }
}

/// A pool's numbers, whichever shape they were sent in.
struct PoolNumbers {
    max: Option<f64>,
    size: Option<f64>,
    available: Option<f64>,
    in_use: Option<f64>,
    percent: Option<f64>,
    reported: i64,
}

fn numbers(sent: &PoolsAggregate, pool: Pool) -> (&'static str, PoolNumbers) {
    let (place, redis) = match pool {
        Pool::Postgres => {
            let sent = &sent.postgres;
            let numbers = PoolNumbers {
                max: sent.max_total,
                size: sent.size_total,
                available: sent.available_total,
                in_use: sent.in_use_total,
                percent: sent.utilization_percent,
                reported: sent.reported_processes,
            };
            return ("postgres", numbers);
        }
        Pool::RedisAsync => ("redis.async", &sent.redis.asynchronous),
        Pool::RedisAsyncDecode => ("redis.async_decode", &sent.redis.async_decode),
        Pool::RedisSync => ("redis.sync", &sent.redis.sync),
    };
    let numbers = PoolNumbers {
        max: redis.max_total,
        size: redis.total_total,
        available: redis.available_total,
        in_use: redis.in_use_total,
        percent: redis.utilization_percent,
        reported: redis.reported_processes,
    };
    (place, numbers)
}
