//! `pools_aggregate`: the pools of a component, and their windows.

use super::windows;
use crate::analysis::state::{PoolTotals, SystemState};
use crate::base::number::round;
use crate::payload::shapes::{PerPool, PoolsAggregate, PostgresTotals, RedisPoolTotals, RedisTotals};
use crate::platform::facts::{Component, Pool, RollingSeries};

/// A component's pools.
pub(super) fn aggregate(state: &SystemState, component: Component) -> PoolsAggregate {
    let totals = |pool| state.pools.get(&(component, pool)).cloned().unwrap_or_default();
    PoolsAggregate {
        postgres: postgres(&totals(Pool::Postgres)),
        redis: RedisTotals {
            asynchronous: redis(&totals(Pool::RedisAsync)),
            async_decode: redis(&totals(Pool::RedisAsyncDecode)),
            sync: redis(&totals(Pool::RedisSync)),
        },
        utilization_windows: per_pool(state, |pool| RollingSeries::PoolUtilization(component, pool)),
        in_use_windows: per_pool(state, |pool| RollingSeries::PoolInUse(component, pool)),
    }
}

fn postgres(totals: &PoolTotals) -> PostgresTotals {
    PostgresTotals {
        max_total: totals.max.get(),
        size_total: totals.size.get(),
        available_total: totals.available.get(),
        in_use_total: totals.in_use.get(),
        utilization_percent: utilization_percent(totals),
        reported_processes: totals.reported,
    }
}

fn redis(totals: &PoolTotals) -> RedisPoolTotals {
    RedisPoolTotals {
        max_total: totals.max.get(),
        in_use_total: totals.in_use.get(),
        available_total: totals.available.get(),
        total_total: totals.size.get(),
        utilization_percent: utilization_percent(totals),
        reported_processes: totals.reported,
    }
}

fn utilization_percent(totals: &PoolTotals) -> Option<f64> {
    totals.utilization.get().map(|ratio| round(ratio * 100.0, 1))
}

fn per_pool(state: &SystemState, series: impl Fn(Pool) -> RollingSeries) -> PerPool {
    let mut windows = PerPool::default();
    for pool in Pool::ALL {
        *windows.get_mut(pool) = windows::rolling(state, series(pool));
    }
    windows
}
